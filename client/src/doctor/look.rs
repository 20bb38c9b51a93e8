//! Looks at this computer, without changing anything; without a PIN too, unless a trial is wanted.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::io::card::{self, CardError, FULL_TRIES, Facts, Seen};
use tokenvpn_common::io::clock;
use tokenvpn_common::io::holder::Holder;
use tokenvpn_common::language::say;
use tokenvpn_common::profile::DEFAULT_MTU;
use tokenvpn_common::status::Status;
use tokenvpn_common::token::Content;

use super::residue::left_behind;
use super::trial::Trial;
use super::{Finding, Wait, in_path};
use crate::commands::{status, up};
use crate::config;
use crate::net::dns::{self, RESOLV_CONF, Resolver};
use crate::runtime::{DIRECTORY, Runtime};
use crate::words::SOON_DAYS;

/// What goes out for a packet of a tunnel.
#[derive(Clone, Copy)]
pub(super) struct Load {
    /// The longest packet, in bytes.
    pub(super) mtu: u16,
    /// Whether it is wrapped in IPv6.
    pub(super) is_v6: bool,
}

impl Load {
    /// Of a profile that nobody has looked into.
    const USUAL: Load = Load {
        mtu: DEFAULT_MTU,
        is_v6: false,
    };

    /// What is added to a packet: headers of IP and UDP, and WireGuard's 32 bytes.
    fn overhead(self) -> u32 {
        match self.is_v6 {
            true => 40 + 8 + 32,
            false => 20 + 8 + 32,
        }
    }

    fn longest(self) -> u32 {
        u32::from(self.mtu) + self.overhead()
    }
}

/// What is known of gateways, and what goes to them.
#[derive(Default)]
pub(super) struct Gateways {
    pub(super) findings: Vec<Finding>,
    pub(super) loads: Vec<Load>,
    /// What tunnels that do not stand keep closed.
    pub(super) closed: Vec<Finding>,
    /// The tunnel of a running `up` that has taken a token.
    pub(super) with_token: Option<String>,
}

/// Everything, in the order in which it is needed.
pub(crate) fn at_everything(trial: Option<Trial>) -> Vec<Finding> {
    let now = clock::unix_time();
    // First, as it starts a process and may ask for a PIN.
    let Gateways {
        findings: gateways,
        loads,
        closed,
        with_token,
    } = gateways(now, trial);
    let load = loads.into_iter().max_by_key(|load| load.longest());
    let mut findings = Vec::new();
    findings.push(match up::may_make_tunnels() {
        true => Finding::Permitted,
        false => Finding::NotPermitted,
    });
    findings.push(match up::open_tun() {
        Ok(()) => Finding::Tun,
        Err(error) => Finding::NoTun {
            reason: error.to_string(),
        },
    });
    findings.extend(cards(now, asks_for_a_pin(&gateways)));
    let is_told = with_token.is_some()
        || gateways.iter().any(has_chosen)
        || !matches!(config::token(Path::new(config::PATH)), Ok(None));
    if !is_told {
        findings.extend(several(&findings));
    }
    findings.push(resolver());
    findings.push(match now < UnixTime::EARLIEST {
        true => Finding::ClockWrong { now },
        false => Finding::Clock { now },
    });
    findings.extend(ways_out(&tunnels(&gateways), load.unwrap_or(Load::USUAL)));
    findings.extend(closed);
    findings.extend(gateways);
    let left = left_behind();
    match left.is_empty() {
        true => findings.push(Finding::Tidy),
        false => findings.extend(left.into_iter().map(Finding::Left)),
    }
    findings
}

/// Whether this is an `up` that several tokens do not keep from going on.
fn has_chosen(finding: &Finding) -> bool {
    matches!(finding, Finding::NotConnected { state, .. } if state != "pick_token")
}

/// What an `up` that nobody tells which token to take says to these findings.
fn several(findings: &[Finding]) -> Option<Finding> {
    let is_token = |finding: &&Finding| matches!(finding, Finding::Token { .. });
    let number = findings.iter().filter(is_token).count();
    (number > 1).then_some(Finding::SeveralTokens { number })
}

/// The service, its readers, and what is in them.
fn cards(now: UnixTime, asking: Option<&str>) -> Vec<Finding> {
    let readers = match card::readers() {
        Ok(readers) => readers,
        Err(CardError::NoService) => return vec![Finding::NoService],
        Err(CardError::NoPermission) => return vec![Finding::ServiceRefuses],
        Err(error) => {
            let reason = error.to_string();
            return vec![Finding::ServiceFails { reason }];
        }
    };
    let mut findings = vec![Finding::Service];
    if readers.is_empty() {
        findings.push(Finding::NoReader);
        return findings;
    }
    let reader = |name| Finding::Reader { name };
    findings.extend(readers.into_iter().map(reader));
    match card::list() {
        Ok(seen) if seen.is_empty() => findings.push(Finding::NoToken),
        Ok(seen) => findings.extend(seen.into_iter().flat_map(|seen| token(seen, now, asking))),
        Err(error) => findings.push(Finding::ServiceFails {
            reason: error.to_string(),
        }),
    }
    findings
}

fn token(seen: Seen, now: UnixTime, asking: Option<&str>) -> Vec<Finding> {
    let Seen { reader, card } = seen;
    let facts = match card {
        Ok(facts) => facts,
        Err(CardError::Busy { holders, .. }) => {
            return vec![match asking.map(str::to_owned) {
                Some(interface) => Finding::TokenAsked { interface },
                None => Finding::TokenBusy {
                    holders: holders.iter().map(Holder::to_string).collect(),
                },
            }];
        }
        Err(CardError::Unsupported { .. }) => return vec![Finding::Unsupported { reader }],
        Err(error) => {
            let reason = error.to_string();
            return vec![Finding::TokenFails { reader, reason }];
        }
    };
    let Facts {
        ident: token,
        room,
        tries_left,
        ref label,
        ..
    } = facts;
    let name = match label {
        Content::Holds(label) => Some(label.name.clone()),
        _ => None,
    };
    let mut findings = vec![
        Finding::Token { token, name },
        Finding::Room { token, bytes: room },
    ];
    match tries_left {
        0 => findings.push(Finding::PinBlocked { token }),
        FULL_TRIES.. => {}
        left => findings.push(Finding::FewTries { token, left }),
    }
    findings.push(match label {
        Content::Holds(label) => match label.not_after {
            Some(not_after) if not_after < now => Finding::ProfileExpired { token, not_after },
            Some(not_after) if not_after.days_since(now) < SOON_DAYS => {
                Finding::ProfileExpiresSoon {
                    token,
                    not_after,
                    now,
                }
            }
            not_after => Finding::Profile { token, not_after },
        },
        Content::Empty => Finding::NoLabel { token },
        Content::Foreign => Finding::BadLabel {
            token,
            what: say().data_of_another_program(),
        },
        Content::Damaged { check } => Finding::BadLabel {
            token,
            what: check.to_string(),
        },
        Content::TooNew { what } => Finding::BadLabel {
            token,
            what: what.to_string(),
        },
    });
    findings
}

fn resolver() -> Finding {
    match dns::resolver() {
        Resolver::Resolved if in_path("resolvectl").is_some() => Finding::TellsResolved,
        Resolver::Resolved => Finding::NoResolvectl,
        Resolver::File if Path::new(RESOLV_CONF).exists() => Finding::MountsFile,
        Resolver::File => Finding::NoResolvConf,
    }
}

/// The tunnels among these findings.
fn tunnels(gateways: &[Finding]) -> Vec<&str> {
    let findings = gateways.iter();
    let interfaces = findings.filter_map(|finding| match finding {
        Finding::Connected { interface, .. } | Finding::NotConnected { interface, .. } => {
            Some(interface.as_str())
        }
        _ => None,
    });
    interfaces.collect()
}

/// The tunnel among these findings that holds a token meanwhile.
fn asks_for_a_pin(gateways: &[Finding]) -> Option<&str> {
    gateways.iter().find_map(|finding| match finding {
        Finding::NotConnected { interface, state } if Wait::of(state) == Some(Wait::Pin) => {
            Some(interface.as_str())
        }
        _ => None,
    })
}

/// The interfaces of default routes, by the kernel's tables (proc_pid_net(5)); what leads into
/// a tunnel leads nowhere by itself.
fn ways_out(tunnels: &[&str], load: Load) -> Vec<Finding> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let mut interfaces = default_routes(&read("/proc/net/route"), &read("/proc/net/ipv6_route"));
    interfaces.retain(|interface| !tunnels.contains(&interface.as_str()));
    interfaces.sort();
    interfaces.dedup();
    let findings: Vec<_> = interfaces
        .into_iter()
        .filter_map(|interface| {
            let mtu = fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?;
            let mtu = mtu.trim().parse().ok()?;
            Some(way_out(interface, mtu, load))
        })
        .collect();
    match findings.is_empty() {
        true => vec![Finding::NoWayOut],
        false => findings,
    }
}

fn way_out(interface: String, mtu: u32, load: Load) -> Finding {
    match mtu < load.longest() {
        true => Finding::NarrowWayOut {
            interface,
            mtu,
            whole: mtu.saturating_sub(load.overhead()),
            longest: load.mtu,
        },
        false => Finding::WayOut { interface, mtu },
    }
}

fn default_routes(v4: &str, v6: &str) -> Vec<String> {
    // Interface, destination, gateway, flags, …, mask at place 7; all in hexadecimal.
    let of_v4 = v4.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_default = fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000");
        is_default.then(|| fields[0].to_owned())
    });
    // Destination, its length, …, interface. The kernel's own unreachable one is at lo.
    let of_v6 = v6.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let interface = *fields.last()?;
        (fields.get(1) == Some(&"00") && interface != "lo").then(|| interface.to_owned())
    });
    of_v4.chain(of_v6).collect()
}

/// What running tunnels say of their gateways, and what a trial finds if none has a token.
fn gateways(now: UnixTime, trial: Option<Trial>) -> Gateways {
    let files = fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
    let interfaces = files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        let interface = name.strip_suffix(".sock")?;
        (interface != "gateway").then(|| interface.to_owned())
    });
    // In whatever order the kernel lists them.
    let interfaces: BTreeSet<String> = interfaces.collect();
    let mut known = Gateways::default();
    for interface in interfaces {
        // A socket that a killed one left is told among the leftovers.
        let Ok(status) = running(&interface) else {
            continue;
        };
        if status.token.is_some() {
            known.with_token = Some(interface.clone());
        }
        known.loads.extend(load(&status));
        let mut networks = status.closed.clone();
        let ways: Vec<_> = status
            .peers
            .iter()
            .flat_map(|p| p.allowed_ips.clone())
            .collect();
        let found = gateway(interface.clone(), status, now);
        let is_connected = matches!(found, Finding::Connected { .. });
        if is_connected {
            networks.retain(|network| !ways.iter().any(|way| way.contains(network)));
        }
        if !networks.is_empty() {
            known.closed.push(Finding::Closed {
                interface,
                networks,
                is_connected,
            });
        }
        known.findings.push(found);
    }
    match (trial, known.with_token.clone()) {
        (Some(_), Some(interface)) => known.findings.push(Finding::GatewaysLeft { interface }),
        (Some(trial), None) => {
            let tried = trial.run();
            known.findings.extend(tried.findings);
            known.loads.extend(tried.loads);
        }
        (None, _) if known.findings.is_empty() => known.findings.push(Finding::GatewayUnchecked),
        (None, _) => {}
    }
    known
}

/// What goes out for the tunnel of an `up`, if it has one.
fn load(status: &Status) -> Option<Load> {
    let mut endpoints = status.peers.iter().filter_map(|peer| peer.endpoint);
    Some(Load {
        mtu: status.mtu?,
        is_v6: endpoints.any(|endpoint| endpoint.is_ipv6()),
    })
}

fn running(interface: &str) -> io::Result<Status> {
    let line = status::ask(
        &Runtime::new(interface),
        crate::supervisor::ControlRequest::Status,
    )?;
    Ok(serde_json::from_str(&line)?)
}

fn gateway(interface: String, status: Status, now: UnixTime) -> Finding {
    let peer = status.peers.first().filter(|_| status.state == "up");
    match peer {
        Some(peer) => Finding::Connected {
            interface,
            gateway: peer.name.clone(),
            handshake: peer.latest_handshake.map(|at| now.0.saturating_sub(at.0)),
        },
        None => Finding::NotConnected {
            interface,
            state: status.state,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_told_from_others() {
        let v4 = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n\
                  eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n\
                  eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n";
        let v6 = format!(
            "{0} 00 {0} 00 {0} 00000400 1 0 00000003 wlan0\n\
             fd000000000000000000000000000000 40 {0} 00 {0} 00000100 1 0 00000001 eth2\n\
             {0} 00 {0} 00 {0} ffffffff 1 0 00200200       lo\n",
            "0".repeat(32)
        );
        assert_eq!(default_routes(v4, &v6), ["eth0", "wlan0"]);
        assert_eq!(default_routes("", ""), [""; 0]);
    }

    #[test]
    fn a_link_is_wide_enough_for_what_is_sent_over_it() {
        let narrow = |mtu, load| match way_out("eth0".into(), mtu, load) {
            Finding::WayOut { .. } => None,
            Finding::NarrowWayOut { whole, longest, .. } => Some((whole, longest)),
            other => panic!("{other:?}"),
        };
        assert_eq!(narrow(1480, Load::USUAL), None);
        assert_eq!(narrow(1479, Load::USUAL), Some((1419, 1420)));
        let small = |is_v6| Load { mtu: 1280, is_v6 };
        assert_eq!(narrow(1340, small(false)), None);
        assert_eq!(narrow(1359, small(true)), Some((1279, 1280)));
        assert_eq!(narrow(1360, small(true)), None);
    }
}

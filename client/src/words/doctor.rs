//! What `doctor` says of its findings, and what to do about them.

use std::net::SocketAddr;

use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::profile::MTU_RANGE;

use super::status::closed;
use super::{count, down, left_until, let_go, list, milliseconds, minute, state_name, tries};
use crate::doctor::residue::Trace;
use crate::doctor::{Finding, NoAnswer, Others, Verdict, Wait};
use crate::message::TRIAL_TIME;
use crate::words::{Failure, code, printable, printable_lines};

/// All findings, one a line, with what to do below those that need something done.
pub(crate) fn findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut problems = 0;
    for (at, finding) in findings.iter().enumerate() {
        let mark = match finding.verdict() {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Problem => "problem",
            Verdict::Unchecked => "unknown",
        };
        problems += u64::from(finding.verdict() == Verdict::Problem);
        let (check, what) = (finding.check(), found(finding));
        text.push_str(&format!("{mark:<9}{check:<12}{what}\n"));
        // What helps against several in a row is said once.
        let next = findings.get(at + 1).and_then(remedy);
        if let Some(remedy) = remedy(finding).filter(|own| Some(own) != next.as_ref()) {
            text.push_str(&format!("{:<21}hint: {remedy}\n", ""));
        }
    }
    text.push_str(&match problems {
        0 => "No problem found.\n".to_owned(),
        problems => format!("{} found.\n", count(problems, "problem")),
    });
    text
}

/// What is so.
pub(crate) fn found(finding: &Finding) -> String {
    use Finding as F;
    let text = match finding {
        F::Permitted => "this user may make tunnels".into(),
        F::NotPermitted => "this user may not make tunnels (CAP_NET_ADMIN)".into(),
        F::Tun => "/dev/net/tun can be opened".into(),
        F::NoTun { reason } => format!("/dev/net/tun cannot be opened: {reason}"),
        F::Service => "the smart-card service answers".into(),
        F::NoService => "no smart-card service answers".into(),
        F::ServiceRefuses => "the smart-card service refuses this user".into(),
        F::ServiceFails { reason } => format!("the smart-card service fails: {reason}"),
        F::Reader { name } => name.clone(),
        F::NoReader => "no card reader is plugged in".into(),
        F::NoToken => "no token is plugged in".into(),
        F::TokenBusy { holders } if holders.is_empty() => "another program holds a token".into(),
        F::TokenBusy { holders } => {
            format!("another program holds a token (likely {})", list(holders))
        }
        F::TokenAsked { .. } => "tokenvpn up has the token, and waits for its PIN".into(),
        F::Unsupported { reader } => format!("the card in {reader} cannot hold a profile"),
        F::TokenFails { reader, reason } => format!("the card in {reader}: {reason}"),
        F::Token { token, name: None } => token.to_string(),
        F::Token {
            token,
            name: Some(name),
        } => format!("{token} ({name})"),
        F::FewTries { token, left } => format!("{token} has {} left", tries(*left)),
        F::PinBlocked { token } => format!("the PIN of {token} is blocked; nothing was erased"),
        F::Room { token, bytes } => format!("{token} has {bytes} bytes for a profile"),
        F::Profile {
            token,
            not_after: None,
        } => format!("{token} has one, which never expires"),
        F::Profile {
            token,
            not_after: Some(end),
        } => format!("{token} has one, until {}", end.day()),
        F::ProfileExpiresSoon {
            token,
            not_after,
            now,
        } => format!(
            "that of {token} expires {} ({})",
            left_until(*not_after, *now),
            not_after.day()
        ),
        F::ProfileExpired { token, not_after } => {
            format!("that of {token} expired on {}", not_after.day())
        }
        F::NoLabel { token } => {
            format!("{token} has no label: only its PIN shows whether it has a profile")
        }
        F::BadLabel { token, what } => format!("the label of {token} cannot be used ({what})"),
        F::TellsResolved => "systemd-resolved answers, and takes name servers".into(),
        F::NoResolvectl => "systemd-resolved answers, but resolvectl is missing".into(),
        F::MountsFile => "/etc/resolv.conf can be replaced while a tunnel is up".into(),
        F::NoResolvConf => "there is no /etc/resolv.conf to replace".into(),
        F::Clock { now } => format!("it is {}", minute(*now)),
        F::ClockWrong { now } => format!("it cannot be {}", minute(*now)),
        F::Closed {
            interface,
            networks,
        } => format!("until {interface} is up, {}", closed(networks)),
        F::WayOut { interface, mtu } => format!("a way out through {interface}, MTU {mtu}"),
        F::NarrowWayOut {
            interface,
            mtu,
            whole,
            longest,
        } => format!(
            "the way out through {interface}, MTU {mtu}, carries a tunnel's packets whole up to \
             {whole} bytes, and they have up to {longest}"
        ),
        F::NoWayOut => "no way out of this computer (no default route)".into(),
        F::Connected {
            interface,
            gateway,
            handshake: None,
        } => format!("{interface} is connected to {gateway}"),
        F::Connected {
            interface,
            gateway,
            handshake: Some(seconds),
        } => format!("{interface} is connected to {gateway}, last handshake {seconds} s ago"),
        F::NotConnected { interface, state } => {
            let state = state_name(state);
            format!("{interface} is running and not connected: {state}")
        }
        F::GatewaysLeft { .. } => "not asked one by one: tokenvpn up has the token".into(),
        F::GatewayUnchecked => "not tried: where it is stands behind the token's PIN".into(),
        F::GatewayAnswers {
            endpoint,
            address,
            round_trip_ms,
        } => {
            let place = place(endpoint, address);
            format!(
                "{place} answered the token in {}",
                milliseconds(*round_trip_ms)
            )
        }
        F::NoAnswer {
            endpoint,
            address,
            why,
            ..
        } => {
            let place = place(endpoint, address);
            match why {
                NoAnswer::Silent => {
                    format!("{place} has not answered within {} s", TRIAL_TIME.as_secs())
                }
                NoAnswer::Refused => format!("nobody listens at {place}"),
                NoAnswer::Unsent { reason } => format!("{place} cannot be reached: {reason}"),
            }
        }
        F::GatewayUnresolved { name, .. } => format!("the name {name} cannot be looked up"),
        F::GatewaysUntried(failure) => format!("not tried: {}", failure.what),
        F::Tidy => "nothing is left of an earlier run".into(),
        F::Left(left) => trace(left),
    };
    printable_lines(&text)
}

/// What to do about it, if anything.
pub(crate) fn remedy(finding: &Finding) -> Option<String> {
    use Finding as F;
    Some(match finding {
        F::NotPermitted => "run it as root: sudo tokenvpn doctor".into(),
        F::NoTun { .. } => "try: sudo modprobe tun; in a container pass /dev/net/tun in".into(),
        F::NoService => "try: sudo systemctl start pcscd.socket (Debian: apt install pcscd)".into(),
        F::ServiceRefuses => "run it as root, or install tokenvpn's polkit rule for pcscd".into(),
        F::ServiceFails { .. } => "try: sudo systemctl restart pcscd".into(),
        F::NoReader => {
            "plug in a reader or a token with one inside; pcscd needs its driver (libccid)".into()
        }
        F::NoToken => "plug in your YubiKey, Nitrokey or OpenPGP card".into(),
        F::TokenBusy { holders } => let_go(holders).into(),
        F::TokenAsked { interface } => format!("type it there, or end that: {}", down(interface)),
        F::Unsupported { .. } => "cards that can: YubiKey 5, Nitrokey 3, SmartPGP".into(),
        F::TokenFails { .. } => "pull it, plug it in again, and try another port".into(),
        F::FewTries { .. } => "type the right PIN once; it restores all tries".into(),
        F::PinBlocked { .. } => {
            "unblock it with its reset code or admin PIN: tokenvpn token unblock".into()
        }
        F::ProfileExpiresSoon { .. } | F::ProfileExpired { .. } => {
            "ask your administrator to renew it: tokenvpn token renew".into()
        }
        F::NoLabel { .. } => "look with the PIN: tokenvpn token show".into(),
        F::BadLabel { .. } => {
            "look with the PIN: tokenvpn token show; then have it issued again".into()
        }
        F::NoResolvectl => "install it (Debian: apt install systemd-resolved)".into(),
        F::NoResolvConf => "a profile with name servers needs one: touch /etc/resolv.conf".into(),
        F::ClockWrong { .. } => "set it: timedatectl set-ntp true".into(),
        F::NarrowWayOut { whole, .. } if *whole >= u32::from(*MTU_RANGE.start()) => format!(
            "longer ones go in pieces, slowly if at all: ask your administrator for an MTU of \
             {whole}, or use another network"
        ),
        F::NarrowWayOut { .. } => {
            "longer ones go in pieces, slowly if at all: use another network".into()
        }
        F::Closed { interface, .. } => format!(
            "so it was asked to (kill switch, or hold on removal); to end that: {}",
            down(interface)
        ),
        F::NoWayOut => "is this computer on a network? see: ip route".into(),
        F::NotConnected { state, .. } => match Wait::of(state) {
            Some(Wait::Token) => "plug it in; tokenvpn up goes on from there",
            Some(Wait::Holder) => "it goes on once it can have the token",
            Some(Wait::Pin) => "type it where tokenvpn up asks for it",
            Some(Wait::Gateway) => "look again in a moment",
            None if state == "unreachable" || state == "lost" => {
                "see what tokenvpn up says; is UDP let out here?"
            }
            None => "see what tokenvpn up says",
        }
        .into(),
        F::GatewaysLeft { interface } => {
            let down = down(interface);
            format!("to have each of them asked, end that first: {down}")
        }
        F::GatewayUnchecked => "try it, with the PIN: tokenvpn doctor --gateways".into(),
        F::NoAnswer {
            why: NoAnswer::Silent,
            others: Others::Silent,
            ..
        } => "UDP may be blocked here (try another network), the gateway may be down, this \
              computer's clock may be wrong, or the token is no longer enrolled there (ask your \
              administrator)"
            .into(),
        F::NoAnswer {
            why: NoAnswer::Silent,
            others: Others::AnotherGatewayAnswers,
            ..
        } => "another gateway answers, so UDP gets out: this one may be down, or no longer know \
              the token; ask your administrator"
            .into(),
        F::NoAnswer {
            why: NoAnswer::Silent,
            others: Others::SameGatewayAnswers,
            ..
        } => "its gateway answers elsewhere, so it knows the token: only this way to it is \
              closed; ask your administrator"
            .into(),
        F::NoAnswer {
            why: NoAnswer::Refused,
            ..
        } => "the gateway does not run there, or on another port: ask your administrator".into(),
        F::NoAnswer {
            why: NoAnswer::Unsent { .. },
            address,
            ..
        } => format!(
            "this computer has no way there, or its own firewall forbids it; see: ip route get {}",
            address.ip()
        ),
        F::GatewayUnresolved { name, .. } => {
            format!("is a name server within reach? see: getent hosts {name}")
        }
        F::GatewaysUntried(failure) => printable(&failure.hint),
        F::Left(Trace::Interface { .. }) => {
            "whose is it? see: ip -d link; tokenvpn up --interface takes another name".into()
        }
        F::Left(_) => "put it back: sudo tokenvpn down (with --interface for another name)".into(),
        F::Permitted
        | F::Tun
        | F::Service
        | F::Reader { .. }
        | F::Token { .. }
        | F::Room { .. }
        | F::Profile { .. }
        | F::TellsResolved
        | F::MountsFile
        | F::Clock { .. }
        | F::WayOut { .. }
        | F::Connected { .. }
        | F::GatewayAnswers { .. }
        | F::Tidy => return None,
    })
}

/// An endpoint as the profile has it, and where that is.
fn place(endpoint: &Endpoint, address: &SocketAddr) -> String {
    match endpoint {
        Endpoint::Host { .. } => format!("{endpoint} ({})", address.ip()),
        Endpoint::Address(_) => endpoint.to_string(),
    }
}

/// The PIN was right, and what comes next takes a moment.
pub(crate) fn asking_gateways(addresses: usize) -> String {
    let addresses = match addresses {
        1 => "1 address".into(),
        addresses => format!("{addresses} addresses"),
    };
    let seconds = TRIAL_TIME.as_secs();
    format!("Asking at {addresses} whether a gateway answers, for {seconds} s at most…")
}

/// Somebody has ended the trial before its time.
pub(crate) fn interrupted_trial() -> Failure {
    Failure::new(code::OTHER, "it was ended", "start it again to ask them")
}

/// Everything of ours on this computer.
pub(crate) fn residue(traces: &[Trace]) -> String {
    if traces.is_empty() {
        return "Nothing of tokenvpn is on this computer but the program itself: no process, no \
                interface, no rule, no name server, no file.\n"
            .into();
    }
    let mut text = String::new();
    for left in traces {
        text.push_str(&format!("{}\n", printable_lines(&trace(left))));
    }
    text.push_str("hint: sudo tokenvpn down ends what runs and puts everything back\n");
    text
}

/// One thing of ours.
pub(crate) fn trace(trace: &Trace) -> String {
    match trace {
        Trace::Process { pid } => format!("a tokenvpn is running: process {pid}"),
        Trace::Interface { name } => format!("the tunnel device {name}"),
        Trace::Rule { priority } => format!("a routing rule of priority {priority}"),
        Trace::Mount { file } => {
            format!(
                "name servers of a tunnel: {} over /etc/resolv.conf",
                file.display()
            )
        }
        Trace::File { path } if path.extension().is_some_and(|end| end == "fence") => format!(
            "the way around a tunnel is closed by an up that is gone: {}",
            path.display()
        ),
        Trace::File { path } => format!("the file {}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::mem::discriminant;

    use tokenvpn_common::clock::UnixTime;

    use super::*;

    /// One of each, several of those that are told in several ways.
    fn all() -> Vec<Finding> {
        use Finding as F;
        let token = "0006:12345678".parse().unwrap();
        let time = UnixTime(1_795_165_920);
        let text = || "text".to_owned();
        let endpoint: Endpoint = "203.0.113.5:51820".parse().unwrap();
        let address: SocketAddr = "203.0.113.5:51820".parse().unwrap();
        let no_answer = |why, others| F::NoAnswer {
            endpoint: endpoint.clone(),
            address,
            why,
            others,
        };
        let narrow = |whole| F::NarrowWayOut {
            interface: text(),
            mtu: 1400,
            whole,
            longest: 1420,
        };
        let closed = |network: &str| F::Closed {
            interface: text(),
            networks: vec![network.parse().unwrap()],
        };
        let not_connected = |state: &str| F::NotConnected {
            interface: text(),
            state: state.into(),
        };
        vec![
            F::Permitted,
            F::NotPermitted,
            F::Tun,
            F::NoTun { reason: text() },
            F::Service,
            F::NoService,
            F::ServiceRefuses,
            F::ServiceFails { reason: text() },
            F::Reader { name: text() },
            F::NoReader,
            F::NoToken,
            F::TokenBusy {
                holders: Vec::new(),
            },
            F::TokenAsked { interface: text() },
            F::Unsupported { reader: text() },
            F::TokenFails {
                reader: text(),
                reason: text(),
            },
            F::Token { token, name: None },
            F::FewTries { token, left: 2 },
            F::PinBlocked { token },
            F::Room { token, bytes: 254 },
            F::Profile {
                token,
                not_after: None,
            },
            F::ProfileExpiresSoon {
                token,
                not_after: time,
                now: time,
            },
            F::ProfileExpired {
                token,
                not_after: time,
            },
            F::NoLabel { token },
            F::BadLabel {
                token,
                what: text(),
            },
            F::TellsResolved,
            F::NoResolvectl,
            F::MountsFile,
            F::NoResolvConf,
            F::Clock { now: time },
            F::ClockWrong { now: time },
            F::WayOut {
                interface: text(),
                mtu: 1500,
            },
            narrow(1340),
            narrow(1240),
            F::NoWayOut,
            closed("10.0.0.0/8"),
            closed("::/0"),
            F::Connected {
                interface: text(),
                gateway: text(),
                handshake: None,
            },
            not_connected("waiting_token"),
            not_connected("token_busy"),
            not_connected("pin"),
            not_connected("connecting"),
            not_connected("unreachable"),
            not_connected("expired"),
            F::GatewaysLeft { interface: text() },
            F::GatewayUnchecked,
            F::GatewayAnswers {
                endpoint: endpoint.clone(),
                address,
                round_trip_ms: 41,
            },
            no_answer(NoAnswer::Silent, Others::Silent),
            no_answer(NoAnswer::Silent, Others::AnotherGatewayAnswers),
            no_answer(NoAnswer::Silent, Others::SameGatewayAnswers),
            no_answer(NoAnswer::Refused, Others::Silent),
            no_answer(NoAnswer::Unsent { reason: text() }, Others::Silent),
            F::GatewayUnresolved {
                name: text(),
                others_answer: false,
            },
            F::GatewaysUntried(interrupted_trial()),
            F::Tidy,
            F::Left(Trace::Interface { name: text() }),
            F::Left(Trace::Process { pid: 7 }),
        ]
    }

    #[test]
    fn whatever_is_not_well_can_be_cured() {
        let all = all();
        for finding in &all {
            let is_well = finding.verdict() == Verdict::Ok;
            assert_eq!(remedy(finding).is_none(), is_well, "{finding:?}");
        }
        let source = include_str!("../doctor.rs");
        let (_, after) = source.split_once("pub(crate) enum Finding {\n").unwrap();
        let (variants, _) = after.split_once("\n}\n").unwrap();
        let is_variant = |line: &&str| {
            line.trim_start_matches("    ")
                .starts_with(char::is_uppercase)
        };
        let kinds: HashSet<_> = all.iter().map(discriminant).collect();
        assert_eq!(kinds.len(), variants.lines().filter(is_variant).count());
    }

    #[test]
    fn nobody_is_told_to_kill_what_does_not_hold_the_token() {
        let cure = |holders: &[&str]| {
            let holders = holders.iter().map(|holder| (*holder).to_owned()).collect();
            remedy(&Finding::TokenBusy { holders }).unwrap()
        };
        assert!(cure(&[]).contains("killscd"));
        assert!(cure(&["scdaemon, pid 7", "tokenvpn, pid 8"]).contains("killscd"));
        assert!(cure(&["tokenvpn, pid 8"]).contains("tokenvpn down"));
        assert!(cure(&["opensc-tool, pid 9"]).starts_with("end that program"));
    }

    #[test]
    fn an_up_that_waits_is_no_problem() {
        let verdict = |state: &str| {
            let finding = Finding::NotConnected {
                interface: "tokenvpn".into(),
                state: state.into(),
            };
            finding.verdict()
        };
        for state in [
            "waiting_token",
            "token_removed",
            "pin",
            "pin_last",
            "connecting",
        ] {
            assert_eq!(verdict(state), Verdict::Unchecked, "{state}");
        }
        for state in ["unreachable", "lost", "expired", "a_later_one"] {
            assert_eq!(verdict(state), Verdict::Problem, "{state}");
        }
    }

    #[test]
    fn a_finding_that_is_not_well_comes_with_what_to_do() {
        let text = findings(&[
            Finding::Tun,
            Finding::NoReader,
            Finding::Left(Trace::Rule { priority: 29_800 }),
            Finding::Left(Trace::Rule { priority: 29_801 }),
        ]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "ok       tun         /dev/net/tun can be opened");
        assert_eq!(
            lines[1],
            "problem  reader      no card reader is plugged in"
        );
        assert!(lines[2].trim_start().starts_with("hint: "), "{text}");
        // The last two have the same remedy.
        assert!(lines[5].trim_start().starts_with("hint: "), "{text}");
        assert_eq!(lines[6], "3 problems found.");
        assert_eq!(lines.len(), 7);
    }
}

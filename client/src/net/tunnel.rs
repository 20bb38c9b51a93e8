//! The tunnel as this computer sees it: device, sockets, addresses, routes, DNS.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use nix::net::if_::if_nametoindex;
use tokenvpn_common::device::packets_per_train;
use tokenvpn_common::io::netlink::{Netlink, NetlinkError, Rule};
use tokenvpn_common::io::tun::{self, Offload, TunError, TunOptions};
use tokenvpn_common::io::udp::{self, BindError, UdpPair};
use tokenvpn_common::language::say;

use crate::message::Summary;
use crate::net::dns::{self, DnsError, Resolver};
use crate::net::fence;
use crate::net::inquiry::Inquiry;
use crate::net::journal::{Journal, JournalError, Step};
use crate::net::route::{self, Plan, REVERSE_PATH_FILTER};
use crate::words::{self, State};

/// Why the tunnel was not made. Everything done so far was undone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TunnelError {
    /// The device.
    #[error(transparent)]
    Tun(#[from] TunError),
    /// The sockets.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Addresses, routes, rules.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// Name servers.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// The list of what to undo.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It is on elsewhere, but cannot be turned on for the device.
    #[error("{}", say().ipv6_stays_off())]
    Ipv6(#[source] io::Error),
    /// Anything else.
    #[error("{}", say().descriptors_not_kept())]
    Descriptor(#[from] io::Error),
}

/// A tunnel that stands. [`Tunnel::clear`] takes it down.
pub(crate) struct Tunnel {
    /// Keeps the device there until the worker is dead, so that nothing meant for
    /// the tunnel leaves in clear while it dies.
    device: OwnedFd,
    interface: String,
    /// What leads into it.
    plan: Plan,
    journal: Journal,
    port: u16,
    /// How names are looked up past it.
    inquiry: Inquiry,
}

/// What the worker needs to carry packets.
pub(crate) struct Ends {
    /// What the kernel does for the TUN queue.
    pub(crate) offload: Offload,
    queue: OwnedFd,
    v4: OwnedFd,
    v6: Option<OwnedFd>,
}

impl Ends {
    /// The queue, the IPv4 socket and, if there is one, the IPv6 socket.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let v6 = self.v6.iter();
        [&self.queue, &self.v4]
            .into_iter()
            .chain(v6)
            .map(OwnedFd::as_fd)
            .collect()
    }
}

impl Tunnel {
    /// Makes the device `interface` with all that the profile asks for, to gateways at
    /// `endpoints`. `directory` is ours, under /run. What is `closed` leads into the device
    /// too, where what the profile does not allow is dropped: a computer that checks the way
    /// back to each source would else take no datagram of a gateway in there, and the main
    /// table, which is asked about more than the profile's networks, could know a way.
    ///
    /// # Errors
    /// [`TunnelError`]
    pub(crate) fn build(
        interface: &str,
        directory: &Path,
        summary: &Summary,
        endpoints: &BTreeSet<IpAddr>,
        closed: &[IpNet],
    ) -> Result<(Tunnel, Ends), TunnelError> {
        let mut journal = Journal::open(&journal_path(directory, interface))?;
        let built = Tunnel::build_with(
            &mut journal,
            interface,
            directory,
            summary,
            endpoints,
            closed,
        );
        match built {
            Ok((device, plan, inquiry, port, ends)) => Ok((
                Tunnel {
                    device,
                    interface: interface.to_owned(),
                    plan,
                    journal,
                    port,
                    inquiry,
                },
                ends,
            )),
            Err(error) => {
                journal.undo();
                Err(error)
            }
        }
    }

    fn build_with(
        journal: &mut Journal,
        interface: &str,
        directory: &Path,
        summary: &Summary,
        endpoints: &BTreeSet<IpAddr>,
        closed: &[IpNet],
    ) -> Result<(OwnedFd, Plan, Inquiry, u16, Ends), TunnelError> {
        let (_, mut queues) = tun::open(&TunOptions {
            name: Some(interface.to_owned()),
            queues: 1,
            mtu: summary.mtu,
        })?;
        let queue = queues.pop().expect("invariant: one queue was asked for");
        let offload = queue.offload();
        let queue = OwnedFd::from(queue);
        let device = queue.try_clone()?;
        let index = if_nametoindex(interface).map_err(io::Error::from)?;
        let mark = route::mark(index);

        let udp = udp::bind(0, Some(mark), 1)?
            .pop()
            .expect("invariant: one pair was asked for");
        let port = udp.port()?;
        let (v4, v6) = UdpPair::into_fds(udp);

        let mut netlink = Netlink::open()?;
        netlink.link_up(interface, summary.mtu)?;
        // Most of what a client sends is its own, and a super-packet then leaves as one train.
        netlink.limit_segments(interface, packets_per_train(summary.mtu))?;
        let has_ipv6 = let_ipv6_in(Path::new(IPV6), interface).map_err(TunnelError::Ipv6)?;
        let usable = |network: &&IpNet| has_ipv6 || matches!(network, IpNet::V4(_));
        for address in summary.addresses.iter().filter(usable) {
            // Only what the profile allows is routed: the address brings no network along.
            netlink.add_address(interface, IpNet::from(address.addr()))?;
        }
        let mut allowed: Vec<_> = summary.allowed_ips.iter().filter(usable).copied().collect();
        let left_out = summary.allowed_ips.iter().filter(|net| !usable(net));
        let left_out: Vec<_> = left_out.copied().collect();
        if !left_out.is_empty() {
            tracing::warn!(
                left_out = left_out.len(),
                "IPv6 is off on this computer; its routes are left out"
            );
        }
        allowed.extend(closed.iter().filter(usable));
        let endpoints: Vec<_> = endpoints.iter().copied().collect();
        let plan = Plan::new(&allowed, &endpoints, mark, !closed.is_empty());
        for (network, table) in &plan.routes {
            netlink.add_route(interface, *network, *table)?;
        }
        if plan.needs_loose_reverse_path() {
            loosen_reverse_path(journal)?;
        }
        // Another device may have IPv6 later, and what is meant for the tunnel must not leave
        // there in the clear.
        let shut = match closed.is_empty() {
            true => fence::rules(&left_out, mark),
            false => Vec::new(),
        };
        for rule in plan.rules.iter().chain(&shut) {
            add_rule(journal, &mut netlink, rule)?;
        }
        let inside: Vec<_> = summary.addresses.iter().map(IpNet::addr).collect();
        let inquiry = Inquiry::past_tunnel(mark, &inside, &summary.dns);
        if !summary.dns.is_empty() {
            set_dns(journal, interface, directory, &summary.dns)?;
        }
        Ok((
            device,
            plan,
            inquiry,
            port,
            Ends {
                offload,
                queue,
                v4,
                v6,
            },
        ))
    }

    /// The mark of the tunnel's own datagrams.
    pub(crate) fn mark(&self) -> u32 {
        self.inquiry.mark()
    }

    /// How names are looked up past it.
    pub(crate) fn inquiry(&self) -> &Inquiry {
        &self.inquiry
    }

    /// The UDP port of both sockets.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Lets nothing lead into it any more but what is `closed`, its profile's networks among
    /// it. With nothing closed it has no other routes.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn narrow(&mut self, closed: &[IpNet]) -> Result<(), NetlinkError> {
        let closed: Vec<IpNet> = closed.iter().map(IpNet::trunc).collect();
        let mut netlink = Netlink::open()?;
        let opened = self
            .plan
            .routes
            .extract_if(.., |(network, _)| !closed.contains(network));
        for (network, table) in opened {
            match netlink.del_route(&self.interface, network, table) {
                Ok(()) | Err(NetlinkError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Puts everything back. The worker has to be dead.
    pub(crate) fn clear(mut self) {
        // First, or packets would leave in the clear while there still is a tunnel.
        drop(self.device);
        self.journal.undo();
    }
}

/// Where the journal of an interface's tunnel lies.
pub(crate) fn journal_path(directory: &Path, interface: &str) -> PathBuf {
    directory.join(format!("{interface}.journal"))
}

/// Adds a rule that is undone later, unless it is there already: then it is somebody else's.
fn add_rule(journal: &mut Journal, netlink: &mut Netlink, rule: &Rule) -> Result<(), TunnelError> {
    journal.add(Step::Rule(*rule))?;
    let added = netlink.add_rule(rule);
    if let Err(NetlinkError::Exists { .. }) = added {
        journal.withdraw()?;
    }
    Ok(added?)
}

/// The settings of IPv6, a directory for each interface (ip-sysctl of the kernel's
/// documentation, `conf/interface/*`).
const IPV6: &str = "/proc/sys/net/ipv6/conf";

/// Whether the interface takes IPv6 addresses. It may be off for new ones only: where another
/// has it, what the profile leads into the tunnel would leave there in the clear, so it is
/// turned on for this one. It may also be off for all of them, or not be in the kernel.
///
/// # Errors
/// It cannot be turned on.
fn let_ipv6_in(settings: &Path, interface: &str) -> io::Result<bool> {
    let switch = |name: &str| settings.join(name).join("disable_ipv6");
    let is_on =
        |name: &str| fs::read_to_string(switch(name)).is_ok_and(|disabled| disabled.trim() == "0");
    if is_on(interface) {
        return Ok(true);
    }
    let names = fs::read_dir(settings).into_iter().flatten().flatten();
    let mut names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let is_other = |name: &str| !["all", "default", "lo", interface].contains(&name);
    if !names.any(|name| is_other(&name) && is_on(&name)) {
        return Ok(false);
    }
    fs::write(switch(interface), "0")?;
    Ok(true)
}

/// Lets answers of the gateway pass where the reverse path filter is strict.
///
/// The filter looks its source up without our mark, finds the tunnel, and drops what
/// came in through another interface. The loose mode (RFC 3704 §2.4) asks only for some
/// route. The highest of `all` and the interface's own value counts.
fn loosen_reverse_path(journal: &mut Journal) -> Result<(), TunnelError> {
    const LOOSE: &str = "2";
    const STRICT: &str = "1";
    let _turn = journal.turn();
    let directory = Path::new("/proc/sys/net/ipv4/conf");
    let path = PathBuf::from(REVERSE_PATH_FILTER);
    let value = |interface: &Path| {
        let text = fs::read_to_string(interface.join("rp_filter")).unwrap_or_default();
        text.trim().to_owned()
    };
    let mut before = value(&directory.join("all"));
    if before == LOOSE {
        // Whichever tunnel ends last puts back what was there before the first.
        match journal.value_before(&path) {
            Some(original) => before = original,
            None => return Ok(()),
        }
    } else {
        let mut interfaces = fs::read_dir(directory)?.flatten();
        if !interfaces.any(|entry| value(&entry.path()) == STRICT) {
            return Ok(());
        }
    }
    tracing::info!(path = %path.display(), "set to loose while the tunnel is up");
    journal.add(Step::Parameter {
        path: path.clone(),
        before,
        after: LOOSE.into(),
    })?;
    fs::write(&path, LOOSE)?;
    Ok(())
}

fn set_dns(
    journal: &mut Journal,
    interface: &str,
    directory: &Path,
    servers: &[IpAddr],
) -> Result<(), TunnelError> {
    match dns::resolver() {
        Resolver::Resolved => dns::tell_resolved(interface, servers)?,
        Resolver::File => {
            let file = directory.join(format!("{interface}.resolv.conf"));
            let target = PathBuf::from(dns::RESOLV_CONF);
            journal.add(Step::Mount {
                file: file.clone(),
                target: target.clone(),
            })?;
            dns::mount_over(&file, &target, servers)?;
        }
    }
    Ok(())
}

impl From<TunnelError> for State {
    fn from(error: TunnelError) -> State {
        match &error {
            TunnelError::Tun(TunError::NoPermission | TunError::NoDevice)
            | TunnelError::Bind(BindError::NoPermission { .. })
            | TunnelError::Netlink(NetlinkError::NoPermission { .. }) => State::NoPermission {
                what: words::with_causes(&error),
                cards: false,
            },
            _ => words::no_tunnel(&error).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokenvpn_common::io::netlink::{Family, MAIN_TABLE};

    use super::*;
    use crate::net::world;

    #[test]
    fn a_rule_that_was_there_before_the_tunnel_survives_it() {
        if world::is_outside("a_rule_that_was_there_before_the_tunnel_survives_it") {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let rule = Rule {
            family: Family::V4,
            priority: 29_800,
            destination: None,
            table: Some(MAIN_TABLE),
            mark: None,
            not_mark: None,
            mark_mask: None,
            suppress_prefix_length: Some(0),
        };
        let mut netlink = Netlink::open().unwrap();
        netlink.add_rule(&rule).unwrap();
        let mut journal = Journal::open(&directory.path().join("a.journal")).unwrap();
        let refused = add_rule(&mut journal, &mut netlink, &rule);
        assert!(matches!(
            refused,
            Err(TunnelError::Netlink(NetlinkError::Exists { .. }))
        ));
        journal.undo();
        netlink.del_rule(&rule).expect("it is still there");
    }

    #[test]
    fn ipv6_is_on_for_the_tunnel_wherever_it_is_on_for_another_device() {
        let settings = tempfile::tempdir().unwrap();
        let set = |name: &str, disabled: &str| {
            fs::create_dir_all(settings.path().join(name)).unwrap();
            fs::write(settings.path().join(name).join("disable_ipv6"), disabled).unwrap();
        };
        let own = || fs::read_to_string(settings.path().join("tun/disable_ipv6")).unwrap();
        let let_in = || let_ipv6_in(settings.path(), "tun");
        assert!(!let_in().unwrap(), "not in the kernel");
        set("all", "0\n");
        set("default", "1\n");
        set("lo", "0\n");
        set("tun", "1\n");
        set("eth0", "1\n");
        assert!(!let_in().unwrap() && own() == "1\n");
        set("wlan0", "0\n");
        assert!(let_in().unwrap() && own() == "0");
        assert!(let_in().unwrap());
        fs::remove_dir_all(settings.path().join("tun")).unwrap();
        assert!(let_in().is_err(), "nothing is left to leave in the clear");
    }

    #[test]
    fn two_tunnels_with_a_default_route_stand_beside_each_other() {
        if world::is_outside("two_tunnels_with_a_default_route_stand_beside_each_other") {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let mut netlink = Netlink::open().unwrap();
        let allowed = ["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        let [mut one, other] = [7, 8].map(|index| {
            let mut journal = Journal::open(&journal_path(directory.path(), &index.to_string()));
            let plan = Plan::new(&allowed, &[], route::mark(index), false);
            for rule in &plan.rules {
                add_rule(journal.as_mut().unwrap(), &mut netlink, rule).unwrap();
            }
            (journal.unwrap(), plan)
        });
        one.0.undo();
        for rule in &other.1.rules {
            netlink.del_rule(rule).expect("it is still there");
        }
        for rule in &one.1.rules {
            let gone = netlink.del_rule(rule);
            assert!(matches!(gone, Err(NetlinkError::Missing { .. })));
        }
    }
}

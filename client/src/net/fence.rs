//! A fence round networks: they lead into the tunnel or nowhere, whether it stands or not.
//!
//! Its rules come after the tunnel's and before the main table's. They let pass what the main
//! table sends to a more specific network, so that what is on this computer's own links
//! stays reachable, and the datagrams of tunnels. It has a journal of its own, which a killed
//! supervisor leaves behind: the way stays closed then.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tokenvpn_common::io::netlink::{Family, MAIN_TABLE, Netlink, NetlinkError, Rule};

use crate::net::journal::{Journal, JournalError, Step};
use crate::net::route::{ANY_OF_OURS, OURS, family_of, suppressed};
use crate::words::{self, State};

/// The first place after all that a tunnel's rules can have ([`Plan`](super::route::Plan)):
/// two for each of 129 lengths of a prefix.
const FIRST_PRIORITY: u32 = 30_400;

/// Everything there is.
pub(crate) fn everything() -> [IpNet; 2] {
    [Ipv4Net::default().into(), Ipv6Net::default().into()]
}

/// Why there is no fence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FenceError {
    /// The rules.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The list of what to undo.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<FenceError> for State {
    fn from(error: FenceError) -> State {
        match error {
            FenceError::Netlink(NetlinkError::NoPermission { .. }) => State::NoPermission {
                what: words::not_closed(&error),
                cards: false,
            },
            _ => words::no_fence(&error).into(),
        }
    }
}

/// The rules of one interface's fence that stand.
pub(crate) struct Fence {
    interface: String,
    journal: Journal,
}

impl Fence {
    /// The fence that a predecessor left, or none.
    ///
    /// # Errors
    /// Its journal cannot be read.
    pub(crate) fn open(directory: &Path, interface: &str) -> Result<Fence, JournalError> {
        Ok(Fence {
            interface: interface.to_owned(),
            journal: Journal::open(&journal_path(directory, interface))?,
        })
    }

    /// Whether any network is behind it.
    pub(crate) fn stands(&self) -> bool {
        !self.journal.is_empty()
    }

    /// What is behind it.
    pub(crate) fn networks(&self) -> Vec<IpNet> {
        let steps = self.journal.steps().iter();
        let nowhere = steps.filter_map(|step| match step {
            Step::Rule(rule) if rule.table.is_none() => Some(rule),
            _ => None,
        });
        let network = |rule: &Rule| {
            rule.destination.unwrap_or(match rule.family {
                Family::V4 => Ipv4Net::default().into(),
                Family::V6 => Ipv6Net::default().into(),
            })
        };
        nowhere.map(network).collect()
    }

    /// What passes it, as a tunnel's datagrams do.
    pub(crate) fn mark(&self) -> u32 {
        mark(&self.interface)
    }

    /// Puts it round these networks and no others. At no moment is one of them outside that
    /// was inside before.
    ///
    /// # Errors
    /// The kernel refuses, or the journal cannot be kept. What stands then stays.
    pub(crate) fn enclose(&mut self, networks: &[IpNet]) -> Result<(), FenceError> {
        let rules = rules(networks, self.mark());
        let mut netlink = Netlink::open()?;
        for rule in &rules {
            let step = Step::Rule(*rule);
            if !self.journal.has(&step) {
                self.journal.add(step)?;
            }
            match netlink.add_rule(rule) {
                // A predecessor's, or ours.
                Ok(()) | Err(NetlinkError::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let is_wanted = |step: &Step| matches!(step, Step::Rule(rule) if rules.contains(rule));
        Ok(self.journal.undo_unless(is_wanted)?)
    }

    /// Takes it away.
    pub(crate) fn lift(&mut self) {
        self.journal.undo();
    }
}

/// Where the journal of an interface's fence lies.
pub(crate) fn journal_path(directory: &Path, interface: &str) -> PathBuf {
    directory.join(format!("{interface}.fence"))
}

/// A mark of ours that tells the rules of one interface's fence from another's.
fn mark(interface: &str) -> u32 {
    // FNV-1a, folded to 16 bits.
    let hash = interface.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    OURS | (hash ^ hash >> 16) & 0xffff
}

/// The datagrams of tunnels pass. Then two rules for each network: the main table may know
/// better, and if it does not, nothing leads there. The more specific network comes first,
/// as it would in a table. A kernel without IPv6 takes no rules of it and needs none.
pub(super) fn rules(networks: &[IpNet], mark: u32) -> Vec<Rule> {
    let has_ipv6 = Path::new("/proc/sys/net/ipv6").exists();
    let networks: BTreeSet<IpNet> = networks.iter().map(IpNet::trunc).collect();
    let mut rules = Vec::new();
    for family in [Family::V4, Family::V6] {
        if family == Family::V6 && !has_ipv6 {
            continue;
        }
        let pass = Rule {
            family,
            priority: FIRST_PRIORITY,
            destination: None,
            table: Some(MAIN_TABLE),
            mark: Some(mark),
            not_mark: None,
            mark_mask: Some(ANY_OF_OURS),
            suppress_prefix_length: None,
        };
        let mut of_family = networks.iter().filter(|net| family_of(net) == family);
        let pairs = of_family.clone().flat_map(|network| pair(*network, pass));
        rules.extend(of_family.next().map(|_| pass));
        rules.extend(pairs);
    }
    rules
}

fn pair(network: IpNet, pass: Rule) -> [Rule; 2] {
    let length = u32::from(network.prefix_len());
    let main = Rule {
        priority: FIRST_PRIORITY + 1 + 2 * (128 - length),
        destination: (length > 0).then_some(network),
        // Any mark: it only says whose rule this is.
        mark_mask: Some(0),
        suppress_prefix_length: Some(suppressed(pass.family, network.prefix_len())),
        ..pass
    };
    let nowhere = Rule {
        priority: main.priority + 1,
        table: None,
        suppress_prefix_length: None,
        ..main
    };
    [main, nowhere]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::world;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn shown(networks: &[&str]) -> Vec<String> {
        let mut rules = rules(&nets(networks), mark("a"));
        rules.sort_by_key(|rule| rule.priority);
        let text = |rule: &Rule| {
            let to = rule.destination.map_or("all".into(), |net| net.to_string());
            match (rule.table, rule.suppress_prefix_length) {
                (Some(MAIN_TABLE), Some(length)) => format!("{to}: main without /{length}"),
                (Some(MAIN_TABLE), None) => "tunnels pass".to_owned(),
                (None, None) => format!("{to}: nowhere"),
                _ => panic!("{rule:?}"),
            }
        };
        rules.iter().map(text).collect()
    }

    #[test]
    fn the_more_specific_network_is_closed_first() {
        assert_eq!(
            shown(&["10.0.0.0/8", "10.20.0.0/16", "0.0.0.0/0"]),
            [
                "tunnels pass",
                "10.20.0.0/16: main without /16",
                "10.20.0.0/16: nowhere",
                "10.0.0.0/8: main without /8",
                "10.0.0.0/8: nowhere",
                "all: main without /7",
                "all: nowhere",
            ]
        );
    }

    #[test]
    fn it_comes_after_every_tunnel_and_before_the_main_table() {
        let networks: Vec<IpNet> = (0..=128)
            .map(|length| format!("2001:db8::/{length}").parse().unwrap())
            .collect();
        let plan = crate::net::route::Plan::new(&networks, &[], OURS | 7, true);
        let last = plan.rules.iter().map(|rule| rule.priority).max();
        assert!(last < Some(FIRST_PRIORITY), "{last:?}");
        let rules = rules(&networks, mark("a"));
        assert!(rules.iter().all(|rule| rule.priority < 32_766));
    }

    #[test]
    fn it_spares_every_tunnels_datagrams_and_has_no_rule_in_common_with_another() {
        let [one, other] = ["tokenvpn", "work"].map(|name| rules(&everything(), mark(name)));
        assert!(one.iter().all(|rule| !other.contains(rule)));
        for family in [Family::V4, Family::V6] {
            let of_family = one.iter().filter(|rule| rule.family == family);
            let first = of_family.min_by_key(|rule| rule.priority).unwrap();
            assert_eq!(first.mark.unwrap() & first.mark_mask.unwrap(), OURS);
            assert_eq!((first.destination, first.table), (None, Some(MAIN_TABLE)));
        }
    }

    fn ip(words: &str) -> bool {
        let output = std::process::Command::new("ip")
            .args(words.split(' '))
            .output();
        output.unwrap().status.success()
    }

    #[test]
    fn wide_routes_that_somebody_pushes_lead_nowhere_and_the_own_link_stays() {
        if world::is_outside("wide_routes_that_somebody_pushes_lead_nowhere_and_the_own_link_stays")
        {
            return;
        }
        let made = [
            "link add eth0 type veth peer name eth1",
            "link set eth1 up",
            "link set eth0 up",
            "address add 192.168.1.2/24 dev eth0",
            "address add 2001:db8::2/64 dev eth0 nodad",
            "route add default via 192.168.1.1",
            "route add 0.0.0.0/1 via 192.168.1.1",
            "route add 128.0.0.0/1 via 192.168.1.1",
            "route add 96.0.0.0/7 via 192.168.1.1",
            "-6 route add 2000::/3 via 2001:db8::1",
        ];
        for words in made {
            assert!(ip(words), "{words}");
        }
        let away = ["198.51.100.1", "10.1.2.3", "96.1.2.3", "2001:4860::1"];
        let near = ["192.168.1.7", "2001:db8::7"];
        let leads = |address: &str| ip(&format!("route get {address}"));
        assert!(away.into_iter().chain(near).all(leads));

        let directory = tempfile::tempdir().unwrap();
        let mut fence = Fence::open(directory.path(), "a").unwrap();
        fence.enclose(&everything()).unwrap();
        for address in away {
            assert!(!leads(address), "{address}");
        }
        assert!(near.into_iter().all(leads));
        fence.lift();
        assert!(away.into_iter().all(leads));
    }

    fn listed() -> String {
        ["-4", "-6"]
            .map(|family| {
                let output = std::process::Command::new("ip")
                    .args([family, "rule"])
                    .output();
                String::from_utf8(output.unwrap().stdout).unwrap()
            })
            .concat()
    }

    #[test]
    fn what_is_new_inside_is_closed_and_what_is_not_any_more_is_opened() {
        if world::is_outside("what_is_new_inside_is_closed_and_what_is_not_any_more_is_opened") {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let before = listed();
        let mut fence = Fence::open(directory.path(), "a").unwrap();
        assert!(!fence.stands());
        fence.enclose(&everything()).unwrap();
        let closed = listed();
        assert_eq!(closed.matches("unreachable").count(), 2, "{closed}");
        drop(fence);

        // Its successor takes it over, and closes what somebody has opened.
        let mut fence = Fence::open(directory.path(), "a").unwrap();
        assert!(fence.stands());
        assert_eq!(fence.networks(), everything());
        Netlink::open()
            .unwrap()
            .del_rule(&rules(&everything(), mark("a"))[1])
            .unwrap();
        fence.enclose(&everything()).unwrap();
        assert_eq!(listed(), closed);
        fence.enclose(&nets(&["10.20.0.0/16"])).unwrap();
        let narrow = listed();
        assert!(narrow.contains("to 10.20.0.0/16"), "{narrow}");
        assert_eq!(fence.networks(), nets(&["10.20.0.0/16"]));
        assert_eq!(narrow.matches("unreachable").count(), 1, "{narrow}");
        fence.lift();
        assert_eq!(listed(), before);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

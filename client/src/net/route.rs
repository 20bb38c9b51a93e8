//! Which routes and rules lead the allowed IPs into the tunnel, and its own datagrams past it.
//!
//! As wg-quick(8) does: what cannot catch the gateway's own address goes into the
//! main table. The rest, a default route above all, gets tables of its own, which
//! only packets without the tunnel's mark look into; so does everything behind a fence.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use tokenvpn_common::io::netlink::{Family, MAIN_TABLE, Rule};

/// The kernel parameter that drops what comes in where the routes do not lead out
/// (ip-sysctl of the kernel's documentation, `rp_filter`).
pub(crate) const REVERSE_PATH_FILTER: &str = "/proc/sys/net/ipv4/conf/all/rp_filter";

/// Our rules come before the main table's (32766, ip-rule(8)) and after those of
/// programs that know nothing of us, which use the low numbers.
const FIRST_PRIORITY: u32 = 29_800;

/// Marks and tables begin with these bits, so that they can be told from others'.
pub(super) const OURS: u32 = 0x7400_0000;

/// The bits of a mark that say that a datagram is some tunnel's own.
pub(super) const ANY_OF_OURS: u32 = 0xffff_0000;

/// The mark of the tunnel's own datagrams; each interface has another.
pub(crate) fn mark(interface_index: u32) -> u32 {
    OURS | (interface_index & 0xffff)
}

/// Whether a mark or table is a tunnel's of ours.
pub(crate) fn is_ours(mark_or_table: u32) -> bool {
    mark_or_table & 0xff00_0000 == OURS
}

/// What in the main table counts as more specific than a network of this length, as the
/// longest prefix that does not. Nobody's own link is as wide as these, but whoever hands
/// out this computer's address can push routes as wide, which would go past the tunnel for
/// everything (CVE-2024-3661).
pub(super) fn suppressed(family: Family, length: u8) -> u32 {
    let widest = match family {
        Family::V4 => 7,
        Family::V6 => 31,
    };
    u32::from(length).max(widest)
}

/// The routes and rules for one tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Networks and the table each belongs into.
    pub(crate) routes: Vec<(IpNet, u32)>,
    /// The rules, each before it is needed.
    pub(crate) rules: Vec<Rule>,
}

impl Plan {
    /// Plans for `allowed` networks, gateways at `endpoints`, and the tunnel's `mark`.
    /// Behind a fence nothing goes into the main table, where the fence would not let it
    /// through.
    pub(crate) fn new(allowed: &[IpNet], endpoints: &[IpAddr], mark: u32, fenced: bool) -> Plan {
        let allowed: BTreeSet<IpNet> = allowed.iter().map(IpNet::trunc).collect();
        let catches = |network: &IpNet| {
            fenced
                || network.prefix_len() == 0
                || endpoints.iter().any(|address| network.contains(address))
        };
        let (own, main): (Vec<IpNet>, Vec<IpNet>) = allowed.into_iter().partition(catches);
        let mut plan = Plan {
            routes: main
                .into_iter()
                .map(|network| (network, MAIN_TABLE))
                .collect(),
            rules: Vec::new(),
        };
        for family in [Family::V4, Family::V6] {
            plan.add_own(&own, family, mark);
        }
        plan
    }

    /// One table for each prefix length, the longest asked first, so that a route of
    /// the main table still wins where it is the more specific one.
    ///
    /// Every rule names the tunnel's mark, so no two tunnels have a rule in common; by
    /// the mask it spares all tunnels' datagrams, so none goes round through another.
    fn add_own(&mut self, own: &[IpNet], family: Family, mark: u32) {
        let of_family = own.iter().filter(|network| family_of(network) == family);
        let lengths: BTreeSet<u8> = of_family.clone().map(IpNet::prefix_len).collect();
        for (at, length) in (0u32..).zip(lengths.into_iter().rev()) {
            let table = mark | (at << 16);
            let priority = FIRST_PRIORITY + 2 * at;
            self.rules.push(Rule {
                family,
                priority,
                destination: None,
                table: Some(MAIN_TABLE),
                mark: None,
                not_mark: Some(mark),
                mark_mask: Some(ANY_OF_OURS),
                suppress_prefix_length: Some(suppressed(family, length)),
            });
            self.rules.push(Rule {
                family,
                priority: priority + 1,
                destination: None,
                table: Some(table),
                mark: None,
                not_mark: Some(mark),
                mark_mask: Some(ANY_OF_OURS),
                suppress_prefix_length: None,
            });
            let routes = of_family.clone().filter(|net| net.prefix_len() == length);
            self.routes.extend(routes.map(|network| (*network, table)));
        }
    }

    /// Whether answers of the gateway come in where the routes would not lead out: a
    /// strict reverse path filter would drop them.
    pub(crate) fn needs_loose_reverse_path(&self) -> bool {
        self.rules.iter().any(|rule| rule.family == Family::V4)
    }
}

pub(super) fn family_of(network: &IpNet) -> Family {
    match network {
        IpNet::V4(_) => Family::V4,
        IpNet::V6(_) => Family::V6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: u32 = OURS | 7;

    fn plan(allowed: &[&str], endpoints: &[&str]) -> Plan {
        let allowed: Vec<IpNet> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        let endpoints: Vec<IpAddr> = endpoints.iter().map(|text| text.parse().unwrap()).collect();
        Plan::new(&allowed, &endpoints, MARK, false)
    }

    fn routes(plan: &Plan) -> Vec<String> {
        let table = |table| match table {
            MAIN_TABLE => "main".to_owned(),
            other => format!("own {}", (other >> 16) & 0xff),
        };
        let routes = plan.routes.iter();
        routes
            .map(|(net, number)| format!("{net} {}", table(*number)))
            .collect()
    }

    fn rules(plan: &Plan) -> Vec<String> {
        let text = |rule: &Rule| match (rule.suppress_prefix_length, rule.not_mark) {
            (Some(length), Some(MARK)) => format!("{:?} main without /{length}", rule.family),
            (None, Some(MARK)) => {
                let table = rule.table.expect("a table of its own");
                format!("{:?} own {}", rule.family, (table >> 16) & 0xff)
            }
            _ => panic!("{rule:?}"),
        };
        plan.rules.iter().map(text).collect()
    }

    #[test]
    fn networks_without_the_gateway_go_into_the_main_table_and_need_no_rule() {
        let plan = plan(&["10.0.0.0/8", "fd00::/64"], &["203.0.113.5"]);
        assert_eq!(routes(&plan), ["10.0.0.0/8 main", "fd00::/64 main"]);
        assert_eq!(plan.rules, []);
        assert!(!plan.needs_loose_reverse_path());
    }

    #[test]
    fn a_default_route_leaves_the_local_network_reachable() {
        let plan = plan(&["0.0.0.0/0", "::/0"], &["203.0.113.5"]);
        assert_eq!(routes(&plan), ["0.0.0.0/0 own 0", "::/0 own 0"]);
        assert_eq!(
            rules(&plan),
            [
                "V4 main without /7",
                "V4 own 0",
                "V6 main without /31",
                "V6 own 0"
            ]
        );
        assert!(plan.needs_loose_reverse_path());
    }

    #[test]
    fn a_network_that_contains_its_gateway_never_swallows_the_tunnel_itself() {
        let plan = plan(
            &["203.0.113.0/24", "10.0.0.0/8", "2001:db8::/32"],
            &["203.0.113.5", "2001:db8::5"],
        );
        assert_eq!(
            routes(&plan),
            [
                "10.0.0.0/8 main",
                "203.0.113.0/24 own 0",
                "2001:db8::/32 own 0"
            ]
        );
        assert_eq!(rules(&plan)[..2], ["V4 main without /24", "V4 own 0"]);
    }

    #[test]
    fn the_more_specific_table_is_asked_first() {
        let plan = plan(&["0.0.0.0/0", "203.0.113.0/24"], &["203.0.113.5"]);
        assert_eq!(routes(&plan), ["203.0.113.0/24 own 0", "0.0.0.0/0 own 1"]);
        assert_eq!(
            rules(&plan),
            [
                "V4 main without /24",
                "V4 own 0",
                "V4 main without /7",
                "V4 own 1"
            ]
        );
        let priorities: Vec<_> = plan.rules.iter().map(|rule| rule.priority).collect();
        assert_eq!(priorities, [29800, 29801, 29802, 29803]);
    }

    #[test]
    fn two_tunnels_have_no_rule_in_common_and_spare_each_others_datagrams() {
        let allowed = ["0.0.0.0/0".parse().unwrap()];
        let [one, other] = [7, 8].map(|index| Plan::new(&allowed, &[], mark(index), false).rules);
        assert!(one.iter().all(|rule| !other.contains(rule)));
        for rule in &one {
            let (not_mark, mask) = (rule.not_mark.unwrap(), rule.mark_mask.unwrap());
            assert_eq!(not_mark & mask, mark(8) & mask);
            assert_ne!(not_mark & mask, 0);
        }
    }

    #[test]
    fn behind_a_fence_nothing_goes_into_the_main_table() {
        let plan = Plan::new(&["10.0.0.0/8".parse().unwrap()], &[], MARK, true);
        assert_eq!(routes(&plan), ["10.0.0.0/8 own 0"]);
        assert_eq!(rules(&plan), ["V4 main without /8", "V4 own 0"]);
    }

    #[test]
    fn the_same_network_twice_is_one_route() {
        let plan = plan(&["10.1.2.3/8", "10.0.0.0/8"], &[]);
        assert_eq!(routes(&plan), ["10.0.0.0/8 main"]);
    }
}

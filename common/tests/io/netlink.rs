//! Links, addresses, routes and rules.

use std::os::fd::AsFd;

use ipnet::IpNet;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokenvpn_common::io::netlink::{
    Change, Changes, Family, MAIN_TABLE, Netlink, NetlinkError, Rule, subscribe,
};

use crate::namespace::Namespace;

/// A namespace with an interface `d0` that leads back into it.
fn namespace() -> Namespace {
    let namespace = Namespace::new();
    namespace.ip("link add d0 type veth peer name d1");
    namespace.ip("link set d1 up");
    namespace
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn a_link_comes_up_with_its_mtu_and_segment_limit() {
    let namespace = namespace();
    namespace.run(|| Netlink::open().unwrap().link_up("d0", 1_400).unwrap());
    let link = namespace.ip("-d link show d0");
    for expected in ["UP", "mtu 1400", "qlen 2000", "gso_max_segs 64"] {
        assert!(link.contains(expected), "{expected} is not in {link}");
    }
    namespace.run(|| {
        let mut netlink = Netlink::open().unwrap();
        netlink.limit_segments("d0", 45).unwrap();
        let nowhere = netlink.limit_segments("d7", 45);
        assert!(
            matches!(nowhere, Err(NetlinkError::Missing { .. })),
            "{nowhere:?}"
        );
    });
    let link = namespace.ip("-d link show d0");
    assert!(link.contains("gso_max_segs 45"), "{link}");
}

#[test]
fn addresses_come_and_go() {
    let namespace = namespace();
    for address in ["10.9.0.2/24", "fd00:9::2/64"] {
        namespace.run(|| {
            let mut netlink = Netlink::open().unwrap();
            netlink.link_up("d0", 1_420).unwrap();
            netlink.add_address("d0", net(address)).unwrap();
            let again = netlink.add_address("d0", net(address));
            assert!(matches!(again, Err(NetlinkError::Exists { .. })));
        });
        let shown = namespace.ip("address show dev d0");
        let line = shown.lines().find(|line| line.contains(address));
        assert!(
            line.is_some_and(|line| !line.contains("tentative")),
            "{shown}"
        );
        namespace.run(|| {
            let mut netlink = Netlink::open().unwrap();
            netlink.del_address("d0", net(address)).unwrap();
            let again = netlink.del_address("d0", net(address));
            assert!(matches!(again, Err(NetlinkError::Missing { .. })));
        });
        let shown = namespace.ip("address show dev d0");
        assert!(!shown.contains(address), "{shown}");
    }
}

#[test]
fn routes_come_and_go_in_any_table() {
    let namespace = namespace();
    for (network, table, list) in [
        ("10.1.0.0/16", MAIN_TABLE, "-4 route show table main"),
        ("0.0.0.0/0", 51_820, "-4 route show table 51820"),
        ("fd00:1::/48", MAIN_TABLE, "-6 route show table main"),
        ("::/0", 51_820, "-6 route show table 51820"),
    ] {
        namespace.run(|| {
            let mut netlink = Netlink::open().unwrap();
            netlink.link_up("d0", 1_420).unwrap();
            netlink.add_route("d0", net(network), table).unwrap();
            let again = netlink.add_route("d0", net(network), table);
            assert!(matches!(again, Err(NetlinkError::Exists { .. })));
        });
        let shown = namespace.ip(list);
        let name = if net(network).prefix_len() == 0 {
            "default"
        } else {
            network
        };
        assert!(shown.contains(&format!("{name} dev d0")), "{shown}");
        namespace.run(|| {
            let mut netlink = Netlink::open().unwrap();
            netlink.del_route("d0", net(network), table).unwrap();
            let again = netlink.del_route("d0", net(network), table);
            assert!(matches!(again, Err(NetlinkError::Missing { .. })));
        });
        assert!(!namespace.ip(list).contains(name));
    }
}

#[test]
fn rules_come_and_go() {
    let namespace = namespace();
    for (family, list) in [(Family::V4, "-4 rule show"), (Family::V6, "-6 rule show")] {
        let unmarked = Rule {
            family,
            priority: 32_765,
            destination: None,
            table: Some(51_820),
            mark: None,
            not_mark: Some(0xca6c),
            mark_mask: Some(0xfffe),
            suppress_prefix_length: None,
        };
        let specific = Rule {
            family,
            priority: 32_764,
            destination: None,
            table: Some(MAIN_TABLE),
            mark: None,
            not_mark: None,
            mark_mask: None,
            suppress_prefix_length: Some(0),
        };
        let network = match family {
            Family::V4 => "10.1.0.0/16",
            Family::V6 => "fd00:1::/48",
        };
        let dead_end = Rule {
            family,
            priority: 32_763,
            destination: Some(net(network)),
            table: None,
            mark: Some(0xca6c),
            not_mark: None,
            mark_mask: Some(0),
            suppress_prefix_length: None,
        };
        let dead_end_shown = format!("32763:\tfrom all to {network} fwmark 0xca6c/0 unreachable");
        namespace.run(|| {
            let mut netlink = Netlink::open().unwrap();
            netlink.add_rule(&unmarked).unwrap();
            netlink.add_rule(&specific).unwrap();
            netlink.add_rule(&dead_end).unwrap();
            let again = netlink.add_rule(&specific);
            assert!(matches!(again, Err(NetlinkError::Exists { .. })));
        });
        let shown = namespace.ip(list);
        for expected in [
            "32765:\tnot from all fwmark 0xca6c/0xfffe lookup 51820",
            "32764:\tfrom all lookup main suppress_prefixlength 0",
            &dead_end_shown,
        ] {
            assert!(shown.contains(expected), "{expected} is not in {shown}");
        }
        namespace.run(|| {
            let mut netlink = Netlink::open().unwrap();
            netlink.del_rule(&unmarked).unwrap();
            netlink.del_rule(&specific).unwrap();
            netlink.del_rule(&dead_end).unwrap();
            let again = netlink.del_rule(&specific);
            assert!(matches!(again, Err(NetlinkError::Missing { .. })));
        });
        assert!(!namespace.ip(list).contains("32763:"));
        assert!(!namespace.ip(list).contains("32764:"));
        assert!(!namespace.ip(list).contains("32765:"));
    }
}

#[test]
fn an_interface_that_is_not_there_is_missing() {
    Namespace::new().run(|| {
        let mut netlink = Netlink::open().unwrap();
        let up = netlink.link_up("d0", 1_420);
        assert!(matches!(up, Err(NetlinkError::Missing { .. })));
        let add = netlink.add_address("d0", net("10.9.0.2/24"));
        assert!(matches!(add, Err(NetlinkError::Missing { .. })));
    });
}

#[test]
fn what_changes_is_reported() {
    let namespace = namespace();
    let mut changes = namespace.run(|| subscribe().unwrap());
    let mut seen = Vec::new();
    changes.drain(|change| seen.push(change)).unwrap();
    assert_eq!(seen, [], "nothing has changed yet");

    let index = namespace.run(|| {
        let mut netlink = Netlink::open().unwrap();
        netlink.link_up("d0", 1_420).unwrap();
        netlink.add_address("d0", net("10.9.0.2/24")).unwrap();
        netlink
            .add_route("d0", net("10.1.0.0/16"), MAIN_TABLE)
            .unwrap();
        nix::net::if_::if_nametoindex("d0").unwrap()
    });
    for expected in [
        Change::Link { interface: index },
        Change::Address { interface: index },
        Change::Route {
            interface: Some(index),
        },
    ] {
        wait_for(&mut changes, &mut seen, expected);
    }
}

fn wait_for(changes: &mut Changes, seen: &mut Vec<Change>, expected: Change) {
    while !seen.contains(&expected) {
        let mut fds = [PollFd::new(changes.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut fds, PollTimeout::from(5_000u16)).expect("poll works");
        assert_eq!(ready, 1, "{expected:?} is not reported, only {seen:?}");
        changes.drain(|change| seen.push(change)).unwrap();
    }
}

#[test]
fn rules_are_listed_with_what_tells_ours_from_others() {
    let namespace = namespace();
    let rule = Rule {
        family: Family::V6,
        priority: 29_801,
        destination: None,
        table: Some(0x7400_0007),
        mark: None,
        not_mark: Some(0x7400_0007),
        mark_mask: Some(0xffff_0000),
        suppress_prefix_length: None,
    };
    let rules = namespace.run(|| {
        let mut netlink = Netlink::open().unwrap();
        netlink.add_rule(&rule).unwrap();
        netlink.rules().unwrap()
    });
    let ours = rules.iter().filter(|rule| rule.priority == 29_801);
    let ours: Vec<_> = ours.map(|r| (r.family, r.table, r.mark)).collect();
    assert_eq!(ours, [(Family::V6, 0x7400_0007, Some(0x7400_0007))]);
    // The kernel's own: local, main and default of IPv4, local and main of IPv6.
    assert_eq!(rules.len(), 6, "{rules:?}");
}

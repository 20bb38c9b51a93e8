//! Whose an inner address is.

use std::cell::Cell;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use crate::peers::PeerId;

/// The inner networks of all peers; the longest prefix that holds an address owns it.
///
/// Networks of one peer may nest. Networks of two peers may not overlap, be it as
/// equals or one inside the other: an address that changes hands because somebody
/// was added would be a surprise to the one who had it.
#[derive(Default)]
pub(crate) struct AllowedIps {
    v4: PrefixMap<Ipv4Net, PeerId>,
    v6: PrefixMap<Ipv6Net, PeerId>,
    /// The address that was looked up last, and whose it is: most packets are followed by
    /// others of the same kind.
    last: Cell<Option<(IpAddr, PeerId)>>,
}

impl AllowedIps {
    /// The peer that owns `address`.
    pub(crate) fn owner(&self, address: IpAddr) -> Option<PeerId> {
        if let Some((last, owner)) = self.last.get()
            && last == address
        {
            return Some(owner);
        }
        let owner = match address {
            IpAddr::V4(address) => self.v4.get_lpm(&address.into()).map(|(_, id)| *id),
            IpAddr::V6(address) => self.v6.get_lpm(&address.into()).map(|(_, id)| *id),
        }?;
        self.last.set(Some((address, owner)));
        Some(owner)
    }

    /// A network that shares addresses with `network`, and its owner.
    pub(crate) fn overlap(&self, network: IpNet) -> Option<(IpNet, PeerId)> {
        match network.trunc() {
            IpNet::V4(network) => {
                let around = self.v4.get_lpm(&network);
                let found = around.or_else(|| self.v4.children(&network).next());
                found.map(|(network, id)| (network.into(), *id))
            }
            IpNet::V6(network) => {
                let around = self.v6.get_lpm(&network);
                let found = around.or_else(|| self.v6.children(&network).next());
                found.map(|(network, id)| (network.into(), *id))
            }
        }
    }

    /// Gives `network` to `owner`, whose networks overlap no other peer's.
    pub(crate) fn insert(&mut self, network: IpNet, owner: PeerId) {
        self.last.set(None);
        match network.trunc() {
            IpNet::V4(network) => self.v4.insert(network, owner),
            IpNet::V6(network) => self.v6.insert(network, owner),
        };
    }

    /// Takes `network` from its owner.
    pub(crate) fn remove(&mut self, network: IpNet) {
        self.last.set(None);
        match network.trunc() {
            IpNet::V4(network) => self.v4.remove(&network),
            IpNet::V6(network) => self.v6.remove(&network),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_prefix_owns_an_address() {
        let mut ips = AllowedIps::default();
        ips.insert(net("0.0.0.0/0"), PeerId(0));
        ips.insert(net("10.1.2.3/8"), PeerId(1));
        ips.insert(net("10.0.0.7/32"), PeerId(2));
        ips.insert(net("fd00::/8"), PeerId(3));
        for (address, owner) in [
            ("10.0.0.7", Some(2)),
            ("10.0.0.8", Some(1)),
            ("11.0.0.7", Some(0)),
            ("fd12::1", Some(3)),
            ("fe80::1", None),
        ] {
            let found = ips.owner(address.parse().unwrap());
            assert_eq!(found, owner.map(PeerId), "{address}");
        }
        ips.remove(net("10.0.0.7/32"));
        assert_eq!(ips.owner("10.0.0.7".parse().unwrap()), Some(PeerId(1)));
    }

    #[test]
    fn an_address_changes_hands_and_is_given_up_at_once() {
        let mut ips = AllowedIps::default();
        let address = "10.0.0.7".parse().unwrap();
        for owner in [PeerId(1), PeerId(2)] {
            ips.insert(net("10.0.0.0/8"), owner);
            assert_eq!(ips.owner(address), Some(owner));
        }
        ips.remove(net("10.0.0.0/8"));
        assert_eq!(ips.owner(address), None);
    }

    #[test]
    fn an_overlap_is_seen_from_both_sides() {
        let mut ips = AllowedIps::default();
        ips.insert(net("10.7.0.0/16"), PeerId(1));
        ips.insert(net("fd00:7::/32"), PeerId(1));
        for overlapping in ["10.7.0.0/16", "10.7.3.0/24", "10.0.0.0/8", "0.0.0.0/0"] {
            let found = ips.overlap(net(overlapping));
            assert_eq!(
                found,
                Some((net("10.7.0.0/16"), PeerId(1))),
                "{overlapping}"
            );
        }
        for overlapping in ["fd00:7::1/128", "::/0"] {
            assert!(ips.overlap(net(overlapping)).is_some(), "{overlapping}");
        }
        for apart in ["10.8.0.0/16", "10.6.255.255/32", "fd00:8::/32"] {
            assert_eq!(ips.overlap(net(apart)), None, "{apart}");
        }
    }
}

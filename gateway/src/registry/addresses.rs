//! Who gets which tunnel address. Pure.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;
use tokenvpn_common::language::say;

use crate::config::Networks;

/// Why tunnel addresses cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("{}", say().address_is_outside(.address))]
    Outside { address: IpAddr },
    #[error("{}", say().address_is_reserved(.address))]
    Reserved { address: IpAddr },
    #[error("{}", say().address_is_taken(.address))]
    Taken { address: IpAddr },
    #[error("{}", say().network_is_full(.network))]
    Full { network: IpNet },
}

/// The addresses that hosts may have, lowest first.
fn hosts(network: IpNet) -> impl Iterator<Item = IpAddr> {
    // The all-zeros address of an IPv6 network means its routers (RFC 4291 §2.6.1);
    // ipnet leaves out only what IPv4 reserves.
    network.hosts().filter(move |ip| *ip != network.network())
}

/// The gateway's address in a tunnel network: the first.
pub(crate) fn gateway_address(network: IpNet) -> IpAddr {
    hosts(network)
        .next()
        .expect("invariant: a tunnel network has room for a gateway")
}

/// An address with the prefix of its tunnel network, or alone if it has lost that.
pub(crate) fn with_prefix(address: IpAddr, networks: &Networks) -> IpNet {
    let network = networks.iter().find(|network| network.contains(&address));
    let prefix = network.map_or(if address.is_ipv4() { 32 } else { 128 }, |n| n.prefix_len());
    IpNet::new(address, prefix).expect("invariant: the prefix is of the address's family")
}

/// Gives the addresses `wanted` and, from each network where none is wanted, the next
/// free one.
pub(crate) fn assign(
    networks: &Networks,
    wanted: &[IpAddr],
    taken: &HashSet<IpAddr>,
) -> Result<Vec<IpAddr>, AddressError> {
    for (at, &address) in wanted.iter().enumerate() {
        let network = networks
            .iter()
            .find(|network| network.contains(&address))
            .ok_or(AddressError::Outside { address })?;
        let is_broadcast = address.is_ipv4() && address == network.broadcast();
        if address == network.network() || is_broadcast || address == gateway_address(network) {
            return Err(AddressError::Reserved { address });
        }
        if taken.contains(&address) || wanted[..at].contains(&address) {
            return Err(AddressError::Taken { address });
        }
    }
    let mut given = Vec::new();
    for network in networks.iter() {
        let before = given.len();
        given.extend(wanted.iter().filter(|ip| network.contains(*ip)));
        if given.len() == before {
            let free = hosts(network).skip(1).find(|ip| !taken.contains(ip));
            given.push(free.ok_or(AddressError::Full { network })?);
        }
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::networks;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn assigned(
        nets: &[&str],
        wanted: &[&str],
        taken: &[&str],
    ) -> Result<Vec<IpAddr>, AddressError> {
        let wanted: Vec<_> = wanted.iter().map(|t| ip(t)).collect();
        assign(
            &networks(nets),
            &wanted,
            &taken.iter().map(|t| ip(t)).collect(),
        )
    }

    #[test]
    fn the_gateway_takes_the_first_address_and_clients_the_next() {
        let both = networks(&["10.77.0.0/24", "fd77::/64"]);
        let first: Vec<_> = both.iter().map(gateway_address).collect();
        assert_eq!(first, [ip("10.77.0.1"), ip("fd77::1")]);
        assert_eq!(
            assigned(&["10.77.0.0/24", "fd77::/64"], &[], &["10.77.0.2"]),
            Ok(vec![ip("10.77.0.3"), ip("fd77::2")])
        );
    }

    #[test]
    fn a_wanted_address_replaces_the_next_free_one_of_its_network_only() {
        assert_eq!(
            assigned(&["10.77.0.0/24", "fd77::/64"], &["fd77::9"], &[]),
            Ok(vec![ip("10.77.0.2"), ip("fd77::9")])
        );
    }

    #[test]
    fn addresses_that_cannot_be_a_clients_are_refused() {
        let nets = &["10.77.0.0/24", "fd77::/64"];
        let refused = |wanted| assigned(nets, &[wanted], &["10.77.0.7"]).unwrap_err();
        for reserved in ["10.77.0.0", "10.77.0.1", "10.77.0.255", "fd77::", "fd77::1"] {
            let address = ip(reserved);
            assert_eq!(refused(reserved), AddressError::Reserved { address });
        }
        let address = ip("10.78.0.2");
        assert_eq!(refused("10.78.0.2"), AddressError::Outside { address });
        let address = ip("10.77.0.7");
        assert_eq!(refused("10.77.0.7"), AddressError::Taken { address });
        assert_eq!(
            assigned(nets, &["10.77.0.8", "10.77.0.8"], &[]),
            Err(AddressError::Taken {
                address: ip("10.77.0.8")
            })
        );
    }

    #[test]
    fn a_full_network_gives_nothing() {
        assert_eq!(
            assigned(&["10.77.0.0/30"], &[], &["10.77.0.2"]),
            Err(AddressError::Full {
                network: "10.77.0.0/30".parse().unwrap()
            })
        );
    }

    #[test]
    fn an_address_is_shown_with_the_prefix_of_its_network() {
        let both = networks(&["10.77.0.0/24", "fd77::/64"]);
        let shown = |text| with_prefix(ip(text), &both).to_string();
        assert_eq!(shown("10.77.0.9"), "10.77.0.9/24");
        assert_eq!(shown("fd77::9"), "fd77::9/64");
        assert_eq!(shown("10.99.0.9"), "10.99.0.9/32");
    }
}

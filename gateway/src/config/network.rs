//! Networks as `gateway.toml` and the command line take them.

use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokenvpn_common::language::say;

/// A network whose text has no host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Network(IpNet);

/// Why a text or a list is no network, or no tunnel network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NetworkError {
    #[error("{}", say().no_network(.0))]
    Malformed(String),
    #[error("{}", say().network_has_host_bits(.0, &.0.trunc()))]
    HostBits(IpNet),
    #[error("{}", say().network_too_small(.0))]
    TooSmall(IpNet),
    #[error("{}", say().network_is_special(.0))]
    Special(IpNet),
    #[error("{}", say().networks_overlap(.0, .1))]
    Overlap(IpNet, IpNet),
    #[error("{}", say().networks_are_missing())]
    None,
}

impl Network {
    pub(crate) fn net(self) -> IpNet {
        self.0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        match text.parse::<IpNet>() {
            Ok(network) if network == network.trunc() => Ok(Network(network)),
            Ok(network) => Err(NetworkError::HostBits(network)),
            Err(_) => Err(NetworkError::Malformed(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Network, NetworkError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.0.to_string()
    }
}

/// The tunnel's networks: at least one, apart from each other, each with room for clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Network>", into = "Vec<Network>")]
pub(crate) struct Networks(Vec<IpNet>);

impl Networks {
    pub(crate) fn iter(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.0.iter().copied()
    }
}

/// From texts that are known to be good.
#[cfg(test)]
pub(crate) fn networks(texts: &[&str]) -> Networks {
    let networks: Vec<Network> = texts.iter().map(|text| text.parse().unwrap()).collect();
    Networks::try_from(networks).unwrap()
}

impl TryFrom<Vec<Network>> for Networks {
    type Error = NetworkError;

    fn try_from(networks: Vec<Network>) -> Result<Networks, NetworkError> {
        let networks: Vec<IpNet> = networks.into_iter().map(Network::net).collect();
        if networks.is_empty() {
            return Err(NetworkError::None);
        }
        for (at, a) in networks.iter().enumerate() {
            // Two addresses for hosts beside the network's own and, in IPv4, the broadcast.
            if a.max_prefix_len() - a.prefix_len() < 2 {
                return Err(NetworkError::TooSmall(*a));
            }
            let ip = a.network();
            if ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() {
                return Err(NetworkError::Special(*a));
            }
            for b in &networks[..at] {
                if a.contains(b) || b.contains(a) {
                    return Err(NetworkError::Overlap(*b, *a));
                }
            }
        }
        Ok(Networks(networks))
    }
}

impl From<Networks> for Vec<Network> {
    fn from(networks: Networks) -> Vec<Network> {
        networks.0.into_iter().map(Network).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnel_networks_stand_apart_and_have_room() {
        let refused = |texts: &[&str]| {
            let networks: Vec<Network> = texts.iter().map(|t| t.parse().unwrap()).collect();
            Networks::try_from(networks).unwrap_err()
        };
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        assert_eq!(refused(&[]), NetworkError::None);
        assert_eq!(
            refused(&["10.77.0.0/31"]),
            NetworkError::TooSmall(net("10.77.0.0/31"))
        );
        assert_eq!(
            refused(&["10.0.0.0/8", "10.77.0.0/24"]),
            NetworkError::Overlap(net("10.0.0.0/8"), net("10.77.0.0/24"))
        );
        assert_eq!(
            refused(&["127.0.0.0/8"]),
            NetworkError::Special(net("127.0.0.0/8"))
        );
    }
}

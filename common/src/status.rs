//! What `status --json` prints, the same for client and gateway.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::key::PublicKey;

/// The version of what is written here. Fields may be added without a new one.
pub const SCHEMA: u32 = 1;

/// A tunnel device and its peers, without a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `up`, or one of the client's other states.
    pub state: String,
    /// Name of the tunnel device; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Our own public key; absent while the client has no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// The UDP port that datagrams are sent from and received on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_port: Option<u16>,
    /// The mark that the client's own datagrams carry past its routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fwmark: Option<u32>,
    /// Our tunnel addresses, with the prefix of their network.
    #[serde(default)]
    pub addresses: Vec<IpNet>,
    /// The longest packet in the client's tunnel, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// The client's token: `0006:12345678`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Who the client's token says we are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// When the client's profile ends, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixTime>,
    /// Networks that lead into the client's tunnel or nowhere, whether it stands or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<IpNet>,
    /// The gateway's identities, or the client's gateways.
    pub peers: Vec<Peer>,
}

/// The other end of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// An identity's name, or the endpoint that a gateway is known by.
    pub name: String,
    /// Its public key.
    pub public_key: PublicKey,
    /// Where it was last authentically heard from, or where it is tried.
    pub endpoint: Option<SocketAddr>,
    /// The last completed handshake, in Unix seconds.
    pub latest_handshake: Option<UnixTime>,
    /// Bytes received from it.
    pub rx_bytes: u64,
    /// Bytes sent to it.
    pub tx_bytes: u64,
    /// Inner addresses it may use.
    pub allowed_ips: Vec<IpNet>,
    /// Seconds between keepalives; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_keepalive: Option<u16>,
    /// When its access ends, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixTime>,
}

impl Status {
    /// A device in `state` of which nothing else is known yet.
    pub fn new(state: impl Into<String>) -> Status {
        Status {
            schema: SCHEMA,
            state: state.into(),
            interface: None,
            public_key: None,
            listen_port: None,
            fwmark: None,
            addresses: Vec::new(),
            mtu: None,
            token: None,
            identity: None,
            expires: None,
            closed: Vec::new(),
            peers: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_a_peer_has_the_names_scripts_rely_on() {
        let key = crate::key::PrivateKey::from_bytes([7; 32]).public();
        let peer = Peer {
            name: "traveller".into(),
            public_key: key,
            endpoint: Some("192.0.2.7:40000".parse().unwrap()),
            latest_handshake: None,
            rx_bytes: 1,
            tx_bytes: 2,
            allowed_ips: vec!["10.77.0.7/32".parse().unwrap()],
            persistent_keepalive: None,
            expires: None,
        };
        let text = toml::to_string(&Status {
            peers: vec![peer],
            ..Status::new("up")
        })
        .unwrap();
        for line in [
            "schema = 1",
            "state = \"up\"",
            "name = \"traveller\"",
            &format!("public_key = \"{key}\""),
            "endpoint = \"192.0.2.7:40000\"",
            "rx_bytes = 1",
            "tx_bytes = 2",
            "allowed_ips = [\"10.77.0.7/32\"]",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }
}

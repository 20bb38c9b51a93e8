//! Debian's wireguard-go in a host, to be the other end.

use std::net::SocketAddr;

use ipnet::IpNet;
use tokenvpn_common::key::{PrivateKey, PublicKey};

use crate::{
    host::Host,
    process::Process,
    wait::{self, SOON},
};

/// The name of its link.
pub const LINK: &str = "wg0";

/// A running wireguard-go with a key of its own.
#[derive(Debug)]
pub struct WireGuardGo {
    host: Host,
    process: Process,
    public_key: PublicKey,
}

impl WireGuardGo {
    /// Starts it on this UDP port (0: any) and gives its link an address.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn start(host: &Host, port: u16, address: IpNet) -> WireGuardGo {
        WireGuardGo::start_with(host, port, address, &PrivateKey::generate())
    }

    /// Like [`WireGuardGo::start`], with this key.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn start_with(host: &Host, port: u16, address: IpNet, key: &PrivateKey) -> WireGuardGo {
        let process = host
            .run("wireguard-go")
            .args(["--foreground", LINK])
            .env("LOG_LEVEL", "debug")
            .spawn();
        let socket = host.path(format!("/run/wireguard/{LINK}.sock"));
        wait::until("wireguard-go serves", SOON, || {
            assert!(
                process.is_running(),
                "wireguard-go ended at once\n{}",
                process.report()
            );
            socket.exists().then_some(())
        });
        let wireguard = WireGuardGo {
            host: host.clone(),
            process,
            public_key: key.public(),
        };
        let port = port.to_string();
        let set = wireguard.wg(&["private-key", "/dev/stdin", "listen-port", &port]);
        set.stdin(key.expose_text().as_bytes()).ok();
        host.ip(&format!("address add {address} dev {LINK}"));
        host.ip(&format!("link set {LINK} mtu 1420 up"));
        wireguard
    }

    fn wg(&self, words: &[&str]) -> crate::Invocation {
        self.host.run("wg").args(["set", LINK]).args(words)
    }

    /// Its public key.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Adds a peer and routes its networks into the tunnel.
    ///
    /// # Panics
    /// If it refuses.
    #[track_caller]
    pub fn add_peer(&self, key: PublicKey, endpoint: Option<SocketAddr>, allowed_ips: &[IpNet]) {
        let networks: Vec<String> = allowed_ips.iter().map(IpNet::to_string).collect();
        let key = key.to_string();
        let mut words = vec!["peer", &key];
        let networks_word = networks.join(",");
        words.extend(["allowed-ips", &networks_word]);
        let endpoint = endpoint.map(|endpoint| endpoint.to_string());
        if let Some(endpoint) = &endpoint {
            words.extend(["endpoint", endpoint]);
        }
        self.wg(&words).ok();
        for network in networks {
            self.host.ip(&format!("route replace {network} dev {LINK}"));
        }
    }
}

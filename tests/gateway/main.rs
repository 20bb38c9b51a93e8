//! The gateway alone: its files, its administrator, and ordinary WireGuard clients.

mod administration;
mod files;
mod letting_in;
mod running;
mod sessions;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
};

use rig::{Gateway, Host, Speaker, WireGuardGo, World};
use tokenvpn_common::key::PrivateKey;

const CONFIG: &str = "/etc/tokenvpn/gateway.toml";
const STATE: &str = "/var/lib/tokenvpn";
const ENDPOINT: &str = "203.0.113.5:51820";
const LINK: &str = "tokenvpn-gw";

/// The gateway's machine with an inner network behind it, and a client.
///
/// ```text
///  client ──outer── gateway ──inner── server
///  203.0.113.10     203.0.113.5       10.20.0.80
/// ```
struct Place {
    client: Host,
    gateway: Gateway,
    server: Host,
    /// Last, so that it goes last.
    _world: World,
}

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 20, 0, 80));

impl Place {
    /// With a gateway that is made and does not run.
    fn new() -> Place {
        let world = World::new();
        let [client, machine, server] = ["client", "gateway", "server"].map(|n| world.host(n));
        world.wire(
            (&client, "eth0", "203.0.113.10/24"),
            (&machine, "eth0", "203.0.113.5/24"),
        );
        world.wire(
            (&server, "eth0", "10.20.0.80/24"),
            (&machine, "inner", "10.20.0.1/24"),
        );
        server.ip("route add default via 10.20.0.1");
        machine.set_forwarding(true);
        Place {
            client,
            gateway: Gateway::init(&machine, ENDPOINT, "10.77.0.0/24"),
            server,
            _world: world,
        }
    }

    /// A wireguard-go at `host` that is let in as `name` and has this tunnel address.
    fn connect(&self, host: &Host, name: &str, address: &str) -> WireGuardGo {
        self.connect_with(host, name, address, &PrivateKey::generate())
    }

    /// The same with this key.
    fn connect_with(
        &self,
        host: &Host,
        name: &str,
        address: &str,
        key: &PrivateKey,
    ) -> WireGuardGo {
        let network = format!("{address}/24").parse().unwrap();
        let wireguard = WireGuardGo::start_with(host, 0, network, key);
        let key = wireguard.public_key().to_string();
        let words = ["add", name, "--public-key", &key, "--address", address];
        self.gateway.command(&words).ok();
        let endpoint = ENDPOINT.parse().unwrap();
        wireguard.add_peer(
            self.gateway.own_key(),
            Some(endpoint),
            &["10.77.0.0/24", "10.20.0.0/24"].map(|net| net.parse().unwrap()),
        );
        wireguard
    }

    /// A bare peer at the client, with a session; it is let in as `laptop` with these options.
    fn speaker(&self, key: &PrivateKey, options: &[&str]) -> Speaker {
        let text = key.public().to_string();
        let words = ["add", "laptop", "--public-key", &text, "--address"];
        let add = self.gateway.command(&words).arg("10.77.0.9");
        add.args(options).ok();
        let (inner, endpoint) = (Ipv4Addr::new(10, 77, 0, 9), ENDPOINT.parse().unwrap());
        let own = self.gateway.own_key();
        let mut speaker = Speaker::new(&self.client, key, inner, endpoint, &own);
        speaker.connect();
        speaker
    }

    /// One of the gateway's files.
    fn path(&self, inside: &str) -> PathBuf {
        self.gateway.host().path(inside)
    }

    /// The names in `identities`.
    fn names(&self) -> Vec<String> {
        let text = self.gateway.command(&["identities", "--json"]).ok();
        let listing: serde_json::Value = serde_json::from_str(&text).unwrap();
        let identities = listing["identities"].as_array().unwrap();
        let name = |identity: &serde_json::Value| identity["name"].as_str().unwrap().to_owned();
        identities.iter().map(name).collect()
    }
}

fn fresh_key() -> String {
    PrivateKey::generate().public().to_string()
}

/// Who may do what with a file.
fn mode(path: PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

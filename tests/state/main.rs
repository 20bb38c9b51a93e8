//! What the gateway keeps on the disk, whatever happens to it: kills at any moment, full and
//! failing disks, files that are cut, overwritten or somebody else's.

mod disk;
mod files;
mod kills;
mod ledger;
mod load;
#[cfg(target_arch = "x86_64")]
mod panics;

use std::collections::BTreeMap;

use rig::{Gateway, Host, World};
use tokenvpn_common::key::{PrivateKey, PublicKey};

const CONFIG: &str = "/etc/tokenvpn/gateway.toml";
const STATE: &str = "/var/lib/tokenvpn";
const REGISTRY: &str = "/var/lib/tokenvpn/registry.db";
const KEY: &str = "/var/lib/tokenvpn/private-key";
const ENDPOINT: &str = "203.0.113.5:51820";

/// A gateway that is made and does not run, and somebody on the same wire.
struct Place {
    gateway: Gateway,
    machine: Host,
    outside: Host,
    /// Last, so that it goes last.
    _world: World,
}

impl Place {
    fn new() -> Place {
        let world = World::new();
        let [machine, outside] = ["gateway", "outside"].map(|name| world.host(name));
        world.wire(
            (&machine, "eth0", "203.0.113.5/24"),
            (&outside, "eth0", "203.0.113.10/24"),
        );
        Place {
            gateway: Gateway::init(&machine, ENDPOINT, "10.77.0.0/16"),
            machine,
            outside,
            _world: world,
        }
    }

    /// Lets a key in under this name.
    fn add(&self, name: &str) -> PublicKey {
        let key = fresh_key();
        let words = ["add", name, "--public-key", &key.to_string()];
        self.gateway.command(&words).ok();
        key
    }

    /// Names and keys, as `identities` tells them.
    fn identities(&self) -> BTreeMap<String, PublicKey> {
        let text = self.gateway.command(&["identities", "--json"]).ok();
        identities_in(&text)
    }

    /// Names and keys that the running gateway lets in.
    fn roster(&self) -> BTreeMap<String, PublicKey> {
        let peers = self.gateway.status().peers;
        let pair = |peer: tokenvpn_common::status::Peer| (peer.name, peer.public_key);
        peers.into_iter().map(pair).collect()
    }
}

fn identities_in(json: &str) -> BTreeMap<String, PublicKey> {
    let listing: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let identities = listing["identities"].as_array().expect("a list");
    let pair = |identity: &serde_json::Value| {
        let text = |key: &str| identity[key].as_str().expect("a text").to_owned();
        (text("name"), text("public_key").parse().expect("a key"))
    };
    let pairs: BTreeMap<_, _> = identities.iter().map(pair).collect();
    assert_eq!(pairs.len(), identities.len(), "a name is there twice");
    pairs
}

fn fresh_key() -> PublicKey {
    PrivateKey::generate().public()
}

//! A gateway's administrator at work: another configuration, a look back, a look on.

use std::fs;

use rig::{
    Gateway, Pty, World,
    wait::{self, SOON},
};
use serde_json::Value;
use tokenvpn_common::{invitation::Invitation, key::PrivateKey};

const CONFIG: &str = "/etc/tokenvpn/gateway.toml";
const ENDPOINT: &str = "203.0.113.5:51820";

struct Office {
    gateway: Gateway,
    /// Last, so that it goes last.
    _world: World,
}

impl Office {
    /// With a gateway that is made and does not run.
    fn new() -> Office {
        let world = World::new();
        let machine = world.host("gateway");
        Office {
            gateway: Gateway::init(&machine, ENDPOINT, "10.77.0.0/24"),
            _world: world,
        }
    }

    fn config(&self) -> String {
        fs::read_to_string(self.gateway.host().path(CONFIG)).unwrap()
    }

    fn configure(&self, from: &str, to: &str) {
        let text = self.config();
        assert!(text.contains(from), "{from:?} is not in {text}");
        fs::write(self.gateway.host().path(CONFIG), text.replace(from, to)).unwrap();
    }

    fn add(&self, name: &str) -> String {
        let key = PrivateKey::generate().public().to_string();
        let words = ["add", name, "--public-key", &key];
        self.gateway.command(&words).ok();
        key
    }

    fn invite(&self, name: &str) -> Invitation {
        Invitation::from_toml(&self.gateway.invite(name, &[])).unwrap()
    }

    /// The entries of `audit --json`.
    fn audit(&self, options: &[&str]) -> Vec<Value> {
        let text = self
            .gateway
            .command(&["audit", "--json"])
            .args(options)
            .ok();
        let audit: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(audit["schema"], 1);
        audit["entries"].as_array().unwrap().clone()
    }
}

#[test]
fn reload_takes_up_what_invitations_tell() {
    let office = Office::new();
    let gateway = &office.gateway;
    let reload = || gateway.command(&["reload"]).finish();
    reload().expect_error(3, &["not running"]);

    let process = gateway.start();
    assert!(
        reload()
            .expect_code(0)
            .stderr
            .contains("Nothing has changed")
    );
    office.configure(
        "\"203.0.113.5:51820\"",
        "\"vpn.example:443\", \"203.0.113.5:51820\"",
    );
    office.configure("routes = []", "routes = [\"10.20.0.0/16\"]");
    office.configure("dns = []", "dns = [\"10.77.0.1\"]");
    office.configure("keepalive = 25", "keepalive = 15");
    // Nobody has said so yet.
    assert_eq!(office.invite("before").keepalive, 25);
    let told = reload().expect_code(0).stderr;
    assert_eq!(told, "Taken up: endpoints, routes, dns, keepalive.\n");
    let after = office.invite("after");
    let endpoints: Vec<String> = after.endpoints.iter().map(ToString::to_string).collect();
    assert_eq!(endpoints, ["vpn.example:443", ENDPOINT]);
    assert!(after.allowed_ips.contains(&"10.20.0.0/16".parse().unwrap()));
    assert_eq!((after.dns.len(), after.keepalive), (1, 15));
    assert!(process.is_running());
    assert!(
        reload()
            .expect_code(0)
            .stderr
            .contains("Nothing has changed")
    );
}

#[test]
fn reload_refuses_what_is_fixed_at_the_start_and_changes_nothing_then() {
    let office = Office::new();
    let gateway = &office.gateway;
    let process = gateway.start();
    let good = office.config();
    let restore = || fs::write(gateway.host().path(CONFIG), &good).unwrap();
    for (from, to, key) in [
        ("mtu = 1420", "mtu = 1400", "mtu"),
        ("10.77.0.0/24", "10.78.0.0/24", "networks"),
        ("listen_port = 51820", "listen_port = 443", "listen_port"),
        ("workers = 1", "workers = 2", "workers"),
        ("\"tokenvpn-gw\"", "\"other\"", "interface"),
        ("/var/lib/tokenvpn", "/var/lib/other", "state_dir"),
    ] {
        office.configure(from, to);
        office.configure("keepalive = 25", "keepalive = 15");
        let refused = gateway.command(&["reload"]).finish();
        refused.expect_error(1, &[key, "nothing was changed", "restart"]);
        restore();
    }
    office.configure("mtu = 1420", "mtu = 99");
    let refused = gateway.command(&["reload"]).finish();
    refused.expect_error(2, &["gateway.toml:", "1280"]);
    restore();
    assert_eq!(office.invite("traveller").keepalive, 25);
    assert!(process.is_running());
}

#[test]
fn the_audit_tells_who_did_what_and_when() {
    let office = Office::new();
    let gateway = &office.gateway;
    let nothing = gateway.command(&["audit"]).ok();
    assert_eq!(nothing, "Nothing was done.\n");
    let key = office.add("phone");
    gateway.start();
    office.invite("traveller");
    gateway.command(&["revoke", "traveller"]).ok();
    gateway.command(&["revoke", "phone"]).ok();
    // What is refused was not done.
    gateway
        .command(&["revoke", "nobody"])
        .finish()
        .expect_code(1);

    let told = office.audit(&[]);
    let done: Vec<_> = told
        .iter()
        .map(|entry| {
            (
                entry["action"].as_str().unwrap(),
                entry["name"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("add", "phone"),
        ("invite", "traveller"),
        ("revoke", "traveller"),
        ("revoke", "phone"),
    ];
    assert_eq!(done, expected);
    assert!(told.iter().all(|entry| entry["who"] == "uid 0"));
    assert_eq!(told[0]["public_key"], key.as_str());
    assert_eq!(told[1]["public_key"], Value::Null);

    let table = gateway.command(&["audit"]).ok();
    assert_eq!(table.lines().count(), 1 + expected.len(), "{table}");
    for fact in ["WHEN", "uid 0", "revoke", &key] {
        assert!(table.contains(fact), "{fact}: {table}");
    }
    let year = |entry: &Value| entry["at"].as_u64().unwrap() / 31_556_952 + 1970;
    let this = year(&told[0]);
    assert_eq!(
        office.audit(&["--since", &format!("{this}-01-01")]).len(),
        4
    );
    assert!(
        office
            .audit(&["--since", &format!("{}-01-01", this + 2)])
            .is_empty()
    );
    let wrong = gateway.command(&["audit", "--since", "yesterday"]).finish();
    wrong.expect_error(2, &["--since", "yesterday"]);
    // It is kept.
    gateway.kill();
    assert_eq!(office.audit(&[]), told);
}

#[test]
fn status_is_shown_live_until_a_key_is_pressed() {
    let office = Office::new();
    let gateway = &office.gateway;
    office.add("traveller");
    let watching = ["status", "--watch"];
    gateway
        .command(&watching)
        .finish()
        .expect_error(3, &["not running"]);
    gateway.start();
    gateway
        .command(&watching)
        .finish()
        .expect_error(2, &["terminal", "--json"]);

    let pty = Pty::open();
    let before = pty.settings();
    let watch = gateway.command(&watching).on(&pty).spawn();
    pty.expect("UDP port 51820");
    pty.expect("LATEST HANDSHAKE");
    pty.expect("traveller");
    // Once more, a second later.
    pty.expect("traveller");
    pty.press("q");
    assert_eq!(watch.exit_code(SOON), 0);
    assert_eq!(pty.settings(), before);

    // A gateway that ends is told where the terminal is one again.
    let watch = gateway.command(&watching).on(&pty).spawn();
    pty.expect("traveller");
    gateway.stop();
    assert_eq!(watch.exit_code(SOON), 3);
    pty.expect("error: the gateway is not running");
    assert_eq!(pty.settings(), before);
}

#[test]
fn status_is_told_live_to_programs() {
    let office = Office::new();
    let gateway = &office.gateway;
    gateway.start();
    office.add("traveller");
    let watch = gateway.command(&["status", "--watch", "--json"]).spawn();
    wait::until_true("two lines", SOON, || {
        watch.stdout().all().lines().count() >= 2
    });
    for line in watch.stdout().all().lines().take(2) {
        let status: Value = serde_json::from_str(line).unwrap();
        assert_eq!(status["peers"][0]["name"], "traveller");
    }
    watch.kill();
}

//! A gateway's administrator at work: another configuration, a look back, a look on.

use std::fs;

use rig::{
    Gateway, Pty,
    wait::{self, SOON},
};
use serde_json::Value;
use tokenvpn_common::invitation::Invitation;

use super::{CONFIG, ENDPOINT, Place, fresh_key};

/// Lets a key in; which one.
fn add(gateway: &Gateway, name: &str) -> String {
    let key = fresh_key();
    gateway.command(&["add", name, "--public-key", &key]).ok();
    key
}

fn invite(gateway: &Gateway, name: &str) -> Invitation {
    Invitation::from_toml(&gateway.invite(name, &[])).unwrap()
}

/// The entries of `audit --json`.
fn audit(gateway: &Gateway, options: &[&str]) -> Vec<Value> {
    let audit = gateway.command(&["audit", "--json"]).args(options).ok();
    let audit: Value = serde_json::from_str(&audit).unwrap();
    assert_eq!(audit["schema"], 1);
    audit["entries"].as_array().unwrap().clone()
}

#[test]
fn reload_takes_up_what_invitations_tell() {
    let place = Place::new();
    let gateway = &place.gateway;
    let reload = || gateway.command(&["reload"]).finish();
    reload().expect_error(3, &["not running"]);

    let process = gateway.start();
    assert!(
        reload()
            .expect_code(0)
            .stderr
            .contains("Nothing has changed")
    );
    gateway.configure(
        "\"203.0.113.5:51820\"",
        "\"vpn.example:443\", \"203.0.113.5:51820\"",
    );
    gateway.configure("routes = []", "routes = [\"10.20.0.0/16\"]");
    gateway.configure("dns = []", "dns = [\"10.77.0.1\"]");
    gateway.configure("keepalive = 25", "keepalive = 15");
    // Nobody has said so yet.
    assert_eq!(invite(gateway, "before").keepalive, 25);
    let told = reload().expect_code(0).stderr;
    assert_eq!(told, "Taken up: endpoints, routes, dns, keepalive.\n");
    let after = invite(gateway, "after");
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
    let place = Place::new();
    let gateway = &place.gateway;
    let process = gateway.start();
    let config = place.path(CONFIG);
    let good = fs::read_to_string(&config).unwrap();
    let restore = || fs::write(&config, &good).unwrap();
    for (from, to, key) in [
        ("mtu = 1420", "mtu = 1400", "mtu"),
        ("10.77.0.0/24", "10.78.0.0/24", "networks"),
        ("listen_port = 51820", "listen_port = 443", "listen_port"),
        ("workers = 1", "workers = 2", "workers"),
        ("\"tokenvpn-gw\"", "\"other\"", "interface"),
        ("/var/lib/tokenvpn", "/var/lib/other", "state_dir"),
    ] {
        gateway.configure(from, to);
        gateway.configure("keepalive = 25", "keepalive = 15");
        let refused = gateway.command(&["reload"]).finish();
        refused.expect_error(1, &[key, "nothing was changed", "restart"]);
        restore();
    }
    gateway.configure("mtu = 1420", "mtu = 99");
    let refused = gateway.command(&["reload"]).finish();
    refused.expect_error(2, &["gateway.toml:", "1280"]);
    restore();
    assert_eq!(invite(gateway, "traveller").keepalive, 25);
    assert!(process.is_running());
}

#[test]
fn the_audit_tells_who_did_what_and_when() {
    let place = Place::new();
    let gateway = &place.gateway;
    let nothing = gateway.command(&["audit"]).ok();
    assert_eq!(nothing, "Nothing was done.\n");
    let key = add(gateway, "phone");
    gateway.start();
    invite(gateway, "traveller");
    gateway.command(&["revoke", "traveller"]).ok();
    gateway.command(&["revoke", "phone"]).ok();
    // What is refused was not done.
    gateway
        .command(&["revoke", "nobody"])
        .finish()
        .expect_code(1);

    let told = audit(gateway, &[]);
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
    let since = |year: u64| audit(gateway, &["--since", &format!("{year}-01-01")]);
    assert_eq!(since(this).len(), 4);
    assert!(since(this + 2).is_empty());
    let wrong = gateway.command(&["audit", "--since", "yesterday"]).finish();
    wrong.expect_error(2, &["--since", "yesterday"]);
    // It is kept.
    gateway.kill();
    assert_eq!(audit(gateway, &[]), told);
}

#[test]
fn status_is_shown_live_until_a_key_is_pressed() {
    let place = Place::new();
    let gateway = &place.gateway;
    add(gateway, "traveller");
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
    let place = Place::new();
    let gateway = &place.gateway;
    gateway.start();
    add(gateway, "traveller");
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

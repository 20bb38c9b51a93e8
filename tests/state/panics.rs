//! A panic in the middle of a verb.

use std::net::Ipv4Addr;

use rig::{Puppet, Speaker, wait::SOON};
use tokenvpn_common::key::PrivateKey;

use super::{ENDPOINT, Place, fresh_key};

/// The thread that writes the registry panics: nobody could revoke any more, so all of it ends, and
/// whatever started it starts it again.
#[test]
fn a_panic_of_the_registrys_thread_ends_the_gateway_and_leaves_nothing_half_done() {
    let place = Place::new();
    place.add("before");
    let there = place.identities();
    let network = place.machine.network_state();
    let process = place.gateway.start();
    let key = fresh_key().to_string();
    let mut asked = None;
    // The row is in, and not yet what makes it count.
    let noted = "tokenvpn_gateway::registry::rows::insert_audit";
    let puppet = Puppet::at_thread(process.pid(), "registry", noted, || {
        let verb = ["add", "half", "--public-key", &key];
        asked = Some(place.gateway.command(&verb).spawn());
    });
    puppet.panic();
    assert_eq!(process.exit_code(SOON), 70, "{}", process.report());
    let said = process.stderr().all();
    let errors = said.lines().skip_while(|line| !line.starts_with("error: "));
    let told: Vec<&str> = errors.collect();
    assert_eq!(told.len(), 2, "{said}");
    assert!(told[0].contains("(puppet:1:1)"), "{said}");
    assert!(told[1].starts_with("hint: "), "{said}");
    let asked = asked.expect("it was asked").finish();
    asked.expect_error(1, &["does not answer"]);
    assert_eq!(place.machine.network_state(), network);

    assert_eq!(place.identities(), there);
    place.gateway.start();
    assert_eq!(place.roster(), there);
    place.add("half");
    assert_eq!(place.identities().len(), there.len() + 1);
}

/// The same of a worker that is not at work for any peer.
#[test]
fn a_panic_of_a_worker_ends_the_gateway() {
    let place = Place::new();
    let process = place.gateway.start();
    let report = "tokenvpn_gateway::worker::Loop::tell";
    let puppet = Puppet::at_thread(process.pid(), "worker 0", report, || {
        drop(place.gateway.command(&["status"]).spawn());
    });
    puppet.panic();
    assert_eq!(process.exit_code(SOON), 70, "{}", process.report());
    let said = process.stderr().all();
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    place.gateway.start();
}

/// The gateway in its tunnel.
const INNER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Somebody with a session.
fn connected(place: &Place, name: &str, inner: Ipv4Addr) -> Speaker {
    let key = PrivateKey::generate();
    let (public, address) = (key.public().to_string(), inner.to_string());
    let words = ["add", name, "--public-key", &public, "--address", &address];
    place.gateway.command(&words).ok();
    let (endpoint, own_key) = (ENDPOINT.parse().unwrap(), place.gateway.own_key());
    let mut speaker = Speaker::new(&place.outside, &key, inner, endpoint, &own_key);
    speaker.connect();
    assert!(speaker.pings(INNER));
    speaker
}

/// A panic among one peer's packets costs that peer its session. Six within a minute are more than
/// one bad peer's, and end the gateway.
#[test]
fn a_panic_among_the_packets_of_one_peer_costs_nobody_else_anything() {
    let place = Place::new();
    let process = place.gateway.start();
    let mut unlucky = connected(&place, "unlucky", Ipv4Addr::new(10, 77, 0, 8));
    let mut other = connected(&place, "other", Ipv4Addr::new(10, 77, 0, 9));
    let handshakes = other.handshakes();
    for panics in 1..=6 {
        let open = "tokenvpn_common::tunnel::Tunnel::open";
        let puppet = Puppet::at_thread(process.pid(), "worker 0", open, || unlucky.asks(INNER));
        puppet.panic();
        if panics == 6 {
            break;
        }
        assert!(other.pings(INNER), "after {panics}");
        assert_eq!(other.handshakes(), handshakes, "after {panics}");
        if panics == 1 {
            assert!(!unlucky.pings(INNER), "it has lost its session");
        }
        unlucky.connect();
        assert!(unlucky.pings(INNER), "after {panics}");
    }
    assert_eq!(process.exit_code(SOON), 70, "{}", process.report());
}

//! How much work anyone may cause.

use std::net::SocketAddr;
use std::time::Duration;

use boringtun::noise::{Tunn, TunnResult};
use tokenvpn_common::guard;
use tokenvpn_common::key::PrivateKey;
use tokenvpn_common::run::Run;

use crate::allocations;
use crate::hostile::{bare_tunnel, initiation, stranger};
use crate::net::*;

const MILLISECOND: Duration = Duration::from_millis(1);

/// A gateway to which as many initiations have just come as it takes without asking,
/// and the tunnel of a stranger.
fn gateway_under_load() -> (Scene, Tunn) {
    let mut scene = Scene::new();
    let mut unknown = bare_tunnel(&PrivateKey::generate(), &scene.gateway);
    let datagram = initiation(&mut unknown);
    for _ in 0..guard::HANDSHAKES_PER_SECOND {
        deliver(&mut scene, stranger(), &datagram);
    }
    assert!(scene.net.log.is_empty());
    (scene, unknown)
}

fn deliver(scene: &mut Scene, from: SocketAddr, datagram: &[u8]) {
    scene
        .net
        .deliver(GATEWAY_NODE, from, datagram, datagram.len());
}

/// Gets `tunn` the cookie of the address `from`.
fn take_cookie(scene: &mut Scene, tunn: &mut Tunn, from: SocketAddr) {
    let asking = initiation(tunn);
    deliver(scene, from, &asking);
    let reply = scene.net.log.pop().unwrap();
    assert_eq!((reply.kind(), reply.to), (3, from));
    let mut room = [0; 256];
    let taken = tunn.decapsulate(None, &reply.bytes, &mut room);
    assert!(matches!(taken, TunnResult::Done));
}

/// Begins a session, if that is answered.
fn begin_session(scene: &mut Scene, tunn: &mut Tunn) {
    let datagram = initiation(tunn);
    deliver(scene, stranger(), &datagram);
    let answer = scene.net.log.last().filter(|answer| answer.kind() == 2);
    let Some(response) = answer.map(|answer| answer.bytes.clone()) else {
        return;
    };
    let mut room = [0; 256];
    let TunnResult::WriteToNetwork(keepalive) = tunn.decapsulate(None, &response, &mut room) else {
        panic!("the response is in order");
    };
    deliver(scene, stranger(), keepalive);
}

/// How many of `count` initiations get as far as to show a key.
fn passing(scene: &mut Scene, tunn: &mut Tunn, from: SocketAddr, count: usize) -> u64 {
    let shown = |scene: &Scene| {
        let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
        counters.unknown_key
    };
    let before = shown(scene);
    for _ in 0..count {
        let datagram = initiation(tunn);
        deliver(scene, from, &datagram);
    }
    shown(scene) - before
}

#[test]
fn under_load_a_source_has_its_share_and_other_sources_theirs() {
    let (mut scene, mut unknown) = gateway_under_load();
    take_cookie(&mut scene, &mut unknown, stranger());
    assert_eq!(passing(&mut scene, &mut unknown, stranger(), 50), 5);
    let counters = *scene.net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!((counters.source_limit, counters.under_load), (45, 1));
    assert!(scene.net.log.is_empty(), "nor is the rest answered");

    // Another port is the same source, another address is not.
    let mut port = stranger();
    port.set_port(7);
    assert_eq!(passing(&mut scene, &mut unknown, port, 50), 0);
    let other: SocketAddr = "203.0.113.67:6666".parse().unwrap();
    take_cookie(&mut scene, &mut unknown, other);
    assert_eq!(passing(&mut scene, &mut unknown, other, 50), 5);

    // One more each 50 ms, while others keep up the load.
    let crowd = initiation(&mut bare_tunnel(&PrivateKey::generate(), &scene.gateway));
    let mut passed = 0;
    take_cookie(&mut scene, &mut unknown, stranger());
    for _ in 0..100 {
        scene.net.advance(10 * MILLISECOND);
        passed += passing(&mut scene, &mut unknown, stranger(), 2);
        for _ in 0..20 {
            deliver(&mut scene, other, &crowd);
        }
        scene.net.forget();
    }
    assert!((19..=21).contains(&passed), "{passed} in a second");
}

#[test]
fn under_load_the_addresses_of_an_ipv6_network_have_one_share() {
    let (mut scene, mut unknown) = gateway_under_load();
    let mut passed = 0;
    for n in 0..10 {
        let from: SocketAddr = format!("[2001:db8:0:1::{n}]:1").parse().unwrap();
        take_cookie(&mut scene, &mut unknown, from);
        passed += passing(&mut scene, &mut unknown, from, 2);
    }
    assert_eq!(passed, 5);
    let from: SocketAddr = "[2001:db8:0:2::1]:1".parse().unwrap();
    take_cookie(&mut scene, &mut unknown, from);
    assert_eq!(passing(&mut scene, &mut unknown, from, 2), 2);
}

#[test]
fn outside_load_no_source_is_limited_and_no_handshake_counts_twice() {
    let mut scene = Scene::new();
    let mut unknown = bare_tunnel(&PrivateKey::generate(), &scene.gateway);
    assert_eq!(passing(&mut scene, &mut unknown, stranger(), 200), 200);
    // boringtun has a limit of its own, of ten a second.
    let mut known = bare_tunnel(&scene.client_key, &scene.gateway);
    for _ in 0..40 {
        begin_session(&mut scene, &mut known);
        scene.net.advance(20 * MILLISECOND);
    }
    assert_eq!(scene.net.sent_by(GATEWAY_NODE, 2).len(), 40);
    assert!(scene.net.sent_by(GATEWAY_NODE, 3).is_empty());
}

#[test]
fn a_flood_does_not_have_the_first_thousand_of_each_second() {
    let (mut scene, mut unknown) = gateway_under_load();
    let mut shown = 0;
    for _ in 0..2_500 {
        scene.net.advance(MILLISECOND);
        shown += passing(&mut scene, &mut unknown, stranger(), 2);
        scene.net.forget();
    }
    assert_eq!(shown, 0);
    // And a second after its end nobody is asked for anything.
    scene.net.advance(1_000 * MILLISECOND);
    assert_eq!(passing(&mut scene, &mut unknown, stranger(), 2), 2);
}

#[test]
fn what_is_not_made_for_our_key_makes_no_load() {
    let mut scene = Scene::new();
    let elsewhere = PrivateKey::generate().public();
    let mut astray = bare_tunnel(&PrivateKey::generate(), &elsewhere);
    let datagram = initiation(&mut astray);
    for _ in 0..2 * guard::HANDSHAKES_PER_SECOND {
        deliver(&mut scene, stranger(), &datagram);
    }
    let mut unknown = bare_tunnel(&PrivateKey::generate(), &scene.gateway);
    assert_eq!(passing(&mut scene, &mut unknown, stranger(), 1), 1);
    assert!(scene.net.log.is_empty());
}

#[test]
fn a_peer_is_answered_fifty_times_a_second_and_no_more() {
    let mut scene = Scene::connected();
    let mut known = bare_tunnel(&scene.client_key, &scene.gateway);
    scene.net.advance(Duration::from_secs(1));
    scene.net.forget();
    for _ in 0..800 {
        scene.net.advance(5 * MILLISECOND);
        begin_session(&mut scene, &mut known);
    }
    let answered = scene.net.sent_by(GATEWAY_NODE, 2).len();
    assert!((195..=205).contains(&answered), "{answered} in 4 s");
    let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!(counters.identity_limit, 800 - answered as u64);
    // Nobody else is concerned.
    let other = &mut scene.net.nodes[OTHER_NODE];
    let endpoint = "198.51.100.1:51820".parse().unwrap();
    other
        .device
        .set_endpoint(scene.net.now, &scene.gateway, endpoint);
    scene.net.flow();
    let to = scene.net.nodes[OTHER_NODE].address;
    assert_eq!(scene.net.sent_by(GATEWAY_NODE, 2).pop().unwrap().to, to);
}

/// Beyond what is answered of one peer its source has to show itself, and then has its share.
#[test]
fn a_peer_from_many_places_is_answered_no_more_and_one_place_has_its_share() {
    let mut scene = Scene::connected();
    let mut known = bare_tunnel(&scene.client_key, &scene.gateway);
    scene.net.advance(Duration::from_secs(1));
    for port in 1..=10 {
        scene.net.advance(MILLISECOND);
        let datagram = initiation(&mut known);
        deliver(&mut scene, ([203, 0, 113, 66], port).into(), &datagram);
    }
    let kinds: Vec<_> = scene.net.log.iter().map(|sent| sent.kind()).collect();
    assert_eq!(kinds[kinds.len() - 10..], [2, 2, 2, 2, 2, 3, 3, 3, 3, 3]);
    take_cookie(&mut scene, &mut known, stranger());
    scene.net.forget();
    for _ in 0..20 {
        scene.net.advance(MILLISECOND);
        let datagram = initiation(&mut known);
        deliver(&mut scene, stranger(), &datagram);
    }
    // Five for the place, and as many that may be doubtful; whoever is beyond is told nothing.
    let kinds: Vec<_> = scene.net.log.iter().map(|sent| sent.kind()).collect();
    assert_eq!(kinds, [2; 10]);
    let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!(counters.source_limit, 10);
}

#[test]
fn who_only_shows_a_key_takes_nothing_of_its_allowance() {
    let mut scene = Scene::connected();
    scene.net.advance(Duration::from_secs(1));
    let mut forged = initiation(&mut bare_tunnel(&scene.client_key, &scene.gateway));
    forged[100] ^= 1;
    crate::forgery::sign(&mut forged, &scene.gateway);
    for _ in 0..500 {
        deliver(&mut scene, stranger(), &forged);
    }
    let (now, gateway) = (scene.net.now, scene.gateway);
    let endpoint = scene.net.nodes[GATEWAY_NODE].address;
    let client = &mut scene.net.nodes[CLIENT_NODE].device;
    client.set_endpoint(now, &gateway, endpoint);
    scene.net.flow();
    assert_eq!(scene.net.sent_by(GATEWAY_NODE, 2).len(), 1);
}

#[test]
fn a_flood_costs_no_memory() {
    let (mut scene, mut unknown) = gateway_under_load();
    let datagram = initiation(&mut unknown);
    let now = scene.net.now;
    let device = &mut scene.net.nodes[GATEWAY_NODE].device;
    let mut flood = |count: u32| {
        for n in 0..count {
            let [.., a, b] = (n / 7).to_be_bytes();
            let from = SocketAddr::from(([10, n as u8, a, b], 1));
            device.handle_datagrams(now, Run::new(from, &datagram, 148));
            while let Some(train) = device.poll_transmit() {
                assert_eq!(train.contents.len(), 64);
            }
        }
    };
    flood(1);
    let (grown, ()) = allocations::growth(|| flood(20_000));
    assert_eq!(grown, 0);
}

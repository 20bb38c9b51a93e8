//! Initiations from where another one was answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{Tunn, TunnResult};
use boringtun::x25519;
use tokenvpn_common::device::Counters;
use tokenvpn_common::key::PrivateKey;

use crate::forgery::{sign, with_other_index};
use crate::hostile::{bare_tunnel, initiation, stranger};
use crate::net::*;

/// Clients that the gateway has answered where they are, and what it has counted then.
fn met() -> (Scene, Counters) {
    let mut scene = Scene::connected();
    scene.net.advance(Duration::from_secs(1));
    scene.net.forget();
    let counters = *scene.net.nodes[GATEWAY_NODE].device.counters();
    (scene, counters)
}

fn home(scene: &Scene) -> SocketAddr {
    scene.net.nodes[CLIENT_NODE].address
}

/// How many responses the gateway gives to an initiation that comes from `source`.
fn answers(scene: &mut Scene, source: SocketAddr, initiation: &[u8]) -> usize {
    scene.net.forget();
    scene
        .net
        .deliver(GATEWAY_NODE, source, initiation, initiation.len());
    scene.net.sent_by(GATEWAY_NODE, 2).len()
}

/// A packet passes both ways, and no handshake was needed for it.
fn passes_as_it_is(scene: &mut Scene) -> bool {
    scene.net.forget();
    let passes = scene.passes();
    passes && scene.net.log.iter().all(|sent| sent.kind() == 4)
}

fn counters(scene: &Scene) -> Counters {
    *scene.net.nodes[GATEWAY_NODE].device.counters()
}

#[test]
fn who_calls_again_from_the_same_place_is_recognised() {
    let (mut scene, before) = met();
    let mut known = bare_tunnel(&scene.client_key, &scene.gateway);
    for (source, recognised) in [
        (home(&scene), 1),
        (home(&scene), 2),
        (stranger(), 2),
        (stranger(), 3),
        (home(&scene), 4),
    ] {
        scene.net.advance(Duration::from_millis(30));
        let call = initiation(&mut known);
        assert_eq!(answers(&mut scene, source, &call), 1);
        let expected = Counters {
            recognised: before.recognised + recognised,
            ..before
        };
        assert_eq!(counters(&scene), expected);
    }
    assert!(scene.passes(), "an answer alone moves nobody");
}

#[test]
fn whoever_takes_over_a_place_is_answered_as_itself() {
    let (mut scene, before) = met();
    let other = scene.net.nodes[OTHER_NODE].address;
    // A router gives the first client's port to the second.
    scene.net.nodes[CLIENT_NODE].address = other;
    scene.net.nodes[OTHER_NODE].address = "192.0.2.1:40000".parse().unwrap();
    let (now, gateway) = (scene.net.now, scene.gateway);
    let server = scene.net.nodes[GATEWAY_NODE].address;
    for node in [CLIENT_NODE, OTHER_NODE] {
        let device = &mut scene.net.nodes[node].device;
        device.set_endpoint(now, &gateway, server);
        scene.net.flow();
    }
    assert_eq!(counters(&scene), before, "nobody was where it had been");
    assert!(passes_as_it_is(&mut scene));
    let packet = packet(INNER, OTHER, 100);
    scene.net.send(GATEWAY_NODE, std::slice::from_ref(&packet));
    assert_eq!(scene.net.take_inbox(OTHER_NODE), [packet]);
}

#[test]
fn a_stranger_in_a_peers_place_meets_silence_and_changes_nothing() {
    let (mut scene, before) = met();
    let home = home(&scene);
    let key = scene.clients[0];
    let due = scene.net.nodes[GATEWAY_NODE].device.poll_timeout();
    let unknown = initiation(&mut bare_tunnel(&PrivateKey::generate(), &scene.gateway));
    let spoil = |at: usize| {
        let mut spoilt = initiation(&mut bare_tunnel(&scene.client_key, &scene.gateway));
        spoilt[at] ^= 1;
        sign(&mut spoilt, &scene.gateway);
        spoilt
    };
    // The ephemeral, the key, and the time that proves who sends it.
    let spoilt = [spoil(8), spoil(40), spoil(100)];
    for call in spoilt.iter().chain([&unknown]) {
        assert_eq!(answers(&mut scene, home, call), 0);
    }
    let expected = Counters {
        bad_initiation: before.bad_initiation + 2,
        unauthentic: before.unauthentic + 1,
        unknown_key: before.unknown_key + 1,
        ..before
    };
    assert_eq!(counters(&scene), expected, "as anywhere else");
    let device = &scene.net.nodes[GATEWAY_NODE].device;
    assert_eq!(device.poll_timeout(), due);
    assert_eq!(scene.net.stats(GATEWAY_NODE, &key).endpoint, Some(home));
    assert!(passes_as_it_is(&mut scene));
}

#[test]
fn a_recorded_initiation_is_answered_once_in_its_own_place_too() {
    let (mut scene, before) = met();
    let home = home(&scene);
    let mut known = bare_tunnel(&scene.client_key, &scene.gateway);
    let older = initiation(&mut known);
    scene.net.advance(Duration::from_millis(30));
    let call = initiation(&mut known);
    assert_eq!(answers(&mut scene, home, &call), 1);
    scene.net.advance(Duration::from_millis(30));
    let other = with_other_index(&call, &scene.gateway);
    for again in [&call, &other, &older] {
        assert_eq!(answers(&mut scene, home, again), 0);
    }
    let expected = Counters {
        recognised: before.recognised + 1,
        replayed: before.replayed + 3,
        ..before
    };
    assert_eq!(counters(&scene), expected);
}

#[test]
fn a_removed_peer_is_not_recognised_nor_is_who_has_its_number_taken_for_it() {
    let (mut scene, before) = met();
    let home = home(&scene);
    let mut removed = bare_tunnel(&scene.client_key, &scene.gateway);
    let (now, key) = (scene.net.now, scene.clients[0]);
    let device = &mut scene.net.nodes[GATEWAY_NODE].device;
    assert!(device.remove_peer(&key));
    assert_eq!(answers(&mut scene, home, &initiation(&mut removed)), 0);

    let newcomer = PrivateKey::generate();
    let device = &mut scene.net.nodes[GATEWAY_NODE].device;
    let known = peer(&newcomer.public(), &["10.77.0.7/32"]);
    device.add_peer(now, known).unwrap();
    let mut newcomer = bare_tunnel(&newcomer, &scene.gateway);
    for recognised in [0, 1] {
        assert_eq!(answers(&mut scene, home, &initiation(&mut removed)), 0);
        assert_eq!(answers(&mut scene, home, &initiation(&mut newcomer)), 1);
        assert_eq!(counters(&scene).recognised, before.recognised + recognised);
        scene.net.advance(Duration::from_millis(30));
    }
    assert_eq!(counters(&scene).unknown_key, before.unknown_key + 3);
}

#[test]
fn a_recognised_peer_has_no_more_answers_than_another() {
    let (mut scene, before) = met();
    let home = home(&scene);
    let private = x25519::StaticSecret::from(*scene.client_key.expose());
    let public = x25519::PublicKey::from(*scene.gateway.as_bytes());
    // Left to itself it takes ten answers a second.
    let own = x25519::PublicKey::from(&private);
    let limiter = Arc::new(RateLimiter::new(&own, u64::MAX));
    let mut known = Tunn::new(private, public, None, None, 7, Some(limiter));
    let mut room = [0; 256];
    let mut answered = 0;
    for _ in 0..400 {
        scene.net.advance(Duration::from_millis(5));
        let call = initiation(&mut known);
        if answers(&mut scene, home, &call) == 0 {
            continue;
        }
        answered += 1;
        // Confirmed at once, or soon there would be no room for another session.
        let response = scene.net.sent_by(GATEWAY_NODE, 2).pop().unwrap().bytes;
        if let TunnResult::WriteToNetwork(keepalive) = known.decapsulate(None, &response, &mut room)
        {
            let len = keepalive.len();
            scene.net.deliver(GATEWAY_NODE, home, keepalive, len);
        }
    }
    assert!((95..=105).contains(&answered), "{answered} in 2 s");
    let counters = counters(&scene);
    assert_eq!(counters.recognised - before.recognised, answered);
    assert_eq!(
        counters.identity_limit - before.identity_limit,
        400 - answered
    );
}

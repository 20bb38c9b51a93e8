//! Recorded initiations, and tokens that meet clocks that differ.

use std::time::Duration;

use tokenvpn_common::device::{Event, SeenInitiations, Worker};
use tokenvpn_common::guard;

use crate::clock;
use crate::forgery::with_other_index;
use crate::handshake::restart_gateway;
use crate::hostile::{bare_tunnel, initiation, stranger};
use crate::net::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: i64 = 3_600;

/// The first client's token moves to another computer, whose clock is fast by so many
/// seconds.
fn move_token(scene: &mut Scene, address: &str, fast: i64) {
    let key = scene.client_key.clone();
    let node = scene.net.add(&key, address, Worker::default());
    let mut known = peer(&scene.gateway, &["0.0.0.0/0", "::/0"]);
    known.endpoint = Some(scene.net.nodes[GATEWAY_NODE].address);
    known.keep_session = true;
    known.keepalive = Some(25);
    clock::set_fast(fast);
    let now = scene.net.now;
    scene.net.nodes[node].device.add_peer(now, known).unwrap();
    clock::set_fast(0);
    // The last node, which is the new one, takes its place.
    scene.net.nodes.swap_remove(CLIENT_NODE);
}

/// When the client had a session, from now on and within `limit`.
fn connects_within(scene: &mut Scene, limit: Duration) -> Option<Duration> {
    let start = scene.net.now;
    while scene.net.now.since(start) <= limit {
        scene.net.advance(SECOND / 4);
        let events = &scene.net.nodes[CLIENT_NODE].events;
        if events.iter().any(|e| matches!(e, Event::SessionUp { .. })) {
            return Some(scene.net.now.since(start));
        }
    }
    None
}

fn stored(scene: &Scene) -> Option<std::net::SocketAddr> {
    scene.net.stats(GATEWAY_NODE, &scene.clients[0]).endpoint
}

fn responses(scene: &Scene) -> usize {
    scene.net.sent_by(GATEWAY_NODE, 2).len()
}

/// A packet passes both ways, and no handshake was needed for it.
fn passes_as_it_is(scene: &mut Scene) -> bool {
    let initiations = |scene: &Scene| scene.net.log.iter().filter(|s| s.kind() == 1).count();
    let before = initiations(scene);
    scene.passes() && initiations(scene) == before
}

/// A client that was silent for a while in a session that an hour of others preceded,
/// and all its initiations.
fn hour_of_initiations() -> (Scene, Vec<Sent>) {
    let mut scene = Scene::with(|gateway| gateway.keep_session = true);
    scene.net.advance(SECOND * 3_600);
    let recorded = scene.net.sent_by(CLIENT_NODE, 1);
    assert!(recorded.len() >= 30);
    // Until the gateway has heard nothing for longer than it trusts the clock.
    scene.net.advance(SECOND * 40);
    let peer = scene.clients[0];
    let heard = scene.net.stats(GATEWAY_NODE, &peer).last_handshake.unwrap();
    assert!(scene.net.now.since(heard) > guard::CLOCK_DOUBT);
    scene.net.forget();
    scene.net.nodes[GATEWAY_NODE].events.clear();
    (scene, recorded)
}

fn deliver_from_stranger(scene: &mut Scene, initiation: &[u8]) {
    scene
        .net
        .deliver(GATEWAY_NODE, stranger(), initiation, initiation.len());
    scene.net.advance(SECOND / 20);
}

#[test]
fn a_token_that_comes_from_a_fast_clock_to_a_right_one_connects_within_a_minute() {
    for fast in [HOUR, 0, -HOUR] {
        let mut scene = Scene::new();
        move_token(&mut scene, "192.0.2.50:1", fast + HOUR);
        assert!(connects_within(&mut scene, SECOND).is_some());
        scene.net.advance(SECOND * 300);
        let last = scene.net.sent_by(CLIENT_NODE, 4).pop().unwrap().at;
        let first_computer = scene.net.sent_by(CLIENT_NODE, 1);

        move_token(&mut scene, "192.0.2.51:1", fast);
        let took = connects_within(&mut scene, SECOND * 60).expect("it connects");
        let allowed = last + guard::CLOCK_DOUBT;
        assert!(
            scene.net.now >= allowed,
            "not while the other may be alive: {took:?}"
        );
        let home = scene.net.nodes[CLIENT_NODE].address;
        assert_eq!(stored(&scene), Some(home));
        assert!(passes_as_it_is(&mut scene));

        // What the first computer sent moves nothing and ends nothing, whoever sends it.
        let before = responses(&scene);
        for wait in [0, 10, 40] {
            scene.net.nodes[CLIENT_NODE].online = wait < 40;
            scene.net.advance(SECOND * wait);
            for sent in &first_computer {
                deliver_from_stranger(&mut scene, &sent.bytes);
                let other = with_other_index(&sent.bytes, &scene.gateway);
                deliver_from_stranger(&mut scene, &other);
            }
            scene.net.nodes[CLIENT_NODE].online = true;
            assert_eq!(stored(&scene), Some(home));
            assert!(passes_as_it_is(&mut scene), "after {wait} s");
        }
        assert_eq!(responses(&scene), before, "nor is it answered");
        // The session is renewed on the new clock.
        scene.net.advance(SECOND * 300);
        assert!(passes_as_it_is(&mut scene));
        assert_eq!(stored(&scene), Some(home));
    }
}

#[test]
fn the_session_on_the_other_clock_is_known_no_more() {
    let mut scene = Scene::new();
    move_token(&mut scene, "192.0.2.50:1", HOUR);
    assert!(connects_within(&mut scene, SECOND).is_some());
    let mut data = scene.net.sent_by(CLIENT_NODE, 4).pop().unwrap().bytes;
    move_token(&mut scene, "192.0.2.51:1", 0);
    assert!(connects_within(&mut scene, SECOND * 60).is_some());
    // Nobody is asked whether this is authentic.
    data[20] ^= 1;
    deliver_from_stranger(&mut scene, &data);
    let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!((counters.unknown_index, counters.unauthentic), (1, 0));
}

#[test]
fn a_fast_initiation_sent_again_to_a_gateway_that_lost_its_memory_locks_nobody_out() {
    let mut scene = Scene::new();
    move_token(&mut scene, "192.0.2.50:1", HOUR);
    scene.net.advance(SECOND * 300);
    let recorded = scene.net.sent_by(CLIENT_NODE, 1);
    restart_gateway(&mut scene);
    for sent in &recorded {
        deliver_from_stranger(&mut scene, &sent.bytes);
    }
    let answered = responses(&scene);
    move_token(&mut scene, "192.0.2.51:1", 0);
    let took = connects_within(&mut scene, SECOND * 60).expect("it connects");
    assert!(
        took < SECOND,
        "nobody has proved that other clock: {took:?}"
    );
    let home = scene.net.nodes[CLIENT_NODE].address;
    assert_eq!(stored(&scene), Some(home));
    for sent in &recorded {
        deliver_from_stranger(&mut scene, &sent.bytes);
    }
    assert_eq!(responses(&scene), answered + 1, "the client's own");
    assert_eq!(stored(&scene), Some(home));
    assert!(passes_as_it_is(&mut scene));
}

#[test]
fn an_hour_of_initiations_leaves_an_idle_session_as_it_is() {
    for altered in [false, true] {
        let (mut scene, recorded) = hour_of_initiations();
        let home = stored(&scene);
        for sent in &recorded {
            let bytes = match altered {
                false => sent.bytes.clone(),
                true => with_other_index(&sent.bytes, &scene.gateway),
            };
            deliver_from_stranger(&mut scene, &bytes);
        }
        assert_eq!(stored(&scene), home);
        assert!(scene.net.nodes[GATEWAY_NODE].events.is_empty());
        assert_eq!(responses(&scene), 0);
        assert!(passes_as_it_is(&mut scene));
        let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
        assert_eq!(counters.replayed, recorded.len() as u64);
    }
}

#[test]
fn an_hour_of_initiations_means_nothing_to_a_gateway_that_started_again() {
    for remembers in [true, false] {
        for altered in [false, true] {
            let (mut scene, mut recorded) = hour_of_initiations();
            let peer = scene.clients[0];
            let device = &scene.net.nodes[GATEWAY_NODE].device;
            let memory = device.seen_initiations(&peer).unwrap().to_bytes();
            restart_gateway(&mut scene);
            let now = scene.net.now;
            let device = &mut scene.net.nodes[GATEWAY_NODE].device;
            if remembers {
                let memory = SeenInitiations::from_bytes(&memory).unwrap();
                device.restore_initiations(&peer, memory);
            }
            // The session begins with the gateway, which does not learn the client's time.
            device.greet(now);
            scene.net.advance(SECOND);
            assert!(passes_as_it_is(&mut scene));
            let home = stored(&scene);
            if altered {
                for sent in &mut recorded {
                    sent.bytes = with_other_index(&sent.bytes, &scene.gateway);
                }
            }
            // In their order, in the other, and while the client is silent.
            for round in 0..3 {
                if round == 2 {
                    recorded.reverse();
                    scene.net.advance(SECOND * 40);
                }
                for sent in &recorded {
                    deliver_from_stranger(&mut scene, &sent.bytes);
                }
                assert_eq!(stored(&scene), home);
                assert!(passes_as_it_is(&mut scene), "round {round}");
            }
            let answers = responses(&scene);
            match remembers {
                true => assert_eq!(answers, 0),
                false => assert!((1..=recorded.len()).contains(&answers), "{answers}"),
            }
            // And the client is known when it renews its session.
            scene.net.advance(SECOND * 300);
            assert!(passes_as_it_is(&mut scene));
            assert_eq!(stored(&scene), home);
        }
    }
}

/// A gateway that knows a client by a clock that is an hour fast, and hears of it no more.
fn left_by_a_fast_clock() -> Scene {
    let mut scene = Scene::new();
    move_token(&mut scene, "192.0.2.50:1", HOUR);
    scene.net.advance(SECOND);
    scene.net.nodes[CLIENT_NODE].online = false;
    scene
}

/// Whoever sends keepalives every 25 s is never so silent, with a second or two on the way.
#[test]
fn a_clock_is_in_doubt_after_half_a_minute_of_silence_and_not_before() {
    let mut scene = left_by_a_fast_clock();
    let last = scene.net.sent_by(CLIENT_NODE, 4).pop().unwrap().at;
    let answered = responses(&scene);
    let mut tunn = bare_tunnel(&scene.client_key, &scene.gateway);
    for (silence, answers) in [(29, 0), (30, 1)] {
        let wait = (last + SECOND * silence).since(scene.net.now);
        scene.net.advance(wait);
        let set_back = initiation(&mut tunn);
        deliver_from_stranger(&mut scene, &set_back);
        assert_eq!(responses(&scene) - answered, answers, "{silence} s");
    }
}

#[test]
fn a_candidate_that_nothing_proves_is_given_up_after_ten_seconds() {
    let mut scene = left_by_a_fast_clock();
    scene.net.advance(guard::CLOCK_DOUBT);
    let mut tunn = bare_tunnel(&scene.client_key, &scene.gateway);
    deliver_from_stranger(&mut scene, &initiation(&mut tunn));
    let response = scene.net.sent_by(GATEWAY_NODE, 2).pop().unwrap();
    assert_eq!(response.to, stranger());
    let mut room = [0; 256];
    let boringtun::noise::TunnResult::WriteToNetwork(keepalive) =
        tunn.decapsulate(None, &response.bytes, &mut room)
    else {
        panic!("the response is in order");
    };
    scene.net.advance(guard::CANDIDATE_LIFE);
    let unknown = |scene: &Scene| scene.net.nodes[0].device.counters().unknown_index;
    assert_eq!(unknown(&scene), 0);
    deliver_from_stranger(&mut scene, keepalive);
    assert_eq!(unknown(&scene), 1);
    assert_ne!(stored(&scene), Some(stranger()));
}

#[test]
fn a_candidate_that_is_asked_again_and_again_lives_no_longer() {
    let mut scene = left_by_a_fast_clock();
    scene.net.advance(guard::CLOCK_DOUBT);
    let mut tunn = bare_tunnel(&scene.client_key, &scene.gateway);
    let mut tunnel_that_answers = |scene: &mut Scene| {
        deliver_from_stranger(scene, &initiation(&mut tunn));
        let response = scene.net.sent_by(GATEWAY_NODE, 2).pop().unwrap();
        guard::sender_index(&response.bytes) >> 8
    };
    let first = tunnel_that_answers(&mut scene);
    scene.net.advance(guard::CANDIDATE_LIFE / 2);
    assert_eq!(tunnel_that_answers(&mut scene), first);
    scene.net.advance(guard::CANDIDATE_LIFE / 2);
    assert_ne!(tunnel_that_answers(&mut scene), first);
    // Nor does its index lead anywhere.
    let mut data = [0; 32];
    data[0] = 4;
    data[4..8].copy_from_slice(&(first << 8).to_le_bytes());
    deliver_from_stranger(&mut scene, &data);
    let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!(counters.unknown_index, 1);
}

/// More initiations than are remembered, again and again in all ways: in turn, backwards, and
/// slowly enough that the time in them always rises.
#[test]
fn a_long_recording_keeps_nobody_out_and_is_answered_a_few_times_a_second() {
    for (set_back, step) in [(0, 1), (0, 299), (HOUR, 1), (HOUR, 17)] {
        let mut scene = Scene::new();
        let mut tunn = bare_tunnel(&scene.client_key, &scene.gateway);
        let recorded: Vec<_> = (0..300)
            .map(|_| {
                scene.net.advance(SECOND / 1_000);
                initiation(&mut tunn)
            })
            .collect();
        scene.net.nodes[CLIENT_NODE].online = false;
        scene.net.advance(SECOND * 600);
        let mut next = 0;
        let mut attack = |scene: &mut Scene| {
            let bytes = &recorded[next % recorded.len()];
            next += step;
            let gateway = GATEWAY_NODE;
            scene.net.deliver(gateway, stranger(), bytes, bytes.len());
            scene.net.advance(SECOND / 900);
        };
        (0..900).for_each(|_| attack(&mut scene));
        let to_stranger = |scene: &Scene| {
            let responses = scene.net.sent_by(GATEWAY_NODE, 2);
            responses.iter().filter(|s| s.to == stranger()).count()
        };
        scene.net.latency = SECOND / 20;
        move_token(&mut scene, "192.0.2.51:1", -set_back);
        let start = scene.net.now;
        let is_up = |scene: &Scene| {
            let mut events = scene.net.nodes[GATEWAY_NODE].events.iter();
            events.any(|event| matches!(event, Event::SessionUp { .. }))
        };
        while !is_up(&scene) {
            let took = scene.net.now.since(start);
            assert!(took < SECOND * 6, "kept out: {set_back} {step}");
            attack(&mut scene);
        }
        let home = scene.net.nodes[CLIENT_NODE].address;
        assert_eq!(stored(&scene), Some(home));
        // What the first tunnel can take, the burst, and two a second.
        let answered = to_stranger(&scene);
        assert!(answered < 40, "{answered} of {next}: {set_back} {step}");
        (0..900).for_each(|_| attack(&mut scene));
        assert!(passes_as_it_is(&mut scene));
        assert_eq!(stored(&scene), Some(home));
    }
}

#[test]
fn a_peer_that_sleeps_costs_no_tunnel() {
    let mut scene = Scene::new();
    let (grown, ()) = crate::allocations::growth(|| {
        scene.connect();
        scene.net.advance(SECOND * 1_200);
    });
    // The devices' buffers, and what is remembered of two initiations.
    assert!(grown < 2_700_000, "{grown}");
    assert!(scene.passes());
    scene.net.forget();
    let (grown, ()) = crate::allocations::growth(|| scene.net.advance(SECOND * 1_200));
    assert!(grown < -2 * 10_000, "both ends let go of a tunnel: {grown}");
}

//! What happens when nothing comes, over hours of virtual time.

use std::time::Duration;

use tokenvpn_common::clock::Now;
use tokenvpn_common::device::Event;

use crate::net::*;

const MINUTE: Duration = Duration::from_secs(60);

/// The waits between the initiations of a node, in seconds.
fn waits(scene: &Scene, node: usize) -> Vec<f64> {
    let sent: Vec<Now> = scene.net.sent_by(node, 1).iter().map(|s| s.at).collect();
    sent.windows(2)
        .map(|pair| pair[1].since(pair[0]).as_secs_f64())
        .collect()
}

#[test]
fn an_idle_session_is_renewed_every_two_minutes_and_never_lost() {
    let mut scene = Scene::keeping();
    scene.net.latency = Duration::from_millis(30);
    scene.net.advance(60 * MINUTE);
    let gateway = scene.gateway;
    assert_eq!(
        scene.net.nodes[CLIENT_NODE].events,
        [Event::SessionUp { peer: gateway }]
    );
    let waits = waits(&scene, CLIENT_NODE);
    assert!((28..=30).contains(&waits.len()), "{waits:?}");
    for wait in waits {
        assert!((120.0..121.0).contains(&wait), "{wait}");
    }
    assert!(scene.net.sent_by(GATEWAY_NODE, 1).is_empty());
    let now = scene.net.now;
    for (node, peer) in [(CLIENT_NODE, gateway), (GATEWAY_NODE, scene.clients[0])] {
        let last = scene.net.stats(node, &peer).last_handshake.unwrap();
        assert!(now.since(last) < Duration::from_secs(122), "node {node}");
    }
}

#[test]
fn an_unreachable_gateway_is_called_for_ever_and_more_slowly_in_time() {
    let mut scene = Scene::keeping();
    scene.net.nodes[GATEWAY_NODE].online = false;
    scene.net.advance(60 * MINUTE);
    let waits = waits(&scene, CLIENT_NODE);
    let mut elapsed = 0.0;
    for wait in &waits {
        elapsed += wait;
        if elapsed < 595.0 {
            assert!((5.0..=5.34).contains(wait), "{wait} at {elapsed}");
        } else if elapsed > 640.0 {
            assert!((30.0..=30.34).contains(wait), "{wait} at {elapsed}");
        }
    }
    assert!(elapsed > 3_500.0, "{elapsed}");
    let spread = waits.iter().any(|w| *w < 5.1) && waits.iter().any(|w| (5.2..6.0).contains(w));
    assert!(spread, "the wait has a random part");

    // It comes back: the next call is answered.
    scene.net.nodes[GATEWAY_NODE].online = true;
    scene.net.advance(Duration::from_secs(31));
    assert!(scene.passes());
}

#[test]
fn data_and_a_new_network_end_the_slow_calls() {
    for by_data in [true, false] {
        let mut scene = Scene::keeping();
        scene.net.nodes[GATEWAY_NODE].online = false;
        scene.net.advance(20 * MINUTE);
        // Right after a call, when the next would be half a minute off.
        let last = scene.net.sent_by(CLIENT_NODE, 1).len();
        while scene.net.sent_by(CLIENT_NODE, 1).len() == last {
            scene.net.advance(Duration::from_secs(1));
        }
        if by_data {
            scene.net.advance(Duration::from_secs(5));
            scene.net.nodes[GATEWAY_NODE].online = true;
            scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
            assert_eq!(scene.net.take_inbox(GATEWAY_NODE).len(), 1);
        } else {
            scene.net.advance(Duration::from_secs(1));
            let (now, calls) = (scene.net.now, scene.net.sent_by(CLIENT_NODE, 1).len());
            let device = &mut scene.net.nodes[CLIENT_NODE].device;
            device.handle_network_change(now);
            scene.net.flow();
            assert_eq!(scene.net.sent_by(CLIENT_NODE, 1).len(), calls + 1);
            scene.net.nodes[GATEWAY_NODE].online = true;
            scene.net.advance(Duration::from_secs(6));
            assert_eq!(scene.net.sent_by(CLIENT_NODE, 1).len(), calls + 2);
        }
        assert!(scene.passes());
    }
}

#[test]
fn a_lost_session_is_reported_and_won_back() {
    let mut scene = Scene::keeping();
    scene.net.advance(MINUTE);
    scene.net.nodes[GATEWAY_NODE].online = false;
    scene.net.advance(5 * MINUTE);
    scene.net.nodes[GATEWAY_NODE].online = true;
    scene.net.advance(Duration::from_secs(6));
    let peer = scene.gateway;
    assert_eq!(
        scene.net.nodes[CLIENT_NODE].events,
        [
            Event::SessionUp { peer },
            Event::SessionLost { peer },
            Event::SessionUp { peer }
        ]
    );
    assert!(scene.passes());
}

#[test]
fn a_peer_that_keeps_no_session_falls_asleep_and_wakes() {
    let mut scene = Scene::connected();
    scene.net.advance(Duration::from_secs(11));
    let keepalives = scene.net.sent_by(GATEWAY_NODE, 4);
    assert_eq!(keepalives.len(), 2, "to say that it heard");
    scene.net.forget();
    scene.net.advance(20 * MINUTE);
    for node in &scene.net.nodes {
        assert_eq!(node.device.poll_timeout(), None);
    }
    assert!(scene.net.log.is_empty(), "nothing was said meanwhile");
    let lost: Vec<_> = scene.net.nodes[GATEWAY_NODE].events.drain(..).collect();
    assert_eq!(lost.len(), 2);
    // From either side: the gateway remembers where the clients were.
    scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
    assert_eq!(scene.net.take_inbox(CLIENT_NODE).len(), 1);
    scene.net.send(OTHER_NODE, &[packet(OTHER, INNER, 100)]);
    assert_eq!(scene.net.take_inbox(GATEWAY_NODE).len(), 1);
}

#[test]
fn an_old_initiation_is_not_answered_even_after_sleep() {
    let mut scene = Scene::new();
    assert!(scene.passes());
    let initiation = scene.net.sent_by(CLIENT_NODE, 1).pop().unwrap();
    scene.net.advance(30 * MINUTE);
    scene.net.log.clear();
    scene
        .net
        .deliver(GATEWAY_NODE, initiation.from, &initiation.bytes, 148);
    assert!(scene.net.log.is_empty());
}

#[test]
fn one_packet_every_twenty_seconds_needs_no_handshake_of_its_own() {
    let scenes = [Scene::new as fn() -> Scene, Scene::keeping];
    for (latency, scene) in [0, 75, 200]
        .into_iter()
        .flat_map(|l| scenes.map(|s| (l, s)))
    {
        let mut scene = scene();
        scene.net.latency = Duration::from_millis(latency);
        for round in 0..180 {
            scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 84)]);
            let mut arrived = Vec::new();
            let sent = scene.net.now;
            while arrived.is_empty() {
                scene.net.advance(Duration::from_millis(5));
                arrived = scene.net.take_inbox(GATEWAY_NODE);
            }
            // The inner server answers.
            scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 84)]);
            let rest = Duration::from_secs(20) - scene.net.now.since(sent);
            scene.net.advance(rest);
            let answered = scene.net.take_inbox(CLIENT_NODE).len();
            assert_eq!(answered, 1, "round {round}");
        }
        let begun = [CLIENT_NODE, GATEWAY_NODE].map(|node| scene.net.sent_by(node, 1).len());
        let handshakes: usize = begun.iter().sum();
        assert!(
            (25..=33).contains(&handshakes),
            "{handshakes} in an hour at {latency} ms"
        );
    }
}

#[test]
fn what_waits_for_a_session_starts_no_second_handshake() {
    let mut scene = Scene::connected();
    scene.net.advance(20 * MINUTE);
    // The gateway calls in vain, and packets wait; then the client calls.
    scene.net.nodes[CLIENT_NODE].online = false;
    let waiting: Vec<_> = (0..10).map(|n| packet(INNER, CLIENT, 100 + n)).collect();
    scene.net.send(GATEWAY_NODE, &waiting);
    scene.net.nodes[CLIENT_NODE].online = true;
    scene.net.forget();
    scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
    assert_eq!(scene.net.take_inbox(CLIENT_NODE), waiting);
    assert!(scene.net.sent_by(GATEWAY_NODE, 1).is_empty());
    assert_eq!(scene.net.sent_by(CLIENT_NODE, 1).len(), 1);
}

#[test]
fn a_packet_that_is_not_answered_causes_a_handshake() {
    let mut scene = Scene::connected();
    scene.net.advance(Duration::from_secs(30));
    scene.net.nodes[GATEWAY_NODE].online = false;
    scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
    let sent = scene.net.now;
    scene.net.advance(Duration::from_secs(20));
    let calls = scene.net.sent_by(CLIENT_NODE, 1);
    let wait = calls[0].at.since(sent);
    assert!(
        (Duration::from_secs(5)..Duration::from_secs(16)).contains(&wait),
        "{wait:?}"
    );
}

#[test]
fn a_session_past_its_end_is_not_used_after_the_process_was_stopped() {
    for to_gateway in [true, false] {
        let mut scene = Scene::connected();
        scene.net.nodes[CLIENT_NODE].online = false;
        scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
        let late = scene.net.sent_by(CLIENT_NODE, 4).pop().unwrap();
        // Both processes stand still; the clock does not.
        scene.net.set_time(scene.net.now + Duration::from_secs(202));
        if to_gateway {
            scene
                .net
                .deliver(GATEWAY_NODE, late.from, &late.bytes, late.bytes.len());
            assert!(scene.net.take_inbox(GATEWAY_NODE).is_empty());
        } else {
            scene.net.log.clear();
            scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
            let kinds: Vec<u8> = scene.net.log.iter().map(|s| s.kind()).collect();
            assert_eq!(kinds, [1]);
        }
    }
}

#[test]
fn a_session_lives_no_longer_than_three_minutes() {
    let mut scene = Scene::connected();
    // The gateway did not begin it, so it does not renew it.
    scene.net.nodes[CLIENT_NODE].online = false;
    for _ in 0..179 {
        scene.net.advance(Duration::from_secs(1));
    }
    let sent = |scene: &mut Scene| {
        scene.net.log.clear();
        scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
        scene.net.sent_by(GATEWAY_NODE, 4).len()
    };
    assert_eq!(sent(&mut scene), 1);
    scene.net.advance(Duration::from_secs(2));
    assert_eq!(sent(&mut scene), 0);
}

#[test]
fn nothing_is_left_to_do_once_the_last_session_has_ended() {
    let mut scene = Scene::connected();
    scene.net.advance(Duration::from_secs(175));
    let device = &scene.net.nodes[GATEWAY_NODE].device;
    assert!(device.poll_timeout().is_some(), "it looks for the end");
    scene.net.advance(Duration::from_secs(10));
    let gateway = &scene.net.nodes[GATEWAY_NODE];
    assert_eq!(gateway.device.poll_timeout(), None);
    let lost = gateway.events.iter();
    let lost = lost.filter(|event| matches!(event, Event::SessionLost { .. }));
    assert_eq!(lost.count(), 2);
}

#[test]
fn a_session_ends_on_time_also_between_two_looks_at_the_timers() {
    let millis = Duration::from_millis;
    for (age, lives) in [(millis(180_000), true), (millis(180_001), false)] {
        let mut scene = Scene::connected();
        let start = scene.net.now;
        scene.net.nodes[CLIENT_NODE].online = false;
        scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
        let late = scene.net.sent_by(CLIENT_NODE, 4).pop().unwrap();
        scene.net.advance(millis(179_900));
        scene.net.set_time(start + age);
        scene
            .net
            .deliver(GATEWAY_NODE, late.from, &late.bytes, late.bytes.len());
        let taken = scene.net.take_inbox(GATEWAY_NODE).len();
        assert_eq!(taken, usize::from(lives), "heard after {age:?}");
        scene.net.forget();
        scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
        let sent = scene.net.sent_by(GATEWAY_NODE, 4).len();
        assert_eq!(sent, usize::from(lives), "sent after {age:?}");
    }
}

#[test]
fn a_peer_that_was_given_up_is_called_as_often_the_next_time() {
    let mut scene = Scene::connected();
    scene.net.nodes[CLIENT_NODE].online = false;
    for _ in 0..2 {
        scene.net.advance(60 * MINUTE);
        scene.net.log.clear();
        scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
        scene.net.advance(5 * MINUTE);
        let calls = scene.net.sent_by(GATEWAY_NODE, 1).len();
        assert!((16..=18).contains(&calls), "{calls} in 90 s");
    }
}

#[test]
fn packets_that_wait_leave_with_the_session_that_the_peer_begins() {
    let mut scene = Scene::connected();
    scene.net.advance(20 * MINUTE);
    // The gateway calls the client where it no longer is.
    scene.net.nodes[CLIENT_NODE].address = "203.0.113.7:7".parse().unwrap();
    scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
    scene.net.advance(Duration::from_secs(1));
    assert!(scene.net.take_inbox(CLIENT_NODE).is_empty());
    scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
    assert_eq!(scene.net.take_inbox(CLIENT_NODE).len(), 1);
    assert_eq!(scene.net.take_inbox(GATEWAY_NODE).len(), 1);
}

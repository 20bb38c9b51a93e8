//! A session that only one end has, and how that end finds out.

use std::time::Duration;

use tokenvpn_common::clock::Now;
use tokenvpn_common::guard::{ACKNOWLEDGE, DOUBT, DOUBT_PACE, RETRY, TICK};

use crate::handshake::restart_gateway;
use crate::net::*;

const SECOND: Duration = Duration::from_secs(1);

/// A client that keeps a session, and has one.
fn connected() -> Scene {
    let mut scene = Scene::keeping();
    scene.net.latency = Duration::from_millis(20);
    scene.net.advance(SECOND);
    assert!(scene.passes());
    scene.net.forget();
    scene
}

/// The client sends a packet every 100 ms for so long; the times of its initiations.
fn send_for(scene: &mut Scene, span: Duration) -> Vec<Now> {
    let end = scene.net.now + span;
    while scene.net.now < end {
        scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
        scene.net.advance(Duration::from_millis(100));
    }
    let sent = scene.net.sent_by(CLIENT_NODE, 1);
    sent.iter().map(|sent| sent.at).collect()
}

#[test]
fn a_session_that_the_gateway_has_lost_is_renewed_in_three_seconds() {
    let mut scene = connected();
    restart_gateway(&mut scene);
    let start = scene.net.now;
    let asked = send_for(&mut scene, 3 * SECOND);
    let [asked] = asked[..] else {
        panic!("asked {} times", asked.len());
    };
    let wait = asked.since(start);
    assert!((DOUBT..DOUBT + TICK).contains(&wait), "{wait:?}");
    assert!(scene.passes());
}

#[test]
fn one_packet_is_enough_to_find_that_out() {
    let mut scene = connected();
    restart_gateway(&mut scene);
    scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
    scene.net.advance(3 * SECOND);
    assert_eq!(scene.net.sent_by(CLIENT_NODE, 1).len(), 1);
    assert_eq!(scene.net.sent_by(GATEWAY_NODE, 2).len(), 1);
}

#[test]
fn while_nothing_answers_it_asks_as_often_as_ever() {
    let mut scene = connected();
    scene.net.nodes[GATEWAY_NODE].online = false;
    let asked = send_for(&mut scene, 60 * SECOND);
    assert!((10..=12).contains(&asked.len()), "{} times", asked.len());
    for pair in asked.windows(2) {
        let wait = pair[1].since(pair[0]);
        assert!(wait >= RETRY && wait < RETRY + SECOND, "{wait:?}");
    }
}

#[test]
fn a_packet_after_a_silence_puts_nothing_off() {
    let mut scene = connected();
    assert!(scene.passes());
    scene.net.nodes[GATEWAY_NODE].online = false;
    scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
    scene.net.advance(11 * SECOND);
    assert_eq!(scene.net.sent_by(CLIENT_NODE, 1).len(), 2);
    scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
    scene.net.advance(2 * SECOND);
    assert_eq!(scene.net.sent_by(CLIENT_NODE, 1).len(), 3);
}

#[test]
fn packets_that_want_no_answer_are_acknowledged_and_the_session_not_doubted() {
    let mut scene = connected();
    let asked = send_for(&mut scene, 60 * SECOND);
    assert!(asked.is_empty(), "asked {} times", asked.len());
    let keepalives = scene.net.sent_by(GATEWAY_NODE, 4);
    assert!(keepalives.iter().all(|sent| sent.bytes.len() == 32));
    let waits = keepalives
        .windows(2)
        .map(|pair| pair[1].at.since(pair[0].at));
    for wait in waits {
        let late = ACKNOWLEDGE + TICK + Duration::from_millis(150);
        assert!((ACKNOWLEDGE..late).contains(&wait), "{wait:?}");
    }
    assert!((40..60).contains(&keepalives.len()), "{}", keepalives.len());
}

#[test]
fn an_end_that_acknowledges_late_is_not_asked_all_the_time() {
    let mut scene = connected();
    // It hears, and says so in handshakes only.
    scene.net.nodes[GATEWAY_NODE].muted = Some(4);
    let asked = send_for(&mut scene, 300 * SECOND).len();
    let most = DOUBT_PACE.burst as usize + 300 / DOUBT_PACE.every.as_secs() as usize;
    assert!((20..=most).contains(&asked), "asked {asked} times");
}

#[test]
fn single_packets_over_any_usual_path_are_acknowledged_in_time() {
    for latency in (0..=700).step_by(50) {
        let mut scene = Scene::keeping();
        scene.net.latency = Duration::from_millis(latency);
        scene.net.advance(20 * SECOND);
        scene.net.forget();
        for _ in 0..10 {
            scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
            scene.net.advance(Duration::from_millis(8_130));
        }
        assert_eq!(scene.net.sent_by(CLIENT_NODE, 1).len(), 0, "{latency} ms");
    }
}

#[test]
fn a_process_that_was_stopped_keeps_a_session_that_is_still_good() {
    for seconds in [3, 20, 80, 100, 140] {
        let mut scene = connected();
        let events = scene.net.nodes[CLIENT_NODE].events.len();
        scene.net.nodes[GATEWAY_NODE].online = false;
        scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
        scene.net.nodes[GATEWAY_NODE].online = true;
        scene.net.set_time(scene.net.now + seconds * SECOND);
        scene.net.advance(SECOND);
        assert!(scene.passes(), "after {seconds} s");
        assert_eq!(
            scene.net.sent_by(CLIENT_NODE, 1).len(),
            1,
            "after {seconds} s"
        );
        assert_eq!(
            scene.net.nodes[CLIENT_NODE].events.len(),
            events,
            "after {seconds} s"
        );
    }
}

#[test]
fn what_came_while_the_process_was_stopped_is_heard_first() {
    let mut scene = connected();
    scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
    scene.net.advance(Duration::from_millis(50));
    scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
    scene.net.set_time(scene.net.now + 12 * SECOND);
    scene.net.advance(SECOND);
    assert_eq!(scene.net.take_inbox(CLIENT_NODE).len(), 1);
    assert_eq!(scene.net.sent_by(CLIENT_NODE, 1).len(), 0);
}

#[test]
fn asking_elsewhere_is_no_asking_here() {
    let mut scene = connected();
    let (gateway, now) = (scene.gateway, scene.net.now);
    let elsewhere = "203.0.113.99:9".parse().unwrap();
    let device = &mut scene.net.nodes[CLIENT_NODE].device;
    device.probe(now, &gateway, elsewhere);
    scene.net.flow();
    assert_eq!(scene.net.stats(CLIENT_NODE, &gateway).asked_since, None);
    restart_gateway(&mut scene);
    scene.net.forget();
    let asked = send_for(&mut scene, 3 * SECOND);
    assert_eq!(asked.len(), 1, "where the gateway is");
    assert!(
        asked[0].since(now) < DOUBT + TICK,
        "{:?}",
        asked[0].since(now)
    );
    assert!(scene.passes());
}

#[test]
fn a_session_that_was_long_waited_for_is_doubted_as_soon_as_any() {
    let mut scene = Scene::keeping();
    scene.net.latency = Duration::from_millis(20);
    scene.net.nodes[GATEWAY_NODE].online = false;
    scene.net.advance(700 * SECOND);
    scene.net.nodes[GATEWAY_NODE].online = true;
    while scene.net.nodes[CLIENT_NODE].events.is_empty() {
        scene.net.advance(Duration::from_millis(100));
    }
    scene.net.advance(SECOND);
    restart_gateway(&mut scene);
    scene.net.forget();
    assert_eq!(send_for(&mut scene, 3 * SECOND).len(), 1);
    assert!(scene.passes());
}

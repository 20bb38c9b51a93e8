//! How sessions begin and end.

use std::time::Duration;

use tokenvpn_common::device::{AddPeerError, Event, Worker};
use tokenvpn_common::key::{PresharedKey, PrivateKey};

use crate::allocations;
use crate::net::*;

#[test]
fn a_handshake_delivers_the_packet_that_waited_for_it() {
    let mut scene = Scene::new();
    let first = packet(CLIENT, INNER, 333);
    scene.net.send(CLIENT_NODE, std::slice::from_ref(&first));
    assert_eq!(scene.net.take_inbox(GATEWAY_NODE), [first]);
    let kinds: Vec<u8> = scene.net.log.iter().map(|s| s.kind()).collect();
    assert_eq!(
        kinds,
        [1, 2, 4, 4],
        "one handshake, a keepalive, the packet"
    );

    let answer = packet(INNER, CLIENT, 444);
    scene.net.send(GATEWAY_NODE, std::slice::from_ref(&answer));
    assert_eq!(scene.net.take_inbox(CLIENT_NODE), [answer]);
    assert!(scene.net.take_inbox(OTHER_NODE).is_empty());
}

#[test]
fn an_answer_that_comes_too_late_begins_no_session() {
    for (late, begins) in [(9_900, true), (10_100, false)] {
        let mut scene = Scene::new();
        scene.net.nodes[GATEWAY_NODE].online = false;
        scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
        let call = scene.net.sent_by(CLIENT_NODE, 1).pop().unwrap();
        scene.net.nodes[GATEWAY_NODE].online = true;
        scene.net.nodes[CLIENT_NODE].online = false;
        scene.net.deliver(GATEWAY_NODE, call.from, &call.bytes, 148);
        scene.net.flow();
        let answer = scene.net.sent_by(GATEWAY_NODE, 2).pop().unwrap();
        scene
            .net
            .set_time(scene.net.now + Duration::from_millis(late));
        scene.net.nodes[CLIENT_NODE].online = true;
        scene
            .net
            .deliver(CLIENT_NODE, answer.from, &answer.bytes, 92);
        let sent = scene.net.sent_by(CLIENT_NODE, 4);
        assert_eq!(!sent.is_empty(), begins, "after {late} ms");
        scene.net.advance(Duration::from_secs(11));
        assert!(scene.passes());
    }
}

#[test]
fn an_answer_that_is_not_made_for_our_key_is_not_looked_at() {
    let mut scene = Scene::new();
    let (now, up) = (scene.net.now, packet(CLIENT, INNER, 100));
    take(&mut scene.net.nodes[CLIENT_NODE].device, now, &up);
    scene.net.collect(CLIENT_NODE);
    let call = scene.net.sent_by(CLIENT_NODE, 1).pop().unwrap();
    scene.net.deliver(GATEWAY_NODE, call.from, &call.bytes, 148);
    let answer = scene.net.sent_by(GATEWAY_NODE, 2).pop().unwrap();
    let mut bent = answer.bytes.clone();
    // In its first MAC.
    bent[60] ^= 1;
    scene.net.deliver(CLIENT_NODE, answer.from, &bent, 92);
    let counters = scene.net.nodes[CLIENT_NODE].device.counters();
    assert_eq!((counters.bad_mac, counters.unauthentic), (1, 0));
    scene
        .net
        .deliver(CLIENT_NODE, answer.from, &answer.bytes, 92);
    assert!(!scene.net.sent_by(CLIENT_NODE, 4).is_empty());
}

#[test]
fn each_of_two_peers_gets_its_own_packets() {
    let mut scene = Scene::connected();
    let to_client = packet(INNER, CLIENT, 120);
    let to_other = packet(INNER, OTHER, 130);
    let to_other6 = packet6("fd00::1", "fd77::8", 140);
    scene.net.send(
        GATEWAY_NODE,
        &[to_client.clone(), to_other.clone(), to_other6.clone()],
    );
    assert_eq!(scene.net.take_inbox(CLIENT_NODE), [to_client]);
    assert_eq!(scene.net.take_inbox(OTHER_NODE), [to_other, to_other6]);
    scene
        .net
        .send(GATEWAY_NODE, &[packet(INNER, "10.99.0.1", 100)]);
    let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!(counters.no_owner, 1);
}

#[test]
fn a_session_is_announced_once_and_seen_in_the_statistics() {
    let mut scene = Scene::new();
    let client = scene.clients[0];
    assert_eq!(scene.net.stats(0, &client).last_handshake, None);
    for _ in 0..3 {
        assert!(scene.passes());
    }
    let (gateway, endpoint) = (scene.gateway, scene.net.nodes[CLIENT_NODE].address);
    assert_eq!(
        scene.net.nodes[CLIENT_NODE].events,
        [Event::SessionUp { peer: gateway }]
    );
    assert_eq!(
        scene.net.nodes[GATEWAY_NODE].events,
        [
            Event::InitiationAnswered { peer: client },
            Event::EndpointMoved {
                peer: client,
                endpoint
            },
            Event::SessionUp { peer: client }
        ]
    );
    let stats = scene.net.stats(GATEWAY_NODE, &client);
    assert_eq!(stats.last_handshake, Some(scene.net.now));
    assert_eq!(stats.endpoint, Some(endpoint));
    assert_eq!((stats.rx_bytes, stats.tx_bytes), (600, 900));
    assert_eq!(stats.rtt, None, "the client measured it");
    let stats = scene.net.stats(CLIENT_NODE, &gateway);
    assert_eq!(stats.rx_bytes, 900);
    assert_eq!(stats.rtt, Some(Duration::ZERO));
}

#[test]
fn a_peer_that_keeps_a_session_connects_unasked() {
    let mut scene = Scene::keeping();
    scene.net.flow();
    let gateway = scene.gateway;
    assert_eq!(
        scene.net.nodes[CLIENT_NODE].events,
        [Event::SessionUp { peer: gateway }]
    );
    scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
    assert_eq!(scene.net.take_inbox(CLIENT_NODE).len(), 1);
}

#[test]
fn a_preshared_key_must_be_the_same_at_both_ends() {
    let psk = PresharedKey::generate();
    for (theirs, works) in [(psk.clone(), true), (PresharedKey::generate(), false)] {
        let mut scene = Scene::with(|gateway| gateway.preshared_key = Some(psk.clone()));
        let (now, key) = (scene.net.now, scene.clients[0]);
        let device = &mut scene.net.nodes[GATEWAY_NODE].device;
        assert!(device.remove_peer(&key));
        let mut known = peer(&key, &["10.77.0.7/32"]);
        known.preshared_key = Some(theirs);
        device.add_peer(now, known).unwrap();
        assert_eq!(scene.passes(), works);
    }
}

#[test]
fn a_removed_peer_is_cut_off_at_once() {
    let mut scene = Scene::connected();
    let key = scene.clients[0];
    assert!(scene.net.nodes[GATEWAY_NODE].device.remove_peer(&key));
    assert!(!scene.net.nodes[GATEWAY_NODE].device.remove_peer(&key));
    scene.net.advance(Duration::from_secs(1));
    assert!(!scene.passes());
    scene.net.advance(Duration::from_secs(60));
    assert!(!scene.passes());
    let counters = *scene.net.nodes[GATEWAY_NODE].device.counters();
    assert!(counters.unknown_index > 0 && counters.unknown_key > 0);
    assert!(counters.no_owner > 0);
    assert!(scene.net.sent_by(GATEWAY_NODE, 2).is_empty());
    let lost = Event::SessionLost { peer: key };
    assert_eq!(scene.net.nodes[GATEWAY_NODE].events, [lost]);

    // The place, the key and the addresses are free again.
    let now = scene.net.now;
    let device = &mut scene.net.nodes[GATEWAY_NODE].device;
    device.add_peer(now, peer(&key, &["10.77.0.7/32"])).unwrap();
    scene.net.advance(Duration::from_secs(10));
    assert!(scene.passes());
}

#[test]
fn a_peer_that_cannot_be_is_refused_and_changes_nothing() {
    let mut scene = Scene::connected();
    let (now, own, taken) = (scene.net.now, scene.gateway, scene.clients[0]);
    let new = PrivateKey::generate().public();
    let device = &mut scene.net.nodes[GATEWAY_NODE].device;
    assert_eq!(
        device.add_peer(now, peer(&own, &[])),
        Err(AddPeerError::OwnKey)
    );
    assert_eq!(
        device.add_peer(now, peer(&taken, &["10.78.0.1/32"])),
        Err(AddPeerError::DuplicateKey)
    );
    for network in ["10.77.0.7/32", "10.77.0.0/24", "fd77::7/128", "0.0.0.0/0"] {
        let refused = device.add_peer(now, peer(&new, &["10.78.0.1/32", network]));
        assert!(
            matches!(&refused, Err(AddPeerError::OverlappingAllowedIps { owner, .. }) if *owner == taken),
            "{network}: {refused:?}"
        );
    }
    assert_eq!(device.peers().count(), 2);
    device
        .add_peer(now, peer(&new, &["10.78.0.1/32"]))
        .expect("nothing of it was kept");
    assert!(scene.passes());
}

#[test]
fn the_next_endpoint_is_tried_at_once() {
    let mut scene = Scene::keeping();
    let elsewhere = "203.0.113.9:51820".parse().unwrap();
    scene.net.nodes[GATEWAY_NODE].address = elsewhere;
    scene.net.flow();
    assert!(scene.net.nodes[CLIENT_NODE].events.is_empty());
    let (now, gateway) = (scene.net.now, scene.gateway);
    let device = &mut scene.net.nodes[CLIENT_NODE].device;
    device.set_endpoint(now, &gateway, elsewhere);
    scene.net.flow();
    assert!(scene.passes());
    assert_eq!(
        scene.net.stats(CLIENT_NODE, &gateway).endpoint,
        Some(elsewhere)
    );
}

/// Replaces the gateway by one that starts afresh and remembers the clients' endpoints.
pub(crate) fn restart_gateway(scene: &mut Scene) {
    let node = scene.net.add(
        &scene.gateway_key.clone(),
        "198.51.100.1:51820",
        Worker::default(),
    );
    for i in 0..2 {
        let network = format!("10.77.0.{}/32", i + 7);
        let mut known = peer(&scene.clients[i], &[&network]);
        known.endpoint = Some(scene.net.nodes[i + 1].address);
        let now = scene.net.now;
        scene.net.nodes[node].device.add_peer(now, known).unwrap();
    }
    scene.net.nodes.swap_remove(GATEWAY_NODE);
}

#[test]
fn a_gateway_that_restarts_reaches_its_peers_first() {
    for mut scene in [Scene::connected(), {
        let mut scene = Scene::keeping();
        scene.net.flow();
        scene
    }] {
        restart_gateway(&mut scene);
        let now = scene.net.now;
        scene.net.nodes[GATEWAY_NODE].device.greet(now);
        scene.net.advance(Duration::from_secs(1));
        scene.net.send(
            GATEWAY_NODE,
            &[packet(INNER, CLIENT, 100), packet(INNER, OTHER, 100)],
        );
        assert_eq!(scene.net.take_inbox(CLIENT_NODE).len(), 1);
        assert_eq!(scene.net.take_inbox(OTHER_NODE).len(), 1);
        assert!(scene.passes());
        scene.net.advance(Duration::from_secs(30));
        assert_eq!(scene.net.sent_by(GATEWAY_NODE, 1).len(), 2);
    }
}

#[test]
fn a_silent_peer_is_greeted_three_times_and_forgotten() {
    let mut scene = Scene::connected();
    restart_gateway(&mut scene);
    scene.net.nodes[CLIENT_NODE].online = false;
    let now = scene.net.now;
    scene.net.nodes[GATEWAY_NODE].device.greet(now);
    scene.net.nodes[GATEWAY_NODE].device.greet(now);
    scene.net.advance(Duration::from_secs(700));
    let silent = scene.net.nodes[CLIENT_NODE].address;
    let greeted = scene.net.sent_by(GATEWAY_NODE, 1);
    assert_eq!(greeted.iter().filter(|s| s.to == silent).count(), 3);
    let device = &scene.net.nodes[GATEWAY_NODE].device;
    assert_eq!(device.poll_timeout(), None);
}

#[test]
fn greetings_are_paced() {
    let mut net = Net::new();
    let node = net.add(&PrivateKey::generate(), "198.51.100.1:1", Worker::default());
    for i in 0..120u8 {
        let mut known = peer(&PrivateKey::generate().public(), &[]);
        known.endpoint = Some(([192, 0, 2, i], 1).into());
        net.nodes[node].device.add_peer(net.now, known).unwrap();
    }
    let (grown, greeted) = allocations::growth(|| {
        net.nodes[node].device.greet(net.now);
        net.advance(Duration::from_secs(60));
        let greeted: Vec<_> = net.sent_by(node, 1).iter().map(|s| s.at).collect();
        net.forget();
        greeted
    });
    // The device's buffer is half a mebibyte; 120 tunnels would be twice as much again.
    assert!(grown < 700_000, "no tunnel is kept: {grown} bytes");
    assert_eq!(greeted.len(), 3 * 120);
    for window in greeted.windows(51) {
        assert!(window[50].since(window[0]) >= Duration::from_secs(1));
    }
    assert!(greeted[119].since(greeted[0]) < Duration::from_secs(3));
}

#[test]
fn data_for_a_peer_that_is_being_greeted_is_not_lost() {
    let mut scene = Scene::connected();
    restart_gateway(&mut scene);
    scene.net.nodes[CLIENT_NODE].online = false;
    let now = scene.net.now;
    scene.net.nodes[GATEWAY_NODE].device.greet(now);
    scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
    scene.net.advance(Duration::from_secs(20));
    scene.net.nodes[CLIENT_NODE].online = true;
    scene.net.advance(Duration::from_secs(10));
    assert_eq!(scene.net.take_inbox(CLIENT_NODE).len(), 1);
}

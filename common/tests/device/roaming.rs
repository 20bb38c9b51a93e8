//! What moves an endpoint, and what does not.

use std::net::SocketAddr;
use std::time::Duration;

use boringtun::noise::TunnResult;
use boringtun::noise::rate_limiter::RateLimiter;
use tokenvpn_common::device::{Device, Event};
use tokenvpn_common::key::PrivateKey;

use crate::net::*;

const ELSEWHERE: &str = "203.0.113.66:6666";

fn elsewhere() -> SocketAddr {
    ELSEWHERE.parse().unwrap()
}

fn client(scene: &mut Scene) -> &mut Device {
    &mut scene.net.nodes[CLIENT_NODE].device
}

/// The gateway's idea of where the first client is.
fn stored(scene: &Scene) -> Option<SocketAddr> {
    scene.net.stats(GATEWAY_NODE, &scene.clients[0]).endpoint
}

#[test]
fn roams_only_on_an_authenticated_datagram() {
    let mut scene = Scene::connected();
    let home = scene.net.nodes[CLIENT_NODE].address;
    assert!(scene.passes());
    let data = scene.net.sent_by(CLIENT_NODE, 4).pop().unwrap();

    // Another address, the right index, a counter to come, but not the key.
    let mut forged = data.bytes.clone();
    forged[8] += 1;
    scene
        .net
        .deliver(GATEWAY_NODE, elsewhere(), &forged, forged.len());
    assert_eq!(stored(&scene), Some(home));
    let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!(counters.unauthentic, 1);

    // The client itself, from another address.
    scene.net.nodes[CLIENT_NODE].address = elsewhere();
    assert!(scene.passes());
    assert_eq!(stored(&scene), Some(elsewhere()));
    let moved = Event::EndpointMoved {
        peer: scene.clients[0],
        endpoint: elsewhere(),
    };
    assert_eq!(scene.net.nodes[GATEWAY_NODE].events, [moved]);
}

#[test]
fn a_keepalive_is_enough_to_move() {
    let mut scene = Scene::connected();
    scene.net.nodes[CLIENT_NODE].address = elsewhere();
    let now = scene.net.now;
    scene.net.nodes[CLIENT_NODE]
        .device
        .handle_network_change(now);
    scene.net.flow();
    assert_eq!(stored(&scene), Some(elsewhere()));
    let keepalives = scene.net.sent_by(CLIENT_NODE, 4);
    assert_eq!(keepalives.len(), 1);
    assert_eq!(keepalives[0].bytes.len(), 32);
}

#[test]
fn a_replayed_datagram_from_another_address_moves_nothing() {
    let mut scene = Scene::connected();
    assert!(scene.passes());
    let home = stored(&scene);
    let before = scene.net.log.len();
    for sent in scene.net.log.clone() {
        for node in [GATEWAY_NODE, CLIENT_NODE] {
            scene
                .net
                .deliver(node, elsewhere(), &sent.bytes, sent.bytes.len());
        }
    }
    assert_eq!(stored(&scene), home);
    assert_eq!(scene.net.log.len(), before, "nothing was answered");
    assert_eq!(
        scene.net.nodes[GATEWAY_NODE].device.counters().replayed,
        1,
        "the packet of the client, once more"
    );
}

#[test]
fn an_initiation_is_answered_where_it_came_from_and_moves_nothing() {
    let mut scene = Scene::connected();
    let home = stored(&scene);
    // Initiations carry the time, and each has to be later than the last.
    scene.net.advance(Duration::from_secs(1));
    scene.net.nodes[CLIENT_NODE].online = false;
    let (now, gateway) = (scene.net.now, scene.gateway);
    let at_gateway = scene.net.nodes[GATEWAY_NODE].address;
    // An initiation that the gateway has not seen, from a place that is not the client's.
    scene.net.nodes[CLIENT_NODE]
        .device
        .set_endpoint(now, &gateway, at_gateway);
    scene.net.flow();
    let initiation = scene.net.sent_by(CLIENT_NODE, 1).pop().unwrap();
    scene
        .net
        .deliver(GATEWAY_NODE, elsewhere(), &initiation.bytes, 148);
    let answers = scene.net.sent_by(GATEWAY_NODE, 2);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].to, elsewhere());
    assert_eq!(stored(&scene), home);
    scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
    assert_eq!(scene.net.log.last().unwrap().to, home.unwrap());

    // A second time it is not even answered.
    scene
        .net
        .deliver(GATEWAY_NODE, elsewhere(), &initiation.bytes, 148);
    assert_eq!(scene.net.sent_by(GATEWAY_NODE, 2).len(), 1);
}

#[test]
fn a_peer_never_heard_from_is_not_written_to() {
    let mut scene = Scene::new();
    scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
    assert!(scene.net.log.is_empty());
    let device = &scene.net.nodes[GATEWAY_NODE].device;
    assert_eq!(device.counters().no_endpoint, 1);
    assert_eq!(device.poll_timeout(), None);
}

#[test]
fn the_answer_to_our_initiation_moves_the_endpoint() {
    let mut scene = Scene::new();
    scene.net.nodes[GATEWAY_NODE].online = false;
    scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
    let initiation = scene.net.sent_by(CLIENT_NODE, 1).pop().unwrap();
    // The gateway gets it all the same, and answers from another address.
    scene.net.nodes[GATEWAY_NODE].online = true;
    scene.net.nodes[GATEWAY_NODE].address = elsewhere();
    let client = scene.net.nodes[CLIENT_NODE].address;
    scene
        .net
        .deliver(GATEWAY_NODE, client, &initiation.bytes, 148);
    scene.net.flow();
    let gateway = scene.gateway;
    assert_eq!(
        scene.net.stats(CLIENT_NODE, &gateway).endpoint,
        Some(elsewhere())
    );
    assert!(scene.passes());
}

#[test]
fn an_answer_that_came_too_late_moves_nothing_later() {
    let mut scene = Scene::new();
    let (gateway, home) = (scene.gateway, scene.net.nodes[GATEWAY_NODE].address);
    // Two initiations are under way, and the answers to both come at once.
    scene.net.nodes[GATEWAY_NODE].online = false;
    scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
    scene.net.advance(Duration::from_secs(6));
    scene.net.nodes[GATEWAY_NODE].online = true;
    let calls = scene.net.sent_by(CLIENT_NODE, 1);
    assert_eq!(calls.len(), 2);
    for call in &calls {
        scene.net.deliver(GATEWAY_NODE, call.from, &call.bytes, 148);
    }
    scene.net.flow();
    let answers = scene.net.sent_by(GATEWAY_NODE, 2);
    assert_eq!(answers.len(), 2);
    scene.net.advance(Duration::from_secs(1));
    // The client calls again, and somebody else sends all that it once got.
    let now = scene.net.now;
    let device = &mut scene.net.nodes[CLIENT_NODE].device;
    device.set_endpoint(now, &gateway, home);
    for answer in &answers {
        scene
            .net
            .deliver(CLIENT_NODE, elsewhere(), &answer.bytes, 92);
    }
    let stats = scene.net.stats(CLIENT_NODE, &gateway);
    assert_eq!(stats.endpoint, Some(home));
}

#[test]
fn the_cookie_of_a_stranger_moves_nothing() {
    let mut scene = Scene::new();
    scene.net.nodes[GATEWAY_NODE].online = false;
    scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
    let initiation = scene.net.sent_by(CLIENT_NODE, 1).pop().unwrap();
    let (gateway, home) = (scene.gateway, scene.net.nodes[GATEWAY_NODE].address);

    // Whoever sees an initiation and knows the gateway's public key can write this.
    let stranger = RateLimiter::new(&(*gateway.as_bytes()).into(), 0);
    let mut room = [0; 64];
    let source = scene.net.nodes[CLIENT_NODE].address.ip();
    let Err(TunnResult::WriteToNetwork(cookie)) =
        stranger.verify_packet(Some(source), &initiation.bytes, &mut room)
    else {
        panic!("a limit of 0 asks everybody for a cookie");
    };
    let before = scene.net.log.len();
    scene.net.deliver(CLIENT_NODE, elsewhere(), cookie, 64);
    scene.net.deliver(OTHER_NODE, elsewhere(), cookie, 64);
    assert_eq!(
        scene.net.log.len(),
        before,
        "nobody answers, and nothing is sent elsewhere"
    );
    let stats = scene.net.stats(CLIENT_NODE, &gateway);
    assert_eq!(stats.endpoint, Some(home));
    assert!(scene.net.nodes[CLIENT_NODE].events.is_empty());

    // The wrong cookie does no harm either.
    scene.net.nodes[GATEWAY_NODE].online = true;
    scene.net.advance(Duration::from_secs(6));
    assert_eq!(scene.net.take_inbox(GATEWAY_NODE).len(), 1);
}

#[test]
fn answers_leave_from_the_address_that_was_written_to() {
    let mut scene = Scene::new();
    scene.net.nodes[GATEWAY_NODE].pins = true;
    assert!(scene.passes());
    let own = Some(scene.net.nodes[GATEWAY_NODE].address.ip());
    let from_gateway = |scene: &Scene| {
        let home = scene.net.nodes[GATEWAY_NODE].address;
        let sent = scene.net.log.iter().filter(|s| s.from == home);
        sent.map(|s| (s.kind(), s.source)).collect::<Vec<_>>()
    };
    assert_eq!(from_gateway(&scene), [(2, own), (4, own)]);
    assert!(scene.net.sent_by(CLIENT_NODE, 4)[0].source.is_none());

    let now = scene.net.now;
    for forget in [
        &(|scene: &mut Scene| {
            // The train polled last was the answer to the ping before.
            scene.net.nodes[GATEWAY_NODE].device.handle_source_lost();
        }) as &dyn Fn(&mut Scene),
        &|scene: &mut Scene| {
            scene.net.nodes[GATEWAY_NODE]
                .device
                .handle_network_change(now);
        },
    ] {
        forget(&mut scene);
        scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
        assert_eq!(scene.net.log.last().unwrap().source, None);
        assert!(scene.passes(), "and it is pinned again");
        assert_eq!(*from_gateway(&scene).last().unwrap(), (4, own));
    }
}

/// A second place to reach the gateway, in the client's eyes.
const SECOND: &str = "198.51.100.2:51820";

fn client_sees(scene: &Scene) -> Option<SocketAddr> {
    scene.net.stats(CLIENT_NODE, &scene.gateway).endpoint
}

#[test]
fn a_probe_that_nobody_answers_moves_nothing_and_the_session_goes_on() {
    let mut scene = Scene::connected();
    let first = client_sees(&scene);
    let second: SocketAddr = SECOND.parse().unwrap();
    let now = scene.net.now;
    let gateway = scene.gateway;
    scene.net.nodes[CLIENT_NODE]
        .device
        .probe(now, &gateway, second);
    // Nobody is there.
    scene.net.flow();
    let asked = scene.net.sent_by(CLIENT_NODE, 1).pop().unwrap();
    assert_eq!(asked.to, second);
    assert_eq!(client_sees(&scene), first);
    assert!(scene.passes());
}

/// What either end sends last, which does not arrive yet.
fn delayed(scene: &mut Scene, from: usize, to: usize, sent: &[u8]) -> Vec<u8> {
    scene.net.nodes[to].online = false;
    scene.net.send(from, &[sent.to_vec()]);
    scene.net.nodes[to].online = true;
    scene.net.sent_by(from, 4).pop().expect("it was sent").bytes
}

#[test]
fn what_was_on_its_way_when_a_probe_was_answered_moves_nobody_back() {
    let mut scene = Scene::connected();
    let homes = [CLIENT_NODE, GATEWAY_NODE].map(|node| scene.net.nodes[node].address);
    let second: SocketAddr = SECOND.parse().unwrap();
    let (up, down) = (packet(CLIENT, INNER, 300), packet(INNER, CLIENT, 300));
    let late_up = delayed(&mut scene, CLIENT_NODE, GATEWAY_NODE, &up);
    let late_down = delayed(&mut scene, GATEWAY_NODE, CLIENT_NODE, &down);

    // Both have another address there, as with IPv6 beside IPv4.
    scene.net.nodes[CLIENT_NODE].address = elsewhere();
    scene.net.nodes[GATEWAY_NODE].address = second;
    let (now, gateway) = (scene.net.now + Duration::from_millis(1), scene.gateway);
    scene.net.set_time(now);
    client(&mut scene).probe(now, &gateway, second);
    scene.net.flow();
    let places = |scene: &Scene| (client_sees(scene), stored(scene));
    assert_eq!(places(&scene), (Some(second), Some(elsewhere())));

    for (node, from, late, inner) in [
        (GATEWAY_NODE, homes[0], &late_up, &up),
        (CLIENT_NODE, homes[1], &late_down, &down),
    ] {
        scene.net.deliver(node, from, late, late.len());
        assert!(scene.net.take_inbox(node).contains(inner), "it is taken");
    }
    assert_eq!(places(&scene), (Some(second), Some(elsewhere())));
    assert!(scene.passes());
}

#[test]
fn networks_that_are_entrusted_to_another_peer_are_its_own_at_once() {
    let mut scene = Scene::connected();
    let stranger = PrivateKey::generate().public();
    let now = scene.net.now;
    let device = &mut scene.net.nodes[CLIENT_NODE].device;
    device.add_peer(now, peer(&stranger, &[])).unwrap();
    device.entrust(&scene.gateway, &stranger);
    assert!(!scene.passes());
    let gateway = scene.gateway;
    let networks = |scene: &Scene, key| scene.net.stats(CLIENT_NODE, key).allowed_ips.len();
    assert_eq!(
        [networks(&scene, &gateway), networks(&scene, &stranger)],
        [0, 2]
    );
    scene.net.nodes[CLIENT_NODE]
        .device
        .entrust(&stranger, &gateway);
    assert!(scene.passes());
}

#[test]
fn who_has_given_its_networks_away_may_still_send_from_them_until_it_rests() {
    let mut scene = Scene::connected();
    let [heir, stranger] = [(); 2].map(|()| PrivateKey::generate().public());
    let (now, gateway) = (scene.net.now, scene.gateway);
    let arrives = |scene: &mut Scene| {
        let down = packet(INNER, CLIENT, 300);
        scene.net.send(GATEWAY_NODE, std::slice::from_ref(&down));
        scene.net.take_inbox(CLIENT_NODE).contains(&down)
    };
    for key in [&heir, &stranger] {
        let known = peer(key, &[]);
        client(&mut scene).add_peer(now, known).unwrap();
    }
    client(&mut scene).entrust(&gateway, &heir);
    assert!(arrives(&mut scene));

    // Passed on, they are none of its business any more; nor those of an heir that is gone.
    client(&mut scene).entrust(&heir, &stranger);
    assert!(!arrives(&mut scene));
    client(&mut scene).entrust(&stranger, &heir);
    assert!(arrives(&mut scene));
    client(&mut scene).remove_peer(&heir);
    let another = peer(&PrivateKey::generate().public(), &["0.0.0.0/0"]);
    client(&mut scene).add_peer(now, another).unwrap();
    assert!(!arrives(&mut scene));

    let mut scene = Scene::connected();
    let (now, gateway) = (scene.net.now, scene.gateway);
    let known = peer(&heir, &[]);
    client(&mut scene).add_peer(now, known).unwrap();
    client(&mut scene).entrust(&gateway, &heir);
    client(&mut scene).rest(now, &gateway);
    assert!(!arrives(&mut scene));
    // Nor in another session.
    scene.net.advance(Duration::from_secs(1));
    let (now, endpoint) = (scene.net.now, scene.net.nodes[GATEWAY_NODE].address);
    client(&mut scene).set_endpoint(now, &gateway, endpoint);
    scene.net.flow();
    assert!(!arrives(&mut scene));
    assert_eq!(client(&mut scene).counters().spoofed_inner, 1);
}

/// Two silent gateways that are asked in turn are asked ever more seldom, as one alone would be.
#[test]
fn rest_does_not_make_a_peer_forget_how_long_it_has_been_silent() {
    let mut scene = Scene::keeping();
    scene.net.nodes[GATEWAY_NODE].online = false;
    let (gateway, address) = (scene.gateway, scene.net.nodes[GATEWAY_NODE].address);
    let asked_within = |scene: &mut Scene, seconds| {
        scene.net.forget();
        let now = scene.net.now;
        client(scene).set_endpoint(now, &gateway, address);
        scene.net.advance(Duration::from_secs(seconds));
        let asked = scene.net.sent_by(CLIENT_NODE, 1).len();
        let now = scene.net.now;
        client(scene).rest(now, &gateway);
        scene.net.advance(Duration::from_secs(5));
        asked
    };
    assert!(asked_within(&mut scene, 29) >= 5);
    for _ in 0..70 {
        assert_eq!(asked_within(&mut scene, 4), 1);
    }
    assert_eq!(asked_within(&mut scene, 29), 1);
    // An answer ends that.
    scene.net.nodes[GATEWAY_NODE].online = true;
    asked_within(&mut scene, 1);
    assert!(
        scene
            .net
            .stats(CLIENT_NODE, &gateway)
            .last_handshake
            .is_some()
    );
    scene.net.nodes[GATEWAY_NODE].online = false;
    assert!(asked_within(&mut scene, 29) >= 5);
}

#[test]
fn a_peer_at_rest_is_spoken_to_no_more() {
    let mut scene = Scene::keeping();
    scene.connect();
    let now = scene.net.now;
    let gateway = scene.gateway;
    scene.net.nodes[CLIENT_NODE].device.rest(now, &gateway);
    scene.net.forget();
    scene.net.advance(Duration::from_secs(300));
    assert_eq!(scene.net.sent_by(CLIENT_NODE, 1).len(), 0);
    assert_eq!(client_sees(&scene), None);
    let (now, address) = (scene.net.now, scene.net.nodes[GATEWAY_NODE].address);
    let device = &mut scene.net.nodes[CLIENT_NODE].device;
    device.set_endpoint(now, &gateway, address);
    scene.net.flow();
    assert!(scene.passes());
}

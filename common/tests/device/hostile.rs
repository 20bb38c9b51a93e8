//! Input of strangers, of peers that cheat, and of chance.

use std::net::SocketAddr;
use std::time::Duration;

use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{Tunn, TunnResult};
use boringtun::x25519;
use tokenvpn_common::clock::Now;
use tokenvpn_common::device::Event;
use tokenvpn_common::guard;
use tokenvpn_common::key::{PrivateKey, PublicKey};
use tokenvpn_common::run::Run;

use crate::allocations;
use crate::forgery;
use crate::net::*;

pub(crate) fn stranger() -> SocketAddr {
    "203.0.113.66:6666".parse().unwrap()
}

pub(crate) fn bare_tunnel(key: &PrivateKey, peer: &PublicKey) -> Tunn {
    let private = x25519::StaticSecret::from(*key.expose());
    let public = x25519::PublicKey::from(*peer.as_bytes());
    // Its own limit would be ten a second.
    let agreeable = RateLimiter::new(&x25519::PublicKey::from(&private), u64::MAX);
    Tunn::new(private, public, None, None, 7, Some(agreeable.into()))
}

pub(crate) fn initiation(tunn: &mut Tunn) -> Vec<u8> {
    let mut room = [0; 256];
    match tunn.format_handshake_initiation(&mut room, true) {
        TunnResult::WriteToNetwork(datagram) => datagram.to_vec(),
        _ => panic!("an initiation was asked for"),
    }
}

/// A peer that holds a client's key and sends what it likes.
struct Cheat {
    scene: Scene,
    tunn: Tunn,
}

impl Cheat {
    fn new() -> Cheat {
        let mut scene = Scene::new();
        let mut tunn = bare_tunnel(&scene.client_key, &scene.gateway);
        scene.net.nodes[CLIENT_NODE].online = false;
        let first = initiation(&mut tunn);
        scene.net.deliver(GATEWAY_NODE, stranger(), &first, 148);
        let response = scene.net.log.pop().unwrap();
        let mut room = [0; 256];
        let TunnResult::WriteToNetwork(keepalive) =
            tunn.decapsulate(None, &response.bytes, &mut room)
        else {
            panic!("the response is in order");
        };
        scene
            .net
            .deliver(GATEWAY_NODE, stranger(), keepalive, keepalive.len());
        Cheat { scene, tunn }
    }

    /// Sends `packet` through the tunnel; gives what the gateway would write to its TUN.
    fn send(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        let mut room = vec![0; packet.len() + 64];
        let TunnResult::WriteToNetwork(datagram) = self.tunn.encapsulate(packet, &mut room) else {
            panic!("there is a session");
        };
        let net = &mut self.scene.net;
        net.deliver(GATEWAY_NODE, stranger(), datagram, datagram.len());
        net.take_inbox(GATEWAY_NODE)
    }
}

#[test]
fn a_spoofed_inner_source_is_dropped() {
    let mut cheat = Cheat::new();
    let honest = packet(CLIENT, INNER, 100);
    assert_eq!(cheat.send(&honest), [honest]);
    for (n, source) in [OTHER, INNER, "127.0.0.1", "255.255.255.255", "0.0.0.0"]
        .into_iter()
        .enumerate()
    {
        assert!(
            cheat.send(&packet(source, INNER, 100)).is_empty(),
            "{source}"
        );
        let counters = cheat.scene.net.nodes[GATEWAY_NODE].device.counters();
        assert_eq!(counters.spoofed_inner, n as u64 + 1, "{source}");
    }
    assert!(cheat.send(&packet6("fd77::8", "fd00::1", 100)).is_empty());
    assert_eq!(cheat.send(&packet6("fd77::7", "fd00::1", 100)).len(), 1);
}

#[test]
fn a_packet_that_is_none_is_dropped() {
    let mut cheat = Cheat::new();
    let good = packet(CLIENT, INNER, 100);
    let mut dropped = 0;
    for len in 0..20u16 {
        let mut bad = good.clone();
        bad[2..4].copy_from_slice(&len.to_be_bytes());
        assert!(cheat.send(&bad).is_empty(), "total length {len}");
        dropped += 1;
    }
    for (offset, value) in [(0, 0x44), (0, 0x4f), (0, 0x55), (0, 0x00), (2, 0xff)] {
        let mut bad = good[..40].to_vec();
        bad[offset] = value;
        assert!(cheat.send(&bad).is_empty(), "{offset} {value}");
        dropped += 1;
    }
    for len in 1..20 {
        assert!(cheat.send(&good[..len]).is_empty(), "{len} bytes");
        dropped += 1;
    }
    let counters = cheat.scene.net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!(counters.bad_inner, dropped);

    let mut longer = good.clone();
    longer.extend([0xee; 60]);
    assert_eq!(cheat.send(&longer), [good], "what follows is no part of it");
    // Authentic all the same: the peer is where it sent this from.
    let peer = cheat.scene.clients[0];
    let stats = cheat.scene.net.stats(GATEWAY_NODE, &peer);
    assert_eq!(stats.endpoint, Some(stranger()));
}

#[test]
fn the_longest_packet_there_is_does_no_harm() {
    let mut cheat = Cheat::new();
    let mut huge = packet(CLIENT, INNER, 65_503);
    assert_eq!(cheat.send(&huge).len(), 1, "65 535 bytes of datagram");
    huge.push(0);
    assert!(cheat.send(&huge).is_empty(), "no UDP datagram holds it");
}

#[test]
fn an_unknown_key_meets_silence() {
    let mut scene = Scene::connected();
    let gateway = scene.gateway;
    let mut unknown = bare_tunnel(&PrivateKey::generate(), &gateway);
    let mut wrong_gateway = bare_tunnel(&PrivateKey::generate(), &PrivateKey::generate().public());
    for tunn in [&mut unknown, &mut wrong_gateway] {
        scene
            .net
            .deliver(GATEWAY_NODE, stranger(), &initiation(tunn), 148);
    }
    // A known key that the sender does not hold: it shows, but it cannot be proven.
    let mut bent = initiation(&mut bare_tunnel(&scene.client_key, &gateway));
    bent[100] ^= 1;
    scene.net.deliver(GATEWAY_NODE, stranger(), &bent, 148);
    let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!((counters.unknown_key, counters.bad_mac), (1, 2));
    assert!(scene.net.log.is_empty());
    assert!(scene.passes());
}

/// Sends an initiation with another's timestamp, which only shows the key, so many times more.
fn leaves_no_trace(scene: &mut Scene, mut initiation: Vec<u8>, times: u64) {
    // Only the timestamp takes the private key; anyone can write the rest.
    initiation[100] ^= 1;
    forgery::sign(&mut initiation, &scene.gateway);
    let now = scene.net.now;
    let device = &mut scene.net.nodes[GATEWAY_NODE].device;
    let mut send = || {
        device.handle_datagrams(now, Run::new(stranger(), &initiation, 148));
        device.handle_timeout(now);
    };
    send();
    let (grown, ()) = allocations::growth(|| (0..times).for_each(|_| send()));
    assert!(grown < 1_000, "{grown} bytes");
    assert_eq!(device.counters().unauthentic, times + 1);
}

#[test]
fn an_initiation_that_only_shows_a_known_key_leaves_no_trace() {
    let mut scene = Scene::new();
    let mut tunn = bare_tunnel(&scene.client_key, &scene.gateway);
    leaves_no_trace(&mut scene, initiation(&mut tunn), 10);
    let device = &mut scene.net.nodes[GATEWAY_NODE].device;
    assert_eq!(device.poll_timeout(), None);
    assert!(device.poll_transmit().is_none());
}

/// Nor when the peer's own tunnel takes no more of them and each is tried with another.
#[test]
fn an_initiation_that_only_shows_the_key_of_a_crowded_peer_leaves_no_trace() {
    let mut scene = Scene::new();
    let mut tunn = bare_tunnel(&scene.client_key, &scene.gateway);
    for _ in 0..8 {
        let genuine = initiation(&mut tunn);
        scene.net.deliver(GATEWAY_NODE, stranger(), &genuine, 148);
        scene.net.advance(Duration::from_secs(1));
    }
    assert_eq!(scene.net.sent_by(GATEWAY_NODE, 2).len(), 8);
    scene.net.advance(guard::CANDIDATE_LIFE);
    leaves_no_trace(&mut scene, initiation(&mut tunn), 200);
}

#[test]
fn no_malformed_datagram_is_answered() {
    let mut scene = Scene::connected();
    assert!(scene.passes());
    let data = scene.net.sent_by(CLIENT_NODE, 4).pop().unwrap().bytes;
    let sent = scene.net.log.len();
    for kind in 0..=5 {
        for len in 0..=255 {
            for filler in [0x00, 0xff] {
                let mut datagram = vec![filler; len];
                for (byte, value) in datagram.iter_mut().zip([kind, 0, 0, 0]) {
                    *byte = value;
                }
                scene
                    .net
                    .deliver(GATEWAY_NODE, stranger(), &datagram, len.max(1));
                // The same with the index of a session that exists.
                if len >= 8 {
                    datagram[4..8].copy_from_slice(&data[4..8]);
                }
                scene
                    .net
                    .deliver(GATEWAY_NODE, stranger(), &datagram, len.max(1));
            }
        }
    }
    let node = &scene.net.nodes[GATEWAY_NODE];
    assert_eq!(scene.net.log.len(), sent);
    assert!(node.inbox.is_empty() && node.events.is_empty());
    assert_eq!(node.device.counters().panics, 0);
    assert!(scene.passes());
}

#[test]
fn an_oversized_datagram_does_not_panic() {
    let mut scene = Scene::connected();
    assert!(scene.passes());
    let mut huge = scene.net.sent_by(CLIENT_NODE, 4).pop().unwrap().bytes;
    huge[8] += 1;
    for len in [
        2_000,
        9_000,
        guard::MAX_DATAGRAM - 1,
        guard::MAX_DATAGRAM,
        guard::MAX_DATAGRAM + 1,
        100_000,
    ] {
        huge.resize(len, 0xee);
        scene.net.deliver(GATEWAY_NODE, stranger(), &huge, len);
        scene.net.deliver(GATEWAY_NODE, stranger(), &huge, 0);
        scene.net.deliver(GATEWAY_NODE, stranger(), &[], len);
    }
    assert_eq!(scene.net.nodes[GATEWAY_NODE].device.counters().panics, 0);
    assert!(scene.passes());
}

#[test]
fn a_counter_near_its_end_is_dropped() {
    let mut scene = Scene::connected();
    assert!(scene.passes());
    let mut data = scene.net.sent_by(CLIENT_NODE, 4).pop().unwrap().bytes;
    for (n, counter) in [guard::COUNTER_LIMIT, u64::MAX - 1, u64::MAX]
        .into_iter()
        .enumerate()
    {
        data[8..16].copy_from_slice(&counter.to_le_bytes());
        scene
            .net
            .deliver(GATEWAY_NODE, stranger(), &data, data.len());
        let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
        assert_eq!(counters.counter_limit, n as u64 + 1);
        assert_eq!((counters.unauthentic, counters.panics), (0, 0));
    }
    // Nor behind one of the same session that may pass, as far as that goes.
    let first = scene.net.sent_by(CLIENT_NODE, 4).pop().unwrap().bytes;
    let run = [first, data.clone()].concat();
    let net = &mut scene.net;
    net.deliver(GATEWAY_NODE, stranger(), &run, data.len());
    let counters = net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!((counters.counter_limit, counters.replayed), (4, 1));
    assert_eq!((counters.unauthentic, counters.panics), (0, 0));
}

#[test]
fn answers_that_nobody_waits_for_are_dropped() {
    let mut scene = Scene::new();
    assert!(scene.passes());
    let response = scene.net.sent_by(GATEWAY_NODE, 2).pop().unwrap().bytes;
    let sent = scene.net.log.len();
    scene.net.deliver(CLIENT_NODE, stranger(), &response, 92);
    let mut cookie = vec![0; 64];
    cookie[0] = 3;
    cookie[4..8].copy_from_slice(&response[8..12]);
    scene.net.deliver(CLIENT_NODE, stranger(), &cookie, 64);
    let counters = scene.net.nodes[CLIENT_NODE].device.counters();
    assert_eq!(counters.unexpected, 2);
    assert_eq!(scene.net.log.len(), sent);
}

#[test]
fn only_under_load_a_stranger_gets_a_cookie() {
    let mut scene = Scene::connected();
    let mut unknown = bare_tunnel(&PrivateKey::generate(), &scene.gateway);
    scene.net.advance(Duration::from_secs(2));
    let mut flood = |scene: &mut Scene, count: u64| {
        for _ in 0..count {
            let datagram = initiation(&mut unknown);
            scene.net.deliver(GATEWAY_NODE, stranger(), &datagram, 148);
        }
        let cookies = scene.net.sent_by(GATEWAY_NODE, 3);
        cookies.iter().filter(|s| s.to == stranger()).count()
    };
    assert_eq!(flood(&mut scene, guard::HANDSHAKES_PER_SECOND), 0);
    assert_eq!(flood(&mut scene, 3), 3);

    // A client that connects now gets a cookie first, and with it an answer.
    let (now, gateway) = (scene.net.now, scene.gateway);
    let endpoint = scene.net.nodes[GATEWAY_NODE].address;
    let other = &mut scene.net.nodes[OTHER_NODE].device;
    other.set_endpoint(now, &gateway, endpoint);
    scene.net.flow();
    assert_eq!(scene.net.sent_by(GATEWAY_NODE, 3).len(), 4);
    assert_eq!(scene.net.sent_by(GATEWAY_NODE, 2).len(), 0);
    let now = scene.net.now + Duration::from_millis(1);
    scene.net.set_time(now);
    let other = &mut scene.net.nodes[OTHER_NODE].device;
    other.set_endpoint(now, &gateway, endpoint);
    scene.net.flow();
    assert_eq!(scene.net.sent_by(GATEWAY_NODE, 3).len(), 4);
    assert_eq!(scene.net.sent_by(GATEWAY_NODE, 2).len(), 1);

    // A second later all is as before.
    scene.net.advance(Duration::from_secs(1));
    assert_eq!(flood(&mut scene, 10), 3);
}

#[test]
fn few_peers_may_have_packets_waiting() {
    let mut net = Net::new();
    let node = net.add(
        &PrivateKey::generate(),
        "198.51.100.1:1",
        Default::default(),
    );
    for i in 0..80u8 {
        let mut known = peer(
            &PrivateKey::generate().public(),
            &[&format!("10.77.0.{i}/32")],
        );
        known.endpoint = Some(([192, 0, 2, i], 1).into());
        net.nodes[node].device.add_peer(net.now, known).unwrap();
    }
    for _ in 0..2 {
        for i in 0..80 {
            net.advance(guard::WAKE_RATE.every);
            net.send(node, &[packet(INNER, &format!("10.77.0.{i}"), 100)]);
        }
    }
    let refused = 2 * (80 - guard::MAX_WAITING_PEERS as u64);
    assert_eq!(net.nodes[node].device.counters().no_queue, refused);
    assert_eq!(net.sent_by(node, 1).len(), 80, "but all are called");
    // Nobody answers: all give up, their places are free again, and nothing is due.
    net.advance(Duration::from_secs(120));
    assert_eq!(net.nodes[node].device.poll_timeout(), None);
    for i in 0..60 {
        net.send(node, &[packet(INNER, &format!("10.77.0.{i}"), 100)]);
    }
    assert_eq!(net.nodes[node].device.counters().no_queue, refused);
}

#[test]
fn who_knocks_at_every_inner_address_makes_few_tunnels() {
    let mut net = Net::new();
    let own = PrivateKey::generate();
    let node = net.add(&own, "198.51.100.1:1", Default::default());
    for i in 0..200u8 {
        let key = PrivateKey::generate().public();
        let mut known = peer(&key, &[&format!("10.77.0.{i}/32")]);
        known.endpoint = Some(([192, 0, 2, i], 1).into());
        net.nodes[node].device.add_peer(net.now, known).unwrap();
    }
    let knock = |net: &mut Net| {
        for i in 0..200 {
            net.send(node, &[packet(INNER, &format!("10.77.0.{i}"), 100)]);
        }
        net.sent_by(node, 1).len()
    };
    let burst = guard::WAKE_RATE.burst as usize;
    assert_eq!(knock(&mut net), burst);
    let refused = net.nodes[node].device.counters().wake_limit;
    assert_eq!(refused, 200 - burst as u64);
    // Then so many a second, and who is connected has nothing to do with it.
    net.advance(Duration::from_millis(100));
    assert_eq!(knock(&mut net), burst + 10);
}

#[test]
fn initiations_do_not_stand_in_front_of_data() {
    let mut scene = Scene::connected();
    let mut unknown = bare_tunnel(&PrivateKey::generate(), &scene.gateway);
    let stranger_asks = initiation(&mut unknown);
    let up = packet(CLIENT, INNER, 100);
    scene.net.nodes[GATEWAY_NODE].online = false;
    scene.net.send(CLIENT_NODE, std::slice::from_ref(&up));
    let data = scene.net.sent_by(CLIENT_NODE, 4).pop().unwrap().bytes;
    let now = scene.net.now;
    let device = &mut scene.net.nodes[GATEWAY_NODE].device;
    let many = guard::MAX_WAITING_INITIATIONS + 10;
    // Not so many in a second that cookies are asked for.
    let pace = Duration::from_millis(2);
    for now in (0..many).map(|i| now + pace * i as u32) {
        device.handle_datagrams(now, Run::new(stranger(), &stranger_asks, 148));
    }
    let now = now + pace * many as u32;
    device.handle_datagrams(now, Run::new(stranger(), &data, data.len()));
    let arrived = device.poll_packets().map(|packets| packets.len());
    assert_eq!(arrived, Some(1), "at once");
    assert_eq!(device.counters().unknown_key, 0);
    assert_eq!(device.counters().initiation_limit, 10);
    // A few at a time, and time for other things in between.
    let mut calls = 0;
    while device.poll_timeout().is_some_and(|at| at <= now) {
        device.handle_timeout(now);
        calls += 1;
    }
    let most = guard::MAX_WAITING_INITIATIONS;
    assert_eq!(device.counters().unknown_key, most as u64);
    assert!(calls >= most / 4, "{calls}");
}

#[test]
fn what_could_not_be_answered_is_not_looked_at() {
    let mut scene = Scene::new();
    let mut known = bare_tunnel(&scene.client_key, &scene.gateway);
    let datagram = initiation(&mut known);
    let nowhere = SocketAddr::new(stranger().ip(), 0);
    scene.net.deliver(GATEWAY_NODE, nowhere, &datagram, 148);
    assert!(scene.net.log.is_empty());
    let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!(counters.malformed, 1);
}

/// boringtun panics when the clock goes back, as after a restored snapshot.
fn set_clock_back(now: Now) {
    crate::clock::set(Now::from_nanos(now.as_nanos() - 20_000_000_000));
}

/// Begins sessions such that a clock set back makes a panic.
fn renew_sessions(scene: &mut Scene) {
    let (gateway, endpoint) = (scene.gateway, scene.net.nodes[GATEWAY_NODE].address);
    for _ in 0..2 {
        let now = scene.net.now;
        for client in [CLIENT_NODE, OTHER_NODE] {
            let device = &mut scene.net.nodes[client].device;
            device.set_endpoint(now, &gateway, endpoint);
        }
        scene.net.advance(Duration::from_secs(2));
    }
}

fn make_panic(scene: &mut Scene) {
    let now = scene.net.now + Duration::from_millis(300);
    set_clock_back(now);
    scene.net.nodes[GATEWAY_NODE].device.handle_timeout(now);
    scene.net.collect(GATEWAY_NODE);
    scene.net.set_time(now);
}

#[test]
fn a_panic_costs_one_peer_its_session_and_no_more() {
    let mut scene = Scene::new();
    let client = scene.clients[0];
    assert!(
        scene.net.nodes[GATEWAY_NODE]
            .device
            .remove_peer(&scene.clients[1])
    );
    for round in 1..=6 {
        renew_sessions(&mut scene);
        assert!(scene.passes(), "round {round}");
        scene.net.nodes[GATEWAY_NODE].events.clear();

        make_panic(&mut scene);
        let node = &scene.net.nodes[GATEWAY_NODE];
        assert_eq!(node.device.counters().panics, round);
        let lost = Event::SessionLost { peer: client };
        let too_many = (round == 6).then_some(Event::TooManyPanics);
        let expected: Vec<_> = [lost].into_iter().chain(too_many).collect();
        assert_eq!(node.events, expected, "round {round}");
    }
}

#[test]
fn a_panic_costs_the_others_in_the_same_run_nothing() {
    let mut scene = Scene::connected();
    renew_sessions(&mut scene);
    scene.net.forget();
    // Packets on their way; then the gateway's process stands still.
    scene.net.nodes[GATEWAY_NODE].online = false;
    let up = packet(OTHER, INNER, 100);
    scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 100)]);
    scene
        .net
        .send(OTHER_NODE, &[packet(OTHER, INNER, 100), up.clone()]);
    let of = |node| scene.net.sent_by(node, 4);
    let (of_client, of_other) = (of(CLIENT_NODE), of(OTHER_NODE));
    scene.net.nodes[GATEWAY_NODE].online = true;
    let now = scene.net.now + Duration::from_secs(2);
    scene.net.set_time(now);
    let first = &of_other[0].bytes;
    scene
        .net
        .deliver(GATEWAY_NODE, stranger(), first, first.len());
    scene.net.take_inbox(GATEWAY_NODE);
    // Only the client's timers are to be looked at now, with a clock that has gone back.
    set_clock_back(now);
    let run = [&of_client[0].bytes[..], &of_other[1].bytes[..]].concat();
    let stride = of_client[0].bytes.len();
    scene.net.deliver(GATEWAY_NODE, stranger(), &run, stride);
    scene.net.set_time(now);
    assert_eq!(scene.net.nodes[GATEWAY_NODE].device.counters().panics, 1);
    assert_eq!(scene.net.take_inbox(GATEWAY_NODE), [up]);

    // The same with packets, and the other's timers.
    renew_sessions(&mut scene);
    let now = scene.net.now + Duration::from_secs(2);
    scene.net.set_time(now);
    let to_client = packet(INNER, CLIENT, 100);
    scene
        .net
        .send(GATEWAY_NODE, std::slice::from_ref(&to_client));
    scene.net.take_inbox(CLIENT_NODE);
    set_clock_back(now);
    let both = [packet(INNER, OTHER, 100), to_client.clone()];
    scene.net.send(GATEWAY_NODE, &both);
    scene.net.set_time(now);
    assert_eq!(scene.net.nodes[GATEWAY_NODE].device.counters().panics, 2);
    assert_eq!(scene.net.take_inbox(CLIENT_NODE), [to_client]);
}

#[test]
fn a_panic_now_and_then_is_no_reason_to_end() {
    let mut scene = Scene::new();
    assert!(
        scene.net.nodes[GATEWAY_NODE]
            .device
            .remove_peer(&scene.clients[1])
    );
    for round in 1..=8 {
        scene.net.advance(Duration::from_secs(9));
        renew_sessions(&mut scene);
        make_panic(&mut scene);
        let node = &scene.net.nodes[GATEWAY_NODE];
        assert_eq!(node.device.counters().panics, round);
        assert!(!node.events.contains(&Event::TooManyPanics));
    }
}

#[test]
fn a_clock_before_1970_costs_sessions_and_not_the_process() {
    let mut scene = Scene::new();
    let call = initiation(&mut bare_tunnel(&scene.client_key, &scene.gateway));
    crate::clock::set_fast(-2_000_000_000);
    let panics = |scene: &Scene, node: usize| scene.net.nodes[node].device.counters().panics;
    scene.net.deliver(GATEWAY_NODE, stranger(), &call, 148);
    assert_eq!(panics(&scene, GATEWAY_NODE), 1, "nor can it be answered");
    let mut known = peer(&PrivateKey::generate().public(), &[]);
    known.endpoint = Some(stranger());
    let (now, gateway) = (scene.net.now, &mut scene.net.nodes[GATEWAY_NODE].device);
    gateway.add_peer(now, known).unwrap();
    gateway.greet(now);
    assert_eq!(panics(&scene, GATEWAY_NODE), 2, "nor anybody be greeted");
    assert!(!scene.passes());
    assert_eq!(panics(&scene, CLIENT_NODE), 1, "one attempt");
    crate::clock::set_fast(0);
    assert!(scene.passes());
}

#[test]
fn session_indexes_cannot_be_guessed_from_one_another() {
    let mut net = Net::new();
    let node = net.add(
        &PrivateKey::generate(),
        "198.51.100.1:1",
        Default::default(),
    );
    for i in 0..200u8 {
        let mut known = peer(&PrivateKey::generate().public(), &[]);
        known.endpoint = Some(([192, 0, 2, i], 1).into());
        known.keep_session = true;
        net.nodes[node].device.add_peer(net.now, known).unwrap();
    }
    net.flow();
    let index = |sent: &Sent| guard::sender_index(&sent.bytes) >> 8;
    let indexes: Vec<u32> = net.sent_by(node, 1).iter().map(index).collect();
    assert_eq!(indexes.len(), 200);
    let near = |pair: &&[u32]| pair[0].abs_diff(pair[1]) < 256;
    assert!(indexes.windows(2).filter(near).count() <= 2, "{indexes:?}");
    let high = indexes.iter().filter(|index| **index >= 1 << 23).count();
    assert!((60..=140).contains(&high), "{high} of 200");
}

#[test]
fn no_length_from_the_tun_does_harm() {
    let mut scene = Scene::connected();
    for len in (20..200).chain(65_400..=65_535) {
        scene.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, len)]);
    }
    let device = &scene.net.nodes[CLIENT_NODE].device;
    assert_eq!(device.counters().panics, 0);
    let longest = scene.net.log.iter().map(|sent| sent.bytes.len()).max();
    assert_eq!(longest, Some(65_507), "no UDP datagram is longer");
    assert!(scene.passes());
}

#[test]
fn a_peer_that_was_given_up_waits_no_more() {
    let mut scene = Scene::connected();
    scene.net.nodes[CLIENT_NODE].online = false;
    scene.net.advance(Duration::from_secs(1200));
    scene.net.send(GATEWAY_NODE, &[packet(INNER, CLIENT, 100)]);
    scene.net.advance(Duration::from_secs(1200));
    // Now as many others may wait as ever.
    for i in 0..guard::MAX_WAITING_PEERS {
        let network = format!("10.78.0.{i}/32");
        let mut known = peer(&PrivateKey::generate().public(), &[&network]);
        known.endpoint = Some(stranger());
        let now = scene.net.now;
        let device = &mut scene.net.nodes[GATEWAY_NODE].device;
        device.add_peer(now, known).unwrap();
        let to = format!("10.78.0.{i}");
        scene.net.send(GATEWAY_NODE, &[packet(INNER, &to, 100)]);
    }
    let counters = scene.net.nodes[GATEWAY_NODE].device.counters();
    assert_eq!(counters.no_queue, 0);
}

/// xorshift64*: a test needs numbers that can be had again, not good ones.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides.max(1)
    }
}

#[test]
fn chance_breaks_nothing() {
    for seed in 1..=8 {
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let mut scene = Scene::keeping();
        scene.net.latency = Duration::from_millis(20);
        scene.net.advance(Duration::from_secs(1));
        for _ in 0..1_000 {
            match dice.roll(8) {
                0 => scene
                    .net
                    .advance(Duration::from_millis(dice.roll(20_000) as u64)),
                1 => {
                    let node = dice.roll(3);
                    let len = 20 + dice.roll(1400);
                    let to = [CLIENT, OTHER, INNER][dice.roll(3)];
                    let from = [CLIENT, OTHER, INNER][dice.roll(3)];
                    let mut packet = packet(from, to, len);
                    if dice.roll(4) == 0 {
                        let at = dice.roll(40.min(len));
                        packet[at] = dice.roll(256) as u8;
                    }
                    scene.net.send(node, &[packet]);
                }
                2 => {
                    let node = 1 + dice.roll(2);
                    let port = 1 + dice.roll(60_000) as u16;
                    scene.net.nodes[node].address.set_port(port);
                }
                3 => {
                    let node = 1 + dice.roll(2);
                    scene.net.nodes[node].online ^= true;
                }
                _ => {
                    let Some(sent) = scene.net.log.get(dice.roll(scene.net.log.len())) else {
                        continue;
                    };
                    let mut run = sent.bytes.clone();
                    for _ in 0..dice.roll(3) {
                        let at = dice.roll(run.len());
                        run[at] = dice.roll(256) as u8;
                    }
                    if dice.roll(4) == 0 {
                        run.extend_from_within(..dice.roll(run.len()));
                    }
                    let stride = match dice.roll(4) {
                        0 => dice.roll(200),
                        _ => run.len(),
                    };
                    scene.net.deliver(dice.roll(3), stranger(), &run, stride);
                }
            }
            scene.net.log.truncate(500);
        }
        for node in &mut scene.net.nodes {
            node.online = true;
            assert_eq!(node.device.counters().panics, 0, "seed {seed}");
        }
        // Who carries a fresh datagram from elsewhere may have moved the gateway for a
        // client; a client that hears nothing goes back to the endpoint it was given.
        let (now, gateway) = (scene.net.now, scene.gateway);
        let endpoint = scene.net.nodes[GATEWAY_NODE].address;
        for node in &mut scene.net.nodes[1..] {
            node.device.set_endpoint(now, &gateway, endpoint);
        }
        scene.net.advance(Duration::from_secs(60));
        assert!(scene.passes(), "seed {seed}");
    }
}

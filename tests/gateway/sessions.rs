//! Ordinary WireGuard clients, and peers that keep to no manners, at a running gateway.

use std::{net::SocketAddr, time::Duration};

use nix::sys::signal::Signal;
use rig::{
    Host, Speaker, Tap, Web, WireGuardGo,
    desk::enrolment,
    wait::{self, SOON, now, promised},
    web::pattern,
};
use tokenvpn_common::{clock::UnixTime, io::clock::unix_time, key::PrivateKey};

use super::{ENDPOINT, LINK, Place, SERVER};

/// A key that belongs to this one of `count` workers.
fn key_of_worker(index: u8, count: u8) -> PrivateKey {
    let mut keys = std::iter::repeat_with(PrivateKey::generate);
    let belongs = |key: &PrivateKey| key.public().as_bytes()[0] % count == index;
    keys.find(belongs).expect("every worker has its share")
}

#[test]
fn a_wireguard_client_reaches_what_is_behind_the_gateway() {
    let place = Place::new();
    place.gateway.start();
    let wireguard = place.connect(&place.client, "laptop", "10.77.0.9");
    assert!(!place.server.pings("10.77.0.9".parse().unwrap()));
    wait::until_true("the server answers", SOON, || place.client.pings(SERVER));
    assert!(place.server.pings("10.77.0.9".parse().unwrap()));

    let peer = place.gateway.peer("laptop");
    let from = peer.endpoint.map(|endpoint| endpoint.ip());
    assert_eq!(from, Some("203.0.113.10".parse().unwrap()));
    let age = unix_time().0 - peer.latest_handshake.unwrap().0;
    assert!(age < 60, "{age} s");
    assert!(peer.rx_bytes > 0 && peer.tx_bytes > 0);

    let machine = place.gateway.host();
    let shown = machine.run("wg").args(["show", LINK]).ok();
    for fact in [
        "listening port: 51820",
        &wireguard.public_key().to_string(),
        "latest handshake",
        "10.77.0.9/32",
    ] {
        assert!(shown.contains(fact), "{fact} is missing: {shown}");
    }
    let dump = machine.run("wg").args(["show", LINK, "dump"]).ok();
    assert!(dump.starts_with("(none)\t(none)\t51820"), "{dump}");
    let set = machine.run("wg").args(["set", LINK, "listen-port", "1"]);
    let refused = set.finish();
    assert!(!refused.status.success());
    assert!(refused.stderr.contains("not permitted"), "{refused}");
}

#[test]
fn revoking_cuts_the_live_session() {
    let place = Place::new();
    let process = place.gateway.start();
    let _wireguard = place.connect(&place.client, "laptop", "10.77.0.9");
    wait::until_true("the server answers", SOON, || place.client.pings(SERVER));
    place.gateway.command(&["revoke", "laptop"]).ok();
    wait::until_true("it is said whose session ended", SOON, || {
        let said = process.stderr().all();
        let mut lines = said.lines();
        lines.any(|line| line.contains("session ended") && line.contains("laptop"))
    });
    assert!(!place.client.pings(SERVER));
    assert!(place.gateway.status().peers.is_empty());
    assert!(place.names().is_empty());
    place.gateway.stop();
    place.gateway.start();
    assert!(!place.client.pings(SERVER));
}

#[test]
fn a_renewal_of_the_same_key_forgets_neither_where_it_is_nor_what_it_said() {
    let place = Place::new();
    place.gateway.start();
    let key = PrivateKey::generate();
    let mut speaker = place.speaker(&key, &[]);
    let at = wait::until("it is seen", SOON, || place.gateway.peer("laptop").endpoint);
    let recorded = speaker.sent[0].clone();

    let renewal = place.gateway.invite("laptop", &[]);
    place.gateway.enrol(&enrolment(&renewal, key.public()));
    assert_eq!(place.gateway.peer("laptop").endpoint, Some(at));
    speaker.is_not_answered_again(&recorded);
}

#[test]
fn addresses_that_come_and_go_do_not_have_clients_spoken_to_each_time() {
    let place = Place::new();
    place.gateway.start();
    let mut speaker = place.speaker(&PrivateKey::generate(), &[]);
    wait::until("it is seen", SOON, || place.gateway.peer("laptop").endpoint);
    let spoken_to = |speaker: &mut Speaker| {
        speaker.catch_up();
        speaker.heard.iter().filter(|d| d[0] == 4).count()
    };
    let (before, start) = (spoken_to(&mut speaker), now());
    const CHANGES: usize = 40;
    for n in 0..CHANGES / 2 {
        for word in ["add", "delete"] {
            let words = format!("address {word} 10.20.1.{n}/24 dev inner");
            place.gateway.host().ip(&words);
        }
    }
    wait::until_true("it is spoken to", SOON, || spoken_to(&mut speaker) > before);
    let most = now().since(start).as_secs() as usize + 2;
    let told = spoken_to(&mut speaker) - before;
    assert!(told <= most, "{told} times, for {CHANGES} changes");
}

#[test]
fn access_ends_within_a_second_of_its_expiry() {
    let place = Place::new();
    place.gateway.start();
    let wireguard = WireGuardGo::start(&place.client, 0, "10.77.0.9/24".parse().unwrap());
    let key = wireguard.public_key().to_string();
    // Time enough for a handshake: wireguard-go tries again after five seconds.
    let expires = UnixTime(unix_time().0 + 20);
    let date = expires.to_string();
    place
        .gateway
        .command(&["add", "laptop", "--public-key", &key, "--expires", &date])
        .args(["--address", "10.77.0.9"])
        .ok();
    let endpoint: SocketAddr = ENDPOINT.parse().unwrap();
    wireguard.add_peer(
        place.gateway.own_key(),
        Some(endpoint),
        &["10.20.0.0/24".parse().unwrap()],
    );
    wait::until_true("the server answers", SOON, || place.client.pings(SERVER));
    let tap = Tap::on(&place.client, "eth0");
    let server = SERVER.to_string();
    let ping = place.client.run("ping");
    let ping = ping.args(["-q", "-n", "-i", "0.05", &server]).spawn();
    assert!(unix_time() < expires, "too slow to tell");
    wait::until_true("its last second begins", Duration::from_secs(30), || {
        unix_time() >= expires
    });
    let last_second = now();
    wait::until_true("it is over", SOON, || unix_time() > expires);
    let over = now();
    wait::until_true("the session is cut", SOON, || {
        place.gateway.status().peers.is_empty()
    });
    ping.signal(Signal::SIGINT);
    ping.wait(SOON);
    let answers = tap.datagrams().into_iter();
    let answers = answers.filter(|d| !d.outgoing && d.carries_packet());
    let last = answers.map(|datagram| datagram.at).max();
    let last = last.expect("the server answered");
    assert!(last > last_second, "cut before the end of {expires}");
    let late = last.since(over);
    assert!(
        late <= promised(Duration::from_secs(1)),
        "cut {late:?} late"
    );
    assert!(!place.client.pings(SERVER));

    let listing = place.gateway.command(&["identities"]).ok();
    assert!(listing.contains("(over)"), "{listing}");
    // It stays out after a start, and comes back with a renewal only.
    place.gateway.stop();
    place.gateway.start();
    assert!(place.gateway.status().peers.is_empty());
    let renewal = place.gateway.invite("laptop", &[]);
    place
        .gateway
        .enrol(&enrolment(&renewal, wireguard.public_key()));
    assert_eq!(place.gateway.status().peers.len(), 1);
}

#[test]
fn after_a_restart_the_gateway_speaks_first() {
    let place = Place::new();
    place.gateway.start();
    let _wireguard = place.connect(&place.client, "laptop", "10.77.0.9");
    wait::until_true("the server answers", SOON, || place.client.pings(SERVER));
    let before = place.gateway.peer("laptop");
    place.gateway.stop();
    place.gateway.start();
    // The client says nothing by itself: it has no keepalive and nothing to send.
    let after = wait::until("the gateway has greeted the client", SOON, || {
        let peer = place.gateway.peer("laptop");
        peer.latest_handshake.map(|_| peer)
    });
    assert_eq!(after.endpoint, before.endpoint);
    assert!(place.server.pings("10.77.0.9".parse().unwrap()));
}

#[test]
fn two_workers_serve_several_clients() {
    serve_several_clients(2);
}

#[test]
fn four_workers_serve_several_clients() {
    serve_several_clients(4);
}

fn serve_several_clients(workers: u8) {
    let place = Place::new();
    place
        .gateway
        .configure("workers = 1", &format!("workers = {workers}"));
    place.gateway.start();
    let world = &place._world;
    let clients: Vec<(Host, WireGuardGo, String)> = (0..6)
        .map(|i| {
            let host = world.host(&format!("client{i}"));
            world.wire(
                (&host, "eth0", &format!("198.18.{i}.2/24")),
                (
                    place.gateway.host(),
                    &format!("c{i}"),
                    &format!("198.18.{i}.1/24"),
                ),
            );
            host.ip(&format!("route add default via 198.18.{i}.1"));
            let address = format!("10.77.0.{}", 10 + i);
            let name = format!("client {i}");
            let key = key_of_worker(i % workers, workers);
            let wireguard = place.connect_with(&host, &name, &address, &key);
            (host, wireguard, address)
        })
        .collect();
    for (host, _, address) in &clients {
        wait::until_true("the server answers", SOON, || host.pings(SERVER));
        assert!(place.server.pings(address.parse().unwrap()), "{address}");
    }
    // From client to client: for most of them from one worker to another.
    let (first, others) = clients.split_first().unwrap();
    for (_, _, address) in others {
        assert!(first.0.pings(address.parse().unwrap()), "{address}");
    }
    // And much at once: whatever lands on another worker is handed over whole and in order.
    const BYTES: usize = 3_000_000;
    let _web = Web::serve(&place.server, (SERVER, 80).into(), "");
    let page = format!("http://{SERVER}/slow/{BYTES}/0");
    let downloads = clients
        .iter()
        .map(|(host, ..)| host.curl(&page, 2 * SOON).spawn());
    for download in downloads.collect::<Vec<_>>() {
        assert_eq!(download.exit_code(2 * SOON), 0);
        assert!(
            download.stdout().bytes() == pattern(BYTES),
            "not what was sent"
        );
    }
    assert_eq!(place.gateway.status().peers.len(), 6);
    place.gateway.command(&["revoke", "client 0"]).ok();
    assert!(!first.0.pings(SERVER));
    assert!(others.iter().all(|(host, _, _)| host.pings(SERVER)));

    place.gateway.stop();
    place.gateway.start();
    wait::until_true("all are greeted", SOON, || {
        let peers = place.gateway.status().peers;
        peers.len() == 5 && peers.iter().all(|peer| peer.latest_handshake.is_some())
    });
}

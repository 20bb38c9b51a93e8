//! WireGuard as others speak it: Debian's wireguard-go at either end, and wg(8).

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use rig::{
    Gateway, Host, Scene, WireGuardGo,
    client::TUNNEL,
    scene::{self, ENDPOINT, GREETING, HOTEL_ADDRESS, INNER_NETWORK, PAGE, SERVER, TUNNEL_NETWORK},
    wait::{self, SOON},
    web::pattern,
};

fn network(text: &str) -> IpNet {
    text.parse().expect("a network")
}

/// Downloads enough through a tunnel that every part of the packet path is used.
#[track_caller]
fn downloads(host: &Host) {
    const BYTES: usize = 5_000_000;
    let url = format!("{PAGE}slow/{BYTES}/0");
    let download = host.curl(&url, Duration::from_secs(30)).spawn();
    assert_eq!(download.exit_code(SOON), 0);
    assert!(download.stdout().bytes() == pattern(BYTES));
}

#[test]
fn our_client_uses_a_wireguard_go_server() {
    let scene = Scene::new();
    let _web = scene.serve();
    let server = WireGuardGo::start(&scene.gateway, 51820, network("10.77.0.1/24"));
    let profile = scene::profile(ENDPOINT, Some(server.public_key()));
    let key = profile.private_key.public();
    server.add_peer(key, None, &[network("10.77.0.2/32")]);

    let card = scene.write(&profile);
    let up = scene.connect(&scene.one, &card);
    assert_eq!(scene.one.fetch(PAGE).as_deref(), Some(GREETING));
    downloads(&scene.one);
    assert!(scene.server.pings(IpAddr::from([10, 77, 0, 2])));
    // And it may move there too.
    scene.one.ip("address del 192.0.2.10/24 dev eth0");
    scene.one.ip("address add 192.0.2.77/24 dev eth0");
    scene.one.ip("route add default via 192.0.2.1");
    wait::until_true("it follows", SOON, || {
        scene
            .gateway
            .run("wg")
            .args(["show", "wg0", "endpoints"])
            .ok()
            .contains("192.0.2.77")
    });
    assert!(scene.one.pings(SERVER));
    card.remove();
    up.await_state("token_removed");
    assert_eq!(scene.one.fetch(PAGE), None);
}

#[test]
fn a_wireguard_go_client_uses_our_gateway() {
    let scene = Scene::new();
    let _web = scene.serve();
    let gateway = Gateway::init(&scene.gateway, ENDPOINT, TUNNEL_NETWORK);
    gateway.start();
    let ours = gateway.status().public_key.expect("the gateway has a key");

    let client = WireGuardGo::start(&scene.two, 0, network("10.77.0.9/24"));
    let key = client.public_key().to_string();
    let add = [
        "add",
        "phone",
        "--public-key",
        &key,
        "--address",
        "10.77.0.9",
    ];
    gateway.command(&add).ok();
    let endpoint = ENDPOINT.parse().expect("an address");
    client.add_peer(ours, Some(endpoint), &[network(INNER_NETWORK)]);
    assert_eq!(scene.two.fetch(PAGE).as_deref(), Some(GREETING));
    downloads(&scene.two);
    assert!(scene.server.pings(IpAddr::from([10, 77, 0, 9])));
    let seen = gateway.peer("phone").endpoint.expect("it was heard");
    assert_eq!(seen.ip(), HOTEL_ADDRESS);
    gateway.command(&["revoke", "phone"]).ok();
    assert!(!scene.two.pings(SERVER));
}

#[test]
fn wg_shows_both_programs_and_no_private_key() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    card.insert();
    let profile = card.profile(&scene.one);
    card.remove();
    let _up = scene.connect(&scene.one, &card);
    assert!(scene.one.pings(SERVER));

    let key = profile.private_key.public().to_string();
    let of_gateway = profile.gateways[0].public_key.to_string();
    let interface = gateway.status().interface.expect("it has a link");
    let shown = [
        (&scene.one, TUNNEL, of_gateway, "203.0.113.5:51820"),
        (&scene.gateway, &*interface, key, "192.0.2.10:"),
    ];
    for (host, link, peer, endpoint) in shown {
        let text = host.run("wg").args(["show", link]).ok();
        for fact in [&*peer, endpoint, "latest handshake", "transfer: "] {
            assert!(text.contains(fact), "{fact} is missing: {text}");
        }
        assert!(
            host.run("wg")
                .args(["show", "interfaces"])
                .ok()
                .contains(link)
        );
        let dump = host.run("wg").args(["show", link, "dump"]).ok();
        assert!(
            dump.starts_with("(none)\t"),
            "a private key is given out: {dump}"
        );
        let psk = host.run("wg").args(["show", link, "preshared-keys"]).ok();
        assert!(psk.trim_end().ends_with("(none)"), "{psk}");
        // And nothing can be changed this way.
        let set = ["set", link, "peer", &peer, "remove"];
        assert!(!host.run("wg").args(set).finish().status.success());
    }
    assert!(scene.one.pings(SERVER));
}

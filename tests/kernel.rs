//! Linux's own WireGuard at either end, and what only time shows of it.

use std::{
    fs::{self, Permissions},
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::PermissionsExt as _,
    time::Duration,
};

use rig::{
    Gateway, Host, Kernel, Scene,
    kernel::{ADDRESS, NETWORK},
    scene::{self, ENDPOINT, GREETING, INNER_NETWORK, PAGE, SERVER, TUNNEL_NETWORK},
    wait::{self, SOON, now},
    web::pattern,
};
use tokenvpn_common::key::{PresharedKey, PrivateKey};

const BYTES: usize = 3_000_000;
/// The kernel's address in the tunnel.
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 9));
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 77);
/// Two sessions and a bit: an initiator rekeys after 120 s (WireGuard paper §6.2).
const TWO_SESSIONS: u32 = 135;

/// The hash of [`BYTES`] bytes of the pattern.
fn hash_of_pattern(host: &Host) -> String {
    let sum = host.run("sha256sum").stdin(pattern(BYTES)).ok();
    sum.split_whitespace().next().expect("a hash").to_owned()
}

/// Pings once a second through a rekey: nothing is lost, and the session is a new one.
#[track_caller]
fn outlives_a_session(from: &Host, to: IpAddr, kernel: &Kernel) {
    let before: u64 = kernel.show("latest-handshakes").parse().expect("a time");
    let start = now();
    let words = [
        "-n",
        "-q",
        "-i",
        "1",
        "-c",
        &TWO_SESSIONS.to_string(),
        &to.to_string(),
    ]
    .map(str::to_owned);
    let ping = from.run("ping").args(words).spawn();
    assert_eq!(
        ping.exit_code(Duration::from_secs(200)),
        0,
        "{}",
        ping.report()
    );
    let said = ping.stdout().all();
    assert!(said.contains(" 0% packet loss"), "{said}");
    let after: u64 = kernel.show("latest-handshakes").parse().expect("a time");
    println!(
        "{} s, the session before started at {before}, this one at {after}",
        now().since(start).as_secs()
    );
    assert!(after >= before + 115, "{before} {after}");
}

#[test]
fn a_kernel_client_uses_our_gateway() {
    let scene = Scene::new();
    let _web = scene.serve();
    let gateway = Gateway::init(&scene.gateway, ENDPOINT, TUNNEL_NETWORK);
    gateway.start();
    let ours = gateway.status().public_key.expect("the gateway has a key");
    scene
        .router
        .ip(&format!("route add {NETWORK} via 198.51.100.20"));
    let mut kernel = Kernel::boot(&scene.two);
    println!("booted in {:.1} s", kernel.boot.as_secs_f32());

    let (key, preshared_key) = (PrivateKey::generate(), PresharedKey::generate());
    let file = scene.gateway.path("/etc/psk");
    fs::write(&file, preshared_key.expose_text().as_str()).expect("a file");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its mode");
    let (public_key, inside) = (key.public().to_string(), INSIDE.to_string());
    let add = [
        "add",
        "kernel",
        "--public-key",
        &public_key,
        "--address",
        &inside,
    ];
    gateway
        .command(&add)
        .args(["--preshared-key", "/etc/psk"])
        .ok();

    kernel.set_up(&key, 0, &format!("{INSIDE}/24"));
    let endpoint = ENDPOINT.parse().expect("an address");
    let networks = [TUNNEL_NETWORK, INNER_NETWORK];
    kernel.add_peer(ours, Some(&preshared_key), Some(endpoint), &networks);

    // Out, in bulk and back, and asked for from inside.
    let page = kernel.run(&format!("wget -q -O - {PAGE}"));
    assert_eq!(page.trim_end(), GREETING);
    let expected = hash_of_pattern(&scene.server);
    let got = kernel.run(&format!(
        "wget -q -O - {PAGE}slow/{BYTES}/0 | tee /file | sha256sum"
    ));
    assert!(got.starts_with(&expected), "{got}");
    kernel.run("httpd -p 80 -h /");
    let url = format!("http://{INSIDE}/file");
    let fetched = scene.server.curl(&url, Duration::from_secs(60)).spawn();
    assert_eq!(
        fetched.exit_code(Duration::from_secs(60)),
        0,
        "{}",
        fetched.report()
    );
    assert!(fetched.stdout().bytes() == pattern(BYTES));
    assert_eq!(
        gateway.peer("kernel").endpoint.map(|at| at.ip()),
        Some(ADDRESS.into())
    );

    // It moves, and is found where it is.
    kernel.move_to(ELSEWHERE);
    kernel.run(&format!("ping -c 3 -W 5 {SERVER}"));
    assert_eq!(
        gateway.peer("kernel").endpoint.map(|at| at.ip()),
        Some(ELSEWHERE.into())
    );
    assert!(scene.server.pings(INSIDE));

    outlives_a_session(&scene.server, INSIDE, &kernel);

    // A gateway that starts again speaks first.
    let before = kernel.show("latest-handshakes");
    gateway.kill();
    gateway.start();
    wait::until_true("a session with the new gateway", SOON, || {
        kernel.show("latest-handshakes") != before
    });
    wait::until_true("it answers", SOON, || scene.server.pings(INSIDE));

    // With another preshared key there is nothing.
    gateway.command(&["revoke", "kernel"]).ok();
    assert!(!scene.server.pings(INSIDE));
    gateway.command(&add).ok();
    let (said, reached) = kernel.try_run(&format!("ping -c 3 -W 3 {SERVER}"));
    assert!(!reached, "{said}");
}

#[test]
fn our_client_uses_a_kernel_server() {
    let scene = Scene::new();
    scene
        .router
        .ip(&format!("route add {NETWORK} via 203.0.113.5"));
    let kernel = Kernel::boot(&scene.gateway);
    println!("booted in {:.1} s", kernel.boot.as_secs_f32());

    let (key, preshared_key) = (PrivateKey::generate(), PresharedKey::generate());
    let mut profile = scene::profile(&format!("{ADDRESS}:51820"), Some(key.public()));
    profile.gateways[0].preshared_key = Some(preshared_key.clone());
    // The kernel speaks from its own address in the tunnel.
    let tunnel = TUNNEL_NETWORK.parse().expect("a network");
    profile.allowed_ips.push(tunnel);
    let inside = IpAddr::from([10, 77, 0, 2]);
    kernel.set_up(&key, 51820, "10.77.0.1/24");
    kernel.run(&format!("ip address add {SERVER}/24 dev lo"));
    let public_key = profile.private_key.public();
    kernel.add_peer(public_key, Some(&preshared_key), None, &["10.77.0.2/32"]);

    let card = scene.write(&profile);
    let up = scene.connect(&scene.one, &card);
    assert!(scene.one.pings(SERVER));
    kernel.run(&format!("ping -c 3 -W 5 {inside}"));

    // In bulk, both ways.
    let web = rig::Web::serve(&scene.one, (inside, 80).into(), GREETING);
    let expected = hash_of_pattern(&scene.one);
    let got = kernel.run(&format!(
        "wget -q -O - http://{inside}/slow/{BYTES}/0 | tee /file | sha256sum"
    ));
    assert!(got.starts_with(&expected), "{got}");
    drop(web);
    kernel.run("httpd -p 80 -h /");
    let url = format!("{PAGE}file");
    let fetched = scene.one.curl(&url, Duration::from_secs(60)).spawn();
    assert_eq!(
        fetched.exit_code(Duration::from_secs(60)),
        0,
        "{}",
        fetched.report()
    );
    assert!(fetched.stdout().bytes() == pattern(BYTES));

    // Our computer moves, and the kernel follows.
    assert!(kernel.show("endpoints").starts_with("192.0.2.10:"));
    scene.one.ip("address del 192.0.2.10/24 dev eth0");
    scene.one.ip("address add 192.0.2.77/24 dev eth0");
    scene.one.ip("route add default via 192.0.2.1");
    wait::until_true("it follows", SOON, || {
        kernel.show("endpoints").starts_with("192.0.2.77:")
    });
    assert!(scene.one.pings(SERVER));

    outlives_a_session(&scene.one, SERVER, &kernel);

    card.remove();
    up.await_state("token_removed");
    let (_, reached) = kernel.try_run(&format!("ping -c 2 -W 1 {inside}"));
    assert!(!reached);
}

//! What the programs write for those who look for a fault: all of it, and no secret.

use std::{net::UdpSocket, time::Duration};

use boringtun::noise::TunnResult;
use nix::sys::signal::Signal;
use rig::{
    Card, Desk, Gateway, Scene, Up, World,
    client::PIN_FD,
    scene::{ENDPOINT, INNER_NETWORK, SERVER, TUNNEL_NETWORK},
    speaker,
    wait::SOON,
};
use tokenvpn_common::key::PrivateKey;

/// Every world looks through all that was said in it, at the highest verbosity. This is what it
/// knows and what it reads.
#[test]
fn the_secrets_of_a_session_are_known_and_everything_is_said() {
    let scene = Scene::new();
    let gateway = Gateway::init(&scene.gateway, ENDPOINT, TUNNEL_NETWORK);
    gateway.start();
    let pin = "73910486";
    let card = Card::with_pin(&scene.world, "traveller", pin);
    scene.one.start_pcscd();
    card.connect(&scene.one);
    card.insert();
    let invitation = gateway.invite("traveller", &["--route", INNER_NETWORK]);
    gateway.enrol(&scene.one.issue(&invitation, pin));

    let number = PIN_FD.to_string();
    let up = scene
        .one
        .tokenvpn(&["up", "--json", "--once", "--pin-fd", &number])
        .text_on(PIN_FD, pin);
    let up = Up::started(&scene.one, up);
    up.await_state("up");
    assert!(scene.one.pings(SERVER));
    card.remove();
    assert_eq!(up.process().exit_code(SOON), 10);
    gateway.process().signal(Signal::SIGTERM);
    gateway.process().exit_code(SOON);

    let known = scene.world.known_secrets();
    let count = |name: &str| known.iter().filter(|known| *known == name).count();
    assert!(count("PIN") >= 1, "{known:?}");
    assert!(count("profile") >= 1, "{known:?}");
    assert!(count("private key") >= 1, "{known:?}");
    assert!(count("key in private-key") == 1, "{known:?}");
    // In the invitation, and on the card.
    assert!(count("preshared key") >= 2, "{known:?}");
    let whole = |transcript: &rig::transcript::Transcript| {
        String::from_utf8_lossy(&transcript.whole()).into_owned()
    };
    // Of both processes of `up`, of the lowest level that there is.
    let said = whole(up.process().stderr());
    assert!(said.contains("DEBUG tokenvpn::supervisor: "), "{said}");
    assert!(said.contains("DEBUG tokenvpn::worker::unlock: "), "{said}");
    let said = whole(gateway.process().stderr());
    assert!(said.contains("DEBUG tokenvpn_gateway::worker: "), "{said}");
    // And nobody else has to read it.
    assert!(!up.process().stderr().all().contains("DEBUG"));
}

/// Whoever is let in can write one line with every datagram: that of its new address.
#[test]
fn a_flood_of_lines_is_cut_and_what_is_left_out_is_counted() {
    const FLOOD: usize = 20_000;
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let key = PrivateKey::generate();
    let public = key.public().to_string();
    gateway
        .command(&["add", "laptop", "--public-key", &public])
        .ok();
    let gateway_key = gateway.status().public_key.expect("it has one");
    let socket = || {
        let socket = scene.one.within(|| UdpSocket::bind("0.0.0.0:0"));
        let socket = socket.expect("a socket");
        socket.connect(ENDPOINT).expect("an address");
        socket.set_read_timeout(Some(SOON)).expect("a time limit");
        socket
    };
    let (home, hotel) = (socket(), socket());
    let mut tunnel = speaker::tunnel(&key, &gateway_key);
    home.send(&speaker::initiation(&mut tunnel))
        .expect("it is sent");
    let (mut datagram, mut room) = ([0; 256], [0; 256]);
    let len = home.recv(&mut datagram).expect("the gateway answers");
    let answer = tunnel.decapsulate(None, &datagram[..len], &mut room);
    assert!(matches!(answer, TunnResult::WriteToNetwork(_)));
    for number in 0..FLOOD {
        let TunnResult::WriteToNetwork(keepalive) = tunnel.encapsulate(&[], &mut room) else {
            panic!("there is a session");
        };
        let from = if number % 2 == 0 { &home } else { &hotel };
        from.send(keepalive).expect("it is sent");
        // Not faster than the gateway hears, so that most of it counts.
        if number % 100 == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let process = gateway.process();
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(SOON), 0);
    let log = String::from_utf8(process.stderr().whole()).expect("text");
    let written = log.lines().filter(|line| line.contains(" moved ")).count();
    let counts = log.lines().filter_map(|line| line.split_once(" count="));
    let left_out: usize = counts
        .map(|(_, count)| count.parse::<usize>().unwrap())
        .sum();
    assert!(written >= 50, "{log}");
    assert!(
        left_out > FLOOD / 10,
        "only {left_out} were left out\n{log}"
    );
    assert!(log.len() < 64 << 10, "{} bytes", log.len());
}

/// Every world looks for control characters in all that our programs write; here somebody tries.
#[test]
fn what_strangers_write_is_never_printed_raw() {
    const NASTY: &str = "\u{1b}]0;x\u{7}\u{1b}[31m\u{9b}2J";
    let desk = Desk::new();
    let escaped = "\\u001b]0;x\\u0007\\u001b[31m\\u009b2J";
    for text in [NASTY, escaped] {
        for document in [
            text.to_owned(),
            format!("{text} = 1"),
            format!("\"{text}\" = 1"),
            format!("version = \"{text}\""),
            format!("version = 1\nname = \"{text}\""),
            format!("version = 1\n\"{text}\" = 1"),
        ] {
            let refused = desk.token(&["issue"], desk.card.pin(), &document);
            refused.expect_error(1, &[]);
        }
    }
    for words in [["--token", NASTY], ["--interface", NASTY], [NASTY, NASTY]] {
        let refused = desk.computer.tokenvpn(&["up"]).args(words).finish();
        refused.expect_error(2, &[]);
    }
    let world = World::new();
    let host = world.host("gateway");
    let gateway = Gateway::init(&host, ENDPOINT, TUNNEL_NETWORK);
    for words in [
        vec!["invite", NASTY],
        vec!["revoke", NASTY],
        vec!["add", NASTY, "--public-key", NASTY],
        vec![NASTY],
    ] {
        assert!(!gateway.command(&words).finish().status.success());
    }
    for text in [NASTY, escaped] {
        for document in [text.to_owned(), format!("version = 1\nid = \"{text}\"")] {
            let refused = gateway.command(&["enrol"]).stdin(document).finish();
            assert!(!refused.status.success());
        }
        let config = host.path("/etc/tokenvpn/gateway.toml");
        let good = std::fs::read_to_string(&config).unwrap();
        for line in [format!("{text} = 1"), format!("interface = \"{text}\"")] {
            std::fs::write(&config, format!("{line}\n{good}")).unwrap();
            assert!(!gateway.command(&["run"]).finish().status.success());
        }
        std::fs::write(&config, good).unwrap();
    }
}

/// What makes the test above mean something.
#[test]
fn a_world_in_which_our_program_prints_control_characters_fails() {
    let world = World::new();
    let host = world.host("a");
    // A stand-in of the same name.
    let program = host.dir().join("tokenvpn");
    std::os::unix::fs::symlink("/bin/echo", &program).unwrap();
    host.run(&program).arg("\u{1b}[31m").ok();
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(world)));
    let panic = dropped.expect_err("it noticed nothing");
    let text = panic.downcast_ref::<String>().expect("a text");
    assert!(text.contains("control character"), "{text}");
}

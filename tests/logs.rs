//! What the programs write for those who look for a fault: all of it, and no secret.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::UdpSocket,
    os::unix::net::UnixListener,
    thread,
    time::Duration,
};

use boringtun::noise::TunnResult;
use nix::sys::signal::Signal;
use rig::{
    Card, Desk, Gateway, Invocation, Pty, Scene, Up, World,
    client::PIN_FD,
    desk, scene,
    scene::{ENDPOINT, INNER_NETWORK, SERVER, TUNNEL_NETWORK},
    speaker,
    wait::SOON,
};
use tokenvpn_common::{io::clock, key::PrivateKey, name::printable, token::Label};

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

/// Sequences that a terminal obeys, text that runs backwards or cannot be seen, lines that look like
/// ours, and more than a screen of it.
fn deceiving_names() -> [String; 5] {
    [
        "\u{1b}]0;x\u{7}\u{1b}[31m\u{9b}2J".to_owned(),
        "a\u{202e}reverof pu\u{2066}".to_owned(),
        "\u{feff}a\u{200b}".to_owned(),
        "a\nerror: b\rhint: c".to_owned(),
        "\u{1b}[A".repeat(2_500),
    ]
}

/// Runs it on a real terminal to its end, with everything in the log; what is on the screen, which
/// has to be text and nothing else.
#[track_caller]
fn on_a_terminal(run: Invocation) -> (i32, String) {
    let pty = Pty::open();
    let code = run.on(&pty).spawn().exit_code(SOON);
    // What comes behind it on the same way has not overtaken it.
    pty.press("that is all\r");
    pty.expect("that is all");
    let screen = String::from_utf8(pty.screen().whole()).expect("text");
    let text = screen.replace("\r\n", "").replace('\t', "");
    assert_eq!(text, printable(&text), "{screen:?}");
    (code, screen)
}

/// A TOML or JSON text in which this stands.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text")
}

#[test]
fn no_name_on_a_token_or_in_an_invitation_reaches_a_terminal_raw() {
    let desk = Desk::new();
    let honest = desk::invitation().to_toml().expect("it is good");
    let file = desk.computer.dir().join("invitation.toml");
    for name in deceiving_names() {
        for written in [quoted(&name), format!("\"{name}\"")] {
            let text = honest.replace("\"traveller\"", &written);
            std::fs::write(&file, text).expect("a file");
            let issue = desk.computer.tokenvpn(&["token", "issue"]).arg(&file);
            let (code, screen) = on_a_terminal(issue);
            assert!(code != 0 && screen.contains("hint: "), "{screen}");
        }
    }

    // Written by somebody else's program: of the length of the place that is kept for it, and with a
    // checksum that is right.
    for name in deceiving_names() {
        let Some(kept) = name.get(..name.len().min(24)) else {
            continue;
        };
        let mut profile = scene::profile("192.0.2.1:51820", None);
        profile.name = "n".repeat(kept.len()).parse().expect("a name");
        let label = Label::of(&profile).encode().expect("it fits");
        let profile = profile.encode().expect("it fits");
        let [profile, label] = [&profile, &label].map(|object| renamed(object, kept.as_bytes()));
        desk.card.write(&desk.computer, &profile, Some(&label));
        for words in [
            &["token", "list"][..],
            &["token", "show"],
            &["up", "--once"],
        ] {
            let number = PIN_FD.to_string();
            let mut run = desk.computer.tokenvpn(words);
            if words != ["token", "list"] {
                run = run
                    .args(["--pin-fd", &number])
                    .text_on(PIN_FD, desk.card.pin());
            }
            let (_, screen) = on_a_terminal(run);
            assert!(screen.contains("damaged"), "{words:?}: {screen}");
        }
    }
}

/// An object of a token with this name instead of its own.
fn renamed(object: &[u8], name: &[u8]) -> Vec<u8> {
    let old = vec![b'n'; name.len()];
    let at = object.windows(old.len()).position(|part| part == old);
    let at = at.expect("its name stands in it");
    let mut bytes = object.to_vec();
    bytes[at..at + name.len()].copy_from_slice(name);
    let content = bytes.len() - 4;
    let checksum = crc32(&bytes[..content]);
    bytes[content..].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// As the token's specification says.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    !crc
}

#[test]
fn no_name_of_a_reader_reaches_a_terminal_raw() {
    let world = World::new();
    for (number, name) in ["\u{1b}[31mred", "\u{202e}reverof"].into_iter().enumerate() {
        let host = world.host(&format!("computer{number}"));
        host.start_pcscd_with(name);
        let card = Card::new(&world, &format!("card{number}")).without_private_use();
        card.connect(&host);
        card.insert();
        let list = || on_a_terminal(host.tokenvpn(&["token", "list"])).1;
        rig::wait::until_true("the card is listed", SOON, || list().contains("private"));
        let up = ["up", "--once", "--wait", "1"];
        let (_, screen) = on_a_terminal(host.tokenvpn(&up));
        assert!(screen.contains("hint: "), "{screen}");
    }
}

/// Whoever answers on our sockets is not always us.
#[test]
fn no_answer_of_a_stranger_on_our_socket_reaches_a_terminal_raw() {
    let world = World::new();
    let host = world.host("gateway");
    let gateway = Gateway::init(&host, ENDPOINT, TUNNEL_NETWORK);
    let runtime = host.path("/run/tokenvpn");
    std::fs::create_dir_all(&runtime).expect("a directory");
    let key = PrivateKey::generate().public().to_string();
    for name in deceiving_names() {
        for command in [
            vec!["invite", &name],
            vec!["revoke", &name],
            vec!["add", &name, "--public-key", &key],
        ] {
            let (code, screen) = on_a_terminal(gateway.command(&command));
            assert!(code != 0 && screen.contains("hint: "), "{screen}");
        }
        let name = quoted(&name);
        let status = format!(
            "{{\"schema\":1,\"state\":\"up\",\"interface\":{name},\"identity\":{name},\"token\":{name},\
             \"peers\":[{{\"name\":{name},\"public_key\":\"{key}\",\"endpoint\":null,\
             \"latest_handshake\":null,\"rx_bytes\":1,\"tx_bytes\":1,\"allowed_ips\":[]}}]}}"
        );
        let entry = format!(
            "{{\"at\":{},\"who\":{name},\"action\":{name},\"name\":\"a\"}}",
            clock::unix_time().0
        );
        let failed = format!("{{\"failed\":{{\"what\":{name},\"hint\":{name},\"code\":1}}}}");
        let audit = format!("{{\"audit\":{{\"schema\":1,\"entries\":[{entry}]}}}}");
        for (socket, answer, run) in [
            (
                "gateway.sock",
                format!("{{\"status\":{status}}}"),
                gateway.command(&["status"]),
            ),
            ("gateway.sock", audit, gateway.command(&["audit"])),
            ("gateway.sock", failed, gateway.command(&["identities"])),
            ("tokenvpn.sock", status, host.tokenvpn(&["status"])),
        ] {
            let path = runtime.join(socket);
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path).expect("a socket");
            let stranger = thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("somebody asks");
                let mut asked = String::new();
                let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
                reader.read_line(&mut asked).expect("a line");
                stream
                    .write_all((answer + "\n").as_bytes())
                    .expect("it listens");
            });
            let (_, screen) = on_a_terminal(run);
            stranger.join().expect("it was asked");
            // It was understood, not refused.
            assert!(screen.contains('\u{fffd}'), "{socket}: {screen}");
            std::fs::remove_file(&path).expect("the socket");
        }
    }
}

/// What makes the tests above mean something.
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

//! The shipped units, under a real systemd.

use std::{collections::HashMap, fs, path::Path, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rig::{
    Gateway, Pty, Scene, ServiceManager,
    client::TUNNEL,
    process::{raw_line, threads},
    scene::{ENDPOINT, SERVER, TUNNEL_NETWORK},
    wait::{self, SOON, promised},
};

const GATEWAY: &str = "tokenvpn-gateway.service";
const CLIENT: &str = "tokenvpn.service";

/// Insists that no service has panicked or said anything raw.
#[track_caller]
fn assert_said_well(manager: &ServiceManager) -> String {
    let said = manager.said();
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(raw_line(&said), None);
    said
}

/// Kills the main process of a unit, as the kernel does when memory is short.
#[track_caller]
fn kill_main(manager: &ServiceManager, unit: &str) -> i32 {
    let pid = manager.main_process(unit).expect("it runs");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    pid
}

#[test]
fn the_gateway_s_unit_lets_it_serve_reload_and_come_back_with_no_power_but_its_own() {
    let scene = Scene::new();
    let host = &scene.gateway;
    let gateway = Gateway::init(host, ENDPOINT, TUNNEL_NETWORK);
    let card = scene.issue(&gateway, "traveller");
    let manager = ServiceManager::boot(host, &[GATEWAY]);
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib");
    host.run("systemd-sysusers")
        .arg(contrib.join("systemd/tokenvpn-gateway.sysusers"))
        .ok();
    // What systemd itself puts on whoever it starts like that.
    let shipped = fs::read_to_string(contrib.join("systemd").join(GATEWAY)).expect("the unit");
    let is_start = |line: &&str| !line.starts_with("Exec");
    let settings: Vec<&str> = shipped.lines().filter(is_start).collect();
    let settings = settings
        .join("\n")
        .replace("[Service]", "[Service]\nExecStart=/bin/sleep 1000");
    manager.add("sleeper.service", &settings);
    manager.control(&["start", "sleeper.service"]).ok();
    let sleeper = manager.main_process("sleeper.service").expect("it runs");
    let filters = |thread: &HashMap<String, String>| -> u32 {
        let filters = &thread["Seccomp_filters"];
        filters.parse().expect("a number")
    };
    let without_its_own = filters(&threads(sleeper)[0]);
    manager.control(&["stop", "sleeper.service"]).ok();

    manager.control(&["start", GATEWAY]).ok();
    wait::until("the gateway answers", SOON, || gateway.look());

    // A user of its own, and nothing else of what it was given to begin with.
    let pid = manager.main_process(GATEWAY).expect("it runs");
    let user = host.run("id").args(["-u", "tokenvpn"]).ok();
    assert_ne!(user.trim(), "0");
    for thread in threads(pid) {
        let name = &thread["Name"];
        assert!(thread["Uid"].starts_with(&format!("{}\t", user.trim())));
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(thread[set], "0000000000000000", "{set} of {name}");
        }
        assert_eq!(thread["NoNewPrivs"], "1", "{name}");
        assert!(filters(&thread) > without_its_own, "{name}");
    }

    let up = scene.connect(&scene.one, &card);
    assert!(scene.one.pings(SERVER));

    // What a reload brings is there, and whoever is connected does not notice.
    gateway.configure("keepalive = 25", "keepalive = 15");
    manager.control(&["reload", GATEWAY]).ok();
    assert!(gateway.invite("phone", &[]).contains("keepalive = 15"));
    gateway.configure("mtu = 1420", "mtu = 1400");
    assert!(
        !manager
            .control(&["reload", GATEWAY])
            .finish()
            .status
            .success()
    );
    gateway.configure("mtu = 1400", "mtu = 1420");
    assert_eq!(manager.main_process(GATEWAY), Some(pid));
    assert!(scene.one.pings(SERVER));

    // It comes back by itself, and so does the session.
    kill_main(&manager, GATEWAY);
    wait::until_true("another one runs", SOON, || {
        manager.main_process(GATEWAY).is_some_and(|new| new != pid) && gateway.look().is_some()
    });
    // Perhaps it was killed before it wrote down where it heard from whom: then the client asks.
    let soon = promised(Duration::from_secs(6));
    wait::until_true("the session is back", soon, || scene.one.pings(SERVER));

    // With a configuration that is wrong it would not help to try again.
    gateway.configure("mtu = 1420", "mtu = 99");
    manager.control(&["restart", GATEWAY]).finish();
    wait::until_true("it has failed", SOON, || {
        manager.show(GATEWAY, "ActiveState") == "failed"
    });
    assert_eq!(manager.show(GATEWAY, "ExecMainStatus"), "2");
    gateway.configure("mtu = 99", "mtu = 1420");
    manager.control(&["start", GATEWAY]).ok();
    wait::until_true("the session is back", SOON, || scene.one.pings(SERVER));
    manager.control(&["stop", GATEWAY]).ok();
    assert_eq!(manager.show(GATEWAY, "Result"), "success");
    let said = assert_said_well(&manager);
    assert!(said.contains("Listening"), "{said}");
    up.process().signal(Signal::SIGTERM);
    up.process().wait(SOON);
}

#[test]
fn the_client_s_unit_connects_follows_its_token_and_never_tries_a_wrong_pin_again() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let host = &scene.one;
    let before = host.network_state();
    let manager = ServiceManager::boot(host, &[CLIENT]);
    // The PIN as the unit's own lines advise.
    let keep = |pin: &str| {
        let words = [
            "--with-key=host",
            "--name=pin",
            "encrypt",
            "-",
            "/etc/tokenvpn/pin.cred",
        ];
        host.run("systemd-creds").args(words).stdin(pin).ok();
    };
    fs::create_dir_all(host.path("/etc/tokenvpn")).unwrap();
    keep(card.pin());
    manager.amend(
        CLIENT,
        "[Service]\nLoadCredentialEncrypted=pin:/etc/tokenvpn/pin.cred\n",
    );
    manager.control(&["start", CLIENT]).ok();
    card.insert();
    wait::until_true("the tunnel carries", SOON, || host.pings(SERVER));

    let supervisor = manager.main_process(CLIENT).expect("it runs");
    for thread in threads(supervisor) {
        assert_eq!(thread["NoNewPrivs"], "1");
    }
    card.remove();
    wait::until_true("all is gone", SOON, || !host.has_link(TUNNEL));
    assert_eq!(manager.main_process(CLIENT), Some(supervisor));
    card.insert();
    wait::until_true("the tunnel carries again", SOON, || host.pings(SERVER));

    // Its end takes the keys and the tunnel, and systemd brings another.
    kill_main(&manager, CLIENT);
    wait::until_true("the tunnel is back", 2 * SOON, || {
        manager
            .main_process(CLIENT)
            .is_some_and(|new| new != supervisor)
            && host.pings(SERVER)
    });
    manager.control(&["stop", CLIENT]).ok();
    assert_eq!(manager.show(CLIENT, "Result"), "success");
    assert_eq!(host.network_state(), before);

    keep("654321");
    let tried = card.counts().pins;
    manager.control(&["start", CLIENT]).ok();
    wait::until_true("it has failed", SOON, || {
        manager.show(CLIENT, "ActiveState") == "failed"
    });
    assert_eq!(manager.show(CLIENT, "ExecMainStatus"), "4");
    assert_eq!(card.counts().pins, tried + 1);
    let said = assert_said_well(&manager);
    assert!(said.contains("error: "), "{said}");
}

#[test]
fn the_client_s_unit_has_systemd_ask_for_the_pin() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let host = &scene.one;
    let manager = ServiceManager::boot(host, &[CLIENT]);
    card.reset_counts();
    manager.control(&["start", CLIENT]).ok();
    card.insert();
    let questions = host.path("/run/systemd/ask-password");
    wait::until_true("systemd asks", SOON, || {
        let mut asked = questions.read_dir().into_iter().flatten().flatten();
        asked.any(|entry| entry.file_name().to_string_lossy().starts_with("ask."))
    });
    let pty = Pty::open();
    let agent = manager.run("systemd-tty-ask-password-agent");
    let agent = agent.arg("--query").on(&pty).spawn();
    pty.expect("3 tries left");
    pty.type_line(card.pin());
    assert_eq!(agent.exit_code(SOON), 0, "{}", pty.screen().all());
    wait::until_true("the tunnel carries", SOON, || host.pings(SERVER));
    let counts = card.counts();
    assert_eq!((counts.pins, counts.right_pins), (1, 1));
    manager.control(&["stop", CLIENT]).ok();
    assert_eq!(manager.show(CLIENT, "Result"), "success");
    assert_said_well(&manager);
}

//! What a person is told who looks: the live status, what is wrong, and what is left behind.

use nix::sys::signal::Signal;
use rig::{
    Card, Host, Pty, Scene, World,
    client::TUNNEL,
    pty::CTRL_C,
    scene::PAGE,
    wait::{self, SOON},
};
use serde_json::Value;

/// `doctor --json` as a document; it must end with this exit code.
#[track_caller]
fn examine(host: &Host, code: i32) -> Value {
    let doctor = host.tokenvpn(&["doctor", "--json"]).finish();
    serde_json::from_str(&doctor.expect_code(code).stdout).expect("JSON")
}

/// The verdict on the first finding of a check, and what is told of it.
#[track_caller]
fn verdict<'a>(document: &'a Value, check: &str) -> (&'a str, &'a str) {
    let findings = document["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("nothing of {check} in {document:#}"));
    if found["verdict"] == "problem" {
        assert!(found["hint"].is_string(), "no way out: {found:#}");
    }
    (
        found["verdict"].as_str().expect("a verdict"),
        found["what"].as_str().expect("a text"),
    )
}

/// The kinds of what `doctor --residue` finds.
#[track_caller]
fn residue(host: &Host) -> Vec<String> {
    let doctor = host.tokenvpn(&["doctor", "--residue", "--json"]).finish();
    let document: Value = serde_json::from_str(&doctor.stdout).expect("JSON");
    let left = document["left"].as_array().expect("a list");
    assert_eq!(document["clean"], left.is_empty());
    let code = i32::from(!left.is_empty());
    doctor.expect_code(code);
    let kinds = left.iter().map(|trace| trace["kind"].as_str());
    kinds.map(|kind| kind.expect("a kind").to_owned()).collect()
}

#[test]
fn each_thing_that_is_missing_is_named_with_its_cure() {
    let world = World::new();
    let host = world.host("computer");
    let router = world.host("router");
    let found = examine(&host, 1);
    assert_eq!(verdict(&found, "permission").0, "ok");
    assert_eq!(verdict(&found, "tun").0, "ok");
    assert_eq!(verdict(&found, "service").0, "problem");
    assert_eq!(verdict(&found, "network").0, "problem");
    assert_eq!(verdict(&found, "dns").0, "ok");
    assert_eq!(verdict(&found, "clock").0, "ok");
    assert_eq!(verdict(&found, "gateway").0, "unchecked");
    assert_eq!(verdict(&found, "leftovers").0, "ok");

    world.wire(
        (&host, "eth0", "192.0.2.10/24"),
        (&router, "eth0", "192.0.2.1/24"),
    );
    host.ip("route add default via 192.0.2.1");
    host.ip("link set eth0 mtu 1300");
    host.start_pcscd();
    let card = Card::new(&world, "traveller");
    let found = examine(&host, 1);
    assert_eq!(verdict(&found, "service").0, "ok");
    assert_eq!(verdict(&found, "reader").0, "ok");
    assert_eq!(verdict(&found, "token").0, "problem");
    assert_eq!(verdict(&found, "network").0, "warning");
    assert!(verdict(&found, "network").1.contains("1300"));

    host.ip("link set eth0 mtu 1500");
    card.connect(&host);
    card.insert();
    host.await_token(&card.ident());
    let found = examine(&host, 0);
    assert_eq!(verdict(&found, "token").0, "ok");
    assert!(verdict(&found, "room").1.contains("bytes"));
    assert_eq!(verdict(&found, "profile").0, "unchecked");
    assert_eq!(verdict(&found, "network").0, "ok");
    assert_eq!(found["well"], true);
    assert_eq!(card.counts().pins, 0);

    let as_nobody = host
        .tokenvpn(&["doctor"])
        .as_nobody()
        .finish()
        .expect_code(1);
    assert!(as_nobody.stdout.contains("CAP_NET_ADMIN"), "{as_nobody}");
    assert!(as_nobody.stdout.contains("hint: "), "{as_nobody}");
}

#[test]
fn a_killed_tunnel_leaves_what_the_doctor_names_and_down_puts_back() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let one = &scene.one;
    let card = Card::new(&scene.world, "traveller");
    one.start_pcscd();
    card.connect(one);
    card.insert();
    let options = ["--route", "0.0.0.0/0", "--dns", "10.20.0.80"];
    let invitation = gateway.invite("traveller", &options);
    gateway.enrol(&one.issue(&invitation, card.pin()));
    card.remove();
    let before = one.network_state();
    assert_eq!(residue(one), [""; 0]);

    let up = scene.connect(one, &card);
    let found = examine(one, 0);
    assert_eq!(verdict(&found, "gateway").0, "ok");
    assert_eq!(verdict(&found, "leftovers").0, "ok");
    let running = residue(one);
    for kind in ["process", "interface", "rule", "mount", "file"] {
        assert!(
            running.iter().any(|found| found == kind),
            "{kind}: {running:?}"
        );
    }

    up.process().kill();
    wait::until_true("worker and device are gone", SOON, || {
        up.pids().is_empty() && !one.has_link(TUNNEL)
    });
    let left = residue(one);
    for kind in ["rule", "mount", "file"] {
        assert!(left.iter().any(|found| found == kind), "{kind}: {left:?}");
    }
    for kind in ["process", "interface"] {
        assert!(!left.iter().any(|found| found == kind), "{kind}: {left:?}");
    }
    let found = examine(one, 1);
    let (verdict, what) = verdict(&found, "leftovers");
    assert_eq!(verdict, "problem");
    assert!(what.contains("rule"), "{what}");
    assert_ne!(one.network_state(), before);

    one.tokenvpn(&["down"]).ok();
    assert_eq!(residue(one), [""; 0]);
    assert_eq!(one.network_state(), before);
    assert!(!one.path("/run/tokenvpn").exists());
    let said = one.tokenvpn(&["doctor", "--residue"]).ok();
    assert!(
        said.starts_with("Nothing of tokenvpn is on this computer"),
        "{said}"
    );
}

#[test]
fn a_tunnel_that_ended_well_leaves_nothing() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let up = scene.connect(&scene.one, &card);
    card.remove();
    up.await_state("token_removed");
    up.process().signal(Signal::SIGTERM);
    assert_eq!(up.process().exit_code(SOON), 0);
    assert_eq!(residue(&scene.one), [""; 0]);
    assert!(!scene.one.path("/run/tokenvpn").exists());
}

#[test]
fn a_live_status_moves_until_q_and_gives_the_terminal_back() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let _web = scene.serve();
    for end in ["q", CTRL_C] {
        let up = scene.connect(&scene.one, &card);
        let pty = Pty::open();
        let settings = pty.settings();
        let watch = scene.one.tokenvpn(&["status", "--watch"]).on(&pty).spawn();
        pty.expect("tokenvpn: up");
        pty.expect("(traveller)");
        pty.expect("handshake");
        assert!(!pty.echoes());
        // A rate shows as soon as something flows.
        scene.one.run("curl").args(["-s", PAGE]).ok();
        pty.expect("B/s  ");
        pty.expect("█");
        pty.press("x");
        pty.expect("received");
        assert!(watch.is_running());
        pty.press(end);
        assert_eq!(watch.exit_code(SOON), 0);
        pty.expect("\x1b[?1049l");
        assert_eq!(pty.settings(), settings);
        card.remove();
        up.await_state("token_removed");
        up.process().signal(Signal::SIGTERM);
        up.process().exit_code(SOON);
    }
    let down = Pty::open();
    let watch = scene.one.tokenvpn(&["status", "--watch"]).on(&down).spawn();
    down.expect("tokenvpn: down");
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.exit_code(SOON), 3);
    down.expect("\x1b[?1049l");
    // Nothing to fill.
    let plain = scene.one.tokenvpn(&["status", "--watch"]).finish();
    plain.expect_error(2, &["terminal", "--json"]);
}

#[test]
fn a_live_status_for_scripts_is_one_object_a_line() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let _up = scene.connect(&scene.one, &card);
    let watch = scene.one.tokenvpn(&["status", "--json", "--watch"]).spawn();
    wait::until_true("three lines came", SOON, || {
        watch.stdout().all().matches('\n').count() >= 3
    });
    for line in watch.stdout().all().lines().take(3) {
        let status: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(status["state"], "up");
        assert_eq!(status["schema"], 1);
        assert!(status["peers"][0]["latest_handshake"].is_u64());
    }
    watch.kill();
}

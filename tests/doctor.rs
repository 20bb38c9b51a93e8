//! What a person is told who looks: the live status, what is wrong, and what is left behind.

use std::fs;

use nix::sys::signal::Signal;
use rig::{
    Card, Desk, Host, Pty, Scene, WallClock, World,
    card::{READER, Slot},
    client::{PIN_FD, TUNNEL},
    pty::CTRL_C,
    scene::{self, ENDPOINT, PAGE},
    wait::{self, SOON},
};
use serde_json::Value;
use tokenvpn_common::{
    io::{card::Token, clock::unix_time},
    token::Label,
};

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

/// What to do about the first finding of a check.
#[track_caller]
fn hint(document: &Value, check: &str) -> String {
    let findings = document["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["check"] == check);
    let hint = found.and_then(|found| found["hint"].as_str());
    hint.expect("a hint").to_owned()
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

    host.ip("link set eth0 mtu 1479");
    assert_eq!(verdict(&examine(&host, 1), "network").0, "warning");

    host.ip("link set eth0 mtu 1480");
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
fn a_token_that_is_over_or_held_and_a_wrong_clock_are_told_with_their_cures() {
    let scene = Scene::new();
    let one = &scene.one;
    let mut profile = scene::profile(ENDPOINT, None);
    profile.issued = "2026-01-01".parse().expect("a date");
    profile.not_after = Some("2026-01-31".parse().expect("a date"));
    let card = scene.write(&profile);
    card.insert();
    let label = Label::of(&profile).encode().expect("it fits");
    card.write(one, &profile.encode().expect("it fits"), Some(&label));
    let cure = |document: &Value, check: &str| {
        assert_eq!(verdict(document, check).0, "problem");
        hint(document, check)
    };
    let found = examine(one, 1);
    assert!(cure(&found, "profile").contains("renew"));

    let held = one.with_pcsc(|| {
        let _held = Token::open(READER).expect("the card is in");
        examine(one, 1)
    });
    // It is in no process that can be seen from there.
    assert!(cure(&held, "token").contains("killscd"));

    let clock = WallClock::new(one);
    clock.set_fast(-i64::try_from(unix_time().0).expect("a time of today"));
    let doctor = clock.of(one.tokenvpn(&["doctor", "--json"])).finish();
    let document = doctor.expect_code(1).stdout;
    let found = serde_json::from_str(&document).expect("JSON");
    assert!(cure(&found, "clock").contains("timedatectl"));
}

#[test]
fn of_two_tokens_it_is_told_that_one_has_to_be_chosen_as_long_as_none_is() {
    let desk = Desk::new();
    let host = &desk.computer;
    let other = Card::new(&desk.world, "other");
    other.connect_to(host, Slot::Second);
    let several = || {
        // There is no way out, which does not matter here.
        let found = examine(host, 1);
        let findings = found["findings"].as_array().expect("findings");
        let of_tokens = findings.iter().filter(|one| one["check"] == "token");
        let warnings = of_tokens.filter(|one| one["verdict"] == "warning");
        let what = warnings.map(|one| format!("{} {}", one["what"], one["hint"]));
        what.collect::<Vec<_>>()
    };
    assert_eq!(several(), [""; 0]);
    other.insert();
    host.await_token(&other.ident());
    let [told] = &several()[..] else {
        panic!("one warning: {:?}", several());
    };
    assert!(told.contains("2 tokens") && told.contains("--token"));
    let text = host.tokenvpn(&["doctor"]).finish().stdout;
    let line = "warning  token       2 tokens are plugged in";
    assert!(text.contains(line), "{text}");

    let directory = host.path("/etc/tokenvpn");
    fs::create_dir_all(&directory).expect("a directory");
    let choice = format!("token = \"{}\"\n", other.ident());
    fs::write(directory.join("client.toml"), choice).expect("a file");
    assert_eq!(several(), [""; 0]);
}

#[test]
fn an_up_that_waits_is_no_problem_and_leaves_the_gateways_to_others_until_it_has_a_token() {
    let scene = Scene::new();
    let one = &scene.one;
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let another = one.up(
        card.pin(),
        &["--token", "0006:12345678", "--interface", "one"],
    );
    another.await_state("waiting_token");
    card.insert();
    one.await_token(&card.ident());
    let found = examine_gateways(one, card.pin(), 0);
    let [waits, answers] = gateways(&found)[..] else {
        panic!("two findings: {found:#}");
    };
    assert_eq!((waits.1, answers.1), ("unchecked", "ok"));
    assert!(waits.3.contains("plug it in"), "{}", waits.3);
    assert!(answers.2.contains("answered the token in"), "{}", answers.2);

    let pty = Pty::open();
    let _asks = one.up_on(&pty, &["--interface", "two"]);
    pty.expect("tries left");
    card.reset_counts();
    let found = examine_gateways(one, card.pin(), 0);
    let (token, what) = verdict(&found, "token");
    assert_eq!(token, "unchecked");
    assert!(what.contains("waits for its PIN"), "{what}");
    let left = gateways(&found);
    let left = left.last().expect("a finding");
    assert!(left.2.contains("tokenvpn up has the token"), "{}", left.2);
    assert!(
        left.3.contains("tokenvpn down --interface two"),
        "{}",
        left.3
    );
    assert_eq!(card.counts().pins, 0);
}

#[test]
fn a_killed_tunnel_leaves_what_the_doctor_names_and_down_puts_back() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let one = &scene.one;
    let options = ["--route", "0.0.0.0/0", "--dns", "10.20.0.80"];
    let card = scene.issue_with(&gateway, "traveller", &options);
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

/// `doctor --gateways --json` with a PIN on a descriptor, as a document; it must end with this
/// exit code.
#[track_caller]
fn examine_gateways(host: &Host, pin: &str, code: i32) -> Value {
    let number = PIN_FD.to_string();
    let doctor = host
        .tokenvpn(&["doctor", "--gateways", "--json", "--pin-fd", &number])
        .text_on(PIN_FD, pin)
        .finish();
    let document = doctor.expect_code(code).stdout;
    serde_json::from_str(&document).expect("JSON")
}

/// What is told of gateways: endpoint, verdict, text and hint of each.
#[track_caller]
fn gateways(document: &Value) -> Vec<(&str, &str, &str, &str)> {
    let findings = document["findings"].as_array().expect("findings");
    let gateways = findings.iter().filter(|found| found["check"] == "gateway");
    gateways
        .map(|found| {
            let text = |key: &str| found[key].as_str().unwrap_or_default();
            (
                text("endpoint"),
                text("verdict"),
                text("what"),
                text("hint"),
            )
        })
        .collect()
}

const OTHER_ADDRESS: &str = "203.0.113.6";
const OTHER_ENDPOINT: &str = "203.0.113.6:51820";

#[test]
fn gateways_are_asked_with_the_pin_whether_they_answer_the_token() {
    let scene = Scene::new();
    let one = &scene.one;
    scene
        .gateway
        .ip(&format!("address add {OTHER_ADDRESS}/24 dev eth0"));
    let gateway = scene.start_gateway();
    let card = Card::new(&scene.world, "traveller");
    one.start_pcscd();
    card.connect(one);
    card.insert();
    let options = ["--endpoint", ENDPOINT, "--endpoint", OTHER_ENDPOINT];
    let invitation = gateway.invite("traveller", &options);
    gateway.enrol(&one.issue(&invitation, card.pin()));
    card.reset_counts();
    let before = one.network_state();
    let tried = || {
        let counts = card.counts();
        card.reset_counts();
        (counts.pins, counts.right_pins)
    };

    let found = examine_gateways(one, card.pin(), 0);
    let [first, second] = gateways(&found)[..] else {
        panic!("two addresses: {found:#}");
    };
    for (found, endpoint) in [(first, ENDPOINT), (second, OTHER_ENDPOINT)] {
        assert_eq!((found.0, found.1, found.3), (endpoint, "ok", ""));
        assert!(found.2.contains("answered the token in"), "{}", found.2);
    }
    let all = found["findings"].as_array().expect("findings");
    let first = all.iter().find(|found| found["check"] == "gateway");
    assert!(first.is_some_and(|found| found["round_trip_ms"].is_u64()));
    assert_eq!(tried(), (1, 1), "one PIN, one try");

    // A way to the gateway that leads nowhere is no great harm while there is another.
    scene
        .router
        .ip(&format!("route add blackhole {OTHER_ADDRESS}/32"));
    let found = examine_gateways(one, card.pin(), 0);
    let [first, second] = gateways(&found)[..] else {
        panic!("two addresses: {found:#}");
    };
    assert_eq!((first.1, second.1), ("ok", "warning"));
    assert!(second.2.contains("not answered within 5 s"), "{}", second.2);
    assert!(second.3.contains("only this way"), "{}", second.3);
    scene
        .router
        .ip(&format!("route delete blackhole {OTHER_ADDRESS}/32"));

    // A gateway that does not run, and a computer that says so.
    gateway.stop();
    let found = examine_gateways(one, card.pin(), 1);
    for found in gateways(&found) {
        assert_eq!(found.1, "problem");
        assert!(found.2.starts_with("nobody listens at"), "{}", found.2);
    }
    gateway.start();

    // Nothing tells a key that is not enrolled from a network that swallows UDP.
    gateway.command(&["revoke", "traveller"]).ok();
    let found = examine_gateways(one, card.pin(), 1);
    for found in gateways(&found) {
        assert_eq!(found.1, "problem");
        assert!(found.2.contains("not answered within 5 s"), "{}", found.2);
        for cause in ["UDP", "clock", "enrolled"] {
            assert!(found.3.contains(cause), "{}", found.3);
        }
    }

    one.ip("route delete default");
    let found = examine_gateways(one, card.pin(), 1);
    for found in gateways(&found) {
        assert!(found.2.contains("cannot be reached"), "{}", found.2);
        assert!(found.3.contains("ip route get 203.0.113."), "{}", found.3);
    }
    one.ip("route add default via 192.0.2.1");
    assert_eq!(one.network_state(), before);
    assert_eq!(residue(one), [""; 0]);
}

#[test]
fn a_gateway_s_name_that_nobody_knows_is_told_beside_what_answers() {
    let scene = Scene::new();
    let one = &scene.one;
    let gateway = scene.start_gateway();
    let card = Card::new(&scene.world, "traveller");
    one.start_pcscd();
    card.connect(one);
    card.insert();
    let options = [
        "--endpoint",
        "gateway.invalid:51820",
        "--endpoint",
        ENDPOINT,
    ];
    let invitation = gateway.invite("traveller", &options);
    gateway.enrol(&one.issue(&invitation, card.pin()));
    let pty = Pty::open();
    let doctor = one.tokenvpn(&["doctor", "--gateways"]).on(&pty).spawn();
    one.type_pin(&pty, "999999");
    pty.expect("Wrong PIN. 2 tries left.");
    one.type_pin(&pty, card.pin());
    pty.expect("Asking at 1 address");
    pty.expect("answered the token in");
    pty.expect("the name gateway.invalid cannot be looked up");
    pty.expect("No problem found.");
    assert_eq!(doctor.exit_code(SOON), 0);
    assert!(pty.echoes());
}

#[test]
fn a_running_tunnel_answers_for_its_gateway_and_no_pin_is_asked() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let _up = scene.connect(&scene.one, &card);
    card.reset_counts();
    // Its packets are longer than this link carries.
    scene.one.ip("link set eth0 mtu 1400");
    let found = examine_gateways(&scene.one, "000000", 0);
    assert!(gateways(&found)[0].2.contains("is connected to"));
    assert!(gateways(&found)[1].2.contains("has the token"));
    let (network, what) = verdict(&found, "network");
    assert_eq!(network, "warning");
    assert!(what.contains("1340") && what.contains("1420"), "{what}");
    assert_eq!(card.counts().pins, 0);
}

#[test]
fn gateways_are_not_asked_without_the_right_pin_and_a_token_that_stays() {
    let scene = Scene::new();
    let one = &scene.one;
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    wait::until_true("pcscd sees that the card is gone", SOON, || {
        let listed = one.tokenvpn(&["token", "list"]).finish();
        !listed.stdout.contains(&card.ident())
    });
    let found = examine_gateways(one, card.pin(), 1);
    assert!(gateways(&found)[0].2.contains("no token is plugged in"));
    card.insert();
    one.await_token(&card.ident());
    card.reset_counts();
    let found = examine_gateways(one, "999999", 1);
    assert!(gateways(&found)[0].2.contains("wrong PIN, 2 tries left"));
    assert_eq!(card.counts().pins, 1);
    // A try is missing, so none is risked.
    let found = examine_gateways(one, card.pin(), 1);
    assert!(gateways(&found)[0].2.contains("not risked"), "{found:#}");
    assert_eq!(card.counts().pins, 1);

    // Somebody at the terminal, who pulls it while the gateway is asked.
    scene.router.ip("route add blackhole 203.0.113.5/32");
    let pty = Pty::open();
    let doctor = one.tokenvpn(&["doctor", "--gateways"]).on(&pty).spawn();
    one.type_pin(&pty, card.pin());
    pty.expect("Asking at 1 address");
    card.remove();
    pty.expect("not tried: the token was removed");
    assert_eq!(doctor.exit_code(SOON), 1);

    // And who presses Ctrl-C at the prompt has the echo back.
    card.insert();
    one.await_token(&card.ident());
    let settings = pty.settings();
    let doctor = one.tokenvpn(&["doctor", "--gateways"]).on(&pty).spawn();
    pty.expect("PIN for");
    pty.await_no_echo();
    pty.press(CTRL_C);
    pty.expect("not tried: it was ended");
    assert_eq!(doctor.exit_code(SOON), 1);
    assert_eq!(pty.settings(), settings);
    assert_eq!(residue(one), [""; 0]);
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

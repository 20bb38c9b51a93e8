//! The administrator of a gateway.

use std::fs;

use rig::{Card, Gateway, Invocation, Scene, World, client::PIN_FD, scene::INNER_NETWORK};
use tokenvpn_common::key::PrivateKey;

use crate::{Language, PIN, session::Session};

in_both_languages! {
    a_gateway_s_first_day,
    letting_in_and_ending_access,
    a_configuration_with_mistakes,
    a_changed_configuration,
}

const CONFIG: &str = "/etc/tokenvpn/gateway.toml";

const INIT: [&str; 5] = [
    "init",
    "--endpoint",
    "203.0.113.5:51820",
    "--network",
    "10.77.0.0/24",
];

/// A command whose output goes elsewhere; gives that.
#[track_caller]
fn piped(person: &mut Session, command: &str, program: Invocation) -> String {
    let finished = program.finish().expect_code(0);
    person.note(command, finished.stderr.clone(), 0);
    finished.stdout
}

fn a_gateway_s_first_day(language: Language) {
    let scene = Scene::new();
    let host = &scene.gateway;
    let mut admin = Session::at_gateway(host, language);
    admin.run(&["run"], &[], 2);
    admin.run(&INIT, &[], 0);
    admin.run(&INIT, &[], 1);
    let config = fs::read_to_string(host.path(CONFIG)).expect("init has made it");
    admin.note(&format!("cat {CONFIG}"), config, 0);
    admin.run(&["status"], &[], 3);
    admin.run(&["identities"], &[], 0);
    host.set_forwarding(false);
    let (run, screen) = admin.start(&["run"]);
    screen.expect("Listening on");
    screen.expect("/etc/sysctl.d/");
    host.set_forwarding(true);
    admin.run(&["run"], &[], 1);

    let words = ["invite", "traveller", "--route", INNER_NETWORK];
    let invite = admin.command(&words);
    let shown = format!("tokenvpn-gateway {} > invitation", words.join(" "));
    let invitation = piped(&mut admin, &shown, invite);
    admin.note("cat invitation", invitation.clone(), 0);
    admin.run(&["identities"], &[], 0);
    let card = Card::with_pin(&scene.world, "traveller", PIN);
    scene.one.start_pcscd();
    card.connect(&scene.one);
    card.insert();
    let enrolment = scene.one.issue(&invitation, PIN);
    let enrol = admin.command(&["enrol"]).stdin(enrolment);
    piped(&mut admin, "tokenvpn-gateway enrol < enrolment", enrol);
    admin.run(&["identities"], &[], 0);
    admin.run(&["status"], &[], 0);
    let up = scene.one.tokenvpn(&["up", "--pin-fd", &PIN_FD.to_string()]);
    let up = up.text_on(PIN_FD, PIN).spawn();
    up.stderr().expect("Connected as traveller");
    screen.expect("connected");
    admin.run(&["status"], &[], 0);
    admin.look_once(&["status", "--watch"], "traveller");
    up.kill();
    admin.run(&["audit"], &[], 0);
    admin.interrupt(&["run"], (run, screen));
    admin.is_as_written("a-gateway's-first-day", &[&card]);
}

fn letting_in_and_ending_access(language: Language) {
    let world = World::new();
    let host = world.host("gateway");
    let gateway = Gateway::init(&host, "203.0.113.5:51820", "10.77.0.0/24");
    let mut admin = Session::at_gateway(&host, language);
    admin.run(&["audit"], &[], 0);
    let key = || PrivateKey::generate().public().to_string();
    let (laptop, phone) = (key(), key());
    admin.run(&["add", "laptop", "--public-key", &laptop], &[], 0);
    admin.run(&["add", "laptop", "--public-key", &phone], &[], 1);
    admin.run(&["add", "phone", "--public-key", &laptop], &[], 1);
    let words = ["add", "phone", "--public-key", &phone, "--address"];
    for (address, code) in [("10.78.0.1", 1), ("10.77.0.1", 1), ("10.77.0.2", 1)] {
        admin.run(&[&words[..], &[address]].concat(), &[], code);
    }
    let words = ["add", "phone", "--public-key", &phone, "--expires"];
    admin.run(&[&words[..], &["2020-01-01"]].concat(), &[], 1);
    admin.run(&[&words[..], &["2100-01-01"]].concat(), &[], 0);
    gateway.invite("laptop", &["--spare"]);
    gateway.invite("guest", &[]);
    admin.run(&["identities"], &[], 0);
    let enrol = || admin.command(&["enrol"]).stdin("");
    let refused = enrol().finish().expect_code(1);
    admin.note(
        "tokenvpn-gateway enrol < /dev/null",
        refused.stderr.clone(),
        1,
    );

    admin.run(&["revoke", "guest"], &[], 0);
    admin.run(&["revoke", "guest"], &[], 1);
    admin.run(&["revoke", "laptop", "--key", &phone], &[], 1);
    admin.run(&["revoke", "laptop"], &[], 0);
    admin.set_clock("2100-01-08T12:00:00Z");
    admin.run(&["identities"], &[], 0);
    admin.run(&["reinstate", "phone"], &[], 1);
    admin.run(&["reinstate", "--all"], &[], 0);
    admin.run(&["audit"], &[], 0);
    admin.is_as_written("letting-in-and-ending-access", &[]);
}

fn a_configuration_with_mistakes(language: Language) {
    let world = World::new();
    let host = world.host("gateway");
    let gateway = Gateway::init(&host, "203.0.113.5:51820", "10.77.0.0/24");
    let good = fs::read(host.path(CONFIG)).expect("init has made it");
    let mut admin = Session::at_gateway(&host, language);
    for (from, to) in [
        ("mtu = 1420", "mtu = 99"),
        ("mtu = 1420", "mtu = \"1420\""),
        ("mtu = 1420", "mut = 1420"),
        ("mtu = 1420", "mtu 1420"),
        ("mtu = 1420", "mtu = 70000"),
        ("workers = 1", "workers = 0"),
        ("listen_port = 51820", "listen_port = 0"),
        ("listen_port = 51820", ""),
        ("tokenvpn-gw", "tokenvpn gateway"),
        ("dns = []", "dns = \"10.20.0.53\""),
        ("\"203.0.113.5:51820\"", "\"203.0.113.5\""),
        ("\"203.0.113.5:51820\"", ""),
        ("10.77.0.0/24", "10.77.0.1/24"),
        ("invitation_days = 7", "invitation_days = 400"),
    ] {
        gateway.configure(from, to);
        let line = to.lines().next().unwrap_or_default();
        admin.note(
            &format!("sed -i 's|{from}|{line}|' {CONFIG}"),
            String::new(),
            0,
        );
        admin.run(&["run"], &[], 2);
        fs::write(host.path(CONFIG), &good).expect("it was there");
    }
    admin.is_as_written("a-configuration-with-mistakes", &[]);
}

fn a_changed_configuration(language: Language) {
    let world = World::new();
    let host = world.host("gateway");
    let gateway = Gateway::init(&host, "203.0.113.5:51820", "10.77.0.0/24");
    let mut admin = Session::at_gateway(&host, language);
    admin.run(&["reload"], &[], 3);
    let (run, screen) = admin.start(&["run"]);
    screen.expect("Listening on");
    admin.run(&["reload"], &[], 0);
    gateway.configure("dns = []", "dns = [\"10.20.0.53\"]");
    gateway.configure("keepalive = 25", "keepalive = 0");
    admin.run(&["reload"], &[], 0);
    gateway.configure("mtu = 1420", "mtu = 1280");
    admin.run(&["reload"], &[], 1);
    gateway.configure("mtu = 1280", "mtu = 12");
    admin.run(&["reload"], &[], 2);
    admin.interrupt(&["run"], (run, screen));
    admin.is_as_written("a-changed-configuration", &[]);
}

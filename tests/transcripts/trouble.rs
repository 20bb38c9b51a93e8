//! What keeps a tunnel from standing.

use std::fs;

use rig::{
    Card, Scene, World,
    scene::{self, ENDPOINT},
    wait::{self, SOON},
};
use tokenvpn_common::{profile::Profile, token::Label};

use crate::{Desk, Language, PIN, await_parked, session::Session};

in_both_languages! {
    a_wrong_pin,
    the_last_try,
    a_token_with_nothing_on_it,
    a_token_that_ends,
    a_gateway_out_of_reach,
    a_smart_card_service_that_comes_and_goes,
    a_damaged_profile,
    data_of_another_program,
    a_clock_that_is_wrong,
    a_computer_that_is_not_ready,
}

fn a_wrong_pin(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one, language);
    let (up, screen) = person.start(&["up"]);
    screen.answer("3 tries left: ", "123");
    screen.answer("3 tries left: ", "111111");
    screen.answer("2 tries left: ", "222222");
    screen.answer("Type YES to use it", "YES");
    screen.answer("1 try left: ", "333333");
    screen.expect("Waiting until");
    screen.expect("\n");
    person.interrupt(&["up"], (up, screen));
    person.run(&["doctor"], &[], 1);
    person.is_as_written("wrong-pin", &[card]);
}

fn the_last_try(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one, language);
    let (up, screen) = person.start(&["up"]);
    screen.answer("3 tries left: ", "111111");
    screen.answer("2 tries left: ", "222222");
    screen.answer("Type YES to use it", "no");
    await_parked(&screen);
    card.remove();
    screen.expect("Waiting for a token");
    card.insert();
    screen.answer("Type YES to use it", "YES");
    screen.answer("1 try left: ", PIN);
    screen.expect("to disconnect.");
    person.interrupt(&["up"], (up, screen));
    person.is_as_written("the-last-try", &[card]);
}

fn a_token_with_nothing_on_it(language: Language) {
    let Desk { scene, card, .. } = &Desk::new();
    let mut person = Session::at(&scene.one, language);
    person.run(&["token", "show"], &[("PIN for", PIN)], 8);
    person.run(&["doctor"], &[], 0);
    let (up, screen) = person.start(&["up"]);
    screen.answer("PIN for", PIN);
    await_parked(&screen);
    person.interrupt(&["up"], (up, screen));
    person.is_as_written("an-empty-token", &[card]);
}

fn a_token_that_ends(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one, language);
    person.set_clock("2099-12-27T12:00:00Z");
    person.run(&["doctor"], &[], 0);
    let (up, screen) = person.start(&["up"]);
    screen.answer("PIN for", PIN);
    screen.expect("to disconnect.");
    person.interrupt(&["up"], (up, screen));

    person.set_clock("2100-01-08T12:00:00Z");
    let (up, screen) = person.start(&["up"]);
    await_parked(&screen);
    person.interrupt(&["up"], (up, screen));
    person.run(&["token", "list"], &[], 0);
    person.run(&["doctor"], &[], 1);
    person.is_as_written("a-token-that-ends", &[card]);
}

fn a_gateway_out_of_reach(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one, language);
    scene.router.ip("route add blackhole 203.0.113.5/32");
    person.run(&["doctor", "--gateways"], &[("PIN for", PIN)], 1);
    let (up, screen) = person.start(&["up"]);
    screen.answer("PIN for", PIN);
    screen.expect("Trying again");
    person.run(&["status"], &[], 3);
    person.run(&["doctor", "--gateways"], &[], 1);
    scene.router.ip("route delete blackhole 203.0.113.5/32");
    screen.expect("to disconnect.");
    person.interrupt(&["up"], (up, screen));
    person.is_as_written("a-gateway-out-of-reach", &[card]);
}

/// A profile of nobody's gateway, on a token in the reader of a computer of its own.
fn with_profile(change: fn(&mut Profile)) -> (Scene, Card) {
    let scene = Scene::new();
    let card = Card::with_pin(&scene.world, "traveller", PIN);
    scene.one.start_pcscd();
    card.connect(&scene.one);
    card.insert();
    let mut profile = scene::profile(ENDPOINT, None);
    change(&mut profile);
    card.write(&scene.one, &profile.encode().expect("it fits"), None);
    (scene, card)
}

fn a_smart_card_service_that_comes_and_goes(language: Language) {
    let desk = Desk::issued();
    let host = &desk.scene.one;
    host.kill_pcscd();
    let mut person = Session::at(host, language);
    person.run(&["token", "list"], &[], 13);
    person.run(&["doctor"], &[], 1);
    person.run(&["up"], &[], 13);
    host.start_pcscd();
    desk.card.connect(host);
    desk.card.insert();
    host.await_token(&desk.card.ident());
    person.run(&["token", "list"], &[], 0);
    let (up, screen) = person.start(&["up"]);
    screen.answer("PIN for", PIN);
    screen.expect("to disconnect.");
    host.kill_pcscd();
    screen.expect("Waiting for the smart-card service");
    host.start_pcscd();
    desk.card.connect(host);
    desk.card.insert();
    screen.answer("PIN for", PIN);
    screen.expect("to disconnect.");
    person.interrupt(&["up"], (up, screen));
    person.is_as_written("a-smart-card-service-that-comes-and-goes", &[&desk.card]);
}

fn a_damaged_profile(language: Language) {
    let (scene, card) = with_profile(|_| {});
    let profile = card.profile(&scene.one);
    let mut bytes = profile.encode().expect("it fits").to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let label = Label::of(&profile).encode().expect("it fits");
    card.write(&scene.one, &bytes, Some(&label));
    let mut person = Session::at(&scene.one, language);
    person.run(&["token", "show"], &[("PIN for", PIN)], 7);
    let (up, screen) = person.start(&["up"]);
    screen.answer("PIN for", PIN);
    await_parked(&screen);
    person.run(&["status"], &[], 3);
    person.interrupt(&["up"], (up, screen));
    // Cut off, so that the label too is none.
    card.write(
        &scene.one,
        &bytes[..middle],
        Some(&label[..label.len() / 2]),
    );
    person.run(&["token", "list"], &[], 0);
    person.run(&["doctor"], &[], 1);
    let answers = [("PIN for", PIN), ("YES to", "no")];
    person.run(&["token", "erase"], &answers, 1);
    person.is_as_written("a-damaged-profile", &[&card]);
}

fn data_of_another_program(language: Language) {
    let (scene, card) = with_profile(|_| {});
    card.write(&scene.one, b"login: somebody", Some(b"url: nowhere"));
    let mut person = Session::at(&scene.one, language);
    person.run(&["token", "list"], &[], 0);
    person.run(&["token", "show"], &[("PIN for", PIN)], 8);
    person.run(&["doctor"], &[], 1);
    let (up, screen) = person.start(&["up"]);
    screen.answer("PIN for", PIN);
    await_parked(&screen);
    person.interrupt(&["up"], (up, screen));
    let answers = [("PIN for", PIN), ("YES to", "no")];
    person.run(&["token", "erase"], &answers, 1);
    person.is_as_written("data-of-another-program", &[&card]);
}

fn a_clock_that_is_wrong(language: Language) {
    let (scene, card) = with_profile(|profile| {
        profile.not_before = Some("2099-12-01T00:00:00Z".parse().expect("a moment"));
    });
    let mut person = Session::at(&scene.one, language);
    // As a computer without a battery begins.
    person.set_clock("1970-01-01T00:01:00Z");
    let (up, screen) = person.start(&["up"]);
    await_parked(&screen);
    person.interrupt(&["up"], (up, screen));
    person.run(&["doctor"], &[], 1);
    // Plausible, and before the day from which on the token is of use.
    person.set_clock("2099-11-20T12:00:00Z");
    let (up, screen) = person.start(&["up"]);
    screen.answer("PIN for", PIN);
    await_parked(&screen);
    person.interrupt(&["up"], (up, screen));
    person.is_as_written("a-clock-that-is-wrong", &[&card]);
}

fn a_computer_that_is_not_ready(language: Language) {
    let world = World::new();
    let host = world.host("computer");
    let config = host.dir().join("no-readers");
    fs::create_dir(&config).unwrap();
    let pcscd = host.run("pcscd").args(["--foreground", "--config"]);
    pcscd.arg(&config).spawn();
    let socket = host.path("/run/pcscd/pcscd.comm");
    wait::until_true("pcscd serves", SOON, || socket.exists());
    fs::remove_file(host.path("/etc/resolv.conf")).unwrap();
    let mut person = Session::at(&host, language);
    person.run(&["doctor"], &[], 1);
    person.run(&["doctor", "--gateways"], &[], 1);
    let as_nobody = person.command(&["doctor"]).as_nobody();
    person.run_as("sudo -u nobody tokenvpn doctor", as_nobody, &[], 1);
    let as_nobody = person.command(&["up"]).as_nobody();
    person.run_as("sudo -u nobody tokenvpn up", as_nobody, &[], 12);
    person.is_as_written("a-computer-that-is-not-ready", &[]);
}

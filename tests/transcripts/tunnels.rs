//! Tunnels, and the tokens that they hang on.

use std::time::Duration;

use rig::{Card, Gateway, card::Slot, client::PIN_FD, scene::TUNNEL_NETWORK};

use crate::{Desk, Language, PIN, await_parked, session::Session};

/// How long it may take until `up` returns to its first gateway, which it asks every 20 s.
const RETURN: Duration = Duration::from_secs(45);

in_both_languages! {
    a_tunnel_and_its_removal,
    a_kill_switch,
    a_tunnel_that_is_watched,
    a_gateway_that_falls_silent,
    two_tokens,
    a_token_that_another_window_holds,
    a_token_changed_for_another_at_the_prompt,
}

fn a_tunnel_and_its_removal(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one, language);
    let words = ["up", "--on-removal", "grace:60"];
    let (up, screen) = person.start(&words);
    screen.answer("PIN for", PIN);
    screen.expect("to disconnect.");
    person.run(&["status"], &[], 0);
    person.run(&["doctor"], &[], 0);
    card.remove();
    screen.expect("unless it comes back");
    person.run(&["status"], &[], 3);
    card.insert();
    screen.expect("Still connected.");
    person.run(&["down"], &[], 0);
    person.ended(&words, (up, screen));

    let words = ["up", "--on-removal", "hold"];
    let (up, screen) = person.start(&words);
    screen.answer("PIN for", PIN);
    screen.expect("to disconnect.");
    card.remove();
    screen.expect("Waiting for a token");
    person.run(&["status"], &[], 3);
    person.run(&["doctor"], &[], 1);
    person.interrupt(&words, (up, screen));
    person.is_as_written("a-tunnel-and-its-removal", &[card]);
}

fn a_kill_switch(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one, language);
    card.remove();
    let words = ["up", "--kill-switch"];
    let (up, screen) = person.start(&words);
    screen.expect("Waiting for a token");
    person.run(&["status"], &[], 3);
    person.run(&["doctor"], &[], 1);
    card.insert();
    screen.answer("PIN for", PIN);
    screen.expect("to disconnect.");
    person.run(&["status"], &[], 0);
    card.remove();
    screen.expect("Waiting for a token");
    person.run(&["down"], &[], 0);
    person.ended(&words, (up, screen));
    // What ends otherwise leaves all closed.
    let words = ["up", "--kill-switch", "--wait", "1"];
    person.run(&words, &[], 3);
    person.run(&["doctor"], &[], 1);
    person.run(&["down"], &[], 0);
    person.is_as_written("a-kill-switch", &[card]);
}

fn a_gateway_that_falls_silent(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let other = Gateway::init(&scene.two, "198.51.100.20:51820", TUNNEL_NETWORK);
    other.start();
    let invitation = other.invite("traveller", &["--address", "10.77.0.2"]);
    let words = ["token", "add-gateway", "--pin-fd", &PIN_FD.to_string()];
    let added = scene.one.tokenvpn(&words).text_on(PIN_FD, PIN);
    let added = added.stdin(&*invitation).finish();
    other.enrol(&added.expect_code(0).stdout);

    let mut person = Session::at(&scene.one, language);
    person.run(&["doctor", "--gateways"], &[("PIN for", PIN)], 0);
    let (up, screen) = person.start(&["up"]);
    screen.answer("PIN for", PIN);
    screen.expect("to disconnect.");
    // Only what is asked can fall silent.
    let asking = scene.one.run("ping").args(["-i", "0.2", "10.77.0.1"]);
    let asking = asking.spawn();
    scene.router.ip("route add blackhole 203.0.113.5/32");
    screen.expect("stopped answering");
    screen.expect("\n");
    person.run(&["status"], &[], 0);
    scene.router.ip("route delete blackhole 203.0.113.5/32");
    screen.expect_within("answers again", RETURN);
    screen.expect("\n");
    asking.kill();
    person.interrupt(&["up"], (up, screen));
    person.is_as_written("a-gateway-that-falls-silent", &[card]);
}

fn two_tokens(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let spare = Card::with_pin(&scene.world, "spare", PIN).with_serial("8A1B2C3D");
    spare.connect_to(&scene.one, Slot::Second);
    spare.insert();
    scene.one.await_token(&spare.ident());
    let mut person = Session::at(&scene.one, language);
    person.run(&["token", "list"], &[], 0);
    person.run(&["token", "show"], &[], 2);
    let (up, screen) = person.start(&["up"]);
    await_parked(&screen);
    spare.remove();
    screen.answer("3 tries left: ", PIN);
    screen.expect("to disconnect.");
    person.interrupt(&["up"], (up, screen));
    person.is_as_written("two-tokens", &[card, &spare]);
}

fn a_token_that_another_window_holds(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one, language);
    let words = ["up", "--interface", "other"];
    let (forgotten, prompt) = person.start(&words);
    prompt.expect("3 tries left: ");
    let (up, screen) = person.start(&["up"]);
    screen.expect("hint: ");
    screen.expect("\n");
    person.run(&["token", "show"], &[], 11);
    person.run(&["doctor"], &[], 0);
    person.interrupt(&words, (forgotten, prompt));
    screen.answer("3 tries left: ", PIN);
    screen.expect("to disconnect.");
    person.interrupt(&["up"], (up, screen));
    person.is_as_written("a-token-in-another-window", &[card]);
}

fn a_token_changed_for_another_at_the_prompt(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let other = Card::with_pin(&scene.world, "other", PIN).with_serial("8A1B2C3D");
    let mut person = Session::at(&scene.one, language);
    let (up, screen) = person.start(&["up"]);
    screen.expect("3 tries left: ");
    screen.pty().await_no_echo();
    screen.pty().press("7391");
    card.remove();
    screen.expect("Waiting for a token");
    other.connect(&scene.one);
    other.insert();
    screen.answer("3 tries left: ", PIN);
    await_parked(&screen);
    person.interrupt(&["up"], (up, screen));
    person.is_as_written("another-token-at-the-prompt", &[card, &other]);
}

fn a_tunnel_that_is_watched(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one, language);
    let (up, screen) = person.start(&["up"]);
    screen.answer("PIN for", PIN);
    screen.expect("to disconnect.");
    person.look_once(&["status", "--watch"], "sent");
    person.run(&["down"], &[], 0);
    person.ended(&["up"], (up, screen));
    person.run(&["down"], &[], 0);
    person.run(&["status"], &[], 3);
    person.is_as_written("a-tunnel-that-is-watched", &[card]);
}

//! What keeps a tunnel from standing.

use crate::{Desk, Language, PIN, await_parked, session::Session};

in_both_languages! {
    a_wrong_pin,
    the_last_try,
    a_token_with_nothing_on_it,
    a_token_that_ends,
    a_gateway_out_of_reach,
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

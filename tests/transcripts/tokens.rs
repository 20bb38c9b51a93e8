//! Filling tokens, and their secrets.

use std::fs;

use rig::{
    Card, Gateway, Scene,
    card::ADMIN_PIN,
    scene::{INNER_NETWORK, TUNNEL_NETWORK},
    wait::SOON,
};

use crate::{Desk, FACTORY_PIN, Language, PIN, session::Session};

in_both_languages! {
    first_use,
    a_token_s_life,
    a_renewal_and_a_second_gateway,
    a_new_token_that_has_the_pins_of_every_new_one,
    a_new_pin_for_a_blocked_one_and_a_spare_token,
}

fn first_use(language: Language) {
    let Desk {
        scene,
        gateway,
        card,
    } = &Desk::new();
    let mut person = Session::at(&scene.one, language);
    person.run(&["token", "list"], &[], 0);
    person.run(
        &["token", "pin"],
        &[("PIN for", PIN), ("New PIN: ", PIN), ("again: ", PIN)],
        0,
    );
    // The pipe: only what is told stands on the terminal.
    let invitation = gateway.invite("traveller", &["--route", INNER_NETWORK]);
    let screen = person.open();
    let issue = person.command(&["token", "issue"]).stdin(&*invitation);
    let issue = issue.with_terminal(screen.pty()).spawn();
    screen.answer("PIN for", PIN);
    assert_eq!(issue.exit_code(SOON), 0);
    let said = person.last_of(&screen) + &issue.stderr().all();
    person.note(
        "ssh vps tokenvpn-gateway invite traveller | tokenvpn token issue | ssh vps tokenvpn-gateway enrol",
        said,
        0,
    );
    gateway.enrol(&issue.stdout().all());
    card.remove();
    let (up, screen) = person.start(&["up"]);
    screen.expect("Waiting for a token");
    card.insert();
    screen.answer("PIN for", PIN);
    screen.expect("to disconnect.");
    card.remove();
    screen.expect("Token removed");
    screen.expect("Waiting for a token");
    person.interrupt(&["up"], (up, screen));
    person.run(&["doctor", "--residue"], &[], 0);
    person.is_as_written("first-use", &[card]);
}

fn a_token_s_life(language: Language) {
    let Desk { scene, card, .. } = &Desk::issued();
    let mut person = Session::at(&scene.one, language);
    let pin = [("PIN for", PIN)];
    person.run(&["token", "list"], &[], 0);
    person.run(&["token", "show"], &pin, 0);
    person.run(&["doctor"], &[], 0);
    person.run(&["doctor", "--gateways"], &pin, 0);
    person.run(&["status"], &[], 3);
    let words = [
        "token",
        "edit",
        "--route",
        "10.20.0.0/16",
        "--dns",
        "10.20.0.53",
    ];
    person.run(&words, &pin, 0);
    let answers = [("PIN for", PIN), ("YES to", "YES")];
    person.run(&["token", "erase"], &answers, 0);
    person.run(&["token", "list"], &[], 0);
    person.run(&["down"], &[], 0);
    person.is_as_written("a-token's-life", &[card]);
}

fn a_renewal_and_a_second_gateway(language: Language) {
    let Desk {
        scene,
        gateway,
        card,
    } = &Desk::issued();
    let mut person = Session::at(&scene.one, language);
    let pin = [("PIN for", PIN)];
    let renewal = ["--route", INNER_NETWORK, "--expires", "2101-01-01"];
    let file = scene.one.dir().join("invitation");
    let invitation = file.to_string_lossy();
    fs::write(&file, gateway.invite("traveller", &renewal)).unwrap();
    person.run(&["token", "renew", &invitation], &pin, 0);
    // Without the route, and with a key that the gateway does not know before it has enrolled it.
    let lesser = gateway.invite("traveller", &["--expires", "2101-01-01"]);
    fs::write(&file, lesser).unwrap();
    person.run(&["token", "renew", "--new-key", &invitation], &pin, 0);
    let (up, screen) = person.start(&["up", "--once"]);
    screen.answer("PIN for", PIN);
    screen.expect("Trying again");
    screen.expect("\n");
    person.interrupt(&["up", "--once"], (up, screen));
    // The first one cannot add itself.
    person.run(&["token", "add-gateway", &invitation], &pin, 1);

    let other = Gateway::init(&scene.two, "198.51.100.20:51820", TUNNEL_NETWORK);
    let options = ["--address", "10.77.0.2", "--expires", "2100-01-01"];
    fs::write(&file, other.invite("traveller", &options)).unwrap();
    person.run(&["token", "add-gateway", &invitation], &pin, 0);
    let words = ["token", "edit", "--endpoint", "198.51.100.21:51820"];
    person.run(&words, &pin, 2);
    let words = [&words[..], &["--gateway", "2"]].concat();
    person.run(&words, &pin, 0);
    let words = ["token", "edit", "--remove-gateway", "2"];
    person.run(&words, &pin, 0);
    person.is_as_written("a-renewal-and-a-second-gateway", &[card]);
}

fn a_new_token_that_has_the_pins_of_every_new_one(language: Language) {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = Card::with_pin(&scene.world, "new", FACTORY_PIN);
    scene.one.start_pcscd();
    card.connect(&scene.one);
    card.insert();
    scene.one.await_token(&card.ident());
    let mut person = Session::at(&scene.one, language);
    let file = scene.one.dir().join("invitation");
    let options = ["--route", INNER_NETWORK, "--expires", "2100-01-01"];
    fs::write(&file, gateway.invite("traveller", &options)).unwrap();
    let file = file.to_string_lossy();
    person.run(&["token", "issue", &file], &[("PIN for", FACTORY_PIN)], 1);
    let answers = [
        ("PIN for", FACTORY_PIN),
        ("New PIN: ", FACTORY_PIN),
        ("New PIN: ", PIN),
        ("again: ", PIN),
    ];
    person.run(&["token", "pin"], &answers, 0);
    let words = ["token", "issue", "--card-name", "A. Traveller", &file];
    person.run(&words, &[("Admin PIN for", ADMIN_PIN), ("PIN for", PIN)], 0);
    person.is_as_written("a-new-token", &[&card]);
}

fn a_new_pin_for_a_blocked_one_and_a_spare_token(language: Language) {
    let Desk {
        scene,
        gateway,
        card,
    } = &Desk::issued();
    let mut person = Session::at(&scene.one, language);
    let code = "27182818";
    person.run(
        &["token", "pin", "--reset-code"],
        &[
            ("Admin PIN for", ADMIN_PIN),
            ("New reset code: ", code),
            ("again: ", code),
        ],
        0,
    );
    let wrong = [
        ("3 tries left: ", "111111"),
        ("2 tries left: ", "222222"),
        ("Type YES to use it", "YES"),
        ("1 try left: ", "333333"),
    ];
    person.run(&["token", "show"], &wrong, 5);
    let new = [("New PIN: ", PIN), ("again: ", PIN)];
    let with_code = [&[("Reset code for", code)], &new[..]].concat();
    person.run(&["token", "unblock"], &with_code, 0);
    let with_admin = [&[("Admin PIN for", ADMIN_PIN)], &new[..]].concat();
    person.run(&["token", "unblock", "--admin"], &with_admin, 0);

    let file = scene.one.dir().join("invitation");
    fs::write(&file, gateway.invite("traveller", &["--spare"])).unwrap();
    let file = file.to_string_lossy();
    let words = ["token", "issue", &file];
    let no = [("PIN for", PIN), ("YES to overwrite", "yes")];
    person.run(&words, &no, 1);
    let yes = [("PIN for", PIN), ("YES to overwrite", "YES")];
    person.run(&words, &yes, 0);
    person.is_as_written("a-blocked-pin-and-a-spare-token", &[card]);
}

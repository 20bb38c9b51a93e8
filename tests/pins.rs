//! `tokenvpn token pin` and `tokenvpn token unblock`, with a virtual card and a person at a
//! terminal.

use rig::Desk;
use rig::card::ADMIN_PIN;
use rig::pty::{CTRL_C, ENTER};

const NEW_PIN: &str = "new PIN é";
const CODE: &str = "reset me 12";

/// Whether this is the token's PIN: an empty token is shown with exit code 8.
fn is_pin(desk: &Desk, pin: &str) -> bool {
    match desk.token(&["show"], pin, "").status.code() {
        Some(8) => true,
        Some(4) => false,
        code => panic!("{code:?}"),
    }
}

/// Types a wrong PIN until the card takes none any more.
fn block(desk: &Desk) {
    let wrong = ("PIN for", "999999");
    let answers = [wrong, wrong, ("Type YES", "YES"), wrong];
    desk.converse(&["show"], "", &answers).expect(5, &[]);
}

fn set_reset_code(desk: &Desk) {
    let answers = [
        ("Admin PIN for", ADMIN_PIN),
        ("New reset code: ", CODE),
        ("new reset code again: ", CODE),
    ];
    let set = desk.converse(&["pin", "--reset-code"], "", &answers);
    set.expect(0, &["has the new reset code"]);
}

#[test]
fn a_pin_is_changed_with_the_old_one_and_typed_twice() {
    let desk = Desk::new();
    let old = desk.card.pin();
    let answers = [
        ("3 tries left: ", old),
        // None of these is sent to the card.
        ("New PIN: ", "12345"),
        ("at least 6", "123456"),
        ("Every new token has this PIN", NEW_PIN),
        ("The new PIN again: ", "new PIN e"),
        ("differ", NEW_PIN),
        ("The new PIN again: ", NEW_PIN),
    ];
    let changed = desk.converse(&["pin"], "", &answers);
    let changed = changed.expect(0, &[&desk.card.ident(), "has the new PIN"]);
    assert_eq!(changed.stdout, "");
    for secret in [old, NEW_PIN] {
        assert!(!changed.said.contains(secret), "{}", changed.said);
    }
    let counts = desk.card.counts();
    assert_eq!((counts.pins, counts.right_pins), (1, 1));
    assert!(is_pin(&desk, NEW_PIN) && !is_pin(&desk, old));
}

#[test]
fn a_part_of_the_old_pin_never_ends_up_in_the_new_one() {
    let desk = Desk::new();
    // To a card that is sent both in one piece, this would be the right PIN.
    let longer = format!("{}0", desk.card.pin());
    let answers = [("3 tries left: ", &*longer), ("2 tries left: ", "")];
    desk.converse(&["pin"], "", &answers)
        .expect(4, &["Wrong PIN. 2 tries left."]);
    assert_eq!(desk.card.counts().pins, 1);
    let pin = desk.card.pin().to_owned();
    desk.converse(&["show"], "", &[("PIN for", &pin)])
        .expect(8, &[]);
}

#[test]
fn whoever_gives_up_keeps_the_old_pin() {
    let desk = Desk::new();
    let pin = desk.card.pin().to_owned();
    for (keys, at) in [(CTRL_C, 1), (ENTER, 1), (CTRL_C, 2), (ENTER, 2)] {
        let (process, pty) = desk.asking(&["pin"], "");
        pty.expect("PIN for");
        pty.type_line(&pin);
        pty.expect("New PIN: ");
        if at == 2 {
            pty.type_line(NEW_PIN);
            pty.expect("again: ");
        }
        pty.press(keys);
        assert_eq!(
            process.exit_code(rig::wait::SOON),
            4,
            "{}",
            process.report()
        );
        assert!(process.stderr().all().contains("nothing was changed"));
    }
    assert!(is_pin(&desk, &pin));
}

#[test]
fn the_admin_pin_is_changed_with_the_old_one() {
    let desk = Desk::new();
    let new = "87654321";
    let answers = [
        ("Admin PIN for", "1234567"),
        // Too short to be one: costs nothing.
        ("at least 8", "00000000"),
        ("2 tries left: ", ADMIN_PIN),
        ("New admin PIN: ", "12345678"),
        ("Every new token has this admin PIN", new),
        ("again: ", new),
    ];
    desk.converse(&["pin", "--admin"], "", &answers).expect(
        0,
        &["Wrong admin PIN. 2 tries left.", "has the new admin PIN"],
    );
    let counts = desk.card.counts();
    assert_eq!((counts.pins, counts.right_pins), (2, 1));
    let answers = [("3 tries left: ", ADMIN_PIN), ("2 tries left: ", "")];
    desk.converse(&["pin", "--admin"], "", &answers)
        .expect(4, &["Wrong"]);
}

#[test]
fn the_last_try_of_the_admin_pin_is_used_only_after_a_yes() {
    let desk = Desk::new();
    let wrong = "00000000";
    let answers = [
        ("3 tries left: ", wrong),
        ("2 tries left: ", wrong),
        ("Type YES to use it", "yes"),
    ];
    desk.converse(&["unblock"], "", &answers)
        .expect(4, &["nothing unblocks it", "no PIN"]);
    assert_eq!(desk.card.counts().pins, 2);
    let answers = [("Type YES", "YES"), ("1 try left: ", wrong)];
    let blocked = desk.converse(&["unblock"], "", &answers);
    blocked.expect(5, &["admin PIN is blocked", "nothing was erased"]);
    desk.converse(&["pin", "--reset-code"], "", &[])
        .expect(5, &["admin PIN is blocked"]);
    assert_eq!(desk.card.counts().pins, 3);
    let pin = desk.card.pin().to_owned();
    assert!(is_pin(&desk, &pin), "the token works on");
}

#[test]
fn a_blocked_pin_gets_a_successor_from_the_admin_pin() {
    let desk = Desk::new();
    block(&desk);
    desk.token(&["show"], NEW_PIN, "")
        .expect_error(5, &["blocked", "tokenvpn token unblock"]);
    desk.converse(&["pin"], "", &[])
        .expect(5, &["tokenvpn token unblock"]);
    desk.card.reset_counts();
    let answers = [
        ("Admin PIN for", ADMIN_PIN),
        ("New PIN: ", NEW_PIN),
        ("again: ", NEW_PIN),
    ];
    desk.converse(&["unblock"], "", &answers)
        .expect(0, &["has the new PIN, with all its tries"]);
    assert_eq!(desk.card.counts().pins, 1);
    assert!(is_pin(&desk, NEW_PIN));
}

#[test]
fn a_blocked_pin_gets_a_successor_from_the_reset_code() {
    let desk = Desk::new();
    set_reset_code(&desk);
    block(&desk);
    desk.card.reset_counts();
    let answers = [
        ("Reset code for", "wrong code"),
        ("New PIN: ", NEW_PIN),
        ("again: ", NEW_PIN),
        ("Reset code for", CODE),
        ("New PIN: ", NEW_PIN),
        ("again: ", NEW_PIN),
    ];
    desk.converse(&["unblock"], "", &answers)
        .expect(0, &["has the new PIN"]);
    // What proves that the card has understood the new one.
    let counts = desk.card.counts();
    assert_eq!((counts.pins, counts.right_pins), (1, 1));
    assert!(is_pin(&desk, NEW_PIN));
}

#[test]
fn a_code_that_is_longer_than_the_cards_is_noticed() {
    let desk = Desk::new();
    set_reset_code(&desk);
    let longer = format!("{CODE}XY");
    let answers = [
        ("Reset code for", &*longer),
        ("New PIN: ", NEW_PIN),
        ("again: ", NEW_PIN),
    ];
    desk.converse(&["unblock"], "", &answers)
        .expect(4, &["more characters", "type that rest before"]);
    let pin = format!("XY{NEW_PIN}");
    desk.converse(&["show"], "", &[("PIN for", &pin)])
        .expect(8, &[]);
}

#[test]
fn a_blocked_reset_code_leaves_the_admin_pin() {
    let desk = Desk::new();
    set_reset_code(&desk);
    let wrong = |question| {
        let new = [("New PIN: ", NEW_PIN), ("again: ", NEW_PIN)];
        [(question, "wrong code"), new[0], new[1]]
    };
    let mut answers = Vec::new();
    answers.extend(wrong("3 tries left: "));
    answers.extend(wrong("2 tries left: "));
    answers.push(("Type YES to use it", "YES"));
    answers.extend(wrong("1 try left: "));
    desk.converse(&["unblock"], "", &answers).expect(
        5,
        &[
            "blocks the reset code",
            "reset code is blocked",
            "token unblock --admin",
        ],
    );
    let answers = [
        ("Admin PIN for", ADMIN_PIN),
        ("New PIN: ", NEW_PIN),
        ("again: ", NEW_PIN),
    ];
    desk.converse(&["unblock"], "", &answers).expect(0, &[]);
    assert!(is_pin(&desk, NEW_PIN));
}

#[test]
fn without_a_terminal_no_secret_is_changed() {
    let desk = Desk::new();
    for words in [&["pin"][..], &["pin", "--admin"], &["unblock"]] {
        let command = desk.computer.tokenvpn(&["token"]).args(words);
        command.finish().expect_error(4, &["no terminal"]);
    }
    assert_eq!(desk.card.counts().all, 0);
}

#[test]
fn a_card_pulled_between_the_old_and_the_new_pin_keeps_the_old_one() {
    let desk = Desk::new();
    let (process, pty) = desk.asking(&["pin"], "");
    pty.expect("PIN for");
    pty.type_line(desk.card.pin());
    pty.expect("New PIN: ");
    desk.card.remove();
    pty.type_line(NEW_PIN);
    pty.expect("again: ");
    pty.type_line(NEW_PIN);
    assert_eq!(
        process.exit_code(rig::wait::SOON),
        10,
        "{}",
        process.report()
    );
    desk.card.insert();
    desk.await_list(&desk.card.ident());
    let pin = desk.card.pin().to_owned();
    assert!(is_pin(&desk, &pin));
}

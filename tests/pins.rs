//! `tokenvpn token pin` and `tokenvpn token unblock`, with a virtual card and a person at a
//! terminal; and what these and other commands for tokens do with a reader that has keys.

use std::{fs, path::PathBuf};

use rig::card::ADMIN_PIN;
use rig::desk::{Conversation, invitation};
use rig::pty::{CTRL_C, ENTER};
use rig::wait::SOON;
use rig::{Desk, Invocation, Keypad, Pty, process};

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
        assert_eq!(process.exit_code(SOON), 4, "{}", process.report());
        assert!(process.stderr().all().contains("nothing was changed"));
    }
    assert!(is_pin(&desk, &pin));
}

#[test]
fn whatever_asks_for_a_pin_is_sealed_before() {
    let desk = Desk::new();
    let (process, pty) = desk.asking(&["show"], "");
    pty.expect("PIN for");
    process::assert_sealed(process.pid());
    assert_eq!(process::threads(process.pid())[0]["NoNewPrivs"], "1");
    pty.press(CTRL_C);
    process.exit_code(rig::wait::SOON);
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
    assert_eq!(desk.card.counts().pins, 0);
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
    assert_eq!(process.exit_code(SOON), 10, "{}", process.report());
    desk.card.insert();
    desk.await_list(&desk.card.ident());
    let pin = desk.card.pin().to_owned();
    assert!(is_pin(&desk, &pin));
}

/// What somebody does who is asked.
#[derive(Clone, Copy)]
enum Typed<'a> {
    /// On the reader's keys.
    Pin(&'a str),
    /// There too: the old one, the new one, and that again.
    Change(&'a str, &'a str, &'a str),
    /// Its cancel key.
    Cancel,
    /// Until its time is over, nothing.
    TimeOut,
    /// Something that breaks the reader.
    Break,
    /// On the terminal.
    Line(&'a str),
}
use Typed::{Break, Cancel, Change, Line, Pin, TimeOut};

/// Runs `tokenvpn token …` on a terminal and with a keypad, and answers what is asked, as it
/// appears.
#[track_caller]
fn at_reader(desk: &Desk, words: &[&str], answers: &[(&str, Typed<'_>)]) -> Conversation {
    let keypad = Keypad::new(&desk.computer);
    let command = desk.computer.tokenvpn(&["token"]).args(words);
    converse(desk, &keypad, keypad.of(command), answers)
}

#[track_caller]
fn converse(
    desk: &Desk,
    keypad: &Keypad,
    command: Invocation,
    answers: &[(&str, Typed<'_>)],
) -> Conversation {
    let pty = Pty::open();
    let process = command.on(&pty).spawn();
    for (question, answer) in answers {
        pty.expect(question);
        match *answer {
            Pin(pin) => keypad.press(pin),
            Change(old, new, again) => keypad.change(old, new, again),
            Cancel => keypad.cancel(),
            TimeOut => keypad.time_out(),
            Break => keypad.break_down(),
            Line(text) => pty.type_line(text),
        }
    }
    Conversation {
        code: process.exit_code(SOON),
        stdout: String::new(),
        said: desk.computer.last_screen(&pty),
    }
}

fn invitation_file(desk: &Desk) -> PathBuf {
    let file = desk.computer.dir().join("invitation");
    let text = invitation().to_toml().expect("a good text");
    fs::write(&file, text.as_bytes()).expect("a file of the host's");
    file
}

/// How often the card was shown a PIN, and how often that was right.
fn pins(desk: &Desk) -> (u32, u32) {
    let counts = desk.card.counts();
    (counts.pins, counts.right_pins)
}

#[test]
fn on_a_reader_with_keys_each_entry_for_a_token_command_is_one_try() {
    let desk = Desk::new();
    let answers = [
        ("3 tries left: type it on the reader.", Pin("999999")),
        ("2 tries left: type it on the reader.", Pin(desk.card.pin())),
    ];
    at_reader(&desk, &["show"], &answers).expect(8, &["Wrong PIN. 2 tries left."]);
    assert_eq!(pins(&desk), (2, 1));
    let answers = [("3 tries left: type it on the reader.", Cancel)];
    at_reader(&desk, &["erase"], &answers).expect(4, &["no PIN", "nothing was changed"]);
    assert_eq!(pins(&desk), (2, 1));
}

#[test]
fn the_last_try_for_a_token_command_is_never_made_on_a_reader_s_keys() {
    let desk = Desk::new();
    for (words, blocked) in [("show", "the token"), ("unblock", "the admin PIN")] {
        desk.card.reset_counts();
        let answers = [
            ("3 tries left: type it on the reader.", Pin("99999999")),
            ("2 tries left: type it on the reader.", Pin("99999999")),
            ("Type YES", Line("no")),
        ];
        let warning = format!("another mistake blocks {blocked}");
        at_reader(&desk, &[words], &answers).expect(4, &[&warning]);
        assert_eq!(pins(&desk), (2, 0));
    }
}

#[test]
fn ctrl_c_ends_a_command_whose_reader_asks() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let pty = Pty::open();
    let show = desk.computer.tokenvpn(&["token", "show"]);
    let show = keypad.of(show).on(&pty).spawn();
    pty.expect("type it on the reader.");
    pty.press(CTRL_C);
    assert_eq!(show.exit_code(SOON), 4);
    pty.expect("\r\nerror: no PIN was given");
    assert_eq!(pins(&desk), (0, 0));
    // The card is nobody's any more.
    let pin = desk.card.pin().to_owned();
    assert!(is_pin(&desk, &pin));
}

#[test]
fn without_a_terminal_the_reader_asks_for_what_changes_a_token_and_for_nothing_else() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let erase = desk.computer.tokenvpn(&["token", "erase"]);
    let erase = keypad.of(erase).spawn();
    keypad.press(desk.card.pin());
    assert_eq!(erase.exit_code(SOON), 0, "{}", erase.report());
    assert_eq!(pins(&desk), (1, 1));
    let show = desk.computer.tokenvpn(&["token", "show", "--json"]);
    keypad.of(show).finish().expect_code(0);
    assert_eq!(pins(&desk), (1, 1));
}

#[test]
fn to_issue_both_pins_are_typed_on_the_reader() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let words = ["token", "issue", "--card-name", "A Traveller"];
    let issue = desk
        .computer
        .tokenvpn(&words)
        .args([invitation_file(&desk)]);
    let answers = [
        ("Admin PIN for", Pin(ADMIN_PIN)),
        ("the admin PIN is not seen", Line("YES")),
        ("\nPIN for", Pin(desk.card.pin())),
        ("the PIN is not seen", Line("YES")),
    ];
    converse(&desk, &keypad, keypad.of(issue), &answers).expect(0, &["A Traveller", "Written to"]);
    assert_eq!(pins(&desk), (2, 2));
}

#[test]
fn no_key_comes_onto_a_token_of_which_nobody_says_that_its_pin_was_changed() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let file = invitation_file(&desk);
    let issue = || keypad.of(desk.computer.tokenvpn(&["token", "issue"]).args([&file]));
    let answers = [
        ("PIN for", Pin(desk.card.pin())),
        ("Type YES if it is no longer", Line("yes")),
    ];
    let refusal = [
        "may still have the PIN of every new one",
        "tokenvpn token pin",
    ];
    converse(&desk, &keypad, issue(), &answers).expect(1, &refusal);

    // Without a terminal nobody can.
    let issue = issue().spawn();
    keypad.press(desk.card.pin());
    assert_eq!(issue.exit_code(SOON), 1, "{}", issue.report());
    let said = issue.stderr().all();
    assert!(refusal.iter().all(|fact| said.contains(fact)), "{said}");
    assert_eq!(pins(&desk), (2, 2));
    assert!(is_pin(&desk, desk.card.pin()), "it is not empty");
}

#[test]
fn a_pin_is_changed_on_a_reader_with_keys_and_proven_there() {
    let desk = Desk::new();
    let (old, new) = (desk.card.pin(), "192837465");
    let answers = [
        (
            "3 tries left: type it on the reader, then the new one twice.",
            Change(old, new, "19283746"),
        ),
        ("The two new ones differ.", Change("99999999", new, new)),
        ("Wrong PIN. 2 tries left.", Change(old, new, new)),
        ("once more on the reader", Pin(new)),
    ];
    at_reader(&desk, &["pin"], &answers).expect(0, &["has the new PIN"]);
    assert_eq!(pins(&desk), (1, 1), "one proof");
    assert!(is_pin(&desk, new));

    desk.card.reset_counts();
    let answers = [
        ("Admin PIN for", Change(ADMIN_PIN, new, new)),
        ("once more on the reader", Pin(new)),
    ];
    at_reader(&desk, &["pin", "--admin"], &answers).expect(0, &["has the new admin PIN"]);
    assert_eq!(pins(&desk), (1, 1), "one proof");
}

/// The card cuts old and new apart by the length of the PIN it knows.
#[test]
fn an_old_pin_that_was_typed_too_long_on_a_reader_is_noticed() {
    let desk = Desk::new();
    let longer = format!("{}00", desk.card.pin());
    let answers = [
        ("type it on the reader", Change(&longer, "192837", "192837")),
        ("once more on the reader", Pin("192837")),
    ];
    at_reader(&desk, &["pin"], &answers).expect(4, &["not proven", "stands before it"]);
    desk.converse(&["show"], "", &[("PIN for", "00192837")])
        .expect(8, &[]);
}

#[test]
fn what_a_reader_cannot_ask_for_is_typed_at_the_terminal() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let token = |words: &[&str]| desk.computer.tokenvpn(&["token"]).args(words);
    let show = keypad.refusing(token(&["show"]), "6B80");
    let pty = Pty::open();
    let process = show.on(&pty).spawn();
    pty.expect("3 tries left: type it on the reader.");
    pty.expect("The reader's keypad fails: ");
    pty.expect("3 tries left: ");
    pty.type_line(desk.card.pin());
    assert_eq!(process.exit_code(SOON), 8);
    assert_eq!(pins(&desk), (1, 1));

    // The old one and a new one, as well as the admin PIN.
    desk.card.reset_counts();
    let answers = [
        ("type it on the reader, then the new one twice.", Break),
        ("3 tries left: ", Line(desk.card.pin())),
        ("New PIN: ", Line("192837")),
        ("again: ", Line("192837")),
    ];
    at_reader(&desk, &["pin"], &answers).expect(0, &["keypad fails", "has the new PIN"]);
    let answers = [
        ("3 tries left: type it on the reader.", Pin("99999999")),
        ("2 tries left: type it on the reader.", Break),
        ("2 tries left: ", Line(ADMIN_PIN)),
        ("New reset code: ", Line(CODE)),
        ("again: ", Line(CODE)),
    ];
    at_reader(&desk, &["pin", "--reset-code"], &answers).expect(0, &["has the new reset code"]);
    assert_eq!(pins(&desk), (3, 2));
    let alone = [
        ("3 tries left: ", Line("192837")),
        ("New PIN: ", Line(NEW_PIN)),
        ("again: ", Line(NEW_PIN)),
    ];
    at_reader(&desk, &["pin", "--no-keypad"], &alone).expect(0, &["has the new PIN"]);
    assert_eq!(pins(&desk), (4, 3));

    // Without a terminal it is nobody's.
    let erase = keypad.refusing(token(&["erase"]), "6B80").finish();
    let erase = erase.expect_code(4);
    assert!(erase.stderr.contains("keypad fails"), "{erase}");
    assert_eq!(pins(&desk), (4, 3));
}

#[test]
fn a_reader_whose_time_runs_out_is_asked_again_by_a_command_too() {
    let desk = Desk::new();
    let new = "192837465";
    let answers = [
        ("then the new one twice.", TimeOut),
        ("It goes on asking", TimeOut),
        // That is not said again.
        ("", Change(desk.card.pin(), "12", "12")),
        ("no PIN of such a length", Change(desk.card.pin(), new, new)),
        ("once more on the reader", TimeOut),
        ("It goes on asking", Pin(new)),
    ];
    let changed = at_reader(&desk, &["pin"], &answers).expect(0, &["has the new PIN"]);
    let said = changed.said.matches("It goes on asking").count();
    assert_eq!(said, 2, "{}", changed.said);
    assert_eq!(pins(&desk), (1, 1), "one proof");
}

#[test]
fn what_a_reader_cannot_change_is_typed_at_the_terminal() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let command = desk.computer.tokenvpn(&["token", "pin"]);
    let answers = [
        ("3 tries left: ", Line(desk.card.pin())),
        ("New PIN: ", Line(NEW_PIN)),
        ("again: ", Line(NEW_PIN)),
    ];
    converse(&desk, &keypad, keypad.only_verifying(command), &answers)
        .expect(0, &["has the new PIN"]);
    assert_eq!(pins(&desk), (1, 1));

    // Neither a code nor the PIN that a code gives is for any reader.
    let answers = [
        ("Admin PIN for", Pin(ADMIN_PIN)),
        ("New reset code: ", Line(CODE)),
        ("again: ", Line(CODE)),
    ];
    at_reader(&desk, &["pin", "--reset-code"], &answers).expect(0, &["has the new reset code"]);
    let answers = [
        ("Admin PIN for", Pin(ADMIN_PIN)),
        ("New PIN: ", Line("192837")),
        ("again: ", Line("192837")),
    ];
    at_reader(&desk, &["unblock", "--admin"], &answers).expect(0, &["has the new PIN"]);
    assert!(is_pin(&desk, "192837"));
}

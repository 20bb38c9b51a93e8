//! `tokenvpn token`, the real program, with a virtual card and a person at a terminal.

use std::time::Duration;

use rig::card::{FACTORY_PIN, Slot};
use rig::desk::{Desk, invitation};
use rig::pty::{CTRL_C, ENTER};
use rig::{Card, Pty, World, wait};
use serde_json::Value;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::invitation::{Enrolment, Invitation};
use tokenvpn_common::io::clock;

fn text(invitation: &Invitation) -> String {
    invitation.to_toml().unwrap().to_string()
}

#[test]
fn a_token_is_issued_in_the_pipe_with_one_pin() {
    let desk = Desk::new();
    let invitation = invitation();
    let (issue, pty) = desk.asking(&["issue"], &text(&invitation));
    pty.expect("3 tries left: ");
    pty.await_no_echo();
    pty.type_line(desk.card.pin());
    assert_eq!(issue.exit_code(wait::SOON), 0, "{}", issue.report());
    assert_eq!(
        (desk.card.counts().pins, desk.card.counts().right_pins),
        (1, 1)
    );

    let enrolment = Enrolment::from_toml(&issue.stdout().all()).unwrap();
    assert_eq!(enrolment.id, invitation.id);
    assert_eq!((enrolment.name, enrolment.serial), (invitation.name, 1));
    let said = issue.stderr().all();
    for fact in [
        "traveller",
        "tokyo.example:51820",
        "10.20.0.0/16",
        " of ",
        "2099-12-31",
    ] {
        assert!(said.contains(fact), "{fact} in:\n{said}");
    }
    assert!(!pty.screen().all().contains(desk.card.pin()));

    let shown = desk.shown();
    let profile = &shown["profile"];
    assert_eq!(profile["state"], "valid");
    assert_eq!(profile["public_key"], enrolment.public_key.to_string());
    assert_eq!(profile["gateways"][0]["preshared_key"], true);
    assert_eq!(profile["addresses"][0], "10.77.0.7/24");
    assert_eq!(shown["label"]["name"], "traveller");
    assert_eq!(shown["label"]["serial"], 1);
    let secret = invitation.preshared_key.unwrap().expose_text();
    assert!(!shown.to_string().contains(&*secret) && !said.contains(&*secret));
}

#[test]
fn an_invitation_can_be_a_file_and_the_label_left_out() {
    let desk = Desk::new();
    let file = desk.computer.dir().join("invitation.toml");
    std::fs::write(&file, text(&invitation())).unwrap();
    let words = ["issue", "--no-label", file.to_str().unwrap()];
    desk.token(&words, desk.card.pin(), "").expect_code(0);
    let shown = desk.shown();
    assert_eq!(shown["label"]["state"], "empty");
    assert_eq!(shown["profile"]["name"], "traveller");
    let list = desk.computer.tokenvpn(&["token", "list"]).ok();
    assert!(
        list.contains("issued without a label") && !list.contains("traveller"),
        "{list}"
    );
}

#[test]
fn a_profile_is_overwritten_only_after_a_yes_and_counted() {
    let desk = Desk::new();
    desk.token(&["issue"], desk.card.pin(), &text(&invitation()))
        .expect_code(0);
    let first = desk.shown();

    let again = desk.token(&["issue"], desk.card.pin(), &text(&invitation()));
    again.expect_error(1, &["not overwritten", "terminal"]);
    assert_eq!(desk.shown(), first);

    for (answer, code) in [("no", 1), ("yes", 1), ("", 1), ("YES", 0)] {
        let (issue, pty) = desk.asking(&["issue"], &text(&invitation()));
        pty.expect("PIN for");
        pty.await_no_echo();
        pty.type_line(desk.card.pin());
        pty.expect("the profile of traveller, serial 1. Type YES to overwrite it: ");
        pty.type_line(answer);
        assert_eq!(
            issue.exit_code(wait::SOON),
            code,
            "{answer}: {}",
            issue.report()
        );
        let serial = if code == 0 { 2 } else { 1 };
        assert_eq!(desk.shown()["profile"]["serial"], serial, "{answer}");
    }
}

#[test]
fn what_is_no_invitation_changes_nothing_and_asks_no_card() {
    let desk = Desk::new();
    let good = text(&invitation());
    let late = Invitation {
        valid_until: UnixTime(clock::unix_time().0 - 1),
        ..invitation()
    };
    let expired = Invitation {
        expires: Some(UnixTime(1)),
        ..invitation()
    };
    for (stdin, code, facts) in [
        (String::new(), 1, &["there is no invitation", "empty"][..]),
        ("\n".into(), 1, &["there is no invitation"]),
        ("hello".into(), 1, &["line 1", "column"]),
        (
            good.replace("10.20.0.0/16", "10.20.0.0/99"),
            1,
            &["line", "column"],
        ),
        (
            good.replace("10.20.0.0/16", "10.20.0.1/16"),
            1,
            &["10.20.0.1/16"],
        ),
        (
            good.replace("version = 1", "version = 9"),
            1,
            &["version 9", "update"],
        ),
        (text(&late), 1, &["valid until", "clock"]),
        (text(&expired), 6, &["expired"]),
    ] {
        let issue = desk.token(&["issue"], desk.card.pin(), &stdin);
        let issue = issue.expect_error(code, facts);
        assert_eq!(issue.stdout, "");
    }
    assert_eq!(desk.card.counts().all, 0);
    let missing = desk.token(&["issue", "/nowhere"], desk.card.pin(), "");
    missing.expect_error(1, &["/nowhere"]);
}

#[test]
fn a_profile_that_does_not_fit_is_not_written() {
    let desk = Desk::new();
    let allowed_ips = (0..250u8).flat_map(|a| (0..4).map(move |b| format!("10.{a}.{b}.16/28")));
    let allowed_ips = allowed_ips.map(|net| net.parse().unwrap()).collect();
    let long = Invitation {
        allowed_ips,
        ..invitation()
    };
    let issue = desk.token(&["issue"], desk.card.pin(), &text(&long));
    issue.expect_error(1, &["4096 bytes"]);
    assert_eq!(desk.card.counts().writes, 0);
}

#[test]
fn no_key_comes_onto_a_token_with_the_factorys_pin() {
    let desk = Desk::with(|world| Card::with_pin(world, "new", FACTORY_PIN));
    let refusal = ["PIN of every new one", "tokenvpn token pin"];
    let answers = [("PIN for", FACTORY_PIN)];
    let issue = desk.converse(&["issue"], &text(&invitation()), &answers);
    assert_eq!(issue.expect(1, &refusal).stdout, "");
    let issue = desk.token(&["issue"], FACTORY_PIN, &text(&invitation()));
    issue.expect_error(1, &refusal);
    assert_eq!(desk.card.counts().writes, 0);

    let pin = "my own pin";
    let answers = [
        ("PIN for", FACTORY_PIN),
        ("New PIN: ", pin),
        ("again: ", pin),
    ];
    desk.converse(&["pin"], "", &answers).expect(0, &[]);
    desk.token(&["issue"], pin, &text(&invitation()))
        .expect_code(0);
}

#[test]
fn a_pin_that_nobody_typed_is_tried_once_and_only_with_a_full_counter() {
    let desk = Desk::new();
    let issue = desk.token(&["issue"], "999999", &text(&invitation()));
    issue.expect_error(4, &["wrong PIN", "2"]);
    assert_eq!(desk.card.counts().pins, 1);
    let issue = desk.token(&["issue"], desk.card.pin(), &text(&invitation()));
    issue.expect_error(4, &["2 tries left", "type the PIN"]);
    assert_eq!(desk.card.counts().pins, 1, "the card was not asked");
    for unusable in ["", "12345", "12345\u{7}"] {
        desk.token(&["show"], unusable, "").expect_code(4);
    }
    assert_eq!(desk.card.counts().pins, 1);
}

#[test]
fn a_credential_is_a_pin_that_nobody_typed() {
    let desk = Desk::new();
    let directory = desk.computer.dir().join("credentials");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("pin"), format!("{}\n", desk.card.pin())).unwrap();
    let show = desk
        .computer
        .tokenvpn(&["token", "show"])
        .env("CREDENTIALS_DIRECTORY", &directory);
    show.finish().expect_error(8, &["holds no VPN profile"]);
    assert_eq!(desk.card.counts().right_pins, 1);
}

#[test]
fn a_mistyped_pin_is_asked_again_and_the_last_try_only_after_a_yes() {
    let desk = Desk::new();
    let (show, pty) = desk.asking(&["show"], "");
    for left in ["3 tries left: ", "2 tries left: "] {
        pty.expect(left);
        pty.await_no_echo();
        // Too short to be one: costs nothing.
        pty.type_line("123");
        pty.expect("at least 6");
        pty.expect(left);
        pty.type_line("999999");
    }
    pty.expect("Type YES to use it");
    assert_eq!(desk.card.counts().pins, 2);
    pty.type_line("yes");
    assert_eq!(show.exit_code(wait::SOON), 4, "{}", show.report());
    assert_eq!(desk.card.counts().pins, 2);

    let (show, pty) = desk.asking(&["show"], "");
    pty.expect("Type YES to use it");
    pty.type_line("YES");
    pty.expect("1 try left: ");
    pty.await_no_echo();
    pty.type_line("999999");
    assert_eq!(show.exit_code(wait::SOON), 5, "{}", show.report());
    let blocked = desk.token(&["show"], desk.card.pin(), "");
    blocked.expect_error(5, &["blocked", "nothing was erased"]);
    assert_eq!(desk.card.counts().pins, 3);
}

#[test]
fn whoever_gives_up_at_the_prompt_finds_the_terminal_as_it_was() {
    let desk = Desk::new();
    for (keys, code) in [(CTRL_C, 4), (ENTER, 4), ("\x04", 4), ("half a PIN\x03", 4)] {
        let pty = Pty::open();
        let before = pty.settings();
        let show = desk
            .computer
            .tokenvpn(&["token", "show"])
            .with_terminal(&pty)
            .spawn();
        pty.expect("PIN for");
        pty.await_no_echo();
        pty.press("\x1a");
        pty.press(keys);
        assert_eq!(
            show.exit_code(wait::SOON),
            code,
            "{keys:?} {}",
            show.report()
        );
        assert_eq!(pty.settings(), before, "{keys:?}");
        assert!(!pty.screen().all().contains("half"));
    }
    assert_eq!(desk.card.counts().pins, 0);
}

#[test]
fn without_a_pin_only_what_anybody_can_know_is_shown() {
    let desk = Desk::new();
    desk.token(&["issue"], desk.card.pin(), &text(&invitation()))
        .expect_code(0);
    desk.card.reset_counts();
    let show = desk.computer.tokenvpn(&["token", "show"]).ok();
    assert!(show.contains(&desk.card.ident()) && show.contains("traveller, until 2099"));
    assert!(!show.contains("tokyo"), "{show}");
    let json = desk.computer.tokenvpn(&["token", "show", "--json"]).ok();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["profile"], Value::Null);
    assert_eq!(json["tries_left"], 3);
    assert_eq!(desk.card.counts().pins, 0);
}

#[test]
fn what_a_program_is_told_of_a_token_comes_with_the_code_that_says_whether_it_is_of_use() {
    let desk = Desk::new();
    let shown = |pin: &str, code| -> Value {
        let shown = desk.token(&["show", "--json"], pin, "").expect_code(code);
        serde_json::from_str(&shown.stdout).expect("JSON")
    };
    assert_eq!(shown(desk.card.pin(), 8)["profile"]["state"], "empty");
    let profile = rig::scene::profile("192.0.2.1:51820", None);
    let mut bytes = profile.encode().unwrap().to_vec();
    bytes[20] ^= 1;
    desk.card.write(&desk.computer, &bytes, None);
    assert_eq!(shown(desk.card.pin(), 7)["profile"]["state"], "damaged");

    // Who gives up at the prompt is told the rest all the same.
    let (show, pty) = desk.asking(&["show", "--json"], "");
    pty.expect("PIN for");
    pty.await_no_echo();
    pty.press(CTRL_C);
    assert_eq!(show.exit_code(wait::SOON), 4, "{}", show.report());
    let given_up: Value = serde_json::from_str(&show.stdout().all()).expect("JSON");
    assert_eq!(given_up["token"], desk.card.ident());
    assert_eq!(given_up["profile"], Value::Null);
    let wrong = shown("999999", 4);
    assert_eq!(wrong["profile"], Value::Null);
}

#[test]
fn with_two_tokens_one_has_to_be_named() {
    let desk = Desk::new();
    let spare = Card::new(&desk.world, "spare").with_serial("8a1b2c3d");
    spare.connect_to(&desk.computer, Slot::Second);
    spare.insert();
    desk.await_list(&spare.ident());
    spare.reset_counts();
    let both = [desk.card.ident(), spare.ident()];
    let issue = desk.token(&["issue"], desk.card.pin(), &text(&invitation()));
    issue.expect_error(2, &[&both[0], &both[1], "--token"]);
    let words = ["issue", "--token", &both[1]];
    desk.token(&words, spare.pin(), &text(&invitation()))
        .expect_code(0);
    assert_eq!((desk.card.counts().writes, spare.counts().writes), (0, 2));
    let nobody = desk.token(&["show", "--token", "0006:12345678"], "123456", "");
    nobody.expect_error(3, &["0006:12345678"]);
}

#[test]
fn a_card_that_is_no_token_has_nothing_to_say_about_the_token_that_is_meant() {
    let world = World::new();
    let computer = world.host("computer");
    computer.start_pcscd();
    let other = Card::new(&world, "other").without_private_use();
    other.connect(&computer);
    other.insert();
    let show = |words: &[&str]| {
        let show = computer.tokenvpn(&["token", "show"]).args(words);
        show.args(["--pin-fd", "5"]).text_on(5, "123456").finish()
    };
    // Where none is named, it is the one that is meant.
    wait::until_true("the card is refused", wait::SOON, || {
        show(&[]).status.code() == Some(15)
    });
    let absent = show(&["--token", "0006:12345678"]);
    absent.expect_error(3, &["0006:12345678"]);
}

#[test]
fn a_card_that_does_not_keep_what_is_written_is_found_out() {
    let desk = Desk::new();
    let told = |words: &[&str], stdin: &str| {
        let failed = desk.token(words, desk.card.pin(), stdin);
        let failed = failed.expect_error(1, &["did not keep"]);
        assert_eq!(failed.stdout, "", "{words:?}");
    };
    // The label first, the profile then.
    for nth in 1..=2 {
        desk.card.forget_at(rig::card::PUT_DATA, nth);
        told(&["issue"], &text(&invitation()));
    }
    let words = ["issue", "--no-label"];
    desk.token(&words, desk.card.pin(), &text(&invitation()))
        .expect_code(0);
    let erase = || {
        let answers = [("PIN for", desk.card.pin()), ("Type YES to erase", "YES")];
        desk.converse(&["erase"], "", &answers)
    };
    // Zeros first, nothing then.
    for nth in 1..=2 {
        desk.card.forget_at(rig::card::PUT_DATA, nth);
        erase().expect(1, &["did not keep"]);
    }
    // Zeros are as good as nothing: there is nothing to ask about.
    desk.token(&["erase"], desk.card.pin(), "").expect_code(0);
    desk.token(&["issue"], desk.card.pin(), &text(&invitation()))
        .expect_code(0);
    desk.card.reset_counts();
    erase().expect(0, &[]);
    assert_eq!(
        desk.card.counts().writes,
        4,
        "zeros and nothing, in both objects"
    );
}

/// It is kept as it was written, and yet not there when it is needed: what only the last look at it
/// can tell.
#[test]
fn a_key_that_does_not_come_back_from_the_token_is_found_out() {
    let desk = Desk::new();
    let issue = || desk.token(&["issue"], desk.card.pin(), &text(&invitation()));
    issue().expect_code(0);
    let reads = desk.card.counts().reads;
    let answers = [("PIN for", desk.card.pin()), ("Type YES to erase", "YES")];
    desk.converse(&["erase"], "", &answers).expect(0, &[]);
    desk.card.garble_at(rig::card::GET_DATA, reads);
    let issued = issue().expect_error(1, &["the key on the token does not work"]);
    assert_eq!(issued.stdout, "");
}

#[test]
fn a_token_is_erased_only_after_a_yes() {
    let desk = Desk::new();
    desk.token(&["issue"], desk.card.pin(), &text(&invitation()))
        .expect_code(0);
    desk.token(&["erase"], desk.card.pin(), "")
        .expect_error(1, &["not erased", "terminal"]);
    for (answer, code) in [("no", 1), ("YES", 0)] {
        let (erase, pty) = desk.asking(&["erase"], "");
        pty.expect("PIN for");
        pty.await_no_echo();
        pty.type_line(desk.card.pin());
        pty.expect("Type YES to erase");
        pty.type_line(answer);
        assert_eq!(erase.exit_code(wait::SOON), code, "{}", erase.report());
        let kept = if code == 0 { 8 } else { 0 };
        desk.token(&["show"], desk.card.pin(), "").expect_code(kept);
    }
    desk.token(&["erase"], desk.card.pin(), "").expect_code(0);
}

#[test]
fn a_card_pulled_at_the_prompt_or_in_the_middle_is_said_to_be_removed() {
    let desk = Desk::new();
    desk.card.remove_at(rig::card::PUT_DATA, 1);
    let issue = desk.token(&["issue"], desk.card.pin(), &text(&invitation()));
    let issue = issue.expect_error(10, &["removed"]);
    assert_eq!(issue.stdout, "");
    desk.card.insert();
    desk.await_list(&desk.card.ident());
    let (show, pty) = desk.asking(&["show"], "");
    pty.expect("PIN for");
    pty.await_no_echo();
    desk.card.remove();
    pty.type_line(desk.card.pin());
    assert_eq!(
        show.exit_code(Duration::from_secs(10)),
        10,
        "{}",
        show.report()
    );
}

#[test]
fn without_card_or_service_it_says_what_is_missing() {
    let world = World::new();
    let computer = world.host("computer");
    let show = || computer.tokenvpn(&["token", "show"]).finish();
    show().expect_error(13, &["smart-card service", "pcscd"]);
    computer.start_pcscd();
    show().expect_error(3, &["no token"]);
    let list = computer.tokenvpn(&["token", "list", "--json"]).ok();
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["tokens"], serde_json::json!([]));
}

#[test]
fn no_key_comes_onto_a_token_with_the_factorys_admin_pin_typed() {
    const FACTORY: &str = "12345678";
    let desk = Desk::with(|world| Card::new(world, "new").with_admin_pin(FACTORY));
    let answers = [("Admin PIN for", FACTORY)];
    let words = ["issue", "--card-name", "Traveller 7"];
    let issue = desk.converse(&words, &text(&invitation()), &answers);
    issue.expect(
        1,
        &["admin PIN of every new one", "tokenvpn token pin --admin"],
    );
    assert_eq!(desk.card.counts().writes, 0);
    let facts = desk.token(&["show", "--json"], desk.card.pin(), "");
    assert!(!facts.stdout.contains("Traveller"), "{}", facts.stdout);
}

#[test]
fn the_card_gets_a_name_of_its_own_with_the_admin_pin() {
    let desk = Desk::new();
    let (issue, pty) = desk.asking(
        &["issue", "--card-name", "Traveller 7"],
        &text(&invitation()),
    );
    pty.expect("Admin PIN for");
    pty.await_no_echo();
    pty.type_line(rig::card::ADMIN_PIN);
    pty.expect("PIN for");
    pty.await_no_echo();
    pty.type_line(desk.card.pin());
    assert_eq!(issue.exit_code(wait::SOON), 0, "{}", issue.report());
    let said = issue.stderr().all();
    assert!(said.contains("is called Traveller 7 now"), "{said}");
    assert_eq!(desk.shown()["card_name"], "Traveller 7");

    // A refusal leaves the card as it was.
    let answers = [
        ("Admin PIN for", rig::card::ADMIN_PIN),
        ("PIN for", desk.card.pin()),
        ("Type YES to overwrite it: ", "no"),
    ];
    let words = ["issue", "--card-name", "Traveller 8"];
    let refused = desk.converse(&words, &text(&invitation()), &answers);
    refused.expect(1, &["not overwritten"]);
    assert_eq!(desk.shown()["card_name"], "Traveller 7");
    for name in ["", "Ægir", "a name of more than thirty-nine characters"] {
        let refused = desk
            .computer
            .tokenvpn(&["token", "issue", "--card-name", name])
            .finish();
        refused.expect_error(2, &["card-name"]);
    }
}

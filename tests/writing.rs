//! Writing to a token: cut short, lost on its way out, dated by a wrong clock, or never begun.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rig::card::{ADMIN_PIN, PUT_DATA};
use rig::desk::{Desk, invitation};
use rig::process::threads;
use rig::{Process, WallClock, programs, wait};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::invitation::{Enrolment, Invitation};
use tokenvpn_common::io::clock::unix_time;
use tokenvpn_common::token::Label;

const DAY: u64 = 86_400;

/// What `up` ends with where no gateway answers: it had nothing against the token.
const USABLE: i32 = 9;
const EMPTY: i32 = 8;
const EXPIRED: i32 = 6;

fn text(invitation: &Invitation) -> String {
    invitation.to_toml().unwrap().to_string()
}

/// When the card is pulled: at one of the writes, before it is carried out or after.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Before(u32),
    After(u32),
}

impl Cut {
    fn prepare(self, desk: &Desk) {
        match self {
            Cut::Before(nth) => desk.card.remove_at(PUT_DATA, nth),
            Cut::After(nth) => desk.card.remove_after(PUT_DATA, nth),
        }
    }
}

/// Puts the card in again.
fn insert(desk: &Desk) {
    desk.card.insert();
    desk.await_list(&desk.card.ident());
}

/// What `up` ends with.
fn up(desk: &Desk) -> i32 {
    let options = ["--once", "--wait", "10", "--ready-timeout", "1"];
    let up = desk.computer.up(desk.card.pin(), &options);
    up.process().exit_code(wait::SOON)
}

/// A desk with a token that was issued from this invitation.
fn issued(invitation: &Invitation) -> Desk {
    let desk = Desk::new();
    let issue = desk.token(&["issue"], desk.card.pin(), &text(invitation));
    issue.expect_code(0);
    desk
}

/// Runs it with the PIN handed over, and the card is pulled; puts that in again.
#[track_caller]
fn cut_short(desk: &Desk, cut: Cut, words: &[&str], stdin: &str) {
    cut.prepare(desk);
    let ended = desk.token(words, desk.card.pin(), stdin);
    let ended = ended.expect_code(10);
    let told = "error: the token was removed, in the middle of writing: what the token held may be \
                gone or incomplete\nhint: plug it in again and start over\n";
    assert!(ended.stderr.ends_with(told), "{cut:?}\n{ended}");
    assert_eq!(ended.stdout, "", "{cut:?}");
    insert(desk);
}

#[test]
fn a_token_whose_issue_was_cut_short_is_empty_or_whole() {
    for (cut, found) in [
        (Cut::Before(1), EMPTY),
        (Cut::Before(2), EMPTY),
        (Cut::After(2), USABLE),
    ] {
        let desk = Desk::new();
        let invitation = text(&invitation());
        cut_short(&desk, cut, &["issue"], &invitation);
        assert_eq!(up(&desk), found, "{cut:?}");
        if found == EMPTY {
            let again = desk.token(&["issue"], desk.card.pin(), &invitation);
            again.expect_code(0);
            assert_eq!(up(&desk), USABLE, "{cut:?}");
        }
    }
}

/// An old label that has expired keeps nobody from a new profile.
#[test]
fn a_token_whose_renewal_was_cut_short_is_as_good_as_its_profile() {
    for (cut, found) in [
        (Cut::Before(1), EXPIRED),
        (Cut::Before(2), EXPIRED),
        (Cut::After(2), USABLE),
    ] {
        let desk = Desk::new();
        let mut expired = rig::scene::profile("192.0.2.1:51820", None);
        expired.issued = UnixTime(unix_time().0 - 30 * DAY);
        expired.not_after = Some(UnixTime(unix_time().0 - 3 * DAY));
        let label = Label::of(&expired).encode().unwrap();
        let bytes = expired.encode().unwrap();
        desk.card.write(&desk.computer, &bytes, Some(&label));
        let renewal = Invitation {
            addresses: expired.addresses.clone(),
            ..invitation()
        };
        cut_short(&desk, cut, &["renew"], &text(&renewal));
        assert_eq!(up(&desk), found, "{cut:?}");
        let serial = if found == USABLE { 2 } else { 1 };
        assert_eq!(desk.shown()["profile"]["serial"], serial, "{cut:?}");
        let again = desk.token(&["renew"], desk.card.pin(), &text(&renewal));
        again.expect_code(0);
        assert_eq!(up(&desk), USABLE, "{cut:?}");
    }
}

#[test]
fn a_token_whose_edit_was_cut_short_is_what_it_was_or_what_it_is_to_be() {
    for (cut, label, profile) in [
        (Cut::Before(1), "traveller", "traveller"),
        (Cut::Before(2), "roamer", "traveller"),
        (Cut::After(2), "roamer", "roamer"),
    ] {
        let desk = issued(&invitation());
        let edit = ["edit", "--name", "roamer"];
        cut_short(&desk, cut, &edit, "");
        assert_eq!(up(&desk), USABLE, "{cut:?}");
        let shown = desk.shown();
        assert_eq!(shown["label"]["name"], label, "{cut:?}");
        assert_eq!(shown["profile"]["name"], profile, "{cut:?}");
        desk.token(&edit, desk.card.pin(), "").expect_code(0);
        assert_eq!(desk.shown()["profile"]["name"], "roamer", "{cut:?}");
    }
}

#[test]
fn a_token_whose_erasing_was_cut_short_never_seems_empty_with_its_key() {
    let erase = |desk: &Desk| {
        let answers = [("PIN for", desk.card.pin()), ("Type YES to erase", "YES")];
        desk.converse(&["erase"], "", &answers)
    };
    // Zeros and nothing, in the profile and then in the label.
    for (nth, has_label, found) in [
        (1, true, USABLE),
        (2, true, EMPTY),
        (3, true, EMPTY),
        (4, false, EMPTY),
    ] {
        let desk = issued(&invitation());
        Cut::Before(nth).prepare(&desk);
        let facts = ["removed", "in the middle of erasing", "may still hold"];
        erase(&desk).expect(10, &facts);
        insert(&desk);
        assert_eq!(up(&desk), found, "{nth}");
        let list = desk.computer.tokenvpn(&["token", "list"]).ok();
        assert_eq!(list.contains("traveller"), has_label, "{nth}: {list}");
        if has_label {
            erase(&desk).expect(0, &[]);
        }
        // Zeros are as good as nothing: there is nothing to ask about.
        desk.token(&["erase"], desk.card.pin(), "").expect_code(0);
        assert_eq!(up(&desk), EMPTY, "{nth}");
    }
}

#[test]
fn a_service_that_dies_in_the_middle_of_a_write_leaves_more_to_do_than_to_start_it() {
    let desk = Desk::new();
    desk.card.delay(Duration::from_millis(300));
    let number = rig::client::PIN_FD.to_string();
    let issue = || {
        desk.computer
            .tokenvpn(&["token", "issue", "--pin-fd", &number])
            .text_on(rig::client::PIN_FD, desk.card.pin())
            .stdin(text(&invitation()))
            .spawn()
    };
    let begun = issue();
    wait::until_true("it writes", wait::SOON, || desk.card.counts().writes > 0);
    desk.computer.kill_pcscd();
    let facts = ["no smart-card service", "in the middle of writing"];
    let facts = [&facts[..], &["gone or incomplete", "pcscd.socket"]].concat();
    let ended = begun.finish().expect_error(13, &facts);
    assert!(ended.stderr.ends_with("; then start over\n"), "{ended}");

    // Where nothing was written, nothing is said of that.
    let ended = issue().finish().expect_error(13, &["pcscd.socket"]);
    assert!(!ended.stderr.contains("in the middle"), "{ended}");
}

#[test]
fn no_card_gets_a_name_for_what_it_does_not_hold() {
    let words = ["issue", "--card-name", "Traveller 7"];
    let issue = |desk: &Desk, cut: Cut| {
        cut.prepare(desk);
        let answers = [("Admin PIN for", ADMIN_PIN), ("PIN for", desk.card.pin())];
        desk.converse(&words, &text(&invitation()), &answers)
    };
    let desk = Desk::new();
    let facts = ["removed", "in the middle of writing"];
    let ended = issue(&desk, Cut::Before(2)).expect(10, &facts);
    assert_eq!(ended.stdout, "");
    insert(&desk);
    let shown = desk.computer.tokenvpn(&["token", "show", "--json"]).ok();
    assert!(!shown.contains("Traveller 7"), "{shown}");

    // And what it holds is of use without the name.
    let desk = Desk::new();
    let facts = ["removed", "has not got its name", "all else is done"];
    let ended = issue(&desk, Cut::Before(3)).expect(10, &facts);
    let enrolment = Enrolment::from_toml(&ended.stdout).unwrap();
    insert(&desk);
    let shown = desk.shown();
    assert_eq!(shown["card_name"], "");
    let key = enrolment.public_key.to_string();
    assert_eq!(shown["profile"]["public_key"], key);
}

#[test]
fn an_enrolment_that_cannot_be_printed_is_not_lost() {
    for script in [
        "exec \"$0\" token issue --pin-fd 9 > /dev/full",
        "set -o pipefail; \"$0\" token issue --pin-fd 9 | true",
    ] {
        let desk = Desk::new();
        let invitation = invitation();
        let issue = desk.computer.run("bash").args(["-c", script]);
        let issue = issue
            .arg(programs::client())
            .text_on(9, desk.card.pin())
            .stdin(text(&invitation))
            .finish();
        let said = issue.expect_code(1).stderr;
        let (_, rest) = said
            .split_once("The enrolment, which nobody has got:\n")
            .unwrap_or_else(|| panic!("{said}"));
        let (enrolment, error) = rest.split_once("error: ").unwrap();
        let enrolment = Enrolment::from_toml(enrolment).unwrap();
        assert_eq!(enrolment.id, invitation.id);
        let key = enrolment.public_key.to_string();
        assert_eq!(desk.shown()["profile"]["public_key"], key);
        assert!(error.starts_with("the output cannot be written"), "{error}");
        assert!(error.contains("give the enrolment above"), "{error}");
    }
}

#[test]
fn what_a_fast_clock_has_dated_is_told_with_both_clocks_and_mended_by_a_right_one() {
    let year = 365 * DAY;
    let first = Invitation {
        expires: Some(UnixTime(unix_time().0 + 2 * year)),
        ..invitation()
    };
    let desk = issued(&first);
    let clock = WallClock::new(&desk.computer);
    let number = rig::client::PIN_FD.to_string();
    let edit = |fast: u64| {
        clock.set_fast(fast.cast_signed());
        let edit = desk
            .computer
            .tokenvpn(&["token", "edit", "--no-dns", "--pin-fd", &number]);
        clock
            .of(edit)
            .text_on(rig::client::PIN_FD, desk.card.pin())
            .finish()
    };
    // A clock that is beyond the token's end is wrong, or what it does is of no use.
    desk.card.reset_counts();
    let facts = ["expired on", "nothing was written", "renew", "timedatectl"];
    edit(3 * year).expect_error(EXPIRED, &facts);
    assert_eq!(desk.card.counts().writes, 0);

    edit(year).expect_code(0);
    let up_now = desk
        .computer
        .tokenvpn(&["up", "--once", "--pin-fd", &number])
        .text_on(rig::client::PIN_FD, desk.card.pin())
        .finish();
    let both = [
        "this computer's clock",
        "of the computer that wrote the token",
    ];
    up_now.expect_error(14, &[&both[..], &["timedatectl", "renew"]].concat());
    edit(0).expect_code(0);
    assert_eq!(up(&desk), USABLE);
}

/// Waits until it holds its signals, and has so many threads.
#[track_caller]
fn await_held(process: &Process, number: usize) {
    wait::until_true("it holds its signals", wait::SOON, || {
        let threads = threads(process.pid());
        let holds = |blocked: &str| u64::from_str_radix(blocked, 16).is_ok_and(|set| set != 0);
        threads.len() == number && threads.iter().all(|thread| holds(&thread["SigBlk"]))
    });
}

#[test]
fn a_pin_that_does_not_come_keeps_nobody_from_the_token_and_is_given_up() {
    let desk = Desk::new();
    let made = desk.computer.run("mkfifo").arg("silent").finish();
    made.expect_code(0);
    for (signal, words) in [
        (Signal::SIGINT, "show"),
        (Signal::SIGTERM, "edit --no-dns"),
        (Signal::SIGHUP, "erase"),
    ] {
        let script = format!("exec 9<>silent; exec \"$0\" token {words} --pin-fd 9");
        let silent = desk.computer.run("bash").args(["-c", &script]);
        let silent = silent.arg(programs::client()).spawn();
        wait::until_true("it is ours", wait::SOON, || {
            !desk.computer.processes_of(&programs::client()).is_empty()
        });
        await_held(&silent, 1);
        desk.token(&["show"], desk.card.pin(), "").expect_code(8);
        silent.signal(signal);
        let given_up = silent.finish();
        given_up.expect_error(4, &["no PIN was given", "nothing was changed"]);
    }
}

#[test]
fn a_service_that_hangs_is_given_up() {
    let desk = Desk::new();
    let pcscd = Pid::from_raw(desk.computer.processes_named("pcscd")[0]);
    kill(pcscd, Signal::SIGSTOP).expect("it is stopped");
    let number = rig::client::PIN_FD.to_string();
    let facts = ["before the token answered", "restart pcscd"];
    for words in [&["show"][..], &["edit", "--no-dns"], &["erase"]] {
        let hanging = desk.computer.tokenvpn(&["token"]).args(words);
        let hanging = hanging
            .args(["--pin-fd", &number])
            .text_on(rig::client::PIN_FD, desk.card.pin())
            .spawn();
        // The second one waits for an interrupt.
        await_held(&hanging, 2);
        hanging.signal(Signal::SIGINT);
        hanging.finish().expect_error(1, &facts);
    }
    kill(pcscd, Signal::SIGCONT).expect("it goes on");

    // Also when it hangs later, as long as nothing is being written.
    let (show, pty) = desk.asking(&["show"], "");
    pty.expect("PIN for");
    pty.await_no_echo();
    kill(pcscd, Signal::SIGSTOP).expect("it is stopped");
    pty.type_line(desk.card.pin());
    await_held(&show, 2);
    show.signal(Signal::SIGINT);
    let ended = show.finish().expect_code(1).stderr;
    assert!(facts.iter().all(|fact| ended.contains(fact)), "{ended}");
    kill(pcscd, Signal::SIGCONT).expect("it goes on");
}

#[test]
fn a_pin_on_standard_input_is_taken_where_that_holds_no_invitation() {
    let desk = Desk::new();
    let token = |words: &[&str]| {
        let token = desk.computer.tokenvpn(&["token"]).args(words);
        token.args(["--pin-fd", "0"])
    };
    for words in ["issue", "renew", "add-gateway"] {
        let refused = token(&[words]).stdin(text(&invitation())).finish();
        refused.expect_error(2, &["both the invitation and the PIN", "--pin-fd 9"]);
    }
    let file = desk.computer.dir().join("invitation.toml");
    std::fs::write(&file, text(&invitation())).unwrap();
    let words = ["issue", file.to_str().unwrap()];
    token(&words).stdin(desk.card.pin()).finish().expect_code(0);
    token(&["show"])
        .stdin(desk.card.pin())
        .finish()
        .expect_code(0);
}

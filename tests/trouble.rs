//! What goes wrong on a traveller's computer: a named error in two lines, an exit code, and nothing
//! left half done.

use std::{fs, time::Duration};

use nix::sys::signal::Signal;
use rig::{
    Card, Finished, Host, Pty, Scene, WallClock, World,
    card::{ADMIN_PIN, GET_DATA, PIN, READER, Slot, VERIFY},
    client::PIN_FD,
    scene::{self, INNER_NETWORK},
    wait::{self, SOON},
};
use tokenvpn_common::{
    clock::UnixTime,
    io::{card::Token, clock::unix_time},
    token::Label,
};

const DAY: u64 = 24 * 60 * 60;

/// A computer with pcscd and a card in its reader, and nothing else.
struct Desk {
    card: Card,
    host: Host,
    before: String,
    _world: World,
}

impl Desk {
    #[track_caller]
    fn new() -> Desk {
        Desk::with(|world| Card::new(world, "traveller"))
    }

    #[track_caller]
    fn with(card: impl FnOnce(&World) -> Card) -> Desk {
        let world = World::new();
        let host = world.host("computer");
        host.start_pcscd();
        let card = card(&world);
        card.connect(&host);
        card.insert();
        let before = host.network_state();
        Desk {
            card,
            host,
            before,
            _world: world,
        }
    }

    /// Runs `up` to its end with the card's PIN on a descriptor.
    #[track_caller]
    fn up(&self, options: &[&str]) -> Finished {
        up(&self.host, self.card.pin(), options)
    }

    /// Insists that nothing is left: no process, no change of the network, no file.
    #[track_caller]
    fn is_clean(&self) {
        is_clean(&self.host, &self.before);
    }
}

#[track_caller]
fn up(host: &Host, pin: &str, options: &[&str]) -> Finished {
    let number = PIN_FD.to_string();
    host.tokenvpn(&["up", "--pin-fd", &number])
        .args(options)
        .text_on(PIN_FD, pin)
        .finish()
}

#[track_caller]
fn is_clean(host: &Host, before: &str) {
    assert_eq!(host.network_state(), before);
    assert_eq!(host.processes_named("tokenvpn"), [0; 0]);
    assert_eq!(host.runtime_files(), [""; 0]);
}

#[test]
fn without_a_smart_card_service() {
    let world = World::new();
    let host = world.host("computer");
    let before = host.network_state();
    up(&host, PIN, &[]).expect_error(13, &["smart-card service", "pcscd"]);
    host.tokenvpn(&["token", "list"])
        .finish()
        .expect_error(13, &["smart-card service", "pcscd"]);
    is_clean(&host, &before);
}

#[test]
fn without_a_reader_or_a_token_in_time() {
    let world = World::new();
    let host = world.host("computer");
    // A service that knows no reader at all.
    let config = host.dir().join("no-readers");
    fs::create_dir(&config).unwrap();
    host.run("pcscd")
        .args(["--foreground", "--config"])
        .arg(&config)
        .spawn();
    let socket = host.path("/run/pcscd/pcscd.comm");
    wait::until_true("pcscd serves", SOON, || socket.exists());
    let before = host.network_state();
    up(&host, PIN, &["--wait", "1"]).expect_error(3, &["token", "1 s"]);
    is_clean(&host, &before);

    let desk = Desk::new();
    desk.card.remove();
    desk.up(&["--wait", "1"]).expect_error(3, &["token"]);
    desk.is_clean();
}

#[test]
fn another_token_than_the_one_asked_for() {
    let desk = Desk::new();
    desk.up(&["--wait", "1", "--token", "0006:12345678"])
        .expect_error(3, &["token"]);
    assert_eq!(desk.card.counts().pins, 0);
    desk.is_clean();
}

#[test]
fn without_the_right_to_make_a_tunnel() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    desk.card.reset_counts();
    let number = PIN_FD.to_string();
    let up = desk
        .host
        .tokenvpn(&["up", "--pin-fd", &number])
        .text_on(PIN_FD, PIN)
        .as_nobody()
        .finish();
    up.expect_error(12, &["root"]);
    assert_eq!(desk.card.counts().pins, 0, "a PIN was spent in vain");
    desk.is_clean();
}

#[test]
fn without_a_tun_device() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    desk.host
        .run("mount")
        .args(["-t", "tmpfs", "none", "/dev/net"])
        .ok();
    desk.up(&[]).expect_error(12, &["/dev/net/tun"]);
    desk.is_clean();
}

#[test]
fn an_interface_name_that_is_taken() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    desk.host.ip("link add mine type veth peer name yours");
    let before = desk.host.network_state();
    desk.up(&["--interface", "mine"]).expect_error(1, &["mine"]);
    assert_eq!(desk.host.network_state(), before);
}

#[test]
fn a_second_up_on_the_same_interface() {
    let desk = Desk::new();
    desk.card.remove();
    let first = desk.host.up(PIN, &[]);
    first.await_state("waiting_token");
    desk.up(&[]).expect_error(1, &["tokenvpn"]);
    assert!(first.process().is_running());
    desk.host.tokenvpn(&["down"]).ok();
    assert_eq!(first.process().exit_code(SOON), 0);
    desk.is_clean();
}

#[test]
fn what_root_has_begun_an_ordinary_user_may_not_end() {
    let desk = Desk::new();
    desk.card.remove();
    let up = desk.host.up(PIN, &[]);
    up.await_state("waiting_token");
    let as_nobody = |command| desk.host.tokenvpn(&[command]).as_nobody().finish();
    as_nobody("down").expect_error(12, &["no permission to end", "root"]);
    as_nobody("status").expect_error(12, &["no permission to ask", "root"]);
    assert!(up.process().is_running());
    desk.host.tokenvpn(&["down"]).ok();
    desk.is_clean();
}

#[test]
fn a_wrong_command_line() {
    let world = World::new();
    let host = world.host("computer");
    for words in [
        &["up", "--interface", "../../etc"][..],
        &["up", "--wait", "soon"],
        &["up", "--token", "nonsense"],
        &["up", "--pin", "123456"],
        &["upp"],
    ] {
        host.tokenvpn(words).finish().expect_code(2);
    }
    up(&host, PIN, &["--pin-fd", "77"]).expect_code(2);
}

/// A profile of nobody's gateway, changed in one respect.
fn profile(change: fn(&mut tokenvpn_common::profile::Profile)) -> Vec<u8> {
    let mut profile = scene::profile("192.0.2.1:51820", None);
    change(&mut profile);
    profile.encode().expect("it fits").to_vec()
}

#[test]
fn an_empty_token() {
    let desk = Desk::new();
    desk.up(&[])
        .expect_error(8, &["no VPN profile", "token issue"]);
    desk.is_clean();
}

#[test]
fn a_token_with_something_else_on_it() {
    let desk = Desk::new();
    desk.card.write(&desk.host, b"login: somebody", None);
    desk.up(&[]).expect_error(8, &["another program"]);
    desk.is_clean();
}

#[test]
fn a_damaged_profile() {
    let desk = Desk::new();
    let mut bytes = profile(|_| {});
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    desk.card.write(&desk.host, &bytes, None);
    desk.up(&[]).expect_error(7, &["damaged", "issue it again"]);
    desk.is_clean();
}

/// What a newer program might have written: another version, and its checksum (CRC-32 of
/// ISO-HDLC).
fn newer(bytes: &[u8]) -> Vec<u8> {
    let mut body = bytes[..bytes.len() - 4].to_vec();
    body[3] = 9;
    let crc = body.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    });
    body.extend((!crc).to_be_bytes());
    body
}

#[test]
fn a_profile_of_a_newer_program_costs_no_pin_if_its_label_is_newer_too() {
    let desk = Desk::new();
    let bytes = newer(&profile(|_| {}));
    desk.card.write(&desk.host, &bytes, None);
    desk.up(&[]).expect_error(7, &["newer tokenvpn", "update"]);
    let label = Label::of(&scene::profile("192.0.2.1:51820", None));
    let label = newer(&label.encode().expect("it fits"));
    desk.card.write(&desk.host, &bytes, Some(&label));
    desk.card.reset_counts();
    desk.up(&[]).expect_error(7, &["label", "newer tokenvpn"]);
    assert_eq!(desk.card.counts().pins, 0);
    desk.is_clean();
}

#[test]
fn a_label_that_is_somebody_else_s_or_damaged_decides_nothing() {
    let desk = Desk::new();
    let label = Label::of(&scene::profile("192.0.2.1:51820", None));
    let mut damaged = label.encode().expect("it fits").to_vec();
    damaged[5] ^= 1;
    for label in [&b"login: somebody"[..], &damaged] {
        desk.card.write(&desk.host, b"login: somebody", Some(label));
        desk.up(&[]).expect_error(8, &["another program"]);
        desk.card.write(&desk.host, &profile(|_| {}), Some(label));
        let up = desk.host.up(PIN, &[]);
        up.await_state("connecting");
        desk.host.tokenvpn(&["down"]).ok();
    }
    desk.is_clean();
}

#[test]
fn the_last_two_weeks_are_told() {
    let desk = Desk::new();
    let soon = profile(|profile| {
        profile.not_after = Some(UnixTime(unix_time().0 + 6 * DAY + DAY / 2));
    });
    desk.card.write(&desk.host, &soon, None);
    let up = desk.host.up(PIN, &[]);
    up.await_state("expires_soon");
    up.await_state("connecting");
    desk.host.tokenvpn(&["down"]).ok();
    desk.is_clean();
}

#[test]
fn a_card_without_private_use_objects() {
    let desk = Desk::with(|world| Card::new(world, "traveller").without_private_use());
    desk.up(&[])
        .expect_error(15, &["cannot hold a profile", "YubiKey 5"]);
    assert_eq!(desk.card.counts().pins, 0);
    desk.is_clean();
}

#[test]
fn a_card_with_objects_of_255_bytes_is_as_good_as_any() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = Card::new(&scene.world, "traveller").with_room(255);
    scene.one.start_pcscd();
    card.connect(&scene.one);
    card.insert();
    let invitation = gateway.invite("traveller", &["--route", INNER_NETWORK]);
    gateway.enrol(&scene.one.issue(&invitation, card.pin()));
    // What is too much for it is refused before anything is written.
    let routes: Vec<String> = (0..60).map(|net| format!("10.{net}.0.0/16")).collect();
    let mut options = Vec::new();
    for route in &routes {
        options.extend(["--route", route]);
    }
    let long = gateway.invite("traveller", &options);
    let number = PIN_FD.to_string();
    let renewed = scene
        .one
        .tokenvpn(&["token", "renew", "--pin-fd", &number])
        .text_on(PIN_FD, card.pin())
        .stdin(long)
        .finish();
    let said = renewed.stderr.clone();
    renewed.expect_code(1);
    assert!(said.contains("room for 255"), "{said}");
    card.remove();
    let _up = scene.connect(&scene.one, &card);
    assert!(scene.one.pings(scene::SERVER));
}

#[test]
fn a_card_that_talks_nonsense_or_forgets_is_not_believed() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    desk.card.remove();
    for nth in 1..=8 {
        let up = desk.host.up(PIN, &["--ready-timeout", "1", "--wait", "5"]);
        up.await_state("waiting_token");
        desk.card.garble_at(GET_DATA, nth);
        desk.card.insert();
        let code = up.process().exit_code(SOON);
        // Whatever it garbled: a named error, or it was not needed.
        assert!(
            [1, 3, 4, 5, 7, 8, 9, 15].contains(&code),
            "{nth}: {code}\n{}",
            up.process().report()
        );
        desk.card.garble_at(GET_DATA, 0);
        desk.card.remove();
    }
    desk.is_clean();
    // A PIN that it has not checked opens nothing.
    let up = desk.host.up(PIN, &["--ready-timeout", "1"]);
    up.await_state("waiting_token");
    desk.card.forget_at(VERIFY, 1);
    desk.card.insert();
    assert_eq!(up.process().exit_code(SOON), 1, "{}", up.process().report());
    desk.is_clean();
}

#[test]
fn a_card_that_fails_is_told_and_begun_with_again_when_it_is_put_in_again() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    // It says that the PIN is right, and gives out no profile.
    desk.card.forget_at(VERIFY, 1);
    let up = desk.host.up(PIN, &[]);
    let told = up.await_state("card_failed");
    assert_eq!(told["code"], 1);
    let what = told["what"].as_str().expect("a text");
    assert!(what.contains("does not do as it should"), "{what}");
    assert_eq!(told["reason"], what);
    let hint = told["hint"].as_str().expect("a text");
    assert!(hint.contains("plug it in again"), "{hint}");
    assert_eq!(up.process().exit_code(SOON), 1);
    desk.is_clean();

    desk.card.forget_at(VERIFY, 1);
    let pty = Pty::open();
    let _up = desk.host.up_on(&pty, &[]);
    desk.host.type_pin(&pty, PIN);
    pty.expect("does not do as it should");
    pty.expect("Waiting until that changes");
    desk.card.remove();
    pty.expect("Waiting for a token");
    desk.card.insert();
    desk.host.type_pin(&pty, PIN);
    pty.expect("Connecting to");
}

#[test]
fn an_expired_profile_costs_no_pin_if_its_label_says_so() {
    let desk = Desk::new();
    let mut expired = scene::profile("192.0.2.1:51820", None);
    expired.issued = UnixTime(unix_time().0 - 30 * DAY);
    expired.not_after = Some(UnixTime(unix_time().0 - 3 * DAY));
    let bytes = expired.encode().expect("it fits");
    let label = Label::of(&expired).encode().expect("it fits");
    desk.card.write(&desk.host, &bytes, Some(&label));
    desk.card.reset_counts();
    desk.up(&[])
        .expect_error(6, &["expired", "3 days ago", "renew"]);
    assert_eq!(desk.card.counts().pins, 0);
    desk.is_clean();

    // Without a label only the profile can say it.
    desk.card.write(&desk.host, &bytes, Some(&[]));
    desk.up(&[]).expect_error(6, &["expired", "3 days ago"]);
    desk.is_clean();
}

#[test]
fn a_profile_for_later_and_a_clock_that_cannot_be_right() {
    let desk = Desk::new();
    let later = profile(|profile| {
        profile.not_before = Some(UnixTime(unix_time().0 + 5 * DAY));
    });
    desk.card.write(&desk.host, &later, None);
    desk.up(&[]).expect_error(14, &["valid from"]);
    desk.is_clean();

    let from_the_future = profile(|profile| {
        profile.issued = UnixTime(unix_time().0 + 400 * DAY);
    });
    desk.card.write(&desk.host, &from_the_future, None);
    desk.up(&[]).expect_error(14, &["clock"]);
    desk.is_clean();
}

#[test]
fn a_computer_that_has_forgotten_the_time_is_told_so_before_a_pin_is_asked() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    desk.card.reset_counts();
    let clock = WallClock::new(&desk.host);
    let now = i64::try_from(unix_time().0).expect("a time of today");
    let number = PIN_FD.to_string();
    let up = |fast| {
        clock.set_fast(fast);
        let up = desk.host.tokenvpn(&["up", "--pin-fd", &number]);
        clock.of(up.text_on(PIN_FD, PIN)).finish()
    };
    up(60 - now).expect_error(14, &["1970-01-01", "timedatectl"]);
    assert_eq!(desk.card.counts().pins, 0);
    // A clock that is only wrong by days is found out by the profile.
    up(-3 * 86_400).expect_error(14, &["clock", "timedatectl"]);
    assert_eq!(desk.card.counts().pins, 1);
    desk.is_clean();
}

#[test]
fn a_wrong_pin_that_nobody_typed_is_tried_once() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    desk.card.reset_counts();
    up(&desk.host, "654321", &[]).expect_error(4, &["PIN"]);
    assert_eq!(desk.card.counts().pins, 1);
    desk.is_clean();
    // Even the right one is not risked any more: nobody knows whose mistake it was.
    desk.up(&[]).expect_error(4, &["2 tries"]);
    assert_eq!(desk.card.counts().pins, 1);
    // What can be nobody's PIN costs nothing.
    up(&desk.host, "123", &[]).expect_code(4);
    up(&desk.host, "", &[]).expect_code(4);
    assert_eq!(desk.card.counts().pins, 1);
    desk.is_clean();
}

#[test]
fn nobody_to_ask_for_a_pin() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    desk.card.reset_counts();
    let up = desk.host.tokenvpn(&["up"]).stdin("123456\n").finish();
    up.expect_error(4, &["terminal", "--pin-fd"]);
    assert_eq!(desk.card.counts().pins, 0);
    desk.is_clean();
}

#[test]
fn a_blocked_pin() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    let wrong = || tokenvpn_common::io::card::Pin::new(b"654321").expect("it could be one");
    desk.host.with_pcsc(|| {
        for _ in 0..3 {
            let mut token = Token::open(READER).expect("the card is in");
            token.read_profile(wrong()).expect_err("it is wrong");
        }
    });
    desk.card.reset_counts();
    desk.up(&[]).expect_error(5, &["blocked", "unblock"]);
    assert_eq!(desk.card.counts().pins, 0);
    desk.is_clean();
}

#[test]
fn a_token_that_another_program_holds() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    desk.card.reset_counts();
    let ident = desk.card.ident();
    desk.host.with_pcsc(|| {
        let _held = Token::open(READER).expect("the card is in");
        desk.up(&[]).expect_error(11, &["another program", READER]);
        let perhaps = format!("perhaps {ident}");
        desk.up(&["--token", &ident])
            .expect_error(11, &["another program", READER, &perhaps]);
        // The look at it takes longer than that.
        desk.up(&["--wait", "1"])
            .expect_error(11, &["another program"]);
    });
    assert_eq!(desk.card.counts().pins, 0);
    desk.is_clean();
}

#[test]
fn the_program_that_holds_the_token_is_named_and_when_it_lets_go_the_pin_is_asked() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    let there = Pty::open();
    let holder = desk.host.up_on(&there, &["--interface", "other"]);
    there.expect("tries left");
    let here = Pty::open();
    let _up = desk.host.up_on(&here, &[]);
    here.expect("another program holds it");
    // Neither that one nor the supervisor of the first holds anything.
    let facts = [
        "another program holds it (likely tokenvpn, pid",
        "answer what it asks",
    ];
    let third = desk.up(&["--interface", "third"]).expect_error(11, &facts);
    assert_eq!(third.stderr.matches("tokenvpn, pid").count(), 1, "{third}");
    holder.process().signal(Signal::SIGTERM);
    assert_eq!(holder.process().exit_code(SOON), 0);
    desk.host.type_pin(&here, PIN);
    here.expect("Connecting to");
}

#[test]
fn a_tokenvpn_that_carries_packets_is_not_said_to_hold_what_it_has_let_go_of() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    let carries = desk.host.up(PIN, &["--interface", "other"]);
    carries.await_state("connecting");
    let held = desk.host.with_pcsc(|| {
        let _held = Token::open(READER).expect("the card is let go of");
        desk.up(&[]).expect_error(11, &["another program holds it"])
    });
    // Whoever does is not in a process that can be seen from there.
    assert!(!held.stderr.contains("likely"), "{held}");
    assert!(carries.process().is_running());
}

/// gpg's own, as anybody has it who signs or logs in with the same token.
#[test]
fn gpg_s_scdaemon_is_named_with_the_command_that_makes_it_let_go() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    let gpg = Pty::open();
    let home = desk.host.dir().to_string_lossy().into_owned();
    let scdaemon = desk
        .host
        .run("/usr/lib/gnupg/scdaemon")
        .args(["--server", "--disable-ccid", "--homedir", &home])
        .on(&gpg)
        .spawn();
    gpg.expect("OK GNU Privacy Guard's Smartcard server ready");
    gpg.type_line("SERIALNO openpgp");
    gpg.expect("S SERIALNO D276000124");
    let likely = "(likely scdaemon, pid ";
    let cure = "gpg-connect-agent 'scd killscd' /bye";
    desk.up(&[])
        .expect_error(11, &["another program holds it", likely, cure]);

    // What that command does.
    let here = Pty::open();
    let _up = desk.host.up_on(&here, &[]);
    here.expect("another program holds it");
    gpg.type_line("KILLSCD");
    gpg.type_line("BYE");
    scdaemon.wait(SOON);
    desk.host.type_pin(&here, PIN);
    here.expect("Connecting to");
}

#[test]
fn a_token_that_is_mended_in_another_terminal_is_begun_with_again() {
    let desk = Desk::new();
    let pty = Pty::open();
    let up = desk.host.up_on(&pty, &[]);
    desk.host.type_pin(&pty, PIN);
    pty.expect("holds no VPN profile");
    pty.expect("Waiting until that changes");
    let label = Label::of(&scene::profile("192.0.2.1:51820", None));
    let label = label.encode().expect("it fits");
    let bytes = profile(|_| {});
    desk.card.write(&desk.host, &bytes, Some(&label));
    desk.card.reset_counts();
    let mistype = || {
        pty.expect("left: ");
        pty.await_no_echo();
        pty.type_line("654321");
    };
    mistype();
    pty.expect("Wrong PIN. 2 tries left.");
    mistype();
    pty.expect("Type YES");
    pty.type_line("YES");
    mistype();
    pty.expect("the PIN is blocked");
    pty.expect("Waiting until that changes");
    assert_eq!(desk.card.counts().pins, 3);

    let there = Pty::open();
    let unblock = desk.host.tokenvpn(&["token", "unblock"]).on(&there).spawn();
    for (question, answer) in [
        ("Admin PIN for", ADMIN_PIN),
        ("New PIN: ", "918273"),
        ("again: ", "918273"),
    ] {
        there.expect(question);
        there.await_no_echo();
        there.type_line(answer);
    }
    assert_eq!(unblock.exit_code(SOON), 0, "{}", there.screen().all());
    desk.host.type_pin(&pty, "918273");
    pty.expect("Connecting to");
    up.process().signal(Signal::SIGTERM);
    assert_eq!(up.process().exit_code(SOON), 0);
}

#[test]
fn a_token_that_is_changed_for_another_at_the_prompt() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    desk.card.reset_counts();
    let pty = Pty::open();
    let _up = desk.host.up_on(&pty, &[]);
    pty.expect(&desk.card.ident());
    pty.await_no_echo();
    pty.press("4285");
    desk.card.remove();
    pty.expect("Token removed");
    let other = Card::with_pin(&desk._world, "other", "73910486").with_serial("00C0FFEE");
    other.connect(&desk.host);
    other.insert();
    pty.expect("FFFE:00C0FFEE");
    pty.await_no_echo();
    pty.type_line("73910486");
    pty.expect("holds no VPN profile");
    assert_eq!(other.counts().right_pins, 1);
    assert_eq!(desk.card.counts().pins, 0, "half a PIN was tried");
}

#[test]
fn a_service_that_is_restarted_is_waited_for_and_one_that_stays_away_is_told() {
    let desk = Desk::new();
    desk.card.write(&desk.host, &profile(|_| {}), None);
    desk.card.remove();
    let pty = Pty::open();
    let up = desk.host.up_on(&pty, &[]);
    pty.expect("Waiting for a token");
    desk.host.kill_pcscd();
    // As long as an update may take.
    std::thread::sleep(Duration::from_secs(3));
    desk.host.start_pcscd();
    desk.card.connect(&desk.host);
    desk.card.insert();
    desk.host.type_pin(&pty, PIN);
    pty.expect("Connecting to");
    desk.host.kill_pcscd();
    pty.expect("The smart-card service broke off");
    pty.expect("Keys erased");
    pty.expect("Waiting for the smart-card service");
    pty.expect("no smart-card service");
    assert_eq!(up.process().exit_code(SOON), 13);
    assert_eq!(desk.host.network_state(), desk.before);
}

#[test]
fn a_gateway_that_does_not_answer_in_time() {
    let desk = Desk::new();
    desk.host.ip("link add eth0 type veth peer name nowhere");
    desk.host.ip("address add 192.0.2.10/24 dev eth0");
    desk.host.ip("link set eth0 up");
    desk.host.ip("link set nowhere up");
    desk.card.write(&desk.host, &profile(|_| {}), None);
    // Neighbours and link-local addresses come and go by themselves.
    wait::until("the links have settled", SOON, || {
        let state = desk.host.network_state();
        (!state.contains("tentative")).then_some(())
    });
    let links = desk.host.ip("-brief link");
    desk.up(&["--ready-timeout", "2"])
        .expect_error(9, &["no gateway", "2 s"]);
    assert_eq!(desk.host.ip("-brief link"), links);
    assert_eq!(desk.host.processes_named("tokenvpn"), [0; 0]);
}

#[test]
fn two_tokens_and_no_choice() {
    let desk = Desk::new();
    let other = Card::new(&desk._world, "other");
    other.connect_to(&desk.host, Slot::Second);
    other.insert();
    wait::until_true("both are seen", SOON, || {
        let list = desk.host.tokenvpn(&["token", "list"]).ok();
        list.contains(&desk.card.ident()) && list.contains(&other.ident())
    });
    let (first, second) = (desk.card.ident(), other.ident());
    desk.up(&[]).expect_error(2, &[&first, &second, "--token"]);
    desk.is_clean();
}

#[test]
fn down_and_status_without_up() {
    let world = World::new();
    let host = world.host("computer");
    host.tokenvpn(&["status"]).finish().expect_code(3);
    let down = host.tokenvpn(&["down"]).finish().expect_code(0);
    assert!(down.stderr.contains("was not up"), "{down}");
}

//! What goes wrong on a traveller's computer: a named error in two lines, an exit code, and nothing
//! left half done.

use std::fs;

use rig::{
    Card, Finished, Host, World,
    card::{PIN, READER, Slot},
    client::PIN_FD,
    scene,
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
        let world = World::new();
        let host = world.host("computer");
        host.start_pcscd();
        let card = Card::new(&world, "traveller");
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
    desk.host.with_pcsc(|| {
        let _held = Token::open(READER).expect("the card is in");
        desk.up(&[]).expect_error(11, &["another program"]);
    });
    assert_eq!(desk.card.counts().pins, 0);
    desk.is_clean();
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

//! The smart-card service: one that does not let us in, and one that goes away in between.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rig::{
    Card, Desk, Host, Invocation, Pty, Scene, Up, World,
    client::PIN_FD,
    process::is_alive,
    scene::{self, SERVER},
    wait::{self, SOON},
};

/// What a user may do who is not root, and the worker of a tunnel has to.
const ENOUGH: &str = "+net_admin,+ipc_lock";

/// `up` as a user who may do this and has a directory for it, as a service may run.
#[track_caller]
fn up_as_nobody(host: &Host, capabilities: &str) -> Invocation {
    host.run("install")
        .args(["-d", "-o", "nobody", "/run/tokenvpn"])
        .ok();
    let number = PIN_FD.to_string();
    host.run("setpriv")
        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        .arg(format!("--inh-caps={capabilities}"))
        .arg(format!("--ambient-caps={capabilities}"))
        .arg(rig::programs::client())
        .args(["up", "--json", "--pin-fd", &number])
        .text_on(PIN_FD, rig::card::PIN)
}

/// Insists that `up` is refused by the smart-card service, and says so.
#[track_caller]
fn is_refused(up: &Up) {
    let told = up.await_state("no_permission");
    assert_eq!(told["cards"], true, "{told}");
    assert_eq!(told["code"], 12);
    let what = told["what"].as_str().expect("a text");
    assert!(what.contains("refuses this user"), "{what}");
    let hint = told["hint"].as_str().expect("a text");
    assert!(hint.contains("polkit"), "{hint}");
    assert_eq!(up.process().exit_code(SOON), 12);
}

/// A card with a profile that nobody answers, in its reader.
#[track_caller]
fn desk() -> Desk {
    let desk = Desk::new();
    let profile = scene::profile("192.0.2.1:51820", None);
    let bytes = profile.encode().expect("it fits");
    desk.card.write(&desk.computer, &bytes, None);
    desk.card.reset_counts();
    desk
}

#[test]
fn one_whose_socket_is_not_for_this_user() {
    let desk = desk();
    let host = &desk.computer;
    let up = Up::started(host, up_as_nobody(host, ENOUGH));
    up.await_state("connecting");
    up.process().signal(Signal::SIGTERM);
    assert_eq!(up.process().exit_code(SOON), 0);

    let socket = host.path("/run/pcscd/pcscd.comm");
    fs::set_permissions(&socket, Permissions::from_mode(0o600)).expect("root may");
    is_refused(&Up::started(host, up_as_nobody(host, ENOUGH)));
    let list = host.tokenvpn(&["token", "list"]).as_nobody();
    list.finish().expect_error(12, &["refuses this user"]);
    let doctor = host.tokenvpn(&["doctor"]).as_nobody().finish();
    assert!(doctor.stdout.contains("refuses this user"), "{doctor}");
    assert_eq!(desk.card.counts().pins, 1);
}

/// pcscd asks polkit, where it was built with that, when somebody connects, and hangs up on whom
/// it does not let in.
#[test]
fn one_that_lets_this_user_in_by_no_rule_of_polkit() {
    let world = World::new();
    let host = world.host("computer");
    let service = host.within(|| {
        fs::create_dir_all("/run/pcscd").expect("a directory");
        UnixListener::bind("/run/pcscd/pcscd.comm").expect("a socket")
    });
    std::thread::spawn(move || service.incoming().for_each(drop));
    is_refused(&host.up(rig::card::PIN, &[]));
    let list = host.tokenvpn(&["token", "list"]);
    list.finish().expect_error(12, &["refuses this user"]);
    let doctor = host.tokenvpn(&["doctor"]).finish().expect_code(1);
    assert!(doctor.stdout.contains("refuses this user"), "{doctor}");
}

/// It may end before it is told what to begin with.
#[test]
fn a_worker_that_may_not_do_what_it_has_to_says_why() {
    let desk = desk();
    for _ in 0..8 {
        let up = up_as_nobody(&desk.computer, "+net_admin").finish();
        let told = up.expect_code(12).stdout;
        assert!(told.contains("CAP_IPC_LOCK"), "{told}");
    }
    assert_eq!(desk.card.counts().pins, 0);
}

/// What it says when the service has gone.
#[track_caller]
fn is_told_gone(pty: &Pty) {
    pty.expect("The smart-card service broke off");
    pty.expect("Keys erased");
    pty.expect("Waiting for the smart-card service");
}

/// Starts it again; its reader is a new one to the card.
#[track_caller]
fn is_back(host: &Host, card: &Card) {
    host.start_pcscd();
    card.connect(host);
    card.insert();
}

#[test]
fn one_that_goes_while_a_token_is_waited_for_is_waited_for_itself() {
    let desk = desk();
    let (host, card) = (&desk.computer, &desk.card);
    card.remove();
    let up = host.up(card.pin(), &[]);
    up.await_state("waiting_token");
    host.kill_pcscd();
    up.await_state("waiting_service");
    let status = host.tokenvpn(&["status"]).finish().expect_code(3);
    let told = "waiting for the smart-card service";
    assert!(status.stdout.contains(told), "{status}");
    host.start_pcscd();
    up.await_state("waiting_token");
    card.connect(host);
    card.insert();
    up.await_state("connecting");
}

#[test]
fn one_that_goes_at_the_prompt_leaves_the_terminal_alone_and_the_pin_is_asked_again() {
    let desk = desk();
    let (host, card) = (&desk.computer, &desk.card);
    let pty = Pty::open();
    let settings = pty.settings();
    let up = host.up_on(&pty, &[]);
    pty.expect("tries left");
    pty.await_no_echo();
    pty.press("4285");
    let worker = up.worker().expect("it asks");
    host.kill_pcscd();
    is_told_gone(&pty);
    assert!(!is_alive(worker));
    assert_eq!(pty.settings(), settings);
    is_back(host, card);
    // What was half typed is no part of it.
    host.type_pin(&pty, card.pin());
    pty.expect("Connecting to");
    assert_eq!((card.counts().pins, card.counts().right_pins), (1, 1));

    // One that hangs is seen no more, either.
    card.remove();
    pty.expect("Token removed");
    card.insert();
    pty.expect("tries left");
    pty.await_no_echo();
    let worker = up.worker().expect("it asks");
    let pcscd = Pid::from_raw(host.processes_named("pcscd")[0]);
    kill(pcscd, Signal::SIGSTOP).expect("it lives");
    is_told_gone(&pty);
    assert!(!is_alive(worker));
    assert_eq!(pty.settings(), settings);
    kill(pcscd, Signal::SIGCONT).expect("it lives");
    host.type_pin(&pty, card.pin());
    pty.expect("Connecting to");
}

/// How long each answer of the card is held back, so that the service goes before it.
const HELD_BACK: Duration = Duration::from_millis(200);

#[test]
fn one_that_goes_before_the_pin_is_asked_is_waited_for() {
    let desk = desk();
    let (host, card) = (&desk.computer, &desk.card);
    let pty = Pty::open();
    let _up = host.up_on(&pty, &[]);
    pty.expect("tries left");
    card.remove();
    // Seven commands look at the token, and those of the worker follow.
    for commands in [1, 4, 7, 8, 11] {
        pty.expect("Waiting for a token");
        card.delay(HELD_BACK);
        card.reset_counts();
        card.insert();
        wait::until_true("so many commands came", SOON, || {
            card.counts().all >= commands
        });
        host.kill_pcscd();
        card.delay(Duration::ZERO);
        is_back(host, card);
        host.type_pin(&pty, card.pin());
        pty.expect("Connecting to");
        card.remove();
    }
    let screen = pty.screen().all();
    assert!(!screen.contains("error: "), "{screen}");
}

#[test]
fn one_that_goes_while_the_profile_is_read_opens_nothing_and_is_waited_for() {
    let desk = desk();
    let (host, card) = (&desk.computer, &desk.card);
    let before = host.network_state();
    let pty = Pty::open();
    let up = host.up_on(&pty, &[]);
    // Before the answer to the PIN, and before the profile.
    for reads in [0, 1] {
        pty.expect("tries left");
        pty.await_no_echo();
        card.reset_counts();
        card.delay(HELD_BACK);
        pty.type_line(card.pin());
        wait::until_true("the PIN was tried", SOON, || card.counts().pins == 1);
        let begun = card.counts().reads;
        wait::until_true("it is read", SOON, || card.counts().reads >= begun + reads);
        host.kill_pcscd();
        is_told_gone(&pty);
        assert_eq!(up.pids(), [up.process().pid()]);
        assert_eq!(host.network_state(), before);
        card.delay(Duration::ZERO);
        is_back(host, card);
    }
    host.type_pin(&pty, card.pin());
    pty.expect("Connecting to");
}

#[test]
fn one_that_goes_in_a_grace_ends_it_and_the_token_s_pin_is_asked_again() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let one = &scene.one;
    let before = one.network_state();
    let pty = Pty::open();
    let up = one.up_on(&pty, &["--on-removal", "grace:60"]);
    one.connect_on(&pty, &card);
    let worker = up.worker().expect("a worker");
    card.remove();
    pty.expect("Closing in 60 s");
    assert!(is_alive(worker));
    one.kill_pcscd();
    is_told_gone(&pty);
    assert!(!is_alive(worker));
    assert_eq!(one.network_state(), before);
    is_back(one, &card);
    one.type_pin(&pty, card.pin());
    pty.expect("Connected as traveller");
    assert!(one.pings(SERVER));
    let screen = pty.screen().all();
    assert!(!screen.contains("The token is back"), "{screen}");
}

//! Where the PIN of `up` comes from: each way once to the end, and exactly one try for each entry,
//! counted at the card.

use std::fs;

use nix::sys::signal::Signal;
use rig::{
    Card, Host, Invocation, Keypad, Pty, Quarry, Scene, Up, World,
    card::{PIN, Slot},
    client::PIN_FD,
    programs,
    scene::{self, SERVER},
    wait::{self, SOON},
};
use tokenvpn_common::token::Label;

const WRONG: &str = "654321";

/// A computer, and a token that nobody answers lies in its reader.
struct Desk {
    card: Card,
    computer: Host,
    world: World,
}

impl Desk {
    #[track_caller]
    fn new() -> Desk {
        Desk::with(|world| Card::new(world, "traveller"))
    }

    #[track_caller]
    fn with(card: impl FnOnce(&World) -> Card) -> Desk {
        let world = World::new();
        let computer = world.host("computer");
        computer.start_pcscd();
        let card = card(&world);
        card.connect(&computer);
        card.insert();
        let profile = scene::profile("192.0.2.1:51820", None);
        card.write(&computer, &profile.encode().expect("it fits"), None);
        card.reset_counts();
        Desk {
            card,
            computer,
            world,
        }
    }

    /// `up` as a program that has neither terminal nor PIN.
    fn up(&self) -> Invocation {
        self.computer.tokenvpn(&["up", "--json"])
    }

    fn start(&self, up: Invocation) -> Up {
        Up::started(&self.computer, up)
    }

    /// Insists that the PIN was typed, and stands nowhere else.
    #[track_caller]
    fn keeps_the_pin(&self) {
        let open = self.computer.exposes(&Quarry::pin(PIN));
        assert!(open.is_empty(), "{open:?}");
    }

    /// Insists on what the card was asked.
    #[track_caller]
    fn tried(&self, pins: u32, right: u32) {
        let counts = self.card.counts();
        assert_eq!((counts.pins, counts.right_pins), (pins, right));
    }

    /// A directory with a credential of systemd.
    fn credential(&self, pin: &str) -> std::path::PathBuf {
        let directory = self.computer.dir().join("credentials");
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join("pin"), pin).expect("a file");
        directory
    }
}

/// The profile was read: the gateway, which does not exist, is asked.
const READ: &str = "connecting";

#[test]
fn a_credential_of_systemd_is_tried_once() {
    let desk = Desk::new();
    let with = |pin: &str| {
        let directory = desk.credential(pin);
        desk.up().env("CREDENTIALS_DIRECTORY", directory)
    };
    let up = desk.start(with("428571\n"));
    up.await_state(READ);
    desk.tried(1, 1);
    desk.computer.tokenvpn(&["down"]).ok();

    desk.card.reset_counts();
    with(WRONG).finish().expect_code(4);
    desk.tried(1, 0);
    // Nobody asked it of a person either, and it is not tried while a try is missing.
    with(PIN).finish().expect_code(4);
    desk.tried(1, 0);
}

#[test]
fn a_descriptor_comes_before_a_credential_and_no_other_source_after_it() {
    let desk = Desk::new();
    let pty = Pty::open();
    let number = PIN_FD.to_string();
    let up = desk
        .computer
        .tokenvpn(&["up", "--json", "--once", "--pin-fd", &number])
        .env("CREDENTIALS_DIRECTORY", desk.credential(PIN))
        .text_on(PIN_FD, WRONG)
        .with_terminal(&pty);
    up.finish().expect_code(4);
    desk.tried(1, 0);
    assert_eq!(pty.screen().all(), "");
}

/// No object of a card tells how many tries its owner has given it.
#[test]
fn a_pin_that_nobody_types_needs_three_tries_whatever_the_card_s_limit() {
    let up = |desk: &Desk, pin: &str| {
        let number = PIN_FD.to_string();
        let up = desk
            .computer
            .tokenvpn(&["up", "--once", "--pin-fd", &number]);
        up.text_on(PIN_FD, pin).finish()
    };
    let desk = Desk::with(|world| Card::new(world, "traveller").with_tries(10));
    up(&desk, WRONG).expect_error(4, &["wrong PIN, 9 tries left"]);
    up(&desk, WRONG).expect_error(4, &["wrong PIN, 8 tries left"]);
    desk.tried(2, 0);

    let desk = Desk::with(|world| Card::new(world, "traveller").with_tries(2));
    let untried = ["only 2 tries left", "that never has three takes typed PINs"];
    up(&desk, PIN).expect_error(4, &untried);
    desk.tried(0, 0);
    let pty = Pty::open();
    let process = desk.computer.up_on(&pty, &[]);
    desk.computer.type_pin(&pty, PIN);
    pty.expect("Connecting to");
    desk.tried(1, 1);
    process.process().signal(Signal::SIGTERM);
    assert_eq!(process.process().exit_code(SOON), 0);
}

#[test]
fn a_credential_comes_before_everybody_who_could_be_asked() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let pty = Pty::open();
    let up = desk
        .up()
        .env("CREDENTIALS_DIRECTORY", desk.credential(PIN))
        .env("INVOCATION_ID", "0123456789abcdef")
        .with_terminal(&pty);
    let up = desk.start(keypad.of(up));
    up.await_state(READ);
    desk.tried(1, 1);
    assert!(up.events().iter().all(|event| event["state"] != "pin"));
    assert_eq!(pty.screen().all(), "");
    desk.computer.tokenvpn(&["down"]).ok();
}

#[test]
fn a_pin_that_is_too_long_for_the_card_is_asked_again() {
    let desk = Desk::with(|world| Card::new(world, "traveller").with_longest_pin(8));
    let pty = Pty::open();
    let up = desk.start(desk.computer.tokenvpn(&["up"]).on(&pty));
    desk.computer.type_pin(&pty, "123456789");
    pty.expect("at most 8 bytes; no try was lost.");
    desk.tried(0, 0);
    desk.computer.type_pin(&pty, PIN);
    pty.expect("Connecting to");
    desk.tried(1, 1);
    up.process().signal(Signal::SIGTERM);
    assert_eq!(up.process().exit_code(SOON), 0);
}

/// Answers the one question that systemd-ask-password has put, on a terminal of its own.
#[track_caller]
fn answer(desk: &Desk, question: &str, text: &str) {
    let questions = desk.computer.path("/run/systemd/ask-password");
    wait::until_true("systemd asks", SOON, || {
        let asked = questions.read_dir().into_iter().flatten().flatten();
        asked
            .map(|entry| entry.file_name())
            .any(|name| name.to_string_lossy().starts_with("ask."))
    });
    let pty = Pty::open();
    let agent = desk
        .computer
        .run("systemd-tty-ask-password-agent")
        .arg("--query")
        .on(&pty)
        .spawn();
    pty.expect(question);
    pty.type_line(text);
    assert_eq!(agent.exit_code(SOON), 0, "{}", pty.screen().all());
}

#[test]
fn a_service_has_systemd_ask_and_a_mistyped_pin_is_asked_again() {
    let desk = Desk::new();
    let up = desk.start(desk.up().env("INVOCATION_ID", "0123456789abcdef"));
    assert_eq!(up.await_state("pin")["source"], "agent");
    answer(&desk, "3 tries left", WRONG);
    up.await_state("pin_wrong");
    up.await_state("pin");
    // Too short to be one: costs nothing.
    answer(&desk, "2 tries left", "123");
    answer(&desk, "Too short", PIN);
    up.await_state(READ);
    desk.keeps_the_pin();
    desk.tried(2, 1);
    desk.computer.tokenvpn(&["down"]).ok();
}

#[test]
fn a_service_makes_the_last_try_only_after_a_yes() {
    let desk = Desk::new();
    let up = desk.start(desk.up().env("INVOCATION_ID", "0123456789abcdef"));
    answer(&desk, "3 tries left", WRONG);
    up.await_state("pin_wrong");
    answer(&desk, "2 tries left", WRONG);
    up.await_state("pin_last");
    answer(&desk, "One try left", "yes");
    assert_eq!(up.process().exit_code(SOON), 4);
    desk.tried(2, 0);
    let up = desk.start(desk.up().env("INVOCATION_ID", "0123456789abcdef"));
    answer(&desk, "YES", "YES");
    answer(&desk, "1 try left", PIN);
    up.await_state(READ);
    desk.tried(3, 1);
    desk.computer.tokenvpn(&["down"]).ok();
}

#[test]
fn whoever_pulls_the_token_ends_the_question_of_systemd() {
    let desk = Desk::new();
    let up = desk.start(desk.up().env("INVOCATION_ID", "0123456789abcdef"));
    up.await_state("pin");
    let asking = || {
        !desk
            .computer
            .processes_named("systemd-ask-password")
            .is_empty()
    };
    wait::until_true("systemd asks", SOON, asking);
    desk.card.remove();
    up.await_state("token_removed");
    wait::until_true("nobody asks any more", SOON, || !asking());
    desk.tried(0, 0);
    assert!(up.process().is_running(), "it waits for the next token");
}

/// A terminal multiplexer with one window, in which nothing runs but what comes to ask.
struct Tmux {
    computer: Host,
    socket: String,
}

impl Tmux {
    #[track_caller]
    fn new(computer: &Host) -> Tmux {
        let tmux = Tmux {
            computer: computer.clone(),
            socket: computer.dir().join("tmux").display().to_string(),
        };
        tmux.run(&["new-session", "-d", "-x", "100", "-y", "30", "sleep 1000"]);
        tmux
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> String {
        self.computer
            .run("tmux")
            .args(["-f", "/dev/null", "-S", &self.socket])
            .args(words)
            .env("TERM", "screen")
            .ok()
    }

    fn terminal(&self) -> String {
        self.run(&["display", "-p", "#{pane_tty}"])
            .trim()
            .to_owned()
    }

    /// Waits until this is to be seen.
    #[track_caller]
    fn expect(&self, text: &str) {
        let mut screen = String::new();
        let seen = wait::poll(SOON, || {
            screen = self.run(&["capture-pane", "-p"]);
            screen.contains(text).then_some(())
        });
        assert!(seen.is_some(), "{text:?} is not on the screen:\n{screen}");
    }

    fn type_line(&self, text: &str) {
        self.run(&["send-keys", "-l", text]);
        self.run(&["send-keys", "Enter"]);
    }
}

#[test]
fn pinentry_asks_on_the_terminal_that_it_is_given() {
    let desk = Desk::new();
    let tmux = Tmux::new(&desk.computer);
    let with_pinentry = || {
        let up = desk.up().env("GPG_TTY", tmux.terminal());
        desk.start(up.env("TERM", "screen"))
    };
    let up = with_pinentry();
    assert_eq!(up.await_state("pin")["source"], "pinentry");
    tmux.expect("3 tries left");
    tmux.type_line("123");
    tmux.expect("Too short");
    tmux.type_line(WRONG);
    up.await_state("pin_wrong");
    tmux.expect("2 tries left");
    desk.tried(1, 0);
    tmux.type_line(WRONG);
    up.await_state("pin_last");
    tmux.expect("another mistake blocks");
    // What people press without reading does nothing.
    tmux.type_line("");
    assert_eq!(up.process().exit_code(SOON), 4);
    desk.tried(2, 0);

    let up = with_pinentry();
    tmux.expect("another mistake blocks");
    tmux.type_line("YES");
    tmux.expect("1 try left");
    tmux.type_line(PIN);
    up.await_state(READ);
    desk.keeps_the_pin();
    desk.tried(3, 1);
    desk.computer.tokenvpn(&["down"]).ok();
    assert_eq!(desk.computer.processes_named("pinentry"), [0; 0]);
}

#[test]
fn whoever_pulls_the_token_closes_pinentry() {
    let desk = Desk::new();
    let tmux = Tmux::new(&desk.computer);
    let up = desk.up().env("GPG_TTY", tmux.terminal());
    let up = desk.start(up.env("TERM", "screen"));
    up.await_state("pin");
    tmux.expect("3 tries left");
    desk.card.remove();
    up.await_state("token_removed");
    let dialogues = || {
        let processes = desk.computer.population();
        processes
            .into_iter()
            .filter(|(_, name)| name.starts_with("pinentry"))
            .count()
    };
    wait::until_true("the dialogue is gone", SOON, || dialogues() == 0);
    desk.tried(0, 0);
    // And so does whoever kills the supervisor.
    desk.card.insert();
    up.await_state("pin");
    wait::until_true("it asks again", SOON, || dialogues() > 0);
    up.process().kill();
    wait::until_true("the dialogue is gone", SOON, || dialogues() == 0);
    wait::until_true("nothing is left", SOON, || {
        desk.computer.processes_of(&programs::client()).is_empty()
    });
}

#[test]
fn on_a_reader_with_keys_the_pin_is_typed_there_and_each_entry_is_one_try() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let up = desk.start(keypad.of(desk.up()));
    let asked = up.await_state("pin");
    assert_eq!(
        (&asked["source"], &asked["tries_left"]),
        (&"pinpad".into(), &3.into())
    );
    desk.tried(0, 0);
    keypad.press(WRONG);
    assert_eq!(up.await_state("pin_wrong")["tries_left"], 2);
    assert_eq!(up.await_state("pin")["source"], "pinpad");
    desk.tried(1, 0);
    keypad.press(PIN);
    up.await_state(READ);
    desk.tried(2, 1);
    desk.computer.tokenvpn(&["down"]).ok();

    // Its cancel key is no try.
    let up = desk.start(keypad.of(desk.up()));
    up.await_state("pin");
    keypad.cancel();
    up.await_state("pin_cancelled");
    assert_eq!(up.process().exit_code(SOON), 4);
    desk.tried(2, 1);
}

#[test]
fn a_pin_of_a_length_that_the_reader_refuses_is_asked_again_and_costs_no_try() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let up = desk.start(keypad.of(desk.up()));
    up.await_state("pin");
    keypad.press("12345");
    assert_eq!(up.await_state("pin_length")["asked_again"], true);
    assert_eq!(up.await_state("pin")["tries_left"], 3);
    desk.tried(0, 0);
    keypad.press(PIN);
    up.await_state(READ);
    desk.tried(1, 1);
    desk.computer.tokenvpn(&["down"]).ok();
}

#[test]
fn a_reader_whose_time_runs_out_goes_on_asking_until_somebody_types() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let up = desk.up().env("INVOCATION_ID", "0123456789abcdef");
    let up = desk.start(keypad.of(up));
    up.await_state("pin");
    keypad.time_out();
    up.await_state("pin_timed_out");
    let status = desk.computer.tokenvpn(&["status"]).finish().expect_code(3);
    assert!(status.stdout.contains("waiting for the PIN"), "{status}");
    for _ in 0..2 {
        keypad.time_out();
    }
    keypad.press(PIN);
    up.await_state(READ);
    desk.tried(1, 1);
    let events = up.events();
    let said = |state: &str| {
        events
            .iter()
            .filter(|event| event["state"] == state)
            .count()
    };
    // However often it asks, that is said once.
    assert_eq!((said("pin"), said("pin_timed_out")), (1, 1));
    desk.computer.tokenvpn(&["down"]).ok();

    let pty = Pty::open();
    let doctor = desk.computer.tokenvpn(&["doctor", "--gateways"]).on(&pty);
    let _doctor = keypad.of(doctor).spawn();
    pty.expect("type it on the reader.");
    keypad.time_out();
    pty.expect("It goes on asking");
    keypad.press(PIN);
    pty.expect("Asking at 1 address");
    desk.tried(2, 2);
}

#[test]
fn a_reader_that_cannot_ask_leaves_it_to_the_next_source() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    // Something is wrong with the question, or with the command that was made of it; no PIN is in
    // that; or the time for typing is said to be over at once.
    for status in ["6B80", "6700", "63C3", "6400"] {
        let up = desk.up().env("INVOCATION_ID", "0123456789abcdef");
        let up = desk.start(keypad.refusing(up, status));
        assert_eq!(up.await_state("pin")["source"], "pinpad");
        let failed = up.await_state("pin_source_failed");
        assert_eq!(failed["source"], "pinpad", "{status}");
        assert_eq!(up.await_state("pin")["source"], "agent");
        answer(&desk, "3 tries left", PIN);
        up.await_state(READ);
        desk.tried(1, 1);
        desk.card.reset_counts();
        desk.computer.tokenvpn(&["down"]).ok();
    }
    let up = keypad.refusing(desk.up(), "6B80").finish();
    let said = up.stdout.clone();
    up.expect_code(4);
    assert!(
        said.contains("keypad fails") && said.contains("--pin-fd"),
        "{said}"
    );
    desk.tried(0, 0);
}

#[test]
fn a_reader_that_breaks_down_while_it_asks_leaves_it_to_the_terminal() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let pty = Pty::open();
    let up = desk.start(keypad.of(desk.computer.tokenvpn(&["up"]).on(&pty)));
    pty.expect("3 tries left: type it on the reader.");
    keypad.press(WRONG);
    pty.expect("2 tries left: type it on the reader.");
    keypad.break_down();
    pty.expect("The reader's keypad fails: ");
    desk.computer.type_pin(&pty, WRONG);
    // Neither is the reader asked again, nor is it told again.
    pty.expect("Wrong PIN. 1 try left.");
    pty.expect("Type YES");
    pty.type_line("YES");
    desk.computer.type_pin(&pty, PIN);
    pty.expect("Connecting to");
    desk.tried(3, 1);
    let screen = pty.screen().all();
    assert_eq!(screen.matches("keypad fails").count(), 1, "{screen}");
    up.process().signal(Signal::SIGTERM);
    assert_eq!(up.process().exit_code(SOON), 0);
}

#[test]
fn a_keypad_is_left_alone_where_somebody_wants_that() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let typed = |words: &[&str], then: &str| {
        let pty = Pty::open();
        let process = keypad.of(desk.computer.tokenvpn(words).on(&pty)).spawn();
        desk.computer.type_pin(&pty, PIN);
        pty.expect(then);
        assert!(!pty.screen().all().contains("on the reader"));
        desk.tried(1, 1);
        desk.card.reset_counts();
        process
    };
    let ends = |up: rig::process::Process| {
        up.signal(Signal::SIGTERM);
        assert_eq!(up.exit_code(SOON), 0, "{}", up.report());
    };
    ends(typed(&["up", "--no-keypad"], "Connecting to"));
    let show = typed(&["token", "show", "--no-keypad"], "10.77.0.2");
    assert_eq!(show.exit_code(SOON), 0, "{}", show.report());
    let doctor = ["doctor", "--gateways", "--no-keypad"];
    typed(&doctor, "Asking").kill();
    let directory = desk.computer.path("/etc/tokenvpn");
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join("client.toml"), "keypad = false\n").expect("a file");
    ends(typed(&["up"], "Connecting to"));
}

/// Nobody can type YES on keys: the last try is for the terminal.
#[test]
fn the_last_try_is_never_made_on_a_reader_s_keys() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let pty = Pty::open();
    let up = desk.computer.tokenvpn(&["up"]).on(&pty);
    let up = desk.start(keypad.of(up));
    pty.expect("3 tries left: type it on the reader.");
    keypad.press(WRONG);
    pty.expect("Wrong PIN. 2 tries left.");
    pty.expect("2 tries left: type it on the reader.");
    keypad.press(WRONG);
    pty.expect("Wrong PIN. 1 try left.");
    pty.expect("One try left");
    pty.expect("Type YES");
    desk.tried(2, 0);
    pty.type_line("YES");
    desk.computer.type_pin(&pty, PIN);
    pty.expect("Connecting to");
    desk.tried(3, 1);
    up.process().signal(Signal::SIGTERM);
    assert_eq!(up.process().exit_code(SOON), 0);
}

#[test]
fn whoever_pulls_the_token_ends_the_question_on_its_reader() {
    let desk = Desk::new();
    let keypad = Keypad::new(&desk.computer);
    let up = desk.start(keypad.of(desk.up()));
    up.await_state("pin");
    desk.card.remove();
    up.await_state("token_removed");
    wait::until_true("no worker is left", SOON, || up.worker().is_none());
    desk.tried(0, 0);
    desk.card.insert();
    up.await_state("pin");
    keypad.press(PIN);
    up.await_state(READ);
    desk.tried(1, 1);
    desk.computer.tokenvpn(&["down"]).ok();
}

#[test]
fn a_pin_on_a_descriptor_waits_for_the_first_token_that_asks_for_one() {
    let desk = Desk::new();
    desk.card.remove();
    let mut profile = scene::profile("192.0.2.1:51820", None);
    profile.issued = "2026-01-01T00:00:00Z".parse().expect("a time");
    profile.not_after = Some("2026-01-31".parse().expect("a day"));
    let label = Label::of(&profile).encode().expect("it fits");
    let expired = Card::new(&desk.world, "expired");
    expired.connect(&desk.computer);
    expired.insert();
    let profile = profile.encode().expect("it fits");
    expired.write(&desk.computer, &profile, Some(&label));
    expired.connect_to(&desk.computer, Slot::Second);
    expired.insert();
    desk.computer.await_token(&expired.ident());

    // On a terminal it waits for another token, and nobody is asked for its PIN.
    let pty = Pty::open();
    let number = PIN_FD.to_string();
    let up = desk.computer.tokenvpn(&["up", "--pin-fd", &number]);
    let up = desk.start(up.text_on(PIN_FD, PIN).on(&pty));
    pty.expect("expired on 2026-01-31");
    expired.remove();
    pty.expect("Waiting for a token");
    desk.card.insert();
    pty.expect("Connecting to");
    desk.tried(1, 1);
    assert_eq!(expired.counts().pins, 0);
    assert!(!pty.screen().all().contains("PIN for"));
    up.process().signal(Signal::SIGTERM);
    assert_eq!(up.process().exit_code(SOON), 0);
}

#[test]
fn a_display_without_anybody_is_a_clear_error() {
    let desk = Desk::new();
    // No server is there, and no terminal that could be used instead.
    let up = desk.up().env("DISPLAY", ":77").finish();
    let said = up.stdout.clone();
    up.expect_code(4);
    assert!(
        said.contains("pinentry") && said.contains("--pin-fd"),
        "{said}"
    );
    desk.tried(0, 0);
}

#[test]
fn where_the_display_is_dead_systemd_asks() {
    let desk = Desk::new();
    let up = desk.up().env("DISPLAY", ":77");
    let up = desk.start(up.env("INVOCATION_ID", "0123456789abcdef"));
    assert_eq!(up.await_state("pin")["source"], "pinentry");
    assert_eq!(up.await_state("pin")["source"], "agent");
    // A mistake there is no reason to try the display again.
    answer(&desk, "3 tries left", WRONG);
    up.await_state("pin_wrong");
    assert_eq!(up.await_state("pin")["source"], "agent");
    answer(&desk, "2 tries left", PIN);
    up.await_state(READ);
    desk.tried(2, 1);
    desk.computer.tokenvpn(&["down"]).ok();
}

#[test]
fn pinentry_comes_before_systemd() {
    let desk = Desk::new();
    let tmux = Tmux::new(&desk.computer);
    let up = desk.up().env("GPG_TTY", tmux.terminal());
    let up = up.env("TERM", "screen");
    let up = desk.start(up.env("INVOCATION_ID", "0123456789abcdef"));
    assert_eq!(up.await_state("pin")["source"], "pinentry");
    tmux.expect("3 tries left");
    tmux.type_line(PIN);
    up.await_state(READ);
    desk.tried(1, 1);
    desk.computer.tokenvpn(&["down"]).ok();
}

#[test]
fn a_command_for_tokens_asks_where_up_would() {
    let desk = Desk::new();
    let edit = || {
        let edit = ["token", "edit", "--dns", "10.20.0.53"];
        desk.computer.tokenvpn(&edit)
    };
    let nobody = edit().finish();
    nobody.expect_error(4, &["nobody else to ask", "pinentry", "--pin-fd"]);
    let dead = edit().env("DISPLAY", ":77").finish();
    let dead = dead.expect_code(4);
    assert!(dead.stderr.contains("pinentry cannot ask"), "{dead}");
    desk.tried(0, 0);
    let edit = edit()
        .env("DISPLAY", ":77")
        .env("INVOCATION_ID", "0123456789abcdef")
        .spawn();
    answer(&desk, "3 tries left", WRONG);
    answer(&desk, "2 tries left", PIN);
    assert_eq!(edit.exit_code(SOON), 0, "{}", edit.report());
    desk.tried(2, 1);
    // What a script asks for opens no window.
    let show = desk.computer.tokenvpn(&["token", "show"]);
    show.env("INVOCATION_ID", "0123456789abcdef").ok();
    desk.tried(2, 1);
}

#[test]
fn the_terminal_comes_before_pinentry_and_systemd() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    card.reset_counts();
    let pty = Pty::open();
    let up = scene
        .one
        .tokenvpn(&["up"])
        .env("GPG_TTY", "/dev/tty")
        .env("INVOCATION_ID", "0123456789abcdef")
        .on(&pty);
    let _up = Up::started(&scene.one, up);
    scene.one.connect_on(&pty, &card);
    let counts = card.counts();
    assert_eq!((counts.pins, counts.right_pins), (1, 1));
    assert!(scene.one.pings(SERVER));
}

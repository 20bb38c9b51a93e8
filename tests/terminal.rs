//! The terminal belongs to the person: it survives whatever happens at the PIN prompt, and nothing
//! that was typed there reaches the shell.

use std::time::Duration;

use nix::sys::{signal::Signal, termios::Termios};
use rig::{
    Card, Host, Invocation, Process, Pty, Scene, World,
    card::Slot,
    client::TUNNEL,
    programs,
    pty::{CTRL_C, CTRL_Q, CTRL_S, CTRL_Z},
    scene::SERVER,
    wait::{self, SOON, now},
};

/// A computer with a reader, a shell on a terminal, and `up` as a command in that shell.
struct Desk {
    card: Card,
    pty: Pty,
    shell: Process,
    /// The terminal as the shell has it while a command runs.
    settings: Termios,
    _world: World,
}

/// What is typed of a PIN before something happens.
const HALF_A_PIN: &str = "1234";

impl Desk {
    /// `shell` is told to be interactive and not to have a line editor, which changes the settings
    /// of its own accord.
    #[track_caller]
    fn with(shell: fn(&Host) -> Invocation) -> Desk {
        let world = World::new();
        let host = world.host("computer");
        host.start_pcscd();
        let card = Card::new(&world, "traveller");
        card.connect(&host);
        card.insert();
        card.write(&host, &a_profile().encode().expect("it fits"), None);
        card.reset_counts();
        card.remove();
        let pty = Pty::open();
        let shell = shell(&host).env("PS1", "$ ").on(&pty).spawn();
        pty.expect("$ ");
        pty.type_line("echo re''ady");
        pty.expect("ready\r\n");
        pty.expect("$ ");
        let settings = pty.settings();
        Desk {
            card,
            pty,
            shell,
            settings,
            _world: world,
        }
    }

    /// Starts `up` in the shell and lets it come to the PIN prompt, with half a PIN typed.
    #[track_caller]
    fn at_the_prompt(&self) -> [i32; 2] {
        self.pty
            .type_line(&format!("{} up", programs::client().display()));
        self.pty.expect("Waiting for a token");
        self.card.insert();
        self.pty.expect("tries left");
        self.pty.await_no_echo();
        self.pty.press(HALF_A_PIN);
        let supervisor = self.shell.children()[0];
        let worker = rig::process::children(supervisor)[0];
        [supervisor, worker]
    }

    /// Insists that the terminal is as before and that the shell has received nothing.
    #[track_caller]
    fn is_untouched(&self) {
        if let Some(before) = self.shell_has_received() {
            panic!("the shell got what was typed: {before:?}");
        }
    }

    /// Insists that the terminal is as before; gives what the shell shows if it has received
    /// something.
    #[track_caller]
    fn shell_has_received(&self) -> Option<String> {
        wait::until_true("the settings are as before", SOON, || {
            self.pty.settings() == self.settings
        });
        self.pty.type_line("echo sh''ell");
        let before = self.pty.expect("shell\r\n");
        assert_eq!(self.card.counts().pins, 0, "half a PIN was tried");
        let got = before.contains(HALF_A_PIN) || before.contains("not found");
        got.then_some(before)
    }
}

fn bash(host: &Host) -> Invocation {
    host.run("bash")
        .args(["--norc", "--noprofile", "--noediting", "-i"])
}

/// Unlike bash it does not put the terminal's settings back itself after a command that was killed.
fn dash(host: &Host) -> Invocation {
    host.run("dash").arg("-i")
}

/// A profile that nobody answers.
fn a_profile() -> tokenvpn_common::profile::Profile {
    rig::scene::profile("192.0.2.1:51820", None)
}

fn kill(pid: i32, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("it lives");
}

#[test]
fn a_pull_at_the_prompt_leaves_the_terminal_alone() {
    for shell in [bash, dash] {
        let desk = Desk::with(shell);
        desk.at_the_prompt();
        desk.card.remove();
        // What is told does not stand behind the question, nor the shell's behind the key.
        desk.pty.expect(": \r\nToken removed");
        desk.pty.expect("Waiting for a token");
        wait::until_true("the settings are as before", SOON, || {
            desk.pty.settings() == desk.settings
        });
        desk.pty.press(CTRL_C);
        desk.pty.expect("^C\r\n$ ");
        desk.is_untouched();
    }
}

#[test]
fn a_killed_worker_at_the_prompt_leaves_the_terminal_alone() {
    for shell in [bash, dash] {
        let desk = Desk::with(shell);
        let [_, worker] = desk.at_the_prompt();
        kill(worker, Signal::SIGKILL);
        // Without its worker `up` does not know what happened, and ends.
        desk.pty.expect("error: ");
        desk.pty.expect("$ ");
        desk.is_untouched();
    }
}

#[test]
fn a_killed_supervisor_at_the_prompt_leaves_the_terminal_alone() {
    let attempt = |shell| {
        let desk = Desk::with(shell);
        let [supervisor, worker] = desk.at_the_prompt();
        kill(supervisor, Signal::SIGKILL);
        desk.pty.expect("$ ");
        wait::until_true("the worker is gone", SOON, || {
            !rig::process::is_alive(worker)
        });
        desk.shell_has_received()
    };
    for shell in [bash as fn(&Host) -> Invocation, dash] {
        // Shell and worker learn of it at the same moment. A busy machine may let the shell
        // read first, but not each time.
        let got: Vec<String> = (0..3).map_while(|_| attempt(shell)).collect();
        assert!(got.len() < 3, "the shell got what was typed: {got:?}");
    }
}

#[test]
fn ctrl_z_stops_nothing() {
    let desk = Desk::with(bash);
    let pids = desk.at_the_prompt();
    desk.pty.press(CTRL_Z);
    wait::holds_for("both run", Duration::from_secs(1), || {
        pids.iter()
            .all(|&pid| !matches!(rig::process::state(pid), Some('T') | None))
    });
    // The prompt goes on. The key itself is no part of a PIN.
    assert!(!desk.pty.echoes());
    desk.card.remove();
    desk.pty.expect("Token removed");
    desk.pty.press(CTRL_Z);
    wait::holds_for("it runs", Duration::from_secs(1), || {
        !matches!(rig::process::state(pids[0]), Some('T') | None)
    });
    desk.pty.press(CTRL_C);
    desk.pty.expect("$ ");
    desk.is_untouched();
}

#[test]
fn ctrl_c_at_the_prompt_ends_it_like_down() {
    let desk = Desk::with(bash);
    let pids = desk.at_the_prompt();
    desk.pty.press(CTRL_C);
    desk.pty.expect(": \r\n$ ");
    assert!(pids.iter().all(|&pid| !rig::process::is_alive(pid)));
    desk.is_untouched();
    desk.pty.type_line("echo end''ed");
    desk.pty.expect("ended\r\n");
}

/// Everything that a person or a system does to end it, in each of its phases.
#[test]
fn ctrl_c_term_hangup_and_down_end_it_well_in_every_phase() {
    type Ending = fn(&Host, &mut Pty, &Process);
    let endings: [(&str, Ending); 5] = [
        ("Ctrl-C", |_, pty, _| pty.press(CTRL_C)),
        ("SIGTERM", |_, _, up| up.signal(Signal::SIGTERM)),
        ("SIGHUP", |_, _, up| up.signal(Signal::SIGHUP)),
        ("a hang-up", |_, pty, _| pty.hang_up()),
        ("down", |host, _, _| {
            host.tokenvpn(&["down"]).ok();
        }),
    ];
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let one = &scene.one;
    let before = one.network_state();
    for phase in ["waiting", "at the prompt", "up"] {
        for (name, end) in endings {
            let mut pty = Pty::open();
            let settings = pty.settings();
            let up = one.up_on(&pty, &[]);
            pty.expect("Waiting for a token");
            if phase != "waiting" {
                card.insert();
                pty.expect("tries left");
                pty.await_no_echo();
            }
            if phase == "up" {
                pty.type_line(card.pin());
                pty.expect("Connected as traveller");
                assert!(one.has_link(TUNNEL));
            }
            end(one, &mut pty, up.process());
            let code = up.process().exit_code(SOON);
            assert_eq!(code, 0, "{phase}, {name}: {}", pty.screen().all());
            assert_eq!(one.network_state(), before, "{phase}, {name}");
            assert_eq!(up.pids(), [0; 0], "{phase}, {name}");
            if name != "a hang-up" {
                assert_eq!(pty.settings(), settings, "{phase}, {name}");
            }
            if phase != "waiting" {
                card.remove();
            }
        }
    }
}

#[test]
fn a_mistyped_pin_costs_one_try_and_is_asked_again() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let pty = Pty::open();
    let _up = scene.one.up_on(&pty, &[]);
    pty.expect("Waiting for a token");
    card.reset_counts();
    card.insert();
    pty.expect("3 tries left");
    pty.await_no_echo();
    // Too short to be anybody's PIN: no try is spent on it.
    pty.type_line("123");
    pty.expect("tries left");
    assert_eq!(card.counts().pins, 0);
    pty.await_no_echo();
    pty.type_line("654321");
    pty.expect("Wrong PIN. 2 tries left");
    assert_eq!(card.counts().pins, 1);
    pty.expect("2 tries left");
    pty.await_no_echo();
    pty.type_line(card.pin());
    pty.expect("Connected as traveller");
    assert_eq!(card.counts().pins, 2);
    let screen = pty.screen().all();
    assert!(!screen.contains("654321") && !screen.contains(card.pin()));
}

#[test]
fn the_last_try_is_made_only_after_a_yes() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let pty = Pty::open();
    let up = scene.one.up_on(&pty, &[]);
    pty.expect("Waiting for a token");
    card.reset_counts();
    card.insert();
    for left in ["2 tries left", "1 try left"] {
        pty.expect("left: ");
        pty.await_no_echo();
        pty.type_line("654321");
        pty.expect(&format!("Wrong PIN. {left}"));
    }
    pty.expect("One try left");
    pty.expect("YES");
    assert_eq!(card.counts().pins, 2);
    pty.type_line("YES");
    pty.expect("left: ");
    pty.await_no_echo();
    pty.type_line("654321");
    pty.expect("blocked");
    assert_eq!(card.counts().pins, 3);
    // It waits for this token to leave.
    assert!(up.process().is_running());
    card.remove();
    pty.expect("Waiting for a token");
}

/// Stopped with Ctrl-S, or with room for less than the next line: both processes have much to say,
/// and neither may wait for somebody to read it.
#[test]
fn a_terminal_that_nobody_reads_holds_up_neither_packets_nor_the_end() {
    type Unread = (&'static str, fn(&Pty), fn(&Pty));
    let unread: [Unread; 2] = [
        ("stopped", |pty| pty.press(CTRL_S), |pty| pty.press(CTRL_Q)),
        ("full", Pty::fill_unread, Pty::look),
    ];
    for (what, stop, go_on) in unread {
        wait::keeps_promise("worker and tunnel are gone", Duration::from_secs(1), || {
            let scene = Scene::new();
            let gateway = scene.start_gateway();
            let card = scene.issue(&gateway, "traveller");
            let other = Card::new(&scene.world, "other");
            other.connect_to(&scene.one, Slot::Second);
            let before = scene.one.network_state();
            let pty = Pty::open();
            let up = scene.one.up_on(&pty, &[]);
            scene.one.connect_on(&pty, &card);
            let worker = up.worker().expect("a worker");
            stop(&pty);
            // It has a line to write of each.
            for _ in 0..4 {
                other.insert();
                other.remove();
            }
            let told = scene.one.tokenvpn(&["status"]).ok();
            assert!(told.contains("traveller"), "{what}: {told}");
            assert!(scene.one.pings(SERVER), "{what}");
            let pulled = now();
            card.remove();
            wait::until_true("the worker is gone", SOON, || {
                !rig::process::is_alive(worker)
            });
            wait::until_true("the tunnel is gone", SOON, || !scene.one.has_link(TUNNEL));
            let gone = now().since(pulled);
            wait::until_true("the network is as it was", SOON, || {
                scene.one.network_state() == before
            });
            go_on(&pty);
            // Perhaps in one line with what there was room for of the log.
            wait::until_true("it is told", SOON, || {
                String::from_utf8_lossy(&pty.screen().whole()).contains("Token removed")
            });
            stop(&pty);
            up.process().signal(Signal::SIGTERM);
            assert_eq!(up.process().exit_code(SOON), 0, "{what}");
            gone
        });
    }
}

//! The real client in a host.

use std::{
    os::fd::RawFd,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::Value;

use crate::{
    card::Card,
    host::Host,
    process::{Invocation, Process},
    programs,
    pty::Pty,
    wait::{self, SOON},
};

/// The descriptor on which PINs are handed over; high enough that nothing else has its number.
pub const PIN_FD: RawFd = 63;

/// The name of the tunnel's link if nobody says another.
pub const TUNNEL: &str = "tokenvpn";

impl Host {
    /// `tokenvpn` with these words.
    #[track_caller]
    pub fn tokenvpn(&self, words: &[&str]) -> Invocation {
        self.run(programs::client()).args(words)
    }

    /// `tokenvpn up`, without a terminal, with its PIN on a descriptor and its events as JSON.
    #[track_caller]
    pub fn up(&self, pin: &str, options: &[&str]) -> Up {
        let number = PIN_FD.to_string();
        let up = self
            .tokenvpn(&["up", "--json", "--pin-fd", &number])
            .args(options)
            .text_on(PIN_FD, pin);
        Up::started(self, up)
    }

    /// `tokenvpn up` on a terminal.
    #[track_caller]
    pub fn up_on(&self, pty: &Pty, options: &[&str]) -> Up {
        let up = self.tokenvpn(&["up"]).args(options).on(pty);
        Up::started(self, up)
    }

    /// Waits until `tokenvpn token list` shows this token.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn await_token(&self, ident: &str) {
        wait::until_true("the token is listed", SOON, || {
            self.tokenvpn(&["token", "list"]).ok().contains(ident)
        });
    }

    /// `tokenvpn token issue` with an invitation on stdin; the PIN is typed on a terminal, as in
    /// the pipe. Returns the enrolment.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn issue(&self, invitation: &str, pin: &str) -> String {
        let pty = Pty::open();
        let issue = self
            .tokenvpn(&["token", "issue"])
            .stdin(invitation)
            .with_terminal(&pty)
            .spawn();
        self.type_pin(&pty, pin);
        let code = issue.exit_code(SOON);
        assert_eq!(
            code,
            0,
            "{}\n      screen: {}",
            issue.report(),
            pty.screen().all()
        );
        issue.stdout().all()
    }

    /// The client's files below `/run`, without its locks: they may stay, the kernel lets go of them.
    pub fn runtime_files(&self) -> Vec<String> {
        let files = self.path("/run/tokenvpn").read_dir();
        let names = files
            .into_iter()
            .flatten()
            .flatten()
            .map(|file| file.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.ends_with(".lock")).collect()
    }

    /// Puts a card in that the `up` on this terminal waits for, types its PIN and waits for the
    /// session.
    ///
    /// # Panics
    /// If something else is said.
    #[track_caller]
    pub fn connect_on(&self, pty: &Pty, card: &Card) {
        pty.expect("Waiting for a token");
        card.insert();
        self.type_pin(pty, card.pin());
        pty.expect("Connected as traveller");
    }

    /// Everything that was on a terminal whose program has ended. What a terminal shows comes in
    /// its order: a mark at the end comes after the program's last words.
    ///
    /// # Panics
    /// If the mark does not come.
    #[track_caller]
    pub fn last_screen(&self, pty: &Pty) -> String {
        const END: &str = "[end of screen]";
        self.run("printf").arg(END).on(pty).spawn();
        pty.expect(END);
        let screen = pty.screen().all().replace("\r\n", "\n");
        screen.trim_end_matches(END).to_owned()
    }

    /// Types a PIN as soon as it is asked for.
    ///
    /// # Panics
    /// If it is not asked for.
    #[track_caller]
    pub fn type_pin(&self, pty: &Pty, pin: &str) {
        pty.expect("PIN");
        pty.await_no_echo();
        pty.type_line(pin);
    }
}

/// A `tokenvpn up` that was started: the supervisor, and its worker when there is one.
#[derive(Debug)]
pub struct Up {
    host: Host,
    process: Process,
    /// How many events were looked at.
    seen: AtomicUsize,
}

impl Up {
    /// Starts an `up` that was prepared otherwise; with `--json` its events can be read.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn started(host: &Host, up: Invocation) -> Up {
        let process = up.spawn();
        Up {
            host: host.clone(),
            process,
            seen: AtomicUsize::new(0),
        }
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The supervisor.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The worker's number outside of the host, while there is one.
    pub fn worker(&self) -> Option<i32> {
        self.process.children().first().copied()
    }

    /// The numbers of all our processes at this host.
    pub fn pids(&self) -> Vec<i32> {
        self.host.processes_of(&programs::client())
    }

    /// All events so far.
    ///
    /// # Panics
    /// If a line of stdout is no JSON object with a state.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let said = self.process.stdout().all();
        // The last line may be on its way.
        let whole = said.rfind('\n').map_or("", |end| &said[..end]);
        whole
            .lines()
            .map(|line| match serde_json::from_str::<Value>(line) {
                Ok(event) if event["state"].is_string() => event,
                _ => panic!("no event: {line:?}"),
            })
            .collect()
    }

    /// Waits for the next event of this state, passing over others.
    ///
    /// # Panics
    /// If it does not come in time, or `up` ends before.
    #[track_caller]
    pub fn await_state_within(&self, state: &str, within: Duration) -> Value {
        let found = wait::poll(within, || {
            let ended = !self.process.is_running();
            let events = self.events();
            let at = (self.seen.load(Ordering::Relaxed)..events.len())
                .find(|&at| events[at]["state"] == state);
            match at {
                Some(at) => {
                    self.seen.store(at + 1, Ordering::Relaxed);
                    Some(Some(events[at].clone()))
                }
                // Its last words may be read after its end is known.
                None if ended && self.process.stdout().is_closed() => Some(None),
                None => None,
            }
        });
        match found.flatten() {
            Some(event) => event,
            None => panic!("no event {state:?} came\n{}", self.process.report()),
        }
    }

    /// [`Up::await_state_within`] a time long enough for what is done at once.
    ///
    /// # Panics
    /// If it does not come, or `up` ends before.
    #[track_caller]
    pub fn await_state(&self, state: &str) -> Value {
        self.await_state_within(state, SOON)
    }
}

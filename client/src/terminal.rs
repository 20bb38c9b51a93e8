//! The terminal that the PIN is typed on, and the signals of its job control.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{FlushArg, SetArg, Termios, tcflush, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

/// This process's terminal, whatever stdin, stdout and stderr are.
const TTY: &str = "/dev/tty";

/// What the terminal sends to stop its jobs: Ctrl-Z, and reading or setting it
/// from the background.
const STOPPING: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

/// What ends a program that is started again at once: in the shipped unit, `systemctl restart`
/// (systemd.kill(5), `RestartKillSignal=`).
pub(crate) const RESTARTING: Signal = Signal::SIGUSR1;

/// What ends a program: Ctrl-C, a hang-up, systemd's SIGTERM, a restart.
const ENDING: [Signal; 5] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    RESTARTING,
];

/// The signals that end a program, for one that sees to that itself.
pub(crate) fn ending_signals() -> SigSet {
    ENDING.into_iter().collect()
}

/// `/dev/tty` as it was before anybody asked for a PIN on it.
pub(crate) struct Terminal {
    tty: File,
    saved: Termios,
}

impl Terminal {
    /// Opens this process's terminal and remembers its settings; `None` without one,
    /// or in its background.
    pub(crate) fn open() -> Option<Terminal> {
        let tty = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(TTY)
            .ok()?;
        let saved = tcgetattr(&tty).ok()?;
        let terminal = Terminal { tty, saved };
        terminal.is_ours().then_some(terminal)
    }

    fn is_ours(&self) -> bool {
        tcgetpgrp(&self.tty) == Ok(getpgrp())
    }

    /// What is written here is seen by the person, whatever stdout and stderr are.
    pub(crate) fn writer(&self) -> &File {
        &self.tty
    }

    /// Puts the settings back and throws away what was typed and not read, so that
    /// half a PIN reaches neither the screen nor the shell.
    pub(crate) fn restore(&self) {
        // There is nobody to tell when this fails: the terminal has hung up.
        let _ = tcsetattr(&self.tty, SetArg::TCSANOW, &self.saved);
        let _ = tcflush(&self.tty, FlushArg::TCIFLUSH);
    }

    /// The same behind a process that was killed at its question, if it was: the cursor still
    /// stands there.
    pub(crate) fn take_back(&self) {
        let is_asked = self.is_asked();
        self.restore();
        if is_asked {
            self.begin_line();
        }
    }

    /// Puts the cursor below the `^C` that ends it all. A question does so itself.
    pub(crate) fn leave_interrupt(&self) {
        if !self.is_asked() {
            self.begin_line();
        }
    }

    fn is_asked(&self) -> bool {
        tcgetattr(&self.tty).is_ok_and(|now| now != self.saved)
    }

    /// Not by [`Terminal::writer`]: a terminal that a Ctrl-S has stopped is not waited for.
    fn begin_line(&self) {
        let tty = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
            .open(TTY);
        let _ = tty.and_then(|mut tty| tty.write_all(b"\n"));
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tty.as_fd()
    }
}

/// Keeps the terminal's job control from stopping this process: a stopped supervisor
/// could not end the worker, and a stopped worker could not restore the echo.
///
/// To be called before any thread is started. A blocked SIGTTOU also lets
/// [`Terminal::restore`] work from the background (termios(3)).
pub(crate) fn ignore_job_control() {
    let set: SigSet = STOPPING.into_iter().collect();
    set.thread_block()
        .expect("invariant: these signals can be blocked");
}

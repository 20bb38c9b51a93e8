//! A real terminal, with the test in place of the person.

use std::{
    fs::OpenOptions,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use nix::{
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::termios::{Termios, tcgetattr},
};

use crate::{transcript::Transcript, wait};

/// Ctrl-C.
pub const CTRL_C: &str = "\x03";
/// Ctrl-Q, which lets a terminal go on.
pub const CTRL_Q: &str = "\x11";
/// Ctrl-S, which stops it.
pub const CTRL_S: &str = "\x13";
/// Ctrl-Z.
pub const CTRL_Z: &str = "\x1a";
/// The Enter key.
pub const ENTER: &str = "\r";

/// A pseudo-terminal. What runs on it is said by `Invocation::on`.
#[derive(Debug)]
pub struct Pty {
    /// The person's side: keys in, screen out. `None` when hung up.
    person: Option<Arc<PtyMaster>>,
    /// The programs' side, held open so that the terminal outlives every program on it.
    program: OwnedFd,
    screen: Transcript,
    hung_up: Arc<AtomicBool>,
    unread: Arc<AtomicBool>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Pty {
    /// Opens a terminal.
    ///
    /// # Panics
    /// If the system has none left.
    pub fn open() -> Pty {
        Pty::with_echo(None)
    }

    /// Opens a terminal whose screen is also shown on our stdout, behind this prefix.
    ///
    /// # Panics
    /// If the system has none left.
    pub fn with_echo(prefix: impl Into<Option<String>>) -> Pty {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let person = posix_openpt(flags).expect("a pseudo-terminal");
        grantpt(&person).expect("a fresh pseudo-terminal is ours");
        unlockpt(&person).expect("a fresh pseudo-terminal is ours");
        let program = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(ptsname_r(&person).expect("a pseudo-terminal has a name"))
            .expect("its other side");
        let person = Arc::new(person);
        let hung_up = Arc::new(AtomicBool::new(false));
        let unread = Arc::new(AtomicBool::new(false));
        let source = Screen {
            person: Arc::clone(&person),
            hung_up: Arc::clone(&hung_up),
            unread: Arc::clone(&unread),
        };
        let (screen, reader) = Transcript::follow(source, prefix.into());
        Pty {
            person: Some(person),
            program: program.into(),
            screen,
            hung_up,
            unread,
            reader: Some(reader),
        }
    }

    pub(crate) fn user_side(&self) -> OwnedFd {
        self.program.try_clone().expect("a descriptor")
    }

    /// What has been on the screen.
    pub fn screen(&self) -> &Transcript {
        &self.screen
    }

    /// [`Transcript::expect`] on the screen.
    ///
    /// # Panics
    /// If it does not come.
    #[track_caller]
    pub fn expect(&self, pattern: &str) -> String {
        self.screen.expect(pattern)
    }

    /// Presses keys.
    ///
    /// # Panics
    /// If the terminal is hung up.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let person = self.person.as_ref().expect("the terminal is hung up");
        nix::unistd::write(person.as_fd(), keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Types a line and Enter.
    ///
    /// # Panics
    /// If the terminal is hung up.
    #[track_caller]
    pub fn type_line(&self, line: &str) {
        self.press(&format!("{line}{ENTER}"));
    }

    /// The terminal's settings, as `stty -a` would show them.
    ///
    /// # Panics
    /// If the system does not tell.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.program).expect("a terminal has settings")
    }

    /// Whether what is typed is shown.
    pub fn echoes(&self) -> bool {
        use nix::sys::termios::LocalFlags;
        self.settings().local_flags.contains(LocalFlags::ECHO)
    }

    /// Waits until what is typed is not shown: a password prompt is ready for it.
    ///
    /// # Panics
    /// If that does not happen.
    #[track_caller]
    pub fn await_no_echo(&self) {
        wait::until_true("the terminal's echo is off", wait::SOON, || !self.echoes());
    }

    /// Lets nobody look at the screen any more, and fills it up: there is room for a line or two, and
    /// not for a whole one after them. [`Pty::look`] ends it.
    ///
    /// # Panics
    /// If the terminal is hung up.
    #[track_caller]
    pub fn fill_unread(&self) {
        self.unread.store(true, Ordering::SeqCst);
        // Whoever looked last has looked away.
        thread::sleep(2 * PACE);
        let path = format!("/proc/self/fd/{}", self.program.as_raw_fd());
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
            .open(path);
        let mut program = opened.expect("the terminal, once more");
        // What is on its way between the two sides makes room again.
        for _ in 0..10 {
            while program.write(&[b'.'; 64]).is_ok() {}
            thread::sleep(PACE);
        }
        while program.write(b".").is_ok() {}
        let person = self.person.as_ref().expect("the terminal is hung up");
        let takes_more = || {
            let mut descriptors = [PollFd::new(self.program.as_fd(), PollFlags::POLLOUT)];
            poll(&mut descriptors, PollTimeout::ZERO).expect("a terminal") > 0
        };
        while !takes_more() {
            let mut room = [0; 64];
            let read = nix::unistd::read(person.as_fd(), &mut room);
            assert!(read.expect("the screen") > 0);
        }
    }

    /// Looks at the screen again.
    pub fn look(&self) {
        self.unread.store(false, Ordering::SeqCst);
    }

    /// Hangs up, as when a terminal window is closed or an SSH session breaks.
    pub fn hang_up(&mut self) {
        self.hung_up.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.person = None;
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.hang_up();
    }
}

/// Reads the screen until the terminal is hung up.
struct Screen {
    person: Arc<PtyMaster>,
    hung_up: Arc<AtomicBool>,
    unread: Arc<AtomicBool>,
}

/// How often the reader of a screen looks up.
const PACE: Duration = Duration::from_millis(20);

impl Read for Screen {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let pace = PollTimeout::try_from(PACE).expect("invariant: it is short");
        while !self.hung_up.load(Ordering::Relaxed) {
            if self.unread.load(Ordering::SeqCst) {
                thread::sleep(PACE);
                continue;
            }
            let mut descriptors = [PollFd::new(self.person.as_fd(), PollFlags::POLLIN)];
            if poll(&mut descriptors, pace)? > 0 {
                return Ok(nix::unistd::read(self.person.as_fd(), buf)?);
            }
        }
        Ok(0)
    }
}

//! The whole terminal for a live view, until a person has seen enough.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::clock::Now;
use crate::io::clock;
use crate::name::printable;

/// The other screen, without a cursor, and back (xterm's control sequences).
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Rows and columns of a terminal that does not tell.
const USUAL_SIZE: (usize, usize) = (24, 80);

/// q, Ctrl-C, Ctrl-D.
const QUITTING: [u8; 3] = [b'q', 3, 4];

/// What ends it like the q key does.
const ENDING: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// Holds the terminal; it is as before when this is dropped.
pub struct Screen {
    tty: File,
    saved: Termios,
    signals: SignalFd,
}

impl Screen {
    /// Takes the terminal that stdout is, and the signals that end programs. No thread must
    /// have been started.
    ///
    /// # Errors
    /// `NotConnected` if stdout is no terminal; otherwise what the system says.
    pub fn open() -> io::Result<Screen> {
        if !io::stdout().is_terminal() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let tty = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
            .open("/dev/tty")?;
        let saved = tcgetattr(&tty)?;
        let signals: SigSet = ENDING.into_iter().collect();
        signals.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let mut screen = Screen {
            signals: SignalFd::with_flags(&signals, flags)?,
            saved: saved.clone(),
            tty,
        };
        let mut settings = saved;
        // Its keys come one by one, unseen, and none of them is a signal.
        settings.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        tcsetattr(&screen.tty, OptionalActions::Now, &settings)?;
        screen.write(ENTER)?;
        Ok(screen)
    }

    /// Rows and columns, asked just now.
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(&self.tty) {
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
                (size.ws_row.into(), size.ws_col.into())
            }
            _ => USUAL_SIZE,
        }
    }

    /// Shows these lines and nothing else, each as far as it fits.
    ///
    /// # Errors
    /// What the system says: the terminal has hung up.
    pub fn show(&mut self, lines: &[String]) -> io::Result<()> {
        let (rows, columns) = self.size();
        let text = frame(lines, rows, columns);
        self.write(&text)
    }

    /// Waits; whether the person goes on watching for so long.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_watched_for(&mut self, time: Duration) -> io::Result<bool> {
        let until = clock::now() + time;
        loop {
            let left = until.since(clock::now());
            if left.is_zero() {
                return Ok(true);
            }
            if !self.is_watched_until_event(left)? {
                return Ok(false);
            }
        }
    }

    fn is_watched_until_event(&mut self, left: Duration) -> io::Result<bool> {
        let mut sources = [
            PollFd::new(self.tty.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        let rounded = left + Duration::from_millis(1);
        let patience = PollTimeout::try_from(rounded).unwrap_or(PollTimeout::MAX);
        match poll(&mut sources, patience) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if self.signals.read_signal()?.is_some() {
            return Ok(false);
        }
        let mut keys = [0; 64];
        match self.tty.read(&mut keys) {
            Ok(0) => Ok(false),
            Ok(count) => Ok(!keys[..count].iter().any(|key| QUITTING.contains(key))),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// All of it, also to a terminal that is slow.
    fn write(&mut self, text: &str) -> io::Result<()> {
        let mut bytes = text.as_bytes();
        let patience: Now = clock::now() + Duration::from_secs(2);
        while !bytes.is_empty() {
            match self.tty.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && clock::now() < patience => {
                    let mut tty = [PollFd::new(self.tty.as_fd(), PollFlags::POLLOUT)];
                    poll(&mut tty, 100u16)?;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nobody to tell when this fails: the terminal has hung up.
        let _ = self.write(LEAVE);
        let _ = tcsetattr(&self.tty, OptionalActions::Flush, &self.saved);
    }
}

/// The lines as one write, that leaves nothing of what was shown before.
fn frame(lines: &[String], rows: usize, columns: usize) -> String {
    let mut text = String::from("\x1b[H");
    for (at, line) in lines.iter().take(rows).enumerate() {
        if at > 0 {
            text.push_str("\r\n");
        }
        let shown = line.chars().take(columns);
        text.push_str(&printable(&shown.collect::<String>()));
        text.push_str("\x1b[K");
    }
    text.push_str("\x1b[J");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_stays_within_the_terminal_and_moves_nothing_else() {
        let lines = ["one\x1b[2J".to_owned(), "two".into(), "three".into()];
        assert_eq!(
            frame(&lines, 2, 4),
            "\x1b[Hone\u{fffd}\x1b[K\r\ntwo\x1b[K\x1b[J"
        );
    }
}

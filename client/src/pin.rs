//! Where a PIN comes from: a descriptor, a systemd credential, or a person: at the terminal,
//! in a window, or wherever systemd asks. A reader's keypad keeps it to itself.
//!
//! A PIN that nobody typed is for one try, and only while the card's counter says
//! [`FULL_TRIES`](tokenvpn_common::io::card::FULL_TRIES) or more: a machine that is wrong once is
//! wrong every time.

pub(crate) mod agent;
pub(crate) mod pinentry;

use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socketpair,
};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::Pid;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::{Deserialize, Serialize};
use tokenvpn_common::io::card::{Pin, PinTextError, Secret};
use tokenvpn_common::io::clock;
use tokenvpn_common::language::say;
use tokenvpn_common::token::Ident;
use zeroize::Zeroizing;

use crate::terminal::Terminal;
use crate::words;

/// The name of the systemd credential that holds a PIN (systemd.exec(5), `LoadCredential=`).
const CREDENTIAL: &str = "pin";

/// Longest line that is read, in bytes: a longest PIN and its line end, and one more to
/// tell a longer one.
const MAX_LINE: usize = Pin::MAX + 2;

/// Where a person types a PIN; the first that is there is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// On the reader itself.
    Pinpad,
    /// On our terminal.
    Terminal,
    /// Where pinentry(1) asks.
    Pinentry,
    /// Where systemd-ask-password(1) asks.
    Agent,
}

/// Why there is no PIN. No card was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinError {
    /// The person gave none.
    #[error("{}", say().no_pin_was_given())]
    Cancelled,
    /// The descriptor given as an interrupt has something to say.
    #[error("{}", say().something_came_first())]
    Interrupted,
    /// There is nobody to ask.
    #[error("{}", say().no_terminal_for_the_pin())]
    NoTerminal,
    /// The program that asks fails.
    #[error("{}", say().program_cannot_ask(program, what))]
    Asking {
        /// Its name.
        program: &'static str,
        /// What it says, or the system.
        what: String,
    },
    /// What a descriptor or credential holds is no PIN.
    #[error(transparent)]
    Unusable(#[from] PinTextError),
    /// A descriptor or credential cannot be read.
    #[error("{}", from.unreadable())]
    Unreadable {
        /// The descriptor or file.
        from: Handed,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Where a PIN was handed over.
#[derive(Debug)]
pub(crate) enum Handed {
    /// In a descriptor of this number.
    Descriptor(RawFd),
    /// The same, once it is open.
    Opened,
    /// In a credential's file.
    File(PathBuf),
}

impl Handed {
    fn unreadable(&self) -> String {
        match self {
            Handed::Descriptor(number) => say().pin_unreadable_from_descriptor(number),
            Handed::Opened => say().pin_unreadable_from_its_descriptor(),
            Handed::File(path) => say().pin_unreadable_from_file(&path.display()),
        }
    }
}

/// Finds the PIN that nobody types: the descriptor `pin_fd`, else the systemd credential.
/// It is not read yet. The descriptor is taken over; its number is closed.
///
/// # Errors
/// [`PinError::Unreadable`]: such a source was named but cannot be had; no other is tried.
pub(crate) fn given(pin_fd: Option<RawFd>) -> Result<Option<OwnedFd>, PinError> {
    if let Some(number) = pin_fd {
        let descriptor = adopt(number).map_err(|source| PinError::Unreadable {
            from: Handed::Descriptor(number),
            source,
        })?;
        return Ok(Some(descriptor));
    }
    let Some(directory) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
        return Ok(None);
    };
    let path = PathBuf::from(directory).join(CREDENTIAL);
    match File::open(&path) {
        Ok(file) => Ok(Some(file.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PinError::Unreadable {
            from: Handed::File(path),
            source,
        }),
    }
}

/// Reads a PIN from a descriptor, up to a line end or the end, and closes it.
///
/// # Errors
/// It cannot be read, or holds what can be no PIN; [`PinError::Interrupted`].
pub(crate) fn read(
    descriptor: OwnedFd,
    interrupt: Option<BorrowedFd<'_>>,
) -> Result<Pin, PinError> {
    let line = read_line(descriptor.as_fd(), interrupt).map_err(|error| match error {
        // Nothing in it is no decision of anybody.
        PinError::Cancelled => PinTextError::TooShort {
            secret: Secret::Pin,
        }
        .into(),
        error => error,
    })?;
    Ok(Pin::new(&line)?)
}

/// Asks a person for the PIN of a token, not on its reader: the last try only after a YES.
///
/// # Errors
/// As [`ask`]; [`PinError::Asking`].
pub(crate) fn ask_at(
    source: Source,
    token: Ident,
    tries_left: u8,
    interrupt: Option<BorrowedFd<'_>>,
) -> Result<Pin, PinError> {
    if tries_left == 1 {
        let yes = &say().yes();
        let question = &say().last_try_question(yes);
        // The terminal has shown the warning; elsewhere it stands before the question.
        let warned = format!("{} {question}", words::last_try(Secret::Pin));
        let is_meant = match source {
            Source::Agent => agent::confirm(&warned, yes, interrupt),
            Source::Pinentry => pinentry::confirm(&warned, yes, interrupt),
            Source::Terminal | Source::Pinpad => confirm(question, yes, interrupt),
        };
        if !is_meant? {
            return Err(PinError::Cancelled);
        }
    }
    let prompt = say().secret_prompt(&Secret::Pin, &token, tries_left);
    match source {
        Source::Agent => agent::ask(&prompt, interrupt),
        Source::Pinentry => pinentry::ask(&prompt, interrupt),
        Source::Terminal | Source::Pinpad => ask(&prompt, interrupt),
    }
}

/// Asks for a PIN on the terminal, without echo, until it could be one or `interrupt`
/// becomes readable.
///
/// The terminal is left as it was, and what else was typed is thrown away.
///
/// # Errors
/// [`PinError::Cancelled`] (an empty line or the terminal's end), [`PinError::Interrupted`],
/// [`PinError::NoTerminal`].
pub(crate) fn ask(prompt: &str, interrupt: Option<BorrowedFd<'_>>) -> Result<Pin, PinError> {
    ask_for(prompt, interrupt, Pin::new)
}

/// Asks for a secret on the terminal, without echo, until `read` takes the answer.
///
/// # Errors
/// As [`ask`].
pub(crate) fn ask_for<T>(
    prompt: &str,
    interrupt: Option<BorrowedFd<'_>>,
    read: impl Fn(&[u8]) -> Result<T, PinTextError>,
) -> Result<T, PinError> {
    let terminal = Terminal::open().ok_or(PinError::NoTerminal)?;
    let dialogue = Dialogue::begin(&terminal, Echo::Off)?;
    loop {
        let line = dialogue.ask(prompt, interrupt)?;
        match read(&line) {
            Ok(secret) => return Ok(secret),
            Err(error) => dialogue.say(&(say().error_as_sentence(&error) + "\n"))?,
        }
    }
}

/// Asks for a new secret on the terminal, without echo: at `first` until `read` takes the
/// answer, then at `again` for the same once more; from the beginning if that differs.
///
/// # Errors
/// As [`ask`].
pub(crate) fn ask_twice<T>(
    first: &str,
    again: &str,
    interrupt: Option<BorrowedFd<'_>>,
    read: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<T, PinError> {
    let terminal = Terminal::open().ok_or(PinError::NoTerminal)?;
    let dialogue = Dialogue::begin(&terminal, Echo::Off)?;
    loop {
        let line = dialogue.ask(first, interrupt)?;
        let trouble = match read(&line) {
            Ok(secret) if *dialogue.ask(again, interrupt)? == *line => return Ok(secret),
            Ok(_) => say().new_secrets_differ(),
            Err(error) => error,
        };
        dialogue.say(&(say().error_as_sentence(&trouble) + "\n"))?;
    }
}

/// Asks a question on the terminal, with echo; whether the answer is `yes`, letter by letter.
///
/// # Errors
/// As [`ask`]; an empty line is an answer here, and not this one.
pub(crate) fn confirm(
    question: &str,
    yes: &str,
    interrupt: Option<BorrowedFd<'_>>,
) -> Result<bool, PinError> {
    let terminal = Terminal::open().ok_or(PinError::NoTerminal)?;
    let dialogue = Dialogue::begin(&terminal, Echo::On)?;
    match dialogue.ask(question, interrupt) {
        Ok(line) => Ok(line.trim_ascii() == yes.as_bytes()),
        Err(PinError::Cancelled) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether there is a program of this name to be run.
fn is_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| {
        fs::metadata(directory.join(name))
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// How long a program that asks may take to end, and how often to see whether it has.
pub(crate) const ASKER_PATIENCE: Duration = Duration::from_millis(300);
pub(crate) const ASKER_PACE: Duration = Duration::from_millis(10);

/// A program that asks; it has nothing to ask any more when this is dropped.
struct Asker(Child);

impl Drop for Asker {
    fn drop(&mut self) {
        // Errors mean that it is gone already. What grabs the keyboard or has turned the
        // echo off puts that back, if it is asked to end.
        let pid = Pid::from_raw(self.0.id().cast_signed());
        let _ = kill(pid, Signal::SIGTERM);
        let until = clock::now() + ASKER_PATIENCE;
        while matches!(self.0.try_wait(), Ok(None)) && clock::now() < until {
            thread::sleep(ASKER_PACE);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Takes over a descriptor that is known by its number only.
///
/// A number proves nothing, so the kernel is asked for a copy: passed through a socket to
/// ourselves, it comes back as a descriptor that is certainly open and ours.
fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    let (to, from) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    sendmsg::<UnixAddr>(
        to.as_raw_fd(),
        &[IoSlice::new(&[0])],
        &[ControlMessage::ScmRights(&[number])],
        MsgFlags::empty(),
        None,
    )?;
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let mut byte = [0];
    recvmsg(
        &from,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let copy = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    nix::unistd::close(number)?;
    copy.ok_or_else(|| Errno::EBADF.into())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    On,
    Off,
}

/// Questions and answers; puts the terminal back when dropped.
struct Dialogue<'a> {
    terminal: &'a Terminal,
}

impl<'a> Dialogue<'a> {
    fn begin(terminal: &'a Terminal, echo: Echo) -> Result<Dialogue<'a>, PinError> {
        let no_terminal = |_| PinError::NoTerminal;
        let mut settings = tcgetattr(terminal).map_err(no_terminal)?;
        let lines = LocalFlags::ICANON | LocalFlags::ISIG;
        settings.local_flags |= lines | LocalFlags::ECHONL;
        settings.local_flags.set(LocalFlags::ECHO, echo == Echo::On);
        let dialogue = Dialogue { terminal };
        // With what was typed before the question: nobody meant it as the answer.
        tcsetattr(terminal, SetArg::TCSAFLUSH, &settings).map_err(no_terminal)?;
        Ok(dialogue)
    }

    fn say(&self, text: &str) -> Result<(), PinError> {
        let mut tty = self.terminal.writer();
        tty.write_all(text.as_bytes())
            .map_err(|_| PinError::NoTerminal)
    }

    fn ask(
        &self,
        question: &str,
        interrupt: Option<BorrowedFd<'_>>,
    ) -> Result<Zeroizing<Vec<u8>>, PinError> {
        self.say(question)?;
        let answer = read_line(self.terminal.as_fd(), interrupt);
        if answer.is_err() {
            // The cursor still stands behind the question.
            self.say("\n")?;
        }
        answer
    }
}

impl Drop for Dialogue<'_> {
    fn drop(&mut self) {
        self.terminal.restore();
    }
}

/// Reads one line, without its end, of which at most [`MAX_LINE`] bytes are kept.
fn read_line(
    from: BorrowedFd<'_>,
    interrupt: Option<BorrowedFd<'_>>,
) -> Result<Zeroizing<Vec<u8>>, PinError> {
    let unreadable = |errno: Errno| PinError::Unreadable {
        from: Handed::Opened,
        source: errno.into(),
    };
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    let mut piece = Zeroizing::new([0; 64]);
    loop {
        let mut sources = vec![PollFd::new(from, PollFlags::POLLIN)];
        sources.extend(interrupt.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        match poll(&mut sources, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(unreadable(errno)),
        }
        if sources.get(1).is_some_and(|fd| fd.any() == Some(true)) {
            return Err(PinError::Interrupted);
        }
        if sources[0].any() != Some(true) {
            continue;
        }
        let read = match nix::unistd::read(from, &mut piece[..]) {
            Err(Errno::EINTR | Errno::EAGAIN) => continue,
            // A terminal that hung up.
            Err(Errno::EIO) => 0,
            read => read.map_err(unreadable)?,
        };
        let end = piece[..read].iter().position(|&byte| byte == b'\n');
        let bytes = &piece[..end.unwrap_or(read)];
        let room = MAX_LINE - line.len();
        line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if end.is_none() && read > 0 {
            continue;
        }
        return match line.is_empty() {
            true => Err(PinError::Cancelled),
            false => Ok(line),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Result<Vec<u8>, PinError> {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(bytes).unwrap();
        drop(writer);
        read_line(reader.as_fd(), None).map(|line| line.to_vec())
    }

    #[test]
    fn a_program_that_asks_may_tidy_up_and_ends_whether_it_wants_to_or_not() {
        let ends = |script: &str| {
            let directory = tempfile::tempdir().unwrap();
            let mut child = std::process::Command::new("sh")
                .args(["-c", script])
                .current_dir(directory.path())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let mut ready = [0; 6];
            io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
            let pid = Pid::from_raw(child.id().cast_signed());
            drop(Asker(child));
            assert_eq!(kill(pid, None), Err(Errno::ESRCH));
            directory.path().join("tidy").exists()
        };
        assert!(ends(
            "trap 'echo > tidy; exit' TERM; echo ready; while :; do sleep 0.01; done"
        ));
        assert!(!ends(
            "trap '' TERM; echo ready; while :; do sleep 0.01; done"
        ));
    }

    #[test]
    fn a_line_ends_with_its_end_or_the_input() {
        assert_eq!(text(b"123456\nrest").unwrap(), b"123456");
        assert_eq!(text(b"123456").unwrap(), b"123456");
        assert!(matches!(text(b"\n123456"), Err(PinError::Cancelled)));
        assert!(matches!(text(b""), Err(PinError::Cancelled)));
        assert_eq!(text(&[b'x'; 1000]).unwrap().len(), MAX_LINE);
    }

    #[test]
    fn an_interrupt_comes_before_a_line() {
        let (reader, mut writer) = io::pipe().unwrap();
        let (interrupt, mut interruptor) = io::pipe().unwrap();
        writer.write_all(b"123456\n").unwrap();
        interruptor.write_all(b"!").unwrap();
        let line = read_line(reader.as_fd(), Some(interrupt.as_fd()));
        assert!(matches!(line, Err(PinError::Interrupted)));
    }

    #[test]
    fn a_descriptor_is_taken_over_by_its_number() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"123456\n").unwrap();
        let number = std::os::fd::IntoRawFd::into_raw_fd(reader);
        let taken = given(Some(number)).unwrap().unwrap();
        assert!(read(taken, None).is_ok());
        assert!(matches!(
            given(Some(RawFd::MAX)),
            Err(PinError::Unreadable { .. })
        ));
    }

    #[test]
    fn what_a_descriptor_holds_is_checked_before_a_card_is_asked() {
        let secret = Secret::Pin;
        for (bytes, error) in [
            (&b""[..], PinTextError::TooShort { secret }),
            (b"12345\n", PinTextError::TooShort { secret }),
            (&[b'1'; 200], PinTextError::TooLong { secret }),
        ] {
            let (reader, mut writer) = io::pipe().unwrap();
            writer.write_all(bytes).unwrap();
            drop(writer);
            match read(reader.into(), None) {
                Err(PinError::Unusable(refused)) => assert_eq!(refused, error),
                _ => panic!("{bytes:?} is no PIN"),
            }
        }
    }
}

//! Asks by pinentry(1), GnuPG's dialogues: in a window where there is a display, or on the
//! terminal that `GPG_TTY` names. It speaks a protocol of lines (libassuan's manual, "Client
//! requests" and "Server responses").

use std::env;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokenvpn_common::io::card::Pin;
use tokenvpn_common::language::say;
use zeroize::Zeroizing;

use super::{Asker, PinError, is_program};

const PROGRAM: &str = "pinentry";

/// What its window is called.
const TITLE: &str = "tokenvpn";

/// Longest line with its end (libassuan's manual).
const MAX_LINE: usize = 1002;

/// What the low 16 bits of an error say (libgpg-error's list of codes).
const TIMEOUT: u32 = 62;
const CANCELED: u32 = 99;
const FULLY_CANCELED: u32 = 198;

/// Whether there is pinentry, and a place for it to ask in.
pub(crate) fn is_available() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    ["DISPLAY", "WAYLAND_DISPLAY", "GPG_TTY"]
        .into_iter()
        .any(is_set)
        && is_program(PROGRAM)
}

/// Asks for a PIN until it could be one or `interrupt` becomes readable.
///
/// # Errors
/// [`PinError::Cancelled`], [`PinError::Interrupted`], [`PinError::Asking`].
pub(crate) fn ask(question: &str, interrupt: Option<BorrowedFd<'_>>) -> Result<Pin, PinError> {
    let (_asker, mut dialogue) = start(interrupt)?;
    dialogue.ask(question)
}

/// Has `yes` typed, letter by letter, or not: a button is pressed too easily.
///
/// # Errors
/// [`PinError::Interrupted`], [`PinError::Asking`].
pub(crate) fn confirm(
    question: &str,
    yes: &str,
    interrupt: Option<BorrowedFd<'_>>,
) -> Result<bool, PinError> {
    let (_asker, mut dialogue) = start(interrupt)?;
    dialogue.confirm(question, yes)
}

fn start(interrupt: Option<BorrowedFd<'_>>) -> Result<(Asker, Dialogue<'_>), PinError> {
    let child = Command::new(PROGRAM)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut asker = Asker(child);
    let pipes = (asker.0.stdin.take(), asker.0.stdout.take());
    let (Some(to), Some(from)) = pipes else {
        unreachable!("invariant: both are pipes");
    };
    let mut dialogue = Dialogue {
        to: File::from(OwnedFd::from(to)),
        from: from.into(),
        unread: Zeroizing::new(Vec::with_capacity(MAX_LINE)),
        interrupt,
    };
    dialogue.answer()?;
    let terminal = [("ttyname", "GPG_TTY"), ("ttytype", "TERM")];
    for (option, variable) in terminal {
        if let Ok(value) = env::var(variable) {
            // One that it does not know is its affair.
            let _ = dialogue.request(&format!("OPTION {option}={}", escaped(&value)));
        }
    }
    dialogue.request(&format!("SETTITLE {}", escaped(TITLE)))?;
    Ok((asker, dialogue))
}

fn failed(what: String) -> PinError {
    PinError::Asking {
        program: PROGRAM,
        what,
    }
}

/// Requests and answers.
struct Dialogue<'a> {
    to: File,
    from: OwnedFd,
    /// What came behind the line that was read last.
    unread: Zeroizing<Vec<u8>>,
    interrupt: Option<BorrowedFd<'a>>,
}

impl Dialogue<'_> {
    fn ask(&mut self, question: &str) -> Result<Pin, PinError> {
        self.request(&format!("SETDESC {}", escaped(question.trim_end())))?;
        self.request(&format!("SETPROMPT {}", escaped(&say().pin_field())))?;
        loop {
            let line = self.request("GETPIN")?;
            if line.is_empty() {
                return Err(PinError::Cancelled);
            }
            match Pin::new(&line) {
                Ok(pin) => return Ok(pin),
                Err(error) => {
                    let trouble = escaped(&say().error_as_sentence(&error));
                    self.request(&format!("SETERROR {trouble}"))?
                }
            };
        }
    }

    fn confirm(&mut self, question: &str, yes: &str) -> Result<bool, PinError> {
        self.request(&format!("SETDESC {}", escaped(question.trim_end())))?;
        self.request(&format!("SETPROMPT {}", escaped(&say().answer_field(&yes))))?;
        match self.request("GETPIN") {
            Ok(line) => Ok(*line == yes.as_bytes()),
            Err(PinError::Cancelled) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn request(&mut self, request: &str) -> Result<Zeroizing<Vec<u8>>, PinError> {
        self.to
            .write_all(format!("{request}\n").as_bytes())
            .map_err(|error| failed(error.to_string()))?;
        self.answer()
    }

    /// The data of an answer, up to the line that ends it.
    fn answer(&mut self) -> Result<Zeroizing<Vec<u8>>, PinError> {
        let mut data = Zeroizing::new(Vec::with_capacity(MAX_LINE));
        loop {
            let line = self.line()?;
            let (word, rest) = match line.iter().position(|&byte| byte == b' ') {
                Some(at) => (&line[..at], &line[at + 1..]),
                None => (&line[..], &[][..]),
            };
            match word {
                b"OK" => return Ok(data),
                b"D" => {
                    let decoded =
                        decoded(rest).ok_or_else(|| failed(say().program_makes_no_sense()))?;
                    // Without growth, which would leave a copy behind.
                    if data.len() + decoded.len() > data.capacity() {
                        return Err(failed(say().program_says_too_much()));
                    }
                    data.extend_from_slice(&decoded);
                }
                b"ERR" => return Err(refusal(&String::from_utf8_lossy(rest))),
                // Status and comments.
                b"S" => {}
                _ if word.starts_with(b"#") => {}
                _ => return Err(failed(say().program_makes_no_sense())),
            }
        }
    }

    fn line(&mut self) -> Result<Zeroizing<Vec<u8>>, PinError> {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line = Zeroizing::new(self.unread[..end].to_vec());
                self.unread.drain(..=end);
                return Ok(line);
            }
            let mut piece = Zeroizing::new([0; 256]);
            let read = self.read(&mut piece[..])?;
            if read == 0 {
                return Err(failed(say().program_ended()));
            }
            if self.unread.len() + read > self.unread.capacity() {
                return Err(failed(say().program_says_too_much()));
            }
            self.unread.extend_from_slice(&piece[..read]);
        }
    }

    fn read(&self, piece: &mut [u8]) -> Result<usize, PinError> {
        loop {
            let mut sources = vec![PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
            let interrupt = self.interrupt.iter();
            sources.extend(interrupt.map(|fd| PollFd::new(*fd, PollFlags::POLLIN)));
            match poll(&mut sources, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno.to_string())),
            }
            if sources.get(1).is_some_and(|fd| fd.any() == Some(true)) {
                return Err(PinError::Interrupted);
            }
            if sources[0].any() == Some(true) {
                return nix::unistd::read(self.from.as_fd(), piece)
                    .map_err(|errno| failed(errno.to_string()));
            }
        }
    }
}

/// What an error means: its number, then its text.
fn refusal(text: &str) -> PinError {
    let (number, what) = match text.split_once(' ') {
        Some((number, what)) => (number, what.to_owned()),
        None => (text, say().program_fails()),
    };
    match number.parse().map(|number: u32| number & 0xffff) {
        Ok(CANCELED | FULLY_CANCELED | TIMEOUT) => PinError::Cancelled,
        _ => failed(what),
    }
}

/// `text` as a part of one request.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' | '\n' | '\r' => {
                write!(line, "%{:02X}", u32::from(c)).expect("invariant: a string takes all");
            }
            c => line.push(c),
        }
    }
    line
}

/// What an answer's data stand for; `None` if a byte is half told.
fn decoded(data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(data.len()));
    let mut rest = data.iter();
    while let Some(&byte) = rest.next() {
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        bytes.push(match byte {
            b'%' => (digit(rest.next()?)? << 4 | digit(rest.next()?)?) as u8,
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufRead as _, BufReader};
    use std::thread;

    use super::*;

    /// Lets `body` talk with somebody who says these lines, one text for each request;
    /// gives what was requested.
    fn talk(answers: &'static [&str], body: impl FnOnce(&mut Dialogue<'_>)) -> Vec<String> {
        let (to_them, to) = io::pipe().unwrap();
        let (from, mut from_them) = io::pipe().unwrap();
        let them = thread::spawn(move || {
            let mut requests = Vec::new();
            let lines = BufReader::new(to_them).lines();
            let mut answers = answers.iter();
            for line in lines.map_while(Result::ok) {
                requests.push(line);
                match answers.next() {
                    Some(answer) => from_them.write_all(answer.as_bytes()).unwrap(),
                    None => break,
                }
            }
            requests
        });
        let mut dialogue = Dialogue {
            to: OwnedFd::from(to).into(),
            from: from.into(),
            unread: Zeroizing::new(Vec::with_capacity(MAX_LINE)),
            interrupt: None,
        };
        body(&mut dialogue);
        drop(dialogue);
        them.join().unwrap()
    }

    #[test]
    fn a_pin_is_asked_until_it_could_be_one() {
        let requests = talk(
            &["OK\n", "OK\n", "D 123\nOK\n", "OK\n", "D 12%253456\nOK\n"],
            |dialogue| {
                dialogue.ask("PIN for 100%\ntoken: ").unwrap();
            },
        );
        assert_eq!(requests[0], "SETDESC PIN for 100%25%0Atoken:");
        assert_eq!(requests[2], "GETPIN");
        assert!(
            requests[3].starts_with("SETERROR Too short"),
            "{requests:?}"
        );
        assert_eq!(requests[4], "GETPIN");
    }

    #[test]
    fn an_answer_may_come_in_pieces_and_between_other_lines() {
        let answers = &["S PIN_REPEATED\n# a comment\nD 12%2534\nD 5%0a\nOK later\nOK\n"];
        talk(answers, |dialogue| {
            assert_eq!(**dialogue.request("GETPIN").unwrap(), *b"12%345\n");
            assert_eq!(**dialogue.answer().unwrap(), *b"");
        });
    }

    #[test]
    fn whoever_cancels_gives_no_pin_and_no_yes() {
        talk(&["OK\n", "OK\n", "ERR 83886179 canceled\n"], |dialogue| {
            assert!(matches!(dialogue.ask("?"), Err(PinError::Cancelled)));
        });
        for (answer, yes) in [
            ("ERR 83886179 canceled\n", false),
            ("OK\n", false),
            ("D yes\nOK\n", false),
            ("D YES\nOK\n", true),
        ] {
            let answers = vec!["OK\n", "OK\n", answer].leak();
            talk(answers, |dialogue| {
                assert_eq!(dialogue.confirm("?", "YES").unwrap(), yes, "{answer}");
            });
        }
    }

    #[test]
    fn a_program_that_talks_nonsense_or_ends_is_an_error() {
        for answers in [
            &["nonsense\n"][..],
            &["ERR 83918950 Inappropriate ioctl for device\n"],
            &["D %\n"],
            &["D %4g\n"],
            &[],
        ] {
            talk(answers, |dialogue| {
                let answer = dialogue.request("GETPIN");
                assert!(
                    matches!(answer, Err(PinError::Asking { .. })),
                    "{answers:?}"
                );
            });
        }
    }

    #[test]
    fn a_line_without_an_end_is_an_error() {
        let (to_them, to) = io::pipe().unwrap();
        let (from, mut from_them) = io::pipe().unwrap();
        from_them.write_all(&[b'1'; 2 * MAX_LINE]).unwrap();
        let mut dialogue = Dialogue {
            to: OwnedFd::from(to).into(),
            from: from.into(),
            unread: Zeroizing::new(Vec::with_capacity(MAX_LINE)),
            interrupt: None,
        };
        assert!(matches!(dialogue.answer(), Err(PinError::Asking { .. })));
        drop(to_them);
    }
}

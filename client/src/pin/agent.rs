//! Asks wherever systemd asks for passwords: on the console at boot, or where somebody runs
//! systemd-tty-ask-password-agent(1).

use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::{Command, Stdio};

use tokenvpn_common::io::card::Pin;
use tokenvpn_common::language::say;
use zeroize::Zeroizing;

use super::{Asker, PinError, is_program, read_line};

const PROGRAM: &str = "systemd-ask-password";

/// Whether this is a service of systemd (systemd.exec(5), `INVOCATION_ID`) that can ask.
pub(crate) fn is_available() -> bool {
    std::env::var_os("INVOCATION_ID").is_some() && is_program(PROGRAM)
}

/// Asks for a PIN until it could be one or `interrupt` becomes readable.
///
/// # Errors
/// [`PinError::Cancelled`], [`PinError::Interrupted`], [`PinError::Asking`].
pub(crate) fn ask(question: &str, interrupt: Option<BorrowedFd<'_>>) -> Result<Pin, PinError> {
    let mut trouble = String::new();
    loop {
        let line = ask_for(&format!("{trouble}{question}"), &[], interrupt)?;
        match Pin::new(&line) {
            Ok(pin) => return Ok(pin),
            Err(error) => trouble = say().error_as_sentence(&error) + " ",
        }
    }
}

/// Asks a question with a visible answer; whether that is `yes`, letter by letter.
///
/// # Errors
/// [`PinError::Interrupted`], [`PinError::Asking`].
pub(crate) fn confirm(
    question: &str,
    yes: &str,
    interrupt: Option<BorrowedFd<'_>>,
) -> Result<bool, PinError> {
    match ask_for(question, &["--echo"], interrupt) {
        Ok(line) => Ok(line.trim_ascii() == yes.as_bytes()),
        Err(PinError::Cancelled) => Ok(false),
        Err(error) => Err(error),
    }
}

fn ask_for(
    question: &str,
    options: &[&str],
    interrupt: Option<BorrowedFd<'_>>,
) -> Result<Zeroizing<Vec<u8>>, PinError> {
    let failed = |what| PinError::Asking {
        program: PROGRAM,
        what,
    };
    // Whoever starts a service at boot may come later than any limit.
    let child = Command::new(PROGRAM)
        .args(["--no-tty", "--timeout=0", "--id=tokenvpn:pin"])
        .args(options)
        .arg(question.trim_end())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut asker = Asker(child);
    let output = asker.0.stdout.take();
    let output = output.expect("invariant: its output is a pipe");
    read_line(output.as_fd(), interrupt)
}

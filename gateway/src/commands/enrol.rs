//! `enrol`: lets in the token whose enrolment comes on stdin.

use std::io::{self, Read as _};
use std::path::Path;

use tokenvpn_common::invitation::{Enrolment, MAX_TEXT};

use crate::control::{self, Request};
use crate::words::{self, Failure};

pub(crate) fn run(path: &Path) -> Result<(), Failure> {
    let mut text = String::new();
    // One byte more than is allowed tells too much from just enough.
    let mut input = io::stdin().lock().take(MAX_TEXT as u64 + 1);
    input
        .read_to_string(&mut text)
        .map_err(|e| words::unreadable_enrolment(&e))?;
    let enrolment = Enrolment::from_toml(&text)?;
    let answer = control::ask(path, Request::Enrol(enrolment))?;
    eprintln!("{}", words::admitted(&answer)?);
    Ok(())
}

//! An error with its way out.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokenvpn_common::io::command_line;
use tokenvpn_common::language::say;

use super::{code, printable};

/// An error as people get it: what happened, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What happened: one line, lower case, no full stop.
    pub(crate) what: String,
    /// What to do about it: one line.
    pub(crate) hint: String,
    /// The exit code, see [`code`].
    pub(crate) code: u8,
}

impl Failure {
    /// An error with its way out. Only words make one.
    pub(in crate::words) fn new(
        code: u8,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Failure {
        Failure {
            what: what.into(),
            hint: hint.into(),
            code,
        }
    }
}

/// Two lines: `error: …` and `hint: …`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, hint) = (printable(&self.what), printable(&self.hint));
        f.write_str(&say().error_and_hint(&what, &hint))
    }
}

/// A command line that cannot be understood.
pub(crate) fn usage(error: &clap::Error) -> Failure {
    let (what, meant) = command_line::refusal(error);
    let hint = meant.unwrap_or_else(|| say().see_command_help());
    Failure::new(code::USAGE, what, hint)
}

/// An error with its causes, on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

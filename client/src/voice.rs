//! What `up` says, and where.

use std::io::{self, Write as _};

use crate::words::State;

/// How `up` speaks: people's text on stderr, or JSON on stdout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    /// One event a line on stdout.
    pub(crate) json: bool,
}

impl Voice {
    /// Tells the user. A closed stdout or stderr ends nothing.
    pub(crate) fn say(self, state: &State) {
        let text = match self.json {
            true => state.to_json(),
            false => state.text(),
        };
        if text.is_empty() {
            return;
        }
        let _ = match self.json {
            true => writeln!(io::stdout(), "{text}"),
            false => writeln!(io::stderr(), "{text}"),
        };
    }
}

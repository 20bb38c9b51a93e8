//! Every text that a user sees, and the exit codes.

pub(crate) mod code;
mod english;
mod failure;
mod state;

pub(crate) use english::{
    LAST_TRY_ANSWER, LAST_TRY_PROMPT, findings, found, last_try, live_status, no_screen,
    no_such_gateway, pin_prompt, remedy, residue, secret_prompt, status, trace, which_gateway,
    wrong,
};
pub(crate) use failure::{Failure, usage};
pub(crate) use state::{Choice, Connection, SOON_DAYS, State};

/// `text` without anything that could move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => c,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

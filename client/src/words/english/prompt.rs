//! What is asked for, and what an answer has cost.

use tokenvpn_common::io::card::Secret;
use tokenvpn_common::token::Ident;

use super::tries;
use crate::words::State;

/// The PIN prompt, for the terminal only.
pub(crate) fn pin_prompt(token: Ident, tries_left: u8) -> String {
    secret_prompt(Secret::Pin, token, tries_left)
}

/// The prompt for a secret of a token, for the terminal only.
pub(crate) fn secret_prompt(secret: Secret, token: Ident, tries_left: u8) -> String {
    let secret = match secret {
        Secret::Pin => "PIN",
        Secret::AdminPin => "Admin PIN",
        Secret::ResetCode => "Reset code",
    };
    format!("{secret} for {token}, {} left: ", tries(tries_left))
}

/// What a wrong secret has cost.
pub(crate) fn wrong(secret: Secret, tries_left: u8) -> String {
    format!("Wrong {secret}. {} left.", tries(tries_left))
}

/// The warning before the last try.
pub(crate) fn last_try(secret: Secret) -> String {
    match secret {
        Secret::Pin => State::PinLast.text(),
        Secret::AdminPin => {
            "One try left: another mistake blocks the admin PIN, and nothing unblocks it.".into()
        }
        Secret::ResetCode => "One try left: another mistake blocks the reset code.".into(),
    }
}

/// The question before the last try.
pub(crate) const LAST_TRY_PROMPT: &str = "Type YES to use it, or Ctrl-C: ";

/// The answer to [`LAST_TRY_PROMPT`] that means it.
pub(crate) const LAST_TRY_ANSWER: &str = "YES";

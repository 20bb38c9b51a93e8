//! What is asked for, and what an answer has cost.

use tokenvpn_common::io::card::Secret;
use tokenvpn_common::token::Ident;

use super::tries;
use crate::pin::PinError;
use crate::words::{Failure, State, code, with_causes};

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

/// A secret is to be typed on the reader.
pub(crate) fn on_reader(secret: Secret, token: Ident, tries_left: u8) -> String {
    secret_prompt(secret, token, tries_left) + "type it on the reader."
}

/// The same, and a new one to come after it.
pub(crate) fn change_on_reader(secret: Secret, token: Ident, tries_left: u8) -> String {
    secret_prompt(secret, token, tries_left) + "type it on the reader, then the new one twice."
}

/// The new secret is to be typed on the reader.
pub(crate) fn prove_on_reader(secret: Secret) -> String {
    format!("Changed. Type the new {secret} once more on the reader, to prove it.")
}

/// The new secret was not typed once more, or not as the token has it.
pub(crate) fn unproven(secret: Secret) -> Failure {
    Failure::new(
        code::PIN,
        format!("the {secret} is changed, but not proven to be the new one that was typed"),
        "if the token refuses it, the old one was typed too long: what was too much stands before it",
    )
}

/// The program ends before the reader has done.
pub(crate) fn left_reader() -> Failure {
    Failure::new(
        code::PIN,
        NO_PIN,
        "nothing was changed; if the reader still asks, press its cancel key",
    )
}

/// The card was not asked: it takes no such PIN.
pub(crate) fn pin_too_long(max: u8) -> String {
    format!("this token takes PINs of at most {max} bytes; no try was lost")
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

/// The two questions for a new secret.
pub(crate) fn new_secret_prompts(secret: Secret) -> (String, String) {
    (
        format!("New {secret}: "),
        format!("The new {secret} again: "),
    )
}

/// A new secret that everybody knows.
pub(crate) fn factory_secret(secret: Secret) -> String {
    format!("every new token has this {secret}; choose another")
}

/// A new secret that was typed in two ways.
pub(crate) const DIFFER: &str = "these two differ";

/// What the program that asks calls its window, and the field in it.
pub(crate) const WINDOW: &str = "tokenvpn";
pub(crate) const FIELD: &str = "PIN:";

/// The field in which this word is the answer.
pub(crate) fn field_for(answer: &str) -> String {
    format!("{answer}:")
}

pub(crate) const NO_PIN: &str = "no PIN was given";
pub(crate) const INTERRUPTED: &str = "something else came first";
pub(crate) const NO_TERMINAL: &str = "there is no terminal to ask for the PIN";

/// A program fails that was to ask.
pub(crate) fn asking_failed(program: &str, what: &str) -> String {
    format!("{program} cannot ask for the PIN: {what}")
}

/// A PIN that was handed over cannot be had.
pub(crate) fn unreadable_pin(from: &str) -> String {
    format!("the PIN cannot be read from {from}")
}

/// Where a PIN was handed over.
pub(crate) fn descriptor(number: i32) -> String {
    format!("descriptor {number}")
}

/// The same, once it is open.
pub(crate) const ITS_DESCRIPTOR: &str = "its descriptor";

const ANOTHER_WAY: &str = "run it in a terminal, or hand the PIN over with --pin-fd";

/// No PIN in a command that somebody waits for.
pub(crate) fn no_pin(error: &PinError) -> Failure {
    let hint = match error {
        PinError::Cancelled | PinError::Interrupted => {
            return Failure::new(code::PIN, NO_PIN, "nothing was changed");
        }
        PinError::NoTerminal => ANOTHER_WAY,
        PinError::Asking { .. } => "nothing was changed",
        PinError::Unusable(_) => "the token was not asked; nothing was changed",
        PinError::Unreadable { .. } => "is the descriptor open, and the credential readable?",
    };
    Failure::new(code::PIN, with_causes(error), hint)
}

/// The descriptor that was to hold the PIN of `up` cannot be had.
pub(crate) fn no_pin_fd(error: &PinError) -> Failure {
    let hint = "open it, as in: --pin-fd 9 9<FILE";
    Failure::new(code::USAGE, with_causes(error), hint)
}

/// The credential that was to hold the PIN of `up` cannot be had.
pub(crate) fn no_credential(error: &PinError) -> Failure {
    let hint = "correct the unit's LoadCredential=, or leave it out";
    Failure::new(code::PIN, with_causes(error), hint)
}

/// What was handed over is no PIN.
pub(crate) fn bad_given_pin(error: &PinError) -> Failure {
    let hint = "what is handed over has to be the PIN and nothing else";
    Failure::new(code::PIN, with_causes(error), hint)
}

/// The program that was to ask fails.
pub(crate) fn cannot_ask(error: &PinError) -> Failure {
    Failure::new(code::PIN, with_causes(error), ANOTHER_WAY)
}

/// Secrets that only a person can say.
pub(crate) fn nobody_to_type() -> Failure {
    Failure::new(
        code::PIN,
        "there is no terminal to ask on",
        "run it in a terminal: these secrets are only typed",
    )
}

/// What is wrong with a program that asks.
pub(crate) const NO_SENSE: &str = "it makes no sense";
pub(crate) const TOO_MUCH: &str = "it says too much";
pub(crate) const ENDED: &str = "it ended";
pub(crate) const FAILS: &str = "it fails";

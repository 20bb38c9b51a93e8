//! What is asked for, and what an answer has cost.

use tokenvpn_common::io::card::Secret;
use tokenvpn_common::language::say;

use crate::pin::PinError;
use crate::words::{Failure, code, with_causes};

/// The new secret was not typed once more, or not as the token has it.
pub(crate) fn unproven(secret: Secret) -> Failure {
    Failure::new(
        code::PIN,
        say().new_secret_unproven(&secret),
        say().old_one_typed_too_long(),
    )
}

/// The program ends before the reader has done.
pub(crate) fn left_reader() -> Failure {
    Failure::new(
        code::PIN,
        say().no_pin_was_given(),
        say().reader_may_still_ask(),
    )
}

/// The warning before the last try.
pub(crate) fn last_try(secret: Secret) -> String {
    match secret {
        Secret::Pin => say().last_try_of_the_pin(),
        Secret::AdminPin => say().last_try_of_the_admin_pin(),
        Secret::ResetCode => say().last_try_of_the_reset_code(),
    }
}

/// No PIN in a command that somebody waits for.
pub(crate) fn no_pin(error: &PinError) -> Failure {
    let hint = match error {
        PinError::Cancelled | PinError::Interrupted => {
            return Failure::new(
                code::PIN,
                say().no_pin_was_given(),
                say().no_pin_nothing_changed(),
            );
        }
        PinError::NoTerminal => say().hand_the_pin_over(),
        PinError::Asking { .. } => say().no_pin_nothing_changed(),
        PinError::Unusable(_) => say().bad_pin_nothing_changed(),
        PinError::Unreadable { .. } => say().is_the_pin_readable(),
    };
    Failure::new(code::PIN, with_causes(error), hint)
}

/// The descriptor that was to hold the PIN of `up` cannot be had.
pub(crate) fn no_pin_fd(error: &PinError) -> Failure {
    let hint = say().open_the_pin_descriptor();
    Failure::new(code::USAGE, with_causes(error), hint)
}

/// The credential that was to hold the PIN of `up` cannot be had.
pub(crate) fn no_credential(error: &PinError) -> Failure {
    let hint = say().correct_the_credential();
    Failure::new(code::PIN, with_causes(error), hint)
}

/// What was handed over is no PIN.
pub(crate) fn bad_given_pin(error: &PinError) -> Failure {
    let hint = say().hand_over_a_pin_alone();
    Failure::new(code::PIN, with_causes(error), hint)
}

/// The program or reader that was to ask fails.
pub(crate) fn cannot_ask(error: &dyn std::error::Error) -> Failure {
    Failure::new(code::PIN, with_causes(error), say().hand_the_pin_over())
}

/// Secrets that only a person can say.
pub(crate) fn nobody_to_type() -> Failure {
    Failure::new(
        code::PIN,
        say().no_terminal_for_secrets(),
        say().secrets_are_typed(),
    )
}

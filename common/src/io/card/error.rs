//! Why a token cannot be used.

use super::Secret;
use crate::io::holder::Holder;
use crate::language::say;
use crate::token::Ident;

/// Why a token cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// pcscd does not answer.
    #[error("{}", say().card_service_is_silent())]
    NoService,
    /// There is no reader, or the one asked for is gone.
    #[error("{}", say().card_reader_is_missing())]
    NoReader,
    /// The reader is empty.
    #[error("{}", say().card_is_missing())]
    NoToken,
    /// Another program holds the card.
    #[error("{}", say().card_is_held(.reader))]
    Busy {
        /// The reader's name.
        reader: String,
        /// Who it may be, most likely first; empty if that cannot be seen.
        holders: Vec<Holder>,
    },
    /// The card was pulled out, however short.
    #[error("{}", say().card_was_removed())]
    Removed,
    /// The service does not let this user in.
    #[error("{}", say().card_service_refuses())]
    NoPermission,
    /// The card did not accept the PIN; this cost one try.
    #[error("{}", say().card_refuses_pin(.tries_left))]
    PinWrong {
        /// Tries until the PIN is blocked, at least 1.
        tries_left: u8,
    },
    /// No try is left.
    #[error("{}", say().card_has_pin_blocked())]
    PinBlocked,
    /// Somebody pressed the cancel key of the reader's keypad.
    #[error("{}", say().card_reader_got_no_pin())]
    PinCancelled,
    /// The new PIN was typed on the reader's keypad in two ways; nothing was changed.
    #[error("{}", say().card_reader_got_two_pins())]
    NewPinsDiffer,
    /// The reader takes no PIN of such a length; the card was not asked.
    #[error("{}", say().card_reader_refuses_length())]
    PinLength,
    /// The reader's keypad, or the way to it, fails; it is not used any more.
    #[error("{}", say().card_reader_cannot_ask(.0))]
    Keypad(String),
    /// The PIN was typed on the reader's keypad, so that it can be changed only there.
    #[error("{}", say().card_reader_keeps_pin())]
    PinUnseen,
    /// The card did not accept the admin PIN; this cost one try.
    #[error("{}", say().card_refuses_admin_pin(.tries_left))]
    AdminPinWrong {
        /// Tries until the admin PIN is blocked for good, at least 1.
        tries_left: u8,
    },
    /// No try is left for the admin PIN.
    #[error("{}", say().card_has_admin_pin_blocked())]
    AdminPinBlocked,
    /// The card did not accept the reset code; this cost one try.
    #[error("{}", say().card_refuses_reset_code(.tries_left))]
    ResetCodeWrong {
        /// Tries until the reset code is blocked, at least 1.
        tries_left: u8,
    },
    /// The card has no reset code, or no try is left for it.
    #[error("{}", say().card_has_no_reset_code())]
    ResetCodeBlocked,
    /// The PIN is longer than this card takes; no try was spent.
    #[error("{}", say().card_takes_shorter_pins(.max))]
    PinTooLong {
        /// The longest PIN in bytes.
        max: u8,
    },
    /// Not an OpenPGP card, or one without private-use objects.
    #[error("{}", say().card_holds_no_profile())]
    Unsupported {
        /// Which card, if it could be asked.
        ident: Option<Ident>,
    },
    /// More than the card has room for; nothing was written.
    #[error("{}", say().card_is_too_small(.bytes, .room))]
    TooLong {
        /// How much was to be written.
        bytes: usize,
        /// How much fits.
        room: usize,
    },
    /// What was read back is not what was written.
    #[error("{}", say().card_did_not_keep(.object))]
    NotKept {
        /// The object's number.
        object: u8,
    },
    /// Anything else that a card or reader does.
    #[error("{}", say().card_misbehaves(.0))]
    Card(String),
}

impl CardError {
    /// A card did not accept this secret, which has so many tries left.
    pub fn refused(secret: Secret, tries_left: u8) -> CardError {
        match (secret, tries_left) {
            (Secret::Pin, 0) => CardError::PinBlocked,
            (Secret::Pin, _) => CardError::PinWrong { tries_left },
            (Secret::AdminPin, 0) => CardError::AdminPinBlocked,
            (Secret::AdminPin, _) => CardError::AdminPinWrong { tries_left },
            (Secret::ResetCode, 0) => CardError::ResetCodeBlocked,
            (Secret::ResetCode, _) => CardError::ResetCodeWrong { tries_left },
        }
    }
}

impl From<pcsc::Error> for CardError {
    fn from(error: pcsc::Error) -> CardError {
        use pcsc::Error as E;
        match error {
            E::NoService | E::ServiceStopped | E::CommError => CardError::NoService,
            E::NoReadersAvailable | E::UnknownReader | E::ReaderUnavailable => CardError::NoReader,
            E::NoSmartcard => CardError::NoToken,
            E::RemovedCard => CardError::Removed,
            E::SecurityViolation | E::NoAccess => CardError::NoPermission,
            error => CardError::Card(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_service_are_told_apart() {
        for (error, told) in [
            (pcsc::Error::NoService, CardError::NoService),
            (pcsc::Error::CommError, CardError::NoService),
            (pcsc::Error::NoReadersAvailable, CardError::NoReader),
            (pcsc::Error::NoSmartcard, CardError::NoToken),
            (pcsc::Error::RemovedCard, CardError::Removed),
            (pcsc::Error::SecurityViolation, CardError::NoPermission),
        ] {
            assert_eq!(CardError::from(error), told);
        }
    }
}

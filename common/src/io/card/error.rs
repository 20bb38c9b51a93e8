//! Why a token cannot be used.

use crate::io::holder::Holder;
use crate::token::Ident;

/// Why a token cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// pcscd does not answer.
    #[error("no smart-card service answers")]
    NoService,
    /// There is no reader, or the one asked for is gone.
    #[error("there is no card reader")]
    NoReader,
    /// The reader is empty.
    #[error("there is no card in the reader")]
    NoToken,
    /// Another program holds the card.
    #[error("another program holds the card in {reader}")]
    Busy {
        /// The reader's name.
        reader: String,
        /// Who it may be, most likely first; empty if that cannot be seen.
        holders: Vec<Holder>,
    },
    /// The card was pulled out, however short.
    #[error("the card was removed")]
    Removed,
    /// The service does not let this user in.
    #[error("the smart-card service refuses this user")]
    NoPermission,
    /// The card did not accept the PIN; this cost one try.
    #[error("wrong PIN, tries left: {tries_left}")]
    PinWrong {
        /// Tries until the PIN is blocked, at least 1.
        tries_left: u8,
    },
    /// No try is left.
    #[error("the PIN is blocked")]
    PinBlocked,
    /// Nobody typed the PIN on the reader's keypad, or somebody pressed its cancel key.
    #[error("no PIN was typed on the reader")]
    PinCancelled,
    /// The card did not accept the admin PIN; this cost one try.
    #[error("wrong admin PIN, tries left: {tries_left}")]
    AdminPinWrong {
        /// Tries until the admin PIN is blocked for good, at least 1.
        tries_left: u8,
    },
    /// No try is left for the admin PIN.
    #[error("the admin PIN is blocked")]
    AdminPinBlocked,
    /// The card did not accept the reset code; this cost one try.
    #[error("wrong reset code, tries left: {tries_left}")]
    ResetCodeWrong {
        /// Tries until the reset code is blocked, at least 1.
        tries_left: u8,
    },
    /// The card has no reset code, or no try is left for it.
    #[error("there is no reset code, or it is blocked")]
    ResetCodeBlocked,
    /// The PIN is longer than this card takes; no try was spent.
    #[error("this card takes PINs of at most {max} bytes")]
    PinTooLong {
        /// The longest PIN in bytes.
        max: u8,
    },
    /// Not an OpenPGP card, or one without private-use objects.
    #[error("this card cannot hold a profile")]
    Unsupported {
        /// Which card, if it could be asked.
        ident: Option<Ident>,
    },
    /// More than the card has room for; nothing was written.
    #[error("{bytes} bytes do not fit, this card has room for {room}")]
    TooLong {
        /// How much was to be written.
        bytes: usize,
        /// How much fits.
        room: usize,
    },
    /// What was read back is not what was written.
    #[error("the card did not keep what was written to object 010{object}")]
    NotKept {
        /// The object's number.
        object: u8,
    },
    /// Anything else that a card or reader does.
    #[error("the card does not do as it should: {0}")]
    Card(String),
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

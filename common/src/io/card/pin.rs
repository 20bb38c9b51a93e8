//! The three secrets that a card asks people for, checked before a card is asked.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::language::say;

/// A secret that a card asks for, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// PW1, of the token's owner.
    Pin,
    /// PW3, of whoever looks after the token.
    AdminPin,
    /// The code that gives a blocked PIN a successor.
    ResetCode,
}

impl Secret {
    /// Its fewest bytes (OpenPGP card 3.4.1 §4.3.1).
    pub const fn min(self) -> usize {
        match self {
            Secret::Pin => 6,
            Secret::AdminPin | Secret::ResetCode => 8,
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Secret::Pin => say().secret_pin(),
            Secret::AdminPin => say().secret_admin_pin(),
            Secret::ResetCode => say().secret_reset_code(),
        })
    }
}

/// Why a text is no PIN, admin PIN or reset code; no card was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinTextError {
    /// Shorter than any card's.
    #[error("{}", say().secret_too_short(.secret, &.secret.min()))]
    TooShort {
        /// What it should be.
        secret: Secret,
    },
    /// Longer than any card's.
    #[error("{}", say().secret_too_long(.secret, &Pin::MAX))]
    TooLong {
        /// What it should be.
        secret: Secret,
    },
    /// Not text, or with control characters.
    #[error("{}", say().unprintable_secret(.secret))]
    Unprintable {
        /// What it should be.
        secret: Secret,
    },
}

/// A user PIN that a card may be asked to check. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct Pin(pub(super) SecretString);

/// An admin PIN that a card may be asked to check. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct AdminPin(pub(super) SecretString);

/// A reset code that a card may be asked to check. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct ResetCode(pub(super) SecretString);

impl Pin {
    /// Longest PIN, admin PIN or reset code in bytes (OpenPGP card 3.4.1 §4.3.1: a 7-bit length).
    pub const MAX: usize = 127;

    /// What a card comes with (OpenPGP card 3.4.1 §4.3.1).
    const FACTORY: &str = "123456";

    /// Takes a PIN as it was typed, without its line end.
    ///
    /// # Errors
    /// The text cannot be any card's PIN, so that no try is spent on it.
    pub fn new(bytes: &[u8]) -> Result<Pin, PinTextError> {
        checked(bytes, Secret::Pin).map(Pin)
    }

    /// Whether it is the one that every new card has.
    pub fn is_factory(&self) -> bool {
        self.0.expose_secret() == Pin::FACTORY
    }
}

impl AdminPin {
    /// What a card comes with (OpenPGP card 3.4.1 §4.3.1).
    const FACTORY: &str = "12345678";

    /// Takes an admin PIN as it was typed, without its line end.
    ///
    /// # Errors
    /// The text cannot be any card's admin PIN, so that no try is spent on it.
    pub fn new(bytes: &[u8]) -> Result<AdminPin, PinTextError> {
        checked(bytes, Secret::AdminPin).map(AdminPin)
    }

    /// Whether it is the one that every new card has.
    pub fn is_factory(&self) -> bool {
        self.0.expose_secret() == AdminPin::FACTORY
    }
}

impl ResetCode {
    /// Takes a reset code as it was typed, without its line end.
    ///
    /// # Errors
    /// The text cannot be any card's reset code, so that no try is spent on it.
    pub fn new(bytes: &[u8]) -> Result<ResetCode, PinTextError> {
        checked(bytes, Secret::ResetCode).map(ResetCode)
    }
}

fn checked(bytes: &[u8], secret: Secret) -> Result<SecretString, PinTextError> {
    let text = str::from_utf8(bytes).map_err(|_| PinTextError::Unprintable { secret })?;
    if text.chars().any(char::is_control) {
        return Err(PinTextError::Unprintable { secret });
    }
    match text.len() {
        // Of bytes, as cards count: some other program may have set a PIN of few long ones.
        short if short < secret.min() => Err(PinTextError::TooShort { secret }),
        ..=Pin::MAX => Ok(text.into()),
        _ => Err(PinTextError::TooLong { secret }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_pin_is_refused_before_a_card_is_asked() {
        let secret = Secret::Pin;
        for (text, error) in [
            (&b""[..], PinTextError::TooShort { secret }),
            (b"12345", PinTextError::TooShort { secret }),
            (&[b'1'; 128], PinTextError::TooLong { secret }),
            (b"12345\x7f", PinTextError::Unprintable { secret }),
            (b"123456\n", PinTextError::Unprintable { secret }),
            (b"12345\xff", PinTextError::Unprintable { secret }),
        ] {
            assert_eq!(Pin::new(text).err(), Some(error), "{text:?}");
        }
        assert!(Pin::new(b"123456").is_ok());
        assert!(Pin::new("parole é".as_bytes()).is_ok());
        assert!(Pin::new(&[b'1'; 127]).is_ok());
    }

    #[test]
    fn the_admin_pin_and_the_reset_code_are_longer() {
        let (secret, long, short) = (Secret::AdminPin, b"12345678", b"1234567");
        let error = Some(PinTextError::TooShort { secret });
        assert_eq!(AdminPin::new(short).err(), error);
        let secret = Secret::ResetCode;
        let error = Some(PinTextError::TooShort { secret });
        assert_eq!(ResetCode::new(short).err(), error);
        assert!(AdminPin::new(long).is_ok() && ResetCode::new(long).is_ok());
    }

    #[test]
    fn what_every_new_card_has_is_known() {
        assert!(Pin::new(b"123456").unwrap().is_factory());
        assert!(!Pin::new(b"1234567").unwrap().is_factory());
        assert!(AdminPin::new(b"12345678").unwrap().is_factory());
        assert!(!AdminPin::new(b"123456789").unwrap().is_factory());
    }
}

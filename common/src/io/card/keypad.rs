//! PINs that are typed on the reader itself, and never come to this computer.
//!
//! A reader asks for half a minute or so. Then it is asked again, for as long as it takes, and
//! `timed_out` is called the first time.

use zeroize::Zeroizing;

use super::{Administered, CardError, PROFILE, Secret, Token, Unlocked, object};

impl Token {
    /// Lets somebody type the PIN on the reader's keypad, once, and reads the bytes of
    /// object 0103. Blocks meanwhile.
    ///
    /// # Errors
    /// As [`Token::unlock`]; [`CardError::PinCancelled`], [`CardError::PinLength`] and
    /// [`CardError::Keypad`].
    pub fn read_profile_by_pinpad(
        &mut self,
        timed_out: &dyn Fn(),
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        self.verify_by_pinpad(Secret::Pin, timed_out)?;
        self.exchange(|card| object(card, PROFILE))
    }

    /// Lets somebody type the PIN on the reader's keypad, once. Blocks meanwhile.
    ///
    /// # Errors
    /// As [`Token::unlock`]; [`CardError::PinCancelled`], [`CardError::PinLength`] and
    /// [`CardError::Keypad`].
    #[expect(clippy::result_large_err, reason = "the token moves either way")]
    pub fn unlock_by_pinpad(
        mut self,
        timed_out: &dyn Fn(),
    ) -> Result<Unlocked, (Token, CardError)> {
        match self.verify_by_pinpad(Secret::Pin, timed_out) {
            Ok(()) => Ok(Unlocked {
                token: self,
                pin: None,
            }),
            Err(error) => Err((self, error)),
        }
    }

    /// Lets somebody type the admin PIN on the reader's keypad, once. Blocks meanwhile.
    ///
    /// # Errors
    /// As [`Token::administer`]; [`CardError::PinCancelled`], [`CardError::PinLength`] and
    /// [`CardError::Keypad`].
    #[expect(clippy::result_large_err, reason = "the token moves either way")]
    pub fn administer_by_pinpad(
        mut self,
        timed_out: &dyn Fn(),
    ) -> Result<Administered, (Token, CardError)> {
        match self.verify_by_pinpad(Secret::AdminPin, timed_out) {
            Ok(()) => Ok(Administered {
                token: self,
                pin: None,
            }),
            Err(error) => Err((self, error)),
        }
    }

    /// Lets somebody type the PIN on the reader's keypad, once, and a new one twice. Blocks
    /// meanwhile.
    ///
    /// The card gets both in one piece and cuts them apart by the length of the PIN it knows:
    /// of an old one that was typed too long, the rest becomes a part of the new one. Only
    /// [`Token::unlock_by_pinpad`] tells.
    ///
    /// # Errors
    /// As [`Token::unlock_by_pinpad`]; [`CardError::NewPinsDiffer`] and
    /// [`CardError::PinLength`]: no try was spent.
    pub fn change_pin_by_pinpad(&mut self, timed_out: &dyn Fn()) -> Result<(), CardError> {
        self.change_by_pinpad(Secret::Pin, timed_out)
    }

    /// The same for the admin PIN and [`Token::administer_by_pinpad`].
    ///
    /// # Errors
    /// As [`Token::change_pin_by_pinpad`].
    pub fn change_admin_pin_by_pinpad(&mut self, timed_out: &dyn Fn()) -> Result<(), CardError> {
        self.change_by_pinpad(Secret::AdminPin, timed_out)
    }
}

//! PINs that are typed on the reader itself, and never come to this computer.

use openpgp_card::ocard::StatusBytes;
use openpgp_card::state::Transaction;
use openpgp_card::{Card, Error};
use zeroize::Zeroizing;

use super::{Administered, CardError, PROFILE, Secret, Token, Unlocked, object, refusal};

impl Token {
    /// Whether its reader has a keypad on which a PIN can be typed.
    ///
    /// # Errors
    /// The card was removed or does not answer.
    pub fn has_pinpad(&mut self) -> Result<bool, CardError> {
        self.exchange(|card| Ok(card.feature_pinpad_verify() && !derives(card)))
    }

    /// Whether a PIN can be changed on that keypad too.
    ///
    /// # Errors
    /// The card was removed or does not answer.
    pub fn can_change_by_pinpad(&mut self) -> Result<bool, CardError> {
        let changes = self.exchange(|card| Ok(card.feature_pinpad_modify()))?;
        Ok(changes && self.has_pinpad()?)
    }

    /// Lets somebody type the PIN on the reader's keypad, once, and reads the bytes of
    /// object 0103. Blocks meanwhile.
    ///
    /// # Errors
    /// As [`Token::unlock`]; [`CardError::PinCancelled`] when nobody does.
    pub fn read_profile_by_pinpad(&mut self) -> Result<Zeroizing<Vec<u8>>, CardError> {
        self.verify_by_pinpad(Secret::Pin)?;
        self.exchange(|card| object(card, PROFILE))
    }

    /// Lets somebody type the PIN on the reader's keypad, once. Blocks meanwhile.
    ///
    /// # Errors
    /// As [`Token::unlock`]; [`CardError::PinCancelled`] when nobody does.
    #[expect(clippy::result_large_err, reason = "the token moves either way")]
    pub fn unlock_by_pinpad(mut self) -> Result<Unlocked, (Token, CardError)> {
        match self.verify_by_pinpad(Secret::Pin) {
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
    /// As [`Token::administer`]; [`CardError::PinCancelled`] when nobody does.
    #[expect(clippy::result_large_err, reason = "the token moves either way")]
    pub fn administer_by_pinpad(mut self) -> Result<Administered, (Token, CardError)> {
        match self.verify_by_pinpad(Secret::AdminPin) {
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
    pub fn change_pin_by_pinpad(&mut self) -> Result<(), CardError> {
        self.ask_reader(Secret::Pin, |card| card.change_user_pin_pinpad(&|| ()))
    }

    /// The same for the admin PIN and [`Token::administer_by_pinpad`].
    ///
    /// # Errors
    /// As [`Token::change_pin_by_pinpad`].
    pub fn change_admin_pin_by_pinpad(&mut self) -> Result<(), CardError> {
        self.ask_reader(Secret::AdminPin, |card| {
            card.change_admin_pin_pinpad(&|| ())
        })
    }

    fn verify_by_pinpad(&mut self, secret: Secret) -> Result<(), CardError> {
        self.ask_reader(secret, |card| match secret {
            Secret::AdminPin => card.verify_admin_pinpad(&|| ()),
            _ => card.verify_user_pinpad(&|| ()),
        })
    }

    /// Has the reader ask for a secret, unless no try is left of it.
    fn ask_reader(
        &mut self,
        secret: Secret,
        ask: impl FnOnce(&mut Card<Transaction<'_>>) -> Result<(), Error>,
    ) -> Result<(), CardError> {
        if self.all_tries_left()?.of(secret) == 0 {
            return Err(CardError::refused(secret, 0));
        }
        match self.exchange(|card| refusal(ask(card)))? {
            Some(status) if let Some(error) = of_reader(status) => Err(error),
            refusal => self.accepted(secret, refusal),
        }
    }
}

/// Whether the card is sent something else than what was typed: a reader cannot work that out,
/// and each entry would be a wrong one.
fn derives(card: &mut Card<Transaction<'_>>) -> bool {
    card.kdf_do()
        .is_ok_and(|derivation| derivation.kdf_algo() != 0)
}

/// What the reader has to say, in place of the card (PC/SC part 10, FEATURE_VERIFY_PIN_DIRECT and
/// FEATURE_MODIFY_PIN_DIRECT).
fn of_reader(status: StatusBytes) -> Option<CardError> {
    match status {
        // No digit in time, or its cancel key.
        StatusBytes::ExecutionErrorNonVolatileMemoryUnchanged
        | StatusBytes::UnknownStatus(0x64, 0x01) => Some(CardError::PinCancelled),
        StatusBytes::TriggeringByCard(0x02) => Some(CardError::NewPinsDiffer),
        StatusBytes::TriggeringByCard(0x03) => Some(CardError::PinLength),
        _ => None,
    }
}

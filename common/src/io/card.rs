//! The token in its reader: the only place that speaks with a card.
//!
//! A card remembers that its PIN was right until it is reset, for whoever talks to it
//! next. So it is held exclusively from the first command to the last, and every end,
//! a panic or a kill included, resets it.

mod error;
mod holder_name;
mod keypad;
mod pin;
mod reader;

use std::ffi::{CStr, CString};
use std::time::Duration;

use card_backend::CardBackend;
use card_backend_pcsc::PcscBackend;
use openpgp_card::ocard::StatusBytes;
use openpgp_card::ocard::data::ExtendedCapabilities;
use openpgp_card::state::{Open, Transaction};
use openpgp_card::{Card, Error};
use pcsc::{Context, ShareMode};
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::io::clock;
use crate::language::say;
use crate::profile::wire::MAX_OBJECT;
use crate::token::{Content, Ident, Label};
pub use error::CardError;
pub use holder_name::{HolderName, HolderNameError};
pub use pin::{AdminPin, Pin, PinTextError, ResetCode, Secret};
pub use reader::readers;
pub(crate) use reader::service;
use reader::{Presence, connect, readers_of};

/// Private-use object 0101: read by anyone, written with the PIN (OpenPGP card 3.4.1 §4.4.1).
const LABEL: u8 = 1;

/// Private-use object 0103: read and written with the PIN only (OpenPGP card 3.4.1 §4.4.1).
const PROFILE: u8 = 3;

/// Room of a private-use object on a card of version 2, which does not announce it
/// (OpenPGP card 2.2 §4.4.1).
const ROOM_VERSION_2: usize = 254;

/// How long after a failed exchange to wait for news of a removal (a reader that is polled
/// needs 400 ms).
const REMOVAL_PATIENCE: Duration = Duration::from_secs(1);

/// Tries of a PIN that nobody has mistyped (OpenPGP card 3.4.1 §4.3.1). An owner can set another
/// limit, which no object tells.
pub const FULL_TRIES: u8 = 3;

/// The shortest time that a reader gives people to type. What says sooner that nobody has typed has
/// not asked.
const SHORTEST_QUESTION: Duration = Duration::from_secs(1);

/// What a card says about itself without a PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which card.
    pub ident: Ident,
    /// Its maker's name.
    pub manufacturer: &'static str,
    /// The version of the OpenPGP card specification that it follows.
    pub version: (u8, u8),
    /// Room for a profile in bytes.
    pub room: usize,
    /// Tries left for the user PIN.
    pub tries_left: u8,
    /// What object 0101 holds.
    pub label: Content<Label>,
}

/// Tries left for a card's secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// For the user PIN.
    pub pin: u8,
    /// For the admin PIN.
    pub admin_pin: u8,
    /// For the reset code; 0 also without one.
    pub reset_code: u8,
}

impl Tries {
    /// For this one.
    pub fn of(self, secret: Secret) -> u8 {
        match secret {
            Secret::Pin => self.pin,
            Secret::AdminPin => self.admin_pin,
            Secret::ResetCode => self.reset_code,
        }
    }
}

/// A card in a reader, as a list shows it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The reader's name.
    pub reader: String,
    /// What the card says, or why it cannot be asked.
    pub card: Result<Facts, CardError>,
}

/// Looks at every card in every reader, one after the other.
///
/// # Errors
/// The service does not answer or does not let us in. No reader at all is an empty list.
pub fn list() -> Result<Vec<Seen>, CardError> {
    let mut context = service()?;
    let mut seen = Vec::new();
    for reader in readers_of(&context)? {
        let card = Token::open_in(&context, &reader).and_then(|mut token| token.facts());
        if let Err(CardError::NoPermission) = card {
            // The service has hung up.
            context = service()?;
        }
        if !matches!(card, Err(CardError::NoToken | CardError::NoReader)) {
            seen.push(Seen {
                reader: reader.to_string_lossy().into_owned(),
                card,
            });
        }
    }
    Ok(seen)
}

/// The way to a card.
pub type Backend = Box<dyn CardBackend + Send + Sync>;

/// A card that we hold, and nobody else. Reset when dropped.
pub struct Token {
    card: Card<Open>,
    /// Who tells whether it is there; without PC/SC, nobody.
    presence: Option<Presence>,
    ident: Ident,
    room: usize,
    /// Whether the reader's keypad is to be used, if it has one.
    uses_keypad: bool,
}

impl Token {
    /// Takes the card in this reader exclusively.
    ///
    /// Blocks for up to 2 s while another program holds it.
    ///
    /// # Errors
    /// No such reader or card, held by another program, or a card that cannot hold a profile.
    pub fn open(reader: &str) -> Result<Token, CardError> {
        let context = service()?;
        let reader = CString::new(reader).map_err(|_| CardError::NoReader)?;
        Token::open_in(&context, &reader)
    }

    /// Takes the card like [`Token::open`], and talks to it through what `wrap` makes of
    /// the way to it: for readers that nobody has at hand.
    ///
    /// # Errors
    /// As [`Token::open`].
    pub fn open_through(
        reader: &str,
        wrap: impl FnOnce(Backend) -> Backend,
    ) -> Result<Token, CardError> {
        let context = service()?;
        let reader = CString::new(reader).map_err(|_| CardError::NoReader)?;
        Token::open_with(&context, &reader, wrap)
    }

    fn open_in(context: &Context, reader: &CStr) -> Result<Token, CardError> {
        Token::open_with(context, reader, std::convert::identity)
    }

    fn open_with(
        context: &Context,
        reader: &CStr,
        wrap: impl FnOnce(Backend) -> Backend,
    ) -> Result<Token, CardError> {
        let presence = Presence::now(context, reader)?;
        let card = connect(context, reader)?;
        let card = PcscBackend::from_pcsc_card(reader, ShareMode::Exclusive, card)
            .map_err(Error::from)
            .and_then(|backend| Card::new(wrap(backend.into())));
        Token::select(card, Some(presence))
    }

    /// Takes the card at the end of this way, which alone tells whether it is there: for
    /// cards that no PC/SC service knows.
    ///
    /// # Errors
    /// A card that cannot hold a profile, or does not answer as it should.
    pub fn over(backend: Backend) -> Result<Token, CardError> {
        Token::select(Card::new(backend), None)
    }

    /// Asks a card what it is.
    fn select(
        card: Result<Card<Open>, Error>,
        mut presence: Option<Presence>,
    ) -> Result<Token, CardError> {
        let selected = card.and_then(|mut card| Ok((about(&mut card)?, card)));
        let ((ident, capabilities), card) = selected.map_err(|error| match error {
            // It answered, but it is some other kind of card.
            Error::CardStatus(_) | Error::UnsupportedFeature(_) => {
                CardError::Unsupported { ident: None }
            }
            error => explain(presence.as_mut(), error),
        })?;
        if !capabilities.private_use_dos() {
            return Err(CardError::Unsupported { ident: Some(ident) });
        }
        let room = capabilities
            .max_len_special_do()
            .map_or(ROOM_VERSION_2, usize::from)
            .min(MAX_OBJECT);
        Ok(Token {
            card,
            presence,
            ident,
            room,
            uses_keypad: true,
        })
    }

    /// Which card it is.
    pub fn ident(&self) -> Ident {
        self.ident
    }

    /// Room for a profile in bytes.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Tries left for the user PIN, asked of the card just now.
    ///
    /// # Errors
    /// The card was removed or does not answer.
    pub fn tries_left(&mut self) -> Result<u8, CardError> {
        Ok(self.all_tries_left()?.pin)
    }

    /// Tries left for each of its secrets, asked of the card just now.
    ///
    /// # Errors
    /// The card was removed or does not answer.
    pub fn all_tries_left(&mut self) -> Result<Tries, CardError> {
        // A transaction of its own: within one, openpgp-card remembers the first answer.
        let status = self.exchange(|card| card.pw_status_bytes())?;
        Ok(Tries {
            pin: status.err_count_pw1(),
            admin_pin: status.err_count_pw3(),
            reset_code: status.err_count_rc(),
        })
    }

    /// What object 0101 holds.
    ///
    /// # Errors
    /// The card was removed or does not answer.
    pub fn label(&mut self) -> Result<Content<Label>, CardError> {
        let bytes = self.exchange(|card| object(card, LABEL))?;
        Ok(Label::decode(&bytes).into())
    }

    /// The name of its holder; empty if it was given none.
    ///
    /// # Errors
    /// The card was removed or does not answer.
    pub fn holder(&mut self) -> Result<String, CardError> {
        self.exchange(|card| card.cardholder_name())
    }

    /// All that the card says without a PIN.
    ///
    /// # Errors
    /// The card was removed or does not answer.
    pub fn facts(&mut self) -> Result<Facts, CardError> {
        let label = self.label()?;
        let tries_left = self.tries_left()?;
        let application = self.exchange(|card| card.application_identifier())?;
        let [major, minor] = application.version().to_be_bytes();
        Ok(Facts {
            ident: self.ident,
            manufacturer: application.manufacturer_name(),
            version: (major, minor),
            room: self.room,
            tries_left,
            label,
        })
    }

    /// Shows the card its PIN: exactly one try, and none if that cannot succeed.
    ///
    /// # Errors
    /// [`CardError::PinWrong`], [`CardError::PinBlocked`], [`CardError::PinTooLong`], or the
    /// card was removed; with the token, for another PIN.
    #[expect(clippy::result_large_err, reason = "the token moves either way")]
    pub fn unlock(mut self, pin: Pin) -> Result<Unlocked, (Token, CardError)> {
        match self.verify(&pin) {
            Ok(()) => Ok(Unlocked {
                token: self,
                pin: Some(pin),
            }),
            Err(error) => Err((self, error)),
        }
    }

    /// Shows the card its admin PIN: exactly one try, and none if that cannot succeed.
    ///
    /// # Errors
    /// [`CardError::AdminPinWrong`], [`CardError::AdminPinBlocked`], [`CardError::PinTooLong`],
    /// or the card was removed; with the token, for another admin PIN.
    #[expect(clippy::result_large_err, reason = "the token moves either way")]
    pub fn administer(mut self, pin: AdminPin) -> Result<Administered, (Token, CardError)> {
        match self.verify_admin(&pin) {
            Ok(()) => Ok(Administered {
                token: self,
                pin: Some(pin),
            }),
            Err(error) => Err((self, error)),
        }
    }

    /// Gives the card a new PIN with all its tries by its reset code: exactly one try of the
    /// code, and none if that cannot succeed.
    ///
    /// # Errors
    /// [`CardError::ResetCodeWrong`], [`CardError::ResetCodeBlocked`], [`CardError::PinTooLong`],
    /// or the card was removed. [`CardError::PinWrong`]: the card has another new PIN than this.
    pub fn unblock(&mut self, code: ResetCode, new: Pin) -> Result<(), CardError> {
        let status = self.exchange(|card| card.pw_status_bytes())?;
        if status.err_count_rc() == 0 {
            return Err(CardError::ResetCodeBlocked);
        }
        fits(code.0.expose_secret(), status.rc_max_len())?;
        fits(new.0.expose_secret(), status.pw1_max_len())?;
        let pin = new.clone();
        let refusal = self.exchange(|card| refusal(card.reset_user_pin(code.0, new.0)))?;
        match refusal {
            // The card cuts code and PIN apart by the length of the code it knows: a longer
            // code than that one is right too, and its rest a part of the PIN.
            None => self.verify(&pin),
            refusal => self.accepted(Secret::ResetCode, refusal),
        }
    }

    /// Shows the card its PIN and reads the bytes of object 0103.
    ///
    /// # Errors
    /// As [`Token::unlock`].
    pub fn read_profile(&mut self, pin: Pin) -> Result<Zeroizing<Vec<u8>>, CardError> {
        self.verify(&pin)?;
        self.exchange(|card| object(card, PROFILE))
    }

    /// Whether its reader has a keypad on which a PIN can be typed, and which has not failed.
    ///
    /// # Errors
    /// The card was removed or does not answer.
    pub fn has_pinpad(&mut self) -> Result<bool, CardError> {
        let has_one = self.exchange(|card| Ok(card.feature_pinpad_verify() && !derives(card)))?;
        Ok(has_one && self.uses_keypad)
    }

    /// Leaves the keypad alone: from now on there is none.
    pub fn leave_keypad(&mut self) {
        self.uses_keypad = false;
    }

    /// Whether a PIN can be changed on that keypad too.
    ///
    /// # Errors
    /// The card was removed or does not answer.
    pub fn can_change_by_pinpad(&mut self) -> Result<bool, CardError> {
        let changes = self.exchange(|card| Ok(card.feature_pinpad_modify()))?;
        Ok(changes && self.has_pinpad()?)
    }

    /// Has the reader ask for the PIN or the admin PIN.
    fn verify_by_pinpad(&mut self, secret: Secret, timed_out: &dyn Fn()) -> Result<(), CardError> {
        self.ask_reader(secret, timed_out, |card| match secret {
            Secret::AdminPin => card.verify_admin_pinpad(&|| ()),
            _ => card.verify_user_pinpad(&|| ()),
        })
    }

    /// Has it ask for the old one and a new one.
    fn change_by_pinpad(&mut self, secret: Secret, timed_out: &dyn Fn()) -> Result<(), CardError> {
        self.ask_reader(secret, timed_out, |card| match secret {
            Secret::AdminPin => card.change_admin_pin_pinpad(&|| ()),
            _ => card.change_user_pin_pinpad(&|| ()),
        })
    }

    /// Has the reader ask for a secret, unless no try is left of it, until somebody does something:
    /// no reader waits for long.
    fn ask_reader(
        &mut self,
        secret: Secret,
        timed_out: &dyn Fn(),
        ask: impl Fn(&mut Card<Transaction<'_>>) -> Result<(), Error>,
    ) -> Result<(), CardError> {
        let tries_left = self.all_tries_left()?.of(secret);
        if tries_left == 0 {
            return Err(CardError::refused(secret, 0));
        }
        // Asked without a PIN, a card tells its tries in the same words (OpenPGP card 3.4.1 §7.2.2).
        let unshown = CardError::refused(secret, tries_left);
        let mut is_told = false;
        let answer = loop {
            let began = clock::now();
            let answer = self.exchange(|card| refusal(ask(card)));
            let has_asked = clock::now().since(began) >= SHORTEST_QUESTION;
            if !matches!(answer, Ok(Some(TIMED_OUT))) || !has_asked {
                break answer;
            }
            if !is_told {
                timed_out();
                is_told = true;
            }
        };
        let verdict = answer.and_then(|refusal| match refusal {
            Some(status) if let Some(error) = of_reader(status) => Err(error),
            refusal => self.accepted(secret, refusal),
        });
        verdict.map_err(|error| match error {
            // No verdict of the card, and nothing that whoever types has done.
            CardError::Card(what) => {
                self.leave_keypad();
                CardError::Keypad(what)
            }
            error if error == unshown => {
                self.leave_keypad();
                CardError::Keypad(say().reader_shows_no_pin())
            }
            error => error,
        })
    }

    fn verify(&mut self, pin: &Pin) -> Result<(), CardError> {
        let status = self.exchange(|card| card.pw_status_bytes())?;
        if status.err_count_pw1() == 0 {
            return Err(CardError::PinBlocked);
        }
        fits(pin.0.expose_secret(), status.pw1_max_len())?;
        let refusal = self.exchange(|card| refusal(card.verify_user_pin(pin.0.clone())))?;
        self.accepted(Secret::Pin, refusal)
    }

    fn verify_admin(&mut self, pin: &AdminPin) -> Result<(), CardError> {
        let status = self.exchange(|card| card.pw_status_bytes())?;
        if status.err_count_pw3() == 0 {
            return Err(CardError::AdminPinBlocked);
        }
        fits(pin.0.expose_secret(), status.pw3_max_len())?;
        let refusal = self.exchange(|card| refusal(card.verify_admin_pin(pin.0.clone())))?;
        self.accepted(Secret::AdminPin, refusal)
    }

    /// What the card's answer to a secret means.
    fn accepted(&mut self, secret: Secret, refusal: Option<StatusBytes>) -> Result<(), CardError> {
        let Some(status) = refusal else {
            return Ok(());
        };
        let tries_left = self.tries_after(status, secret)?;
        Err(CardError::refused(secret, tries_left))
    }

    /// The tries that are left of the secret that the card has just refused.
    fn tries_after(&mut self, refusal: StatusBytes, secret: Secret) -> Result<u8, CardError> {
        match refusal {
            StatusBytes::PasswordNotChecked(tries_left) => Ok(tries_left),
            StatusBytes::AuthenticationMethodBlocked => Ok(0),
            // Cards that do not count aloud.
            StatusBytes::SecurityStatusNotSatisfied | StatusBytes::UnknownStatus(0x63, 0x00) => {
                Ok(self.all_tries_left()?.of(secret))
            }
            status => Err(CardError::Card(status.to_string())),
        }
    }

    /// One transaction with the card.
    fn exchange<T>(
        &mut self,
        ask: impl FnOnce(&mut Card<Transaction<'_>>) -> Result<T, Error>,
    ) -> Result<T, CardError> {
        let answer = self.card.transaction().and_then(|mut card| ask(&mut card));
        answer.map_err(|error| explain(self.presence.as_mut(), error))
    }
}

/// A token that has accepted its PIN.
pub struct Unlocked {
    token: Token,
    /// `None`: typed on the reader, which keeps it to itself.
    pin: Option<Pin>,
}

impl Unlocked {
    /// Which card it is.
    pub fn ident(&self) -> Ident {
        self.token.ident
    }

    /// Room for a profile in bytes.
    pub fn room(&self) -> usize {
        self.token.room
    }

    /// What object 0101 holds.
    ///
    /// # Errors
    /// The card was removed or does not answer.
    pub fn label(&mut self) -> Result<Content<Label>, CardError> {
        self.token.label()
    }

    /// The bytes of object 0103.
    ///
    /// # Errors
    /// The card was removed or does not answer.
    pub fn profile(&mut self) -> Result<Zeroizing<Vec<u8>>, CardError> {
        self.token.exchange(|card| object(card, PROFILE))
    }

    /// Whether its PIN is the one that every new card has; `None` if it was typed on the
    /// reader, where nobody sees it.
    pub fn has_factory_pin(&self) -> Option<bool> {
        self.pin.as_ref().map(Pin::is_factory)
    }

    /// Gives the card another PIN.
    ///
    /// # Errors
    /// [`CardError::PinTooLong`] or [`CardError::PinUnseen`]: nothing was changed; or the card
    /// was removed.
    pub fn change_pin(&mut self, new: Pin) -> Result<(), CardError> {
        let status = self.token.exchange(|card| card.pw_status_bytes())?;
        fits(new.0.expose_secret(), status.pw1_max_len())?;
        // Both go to the card in one piece; it was asked before whether the old one is
        // right, or a part of that could end up in the new one.
        let old = self.pin.clone().ok_or(CardError::PinUnseen)?;
        self.token
            .exchange(|card| card.change_user_pin(old.0, new.0.clone()))?;
        self.pin = Some(new);
        Ok(())
    }

    /// Gives the card its holder's name, which anybody can read.
    ///
    /// # Errors
    /// The card was removed, or has not accepted its admin PIN ([`Administered`]).
    pub fn set_holder(&mut self, name: &HolderName) -> Result<(), CardError> {
        self.token
            .exchange(|card| card.as_admin_card(None)?.set_cardholder_name(&name.0))
    }

    /// Writes a label, then its profile, and reads both back. Without a label, object
    /// 0101 stays as it is; an empty one clears it.
    ///
    /// In this order a write that is cut short leaves no old label, which may have expired,
    /// to keep a computer from a new profile.
    ///
    /// # Errors
    /// Too long for the card, in which case nothing was written; not kept; or the card
    /// was removed, in which case anything may be in it.
    pub fn write(&mut self, profile: &[u8], label: Option<&[u8]>) -> Result<(), CardError> {
        let room = self.token.room;
        let bytes = profile.len().max(label.map_or(0, <[u8]>::len));
        if bytes > room {
            return Err(CardError::TooLong { bytes, room });
        }
        label.map_or(Ok(()), |label| self.put(LABEL, label))?;
        self.put(PROFILE, profile)
    }

    /// Overwrites both objects with zeros, empties them, and reads them back: the profile first,
    /// so that no token seems empty that still holds its key.
    ///
    /// # Errors
    /// Not kept, or the card was removed.
    pub fn erase(&mut self) -> Result<(), CardError> {
        for number in [PROFILE, LABEL] {
            let len = self.token.exchange(|card| object(card, number))?.len();
            if len > 0 {
                self.put(number, &vec![0; len])?;
            }
            // A card that cannot hold nothing keeps the zeros, which mean the same.
            self.put(number, &[]).or_else(|error| match error {
                CardError::Card(_) => self.put(number, &[0]),
                error => Err(error),
            })?;
        }
        Ok(())
    }

    fn put(&mut self, number: u8, bytes: &[u8]) -> Result<(), CardError> {
        let kept = self.token.exchange(|card| {
            card.as_user_card(None)?
                .set_private_use_do(number, bytes.to_vec())?;
            object(card, number)
        })?;
        match *kept == bytes {
            true => Ok(()),
            false => Err(CardError::NotKept { object: number }),
        }
    }
}

/// A token that has accepted its admin PIN.
pub struct Administered {
    token: Token,
    /// `None`: typed on the reader, which keeps it to itself.
    pin: Option<AdminPin>,
}

impl Administered {
    /// Which card it is.
    pub fn ident(&self) -> Ident {
        self.token.ident
    }

    /// Gives the card another admin PIN.
    ///
    /// # Errors
    /// [`CardError::PinTooLong`] or [`CardError::PinUnseen`]: nothing was changed; or the card
    /// was removed.
    pub fn change_admin_pin(&mut self, new: AdminPin) -> Result<(), CardError> {
        let status = self.token.exchange(|card| card.pw_status_bytes())?;
        fits(new.0.expose_secret(), status.pw3_max_len())?;
        let old = self.pin.clone().ok_or(CardError::PinUnseen)?;
        self.token
            .exchange(|card| card.change_admin_pin(old.0, new.0.clone()))?;
        self.pin = Some(new);
        Ok(())
    }

    /// Whether its admin PIN is the one that every new card has; `None` if it was typed on the
    /// reader, where nobody sees it.
    pub fn has_factory_pin(&self) -> Option<bool> {
        self.pin.as_ref().map(AdminPin::is_factory)
    }

    /// The token, to be asked for its PIN too. The card goes on accepting the admin PIN.
    pub fn into_token(self) -> Token {
        self.token
    }

    /// Gives the card a reset code with all its tries.
    ///
    /// # Errors
    /// [`CardError::PinTooLong`]: nothing was changed; or the card was removed.
    pub fn set_reset_code(&mut self, code: ResetCode) -> Result<(), CardError> {
        let status = self.token.exchange(|card| card.pw_status_bytes())?;
        fits(code.0.expose_secret(), status.rc_max_len())?;
        self.token
            .exchange(|card| card.as_admin_card(None)?.set_resetting_code(code.0))
    }

    /// Gives the card a new PIN with all its tries.
    ///
    /// # Errors
    /// [`CardError::PinTooLong`]: nothing was changed; or the card was removed.
    pub fn unblock(&mut self, new: Pin) -> Result<(), CardError> {
        let status = self.token.exchange(|card| card.pw_status_bytes())?;
        fits(new.0.expose_secret(), status.pw1_max_len())?;
        self.token
            .exchange(|card| card.as_admin_card(None)?.reset_user_pin(new.0))
    }
}

/// Whether a card that takes `max` bytes can be asked.
fn fits(secret: &str, max: u8) -> Result<(), CardError> {
    match secret.len() <= usize::from(max) {
        true => Ok(()),
        false => Err(CardError::PinTooLong { max }),
    }
}

/// What the card itself has against a secret.
fn refusal(answer: Result<(), Error>) -> Result<Option<StatusBytes>, Error> {
    match answer {
        Ok(()) => Ok(None),
        Err(Error::CardStatus(status)) => Ok(Some(status)),
        Err(error) => Err(error),
    }
}

/// Whether the card is sent something else than what was typed: a reader cannot work that out,
/// and each entry would be a wrong one.
fn derives(card: &mut Card<Transaction<'_>>) -> bool {
    card.kdf_do()
        .is_ok_and(|derivation| derivation.kdf_algo() != 0)
}

/// A reader's time for typing is over (PC/SC part 10, FEATURE_VERIFY_PIN_DIRECT: 6400).
const TIMED_OUT: StatusBytes = StatusBytes::ExecutionErrorNonVolatileMemoryUnchanged;

/// What whoever types has done, in place of the card's answer (PC/SC part 10,
/// FEATURE_VERIFY_PIN_DIRECT and FEATURE_MODIFY_PIN_DIRECT).
fn of_reader(status: StatusBytes) -> Option<CardError> {
    match status {
        StatusBytes::UnknownStatus(0x64, 0x01) => Some(CardError::PinCancelled),
        StatusBytes::TriggeringByCard(0x02) => Some(CardError::NewPinsDiffer),
        StatusBytes::TriggeringByCard(0x03) => Some(CardError::PinLength),
        _ => None,
    }
}

/// Reads a private-use object; one that was never written is empty.
fn object(card: &mut Card<Transaction<'_>>, number: u8) -> Result<Zeroizing<Vec<u8>>, Error> {
    match card.private_use_do(number) {
        Err(Error::CardStatus(
            StatusBytes::ReferencedDataNotFound | StatusBytes::FileOrApplicationNotFound,
        )) => Ok(Zeroizing::default()),
        bytes => bytes.map(Zeroizing::new),
    }
}

fn about(card: &mut Card<Open>) -> Result<(Ident, ExtendedCapabilities), Error> {
    let card = card.transaction()?;
    let application = card.application_identifier()?;
    let ident = Ident {
        manufacturer: application.manufacturer(),
        serial: application.serial(),
    };
    Ok((ident, card.extended_capabilities()?))
}

/// Says what is behind a failed exchange. Its own text is worth nothing: every trouble with a
/// reader looks alike from there, so PC/SC is asked.
fn explain(presence: Option<&mut Presence>, error: Error) -> CardError {
    let patience = match error {
        // The card has spoken, so it was there a moment ago.
        Error::CardStatus(_) => Duration::ZERO,
        _ => REMOVAL_PATIENCE,
    };
    match presence.map_or(Ok(false), |presence| presence.is_lost(patience)) {
        Ok(true) => CardError::Removed,
        Ok(false) => CardError::Card(error.to_string()),
        Err(error) => error.into(),
    }
}

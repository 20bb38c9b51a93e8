//! The questions for a token's secrets, as often as somebody at the terminal answers them.

use tokenvpn_common::io::card::{
    AdminPin, Administered, CardError, Pin, PinTextError, Secret, Token,
};
use tokenvpn_common::language::say;

use super::{Interrupts, failure};
use crate::pin::{self, PinError};
use crate::terminal::Terminal;
use crate::words::{self, Failure};

/// Whether there is somebody to ask.
pub(super) fn need_terminal() -> Result<(), Failure> {
    match Terminal::open() {
        Some(_) => Ok(()),
        None => Err(words::nobody_to_type()),
    }
}

/// Has the token accept its admin PIN.
pub(super) fn administer(token: Token, interrupts: &Interrupts) -> Result<Administered, Failure> {
    let by_pinpad = Some(Token::administer_by_pinpad as ByPinpad<_>);
    let (read, show) = (AdminPin::new, Token::administer);
    accept(token, Secret::AdminPin, interrupts, read, show, by_pinpad)
}

/// What a token says to a secret; it is there in either case.
type Shown<A> = Result<A, (Token, CardError)>;

/// How a token is shown a secret on its reader.
type ByPinpad<A> = fn(Token, &dyn Fn()) -> Shown<A>;

/// Has the token accept a secret: typed on its reader if that can ask and this computer need not
/// know it, else at the terminal.
#[expect(clippy::result_large_err, reason = "the token moves either way")]
pub(super) fn accept<P, A>(
    mut token: Token,
    secret: Secret,
    interrupts: &Interrupts,
    read: impl Fn(&[u8]) -> Result<P, PinTextError>,
    show: impl Fn(Token, P) -> Shown<A>,
    by_pinpad: Option<ByPinpad<A>>,
) -> Result<A, Failure> {
    loop {
        let tries_left = tries_left(&mut token, secret)?;
        let has_pinpad = token.has_pinpad().map_err(failure)?;
        let shown = match by_pinpad {
            Some(by_pinpad) if has_pinpad && is_for_reader(tries_left) => {
                eprintln!(
                    "{}",
                    say().type_on_reader(&secret, &token.ident(), tries_left)
                );
                interrupts
                    .end_all_during(words::left_reader, || by_pinpad(token, &tell_of_silence))?
            }
            _ => {
                need_terminal()?;
                let typed = ask(&token, secret, tries_left, interrupts, &read)?;
                show(token, typed)
            }
        };
        token = match shown {
            Ok(accepted) => return Ok(accepted),
            Err((token, error)) => {
                goes_on(error)?;
                token
            }
        };
    }
}

/// The tries that are left of a secret, at least one.
pub(super) fn tries_left(token: &mut Token, secret: Secret) -> Result<u8, Failure> {
    match token.all_tries_left().map_err(failure)?.of(secret) {
        0 => Err(failure(CardError::refused(secret, 0))),
        tries_left => Ok(tries_left),
    }
}

/// Whether a reader may ask: nobody can type YES there.
pub(super) fn is_for_reader(tries_left: u8) -> bool {
    tries_left > 1
}

/// Says that the reader's time was over before anybody typed.
pub(super) fn tell_of_silence() {
    eprintln!("{}", say().reader_goes_on_asking());
}

/// Asks once for a secret that the card will check; the last try only after a YES.
pub(super) fn ask<T>(
    token: &Token,
    secret: Secret,
    tries_left: u8,
    interrupts: &Interrupts,
    read: impl Fn(&[u8]) -> Result<T, PinTextError>,
) -> Result<T, Failure> {
    let interrupt = interrupts.source();
    if tries_left == 1 {
        eprintln!("{}", words::last_try(secret));
        let yes = &say().yes();
        let question = &say().last_try_question(yes);
        if !pin::confirm(question, yes, interrupt).map_err(|error| words::no_pin(&error))? {
            return Err(words::no_pin(&PinError::Cancelled));
        }
    }
    let prompt = say().secret_prompt(&secret, &token.ident(), tries_left);
    pin::ask_for(&prompt, interrupt, read).map_err(|error| words::no_pin(&error))
}

/// Says what a card had against a secret, if another one may be tried.
///
/// # Errors
/// No other one may.
pub(super) fn goes_on(error: CardError) -> Result<(), Failure> {
    match error {
        CardError::PinWrong { tries_left } => {
            eprintln!("{}", say().wrong_secret(&Secret::Pin, tries_left));
        }
        CardError::AdminPinWrong { tries_left } => {
            eprintln!("{}", say().wrong_secret(&Secret::AdminPin, tries_left));
        }
        CardError::ResetCodeWrong { tries_left } => {
            eprintln!("{}", say().wrong_secret(&Secret::ResetCode, tries_left));
        }
        CardError::PinTooLong { .. }
        | CardError::NewPinsDiffer
        | CardError::PinLength
        | CardError::Keypad(_) => {
            eprintln!("{}", say().error_as_sentence(&error));
        }
        error => return Err(failure(error)),
    }
    Ok(())
}

/// Asks twice for a secret that the token does not have yet.
pub(super) fn ask_new<T>(
    secret: Secret,
    interrupts: &Interrupts,
    read: impl Fn(&[u8]) -> Result<T, PinTextError>,
    is_factory: impl Fn(&T) -> bool,
) -> Result<T, Failure> {
    let (first, again) = (say().new_secret(&secret), say().new_secret_again(&secret));
    let read = |bytes: &[u8]| {
        let new = read(bytes).map_err(|error| error.to_string())?;
        match is_factory(&new) {
            true => Err(say().new_secret_known_to_all(&secret)),
            false => Ok(new),
        }
    };
    pin::ask_twice(&first, &again, interrupts.source(), read).map_err(|error| words::no_pin(&error))
}

/// Asks twice for a new PIN.
pub(super) fn ask_new_pin(interrupts: &Interrupts) -> Result<Pin, Failure> {
    ask_new(Secret::Pin, interrupts, Pin::new, Pin::is_factory)
}

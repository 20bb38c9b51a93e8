//! `tokenvpn token pin`: gives a token another PIN, admin PIN or reset code.

use clap::Args;
use tokenvpn_common::io::card::{AdminPin, Pin, ResetCode, Secret, Token};
use tokenvpn_common::language::say;

use super::secrets::{
    accept, administer, ask_new, ask_new_pin, goes_on, is_for_reader, need_terminal,
    tell_of_silence, tries_left,
};
use super::{Interrupts, Named, failure};
use crate::words::{self, Failure};

// Options of `token pin`.
#[derive(Debug, Args)]
pub(crate) struct Change {
    #[command(flatten)]
    named: Named,
    #[arg(long, conflicts_with = "reset_code", help = say().help_pin_admin())]
    admin: bool,
    #[arg(long, help = say().help_pin_reset_code())]
    reset_code: bool,
}

impl Change {
    pub(super) fn run(self) -> Result<(), Failure> {
        let interrupts = Interrupts::hold()?;
        let token = self.named.open(&interrupts)?;
        let ident = token.ident();
        let secret = match (self.admin, self.reset_code) {
            (true, _) => Secret::AdminPin,
            (_, true) => Secret::ResetCode,
            _ => Secret::Pin,
        };
        change(token, secret, &interrupts)?;
        eprintln!("{}", say().token_has_new_secret(&ident, &secret));
        Ok(())
    }
}

fn change(mut token: Token, secret: Secret, interrupts: &Interrupts) -> Result<(), Failure> {
    if secret != Secret::ResetCode && change_on_reader(&mut token, secret, interrupts)? {
        return prove_on_reader(token, secret, interrupts);
    }
    // What is new is typed here.
    need_terminal()?;
    match secret {
        Secret::Pin => {
            let mut token = accept(token, secret, interrupts, Pin::new, Token::unlock, None)?;
            while let Err(error) = token.change_pin(ask_new_pin(interrupts)?) {
                goes_on(error)?;
            }
        }
        Secret::AdminPin => {
            let mut token = accept(
                token,
                secret,
                interrupts,
                AdminPin::new,
                Token::administer,
                None,
            )?;
            let new = || ask_new(secret, interrupts, AdminPin::new, AdminPin::is_factory);
            while let Err(error) = token.change_admin_pin(new()?) {
                goes_on(error)?;
            }
        }
        Secret::ResetCode => {
            let mut token = administer(token, interrupts)?;
            // No card comes with one.
            let new = || ask_new(secret, interrupts, ResetCode::new, |_| false);
            while let Err(error) = token.set_reset_code(new()?) {
                goes_on(error)?;
            }
        }
    }
    Ok(())
}

/// Has the old secret and a new one typed on the reader; `false` if that is not for a reader, or
/// this one cannot.
fn change_on_reader(
    token: &mut Token,
    secret: Secret,
    interrupts: &Interrupts,
) -> Result<bool, Failure> {
    while token.can_change_by_pinpad().map_err(failure)? {
        let tries_left = tries_left(token, secret)?;
        if !is_for_reader(tries_left) {
            break;
        }
        eprintln!(
            "{}",
            say().change_on_reader(&secret, &token.ident(), tries_left)
        );
        let changed = interrupts.end_all_during(words::left_reader, || match secret {
            Secret::AdminPin => token.change_admin_pin_by_pinpad(&tell_of_silence),
            _ => token.change_pin_by_pinpad(&tell_of_silence),
        })?;
        match changed {
            Ok(()) => return Ok(true),
            Err(error) => goes_on(error)?,
        }
    }
    Ok(false)
}

/// Has the new secret typed once more: of an old one that was typed too long, the card takes the
/// rest for the beginning of the new one, which no reader notices.
fn prove_on_reader(token: Token, secret: Secret, interrupts: &Interrupts) -> Result<(), Failure> {
    eprintln!("{}", say().prove_on_reader(&secret));
    let unproven = || words::unproven(secret);
    let proven = interrupts.end_all_during(unproven, || match secret {
        Secret::AdminPin => token.administer_by_pinpad(&tell_of_silence).is_ok(),
        _ => token.unlock_by_pinpad(&tell_of_silence).is_ok(),
    })?;
    match proven {
        true => Ok(()),
        false => Err(unproven()),
    }
}

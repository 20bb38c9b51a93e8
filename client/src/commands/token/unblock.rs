//! `tokenvpn token unblock`: gives a token whose PIN is blocked or forgotten a new one.

use clap::Args;
use tokenvpn_common::io::card::{CardError, ResetCode, Secret, Token};
use tokenvpn_common::language::say;

use super::secrets::{administer, ask, ask_new_pin, goes_on, need_terminal};
use super::{Interrupts, Named, failure};
use crate::words::{self, Failure};

// Options of `token unblock`.
#[derive(Debug, Args)]
pub(crate) struct Unblock {
    #[command(flatten)]
    named: Named,
    #[arg(long, help = say().help_unblock_admin())]
    admin: bool,
}

impl Unblock {
    pub(super) fn run(self) -> Result<(), Failure> {
        need_terminal()?;
        let interrupts = Interrupts::hold()?;
        let mut token = self.named.open(&interrupts)?;
        let ident = token.ident();
        let has_code = token.all_tries_left().map_err(failure)?.reset_code > 0;
        match has_code && !self.admin {
            true => by_reset_code(token, &interrupts),
            false => by_admin_pin(token, &interrupts),
        }?;
        eprintln!("{}", say().token_unblocked(&ident));
        Ok(())
    }
}

fn by_admin_pin(token: Token, interrupts: &Interrupts) -> Result<(), Failure> {
    let mut token = administer(token, interrupts)?;
    while let Err(error) = token.unblock(ask_new_pin(interrupts)?) {
        goes_on(error)?;
    }
    Ok(())
}

/// The card takes code and new PIN together, so the code is not known to be right before
/// the PIN is chosen.
fn by_reset_code(mut token: Token, interrupts: &Interrupts) -> Result<(), Failure> {
    loop {
        let tries_left = token.all_tries_left().map_err(failure)?.reset_code;
        if tries_left == 0 {
            return Err(failure(CardError::ResetCodeBlocked));
        }
        let secret = Secret::ResetCode;
        let code = ask(&token, secret, tries_left, interrupts, ResetCode::new)?;
        match token.unblock(code, ask_new_pin(interrupts)?) {
            Ok(()) => return Ok(()),
            Err(CardError::PinWrong { .. }) => {
                return Err(words::code_too_long());
            }
            Err(error) => goes_on(error)?,
        }
    }
}

//! `tokenvpn token pin`: gives a token another PIN, admin PIN or reset code.

use clap::Args;
use tokenvpn_common::io::card::{AdminPin, ResetCode, Secret, Token};

use super::secrets::{administer, ask_new, ask_new_pin, goes_on, need_terminal};
use super::{Interrupts, Named, PinSource};
use crate::lifecycle::Askable;
use crate::words::{self, Failure, help};

// Options of `token pin`.
#[derive(Debug, Args)]
pub(crate) struct Change {
    #[command(flatten)]
    named: Named,
    #[arg(long, conflicts_with = "reset_code", help = help::pin::ADMIN)]
    admin: bool,
    #[arg(long, help = help::pin::RESET_CODE)]
    reset_code: bool,
}

impl Change {
    pub(super) fn run(self) -> Result<(), Failure> {
        need_terminal()?;
        let interrupts = Interrupts::hold()?;
        let token = self.named.open()?;
        let ident = token.ident();
        let secret = match (self.admin, self.reset_code) {
            (true, _) => change_admin_pin(token, &interrupts),
            (_, true) => set_reset_code(token, &interrupts),
            _ => change_pin(token, &interrupts),
        }?;
        eprintln!("{}", words::has_new(ident, secret));
        Ok(())
    }
}

fn change_pin(token: Token, interrupts: &Interrupts) -> Result<Secret, Failure> {
    let here = Askable {
        terminal: true,
        ..Askable::default()
    };
    let mut token = PinSource::Person(here).unlock(token, interrupts)?;
    while let Err(error) = token.change_pin(ask_new_pin(interrupts)?) {
        goes_on(error)?;
    }
    Ok(Secret::Pin)
}

fn change_admin_pin(token: Token, interrupts: &Interrupts) -> Result<Secret, Failure> {
    let secret = Secret::AdminPin;
    let mut token = administer(token, interrupts)?;
    let new = || ask_new(secret, interrupts, AdminPin::new, AdminPin::is_factory);
    while let Err(error) = token.change_admin_pin(new()?) {
        goes_on(error)?;
    }
    Ok(secret)
}

fn set_reset_code(token: Token, interrupts: &Interrupts) -> Result<Secret, Failure> {
    let secret = Secret::ResetCode;
    let mut token = administer(token, interrupts)?;
    // No card comes with one.
    let new = || ask_new(secret, interrupts, ResetCode::new, |_| false);
    while let Err(error) = token.set_reset_code(new()?) {
        goes_on(error)?;
    }
    Ok(secret)
}

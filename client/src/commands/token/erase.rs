//! `tokenvpn token erase`: empties a token.

use clap::Args;
use tokenvpn_common::io::clock;
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::Content;

use super::content::{label_text, profile_text};
use super::{Interrupts, Which, confirm, failure};
use crate::words::Failure;

/// Options of `token erase`.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    which: Which,
}

impl Erase {
    pub(super) fn run(self) -> Result<(), Failure> {
        let interrupts = Interrupts::hold()?;
        let source = self.which.pin_source()?;
        let mut token = source.unlock(self.which.open()?, &interrupts)?;
        let profile = Content::from(Profile::decode(&token.profile().map_err(failure)?));
        let label = token.label().map_err(failure)?;
        let ident = token.ident();
        if matches!((&profile, &label), (Content::Empty, Content::Empty)) {
            eprintln!("{ident} holds nothing to erase.");
            return Ok(());
        }
        eprintln!(
            "{ident} holds {}, and its label: {}.",
            profile_text(&profile),
            label_text(&label, clock::unix_time())
        );
        confirm(
            "Type YES to erase both for good: ",
            "the token was not erased",
            &interrupts,
        )?;
        token.erase().map_err(failure)?;
        eprintln!("{ident} is empty now.");
        Ok(())
    }
}

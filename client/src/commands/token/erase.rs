//! `tokenvpn token erase`: empties a token.

use clap::Args;
use tokenvpn_common::io::clock;
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::Content;

use super::{Interrupts, Which, confirm, failure};
use crate::words::{self, Failure};

// Options of `token erase`.
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
            eprintln!("{}", words::nothing_to_erase(ident));
            return Ok(());
        }
        let label = words::label_text(&label, clock::unix_time());
        eprintln!(
            "{}",
            words::to_erase(ident, &words::profile_text(&profile), &label)
        );
        confirm(words::ERASE_PROMPT, words::NOT_ERASED, &interrupts)?;
        token.erase().map_err(failure)?;
        eprintln!("{}", words::erased(ident));
        Ok(())
    }
}

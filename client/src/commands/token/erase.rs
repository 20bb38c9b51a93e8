//! `tokenvpn token erase`: empties a token.

use clap::Args;
use tokenvpn_common::io::clock;
use tokenvpn_common::language::say;
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::Content;

use super::{Interrupts, Which, confirm, failure};
use crate::words::{self, Destroying, Failure};

// Options of `token erase`.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    which: Which,
}

impl Erase {
    pub(super) fn run(self) -> Result<(), Failure> {
        let interrupts = Interrupts::hold()?;
        let mut token = self.which.unlock(&interrupts)?;
        let profile = Content::from(Profile::decode(&token.profile().map_err(failure)?));
        let label = token.label().map_err(failure)?;
        let ident = token.ident();
        if matches!((&profile, &label), (Content::Empty, Content::Empty)) {
            eprintln!("{}", say().nothing_to_erase(&ident));
            return Ok(());
        }
        let label = words::label_text(&label, clock::unix_time());
        eprintln!(
            "{}",
            say().to_be_erased(&ident, &words::profile_text(&profile), &label)
        );
        confirm(&say().erase_question(), Destroying::Erasing, &interrupts)?;
        token
            .erase()
            .map_err(|error| words::half_erased(failure(error)))?;
        eprintln!("{}", say().token_erased(&ident));
        Ok(())
    }
}

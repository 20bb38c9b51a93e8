//! `tokenvpn token add-gateway`: one more gateway for a token, to go over to.

use std::path::PathBuf;

use clap::Args;
use tokenvpn_common::language::say;
use tokenvpn_common::token::Ident;

use super::writing::{Draft, check_end, sensible_time};
use super::{Interrupts, Which, failure, invited};
use crate::words::{self, Failure};

// Options of `token add-gateway`.
#[derive(Debug, Args)]
pub(crate) struct AddGateway {
    #[command(flatten)]
    which: Which,
    #[arg(value_name = say().value_file(), help = say().help_add_gateway_invitation())]
    invitation: Option<PathBuf>,
}

impl AddGateway {
    pub(super) fn run(self) -> Result<(), Failure> {
        let now = sensible_time()?;
        let invitation = invited::read(self.invitation.as_deref(), &self.which, now)?;
        let interrupts = Interrupts::hold()?;
        let (mut token, old) = invited::unlock_same(&self.which, &invitation, &interrupts)?;
        check_end(&old, now)?;
        let inviting = &invitation.gateway_public_key;
        if old.gateways.iter().any(|g| g.public_key == *inviting) {
            return Err(words::known_gateway());
        }

        let id = invitation.id.clone();
        let serial = old.serial.saturating_add(1);
        let invited = invitation
            .into_profile(old.private_key.clone(), now, serial)
            .map_err(|error| words::bad_invitation(&error))?;
        let mut left_out = words::shared_lines(&invited);
        left_out.retain(|line| !words::shared_lines(&old).contains(line));
        let mut profile = old;
        (profile.issued, profile.serial) = (now, serial);
        profile.gateways.extend(invited.gateways);

        let draft = Draft::present(&token, profile)?;
        if !left_out.is_empty() {
            eprint!(
                "{}",
                say().not_taken_from_invitation(&words::columns(&left_out))
            );
        }
        let label = draft.label_after(&token.label().map_err(failure)?)?;
        let written = draft.write(&mut token, label)?;
        let said = |token: &Ident| say().token_has_further_gateway(token);
        invited::answer(id, written, token, said)
    }
}

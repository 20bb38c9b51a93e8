//! `tokenvpn token issue`: makes a key on this computer and a token that holds it.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::io::card::{HolderName, Secret, Unlocked};
use tokenvpn_common::key::PrivateKey;
use tokenvpn_common::language::say;
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::{Content, Label};
use zeroize::Zeroizing;

use super::secrets::administer;
use super::writing::{Draft, sensible_time};
use super::{Interrupts, Which, confirm, failure, for_a_key, invited, refuse_factory};
use crate::words::{self, Destroying, Failure};

// Options of `token issue`.
#[derive(Debug, Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    which: Which,
    #[arg(long, help = say().help_issue_no_label())]
    no_label: bool,
    #[arg(long, value_name = say().value_name(), help = say().help_issue_card_name())]
    card_name: Option<HolderName>,
    #[arg(value_name = say().value_file(), help = say().help_issue_invitation())]
    invitation: Option<PathBuf>,
}

impl Issue {
    pub(super) fn run(self) -> Result<(), Failure> {
        let now = sensible_time()?;
        let invitation = invited::read(self.invitation.as_deref(), &self.which, now)?;
        let interrupts = Interrupts::hold()?;
        let mut token = match self.card_name {
            None => self.which.unlock_for_a_key(&interrupts)?,
            Some(_) => {
                let source = self.which.pin_source(&interrupts)?;
                let token = administer(self.which.open(&interrupts)?, &interrupts)?;
                refuse_factory(Secret::AdminPin, token.has_factory_pin(), &interrupts)?;
                for_a_key(source.unlock(token.into_token(), &interrupts)?, &interrupts)?
            }
        };
        let old = Old {
            profile: Profile::decode(&token.profile().map_err(failure)?).into(),
            label: token.label().map_err(failure)?,
        };

        let id = invitation.id.clone();
        let profile = invitation
            .into_profile(PrivateKey::generate(), now, old.next_serial())
            .map_err(|error| words::bad_invitation(&error))?;
        let draft = Draft::present(&token, profile)?;
        if let Some(loss) = old.loss(self.no_label, now) {
            let question = say().overwrite_question(&loss);
            confirm(&question, Destroying::Overwriting, &interrupts)?;
        }
        let label = match self.no_label {
            false => Some(draft.label()?),
            // Ours would be wrong now; another program's is none of our business.
            true => match old.label {
                Content::Foreign => None,
                _ => Some(Zeroizing::default()),
            },
        };
        let written = draft.write(&mut token, label)?;
        // Last, so that no card goes by the name of what it does not hold. If that fails, the
        // enrolment is of use all the same.
        let named = self.card_name.map(|name| name_card(&mut token, &name));
        invited::answer(id, written, token, |token| say().token_issued(token))?;
        named.unwrap_or(Ok(()))
    }
}

/// Gives the card its holder's name.
fn name_card(token: &mut Unlocked, name: &HolderName) -> Result<(), Failure> {
    token
        .set_holder(name)
        .map_err(|error| words::card_not_named(failure(error)))?;
    // The enrolment is to come out whether anybody is there to read this or not.
    let _ = writeln!(io::stderr(), "{}", say().card_named(&token.ident(), name));
    Ok(())
}

/// What a token held before.
struct Old {
    profile: Content<Profile>,
    label: Content<Label>,
}

impl Old {
    /// One more than the serial number that the token has.
    fn next_serial(&self) -> u32 {
        let serial = match (&self.profile, &self.label) {
            (Content::Holds(profile), _) => profile.serial,
            (_, Content::Holds(label)) => label.serial,
            _ => 0,
        };
        serial.saturating_add(1)
    }

    /// What would be lost, if anything.
    fn loss(&self, keeps_foreign_label: bool, now: UnixTime) -> Option<String> {
        let profile = match &self.profile {
            Content::Empty => None,
            content => Some(words::profile_text(content)),
        };
        let label = match &self.label {
            Content::Foreign if !keeps_foreign_label => {
                let held = words::label_text(&self.label, now);
                Some(say().loss_in_place_of_label(&held))
            }
            _ => None,
        };
        match (profile, label) {
            (Some(profile), Some(label)) => Some(say().loss_of_both(&profile, &label)),
            (profile, label) => profile.or(label),
        }
    }
}

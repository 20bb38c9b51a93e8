//! `tokenvpn token renew`: brings a token up to date with a new invitation of its name.

use std::path::PathBuf;

use clap::Args;
use tokenvpn_common::key::PrivateKey;
use tokenvpn_common::language::say;
use tokenvpn_common::profile::Gateway;

use super::writing::{Draft, sensible_time};
use super::{Interrupts, Which, failure, invited};
use crate::words::{self, Failure};

// Options of `token renew`.
#[derive(Debug, Args)]
pub(crate) struct Renew {
    #[command(flatten)]
    which: Which,
    #[arg(long, help = say().help_renew_new_key())]
    new_key: bool,
    #[arg(value_name = say().value_file(), help = say().help_renew_invitation())]
    invitation: Option<PathBuf>,
}

impl Renew {
    pub(super) fn run(self) -> Result<(), Failure> {
        let now = sensible_time()?;
        let invitation = invited::read(self.invitation.as_deref(), &self.which, now)?;
        let interrupts = Interrupts::hold()?;
        let (mut token, old) = invited::unlock_same(&self.which, &invitation, &interrupts)?;

        let id = invitation.id.clone();
        let private_key = match self.new_key {
            true => PrivateKey::generate(),
            false => old.private_key.clone(),
        };
        let serial = old.serial.saturating_add(1);
        let mut profile = invitation
            .into_profile(private_key, now, serial)
            .map_err(|error| words::bad_invitation(&error))?;
        if !self.new_key {
            profile.gateways = merge(&old.gateways, profile.gateways);
        }
        let draft = Draft::present(&token, profile)?;
        let dropped = draft.dropped_from(&old);
        if !dropped.is_empty() {
            eprint!("{}", say().no_longer_on_token(&words::columns(&dropped)));
        }
        let label = draft.label_after(&token.label().map_err(failure)?)?;
        let written = draft.write(&mut token, label)?;
        invited::answer(id, written, token, |token| say().token_renewed(token))
    }
}

/// The gateways of before, with the one that has invited as it is now.
fn merge(old: &[Gateway], inviting: Vec<Gateway>) -> Vec<Gateway> {
    let is_inviting = |old: &&Gateway| inviting.iter().any(|new| new.public_key == old.public_key);
    if !old.iter().any(|gateway| is_inviting(&gateway)) {
        return inviting;
    }
    let merged = old.iter().map(|gateway| {
        let new = inviting
            .iter()
            .find(|new| new.public_key == gateway.public_key);
        new.unwrap_or(gateway).clone()
    });
    merged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(key: u8, endpoint: &str) -> Gateway {
        Gateway {
            public_key: PrivateKey::from_bytes([key; 32]).public(),
            preshared_key: None,
            endpoints: vec![endpoint.parse().unwrap()],
        }
    }

    fn endpoints(gateways: &[Gateway]) -> Vec<String> {
        let endpoints = gateways.iter().flat_map(|gateway| &gateway.endpoints);
        endpoints.map(ToString::to_string).collect()
    }

    #[test]
    fn the_gateways_that_did_not_invite_stay_as_they_are() {
        let old = [gateway(1, "tokyo.example:1"), gateway(2, "osaka.example:1")];
        let merged = merge(&old, vec![gateway(2, "osaka.example:2")]);
        assert_eq!(endpoints(&merged), ["tokyo.example:1", "osaka.example:2"]);
        let merged = merge(&old, vec![gateway(3, "kyoto.example:1")]);
        assert_eq!(endpoints(&merged), ["kyoto.example:1"]);
    }
}

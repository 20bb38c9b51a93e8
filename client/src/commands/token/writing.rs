//! A profile on its way to a token.

use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::io::card::{CardError, Unlocked};
use tokenvpn_common::io::clock;
use tokenvpn_common::key::PrivateKey;
use tokenvpn_common::language::say;
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::{Content, Label};
use zeroize::Zeroizing;

use super::failure;
use crate::words::{self, Failure, Object, State};

/// The time by this computer's clock, for a date of issue.
pub(super) fn sensible_time() -> Result<UnixTime, Failure> {
    let now = clock::unix_time();
    match now < UnixTime::EARLIEST {
        true => Err(State::Clock { now, issued: None }.into()),
        false => Ok(now),
    }
}

/// Refuses to date a profile after its own end, which this command does not change: by a clock that
/// is right, that is of no use, and one that is fast would shut out the others.
pub(super) fn check_end(profile: &Profile, now: UnixTime) -> Result<(), Failure> {
    match profile.not_after {
        Some(not_after) if not_after < now => Err(words::over(not_after, now)),
        _ => Ok(()),
    }
}

/// The profile that a token holds.
pub(super) fn held(token: &mut Unlocked) -> Result<Profile, Failure> {
    let bytes = token.profile().map_err(failure)?;
    Ok(State::usable(
        Profile::decode(&bytes).into(),
        Object::Profile,
    )?)
}

/// A profile that was shown to whoever writes it, and that fits.
pub(super) struct Draft {
    profile: Profile,
    bytes: Zeroizing<Vec<u8>>,
}

impl Draft {
    /// Shows what will be written to this token, and how much of its room that takes.
    pub(super) fn present(token: &Unlocked, profile: Profile) -> Result<Draft, Failure> {
        let bytes = profile
            .encode()
            .map_err(|error| words::no_profile(&error))?;
        let (len, room) = (bytes.len(), token.room());
        let mut lines = words::profile_lines(&profile);
        lines.push(words::size_line(len, room));
        eprint!(
            "{}",
            say().to_be_written(&token.ident(), &words::columns(&lines))
        );
        match len <= room {
            true => Ok(Draft { profile, bytes }),
            false => Err(failure(CardError::TooLong { bytes: len, room })),
        }
    }

    /// The gateways, routes and name servers of `old` that it has no more.
    pub(super) fn dropped_from(&self, old: &Profile) -> Vec<words::Line> {
        let keeps = |key| self.profile.gateways.iter().any(|g| g.public_key == key);
        let dropped = old.gateways.iter().filter(|g| !keeps(g.public_key));
        let mut lines: Vec<_> = dropped.map(words::gateway_line).collect();
        lines.extend(words::networks_dropped(old, &self.profile));
        lines
    }

    /// The label that belongs to it.
    pub(super) fn label(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        Label::of(&self.profile)
            .encode()
            .map_err(|error| words::no_profile(&error))
    }

    /// The label to write on a token that had this one. Issued without a label, or among
    /// another program's data, it stays so.
    pub(super) fn label_after(
        &self,
        old: &Content<Label>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        match old {
            Content::Empty | Content::Foreign => Ok(None),
            _ => self.label().map(Some),
        }
    }

    /// Writes it, with its label or leaving the one that is there, reads it back, and proves
    /// that its key works.
    pub(super) fn write(
        self,
        token: &mut Unlocked,
        label: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Profile, Failure> {
        let label = label.as_ref().map(|label| &label[..]);
        let cut_short = |error| words::half_written(failure(error));
        token.write(&self.bytes, label).map_err(cut_short)?;
        let kept = token.profile().map_err(cut_short)?;
        match has_key(&kept, &self.profile) {
            true => Ok(self.profile),
            false => Err(words::key_does_not_work()),
        }
    }
}

/// Whether the key of what was read once more agrees with another on a secret, as in a handshake.
fn has_key(kept: &[u8], written: &Profile) -> bool {
    let other = PrivateKey::generate();
    Profile::decode(kept).is_ok_and(|kept| {
        *kept.private_key.agree(&other.public()) == *other.agree(&written.private_key.public())
    })
}

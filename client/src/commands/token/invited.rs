//! The invitation that a token is filled from, first and later, and the enrolment that answers it.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::invitation::{self, Enrolment, Invitation, InvitationId};
use tokenvpn_common::profile::Profile;
use zeroize::Zeroizing;

use crate::words::{self, Failure};

/// Reads an invitation that can be used at `now` from a file, or from standard input.
pub(super) fn read(file: Option<&Path>, now: UnixTime) -> Result<Invitation, Failure> {
    let text = match file {
        Some(path) => File::open(path)
            .and_then(read_text)
            .map_err(|error| words::unreadable_invitation(&path.display(), &error)),
        None => {
            if io::stdin().is_terminal() {
                eprintln!("{}", words::PASTE);
            }
            read_text(io::stdin().lock())
                .map_err(|error| words::unreadable_invitation(&words::STANDARD_INPUT, &error))
        }
    }?;
    let invitation = Invitation::from_toml(&text).map_err(|error| words::bad_invitation(&error))?;
    invitation
        .check_dates(now)
        .map_err(|error| words::bad_invitation(&error))?;
    Ok(invitation)
}

/// Whether the invitation is for this very key: a name can have several, each with its own
/// addresses, and no later invitation changes them.
pub(super) fn check_same(old: &Profile, invitation: &Invitation) -> Result<(), Failure> {
    if invitation.name != old.name {
        return Err(words::another_name(&old.name, &invitation.name));
    }
    let [own, invited] = [&old.addresses, &invitation.addresses].map(|nets| words::addresses(nets));
    match own == invited {
        true => Ok(()),
        false => Err(words::another_address(&old.name, &own, &invited)),
    }
}

/// The answer to the invitation `id`, of which this profile was made.
pub(super) fn enrolment(id: InvitationId, profile: Profile) -> Enrolment {
    Enrolment {
        version: invitation::VERSION,
        id,
        public_key: profile.private_key.public(),
        serial: profile.serial,
        name: profile.name,
    }
}

/// Reads a text, at most one byte more than the longest that an invitation can be.
fn read_text(from: impl Read) -> io::Result<Zeroizing<String>> {
    let most = invitation::MAX_TEXT + 1;
    // Reserved at once: growing would leave copies of a preshared key behind.
    let mut text = Zeroizing::new(String::with_capacity(most + 1));
    from.take(most as u64).read_to_string(&mut text)?;
    Ok(text)
}

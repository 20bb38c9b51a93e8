//! The invitation that a token is filled from, first and later, and the enrolment that answers it.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::os::fd::RawFd;
use std::path::Path;

use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::invitation::{self, Enrolment, Invitation, InvitationId};
use tokenvpn_common::io::card::Unlocked;
use tokenvpn_common::language::say;
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::Ident;
use zeroize::Zeroizing;

use super::{Interrupts, Which, print_to_stdout, writing};
use crate::words::{self, Failure};

/// The number of standard input.
const STDIN: RawFd = 0;

/// Reads an invitation that can be used at `now` from a file, or from standard input.
pub(super) fn read(
    file: Option<&Path>,
    which: &Which,
    now: UnixTime,
) -> Result<Invitation, Failure> {
    if file.is_none() && which.pin_fd == Some(STDIN) {
        return Err(words::pin_in_place_of_invitation());
    }
    let text = match file {
        Some(path) => File::open(path).and_then(read_text),
        None => {
            if io::stdin().is_terminal() {
                eprintln!("{}", say().paste_invitation());
            }
            read_text(io::stdin().lock())
        }
    };
    let text = text.map_err(|error| words::unreadable_invitation(file, &error))?;
    let invitation = Invitation::from_toml(&text).map_err(|error| words::bad_invitation(&error))?;
    invitation
        .check_dates(now)
        .map_err(|error| words::bad_invitation(&error))?;
    Ok(invitation)
}

/// Takes the token that is meant, and the profile on it. The invitation has to be for that very
/// key: a name can have several, each with its own addresses, and no later invitation changes them.
pub(super) fn unlock_same(
    which: &Which,
    invitation: &Invitation,
    interrupts: &Interrupts,
) -> Result<(Unlocked, Profile), Failure> {
    let mut token = which.unlock_for_a_key(interrupts)?;
    let old = writing::held(&mut token)?;
    if invitation.name != old.name {
        return Err(words::another_name(&old.name, &invitation.name));
    }
    let [own, invited] = [&old.addresses, &invitation.addresses].map(|nets| words::addresses(nets));
    match own == invited {
        true => Ok((token, old)),
        false => Err(words::another_address(&old.name, &own, &invited)),
    }
}

/// Lets go of a token that holds what was made of the invitation `id`, says so in these words, and
/// prints the enrolment that answers it.
pub(super) fn answer(
    id: InvitationId,
    written: Profile,
    token: Unlocked,
    said: impl FnOnce(&Ident) -> String,
) -> Result<(), Failure> {
    let said = said(&token.ident());
    drop(token);
    let enrolment = Enrolment {
        version: invitation::VERSION,
        id,
        public_key: written.private_key.public(),
        serial: written.serial,
        name: written.name,
    };
    let enrolment = enrolment.to_toml();
    // Nobody may be there to read the one; the other is to come out all the same.
    let _ = writeln!(io::stderr(), "{said}");
    print_to_stdout(&enrolment).map_err(|error| {
        // The token has its key: without this, no gateway would ever know it.
        let _ = write!(io::stderr(), "{}", say().enrolment_unread(&enrolment));
        words::enrolment_not_printed(&error)
    })
}

/// Reads a text, at most one byte more than the longest that an invitation can be.
fn read_text(from: impl Read) -> io::Result<Zeroizing<String>> {
    let most = invitation::MAX_TEXT + 1;
    // Reserved at once: growing would leave copies of a preshared key behind.
    let mut text = Zeroizing::new(String::with_capacity(most + 1));
    from.take(most as u64).read_to_string(&mut text)?;
    Ok(text)
}

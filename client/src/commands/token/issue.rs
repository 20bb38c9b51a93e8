//! `tokenvpn token issue`: makes a key on this computer and a token that holds it.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::PathBuf;

use clap::Args;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::invitation::{self, Enrolment, Invitation, InvitationError};
use tokenvpn_common::io::card::{CardError, Unlocked};
use tokenvpn_common::io::clock;
use tokenvpn_common::key::PrivateKey;
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::{Content, Label};
use zeroize::Zeroizing;

use super::content::{columns, label_text, profile_lines, profile_text, size_line};
use super::{Interrupts, PinSource, Which, confirm, failure, print};
use crate::words::{Failure, State, code};

/// A clock before this program was written (2026-11-01) is wrong, and would put a wrong
/// date of issue on the token.
const EARLIEST: UnixTime = UnixTime(1_793_491_200);

/// Options of `token issue`.
#[derive(Debug, Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    which: Which,
    /// Write no label: nobody learns the token's name without its PIN.
    #[arg(long)]
    no_label: bool,
    /// The invitation [default: standard input].
    #[arg(value_name = "FILE")]
    invitation: Option<PathBuf>,
}

impl Issue {
    pub(super) fn run(self) -> Result<(), Failure> {
        let text = self.read_invitation()?;
        let invitation = Invitation::from_toml(&text).map_err(refused)?;
        drop(text);
        let now = clock::unix_time();
        if now < EARLIEST {
            return Err(State::Clock { now }.into());
        }
        invitation.check_dates(now).map_err(refused)?;

        let interrupts = Interrupts::hold()?;
        let source = self.which.pin_source()?;
        if matches!(source, PinSource::Nobody) {
            return Err(State::PinMissing.into());
        }
        let mut token = source.unlock(self.which.open()?, &interrupts)?;
        let old = Old {
            profile: Profile::decode(&token.profile().map_err(failure)?).into(),
            label: token.label().map_err(failure)?,
        };

        let id = invitation.id.clone();
        let profile = invitation
            .into_profile(PrivateKey::generate(), now, old.next_serial())
            .map_err(refused)?;
        let bytes = profile.encode().map_err(|error| refused(error.into()))?;
        let mut lines = profile_lines(&profile);
        lines.push(size_line(bytes.len(), token.room()));
        eprint!("For {}:\n{}", token.ident(), columns(&lines));
        if bytes.len() > token.room() {
            let (bytes, room) = (bytes.len(), token.room());
            return Err(failure(CardError::TooLong { bytes, room }));
        }

        if let Some(loss) = old.loss(self.no_label, now) {
            let question = format!("This token holds {loss}. Type YES to overwrite it: ");
            confirm(&question, "the token was not overwritten", &interrupts)?;
        }
        let label = match self.no_label {
            false => Some(
                Label::of(&profile)
                    .encode()
                    .map_err(|e| refused(e.into()))?,
            ),
            // Ours would be wrong now; another program's is none of our business.
            true => match old.label {
                Content::Foreign => None,
                _ => Some(Zeroizing::default()),
            },
        };
        let label = label.as_ref().map(|label| &label[..]);
        token.write(&bytes, label).map_err(failure)?;
        prove(&mut token, &profile)?;
        let ident = token.ident();
        drop(token);
        eprintln!(
            "Written to {ident} and read back. It is of use once the gateway has enrolled it."
        );
        let enrolment = Enrolment {
            version: invitation::VERSION,
            id,
            public_key: profile.private_key.public(),
            serial: profile.serial,
            name: profile.name,
        };
        print(&enrolment.to_toml())
    }

    fn read_invitation(&self) -> Result<Zeroizing<String>, Failure> {
        let unreadable = |from: &dyn Display, error: io::Error| {
            let what = format!("the invitation cannot be read from {from}: {error}");
            Failure::new(code::OTHER, what, INVITE)
        };
        match &self.invitation {
            Some(path) => File::open(path)
                .and_then(read_text)
                .map_err(|error| unreadable(&path.display(), error)),
            None => {
                if io::stdin().is_terminal() {
                    eprintln!("Paste the invitation and end it with Ctrl-D.");
                }
                read_text(io::stdin().lock()).map_err(|error| unreadable(&"standard input", error))
            }
        }
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
            content => Some(profile_text(content)),
        };
        let label = match &self.label {
            Content::Foreign if !keeps_foreign_label => Some(format!(
                "{} in place of a label",
                label_text(&self.label, now)
            )),
            _ => None,
        };
        match (profile, label) {
            (Some(profile), Some(label)) => Some(format!("{profile}, and {label}")),
            (profile, label) => profile.or(label),
        }
    }
}

/// Reads the profile once more and has its key agree with another on a secret, as a
/// handshake does.
fn prove(token: &mut Unlocked, written: &Profile) -> Result<(), Failure> {
    let bytes = token.profile().map_err(failure)?;
    let other = PrivateKey::generate();
    let proven = Profile::decode(&bytes).is_ok_and(|read| {
        *read.private_key.agree(&other.public()) == *other.agree(&written.private_key.public())
    });
    match proven {
        true => Ok(()),
        false => Err(Failure::new(
            code::OTHER,
            "the key on the token does not work",
            "start over; if it stays so, use another token",
        )),
    }
}

const INVITE: &str =
    "the administrator makes one: tokenvpn-gateway invite NAME | tokenvpn token issue";

fn refused(error: InvitationError) -> Failure {
    let (code, hint) = match &error {
        InvitationError::Empty { .. } => (code::OTHER, INVITE),
        InvitationError::TooLong { .. } | InvitationError::Text { .. } => {
            (code::OTHER, "copy it whole, or have a new one made")
        }
        InvitationError::Version { .. } => (code::OTHER, "update tokenvpn on this computer"),
        InvitationError::OutOfDate { .. } => (
            code::OTHER,
            "have a new one made; or is this computer's clock wrong?",
        ),
        InvitationError::Expired { .. } => (code::EXPIRED, "have one made with a later expiry"),
        InvitationError::Profile(_) => (
            code::OTHER,
            "have the gateway's configuration corrected and a new one made",
        ),
    };
    Failure::new(code, error.to_string(), hint)
}

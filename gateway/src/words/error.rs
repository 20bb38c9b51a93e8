//! What the errors of the gateway's own parts say.

use std::fmt::Display;

use tokenvpn_common::name::Name;

use crate::key_file::KeyFileError;
use crate::registry::addresses::AddressError;
use crate::registry::{Refusal, RegistryError, schema};
use crate::state::StateError;

pub(crate) const UNANSWERED: &str = "a worker did not answer within a second";

/// Why a verb was refused.
pub(crate) fn refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NameTaken { name } => format!("{name} exists already"),
        Refusal::UnknownName { name } => format!("there is no {name}"),
        Refusal::UnknownKey { name } => format!("{name} has no such key"),
        Refusal::DuplicateKey { name } => {
            format!("this public key is enrolled already, for {name}")
        }
        Refusal::OwnKey => "this public key is the gateway's own".into(),
        Refusal::Address(error) => address_error(error),
        Refusal::OtherAddress { name, address } => {
            format!("{name} has another address than {address}, and a renewal keeps it")
        }
        Refusal::SeveralKeys { name } => format!("{name} has several keys"),
        Refusal::UnknownInvitation => "this invitation is unknown here".into(),
        Refusal::UsedInvitation => "this invitation was used already".into(),
        Refusal::WithdrawnInvitation => "this invitation was withdrawn".into(),
        Refusal::LateEnrolment { valid_until } => {
            format!("this invitation was valid until {valid_until}")
        }
        Refusal::OtherName { invited, name } => {
            format!("this invitation is for {invited}, not for {name}")
        }
        Refusal::Ended { not_after } => format!("the access would have ended on {not_after}"),
        Refusal::NotEnded { name } => format!("the access of {name} has not ended"),
        Refusal::Over { name, not_after } => {
            format!("the access of {name} was given until {not_after}, which is over")
        }
    }
}

/// Why a tunnel address cannot be had.
pub(crate) fn address_error(error: &AddressError) -> String {
    match error {
        AddressError::Outside { address } => {
            format!("{address} is in none of the tunnel's networks")
        }
        AddressError::Reserved { address } => {
            format!("{address} is the gateway's own or no host's address")
        }
        AddressError::Taken { address } => format!("{address} is taken"),
        AddressError::Full { network } => format!("no address is left in {network}"),
    }
}

/// Why the registry did not do what it was asked.
pub(crate) fn registry_error(error: &RegistryError) -> String {
    match error {
        RegistryError::Refused(error) => refusal(error),
        RegistryError::Missing(path) => format!("there is no registry at {}", path.display()),
        RegistryError::Exists(path) => format!("{} exists already", path.display()),
        RegistryError::Unusable { path, cause } => {
            format!("{} cannot be used: {cause}", path.display())
        }
        RegistryError::Foreign(path) => {
            format!("{} is no registry of this program", path.display())
        }
        RegistryError::TooNew { path, version } => format!(
            "{} was written by a newer program (version {version}, this one knows {})",
            path.display(),
            schema::VERSION
        ),
        RegistryError::OtherVersion(path) => format!(
            "{} was written by another version of this program",
            path.display()
        ),
        RegistryError::Damaged(what) => format!("the registry is damaged: {what}"),
        RegistryError::Sql(error) => format!("the registry cannot be read or written: {error}"),
    }
}

/// Of a file in the state directory.
pub(crate) const NO_FILE_OF_ITS_OWN: &str = "it is a link, or no file";

/// Why the state directory cannot be used.
pub(crate) fn state_error(error: &StateError) -> String {
    match error {
        StateError::Unusable { path, cause } => format!(
            "the state directory {} cannot be used: {cause}",
            path.display()
        ),
        StateError::OpenToOthers { path, mode } => format!(
            "the state directory {} is open to other users (mode {mode:04o})",
            path.display()
        ),
    }
}

/// Why there is no key.
pub(crate) fn key_file_error(error: &KeyFileError) -> String {
    let (path, what) = match error {
        KeyFileError::Unusable { path, cause } => (path, format!("cannot be used: {cause}")),
        KeyFileError::OpenToOthers { path, mode } => {
            (path, format!("is open to other users (mode {mode:04o})"))
        }
        KeyFileError::Foreign { path, uid, .. } => {
            (path, format!("belongs to another user (uid {uid})"))
        }
        KeyFileError::Malformed { path, cause } => (path, format!("holds no key: {cause}")),
    };
    format!("the key file {} {what}", path.display())
}

/// What is damaged of a registry.
pub(crate) fn was_changed(name: &dyn Display) -> String {
    format!("what is kept of {name} was changed")
}

pub(crate) fn belongs_to_both(address: &dyn Display, [one, other]: [&Name; 2]) -> String {
    format!("{address} belongs to {one} and {other}")
}

pub(crate) const OPEN_WITHOUT_KEY: &str = "an open invitation has one";
pub(crate) const NO_SUCH_LENGTH: &str = "of no such length";

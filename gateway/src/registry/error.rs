//! Why the registry did not do what it was asked.

use std::net::IpAddr;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::name::Name;

use super::addresses::AddressError;
use super::schema;

/// Why a verb was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{name} exists already")]
    NameTaken { name: Name },
    #[error("there is no {name}")]
    UnknownName { name: Name },
    #[error("{name} has no such key")]
    UnknownKey { name: Name },
    #[error("this public key is enrolled already, for {name}")]
    DuplicateKey { name: Name },
    #[error("this public key is the gateway's own")]
    OwnKey,
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("{name} has another address than {address}, and a renewal keeps it")]
    OtherAddress { name: Name, address: IpAddr },
    #[error("{name} has several keys")]
    SeveralKeys { name: Name },
    #[error("this invitation is unknown here")]
    UnknownInvitation,
    #[error("this invitation was used already")]
    UsedInvitation,
    #[error("this invitation was withdrawn")]
    WithdrawnInvitation,
    #[error("this invitation was valid until {valid_until}")]
    LateEnrolment { valid_until: UnixTime },
    #[error("this invitation is for {invited}, not for {name}")]
    OtherName { invited: Name, name: Name },
    #[error("the access would have ended on {not_after}")]
    Ended { not_after: UnixTime },
}

/// Why the registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("there is no registry at {path}", path = .0.display())]
    Missing(PathBuf),
    #[error("{path} exists already", path = .0.display())]
    Exists(PathBuf),
    #[error("{path} cannot be used: {cause}", path = path.display())]
    Unusable {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{path} is no registry of this program", path = .0.display())]
    Foreign(PathBuf),
    #[error("{path} was written by a newer program (version {version}, this one knows {known})", path = path.display(), known = schema::VERSION)]
    TooNew { path: PathBuf, version: i64 },
    #[error("the registry is damaged: {0}")]
    Damaged(String),
    #[error("the registry cannot be read or written: {0}")]
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for RegistryError {
    fn from(error: rusqlite::Error) -> RegistryError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => RegistryError::Damaged(error.to_string()),
            _ => RegistryError::Sql(error),
        }
    }
}

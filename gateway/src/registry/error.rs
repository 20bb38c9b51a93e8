//! Why the registry did not do what it was asked.

use std::net::IpAddr;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::name::Name;

use super::addresses::AddressError;
use crate::words;

/// Why a verb was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", words::refusal(self))]
pub(crate) enum Refusal {
    NameTaken {
        name: Name,
    },
    UnknownName {
        name: Name,
    },
    UnknownKey {
        name: Name,
    },
    DuplicateKey {
        name: Name,
    },
    OwnKey,
    #[error(transparent)]
    Address(#[from] AddressError),
    OtherAddress {
        name: Name,
        address: IpAddr,
    },
    SeveralKeys {
        name: Name,
    },
    UnknownInvitation,
    UsedInvitation,
    WithdrawnInvitation,
    LateEnrolment {
        valid_until: UnixTime,
    },
    OtherName {
        invited: Name,
        name: Name,
    },
    Ended {
        not_after: UnixTime,
    },
    NotEnded {
        name: Name,
    },
    Over {
        name: Name,
        not_after: UnixTime,
    },
}

/// Why the registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{}", words::registry_error(self))]
pub(crate) enum RegistryError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    Missing(PathBuf),
    Exists(PathBuf),
    Unusable {
        path: PathBuf,
        cause: std::io::Error,
    },
    Foreign(PathBuf),
    OtherVersion(PathBuf),
    TooNew {
        path: PathBuf,
        version: i64,
    },
    Damaged(String),
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

//! Why the registry did not do what it was asked.

use std::net::IpAddr;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::language::say;
use tokenvpn_common::name::Name;

use super::addresses::AddressError;
use super::schema;

/// Why a verb was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{}", say().name_is_taken(.name))]
    NameTaken { name: Name },
    #[error("{}", say().name_is_unknown(.name))]
    UnknownName { name: Name },
    #[error("{}", say().key_is_unknown(.name))]
    UnknownKey { name: Name },
    #[error("{}", say().key_is_enrolled(.name))]
    DuplicateKey { name: Name },
    #[error("{}", say().key_is_gateways_own())]
    OwnKey,
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("{}", say().renewal_keeps_address(.name, .address))]
    OtherAddress { name: Name, address: IpAddr },
    #[error("{}", say().name_has_several_keys(.name))]
    SeveralKeys { name: Name },
    #[error("{}", say().invitation_is_unknown())]
    UnknownInvitation,
    #[error("{}", say().invitation_was_used())]
    UsedInvitation,
    #[error("{}", say().invitation_was_withdrawn())]
    WithdrawnInvitation,
    #[error("{}", say().invitation_was_valid_until(.valid_until))]
    LateEnrolment { valid_until: UnixTime },
    #[error("{}", say().invitation_is_for_another(.invited, .name))]
    OtherName { invited: Name, name: Name },
    #[error("{}", say().access_would_have_ended(.not_after))]
    Ended { not_after: UnixTime },
    #[error("{}", say().access_has_not_ended(.name))]
    NotEnded { name: Name },
    #[error("{}", say().access_is_over(.name, .not_after))]
    Over { name: Name, not_after: UnixTime },
}

/// Why the registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{}", say().no_registry(&.0.display()))]
    Missing(PathBuf),
    #[error("{}", say().path_exists(&.0.display()))]
    Exists(PathBuf),
    #[error("{}", say().path_cannot_be_used(&.path.display(), .cause))]
    Unusable {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{}", say().foreign_registry(&.0.display()))]
    Foreign(PathBuf),
    #[error("{}", say().registry_of_another_version(&.0.display()))]
    OtherVersion(PathBuf),
    #[error("{}", say().registry_too_new(&.path.display(), .version, &schema::VERSION))]
    TooNew { path: PathBuf, version: i64 },
    #[error("{}", say().registry_damaged(.0))]
    Damaged(String),
    #[error("{}", say().registry_failed(.0))]
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

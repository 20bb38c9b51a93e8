//! What went wrong and what to do about it, with an exit code.

mod told;

use std::fmt;

use serde::{Deserialize, Serialize};
use tokenvpn_common::invitation::InvitationError;
use tokenvpn_common::io::confinement::ConfinementError;
use tokenvpn_common::io::hardening::HardeningError;
use tokenvpn_common::io::netlink::NetlinkError;
use tokenvpn_common::io::tun::TunError;
use tokenvpn_common::io::udp::BindError;
use tokenvpn_common::language::say;

pub(crate) use self::told::*;
use super::printable;
use crate::config::{ConfigError, NetworkError};
use crate::key_file::KeyFileError;
use crate::registry::RegistryError;
use crate::state::StateError;

/// Exit codes, the same for every command.
pub(crate) mod code {
    /// Anything without a code of its own.
    pub(crate) const OTHER: u8 = 1;
    /// The command line or a configuration file is wrong.
    pub(crate) const USAGE: u8 = 2;
    /// `status`: the gateway does not run.
    pub(crate) const DOWN: u8 = 3;
    /// A permission is missing.
    pub(crate) const NO_PERMISSION: u8 = 12;
    /// Our own mistake.
    pub(crate) const INTERNAL: u8 = 70;
}

/// An error as people get it: what happened, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What happened: one line, no full stop.
    pub(crate) what: String,
    /// What to do about it: one line.
    pub(crate) hint: String,
    /// The exit code, see [`code`].
    pub(crate) code: u8,
}

/// Two lines: `error: …` and `hint: …`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, hint) = (printable(&self.what), printable(&self.hint));
        f.write_str(&say().error_and_hint(&what, &hint))
    }
}

/// An error and what caused it, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Failure {
    /// Only words make one.
    pub(super) fn new(code: u8, what: impl fmt::Display, hint: impl fmt::Display) -> Failure {
        Failure {
            what: what.to_string(),
            hint: hint.to_string(),
            code,
        }
    }
}

/// Errors of a layer below, as people are told of them.
macro_rules! told {
    ($($error:ty => $told:ident,)*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Failure {
                told::$told(&error)
            }
        }
    )*};
}

told! {
    ConfigError => of_config,
    NetworkError => of_network,
    KeyFileError => of_key_file,
    StateError => of_state,
    RegistryError => of_registry,
    InvitationError => of_invitation,
    BindError => of_bind,
    TunError => of_tun,
    NetlinkError => of_netlink,
    HardeningError => of_hardening,
    ConfinementError => of_confinement,
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_is_lost_is_restored_or_made_anew_with_all_tokens() {
        let path = std::path::PathBuf::from("/var/lib/tokenvpn/x");
        let cause = || io::Error::from(io::ErrorKind::NotFound);
        let lost = [
            Failure::from(RegistryError::Missing(path.clone())),
            Failure::from(RegistryError::Foreign(path.clone())),
            Failure::from(RegistryError::Damaged("a page".into())),
            Failure::from(KeyFileError::Unusable {
                path: path.clone(),
                cause: cause(),
            }),
            Failure::from(StateError::Unusable {
                path,
                cause: cause(),
            }),
        ];
        for failure in lost {
            for fact in ["backup", "gateway.toml", "state_dir", "every token again"] {
                assert!(failure.hint.contains(fact), "{fact}: {failure}");
            }
        }
    }

    #[test]
    fn an_error_is_two_lines_whatever_it_tells() {
        let failure = Failure::new(code::OTHER, "a\nb\u{1b}[2J", "c");
        let text = failure.to_string();
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains('\u{1b}'));
    }
}

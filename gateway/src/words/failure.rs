//! What went wrong and what to do about it, with an exit code.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use tokenvpn_common::invitation::InvitationError;
use tokenvpn_common::io::confinement::ConfinementError;
use tokenvpn_common::io::hardening::HardeningError;
use tokenvpn_common::io::netlink::NetlinkError;
use tokenvpn_common::io::tun::TunError;
use tokenvpn_common::io::udp::BindError;

use super::exists;
use crate::config::{self, ConfigError, NetworkError};
use crate::key_file::KeyFileError;
use crate::registry::addresses::AddressError;
use crate::registry::{Refusal, RegistryError};
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
        write!(f, "error: {what}\nhint: {hint}")
    }
}

/// `text` without anything that could move a terminal's cursor.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// An error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Failure {
    pub(crate) fn new(code: u8, what: impl fmt::Display, hint: impl fmt::Display) -> Failure {
        Failure {
            what: what.to_string(),
            hint: hint.to_string(),
            code,
        }
    }

    /// An error of ours, or of a system that is not as we know it.
    pub(crate) fn internal(what: impl fmt::Display) -> Failure {
        let hint = "this should not happen; RUST_LOG=debug tells more, please report it";
        Failure::new(code::INTERNAL, what, hint)
    }

    /// Something on the disk or in the system that did not go as it should.
    pub(crate) fn io(what: impl fmt::Display, cause: &io::Error) -> Failure {
        let what = format!("{what}: {cause}");
        match cause.kind() {
            io::ErrorKind::PermissionDenied => Failure::new(code::NO_PERMISSION, what, AS_ROOT),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Failure::new(code::OTHER, what, "make room on that file system")
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                Failure::new(code::OTHER, what, "make that file system writable")
            }
            _ => Failure::new(code::OTHER, what, "check that path and its file system"),
        }
    }
}

/// Where there is no backup. `init` overwrites nothing, so all of it has to go.
const ANEW: &str = "restore it from a backup; without one, move gateway.toml and the whole state_dir away, run init, and issue every token again";

const AS_ROOT: &str = "run this as root (sudo), or as the user that the gateway runs as";

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        match &error {
            ConfigError::Unreadable { path, cause } if cause.kind() == io::ErrorKind::NotFound => {
                Failure::new(
                    code::USAGE,
                    format!("there is no configuration at {}", path.display()),
                    "make one with tokenvpn-gateway init, or name yours with --config FILE",
                )
            }
            ConfigError::Unreadable { path, cause } => Failure::io(path.display(), cause),
            ConfigError::TooLong(_) => {
                let hint =
                    "name the gateway's own with --config FILE; nothing was started or changed";
                Failure::new(code::USAGE, error, hint)
            }
            ConfigError::Broken { line, .. } => {
                let hint = format!("correct line {line}; nothing was started or changed");
                Failure::new(code::USAGE, error, hint)
            }
            ConfigError::Incomplete { key, .. } => {
                let hint = match config::example(key) {
                    Some(line) => {
                        format!("add a line, as in {line}; nothing was started or changed")
                    }
                    None => format!("add {key}; nothing was started or changed"),
                };
                Failure::new(code::USAGE, error, hint)
            }
        }
    }
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Failure {
        let hint = match &error {
            NetworkError::Overlap(..) => "choose networks that stand apart",
            _ => "choose a private network with room, as in 10.77.0.0/24 or fd77::/64",
        };
        Failure::new(code::USAGE, error, hint)
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Failure {
        match &error {
            KeyFileError::Unusable { path, cause } => match cause.kind() {
                io::ErrorKind::AlreadyExists => exists(path),
                io::ErrorKind::NotFound => Failure::new(
                    code::OTHER,
                    format!("there is no key file at {}", path.display()),
                    ANEW,
                ),
                io::ErrorKind::PermissionDenied => {
                    Failure::new(code::NO_PERMISSION, error, AS_ROOT)
                }
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::ReadOnlyFilesystem => Failure::io(path.display(), cause),
                _ => Failure::new(code::OTHER, error, ANEW),
            },
            KeyFileError::Foreign { path, .. } => {
                let hint = format!("if the key is yours: chown root {}", path.display());
                Failure::new(code::NO_PERMISSION, error, hint)
            }
            KeyFileError::OpenToOthers { path, .. } => {
                let hint = format!(
                    "chmod 600 {}; if others may have read it, make a new key",
                    path.display()
                );
                Failure::new(code::NO_PERMISSION, error, hint)
            }
            KeyFileError::Malformed { .. } => {
                let hint = format!("it has to hold one line, as wg genkey prints it: {ANEW}");
                Failure::new(code::OTHER, error, hint)
            }
        }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Failure {
        match &error {
            StateError::Unusable { path, cause } => match cause.kind() {
                io::ErrorKind::NotFound => {
                    let what = format!("there is no {}", path.display());
                    let hint = format!("correct state_dir in gateway.toml, or {ANEW}");
                    Failure::new(code::OTHER, what, hint)
                }
                _ => Failure::io(path.display(), cause),
            },
            StateError::OpenToOthers { path, .. } => {
                let hint = format!("chmod 700 {}", path.display());
                Failure::new(code::NO_PERMISSION, error, hint)
            }
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Failure {
        let hint = match &error {
            RegistryError::Refused(refusal) => return refusal.into(),
            RegistryError::Exists(path) => return exists(path),
            RegistryError::Unusable { path, cause } => match cause.kind() {
                io::ErrorKind::PermissionDenied => {
                    return Failure::new(code::NO_PERMISSION, error, AS_ROOT);
                }
                _ => return Failure::io(path.display(), cause),
            },
            RegistryError::Missing(_) | RegistryError::Foreign(_) | RegistryError::Damaged(_) => {
                ANEW
            }
            RegistryError::TooNew { .. } => "use the program that wrote it, or a newer one",
            RegistryError::Sql(_) => {
                "check the file system of state_dir: room, permissions, health"
            }
        };
        Failure::new(code::OTHER, error, hint)
    }
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Failure {
        let hint = match refusal {
            Refusal::NameTaken { .. } => {
                "choose another name, or revoke that one first; invite renews it".into()
            }
            Refusal::UnknownName { .. } | Refusal::UnknownKey { .. } => {
                "tokenvpn-gateway identities lists what there is".into()
            }
            Refusal::DuplicateKey { name } => {
                format!("one key is one identity: make a new key, or revoke {name} first")
            }
            Refusal::OwnKey => "give the client's public key, made on the client".into(),
            Refusal::Address(AddressError::Full { .. }) => {
                "revoke identities that are not used, or add a network to gateway.toml".into()
            }
            Refusal::Address(_) => {
                "choose a free address in the tunnel's networks, or leave --address out".into()
            }
            Refusal::OtherAddress { name, .. } => {
                format!("leave --address out, or add --spare for a further key of {name}")
            }
            Refusal::SeveralKeys { .. } => "say with --address which of them to renew".into(),
            Refusal::UnknownInvitation
            | Refusal::UsedInvitation
            | Refusal::WithdrawnInvitation
            | Refusal::LateEnrolment { .. } => {
                "make a new one with tokenvpn-gateway invite; nothing was changed".into()
            }
            Refusal::OtherName { .. } => {
                "hand over the enrolment as the token's computer printed it".into()
            }
            Refusal::Ended { .. } => "choose a date to come; check this machine's clock".into(),
        };
        Failure::new(code::OTHER, refusal, hint)
    }
}

impl From<InvitationError> for Failure {
    fn from(error: InvitationError) -> Failure {
        let hint = match &error {
            InvitationError::Empty { .. } => {
                "nothing was changed; the command in front of this one in the pipe says why"
            }
            InvitationError::Version { .. } => "use programs of the same version on both ends",
            InvitationError::Profile(_) => "correct that, in gateway.toml or on the command line",
            _ => "hand over what tokenvpn token issue printed, unchanged; nothing was changed",
        };
        Failure::new(code::OTHER, error, hint)
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Failure {
        match &error {
            BindError::PortInUse { .. } => Failure::new(
                code::OTHER,
                error,
                "stop what uses it (ss -ulpn names it), or choose another listen_port",
            ),
            BindError::NoPermission { .. } => Failure::new(code::NO_PERMISSION, error, AS_ROOT),
            BindError::Socket { .. } => {
                let hint = "check this machine's network (ip address)";
                Failure::new(code::OTHER, with_causes(&error), hint)
            }
        }
    }
}

impl From<TunError> for Failure {
    fn from(error: TunError) -> Failure {
        let (code, hint) = match &error {
            TunError::NoPermission => (code::NO_PERMISSION, AS_ROOT),
            TunError::NoDevice => (
                code::OTHER,
                "modprobe tun; in a container, pass /dev/net/tun in",
            ),
            TunError::NameTaken { .. } => (
                code::OTHER,
                "choose another interface in gateway.toml, or remove the one that has the name",
            ),
            TunError::BadName { .. } | TunError::Open(_) => {
                (code::OTHER, "check this machine's TUN driver (dmesg)")
            }
        };
        Failure::new(code, with_causes(&error), hint)
    }
}

impl From<NetlinkError> for Failure {
    fn from(error: NetlinkError) -> Failure {
        let (code, hint) = match &error {
            NetlinkError::NoPermission { .. } => (code::NO_PERMISSION, AS_ROOT),
            _ => (
                code::OTHER,
                "check the addresses of this machine (ip address) against gateway.toml",
            ),
        };
        Failure::new(code, with_causes(&error), hint)
    }
}

impl From<HardeningError> for Failure {
    fn from(error: HardeningError) -> Failure {
        Failure::new(code::OTHER, with_causes(&error), UNGUARDED)
    }
}

impl From<ConfinementError> for Failure {
    fn from(error: ConfinementError) -> Failure {
        Failure::new(code::OTHER, with_causes(&error), UNGUARDED)
    }
}

/// For measures that every kernel since 4.14 takes.
const UNGUARDED: &str = "it does not run unguarded: check this kernel's settings (seccomp, prctl)";

#[cfg(test)]
mod tests {
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

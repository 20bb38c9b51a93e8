//! What went wrong and what to do about it.

use std::fmt;
use std::io;
use std::path::Path;

use tokenvpn_common::invitation::InvitationError;
use tokenvpn_common::io::confinement::ConfinementError;
use tokenvpn_common::io::hardening::HardeningError;
use tokenvpn_common::io::netlink::NetlinkError;
use tokenvpn_common::io::tun::TunError;
use tokenvpn_common::io::udp::BindError;

use crate::config::{ConfigError, NetworkError};
use crate::key_file::KeyFileError;
use crate::registry::addresses::AddressError;
use crate::registry::{Refusal, RegistryError};
use crate::state::StateError;
use crate::words::exists;
use crate::words::failure::with_causes;
use crate::words::{Failure, code};

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

/// A file or directory that cannot be used.
pub(crate) fn file(path: &Path, cause: &io::Error) -> Failure {
    io(format!("{} cannot be used", path.display()), cause)
}

pub(crate) fn cannot_start(cause: &io::Error) -> Failure {
    io("the gateway cannot start", cause)
}

pub(crate) fn cannot_wait(cause: &io::Error) -> Failure {
    internal(format!("the gateway cannot wait: {cause}"))
}

pub(crate) fn cannot_listen(path: &Path, cause: &io::Error) -> Failure {
    io(format!("cannot listen on {}", path.display()), cause)
}

/// Somebody removed the device while it was set up.
pub(crate) fn device_gone(interface: &str, cause: &io::Error) -> Failure {
    io(format!("the device {interface} is gone"), cause)
}

pub(crate) fn registry_gone() -> Failure {
    internal("the registry's thread has ended")
}

/// A request of another version.
pub(crate) fn unknown_request(cause: &dyn fmt::Display) -> Failure {
    internal(format!("the gateway does not know this request: {cause}"))
}

/// The output of a command has nobody who reads it.
pub(crate) fn not_printed(cause: &io::Error) -> Failure {
    io("cannot write to standard output", cause)
}

pub(crate) fn unreadable_enrolment(cause: &io::Error) -> Failure {
    io("cannot read the enrolment from standard input", cause)
}

/// Where there is no backup. `init` overwrites nothing, so all of it has to go.
const ANEW: &str = "restore it from a backup; without one, move gateway.toml and the whole state_dir away, run init, and issue every token again";

const AS_ROOT: &str = "run this as root (sudo), or as the user that the gateway runs as";

pub(crate) fn of_config(error: &ConfigError) -> Failure {
    match error {
        ConfigError::Unreadable { path, cause } if cause.kind() == io::ErrorKind::NotFound => {
            Failure::new(
                code::USAGE,
                format!("there is no configuration at {}", path.display()),
                "make one with tokenvpn-gateway init, or name yours with --config FILE",
            )
        }
        ConfigError::Unreadable { path, cause } => file(path, cause),
        ConfigError::TooLong(_) => {
            let hint = "name the gateway's own with --config FILE; nothing was started or changed";
            Failure::new(code::USAGE, error, hint)
        }
        ConfigError::Broken { line, .. } => {
            let hint = format!("correct line {line}; nothing was started or changed");
            Failure::new(code::USAGE, error, hint)
        }
        ConfigError::Incomplete { key, .. } => {
            let hint = match crate::words::config_example(key) {
                Some(line) => {
                    format!("add a line, as in {line}; nothing was started or changed")
                }
                None => format!("add {key}; nothing was started or changed"),
            };
            Failure::new(code::USAGE, error, hint)
        }
    }
}

pub(crate) fn of_network(error: &NetworkError) -> Failure {
    let hint = match error {
        NetworkError::Overlap(..) => "choose networks that stand apart",
        _ => "choose a private network with room, as in 10.77.0.0/24 or fd77::/64",
    };
    Failure::new(code::USAGE, error, hint)
}

pub(crate) fn of_key_file(error: &KeyFileError) -> Failure {
    match error {
        KeyFileError::Unusable { path, cause } => match cause.kind() {
            io::ErrorKind::AlreadyExists => exists(path),
            io::ErrorKind::NotFound => Failure::new(
                code::OTHER,
                format!("there is no key file at {}", path.display()),
                ANEW,
            ),
            io::ErrorKind::PermissionDenied => Failure::new(code::NO_PERMISSION, error, AS_ROOT),
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem => file(path, cause),
            _ => Failure::new(code::OTHER, error, ANEW),
        },
        KeyFileError::Foreign { path, owner, .. } => {
            let hint = format!("if the key is yours: chown {owner} {}", path.display());
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

pub(crate) fn of_state(error: &StateError) -> Failure {
    match error {
        StateError::Unusable { path, cause } => match cause.kind() {
            io::ErrorKind::NotFound => {
                let what = format!("there is no {}", path.display());
                let hint = format!("correct state_dir in gateway.toml, or {ANEW}");
                Failure::new(code::OTHER, what, hint)
            }
            _ => file(path, cause),
        },
        StateError::OpenToOthers { path, .. } => {
            let hint = format!("chmod 700 {}", path.display());
            Failure::new(code::NO_PERMISSION, error, hint)
        }
    }
}

pub(crate) fn of_registry(error: &RegistryError) -> Failure {
    let hint = match error {
        RegistryError::Refused(refusal) => return of_refusal(refusal),
        RegistryError::Exists(path) => return exists(path),
        RegistryError::Unusable { path, cause } => match cause.kind() {
            io::ErrorKind::PermissionDenied => {
                return Failure::new(code::NO_PERMISSION, error, AS_ROOT);
            }
            _ => return file(path, cause),
        },
        RegistryError::Missing(_) | RegistryError::Foreign(_) | RegistryError::Damaged(_) => ANEW,
        RegistryError::TooNew { .. } => "use the program that wrote it, or a newer one",
        RegistryError::OtherVersion(_) => {
            "use the program that wrote it; with this one, make everything anew (init)"
        }
        RegistryError::Sql(_) => "check the file system of state_dir: room, permissions, health",
    };
    Failure::new(code::OTHER, error, hint)
}

pub(crate) fn of_refusal(refusal: &Refusal) -> Failure {
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
        Refusal::NotEnded { .. } => {
            "nothing was changed; tokenvpn-gateway identities shows who may come in".into()
        }
        Refusal::Over { name, .. } => {
            format!("renew it with tokenvpn-gateway invite {name}; check this machine's clock")
        }
        Refusal::Ended { .. } => "choose a date to come; check this machine's clock".into(),
    };
    Failure::new(code::OTHER, refusal, hint)
}

pub(crate) fn of_invitation(error: &InvitationError) -> Failure {
    let hint = match error {
        InvitationError::Empty { .. } => {
            "nothing was changed; the command in front of this one in the pipe says why"
        }
        InvitationError::Version { .. } => "use programs of the same version on both ends",
        InvitationError::Profile(_) => "correct that, in gateway.toml or on the command line",
        _ => "hand over what tokenvpn token issue printed, unchanged; nothing was changed",
    };
    Failure::new(code::OTHER, error, hint)
}

pub(crate) fn of_bind(error: &BindError) -> Failure {
    match error {
        BindError::PortInUse { .. } => Failure::new(
            code::OTHER,
            error,
            "stop what uses it (ss -ulpn names it), or choose another listen_port",
        ),
        BindError::NoPermission { .. } => Failure::new(code::NO_PERMISSION, error, AS_ROOT),
        BindError::Socket { .. } => {
            let hint = "check this machine's network (ip address)";
            Failure::new(code::OTHER, with_causes(error), hint)
        }
    }
}

pub(crate) fn of_tun(error: &TunError) -> Failure {
    let (code, hint) = match error {
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
    Failure::new(code, with_causes(error), hint)
}

pub(crate) fn of_netlink(error: &NetlinkError) -> Failure {
    let (code, hint) = match error {
        NetlinkError::NoPermission { .. } => (code::NO_PERMISSION, AS_ROOT),
        _ => (
            code::OTHER,
            "check the addresses of this machine (ip address) against gateway.toml",
        ),
    };
    Failure::new(code, with_causes(error), hint)
}

pub(crate) fn of_hardening(error: &HardeningError) -> Failure {
    Failure::new(code::OTHER, with_causes(error), UNGUARDED)
}

pub(crate) fn of_confinement(error: &ConfinementError) -> Failure {
    Failure::new(code::OTHER, with_causes(error), UNGUARDED)
}

/// For measures that every kernel since 4.14 takes.
const UNGUARDED: &str = "it does not run unguarded: check this kernel's settings (seccomp, prctl)";

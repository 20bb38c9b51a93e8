//! Every text that tells a user what went wrong, and the exit codes.

use std::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokenvpn_common::invitation::InvitationError;
use tokenvpn_common::io::netlink::NetlinkError;
use tokenvpn_common::io::tun::TunError;
use tokenvpn_common::io::udp::BindError;
use tokenvpn_common::key::PublicKey;
use tokenvpn_common::name::Name;
use tokenvpn_common::profile::ProfileError;
use tokenvpn_common::status::Status;

use crate::config::{Config, ConfigError, NetworkError};
use crate::control::Answer;
use crate::key_file::KeyFileError;
use crate::registry::addresses::AddressError;
use crate::registry::{Refusal, RegistryError};
use crate::state::StateError;
use crate::worker::End;

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
fn printable(text: &str) -> String {
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
            io::ErrorKind::StorageFull => {
                Failure::new(code::OTHER, what, "make room on that file system")
            }
            _ => Failure::new(code::OTHER, what, "check that path and its file system"),
        }
    }
}

const AS_ROOT: &str = "run this as root (sudo), or as the user that the gateway runs as";

/// The gateway does not run, and its state is nobody's.
pub(crate) fn not_running(config: &Path) -> Failure {
    let hint = format!("start it: {}", command("run", config));
    Failure::new(code::DOWN, "the gateway is not running", hint)
}

/// A second `run` on the same state.
pub(crate) fn runs_already(state_dir: &Path) -> Failure {
    Failure::new(
        code::OTHER,
        format!(
            "a gateway runs already on the state in {}",
            state_dir.display()
        ),
        "stop it first, or give this one a state_dir of its own",
    )
}

/// The lock is held, but nobody answers on the control socket.
pub(crate) fn no_answer(socket: &Path, cause: impl fmt::Display) -> Failure {
    Failure::new(
        code::OTHER,
        format!(
            "the running gateway does not answer on {}: {cause}",
            socket.display()
        ),
        "check that runtime_dir is the one it was started with, or restart it",
    )
}

/// The change is in the registry, but a worker did not take it in time.
pub(crate) fn not_taken_up() -> Failure {
    Failure::new(
        code::INTERNAL,
        "the change was stored, but the running gateway has not taken it up",
        "restart the gateway; the stored change counts from then on",
    )
}

/// A worker that ended by itself ends the gateway: who would serve its peers?
pub(crate) fn worker_ended(end: &End) -> Failure {
    match end {
        End::Stopped | End::Panicked => Failure::internal("a worker has ended"),
        End::TooManyPanics => Failure::internal("sessions failed one after the other"),
        End::Failed(cause) => Failure::new(
            code::OTHER,
            format!("a worker has lost its device or socket: {cause}"),
            "start the gateway again; another program may have removed its interface",
        ),
    }
}

/// What `run` says when it answers.
pub(crate) fn started(config: &Config, public_key: &PublicKey, identities: usize) -> String {
    let identities = match identities {
        1 => "1 identity".to_owned(),
        count => format!("{count} identities"),
    };
    format!(
        "Listening on UDP port {} as {}, public key {public_key}, {identities}.",
        config.listen_port,
        config.interface.as_str(),
    )
}

/// `init` where there is something already.
pub(crate) fn exists(path: &Path) -> Failure {
    Failure::new(
        code::OTHER,
        format!("{} exists already", path.display()),
        "init never overwrites; move it away, or name other places with --config and --state-dir",
    )
}

/// The kernel does not forward between the tunnel and the networks behind.
pub(crate) fn forwarding_is_off(setting: &str) -> [String; 2] {
    [
        format!(
            "warning: this machine forwards nothing ({setting} is 0): clients reach only the gateway itself"
        ),
        format!("hint: sysctl -w {setting}=1, and put it into /etc/sysctl.d/ to keep it"),
    ]
}

/// The endpoint given to `init` is none that a client could use.
pub(crate) fn bad_endpoint(error: ProfileError) -> Failure {
    let hint = "give the address or host name at which clients reach this machine from outside";
    Failure::new(code::USAGE, error, hint)
}

/// A command line that clap refuses, in two lines like everything else.
pub(crate) fn usage(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let what = text.split("\n\n").next().unwrap_or_default();
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    Failure::new(
        code::USAGE,
        what,
        "tokenvpn-gateway COMMAND --help shows how",
    )
}

/// The running gateway is another version than the command.
pub(crate) fn wrong_answer() -> Failure {
    Failure::internal("the running gateway answered something else than was asked")
}

/// Somebody may come in.
pub(crate) fn admitted(answer: &Answer) -> Result<String, Failure> {
    let Answer::Admitted {
        name,
        addresses,
        gateway_public_key,
    } = answer
    else {
        return Err(wrong_answer());
    };
    Ok(format!(
        "{name} may come in with {}. The gateway's public key is {gateway_public_key}.",
        list(addresses)
    ))
}

/// Somebody may not come in any more.
pub(crate) fn revoked(name: &Name, keys: usize) -> String {
    match keys {
        0 => format!("The invitation of {name} is withdrawn."),
        1 => format!("The key of {name} is revoked."),
        keys => format!("{keys} keys of {name} are revoked."),
    }
}

/// What `identities` shows where there are none.
pub(crate) const NOBODY: &str = "Nobody may come in yet, and nobody is invited.\n";

/// The lines of `status` that are about the device.
pub(crate) fn device(status: &Status) -> String {
    let interface = status.interface.as_deref().unwrap_or("-");
    let port = status.listen_port.unwrap_or(0);
    let mut text = format!("interface {interface}, UDP port {port}");
    if !status.addresses.is_empty() {
        text += &format!(", {}", list(&status.addresses));
    }
    if let Some(key) = status.public_key {
        text += &format!("\npublic key {key}");
    }
    text + "\n"
}

/// Things one after the other.
pub(crate) fn list<T: fmt::Display>(things: &[T]) -> String {
    let texts: Vec<_> = things.iter().map(T::to_string).collect();
    texts.join(", ")
}

/// How long ago, in the two largest units.
pub(crate) fn ago(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{minutes} min {} s ago", seconds % 60),
        3600..86_400 => format!("{hours} h {} min ago", minutes % 60),
        _ => format!("{days} d {} h ago", hours % 24),
    }
}

/// An amount of data in a unit that keeps it short.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// A command with the configuration it needs, for a hint.
fn command(name: &str, config: &Path) -> String {
    if config == Path::new(crate::config::DEFAULT_PATH) {
        format!("tokenvpn-gateway {name}")
    } else {
        format!("tokenvpn-gateway {name} --config {}", config.display())
    }
}

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
            ConfigError::Broken { line, .. } => {
                let hint = format!("correct line {line}; nothing was started or changed");
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
                    "put the key back, or make a new gateway with tokenvpn-gateway init",
                ),
                io::ErrorKind::PermissionDenied => {
                    Failure::new(code::NO_PERMISSION, error, AS_ROOT)
                }
                _ => Failure::new(code::OTHER, error, "put the key back from its backup"),
            },
            KeyFileError::OpenToOthers { path, .. } => {
                let hint = format!(
                    "chmod 600 {}; if others may have read it, make a new key",
                    path.display()
                );
                Failure::new(code::NO_PERMISSION, error, hint)
            }
            KeyFileError::Malformed { .. } => {
                let hint = "it has to hold one line, as wg genkey prints it";
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
                    let hint = "make a gateway with tokenvpn-gateway init, or correct state_dir";
                    Failure::new(code::OTHER, format!("there is no {}", path.display()), hint)
                }
                _ => Failure::io("the state directory", cause),
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
            RegistryError::Unusable { cause, .. } => match cause.kind() {
                io::ErrorKind::PermissionDenied => {
                    return Failure::new(code::NO_PERMISSION, error, AS_ROOT);
                }
                _ => "check that path and its file system",
            },
            RegistryError::Missing(_) => {
                "restore it from a backup, or make a gateway with tokenvpn-gateway init"
            }
            RegistryError::Foreign(_) | RegistryError::Damaged(_) => {
                "nobody is let in on its word: restore registry.db from a backup, or move it away and run init"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_two_lines_whatever_it_tells() {
        let failure = Failure::new(code::OTHER, "a\nb\u{1b}[2J", "c");
        let text = failure.to_string();
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn amounts_and_ages_are_short() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
        assert_eq!(ago(59), "59 s ago");
        assert_eq!(ago(3725), "1 h 2 min ago");
        assert_eq!(ago(90_000), "1 d 1 h ago");
    }
}

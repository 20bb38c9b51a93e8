//! What the commands answer.

use std::fmt;
use std::io;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use tokenvpn_common::key::PublicKey;
use tokenvpn_common::name::Name;
use tokenvpn_common::profile::ProfileError;
use tokenvpn_common::status::Status;

use super::failure::io as failed;
use super::{Failure, code, internal};
use crate::config::Config;
use crate::control::Answer;
use crate::key_file::KeyFileError;
use crate::worker::End;

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

/// What causes that, where there is nothing to connect to.
pub(crate) const NO_SUCH_SOCKET: &str = "there is no such socket";

/// The change is in the registry, but a worker did not take it in time.
pub(crate) fn not_taken_up() -> Failure {
    Failure::new(
        code::INTERNAL,
        "the change was stored, but the running gateway has not taken it up",
        "restart the gateway; the stored change counts from then on",
    )
}

/// A mistake in this program, and where it showed.
pub(crate) fn fault(what: &str) -> Failure {
    internal(format!("the program failed: {what}"))
}

/// A worker that ended by itself ends the gateway: who would serve its peers?
pub(crate) fn worker_ended(end: &End) -> Failure {
    match end {
        End::Stopped => internal("a worker has ended"),
        End::TooManyPanics => internal("sessions failed one after the other"),
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

/// What `init` says below the public key.
pub(crate) fn made(config: &Path) -> String {
    let path = config.display();
    let run = command("run", config);
    format!("That is the gateway's public key. Read {path}, which explains itself; then: {run}")
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
    let is_value = matches!(
        error.kind(),
        ErrorKind::ValueValidation | ErrorKind::InvalidValue
    );
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) if is_value => argument.split(' ').next(),
        _ => None,
    };
    let hint = match argument.unwrap_or_default() {
        "--public-key" => {
            "make one with wg genkey | wg pubkey, or ask the client's owner for the public key"
        }
        "--key" => "tokenvpn-gateway identities lists the keys",
        "--route" => "give an address and a prefix, as in --route 10.20.0.0/16",
        "--network" => "give an address and a prefix, as in --network 10.77.0.0/24",
        "--endpoint" => "give a host and a port, as in --endpoint vpn.example:51820",
        _ => "tokenvpn-gateway COMMAND --help shows how",
    };
    Failure::new(code::USAGE, what, hint)
}

/// A preshared key's file that cannot be used: not the gateway's own key.
pub(crate) fn bad_preshared_key(error: KeyFileError) -> Failure {
    match &error {
        KeyFileError::Unusable { path, cause }
            if cause.kind() != io::ErrorKind::PermissionDenied =>
        {
            let hint = format!(
                "make one: (umask 077; wg genpsk > {0}), and give it to the client too",
                path.display()
            );
            let what = match cause.kind() {
                io::ErrorKind::NotFound => {
                    format!("there is no preshared key at {}", path.display())
                }
                _ => error.to_string(),
            };
            Failure::new(code::OTHER, what, hint)
        }
        KeyFileError::Malformed { .. } => {
            let hint = "it has to hold one line, as wg genpsk prints it";
            Failure::new(code::OTHER, error, hint)
        }
        _ => error.into(),
    }
}

/// Nobody got the invitation.
pub(crate) fn not_handed_over(cause: Failure, withdrawn: bool) -> Failure {
    let hint = match withdrawn {
        true => "the invitation is withdrawn: invite again, into a file or a pipe that takes it",
        false => "nobody has the invitation, and it ends by itself: invite again",
    };
    Failure {
        hint: hint.into(),
        ..cause
    }
}

/// The running gateway is another version than the command.
pub(crate) fn wrong_answer() -> Failure {
    internal("the running gateway answered something else than was asked")
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
pub(crate) fn reinstated(keys: usize) -> String {
    match keys {
        0 => "Nobody's access has ended before its date.".into(),
        1 => "1 key may come in again.".into(),
        keys => format!("{keys} keys may come in again."),
    }
}

/// Somebody may not come in any more.
pub(crate) fn revoked(name: &Name, keys: usize) -> String {
    match keys {
        0 => format!("The invitation of {name} is withdrawn."),
        1 => format!("The key of {name} is revoked."),
        keys => format!("{keys} keys of {name} are revoked."),
    }
}

/// What `audit` shows where there is nothing.
pub(crate) const NOTHING_DONE: &str = "Nothing was done.\n";

/// The running gateway goes on with another configuration.
pub(crate) fn reloaded(changed: &[String]) -> String {
    match changed {
        [] => "Nothing has changed.".into(),
        changed => format!("Taken up: {}.", list(changed)),
    }
}

/// A configuration that differs in what is fixed at the start.
pub(crate) fn takes_a_restart(keys: &[&String]) -> Failure {
    let what = format!("a running gateway cannot take up another {}", list(keys));
    let hint = "nothing was changed; restart the gateway, or put the old value back";
    Failure::new(code::OTHER, what, hint)
}

/// There is no terminal to fill.
pub(crate) fn no_screen(cause: io::Error) -> Failure {
    match cause.kind() {
        io::ErrorKind::NotConnected => Failure::new(
            code::USAGE,
            "--watch fills a terminal, and standard output is none",
            "for programs there is --watch --json, one object a line",
        ),
        _ => failed("the terminal cannot be used", &cause),
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

/// A command with the configuration it needs, for a hint.
fn command(name: &str, config: &Path) -> String {
    if config == Path::new(crate::config::DEFAULT_PATH) {
        format!("tokenvpn-gateway {name}")
    } else {
        format!("tokenvpn-gateway {name} --config {}", config.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        assert_eq!(ago(59), "59 s ago");
        assert_eq!(ago(3725), "1 h 2 min ago");
        assert_eq!(ago(90_000), "1 d 1 h ago");
    }
}

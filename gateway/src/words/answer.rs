//! What the commands answer.

use std::fmt;
use std::io;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use tokenvpn_common::io::command_line;
use tokenvpn_common::key::PublicKey;
use tokenvpn_common::language::say;
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
    let hint = say().start_gateway_with(&command("run", config));
    Failure::new(code::DOWN, say().gateway_not_running(), hint)
}

/// A second `run` on the same state.
pub(crate) fn runs_already(state_dir: &Path) -> Failure {
    Failure::new(
        code::OTHER,
        say().gateway_runs_already(&state_dir.display()),
        say().stop_other_gateway(),
    )
}

/// The lock is held, but nobody answers on the control socket.
pub(crate) fn no_answer(socket: &Path, cause: &dyn fmt::Display) -> Failure {
    Failure::new(
        code::OTHER,
        say().gateway_does_not_answer(&socket.display(), cause),
        say().check_runtime_dir(),
    )
}

/// The change is in the registry, but a worker did not take it in time.
pub(crate) fn not_taken_up() -> Failure {
    Failure::new(
        code::INTERNAL,
        say().change_not_taken_up(),
        say().restart_for_change(),
    )
}

/// A mistake in this program, and where it showed.
pub(crate) fn fault(what: &str) -> Failure {
    internal(say().program_failed(&what))
}

/// A worker that ended by itself ends the gateway: who would serve its peers?
pub(crate) fn worker_ended(end: &End) -> Failure {
    match end {
        End::Stopped => internal(say().worker_has_ended()),
        End::TooManyPanics => internal(say().worker_sessions_failed()),
        End::Failed(cause) => Failure::new(
            code::OTHER,
            say().worker_lost_device(cause),
            say().start_gateway_again(),
        ),
    }
}

/// What `run` says when it answers.
pub(crate) fn started(config: &Config, public_key: &PublicKey, identities: usize) -> String {
    let interface = config.interface.as_str();
    say().gateway_listens(&config.listen_port, &interface, public_key, identities)
}

/// `init` where there is something already.
pub(crate) fn exists(path: &Path) -> Failure {
    Failure::new(
        code::OTHER,
        say().path_exists(&path.display()),
        say().init_never_overwrites(),
    )
}

/// What `init` says below the public key.
pub(crate) fn made(config: &Path) -> String {
    say().gateway_was_made(&config.display(), &command("run", config))
}

/// The endpoint given to `init` is none that a client could use.
pub(crate) fn bad_endpoint(error: ProfileError) -> Failure {
    Failure::new(code::USAGE, error, say().give_outside_endpoint())
}

/// A command line that cannot be understood.
pub(crate) fn usage(error: &clap::Error) -> Failure {
    let (what, meant) = command_line::refusal(error);
    let is_value = matches!(
        error.kind(),
        ErrorKind::ValueValidation | ErrorKind::InvalidValue
    );
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) if is_value => argument.split(' ').next(),
        _ => None,
    };
    let hint = match argument.unwrap_or_default() {
        "--public-key" => say().give_public_key(),
        "--key" => say().identities_lists_keys(),
        "--route" => say().give_route(),
        "--network" => say().give_network(),
        "--endpoint" => say().give_endpoint(),
        _ => meant.unwrap_or_else(|| say().see_help_of_command()),
    };
    Failure::new(code::USAGE, what, hint)
}

/// A preshared key's file that cannot be used: not the gateway's own key.
pub(crate) fn bad_preshared_key(error: KeyFileError) -> Failure {
    match &error {
        KeyFileError::Unusable { path, cause }
            if cause.kind() != io::ErrorKind::PermissionDenied =>
        {
            let what = match cause.kind() {
                io::ErrorKind::NotFound => say().no_preshared_key_file(&path.display()),
                _ => error.to_string(),
            };
            Failure::new(code::OTHER, what, say().make_preshared_key(&path.display()))
        }
        KeyFileError::Malformed { .. } => {
            Failure::new(code::OTHER, error, say().correct_preshared_key())
        }
        _ => error.into(),
    }
}

/// Nobody got the invitation.
pub(crate) fn not_handed_over(cause: Failure, withdrawn: bool) -> Failure {
    let hint = match withdrawn {
        true => say().invitation_taken_back(),
        false => say().invitation_ends_by_itself(),
    };
    Failure { hint, ..cause }
}

/// The running gateway is another version than the command.
pub(crate) fn wrong_answer() -> Failure {
    internal(say().gateway_gave_another_answer())
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
    Ok(say().may_come_in(name, &list(addresses), gateway_public_key))
}

/// Somebody may come in again.
pub(crate) fn reinstated(keys: usize) -> String {
    match keys {
        0 => say().nobody_to_reinstate(),
        keys => say().keys_reinstated(keys),
    }
}

/// Somebody may not come in any more.
pub(crate) fn revoked(name: &Name, keys: usize) -> String {
    match keys {
        0 => say().invitation_withdrawn(name),
        keys => say().keys_revoked(name, keys),
    }
}

/// The running gateway goes on with another configuration.
pub(crate) fn reloaded(changed: &[String]) -> String {
    match changed {
        [] => say().nothing_to_take_up(),
        changed => say().taken_up(&list(changed)),
    }
}

/// A configuration that differs in what is fixed at the start.
pub(crate) fn takes_a_restart(keys: &[&String]) -> Failure {
    let what = say().cannot_take_up(&list(keys));
    Failure::new(code::OTHER, what, say().restart_or_put_back())
}

/// There is no terminal to fill.
pub(crate) fn no_screen(cause: io::Error) -> Failure {
    match cause.kind() {
        io::ErrorKind::NotConnected => Failure::new(
            code::USAGE,
            say().watching_takes_a_terminal(),
            say().watch_with_json(),
        ),
        _ => failed(say().terminal_unusable(&cause), &cause),
    }
}

/// The lines of `status` that are about the device.
pub(crate) fn device(status: &Status) -> String {
    let interface = status.interface.as_deref().unwrap_or("-");
    let port = status.listen_port.unwrap_or(0);
    let mut text = match &status.addresses[..] {
        [] => say().gateway_device(&interface, &port),
        some => say().gateway_device_with_addresses(&interface, &port, &list(some)),
    };
    text.push('\n');
    if let Some(key) = status.public_key {
        text += &say().gateway_device_key(&key);
        text.push('\n');
    }
    text
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
        0..60 => say().handshake_seconds_ago(&seconds),
        60..3600 => say().handshake_minutes_ago(&minutes, &(seconds % 60)),
        3600..86_400 => say().handshake_hours_ago(&hours, &(minutes % 60)),
        _ => say().handshake_days_ago(&days, &(hours % 24)),
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

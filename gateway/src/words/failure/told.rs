//! Each error, with what to do about it.

use std::fmt;
use std::io;
use std::path::Path;

use tokenvpn_common::invitation::InvitationError;
use tokenvpn_common::io::confinement::ConfinementError;
use tokenvpn_common::io::hardening::HardeningError;
use tokenvpn_common::io::netlink::NetlinkError;
use tokenvpn_common::io::tun::TunError;
use tokenvpn_common::io::udp::BindError;
use tokenvpn_common::language::say;

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
    Failure::new(code::INTERNAL, what, say().please_report())
}

/// Something on the disk or in the system that did not go as it should. `what` tells the cause too.
pub(crate) fn io(what: impl fmt::Display, cause: &io::Error) -> Failure {
    let hint = match cause.kind() {
        io::ErrorKind::PermissionDenied => return not_permitted(what),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => say().make_room_there(),
        io::ErrorKind::ReadOnlyFilesystem => say().make_it_writable(),
        _ => say().check_path_and_file_system(),
    };
    Failure::new(code::OTHER, what, hint)
}

fn not_permitted(what: impl fmt::Display) -> Failure {
    Failure::new(
        code::NO_PERMISSION,
        what,
        say().run_as_root_or_gateway_user(),
    )
}

/// A file or directory that cannot be used.
pub(crate) fn file(path: &Path, cause: &io::Error) -> Failure {
    io(say().path_cannot_be_used(&path.display(), cause), cause)
}

pub(crate) fn cannot_start(cause: &io::Error) -> Failure {
    io(say().gateway_cannot_start(cause), cause)
}

pub(crate) fn cannot_wait(cause: &io::Error) -> Failure {
    internal(say().gateway_cannot_wait(cause))
}

pub(crate) fn cannot_listen(path: &Path, cause: &io::Error) -> Failure {
    io(say().gateway_cannot_listen(&path.display(), cause), cause)
}

/// Somebody removed the device while it was set up.
pub(crate) fn device_gone(interface: &str, cause: &io::Error) -> Failure {
    io(say().gateway_device_is_gone(&interface, cause), cause)
}

pub(crate) fn registry_gone() -> Failure {
    internal(say().registry_thread_has_ended())
}

/// A request of another version.
pub(crate) fn unknown_request(cause: &dyn fmt::Display) -> Failure {
    internal(say().request_unknown_to_gateway(cause))
}

/// The output of a command has nobody who reads it.
pub(crate) fn not_printed(cause: &io::Error) -> Failure {
    io(say().gateway_output_failed(cause), cause)
}

pub(crate) fn unreadable_enrolment(cause: &io::Error) -> Failure {
    io(say().unreadable_enrolment(cause), cause)
}

pub(crate) fn of_config(error: &ConfigError) -> Failure {
    match error {
        ConfigError::Unreadable { path, cause } if cause.kind() == io::ErrorKind::NotFound => {
            let what = say().no_configuration(&path.display());
            Failure::new(code::USAGE, what, say().make_or_name_configuration())
        }
        ConfigError::Unreadable { path, cause } => file(path, cause),
        ConfigError::TooLong(_) => Failure::new(code::USAGE, error, say().name_own_configuration()),
        ConfigError::Broken { line, .. } => {
            Failure::new(code::USAGE, error, say().correct_configuration_line(line))
        }
        ConfigError::Incomplete { key, .. } => {
            let hint = match crate::words::config_example(key) {
                Some(line) => say().add_line_as_in(&line),
                None => say().add_configuration_key(key),
            };
            Failure::new(code::USAGE, error, hint)
        }
    }
}

pub(crate) fn of_network(error: &NetworkError) -> Failure {
    let hint = match error {
        NetworkError::Overlap(..) => say().choose_networks_apart(),
        _ => say().choose_private_network(),
    };
    Failure::new(code::USAGE, error, hint)
}

pub(crate) fn of_key_file(error: &KeyFileError) -> Failure {
    match error {
        KeyFileError::Unusable { path, cause } => match cause.kind() {
            io::ErrorKind::AlreadyExists => exists(path),
            io::ErrorKind::NotFound => Failure::new(
                code::OTHER,
                say().no_key_file(&path.display()),
                say().restore_or_make_anew(),
            ),
            io::ErrorKind::PermissionDenied => not_permitted(error),
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem => file(path, cause),
            _ => Failure::new(code::OTHER, error, say().restore_or_make_anew()),
        },
        KeyFileError::Foreign { path, owner, .. } => {
            let hint = say().take_key_file(owner, &path.display());
            Failure::new(code::NO_PERMISSION, error, hint)
        }
        KeyFileError::OpenToOthers { path, .. } => {
            let hint = say().close_key_file(&path.display());
            Failure::new(code::NO_PERMISSION, error, hint)
        }
        KeyFileError::Malformed { .. } => {
            Failure::new(code::OTHER, error, say().restore_key_line_or_make_anew())
        }
    }
}

pub(crate) fn of_state(error: &StateError) -> Failure {
    match error {
        StateError::Unusable { path, cause } => match cause.kind() {
            io::ErrorKind::NotFound => {
                let what = say().no_state_dir(&path.display());
                Failure::new(code::OTHER, what, say().correct_state_dir_or_make_anew())
            }
            _ => file(path, cause),
        },
        StateError::OpenToOthers { path, .. } => {
            let hint = say().close_state_dir(&path.display());
            Failure::new(code::NO_PERMISSION, error, hint)
        }
    }
}

pub(crate) fn of_registry(error: &RegistryError) -> Failure {
    let hint = match error {
        RegistryError::Refused(refusal) => return of_refusal(refusal),
        RegistryError::Exists(path) => return exists(path),
        RegistryError::Unusable { path, cause } => match cause.kind() {
            io::ErrorKind::PermissionDenied => return not_permitted(error),
            _ => return file(path, cause),
        },
        RegistryError::Missing(_) | RegistryError::Foreign(_) | RegistryError::Damaged(_) => {
            say().restore_or_make_anew()
        }
        RegistryError::TooNew { .. } => say().use_program_that_wrote_registry(),
        RegistryError::OtherVersion(_) => say().use_program_or_make_anew(),
        RegistryError::Sql(_) => say().check_registry_file_system(),
    };
    Failure::new(code::OTHER, error, hint)
}

pub(crate) fn of_refusal(refusal: &Refusal) -> Failure {
    let hint = match refusal {
        Refusal::NameTaken { .. } => say().choose_another_name(),
        Refusal::UnknownName { .. } | Refusal::UnknownKey { .. } => say().identities_lists_all(),
        Refusal::DuplicateKey { name } => say().one_key_one_identity(name),
        Refusal::OwnKey => say().give_clients_key(),
        Refusal::Address(AddressError::Full { .. }) => say().make_room_for_addresses(),
        Refusal::Address(_) => say().choose_free_address(),
        Refusal::OtherAddress { name, .. } => say().leave_address_out(name),
        Refusal::SeveralKeys { .. } => say().say_which_key_to_renew(),
        Refusal::UnknownInvitation
        | Refusal::UsedInvitation
        | Refusal::WithdrawnInvitation
        | Refusal::LateEnrolment { .. } => say().make_new_invitation(),
        Refusal::OtherName { .. } => say().hand_over_enrolment_unchanged(),
        Refusal::NotEnded { .. } => say().identities_shows_who_may(),
        Refusal::Over { name, .. } => say().renew_access(name),
        Refusal::Ended { .. } => say().choose_date_to_come(),
    };
    Failure::new(code::OTHER, refusal, hint)
}

pub(crate) fn of_invitation(error: &InvitationError) -> Failure {
    let hint = match error {
        InvitationError::Empty { .. } => say().look_at_command_in_front(),
        InvitationError::Version { .. } => say().use_same_version_on_both_ends(),
        InvitationError::Profile(_) => say().correct_in_configuration_or_command(),
        _ => say().hand_over_what_issue_printed(),
    };
    Failure::new(code::OTHER, error, hint)
}

pub(crate) fn of_bind(error: &BindError) -> Failure {
    match error {
        BindError::PortInUse { .. } => {
            Failure::new(code::OTHER, error, say().stop_what_uses_port())
        }
        BindError::NoPermission { .. } => not_permitted(error),
        BindError::Socket { .. } => {
            let hint = say().check_machines_network();
            Failure::new(code::OTHER, with_causes(error), hint)
        }
    }
}

pub(crate) fn of_tun(error: &TunError) -> Failure {
    let what = with_causes(error);
    let hint = match error {
        TunError::NoPermission => return not_permitted(what),
        TunError::NoDevice => say().load_tun_driver(),
        TunError::NameTaken { .. } => say().choose_another_interface(),
        TunError::BadName { .. } | TunError::Open(_) => say().check_tun_driver(),
    };
    Failure::new(code::OTHER, what, hint)
}

pub(crate) fn of_netlink(error: &NetlinkError) -> Failure {
    let what = with_causes(error);
    match error {
        NetlinkError::NoPermission { .. } => not_permitted(what),
        _ => Failure::new(code::OTHER, what, say().check_machines_addresses()),
    }
}

pub(crate) fn of_hardening(error: &HardeningError) -> Failure {
    unguarded(error)
}

pub(crate) fn of_confinement(error: &ConfinementError) -> Failure {
    unguarded(error)
}

/// For measures that every kernel since 4.14 takes.
fn unguarded(error: &dyn std::error::Error) -> Failure {
    let hint = say().check_kernel_settings();
    Failure::new(code::OTHER, with_causes(error), hint)
}

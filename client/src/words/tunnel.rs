//! What keeps a tunnel from standing, and from being ended.

use std::io;

use tokenvpn_common::io::confinement::ConfinementError;
use tokenvpn_common::io::hardening::HardeningError;
use tokenvpn_common::io::netlink::NetlinkError;
use tokenvpn_common::io::tun::TunError;
use tokenvpn_common::language::say;

use super::down;
use crate::net::dns::DnsError;
use crate::net::fence::FenceError;
use crate::net::journal::JournalError;
use crate::net::tunnel::TunnelError;
use crate::runtime::LockError;
use crate::words::{Failure, code, with_causes};

/// Another process holds the interface, or its lock cannot be made.
pub(crate) fn locked(error: &LockError) -> Failure {
    match error {
        LockError::Held { interface } => Failure::new(
            code::OTHER,
            error.to_string(),
            say().end_holder(&down(interface)),
        ),
        LockError::Foreign { .. } => Failure::new(
            code::OTHER,
            error.to_string(),
            say().remove_directory_of_others(),
        ),
        LockError::Open { .. } => {
            Failure::new(code::OTHER, with_causes(error), say().run_as_root())
        }
    }
}

/// It was told to end, and still holds its interface.
pub(crate) fn does_not_end(error: &LockError) -> Failure {
    Failure::new(
        code::OTHER,
        say().holder_does_not_end(error),
        say().kill_holder(),
    )
}

pub(crate) fn may_not_end(error: &io::Error) -> Failure {
    let what = say().may_not_end_tunnel(error);
    Failure::new(code::NO_PERMISSION, what, say().run_as_root())
}

pub(crate) fn may_not_ask(interface: &str, error: &io::Error) -> Failure {
    let what = say().may_not_ask_supervisor(&interface, error);
    Failure::new(code::NO_PERMISSION, what, say().run_as_root())
}

pub(crate) fn no_answer(interface: &str) -> Failure {
    Failure::new(
        code::OTHER,
        say().supervisor_does_not_answer(&interface),
        say().end_with_down(),
    )
}

/// What an earlier run has left to undo cannot be known.
pub(crate) fn unreadable_journal(error: &JournalError) -> Failure {
    Failure::new(code::OTHER, with_causes(error), say().look_at_journal())
}

/// Why there is no tunnel, a missing permission apart.
pub(crate) fn no_tunnel(error: &TunnelError) -> Failure {
    let hint = match error {
        TunnelError::Tun(TunError::NameTaken { .. }) => say().choose_free_interface(),
        TunnelError::Netlink(NetlinkError::Exists { .. }) => say().networks_have_same_addresses(),
        TunnelError::Dns(DnsError::Resolved(_)) => say().is_resolved_running(),
        TunnelError::Dns(DnsError::Mount { .. }) => say().is_there_a_resolv_conf(),
        _ => say().debug_log_tells_more(),
    };
    Failure::new(code::OTHER, with_causes(error), hint)
}

/// Why the way around the tunnel stays open.
pub(crate) fn not_closed(error: &FenceError) -> String {
    say().way_around_not_closed(&with_causes(error))
}

/// The same, a missing permission apart.
pub(crate) fn no_fence(error: &FenceError) -> Failure {
    Failure::new(code::OTHER, not_closed(error), say().leave_the_way_open())
}

/// The worker's memory could be swapped out or looked at.
pub(crate) fn unprotected(error: &HardeningError) -> Failure {
    Failure::new(
        code::NO_PERMISSION,
        say().memory_not_protected_for(error, &error.errno),
        say().allow_locked_memory(),
    )
}

/// The worker could do more than it needs to.
pub(crate) fn unconfined(error: &ConfinementError) -> Failure {
    Failure::new(
        code::OTHER,
        say().worker_not_confined(&with_causes(error)),
        say().check_kernel_settings(),
    )
}

//! What keeps a tunnel from standing, and from being ended.

use std::fmt::Display;
use std::io;
use std::path::Path;

use tokenvpn_common::io::confinement::ConfinementError;
use tokenvpn_common::io::hardening::HardeningError;
use tokenvpn_common::io::netlink::NetlinkError;
use tokenvpn_common::io::tun::TunError;

use super::down;
use crate::net::dns::DnsError;
use crate::net::fence::FenceError;
use crate::net::journal::JournalError;
use crate::net::tunnel::TunnelError;
use crate::runtime::LockError;
use crate::words::{Failure, code, with_causes};

const AS_ROOT: &str = "run it as root";

/// Another process holds the interface, or its lock cannot be made.
pub(crate) fn locked(error: &LockError) -> Failure {
    match error {
        LockError::Held { interface } => Failure::new(
            code::OTHER,
            error.to_string(),
            format!(
                "end it with: {}; or choose another --interface",
                down(interface)
            ),
        ),
        LockError::Foreign { .. } => Failure::new(
            code::OTHER,
            error.to_string(),
            "remove it; a gateway on this computer needs another runtime_dir (gateway.toml)",
        ),
        LockError::Open { .. } => Failure::new(code::OTHER, with_causes(error), AS_ROOT),
    }
}

/// Who holds an interface.
pub(crate) fn held(interface: &str) -> String {
    format!("another tokenvpn holds the interface {interface}")
}

/// A directory in which others than this user can make files.
pub(crate) fn foreign(directory: &Path) -> String {
    format!(
        "{} is no directory that only this user writes to",
        directory.display()
    )
}

/// It was told to end, and still holds its interface.
pub(crate) fn does_not_end(error: &LockError) -> Failure {
    Failure::new(
        code::OTHER,
        format!("{error} and does not end"),
        "kill -9 the process, then tokenvpn down again: it puts everything back",
    )
}

pub(crate) fn may_not_end(error: &io::Error) -> Failure {
    let what = format!("no permission to end the tunnel: {error}");
    Failure::new(code::NO_PERMISSION, what, AS_ROOT)
}

pub(crate) fn may_not_ask(interface: &str, error: &io::Error) -> Failure {
    let what = format!("no permission to ask {interface}: {error}");
    Failure::new(code::NO_PERMISSION, what, AS_ROOT)
}

pub(crate) fn no_answer(interface: &str) -> Failure {
    Failure::new(
        code::OTHER,
        format!("the supervisor of {interface} does not answer"),
        "tokenvpn down ends it; what is left of it is put back",
    )
}

/// What an earlier run has left to undo cannot be known.
pub(crate) fn unreadable_journal(error: &JournalError) -> Failure {
    Failure::new(
        code::OTHER,
        with_causes(error),
        "it lists what to undo: look at it, then remove it; tokenvpn doctor finds what is left",
    )
}

pub(crate) const NO_CAPABILITY: &str = "no permission to make a tunnel (CAP_NET_ADMIN)";

pub(crate) fn no_device(path: &str, error: &io::Error) -> String {
    format!("{path} cannot be opened: {error}")
}

/// Why there is no tunnel, a missing permission apart.
pub(crate) fn no_tunnel(error: &TunnelError) -> Failure {
    let hint = match error {
        TunnelError::Tun(TunError::NameTaken { .. }) => "choose another name with --interface",
        TunnelError::Netlink(NetlinkError::Exists { .. }) => {
            "this computer's own network has the same addresses; use another network, or ask for \
             narrower routes"
        }
        TunnelError::Dns(DnsError::Resolved(_)) => {
            "is systemd-resolved running? see: resolvectl status"
        }
        TunnelError::Dns(DnsError::Mount { .. }) => {
            "is there an /etc/resolv.conf? if not: touch /etc/resolv.conf"
        }
        _ => "RUST_LOG=debug tells more",
    };
    Failure::new(code::OTHER, with_causes(error), hint)
}

pub(crate) const NO_DESCRIPTORS: &str = "the tunnel's descriptors cannot be kept";
pub(crate) const NO_IPV6: &str = "IPv6 cannot be turned on for the tunnel, and is on beside it";
pub(crate) const NOT_RESOLVED: &str = "resolvectl does not take the name servers";

/// Why the way around the tunnel stays open.
pub(crate) fn not_closed(error: &FenceError) -> String {
    let error = with_causes(error);
    format!("the way around the tunnel cannot be closed: {error}")
}

/// The same, a missing permission apart.
pub(crate) fn no_fence(error: &FenceError) -> Failure {
    Failure::new(
        code::OTHER,
        not_closed(error),
        "leave out --kill-switch and --on-removal hold, or look at: ip rule",
    )
}

pub(crate) fn cannot_open(path: &Path) -> String {
    format!("cannot open {}", path.display())
}

pub(crate) fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

pub(crate) fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

pub(crate) fn cannot_mount(path: &Path) -> String {
    format!("cannot mount over {}", path.display())
}

/// A journal that is none.
pub(crate) fn no_journal(path: &Path, reason: &dyn Display) -> String {
    format!("{} is no journal of this version: {reason}", path.display())
}

/// What is wrong with a journal that nobody here has written.
pub(crate) const STRANGE_STEP: &str = "it holds a step that no tunnel takes";

/// The worker's memory could be swapped out or looked at.
pub(crate) fn unprotected(error: &HardeningError) -> Failure {
    Failure::new(
        code::NO_PERMISSION,
        format!("memory cannot be protected: {error} ({})", error.errno),
        "run it as root, or allow CAP_IPC_LOCK",
    )
}

/// The worker could do more than it needs to.
pub(crate) fn unconfined(error: &ConfinementError) -> Failure {
    let error = with_causes(error);
    Failure::new(
        code::OTHER,
        format!("the worker cannot be confined: {error}"),
        "it does not run unguarded: check this kernel's settings (seccomp, prctl)",
    )
}

/// Why name servers cannot be taken back yet.
pub(crate) const MOUNTED_OVER: &str = "another mount lies over it";

//! What a command line or configuration file has wrong.

use std::io;
use std::path::Path;

use crate::words::{Failure, code};

pub(crate) const BAD_DESCRIPTOR: &str = "a descriptor to read from is 0, or 3 and above";
pub(crate) const BAD_INTERFACE: &str =
    "an interface name has 1 to 15 letters, digits, '-', '_' or '.'";
pub(crate) const INTERFACE_OF_THE_GATEWAY: &str = "this name is the gateway's; choose another";
pub(crate) const BAD_TIME: &str = "a time is a whole number of seconds, at least 1";
pub(crate) const BAD_POLICY: &str = "it is immediate, grace:SECONDS or hold";

/// A grace that is too long, or none.
pub(crate) fn bad_grace(most: u64) -> String {
    format!("a grace lasts 1 to {most} whole seconds")
}

/// What to do about a command line that clap refuses.
pub(crate) const SEE_HELP: &str = "tokenvpn COMMAND --help shows how";

/// The configuration file is there and cannot be read.
pub(crate) fn unreadable_config(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        code::USAGE,
        format!("cannot read {}: {error}", path.display()),
        "correct its permissions, or remove it: every option can be left out",
    )
}

/// What the configuration file may set.
pub(super) const CONFIG_KEYS: &str =
    "token, interface, wait, ready-timeout, once, kill-switch and on-removal";

/// Something in the configuration file is wrong; `place` is its line and column.
pub(crate) fn bad_config(path: &Path, place: &str, reason: &str) -> Failure {
    Failure::new(
        code::USAGE,
        format!("{}:{place}: {reason}", path.display()),
        format!("it may set {CONFIG_KEYS}"),
    )
}

/// Somebody ran what only the program itself runs.
pub(crate) fn started_by_hand() -> Failure {
    Failure::new(code::USAGE, "this is how tokenvpn starts itself", SEE_HELP)
}

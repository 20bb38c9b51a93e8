//! What a command line or configuration file has wrong.

use std::io;
use std::path::Path;

use tokenvpn_common::language::say;

use crate::words::{Failure, code};

/// The configuration file is there and cannot be read.
pub(crate) fn unreadable_config(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        code::USAGE,
        say().config_unreadable(&path.display(), error),
        say().correct_or_remove_config(),
    )
}

/// Something in the configuration file is wrong; `place` is its line and column.
pub(crate) fn bad_config(path: &Path, place: &str, reason: &str) -> Failure {
    Failure::new(
        code::USAGE,
        format!("{}:{place}: {reason}", path.display()),
        say().config_may_set(&say().config_keys()),
    )
}

/// Somebody ran what only the program itself runs.
pub(crate) fn started_by_hand() -> Failure {
    let hint = say().see_command_help();
    Failure::new(code::USAGE, say().started_by_hand(), hint)
}

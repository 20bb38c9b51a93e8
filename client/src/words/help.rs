//! What the command line says of itself: `--help`, manual pages and completions.

#[cfg(test)]
pub(crate) mod manual;

use tokenvpn_common::language::say;

use crate::words::code;

/// A longer text for `--help`: the short one and what follows it.
pub(crate) fn with_more(short: &str, more: &str) -> String {
    format!("{short}.\n\n{more}")
}

/// What each exit code means, for every command.
pub(crate) fn exit_codes() -> [(u8, String); 17] {
    [
        (0, say().help_exit_done()),
        (code::OTHER, say().help_exit_other()),
        (code::USAGE, say().help_exit_usage()),
        (code::NO_TOKEN, say().help_exit_no_token()),
        (code::PIN, say().help_exit_pin()),
        (code::PIN_BLOCKED, say().help_exit_pin_blocked()),
        (code::EXPIRED, say().help_exit_expired()),
        (code::DAMAGED, say().help_exit_damaged()),
        (code::EMPTY, say().help_exit_empty()),
        (code::NO_GATEWAY, say().help_exit_no_gateway()),
        (code::REMOVED, say().help_exit_removed()),
        (code::BUSY, say().help_exit_busy()),
        (code::NO_PERMISSION, say().usage_exit_no_permission()),
        (code::NO_SERVICE, say().help_exit_no_service()),
        (code::CLOCK, say().help_exit_clock()),
        (code::UNSUPPORTED, say().help_exit_unsupported()),
        (code::INTERNAL, say().help_exit_internal()),
    ]
}

/// The same below the help.
pub(crate) fn exit_status() -> String {
    let lines = exit_codes().map(|(code, meaning)| format!("\n  {code:<3} {meaning}"));
    format!("{}{}", say().usage_exit_status(), lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_explained_and_keeps_its_number() {
        let explained = exit_codes().map(|(code, _)| code);
        let contract = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 70];
        assert_eq!(explained, contract);
        let constants = include_str!("code.rs").matches("pub(crate) const ").count();
        assert_eq!(constants, contract.len() - 1, "0 has no name");
    }
}

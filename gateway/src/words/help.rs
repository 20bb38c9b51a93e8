//! What the command line says of itself: `--help`, manual pages and completions.

use tokenvpn_common::language::say;

use crate::words::code;

/// A longer text for `--help`: the short one and what follows it.
pub(crate) fn with_more(short: &str, more: &str) -> String {
    format!("{short}.\n\n{more}")
}

/// What each exit code means, for every command.
pub(crate) const EXIT_STATUS: [(u8, fn() -> String); 6] = [
    (0, || say().gateway_help_exit_done()),
    (code::OTHER, || say().gateway_help_exit_other()),
    (code::USAGE, || say().gateway_help_exit_usage()),
    (code::DOWN, || say().gateway_help_exit_down()),
    (code::NO_PERMISSION, || say().usage_exit_no_permission()),
    (code::INTERNAL, || say().gateway_help_exit_internal()),
];

/// The same below the help.
pub(crate) fn exit_status() -> String {
    let lines = EXIT_STATUS.map(|(code, meaning)| format!("\n  {code:<3} {}", meaning()));
    say().usage_exit_status() + &lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_explained_and_keeps_its_number() {
        let explained = EXIT_STATUS.map(|(code, _)| code);
        assert_eq!(explained, [0, 1, 2, 3, 12, 70]);
        let codes = include_str!("failure.rs");
        let constants = codes.matches("pub(crate) const ").count();
        assert_eq!(constants, explained.len() - 1, "0 has no name");
    }
}

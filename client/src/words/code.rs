//! Exit codes, the same for every command.

/// Anything without a code of its own.
pub(crate) const OTHER: u8 = 1;
/// The command line or a configuration file is wrong.
pub(crate) const USAGE: u8 = 2;
/// No token within `--wait`; `status`: not up.
pub(crate) const NO_TOKEN: u8 = 3;
/// The PIN was wrong or not given.
pub(crate) const PIN: u8 = 4;
/// The PIN is blocked.
pub(crate) const PIN_BLOCKED: u8 = 5;
/// The profile has expired.
pub(crate) const EXPIRED: u8 = 6;
/// The profile cannot be read.
pub(crate) const DAMAGED: u8 = 7;
/// There is no profile.
pub(crate) const EMPTY: u8 = 8;
/// No gateway within `--ready-timeout`.
pub(crate) const NO_GATEWAY: u8 = 9;
/// The token was removed, with `--once`.
pub(crate) const REMOVED: u8 = 10;
/// Another program holds the token.
pub(crate) const BUSY: u8 = 11;
/// A permission is missing.
pub(crate) const NO_PERMISSION: u8 = 12;
/// There is no smart-card service.
pub(crate) const NO_SERVICE: u8 = 13;
/// The clock is wrong, or the profile is not yet valid.
pub(crate) const CLOCK: u8 = 14;
/// The card cannot hold a profile.
pub(crate) const UNSUPPORTED: u8 = 15;
/// Our own mistake.
pub(crate) const INTERNAL: u8 = 70;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_does_not_start_again_where_that_would_not_help() {
        let unit = include_str!("../../../contrib/systemd/tokenvpn.service");
        let codes = [
            USAGE,
            PIN,
            PIN_BLOCKED,
            EXPIRED,
            DAMAGED,
            EMPTY,
            CLOCK,
            UNSUPPORTED,
        ];
        let codes = codes.map(|code| code.to_string()).join(" ");
        let line = format!("\nRestartPreventExitStatus={codes}\n");
        assert!(unit.contains(&line), "{line}");
    }
}

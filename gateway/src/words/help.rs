//! What the command line says of itself: `--help`, manual pages and completions. One module for
//! each command; no full stop behind the first sentence of a help, as usual.

use crate::words::code;

/// A longer text for `--help`: the short one and what follows it.
pub(crate) fn with_more(short: &str, more: &str) -> String {
    format!("{short}.\n\n{more}")
}

/// What each exit code means, for every command.
pub(crate) const EXIT_STATUS: [(u8, &str); 6] = [
    (
        0,
        "It did what it was to do; run: somebody ended it; status: the gateway runs",
    ),
    (code::OTHER, "Anything that has no code of its own"),
    (
        code::USAGE,
        "The command line or the configuration is wrong",
    ),
    (code::DOWN, "The gateway does not run"),
    (code::NO_PERMISSION, "A permission is missing"),
    (code::INTERNAL, "A mistake of tokenvpn-gateway itself"),
];

/// The same below the help.
pub(crate) fn exit_status() -> String {
    let lines = EXIT_STATUS.map(|(code, meaning)| format!("\n  {code:<3} {meaning}"));
    format!("Exit status:{}", lines.concat())
}

pub(crate) const CONFIG: &str = "The gateway's configuration";
pub(crate) const JSON: &str = "Print JSON";
pub(crate) const ABOUT: &str = "The gateway that tokens connect to";
pub(crate) const INIT: &str =
    "Make the key, the configuration and the registry; print the gateway's public key";
pub(crate) const RUN: &str = "Run the gateway in the foreground";
pub(crate) const RELOAD: &str = "Let the running gateway take up a changed configuration";
pub(crate) const RELOAD_MORE: &str = "Endpoints, routes, dns, keepalive and invitation_days count at once, in the invitations that \
     follow. Anything else takes a restart and is refused here.";
pub(crate) const INVITE: &str = "Print an invitation for a token (TOML)";
pub(crate) const INVITE_MORE: &str = "A name that exists is invited to renew: it keeps its address, and its old key ends when the \
     new one is enrolled.";
pub(crate) const ENROL: &str = "Read a token's enrolment (TOML) from standard input and let it in";
pub(crate) const ADD: &str = "Let in a WireGuard client that made its own key";
pub(crate) const REVOKE: &str = "End a name's access, live sessions included";
pub(crate) const REINSTATE: &str = "Let in again whose access was ended by a clock that was wrong";
pub(crate) const REINSTATE_MORE: &str = "Access that has ended stays ended when the clock is set back: a clock that somebody sets back \
     must let nobody in. Where the clock was wrong when it ended, this lets in again whose date is \
     still to come; a date that is over takes a renewal (invite).";
pub(crate) const IDENTITIES: &str = "List who may come in";
pub(crate) const STATUS: &str = "Show the running gateway and its peers";
pub(crate) const AUDIT: &str =
    "Show who was invited, enrolled, added and revoked, by whom and when";

pub(crate) mod init {
    pub(crate) const ENDPOINT: &str = "Where clients reach this machine from outside";
    pub(crate) const NETWORK: &str =
        "The tunnel's networks; the gateway takes the first address of each";
    pub(crate) const INTERFACE: &str = "Name of the tunnel device";
    pub(crate) const STATE_DIR: &str = "Where the key and the registry are kept";
    pub(crate) const RUNTIME_DIR: &str = "Where the control socket stands while the gateway runs";
}

pub(crate) mod invite {
    pub(crate) const NAME: &str = "Who is invited";
    pub(crate) const SPARE: &str =
        "Invite a further key of that name, with its own address, revocable alone";
    pub(crate) const ADDRESS: &str = "A tunnel address instead of the next free one; for a renewal, the address of the key to \
         renew";
    pub(crate) const ROUTE: &str =
        "A network to reach through the tunnel, instead of the configured ones";
    pub(crate) const DNS: &str = "A resolver to use, instead of the configured ones";
    pub(crate) const EXPIRES: &str = "When the access ends; a bare date ends that day, UTC";
    pub(crate) const ENDPOINT: &str =
        "Where to reach the gateway, instead of the configured endpoints";
}

pub(crate) mod add {
    pub(crate) const NAME: &str = "Who is let in";
    pub(crate) const PUBLIC_KEY: &str = "The client's public key (wg pubkey)";
    pub(crate) const PRESHARED_KEY: &str = "A file with a preshared key (wg genpsk)";
    pub(crate) const ADDRESS: &str = "A tunnel address instead of the next free one";
    pub(crate) const EXPIRES: &str = "When the access ends; a bare date ends that day, UTC";
}

pub(crate) mod revoke {
    pub(crate) const NAME: &str = "Whose access ends";
    pub(crate) const KEY: &str = "End this key's access only";
}

pub(crate) mod reinstate {
    pub(crate) const NAME: &str = "Whose access is given back";
    pub(crate) const ALL: &str = "Give back the access of everyone whose date is still to come";
}

pub(crate) mod status {
    pub(crate) const WATCH: &str =
        "Show it again and again until a key is pressed; with --json, one object a line";
}

pub(crate) mod audit {
    pub(crate) const SINCE: &str = "Nothing older than this; a bare date begins that day, UTC";
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

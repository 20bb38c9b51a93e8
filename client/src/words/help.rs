//! What the command line says of itself: `--help`, manual pages and completions. One module for
//! each command; no full stop behind the first sentence of a help, as usual.

#[cfg(test)]
pub(crate) mod manual;

use crate::words::code;

/// A longer text for `--help`: the short one and what follows it.
pub(crate) fn with_more(short: &str, more: &str) -> String {
    format!("{short}.\n\n{more}")
}

/// What each exit code means, for every command.
pub(crate) const EXIT_STATUS: [(u8, &str); 17] = [
    (
        0,
        "It did what it was to do; up: somebody ended it; status: the tunnel is up",
    ),
    (
        code::OTHER,
        "Anything that has no code of its own; doctor: something is wrong, or left",
    ),
    (
        code::USAGE,
        "The command line or a configuration file is wrong, or there are several tokens to choose \
         from; up waits on a terminal until there is one",
    ),
    (
        code::NO_TOKEN,
        "No token is plugged in, or none was within --wait; status: the tunnel is not up",
    ),
    (code::PIN, "The PIN was wrong, or was not given"),
    (code::PIN_BLOCKED, "The PIN is blocked"),
    (code::EXPIRED, "The profile or the invitation has expired"),
    (
        code::DAMAGED,
        "The profile is damaged, or was written by a newer tokenvpn",
    ),
    (code::EMPTY, "The token holds no profile"),
    (
        code::NO_GATEWAY,
        "No gateway has answered within --ready-timeout",
    ),
    (
        code::REMOVED,
        "The token was removed: with --once, or before a command was done",
    ),
    (code::BUSY, "Another program holds the token"),
    (code::NO_PERMISSION, "A permission is missing"),
    (code::NO_SERVICE, "No smart-card service answers"),
    (
        code::CLOCK,
        "This computer's clock is wrong, or the profile is not yet valid",
    ),
    (code::UNSUPPORTED, "The card cannot hold a profile"),
    (code::INTERNAL, "A mistake of tokenvpn itself"),
];

/// The same below the help.
pub(crate) fn exit_status() -> String {
    let lines = EXIT_STATUS.map(|(code, meaning)| format!("\n  {code:<3} {meaning}"));
    format!("Exit status:{}", lines.concat())
}

pub(crate) const JSON: &str = "Print JSON";
pub(crate) const ABOUT: &str =
    "A VPN that you carry: everything it needs comes from an OpenPGP card token";
pub(crate) const UP: &str =
    "Wait for a token, ask for its PIN and hold the tunnel until the token is pulled";
pub(crate) const DOWN: &str = "End a running `up` and put everything back";
pub(crate) const STATUS: &str = "Say whether the tunnel is up";
pub(crate) const DOCTOR: &str =
    "Look for what keeps the tunnel from working, and say what to do about it";
pub(crate) const TOKEN: &str = "Look at tokens, fill and empty them";

pub(crate) mod up {
    pub(crate) const TOKEN: &str = "Use this token only, as in 0006:12345678";
    pub(crate) const PIN_FD: &str = "Read the PIN from this open descriptor; it is tried once";
    pub(crate) const INTERFACE: &str = "Name of the tunnel device [default: tokenvpn]";
    pub(crate) const WAIT: &str = "Give up (exit 3) when no token is plugged in within this time";
    pub(crate) const READY_TIMEOUT: &str =
        "Give up (exit 9) when no gateway answers within this time";
    pub(crate) const ONCE: &str =
        "End with the first token: at its removal (exit 10) or at what is wrong with it";
    pub(crate) const KILL_SWITCH: &str = "Let nothing out of this computer but through the tunnel";
    pub(crate) const KILL_SWITCH_MORE: &str = "From the start, before any token, until it is ended (Ctrl-C, `tokenvpn down`): whatever \
         would leave by a default route is refused. Networks to which the routing table knows a \
         way of their own stay reachable, the local network above all, and the tunnel's own \
         datagrams pass. If it ends otherwise, or is killed, all stays closed until `tokenvpn \
         down`. A gateway given by name needs a name server in the local network. Programs that \
         bind themselves to a network device still reach what is on that link.";
    pub(crate) const ON_REMOVAL: &str = "What the removal of the token means: immediate, grace:SECONDS or hold [default: \
         immediate]";
    pub(crate) const ON_REMOVAL_MORE: &str = "immediate: keys and tunnel go at once, however short the token was out; a reader that \
         the smart-card service looks at only now and then hides a shorter absence than that.\n\n\
         grace:SECONDS, at most 60: the tunnel stands still, nothing is sent, and it goes on \
         without a PIN if the same token comes back in time. Its keys stay in memory meanwhile, \
         and a token is known by its number alone, which a fake card can have too.\n\n\
         hold: keys and tunnel go at once, but the networks of the profile lead nowhere until a \
         token opens a tunnel again or it is ended as above.";
    pub(crate) const JSON: &str = "Print one event a line on stdout, as JSON";
    pub(crate) const MORE: &str = "tokenvpn-up(8) tells where the PIN may come from, which files there are, and what --json \
         prints.";
}

pub(crate) mod status {
    pub(crate) const WATCH: &str = "Go on showing it every second, with rates, until q is pressed; with --json one object a \
         line";
}

pub(crate) mod doctor {
    pub(crate) const GATEWAYS: &str =
        "Ask the gateways of a token, with its PIN, whether they answer it";
    pub(crate) const GATEWAYS_MORE: &str = "Each of their addresses has five seconds for the first two messages of a \
         tunnel. No tunnel is made; a gateway takes this computer for the token's place until it \
         is heard from elsewhere. While `tokenvpn up` has a token, its gateway is told instead, and \
         no PIN is asked.";
    pub(crate) const RESIDUE: &str =
        "Look instead for anything that tokenvpn has left on this computer";
}

pub(crate) mod tunnel {
    pub(crate) const INTERFACE: &str = "Name of the tunnel device [default: tokenvpn]";
}

pub(crate) mod token {
    pub(crate) const LIST: &str = "List the tokens that are plugged in";
    pub(crate) const SHOW: &str =
        "Show what a token holds: with its PIN everything but the secrets";
    pub(crate) const ISSUE: &str =
        "Make a key and write it to a token, with what an invitation says";
    pub(crate) const RENEW: &str =
        "Give a token a new expiry, and what else a new invitation of the same name says";
    pub(crate) const ADD_GATEWAY: &str =
        "Give a token one more gateway to go over to, from that gateway's invitation";
    pub(crate) const EDIT: &str =
        "Change where a token connects to and what it routes, or its name";
    pub(crate) const ERASE: &str = "Erase profile and label from a token";
    pub(crate) const PIN: &str = "Change a token's PIN, its admin PIN or its reset code";
    pub(crate) const UNBLOCK: &str = "Give a token whose PIN is blocked or forgotten a new one";
    pub(crate) const MORE: &str = "The PIN is asked for as by tokenvpn up, see tokenvpn-up(8): on \
         the reader's keypad if it has one. The admin PIN is typed there too, or else on the \
         terminal. Not seen by this computer, neither can be told from the one that every new token \
         has.";
    pub(crate) const PIN_MORE: &str = "Where the reader has a keypad on which PINs can be changed, \
         PIN and admin PIN are changed there, and proven by typing the new one once more; unless \
         only one try is left. Otherwise, as always for a reset code, the new one is typed on the \
         terminal, and so is the PIN or admin PIN that it replaces.";
    pub(crate) const UNBLOCK_MORE: &str = "The admin PIN is typed on the reader's keypad if it has \
         one. The reset code and the new PIN are not for a keypad: they are typed on the terminal. \
         Whoever wants a PIN that this computer has not seen changes it afterwards: tokenvpn token \
         pin.";
    pub(crate) const TOKEN: &str = "Use this token, as in 0006:12345678";
    pub(crate) const PIN_FD: &str = "Read the PIN from this open descriptor; it is tried once";
}

pub(crate) mod issue {
    pub(crate) const NO_LABEL: &str =
        "Write no label: nobody learns the token's name without its PIN";
    pub(crate) const CARD_NAME: &str =
        "Call the card itself so, for whoever asks it without a PIN; needs the admin PIN";
    pub(crate) const INVITATION: &str = "The invitation [default: standard input]";
}

pub(crate) mod renew {
    pub(crate) const NEW_KEY: &str =
        "Make a new key; the gateway forgets the old one when it enrols this one";
    pub(crate) const INVITATION: &str = "The new invitation [default: standard input]";
}

pub(crate) mod add_gateway {
    pub(crate) const INVITATION: &str = "The other gateway's invitation [default: standard input]";
}

pub(crate) mod edit {
    pub(crate) const ENDPOINT: &str = "Reach the gateway here; several times: in this order";
    pub(crate) const GATEWAY: &str =
        "Whose endpoints they are, on a token with several gateways: 1 for the first";
    pub(crate) const REMOVE_GATEWAY: &str = "Take this gateway off the token: 1 for the first";
    pub(crate) const ROUTE: &str =
        "Route this network into the tunnel; several times: these, and no other";
    pub(crate) const DNS: &str =
        "Use this name server while the tunnel is up; several times: these";
    pub(crate) const NO_DNS: &str = "Use no name server of the tunnel's";
    pub(crate) const NAME: &str = "Call the token so; the gateway keeps the name that it knows";
}

pub(crate) mod pin {
    pub(crate) const ADMIN: &str = "Change the admin PIN instead";
    pub(crate) const RESET_CODE: &str =
        "Set the reset code instead, with the admin PIN: who has the code can unblock the PIN";
}

pub(crate) mod unblock {
    pub(crate) const ADMIN: &str = "Use the admin PIN even if the token has a reset code";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_explained_and_keeps_its_number() {
        let explained = EXIT_STATUS.map(|(code, _)| code);
        let contract = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 70];
        assert_eq!(explained, contract);
        let constants = include_str!("code.rs").matches("pub(crate) const ").count();
        assert_eq!(constants, contract.len() - 1, "0 has no name");
    }
}

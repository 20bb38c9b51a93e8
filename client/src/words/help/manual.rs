//! What the manual page of `up` says beside its options; no help on a screen has room for it.

use crate::documents::Section;
use crate::words::cli::config_keys;

/// All of its sections.
pub(crate) fn sections() -> Vec<Section> {
    let list = |items: &[(&str, &str)]| -> Vec<(String, String)> {
        let items = items.iter();
        items
            .map(|(item, text)| (item.to_string(), text.to_string()))
            .collect()
    };
    let mut files = list(&FILES);
    files[0].1 = files[0].1.replace("KEYS", &config_keys());
    let states = STATES.map(|(name, fields, text)| match fields {
        "" => (name.to_owned(), text.to_owned()),
        fields => (name.to_owned(), format!("{text} ({fields})")),
    });
    vec![
        (
            "tokenvpn-up",
            "PIN SOURCES",
            PINS_BEGIN.into(),
            list(&PIN_SOURCES),
        ),
        ("tokenvpn-up", "FILES", String::new(), files),
        (
            "tokenvpn-up",
            "JSON STATES",
            STATES_BEGIN.into(),
            states.into(),
        ),
    ]
}

const PINS_BEGIN: &str = "The PIN comes from the first of these that there is. It is in no argument \
    and no environment variable, and a wrong one is never tried again. One that nobody types is \
    tried once, and only while the token's tries are full.";

const PIN_SOURCES: [(&str, &str); 6] = [
    (
        "--pin-fd N",
        "One line on a descriptor that is open already: --pin-fd 9 9<FILE. Nobody types it.",
    ),
    (
        "The systemd credential pin",
        "LoadCredential=pin:FILE or LoadCredentialEncrypted=pin:FILE in the unit, see \
         systemd.exec(5). Nobody types it.",
    ),
    (
        "The reader's keypad",
        "If it has one; the PIN does not pass through this computer. Not for the last try, \
         before which a YES is asked for.",
    ),
    (
        "The terminal",
        "The one that it was started on, without echo; never standard input.",
    ),
    (
        "pinentry",
        "Where it is installed and there is a display, or GPG_TTY is set.",
    ),
    (
        "systemd-ask-password",
        "Where it runs as a service of systemd; answered with systemd-tty-ask-password-agent.",
    ),
];

const FILES: [(&str, &str); 4] = [
    (
        "/etc/tokenvpn/client.toml",
        "What the command line leaves out: KEYS, as in kill-switch = true or on-removal = \"hold\". \
         It holds no secret.",
    ),
    (
        "/run/tokenvpn/",
        "Lock, control socket and journal of each tunnel. Whatever a killed one leaves there is \
         put back by the next tokenvpn up or down.",
    ),
    ("/var/run/wireguard/INTERFACE.sock", "For wg show."),
    (
        "/etc/resolv.conf",
        "Another file is mounted over it while there is a tunnel with name servers and no \
         systemd-resolved.",
    ),
];

const STATES_BEGIN: &str = "With --json each line on standard output is an object. Its state has \
    one of the names below; beside it are the fields in parentheses, of which those that have \
    nothing to say are left out. Moments are in Unix seconds. A state that ends it, at once or \
    because there is no terminal, has what, hint and code too: the two lines that people read, and \
    the exit status. Later versions may add states and fields. The state in tokenvpn status --json \
    has the same names, and down.";

/// Every state: its name, its fields, and what it means.
const STATES: [(&str, &str, &str); 41] = [
    (
        "waiting_token",
        "token",
        "No token is plugged in, or not the one that was named",
    ),
    (
        "waiting_change",
        "unlabelled",
        "What was told before stays so until the token changes, or another comes; unlabelled: a \
         change to it may go unseen until it is put in again",
    ),
    (
        "waiting_service",
        "",
        "The smart-card service has broken off, and is waited for",
    ),
    ("no_token", "seconds", "No token came within --wait"),
    ("no_service", "", "The smart-card service does not answer"),
    (
        "token_busy",
        "reader, holders",
        "Another program holds the token",
    ),
    (
        "pick_token",
        "tokens",
        "Several tokens are plugged in, each with token and name",
    ),
    (
        "pin",
        "token, tries_left, source",
        "The PIN is asked for, in one of these sources: pinpad, terminal, pinentry, agent",
    ),
    (
        "pin_wrong",
        "tries_left, asked_again",
        "The token refused a PIN",
    ),
    (
        "pin_too_long",
        "max, asked_again",
        "The token takes shorter PINs only, and was not asked",
    ),
    ("pin_last", "", "One try is left, and has to be confirmed"),
    ("pin_blocked", "", "No try is left"),
    ("pin_cancelled", "", "The PIN was asked for and not given"),
    ("pin_missing", "", "There is nobody to ask for the PIN"),
    (
        "pin_untried",
        "tries_left",
        "A PIN that nobody typed was not tried, as a try is lost already",
    ),
    ("empty", "", "The token holds no profile"),
    (
        "foreign",
        "",
        "The token holds another program's data in place of a profile",
    ),
    (
        "damaged",
        "object, check",
        "A profile or label fails a check, and was not used",
    ),
    (
        "too_new",
        "object, reason",
        "Only a newer tokenvpn can read the profile or label",
    ),
    ("expired", "not_after, now", "The profile has expired"),
    (
        "expires_soon",
        "not_after, now",
        "The profile expires within 14 days",
    ),
    (
        "not_yet_valid",
        "not_before, now",
        "The profile is valid only later",
    ),
    ("clock", "now", "This computer's clock cannot be right"),
    ("unsupported_card", "", "The card has no room for a profile"),
    (
        "card_failed",
        "reason",
        "The card or its reader does not do as it should",
    ),
    (
        "no_permission",
        "reason, cards",
        "A permission is missing; cards: to ask the cards",
    ),
    ("resolving", "hosts", "Names of gateways are looked up"),
    (
        "connecting",
        "endpoint, address, index, count",
        "A gateway is tried",
    ),
    (
        "unreachable",
        "now, tried, unresolved",
        "No gateway has answered, or no name could be looked up (tried: there was an address); it \
         is tried again",
    ),
    (
        "no_gateway",
        "seconds",
        "No gateway answered within --ready-timeout",
    ),
    (
        "up",
        "name, interface, endpoint, address, round_trip_ms, addresses, routes, dns",
        "The tunnel is up",
    ),
    (
        "roamed",
        "",
        "This computer's network has changed, and the gateway still answers",
    ),
    (
        "lost",
        "",
        "The gateway no longer answers; all are tried again",
    ),
    (
        "moved",
        "from, to, address, seconds",
        "The tunnel goes on through another endpoint, after so many seconds of silence",
    ),
    (
        "token_removed",
        "seconds, tunnel, closed, reason",
        "The token is out, and all that was there for it is gone; tunnel: there was one; closed: \
         its networks lead nowhere; reason: pulled or service_lost",
    ),
    (
        "token_grace",
        "seconds",
        "The token is out, and has this long to come back",
    ),
    (
        "token_back",
        "",
        "The token came back in time, and the tunnel goes on",
    ),
    (
        "kill_switch",
        "",
        "From now on nothing leaves but through the tunnel",
    ),
    (
        "stays_closed",
        "interface",
        "It ends, and the way around the tunnel stays closed",
    ),
    (
        "down",
        "tunnel, opened",
        "It was ended; tunnel: there was one; opened: so is what led nowhere without it",
    ),
    (
        "failed",
        "what, hint, code",
        "Anything else that went wrong",
    ),
];

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde_json::{Value, json};
    use tokenvpn_common::endpoint::Endpoint;

    use super::*;
    use crate::words::{Connection, Failure, Move, State, code};

    /// What a message of serde's says that it expected.
    fn expected(document: &Value) -> Vec<String> {
        let error = match State::deserialize(document) {
            Ok(_) => return Vec::new(),
            Err(error) => error.to_string(),
        };
        let (_, expected) = error.split_once("expected").unwrap_or_default();
        let names = expected.split('`').skip(1).step_by(2);
        names.map(str::to_owned).collect()
    }

    /// The states whose fields are those of a struct.
    fn with_structs() -> [State; 3] {
        let endpoint: Endpoint = "203.0.113.5:51820".parse().unwrap();
        let address = "203.0.113.5:51820".parse().unwrap();
        [
            State::Up(Box::new(Connection {
                name: "traveller".parse().unwrap(),
                interface: "tokenvpn".into(),
                endpoint: endpoint.clone(),
                address,
                round_trip_ms: Some(41),
                addresses: Vec::new(),
                routes: Vec::new(),
                dns: Vec::new(),
            })),
            State::Moved(Box::new(Move {
                from: endpoint.clone(),
                to: endpoint,
                address,
                seconds: Some(3.2),
            })),
            State::Failed(Failure::new(code::OTHER, "what", "hint")),
        ]
    }

    #[test]
    fn every_state_is_listed_with_all_of_its_fields() {
        let names = expected(&json!({ "state": "?" }));
        assert_eq!(names, STATES.map(|(name, ..)| name));
        let structs = with_structs();
        for (name, fields, _) in STATES {
            let listed = fields.split(", ").filter(|field| !field.is_empty());
            let mut listed: Vec<_> = listed.map(str::to_owned).collect();
            let of_struct = structs.iter().find(|state| state.name() == name);
            let mut actual = match of_struct {
                Some(state) => {
                    let event: Value = serde_json::from_str(&state.to_json()).unwrap();
                    let fields = event.as_object().unwrap().keys();
                    fields.filter(|key| *key != "state").cloned().collect()
                }
                None => expected(&json!({ "state": name, "?": 0 })),
            };
            listed.sort();
            actual.sort();
            assert_eq!(listed, actual, "{name}");
        }
    }
}

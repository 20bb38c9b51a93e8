//! What the manual page of `up` says beside its options; no help on a screen has room for it.

use tokenvpn_common::language::say;

use crate::documents::Section;

/// All of its sections.
pub(crate) fn sections() -> Vec<Section> {
    let states = states().map(|(name, fields, text)| match fields {
        "" => (name.to_owned(), text),
        fields => (name.to_owned(), format!("{text} ({fields})")),
    });
    vec![
        (
            "tokenvpn-up",
            say().manual_pin_sources(),
            say().manual_pin_sources_begin(),
            pin_sources().into(),
        ),
        (
            "tokenvpn-up",
            say().manual_signals(),
            String::new(),
            signals().into(),
        ),
        ("tokenvpn-up", "FILES".into(), String::new(), files().into()),
        (
            "tokenvpn-up",
            say().manual_states(),
            say().manual_states_begin(),
            states.into(),
        ),
    ]
}

fn pin_sources() -> [(String, String); 6] {
    [
        ("--pin-fd N".into(), say().manual_pin_fd()),
        (say().manual_credential(), say().manual_credential_use()),
        (say().manual_keypad(), say().manual_keypad_use()),
        (say().manual_terminal(), say().manual_terminal_use()),
        ("pinentry".into(), say().manual_pinentry()),
        ("systemd-ask-password".into(), say().manual_agent()),
    ]
}

fn signals() -> [(String, String); 2] {
    [
        ("SIGTERM".into(), say().manual_signals_end()),
        ("SIGUSR1".into(), say().manual_signal_restart()),
    ]
}

fn files() -> [(String, String); 4] {
    [
        (
            "/etc/tokenvpn/client.toml",
            say().manual_config_file(&say().config_keys()),
        ),
        ("/run/tokenvpn/", say().manual_runtime_files()),
        (
            "/var/run/wireguard/INTERFACE.sock",
            say().manual_wireguard_socket(),
        ),
        ("/etc/resolv.conf", say().manual_resolv_conf()),
    ]
    .map(|(path, text)| (path.to_owned(), text))
}

/// Every state: its name, its fields, and what it means.
fn states() -> [(&'static str, &'static str, String); 44] {
    [
        ("waiting_token", "token", say().manual_state_waiting_token()),
        (
            "waiting_change",
            "unlabelled",
            say().manual_state_waiting_change(),
        ),
        ("waiting_service", "", say().manual_state_waiting_service()),
        ("no_token", "seconds", say().manual_state_no_token()),
        ("no_service", "", say().manual_state_no_service()),
        (
            "token_busy",
            "reader, token, wanted, holders",
            say().manual_state_token_busy(),
        ),
        ("pick_token", "tokens", say().manual_state_pick_token()),
        ("pin", "token, tries_left, source", say().manual_state_pin()),
        (
            "pin_wrong",
            "tries_left, asked_again",
            say().manual_state_pin_wrong(),
        ),
        (
            "pin_too_long",
            "max, asked_again",
            say().manual_state_pin_too_long(),
        ),
        ("pin_length", "asked_again", say().manual_state_pin_length()),
        (
            "pin_source_failed",
            "source, reason",
            say().manual_state_pin_source_failed(),
        ),
        ("pin_timed_out", "", say().manual_state_pin_timed_out()),
        ("pin_last", "", say().manual_state_pin_last()),
        ("pin_blocked", "", say().manual_state_pin_blocked()),
        ("pin_cancelled", "", say().manual_state_pin_cancelled()),
        ("pin_missing", "", say().manual_state_pin_missing()),
        (
            "pin_untried",
            "tries_left",
            say().manual_state_pin_untried(),
        ),
        ("empty", "", say().help_exit_empty()),
        ("foreign", "", say().manual_state_foreign()),
        ("damaged", "object, check", say().manual_state_damaged()),
        ("too_new", "object, reason", say().manual_state_too_new()),
        ("expired", "not_after, now", say().manual_state_expired()),
        (
            "expires_soon",
            "not_after, now",
            say().manual_state_expires_soon(),
        ),
        (
            "not_yet_valid",
            "not_before, now",
            say().manual_state_not_yet_valid(),
        ),
        ("clock", "now, issued", say().manual_state_clock()),
        (
            "unsupported_card",
            "",
            say().manual_state_unsupported_card(),
        ),
        ("card_failed", "reason", say().manual_state_card_failed()),
        (
            "no_permission",
            "reason, cards",
            say().manual_state_no_permission(),
        ),
        ("resolving", "hosts", say().manual_state_resolving()),
        (
            "connecting",
            "endpoint, address, index, count",
            say().manual_state_connecting(),
        ),
        (
            "unreachable",
            "now, tried, unresolved",
            say().manual_state_unreachable(),
        ),
        (
            "no_gateway",
            "seconds, unresolved",
            say().manual_state_no_gateway(),
        ),
        (
            "up",
            "name, interface, endpoint, address, round_trip_ms, addresses, routes, dns, closed",
            say().manual_state_up(),
        ),
        ("roamed", "", say().manual_state_roamed()),
        ("lost", "", say().manual_state_lost()),
        (
            "moved",
            "from, to, address, seconds",
            say().manual_state_moved(),
        ),
        (
            "token_removed",
            "seconds, tunnel, closed, reason",
            say().manual_state_token_removed(),
        ),
        ("token_grace", "seconds", say().manual_state_token_grace()),
        ("token_back", "connected", say().manual_state_token_back()),
        ("kill_switch", "", say().manual_state_kill_switch()),
        (
            "stays_closed",
            "interface",
            say().manual_state_stays_closed(),
        ),
        ("down", "tunnel, opened", say().manual_state_down()),
        ("failed", "what, hint, code", say().manual_state_failed()),
    ]
}

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
                closed: vec!["10.20.0.0/24".parse().unwrap()],
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
        assert_eq!(names, states().map(|(name, ..)| name));
        let structs = with_structs();
        for (name, fields, _) in states() {
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

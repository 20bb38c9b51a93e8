//! The names of the states, their exit codes, and the facts that their texts may not lack.

use serde_json::Value;

use super::*;

/// 2026-11-20T09:12:00Z
const NOW: UnixTime = UnixTime(1_795_165_920);
const DAY: u64 = 86_400;

fn ident() -> Ident {
    "0006:12345678".parse().unwrap()
}

/// A state, its name, its exit code if it has one, and what has to be in its text.
type Row = (State, &'static str, Option<u8>, &'static [&'static str]);

fn without_a_token() -> Vec<Row> {
    let choice = |token: &str, name: &str| Choice {
        token: token.parse().unwrap(),
        name: name.parse().ok(),
    };
    let busy = |token, wanted| State::TokenBusy {
        reader: "Reader 0".into(),
        token,
        wanted,
        holders: vec!["scdaemon, pid 6790".into()],
    };
    vec![
        (
            State::WaitingToken { token: None },
            "waiting_token",
            None,
            &["Waiting for a token", "plug in", "Ctrl-C"],
        ),
        (
            State::WaitingChange { unlabelled: true },
            "waiting_change",
            None,
            &["Waiting", "another token", "put it in again", "Ctrl-C"],
        ),
        (
            State::WaitingService,
            "waiting_service",
            None,
            &["Waiting for the smart-card service", "Ctrl-C"],
        ),
        (
            State::NoToken { seconds: 30 },
            "no_token",
            Some(3),
            &["no token", "30 s"],
        ),
        (
            State::NoService,
            "no_service",
            Some(13),
            &["no smart-card service", "systemctl start pcscd.socket"],
        ),
        (
            busy(Some(ident()), None),
            "token_busy",
            Some(11),
            &[
                "0006:12345678 is in Reader 0",
                "another program",
                "scdaemon, pid 6790",
                "killscd",
                "pcsc-shared",
            ],
        ),
        (
            busy(None, Some(ident())),
            "token_busy",
            Some(11),
            &["in Reader 0, perhaps 0006:12345678", "another program"],
        ),
        (
            busy(None, None),
            "token_busy",
            Some(11),
            &["a token in Reader 0", "another program"],
        ),
        (
            State::PickToken {
                tokens: vec![
                    choice("0006:12345678", "traveller"),
                    choice("000F:8A1B2C3D", ""),
                ],
            },
            "pick_token",
            Some(2),
            &["1) 0006:12345678 traveller", "2) 000F:8A1B2C3D", "--token"],
        ),
        (
            State::NoPermission {
                what: "no permission to make a tunnel".into(),
                cards: false,
            },
            "no_permission",
            Some(12),
            &["no permission to make a tunnel", "root", "CAP_NET_ADMIN"],
        ),
        (
            State::from(CardError::NoPermission),
            "no_permission",
            Some(12),
            &["refuses this user", "root", "polkit"],
        ),
    ]
}

fn of_the_pin() -> Vec<Row> {
    let wrong = |asked_again| State::PinWrong {
        tries_left: 2,
        asked_again,
    };
    let too_long = |asked_again| State::PinTooLong {
        max: 8,
        asked_again,
    };
    vec![
        (
            State::Pin {
                token: ident(),
                tries_left: 3,
                source: Source::Agent,
            },
            "pin",
            None,
            &["0006:12345678", "3 tries left"],
        ),
        (
            wrong(true),
            "pin_wrong",
            None,
            &["Wrong PIN", "2 tries left"],
        ),
        (
            wrong(false),
            "pin_wrong",
            Some(4),
            &["wrong PIN", "2 tries left"],
        ),
        (
            too_long(true),
            "pin_too_long",
            None,
            &["at most 8 bytes", "no try was lost"],
        ),
        (
            too_long(false),
            "pin_too_long",
            Some(4),
            &["at most 8 bytes", "no try was lost"],
        ),
        (
            State::PinLength { asked_again: true },
            "pin_length",
            None,
            &["The reader", "such a length", "no try was lost"],
        ),
        (
            State::PinLength { asked_again: false },
            "pin_length",
            Some(4),
            &["the reader", "such a length", "no try was lost"],
        ),
        (
            State::PinSourceFailed {
                source: Source::Pinpad,
                reason: "the reader's keypad fails: it is worn".into(),
            },
            "pin_source_failed",
            None,
            &["keypad fails: it is worn."],
        ),
        (
            State::PinTimedOut,
            "pin_timed_out",
            None,
            &["Nobody has typed on the reader", "goes on asking"],
        ),
        (
            State::PinLast,
            "pin_last",
            None,
            &["One try left", "blocks the token"],
        ),
        (
            State::PinBlocked,
            "pin_blocked",
            Some(5),
            &["blocked", "nothing was erased", "tokenvpn token unblock"],
        ),
        (
            State::PinCancelled,
            "pin_cancelled",
            Some(4),
            &["no PIN was given"],
        ),
        (
            State::PinMissing,
            "pin_missing",
            Some(4),
            &["no terminal", "--pin-fd"],
        ),
        (
            State::PinUntried { tries_left: 2 },
            "pin_untried",
            Some(4),
            &[
                "2 tries left",
                "terminal",
                "restores all tries",
                "never has three",
            ],
        ),
    ]
}

fn of_the_token() -> Vec<Row> {
    vec![
        (
            State::Empty,
            "empty",
            Some(8),
            &["no VPN profile", "administrator", "tokenvpn token issue"],
        ),
        (State::Foreign, "foreign", Some(8), &["another program"]),
        (
            State::Damaged {
                object: Object::Profile,
                check: "the checksum is wrong".into(),
            },
            "damaged",
            Some(7),
            &[
                "profile",
                "the checksum is wrong",
                "not used",
                "issue it again",
            ],
        ),
        (
            State::TooNew {
                object: Object::Label,
                what: "version 3".into(),
            },
            "too_new",
            Some(7),
            &["label", "newer tokenvpn", "version 3", "update"],
        ),
        (
            State::Expired {
                not_after: UnixTime(NOW.0 - 23 * DAY),
                now: NOW,
            },
            "expired",
            Some(6),
            &[
                "2026-10-28",
                "23 days ago",
                "this computer's clock",
                "there is no tunnel",
                "renew",
            ],
        ),
        (
            State::ExpiresSoon {
                not_after: UnixTime(NOW.0 + 6 * DAY),
                now: NOW,
            },
            "expires_soon",
            None,
            &["6 days", "2026-11-26"],
        ),
        (
            State::NotYetValid {
                not_before: UnixTime(NOW.0 + 11 * DAY),
                now: NOW,
            },
            "not_yet_valid",
            Some(14),
            &["2026-12-01", "this computer's clock", "2026-11-20"],
        ),
        (
            State::Clock {
                now: UnixTime(0),
                issued: None,
            },
            "clock",
            Some(14),
            &["1970-01-01", "cannot be right", "timedatectl"],
        ),
        (
            State::Clock {
                now: NOW,
                issued: Some(UnixTime(NOW.0 + 11 * DAY)),
            },
            "clock",
            Some(14),
            &[
                "this computer's clock (2026-11-20) cannot be right",
                "of the computer that wrote the token (2026-12-01)",
                "timedatectl",
                "renew",
            ],
        ),
        (
            State::UnsupportedCard,
            "unsupported_card",
            Some(15),
            &[
                "cannot hold a profile",
                "private-use",
                "YubiKey 5",
                "Nitrokey 3",
            ],
        ),
        (
            State::CardFailed {
                what: "the card does not do as it should".into(),
            },
            "card_failed",
            Some(1),
            &["does not do as it should", "plug it in again"],
        ),
    ]
}

fn of_the_tunnel() -> Vec<Row> {
    let at = "tokyo.example:51820";
    let address = "203.0.113.5:51820";
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let unreachable = |tried, unresolved: &[&str]| State::Unreachable {
        now: NOW,
        tried,
        unresolved: names(unresolved),
    };
    let no_gateway = |unresolved: &[&str]| State::NoGateway {
        seconds: 10,
        unresolved: names(unresolved),
    };
    let up = Connection {
        name: "traveller".parse().unwrap(),
        interface: "tokenvpn".into(),
        endpoint: at.parse().unwrap(),
        address: address.parse().unwrap(),
        round_trip_ms: Some(41),
        addresses: vec!["10.77.0.7/24".parse().unwrap()],
        routes: vec!["10.0.0.0/8".parse().unwrap()],
        dns: vec!["10.77.0.1".parse().unwrap()],
        closed: vec!["10.30.0.0/24".parse().unwrap()],
    };
    let moved = Move {
        from: at.parse().unwrap(),
        to: "osaka.example:51820".parse().unwrap(),
        address: "203.0.113.6:51820".parse().unwrap(),
        seconds: Some(3.2),
    };
    vec![
        (
            State::Resolving {
                hosts: vec!["tokyo.example".into()],
            },
            "resolving",
            None,
            &["tokyo.example"],
        ),
        (
            State::Connecting {
                endpoint: at.parse().unwrap(),
                address: address.parse().unwrap(),
                index: 1,
                count: 3,
            },
            "connecting",
            None,
            &["Connecting to tokyo.example:51820", "203.0.113.5", "1 of 3"],
        ),
        (
            unreachable(true, &["osaka.example"]),
            "unreachable",
            None,
            &[
                "No gateway answered",
                "UDP is blocked",
                "down",
                "revoked",
                "not enrolled yet",
                "2026-11-20 09:12",
                "osaka.example cannot be looked up",
                "Trying again",
                "every 30 s",
            ],
        ),
        (
            unreachable(false, &["osaka.example"]),
            "unreachable",
            None,
            &["osaka.example cannot be looked up", "Trying again"],
        ),
        (
            no_gateway(&[]),
            "no_gateway",
            Some(9),
            &["no gateway", "10 s", "UDP", "clock"],
        ),
        (
            no_gateway(&["osaka.example"]),
            "no_gateway",
            Some(9),
            &[
                "no gateway",
                "10 s",
                "osaka.example cannot be looked up",
                "UDP",
                "clock",
            ],
        ),
        (
            State::Up(Box::new(up)),
            "up",
            None,
            &[
                "traveller",
                "tokyo.example (203.0.113.5)",
                "41 ms",
                "10.77.0.7",
                "routes 10.0.0.0/8",
                "DNS 10.77.0.1",
                "Pull the token to disconnect",
            ],
        ),
        (
            State::Roamed,
            "roamed",
            None,
            &["network changed", "Still connected"],
        ),
        (State::Lost, "lost", None, &["stopped answering"]),
        (
            State::Moved(Box::new(moved)),
            "moved",
            None,
            &[
                "tokyo.example:51820 stopped answering",
                "osaka.example:51820 (203.0.113.6)",
                "3.2 s",
            ],
        ),
    ]
}

fn of_the_end() -> Vec<Row> {
    let removed = |closed, reason| State::TokenRemoved {
        seconds: 0.4,
        tunnel: true,
        closed,
        reason,
    };
    vec![
        (
            removed(false, Reason::Pulled),
            "token_removed",
            None,
            &[
                "Token removed",
                "Keys erased",
                "tunnel down",
                "routes and DNS restored",
                "0.40 s",
            ],
        ),
        (
            removed(true, Reason::Pulled),
            "token_removed",
            None,
            &["Token removed", "Keys erased", "lead nowhere"],
        ),
        (
            removed(false, Reason::ServiceLost),
            "token_removed",
            None,
            &["smart-card service broke off", "Keys erased", "tunnel down"],
        ),
        (
            State::TokenGrace { seconds: 10 },
            "token_grace",
            None,
            &["Token removed", "10 s", "comes back"],
        ),
        (
            State::TokenBack { connected: true },
            "token_back",
            None,
            &["is back", "Still connected"],
        ),
        (
            State::TokenBack { connected: false },
            "token_back",
            None,
            &["is back", "connecting"],
        ),
        (
            State::KillSwitch,
            "kill_switch",
            None,
            &["nothing leaves", "through the tunnel"],
        ),
        (
            State::StaysClosed {
                interface: "tokenvpn".into(),
            },
            "stays_closed",
            None,
            &["stays closed", "tokenvpn down"],
        ),
        (
            State::Down {
                tunnel: true,
                opened: true,
            },
            "down",
            None,
            &[
                "Keys erased",
                "tunnel down",
                "routes and DNS restored",
                "open again",
            ],
        ),
        (
            State::Failed(Failure::new(code::OTHER, "what", "hint")),
            "failed",
            Some(1),
            &["what", "hint"],
        ),
    ]
}

fn all() -> Vec<Row> {
    let parts = [
        without_a_token(),
        of_the_pin(),
        of_the_token(),
        of_the_tunnel(),
        of_the_end(),
    ];
    parts.into_iter().flatten().collect()
}

#[test]
fn each_state_has_its_name_its_exit_code_and_all_its_facts() {
    for (state, name, code, facts) in all() {
        assert_eq!(state.name(), name);
        assert_eq!(state.exit_code(), code, "{name}");
        let text = state.text();
        for fact in facts {
            assert!(text.contains(fact), "{name}: {fact:?} in {text:?}");
        }
        let line = state.to_json();
        assert!(line.matches("\"what\":").count() <= 1, "{line}");
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["state"], name);
        assert_eq!(event["code"].as_u64(), code.map(u64::from), "{name}");
        let is_two_lines = text.starts_with("error: ") && text.contains("\nhint: ");
        assert_eq!(is_two_lines, code.is_some(), "{text:?}");
    }
}

#[test]
fn no_state_is_left_out() {
    let unknown = serde_json::from_str::<State>(r#"{"state":"?"}"#).unwrap_err();
    let unknown = unknown.to_string();
    // `unknown variant `?`, expected one of `a`, `b`…`
    let names = unknown.split('`').skip(3).step_by(2);
    let rows: Vec<_> = all().into_iter().map(|(_, name, ..)| name).collect();
    let mut count = 0;
    for name in names {
        assert!(rows.contains(&name), "{name} is missing");
        count += 1;
    }
    assert!(count > 30, "the search is blind: {unknown}");
}

//! What `up` goes through, as it is told to people, to scripts and by the worker to the
//! supervisor. The names of the states are a contract.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::io::card::{CardError, Facts};
use tokenvpn_common::io::holder::Holder;
use tokenvpn_common::name::Name;
use tokenvpn_common::token::{Content, Ident};

pub(crate) use self::text::{state_text, what_and_hint};
use super::{Failure, Fault, code};
use crate::pin::Source;

/// What `up` tells the user: one line of JSON, or a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum State {
    /// No token is plugged in, or not the one asked for.
    WaitingToken {
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<Ident>,
    },
    /// What is wrong with a token, or with several, may change.
    WaitingChange {
        /// Whether what is written to the token meanwhile could go unseen.
        unlabelled: bool,
    },
    /// The smart-card service broke off, and may come back.
    WaitingService,
    /// `--wait` is over.
    NoToken { seconds: u64 },
    /// pcscd does not answer.
    NoService,
    /// Another program holds the token.
    TokenBusy {
        /// Its reader.
        reader: String,
        /// Which token it is: it cannot be asked now, but was seen before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<Ident>,
        /// Otherwise which one was asked for: it may be that one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wanted: Option<Ident>,
        /// Who may hold it: `scdaemon, pid 6790`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        holders: Vec<String>,
    },
    /// There are several tokens to choose from.
    PickToken { tokens: Vec<Choice> },
    /// The PIN is being asked.
    Pin {
        token: Ident,
        tries_left: u8,
        /// Where.
        source: Source,
    },
    /// The card refused a PIN.
    PinWrong { tries_left: u8, asked_again: bool },
    /// The card takes no PIN that long, and was not asked.
    PinTooLong { max: u8, asked_again: bool },
    /// The reader takes no PIN of such a length, and the card was not asked.
    PinLength { asked_again: bool },
    /// Who was to ask for the PIN cannot; the next one does.
    PinSourceFailed { source: Source, reason: String },
    /// Nobody has typed on the reader in its time; it goes on asking.
    PinTimedOut,
    /// The next mistake blocks the token.
    PinLast,
    /// No try is left.
    PinBlocked,
    /// The user would not give a PIN.
    PinCancelled,
    /// There is nobody to ask.
    PinMissing,
    /// A PIN that nobody typed is risked only with [`FULL_TRIES`] or more.
    ///
    /// [`FULL_TRIES`]: tokenvpn_common::io::card::FULL_TRIES
    PinUntried { tries_left: u8 },
    /// The card has no profile.
    Empty,
    /// The card has somebody else's data where the profile belongs.
    Foreign,
    /// The profile or label fails a check.
    Damaged { object: Object, check: String },
    /// The profile or label needs a newer program.
    TooNew {
        object: Object,
        #[serde(rename = "reason")]
        what: String,
    },
    /// The profile has expired.
    Expired { not_after: UnixTime, now: UnixTime },
    /// The profile expires within [`SOON_DAYS`].
    ExpiresSoon { not_after: UnixTime, now: UnixTime },
    /// The profile begins later.
    NotYetValid { not_before: UnixTime, now: UnixTime },
    /// The clock shows a time that is over, or one before the profile was written.
    Clock {
        now: UnixTime,
        /// When that was, if it is the trouble: then the clock that was fast may be that of the
        /// computer that wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        issued: Option<UnixTime>,
    },
    /// The card has no room for a profile.
    UnsupportedCard,
    /// The card does not do as it should.
    CardFailed {
        #[serde(rename = "reason")]
        what: String,
    },
    /// A right is missing: to make the tunnel, or to ask the cards.
    NoPermission {
        #[serde(rename = "reason")]
        what: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cards: bool,
    },
    /// Host names are being looked up.
    Resolving { hosts: Vec<String> },
    /// A gateway is being tried.
    Connecting {
        endpoint: Endpoint,
        address: SocketAddr,
        index: usize,
        count: usize,
    },
    /// Nobody answered, or no name could be looked up.
    Unreachable {
        now: UnixTime,
        /// Whether there was an address to try.
        tried: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unresolved: Vec<String>,
    },
    /// `--ready-timeout` is over.
    NoGateway {
        seconds: u64,
        /// Names without an address.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unresolved: Vec<String>,
    },
    /// A session is up.
    Up(Box<Connection>),
    /// This computer's network changed and the gateway still answers.
    Roamed,
    /// The session was lost; the gateways are tried again.
    Lost,
    /// The session goes on through another endpoint.
    Moved(Box<Move>),
    /// The token is gone, and with it keys and tunnel.
    TokenRemoved {
        /// From the news of it until everything was put back.
        seconds: f64,
        tunnel: bool,
        /// Whether the way around the tunnel stays closed.
        closed: bool,
        reason: Reason,
    },
    /// The token is gone, and the tunnel stands still for this long.
    TokenGrace { seconds: u64 },
    /// The token came back in time, and the tunnel goes on.
    TokenBack {
        /// Whether there was a session when it went.
        connected: bool,
    },
    /// Nothing gets out but through the tunnel, from now on.
    KillSwitch,
    /// It ends, and the way around the tunnel stays closed.
    StaysClosed { interface: String },
    /// The user ended it.
    Down {
        /// Whether there was one.
        tunnel: bool,
        /// Whether what led nowhere without it goes its own way again.
        opened: bool,
    },
    /// Anything else that went wrong.
    Failed(Failure),
}

/// What a token holds of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Object {
    /// What the tunnel is made of, behind the PIN.
    Profile,
    /// What it says without its PIN.
    Label,
}

/// Why a token counts as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// It is out of its reader.
    Pulled,
    /// The smart-card service broke off: nobody tells any more whether it is there.
    ServiceLost,
}

/// What the tunnel leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Connection {
    /// Whose token it is.
    pub(crate) name: Name,
    /// The tunnel device.
    pub(crate) interface: String,
    /// The gateway, as the profile has it.
    pub(crate) endpoint: Endpoint,
    /// Its address.
    pub(crate) address: SocketAddr,
    /// How long it took to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) round_trip_ms: Option<u64>,
    /// Our tunnel addresses.
    pub(crate) addresses: Vec<IpNet>,
    /// The networks that are led into the tunnel.
    pub(crate) routes: Vec<IpNet>,
    /// The name servers in use.
    pub(crate) dns: Vec<IpAddr>,
    /// What leads nowhere all the same, for a token that is out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) closed: Vec<IpNet>,
}

/// Where a session went over to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Move {
    /// The endpoint before, as the profile has it.
    pub(crate) from: Endpoint,
    /// The endpoint now.
    pub(crate) to: Endpoint,
    /// Its address.
    pub(crate) address: SocketAddr,
    /// How long the first had been silent; absent when a better one answers again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
}

/// A token to choose from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choice {
    /// Which one it is.
    pub(crate) token: Ident,
    /// Whose it is, if its label says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Name>,
}

impl From<&Facts> for Choice {
    fn from(facts: &Facts) -> Choice {
        Choice {
            token: facts.ident,
            name: match &facts.label {
                Content::Holds(label) => Some(label.name.clone()),
                _ => None,
            },
        }
    }
}

/// The last days of a profile, in which its user is reminded.
pub(crate) const SOON_DAYS: i64 = 14;

impl State {
    /// What people read: one line, or two for what needs something done.
    /// Empty where the worker's own prompt says it.
    pub(crate) fn text(&self) -> String {
        state_text(self)
    }

    /// The state's name, as in the JSON.
    pub(crate) fn name(&self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(fields)) => {
                fields["state"].as_str().unwrap_or_default().to_owned()
            }
            _ => unreachable!("invariant: a state is a JSON object with its name"),
        }
    }

    /// One line of JSON. A problem comes with its text and exit code.
    pub(crate) fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Event<'a> {
            #[serde(flatten)]
            state: &'a State,
            #[serde(flatten)]
            problem: Option<Failure>,
        }
        let problem = match self {
            State::Failed(_) => None,
            state => state.exit_code().map(|_| Failure::from(state.clone())),
        };
        let event = Event {
            state: self,
            problem,
        };
        serde_json::to_string(&event).expect("invariant: a state is valid JSON")
    }

    /// What an object of a token holds, or why it cannot be used.
    pub(crate) fn usable<T>(content: Content<T>, object: Object) -> Result<T, State> {
        Err(match content {
            Content::Holds(value) => return Ok(value),
            Content::Empty => State::Empty,
            Content::Foreign => State::Foreign,
            Content::Damaged { check } => State::Damaged {
                object,
                check: check.to_string(),
            },
            Content::TooNew { what } => State::TooNew {
                object,
                what: what.to_string(),
            },
        })
    }

    /// The exit code of a state that ends `up`, if not now then without a terminal.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        Some(match self {
            State::NoToken { .. } => code::NO_TOKEN,
            State::NoService => code::NO_SERVICE,
            State::TokenBusy { .. } => code::BUSY,
            State::PickToken { .. } => code::USAGE,
            State::PinCancelled | State::PinMissing | State::PinUntried { .. } => code::PIN,
            State::PinWrong {
                asked_again: false, ..
            }
            | State::PinTooLong {
                asked_again: false, ..
            }
            | State::PinLength { asked_again: false } => code::PIN,
            State::PinBlocked => code::PIN_BLOCKED,
            State::Empty | State::Foreign => code::EMPTY,
            State::Damaged { .. } | State::TooNew { .. } => code::DAMAGED,
            State::Expired { .. } => code::EXPIRED,
            State::NotYetValid { .. } | State::Clock { .. } => code::CLOCK,
            State::UnsupportedCard => code::UNSUPPORTED,
            State::CardFailed { .. } => code::OTHER,
            State::NoPermission { .. } => code::NO_PERMISSION,
            State::NoGateway { .. } => code::NO_GATEWAY,
            State::Failed(failure) => failure.code,
            _ => return None,
        })
    }

    /// Whether another token, or the same one changed, could make it better.
    pub(crate) fn is_about_the_token(&self) -> bool {
        let is_mended_here = matches!(
            self,
            State::TokenBusy { .. }
                | State::PickToken { .. }
                | State::PinCancelled
                | State::PinMissing
                | State::UnsupportedCard
        );
        is_mended_here || self.can_be_mended_elsewhere()
    }

    /// Whether it is about what the token holds, and a write to it makes it better.
    pub(crate) fn is_about_what_it_holds(&self) -> bool {
        matches!(
            self,
            State::Empty
                | State::Foreign
                | State::Damaged { .. }
                | State::TooNew { .. }
                | State::Expired { .. }
                | State::NotYetValid { .. }
                | State::Clock {
                    issued: Some(_),
                    ..
                }
        )
    }

    /// Whether somebody could make it better while the token stays where it is: write to it
    /// or unblock it from another terminal, or set the clock.
    pub(crate) fn can_be_mended_elsewhere(&self) -> bool {
        self.is_about_what_it_holds()
            || matches!(
                self,
                State::PinBlocked | State::Clock { .. } | State::CardFailed { .. }
            )
    }
}

impl From<CardError> for State {
    fn from(error: CardError) -> State {
        match error {
            CardError::NoService => State::NoService,
            CardError::NoReader | CardError::NoToken | CardError::Removed => {
                State::WaitingToken { token: None }
            }
            CardError::Busy { reader, holders } => State::TokenBusy {
                reader,
                token: None,
                wanted: None,
                holders: holders.iter().map(Holder::to_string).collect(),
            },
            CardError::NoPermission => State::NoPermission {
                what: error.to_string(),
                cards: true,
            },
            CardError::PinWrong { tries_left } => State::PinWrong {
                tries_left,
                asked_again: false,
            },
            CardError::PinBlocked => State::PinBlocked,
            CardError::PinCancelled => State::PinCancelled,
            CardError::PinTooLong { max } => State::PinTooLong {
                max,
                asked_again: false,
            },
            CardError::PinLength => State::PinLength { asked_again: false },
            CardError::Unsupported { .. } => State::UnsupportedCard,
            CardError::AdminPinWrong { .. }
            | CardError::AdminPinBlocked
            | CardError::ResetCodeWrong { .. }
            | CardError::ResetCodeBlocked
            | CardError::NewPinsDiffer
            | CardError::Keypad(_)
            | CardError::PinUnseen
            | CardError::TooLong { .. }
            | CardError::NotKept { .. }
            | CardError::Card(_) => State::CardFailed {
                what: error.to_string(),
            },
        }
    }
}

impl From<Failure> for State {
    fn from(failure: Failure) -> State {
        State::Failed(failure)
    }
}

impl From<State> for Failure {
    fn from(state: State) -> Failure {
        match (state.exit_code(), state) {
            (_, State::Failed(failure)) => failure,
            (Some(code), problem) => {
                let (what, hint) = what_and_hint(&problem);
                Failure::new(code, what, hint)
            }
            (None, other) => Fault::NoError {
                state: other.name(),
            }
            .into(),
        }
    }
}

#[cfg(test)]
mod contract_tests;
mod text;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_165_920);

    #[test]
    fn a_problem_is_two_lines_for_people_and_has_its_code_for_scripts() {
        let state = State::Expired {
            not_after: UnixTime(NOW.0 - 23 * 86_400),
            now: NOW,
        };
        let text = state.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "error: this token expired on 2026-10-28, 23 days ago by this computer's clock; \
             there is no tunnel"
        );
        assert!(lines[1].starts_with("hint: ") && lines.len() == 2, "{text}");
        let event: serde_json::Value = serde_json::from_str(&state.to_json()).unwrap();
        assert_eq!(event["state"], "expired");
        assert_eq!(event["code"], 6);
        assert_eq!(event["not_after"], NOW.0 - 23 * 86_400);
    }

    #[test]
    fn a_failure_is_told_once_in_its_event() {
        let state = State::Failed(Failure::new(code::OTHER, "what", "hint"));
        assert_eq!(
            state.to_json(),
            r#"{"state":"failed","what":"what","hint":"hint","code":1}"#
        );
    }

    #[test]
    fn what_is_no_problem_is_told_without_a_code() {
        let pin = |source| State::Pin {
            token: "0006:12345678".parse().unwrap(),
            tries_left: 3,
            source,
        };
        assert_eq!(
            pin(Source::Terminal).to_json(),
            r#"{"state":"pin","token":"0006:12345678","tries_left":3,"source":"terminal"}"#
        );
        assert_eq!(pin(Source::Terminal).text(), "", "the prompt says it");
        assert_eq!(
            pin(Source::Pinpad).text(),
            "PIN for 0006:12345678, 3 tries left: type it on the reader."
        );
        let again = State::PinWrong {
            tries_left: 2,
            asked_again: true,
        };
        assert_eq!(again.text(), "Wrong PIN. 2 tries left.");
        assert_eq!(again.exit_code(), None);
    }

    #[test]
    fn a_pin_that_is_too_long_for_the_card_is_no_trouble_of_the_card() {
        let state = State::from(CardError::PinTooLong { max: 8 });
        assert_eq!(state.exit_code(), Some(code::PIN));
        let text = state.text();
        assert!(text.contains("at most 8"), "{text}");
    }

    #[test]
    fn nothing_that_is_printed_moves_the_cursor() {
        let failure = Failure::new(code::OTHER, "a\x1b[2Jb", "c\rd");
        let text = State::Failed(failure).text();
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
    }

    fn connection() -> Connection {
        Connection {
            name: "traveller".parse().unwrap(),
            interface: "tokenvpn".into(),
            endpoint: "tokyo.example:51820".parse().unwrap(),
            address: "203.0.113.5:51820".parse().unwrap(),
            round_trip_ms: Some(41),
            addresses: vec!["10.77.0.7/24".parse().unwrap()],
            routes: vec!["10.0.0.0/8".parse().unwrap()],
            dns: vec!["10.77.0.1".parse().unwrap()],
            closed: Vec::new(),
        }
    }

    #[test]
    fn a_session_is_told_with_everything_that_now_goes_through_it() {
        assert_eq!(
            State::Up(Box::new(connection())).text(),
            "Connected as traveller via tokyo.example (203.0.113.5), 41 ms. 10.77.0.7, \
             routes 10.0.0.0/8, DNS 10.77.0.1. Pull the token to disconnect."
        );
        let plain = Connection {
            endpoint: "203.0.113.5:51820".parse().unwrap(),
            round_trip_ms: None,
            dns: Vec::new(),
            ..connection()
        };
        assert_eq!(
            State::Up(Box::new(plain)).text(),
            "Connected as traveller via 203.0.113.5:51820. 10.77.0.7, routes 10.0.0.0/8. \
             Pull the token to disconnect."
        );
        let beside_another = Connection {
            closed: vec!["10.20.0.0/24".parse().unwrap()],
            ..connection()
        };
        assert_eq!(
            State::Up(Box::new(beside_another)).text(),
            "Connected as traveller via tokyo.example (203.0.113.5), 41 ms. 10.77.0.7, \
             routes 10.0.0.0/8, DNS 10.77.0.1. Still closed: 10.20.0.0/24. Pull the token to \
             disconnect."
        );
    }

    #[test]
    fn no_answer_takes_no_time_at_all() {
        let at_once = Connection {
            round_trip_ms: Some(0),
            ..connection()
        };
        let text = State::Up(Box::new(at_once)).text();
        assert!(text.contains("(203.0.113.5), < 1 ms. "), "{text}");
    }

    #[test]
    fn names_that_cannot_be_looked_up_are_told_one_or_many() {
        let text = |tried, names: &[&str]| {
            let unresolved = names.iter().map(ToString::to_string).collect();
            let state = State::Unreachable {
                now: NOW,
                tried,
                unresolved,
            };
            state.text()
        };
        assert_eq!(
            text(false, &["a.example"]),
            "The name a.example cannot be looked up: is this computer on a network?\n\
             Trying again every 5 s."
        );
        let some = text(true, &["a.example", "b.example"]);
        assert!(
            some.contains(
                "is wrong. The names a.example, b.example cannot be looked up.\nTrying again: "
            ),
            "{some}"
        );
        assert!(text(true, &[]).contains(" is wrong.\nTrying again: "));
    }
}

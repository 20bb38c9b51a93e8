//! Every text that a user sees while the tunnel is made, held and ended, and the
//! exit codes. The names of the states are a contract: scripts read them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::io::card::{CardError, Secret};
use tokenvpn_common::io::holder::Holder;
use tokenvpn_common::name::Name;
use tokenvpn_common::token::Ident;

/// Exit codes, the same for every command.
pub(crate) mod code {
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
}

/// An error as people get it: what happened, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What happened: one line, lower case, no full stop.
    pub(crate) what: String,
    /// What to do about it: one line.
    pub(crate) hint: String,
    /// The exit code, see [`code`].
    pub(crate) code: u8,
}

impl Failure {
    /// An error with its way out.
    pub(crate) fn new(code: u8, what: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure {
            what: what.into(),
            hint: hint.into(),
            code,
        }
    }

    /// An error of ours, or of a system that is not as we know it.
    pub(crate) fn internal(what: impl Into<String>) -> Failure {
        let hint = "this should not happen; RUST_LOG=debug tells more, please report it";
        Failure::new(code::INTERNAL, what, hint)
    }
}

/// Two lines: `error: …` and `hint: …`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, hint) = (printable(&self.what), printable(&self.hint));
        write!(f, "error: {what}\nhint: {hint}")
    }
}

/// What `up` tells the user: one line of JSON, or a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum State {
    /// No token is plugged in, or not the one asked for.
    WaitingToken {
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<Ident>,
    },
    /// `--wait` is over.
    NoToken { seconds: u64 },
    /// pcscd does not answer.
    NoService,
    /// Another program holds the token.
    TokenBusy {
        /// Who may hold it: `scdaemon, pid 6790`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        holders: Vec<String>,
    },
    /// There are several tokens to choose from.
    PickToken { tokens: Vec<Choice> },
    /// The PIN is being asked.
    Pin { token: Ident, tries_left: u8 },
    /// The card refused a PIN.
    PinWrong { tries_left: u8, asked_again: bool },
    /// The next mistake blocks the token.
    PinLast,
    /// No try is left.
    PinBlocked,
    /// The user would not give a PIN.
    PinCancelled,
    /// There is nobody to ask.
    PinMissing,
    /// A PIN that nobody typed is not risked once a try has been lost.
    PinUntried { tries_left: u8 },
    /// The card has no profile.
    Empty,
    /// The card has somebody else's data where the profile belongs.
    Foreign,
    /// The profile or label fails a check.
    Damaged { object: String, check: String },
    /// The profile or label needs a newer program.
    TooNew { object: String, what: String },
    /// The profile has expired.
    Expired { not_after: UnixTime, now: UnixTime },
    /// The profile expires within [`SOON_DAYS`].
    ExpiresSoon { not_after: UnixTime, now: UnixTime },
    /// The profile begins later.
    NotYetValid { not_before: UnixTime, now: UnixTime },
    /// The clock shows a time before the profile was written.
    Clock { now: UnixTime },
    /// The card has no room for a profile.
    UnsupportedCard,
    /// The card does not do as it should.
    CardFailed { what: String },
    /// A right is missing to build the tunnel.
    NoPermission { what: String },
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
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unresolved: Vec<String>,
    },
    /// `--ready-timeout` is over.
    NoGateway { seconds: u64 },
    /// A session is up.
    Up(Box<Connection>),
    /// This computer's network changed and the gateway still answers.
    Roamed,
    /// The session was lost; the gateways are tried again.
    Lost,
    /// The token is gone, and with it keys and tunnel.
    TokenRemoved {
        /// From the news of it until everything was put back.
        seconds: f64,
        tunnel: bool,
    },
    /// The user ended it.
    Down { tunnel: bool },
    /// Anything else that went wrong.
    Failed(Failure),
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

/// The last days of a profile, in which its user is reminded.
pub(crate) const SOON_DAYS: i64 = 14;

impl State {
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
            } => code::PIN,
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
        matches!(
            self,
            State::TokenBusy { .. }
                | State::PickToken { .. }
                | State::PinBlocked
                | State::PinCancelled
                | State::PinMissing
                | State::Empty
                | State::Foreign
                | State::Damaged { .. }
                | State::TooNew { .. }
                | State::Expired { .. }
                | State::NotYetValid { .. }
                | State::Clock { .. }
                | State::UnsupportedCard
                | State::CardFailed { .. }
        )
    }

    /// What people read: one line, or two for what needs something done.
    /// Empty where the worker's own prompt says it.
    pub(crate) fn text(&self) -> String {
        let text = match self {
            State::WaitingToken { token: None } => {
                "Waiting for a token… plug in your YubiKey, Nitrokey or OpenPGP card. (Ctrl-C to stop)"
                    .into()
            }
            State::WaitingToken { token: Some(token) } => {
                format!("Waiting for the token {token}… plug it in. (Ctrl-C to stop)")
            }
            State::Pin { .. } => String::new(),
            State::PinWrong {
                tries_left,
                asked_again: true,
            } => wrong(Secret::Pin, *tries_left),
            State::PinLast => "One try left: another mistake blocks the token.".into(),
            State::ExpiresSoon { not_after, now } => format!(
                "This token expires {} ({}).",
                match not_after.days_since(*now) {
                    0 => "within a day".into(),
                    days => format!("in {}", count(days.unsigned_abs(), "day")),
                },
                not_after.day()
            ),
            State::Resolving { hosts } => format!("Looking up {}…", list(hosts)),
            State::Connecting {
                endpoint,
                address,
                index,
                count,
            } => match endpoint {
                Endpoint::Host { .. } => {
                    format!("Connecting to {endpoint} at {} ({index} of {count})…", address.ip())
                }
                Endpoint::Address(_) => format!("Connecting to {endpoint} ({index} of {count})…"),
            },
            State::Unreachable { now, unresolved } if unresolved.is_empty() => format!(
                "No gateway answered. Either UDP is blocked here, the gateways are down, this token \
                 was revoked, or this computer's clock ({}) is wrong.\nTrying again every 5 s.",
                minute(*now)
            ),
            State::Unreachable { unresolved, .. } => format!(
                "The name {} cannot be looked up: is this computer on a network?\n\
                 Trying again every 5 s.",
                list(unresolved)
            ),
            State::Up(connection) => connected(connection),
            State::Roamed => "The network changed. Still connected.".into(),
            State::Lost => "The gateway stopped answering.".into(),
            State::TokenRemoved { seconds, tunnel } => match tunnel {
                true => format!(
                    "Token removed. Keys erased, tunnel down, routes and DNS restored ({seconds:.2} s)."
                ),
                false => format!("Token removed. Keys erased ({seconds:.2} s)."),
            },
            State::Down { tunnel: true } => {
                "Keys erased, tunnel down, routes and DNS restored.".into()
            }
            State::Down { tunnel: false } => String::new(),
            State::Failed(failure) => return failure.to_string(),
            problem => {
                let (what, hint) = problem.what_and_hint();
                let code = problem.exit_code().unwrap_or(code::OTHER);
                return Failure::new(code, what, hint).to_string();
            }
        };
        printable(&text)
    }

    /// The two lines of a state that is an error.
    fn what_and_hint(&self) -> (String, String) {
        const REISSUE: &str = "ask your administrator to issue it again";
        let (what, hint): (String, String) = match self {
            State::PinWrong { tries_left, .. } => (
                format!("wrong PIN, {} left", tries(*tries_left)),
                "start again with the right one".into(),
            ),
            State::NoToken { seconds } => (
                format!("no token was plugged in within {seconds} s"),
                "plug it in and try again".into(),
            ),
            State::NoService => (
                "no smart-card service answers".into(),
                "try: sudo systemctl start pcscd.socket (Debian: apt install pcscd)".into(),
            ),
            State::TokenBusy { holders } => {
                let likely = match holders.is_empty() {
                    true => String::new(),
                    false => format!(" (likely {})", list(holders)),
                };
                (
                    format!("a token is plugged in, but another program holds it{likely}"),
                    "try: gpg-connect-agent 'scd killscd' /bye, or put pcsc-shared into \
                     ~/.gnupg/scdaemon.conf"
                        .into(),
                )
            }
            State::PickToken { tokens } => {
                let numbered = tokens.iter().enumerate().map(|(at, choice)| {
                    let name = choice.name.as_ref().map_or("", Name::as_str);
                    format!("{}) {} {name}", at + 1, choice.token)
                        .trim_end()
                        .to_owned()
                });
                let numbered: Vec<_> = numbered.collect();
                (
                    format!("{} tokens: {}", tokens.len(), numbered.join("  ")),
                    "choose with --token, or pull the others".into(),
                )
            }
            State::PinBlocked => (
                "the PIN is blocked; nothing was erased".into(),
                "unblock it with its reset code or admin PIN: tokenvpn token unblock".into(),
            ),
            State::PinCancelled => (
                "no PIN was given".into(),
                "pull the token and plug it in again to be asked again".into(),
            ),
            State::PinMissing => (
                "there is no terminal to ask for the PIN".into(),
                "run it in a terminal, or hand the PIN over with --pin-fd".into(),
            ),
            State::PinUntried { tries_left } => (
                format!(
                    "only {} left: a PIN that nobody typed is not risked",
                    tries(*tries_left)
                ),
                "type the PIN once in a terminal; a right one restores all tries".into(),
            ),
            State::Empty => (
                "this token holds no VPN profile".into(),
                "ask your administrator, or: tokenvpn token issue".into(),
            ),
            State::Foreign => (
                "this token holds another program's data instead of a VPN profile".into(),
                "use another token, or look at it first: tokenvpn token show".into(),
            ),
            State::Damaged { object, check } => (
                format!("the {object} on this token is damaged ({check}); it was not used"),
                REISSUE.into(),
            ),
            State::TooNew { object, what } => (
                format!("the {object} on this token was written by a newer tokenvpn ({what})"),
                "update tokenvpn on this computer".into(),
            ),
            State::Expired { not_after, now } => (
                format!(
                    "this token expired on {}, {} by this computer's clock; the tunnel is down",
                    not_after.day(),
                    match now.days_since(*not_after) {
                        0 => "less than a day ago".into(),
                        days => format!("{} ago", count(days.unsigned_abs(), "day")),
                    }
                ),
                "ask your administrator to renew it".into(),
            ),
            State::NotYetValid { not_before, now } => (
                format!(
                    "this token is valid from {}; by this computer's clock it is {}",
                    not_before.day(),
                    now.day()
                ),
                "wait until then, or set the clock (timedatectl)".into(),
            ),
            State::Clock { now } => (
                format!("this computer's clock ({}) cannot be right", now.day()),
                "set it (timedatectl), then try again".into(),
            ),
            State::UnsupportedCard => (
                "this card cannot hold a profile (no private-use objects)".into(),
                "cards that can: YubiKey 5, Nitrokey 3, SmartPGP".into(),
            ),
            State::CardFailed { what } => (
                what.clone(),
                "pull it, plug it in again, and try another port or reader".into(),
            ),
            State::NoPermission { what } => (
                what.clone(),
                "run it as root (sudo tokenvpn …); in a container allow CAP_NET_ADMIN and \
                 /dev/net/tun"
                    .into(),
            ),
            State::NoGateway { seconds } => (
                format!("no gateway answered within {seconds} s"),
                "is UDP let out here, is the clock right, is the token still enrolled?".into(),
            ),
            other => unreachable!("invariant: {} is no error", other.name()),
        };
        (what, hint)
    }
}

impl From<CardError> for State {
    fn from(error: CardError) -> State {
        match error {
            CardError::NoService => State::NoService,
            CardError::NoReader | CardError::NoToken | CardError::Removed => {
                State::WaitingToken { token: None }
            }
            CardError::Busy { holders, .. } => State::TokenBusy {
                holders: holders.iter().map(Holder::to_string).collect(),
            },
            CardError::NoPermission => State::NoPermission {
                what: error.to_string(),
            },
            CardError::PinWrong { tries_left } => State::PinWrong {
                tries_left,
                asked_again: false,
            },
            CardError::PinBlocked => State::PinBlocked,
            CardError::Unsupported { .. } => State::UnsupportedCard,
            CardError::AdminPinWrong { .. }
            | CardError::AdminPinBlocked
            | CardError::ResetCodeWrong { .. }
            | CardError::ResetCodeBlocked
            | CardError::PinTooLong { .. }
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
                let (what, hint) = problem.what_and_hint();
                Failure::new(code, what, hint)
            }
            (None, other) => Failure::internal(format!("{} is no error", other.name())),
        }
    }
}

/// A command line that clap refuses.
pub(crate) fn usage(error: &clap::Error) -> Failure {
    let text = error.to_string();
    // What follows the first paragraph repeats the usage.
    let what = text.split("\n\n").next().unwrap_or_default();
    let what: Vec<_> = what.split_whitespace().collect();
    let what = what.join(" ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    Failure::new(code::USAGE, what, "see tokenvpn --help")
}

/// The PIN prompt, for the terminal only.
pub(crate) fn pin_prompt(token: Ident, tries_left: u8) -> String {
    secret_prompt(Secret::Pin, token, tries_left)
}

/// The prompt for a secret of a token, for the terminal only.
pub(crate) fn secret_prompt(secret: Secret, token: Ident, tries_left: u8) -> String {
    let secret = match secret {
        Secret::Pin => "PIN",
        Secret::AdminPin => "Admin PIN",
        Secret::ResetCode => "Reset code",
    };
    format!("{secret} for {token}, {} left: ", tries(tries_left))
}

/// What a wrong secret has cost.
pub(crate) fn wrong(secret: Secret, tries_left: u8) -> String {
    format!("Wrong {secret}. {} left.", tries(tries_left))
}

/// The warning before the last try.
pub(crate) fn last_try(secret: Secret) -> String {
    match secret {
        Secret::Pin => State::PinLast.text(),
        Secret::AdminPin => {
            "One try left: another mistake blocks the admin PIN, and nothing unblocks it.".into()
        }
        Secret::ResetCode => "One try left: another mistake blocks the reset code.".into(),
    }
}

/// The question before the last try, for the terminal only.
pub(crate) const LAST_TRY_PROMPT: &str = "Type YES to use it, or Ctrl-C: ";

/// The answer to [`LAST_TRY_PROMPT`] that means it.
pub(crate) const LAST_TRY_ANSWER: &str = "YES";

fn connected(to: &Connection) -> String {
    let gateway = match &to.endpoint {
        Endpoint::Host { name, .. } => format!("{name} ({})", to.address.ip()),
        Endpoint::Address(address) => address.to_string(),
    };
    let round_trip = to
        .round_trip_ms
        .map_or(String::new(), |ms| format!(", {ms} ms"));
    let own: Vec<_> = to.addresses.iter().map(IpNet::addr).collect();
    let dns = match to.dns.is_empty() {
        true => String::new(),
        false => format!(", DNS {}", list(&to.dns)),
    };
    format!(
        "Connected as {} via {gateway}{round_trip}. {}, routes {}{dns}. \
         Pull the token to disconnect.",
        to.name,
        list(&own),
        list(&to.routes)
    )
}

/// `text` without anything that could move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => c,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

fn tries(left: u8) -> String {
    match left {
        1 => "1 try".into(),
        left => format!("{left} tries"),
    }
}

fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(T::to_string).collect();
    items.join(", ")
}

/// `2026-11-20 09:12 UTC`
fn minute(time: UnixTime) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => text,
    }
}

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
             the tunnel is down"
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
        let pin = State::Pin {
            token: "0006:12345678".parse().unwrap(),
            tries_left: 3,
        };
        assert_eq!(
            pin.to_json(),
            r#"{"state":"pin","token":"0006:12345678","tries_left":3}"#
        );
        assert_eq!(pin.text(), "", "the prompt says it");
        let again = State::PinWrong {
            tries_left: 2,
            asked_again: true,
        };
        assert_eq!(again.text(), "Wrong PIN. 2 tries left.");
        assert_eq!(again.exit_code(), None);
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

    #[test]
    fn a_session_is_told_with_everything_that_now_goes_through_it() {
        let state = State::Up(Box::new(Connection {
            name: "traveller".parse().unwrap(),
            interface: "tokenvpn".into(),
            endpoint: "tokyo.example:51820".parse().unwrap(),
            address: "203.0.113.5:51820".parse().unwrap(),
            round_trip_ms: Some(41),
            addresses: vec!["10.77.0.7/24".parse().unwrap()],
            routes: vec!["10.0.0.0/8".parse().unwrap()],
            dns: vec!["10.77.0.1".parse().unwrap()],
        }));
        assert_eq!(
            state.text(),
            "Connected as traveller via tokyo.example (203.0.113.5), 41 ms. 10.77.0.7, \
             routes 10.0.0.0/8, DNS 10.77.0.1. Pull the token to disconnect."
        );
    }
}

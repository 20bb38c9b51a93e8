//! The states of `up`.

use ipnet::IpNet;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::io::card::Secret;
use tokenvpn_common::name::Name;

use crate::pin::Source;
use crate::words::{Connection, Failure, Move, Reason, State, code, printable_lines};
use crate::words::{
    count, down, left_until, let_go, list, milliseconds, minute, on_reader, pin_too_long, sentence,
    tries, wrong,
};

/// What people read: one line, or two for what needs something done.
/// Empty where the worker's own prompt says it.
pub(crate) fn state_text(state: &State) -> String {
    let text = match state {
        State::WaitingToken { token: None } => {
            "Waiting for a token… plug in your YubiKey, Nitrokey or OpenPGP card. (Ctrl-C to stop)"
                .into()
        }
        State::WaitingToken { token: Some(token) } => {
            format!("Waiting for the token {token}… plug it in. (Ctrl-C to stop)")
        }
        State::WaitingService => "Waiting for the smart-card service… (Ctrl-C to stop)".into(),
        State::WaitingChange { unlabelled } => {
            let unseen = match unlabelled {
                true => " If nothing happens once it has, pull it and put it in again.",
                false => "",
            };
            format!("Waiting until that changes, or for another token…{unseen} (Ctrl-C to stop)")
        }
        State::Pin {
            source: Source::Terminal,
            ..
        } => String::new(),
        State::Pin {
            token,
            tries_left,
            source: Source::Pinpad,
        } => on_reader(Secret::Pin, *token, *tries_left),
        State::Pin {
            token,
            tries_left,
            source,
        } => format!(
            "PIN for {token}, {} left: {}",
            tries(*tries_left),
            match source {
                Source::Agent => "systemd asks for it (systemd-tty-ask-password-agent).",
                _ => "a window asks for it.",
            }
        ),
        State::PinWrong {
            tries_left,
            asked_again: true,
        } => wrong(Secret::Pin, *tries_left),
        State::PinTooLong {
            max,
            asked_again: true,
        } => sentence(&pin_too_long(*max)),
        State::PinLast => "One try left: another mistake blocks the token.".into(),
        State::ExpiresSoon { not_after, now } => format!(
            "This token expires {} ({}).",
            left_until(*not_after, *now),
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
                format!(
                    "Connecting to {endpoint} at {} ({index} of {count})…",
                    address.ip()
                )
            }
            Endpoint::Address(_) => format!("Connecting to {endpoint} ({index} of {count})…"),
        },
        State::Unreachable {
            now,
            tried: true,
            unresolved,
        } => {
            let nameless = match unresolved.is_empty() {
                true => String::new(),
                false => format!(" {}.", not_looked_up(unresolved)),
            };
            format!(
                "No gateway answered. Either UDP is blocked here, the gateways are down, this \
                 token was revoked or is not enrolled yet, or this computer's clock ({}) is wrong.{nameless}\n\
                 Trying again: every 5 s, after ten minutes every 30 s.",
                minute(*now)
            )
        }
        State::Unreachable { unresolved, .. } => format!(
            "{}: is this computer on a network?\nTrying again every 5 s.",
            not_looked_up(unresolved)
        ),
        State::Up(connection) => connected(connection),
        State::Roamed => "The network changed. Still connected.".into(),
        State::Lost => "The gateway stopped answering.".into(),
        State::Moved(to) => moved(to),
        State::TokenRemoved {
            seconds,
            tunnel,
            closed,
            reason,
        } => {
            let gone = match reason {
                Reason::Pulled => "Token removed",
                Reason::ServiceLost => {
                    "The smart-card service broke off, and nobody sees the token any more"
                }
            };
            match (tunnel, closed) {
                (true, false) => format!(
                    "{gone}. Keys erased, tunnel down, routes and DNS restored ({seconds:.2} s)."
                ),
                (true, true) => format!(
                    "{gone}. Keys erased, tunnel down ({seconds:.2} s). Its networks lead \
                     nowhere until it is back or you end this."
                ),
                (false, _) => format!("{gone}. Keys erased ({seconds:.2} s)."),
            }
        }
        State::TokenGrace { seconds } => {
            format!("Token removed. Closing in {seconds} s unless it comes back…")
        }
        State::TokenBack => "The token is back. Still connected.".into(),
        State::KillSwitch => "Kill switch: until you end this, nothing leaves this computer \
             but through the tunnel and to its own links."
            .into(),
        State::StaysClosed { interface } => format!(
            "The way around the tunnel stays closed. Open it with: {}",
            down(interface)
        ),
        State::Down { tunnel, opened } => {
            let erased = tunnel.then_some("Keys erased, tunnel down, routes and DNS restored.");
            let open = opened.then_some("What was closed is open again.");
            let said: Vec<_> = [erased, open].into_iter().flatten().collect();
            said.join(" ")
        }
        State::Failed(failure) => return failure.to_string(),
        problem => {
            let (what, hint) = what_and_hint(problem);
            let code = problem.exit_code().unwrap_or(code::OTHER);
            return Failure::new(code, what, hint).to_string();
        }
    };
    printable_lines(&text)
}

/// The two lines of a state that is an error.
pub(crate) fn what_and_hint(state: &State) -> (String, String) {
    const REISSUE: &str = "ask your administrator to issue it again";
    let (what, hint): (String, String) = match state {
        State::PinWrong { tries_left, .. } => (
            format!("wrong PIN, {} left", tries(*tries_left)),
            "start again with the right one".into(),
        ),
        State::PinTooLong { max, .. } => {
            (pin_too_long(*max), "start again with the right one".into())
        }
        State::NoToken { seconds } => (
            format!("no token was plugged in within {seconds} s"),
            "plug it in and try again".into(),
        ),
        State::NoService => (
            "no smart-card service answers".into(),
            "try: sudo systemctl start pcscd.socket (Debian: apt install pcscd)".into(),
        ),
        State::TokenBusy { reader, holders } => {
            let likely = match holders.is_empty() {
                true => String::new(),
                false => format!(" (likely {})", list(holders)),
            };
            (
                format!("there is a token in {reader}, but another program holds it{likely}"),
                let_go(holders).into(),
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
            "there is no terminal to ask for the PIN, and nobody else to ask".into(),
            "run it in a terminal or as a service of systemd, install pinentry where there \
             is a display, or hand the PIN over with --pin-fd"
                .into(),
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
                "this token expired on {}, {} by this computer's clock; there is no tunnel",
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
        State::NoPermission { what, cards: true } => (
            what.clone(),
            "run it as root, or install tokenvpn's polkit rule for pcscd".into(),
        ),
        State::NoPermission { what, cards: false } => (
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

fn not_looked_up(names: &[String]) -> String {
    let noun = match names.len() {
        1 => "name",
        _ => "names",
    };
    format!("The {noun} {} cannot be looked up", list(names))
}

fn moved(
    Move {
        from,
        to,
        address,
        seconds,
    }: &Move,
) -> String {
    let to = match to {
        Endpoint::Host { .. } => format!("{to} ({})", address.ip()),
        Endpoint::Address(_) => to.to_string(),
    };
    match seconds {
        Some(seconds) => format!("{from} stopped answering; now on {to} ({seconds:.1} s)."),
        None => format!("{to} answers again; now on it instead of {from}."),
    }
}

fn connected(to: &Connection) -> String {
    let gateway = match &to.endpoint {
        Endpoint::Host { name, .. } => format!("{name} ({})", to.address.ip()),
        Endpoint::Address(address) => address.to_string(),
    };
    let round_trip = to
        .round_trip_ms
        .map_or(String::new(), |ms| format!(", {}", milliseconds(ms)));
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

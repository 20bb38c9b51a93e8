//! The states of `up`.

use ipnet::IpNet;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::io::card::Secret;
use tokenvpn_common::language::say;
use tokenvpn_common::name::Name;

use super::{Connection, Move, Object, Reason, State};
use crate::pin::Source;
use crate::words::{Failure, code, down, let_go, list, minute, printable_lines};

/// What people read: one line, or two for what needs something done.
/// Empty where the worker's own prompt says it.
pub(crate) fn state_text(state: &State) -> String {
    let text = match state {
        State::WaitingToken { token: None } => say().waiting_for_any_token(),
        State::WaitingToken { token: Some(token) } => say().waiting_for_the_token(token),
        State::WaitingService => say().waiting_for_the_service(),
        State::WaitingChange { unlabelled: true } => say().waiting_for_an_unseen_change(),
        State::WaitingChange { unlabelled: false } => say().waiting_for_a_change(),
        State::Pin {
            token,
            tries_left,
            source,
        } => match source {
            Source::Terminal => String::new(),
            Source::Pinpad => say().type_on_reader(&Secret::Pin, token, *tries_left),
            Source::Agent => say().systemd_asks_for_the_pin(token, *tries_left),
            Source::Pinentry => say().a_window_asks_for_the_pin(token, *tries_left),
        },
        State::PinWrong {
            tries_left,
            asked_again: true,
        } => say().wrong_secret(&Secret::Pin, *tries_left),
        State::PinTooLong {
            max,
            asked_again: true,
        } => say().error_as_sentence(&say().pin_was_too_long(max)),
        State::PinLength { asked_again: true } => {
            say().error_as_sentence(&say().pin_length_refused())
        }
        State::PinSourceFailed { reason, .. } => say().error_as_sentence(reason),
        State::PinTimedOut => say().reader_goes_on_asking(),
        State::PinLast => say().last_try_of_the_pin(),
        State::ExpiresSoon { not_after, now } => {
            let days = not_after.days_since(*now).unsigned_abs();
            say().token_expires_soon(days, &not_after.day())
        }
        State::Resolving { hosts } => say().looking_up(&list(hosts)),
        State::Connecting {
            endpoint,
            address,
            index,
            count,
        } => match endpoint {
            Endpoint::Host { .. } => {
                say().connecting_to_host(endpoint, &address.ip(), index, count)
            }
            Endpoint::Address(_) => say().connecting_to_address(endpoint, index, count),
        },
        State::Unreachable {
            now,
            tried: true,
            unresolved,
        } => {
            let mut text = say().no_gateway_answered(&minute(*now));
            if !unresolved.is_empty() {
                let nameless = say().names_not_looked_up(unresolved.len(), &list(unresolved));
                text = format!("{text} {nameless}");
            }
            format!("{text}\n{}", say().trying_again())
        }
        State::Unreachable { unresolved, .. } => {
            say().nothing_looked_up(unresolved.len(), &list(unresolved))
        }
        State::Up(connection) => connected(connection),
        State::Roamed => say().network_changed(),
        State::Lost => say().gateway_lost(),
        State::Moved(to) => moved(to),
        State::TokenRemoved {
            seconds,
            tunnel,
            closed,
            reason,
        } => {
            let gone = match reason {
                Reason::Pulled => say().token_is_out(),
                Reason::ServiceLost => say().token_is_out_of_sight(),
            };
            let done = match (tunnel, closed) {
                (true, false) => say().all_taken_down_within(*seconds),
                (true, true) => say().taken_down_and_closed_within(*seconds),
                (false, false) => say().keys_erased_within(*seconds),
                (false, true) => say().keys_erased_and_closed_within(*seconds),
            };
            format!("{gone} {done}")
        }
        State::TokenGrace { seconds } => say().closing_unless_it_is_back(seconds),
        State::TokenBack { connected: true } => say().token_is_back_and_connected(),
        State::TokenBack { connected: false } => say().token_is_back(),
        State::KillSwitch => say().kill_switch_holds(),
        State::StaysClosed { interface } => say().way_around_stays_closed(&down(interface)),
        State::Down { tunnel, opened } => {
            let erased = tunnel.then(|| say().all_taken_down());
            let open = opened.then(|| say().opened_again());
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
    match state {
        State::PinWrong { tries_left, .. } => (
            say().pin_was_wrong(*tries_left),
            say().start_with_the_right_pin(),
        ),
        State::PinTooLong { max, .. } => (
            say().pin_was_too_long(max),
            say().start_with_the_right_pin(),
        ),
        State::PinLength { .. } => (say().pin_length_refused(), say().start_with_the_right_pin()),
        State::NoToken { seconds } => (say().no_token_was_plugged_in(seconds), say().plug_it_in()),
        State::NoService => (say().card_service_is_silent(), say().start_the_service()),
        State::TokenBusy {
            reader,
            token,
            wanted,
            holders,
        } => {
            let there = match (token, wanted) {
                (Some(token), _) => say().this_token_is_in(token, reader),
                (None, Some(wanted)) => say().perhaps_this_token_is_in(wanted, reader),
                (None, None) => say().some_token_is_in(reader),
            };
            let held = match holders.is_empty() {
                true => say().but_it_is_held(&there),
                false => say().but_it_is_held_by(&there, &list(holders)),
            };
            (held, let_go(holders))
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
                say().several_tokens(tokens.len(), &numbered.join("  ")),
                say().choose_a_token(),
            )
        }
        State::PinBlocked => (say().pin_is_blocked(), say().unblock_the_pin()),
        State::PinCancelled => (say().no_pin_was_given(), say().plug_in_again_to_be_asked()),
        State::PinMissing => (
            say().nobody_to_ask_for_the_pin(),
            say().have_somebody_to_ask(),
        ),
        State::PinUntried { tries_left } => (
            say().given_pin_is_not_risked(*tries_left),
            say().type_the_pin_once(),
        ),
        State::Empty => (say().token_is_empty(), say().get_a_profile()),
        State::Foreign => (say().token_is_foreign(), say().erase_if_not_needed()),
        State::Damaged { object, check } => {
            let damaged = match object {
                Object::Profile => say().profile_is_damaged(check),
                Object::Label => say().label_is_damaged(check),
            };
            (damaged, say().have_it_issued_again())
        }
        State::TooNew { object, what } => {
            let too_new = match object {
                Object::Profile => say().profile_is_too_new(what),
                Object::Label => say().label_is_too_new(what),
            };
            (too_new, say().update_this_tokenvpn())
        }
        State::Expired { not_after, now } => {
            let days = now.days_since(*not_after).unsigned_abs();
            (
                say().token_has_expired(&not_after.day(), days),
                say().have_it_renewed(),
            )
        }
        State::NotYetValid { not_before, now } => (
            say().token_is_not_yet_valid(&not_before.day(), &now.day()),
            say().wait_or_set_the_clock(),
        ),
        State::Clock { now, issued: None } => {
            (say().clock_is_not_right(&now.day()), say().set_the_clock())
        }
        State::Clock {
            now,
            issued: Some(issued),
        } => (
            say().one_of_two_clocks_is_not_right(&now.day(), &issued.day()),
            say().set_the_clock_or_renew(),
        ),
        State::UnsupportedCard => (say().card_is_unsupported(), say().supported_cards()),
        State::CardFailed { what } => (what.clone(), say().plug_the_card_in_again()),
        State::NoPermission { what, cards: true } => {
            (what.clone(), say().be_allowed_to_use_cards())
        }
        State::NoPermission { what, cards: false } => {
            (what.clone(), say().be_allowed_to_make_tunnels())
        }
        State::NoGateway {
            seconds,
            unresolved,
        } => match unresolved.len() {
            0 => (
                say().no_gateway_answered_within(seconds),
                say().is_udp_let_out(),
            ),
            number => (
                say().no_gateway_answered_and_no_name(seconds, number, &list(unresolved)),
                say().is_there_a_name_server(),
            ),
        },
        other => unreachable!("invariant: {} is no error", other.name()),
    }
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
        Some(seconds) => say().moved_on(from, &to, *seconds),
        None => say().moved_back(from, &to),
    }
}

fn connected(to: &Connection) -> String {
    let gateway = match &to.endpoint {
        Endpoint::Host { name, .. } => format!("{name} ({})", to.address.ip()),
        Endpoint::Address(address) => address.to_string(),
    };
    let connected = match to.round_trip_ms {
        Some(ms) => say().connected_via_within(&to.name, &gateway, ms),
        None => say().connected_via(&to.name, &gateway),
    };
    let own: Vec<_> = to.addresses.iter().map(IpNet::addr).collect();
    let (own, routes) = (list(&own), list(&to.routes));
    let ways = match to.dns.is_empty() {
        true => say().what_is_connected(&own, &routes),
        false => say().what_is_connected_with_dns(&own, &routes, &list(&to.dns)),
    };
    let closed = (!to.closed.is_empty()).then(|| say().still_closed(&list(&to.closed)));
    let said = [
        Some(connected),
        Some(ways),
        closed,
        Some(say().pull_to_disconnect()),
    ];
    let said: Vec<_> = said.into_iter().flatten().collect();
    said.join(" ")
}

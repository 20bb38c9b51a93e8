//! Phrases that several texts have.

use std::fmt;

use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::language::say;

use crate::cli::DEFAULT_INTERFACE;

pub(super) fn tries(left: u8) -> String {
    say().number_of_tries(left)
}

pub(super) fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

pub(super) fn list<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(T::to_string).collect();
    items.join(", ")
}

/// `in 6 days`
pub(super) fn left_until(end: UnixTime, now: UnixTime) -> String {
    say().time_left(end.days_since(now).unsigned_abs())
}

/// `41 ms`
pub(super) fn milliseconds(whole: u64) -> String {
    say().round_trip_time(whole)
}

/// What ends the `up` of an interface.
pub(super) fn down(interface: &str) -> String {
    match interface {
        DEFAULT_INTERFACE => "tokenvpn down".into(),
        other => format!("tokenvpn down --interface {other}"),
    }
}

/// What to do about the programs that hold a token, most likely first.
pub(super) fn let_go(holders: &[String]) -> String {
    match holders.first() {
        Some(holder) if holder.starts_with("tokenvpn") => say().end_that_tokenvpn(),
        Some(holder) if !holder.starts_with("scdaemon") => say().end_that_program(),
        _ => say().end_scdaemon(),
    }
}

/// `2026-11-20 09:12 UTC`
pub(super) fn minute(time: UnixTime) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(clock)) => say().minute_in_utc(&day, &clock),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_tunnel_is_ended_without_its_name() {
        assert_eq!(down("tokenvpn"), "tokenvpn down");
        assert_eq!(down("office"), "tokenvpn down --interface office");
    }
}

//! Phrases that several texts have.

use std::fmt;

use tokenvpn_common::clock::UnixTime;

use crate::cli::DEFAULT_INTERFACE;

pub(super) fn tries(left: u8) -> String {
    match left {
        1 => "1 try".into(),
        left => format!("{left} tries"),
    }
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
    match end.days_since(now) {
        0 => "within a day".into(),
        days => format!("in {}", count(days.unsigned_abs(), "day")),
    }
}

/// `41 ms`
pub(super) fn milliseconds(whole: u64) -> String {
    match whole {
        0 => "< 1 ms".into(),
        whole => format!("{whole} ms"),
    }
}

/// What ends the `up` of an interface.
pub(super) fn down(interface: &str) -> String {
    match interface {
        DEFAULT_INTERFACE => "tokenvpn down".into(),
        other => format!("tokenvpn down --interface {other}"),
    }
}

/// What to do about the programs that hold a token, most likely first.
pub(super) fn let_go(holders: &[String]) -> &'static str {
    match holders.first() {
        Some(holder) if holder.starts_with("tokenvpn") => {
            "that is a tokenvpn at work: answer what it asks, or end it (Ctrl-C, tokenvpn down)"
        }
        Some(holder) if !holder.starts_with("scdaemon") => {
            "end that program, or what it does with the token"
        }
        _ => {
            "try: gpg-connect-agent 'scd killscd' /bye, or put pcsc-shared into \
             ~/.gnupg/scdaemon.conf"
        }
    }
}

/// `2026-11-20 09:12 UTC`
pub(super) fn minute(time: UnixTime) -> String {
    let text = time.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_takes_no_time_at_all() {
        assert_eq!(milliseconds(0), "< 1 ms");
        assert_eq!(milliseconds(41), "41 ms");
    }

    #[test]
    fn the_usual_tunnel_is_ended_without_its_name() {
        assert_eq!(down("tokenvpn"), "tokenvpn down");
        assert_eq!(down("office"), "tokenvpn down --interface office");
    }
}

//! Phrases that several texts have.

use std::fmt;

use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::language::say;

use crate::cli::DEFAULT_INTERFACE;

pub(super) fn list<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(T::to_string).collect();
    items.join(", ")
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

//! The texts themselves, in English. A second language is a second file like this one.

mod doctor;
mod prompt;
mod state;
mod status;
mod token;

use std::fmt;

use tokenvpn_common::clock::UnixTime;

pub(crate) use {doctor::*, prompt::*, status::*, token::*};

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

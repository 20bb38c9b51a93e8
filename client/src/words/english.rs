//! All that is said to people, in English. A second language is a second module of the same
//! functions and constants: what it lacks does not compile.

mod cli;
mod content;
mod doctor;
mod fault;
pub(crate) mod help;
mod prompt;
mod state;
mod status;
mod token;
mod tunnel;

use std::fmt;

use tokenvpn_common::clock::UnixTime;

pub(crate) use {
    cli::*, content::*, doctor::*, fault::*, prompt::*, state::*, status::*, token::*, tunnel::*,
};

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

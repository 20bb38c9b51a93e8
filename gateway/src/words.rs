//! What people are told, and the exit codes. Here it is decided what is said of which error and
//! answer; how it is said stands in [`language`](tokenvpn_common::language), for the shared crate
//! and its errors too. Names of fields and keys, which programs read, are no words. What the
//! system, SQLite and the reader of TOML say of theirs is quoted, in whatever language they say
//! it.

mod answer;
mod config;
mod failure;
pub(crate) mod help;

pub(crate) use self::answer::*;
pub(crate) use self::config::*;
pub(crate) use self::failure::*;
pub(crate) use tokenvpn_common::name::{printable, printable_lines};

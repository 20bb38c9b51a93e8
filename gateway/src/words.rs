//! All that people read, and the exit codes. [`english`] says it: all texts are there, the help
//! of the command line and the comments of `gateway.toml` too. Names of fields and keys, which
//! programs read, are no words. The shared crate has words of its own for its errors, which are
//! quoted here; so is what the system, SQLite and the readers of TOML and of command lines say of
//! theirs, in whatever language they say it.

mod answer;
mod config;
mod error;
mod failure;
pub(crate) mod help;
mod table;

pub(crate) use self::answer::*;
pub(crate) use self::config::*;
pub(crate) use self::error::*;
pub(crate) use self::failure::*;
pub(crate) use self::table::*;
pub(crate) use tokenvpn_common::name::{printable, printable_lines};

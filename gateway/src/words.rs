//! All that people read, and the exit codes. [`english`] says it: all texts are there, the help
//! of the command line and the comments of `gateway.toml` too. Names of fields and keys, which
//! programs read, are no words. What a layer below says of its own errors (the system, SQLite,
//! the wire) is quoted.

mod english;
mod failure;

pub(crate) use self::english::*;
pub(crate) use self::failure::{Failure, code};
pub(crate) use tokenvpn_common::name::{printable, printable_lines};

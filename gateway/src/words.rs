//! All that people read, and the exit codes. [`english`] says it: all texts are there, the help
//! of the command line and the comments of `gateway.toml` too. Names of fields and keys, which
//! programs read, are no words. The shared crate has words of its own for its errors, which are
//! quoted here; so is what the system, SQLite and the readers of TOML and of command lines say of
//! theirs, in whatever language they say it.

mod english;
mod failure;

pub(crate) use self::english::*;
pub(crate) use self::failure::{Failure, code};
pub(crate) use tokenvpn_common::name::{printable, printable_lines};

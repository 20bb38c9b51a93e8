//! `reinstate`: gives back access that a wrong clock has ended.

use std::path::Path;

use crate::cli;
use crate::control::{self, Answer, Request};
use crate::words::{self, Failure};

pub(crate) fn run(path: &Path, asked: cli::Reinstate) -> Result<(), Failure> {
    // Without a name it is all of them.
    match control::ask(path, Request::Reinstate(asked.name))? {
        Answer::Reinstated { keys } => {
            eprintln!("{}", words::reinstated(keys));
            Ok(())
        }
        _ => Err(words::wrong_answer()),
    }
}

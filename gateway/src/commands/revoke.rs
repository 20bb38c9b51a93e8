//! `revoke`: ends access, live sessions included.

use std::path::Path;

use crate::cli;
use crate::control::{self, Answer, Request};
use crate::words::{self, Failure};

pub(crate) fn run(path: &Path, asked: cli::Revoke) -> Result<(), Failure> {
    let request = Request::Revoke {
        name: asked.name.clone(),
        key: asked.key,
    };
    match control::ask(path, request)? {
        Answer::Revoked { keys } => {
            eprintln!("{}", words::revoked(&asked.name, keys));
            Ok(())
        }
        _ => Err(words::wrong_answer()),
    }
}

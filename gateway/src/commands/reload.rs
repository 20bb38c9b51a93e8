//! `reload`: hands the configuration to the running gateway, which can read no file.

use std::path::Path;

use crate::config::Config;
use crate::control::{self, Answer, Request};
use crate::words::{self, Failure};

pub(crate) fn run(path: &Path) -> Result<(), Failure> {
    let config = Config::read(path)?;
    match control::ask(path, Request::Reload(Box::new(config)))? {
        Answer::Reloaded(changed) => {
            eprintln!("{}", words::reloaded(&changed));
            Ok(())
        }
        _ => Err(words::wrong_answer()),
    }
}

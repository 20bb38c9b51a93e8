//! `add`: lets in a WireGuard client that made its own key.

use std::path::Path;

use crate::cli;
use crate::control::{self, Request};
use crate::key_file;
use crate::words::{self, Failure};

pub(crate) fn run(path: &Path, asked: cli::Add) -> Result<(), Failure> {
    let preshared_key = match asked.preshared_key {
        Some(file) => {
            let key = key_file::read_preshared(&file).map_err(words::bad_preshared_key)?;
            Some(key.expose_text())
        }
        None => None,
    };
    let request = control::Add {
        name: asked.name,
        public_key: asked.public_key,
        preshared_key,
        addresses: asked.address,
        expires: asked.expires,
    };
    let answer = control::ask(path, Request::Add(request))?;
    eprintln!("{}", words::admitted(&answer)?);
    Ok(())
}

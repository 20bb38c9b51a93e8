//! `init`: a gateway's key, configuration and registry, all or none.

use std::fs;
use std::path::{Path, PathBuf};

use tokenvpn_common::profile;

use super::print;
use crate::cli;
use crate::config::{Config, Networks};
use crate::key_file;
use crate::registry::Registry;
use crate::state;
use crate::words::{self, Failure};

/// Takes back what was made, last first, unless everything was.
struct Undo(Vec<PathBuf>);

impl Undo {
    /// Makes the directories above `path` that are missing.
    fn make_parents(&mut self, path: &Path) -> Result<(), Failure> {
        let missing = |parent: &&Path| !parent.as_os_str().is_empty() && !parent.exists();
        let mut parents: Vec<_> = path.ancestors().skip(1).take_while(missing).collect();
        while let Some(parent) = parents.pop() {
            fs::create_dir(parent).map_err(|e| words::file(parent, &e))?;
            self.0.push(parent.to_owned());
        }
        Ok(())
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            let _ = match path.is_dir() {
                true => fs::remove_dir(path),
                false => fs::remove_file(path),
            };
        }
    }
}

pub(crate) fn run(path: &Path, asked: cli::Init) -> Result<(), Failure> {
    let networks = Networks::try_from(asked.network)?;
    profile::check_endpoints(std::slice::from_ref(&asked.endpoint)).map_err(words::bad_endpoint)?;
    let mut config = Config::new(asked.interface, asked.endpoint, networks);
    config.state_dir = absolute(&asked.state_dir)?;
    config.runtime_dir = absolute(&asked.runtime_dir)?;

    let key_file = config.private_key_file();
    let registry_file = config.registry_file();
    for path in [path, &key_file, &registry_file] {
        if path.symlink_metadata().is_ok() {
            return Err(words::exists(path));
        }
    }
    let mut undo = Undo(Vec::new());
    undo.make_parents(&config.state_dir)?;
    undo.make_parents(path)?;
    if state::make(&config.state_dir)? {
        undo.0.push(config.state_dir.clone());
    }
    let key = key_file::create(&key_file)?;
    undo.0.push(key_file);
    drop(Registry::create(&registry_file)?);
    undo.0.push(registry_file);
    state::write_new(path, 0o640, &config.to_toml()).map_err(|e| words::file(path, &e))?;
    undo.0.push(path.to_owned());
    print(&format!("{}\n", key.public()))?;
    eprintln!("{}", words::made(path));
    undo.0.clear();
    Ok(())
}

/// The gateway may be started from another directory.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|e| words::file(path, &e))
}

//! Our files under /run: one lock, control socket and journal for each interface.
//!
//! Whoever holds the lock may work on the others. The kernel lets go of it when its
//! holder dies.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::net::journal::{Journal, JournalError};
use crate::net::tunnel::journal_path;

/// Shared with a gateway on the same computer.
const DIRECTORY: &str = "/run/tokenvpn";

/// Where wg(8) looks for the sockets of userspace tunnels.
const UAPI_DIRECTORY: &str = "/var/run/wireguard";

/// The files of one interface.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    directory: PathBuf,
    interface: String,
}

/// Holding it, nobody else works on the interface.
pub(crate) struct Lock {
    _file: Flock<File>,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another process has it.
    #[error("the interface {interface} is in the hands of another tokenvpn")]
    Held {
        /// The interface.
        interface: String,
    },
    /// The directory or file cannot be made.
    #[error("cannot open {path}")]
    Open {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Runtime {
    /// The files of `interface`.
    pub(crate) fn new(interface: &str) -> Runtime {
        Runtime {
            directory: PathBuf::from(DIRECTORY),
            interface: interface.to_owned(),
        }
    }

    /// The interface.
    pub(crate) fn interface(&self) -> &str {
        &self.interface
    }

    /// The directory they are in.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join(format!("{}.sock", self.interface))
    }

    /// WireGuard's UAPI socket.
    pub(crate) fn uapi_socket(&self) -> PathBuf {
        Path::new(UAPI_DIRECTORY).join(format!("{}.sock", self.interface))
    }

    /// Takes the lock, making the directory where there is none.
    ///
    /// # Errors
    /// [`LockError`]; never waits.
    pub(crate) fn lock(&self) -> Result<Lock, LockError> {
        let path = self.directory.join(format!("{}.lock", self.interface));
        let failed = |source| LockError::Open {
            path: path.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&self.directory)
            .map_err(failed)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Lock { _file: file }),
            Err((_, Errno::EWOULDBLOCK)) => Err(LockError::Held {
                interface: self.interface.clone(),
            }),
            Err((_, errno)) => Err(failed(errno.into())),
        }
    }

    /// Undoes what a predecessor left when it was killed; gives whether it left anything.
    ///
    /// # Errors
    /// The journal cannot be read. Nothing was undone then.
    pub(crate) fn clean_up(&self, _lock: &Lock) -> Result<bool, JournalError> {
        let mut journal = Journal::open(&journal_path(&self.directory, &self.interface))?;
        let mut left = !journal.is_empty();
        journal.undo();
        for socket in [self.socket(), self.uapi_socket()] {
            left |= fs::remove_file(socket).is_ok();
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_process_works_on_an_interface() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = |interface: &str| Runtime {
            directory: directory.path().join("tokenvpn"),
            interface: interface.to_owned(),
        };
        let lock = runtime("a").lock().unwrap();
        assert!(matches!(
            runtime("a").lock(),
            Err(LockError::Held { interface }) if interface == "a"
        ));
        assert!(runtime("b").lock().is_ok());
        drop(lock);
        assert!(runtime("a").lock().is_ok());
    }
}

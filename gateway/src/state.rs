//! The state directory and the lock that says who may write there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use crate::words;

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", words::state_error(self))]
pub(crate) enum StateError {
    Unusable { path: PathBuf, cause: io::Error },
    OpenToOthers { path: PathBuf, mode: u32 },
}

/// The right to write the registry, held by the running gateway or, while none runs, by
/// one command at a time. The kernel gives it back when its holder dies.
pub(crate) struct StateLock {
    _file: Flock<File>,
}

impl StateLock {
    /// Takes the lock of a state directory, or gives `None` if somebody holds it.
    pub(crate) fn take(directory: &Path) -> Result<Option<StateLock>, StateError> {
        check(directory)?;
        let path = directory.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .and_then(|file| give_to_owner_of(directory, &file).map(|()| file))
            .map_err(|cause| StateError::Unusable { path, cause })?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Some(StateLock { _file: file })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(StateError::Unusable {
                path: directory.to_owned(),
                cause: errno.into(),
            }),
        }
    }
}

/// Makes the directory for its owner only, in one that is there, or checks the one that
/// is there itself. Says whether it was made.
pub(crate) fn make(directory: &Path) -> Result<bool, StateError> {
    if directory.exists() {
        check(directory)?;
        return Ok(false);
    }
    let made = DirBuilder::new().mode(0o700).create(directory);
    made.map_err(|cause| StateError::Unusable {
        path: directory.to_owned(),
        cause,
    })?;
    Ok(true)
}

/// Writes a file that was not there, whole or not at all.
pub(crate) fn write_new(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// What root makes has to be usable by whoever the directory belongs to.
fn give_to_owner_of(directory: &Path, file: &File) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(directory)?;
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

fn check(directory: &Path) -> Result<(), StateError> {
    let path = || directory.to_owned();
    let metadata = fs::metadata(directory).map_err(|cause| StateError::Unusable {
        path: path(),
        cause,
    })?;
    let mode = metadata.mode() & 0o7777;
    if !metadata.is_dir() {
        let cause = io::ErrorKind::NotADirectory.into();
        return Err(StateError::Unusable {
            path: path(),
            cause,
        });
    }
    if mode & 0o077 != 0 {
        return Err(StateError::OpenToOthers { path: path(), mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn one_at_a_time_holds_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        assert!(make(&state).unwrap());
        assert!(!make(&state).unwrap());
        let held = StateLock::take(&state).unwrap().unwrap();
        assert!(StateLock::take(&state).unwrap().is_none());
        drop(held);
        assert!(StateLock::take(&state).unwrap().is_some());
    }

    #[test]
    fn a_directory_that_others_can_enter_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            StateLock::take(directory.path()),
            Err(StateError::OpenToOthers { mode: 0o755, .. })
        ));
    }
}

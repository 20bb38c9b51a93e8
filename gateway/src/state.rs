//! The state directory and the lock that says who may write there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::{Gid, Uid, fchown, geteuid, setegid, seteuid, setgroups};
use tokenvpn_common::language::say;

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("{}", say().state_dir_unusable(&.path.display(), .cause))]
    Unusable { path: PathBuf, cause: io::Error },
    #[error("{}", say().state_dir_open_to_others(&.path.display(), *.mode))]
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
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
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

/// Lets root go on as the owner of the state directory, with no right but that user's: what is
/// made there is the owner's, and nothing that the owner has put there, like a link to a file
/// of root's, leads any further.
pub(crate) fn act_as_owner(directory: &Path) -> Result<(), StateError> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let act = || {
        let (uid, gid) = owner_of(directory)?;
        if !uid.is_root() {
            setgroups(&[])?;
            setegid(gid)?;
            seteuid(uid)?;
        }
        Ok(())
    };
    act().map_err(|cause| StateError::Unusable {
        path: directory.to_owned(),
        cause,
    })
}

fn owner_of(directory: &Path) -> io::Result<(Uid, Gid)> {
    let metadata = fs::metadata(directory)?;
    Ok((Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid())))
}

/// What a gateway that runs as root makes has to be usable by whoever the directory belongs to.
/// That is who has put it there: another name of a file of root's stays root's.
fn give_to_owner_of(directory: &Path, file: &File) -> io::Result<()> {
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() != 1 {
        return Err(io::Error::other(say().state_file_is_a_link()));
    }
    if geteuid().is_root() {
        let (uid, gid) = owner_of(directory)?;
        fchown(file, Some(uid), Some(gid))?;
    }
    Ok(())
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
    fn a_lock_that_is_another_name_of_a_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        make(&state).unwrap();
        let [lock, other] = [state.join("lock"), directory.path().join("other")];
        let refused = || matches!(StateLock::take(&state), Err(StateError::Unusable { .. }));
        std::os::unix::fs::symlink(&other, &lock).unwrap();
        assert!(refused() && !other.exists());
        fs::remove_file(&lock).unwrap();
        fs::write(&other, "").unwrap();
        fs::hard_link(&other, &lock).unwrap();
        assert!(refused());
        fs::remove_file(&lock).unwrap();
        nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(refused());
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

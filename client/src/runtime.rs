//! Our files under /run: one lock, control socket and journal for each interface.
//!
//! Whoever holds the lock may work on the others. The kernel lets go of it when its
//! holder dies.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::unistd::geteuid;
use tokenvpn_common::io::request_socket::remove_stale;
use tokenvpn_common::language::say;

use crate::net::fence::Fence;
use crate::net::journal::{Journal, JournalError};
use crate::net::tunnel::journal_path;

/// Shared with a gateway on the same computer.
pub(crate) const DIRECTORY: &str = "/run/tokenvpn";

/// Where wg(8) looks for the sockets of userspace tunnels.
pub(crate) const UAPI_DIRECTORY: &str = "/var/run/wireguard";

/// How often, and after which time, to see whether a lock is still held.
const SECOND_LOOKS: u32 = 2;
const SECOND_LOOK: Duration = Duration::from_millis(2);

/// The files of one interface.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    directory: PathBuf,
    uapi_directory: PathBuf,
    interface: String,
}

/// Holding it, nobody else works on the interface. Its file goes with it.
pub(crate) struct Lock {
    path: PathBuf,
    _file: Flock<File>,
}

impl Drop for Lock {
    /// The file is removed while it is still locked: whoever opened it meanwhile sees that it
    /// is no longer the one that others will find, see [`Runtime::lock`].
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        // Fails as long as there is anything in it, as it should.
        let _ = self.path.parent().map(fs::remove_dir);
    }
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another process has it.
    #[error("{}", say().interface_held(.interface))]
    Held {
        /// The interface.
        interface: String,
    },
    /// Somebody else has a say in what is in the directory.
    #[error("{}", say().directory_of_others(&.directory.display()))]
    Foreign {
        /// Which one.
        directory: PathBuf,
    },
    /// The directory or file cannot be made.
    #[error("{}", say().cannot_open(&.path.display()))]
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
            uapi_directory: PathBuf::from(UAPI_DIRECTORY),
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
        self.uapi_directory.join(format!("{}.sock", self.interface))
    }

    /// Takes the lock, making the directory where there is none.
    ///
    /// # Errors
    /// [`LockError`]; waits for a few milliseconds at most.
    pub(crate) fn lock(&self) -> Result<Lock, LockError> {
        let path = self.directory.join(format!("{}.lock", self.interface));
        let failed = |source| LockError::Open {
            path: path.clone(),
            source,
        };
        let mut looks = 0;
        loop {
            let made = DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&self.directory);
            match made {
                // It may be gone when it is looked at: its last user removes it.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(failed)?,
            }
            match fs::symlink_metadata(&self.directory) {
                Ok(found) if is_ours_alone(&found) => {}
                // Where it is root's, an ordinary user has no say.
                Ok(found) if is_closed_to_us(&found) => {
                    return Err(failed(io::ErrorKind::PermissionDenied.into()));
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                found => {
                    found.map_err(failed)?;
                    return Err(LockError::Foreign {
                        directory: self.directory.clone(),
                    });
                }
            }
            let opened = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&path);
            let file = match opened {
                // Its last user has just removed the directory.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(failed)?,
            };
            let opened = file.metadata().map_err(failed)?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => match fs::metadata(&path) {
                    Ok(there) if there.ino() == opened.ino() => {
                        return Ok(Lock { path, _file: file });
                    }
                    // Its last user removed it in between: this one locks nobody out.
                    _ => {}
                },
                // Perhaps only somebody who wanted to know whether it is held.
                Err((_, Errno::EWOULDBLOCK)) if looks < SECOND_LOOKS => {
                    looks += 1;
                    thread::sleep(SECOND_LOOK);
                }
                Err((_, Errno::EWOULDBLOCK)) => {
                    return Err(LockError::Held {
                        interface: self.interface.clone(),
                    });
                }
                Err((_, errno)) => return Err(failed(errno.into())),
            }
        }
    }

    /// The fence that a predecessor left, or none.
    ///
    /// # Errors
    /// Its journal cannot be read.
    pub(crate) fn fence(&self, _lock: &Lock) -> Result<Fence, JournalError> {
        Fence::open(&self.directory, &self.interface)
    }

    /// Undoes what a predecessor left when it was killed, but for its fence; gives whether
    /// it left anything.
    ///
    /// # Errors
    /// The journal cannot be read. Nothing was undone then.
    pub(crate) fn clean_up(&self, _lock: &Lock) -> Result<bool, JournalError> {
        let mut journal = Journal::open(&journal_path(&self.directory, &self.interface))?;
        let mut left = !journal.is_empty();
        journal.undo();
        let removed = |socket: PathBuf| match remove_stale(&socket) {
            Ok(removed) => removed,
            Err(error) => {
                tracing::debug!(path = %socket.display(), reason = %error, "left as it is");
                false
            }
        };
        left |= removed(self.socket());
        // Our device went with its last process: one that is there is somebody else's,
        // and so is its socket.
        if if_nametoindex(self.interface.as_str()).is_err() {
            left |= removed(self.uapi_socket());
        }
        Ok(left)
    }
}

/// By its group, or by everybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Whether this is a directory in which nobody but us (and root) can put anything: what a
/// journal there says is done.
fn is_ours_alone(found: &Metadata) -> bool {
    found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & WRITABLE_BY_OTHERS == 0
}

/// Whether this is a directory of another user, in which only that one and root, who we are
/// not, can put anything.
fn is_closed_to_us(found: &Metadata) -> bool {
    let us = geteuid();
    let is_theirs = !us.is_root() && found.uid() != us.as_raw();
    found.is_dir() && is_theirs && found.mode() & WRITABLE_BY_OTHERS == 0
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn runtime(directory: &Path, interface: &str) -> Runtime {
        Runtime {
            directory: directory.join("tokenvpn"),
            uapi_directory: directory.to_owned(),
            interface: interface.to_owned(),
        }
    }

    #[test]
    fn only_sockets_at_which_nobody_listens_are_cleaned_up() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = runtime(directory.path(), "no-such");
        let lock = runtime.lock().unwrap();
        let [control, uapi] = [runtime.socket(), runtime.uapi_socket()];
        let listeners = [&control, &uapi].map(|path| UnixListener::bind(path).unwrap());
        assert!(!runtime.clean_up(&lock).unwrap());
        assert!(control.exists() && uapi.exists());
        drop(listeners);
        assert!(runtime.clean_up(&lock).unwrap());
        assert!(!control.exists() && !uapi.exists());
        fs::write(&uapi, "a file").unwrap();
        assert!(!runtime.clean_up(&lock).unwrap());
        assert!(uapi.exists());
    }

    #[test]
    fn the_socket_of_somebody_elses_interface_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = runtime(directory.path(), "lo");
        let lock = runtime.lock().unwrap();
        drop(UnixListener::bind(runtime.uapi_socket()).unwrap());
        assert!(!runtime.clean_up(&lock).unwrap());
        assert!(runtime.uapi_socket().exists());
    }

    #[test]
    fn a_directory_that_others_write_to_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = runtime(directory.path(), "a");
        let is_refused = || matches!(runtime.lock(), Err(LockError::Foreign { .. }));
        fs::create_dir(runtime.directory()).unwrap();
        for mode in [0o775, 0o757, 0o1777] {
            fs::set_permissions(runtime.directory(), Permissions::from_mode(mode)).unwrap();
            assert!(is_refused(), "{mode:o}");
        }
        fs::remove_dir(runtime.directory()).unwrap();
        let elsewhere = directory.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, runtime.directory()).unwrap();
        assert!(is_refused());
        fs::remove_file(runtime.directory()).unwrap();
        assert!(runtime.lock().is_ok());
    }

    #[test]
    fn a_lock_is_not_followed_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = runtime(directory.path(), "a");
        let target = directory.path().join("target");
        fs::create_dir(runtime.directory()).unwrap();
        symlink(&target, runtime.directory().join("a.lock")).unwrap();
        assert!(matches!(runtime.lock(), Err(LockError::Open { .. })));
        assert!(!target.exists());
    }

    #[test]
    fn a_lock_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = |interface| runtime(directory.path(), interface);
        let (a, b) = (runtime("a").lock().unwrap(), runtime("b").lock().unwrap());
        drop(a);
        assert!(runtime("b").lock().is_err());
        assert!(runtime("a").directory().exists());
        drop(b);
        assert!(!runtime("a").directory().exists());
    }

    #[test]
    fn a_lock_that_comes_and_goes_is_only_ever_held_once() {
        let directory = tempfile::tempdir().unwrap();
        let inside = AtomicUsize::new(0);
        let taken = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        match runtime(directory.path(), "a").lock() {
                            Ok(_lock) => {
                                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                                taken.fetch_add(1, Ordering::SeqCst);
                                inside.fetch_sub(1, Ordering::SeqCst);
                            }
                            Err(LockError::Held { .. }) => {}
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                });
            }
        });
        assert!(taken.load(Ordering::SeqCst) > 0);
    }

    #[test]
    fn only_one_process_works_on_an_interface() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = |interface| runtime(directory.path(), interface);
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

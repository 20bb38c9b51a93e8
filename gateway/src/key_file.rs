//! The gateway's private key on the disk.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tokenvpn_common::key::{KeyError, PresharedKey, PrivateKey};
use tokenvpn_common::language::say;
use zeroize::Zeroizing;

use crate::state;

/// The name under which systemd hands over a key (systemd.exec(5), `LoadCredential=`).
const CREDENTIAL: &str = "private-key";

/// No key's text is longer than its 44 characters and some white space.
const MAX_TEXT: u64 = 256;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    #[error("{}", say().key_file_unusable(&.path.display(), .cause))]
    Unusable { path: PathBuf, cause: io::Error },
    #[error("{}", say().key_file_open_to_others(&.path.display(), *.mode))]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("{}", say().key_file_of_another_user(&.path.display(), .uid))]
    Foreign {
        path: PathBuf,
        uid: u32,
        /// Whose it should be.
        owner: u32,
    },
    #[error("{}", say().key_file_without_key(&.path.display(), .cause))]
    Malformed { path: PathBuf, cause: KeyError },
}

/// Makes a key and its file, for its owner only.
pub(crate) fn create(path: &Path) -> Result<PrivateKey, KeyFileError> {
    let key = PrivateKey::generate();
    let mut text = key.expose_text();
    text.push('\n');
    state::write_new(path, 0o600, &text).map_err(|cause| unusable(path, cause))?;
    Ok(key)
}

/// Reads the key: systemd's credential if there is one, else the file.
///
/// Root also takes the key of whoever owns `state_dir`: the user that the gateway runs as,
/// who could replace everything there anyway.
pub(crate) fn read(path: &Path, state_dir: &Path) -> Result<PrivateKey, KeyFileError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let credential = credentials.map(|directory| directory.join(CREDENTIAL));
    let (path, file) = match credential.filter(|path| path.exists()) {
        // systemd guards its directory; its files' modes may show an access list's mask.
        Some(path) => (path.clone(), open(&path)?),
        None => {
            let us = geteuid();
            let owner = match fs::metadata(state_dir) {
                Ok(directory) if us.is_root() => directory.uid(),
                _ => us.as_raw(),
            };
            (path.to_owned(), open_private(path, owner)?)
        }
    };
    let text = read_text(&path, file)?;
    text.parse()
        .map_err(|cause| KeyFileError::Malformed { path, cause })
}

/// Reads a preshared key, from a file of which only its owner can read.
pub(crate) fn read_preshared(path: &Path) -> Result<PresharedKey, KeyFileError> {
    let text = read_text(path, open_private(path, geteuid().as_raw())?)?;
    text.parse().map_err(|cause| KeyFileError::Malformed {
        path: path.to_owned(),
        cause,
    })
}

fn unusable(path: &Path, cause: io::Error) -> KeyFileError {
    KeyFileError::Unusable {
        path: path.to_owned(),
        cause,
    }
}

fn open(path: &Path) -> Result<File, KeyFileError> {
    File::open(path).map_err(|cause| unusable(path, cause))
}

/// Opens a file that nobody but `owner` and root can read or replace.
fn open_private(path: &Path, owner: u32) -> Result<File, KeyFileError> {
    let foreign = |uid| KeyFileError::Foreign {
        path: path.to_owned(),
        uid,
        owner,
    };
    let file = File::open(path).map_err(|cause| match fs::metadata(path) {
        Ok(found) if cause.kind() == io::ErrorKind::PermissionDenied && found.uid() != owner => {
            foreign(found.uid())
        }
        _ => unusable(path, cause),
    })?;
    let metadata = file.metadata().map_err(|cause| unusable(path, cause))?;
    let mode = metadata.mode() & 0o7777;
    // A pipe (`<(wg genpsk)`) has a mode, but no name that others could open.
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(KeyFileError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    // Whoever owns it can read and replace it whatever its mode says.
    let uid = metadata.uid();
    if metadata.is_file() && uid != 0 && uid != owner {
        return Err(foreign(uid));
    }
    Ok(file)
}

fn read_text(path: &Path, file: File) -> Result<Zeroizing<String>, KeyFileError> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_TEXT as usize));
    file.take(MAX_TEXT)
        .read_to_string(&mut text)
        .map_err(|cause| unusable(path, cause))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Reads the key in the state directory.
    fn read_in(directory: &tempfile::TempDir) -> Result<PrivateKey, KeyFileError> {
        read(&directory.path().join("private-key"), directory.path())
    }

    #[test]
    fn a_key_file_is_private_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("private-key");
        let key = create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(read_in(&directory).unwrap().expose(), key.expose());
        assert!(matches!(create(&path), Err(KeyFileError::Unusable { .. })));
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("private-key");
        create(&path).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let Err(KeyFileError::OpenToOthers { mode: found, .. }) = read_in(&directory) else {
                panic!("mode {mode:o} was accepted");
            };
            assert_eq!(found, mode);
        }
    }

    #[test]
    fn a_key_file_of_another_user_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("private-key");
        create(&path).unwrap();
        // Only root can give a file away.
        if nix::unistd::chown(&path, Some(65_534.into()), None).is_ok() {
            let found = read_in(&directory);
            assert!(matches!(
                found,
                Err(KeyFileError::Foreign { uid: 65_534, .. })
            ));
            // Unless it is whose the whole state is.
            nix::unistd::chown(directory.path(), Some(65_534.into()), None).unwrap();
            read_in(&directory).unwrap();
        } else {
            assert!(!geteuid().is_root());
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("private-key");
        create(&path).unwrap();
        for text in ["", "not a key", &"A".repeat(1000)] {
            fs::write(&path, text).unwrap();
            assert!(matches!(
                read_in(&directory),
                Err(KeyFileError::Malformed { .. })
            ));
        }
    }
}

//! The secrets of a world, and who has said one.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokenvpn_common::{invitation::Invitation, key::PrivateKey, profile::Profile};

use crate::{
    card::{ADMIN_PIN, FACTORY_PIN},
    host::Host,
    process::Process,
    quarry::Quarry,
    wait,
};

/// No file that holds a key and nothing else is longer.
const KEY_FILE: u64 = 256;

/// The file in a card's directory in which the virtual card notes what came along.
const NOTED_BY_CARD: &str = "state/secrets";

/// The factory's PINs stand in manuals and hints.
const PUBLIC_PINS: [&str; 3] = [FACTORY_PIN, "12345678", ADMIN_PIN];

/// What no program may ever say. A clone is another handle on the same secrets.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<Mutex<Vec<Quarry>>>);

impl Secrets {
    fn known(&self) -> MutexGuard<'_, Vec<Quarry>> {
        self.0.lock().expect("invariant: no holder panics")
    }

    /// Adds one.
    pub fn add(&self, secret: Quarry) {
        self.known().push(secret);
    }

    /// The names of those that are known.
    pub fn names(&self) -> Vec<String> {
        let known = self.known();
        known.iter().map(|one| one.name().to_owned()).collect()
    }

    /// Adds the preshared key of an invitation.
    pub(crate) fn add_invitation(&self, text: &str) {
        let invitation = Invitation::from_toml(text).ok();
        if let Some(key) = invitation.and_then(|invitation| invitation.preshared_key) {
            self.add(Quarry::key("preshared key", key.expose()));
        }
    }

    /// Adds what the cards in `dir` have noted, and all keys in files of these hosts.
    pub(crate) fn collect(&self, dir: &Path, hosts: &[Host]) {
        for card in fs::read_dir(dir).into_iter().flatten().flatten() {
            let noted = fs::read_to_string(card.path().join(NOTED_BY_CARD));
            let mut noted: Vec<String> = noted
                .unwrap_or_default()
                .lines()
                .map(str::to_owned)
                .collect();
            noted.sort_unstable();
            noted.dedup();
            for (kind, hex) in noted.iter().filter_map(|line| line.split_once(' ')) {
                self.add_noted(kind, &unhex(hex));
            }
        }
        for host in hosts {
            // What is written below `/etc` and `/var/lib` is there too.
            for directory in [host.dir(), Path::new("/run")] {
                self.add_key_files(&host.path(directory));
            }
        }
    }

    /// Adds the keys in files that nobody but their owner may read: of gateways, wherever they have
    /// them, and those that an administrator gave to them.
    fn add_key_files(&self, directory: &Path) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let is_private = metadata.mode() & 0o077 == 0;
            if metadata.is_dir() {
                self.add_key_files(&entry.path());
            } else if metadata.is_file() && is_private && metadata.len() <= KEY_FILE {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                if let Ok(key) = text.parse::<PrivateKey>() {
                    let name = format!("key in {}", entry.file_name().display());
                    self.add(Quarry::key(&name, key.expose()));
                }
            }
        }
    }

    fn add_noted(&self, kind: &str, bytes: &[u8]) {
        match kind {
            "pin" => {
                let pin = String::from_utf8_lossy(bytes);
                if pin.len() >= 6 && !PUBLIC_PINS.contains(&&*pin) {
                    self.add(Quarry::pin(&pin));
                }
            }
            // Whatever else tests put there is no secret.
            _ => {
                if let Ok(profile) = Profile::decode(bytes) {
                    self.add(Quarry::profile(bytes));
                    self.add_profile(&profile);
                }
            }
        }
    }

    /// Adds the keys of a profile.
    pub fn add_profile(&self, profile: &Profile) {
        self.add(Quarry::key("private key", profile.private_key.expose()));
        let gateways = profile.gateways.iter();
        for key in gateways.filter_map(|gateway| gateway.preshared_key.as_ref()) {
            self.add(Quarry::key("preshared key", key.expose()));
        }
    }

    /// Who of our programs has said which one, where and in which shape; only what was not meant
    /// to be.
    pub(crate) fn said_by<'a>(
        &self,
        processes: impl IntoIterator<Item = &'a Process>,
    ) -> Vec<String> {
        let known = self.known();
        let mut said = Vec::new();
        for process in processes.into_iter().filter(|one| one.is_outspoken()) {
            for (place, transcript) in process.outputs() {
                // It is dead; what is left in the pipe comes at once.
                wait::poll(Duration::from_millis(500), || {
                    (place == "screen" || transcript.is_closed()).then_some(())
                });
                let text = transcript.whole();
                for secret in &*known {
                    // An invitation carries a preshared key to the token: that is its purpose.
                    let is_invitation = place == "stdout"
                        && secret.name() == "preshared key"
                        && process.words().contains("invite");
                    if let Some(shape) = secret.printed_in(&text)
                        && !is_invitation
                    {
                        let words = process.words();
                        said.push(format!(
                            "{}, {shape}, on {place} of `{words}`",
                            secret.name()
                        ));
                    }
                }
            }
        }
        said
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len() / 2).map(|at| &hex[2 * at..2 * at + 2]);
    let bytes: Result<_, _> = pairs.map(|pair| u8::from_str_radix(pair, 16)).collect();
    bytes.expect("the card notes hexadecimal")
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::PermissionsExt as _,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use tokenvpn_common::key::PresharedKey;

    use super::*;
    use crate::{Pty, world::World};

    #[test]
    fn a_world_in_which_a_secret_was_said_fails_wherever_that_was() {
        let key = PresharedKey::generate();
        let script = format!("echo {}", *key.expose_text());
        for place in ["stdout", "stderr", "screen"] {
            let world = World::new();
            world.secrets().add(Quarry::key("key", key.expose()));
            let host = world.host("a");
            let pty = Pty::open();
            let redirection = match place {
                "stdout" => "",
                "stderr" => " >&2",
                _ => " >/dev/tty",
            };
            let shell = host.run("sh").args(["-c", "read x; eval \"$x\""]);
            let shell = shell.stdin(format!("{script}{redirection}\n"));
            shell.with_terminal(&pty).finish().expect_code(0);
            if place == "screen" {
                pty.expect("=");
            }
            let panic = catch_unwind(AssertUnwindSafe(|| drop(world))).expect_err(place);
            let text = panic.downcast_ref::<String>().expect("a text");
            assert!(text.contains(&format!("key, base64, on {place}")), "{text}");
        }
    }

    /// What ends a world in which this key, which lies in this file, was said.
    fn end_of_a_world_with(file: &str, mode: u32) -> Option<String> {
        let world = World::new();
        let host = world.host("a");
        let key = PresharedKey::generate();
        let path = match file.strip_prefix('/') {
            Some(_) => host.path(file),
            None => host.dir().join(file),
        };
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("a directory");
        fs::write(&path, format!("{}\n", *key.expose_text())).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("our own file");
        let say = host.run("sh").args(["-c", "cat \"$0\"", file]);
        assert!(say.ok().contains(&*key.expose_text()));
        let panic = catch_unwind(AssertUnwindSafe(|| drop(world))).err()?;
        panic.downcast_ref::<String>().cloned()
    }

    #[test]
    fn a_key_in_a_file_is_a_secret_wherever_the_file_is() {
        for file in [
            "psk",
            "/etc/gateway/psk",
            "/var/lib/tokenvpn/private-key",
            "/var/lib/elsewhere/key",
            "/run/credentials/private-key",
        ] {
            let said = end_of_a_world_with(file, 0o600).expect(file);
            assert!(said.contains("base64, on stdout of `sh"), "{said}");
        }
        // Others may read it, so it is a public one.
        assert_eq!(end_of_a_world_with("public-key", 0o644), None);
    }
}

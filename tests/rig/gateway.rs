//! The real gateway in a host.

use std::{fs, net::SocketAddr, sync::Mutex, thread, time::Duration};

use blake2::{Blake2s, Digest as _, digest::consts::U16};
use nix::sys::signal::Signal;
use rusqlite::Connection;
use tokenvpn_common::{
    key::{PrivateKey, PublicKey},
    status::{Peer, Status},
};

use crate::{
    crowd::Member,
    host::Host,
    process::{Invocation, Process},
    programs, usage,
    wait::{self, SOON},
};

/// A gateway with its default files, which are its host's own.
#[derive(Debug)]
pub struct Gateway {
    host: Host,
    process: Mutex<Option<Process>>,
}

impl Gateway {
    /// Makes the key, the configuration and the registry with `init`.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn init(host: &Host, endpoint: &str, networks: &str) -> Gateway {
        let gateway = Gateway::at(host);
        gateway
            .command(&["init", "--endpoint", endpoint, "--network", networks])
            .ok();
        gateway
    }

    /// The gateway of this host, whatever there is of it.
    pub fn at(host: &Host) -> Gateway {
        Gateway {
            host: host.clone(),
            process: Mutex::default(),
        }
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// `tokenvpn-gateway` with these words.
    #[track_caller]
    pub fn command(&self, words: &[&str]) -> Invocation {
        self.host.run(programs::gateway()).args(words)
    }

    /// Starts `run` and waits until it answers.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn start(&self) -> Process {
        self.started(self.command(&["run"]))
    }

    /// Like [`Gateway::start`], with `run` as it was prepared.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn started(&self, run: Invocation) -> Process {
        let process = run.spawn();
        wait::until("the gateway answers", SOON, || {
            assert!(
                process.is_running(),
                "the gateway ended at once\n{}",
                process.report()
            );
            self.look()
        });
        *self.process.lock().expect("invariant: no holder panics") = Some(process.clone());
        process
    }

    /// The memory, in bytes, of a gateway that has let everybody in and is asked nothing: a
    /// status of many takes memory of its own. It runs for that alone.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn resting_memory(&self) -> u64 {
        let process = self.command(&["run"]).spawn();
        process.stderr().expect("Listening");
        let mut last = 0;
        wait::until_true("all are let in", SOON, || {
            thread::sleep(Duration::from_millis(200));
            let memory = usage::memory(process.pid()).resident;
            std::mem::replace(&mut last, memory) == memory
        });
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(SOON), 0, "{}", process.report());
        last
    }

    /// The running process.
    ///
    /// # Panics
    /// If it was not started.
    #[track_caller]
    pub fn process(&self) -> Process {
        let process = self
            .process
            .lock()
            .expect("invariant: no holder panics")
            .clone();
        process.expect("the gateway was started")
    }

    /// Ends it as its administrator would.
    ///
    /// # Panics
    /// If it does not end, or not well.
    #[track_caller]
    pub fn stop(&self) {
        let process = self.process();
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(SOON), 0, "{}", process.report());
    }

    /// Ends it as a power failure would.
    #[track_caller]
    pub fn kill(&self) {
        self.process().kill();
    }

    /// An invitation (TOML).
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn invite(&self, name: &str, options: &[&str]) -> String {
        let invitation = self.command(&["invite", name]).args(options).ok();
        self.host.secrets().add_invitation(&invitation);
        invitation
    }

    /// Takes an enrolment (TOML).
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn enrol(&self, enrolment: &str) {
        self.command(&["enrol"]).stdin(enrolment).ok();
    }

    /// Its private key.
    ///
    /// # Panics
    /// If it has none.
    #[track_caller]
    pub fn private_key(&self) -> PrivateKey {
        let file = self.host.path("/var/lib/tokenvpn/private-key");
        let text = fs::read_to_string(file).expect("the gateway's private key");
        text.parse().expect("a key in its file")
    }

    /// Its public key.
    ///
    /// # Panics
    /// If it has none.
    #[track_caller]
    pub fn own_key(&self) -> PublicKey {
        self.private_key().public()
    }

    /// Changes its configuration, which a running one does not notice.
    ///
    /// # Panics
    /// If `from` does not stand there.
    #[track_caller]
    pub fn configure(&self, from: &str, to: &str) {
        let file = self.host.path("/etc/tokenvpn/gateway.toml");
        let text = fs::read_to_string(&file).expect("the gateway's configuration");
        assert!(text.contains(from), "{from:?} is not in {text}");
        fs::write(file, text.replace(from, to)).expect("the gateway's configuration");
    }

    /// Writes keys into the registry of a gateway that does not run: with `add`, which looks at all
    /// that are there each time, ten thousand take minutes.
    ///
    /// # Panics
    /// If the registry refuses.
    #[track_caller]
    pub fn let_in(&self, members: &[Member]) {
        let write = || {
            let mut registry = Connection::open("/var/lib/tokenvpn/registry.db")?;
            let transaction = registry.transaction()?;
            for (number, member) in members.iter().enumerate() {
                let key = member.public_key.as_bytes();
                let (name, address) = (format!("client-{number:05}"), member.address.to_string());
                // In the registry's order: not spare, no preshared key, no end, serial, added, ended.
                let (name_bytes, address_bytes) = (name.as_bytes(), address.as_bytes());
                let rest: [&[u8]; 5] = [&[], &[], &[0; 4], &[0; 8], &[0]];
                let seal = seal(
                    [&key[..], name_bytes, &[0], address_bytes]
                        .into_iter()
                        .chain(rest),
                );
                transaction.execute(
                    "INSERT INTO identity
                     (public_key, name, spare, addresses, serial, added, ended, seal)
                     VALUES (?1, ?2, 0, ?3, 0, 0, 0, ?4)",
                    (key, name, address, seal),
                )?;
            }
            transaction.commit()
        };
        self.host.within(write).expect("a registry to write to");
    }

    /// Writes down where these members were last seen, at a gateway that does not run.
    ///
    /// # Panics
    /// If the registry refuses.
    #[track_caller]
    pub fn remember(&self, members: &[Member], endpoint: SocketAddr) {
        let write = || {
            let mut registry = Connection::open("/var/lib/tokenvpn/registry.db")?;
            let transaction = registry.transaction()?;
            for member in members {
                transaction.execute(
                    "INSERT INTO last_seen (public_key, endpoint, at) VALUES (?1, ?2, 0)",
                    (member.public_key.as_bytes(), endpoint.to_string()),
                )?;
            }
            transaction.commit()
        };
        self.host.within(write).expect("a registry to write to");
    }

    /// Its status, if it runs.
    #[track_caller]
    pub fn look(&self) -> Option<Status> {
        let shown = self.command(&["status", "--json"]).finish();
        let text = Some(shown.stdout).filter(|_| shown.status.success())?;
        match serde_json::from_str(&text) {
            Ok(status) => Some(status),
            Err(error) => panic!("{error} in the gateway's status: {text}"),
        }
    }

    /// Its status.
    ///
    /// # Panics
    /// If it does not run.
    #[track_caller]
    pub fn status(&self) -> Status {
        self.look().expect("the gateway runs")
    }

    /// What its status says of an identity.
    ///
    /// # Panics
    /// If it does not run or does not know the name.
    #[track_caller]
    pub fn peer(&self, name: &str) -> Peer {
        let status = self.status();
        let known = status.peers.iter().find(|peer| peer.name == name);
        match known {
            Some(peer) => peer.clone(),
            None => panic!("the gateway does not know {name}: {status:?}"),
        }
    }
}

/// What stands in a row of the registry beside its fields: a hash of all of them, each behind its
/// length.
fn seal<'a>(fields: impl Iterator<Item = &'a [u8]>) -> [u8; 16] {
    let mut hash = Blake2s::<U16>::new();
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

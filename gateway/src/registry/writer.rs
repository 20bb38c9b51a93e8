//! The one thread that writes the registry while the gateway runs.
//!
//! Verbs are done on it, one after the other. Where identities were seen is noted without
//! waiting and written once a second, so that the packet path never meets the disk.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokenvpn_common::clock::Now;
use tokenvpn_common::device::SeenInitiations;
use tokenvpn_common::io::{clock, fault};
use tokenvpn_common::key::PublicKey;

use super::{Observed, Registry, RegistryError};

/// How long a sighting may wait to be written together with others.
const BATCH: Duration = Duration::from_secs(1);

/// How long the end waits for the disk. What was last seen may be lost.
const PATIENCE: Duration = Duration::from_secs(5);

enum Job {
    Verb(Box<dyn FnOnce(&mut Registry) + Send>),
    /// Something was noted where nothing was.
    Seen,
    Stop,
}

/// The writing thread. Dropping this writes what is noted and ends it.
pub(crate) struct Writer {
    jobs: Sender<Job>,
    noted: Noted,
    /// Says nothing, and ends with the thread.
    ended: Receiver<Infallible>,
    thread: Option<JoinHandle<()>>,
}

type Noted = Arc<Mutex<Observed>>;

/// Where workers note whom they saw where.
#[derive(Clone)]
pub(crate) struct Sightings {
    jobs: Sender<Job>,
    noted: Noted,
}

impl Writer {
    /// Gives the registry to a thread of its own, which calls `panicked` if it ends so.
    pub(crate) fn spawn(
        registry: Registry,
        panicked: impl FnOnce() + Send + 'static,
    ) -> io::Result<Writer> {
        let (jobs, received) = mpsc::channel();
        let noted = Noted::default();
        let ours = noted.clone();
        let (alive, ended) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("registry".into())
            .spawn(move || {
                let _alive = alive;
                // What a verb had begun is undone with its transaction.
                if fault::caught(move || run(registry, &received, &ours)).is_none() {
                    panicked();
                }
            })?;
        Ok(Writer {
            jobs,
            noted,
            ended,
            thread: Some(thread),
        })
    }

    /// Has a verb done after those that were ordered before, and does not wait for it;
    /// `None` if the thread has ended.
    pub(crate) fn order(&self, verb: impl FnOnce(&mut Registry) + Send + 'static) -> Option<()> {
        self.jobs.send(Job::Verb(Box::new(verb))).ok()
    }

    pub(crate) fn sightings(&self) -> Sightings {
        Sightings {
            jobs: self.jobs.clone(),
            noted: self.noted.clone(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.jobs.send(Job::Stop);
        if let Err(RecvTimeoutError::Timeout) = self.ended.recv_timeout(PATIENCE) {
            tracing::error!("the disk does not answer; what was last seen was not written");
        } else if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Sightings {
    /// Notes where an identity was seen; of several endpoints within a second only the
    /// last is kept, so this holds one entry for each identity at most.
    pub(crate) fn note(&self, key: PublicKey, endpoint: SocketAddr) {
        self.open().endpoints.insert(key, endpoint);
    }

    /// Notes which initiations of an identity were answered, all that is known of them.
    pub(crate) fn note_initiations(&self, key: PublicKey, seen: SeenInitiations) {
        self.open().initiations.insert(key, seen);
    }

    /// What is noted, to which something will be added.
    fn open(&self) -> MutexGuard<'_, Observed> {
        let noted = lock(&self.noted);
        if noted.is_empty() {
            let _ = self.jobs.send(Job::Seen);
        }
        noted
    }
}

impl Observed {
    fn is_empty(&self) -> bool {
        self.endpoints.is_empty() && self.initiations.is_empty()
    }
}

fn lock(noted: &Noted) -> MutexGuard<'_, Observed> {
    noted.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(mut registry: Registry, jobs: &Receiver<Job>, noted: &Noted) {
    let mut due: Option<Now> = None;
    let mut failing = false;
    loop {
        let wait = due.map_or(Duration::MAX, |due| due.since(clock::now()));
        match jobs.recv_timeout(wait) {
            Ok(Job::Verb(verb)) => verb(&mut registry),
            Ok(Job::Seen) => due = Some(clock::now() + BATCH),
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if due.is_some_and(|due| due <= clock::now()) {
            due = None;
            let written = write(&mut registry, noted);
            if let (Err(error), false) = (&written, failing) {
                tracing::warn!(%error, "what was last seen cannot be written");
            }
            failing = written.is_err();
        }
    }
    if let Err(error) = write(&mut registry, noted) {
        tracing::warn!(%error, "what was last seen was not written");
    }
}

fn write(registry: &mut Registry, noted: &Noted) -> Result<(), RegistryError> {
    let observed = std::mem::take(&mut *lock(noted));
    if observed.is_empty() {
        return Ok(());
    }
    registry.record_last_seen(&observed, clock::unix_time())
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::super::tests::enrolled;
    use super::*;

    #[test]
    fn a_disk_that_does_not_answer_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::create(&directory.path().join("registry.db")).unwrap();
        let writer = Writer::spawn(registry, || {}).unwrap();
        let (hang, hanging) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        let stuck = move |_: &mut Registry| {
            started.send(()).unwrap();
            let _ = hanging.recv();
        };
        writer.order(stuck).unwrap();
        starts.recv().unwrap();
        // These would wait for ever.
        writer.order(|_| {}).unwrap();
        drop(writer);
        drop(hang);
    }

    #[test]
    fn a_verb_that_panics_is_told_and_leaves_nothing_half_done() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry.db");
        let mut registry = Registry::create(&path).unwrap();
        let key = enrolled(&mut registry, "traveller");
        let (tell, told) = mpsc::channel();
        let panicked = move || tell.send(()).unwrap();
        let writer = Writer::spawn(registry, panicked).unwrap();
        let half_done = move |registry: &mut Registry| {
            let transaction = registry.begin().unwrap();
            rows::delete_identity(&transaction, &key).unwrap();
            fault::pass_on();
        };
        writer.order(half_done).unwrap();
        told.recv_timeout(Duration::from_secs(5)).unwrap();
        assert!(writer.order(|_| {}).is_none());
        writer.sightings().note(key, "192.0.2.7:1".parse().unwrap());
        drop(writer);
        let registry = Registry::open(&path).unwrap();
        assert_eq!(registry.identities().unwrap().len(), 1);
    }

    #[test]
    fn sightings_are_written_within_a_second_and_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry.db");
        let mut registry = Registry::create(&path).unwrap();
        let key = enrolled(&mut registry, "traveller");
        let writer = Writer::spawn(registry, || {}).unwrap();
        let seen = |writer: &Writer| {
            let (answer, answered) = mpsc::channel();
            let ordered = writer.order(move |registry| {
                answer.send(registry.last_seen().unwrap()).unwrap();
            });
            ordered.unwrap();
            let sightings = answered.recv().unwrap();
            sightings.get(&key).map(|seen| seen.endpoint)
        };
        let sightings = writer.sightings();
        let first: SocketAddr = "192.0.2.7:1".parse().unwrap();
        let second: SocketAddr = "[2001:db8::8]:2".parse().unwrap();
        sightings.note(key, first);
        let start = clock::now();
        while seen(&writer) != Some(first) {
            assert!(clock::now().since(start) < Duration::from_secs(5));
            thread::yield_now();
        }
        sightings.note(key, second);
        let initiations = SeenInitiations::from_bytes(&[7; 24]).unwrap();
        sightings.note_initiations(key, initiations);
        drop(writer);
        let registry = Registry::open(&path).unwrap();
        assert_eq!(registry.last_seen().unwrap()[&key].endpoint, second);
        let initiations = &registry.seen_initiations().unwrap()[&key];
        assert_eq!(initiations.to_bytes(), [7; 24]);
    }
}

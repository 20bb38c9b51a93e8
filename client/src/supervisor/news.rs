//! What takes time and runs on threads of its own, and how its outcome comes back.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use mio::Waker;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::io::card::CardError;
use tokenvpn_common::io::watcher::{Presence, Watcher};

use super::survey;
use crate::lifecycle::Found;
use crate::message::Candidate;
use crate::words::State;

/// What other threads found out.
pub(super) enum News {
    /// A card came or went.
    Presence(Presence),
    /// Which tokens there are.
    Surveyed(Result<Vec<Found>, State>),
    /// Where the gateways are.
    Resolved {
        /// For which worker's profile it was looked up.
        worker: u64,
        /// Addresses, in the order to try.
        candidates: Vec<Candidate>,
        /// Names without any.
        unresolved: Vec<String>,
    },
}

/// Starts the threads that find things out; their news wake the main thread.
#[derive(Clone)]
pub(super) struct Messenger {
    sender: Sender<News>,
    waker: Arc<Waker>,
}

impl Messenger {
    /// Its news come out of the receiver, and wake whoever waits for `waker`.
    pub(super) fn new(waker: Waker) -> (Messenger, Receiver<News>) {
        let (sender, news) = channel();
        let waker = Arc::new(waker);
        (Messenger { sender, waker }, news)
    }

    /// Watches the readers until the watcher is dropped.
    pub(super) fn watch(&self) -> Result<Watcher, CardError> {
        let messenger = self.clone();
        Watcher::start(move |presence| messenger.send(News::Presence(presence)))
    }

    /// Looks at the tokens.
    pub(super) fn survey(&self) {
        let messenger = self.clone();
        thread::spawn(move || messenger.send(News::Surveyed(survey::tokens())));
    }

    /// Looks up the names among the endpoints of a worker's profile.
    pub(super) fn resolve(&self, worker: u64, endpoints: Vec<(usize, Endpoint)>) {
        let messenger = self.clone();
        thread::spawn(move || {
            let (candidates, unresolved) = survey::candidates(&endpoints);
            messenger.send(News::Resolved {
                worker,
                candidates,
                unresolved,
            });
        });
    }

    fn send(&self, news: News) {
        // Nobody listens any more when the program ends.
        if self.sender.send(news).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

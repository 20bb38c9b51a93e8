//! What takes time and runs on threads of its own, and how its outcome comes back.

use std::panic::{UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use mio::Waker;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::io::card::CardError;
use tokenvpn_common::io::watcher::{Presence, Watcher};
use tokenvpn_common::language::say;

use super::survey;
use crate::lifecycle::Found;
use crate::message::Candidate;
use crate::net::inquiry::Inquiry;
use crate::words::State;

/// What other threads found out.
pub(super) enum News {
    /// The readers are watched from now on, or cannot be.
    Watching(Result<Watcher, CardError>),
    /// A card came or went.
    Presence(Presence),
    /// Which tokens there are.
    Surveyed {
        /// Which look at them it was.
        survey: u64,
        /// What it found.
        found: Result<Vec<Found>, State>,
    },
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
    /// Counts the looks at the tokens.
    surveys: u64,
}

impl Messenger {
    /// Its news come out of the receiver, and wake whoever waits for `waker`.
    pub(super) fn new(waker: Waker) -> (Messenger, Receiver<News>) {
        let (sender, news) = channel();
        let waker = Arc::new(waker);
        let messenger = Messenger {
            sender,
            waker,
            surveys: 0,
        };
        (messenger, news)
    }

    /// Watches the readers until the watcher that comes back is dropped. A service that
    /// hangs is waited for elsewhere.
    pub(super) fn watch(&self) {
        let messenger = self.clone();
        let sink = self.clone();
        let watch = move || Watcher::start(move |news| sink.send(News::Presence(news)));
        thread::spawn(move || {
            let lost = |what| Err(CardError::Card(what));
            messenger.send(News::Watching(caught(watch).unwrap_or_else(lost)));
        });
    }

    /// Looks at the tokens. What an earlier look has still to tell is [stale](Self::is_stale).
    pub(super) fn survey(&mut self) {
        self.look(survey::tokens);
    }

    fn look(
        &mut self,
        tokens: impl FnOnce() -> Result<Vec<Found>, State> + Send + UnwindSafe + 'static,
    ) {
        self.surveys += 1;
        let messenger = self.clone();
        thread::spawn(move || {
            let failed = |what| Err(State::CardFailed { what });
            let found = caught(tokens).unwrap_or_else(failed);
            let survey = messenger.surveys;
            messenger.send(News::Surveyed { survey, found });
        });
    }

    /// Whether a later look was begun since: whoever waits, waits for that one.
    pub(super) fn is_stale(&self, survey: u64) -> bool {
        survey != self.surveys
    }

    /// Looks up the names among the endpoints of a worker's profile.
    pub(super) fn resolve(
        &self,
        worker: u64,
        endpoints: Vec<(usize, Endpoint)>,
        inquiry: Option<Inquiry>,
    ) {
        let messenger = self.clone();
        thread::spawn(move || {
            let found = caught(move || survey::candidates(&endpoints, inquiry.as_ref()));
            let (candidates, unresolved) = found.unwrap_or_default();
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

/// What `question` finds out; a bug in it is an answer too, or somebody would wait for ever.
fn caught<T>(question: impl FnOnce() -> T + UnwindSafe) -> Result<T, String> {
    catch_unwind(question).map_err(|_| say().question_panicked())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_look_at_the_tokens_counts() {
        let poll = mio::Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (mut messenger, news) = Messenger::new(waker);
        let (resume, resumed) = channel::<()>();
        let resumed = std::panic::AssertUnwindSafe(resumed);
        messenger.look(move || {
            let _ = resumed.recv();
            Ok(Vec::new())
        });
        messenger.look(|| Ok(Vec::new()));
        let is_next_stale = || match news.recv().unwrap() {
            News::Surveyed { survey, .. } => messenger.is_stale(survey),
            _ => panic!("nothing else was asked"),
        };
        assert!(!is_next_stale());
        resume.send(()).unwrap();
        assert!(is_next_stale());
    }

    #[test]
    fn a_question_that_panics_has_an_answer() {
        assert_eq!(caught(|| 7), Ok(7));
        assert!(caught(|| -> u8 { panic!("a bug") }).is_err());
    }
}

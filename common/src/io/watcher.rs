//! Whether a token is in a reader: a thread with a PC/SC connection of its own.
//!
//! It looks at nothing but presence, so it works while a program holds the card. A reader
//! counts its insertions and removals, and every change of that count while a card is
//! in is a removal, however short it was. Any error of the watch is a removal too:
//! whoever cannot see the token has to think that it is gone.

mod readers;

use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

pub(crate) use self::readers::listed;
use self::readers::{Readers, Service, Source as _};
use crate::io::card::{CardError, service};
use crate::io::confinement::{self, ConfinementError, Kept};
use crate::language::say;

/// How often the list of readers is looked at even without news. The service reports new
/// readers by itself, but one that comes between listing and waiting can slip through.
const ROUND: Duration = Duration::from_secs(2);

/// What happened to a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There is a card, from the start or newly put in.
    Inserted {
        /// The reader's name.
        reader: String,
    },
    /// A card was pulled out, or its reader was.
    Removed {
        /// The reader's name.
        reader: String,
    },
    /// Nobody knows any more what is in which reader. Nothing comes after this.
    Lost(
        /// Why.
        CardError,
    ),
}

type Sink = Box<dyn FnMut(Presence) + Send>;

/// A running watch. It ends when dropped: nothing is reported after that.
pub struct Watcher {
    // The thread notices within a round that it is no longer wanted. It is not joined:
    // a service that hangs must not keep us from ending.
    sink: Arc<Mutex<Option<Sink>>>,
}

impl Watcher {
    /// Watches all readers, those that come later included. `sink` is called on the
    /// watch's own thread and first hears of every card that is in already.
    ///
    /// # Errors
    /// The service does not answer or does not let us in.
    pub fn start(sink: impl FnMut(Presence) + Send + 'static) -> Result<Watcher, CardError> {
        let mut service = Service::new(service()?, ROUND);
        let mut readers = Readers::default();
        let free = Manner {
            ends: Ends::WhenLost,
            confined: false,
            round: ROUND,
        };
        Ok(Watcher::spawn(sink, free, move || {
            readers.news(&mut service)
        }))
    }

    /// Watches the card that is in `reader` now, for its removal only: whatever happens to
    /// it after this call is reported, as one [`Presence::Removed`] or [`Presence::Lost`].
    /// Its thread keeps neither capabilities nor a way to files: it has its connection.
    ///
    /// # Errors
    /// There is no such reader, no card in it, or no service.
    pub fn watch_one(
        reader: &str,
        sink: impl FnMut(Presence) + Send + 'static,
    ) -> Result<Watcher, CardError> {
        let mut news = later_news(reader)?;
        let removal = Presence::Removed {
            reader: reader.to_owned(),
        };
        let guarded = Manner {
            ends: Ends::AtFirstNews,
            confined: true,
            round: ROUND,
        };
        Ok(Watcher::spawn(sink, guarded, move || {
            let mut news = news()?;
            news.retain(|presence| *presence == removal);
            Ok(news)
        }))
    }

    /// Watches like [`Watcher::watch_one`], and goes on after a removal: whatever happens
    /// in any reader after this call is reported.
    ///
    /// # Errors
    /// There is no such reader, no card in it, or no service.
    pub fn watch_on(
        reader: &str,
        sink: impl FnMut(Presence) + Send + 'static,
    ) -> Result<Watcher, CardError> {
        let news = later_news(reader)?;
        let guarded = Manner {
            ends: Ends::WhenLost,
            confined: true,
            round: ROUND,
        };
        Ok(Watcher::spawn(sink, guarded, news))
    }

    /// Starts the thread that reports what `news` finds in each round, and one that
    /// reports [`Presence::Lost`] when no round ends within the time of two: a service
    /// that hangs sees no removal.
    fn spawn(
        sink: impl FnMut(Presence) + Send + 'static,
        manner: Manner,
        mut news: impl FnMut() -> Result<Vec<Presence>, pcsc::Error> + Send + 'static,
    ) -> Watcher {
        let Manner {
            ends,
            confined,
            round,
        } = manner;
        let watcher = Watcher {
            sink: Arc::new(Mutex::new(Some(Box::new(sink)))),
        };
        let (beat, beats) = mpsc::channel();
        let doubter = watcher.sink.clone();
        let doubt = move || {
            if confined {
                // What cannot be taken from this thread is no reason to trust the watch less.
                let _ = confine();
            }
            if stops(&beats, round) {
                let hangs = CardError::Card(say().card_service_hangs());
                report(&doubter, Presence::Lost(hangs), true);
            }
        };
        let sink = watcher.sink.clone();
        let watch = move || {
            if confined && let Err(error) = confine() {
                let what = say().watch_unconfined(&error);
                report(&sink, Presence::Lost(CardError::Card(what)), true);
            }
            while is_heard(&sink) {
                // Nobody counts any more once all is lost.
                let _ = beat.send(());
                // A bug is an error of the watch like any other.
                let round = catch_unwind(AssertUnwindSafe(&mut news));
                let lost = |error| vec![Presence::Lost(error)];
                let presences = match round {
                    Ok(presences) => presences.unwrap_or_else(|error| lost(error.into())),
                    Err(_) => lost(CardError::Card(say().watch_panicked())),
                };
                for presence in presences {
                    let is_end = ends == Ends::AtFirstNews || matches!(presence, Presence::Lost(_));
                    report(&sink, presence, is_end);
                    if is_end {
                        return;
                    }
                }
            }
        };
        start("token-watch", watch);
        start("watch-watch", doubt);
        watcher
    }
}

/// News of all readers after now; a card has to be in `reader` now.
fn later_news(
    reader: &str,
) -> Result<impl FnMut() -> Result<Vec<Presence>, pcsc::Error> + Send + 'static, CardError> {
    let name = CString::new(reader).map_err(|_| CardError::NoReader)?;
    let mut service = Service::new(service()?, ROUND);
    if !service.readers()?.contains(&name) {
        return Err(CardError::NoReader);
    }
    let mut readers = Readers::default();
    readers.news(&mut service)?;
    if !readers.holds_card(&name) {
        return Err(CardError::NoToken);
    }
    Ok(move || readers.news(&mut service))
}

/// A thread that only waits on its connection needs nothing else.
fn confine() -> Result<(), ConfinementError> {
    confinement::drop_capabilities()?;
    confinement::confine_files(Kept::default())
}

fn start(name: &str, body: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .expect("invariant: a program that cannot start a thread cannot run");
}

/// Waits until the beats fail to come for two rounds; false if they end. Two waits, so
/// that a computer that stood still does not count as a watch that does.
fn stops(beats: &Receiver<()>, round: Duration) -> bool {
    let mut missed = 0;
    while missed < 2 {
        match beats.recv_timeout(round) {
            Ok(()) => missed = 0,
            Err(RecvTimeoutError::Timeout) => missed += 1,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

/// How a watch goes about it.
struct Manner {
    ends: Ends,
    /// Whether its threads give up what they do not need.
    confined: bool,
    /// How long one look may last.
    round: Duration,
}

/// When a watch is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    WhenLost,
    AtFirstNews,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn is_heard(sink: &Mutex<Option<Sink>>) -> bool {
    let sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
    sink.is_some()
}

/// Reports, for the last time if this is the end.
fn report(sink: &Mutex<Option<Sink>>, presence: Presence, is_end: bool) {
    let mut held = sink.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sink) = &mut *held {
        sink(presence);
    }
    if is_end {
        *held = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const SOON: Duration = Duration::from_secs(10);

    fn free(round: Duration) -> Manner {
        Manner {
            ends: Ends::WhenLost,
            confined: false,
            round,
        }
    }

    #[test]
    fn a_watch_that_hangs_is_lost_and_says_nothing_after() {
        let (sender, presences) = mpsc::channel();
        let (resume, resumed) = mpsc::channel::<()>();
        let sink = move |presence| sender.send(presence).unwrap();
        let watcher = Watcher::spawn(sink, free(SHORT), move || {
            let _ = resumed.recv();
            Ok(vec![Presence::Removed {
                reader: "Reader".into(),
            }])
        });
        let first = presences.recv_timeout(SOON);
        assert!(matches!(first, Ok(Presence::Lost(_))), "{first:?}");
        resume.send(()).unwrap();
        let second = presences.recv_timeout(SOON);
        assert_eq!(second, Err(RecvTimeoutError::Disconnected));
        drop(watcher);
    }

    #[test]
    fn a_watch_without_news_is_not_lost() {
        let (sender, presences) = mpsc::channel();
        let sink = move |presence| sender.send(presence).unwrap();
        let watcher = Watcher::spawn(sink, free(40 * SHORT), move || {
            thread::sleep(SHORT);
            Ok(Vec::new())
        });
        let silence = presences.recv_timeout(90 * SHORT);
        assert_eq!(silence, Err(RecvTimeoutError::Timeout));
        drop(watcher);
        let end = presences.recv_timeout(SOON);
        assert_eq!(end, Err(RecvTimeoutError::Disconnected));
    }
}

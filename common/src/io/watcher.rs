//! Whether a token is in a reader: a thread with a PC/SC connection of its own.
//!
//! It looks at nothing but presence, so it works while a program holds the card. A reader
//! counts its insertions and removals, and every change of that count while a card is
//! in is a removal, however short it was. Any error of the watch is a removal too:
//! whoever cannot see the token has to think that it is gone.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pcsc::{Context, PNP_NOTIFICATION, ReaderState, Scope, State};

use crate::io::card::CardError;
use crate::io::confinement::{self, ConfinementError, Kept};

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
        let context = Context::establish(Scope::User)?;
        let mut readers = Readers::default();
        Ok(Watcher::spawn(sink, Ends::WhenLost, ROUND, move || {
            readers.news(&context)
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
        let context = Context::establish(Scope::User)?;
        let name = CString::new(reader).map_err(|_| CardError::NoReader)?;
        let mut state = ReaderState::new(name, State::UNAWARE);
        context.get_status_change(Duration::ZERO, std::slice::from_mut(&mut state))?;
        if !Slot::of(&state).holds_card {
            return Err(CardError::NoToken);
        }
        let inserted = Slot::of(&state);
        let mut confined = false;
        Ok(Watcher::spawn(sink, Ends::AtFirstNews, ROUND, move || {
            if !confined {
                confine().map_err(|error| {
                    tracing::error!(%error, "the watch cannot be confined");
                    pcsc::Error::InternalError
                })?;
                confined = true;
            }
            state.sync_current_state();
            let is_gone = match context.get_status_change(ROUND, std::slice::from_mut(&mut state)) {
                Err(pcsc::Error::Timeout) => false,
                Err(pcsc::Error::UnknownReader | pcsc::Error::ReaderUnavailable) => true,
                news => {
                    news?;
                    inserted.changes(Slot::of(&state)).0
                }
            };
            Ok(is_gone.then(|| removed(state.name())).into_iter().collect())
        }))
    }

    /// Starts the thread that reports what `news` finds in each round, and one that
    /// reports [`Presence::Lost`] when no round ends within the time of two: a service
    /// that hangs sees no removal.
    fn spawn(
        sink: impl FnMut(Presence) + Send + 'static,
        ends: Ends,
        round: Duration,
        mut news: impl FnMut() -> Result<Vec<Presence>, pcsc::Error> + Send + 'static,
    ) -> Watcher {
        let watcher = Watcher {
            sink: Arc::new(Mutex::new(Some(Box::new(sink)))),
        };
        let (beat, beats) = mpsc::channel();
        let doubter = watcher.sink.clone();
        let doubt = move || {
            if ends == Ends::AtFirstNews {
                // What cannot be taken from this thread is no reason to trust the watch less.
                let _ = confine();
            }
            if stops(&beats, round) {
                let hangs = CardError::Card("the smart-card service does not answer".into());
                report(&doubter, Presence::Lost(hangs), true);
            }
        };
        let sink = watcher.sink.clone();
        let watch = move || {
            while is_heard(&sink) {
                // Nobody counts any more once all is lost.
                let _ = beat.send(());
                // A bug is an error of the watch like any other.
                let round = catch_unwind(AssertUnwindSafe(&mut news));
                let lost = |error| vec![Presence::Lost(error)];
                let presences = match round {
                    Ok(presences) => presences.unwrap_or_else(|error| lost(error.into())),
                    Err(_) => lost(CardError::Card("the watch panicked".into())),
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
        start("token watch", watch);
        start("watch of watch", doubt);
        watcher
    }
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

/// What a reader said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    holds_card: bool,
    /// Insertions and removals so far; 16 bits that wrap.
    events: u32,
}

impl Slot {
    fn of(state: &ReaderState) -> Slot {
        Slot {
            holds_card: state.event_state().contains(State::PRESENT),
            events: state.event_count(),
        }
    }

    /// Whether a card was removed, and whether one was inserted, on the way from `self` to `new`.
    fn changes(self, new: Slot) -> (bool, bool) {
        let is_same = self.holds_card && new.holds_card && self.events == new.events;
        (self.holds_card && !is_same, new.holds_card && !is_same)
    }
}

/// All readers that there are, and what they said last.
struct Readers {
    /// The first one stands for the list of readers itself.
    states: Vec<ReaderState>,
    slots: HashMap<CString, Slot>,
}

impl Default for Readers {
    fn default() -> Readers {
        Readers {
            states: vec![ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE)],
            slots: HashMap::new(),
        }
    }
}

impl Readers {
    /// Waits for one round of news.
    fn news(&mut self, context: &Context) -> Result<Vec<Presence>, pcsc::Error> {
        let news = self.list(context)?;
        if !news.is_empty() {
            return Ok(news);
        }
        match context.get_status_change(ROUND, &mut self.states) {
            // A reader went away since it was listed: list again.
            Err(pcsc::Error::Timeout | pcsc::Error::UnknownReader) => return Ok(Vec::new()),
            changed => changed?,
        }
        let mut news = Vec::new();
        for state in &mut self.states {
            state.sync_current_state();
            if state.name() == PNP_NOTIFICATION() {
                continue;
            }
            let new = Slot::of(state);
            let old = self.slots.insert(state.name().to_owned(), new);
            let (was_removed, was_inserted) = old.unwrap_or_default().changes(new);
            if was_removed {
                news.push(removed(state.name()));
            }
            if was_inserted {
                let reader = state.name().to_string_lossy().into_owned();
                news.push(Presence::Inserted { reader });
            }
        }
        Ok(news)
    }

    /// Brings the list up to date. A card whose reader is gone was removed with it.
    fn list(&mut self, context: &Context) -> Result<Vec<Presence>, pcsc::Error> {
        let names = match context.list_readers_owned() {
            Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
            names => names?,
        };
        let is_here = |name: &CStr| names.iter().any(|reader| **reader == *name);
        self.states
            .retain(|state| state.name() == PNP_NOTIFICATION() || is_here(state.name()));
        for name in &names {
            if !self.states.iter().any(|state| state.name() == &**name) {
                let state = ReaderState::new(name.clone(), State::UNAWARE);
                self.states.push(state);
            }
        }
        let gone = self.slots.extract_if(|name, _| !is_here(name));
        let news = gone.filter(|(_, slot)| slot.holds_card);
        Ok(news.map(|(name, _)| removed(&name)).collect())
    }
}

fn removed(reader: &CStr) -> Presence {
    Presence::Removed {
        reader: reader.to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(holds_card: bool, events: u32) -> Slot {
        Slot { holds_card, events }
    }

    const SHORT: Duration = Duration::from_millis(50);
    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn a_watch_that_hangs_is_lost_and_says_nothing_after() {
        let (sender, presences) = mpsc::channel();
        let (resume, resumed) = mpsc::channel::<()>();
        let sink = move |presence| sender.send(presence).unwrap();
        let watcher = Watcher::spawn(sink, Ends::WhenLost, SHORT, move || {
            let _ = resumed.recv();
            Ok(vec![removed(c"Reader")])
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
        let watcher = Watcher::spawn(sink, Ends::WhenLost, 4 * SHORT, move || {
            thread::sleep(SHORT);
            Ok(Vec::new())
        });
        let silence = presences.recv_timeout(12 * SHORT);
        assert_eq!(silence, Err(RecvTimeoutError::Timeout));
        drop(watcher);
        let end = presences.recv_timeout(SOON);
        assert_eq!(end, Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_card_that_was_out_for_a_moment_was_removed() {
        assert_eq!(slot(true, 1).changes(slot(true, 3)), (true, true));
        assert_eq!(slot(true, 0xffff).changes(slot(true, 1)), (true, true));
    }

    #[test]
    fn a_card_that_others_use_stays() {
        assert_eq!(slot(true, 1).changes(slot(true, 1)), (false, false));
    }

    #[test]
    fn insertion_and_removal_are_told_apart() {
        assert_eq!(slot(false, 0).changes(slot(true, 1)), (false, true));
        assert_eq!(slot(true, 1).changes(slot(false, 2)), (true, false));
        assert_eq!(slot(false, 2).changes(slot(false, 4)), (false, false));
        assert_eq!(Slot::default().changes(slot(true, 7)), (false, true));
    }
}

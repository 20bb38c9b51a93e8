//! Whether a token is in a reader: a thread with a PC/SC connection of its own.
//!
//! It looks at nothing but presence, so it works while a program holds the card. A reader
//! counts its insertions and removals, and every change of that count while a card is
//! in is a removal, however short it was. Any error of the watch is a removal too:
//! whoever cannot see the token has to think that it is gone.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pcsc::{Context, PNP_NOTIFICATION, ReaderState, Scope, State};

use crate::io::card::CardError;

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
        let watcher = Watcher::new(sink);
        let watch = watcher.sink.clone();
        spawn(move || watch_all(&context, &watch));
        Ok(watcher)
    }

    /// Watches the card that is in `reader` now, for its removal only: whatever happens to
    /// it after this call is reported, as one [`Presence::Removed`] or [`Presence::Lost`].
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
        let watcher = Watcher::new(sink);
        let watch = watcher.sink.clone();
        spawn(move || watch_card(&context, state, &watch));
        Ok(watcher)
    }

    fn new(sink: impl FnMut(Presence) + Send + 'static) -> Watcher {
        Watcher {
            sink: Arc::new(Mutex::new(Some(Box::new(sink)))),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        *self.sink.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn spawn(watch: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .name("token watch".into())
        .spawn(watch)
        .expect("invariant: a program that cannot start a thread cannot run");
}

/// Reports, unless nobody listens any more.
fn report(sink: &Mutex<Option<Sink>>, presence: Presence) -> bool {
    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *sink {
        Some(sink) => {
            sink(presence);
            true
        }
        None => false,
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

fn watch_card(context: &Context, mut state: ReaderState, sink: &Mutex<Option<Sink>>) {
    let first = Slot::of(&state);
    let reader = state.name().to_string_lossy().into_owned();
    loop {
        state.sync_current_state();
        let end = match context.get_status_change(ROUND, std::slice::from_mut(&mut state)) {
            Err(pcsc::Error::UnknownReader | pcsc::Error::ReaderUnavailable) => {
                Some(Presence::Removed {
                    reader: reader.clone(),
                })
            }
            Err(pcsc::Error::Timeout) => None,
            Err(error) => Some(Presence::Lost(error.into())),
            Ok(()) => first
                .changes(Slot::of(&state))
                .0
                .then(|| Presence::Removed {
                    reader: reader.clone(),
                }),
        };
        if let Some(end) = end {
            report(sink, end);
            return;
        }
        if sink.lock().is_ok_and(|sink| sink.is_none()) {
            return;
        }
    }
}

fn watch_all(context: &Context, sink: &Mutex<Option<Sink>>) {
    let mut states = vec![ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE)];
    let mut slots = HashMap::new();
    loop {
        let round = look(context, &mut states, &mut slots);
        let news = round.unwrap_or_else(|error| vec![Presence::Lost(error.into())]);
        for presence in news {
            let is_end = matches!(presence, Presence::Lost(_));
            if !report(sink, presence) || is_end {
                return;
            }
        }
        if sink.lock().is_ok_and(|sink| sink.is_none()) {
            return;
        }
    }
}

/// Waits for one round of news from all readers that there are.
fn look(
    context: &Context,
    states: &mut Vec<ReaderState>,
    slots: &mut HashMap<CString, Slot>,
) -> Result<Vec<Presence>, pcsc::Error> {
    let mut news = Vec::new();
    let readers = match context.list_readers_owned() {
        Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
        readers => readers?,
    };
    let is_here = |name: &CStr| readers.iter().any(|reader| **reader == *name);
    states.retain(|state| state.name() == PNP_NOTIFICATION() || is_here(state.name()));
    for reader in &readers {
        if !states.iter().any(|state| state.name() == &**reader) {
            states.push(ReaderState::new(reader.clone(), State::UNAWARE));
        }
    }
    slots.retain(|name, slot| {
        let stays = is_here(name);
        if slot.holds_card && !stays {
            news.push(removed(name));
        }
        stays
    });
    if !news.is_empty() {
        return Ok(news);
    }
    match context.get_status_change(ROUND, states) {
        // A reader went away since it was listed: list again.
        Err(pcsc::Error::Timeout | pcsc::Error::UnknownReader) => return Ok(news),
        changed => changed?,
    }
    for state in states {
        state.sync_current_state();
        if state.name() == PNP_NOTIFICATION() {
            continue;
        }
        let new = Slot::of(state);
        let old = slots
            .insert(state.name().to_owned(), new)
            .unwrap_or_default();
        let (was_removed, was_inserted) = old.changes(new);
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

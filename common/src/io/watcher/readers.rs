//! From what readers say to cards that come and go.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::time::Duration;

use pcsc::{Context, PNP_NOTIFICATION, ReaderState, State};

use super::Presence;

/// How often a list of readers is made again that others came to meanwhile.
const SECOND_LOOKS: u32 = 3;

/// Who knows the readers: the smart-card service, or a test.
pub(super) trait Source {
    /// The readers that there are.
    fn readers(&mut self) -> Result<Vec<CString>, pcsc::Error>;

    /// What these readers say as soon as one of them says something new, or a new one
    /// comes; nothing if none does for a while.
    fn changes(&mut self, readers: &[CString]) -> Result<Vec<(CString, Slot)>, pcsc::Error>;
}

/// What a reader says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) holds_card: bool,
    /// Insertions and removals so far; 16 bits that wrap.
    pub(super) events: u32,
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
#[derive(Debug, Default)]
pub(super) struct Readers {
    slots: HashMap<CString, Slot>,
}

impl Readers {
    /// Waits for news, for one round of the source at most.
    ///
    /// # Errors
    /// The source fails.
    pub(super) fn news(&mut self, source: &mut impl Source) -> Result<Vec<Presence>, pcsc::Error> {
        let names = source.readers()?;
        // A card whose reader is gone was removed with it: a USB token is both.
        let gone = self.slots.extract_if(|name, _| !names.contains(name));
        let gone = gone.filter(|(_, slot)| slot.holds_card);
        let mut news: Vec<_> = gone.map(|(name, _)| removed(&name)).collect();
        if !news.is_empty() {
            return Ok(news);
        }
        let changes = match source.changes(&names) {
            // A reader went away since it was listed, and may be back under its name with
            // its count begun anew: nobody knows which of these cards was out.
            Err(pcsc::Error::UnknownReader | pcsc::Error::ReaderUnavailable) => {
                let listed = self.slots.drain().filter(|(_, slot)| slot.holds_card);
                return Ok(listed.map(|(name, _)| removed(&name)).collect());
            }
            changes => changes?,
        };
        for (name, new) in changes {
            let old = self.slots.insert(name.clone(), new);
            let (was_removed, was_inserted) = old.unwrap_or_default().changes(new);
            if was_removed {
                news.push(removed(&name));
            }
            if was_inserted {
                let reader = name.to_string_lossy().into_owned();
                news.push(Presence::Inserted { reader });
            }
        }
        Ok(news)
    }

    /// Whether there was a card in this reader at the last news.
    pub(super) fn holds_card(&self, reader: &CStr) -> bool {
        self.slots.get(reader).is_some_and(|slot| slot.holds_card)
    }
}

fn removed(reader: &CStr) -> Presence {
    Presence::Removed {
        reader: reader.to_string_lossy().into_owned(),
    }
}

/// The names of all readers, from who lists them: again if the list grew while it was made.
///
/// # Errors
/// What the service says.
pub(crate) fn listed(
    mut list: impl FnMut() -> Result<Vec<CString>, pcsc::Error>,
) -> Result<Vec<CString>, pcsc::Error> {
    let mut looks = 0..SECOND_LOOKS;
    loop {
        match list() {
            Err(pcsc::Error::NoReadersAvailable) => return Ok(Vec::new()),
            Err(pcsc::Error::InsufficientBuffer) if looks.next().is_some() => {}
            names => return names,
        }
    }
}

/// The smart-card service.
pub(super) struct Service {
    context: Context,
    round: Duration,
    /// What it was told that we know. The first one stands for the list of readers itself.
    states: Vec<ReaderState>,
}

impl Service {
    /// Asks over this connection; waits for `round` at most.
    pub(super) fn new(context: Context, round: Duration) -> Service {
        Service {
            context,
            round,
            states: vec![ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE)],
        }
    }
}

impl Source for Service {
    fn readers(&mut self) -> Result<Vec<CString>, pcsc::Error> {
        listed(|| self.context.list_readers_owned())
    }

    fn changes(&mut self, readers: &[CString]) -> Result<Vec<(CString, Slot)>, pcsc::Error> {
        let is_here = |name: &CStr| readers.iter().any(|reader| **reader == *name);
        self.states
            .retain(|state| state.name() == PNP_NOTIFICATION() || is_here(state.name()));
        for name in readers {
            if !self.states.iter().any(|state| state.name() == &**name) {
                let state = ReaderState::new(name.clone(), State::UNAWARE);
                self.states.push(state);
            }
        }
        match self.context.get_status_change(self.round, &mut self.states) {
            Err(pcsc::Error::Timeout) => return Ok(Vec::new()),
            Err(error) => {
                // What is there after this is new to us.
                self.states.truncate(1);
                return Err(error);
            }
            Ok(()) => {}
        }
        let mut slots = Vec::new();
        for state in &mut self.states {
            state.sync_current_state();
            if state.name() != PNP_NOTIFICATION() {
                slots.push((state.name().to_owned(), Slot::of(state)));
            }
        }
        Ok(slots)
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

    /// A desk on which tokens that are their own readers come and go between two looks.
    #[derive(Default)]
    struct Plugs {
        readers: Vec<(CString, Slot)>,
        /// Who vanishes after the list was made and before it is asked.
        vanishing: Option<CString>,
        /// Whether it comes back under its name at once.
        returning: bool,
        fails: bool,
    }

    impl Plugs {
        fn plug(&mut self, name: &CStr) {
            self.readers.push((name.to_owned(), slot(true, 1)));
        }

        fn pull(&mut self, name: &CStr) {
            self.readers.retain(|(reader, _)| **reader != *name);
        }
    }

    impl Source for Plugs {
        fn readers(&mut self) -> Result<Vec<CString>, pcsc::Error> {
            if self.fails {
                return Err(pcsc::Error::NoService);
            }
            Ok(self.readers.iter().map(|(name, _)| name.clone()).collect())
        }

        fn changes(&mut self, _: &[CString]) -> Result<Vec<(CString, Slot)>, pcsc::Error> {
            if let Some(name) = self.vanishing.take() {
                if !self.returning {
                    self.pull(&name);
                }
                return Err(pcsc::Error::UnknownReader);
            }
            Ok(self.readers.clone())
        }
    }

    fn inserted(reader: &CStr) -> Presence {
        Presence::Inserted {
            reader: reader.to_string_lossy().into_owned(),
        }
    }

    const ONE: &CStr = c"Yubico YubiKey CCID 00 00";
    const OTHER: &CStr = c"Nitrokey 3 CCID/ICCD 01 00";

    #[test]
    fn a_token_that_takes_its_reader_along_was_removed() {
        let (mut plugs, mut readers) = (Plugs::default(), Readers::default());
        assert_eq!(readers.news(&mut plugs), Ok(vec![]));
        plugs.plug(ONE);
        plugs.plug(OTHER);
        let news = readers.news(&mut plugs);
        assert_eq!(news, Ok(vec![inserted(ONE), inserted(OTHER)]));
        assert_eq!(readers.news(&mut plugs), Ok(vec![]));
        plugs.pull(ONE);
        assert_eq!(readers.news(&mut plugs), Ok(vec![removed(ONE)]));
        assert!(!readers.holds_card(ONE) && readers.holds_card(OTHER));
        // Back under its old name, its count of events begins anew.
        plugs.plug(ONE);
        assert_eq!(readers.news(&mut plugs), Ok(vec![inserted(ONE)]));
    }

    #[test]
    fn a_reader_that_vanishes_while_it_is_asked_took_its_card_along() {
        let (mut plugs, mut readers) = (Plugs::default(), Readers::default());
        plugs.plug(ONE);
        readers.news(&mut plugs).unwrap();
        plugs.vanishing = Some(ONE.to_owned());
        assert_eq!(readers.news(&mut plugs), Ok(vec![removed(ONE)]));
        assert_eq!(readers.news(&mut plugs), Ok(vec![]));
    }

    #[test]
    fn a_reader_that_comes_back_at_once_with_the_same_count_was_gone() {
        let (mut plugs, mut readers) = (Plugs::default(), Readers::default());
        plugs.plug(ONE);
        readers.news(&mut plugs).unwrap();
        plugs.vanishing = Some(ONE.to_owned());
        plugs.returning = true;
        assert_eq!(readers.news(&mut plugs), Ok(vec![removed(ONE)]));
        assert_eq!(readers.news(&mut plugs), Ok(vec![inserted(ONE)]));
    }

    #[test]
    fn a_list_that_grows_while_it_is_made_is_made_again() {
        let mut answers = vec![
            Ok(vec![ONE.to_owned()]),
            Err(pcsc::Error::InsufficientBuffer),
        ];
        let names = listed(|| answers.pop().unwrap());
        assert_eq!(names, Ok(vec![ONE.to_owned()]));
        let never = listed(|| Err(pcsc::Error::InsufficientBuffer));
        assert_eq!(never, Err(pcsc::Error::InsufficientBuffer));
        assert_eq!(listed(|| Err(pcsc::Error::NoReadersAvailable)), Ok(vec![]));
    }

    #[test]
    fn an_empty_reader_that_vanishes_takes_no_card_along() {
        let (mut plugs, mut readers) = (Plugs::default(), Readers::default());
        plugs.readers.push((ONE.to_owned(), slot(false, 0)));
        assert_eq!(readers.news(&mut plugs), Ok(vec![]));
        plugs.pull(ONE);
        assert_eq!(readers.news(&mut plugs), Ok(vec![]));
    }

    #[test]
    fn a_source_that_fails_is_an_error_and_not_an_empty_desk() {
        let (mut plugs, mut readers) = (Plugs::default(), Readers::default());
        plugs.plug(ONE);
        readers.news(&mut plugs).unwrap();
        plugs.fails = true;
        assert_eq!(readers.news(&mut plugs), Err(pcsc::Error::NoService));
    }
}

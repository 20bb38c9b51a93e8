//! Speaking first: a device that starts says so to every peer it remembers.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Now;
use crate::guard::{GREETING_PACE, RETRY};
use crate::peers::PeerId;

/// Whom to greet, and when.
///
/// Otherwise a peer would notice a restart late: when it next sends and is not answered,
/// or after three minutes or never.
pub(crate) struct Greetings {
    fresh: VecDeque<PeerId>,
    /// Those greeted already, with the time of their next turn, earliest first.
    again: VecDeque<(Now, PeerId)>,
    /// Wait between any two.
    pace: Duration,
    /// Before this, nobody is greeted.
    earliest: Now,
}

impl Greetings {
    /// Of one among so many workers, which together keep [`GREETING_PACE`].
    pub(crate) fn new(workers: u8, now: Now) -> Greetings {
        Greetings {
            pace: GREETING_PACE * u32::from(workers),
            fresh: VecDeque::new(),
            again: VecDeque::new(),
            earliest: now,
        }
    }

    /// Puts a peer at the end of the queue.
    pub(crate) fn add(&mut self, id: PeerId) {
        self.fresh.push_back(id);
    }

    /// The peer whose turn it is. Second and third tries go first, so that few peers
    /// hold handshake state at a time.
    pub(crate) fn next(&mut self, now: Now) -> Option<PeerId> {
        if now < self.earliest {
            return None;
        }
        match self.again.pop_front_if(|(at, _)| *at <= now) {
            Some((_, id)) => Some(id),
            None => self.fresh.pop_front(),
        }
    }

    /// A greeting was sent to this peer; it has another turn.
    pub(crate) fn sent(&mut self, now: Now, id: PeerId) {
        self.earliest = now + self.pace;
        self.again.push_back((now + RETRY, id));
    }

    /// When [`Greetings::next`] may next have an answer.
    pub(crate) fn due(&self) -> Option<Now> {
        if !self.fresh.is_empty() {
            return Some(self.earliest);
        }
        let (at, _) = self.again.front()?;
        Some((*at).max(self.earliest))
    }
}

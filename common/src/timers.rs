//! Which peer is due next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::Now;
use crate::peers::PeerId;

/// Peers by the time they asked for.
///
/// Nothing is ever taken out of the middle: a peer remembers the one time that counts,
/// and an entry with another time is passed over when its turn comes.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Now, PeerId)>>,
}

impl Timers {
    pub(crate) fn push(&mut self, at: Now, id: PeerId) {
        self.heap.push(Reverse((at, id)));
    }

    /// Takes the earliest entry if it is due.
    pub(crate) fn pop(&mut self, now: Now) -> Option<(Now, PeerId)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    pub(crate) fn next(&self) -> Option<Now> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

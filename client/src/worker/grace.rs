//! Waiting, with all keys, for a token that was pulled out and may come back.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};

/// What the watch of the token and the packet loop tell each other.
pub(super) struct Grace {
    /// For how long the token may be out.
    pub(super) time: Duration,
    /// Whether there is a tunnel that could wait.
    is_carrying: AtomicBool,
    place: Mutex<Place>,
    alarm: EventFd,
}

/// Where the token is, or was.
struct Place {
    reader: String,
    /// Whether it was pulled out of there since the packet loop asked last.
    pulled: bool,
    /// The readers that the watch saw a card leave, and none come.
    empty: HashSet<String>,
}

impl Grace {
    /// For a token in this reader.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(time: Duration, reader: &str) -> io::Result<Grace> {
        Ok(Grace {
            time,
            is_carrying: AtomicBool::new(false),
            place: Mutex::new(Place {
                reader: reader.to_owned(),
                pulled: false,
                empty: HashSet::new(),
            }),
            alarm: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
        })
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tunnel begins.
    pub(super) fn begin(&self) {
        self.is_carrying.store(true, Ordering::SeqCst);
    }

    /// A card was pulled out of this reader; false if it is the token and there is no packet
    /// loop to stand still for it.
    pub(super) fn removed(&self, reader: &str) -> bool {
        let mut place = self.place();
        place.empty.insert(reader.to_owned());
        if place.reader != reader {
            return true;
        }
        place.pulled = true;
        self.is_carrying.load(Ordering::SeqCst) && self.alarm.write(1).is_ok()
    }

    /// A card was put into this reader.
    pub(super) fn inserted(&self, reader: &str) {
        let mut place = self.place();
        place.empty.remove(reader);
        if place.reader == reader {
            // The packet loop may wait for just this. It looks by itself at the end, too.
            let _ = self.alarm.write(1);
        }
    }

    /// The token is in this reader now.
    pub(super) fn moved_to(&self, reader: String) {
        self.place().reader = reader;
    }

    /// Whether the watch saw no card in the token's reader since one was pulled out of it.
    pub(super) fn is_out(&self) -> bool {
        let place = self.place();
        place.empty.contains(&place.reader)
    }

    /// Whether the token was pulled out since this was asked last, however short.
    pub(super) fn take_pulled(&self) -> bool {
        let mut place = self.place();
        // Nothing to read means that it was heard before.
        let _ = self.alarm.read();
        std::mem::take(&mut place.pulled)
    }
}

/// Readable after news of the token's reader.
impl AsFd for Grace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.alarm.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carrying() -> Grace {
        let grace = Grace::new(Duration::from_secs(10), "A").unwrap();
        grace.begin();
        grace
    }

    #[test]
    fn before_the_tunnel_nothing_waits_for_the_token() {
        let grace = Grace::new(Duration::from_secs(10), "A").unwrap();
        assert!(grace.removed("B") && !grace.removed("A"));
    }

    #[test]
    fn a_pull_however_short_is_told_once() {
        let grace = carrying();
        assert!(!grace.take_pulled());
        assert!(grace.removed("A") && grace.is_out());
        grace.inserted("A");
        assert!(grace.take_pulled() && !grace.is_out());
        assert!(!grace.take_pulled());
    }

    #[test]
    fn a_token_that_was_pulled_again_before_it_was_said_to_be_back_is_out() {
        let grace = carrying();
        grace.removed("A");
        assert!(grace.take_pulled());
        grace.inserted("B");
        grace.removed("B");
        grace.moved_to("B".into());
        assert!(grace.is_out());
        grace.inserted("B");
        assert!(!grace.is_out());
    }

    #[test]
    fn a_pull_just_after_it_was_said_to_be_back_is_not_lost() {
        let grace = carrying();
        grace.removed("A");
        assert!(grace.take_pulled());
        grace.inserted("B");
        grace.moved_to("B".into());
        grace.removed("B");
        assert!(grace.take_pulled() && grace.is_out());
    }
}

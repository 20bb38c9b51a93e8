//! Waiting, with all keys, for a token that was pulled out and may come back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};

/// What the watch of the token and the packet loop tell each other.
pub(super) struct Grace {
    /// For how long the token may be out.
    pub(super) time: Duration,
    /// Whether there is a tunnel that could wait.
    is_carrying: AtomicBool,
    /// Where the token is.
    reader: Mutex<String>,
    alarm: EventFd,
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
            reader: Mutex::new(reader.to_owned()),
            alarm: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
        })
    }

    /// The tunnel begins.
    pub(super) fn begin(&self) {
        self.is_carrying.store(true, Ordering::SeqCst);
    }

    /// Whether it is this reader that holds the token.
    pub(super) fn is_in(&self, reader: &str) -> bool {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) == reader
    }

    /// The token is in this reader now.
    pub(super) fn moved_to(&self, reader: String) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = reader;
    }

    /// The token is out: gives whether the packet loop knows, and stands still.
    pub(super) fn alert(&self) -> bool {
        self.is_carrying.load(Ordering::SeqCst) && self.alarm.write(1).is_ok()
    }

    /// The alert was heard.
    pub(super) fn heard(&self) {
        // Nothing to read means that it was heard before.
        let _ = self.alarm.read();
    }
}

/// Readable after an alert.
impl AsFd for Grace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.alarm.as_fd()
    }
}

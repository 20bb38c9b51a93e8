//! A timer for a mio loop, on the clock that also runs while the computer sleeps.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokenvpn_common::clock::Now;

/// One deadline; its descriptor becomes readable when that has come.
pub(crate) struct Alarm {
    timer: TimerFd,
    /// What it is set to, so that the same deadline costs no second system call.
    due: Option<Now>,
}

impl Alarm {
    /// One that is not set.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn new() -> io::Result<Alarm> {
        let timer = TimerFd::new(
            ClockId::CLOCK_BOOTTIME,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        Ok(Alarm { timer, due: None })
    }

    /// Sets it, or takes it back.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn set(&mut self, due: Option<Now>) -> io::Result<()> {
        if self.due == due {
            return Ok(());
        }
        match due {
            Some(at) => {
                // Zero would disarm it.
                let at = Duration::from_nanos(at.as_nanos().max(1));
                let at = Expiration::OneShot(TimeSpec::from(at));
                self.timer.set(at, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            }
            None => self.timer.unset()?,
        }
        self.due = due;
        Ok(())
    }

    /// It has rung: the same deadline would have to be set anew.
    pub(crate) fn rang(&mut self) {
        self.due = None;
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use mio::unix::SourceFd;
    use mio::{Events, Interest, Poll, Token};
    use tokenvpn_common::io::clock;

    use super::*;

    #[test]
    fn it_rings_each_time_it_is_set_and_not_when_taken_back() {
        let mut alarm = Alarm::new().unwrap();
        let mut poll = Poll::new().unwrap();
        let fd = alarm.as_fd().as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), Token(0), Interest::READABLE)
            .unwrap();
        let mut events = Events::with_capacity(1);
        let mut rings = |within: u64| {
            poll.poll(&mut events, Some(Duration::from_millis(within)))
                .unwrap();
            !events.is_empty()
        };
        let past = Now::from_nanos(0);
        for _ in 0..2 {
            alarm.set(Some(past)).unwrap();
            assert!(rings(5000));
            alarm.rang();
        }
        alarm
            .set(Some(clock::now() + Duration::from_millis(50)))
            .unwrap();
        alarm.set(None).unwrap();
        assert!(!rings(100));
    }
}

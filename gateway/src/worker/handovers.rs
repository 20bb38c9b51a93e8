//! What one worker received for another, on its way there.
//!
//! What waits is bounded in bytes: a worker that cannot keep up drops what is new, as any
//! full queue does, before what it has to send is too old to be of use.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use mio::Waker;
use tokenvpn_common::device::Handover;

/// Most bytes that may wait for one worker.
const MAX_WAITING: usize = 1 << 20;

/// Bytes taken in one round, or a little more.
const ROUND: usize = 256 << 10;

/// What each costs beyond the bytes that it carries, at most.
const OVERHEAD: usize = 128;

/// Makes a queue to the worker that `waker` wakes.
pub(super) fn queue(waker: Arc<Waker>) -> (Outbound, Inbound) {
    let (sender, receiver) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let outbound = Outbound {
        sender,
        waiting: waiting.clone(),
        waker: waker.clone(),
    };
    let inbound = Inbound {
        receiver,
        waiting,
        waker,
    };
    (outbound, inbound)
}

/// The end where the others stand.
#[derive(Clone)]
pub(super) struct Outbound {
    sender: Sender<Handover>,
    waiting: Arc<AtomicUsize>,
    waker: Arc<Waker>,
}

impl Outbound {
    /// Sends it, or drops it if too much waits. The other worker is woken if nothing did.
    pub(super) fn send(&self, handover: Handover) {
        let cost = cost(&handover);
        let with_it = |waiting: usize| Some(waiting + cost).filter(|bytes| *bytes <= MAX_WAITING);
        let order = (Ordering::AcqRel, Ordering::Acquire);
        let Ok(before) = self.waiting.fetch_update(order.0, order.1, with_it) else {
            return;
        };
        // Nobody takes it from a worker that has ended, which ends all.
        let _ = self.sender.send(handover);
        if before == 0 {
            let _ = self.waker.wake();
        }
    }
}

/// The end where the worker stands.
pub(super) struct Inbound {
    receiver: Receiver<Handover>,
    waiting: Arc<AtomicUsize>,
    waker: Arc<Waker>,
}

impl Inbound {
    /// What waits, or the first part of it if it is much: then the worker is woken for the
    /// rest.
    pub(super) fn round(&self) -> Round<'_> {
        Round {
            inbound: self,
            bytes: 0,
        }
    }
}

/// Gives what waits, oldest first.
pub(super) struct Round<'a> {
    inbound: &'a Inbound,
    bytes: usize,
}

impl Iterator for Round<'_> {
    type Item = Handover;

    fn next(&mut self) -> Option<Handover> {
        let inbound = self.inbound;
        if self.bytes < ROUND
            && let Ok(handover) = inbound.receiver.try_recv()
        {
            let cost = cost(&handover);
            inbound.waiting.fetch_sub(cost, Ordering::AcqRel);
            self.bytes += cost;
            return Some(handover);
        }
        // There is more, or it is about to be: whoever sends it found the queue in use.
        if inbound.waiting.load(Ordering::Acquire) > 0 {
            let _ = inbound.waker.wake();
        }
        None
    }
}

/// The bytes that a handover takes in the queue.
fn cost(handover: &Handover) -> usize {
    let bytes = match handover {
        Handover::Initiation { datagram, .. } => datagram.len(),
        Handover::Datagrams { run, .. } => run.len(),
        Handover::Packets { bytes, .. } => bytes.len(),
    };
    bytes + OVERHEAD
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};
    use tokenvpn_common::run::Ecn;

    use super::*;

    fn run_of(len: usize) -> Handover {
        Handover::Datagrams {
            source: "192.0.2.1:1".parse().unwrap(),
            local: None,
            ecn: Ecn::NONE,
            run: vec![0; len],
            stride: 1400,
        }
    }

    /// A queue, and what its worker sleeps on.
    fn place() -> (Poll, Outbound, Inbound) {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        let (outbound, inbound) = queue(Arc::new(waker));
        (poll, outbound, inbound)
    }

    fn is_woken(poll: &mut Poll) -> bool {
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_taken_in_rounds() {
        for len in [100, 64_000] {
            let (mut poll, outbound, inbound) = place();
            let fitting = MAX_WAITING / (len + OVERHEAD);
            for _ in 0..fitting + 100 {
                outbound.send(run_of(len));
            }
            let mut taken = 0;
            while is_woken(&mut poll) {
                let round = inbound.round().count();
                let bytes = round * (len + OVERHEAD);
                assert!(bytes < ROUND + len + OVERHEAD, "{bytes} in one round");
                taken += round;
            }
            assert_eq!(taken, fitting, "of {len} bytes each");
            outbound.send(run_of(len));
            assert_eq!(inbound.round().count(), 1, "there is room again");
        }
    }

    #[test]
    fn a_worker_is_woken_once_for_all_that_waits() {
        let (mut poll, outbound, inbound) = place();
        assert!(!is_woken(&mut poll));
        outbound.send(run_of(100));
        assert!(is_woken(&mut poll));
        outbound.clone().send(run_of(100));
        assert!(!is_woken(&mut poll), "it was told already");
        assert_eq!(inbound.round().count(), 2);
        assert!(!is_woken(&mut poll), "there is nothing more");
        outbound.send(run_of(100));
        assert!(is_woken(&mut poll));
    }

    #[test]
    fn nothing_is_left_behind_whoever_sends_meanwhile() {
        const EACH: usize = 20_000;
        let (mut poll, outbound, inbound) = place();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let outbound = outbound.clone();
                scope.spawn(move || {
                    for _ in 0..EACH {
                        // So that none is dropped.
                        while outbound.waiting.load(Ordering::Acquire) > MAX_WAITING / 2 {
                            std::thread::yield_now();
                        }
                        outbound.send(run_of(1));
                    }
                });
            }
            let mut events = Events::with_capacity(4);
            let mut taken = 0;
            while taken < 2 * EACH {
                let patience = Some(Duration::from_secs(10));
                poll.poll(&mut events, patience).unwrap();
                assert!(!events.is_empty(), "{taken} came, and nobody woke it");
                taken += inbound.round().count();
            }
        });
    }
}

//! Which of the gateways' addresses is tried, and what is said about it.

use std::time::Duration;

use tokenvpn_common::clock::Now;

/// How long an address has to answer: WireGuard's own pause between two initiations
/// (Rekey-Timeout, WireGuard paper §6.1).
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Try this candidate; `announce` only in the first round.
    Try {
        /// Its place in the list.
        candidate: usize,
        /// Whether to tell the user.
        announce: bool,
    },
    /// Tell the user that a whole round was in vain.
    Unreachable,
}

/// Goes round a list of candidates until one answers.
#[derive(Debug)]
pub(crate) struct Attempts {
    count: usize,
    current: usize,
    /// Candidates tried since the last answer, the current one included.
    tried: usize,
    /// When the current one has had its time; `None` while connected.
    until: Option<Now>,
}

impl Attempts {
    /// Begins with the first of `count` candidates.
    ///
    /// # Panics
    /// If there are none.
    pub(crate) fn new(count: usize, now: Now) -> (Attempts, Step) {
        assert!(count > 0, "invariant: there is a candidate to try");
        let mut attempts = Attempts {
            count,
            current: 0,
            tried: 0,
            until: None,
        };
        let first = attempts.attempt(0, now);
        (attempts, first)
    }

    /// The candidate that is tried, or that answered.
    pub(crate) fn current(&self) -> usize {
        self.current
    }

    /// Whether one has answered.
    pub(crate) fn is_connected(&self) -> bool {
        self.until.is_none()
    }

    /// When [`Attempts::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Now> {
        self.until
    }

    /// The time of the current candidate may be over.
    pub(crate) fn handle_timeout(&mut self, now: Now) -> Vec<Step> {
        if self.until.is_none_or(|until| until > now) {
            return Vec::new();
        }
        let mut steps = Vec::new();
        if self.tried == self.count {
            steps.push(Step::Unreachable);
        }
        steps.push(self.attempt((self.current + 1) % self.count, now));
        steps
    }

    /// `candidate` answered.
    pub(crate) fn connected(&mut self, candidate: usize) {
        self.current = candidate;
        self.tried = 0;
        self.until = None;
    }

    /// The session is lost: tries the one that answered last, then the others.
    pub(crate) fn lost(&mut self, now: Now) -> Step {
        self.tried = 0;
        self.attempt(self.current, now)
    }

    fn attempt(&mut self, candidate: usize, now: Now) -> Step {
        self.current = candidate;
        self.tried = self.tried.saturating_add(1);
        self.until = Some(now + PATIENCE);
        Step::Try {
            candidate,
            announce: self.tried <= self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now::from_nanos(seconds * 1_000_000_000)
    }

    fn try_of(candidate: usize, announce: bool) -> Step {
        Step::Try {
            candidate,
            announce,
        }
    }

    #[test]
    fn each_candidate_has_five_seconds_and_a_round_in_vain_is_told_once() {
        let (mut attempts, first) = Attempts::new(2, at(0));
        assert_eq!(first, try_of(0, true));
        assert_eq!(attempts.handle_timeout(at(4)), []);
        assert_eq!(attempts.handle_timeout(at(5)), [try_of(1, true)]);
        assert_eq!(
            attempts.handle_timeout(at(10)),
            [Step::Unreachable, try_of(0, false)]
        );
        assert_eq!(attempts.handle_timeout(at(15)), [try_of(1, false)]);
        assert_eq!(attempts.handle_timeout(at(20)), [try_of(0, false)]);
    }

    #[test]
    fn an_answer_ends_the_trying_and_a_loss_begins_it_where_it_was() {
        let (mut attempts, _) = Attempts::new(3, at(0));
        attempts.handle_timeout(at(5));
        attempts.connected(1);
        assert!(attempts.is_connected());
        assert_eq!(attempts.poll_timeout(), None);
        assert_eq!(attempts.handle_timeout(at(500)), []);
        assert_eq!(attempts.lost(at(600)), try_of(1, true));
        assert_eq!(attempts.handle_timeout(at(605)), [try_of(2, true)]);
        assert_eq!(attempts.handle_timeout(at(610)), [try_of(0, true)]);
        assert_eq!(
            attempts.handle_timeout(at(615)),
            [Step::Unreachable, try_of(1, false)]
        );
    }

    #[test]
    fn the_only_candidate_is_tried_again_and_again() {
        let (mut attempts, _) = Attempts::new(1, at(0));
        assert_eq!(
            attempts.handle_timeout(at(5)),
            [Step::Unreachable, try_of(0, false)]
        );
        assert_eq!(attempts.handle_timeout(at(10)), [try_of(0, false)]);
    }
}

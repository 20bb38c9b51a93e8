//! Which of the gateways' addresses is tried, and what is said about it.

use std::time::Duration;

use tokenvpn_common::clock::Now;
use tokenvpn_common::guard;

/// How much before the device asks an address again the next one has its turn, so that
/// never both are asked.
const AHEAD: Duration = Duration::from_millis(10);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask this candidate now; `announce` only in the first round. That it is asked
    /// again if it is the only one, is the device's doing.
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
    /// Since when there was no answer.
    since: Now,
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
            since: now,
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
        let next = self.attempt((self.current + 1) % self.count, now);
        if self.count > 1 {
            steps.push(next);
        }
        steps
    }

    /// The device will ask the current candidate again at `retry`, which is after its
    /// usual wait and a random one. The current candidate has nearly as long.
    pub(crate) fn handle_retry(&mut self, retry: Now) {
        if let Some(until) = self.until {
            let jitter = retry.since(until).saturating_sub(AHEAD);
            let most = Duration::from_millis(guard::RETRY_JITTER_MILLIS.into());
            self.until = Some(until + jitter.min(most));
        }
    }

    /// `candidate` answered.
    pub(crate) fn connected(&mut self, candidate: usize) {
        self.current = candidate;
        self.tried = 0;
        self.until = None;
    }

    /// The session is lost, or the network another: tries the one that answered last, then the others.
    pub(crate) fn lost(&mut self, now: Now) -> Step {
        self.tried = 0;
        self.since = now;
        self.attempt(self.current, now)
    }

    fn attempt(&mut self, candidate: usize, now: Now) -> Step {
        self.current = candidate;
        self.tried = self.tried.saturating_add(1);
        self.until = Some(now + guard::retry_wait(self.since, now));
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
    fn the_only_candidate_is_left_to_the_device_to_ask_again() {
        let (mut attempts, first) = Attempts::new(1, at(0));
        assert_eq!(first, try_of(0, true));
        assert_eq!(attempts.handle_timeout(at(5)), [Step::Unreachable]);
        assert_eq!(attempts.handle_timeout(at(10)), []);
        assert!(!attempts.is_connected());
    }

    #[test]
    fn after_ten_minutes_without_an_answer_each_has_thirty_seconds() {
        let (mut attempts, _) = Attempts::new(2, at(0));
        let mut tries = vec![0];
        for now in 1..700 {
            if !attempts.handle_timeout(at(now)).is_empty() {
                tries.push(now);
            }
        }
        let expected = (0..=120).map(|count| count * 5).chain([630, 660, 690]);
        assert_eq!(tries, expected.collect::<Vec<_>>());
        attempts.lost(at(700));
        assert_eq!(attempts.poll_timeout(), Some(at(705)), "it begins anew");
    }

    #[test]
    fn the_next_one_s_turn_comes_just_before_the_device_asks_again() {
        let millis = |millis: u64| Now::from_nanos(millis * 1_000_000);
        for (retry, turn) in [
            (5_000, 5_000),
            (5_004, 5_000),
            (5_333, 5_323),
            (9_000, 5_333),
        ] {
            let (mut attempts, _) = Attempts::new(2, at(0));
            attempts.handle_retry(millis(retry));
            assert_eq!(attempts.poll_timeout(), Some(millis(turn)), "{retry}");
        }
    }
}

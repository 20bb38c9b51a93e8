//! Which of the gateways' addresses is tried, and what is said about it.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokenvpn_common::clock::Now;
use tokenvpn_common::guard;

/// How much before the device asks an address again the next one has its turn, so that
/// never both are asked.
const AHEAD: Duration = Duration::from_millis(10);

/// How often it is looked whether the gateway answers, and what is due meanwhile.
const LOOK: Duration = Duration::from_millis(500);

/// How much later than the one before each candidate is asked, beyond a round trip, while none
/// answers; as happy eyeballs do (RFC 8305 §5). The current one is the first: it is asked by the
/// device, in doubt whether it is there ([`guard::DOUBT`]).
///
/// A download goes on when its server, which doubles its wait each time (RFC 6298 §5.5), sends once
/// more what was lost. Linux's does so in vain where the last acknowledgements were lost as well: it
/// takes them for late ones, all else for on its way (RFC 5682 §3), and waits as long again. To go
/// on within 8 s all the same the living candidate has to be found before the server sends 3 s after
/// the cut: it is, if it is near and behind two that are dead.
const STAGGER: Duration = Duration::from_millis(250);

/// The most of that: longer than the way over a satellite takes.
const MOST_STAGGER: Duration = Duration::from_secs(1);

/// How often it is tried whether a better candidate answers again.
const RETURN: Duration = Duration::from_secs(20);

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
    /// The one that answered last does so no more: addresses may have changed.
    Silent,
    /// Ask this candidate too, while the session goes on where it is.
    Probe {
        /// Its place in the list.
        candidate: usize,
    },
    /// Ask none but the current one any more.
    Withdraw,
}

/// Goes round a list of candidates until one answers, and sees to it that it does so still.
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
    /// Whether there could be another one than the current, if only after a look-up.
    has_choice: bool,
    care: Care,
}

/// What is known of the gateway while connected.
#[derive(Clone, Copy, Debug)]
struct Care {
    look_at: Now,
    silence: Option<Silence>,
    /// When a better candidate has its turn, and which.
    return_at: Now,
    better: usize,
    /// When the one that was asked too has had its time.
    withdraw_at: Option<Now>,
    /// How much later than the one before each is asked while none answers.
    stagger: Duration,
}

/// The gateway does not answer, and others are asked.
#[derive(Clone, Copy, Debug)]
struct Silence {
    asked: usize,
    /// When the next one is.
    next_at: Now,
}

impl Care {
    fn from(now: Now, round_trip: Option<Duration>) -> Care {
        Care {
            look_at: now + LOOK,
            silence: None,
            return_at: now + RETURN,
            better: 0,
            withdraw_at: None,
            stagger: (STAGGER + round_trip.unwrap_or_default()).min(MOST_STAGGER),
        }
    }
}

impl Attempts {
    /// Begins with the first of `count` candidates; `named` if one was found by its name,
    /// which can lead elsewhere later.
    ///
    /// # Panics
    /// If there are none.
    pub(crate) fn new(count: usize, named: bool, now: Now) -> (Attempts, Step) {
        assert!(count > 0, "invariant: there is a candidate to try");
        let mut attempts = Attempts {
            count,
            current: 0,
            tried: 0,
            since: now,
            until: None,
            has_choice: named || count > 1,
            care: Care::from(now, None),
        };
        let first = attempts.attempt(0, now);
        (attempts, first)
    }

    /// There are `count` candidates now, the known ones first.
    pub(crate) fn grow(&mut self, count: usize) {
        self.count = self.count.max(count);
        self.has_choice |= self.count > 1;
        if let Some(silence) = &mut self.care.silence {
            silence.next_at = self.care.look_at;
        }
    }

    /// The candidate that is tried, or that answered.
    pub(crate) fn current(&self) -> usize {
        self.current
    }

    /// Whether one has answered.
    pub(crate) fn is_connected(&self) -> bool {
        self.until.is_none()
    }

    /// From when on the current one is silent, for all that is known `now`: it leaves packets
    /// without an answer, and an initiation as well. `unheard` and `asked` are when the first of
    /// either was sent.
    pub(crate) fn silent_from(
        &self,
        now: Now,
        unheard: Option<Now>,
        asked: Option<Now>,
    ) -> Option<Now> {
        let doubted = unheard? + guard::DOUBT;
        let stagger = self.care.stagger;
        Some(match asked {
            Some(asked) => doubted.max(asked + stagger),
            // It is about to be.
            None => (doubted + stagger).max(now + LOOK),
        })
    }

    /// When [`Attempts::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Now> {
        // The only one there is, is left to the device.
        self.until
            .or_else(|| self.has_choice.then_some(self.care.look_at))
    }

    /// The time of the current candidate may be over; or, while connected, it may be silent.
    pub(crate) fn handle_timeout(&mut self, now: Now, silent_from: Option<Now>) -> Vec<Step> {
        let Some(until) = self.until else {
            return self.look(now, silent_from);
        };
        if until > now {
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

    fn look(&mut self, now: Now, silent_from: Option<Now>) -> Vec<Step> {
        let Attempts {
            count,
            current,
            has_choice,
            ref mut care,
            ..
        } = *self;
        if !has_choice || care.look_at > now {
            return Vec::new();
        }
        care.look_at = now + LOOK;
        if let Some(at) = silent_from.filter(|at| *at > now) {
            care.look_at = care.look_at.min(at);
        } else if silent_from.is_some() {
            let mut steps = Vec::new();
            if care.silence.is_none() {
                care.withdraw_at = None;
                steps.extend([Step::Withdraw, Step::Silent]);
            }
            let silence = care.silence.get_or_insert(Silence {
                asked: 0,
                next_at: now,
            });
            if silence.next_at <= now {
                if let Some(others) = NonZeroUsize::new(count - 1) {
                    let candidate = (current + 1 + silence.asked % others) % count;
                    steps.push(Step::Probe { candidate });
                }
                silence.asked += 1;
                let patience = match silence.asked + 1 < count {
                    true => care.stagger,
                    false => guard::RETRY,
                };
                silence.next_at = now + patience;
            }
            care.look_at = care.look_at.min(silence.next_at);
            return steps;
        }
        if care.silence.take().is_some() {
            return vec![Step::Withdraw];
        }
        if care.withdraw_at.is_some_and(|at| at <= now) {
            care.withdraw_at = None;
            return vec![Step::Withdraw];
        }
        if current > 0 && care.return_at <= now {
            let candidate = care.better % current;
            care.better = candidate + 1;
            care.return_at = now + RETURN;
            care.withdraw_at = Some(now + guard::RETRY);
            return vec![Step::Probe { candidate }];
        }
        Vec::new()
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

    /// `candidate` answered, after so long if that is known.
    pub(crate) fn connected(&mut self, now: Now, candidate: usize, round_trip: Option<Duration>) {
        self.current = candidate;
        self.tried = 0;
        self.until = None;
        self.care = Care::from(now, round_trip);
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
        let (mut attempts, first) = Attempts::new(2, false, at(0));
        assert_eq!(first, try_of(0, true));
        assert_eq!(attempts.handle_timeout(at(4), None), []);
        assert_eq!(attempts.handle_timeout(at(5), None), [try_of(1, true)]);
        assert_eq!(
            attempts.handle_timeout(at(10), None),
            [Step::Unreachable, try_of(0, false)]
        );
        assert_eq!(attempts.handle_timeout(at(15), None), [try_of(1, false)]);
        assert_eq!(attempts.handle_timeout(at(20), None), [try_of(0, false)]);
    }

    #[test]
    fn an_answer_ends_the_trying_and_a_loss_begins_it_where_it_was() {
        let (mut attempts, _) = Attempts::new(3, false, at(0));
        attempts.handle_timeout(at(5), None);
        attempts.connected(at(6), 1, None);
        assert!(attempts.is_connected());
        assert_eq!(attempts.handle_timeout(at(20), None), []);
        assert_eq!(attempts.lost(at(600)), try_of(1, true));
        assert_eq!(attempts.handle_timeout(at(605), None), [try_of(2, true)]);
        assert_eq!(attempts.handle_timeout(at(610), None), [try_of(0, true)]);
        assert_eq!(
            attempts.handle_timeout(at(615), None),
            [Step::Unreachable, try_of(1, false)]
        );
    }

    #[test]
    fn the_only_candidate_is_left_to_the_device_to_ask_again() {
        let (mut attempts, first) = Attempts::new(1, false, at(0));
        assert_eq!(first, try_of(0, true));
        assert_eq!(attempts.handle_timeout(at(5), None), [Step::Unreachable]);
        assert_eq!(attempts.handle_timeout(at(10), None), []);
        assert!(!attempts.is_connected());
    }

    #[test]
    fn after_ten_minutes_without_an_answer_each_has_thirty_seconds() {
        let (mut attempts, _) = Attempts::new(2, false, at(0));
        let mut tries = vec![0];
        for now in 1..700 {
            if !attempts.handle_timeout(at(now), None).is_empty() {
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
            let (mut attempts, _) = Attempts::new(2, false, at(0));
            attempts.handle_retry(millis(retry));
            assert_eq!(attempts.poll_timeout(), Some(millis(turn)), "{retry}");
        }
    }

    fn millis(millis: u64) -> Now {
        Now::from_nanos(millis * 1_000_000)
    }

    /// What is done from one time to another, looked at as often as is wanted.
    fn course(
        attempts: &mut Attempts,
        from: u64,
        to: u64,
        is_silent: impl Fn(u64) -> bool,
    ) -> Vec<(u64, Step)> {
        let mut steps = Vec::new();
        for now in (from..to).step_by(50) {
            if attempts.poll_timeout().is_some_and(|at| at <= millis(now)) {
                let done =
                    attempts.handle_timeout(millis(now), is_silent(now).then(|| millis(now)));
                steps.extend(done.into_iter().map(|step| (now, step)));
            }
        }
        steps
    }

    #[test]
    fn the_others_are_asked_one_by_one_while_one_is_silent() {
        let (mut attempts, _) = Attempts::new(3, false, at(0));
        attempts.connected(at(0), 1, None);
        let done = course(&mut attempts, 0, 23_000, |now| {
            (13_000..22_500).contains(&now)
        });
        let probe = |candidate| Step::Probe { candidate };
        assert_eq!(
            done,
            [
                (13_000, Step::Withdraw),
                (13_000, Step::Silent),
                (13_000, probe(2)),
                (13_250, probe(0)),
                (18_250, probe(2)),
                (22_750, Step::Withdraw),
            ]
        );
    }

    #[test]
    fn from_far_away_each_has_the_time_to_answer_before_the_next_is_asked() {
        for (round_trip, second) in [(300, 550), (5_000, 1_000)] {
            let (mut attempts, _) = Attempts::new(4, false, at(0));
            let round_trip = Duration::from_millis(round_trip);
            attempts.connected(at(0), 0, Some(round_trip));
            let mut asked = Vec::new();
            for now in (0..3_000).step_by(50) {
                let steps = attempts.handle_timeout(millis(now), Some(millis(500)));
                let probes = steps
                    .iter()
                    .filter(|step| matches!(step, Step::Probe { .. }));
                asked.extend(probes.map(|_| now));
            }
            assert_eq!(asked, [500, 500 + second, 500 + 2 * second]);
        }
    }

    #[test]
    fn a_gateway_is_silent_if_it_answers_neither_packets_nor_initiations() {
        let (mut attempts, _) = Attempts::new(2, false, at(0));
        attempts.connected(at(0), 0, Some(Duration::from_millis(150)));
        let silent = |now: u64, unheard: Option<u64>, asked: Option<u64>| {
            attempts.silent_from(millis(now), unheard.map(millis), asked.map(millis))
        };
        let from = |unheard, asked| silent(9_000, Some(unheard), Some(asked));
        assert_eq!(from(8_000, 9_600), Some(millis(10_000)));
        assert_eq!(from(8_001, 9_600), Some(millis(10_001)), "packets for 2 s");
        assert_eq!(
            from(8_000, 9_601),
            Some(millis(10_001)),
            "an initiation for a round trip and a bit"
        );
        assert_eq!(silent(8_500, Some(8_000), None), Some(millis(10_400)));
        assert_eq!(
            silent(30_000, Some(8_000), None),
            Some(millis(30_500)),
            "packets that want no answer"
        );
        assert_eq!(
            silent(9_000, None, Some(5_000)),
            None,
            "a session that is renewed"
        );
    }

    #[test]
    fn whoever_is_silent_is_found_out_in_that_moment() {
        let (mut attempts, _) = Attempts::new(2, false, at(0));
        attempts.connected(at(0), 0, None);
        let silent_from = Some(millis(810));
        assert_eq!(attempts.handle_timeout(millis(500), silent_from), []);
        assert_eq!(attempts.poll_timeout(), silent_from);
        let steps = attempts.handle_timeout(millis(810), silent_from);
        assert!(steps.contains(&Step::Probe { candidate: 1 }), "{steps:?}");
    }

    #[test]
    fn the_better_ones_are_asked_again_and_again_while_the_session_goes_on() {
        let (mut attempts, _) = Attempts::new(3, false, at(0));
        attempts.connected(at(0), 2, None);
        let done = course(&mut attempts, 0, 79_000, |_| false);
        assert_eq!(
            done,
            [
                (20_000, Step::Probe { candidate: 0 }),
                (25_000, Step::Withdraw),
                (40_000, Step::Probe { candidate: 1 }),
                (45_000, Step::Withdraw),
                (60_000, Step::Probe { candidate: 0 }),
                (65_000, Step::Withdraw),
            ]
        );
        attempts.connected(at(100), 0, None);
        assert_eq!(course(&mut attempts, 100_000, 200_000, |_| false), []);
    }

    #[test]
    fn the_only_candidate_is_never_doubted() {
        let (mut attempts, _) = Attempts::new(1, false, at(0));
        attempts.connected(at(0), 0, None);
        assert_eq!(attempts.poll_timeout(), None);
        assert_eq!(attempts.handle_timeout(at(60), Some(at(60))), []);
        attempts.grow(2);
        assert!(attempts.poll_timeout().is_some());
    }

    #[test]
    fn the_only_one_is_doubted_if_its_name_could_lead_elsewhere() {
        let (mut attempts, _) = Attempts::new(1, true, at(0));
        attempts.connected(at(0), 0, None);
        let done = course(&mut attempts, 0, 5_000, |_| true);
        let steps: Vec<_> = done.into_iter().map(|(_, step)| step).collect();
        assert_eq!(steps, [Step::Withdraw, Step::Silent]);
        attempts.grow(2);
        let done = course(&mut attempts, 5_000, 11_000, |_| true);
        assert_eq!(done[0].1, Step::Probe { candidate: 1 });
    }
}

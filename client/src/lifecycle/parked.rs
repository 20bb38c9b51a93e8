//! A token that cannot be used as it is: what is waited for until it can.

use std::time::Duration;

use tokenvpn_common::clock::{Now, UnixTime};
use tokenvpn_common::token::Content;

use super::{Action, Found, Lifecycle, Phase};
use crate::words::State;

/// How often a busy token is asked again.
pub(super) const BUSY_RETRY: Duration = Duration::from_secs(3);

/// How often to see whether somebody has changed a token that could not be used, elsewhere.
/// Nobody else can use it meanwhile, so not more often than a person would wait for.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// By how much the wall clock has to go another way than time does to have been set.
const CLOCK_STEP: Duration = Duration::from_secs(60);

impl Lifecycle {
    /// Something is wrong, and no worker is left.
    pub(super) fn problem(&mut self, now: Now, state: State) {
        let code = state
            .exit_code()
            .expect("invariant: only states with an exit code are problems");
        let can_wait = state.is_about_the_token() && !self.unattended();
        let is_busy = matches!(state, State::TokenBusy { .. });
        // Who holds it is a guess at what runs, and changes with that.
        let is_news = match (&self.shown, &state) {
            (State::TokenBusy { reader: before, .. }, State::TokenBusy { reader, .. }) => {
                before != reader
            }
            (before, now) => before != now,
        };
        if is_news {
            self.say(state);
        }
        if !can_wait {
            return self.exit(code);
        }
        // What holds it lets go of it by itself.
        if is_news && !is_busy {
            let unlabelled = self.shown.is_about_what_it_holds() && self.has_no_label();
            self.say(State::WaitingChange { unlabelled });
        }
        self.park(now);
    }

    /// Waits for a change of what was told last.
    pub(super) fn park(&mut self, now: Now) {
        let since = match self.phase {
            Phase::Parked { since, .. } => since,
            _ => now,
        };
        let look = match &self.shown {
            State::TokenBusy { .. } | State::WaitingToken { .. } => Some(now + BUSY_RETRY),
            state => state.can_be_mended_elsewhere().then(|| now + LOOK),
        };
        self.phase = Phase::Parked {
            since,
            look,
            looking: false,
        };
    }

    /// It is time to see whether there was a change that no reader announces.
    pub(super) fn look_at_parked(&mut self, now: Now, wall: UnixTime) {
        let Phase::Parked { since, look, .. } = &mut self.phase else {
            return;
        };
        let has_come = match &self.shown {
            State::TokenBusy { .. } | State::WaitingToken { .. } => true,
            State::Expired { not_after, .. } => wall <= *not_after,
            State::NotYetValid { not_before, .. } => *not_before <= wall,
            State::Clock { now: told, .. } => {
                let expected = told.0.saturating_add(now.since(*since).as_secs());
                wall.0.abs_diff(expected) >= CLOCK_STEP.as_secs()
            }
            _ => false,
        };
        if has_come {
            return self.survey();
        }
        match &self.shown {
            // Nothing that could be done to the token helps.
            State::Clock { issued: None, .. } => *look = Some(now + LOOK),
            _ => {
                self.phase = Phase::Parked {
                    since: *since,
                    look: None,
                    looking: true,
                };
                self.actions.push_back(Action::Survey);
            }
        }
    }

    /// What is in the readers while something is wrong with it: as long as that is what it
    /// was, nobody is asked or told anything again.
    pub(super) fn seen_while_parked(&mut self, now: Now, found: Result<Vec<Found>, State>) {
        match found {
            Err(state) => self.unserved(now, state),
            Ok(found) if self.is_as_before(&found) => self.park(now),
            Ok(found) => self.choose(now, found),
        }
    }

    /// Whether a token is written to without any change that can be seen without its PIN: one
    /// that has no label gets none by a renewal either.
    fn has_no_label(&self) -> bool {
        let labels = self
            .seen
            .iter()
            .filter_map(|found| found.token.as_ref().ok());
        let mut labels = labels.map(|facts| &facts.label);
        labels.any(|label| matches!(label, Content::Empty | Content::Foreign))
    }

    fn is_as_before(&self, found: &[Found]) -> bool {
        let found: Vec<_> = found.iter().filter(|found| self.concerns(found)).collect();
        let is_same = |(before, now): (&Found, &&Found)| {
            before.reader == now.reader
                && match (&before.token, &now.token) {
                    // Perhaps by whoever is mending it.
                    (_, Err(State::TokenBusy { .. })) => true,
                    (Ok(before), Ok(now)) => {
                        let is_unblocked = self.shown == State::PinBlocked && now.tries_left > 0;
                        before.ident == now.ident && before.label == now.label && !is_unblocked
                    }
                    (before, now) => before == now,
                }
        };
        self.seen.len() == found.len() && self.seen.iter().zip(&found).all(is_same)
    }
}

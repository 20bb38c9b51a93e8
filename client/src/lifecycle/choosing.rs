//! Which of the tokens in the readers is used.

use tokenvpn_common::clock::Now;

use super::{Action, Found, Held, Lifecycle, Meanwhile, Phase};
use crate::words::{Choice, State};

impl Lifecycle {
    /// There is no smart-card service, or it does not let us in.
    pub(super) fn unserved(&mut self, now: Now, state: State) {
        match (&state, self.watch_until) {
            // The watch will say it too, but perhaps later.
            (State::NoService, None) if self.served => self.watch_lost(now),
            (State::NoService, Some(until)) if now < until => {
                // Whoever waits for a token would do so in vain.
                if self.shown != State::WaitingService {
                    self.say(State::WaitingService);
                }
                self.go_blind(now);
            }
            _ => self.problem(now, state),
        }
    }

    pub(super) fn surveyed(&mut self, now: Now, found: Result<Vec<Found>, State>) {
        if self.frozen.is_some() {
            return self.seen_while_frozen(now, found);
        }
        let (inserted, removed) = match &self.phase {
            Phase::Surveying { inserted, removed } => (inserted, removed),
            Phase::Parked { looking: true, .. } => return self.seen_while_parked(now, found),
            _ => return,
        };
        match found {
            Err(state) => self.unserved(now, state),
            Ok(found) => {
                self.served = true;
                self.watch_until = None;
                let is_found = |reader: &String| found.iter().any(|found| found.reader == *reader);
                if *removed || !inserted.iter().all(is_found) {
                    self.survey();
                } else {
                    self.choose(now, found);
                }
            }
        }
    }

    /// Whether this can be the token that was asked for. That may be one that another program
    /// holds and that was not seen before, but a card that is no token of ours is not.
    pub(super) fn concerns(&self, found: &Found) -> bool {
        let known = self.idents.get(&found.reader);
        match (&found.token, self.options.token) {
            (_, None) => true,
            (Ok(facts), Some(wanted)) => facts.ident == wanted,
            (Err(state), Some(wanted)) => is_busy(state) && known.is_none_or(|it| *it == wanted),
        }
    }

    /// Says which token another program holds, as far as that is known.
    pub(super) fn name_what_is_held(&self, state: &mut State) {
        if let State::TokenBusy {
            reader,
            token,
            wanted,
            ..
        } = state
        {
            *token = self.idents.get(reader).copied();
            *wanted = self.options.token.filter(|_| token.is_none());
        }
    }

    pub(super) fn choose(&mut self, now: Now, mut found: Vec<Found>) {
        for Found { reader, token } in &mut found {
            match token {
                Ok(facts) => {
                    self.idents.insert(reader.clone(), facts.ident);
                }
                Err(state) => self.name_what_is_held(state),
            }
        }
        found.retain(|found| self.concerns(found));
        self.seen.clone_from(&found);
        let (mut usable, mut problems) = (Vec::new(), Vec::new());
        for Found { reader, token } in found {
            match token {
                Ok(facts) => usable.push((reader, Choice::from(&facts))),
                Err(state) => problems.push(state),
            }
        }
        problems.sort_by_key(|state| !is_busy(state));

        if usable.len() > 1 {
            let tokens = usable.into_iter().map(|(_, choice)| choice).collect();
            return self.problem(now, State::PickToken { tokens });
        }
        if let Some((reader, Choice { token, .. })) = usable.pop() {
            self.wait_until = None;
            self.actions.push_back(Action::Start {
                reader: reader.clone(),
                token,
            });
            self.phase = Phase::Unlocking(Held { reader, token }, Meanwhile::default());
        } else if let Some(state) = problems.into_iter().next() {
            self.problem(now, state);
        } else {
            self.wait(now);
        }
    }
}

fn is_busy(state: &State) -> bool {
    matches!(state, State::TokenBusy { .. })
}

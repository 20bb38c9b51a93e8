//! What the removal of the token means, by the user's choice.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use tokenvpn_common::clock::Now;
use tokenvpn_common::language::say;

use super::{Action, After, Found, Lifecycle, Phase, Witness};
use crate::message::Order;
use crate::words::State;

/// The longest time for which a tunnel waits for its token with its keys in memory.
const MAX_GRACE: u64 = 60;

/// What happens when the token goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum OnRemoval {
    /// Keys and tunnel go at once.
    #[default]
    Immediate,
    /// The tunnel stands still for this long, and goes on if the same token comes back.
    Grace(Duration),
    /// Keys and tunnel go at once, and the profile's networks lead nowhere until the same
    /// token's tunnel is up again, or the end.
    Hold,
}

impl FromStr for OnRemoval {
    type Err = String;

    fn from_str(text: &str) -> Result<OnRemoval, String> {
        match text {
            "immediate" => return Ok(OnRemoval::Immediate),
            "hold" => return Ok(OnRemoval::Hold),
            _ => {}
        }
        let Some(seconds) = text.strip_prefix("grace:") else {
            return Err(say().bad_policy());
        };
        match seconds.parse() {
            Ok(seconds @ 1..=MAX_GRACE) => Ok(OnRemoval::Grace(Duration::from_secs(seconds))),
            _ => Err(say().bad_grace(&MAX_GRACE)),
        }
    }
}

impl TryFrom<String> for OnRemoval {
    type Error = String;

    fn try_from(text: String) -> Result<OnRemoval, String> {
        text.parse()
    }
}

/// A tunnel that stands still while its token is out.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) until: Now,
    pub(super) state: State,
    /// Whether the tokens are being looked at, and something has changed since.
    looking: bool,
    changed: bool,
}

impl Lifecycle {
    /// The token in use is out of its reader.
    pub(super) fn removed(&mut self, now: Now) {
        match self.options.on_removal {
            OnRemoval::Grace(time) if matches!(self.phase, Phase::Carrying(..)) => {
                self.freeze(now, time);
            }
            _ => self.gone(now, Witness::Watch),
        }
    }

    /// The token in use is gone for good, or cannot be seen.
    pub(super) fn gone(&mut self, now: Now, witness: Witness) {
        let Some(token) = self.token() else {
            return;
        };
        let tunnel = self.has_tunnel();
        self.clear(After::Removal {
            since: now,
            token,
            tunnel,
            witness,
        });
    }

    /// The same by the worker's word, which may be the first.
    pub(super) fn said_to_be_gone(&mut self, now: Now) {
        let witness = match self.frozen {
            Some(_) => Witness::Watch,
            None => Witness::Worker,
        };
        self.gone(now, witness);
    }

    /// A card was pulled out of some reader, perhaps after it was looked at there.
    pub(super) fn doubt_what_is_looked_at(&mut self) {
        if let Some(frozen) = &mut self.frozen {
            frozen.changed |= frozen.looking;
        }
    }

    fn freeze(&mut self, now: Now, time: Duration) {
        if self.frozen.is_some() {
            // Back and out again. That gives it no more time.
            return;
        }
        let seconds = time.as_secs();
        let state = State::TokenGrace { seconds };
        self.actions.push_back(Action::Order(Order::Freeze));
        self.actions.push_back(Action::Say(state.clone()));
        self.frozen = Some(Frozen {
            until: now + time,
            state,
            looking: false,
            changed: false,
        });
    }

    /// A card came: whether it is the one that the tunnel waits for, its number says.
    pub(super) fn look_who_came(&mut self) {
        if let Some(frozen) = &mut self.frozen {
            match frozen.looking {
                true => frozen.changed = true,
                false => {
                    frozen.looking = true;
                    self.actions.push_back(Action::Survey);
                }
            }
        }
    }

    /// What is in the readers while the tunnel stands still.
    pub(super) fn seen_while_frozen(&mut self, now: Now, found: Result<Vec<Found>, State>) {
        let (Some(frozen), Phase::Carrying(held, ..)) = (&mut self.frozen, &mut self.phase) else {
            return;
        };
        if frozen.until <= now {
            // The answer was ready before a sleep, perhaps.
            return self.gone(now, Witness::Watch);
        }
        frozen.looking = false;
        // What cannot be looked at now is looked at when the next card comes, if ever.
        let found = found.unwrap_or_default();
        let is_busy = |found: &Found| matches!(found.token, Err(State::TokenBusy { .. }));
        if std::mem::take(&mut frozen.changed) || found.iter().any(is_busy) {
            return self.look_who_came();
        }
        let is_it = |found: &&Found| matches!(&found.token, Ok(facts) if facts.ident == held.token);
        if let Some(back) = found.iter().find(is_it) {
            held.reader.clone_from(&back.reader);
            let reader = back.reader.clone();
            self.frozen = None;
            self.actions
                .push_back(Action::Order(Order::Thaw { reader }));
            let connected = matches!(self.shown, State::Up(_));
            self.actions
                .push_back(Action::Say(State::TokenBack { connected }));
        }
    }
}

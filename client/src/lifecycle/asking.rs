//! Who is asked for the PIN, and how often.

use tokenvpn_common::token::Ident;

use super::{Action, After, Lifecycle};
use crate::message::{Order, PinNeeded, Refusal, Unable};
use crate::pin::Source;
use crate::words::State;

/// Where a person can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Askable {
    /// On our own terminal.
    pub(crate) terminal: bool,
    /// By pinentry, on a display or on somebody's terminal.
    pub(crate) pinentry: bool,
    /// By whoever answers systemd's questions.
    pub(crate) agent: bool,
}

impl Askable {
    /// The best source, a keypad before all others, after one that is unable to ask.
    fn source(self, pinpad: bool, unable: Option<&Unable>) -> Option<Source> {
        let sources = [
            (pinpad, Source::Pinpad),
            (self.terminal, Source::Terminal),
            (self.pinentry, Source::Pinentry),
            (self.agent, Source::Agent),
        ];
        let can_ask = |source| unable.is_none_or(|unable| unable.source < source);
        let mut sources = sources.into_iter();
        sources
            .find(|(is_there, source)| *is_there && can_ask(*source))
            .map(|(_, source)| source)
    }

    /// What to say before somebody is asked for this token's PIN, and where to ask.
    ///
    /// # Errors
    /// Why nobody is asked.
    pub(crate) fn question(
        self,
        token: Ident,
        needed: PinNeeded,
    ) -> Result<(Vec<State>, Source), State> {
        let PinNeeded {
            tries_left,
            refused,
            pinpad,
            unable,
        } = needed;
        if tries_left == 0 {
            return Err(State::PinBlocked);
        }
        // Nobody can type YES on a keypad.
        let is_last = tries_left == 1;
        let Some(source) = self.source(pinpad && !is_last, unable.as_ref()) else {
            return Err(match (unable, pinpad) {
                (Some(unable), _) => unable.failure.into(),
                (None, true) => State::PinUntried { tries_left },
                (None, false) => State::PinMissing,
            });
        };
        let failed = unable.filter(|unable| !unable.told);
        let failed = failed.map(|unable| State::PinSourceFailed {
            source: unable.source,
            reason: unable.failure.what,
        });
        let refused = refused.map(|refusal| refused_state(refusal, tries_left, true));
        let pin = State::Pin {
            token,
            tries_left,
            source,
        };
        let last = is_last.then_some(State::PinLast);
        let said = [failed, refused, Some(pin), last].into_iter().flatten();
        Ok((said.collect(), source))
    }
}

fn refused_state(refusal: Refusal, tries_left: u8, asked_again: bool) -> State {
    match refusal {
        Refusal::Wrong => State::PinWrong {
            tries_left,
            asked_again,
        },
        Refusal::TooLong { max } => State::PinTooLong { max, asked_again },
        Refusal::Length => State::PinLength { asked_again },
    }
}

impl Lifecycle {
    pub(super) fn pin_needed(&mut self, token: Ident, needed: PinNeeded) {
        // Whoever mistyped is there to be asked again.
        if let Some(refusal) = needed.refused
            && needed.tries_left > 0
            && self.options.once
        {
            let state = refused_state(refusal, needed.tries_left, false);
            return self.clear(After::Problem(state));
        }
        match self.options.askable.question(token, needed) {
            Ok((said, source)) => {
                for state in said {
                    self.say(state);
                }
                self.actions
                    .push_back(Action::Order(Order::AskPin { source }));
            }
            Err(state) => self.clear(After::Problem(state)),
        }
    }
}

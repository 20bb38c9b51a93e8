//! Who is asked for the PIN, and how often.

use tokenvpn_common::token::Ident;

use super::{Action, After, Lifecycle};
use crate::message::Order;
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
    /// The best source; a keypad comes before all others.
    fn source(self, pinpad: bool) -> Option<Source> {
        let sources = [
            (pinpad, Source::Pinpad),
            (self.terminal, Source::Terminal),
            (self.pinentry, Source::Pinentry),
            (self.agent, Source::Agent),
        ];
        let mut sources = sources.into_iter();
        sources
            .find(|(is_there, _)| *is_there)
            .map(|(_, source)| source)
    }

    /// What to say before somebody is asked for a PIN, and where to ask.
    ///
    /// # Errors
    /// Why nobody is asked.
    pub(crate) fn question(self, card: CardWants) -> Result<(Vec<State>, Source), State> {
        let CardWants {
            token,
            tries_left,
            refused,
            pinpad,
        } = card;
        if tries_left == 0 {
            return Err(State::PinBlocked);
        }
        // Nobody can type YES on a keypad.
        let is_last = tries_left == 1;
        let Some(source) = self.source(pinpad && !is_last) else {
            return Err(match pinpad {
                true => State::PinUntried { tries_left },
                false => State::PinMissing,
            });
        };
        let wrong = State::PinWrong {
            tries_left,
            asked_again: true,
        };
        let pin = State::Pin {
            token,
            tries_left,
            source,
        };
        let said = [(refused, wrong), (true, pin), (is_last, State::PinLast)];
        let said = said.into_iter().filter(|(is_so, _)| *is_so);
        Ok((said.map(|(_, state)| state).collect(), source))
    }
}

/// A card that wants a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CardWants {
    /// Which one.
    pub(crate) token: Ident,
    /// What its counter says.
    pub(crate) tries_left: u8,
    /// Whether it just refused one.
    pub(crate) refused: bool,
    /// Whether its reader has a keypad for it.
    pub(crate) pinpad: bool,
}

impl Lifecycle {
    pub(super) fn pin_needed(&mut self, card: CardWants) {
        // Whoever mistyped is there to be asked again.
        if card.refused && card.tries_left > 0 && self.options.once {
            return self.clear(After::Problem(State::PinWrong {
                tries_left: card.tries_left,
                asked_again: false,
            }));
        }
        match self.options.askable.question(card) {
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

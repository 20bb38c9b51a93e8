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
}

impl Lifecycle {
    pub(super) fn pin_needed(&mut self, token: Ident, tries_left: u8, refused: bool, pinpad: bool) {
        if tries_left == 0 {
            return self.clear(After::Problem(State::PinBlocked));
        }
        // Whoever mistyped is there to be asked again.
        if refused && self.options.once {
            return self.clear(After::Problem(State::PinWrong {
                tries_left,
                asked_again: false,
            }));
        }
        // Nobody can type YES on a keypad.
        let is_last = tries_left == 1;
        let Some(source) = self.options.askable.source(pinpad && !is_last) else {
            return self.clear(After::Problem(match pinpad {
                true => State::PinUntried { tries_left },
                false => State::PinMissing,
            }));
        };
        if refused {
            self.say(State::PinWrong {
                tries_left,
                asked_again: true,
            });
        }
        self.say(State::Pin {
            token,
            tries_left,
            source,
        });
        if is_last {
            self.say(State::PinLast);
        }
        self.actions
            .push_back(Action::Order(Order::AskPin { source }));
    }
}

//! What was asked of a gateway, and what may be there after that.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
};

use rig::{Dice, Gateway, Invocation, desk::enrolment};
use tokenvpn_common::key::PublicKey;

/// Whether a name is there, and with which key.
type Holding = Option<PublicKey>;

/// An administrator who gives one command after the other, all for names of his own, and writes
/// down what he was told.
pub(crate) struct Administrator {
    id: usize,
    dice: Dice,
    next: usize,
    /// What each name may be now: more than one thing where a command got no answer.
    expected: BTreeMap<String, BTreeSet<Holding>>,
    /// Commands that were answered with success.
    pub(crate) done: usize,
    /// Commands that were not.
    pub(crate) unanswered: usize,
}

impl Administrator {
    pub(crate) fn new(id: usize, dice: Dice) -> Administrator {
        Administrator {
            id,
            dice,
            next: 0,
            expected: BTreeMap::new(),
            done: 0,
            unanswered: 0,
        }
    }

    /// Gives commands until told to stop; the last one may get no answer.
    pub(crate) fn work(&mut self, gateway: &Gateway, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let present: Vec<(String, PublicKey)> = self.present().collect();
            let known = self.dice.roll(present.len());
            match (self.dice.roll(10), present.get(known)) {
                (0..2, Some((name, key))) => self.revoke(gateway, name, *key),
                (2..4, Some((name, key))) => self.enrol(gateway, name, Some(*key)),
                (4..7, _) => {
                    let name = self.fresh_name();
                    self.enrol(gateway, &name, None);
                }
                _ => {
                    let name = self.fresh_name();
                    let key = crate::fresh_key();
                    let text = key.to_string();
                    let words = ["add", &name, "--public-key", &text];
                    self.give(gateway.command(&words), &name, None, Some(key));
                }
            }
        }
    }

    fn fresh_name(&mut self) -> String {
        self.next += 1;
        format!("of-{}-{}", self.id, self.next)
    }

    /// The names of which it is sure that they are there.
    fn present(&self) -> impl Iterator<Item = (String, PublicKey)> + '_ {
        self.expected.iter().filter_map(|(name, holdings)| {
            let [Some(key)] = Vec::from_iter(holdings)[..] else {
                return None;
            };
            Some((name.clone(), *key))
        })
    }

    fn revoke(&mut self, gateway: &Gateway, name: &str, key: PublicKey) {
        self.give(gateway.command(&["revoke", name]), name, Some(key), None);
    }

    /// Invites and enrols: a new name, or another key for one.
    fn enrol(&mut self, gateway: &Gateway, name: &str, before: Holding) {
        let invited = gateway.command(&["invite", name]).finish();
        if !invited.status.success() {
            // An open invitation lets nobody in.
            self.unanswered += 1;
            return;
        }
        let key = crate::fresh_key();
        let enrolment = enrolment(&invited.stdout, key);
        let command = gateway.command(&["enrol"]).stdin(enrolment);
        self.give(command, name, before, Some(key));
    }

    /// Gives a command that turns one holding into another.
    fn give(&mut self, command: Invocation, name: &str, before: Holding, after: Holding) {
        let finished = command.finish();
        let holdings = self.expected.entry(name.to_owned()).or_default();
        if finished.status.success() {
            *holdings = [after].into();
            self.done += 1;
        } else {
            // Whatever went wrong, it is told as an error is.
            finished.expect_error(1, &[]);
            *holdings = [before, after].into();
            self.unanswered += 1;
        }
    }

    /// Compares with what is there, and takes that for what is expected from now on.
    ///
    /// # Panics
    /// If an answer was broken, half of a command is there, or there is a name that he never gave.
    pub(crate) fn compare(&mut self, there: &BTreeMap<String, PublicKey>) {
        let own = format!("of-{}-", self.id);
        for name in there.keys().filter(|name| name.starts_with(&own)) {
            assert!(self.expected.contains_key(name), "{name} was invented");
        }
        for (name, holdings) in &mut self.expected {
            let found = there.get(name).copied();
            assert!(
                holdings.contains(&found),
                "{name}: there is {found:?}, and it has to be one of {holdings:?}"
            );
            *holdings = [found].into();
        }
    }
}

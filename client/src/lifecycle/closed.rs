//! What leads into a tunnel or nowhere, and which token it waits for.

use ipnet::IpNet;
use tokenvpn_common::token::Ident;

use super::{Action, Lifecycle, OnRemoval, Options};
use crate::message::Summary;
use crate::net::fence;

/// Networks that lead into a tunnel or nowhere.
#[derive(Debug, Default)]
pub(super) struct Closed {
    /// By the kill switch.
    everything: bool,
    /// By the profiles of these tokens. An earlier `up` left nobody's name.
    held: Vec<(Option<Ident>, IpNet)>,
}

impl Closed {
    /// At the start; `left` is what an earlier `up` left closed. Who asks for no hold has
    /// asked for its end.
    pub(super) fn new(options: &Options, left: Vec<IpNet>) -> Closed {
        let mut closed = Closed {
            everything: options.kill_switch,
            held: Vec::new(),
        };
        if options.on_removal == OnRemoval::Hold {
            closed.add(None, &left);
        }
        closed
    }

    /// All of them, each once.
    pub(super) fn networks(&self) -> Vec<IpNet> {
        let everything = self.everything.then(fence::everything);
        let held = self.held.iter().map(|(_, network)| *network);
        each_once(everything.into_iter().flatten().chain(held))
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.everything && self.held.is_empty()
    }

    /// Whether any wait for this token.
    pub(super) fn waits_for(&self, token: Ident) -> bool {
        self.held.iter().any(|(of, _)| *of == Some(token))
    }

    /// Closes these for a token, beside all others.
    fn add(&mut self, token: Option<Ident>, networks: &[IpNet]) {
        let more = networks.iter().map(|network| (token, *network));
        self.held.extend(more);
        self.held = each_once(self.held.drain(..));
    }

    /// Opens what this token has closed, but for these.
    fn narrow(&mut self, token: Ident, networks: &[IpNet]) {
        self.held
            .retain(|(of, network)| *of != Some(token) || networks.contains(network));
    }

    /// What tokens have closed outside of these networks.
    fn beside(&self, networks: &[IpNet]) -> Vec<IpNet> {
        let held = self.held.iter().map(|(_, network)| *network);
        let is_outside = |network: &IpNet| !networks.iter().any(|inside| inside.contains(network));
        each_once(held.filter(is_outside))
    }
}

fn each_once<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.fold(Vec::new(), |mut once, one| {
        if !once.contains(&one) {
            once.push(one);
        }
        once
    })
}

impl Options {
    /// Whether anything is to be closed.
    fn closes(&self) -> bool {
        self.kill_switch || self.on_removal == OnRemoval::Hold
    }
}

impl Lifecycle {
    /// What leads into a tunnel or nowhere now.
    pub(crate) fn closed(&self) -> Vec<IpNet> {
        self.closed.networks()
    }

    /// This profile's networks are about to lead into a tunnel. Another token's stay closed,
    /// and what this one's closed with another profile too: no tunnel is up yet.
    pub(super) fn close(&mut self, token: Ident, summary: &Summary) {
        if !self.options.closes() {
            return;
        }
        if self.options.on_removal != OnRemoval::Hold {
            self.closed.held.clear();
        }
        self.closed.add(Some(token), &summary.allowed_ips);
        self.actions.push_back(Action::Fence(self.closed()));
    }

    /// This token's tunnel is up, and leads to these networks: what else it had closed is
    /// open again. Gives what other tokens keep closed beside them.
    pub(super) fn open_its_old(&mut self, token: Ident, networks: &[IpNet]) -> Vec<IpNet> {
        let before = self.closed().len();
        self.closed.narrow(token, networks);
        let closed = self.closed();
        if closed.len() < before {
            self.actions.push_back(Action::Fence(closed));
        }
        self.closed.beside(networks)
    }
}

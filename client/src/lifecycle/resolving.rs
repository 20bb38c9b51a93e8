//! Where the gateways are: their names are looked up, again while they do not answer.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use tokenvpn_common::clock::{Now, UnixTime};
use tokenvpn_common::endpoint::Endpoint;

use super::{Action, Held, Lifecycle, Phase};
use crate::message::{Candidate, Order, Summary};
use crate::words::State;

/// How often host names are looked up again.
pub(super) const RESOLVE_RETRY: Duration = Duration::from_secs(5);

/// How often they are while the gateways that are known do not answer.
pub(super) const RESOLVE_AGAIN: Duration = Duration::from_secs(30);

/// Most candidates, those found later included.
pub(crate) const MAX_CANDIDATES: usize = 256;

impl Lifecycle {
    /// The gateways' names may lead elsewhere now: looks them up again, now and then until
    /// there is a session.
    pub(super) fn resolve_again(&mut self, now: Now) {
        let Phase::Carrying(_, summary, _) = &self.phase else {
            return;
        };
        let endpoints = endpoints(summary);
        if self.frozen.is_some() {
            // When the token is back.
            self.resolve_at.get_or_insert(now);
        } else if !hosts(&endpoints).is_empty() && self.resolve_at.is_none_or(|at| at <= now) {
            self.resolve_at = Some(now + RESOLVE_AGAIN);
            self.actions.push_back(Action::Resolve(endpoints));
        }
    }

    /// Names were looked up again: what is new is tried too.
    fn resolved_again(&mut self, found: Vec<Candidate>) {
        let Phase::Carrying(_, summary, candidates) = &mut self.phase else {
            return;
        };
        let is_new = |new: &Candidate| {
            let is_it = |c: &Candidate| c.gateway == new.gateway && c.address == new.address;
            !candidates.iter().any(is_it) && is_outside(new.address.ip(), summary, candidates)
        };
        let room = MAX_CANDIDATES.saturating_sub(candidates.len());
        let more: Vec<_> = found.into_iter().filter(is_new).take(room).collect();
        if !more.is_empty() {
            candidates.extend(more.iter().cloned());
            self.actions
                .push_back(Action::Order(Order::AddCandidates(more)));
        }
    }

    pub(super) fn resolve(&mut self, held: Held, summary: Box<Summary>, first: bool) {
        let endpoints = endpoints(&summary);
        let hosts = hosts(&endpoints);
        self.phase = Phase::Resolving(held, summary, None);
        if first {
            self.unresolved.clear();
        }
        if first && !hosts.is_empty() {
            self.say(State::Resolving { hosts });
        }
        self.actions.push_back(Action::Resolve(endpoints));
    }

    pub(super) fn resolved(
        &mut self,
        now: Now,
        wall: UnixTime,
        mut candidates: Vec<Candidate>,
        unresolved: Vec<String>,
    ) {
        self.unresolved = unresolved;
        let Phase::Resolving(held, summary, None) = &self.phase else {
            return self.resolved_again(candidates);
        };
        let (held, summary) = (held.clone(), summary.clone());
        if candidates.is_empty() {
            let known = matches!(self.shown, State::Unreachable { .. });
            self.phase = Phase::Resolving(held, summary, Some(now + RESOLVE_RETRY));
            if !known {
                self.say(State::Unreachable {
                    now: wall,
                    tried: false,
                    unresolved: self.unresolved.clone(),
                });
            }
            return;
        }
        candidates.truncate(MAX_CANDIDATES);
        self.close(held.token, &summary);
        self.actions.push_back(Action::Build {
            summary: (*summary).clone(),
            candidates: candidates.clone(),
            closed: self.closed(),
        });
        self.phase = Phase::Building(held, summary, candidates);
    }
}

/// All endpoints, each with its gateway's place.
pub(crate) fn endpoints(summary: &Summary) -> Vec<(usize, Endpoint)> {
    let gateways = summary.gateways.iter().enumerate();
    gateways
        .flat_map(|(at, gateway)| gateway.endpoints.iter().map(move |e| (at, e.clone())))
        .collect()
}

/// Whether datagrams to this address find their way past a tunnel that was made for these
/// candidates: a network of its that holds the address has to spare the tunnel's datagrams,
/// as a default route does and any that holds another candidate (see [`crate::net::route`]).
fn is_outside(address: IpAddr, summary: &Summary, candidates: &[Candidate]) -> bool {
    let holds = |network: &&IpNet| network.contains(&address);
    summary.allowed_ips.iter().filter(holds).all(|network| {
        network.prefix_len() == 0 || candidates.iter().any(|c| network.contains(&c.address.ip()))
    })
}

fn hosts(endpoints: &[(usize, Endpoint)]) -> Vec<String> {
    let hosts: BTreeSet<_> = endpoints
        .iter()
        .filter_map(|(_, endpoint)| match endpoint {
            Endpoint::Host { name, .. } => Some(name.to_string()),
            Endpoint::Address(_) => None,
        })
        .collect();
    hosts.into_iter().collect()
}

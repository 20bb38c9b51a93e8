//! What the worker reports, from the PIN to the session.

use std::time::Duration;

use tokenvpn_common::clock::{Now, UnixTime};

use super::{After, Held, Lifecycle, Phase, next_check};
use crate::message::{Candidate, Report, Summary};
use crate::words::{Connection, Fault, Move, SOON_DAYS, State};

impl Lifecycle {
    pub(super) fn reported(&mut self, now: Now, wall: UnixTime, report: Report) {
        if self.held().is_none() {
            return;
        }
        match (&self.phase, report) {
            (_, Report::TokenGone) => self.said_to_be_gone(now),
            // Our own watch hears of it too, but perhaps later.
            (_, Report::Failed(State::NoService)) => self.watch_lost(now),
            (_, Report::Failed(mut state)) => {
                self.name_what_is_held(&mut state);
                self.clear(After::Problem(state));
            }
            (_, Report::Peers(_)) => {}
            (Phase::Unlocking(held, _), Report::PinNeeded(needed)) => {
                self.pin_needed(held.token, needed);
            }
            (Phase::Unlocking(..), Report::PinTimedOut) => self.say(State::PinTimedOut),
            (Phase::Unlocking(held, _), Report::Unlocked(summary)) => {
                let held = held.clone();
                self.unlocked(now, wall, held, summary);
            }
            (Phase::Carrying(_, _, candidates), Report::Connecting { candidate }) => {
                let count = candidates.len();
                match candidates.get(candidate).cloned() {
                    Some(Candidate {
                        endpoint, address, ..
                    }) => self.say(State::Connecting {
                        endpoint,
                        address,
                        index: candidate + 1,
                        count,
                    }),
                    None => self.abort(Fault::WorkerNamesNoGateway),
                }
            }
            (Phase::Carrying(..), Report::Unreachable) => {
                self.say(State::Unreachable {
                    now: wall,
                    tried: true,
                    unresolved: self.unresolved.clone(),
                });
                self.resolve_again(now);
            }
            (
                Phase::Carrying(held, ..),
                Report::Connected {
                    candidate,
                    round_trip_ms,
                },
            ) => match (held.token, self.connection(candidate, round_trip_ms)) {
                (token, Some(mut connection)) => {
                    self.ready_until = None;
                    self.resolve_at = None;
                    connection.closed = self.open_its_old(token, &connection.routes);
                    self.say(State::Up(Box::new(connection)));
                }
                (_, None) => self.abort(Fault::WorkerNamesNoGateway),
            },
            (
                Phase::Carrying(..),
                Report::Moved {
                    candidate,
                    round_trip_ms,
                    silent_ms,
                },
            ) => match self.connection(candidate, round_trip_ms) {
                Some(connection) => self.moved(connection, silent_ms),
                None => self.abort(Fault::WorkerNamesNoGateway),
            },
            (Phase::Carrying(..), Report::Silent) => self.resolve_again(now),
            (Phase::Carrying(..), Report::Lost) => {
                self.say(State::Lost);
                self.resolve_again(now);
            }
            (Phase::Carrying(..), Report::Roamed) => self.say(State::Roamed),
            (_, _) => self.abort(Fault::WorkerOutOfTurn),
        }
    }

    fn unlocked(&mut self, now: Now, wall: UnixTime, held: Held, summary: Box<Summary>) {
        if let Some(not_after) = summary.not_after {
            if not_after < wall {
                let expired = State::Expired {
                    not_after,
                    now: wall,
                };
                return self.clear(After::Problem(expired));
            }
            if not_after.days_since(wall) < SOON_DAYS {
                self.say(State::ExpiresSoon {
                    not_after,
                    now: wall,
                });
            }
            self.expiry_check = Some(next_check(now, wall, not_after));
        }
        self.ready_until = self.options.ready_timeout.map(|timeout| now + timeout);
        self.resolve(held, summary, true);
    }

    /// What a session with this candidate is; `None` if there is no such candidate.
    fn connection(&self, candidate: usize, round_trip_ms: Option<u64>) -> Option<Connection> {
        let Phase::Carrying(_, summary, candidates) = &self.phase else {
            return None;
        };
        let found = candidates.get(candidate)?;
        Some(Connection {
            name: summary.name.clone(),
            interface: self.interface.clone(),
            endpoint: found.endpoint.clone(),
            address: found.address,
            round_trip_ms,
            addresses: summary.addresses.clone(),
            routes: summary.allowed_ips.clone(),
            dns: summary.dns.clone(),
            closed: Vec::new(),
        })
    }

    /// The session goes on elsewhere; what lasts is that it is up.
    fn moved(&mut self, connection: Connection, silent_ms: Option<u64>) {
        let up = State::Up(Box::new(connection.clone()));
        match std::mem::replace(&mut self.shown, up) {
            State::Up(before) => self.say(State::Moved(Box::new(Move {
                from: before.endpoint,
                to: connection.endpoint,
                address: connection.address,
                seconds: silent_ms.map(|millis| Duration::from_millis(millis).as_secs_f64()),
            }))),
            _ => self.abort(Fault::WorkerMovedWithoutSession),
        }
    }
}

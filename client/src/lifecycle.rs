//! What `up` does when, without doing any of it.
//!
//! The supervisor feeds [`Lifecycle::handle`] with what happened and does what
//! [`Lifecycle::poll_action`] says, in that order, until there is nothing left; then it
//! sleeps until [`Lifecycle::poll_timeout`]. Time comes in as an argument: `now` for
//! waiting, `wall` for dates.

mod asking;
mod choosing;
mod closed;
mod parked;
mod removal;
mod reporting;
mod resolving;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ipnet::IpNet;
use tokenvpn_common::clock::{Now, UnixTime};
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::io::card::Facts;
use tokenvpn_common::token::Ident;

pub(crate) use self::asking::Askable;
use self::closed::Closed;
use self::removal::Frozen;
pub(crate) use self::removal::OnRemoval;
pub(crate) use self::resolving::{MAX_CANDIDATES, endpoints};
use crate::message::{Candidate, Order, Report, Summary};
use crate::words::{Failure, Fault, Reason, State, code};

/// How long to leave the smart-card service alone after it broke off.
const WATCH_RETRY: Duration = Duration::from_secs(1);

/// How long the smart-card service may be away: it is restarted by updates.
const WATCH_PATIENCE: Duration = Duration::from_secs(10);

/// How often the wall clock is looked at: it can be set, and stands still in no sleep.
const EXPIRY_CHECK: Duration = Duration::from_secs(60);

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// This token only.
    pub(crate) token: Option<Ident>,
    /// Give up when no token comes within this time.
    pub(crate) wait: Option<Duration>,
    /// Give up when no gateway answers within this time.
    pub(crate) ready_timeout: Option<Duration>,
    /// Give up when anything is wrong with the token, and at its removal.
    pub(crate) once: bool,
    /// What the removal of the token means.
    pub(crate) on_removal: OnRemoval,
    /// Let nothing out but through the tunnel.
    pub(crate) kill_switch: bool,
    /// Leave the keypad of the token's reader alone.
    pub(crate) no_keypad: bool,
    /// Where somebody can be asked for a PIN.
    pub(crate) askable: Askable,
}

/// A card in a reader.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// The reader's name.
    pub(crate) reader: String,
    /// What it says of itself, or why it cannot be used.
    pub(crate) token: Result<Facts, State>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    /// There is a card in a reader, from the start or newly plugged in.
    Inserted {
        /// The reader's name.
        reader: String,
    },
    /// The card of a reader was pulled, however short.
    Removed {
        /// The reader's name.
        reader: String,
    },
    /// The watch of the readers broke off: whatever was in them may be gone.
    WatchLost,
    /// [`Action::Watch`] failed.
    WatchFailed(State),
    /// The answer to [`Action::Survey`].
    Surveyed(Result<Vec<Found>, State>),
    /// The worker says something.
    Report(Report),
    /// The worker ended, or said something that made no sense.
    WorkerEnded,
    /// The answer to [`Action::Resolve`], in the order to try.
    Resolved {
        /// Addresses.
        candidates: Vec<Candidate>,
        /// Names without any.
        unresolved: Vec<String>,
    },
    /// The answer to [`Action::Fence`].
    Fenced(Result<(), State>),
    /// The answer to [`Action::Build`].
    Built(Result<(), State>),
    /// The answer to [`Action::Clear`].
    Cleared,
    /// Ctrl-C, SIGTERM, SIGHUP or `tokenvpn down`.
    End,
    /// The same, but another `up` comes at once and takes over what is closed.
    HandOver,
    /// [`Lifecycle::poll_timeout`] has come.
    Timeout,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Tell the user.
    Say(State),
    /// Watch the readers; an [`Input::WatchFailed`] tells if that is impossible.
    Watch,
    /// Look at the tokens in all readers; ends with [`Input::Surveyed`].
    Survey,
    /// Start a worker on this token.
    Start {
        /// Its reader.
        reader: String,
        /// Which token it has to be.
        token: Ident,
    },
    /// Tell the worker.
    Order(Order),
    /// Look up the host names among these endpoints; ends with [`Input::Resolved`].
    Resolve(Vec<(usize, Endpoint)>),
    /// Let these networks, and no others, lead into a tunnel or nowhere, from now to
    /// [`Action::Unfence`]; ends with [`Input::Fenced`].
    Fence(Vec<IpNet>),
    /// Let everything go its own way again.
    Unfence,
    /// Make the tunnel and hand it to the worker; ends with [`Input::Built`].
    Build {
        /// What the profile asks for.
        summary: Summary,
        /// Where the gateways are.
        candidates: Vec<Candidate>,
        /// What leads into it or nowhere.
        closed: Vec<IpNet>,
    },
    /// Kill the worker first, then take the tunnel down; ends with [`Input::Cleared`].
    Clear,
    /// Everything is put back: end with this exit code.
    Exit(u8),
}

/// Where `up` stands.
#[derive(Debug)]
enum Phase {
    /// The tokens are being looked at, while some came and perhaps some went.
    Surveying {
        inserted: Vec<String>,
        removed: bool,
    },
    /// There is no token to use.
    Waiting,
    /// There is one that cannot be used as it is.
    Parked {
        since: Now,
        /// When to look whether it has changed, if nothing else tells.
        look: Option<Now>,
        looking: bool,
    },
    /// The watch broke off.
    Blind { retry: Now },
    /// The worker asks for the PIN and reads the profile, while what else happens is kept
    /// in mind.
    Unlocking(Held, Meanwhile),
    /// The gateways' names are being looked up, or will be.
    Resolving(Held, Box<Summary>, Option<Now>),
    /// The tunnel is being made.
    Building(Held, Box<Summary>, Vec<Candidate>),
    /// The worker carries packets, or tries to.
    Carrying(Held, Box<Summary>, Vec<Candidate>),
    /// Worker and tunnel are being ended, while what else happens is kept in mind.
    Clearing(After, Meanwhile),
    /// Nothing more happens.
    Ended,
}

impl Phase {
    const SURVEYING: Phase = Phase::Surveying {
        inserted: Vec::new(),
        removed: false,
    };
}

/// The token in use.
#[derive(Clone, Debug)]
struct Held {
    reader: String,
    token: Ident,
}

/// What follows when worker and tunnel are gone.
#[derive(Debug)]
enum After {
    Removal {
        since: Now,
        token: Ident,
        tunnel: bool,
        witness: Witness,
    },
    Problem(State),
    End {
        tunnel: bool,
    },
}

/// Who says that a token is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Witness {
    /// Our own watch of the readers.
    Watch,
    /// The worker, perhaps before our own watch.
    Worker,
    /// Nobody: the watch broke off.
    Nobody,
}

/// What happened while a worker was busy with one token, or was being ended.
#[derive(Debug, Default)]
struct Meanwhile {
    /// A card came.
    inserted: bool,
    /// A card went.
    removed: bool,
    /// The watch broke off.
    unwatched: bool,
}

/// The state machine of one `up`.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    options: Options,
    interface: String,
    phase: Phase,
    wait_until: Option<Now>,
    ready_until: Option<Now>,
    expiry_check: Option<Now>,
    /// Whether there was a smart-card service.
    served: bool,
    /// Until when it may be away.
    watch_until: Option<Now>,
    /// Set while the token of a tunnel is out and may come back.
    frozen: Option<Frozen>,
    /// What leads into a tunnel or nowhere.
    closed: Closed,
    /// Whether it is, as far as is known: nobody is told so who could not be given it.
    is_fenced: bool,
    /// Whether its end is no reason to open that.
    hands_over: bool,
    /// The gateways' names for which no address was found when they were looked up last.
    unresolved: Vec<String>,
    /// When the gateways' names are looked up again; in vain so far.
    resolve_at: Option<Now>,
    /// What was in the readers when one of it was chosen, or none.
    seen: Vec<Found>,
    /// The token that was seen last in a reader, if none was pulled out there since.
    idents: BTreeMap<String, Ident>,
    shown: State,
    /// Whether `shown` was said.
    told: bool,
    actions: VecDeque<Action>,
}

impl Lifecycle {
    /// Begins; `interface` is the tunnel device's name, `left` what an earlier `up` left
    /// closed.
    pub(crate) fn new(
        options: Options,
        interface: String,
        left: Vec<IpNet>,
        now: Now,
    ) -> Lifecycle {
        let shown = State::WaitingToken {
            token: options.token,
        };
        let mut actions = VecDeque::new();
        let closed = Closed::new(&options, left);
        if !closed.is_empty() {
            actions.push_back(Action::Fence(closed.networks()));
            actions.push_back(Action::Say(match options.kill_switch {
                true => State::KillSwitch,
                false => State::StaysClosed {
                    interface: interface.clone(),
                },
            }));
        }
        actions.extend([Action::Watch, Action::Survey]);
        Lifecycle {
            wait_until: options.wait.map(|wait| now + wait),
            ready_until: None,
            expiry_check: None,
            served: false,
            watch_until: None,
            frozen: None,
            closed,
            is_fenced: true,
            hands_over: false,
            unresolved: Vec::new(),
            resolve_at: None,
            options,
            interface,
            phase: Phase::SURVEYING,
            seen: Vec::new(),
            idents: BTreeMap::new(),
            shown,
            told: false,
            actions,
        }
    }

    /// What to do next.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Timeout`] is due, if ever.
    pub(crate) fn poll_timeout(&self) -> Option<Now> {
        let retry = match self.phase {
            Phase::Parked { look, .. } => look,
            Phase::Resolving(_, _, retry) => retry,
            Phase::Blind { retry } => Some(retry),
            _ => None,
        };
        let thaw = self.frozen.as_ref().map(|frozen| frozen.until);
        let others = [
            self.wait_ends(),
            self.ready_until,
            self.expiry_check,
            // Nothing is sent meanwhile, and no question either.
            self.resolve_at.filter(|_| self.frozen.is_none()),
            thaw,
        ];
        others.into_iter().chain([retry]).flatten().min()
    }

    /// When to give up because there is no token. A look at the tokens that has begun is
    /// waited for, unless the service hangs, and so is the end of what is wrong with one:
    /// they decide.
    fn wait_ends(&self) -> Option<Now> {
        match self.phase {
            Phase::Waiting | Phase::Blind { .. } => self.wait_until,
            Phase::Surveying { .. } => self.wait_until.map(|until| until + WATCH_PATIENCE),
            _ => None,
        }
    }

    /// The state that lasts, for `status`.
    pub(crate) fn shown(&self) -> &State {
        let frozen = self.frozen.as_ref().map(|frozen| &frozen.state);
        frozen.unwrap_or(&self.shown)
    }

    /// The token in use.
    pub(crate) fn token(&self) -> Option<Ident> {
        self.held().map(|held| held.token)
    }

    /// What the token's profile asks for, once it was read.
    pub(crate) fn summary(&self) -> Option<&Summary> {
        match &self.phase {
            Phase::Resolving(_, summary, _)
            | Phase::Building(_, summary, _)
            | Phase::Carrying(_, summary, _) => Some(summary),
            _ => None,
        }
    }

    /// Takes what happened.
    pub(crate) fn handle(&mut self, now: Now, wall: UnixTime, input: Input) {
        match input {
            Input::Inserted { reader } => {
                self.served = true;
                self.inserted(reader);
            }
            Input::Removed { reader } => {
                self.idents.remove(&reader);
                self.doubt_what_is_looked_at();
                if self.held().is_some_and(|held| held.reader == reader) {
                    return self.removed(now);
                }
                match &mut self.phase {
                    Phase::Surveying { removed, .. } => *removed = true,
                    Phase::Clearing(_, meanwhile) => meanwhile.removed = true,
                    _ => self.look_again(),
                }
            }
            Input::WatchLost => self.watch_lost(now),
            Input::WatchFailed(state) => {
                match self.phase {
                    Phase::Ended | Phase::Clearing(..) => {}
                    _ if self.held().is_some() => self.clear(After::Problem(state)),
                    _ => self.unserved(now, state),
                }
                // Whatever is wrong: without a watch nothing would tell that it is over.
                self.go_blind(now);
            }
            Input::Surveyed(found) => self.surveyed(now, found),
            Input::Report(report) => self.reported(now, wall, report),
            // It counts the time of a grace too.
            Input::WorkerEnded if self.frozen.is_some() => self.gone(now, Witness::Watch),
            Input::WorkerEnded => {
                if self.held().is_some() {
                    self.abort(Fault::WorkerEnded);
                }
            }
            Input::Resolved {
                candidates,
                unresolved,
            } => self.resolved(now, wall, candidates, unresolved),
            Input::Fenced(Ok(())) => self.is_fenced = true,
            Input::Fenced(Err(state)) => {
                self.is_fenced = false;
                // What was to be done behind the fence is not done.
                self.actions.clear();
                match self.held().is_some() {
                    true => self.clear(After::Problem(state)),
                    false => self.problem(now, state),
                }
            }
            Input::Built(outcome) => self.built(outcome),
            Input::Cleared => self.cleared(now),
            Input::End => match self.phase {
                Phase::Ended => {}
                _ if self.held().is_some() => {
                    let tunnel = self.has_tunnel();
                    self.clear(After::End { tunnel });
                }
                _ => self.end(false),
            },
            Input::HandOver => {
                self.hands_over = true;
                self.handle(now, wall, Input::End);
            }
            Input::Timeout => self.timeout(now, wall),
        }
    }

    fn inserted(&mut self, reader: String) {
        match &mut self.phase {
            Phase::Surveying { inserted, .. } => inserted.push(reader),
            Phase::Clearing(_, meanwhile) => meanwhile.inserted = true,
            // Perhaps the one that should have been plugged in.
            Phase::Unlocking(held, meanwhile) => meanwhile.inserted |= held.reader != reader,
            Phase::Carrying(..) => self.look_who_came(),
            _ => self.look_again(),
        }
    }

    /// The token that a worker is busy with.
    fn held(&self) -> Option<&Held> {
        match &self.phase {
            Phase::Unlocking(held, _)
            | Phase::Resolving(held, ..)
            | Phase::Building(held, ..)
            | Phase::Carrying(held, ..) => Some(held),
            _ => None,
        }
    }

    fn has_tunnel(&self) -> bool {
        matches!(self.phase, Phase::Building(..) | Phase::Carrying(..))
    }

    fn say(&mut self, state: State) {
        let passes = matches!(
            state,
            State::ExpiresSoon { .. }
                | State::Roamed
                | State::Moved(_)
                | State::WaitingChange { .. }
        );
        if !passes {
            self.shown = state.clone();
            self.told = true;
        }
        self.actions.push_back(Action::Say(state));
    }

    /// Ends, but not for good. What was closed stays so: only the user opens it.
    fn exit(&mut self, code: u8) {
        if !self.closed.is_empty() && self.is_fenced {
            self.actions.push_back(Action::Say(State::StaysClosed {
                interface: self.interface.clone(),
            }));
        }
        self.finish(code);
    }

    fn finish(&mut self, code: u8) {
        self.phase = Phase::Ended;
        self.wait_until = None;
        self.ready_until = None;
        self.expiry_check = None;
        self.resolve_at = None;
        self.actions.push_back(Action::Exit(code));
    }

    fn end(&mut self, tunnel: bool) {
        if self.hands_over {
            let opened = false;
            self.say(State::Down { tunnel, opened });
            return self.exit(0);
        }
        let opened = !std::mem::take(&mut self.closed).is_empty();
        if opened {
            self.actions.push_back(Action::Unfence);
        }
        self.say(State::Down { tunnel, opened });
        self.finish(0);
    }

    fn clear(&mut self, after: After) {
        self.frozen = None;
        let meanwhile = match &mut self.phase {
            Phase::Unlocking(_, meanwhile) => std::mem::take(meanwhile),
            _ => Meanwhile::default(),
        };
        self.phase = Phase::Clearing(after, meanwhile);
        self.ready_until = None;
        self.expiry_check = None;
        self.resolve_at = None;
        self.actions.push_back(Action::Clear);
    }

    /// Our own mistake, or a worker that was killed.
    fn abort(&mut self, fault: Fault) {
        self.clear(After::Problem(Failure::from(fault).into()));
    }

    fn watch_lost(&mut self, now: Now) {
        self.watch_until = Some(now + WATCH_PATIENCE);
        if self.held().is_some() {
            self.gone(now, Witness::Nobody);
        }
        self.go_blind(now);
    }

    fn go_blind(&mut self, now: Now) {
        self.idents.clear();
        match &mut self.phase {
            Phase::Ended => {}
            Phase::Clearing(_, meanwhile) => meanwhile.unwatched = true,
            phase => {
                let retry = now + WATCH_RETRY;
                *phase = Phase::Blind { retry };
            }
        }
    }

    fn survey(&mut self) {
        self.phase = Phase::SURVEYING;
        self.actions.push_back(Action::Survey);
    }

    fn look_again(&mut self) {
        if matches!(self.phase, Phase::Waiting | Phase::Parked { .. }) {
            self.survey();
        }
    }

    fn wait(&mut self, now: Now) {
        if self.wait_until.is_some_and(|until| until <= now) {
            return self.give_up_waiting(now);
        }
        let token = self.options.token;
        let state = State::WaitingToken { token };
        // Looking again, at a reader that turned out empty, is no news.
        if !self.told || self.shown != state {
            self.say(state);
        }
        self.phase = Phase::Waiting;
    }

    fn give_up_waiting(&mut self, now: Now) {
        let seconds = self.options.wait.unwrap_or_default().as_secs();
        self.problem(now, State::NoToken { seconds });
    }

    /// Whether nobody is there to change the token, or to be asked again.
    fn unattended(&self) -> bool {
        self.options.once || !self.options.askable.terminal
    }

    fn built(&mut self, outcome: Result<(), State>) {
        match (outcome, std::mem::replace(&mut self.phase, Phase::Waiting)) {
            (Ok(()), Phase::Building(held, summary, candidates)) => {
                self.phase = Phase::Carrying(held, summary, candidates);
            }
            (Err(state), Phase::Building(..)) => self.clear(After::Problem(state)),
            (_, phase) => self.phase = phase,
        }
    }

    fn cleared(&mut self, now: Now) {
        let phase = std::mem::replace(&mut self.phase, Phase::Waiting);
        let Phase::Clearing(after, meanwhile) = phase else {
            self.phase = phase;
            return;
        };
        match after {
            After::End { tunnel } => self.end(tunnel),
            After::Problem(state) => {
                self.problem(now, state);
                if matches!(self.phase, Phase::Ended) {
                    return;
                }
                if meanwhile.unwatched {
                    self.go_blind(now);
                } else if meanwhile.inserted || meanwhile.removed {
                    self.survey();
                }
            }
            After::Removal {
                since,
                token,
                tunnel,
                witness,
            } => {
                let is_lost = witness == Witness::Nobody;
                self.say(State::TokenRemoved {
                    seconds: now.since(since).as_secs_f64(),
                    tunnel,
                    closed: self.closed.waits_for(token),
                    reason: match is_lost {
                        true => Reason::ServiceLost,
                        false => Reason::Pulled,
                    },
                });
                if self.options.once {
                    self.exit(code::REMOVED);
                } else if meanwhile.unwatched {
                    if is_lost {
                        self.say(State::WaitingService);
                    }
                    self.go_blind(now);
                } else if meanwhile.inserted {
                    self.survey();
                } else {
                    // Another token in another reader is not taken for this one's
                    // successor: only an insertion is.
                    self.wait(now);
                    if witness == Witness::Worker && !meanwhile.removed {
                        // A card that is still there will not be announced.
                        self.park(now);
                    }
                }
            }
        }
    }

    fn timeout(&mut self, now: Now, wall: UnixTime) {
        let is_due = |at: Option<Now>| at.is_some_and(|at| at <= now);
        if is_due(self.wait_ends()) {
            return self.give_up_waiting(now);
        }
        if is_due(self.frozen.as_ref().map(|frozen| frozen.until)) {
            return self.gone(now, Witness::Watch);
        }
        if is_due(self.ready_until) {
            let seconds = self.options.ready_timeout.unwrap_or_default().as_secs();
            let unresolved = self.unresolved.clone();
            let state = State::NoGateway {
                seconds,
                unresolved,
            };
            return self.clear(After::Problem(state));
        }
        if is_due(self.expiry_check)
            && let Some(not_after) = self.summary().and_then(|summary| summary.not_after)
        {
            if not_after < wall {
                let expired = State::Expired {
                    not_after,
                    now: wall,
                };
                return self.clear(After::Problem(expired));
            }
            self.expiry_check = Some(next_check(now, wall, not_after));
        }
        if is_due(self.resolve_at) && self.frozen.is_none() {
            self.resolve_at = None;
            if !matches!(self.shown, State::Up(_)) {
                self.resolve_again(now);
            }
        }
        match &self.phase {
            Phase::Parked { look, .. } if is_due(*look) => self.look_at_parked(now, wall),
            Phase::Blind { retry } if is_due(Some(*retry)) => {
                self.actions.push_back(Action::Watch);
                self.survey();
            }
            Phase::Resolving(held, summary, retry) if is_due(*retry) => {
                let (held, summary) = (held.clone(), summary.clone());
                self.resolve(held, summary, false);
            }
            _ => {}
        }
    }
}

/// When to look at the wall clock again for a profile that ends at `not_after`.
fn next_check(now: Now, wall: UnixTime, not_after: UnixTime) -> Now {
    // The profile is valid through its last second.
    let left = Duration::from_secs(not_after.0.saturating_sub(wall.0).saturating_add(1));
    now + left.min(EXPIRY_CHECK)
}

#[cfg(test)]
mod tests;

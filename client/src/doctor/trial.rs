//! Asks the gateways of a token whether they answer it. A worker has the secrets, as in `up`,
//! and ends when it has asked or the token is pulled; this process never sees them.

use std::os::fd::{AsFd as _, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokenvpn_common::io::card::CardError;
use tokenvpn_common::io::hardening;
use tokenvpn_common::language::say;
use tokenvpn_common::token::Ident;

use super::look::{Gateways, Load};
use super::{Finding, NoAnswer, Others};
use crate::commands::token::{Interrupts, Named, failure, tell};
use crate::lifecycle::{MAX_CANDIDATES, endpoints};
use crate::message::{Candidate, MessageError, Order, Outcome, PinNeeded, Report, TRIAL_TIME};
use crate::pin::{self, PinError::Cancelled, Source};
use crate::supervisor::askable;
use crate::supervisor::process::{WorkerProcess, adopt_orphans};
use crate::supervisor::survey::candidates;
use crate::terminal::{self, Terminal};
use crate::words::{self, Doing, Failure, Fault, State};

/// Which token, and who says its PIN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    pub(crate) token: Option<Ident>,
    pub(crate) pin_fd: Option<RawFd>,
    pub(crate) no_keypad: bool,
}

impl Trial {
    /// Asks for the PIN, then the gateways. To be called before any thread is started.
    pub(super) fn run(self) -> Gateways {
        let tried = Session::begin(self).and_then(Session::run);
        tried.unwrap_or_else(|failure| Gateways {
            findings: vec![Finding::GatewaysUntried(failure)],
            ..Gateways::default()
        })
    }
}

/// A worker with the token, and what it may need. The worker goes first.
struct Session {
    worker: WorkerProcess,
    token: Ident,
    given: Option<OwnedFd>,
    terminal: Prompt,
    interrupts: Interrupts,
}

/// The terminal: put back behind a worker, which cannot do so if it was killed at its prompt.
struct Prompt {
    terminal: Option<Terminal>,
    is_used: bool,
}

impl Drop for Prompt {
    fn drop(&mut self) {
        if let Some(terminal) = self.terminal.as_ref().filter(|_| self.is_used) {
            terminal.take_back();
        }
    }
}

impl Session {
    fn begin(trial: Trial) -> Result<Session, Failure> {
        let Trial {
            token,
            pin_fd,
            no_keypad,
        } = trial;
        terminal::ignore_job_control();
        hardening::forbid_core_files().map_err(|e| Doing::ForbidCoreFiles.failed(e))?;
        let interrupts = Interrupts::hold()?;
        let given = pin::given(pin_fd).map_err(|error| words::no_pin(&error))?;
        let terminal = Prompt {
            terminal: Terminal::open(),
            is_used: false,
        };
        let (reader, token) = Named { token, no_keypad }.find(&interrupts)?;
        let worker =
            adopt_orphans().and_then(|()| WorkerProcess::start(reader, token, 0, !no_keypad));
        Ok(Session {
            worker: worker.map_err(|e| Doing::StartWorker.failed(e))?,
            token,
            given,
            terminal,
            interrupts,
        })
    }

    fn run(mut self) -> Result<Gateways, Failure> {
        let mut asked = Vec::new();
        let mut unresolved = Vec::new();
        let mut loads = Vec::new();
        loop {
            match self.report()? {
                Report::PinNeeded(needed) => self.answer_card(needed)?,
                Report::PinTimedOut => tell(&[State::PinTimedOut]),
                Report::Unlocked(summary) => {
                    (asked, unresolved) = candidates(&endpoints(&summary), None);
                    asked.truncate(MAX_CANDIDATES);
                    loads.push(Load {
                        mtu: summary.mtu,
                        is_v6: asked.iter().any(|asked| asked.address.is_ipv6()),
                    });
                    if asked.is_empty() {
                        let findings = findings(asked, Vec::new(), unresolved);
                        return Ok(Gateways {
                            findings,
                            loads,
                            ..Gateways::default()
                        });
                    }
                    let seconds = TRIAL_TIME.as_secs();
                    eprintln!("{}", say().asking_gateways(asked.len(), seconds));
                    self.order(&Order::Try {
                        candidates: asked.clone(),
                    })?;
                }
                Report::Tried(outcomes) if outcomes.len() == asked.len() => {
                    let findings = findings(asked, outcomes, unresolved);
                    return Ok(Gateways {
                        findings,
                        loads,
                        ..Gateways::default()
                    });
                }
                Report::Failed(State::PinCancelled) => return Err(words::no_pin(&Cancelled)),
                Report::TokenGone => return Err(failure(CardError::Removed)),
                Report::Failed(state) => return Err(state.into()),
                _ => return Err(Fault::WorkerOutOfTurn.into()),
            }
        }
    }

    /// Waits for what the worker says.
    fn report(&self) -> Result<Report, Failure> {
        loop {
            let sources = [Some(self.worker.as_fd()), self.interrupts.source()];
            let mut sources: Vec<_> = sources
                .into_iter()
                .flatten()
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
                .collect();
            match poll(&mut sources, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Doing::HearWorker.failed(errno)),
            }
            if sources.get(1).is_some_and(|fd| fd.any() == Some(true)) {
                return Err(words::interrupted_trial());
            }
            match self.worker.receive() {
                Err(MessageError::Nothing) => {}
                Ok(report) => return Ok(report),
                Err(error) => {
                    tracing::debug!(reason = %error, "the worker is given up");
                    return Err(Fault::WorkerEnded.into());
                }
            }
        }
    }

    fn answer_card(&mut self, needed: PinNeeded) -> Result<(), Failure> {
        if let Some(pin) = self.given.take() {
            let sent = self.worker.send(&Order::UsePin, &[pin.as_fd()]);
            return sent.map_err(|_| Fault::WorkerDeaf.into());
        }
        let (said, source) =
            askable(self.terminal.terminal.as_ref()).question(self.token, needed)?;
        tell(&said);
        self.terminal.is_used |= source == Source::Terminal;
        self.order(&Order::AskPin { source })
    }

    fn order(&self, order: &Order) -> Result<(), Failure> {
        let sent = self.worker.send(order, &[]);
        sent.map_err(|_| Fault::WorkerDeaf.into())
    }
}

/// What each outcome means beside the others.
fn findings(
    asked: Vec<Candidate>,
    outcomes: Vec<Outcome>,
    unresolved: Vec<String>,
) -> Vec<Finding> {
    let answered = |outcome: &Outcome| matches!(outcome, Outcome::Answered { .. });
    let heard: Vec<usize> = asked
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| answered(outcome))
        .map(|(candidate, _)| candidate.gateway)
        .collect();
    let found = asked.into_iter().zip(outcomes).map(|(candidate, outcome)| {
        let Candidate {
            gateway,
            endpoint,
            address,
        } = candidate;
        let why = match outcome {
            Outcome::Answered { round_trip_ms } => {
                return Finding::GatewayAnswers {
                    endpoint,
                    address,
                    round_trip_ms,
                };
            }
            Outcome::Silent => NoAnswer::Silent,
            Outcome::Refused => NoAnswer::Refused,
            Outcome::Unsent { reason } => NoAnswer::Unsent { reason },
        };
        Finding::NoAnswer {
            endpoint,
            address,
            why,
            others: match &heard[..] {
                [] => Others::Silent,
                heard if heard.contains(&gateway) => Others::SameGatewayAnswers,
                _ => Others::AnotherGatewayAnswers,
            },
        }
    });
    let nameless = unresolved
        .into_iter()
        .map(|name| Finding::GatewayUnresolved {
            name,
            others_answer: !heard.is_empty(),
        });
    found.chain(nameless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn at(gateway: usize, text: &str) -> Candidate {
        Candidate {
            gateway,
            endpoint: text.parse().unwrap(),
            address: text.parse().unwrap(),
        }
    }

    #[test]
    fn what_does_not_answer_is_as_bad_as_the_others_are() {
        let asked = || {
            vec![
                at(0, "192.0.2.1:1"),
                at(0, "192.0.2.2:1"),
                at(1, "192.0.2.3:1"),
            ]
        };
        let names = || vec!["gateway.example".to_owned()];
        let verdicts = |outcomes: [Outcome; 3]| {
            let found = findings(asked(), outcomes.to_vec(), names());
            let verdicts: Vec<_> = found.iter().map(Finding::verdict).collect();
            (verdicts, found)
        };
        let none = [Outcome::Silent, Outcome::Refused, Outcome::Silent];
        assert_eq!(verdicts(none).0, [Verdict::Problem; 4]);

        let one = [
            Outcome::Silent,
            Outcome::Answered { round_trip_ms: 34 },
            Outcome::Silent,
        ];
        let (verdicts, found) = verdicts(one);
        let (good, bad) = (Verdict::Ok, Verdict::Warning);
        assert_eq!(verdicts, [bad, good, bad, bad]);
        let others = |at: usize| match &found[at] {
            Finding::NoAnswer { others, .. } => *others,
            other => panic!("{other:?}"),
        };
        assert_eq!(others(0), Others::SameGatewayAnswers);
        assert_eq!(others(2), Others::AnotherGatewayAnswers);
    }
}

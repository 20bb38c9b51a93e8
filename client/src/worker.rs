//! The process that holds the secrets: it asks for the PIN, reads the token, carries
//! packets, and dies when the token goes. It is this very program, started by the
//! supervisor with the message socket as its standard input.

mod carrier;
mod grace;
mod trial;
mod unlock;

use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, dup2_stdin};
use tokenvpn_common::io::confinement::{self, Calls, ConfinementError, Kept};
use tokenvpn_common::io::hardening;
use tokenvpn_common::io::watcher::{Presence, Watcher};

use self::carrier::Carrier;
use self::grace::Grace;
use self::trial::Trial;
use self::unlock::{Unlocked, unlock};
use crate::message::{Channel, MessageError, Order, Report, Wait};
use crate::terminal;
use crate::words::{self, Doing, Failure, Fault, State};

/// The hidden first argument.
pub(crate) const ARGUMENT: &str = "worker-of-up";

/// Why the worker ends before it is killed.
#[derive(Debug)]
enum End {
    /// The supervisor is told.
    Failed(State),
    /// The supervisor is told; it knows or will soon.
    TokenGone,
    /// The supervisor is gone, or wants it so: there is nobody to tell.
    Unwanted,
}

impl From<MessageError> for End {
    fn from(error: MessageError) -> End {
        match error {
            MessageError::Ended => End::Unwanted,
            other => Doing::HearSupervisor.failed(other).into(),
        }
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> End {
        End::Failed(failure.into())
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> End {
        Failure::from(fault).into()
    }
}

impl From<hardening::Orphaned> for End {
    fn from(error: hardening::Orphaned) -> End {
        match error {
            hardening::Orphaned::ParentGone => End::Unwanted,
            hardening::Orphaned::Refused(error) => End::from(error),
        }
    }
}

impl From<hardening::HardeningError> for End {
    fn from(error: hardening::HardeningError) -> End {
        words::unprotected(&error).into()
    }
}

impl From<ConfinementError> for End {
    fn from(error: ConfinementError) -> End {
        words::unconfined(&error).into()
    }
}

/// What happens in a worker process from beginning to end.
pub(crate) fn run() -> ExitCode {
    let Ok(channel) = take_channel() else {
        let failure = words::started_by_hand();
        eprintln!("{failure}");
        return ExitCode::from(failure.code);
    };
    let channel = Arc::new(channel);
    let end = match work(&channel) {
        Err(end) => end,
        Ok(never) => match never {},
    };
    let report = match end {
        End::Failed(state) => Report::Failed(state),
        End::TokenGone => Report::TokenGone,
        End::Unwanted => return ExitCode::SUCCESS,
    };
    // If that fails the supervisor hears the end itself.
    let _ = channel.send(&report, &[]);
    ExitCode::SUCCESS
}

/// Takes the socket away from standard input, so that nothing reads it by accident.
fn take_channel() -> io::Result<Channel> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let null = std::fs::File::open("/dev/null")?;
    dup2_stdin(&null)?;
    Ok(Channel::from(socket))
}

fn work(channel: &Arc<Channel>) -> Result<Infallible, End> {
    protect()?;
    let (order, _) = channel.receive_order(Wait::Forever)?;
    let Order::Open {
        reader,
        token,
        supervisor,
        grace,
        keypad,
    } = order
    else {
        return Err(Fault::NothingToBeginWith.into());
    };
    let supervisor = Pid::from_raw(supervisor);
    // Before the card is opened, so that no moment goes unwatched.
    let grace = (grace > 0)
        .then(|| Grace::new(Duration::from_secs(grace), &reader).map(Arc::new))
        .transpose()
        .map_err(|e| Doing::TellRemoval.failed(e))?;
    let _watcher = watch(&reader, channel, grace.clone())?;
    let Unlocked { profile, summary } = unlock(channel, supervisor, &reader, token, keypad)?;
    channel
        .send(&Report::Unlocked(Box::new(summary)), &[])
        .map_err(|_| End::Unwanted)?;
    match channel.receive_order(Wait::Forever)? {
        (
            Order::Carry {
                offload,
                candidates,
            },
            descriptors,
        ) => {
            let carrier = Carrier::new(channel, profile, candidates, offload, descriptors, grace)?;
            confine()?;
            carrier.run()
        }
        (Order::Try { candidates }, _) => {
            let trial = Trial::new(&profile, &candidates)?;
            drop(profile);
            confine()?;
            let outcomes = trial.run().map_err(|e| Doing::AskGateways.failed(e))?;
            let _ = channel.send(&Report::Tried(outcomes), &[]);
            Err(End::Unwanted)
        }
        _ => Err(Fault::NothingToCarry.into()),
    }
}

/// Stage 1, before any input: memory, signals.
fn protect() -> Result<(), End> {
    hardening::harden()?;
    // The name in /proc, which would be "exe".
    let _ = prctl::set_name(c"tokenvpn");
    terminal::ignore_job_control();
    // Ctrl-C and a hang-up reach the whole group, systemd's SIGTERM the whole unit; what
    // they mean is the supervisor's to decide.
    terminal::ending_signals()
        .thread_block()
        .expect("invariant: these signals can be blocked");
    Ok(())
}

/// Stage 2, before the first packet: what is open now is all there will ever be.
fn confine() -> Result<(), ConfinementError> {
    confinement::drop_capabilities()?;
    confinement::confine_files(Kept::default())?;
    // The token's watch, which has given up the rest already, is included in this.
    confinement::confine_calls(Calls::Packets)
}

/// Ends this process the moment the token is gone, or cannot be seen any more, whatever
/// it is doing; with a grace it lets the packet loop wait, if that runs.
fn watch(reader: &str, channel: &Arc<Channel>, grace: Option<Arc<Grace>>) -> Result<Watcher, End> {
    let channel = Arc::clone(channel);
    let end = move |presence| {
        let report = match presence {
            Presence::Lost(_) => Report::Failed(State::NoService),
            _ => Report::TokenGone,
        };
        // Never waits. The supervisor has a watch of its own.
        let _ = channel.send(&report, &[]);
        let _ = kill(Pid::this(), Signal::SIGKILL);
    };
    let watcher = match grace {
        None => Watcher::watch_one(reader, end),
        Some(grace) => Watcher::watch_on(reader, move |presence| match presence {
            Presence::Removed { reader } if grace.removed(&reader) => {}
            Presence::Inserted { reader } => grace.inserted(&reader),
            presence => end(presence),
        }),
    };
    watcher.map_err(unlock::card_end)
}

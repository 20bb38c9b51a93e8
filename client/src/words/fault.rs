//! What only a mistake of ours brings about, or a system that is not as we know it.

mod text;

use std::fmt::Display;

pub(crate) use self::text::*;
use super::{Failure, code};

/// What should not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The worker is not what the supervisor takes it for.
    WorkerEnded,
    WorkerDeaf,
    WorkerOutOfTurn,
    WorkerMovedWithoutSession,
    WorkerNamesNoGateway,
    /// The supervisor is not what the worker takes it for.
    NothingToBeginWith,
    NothingToCarry,
    NoPinOrder,
    NothingToGoOnWith,
    CarriesAlready,
    NoDescriptors,
    NoCandidates,
    CandidateOfNoGateway,
    /// An answer over the control socket that is none.
    Answer,
    /// The tunnel's protocol fails in our hands.
    Protocol,
    /// What the system, or a layer of ours, refuses.
    Refused {
        doing: Doing,
        cause: String,
    },
    /// A thread of ours panicked: why and where.
    Panicked {
        what: String,
    },
    /// A state that is none of an error was to be one.
    NoError {
        state: String,
    },
}

/// What could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    ForbidCoreFiles,
    ProtectMemory,
    HoldSignals,
    StartSupervisor,
    Supervise,
    StartWorker,
    HearSupervisor,
    HearWorker,
    TellRemoval,
    AskPin,
    AddPeer,
    StartPackets,
    CarryPackets,
    AskGateways,
    UseTerminal,
}

impl Doing {
    /// The fault that it could not be done.
    pub(crate) fn failed(self, cause: impl Display) -> Failure {
        let cause = cause.to_string();
        Fault::Refused { doing: self, cause }.into()
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::new(code::INTERNAL, text::fault(&fault), REPORT)
    }
}

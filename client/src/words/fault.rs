//! What only a mistake of ours brings about, or a system that is not as we know it.

use std::fmt::Display;

use tokenvpn_common::language::say;

use super::{Failure, code};

/// What should not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The worker is not what the supervisor takes it for.
    #[error("{}", say().worker_ended())]
    WorkerEnded,
    #[error("{}", say().worker_deaf())]
    WorkerDeaf,
    #[error("{}", say().worker_out_of_turn())]
    WorkerOutOfTurn,
    #[error("{}", say().worker_moved_without_session())]
    WorkerMovedWithoutSession,
    #[error("{}", say().worker_names_no_gateway())]
    WorkerNamesNoGateway,
    /// The supervisor is not what the worker takes it for.
    #[error("{}", say().worker_told_nothing_to_begin_with())]
    NothingToBeginWith,
    #[error("{}", say().worker_told_nothing_to_carry())]
    NothingToCarry,
    #[error("{}", say().worker_told_no_pin_order())]
    NoPinOrder,
    #[error("{}", say().worker_has_nothing_to_go_on_with())]
    NothingToGoOnWith,
    #[error("{}", say().worker_carries_already())]
    CarriesAlready,
    #[error("{}", say().worker_got_no_descriptors())]
    NoDescriptors,
    #[error("{}", say().worker_got_no_candidates())]
    NoCandidates,
    #[error("{}", say().worker_got_candidate_of_no_gateway())]
    CandidateOfNoGateway,
    /// An answer over the control socket that is none.
    #[error("{}", say().answer_unreadable())]
    Answer,
    /// The tunnel's protocol fails in our hands.
    #[error("{}", say().protocol_failed())]
    Protocol,
    /// What the system, or a layer of ours, refuses.
    #[error("{}", .doing.refused(.cause))]
    Refused { doing: Doing, cause: String },
    /// A thread of ours panicked: why and where.
    #[error("{}", say().program_failed(.what))]
    Panicked { what: String },
    /// A state that is none of an error was to be one.
    #[error("{}", say().state_is_no_error(.state))]
    NoError { state: String },
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

    fn refused(self, cause: &dyn Display) -> String {
        match self {
            Doing::ForbidCoreFiles => say().core_files_not_forbidden(cause),
            Doing::ProtectMemory => say().memory_not_protected(cause),
            Doing::HoldSignals => say().signals_not_held(cause),
            Doing::StartSupervisor => say().supervisor_does_not_start(cause),
            Doing::Supervise => say().supervisor_cannot_wait(cause),
            Doing::StartWorker => say().worker_does_not_start(cause),
            Doing::HearSupervisor => say().supervisor_not_heard(cause),
            Doing::HearWorker => say().worker_not_heard(cause),
            Doing::TellRemoval => say().removal_not_told(cause),
            Doing::AskPin => say().pin_cannot_be_asked(cause),
            Doing::AddPeer => say().gateway_not_added(cause),
            Doing::StartPackets => say().packets_do_not_start(cause),
            Doing::CarryPackets => say().packets_ended(cause),
            Doing::AskGateways => say().gateways_not_asked(cause),
            Doing::UseTerminal => say().terminal_unusable(cause),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::new(code::INTERNAL, fault.to_string(), say().please_report())
    }
}

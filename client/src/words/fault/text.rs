//! Our own mistakes.

use crate::message::MessageError;
use crate::words::{Doing, Fault};

/// What to do about any of them.
pub(crate) const REPORT: &str =
    "this should not happen; RUST_LOG=debug tells more, please report it";

/// What happened.
pub(crate) fn fault(fault: &Fault) -> String {
    let text = match fault {
        Fault::WorkerEnded => "the worker ended unexpectedly",
        Fault::WorkerDeaf => "the worker does not listen",
        Fault::WorkerOutOfTurn => "the worker spoke out of turn",
        Fault::WorkerMovedWithoutSession => "the worker moved without a session",
        Fault::WorkerNamesNoGateway => "the worker named a gateway that does not exist",
        Fault::NothingToBeginWith => "the worker was told to begin in the middle",
        Fault::NothingToCarry => "the worker was told something else than to carry",
        Fault::NoPinOrder => "the worker was told something else than to ask for the PIN",
        Fault::NothingToGoOnWith => "the worker has nothing to go on with",
        Fault::CarriesAlready => "the worker carries packets already",
        Fault::NoDescriptors => "the worker got no descriptors",
        Fault::NoCandidates => "the worker got no candidates",
        Fault::CandidateOfNoGateway => "the worker got a candidate of no gateway",
        Fault::Answer => "the supervisor's answer cannot be read",
        Fault::Protocol => "the tunnel's protocol failed again and again",
        Fault::Refused { doing, cause } => return format!("{}: {cause}", failed(*doing)),
        Fault::Panicked { what } => return format!("the program failed: {what}"),
        Fault::NoError { state } => return format!("{state} is no error"),
    };
    text.into()
}

fn failed(doing: Doing) -> &'static str {
    match doing {
        Doing::ForbidCoreFiles => "core files cannot be forbidden",
        Doing::ProtectMemory => "memory cannot be protected",
        Doing::HoldSignals => "signals cannot be held",
        Doing::StartSupervisor => "the supervisor does not start",
        Doing::Supervise => "the supervisor cannot wait",
        Doing::StartWorker => "the worker does not start",
        Doing::HearSupervisor => "the supervisor cannot be heard",
        Doing::HearWorker => "the worker cannot be heard",
        Doing::TellRemoval => "a removal could not be told",
        Doing::AskPin => "the PIN cannot be asked",
        Doing::AddPeer => "the gateway cannot be a peer",
        Doing::StartPackets => "the packet loop does not start",
        Doing::CarryPackets => "the packet loop ended",
        Doing::AskGateways => "the gateways cannot be asked",
        Doing::UseTerminal => "the terminal cannot be used",
    }
}

/// Why a message between our two processes is none.
pub(crate) fn bad_message(error: &MessageError) -> String {
    let text = match error {
        MessageError::Ended => "the other process is gone",
        MessageError::Nothing => "no message waits",
        MessageError::OutOfBounds => "a message breaks the bounds",
        MessageError::Malformed(_) => "a message cannot be understood",
        MessageError::Impossible { what } => {
            return format!("a message holds an impossible {what}");
        }
        MessageError::Io(_) => "the socket failed",
    };
    text.into()
}

/// What can be impossible in a message.
pub(crate) const HOW_MANY_GATEWAYS: &str = "number of gateways or endpoints";
pub(crate) const HOW_MANY_ADDRESSES: &str = "number of addresses";
pub(crate) const HOW_MANY_ROUTES: &str = "number of allowed IPs";
pub(crate) const HOW_MANY_SERVERS: &str = "number of name servers";

/// A question to the system was not answered, for a mistake of ours.
pub(crate) const PANICKED: &str = "looking for it panicked";

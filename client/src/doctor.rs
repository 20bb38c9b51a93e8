//! What `doctor` finds. The looking is done by [`look`] and [`residue`]; what a finding means
//! is said here, and its text stands with the other words.

pub(crate) mod look;
pub(crate) mod residue;
pub(crate) mod trial;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Serialize;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::name::Name;
use tokenvpn_common::token::Ident;

use self::residue::Trace;
use crate::words::Failure;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, and deserves a look.
    Warning,
    /// The tunnel does not work with this.
    Problem,
    /// Could not be looked at.
    Unchecked,
}

/// Why a gateway did not answer at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Nothing was heard.
    Silent,
    /// The computer there says that nobody listens.
    Refused,
    /// This computer cannot send there.
    Unsent { reason: String },
}

/// What the other addresses did meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    Silent,
    AnotherGatewayAnswers,
    SameGatewayAnswers,
}

/// What an `up` without a session waits for, if nothing is wrong so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Token,
    /// The smart-card service; what to do about that is told of the service.
    Service,
    /// That another program lets go of the token; what to do about that is told of the token.
    Holder,
    Pin,
    Gateway,
}

impl Wait {
    /// What is waited for in the state of this name.
    pub(crate) fn of(state: &str) -> Option<Wait> {
        match state {
            "waiting_token" | "token_removed" | "token_grace" => Some(Wait::Token),
            "waiting_service" => Some(Wait::Service),
            "token_busy" => Some(Wait::Holder),
            "pin" | "pin_wrong" | "pin_too_long" | "pin_length" | "pin_source_failed"
            | "pin_timed_out" | "pin_last" => Some(Wait::Pin),
            "resolving" | "connecting" => Some(Wait::Gateway),
            _ => None,
        }
    }
}

/// One thing that was looked at, and how it was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Finding {
    /// CAP_NET_ADMIN is there.
    Permitted,
    NotPermitted,
    /// /dev/net/tun can be opened.
    Tun,
    NoTun {
        reason: String,
    },
    /// pcscd answers.
    Service,
    NoService,
    /// It does not let this user in.
    ServiceRefuses,
    ServiceFails {
        reason: String,
    },
    Reader {
        name: String,
    },
    NoReader,
    NoToken,
    TokenBusy {
        holders: Vec<String>,
    },
    /// A running `up` has it, and asks for its PIN.
    TokenAsked {
        interface: String,
    },
    /// A card without room for a profile.
    Unsupported {
        reader: String,
    },
    TokenFails {
        reader: String,
        reason: String,
    },
    Token {
        token: Ident,
        name: Option<Name>,
    },
    /// An `up` that is not told which one takes none.
    SeveralTokens {
        number: usize,
    },
    /// A mistake or two were made.
    FewTries {
        token: Ident,
        left: u8,
    },
    PinBlocked {
        token: Ident,
    },
    /// Bytes that a profile can have there.
    Room {
        token: Ident,
        bytes: usize,
    },
    /// What the label says of a profile.
    Profile {
        token: Ident,
        not_after: Option<UnixTime>,
    },
    ProfileExpiresSoon {
        token: Ident,
        not_after: UnixTime,
        now: UnixTime,
    },
    ProfileExpired {
        token: Ident,
        not_after: UnixTime,
    },
    /// No label: there may be a profile all the same.
    NoLabel {
        token: Ident,
    },
    /// A label that is none of ours, or broken.
    BadLabel {
        token: Ident,
        what: String,
    },
    /// systemd-resolved is told of name servers.
    TellsResolved,
    NoResolvectl,
    /// A file is mounted over /etc/resolv.conf.
    MountsFile,
    NoResolvConf,
    Clock {
        now: UnixTime,
    },
    ClockWrong {
        now: UnixTime,
    },
    /// A default route.
    WayOut {
        interface: String,
        mtu: u32,
    },
    /// Its MTU is too small for the longest packets of a tunnel, which travel in pieces.
    NarrowWayOut {
        interface: String,
        mtu: u32,
        /// The longest packet that a tunnel carries whole there.
        whole: u32,
        /// The longest that the tunnel has.
        longest: u16,
    },
    NoWayOut,
    /// A running `up` keeps these networks closed, with a session or without.
    Closed {
        interface: String,
        networks: Vec<IpNet>,
        is_connected: bool,
    },
    /// A running `up` has a session.
    Connected {
        interface: String,
        gateway: String,
        /// Seconds since the last handshake.
        handshake: Option<u64>,
    },
    /// A running `up` has none.
    NotConnected {
        interface: String,
        /// By the name that programs read.
        state: String,
    },
    /// The gateways were to be asked, and a running `up` has the token.
    GatewaysLeft {
        interface: String,
    },
    /// No `up` is running, and the endpoints are behind a PIN.
    GatewayUnchecked,
    /// A gateway answered the token.
    GatewayAnswers {
        endpoint: Endpoint,
        address: SocketAddr,
        round_trip_ms: u64,
    },
    NoAnswer {
        endpoint: Endpoint,
        address: SocketAddr,
        why: NoAnswer,
        others: Others,
    },
    /// A gateway's name has no address.
    GatewayUnresolved {
        name: String,
        others_answer: bool,
    },
    /// They were to be asked.
    GatewaysUntried(Failure),
    /// Nothing of an earlier run.
    Tidy,
    Left(Trace),
}

impl Finding {
    /// What was looked at, for scripts.
    pub(crate) fn check(&self) -> &'static str {
        use Finding as F;
        match self {
            F::Permitted | F::NotPermitted => "permission",
            F::Tun | F::NoTun { .. } => "tun",
            F::Service | F::NoService | F::ServiceRefuses | F::ServiceFails { .. } => "service",
            F::Reader { .. } | F::NoReader => "reader",
            F::NoToken
            | F::TokenBusy { .. }
            | F::TokenAsked { .. }
            | F::Unsupported { .. }
            | F::TokenFails { .. }
            | F::Token { .. }
            | F::SeveralTokens { .. } => "token",
            F::FewTries { .. } | F::PinBlocked { .. } => "pin",
            F::Room { .. } => "room",
            F::Profile { .. }
            | F::ProfileExpiresSoon { .. }
            | F::ProfileExpired { .. }
            | F::NoLabel { .. }
            | F::BadLabel { .. } => "profile",
            F::TellsResolved | F::NoResolvectl | F::MountsFile | F::NoResolvConf => "dns",
            F::Clock { .. } | F::ClockWrong { .. } => "clock",
            F::WayOut { .. } | F::NarrowWayOut { .. } | F::NoWayOut | F::Closed { .. } => "network",
            F::Connected { .. }
            | F::NotConnected { .. }
            | F::GatewaysLeft { .. }
            | F::GatewayUnchecked
            | F::GatewayAnswers { .. }
            | F::NoAnswer { .. }
            | F::GatewayUnresolved { .. }
            | F::GatewaysUntried(_) => "gateway",
            F::Tidy | F::Left(_) => "leftovers",
        }
    }

    /// How bad it is.
    pub(crate) fn verdict(&self) -> Verdict {
        use Finding as F;
        match self {
            F::Permitted
            | F::Tun
            | F::Service
            | F::Reader { .. }
            | F::Token { .. }
            | F::Room { .. }
            | F::Profile { .. }
            | F::TellsResolved
            | F::MountsFile
            | F::Clock { .. }
            | F::WayOut { .. }
            | F::Connected { .. }
            | F::GatewayAnswers { .. }
            | F::Tidy => Verdict::Ok,
            // One that answers is enough for a tunnel.
            F::NoAnswer { others, .. } if *others != Others::Silent => Verdict::Warning,
            F::GatewayUnresolved {
                others_answer: true,
                ..
            } => Verdict::Warning,
            F::SeveralTokens { .. }
            | F::FewTries { .. }
            | F::ProfileExpiresSoon { .. }
            | F::NarrowWayOut { .. }
            | F::Closed { .. }
            | F::NoResolvConf => Verdict::Warning,
            F::NotConnected { state, .. } if Wait::of(state).is_some() => Verdict::Unchecked,
            F::NoLabel { .. }
            | F::TokenAsked { .. }
            | F::GatewaysLeft { .. }
            | F::GatewayUnchecked => Verdict::Unchecked,
            F::NotPermitted
            | F::NoTun { .. }
            | F::NoService
            | F::ServiceRefuses
            | F::ServiceFails { .. }
            | F::NoReader
            | F::NoToken
            | F::TokenBusy { .. }
            | F::Unsupported { .. }
            | F::TokenFails { .. }
            | F::PinBlocked { .. }
            | F::ProfileExpired { .. }
            | F::BadLabel { .. }
            | F::NoResolvectl
            | F::ClockWrong { .. }
            | F::NoWayOut
            | F::NotConnected { .. }
            | F::NoAnswer { .. }
            | F::GatewayUnresolved { .. }
            | F::GatewaysUntried(_)
            | F::Left(_) => Verdict::Problem,
        }
    }
}

/// Where an executable of this name is, if it is in the search path.
fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut files = std::env::split_paths(&path).map(|directory| directory.join(program));
    files.find(|file| file.is_file())
}

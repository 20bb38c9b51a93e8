//! What supervisor and worker say to each other, over a socket pair that keeps
//! messages apart (SOCK_SEQPACKET, unix(7)).
//!
//! The worker reads a token and the network, so the supervisor trusts none of its
//! messages: they are bounded, they carry no descriptors, and each is checked whole.
//! No message holds a secret.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use ipnet::IpNet;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socketpair,
};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::io::tun::Offload;
use tokenvpn_common::key::PublicKey;
use tokenvpn_common::language::say;
use tokenvpn_common::name::Name;
use tokenvpn_common::profile::{KEEPALIVE_RANGE, MAX_ENDPOINTS, MAX_ENTRIES, MTU_RANGE, Profile};
use tokenvpn_common::status::Peer;
use tokenvpn_common::token::Ident;

use crate::pin::Source;
use crate::words::{Failure, State};

/// Longest message in bytes: no profile of 4,096 bytes makes a longer one (2 bytes for
/// ff00::/8, 7 for an IPv4 endpoint become at most 7 times as much).
const MAX_MESSAGE: usize = 64 * 1024;

/// Most descriptors in one message: a TUN queue and two sockets.
const MAX_DESCRIPTORS: usize = 3;

/// How long a gateway has to answer at each address of [`Order::Try`]: as long as it has when
/// a tunnel is begun.
pub(crate) const TRIAL_TIME: Duration = Duration::from_secs(5);

/// What the supervisor tells the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Order {
    /// Open this token.
    Open {
        /// Its reader, as PC/SC names it.
        reader: String,
        /// Which token it has to be.
        token: Ident,
        /// The supervisor's process id: whose death has to be the worker's.
        supervisor: i32,
        /// For how many seconds it may wait for its token to come back, with its keys;
        /// 0: not at all.
        grace: u64,
        /// Whether the keypad of its reader may be used.
        keypad: bool,
    },
    /// Ask for the PIN.
    AskPin {
        /// Where.
        source: Source,
    },
    /// Use the PIN that the descriptor holds that comes along: nobody typed it.
    UsePin,
    /// Carry packets between the descriptors that come along: a TUN queue, the IPv4
    /// socket and, if there is one, the IPv6 socket.
    Carry {
        /// What the kernel does for the TUN queue.
        offload: Offload,
        /// Where gateways listen, in the order to try them; at least one.
        candidates: Vec<Candidate>,
    },
    /// Instead of carrying packets, ask once at each of these places whether the gateway answers.
    Try {
        /// Where gateways listen.
        candidates: Vec<Candidate>,
    },
    /// The token is out: send nothing and take nothing, until told otherwise.
    Freeze,
    /// The same token is back: go on.
    Thaw {
        /// Its reader now.
        reader: String,
    },
    /// More places where gateways listen, to be tried after the others.
    AddCandidates(Vec<Candidate>),
    /// This computer's addresses or routes changed.
    NetworkChanged,
    /// Report the gateway's counters.
    ReportPeers,
}

/// What the worker tells the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Report {
    /// The card wants a PIN; the worker waits for [`Order::AskPin`] or [`Order::UsePin`].
    PinNeeded(PinNeeded),
    /// Nobody has typed it on the reader in its time; it goes on asking.
    PinTimedOut,
    /// The token's profile can be used; it and the card are no longer needed.
    Unlocked(Box<Summary>),
    /// It cannot go on, and ends.
    Failed(State),
    /// The token is gone, and the worker ends.
    TokenGone,
    /// A candidate is being tried.
    Connecting {
        /// Its place in the list.
        candidate: usize,
    },
    /// All candidates were tried in vain; it goes on trying.
    Unreachable,
    /// A session with a candidate's gateway is up.
    Connected {
        /// Its place in the list.
        candidate: usize,
        /// How long the gateway took to answer, in milliseconds.
        round_trip_ms: Option<u64>,
    },
    /// The session was lost; the candidates are tried again.
    Lost,
    /// The gateway has not answered for a while; others are asked meanwhile.
    Silent,
    /// The session went over to another candidate without an interruption of its own.
    Moved {
        /// Its place in the list.
        candidate: usize,
        /// How long the gateway took to answer, in milliseconds.
        round_trip_ms: Option<u64>,
        /// How long the one before had been silent, in milliseconds; absent if it was not
        /// and a better one answered.
        silent_ms: Option<u64>,
    },
    /// The gateway was heard from after [`Order::NetworkChanged`].
    Roamed,
    /// The answer to [`Order::ReportPeers`].
    Peers(Vec<Peer>),
    /// The answer to [`Order::Try`], in the order of its candidates; the worker ends.
    Tried(Vec<Outcome>),
}

/// A card that wants a PIN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PinNeeded {
    /// What its counter says.
    pub(crate) tries_left: u8,
    /// What was wrong with the PIN before.
    pub(crate) refused: Option<Refusal>,
    /// Whether its reader has a keypad for it.
    pub(crate) pinpad: bool,
    /// Who could not ask for it.
    pub(crate) unable: Option<Unable>,
}

/// What is wrong with a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Refusal {
    /// It is another one, and a try is lost.
    Wrong,
    /// The card takes none that long, and was not asked.
    TooLong {
        /// The longest in bytes.
        max: u8,
    },
    /// The reader takes none of such a length, and the card was not asked.
    Length,
}

/// A source that fails: neither it nor one before it is asked again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unable {
    /// Which one.
    pub(crate) source: Source,
    /// Why.
    pub(crate) failure: Failure,
    /// Whether that was told before.
    pub(crate) told: bool,
}

/// What came of asking a gateway at one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Outcome {
    /// It answered: it is there, and knows the token's key.
    Answered {
        /// How long that took, in milliseconds.
        round_trip_ms: u64,
    },
    /// Nothing was heard.
    Silent,
    /// The computer there says that nobody listens (ICMP, port unreachable).
    Refused,
    /// This computer cannot send there.
    Unsent {
        /// What the system says.
        reason: String,
    },
}

/// One address of one endpoint of one gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Candidate {
    /// The gateway's place in the profile.
    pub(crate) gateway: usize,
    /// The endpoint as the profile has it.
    pub(crate) endpoint: Endpoint,
    /// Its address.
    pub(crate) address: SocketAddr,
}

/// What the supervisor has to know of a profile: everything but the secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Summary {
    /// Whose it is.
    pub(crate) name: Name,
    /// The public half of its key.
    pub(crate) public_key: PublicKey,
    /// When it expires.
    pub(crate) not_after: Option<UnixTime>,
    /// The gateways, best first.
    pub(crate) gateways: Vec<GatewaySummary>,
    /// The tunnel addresses, with their network's prefix.
    pub(crate) addresses: Vec<IpNet>,
    /// The networks behind the gateways.
    pub(crate) allowed_ips: Vec<IpNet>,
    /// Name servers to use.
    pub(crate) dns: Vec<IpAddr>,
    /// Inner MTU in bytes.
    pub(crate) mtu: u16,
    /// Seconds between keepalives; 0 turns them off.
    pub(crate) keepalive: u16,
}

impl From<&Profile> for Summary {
    fn from(profile: &Profile) -> Summary {
        let gateways = profile.gateways.iter().map(|gateway| GatewaySummary {
            public_key: gateway.public_key,
            endpoints: gateway.endpoints.clone(),
        });
        Summary {
            name: profile.name.clone(),
            public_key: profile.private_key.public(),
            not_after: profile.not_after,
            gateways: gateways.collect(),
            addresses: profile.addresses.clone(),
            allowed_ips: profile.allowed_ips.clone(),
            dns: profile.dns.clone(),
            mtu: profile.mtu,
            keepalive: profile.keepalive,
        }
    }
}

/// A gateway without its preshared key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewaySummary {
    /// Its static key.
    pub(crate) public_key: PublicKey,
    /// Where it listens, best first.
    pub(crate) endpoints: Vec<Endpoint>,
}

/// Why a message is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    /// The other process ended.
    #[error("{}", say().message_to_nobody())]
    Ended,
    /// Nothing to read now.
    #[error("{}", say().message_is_missing())]
    Nothing,
    /// Longer than a message can be, or with descriptors where none belong.
    #[error("{}", say().message_out_of_bounds())]
    OutOfBounds,
    /// Not one of ours.
    #[error("{}", say().message_malformed())]
    Malformed(#[source] serde_json::Error),
    /// A value that no token can hold.
    #[error(transparent)]
    Impossible(#[from] Impossible),
    /// The system refused.
    #[error("{}", say().message_io_failed())]
    Io(#[from] io::Error),
}

/// Which value no token can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Impossible {
    #[error("{}", say().impossible_gateways())]
    Gateways,
    #[error("{}", say().impossible_addresses())]
    Addresses,
    #[error("{}", say().impossible_routes())]
    Routes,
    #[error("{}", say().impossible_servers())]
    Servers,
    #[error("{}", say().impossible_mtu())]
    Mtu,
    #[error("{}", say().impossible_keepalive())]
    Keepalive,
    #[error("{}", say().impossible_failure())]
    Failure,
}

/// Whether a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until there is a message.
    Forever,
    /// Not at all.
    Never,
}

/// One end of the socket pair.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

impl Channel {
    /// Makes both ends: ours, and the one to start the worker with.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        Ok((Channel(ours), theirs))
    }

    /// Sends a message and copies of descriptors; never waits.
    ///
    /// # Errors
    /// `WouldBlock` if the other side has not read for long, `BrokenPipe` if it is gone.
    pub(crate) fn send<T: Serialize>(
        &self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let numbers: Vec<RawFd> = descriptors.iter().map(|fd| fd.as_raw_fd()).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let rights = match descriptors {
            [] => &[],
            _ => &rights[..],
        };
        sendmsg::<UnixAddr>(
            self.0.as_raw_fd(),
            &[IoSlice::new(&bytes)],
            rights,
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
            None,
        )?;
        Ok(())
    }

    /// Receives an order and the descriptors that came along.
    ///
    /// # Errors
    /// [`MessageError`]
    pub(crate) fn receive_order(&self, wait: Wait) -> Result<(Order, Vec<OwnedFd>), MessageError> {
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        self.receive(wait, &mut room)
    }

    /// Receives a report, if one waits, and checks it.
    ///
    /// # Errors
    /// [`MessageError`]; [`MessageError::Nothing`] when all were read.
    pub(crate) fn receive_report(&self) -> Result<Report, MessageError> {
        // Without room for descriptors the kernel closes them and says so.
        let (report, _) = self.receive(Wait::Never, &mut [])?;
        check(&report)?;
        Ok(report)
    }

    fn receive<T: DeserializeOwned>(
        &self,
        wait: Wait,
        room: &mut [MaybeUninit<u8>],
    ) -> Result<(T, Vec<OwnedFd>), MessageError> {
        let mut bytes = vec![0; MAX_MESSAGE];
        let mut control = RecvAncillaryBuffer::new(room);
        let flags = match wait {
            Wait::Forever => RecvFlags::CMSG_CLOEXEC,
            Wait::Never => RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
        };
        let received = loop {
            match recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut control,
                flags,
            ) {
                Ok(received) => break received,
                // The other end was closed with a message of ours unread. That is told once, and
                // before its last words.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
                Err(rustix::io::Errno::AGAIN) => return Err(MessageError::Nothing),
                Err(e) => return Err(MessageError::Io(e.into())),
            }
        };
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        if received.bytes == 0 {
            return Err(MessageError::Ended);
        }
        if received
            .flags
            .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
        {
            return Err(MessageError::OutOfBounds);
        }
        let message =
            serde_json::from_slice(&bytes[..received.bytes]).map_err(MessageError::Malformed)?;
        Ok((message, descriptors))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Channel {
    fn from(fd: OwnedFd) -> Channel {
        Channel(fd)
    }
}

/// Refuses what serde lets through but no token can hold.
fn check(report: &Report) -> Result<(), MessageError> {
    let impossible = |what: Impossible| Err(what.into());
    match report {
        Report::Unlocked(summary) => {
            let entries = 1..=MAX_ENTRIES;
            if !entries.contains(&summary.gateways.len())
                || summary
                    .gateways
                    .iter()
                    .any(|gateway| !(1..=MAX_ENDPOINTS).contains(&gateway.endpoints.len()))
            {
                return impossible(Impossible::Gateways);
            }
            if !entries.contains(&summary.addresses.len()) {
                return impossible(Impossible::Addresses);
            }
            if !entries.contains(&summary.allowed_ips.len()) {
                return impossible(Impossible::Routes);
            }
            if summary.dns.len() > MAX_ENTRIES {
                return impossible(Impossible::Servers);
            }
            if !MTU_RANGE.contains(&summary.mtu) {
                return impossible(Impossible::Mtu);
            }
            if summary.keepalive != 0 && !KEEPALIVE_RANGE.contains(&summary.keepalive) {
                return impossible(Impossible::Keepalive);
            }
            Ok(())
        }
        // Nothing that fails ends as what the user has ended.
        Report::Failed(state) if matches!(state.exit_code(), None | Some(0)) => {
            impossible(Impossible::Failure)
        }
        Report::PinNeeded(PinNeeded {
            unable: Some(Unable { failure, .. }),
            ..
        }) if failure.code == 0 => impossible(Impossible::Failure),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use tokenvpn_common::key::PrivateKey;
    use tokenvpn_common::profile::{Gateway, ProfileError};

    use super::*;
    use crate::words::{Doing, Fault};

    fn summary() -> Summary {
        Summary {
            name: "traveller".parse().unwrap(),
            public_key: PrivateKey::from_bytes([1; 32]).public(),
            not_after: None,
            gateways: vec![GatewaySummary {
                public_key: PrivateKey::from_bytes([2; 32]).public(),
                endpoints: vec!["203.0.113.5:51820".parse().unwrap()],
            }],
            addresses: vec!["10.77.0.7/24".parse().unwrap()],
            allowed_ips: vec!["10.0.0.0/8".parse().unwrap()],
            dns: vec![],
            mtu: 1420,
            keepalive: 25,
        }
    }

    fn channels() -> (Channel, Channel) {
        let (supervisor, worker) = Channel::pair().unwrap();
        (supervisor, Channel::from(worker))
    }

    #[test]
    fn messages_stay_apart_and_arrive_as_they_were() {
        let (supervisor, worker) = channels();
        let reports = [
            Report::PinNeeded(PinNeeded {
                tries_left: 2,
                refused: Some(Refusal::TooLong { max: 8 }),
                pinpad: false,
                unable: Some(Unable {
                    source: Source::Pinentry,
                    failure: Fault::Answer.into(),
                    told: false,
                }),
            }),
            Report::Unlocked(Box::new(summary())),
            Report::Failed(State::PinBlocked),
            Report::Failed(State::Failed(Fault::Answer.into())),
            Report::TokenGone,
        ];
        for report in &reports {
            worker.send(report, &[]).unwrap();
        }
        for report in reports {
            assert_eq!(supervisor.receive_report().unwrap(), report);
        }
        assert!(matches!(
            supervisor.receive_report(),
            Err(MessageError::Nothing)
        ));
        // Nor is the last one lost that was sent by who has not listened.
        supervisor.send(&Order::Freeze, &[]).unwrap();
        worker.send(&Report::TokenGone, &[]).unwrap();
        drop(worker);
        assert_eq!(supervisor.receive_report().unwrap(), Report::TokenGone);
        assert!(matches!(
            supervisor.receive_report(),
            Err(MessageError::Ended)
        ));
    }

    /// The largest profile that `grow` makes by adding to one a step at a time.
    fn largest(grow: impl Fn(&mut Profile, u32)) -> Profile {
        let small = Profile {
            name: "traveller".parse().unwrap(),
            serial: 1,
            issued: "2026-11-20T12:00:00Z".parse().unwrap(),
            not_before: None,
            not_after: None,
            private_key: PrivateKey::from_bytes([1; 32]),
            gateways: vec![Gateway {
                public_key: PrivateKey::from_bytes([2; 32]).public(),
                preshared_key: None,
                endpoints: vec!["203.0.113.5:51820".parse().unwrap()],
            }],
            addresses: vec!["10.77.0.7/24".parse().unwrap()],
            allowed_ips: vec!["fd77::/48".parse().unwrap()],
            dns: Vec::new(),
            mtu: 9000,
            keepalive: 25,
        };
        let mut profile = small;
        for step in 0.. {
            let mut larger = profile.clone();
            grow(&mut larger, step);
            match larger.encode() {
                Ok(_) => profile = larger,
                Err(ProfileError::TooLong { .. } | ProfileError::TooMany { .. }) => break,
                Err(error) => panic!("{error}"),
            }
        }
        profile
    }

    #[test]
    fn what_fits_the_largest_token_fits_a_message() {
        let networks = |profile: &mut Profile, step: u32| {
            let text = format!("172.{}.{}.0/24", step >> 8, step & 255);
            profile.allowed_ips.push(text.parse().unwrap());
        };
        // As little of a profile as a network can be, for as much text.
        let short_networks = |profile: &mut Profile, step: u32| {
            let (length, first) = match step {
                0..128 => (8, 128 + (step & 63)),
                _ => (16, step),
            };
            let text = match (step, length) {
                (0..64, _) => format!("{first}.0.0.0/{length}"),
                (64..128, _) => format!("{first:x}00::/{length}"),
                _ => format!("11{}.{}.0.0/{length}", step >> 8, step & 255),
            };
            profile.allowed_ips.push(text.parse().unwrap());
        };
        let servers = |profile: &mut Profile, step: u32| {
            let text = format!("2001:db8:1111:1111:1111:1111:1111:{step:x}");
            profile.dns.push(text.parse().unwrap());
        };
        let gateways = |profile: &mut Profile, step: u32| {
            let endpoints = (0..15).map(|at| format!("203.{}.{step}.211:51820", 100 + at));
            profile.gateways.push(Gateway {
                public_key: PrivateKey::from_bytes([step as u8 + 3; 32]).public(),
                preshared_key: None,
                endpoints: endpoints.map(|text| text.parse().unwrap()).collect(),
            });
        };
        let profiles = [
            largest(networks),
            largest(short_networks),
            largest(servers),
            largest(gateways),
        ];
        assert!(profiles[0].allowed_ips.len() > 900);
        for profile in profiles {
            let report = Report::Unlocked(Box::new(Summary::from(&profile)));
            let (supervisor, worker) = channels();
            worker.send(&report, &[]).unwrap();
            assert_eq!(supervisor.receive_report().unwrap(), report);
        }
    }

    #[test]
    fn a_descriptor_arrives_with_its_order() {
        let (supervisor, worker) = channels();
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        supervisor.send(&Order::Freeze, &[writer.as_fd()]).unwrap();
        let (order, descriptors) = worker.receive_order(Wait::Forever).unwrap();
        assert_eq!(order, Order::Freeze);
        let [descriptor] = <[OwnedFd; 1]>::try_from(descriptors).unwrap();
        writer.write_all(b"a").unwrap();
        drop(writer);
        std::fs::File::from(descriptor).write_all(b"b").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ab");
    }

    #[test]
    fn the_last_words_of_a_worker_that_had_not_read_all_are_heard() {
        let (supervisor, worker) = channels();
        supervisor.send(&Order::Freeze, &[]).unwrap();
        worker.send(&Report::TokenGone, &[]).unwrap();
        drop(worker);
        assert_eq!(supervisor.receive_report().unwrap(), Report::TokenGone);
        let end = supervisor.receive_report();
        assert!(matches!(end, Err(MessageError::Ended)), "{end:?}");
    }

    #[test]
    fn a_worker_that_breaks_the_rules_is_found_out() {
        let (supervisor, worker) = channels();
        let broken = |report: Report, descriptors: &[BorrowedFd<'_>]| {
            worker.send(&report, descriptors).unwrap();
            supervisor.receive_report().unwrap_err()
        };
        assert!(matches!(
            broken(Report::TokenGone, &[supervisor.as_fd()]),
            MessageError::OutOfBounds
        ));
        let long = "x".repeat(MAX_MESSAGE);
        assert!(matches!(
            broken(
                Report::Failed(State::Failed(Doing::AskPin.failed(long))),
                &[]
            ),
            MessageError::OutOfBounds
        ));
        assert!(matches!(
            broken(Report::Failed(State::Roamed), &[]),
            MessageError::Impossible(Impossible::Failure)
        ));
        let mut harmless = crate::words::Failure::from(Fault::Answer);
        harmless.code = 0;
        assert!(matches!(
            broken(Report::Failed(State::Failed(harmless.clone())), &[]),
            MessageError::Impossible(Impossible::Failure)
        ));
        let unable = Unable {
            source: Source::Agent,
            failure: harmless,
            told: false,
        };
        let needed = PinNeeded {
            tries_left: 3,
            refused: None,
            pinpad: false,
            unable: Some(unable),
        };
        assert!(matches!(
            broken(Report::PinNeeded(needed), &[]),
            MessageError::Impossible(Impossible::Failure)
        ));
        let absurd = |change: fn(&mut Summary)| {
            let mut summary = summary();
            change(&mut summary);
            matches!(
                broken(Report::Unlocked(Box::new(summary)), &[]),
                MessageError::Impossible(_)
            )
        };
        assert!(absurd(|s| s.gateways.clear()));
        assert!(absurd(|s| s.gateways[0].endpoints.clear()));
        assert!(absurd(|s| s.addresses.clear()));
        assert!(absurd(
            |s| s.allowed_ips = vec![s.allowed_ips[0]; MAX_ENTRIES + 1]
        ));
        assert!(absurd(|s| s.mtu = 68));
        assert!(absurd(|s| s.keepalive = 1));
        worker.send(&"surprise", &[]).unwrap();
        assert!(matches!(
            supervisor.receive_report(),
            Err(MessageError::Malformed(_))
        ));
    }
}

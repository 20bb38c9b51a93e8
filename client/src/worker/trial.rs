//! Whether the gateways answer the token's key, asked once at each of their addresses.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokenvpn_common::clock::Now;
use tokenvpn_common::io::clock;
use tokenvpn_common::probe::Probe;
use tokenvpn_common::profile::Profile;

use super::End;
use crate::message::{Candidate, Outcome, TRIAL_TIME};
use crate::words::Fault;

/// How often an address is asked: a datagram can get lost.
const AGAIN: Duration = Duration::from_millis(1500);

/// The wait between any two questions. A gateway takes them only in the order in which they
/// were made, and at most 50 a second from one key; the ways to its addresses differ.
const PACE: Duration = Duration::from_millis(50);

/// Longest datagram that is of interest, in bytes: a handshake's are at most 148 long.
const ROOM: usize = 256;

/// What is asked, and where.
pub(super) struct Trial {
    questions: Vec<Question>,
    /// Before this no other one is asked.
    next: Now,
}

/// One address.
struct Question {
    probe: Probe,
    /// Connected: what the network says of our datagrams is told (udp(7)).
    socket: Result<UdpSocket, io::Error>,
    outcome: Option<Outcome>,
    /// When it is asked, or asked again.
    ask_at: Now,
    /// When it has had its time; `None` before it was asked.
    until: Option<Now>,
}

impl Trial {
    /// Opens everything that it takes. Of the profile's secrets it keeps its own copies.
    pub(super) fn new(profile: &Profile, candidates: &[Candidate]) -> Result<Trial, End> {
        let now = clock::now();
        let question = |candidate: &Candidate| -> Result<Question, Fault> {
            let gateway = profile.gateways.get(candidate.gateway);
            let gateway = gateway.ok_or(Fault::CandidateOfNoGateway)?;
            let secret = gateway.preshared_key.as_ref();
            Ok(Question {
                probe: Probe::new(&profile.private_key, &gateway.public_key, secret, now),
                socket: open(candidate.address),
                outcome: None,
                ask_at: now,
                until: None,
            })
        };
        let questions: Result<_, Fault> = candidates.iter().map(question).collect();
        Ok(Trial {
            questions: questions?,
            next: now,
        })
    }

    /// Asks until each has answered or had its time; what came of it, in their order.
    ///
    /// # Errors
    /// Waiting itself fails.
    pub(super) fn run(mut self) -> io::Result<Vec<Outcome>> {
        while let Some(due) = self.work(clock::now()) {
            self.wait(due)?;
        }
        let outcomes = self.questions.into_iter().map(|question| question.outcome);
        Ok(outcomes.map(|o| o.unwrap_or(Outcome::Silent)).collect())
    }

    /// Listens, and asks what is due; gives when to come back, `None` once all is known.
    fn work(&mut self, now: Now) -> Option<Now> {
        let mut due = None;
        for question in &mut self.questions {
            question.listen(now);
            if question.until.is_some_and(|until| until <= now) {
                question.outcome.get_or_insert(Outcome::Silent);
            }
            if question.outcome.is_none() && question.ask_at <= now && self.next <= now {
                question.ask(now);
                self.next = now + PACE;
            }
            if question.outcome.is_none() {
                let ask_at = question.ask_at.max(self.next);
                let at = question.until.map_or(ask_at, |until| until.min(ask_at));
                due = Some(due.map_or(at, |due: Now| due.min(at)));
            }
        }
        due
    }

    /// Waits for an answer, or until then.
    fn wait(&self, until: Now) -> io::Result<()> {
        let open = self.questions.iter().filter(|q| q.outcome.is_none());
        let sockets = open.filter_map(|question| question.socket.as_ref().ok());
        let mut sockets: Vec<_> = sockets
            .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
            .collect();
        // In whole milliseconds, and never too early.
        let millis = until.since(clock::now()).as_millis() + 1;
        let patience = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        match poll(&mut sockets, patience) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Question {
    fn ask(&mut self, now: Now) {
        self.ask_at = now + AGAIN;
        self.until.get_or_insert(now + TRIAL_TIME);
        match &self.socket {
            Ok(socket) => {
                let sent = socket.send(self.probe.initiation(now));
                self.outcome = sent.err().and_then(failed);
            }
            Err(error) => {
                let reason = error.to_string();
                self.outcome = Some(Outcome::Unsent { reason });
            }
        }
    }

    fn listen(&mut self, now: Now) {
        let Ok(socket) = &self.socket else { return };
        let mut room = [0; ROOM];
        while self.outcome.is_none() {
            match socket.recv(&mut room) {
                Ok(len) => {
                    if let Some(end) = self.probe.answer(now, &room[..len]) {
                        // The gateway has a session now, and nothing that it waits for.
                        let _ = socket.send(end);
                        let round_trip = self.probe.round_trip().unwrap_or_default();
                        let millis = u64::try_from(round_trip.as_millis());
                        self.outcome = Some(Outcome::Answered {
                            round_trip_ms: millis.unwrap_or(u64::MAX),
                        });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => self.outcome = failed(error),
            }
        }
    }
}

/// What an error of the network means; `None` for one that can pass.
fn failed(error: io::Error) -> Option<Outcome> {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED) => Some(Outcome::Refused),
        Some(Errno::EAGAIN | Errno::ENOBUFS | Errno::EINTR) => None,
        _ => Some(Outcome::Unsent {
            reason: error.to_string(),
        }),
    }
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
    };
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

//! The running gateway: its main thread answers on the sockets, waits for signals, and
//! ends access that has expired. It never touches a packet.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use ipnet::IpNet;
use mio::net::UnixStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tokenvpn_common::clock::{Now, UnixTime};
use tokenvpn_common::device::{PeerConfig, PeerStats};
use tokenvpn_common::io::confinement::{self, Calls, Kept};
use tokenvpn_common::io::netlink::{self, Changes, Netlink};
use tokenvpn_common::io::request_socket::{Framing, Request as Asked, RequestSocket};
use tokenvpn_common::io::tun::{self, TunOptions};
use tokenvpn_common::io::{clock, fault, udp};
use tokenvpn_common::key::{PrivateKey, PublicKey};
use tokenvpn_common::name::Name;
use tokenvpn_common::status::{Peer, Status};
use tokenvpn_common::uapi;

use crate::config::{self, Config};
use crate::control::{self, Answer, Request};
use crate::registry::writer::Writer;
use crate::registry::{Act, Change, Identity, Registry, addresses, end_of, has_ended};
use crate::state::StateLock;
use crate::verbs::{self, Terms};
use crate::words::{self, Failure};
use crate::worker::{End, NamedPeer, Surroundings, Workers, owner_of};

/// Where wg(8) looks for devices.
const UAPI_DIRECTORY: &str = "/var/run/wireguard";

const UAPI_FRAMING: Framing = Framing {
    end: uapi::END,
    max_request: uapi::MAX_REQUEST,
};

const SIGNAL: Token = Token(0);
const EXPIRY: Token = Token(1);
const NETWORK: Token = Token(2);
/// A thread has ended, or the registry's has done a verb.
const WAKE: Token = Token(3);
const CONTROL: std::ops::Range<usize> = 0x100..0x1_0000;
const UAPI: std::ops::Range<usize> = 0x1_0000..0x2_0000;

/// Wait between two notices of changed addresses to the workers: whoever's addresses come
/// and go all the time would have every client spoken to each time.
const NETWORK_PACE: Duration = Duration::from_secs(1);

/// Fields are dropped in this order: nobody new is heard, packets stop, what was seen
/// is written, and only then may another gateway take the state.
pub(crate) struct Gateway {
    control: RequestSocket,
    uapi: RequestSocket,
    workers: Workers,
    /// Why a thread has ended that should not have; nothing if it panicked.
    ended: Receiver<Option<End>>,
    writer: Writer,
    /// What the registry's thread has done.
    executed: Receiver<Executed>,
    execution: Sender<Executed>,
    waker: Arc<Waker>,
    /// Everyone who may come in now.
    roster: HashMap<PublicKey, Guest>,
    terms: Terms,
    expiry: TimerFd,
    network: Changes,
    /// When the workers were told last that addresses changed, and when they will be.
    network_told: Now,
    network_due: Option<Now>,
    own_interface: u32,
    _signals: UnixStream,
    poll: Poll,
    _lock: StateLock,
}

/// A verb that was executed: it has to be taken up, and its answer be given.
struct Executed {
    from: Token,
    result: Result<(Answer, Change), Failure>,
}

/// What the main thread keeps of an identity.
struct Guest {
    name: Name,
    not_after: Option<UnixTime>,
}

impl From<Identity> for Guest {
    fn from(identity: Identity) -> Guest {
        Guest {
            name: identity.name,
            not_after: identity.not_after,
        }
    }
}

impl Gateway {
    /// Takes the state, the port and the device, gives up every right that it needed for
    /// that, and starts to answer.
    pub(crate) fn start(
        config: Config,
        private_key: PrivateKey,
        lock: StateLock,
    ) -> Result<Gateway, Failure> {
        let system = |e: io::Error| words::cannot_start(&e);
        let poll = Poll::new().map_err(system)?;
        let signals = watch_signals(&poll).map_err(system)?;
        let mut registry = Registry::open(&config.registry_file())?;
        end_expired(&mut registry, clock::unix_time());
        let (roster, peers) = admit_all(&registry, config.workers)?;

        let sockets = udp::bind(config.listen_port, None, config.workers)?;
        let (interface, queues) = tun::open(&TunOptions {
            name: Some(config.interface.as_str().to_owned()),
            queues: config.workers.into(),
            mtu: config.mtu,
        })?;
        let own_interface = configure(&config, &interface)?;
        let network = netlink::subscribe()?;
        register(&poll, &network, NETWORK).map_err(system)?;
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let expiry = TimerFd::new(ClockId::CLOCK_REALTIME, flags).map_err(|e| system(e.into()))?;
        register(&poll, &expiry, EXPIRY).map_err(system)?;

        let uapi_path = PathBuf::from(UAPI_DIRECTORY).join(format!("{interface}.sock"));
        let uapi = listen(&poll, &uapi_path, UAPI_FRAMING, UAPI)?;
        let control = listen(&poll, &config.control_socket(), control::FRAMING, CONTROL)?;

        // Everything is open now. Threads inherit what is given up before they start.
        confinement::drop_capabilities()?;
        confinement::confine_files(Kept {
            files: &[&config.state_dir],
            removals: &[&config.runtime_dir, UAPI_DIRECTORY.as_ref()],
        })?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).map_err(system)?);
        let wake = waker.clone();
        let (execution, executed) = mpsc::channel();
        let (report, ended) = mpsc::channel();
        let tell_end = Arc::new(move |end| {
            let _ = report.send(end);
            let _ = wake.wake();
        });
        let tell_panic = tell_end.clone();
        let writer = Writer::spawn(registry, move || tell_panic(None)).map_err(system)?;
        let surroundings = Surroundings {
            mtu: config.mtu,
            sightings: writer.sightings(),
            ended: tell_end,
            private_key,
        };
        let public_key = surroundings.private_key.public();
        let edges = sockets.into_iter().zip(queues).collect();
        let workers = Workers::start(edges, peers, &surroundings).map_err(system)?;
        // The last thread is started. This reaches all of them.
        confinement::confine_calls(Calls::PacketsAndDatabase)?;
        let gateway = Gateway {
            control,
            uapi,
            workers,
            ended,
            writer,
            executed,
            execution,
            waker,
            roster,
            terms: Terms {
                config: Arc::new(config),
                public_key: Ok(public_key),
            },
            expiry,
            network,
            network_told: clock::now(),
            network_due: None,
            own_interface,
            _signals: signals,
            poll,
            _lock: lock,
        };
        gateway.set_expiry();
        Ok(gateway)
    }

    /// How many may come in.
    pub(crate) fn identities(&self) -> usize {
        self.roster.len()
    }

    /// Serves until a signal ends it or a worker fails.
    ///
    /// # Panics
    /// If another thread did.
    pub(crate) fn run(&mut self) -> Result<(), Failure> {
        let mut events = Events::with_capacity(64);
        loop {
            let patience = self.network_due.map(|due| due.since(clock::now()));
            match self.poll.poll(&mut events, patience) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => {
                    return Err(words::cannot_wait(&e));
                }
                _ => {}
            }
            for event in &events {
                match event.token() {
                    SIGNAL => return Ok(()),
                    EXPIRY => self.end_expired(),
                    NETWORK => self.follow_network(),
                    WAKE => {
                        match self.ended.try_recv() {
                            Ok(Some(end)) => return Err(words::worker_ended(&end)),
                            // Nobody would serve its peers, or do any verb.
                            Ok(None) => fault::pass_on(),
                            Err(_) => self.finish(),
                        }
                    }
                    token => self.serve(token),
                }
            }
            self.tell_of_network();
        }
    }

    fn serve(&mut self, token: Token) {
        let registry = self.poll.registry();
        if self.control.owns(token) {
            for asked in self.control.handle_ready(registry, token) {
                self.attend(&asked);
            }
        } else if self.uapi.owns(token) {
            for asked in self.uapi.handle_ready(registry, token) {
                let text = match uapi::parse(&asked.bytes) {
                    uapi::Request::Get => match self.status() {
                        Ok(status) => uapi::describe(&status),
                        Err(_) => uapi::refusal(uapi::Request::Get),
                    },
                    refused => uapi::refusal(refused),
                };
                self.uapi.answer(asked.from, text.into_bytes());
            }
        }
    }

    /// Answers what needs no disk. [`Gateway::finish`] answers the rest.
    fn attend(&mut self, asked: &Asked) {
        let answered = match Request::from_line(&asked.bytes) {
            Ok(Request::Status) => self.status().map(|status| Some(Answer::Status(status))),
            Ok(Request::Reload(config)) => self.reload(*config).map(Some),
            Ok(request) => self.order(asked, request).map(|()| None),
            Err(failure) => Err(failure),
        };
        if let Some(answer) = answered.unwrap_or_else(|f| Some(Answer::Failed(f))) {
            self.control.answer(asked.from, answer.to_line());
        }
    }

    /// Has the registry's thread do it: nobody knows how long the disk takes, and access has
    /// to end in time meanwhile.
    fn order(&self, asked: &Asked, request: Request) -> Result<(), Failure> {
        let act = Act {
            who: format!("uid {}", asked.uid),
            now: clock::unix_time(),
        };
        let (from, terms) = (asked.from, self.terms.clone());
        let (execution, waker) = (self.execution.clone(), self.waker.clone());
        let ordered = self.writer.order(move |registry| {
            let result = verbs::execute(registry, &terms, &act, request);
            let _ = execution.send(Executed { from, result });
            let _ = waker.wake();
        });
        ordered.ok_or_else(words::registry_gone)
    }

    /// Takes up and answers what the registry's thread has done.
    fn finish(&mut self) {
        while let Ok(Executed { from, result }) = self.executed.try_recv() {
            let taken_up = result.and_then(|(answer, change)| {
                self.take_up(change)?;
                Ok(answer)
            });
            let answer = taken_up.unwrap_or_else(Answer::Failed);
            self.control.answer(from, answer.to_line());
        }
    }

    /// Goes on with another configuration, if it differs in nothing that is fixed at the
    /// start.
    fn reload(&mut self, config: Config) -> Result<Answer, Failure> {
        let changed = self.terms.config.differences(&config);
        let fixed: Vec<_> = changed.iter().filter(|key| !config::is_live(key)).collect();
        if !fixed.is_empty() {
            return Err(words::takes_a_restart(&fixed));
        }
        if !changed.is_empty() {
            tracing::info!(
                changed = changed.join(" "),
                "the configuration was reloaded"
            );
            self.terms.config = Arc::new(config);
        }
        Ok(Answer::Reloaded(changed))
    }

    /// Makes a change count in every worker.
    fn take_up(&mut self, mut change: Change) -> Result<(), Failure> {
        if change.removed.is_empty() && change.added.is_empty() {
            return Ok(());
        }
        let workers = self.workers.count();
        let mut added = Vec::with_capacity(change.added.len());
        for identity in &change.added {
            let mut peer = to_peer(identity, workers);
            peer.initiations = change.seen.remove(&identity.public_key);
            added.push(peer);
        }
        for key in &change.removed {
            self.roster.remove(key);
        }
        let taken_up = self.workers.change(change.removed, added);
        for identity in change.added {
            self.roster.insert(identity.public_key, identity.into());
        }
        self.set_expiry();
        taken_up.map_err(|error| {
            tracing::error!(%error, "a change was stored and not taken up");
            words::not_taken_up()
        })
    }

    /// Ends the access of those whose time has come. They stay out even if the clock is
    /// set back: only the registry's verbs let anyone in.
    fn end_expired(&mut self) {
        // The timer stays readable, and mio silent, until it is read.
        let _ = self.expiry.wait();
        let now = clock::unix_time();
        let mut removed = Vec::new();
        for (key, guest) in &self.roster {
            if has_ended(guest.not_after, now) {
                tracing::info!(peer = %guest.name, "access ended");
                removed.push(*key);
            }
        }
        let change = Change {
            removed,
            ..Change::default()
        };
        if self.take_up(change).is_err() {
            tracing::error!("an expired session may still be up");
        }
        let noted = self
            .writer
            .order(move |registry| end_expired(registry, now));
        if noted.is_none() {
            tracing::error!("the registry's thread has ended");
        }
        self.set_expiry();
    }

    /// Sets the timer to the next expiry. It follows the wall clock when that is set.
    fn set_expiry(&self) {
        let next = self
            .roster
            .values()
            .filter_map(|guest| guest.not_after)
            .min();
        let set = match next {
            Some(not_after) => {
                let UnixTime(seconds) = end_of(not_after);
                let at = TimeSpec::from_duration(Duration::from_secs(seconds));
                let absolute = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
                self.expiry.set(Expiration::OneShot(at), absolute)
            }
            None => self.expiry.unset(),
        };
        if let Err(error) = set {
            tracing::error!(%error, "expiry cannot be watched");
        }
    }

    fn follow_network(&mut self) {
        let own = self.own_interface;
        let mut changed = false;
        let drained = self.network.drain(|change| {
            changed |= match change {
                netlink::Change::Address { interface } => interface != own,
                netlink::Change::Overrun => true,
                netlink::Change::Link { .. } | netlink::Change::Route { .. } => false,
            };
        });
        if let Err(error) = drained {
            tracing::warn!(%error, "changes of this machine's addresses cannot be followed");
        }
        if changed {
            let due = (self.network_told + NETWORK_PACE).max(clock::now());
            self.network_due.get_or_insert(due);
        }
    }

    fn tell_of_network(&mut self) {
        let now = clock::now();
        if self.network_due.take_if(|due| *due <= now).is_some() {
            self.network_told = now;
            self.workers.network_changed();
        }
    }

    fn status(&self) -> Result<Status, Failure> {
        let (now, wall) = (clock::now(), clock::unix_time());
        let report = self.workers.report().map_err(words::internal)?;
        let config = &self.terms.config;
        let to_peer = |stats: PeerStats| {
            let guest = self.roster.get(&stats.public_key)?;
            let age = stats.last_handshake.map(|at| now.since(at).as_secs());
            Some(Peer {
                name: guest.name.to_string(),
                public_key: stats.public_key,
                endpoint: stats.endpoint,
                latest_handshake: age.map(|age| UnixTime(wall.0.saturating_sub(age))),
                rx_bytes: stats.rx_bytes,
                tx_bytes: stats.tx_bytes,
                allowed_ips: stats.allowed_ips,
                persistent_keepalive: stats.keepalive,
                expires: guest.not_after,
            })
        };
        let mut peers: Vec<Peer> = report.into_iter().filter_map(to_peer).collect();
        peers.sort_by(|a, b| (&a.name, &a.public_key).cmp(&(&b.name, &b.public_key)));
        Ok(Status {
            interface: Some(config.interface.as_str().to_owned()),
            public_key: self.terms.public_key.clone().ok(),
            listen_port: Some(config.listen_port),
            addresses: own_addresses(config),
            peers,
            ..Status::new("up")
        })
    }
}

/// Notes in the registry whose access has ended, so that it stays so after a restart too.
fn end_expired(registry: &mut Registry, now: UnixTime) {
    let act = Act {
        who: "clock".to_owned(),
        now,
    };
    if let Err(error) = registry.end_expired(&act) {
        tracing::warn!(%error, "it cannot be noted that access has ended");
    }
}

/// Everyone whose access has not ended, for the main thread and for the workers, who
/// know from the last run where to greet them.
fn admit_all(
    registry: &Registry,
    workers: u8,
) -> Result<(HashMap<PublicKey, Guest>, Vec<NamedPeer>), Failure> {
    let last_seen = registry.last_seen()?;
    let mut initiations = registry.seen_initiations()?;
    let now = clock::unix_time();
    let count = registry.count_identities()?;
    let mut roster = HashMap::with_capacity(count);
    let mut peers = Vec::with_capacity(count);
    registry.each_identity(|identity| {
        if !identity.is_expired(now) {
            let mut peer = to_peer(&identity, workers);
            let seen = last_seen.get(&identity.public_key);
            peer.config.endpoint = seen.map(|seen| seen.endpoint);
            peer.initiations = initiations.remove(&identity.public_key);
            peers.push(peer);
            roster.insert(identity.public_key, identity.into());
        }
    })?;
    Ok((roster, peers))
}

/// The identity as the data path knows it.
fn to_peer(identity: &Identity, workers: u8) -> NamedPeer {
    NamedPeer {
        name: identity.name.clone(),
        initiations: None,
        config: PeerConfig {
            public_key: identity.public_key,
            preshared_key: identity.preshared_key.clone(),
            allowed_ips: identity
                .addresses
                .iter()
                .copied()
                .map(IpNet::from)
                .collect(),
            endpoint: None,
            keepalive: None,
            keep_session: false,
            owner: owner_of(&identity.public_key, workers),
        },
    }
}

/// The gateway's address in each of its networks.
fn own_addresses(config: &Config) -> Vec<IpNet> {
    let networks = &config.networks;
    let own = networks.iter().map(addresses::gateway_address);
    own.map(|ip| addresses::with_prefix(ip, networks)).collect()
}

/// Gives the device its addresses and brings it up; gives its index.
fn configure(config: &Config, interface: &str) -> Result<u32, Failure> {
    let mut netlink = Netlink::open()?;
    netlink.link_up(interface, config.mtu)?;
    for address in own_addresses(config) {
        netlink.add_address(interface, address)?;
    }
    nix::net::if_::if_nametoindex(interface).map_err(|e| words::device_gone(interface, &e.into()))
}

fn listen(
    poll: &Poll,
    path: &Path,
    framing: Framing,
    tokens: std::ops::Range<usize>,
) -> Result<RequestSocket, Failure> {
    RequestSocket::bind(path, framing, poll.registry(), tokens)
        .map_err(|e| words::cannot_listen(path, &e))
}

fn register(poll: &Poll, source: &impl AsFd, token: Token) -> io::Result<()> {
    let fd = source.as_fd().as_raw_fd();
    let registry = poll.registry();
    registry.register(&mut SourceFd(&fd), token, Interest::READABLE)
}

/// SIGTERM and SIGINT end the gateway; a closed terminal does not.
fn watch_signals(poll: &Poll) -> io::Result<UnixStream> {
    let (mut ours, theirs) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        let end = theirs.as_fd().try_clone_to_owned()?;
        signal_hook::low_level::pipe::register(signal, end)?;
    }
    signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
    poll.registry()
        .register(&mut ours, SIGNAL, Interest::READABLE)?;
    Ok(ours)
}

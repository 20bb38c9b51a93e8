//! The pure VPN device that client and gateway share.
//!
//! It has no socket, clock or thread. The owner drives it, and the contract is:
//! **after every call that changes it, write [`Device::poll_packets`], send every
//! [`Device::poll_transmit`], take every [`Device::poll_event`] and
//! [`Device::poll_handover`], and sleep no longer than [`Device::poll_timeout`].**
//!
//! ```text
//! loop {
//!     device.handle_datagrams(…), handle_packets(…), handle_handover(…) or handle_timeout(…)
//!     while let Some(packets) = device.poll_packets()  { tun.write(packets) }
//!     while let Some(train) = device.poll_transmit()   { udp.send(train) }
//!     while let Some(event) = device.poll_event()      { … }
//!     while let Some(item) = device.poll_handover()    { … }
//!     sleep until something arrives, or until device.poll_timeout()
//! }
//! ```
//!
//! Sockets come before timeouts: an answer that has arrived already must not be
//! missed by the timers. `now` is read once for each batch.
//!
//! With several workers each has a device of its own. All are told of all peers, so
//! that each can tell whose a message is; only the owner keeps state for a peer.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice::Chunks;

use ipnet::IpNet;

use crate::admission::{Admission, Turned};
use crate::allowed_ips::AllowedIps;
use crate::bucket::Bucket;
use crate::callers::Callers;
use crate::clock::Now;
pub use crate::counters::Counters;
use crate::greeting::Greetings;
use crate::guard::{self, Message};
pub use crate::initiations::SeenInitiations;
use crate::key::{PrivateKey, PublicKey};
use crate::language::say;
pub use crate::outbox::{Event, Handover, Transmit, packets_per_train};
use crate::outbox::{MAX_SEGMENTS, MAX_TRAIN, Outbox};
use crate::packet::Packets;
use crate::peer::{Contested, Peer, Sender};
pub use crate::peer::{PeerConfig, PeerStats};
use crate::peers::{PeerId, Peers};
use crate::roaming::Path;
use crate::run::Run;
use crate::segments::Segments;
use crate::shared::{Indexes, Shared};
use crate::timers::Timers;
use crate::tunnel::OwnKey;

/// Which of a process's workers a device serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// This worker, from 0.
    pub index: u8,
    /// How many there are, from 1.
    pub count: u8,
}

impl Default for Worker {
    /// The only worker.
    fn default() -> Worker {
        Worker { index: 0, count: 1 }
    }
}

/// What a device needs to exist.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    /// Our own key.
    pub private_key: PrivateKey,
    /// Longest inner packet in bytes; padding never exceeds it.
    pub mtu: u16,
    /// The worker this device serves.
    pub worker: Worker,
}

/// Why a peer was not added. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddPeerError {
    /// The peer's key is our own.
    #[error("{}", say().our_own_key())]
    OwnKey,
    /// Another peer has this key.
    #[error("{}", say().key_of_another_peer())]
    DuplicateKey,
    /// Some of its addresses belong to another peer.
    #[error("{}", say().overlapping_networks(.network, .other, .owner))]
    OverlappingAllowedIps {
        /// What was asked for.
        network: IpNet,
        /// What is taken.
        other: IpNet,
        /// Who has it.
        owner: PublicKey,
    },
}

/// An initiation that has passed admission and waits for its turn.
struct Waiting {
    since: Now,
    from: Path,
    /// Whose key it shows, if another worker has looked.
    peer: Option<PublicKey>,
    /// Whether its sender has shown that it receives where it sends from.
    has_shown: bool,
    datagram: Box<[u8]>,
}

/// Peers, their sessions, and what goes in and out.
pub struct Device {
    public_key: PublicKey,
    mtu: u16,
    worker: Worker,
    admission: Admission,
    peers: Peers,
    shared: Shared,
    timers: Timers,
    greetings: Greetings,
    initiations: VecDeque<Waiting>,
    /// The peer at work, to blame if there is a panic.
    engaged: Option<PeerId>,
    panics: VecDeque<Now>,
}

impl Device {
    /// A device without peers.
    ///
    /// # Panics
    /// If there is no such worker.
    pub fn new(config: DeviceConfig, now: Now) -> Device {
        let worker = config.worker;
        assert!(worker.index < worker.count, "a worker is one of `count`");
        let own = OwnKey::new(&config.private_key);
        Device {
            public_key: config.private_key.public(),
            mtu: config.mtu,
            worker,
            admission: Admission::new(&own, worker.count, now),
            peers: Peers::default(),
            shared: Shared {
                own,
                indexes: Indexes::new(worker),
                callers: Callers::new(),
                allowed_ips: AllowedIps::default(),
                waiting: 0,
                wakes: Bucket::FULL,
                out: Outbox::default(),
            },
            timers: Timers::default(),
            greetings: Greetings::new(worker.count, now),
            initiations: VecDeque::new(),
            engaged: None,
            panics: VecDeque::new(),
        }
    }

    /// Our own public key.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Makes room for so many more peers at once: growing step by step leaves holes in
    /// the memory as large as what has grown.
    pub fn reserve(&mut self, peers: usize) {
        self.peers.reserve(peers);
    }

    /// Adds a peer. One that is to keep a session is spoken to at once if its endpoint
    /// is known.
    ///
    /// # Errors
    /// [`AddPeerError`]; then nothing has changed.
    pub fn add_peer(&mut self, now: Now, peer: PeerConfig) -> Result<(), AddPeerError> {
        if peer.public_key == self.public_key {
            return Err(AddPeerError::OwnKey);
        }
        if self.peers.find(peer.public_key.as_bytes()).is_some() {
            return Err(AddPeerError::DuplicateKey);
        }
        for &network in &peer.allowed_ips {
            if let Some((other, owner)) = self.shared.allowed_ips.overlap(network) {
                let owner = self.peers.peer(owner);
                let owner = owner.expect("invariant: who owns an address exists");
                return Err(AddPeerError::OverlappingAllowedIps {
                    network,
                    other,
                    owner: owner.config.public_key,
                });
            }
        }
        let networks = peer.allowed_ips.clone();
        let (ours, keep_session) = (peer.owner == self.worker.index, peer.keep_session);
        let id = self.peers.insert(peer, now);
        for network in networks {
            self.shared.allowed_ips.insert(network, id);
        }
        if ours && keep_session {
            self.engage(now, id, |peer, shared| peer.initiate(now, false, shared));
        }
        Ok(())
    }

    /// Removes a peer and cuts its session. False if there is no such peer.
    pub fn remove_peer(&mut self, key: &PublicKey) -> bool {
        let Some(mut peer) = self.peers.remove(key) else {
            return false;
        };
        peer.drop_tunnels(&mut self.shared);
        // Its place will be another's.
        for other in self.peers.iter_mut() {
            other.successor.take_if(|successor| *successor == peer.id);
        }
        for &network in &peer.config.allowed_ips {
            self.shared.allowed_ips.remove(network);
        }
        true
    }

    /// Sends to `endpoint` from now on, and starts a handshake there at once. Does
    /// nothing if there is no such peer, or another worker owns it.
    pub fn set_endpoint(&mut self, now: Now, key: &PublicKey, endpoint: SocketAddr) {
        if let Some(id) = self.peers.find(key.as_bytes()).filter(|id| self.owns(*id)) {
            self.engage(now, id, |peer, shared| {
                peer.set_endpoint(now, endpoint, shared)
            });
        }
    }

    /// Asks a peer for a new session at `endpoint` without leaving the one there is: its
    /// answer, and nothing else, moves it there. Does nothing if there is no such peer, or
    /// another worker owns it.
    pub fn probe(&mut self, now: Now, key: &PublicKey, endpoint: SocketAddr) {
        if let Some(id) = self.peers.find(key.as_bytes()).filter(|id| self.owns(*id)) {
            self.engage(now, id, |peer, shared| peer.probe(now, endpoint, shared));
        }
    }

    /// Ends a peer's sessions and forgets its endpoint: it is spoken to no more until
    /// [`Device::set_endpoint`]. Does nothing if there is no such peer, or another worker
    /// owns it.
    pub fn rest(&mut self, now: Now, key: &PublicKey) {
        if let Some(id) = self.peers.find(key.as_bytes()).filter(|id| self.owns(*id)) {
            self.engage(now, id, |peer, shared| peer.rest(shared));
        }
    }

    /// Gives all networks of one peer to another, from the next packet on. What the first one
    /// still sends from them is taken until it rests. Does nothing if either does not exist.
    pub fn entrust(&mut self, from: &PublicKey, to: &PublicKey) {
        let ids = [from, to].map(|key| self.peers.find(key.as_bytes()));
        let [Some(from), Some(to)] = ids else {
            return;
        };
        let Some(giver) = self.peers.peer_mut(from) else {
            return;
        };
        let networks = std::mem::take(&mut giver.config.allowed_ips);
        giver.successor = Some(to);
        for &network in &networks {
            self.shared.allowed_ips.insert(network, to);
        }
        let taker = self.peers.peer_mut(to);
        let taker = taker.expect("invariant: it was found");
        taker.config.allowed_ips.extend(networks);
        taker.successor = None;
    }

    /// Which initiations of a peer were answered, to be stored: whoever starts again and
    /// knows them answers none a second time. `None` if there were none, there is no
    /// such peer, or another worker owns it.
    pub fn seen_initiations(&self, key: &PublicKey) -> Option<&SeenInitiations> {
        let peer = self.peers.peer(self.peers.find(key.as_bytes())?)?;
        peer.seen.as_deref()
    }

    /// Takes up what [`Device::seen_initiations`] once gave, in place of what is known
    /// now. Does nothing if there is no such peer, or another worker owns it.
    pub fn restore_initiations(&mut self, key: &PublicKey, seen: SeenInitiations) {
        let id = self.peers.find(key.as_bytes());
        if let Some(id) = id.filter(|id| self.owns(*id))
            && let Some(peer) = self.peers.peer_mut(id)
        {
            peer.seen = Some(seen.into());
        }
    }

    /// Speaks first to every peer whose endpoint is known and that has no session:
    /// up to three initiations each, 50 a second in all.
    pub fn greet(&mut self, now: Now) {
        for peer in self.peers.iter_mut() {
            if peer.config.owner == self.worker.index && peer.start_greeting() {
                self.greetings.add(peer.id);
            }
        }
        self.send_greetings(now);
    }

    /// Our own addresses changed: source addresses are forgotten, and each peer with a
    /// session gets a keepalive at once, to learn of the change.
    pub fn handle_network_change(&mut self, now: Now) {
        for id in self.peers.ids() {
            if self.owns(id) {
                self.engage(now, id, |peer, shared| {
                    peer.handle_network_change(now, shared)
                });
            }
        }
    }

    /// Takes one run of datagrams.
    ///
    /// Initiations wait for [`Device::handle_timeout`], which is then due at once.
    pub fn handle_datagrams(&mut self, now: Now, run: Run<'_>) {
        let mut datagrams = run.bytes.chunks(run.stride.max(1)).peekable();
        if run.source.port() == 0 {
            self.shared.out.counters.malformed += datagrams.len() as u64;
            return;
        }
        while !self.protect(now, |device| {
            while let Some(datagram) = datagrams.next() {
                device.handle_datagram(now, run, datagram, &mut datagrams);
            }
        }) {}
    }

    /// Takes what a read from the TUN gave. Its packets are padded in place.
    pub fn handle_packets(&mut self, now: Now, mut packets: Segments<'_>) {
        let Some(id) = self.owner_of(&packets) else {
            return;
        };
        let mtu = self.mtu;
        let (count, len) = packets.shape();
        let len = guard::padded_len(len, mtu) + guard::DATA_OVERHEAD;
        self.shared.out.trains.keep_together(count, len);
        while !self.protect(now, |device| {
            device.attend(now, id, |peer, shared| {
                while let Some(room) = packets.cut() {
                    peer.handle_packet(now, room, mtu, shared);
                }
            });
        }) {}
    }

    /// Takes what another worker received for this one.
    pub fn handle_handover(&mut self, now: Now, handover: Handover) {
        match handover {
            Handover::Initiation {
                peer,
                source,
                local,
                has_shown,
                datagram,
            } => {
                let from = Path {
                    endpoint: source,
                    source: local,
                };
                self.enqueue(Waiting {
                    since: now,
                    from,
                    peer: Some(peer),
                    has_shown,
                    datagram: datagram.into(),
                });
            }
            Handover::Datagrams {
                source,
                local,
                ecn,
                run,
                stride,
            } => {
                let run = Run {
                    local,
                    ecn,
                    ..Run::new(source, &run, stride)
                };
                self.handle_datagrams(now, run);
            }
            Handover::Packets { header, mut bytes } => {
                let len = bytes.len().saturating_sub(guard::PADDING);
                if let Some(packets) = Segments::new(header, &mut bytes, len) {
                    self.handle_packets(now, packets);
                }
            }
        }
    }

    /// The source address of the train polled last is gone: forgets that address.
    pub fn handle_source_lost(&mut self) {
        let id = self.shared.out.trains.last_peer();
        if let Some(peer) = id.and_then(|id| self.peers.peer_mut(id)) {
            peer.roaming.forget_source();
        }
    }

    /// Does what is due, or the first part of it if it is much: then
    /// [`Device::poll_timeout`] gives a time that has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.answer_initiations(now);
        for _ in 0..guard::TICKS_AT_ONCE {
            let Some((at, id)) = self.timers.pop(now) else {
                break;
            };
            if let Some(peer) = self.peers.peer_mut(id)
                && peer.due.take_if(|due| *due == at).is_some()
            {
                self.engage(now, id, |peer, shared| peer.handle_timeout(now, shared));
            }
        }
        self.send_greetings(now);
    }

    /// When [`Device::handle_timeout`] wants to be called; `None` if never. It may have
    /// nothing to do by then.
    pub fn poll_timeout(&self) -> Option<Now> {
        let initiation = self.initiations.front().map(|waiting| waiting.since);
        let times = [initiation, self.timers.next(), self.greetings.due()];
        times.into_iter().flatten().min()
    }

    /// The next train of datagrams to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.shared.out.trains.poll()
    }

    /// The next train of datagrams to send that is complete: whoever has more packets at
    /// hand for [`Device::handle_packets`] may leave the last train open for them, and poll
    /// [`Device::poll_transmit`] when there are none.
    pub fn poll_full_transmit(&mut self) -> Option<Transmit<'_>> {
        self.shared.out.trains.poll_full()
    }

    /// The decrypted and checked packets, to be written to the TUN. They are given once;
    /// the next call that receives packets uses their memory again.
    pub fn poll_packets(&mut self) -> Option<&mut Packets> {
        self.shared.out.received.poll()
    }

    /// The next thing to give to another worker, and that worker's index.
    pub fn poll_handover(&mut self) -> Option<(u8, Handover)> {
        self.shared.out.handovers.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shared.out.events.pop_front()
    }

    /// What is known of the peers that this worker owns.
    pub fn peers(&self) -> impl Iterator<Item = PeerStats> + '_ {
        let ours = |peer: &&Peer| peer.config.owner == self.worker.index;
        self.peers.iter().filter(ours).map(Peer::stats)
    }

    /// What is known of one peer; `None` if there is no such peer, or another worker owns it.
    pub fn peer(&self, key: &PublicKey) -> Option<PeerStats> {
        let id = self.peers.find(key.as_bytes())?;
        let ours = |peer: &&Peer| peer.config.owner == self.worker.index;
        self.peers.peer(id).filter(ours).map(Peer::stats)
    }

    /// What was dropped and why.
    pub fn counters(&self) -> &Counters {
        &self.shared.out.counters
    }

    fn owns(&self, id: PeerId) -> bool {
        let peer = self.peers.peer(id);
        peer.is_some_and(|peer| peer.config.owner == self.worker.index)
    }

    /// Takes a datagram of a run, and those of its `rest` that belong to it.
    fn handle_datagram(
        &mut self,
        now: Now,
        run: Run<'_>,
        datagram: &[u8],
        rest: &mut Peekable<Chunks<'_, u8>>,
    ) {
        let from = Path {
            endpoint: run.source,
            source: run.local,
        };
        let Some(message) = guard::message(datagram) else {
            self.shared.out.counters.malformed += 1;
            return;
        };
        let Some(session) = guard::receiver_index(message, datagram) else {
            return self.handle_initiation(now, from, datagram);
        };
        let owner = self.shared.indexes.owner(session);
        if owner != self.worker.index {
            return self.hand_over_datagram(owner, run, datagram);
        }
        let Some(id) = self.shared.indexes.find(session) else {
            self.shared.out.counters.unknown_index += 1;
            return;
        };
        match message {
            Message::Initiation => unreachable!("invariant: it names no session"),
            Message::Data if !guard::counter_allowed(datagram) => {
                self.shared.out.counters.counter_limit += 1;
            }
            Message::Data => self.attend(now, id, |peer, shared| {
                peer.handle_data(now, from, run.ecn, datagram, shared);
                while let Some(next) = rest.next_if(|next| guard::is_data_of(next, datagram)) {
                    peer.handle_data(now, from, run.ecn, next, shared);
                }
            }),
            Message::Response | Message::CookieReply
                if !self
                    .peers
                    .peer(id)
                    .is_some_and(|peer| peer.is_awaiting(now)) =>
            {
                self.shared.out.counters.unexpected += 1;
            }
            Message::Response => {
                if self.admit(now, from, datagram).is_some() {
                    self.attend(now, id, |peer, shared| {
                        peer.handle_response(now, from, datagram, shared);
                    });
                }
            }
            Message::CookieReply => self.attend(now, id, |peer, shared| {
                peer.handle_cookie_reply(now, datagram, shared);
            }),
        }
    }

    fn handle_initiation(&mut self, now: Now, from: Path, datagram: &[u8]) {
        let Some(has_shown) = self.admit(now, from, datagram) else {
            return;
        };
        self.enqueue(Waiting {
            since: now,
            from,
            peer: None,
            has_shown,
            datagram: datagram.into(),
        });
    }

    fn enqueue(&mut self, waiting: Waiting) {
        if self.initiations.len() < guard::MAX_WAITING_INITIATIONS {
            self.initiations.push_back(waiting);
        } else {
            self.shared.out.counters.initiation_limit += 1;
        }
    }

    /// Works off a few of the initiations that wait.
    fn answer_initiations(&mut self, now: Now) {
        for _ in 0..guard::INITIATIONS_AT_ONCE {
            let Some(waiting) = self.initiations.pop_front() else {
                return;
            };
            self.protect(now, |device| {
                device.answer_initiation(now, &waiting);
            });
        }
    }

    /// Answers an initiation that has passed admission, or gives it to its peer's owner.
    fn answer_initiation(&mut self, now: Now, waiting: &Waiting) {
        let (from, datagram) = (waiting.from, &waiting.datagram[..]);
        let key = match waiting.peer {
            Some(key) => Some(*key.as_bytes()),
            None if self.answer_caller(now, from, datagram) => return,
            None => Admission::initiator(&self.shared.own, datagram),
        };
        let Some(key) = key else {
            self.shared.out.counters.bad_initiation += 1;
            return;
        };
        let Some(id) = self.peers.find(&key) else {
            self.shared.out.counters.unknown_key += 1;
            return;
        };
        if self.owns(id) {
            self.answer_peer(now, id, waiting);
        } else if let Some(peer) = self.peers.peer(id) {
            let handover = Handover::Initiation {
                peer: peer.config.public_key,
                source: from.endpoint,
                local: from.source,
                has_shown: waiting.has_shown,
                datagram: datagram.to_vec(),
            };
            let owner = peer.config.owner;
            self.hand_over(owner, handover);
        }
    }

    /// Has a peer of ours answer an initiation, if need be only to where its sender has shown
    /// that it receives.
    fn answer_peer(&mut self, now: Now, id: PeerId, waiting: &Waiting) {
        let (from, datagram) = (waiting.from, &waiting.datagram[..]);
        let answer = |device: &mut Device, sender| {
            let mut answered = Ok(());
            device.attend(now, id, |peer, shared| {
                answered = peer.handle_initiation(now, from, sender, datagram, shared);
            });
            answered
        };
        let answered = answer(self, Sender::Unknown).or_else(|contested| {
            match waiting.has_shown || self.has_shown_itself(now, from, datagram) {
                true => answer(self, Sender::Shown),
                false => Err(contested),
            }
        });
        if let Err(Contested) = answered {
            self.shared.out.counters.identity_limit += 1;
        }
    }

    /// Answers an initiation if it is from the peer that was answered last where it comes
    /// from. False if it was not answered: then it is as if nobody had looked at it.
    fn answer_caller(&mut self, now: Now, from: Path, datagram: &[u8]) -> bool {
        let caller = self.shared.callers.guess(from.endpoint);
        let Some(id) = caller.filter(|id| self.owns(*id)) else {
            return false;
        };
        let mut answered = false;
        self.attend(now, id, |peer, shared| {
            answered = peer.try_initiation(now, from, datagram, shared);
        });
        self.shared.out.counters.recognised += u64::from(answered);
        answered
    }

    /// Whether a handshake message may cause a key exchange, and if so, whether its sender has
    /// shown that it receives where it sends from. Under load it may get a cookie for that;
    /// otherwise a refusal is silent.
    fn admit(&mut self, now: Now, from: Path, datagram: &[u8]) -> Option<bool> {
        let Shared { own, out, .. } = &mut self.shared;
        let (source, room) = (from.endpoint.ip(), out.trains.room());
        let checked = self.admission.check(now, own, source, datagram, room);
        checked.map_err(|turned| turn_away(from, turned, out)).ok()
    }

    /// Whether the sender of an initiation has shown that it receives where it sends from.
    /// It may get a cookie to do so.
    fn has_shown_itself(&mut self, now: Now, from: Path, datagram: &[u8]) -> bool {
        let out = &mut self.shared.out;
        let (source, room) = (from.endpoint.ip(), out.trains.room());
        let checked = self.admission.check_sender(now, source, datagram, room);
        checked
            .map_err(|turned| turn_away(from, turned, out))
            .is_ok()
    }

    /// The peer that packets from the TUN go to. They all have one destination. What is
    /// another worker's is given to it.
    fn owner_of(&mut self, packets: &Segments<'_>) -> Option<PeerId> {
        let counters = &mut self.shared.out.counters;
        let Some(inner) = guard::inner(packets.whole()) else {
            counters.bad_outgoing += 1;
            return None;
        };
        let Some(id) = self.shared.allowed_ips.owner(inner.destination) else {
            counters.no_owner += 1;
            return None;
        };
        if self.owns(id) {
            return Some(id);
        }
        let owner = self.peers.peer(id).map(|peer| peer.config.owner);
        let owner = owner.expect("invariant: who owns an address exists");
        let (header, bytes) = packets.to_handover();
        self.hand_over(owner, Handover::Packets { header, bytes });
        None
    }

    fn hand_over(&mut self, owner: u8, handover: Handover) {
        self.shared.out.counters.handed_over += 1;
        self.shared.out.handovers.push_back((owner, handover));
    }

    /// Gives a datagram to its owner, together with those of its run that went before.
    fn hand_over_datagram(&mut self, owner: u8, part_of: Run<'_>, datagram: &[u8]) {
        if let Some((
            last_owner,
            Handover::Datagrams {
                source,
                local,
                ecn,
                run,
                stride,
            },
        )) = self.shared.out.handovers.back_mut()
            && (*last_owner, *source) == (owner, part_of.source)
            && (*local, *ecn) == (part_of.local, part_of.ecn)
            && run.len() % *stride == 0
            && datagram.len() <= *stride
            && run.len() / *stride < MAX_SEGMENTS
            && run.len() + datagram.len() <= MAX_TRAIN
        {
            run.extend_from_slice(datagram);
            self.shared.out.counters.handed_over += 1;
            return;
        }
        let handover = Handover::Datagrams {
            source: part_of.source,
            local: part_of.local,
            ecn: part_of.ecn,
            run: datagram.to_vec(),
            stride: datagram.len(),
        };
        self.hand_over(owner, handover);
    }

    fn send_greetings(&mut self, now: Now) {
        while let Some(id) = self.greetings.next(now) {
            let mut again = false;
            self.engage(now, id, |peer, shared| again = peer.greet(now, shared));
            if again {
                self.greetings.sent(now, id);
            }
        }
    }

    /// Lets a peer work; a panic costs no more than that peer's sessions.
    fn engage(&mut self, now: Now, id: PeerId, work: impl FnOnce(&mut Peer, &mut Shared)) {
        self.protect(now, |device| device.attend(now, id, work));
    }

    /// Lets a peer work, and notes when it wants to be called next.
    fn attend(&mut self, now: Now, id: PeerId, work: impl FnOnce(&mut Peer, &mut Shared)) {
        let Some(peer) = self.peers.peer_mut(id) else {
            return;
        };
        self.engaged = Some(id);
        work(peer, &mut self.shared);
        self.engaged = None;
        if let Some(at) = peer.wake(now)
            && peer.due.is_none_or(|due| at < due)
        {
            peer.due = Some(at);
            self.timers.push(at, id);
        }
    }

    /// Does `work`. False if it panicked: then the peer at work has lost its sessions.
    fn protect(&mut self, now: Now, work: impl FnOnce(&mut Device)) -> bool {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_ok() {
            return true;
        }
        self.shared.out.counters.panics += 1;
        if let Some(id) = self.engaged.take() {
            self.attend(now, id, |peer, shared| peer.drop_tunnels(shared));
        }
        self.panics
            .retain(|at| now.since(*at) < guard::PANIC_WINDOW);
        self.panics.push_back(now);
        if self.panics.len() > guard::MAX_PANICS {
            self.shared.out.events.push_back(Event::TooManyPanics);
        }
        false
    }
}

/// Counts a handshake message that goes no further, and answers it if it gets a cookie.
fn turn_away(from: Path, turned: Turned, out: &mut Outbox) {
    match turned {
        Turned::BadMac => out.counters.bad_mac += 1,
        Turned::SourceLimit => out.counters.source_limit += 1,
        Turned::UnderLoad(cookie) => {
            out.counters.under_load += 1;
            out.trains.answer(from, cookie);
        }
    }
}

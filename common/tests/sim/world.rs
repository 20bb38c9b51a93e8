//! Hosts, the network between them, and what has to hold of both at any time.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::Duration;

use tokenvpn_common::clock::Now;
use tokenvpn_common::device::{Device, DeviceConfig, Event, PeerConfig, SeenInitiations, Worker};
use tokenvpn_common::guard::{self, Message};
use tokenvpn_common::key::{PrivateKey, PublicKey};
use tokenvpn_common::run::Run;
use tokenvpn_common::segments::Segments;

use crate::clock;
use crate::dice::Dice;

pub(crate) const GATEWAY: usize = 0;
pub(crate) const CLIENTS: std::ops::RangeInclusive<usize> = 1..=3;
const GATEWAY_ADDRESS: &str = "198.51.100.1:51820";

/// Where somebody sits who hears everything.
pub(crate) const EAVESDROPPER: &str = "203.0.113.66:6666";

/// Datagrams that the eavesdropper keeps.
const TAPE: usize = 600;

/// A device, its place, and what was seen of it since it started.
pub(crate) struct Host {
    pub(crate) key: PrivateKey,
    pub(crate) device: Device,
    pub(crate) address: SocketAddr,
    pub(crate) online: bool,
    /// Until then the process stands still.
    pub(crate) stalled: Now,
    /// Seconds by which its wall clock is fast.
    pub(crate) fast: i64,
    /// Datagrams that it has received.
    received: HashSet<u64>,
    /// When sessions began, by our index.
    sessions: HashMap<u32, Now>,
    /// The same by the other's index.
    by_theirs: HashMap<u32, Now>,
    /// What a gateway stores.
    endpoints: HashMap<PublicKey, SocketAddr>,
    initiations: HashMap<PublicKey, SeenInitiations>,
}

pub(crate) struct Weather {
    pub(crate) latency: Duration,
    /// Later by up to so many milliseconds, each for itself.
    pub(crate) jitter: usize,
    /// Percent of datagrams.
    pub(crate) loss: usize,
    pub(crate) duplication: usize,
    /// Percent of datagrams that the eavesdropper sends on before they arrive.
    pub(crate) race: usize,
}

pub(crate) const FINE: Weather = Weather {
    latency: Duration::from_millis(20),
    jitter: 0,
    loss: 0,
    duplication: 0,
    race: 0,
};

#[derive(Clone)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) now: Now,
    pub(crate) hosts: Vec<Host>,
    pub(crate) weather: Weather,
    in_flight: BTreeMap<(Now, u64), Datagram>,
    count: u64,
    /// What arrived somewhere, for the eavesdropper.
    pub(crate) tape: Vec<(usize, Datagram)>,
    /// Every datagram that was sent.
    pub(crate) trace: DefaultHasher,
    /// Who wrote a datagram.
    origins: HashMap<u64, usize>,
    /// Packets by number: from, to, when.
    pub(crate) sent: Vec<(usize, usize, Now)>,
    delivered: HashSet<usize>,
    /// The latest time of sending of what has arrived, by from and to.
    pub(crate) fresh: HashMap<(usize, usize), Now>,
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// The tunnel address of a host.
fn inner(host: usize) -> [u8; 4] {
    [10, 77, 0, host as u8 + 1]
}

fn index_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let now = Now::from_nanos(1_000_000_000_000);
        clock::set(now);
        let mut world = World {
            dice: Dice::new(seed),
            now,
            hosts: Vec::new(),
            weather: FINE,
            in_flight: BTreeMap::new(),
            count: 0,
            tape: Vec::new(),
            trace: DefaultHasher::new(),
            origins: HashMap::new(),
            sent: Vec::new(),
            delivered: HashSet::new(),
            fresh: HashMap::new(),
        };
        for host in 0..=*CLIENTS.end() {
            let key = PrivateKey::generate();
            let address = match host {
                GATEWAY => GATEWAY_ADDRESS.parse().unwrap(),
                _ => world.some_address(),
            };
            world.hosts.push(Host {
                device: device(&key, now),
                key,
                address,
                online: true,
                stalled: now,
                fast: 0,
                received: HashSet::new(),
                sessions: HashMap::new(),
                by_theirs: HashMap::new(),
                endpoints: HashMap::new(),
                initiations: HashMap::new(),
            });
        }
        for host in 0..world.hosts.len() {
            world.start(host, true);
        }
        world
    }

    pub(crate) fn some_address(&mut self) -> SocketAddr {
        let (last, port) = (self.dice.roll(250) as u8, self.dice.roll(60_000) as u16 + 1);
        SocketAddr::from(([192, 0, 2, last], port))
    }

    /// Starts a host's process afresh. A gateway `remembers` what it stored.
    pub(crate) fn start(&mut self, host: usize, remembers: bool) {
        let public = |host: &Host| host.key.public();
        let others: Vec<PublicKey> = self.hosts.iter().map(public).collect();
        let now = self.now;
        let it = &mut self.hosts[host];
        clock::set_fast(it.fast);
        it.device = device(&it.key, now);
        it.received.clear();
        it.sessions.clear();
        it.by_theirs.clear();
        it.stalled = now;
        if host == GATEWAY {
            for client in CLIENTS {
                let key = others[client];
                let stored = |_: &&SocketAddr| remembers;
                let config = PeerConfig {
                    public_key: key,
                    preshared_key: None,
                    allowed_ips: vec![std::net::IpAddr::from(inner(client)).into()],
                    endpoint: it.endpoints.get(&key).filter(stored).copied(),
                    keepalive: None,
                    keep_session: false,
                    owner: 0,
                };
                it.device.add_peer(now, config).unwrap();
                if let Some(seen) = it.initiations.get(&key).filter(|_| remembers) {
                    it.device.restore_initiations(&key, seen.clone());
                }
            }
            it.device.greet(now);
        } else {
            let config = PeerConfig {
                public_key: others[GATEWAY],
                preshared_key: None,
                allowed_ips: vec!["0.0.0.0/0".parse().unwrap()],
                endpoint: Some(GATEWAY_ADDRESS.parse().unwrap()),
                keepalive: (host == 1).then_some(25),
                // As our client does. Others may notice that the gateway has lost a session after 15 s.
                keep_session: true,
                owner: 0,
            };
            it.device.add_peer(now, config).unwrap();
        }
        self.collect(host);
    }

    fn key(&self, host: usize) -> PublicKey {
        self.hosts[host].key.public()
    }

    fn endpoints(&self, host: usize) -> Vec<(PublicKey, Option<SocketAddr>)> {
        let peers = self.hosts[host].device.peers();
        peers.map(|peer| (peer.public_key, peer.endpoint)).collect()
    }

    /// Does something to a device, and carries away what comes of it. No endpoint may
    /// move by it, unless it was the datagram in `by`.
    pub(crate) fn touch(
        &mut self,
        host: usize,
        by: Option<&Datagram>,
        work: impl FnOnce(&mut Device, Now),
    ) -> usize {
        let before = self.endpoints(host);
        let again = by.is_some_and(|d| !self.hosts[host].received.insert(digest(&d.bytes)));
        if let Some(datagram) = by.filter(|d| !again && d.bytes[0] == 2 && d.bytes.len() == 92) {
            let (theirs, ours) = (index_at(&datagram.bytes, 4), index_at(&datagram.bytes, 8));
            let it = &mut self.hosts[host];
            it.sessions.insert(ours, self.now);
            it.by_theirs.insert(theirs, self.now);
        }
        clock::set_fast(self.hosts[host].fast);
        work(&mut self.hosts[host].device, self.now);
        for ((peer, old), (_, new)) in before.into_iter().zip(self.endpoints(host)) {
            if old != new {
                let datagram = by.expect("only a datagram moves an endpoint");
                assert_eq!(new, Some(datagram.from), "to where it came from");
                assert!(!again, "not when it comes again");
                let origin = self.origins[&digest(&datagram.bytes)];
                assert_eq!(self.key(origin), peer, "only the peer's own moves it");
                let kind = guard::message(&datagram.bytes);
                assert!(matches!(kind, Some(Message::Data | Message::Response)));
            }
        }
        assert_eq!(self.hosts[host].device.counters().panics, 0);
        self.collect(host)
    }

    /// Takes what a device has to give; gives how many packets.
    fn collect(&mut self, host: usize) -> usize {
        let now = self.now;
        let it = &mut self.hosts[host];
        let mut packets = Vec::new();
        while let Some(run) = it.device.poll_packets() {
            packets.extend(run.iter().map(<[u8]>::to_vec));
        }
        let mut datagrams = Vec::new();
        while let Some(train) = it.device.poll_transmit() {
            for bytes in train.contents.chunks(train.segment_size) {
                datagrams.push(Datagram {
                    from: it.address,
                    to: train.endpoint,
                    bytes: bytes.to_vec(),
                });
            }
        }
        while let Some(event) = it.device.poll_event() {
            match event {
                Event::EndpointMoved { peer, endpoint } => {
                    it.endpoints.insert(peer, endpoint);
                }
                Event::InitiationAnswered { peer } => {
                    let seen = it.device.seen_initiations(&peer).unwrap();
                    it.initiations.insert(peer, seen.clone());
                }
                _ => {}
            }
        }
        for datagram in datagrams {
            let kind = guard::message(&datagram.bytes).expect("only messages are sent");
            match kind {
                Message::Response => {
                    let ours = index_at(&datagram.bytes, 4);
                    let theirs = index_at(&datagram.bytes, 8);
                    let it = &mut self.hosts[host];
                    it.sessions.insert(ours, now);
                    it.by_theirs.insert(theirs, now);
                }
                Message::Data => {
                    let theirs = index_at(&datagram.bytes, 4);
                    let began = self.hosts[host].by_theirs[&theirs];
                    let age = now.since(began);
                    assert!(age <= guard::SESSION_LIFETIME, "sent after {age:?}");
                }
                Message::Initiation | Message::CookieReply => {}
            }
            datagram.bytes.hash(&mut self.trace);
            self.origins.insert(digest(&datagram.bytes), host);
            if self.hosts[host].online {
                self.throw(datagram);
            }
        }
        let count = packets.len();
        for packet in packets {
            self.take(host, &packet);
        }
        count
    }

    /// A packet comes out of a host's tunnel.
    fn take(&mut self, host: usize, packet: &[u8]) {
        let number = usize::from_le_bytes(packet[20..28].try_into().unwrap());
        let (from, to, at) = *self.sent.get(number).expect("somebody sent it");
        assert_eq!(packet, inner_packet(from, to, number), "as it was");
        assert_eq!(to, host, "it arrives where it was sent");
        assert!(self.delivered.insert(number), "packet {number} twice");
        let fresh = self.fresh.entry((from, to)).or_insert(at);
        *fresh = at.max(*fresh);
    }

    /// A client's program goes back to the endpoint of its profile, as it does when it
    /// hears nothing.
    pub(crate) fn go_back(&mut self, client: usize) {
        let gateway = self.key(GATEWAY);
        let it = &mut self.hosts[client];
        clock::set_fast(it.fast);
        let endpoint = GATEWAY_ADDRESS.parse().unwrap();
        it.device.set_endpoint(self.now, &gateway, endpoint);
        self.collect(client);
    }

    /// Where a host believes another to be.
    pub(crate) fn believed(&self, host: usize, other: usize) -> Option<SocketAddr> {
        let key = self.key(other);
        let endpoints = self.endpoints(host).into_iter();
        endpoints
            .filter(|(peer, _)| *peer == key)
            .find_map(|(_, at)| at)
    }

    /// Gives a datagram to the weather.
    fn throw(&mut self, datagram: Datagram) {
        if self.dice.percent(self.weather.race) {
            self.count += 1;
            let mut faster = datagram.clone();
            faster.from = EAVESDROPPER.parse().unwrap();
            let at = self.now + self.weather.latency / 2;
            self.in_flight.insert((at, self.count), faster);
        }
        if self.dice.percent(self.weather.loss) {
            return;
        }
        let times = 1 + usize::from(self.dice.percent(self.weather.duplication));
        for _ in 0..times {
            let wait = self.weather.latency + self.dice.millis(self.weather.jitter);
            self.count += 1;
            let at = self.now + wait;
            self.in_flight.insert((at, self.count), datagram.clone());
        }
    }

    fn deliver(&mut self, datagram: Datagram) {
        let to = self.hosts.iter().position(|h| h.address == datagram.to);
        let Some(host) = to.filter(|host| self.hosts[*host].online) else {
            return;
        };
        if self.hosts[host].stalled > self.now {
            // It waits in the socket, until the process goes on: sooner than it had to, perhaps.
            self.count += 1;
            let later = self.now + Duration::from_millis(100);
            let key = (self.hosts[host].stalled.min(later), self.count);
            self.in_flight.insert(key, datagram);
            return;
        }
        self.receive(host, &datagram);
        let place = match self.tape.len() {
            TAPE => self.dice.roll(TAPE),
            len => len,
        };
        self.tape.truncate(TAPE);
        match self.tape.get_mut(place) {
            Some(old) => *old = (host, datagram),
            None => self.tape.push((host, datagram)),
        }
    }

    /// A host receives a datagram.
    pub(crate) fn receive(&mut self, host: usize, datagram: &Datagram) {
        let Datagram { from, bytes, .. } = datagram;
        let packets = self.touch(host, Some(datagram), |device, now| {
            device.handle_datagrams(now, Run::new(*from, bytes, bytes.len()));
        });
        if packets > 0 && guard::message(bytes) == Some(Message::Data) {
            let began = self.hosts[host].sessions[&index_at(bytes, 4)];
            let age = self.now.since(began);
            assert!(age <= guard::SESSION_LIFETIME, "taken after {age:?}");
        }
    }

    /// A host's TUN yields a packet for another.
    pub(crate) fn send(&mut self, from: usize, to: usize) {
        if self.hosts[from].stalled > self.now {
            return;
        }
        let mut packet = inner_packet(from, to, self.sent.len());
        self.sent.push((from, to, self.now));
        let len = packet.len();
        packet.resize(len + guard::PADDING, 0);
        self.touch(from, None, |device, now| {
            let packets = Segments::single(&mut packet, len);
            device.handle_packets(now, packets.expect("there is room for padding"));
        });
    }

    fn timeout(&self, host: usize) -> Option<Now> {
        let it = &self.hosts[host];
        Some(it.device.poll_timeout()?.max(it.stalled))
    }

    /// Lets time pass, with everything that happens in it.
    pub(crate) fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let arrival = self.in_flight.first_key_value().map(|((at, _), _)| *at);
            let timeouts = (0..self.hosts.len()).filter_map(|host| self.timeout(host));
            let next = timeouts.chain(arrival).min().filter(|at| *at <= end);
            self.now = next.unwrap_or(end).max(self.now);
            clock::set(self.now);
            while let Some(entry) = self.in_flight.first_entry()
                && entry.key().0 <= self.now
            {
                let datagram = entry.remove();
                self.deliver(datagram);
            }
            for host in 0..self.hosts.len() {
                if self.timeout(host).is_some_and(|at| at <= self.now) {
                    self.touch(host, None, |device, now| device.handle_timeout(now));
                }
            }
            if next.is_none() {
                return;
            }
        }
    }
}

fn device(key: &PrivateKey, now: Now) -> Device {
    let config = DeviceConfig {
        private_key: key.clone(),
        mtu: 1_420,
        worker: Worker::default(),
    };
    Device::new(config, now)
}

/// The packet with this number; its length depends on it too.
fn inner_packet(from: usize, to: usize, number: usize) -> Vec<u8> {
    let len = 28 + number * 37 % 200;
    let mut packet = vec![0; len];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(len as u16).to_be_bytes());
    packet[12..16].copy_from_slice(&inner(from));
    packet[16..20].copy_from_slice(&inner(to));
    packet[20..28].copy_from_slice(&number.to_le_bytes());
    packet
}

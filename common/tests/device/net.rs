//! A network in memory: devices with addresses, latency, and an eavesdropper.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokenvpn_common::clock::Now;
use tokenvpn_common::device::{
    Device, DeviceConfig, Event, Handover, PeerConfig, PeerStats, Worker,
};
use tokenvpn_common::guard::PADDING;
use tokenvpn_common::key::{PrivateKey, PublicKey};
use tokenvpn_common::run::Run;
use tokenvpn_common::segments::Segments;

use crate::clock;

pub(crate) const MTU: u16 = 1420;

/// A device and its place in the network.
pub(crate) struct Node {
    pub(crate) device: Device,
    pub(crate) address: SocketAddr,
    /// Whether it tells its device the address that datagrams came to.
    pub(crate) pins: bool,
    /// Whether anything reaches it or leaves it.
    pub(crate) online: bool,
    /// The kind of its messages that are lost.
    pub(crate) muted: Option<u8>,
    /// The packets it wrote to its TUN.
    pub(crate) inbox: Vec<Vec<u8>>,
    pub(crate) events: Vec<Event>,
    pub(crate) handovers: VecDeque<(u8, Handover)>,
}

/// A datagram on the wire.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) at: Now,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    /// The pinned source, as the device gave it.
    pub(crate) source: Option<IpAddr>,
    pub(crate) bytes: Vec<u8>,
}

impl Sent {
    pub(crate) fn kind(&self) -> u8 {
        self.bytes[0]
    }
}

/// One send call.
#[derive(Clone)]
pub(crate) struct Train {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) segment_size: usize,
    pub(crate) contents: Vec<u8>,
}

pub(crate) struct Net {
    pub(crate) nodes: Vec<Node>,
    pub(crate) now: Now,
    /// One way.
    pub(crate) latency: Duration,
    /// All datagrams so far, delivered or not.
    pub(crate) log: Vec<Sent>,
    /// All sends so far.
    pub(crate) trains: Vec<Train>,
    in_flight: VecDeque<(Now, Train)>,
}

impl Net {
    pub(crate) fn new() -> Net {
        let now = Now::from_nanos(1_000_000_000_000);
        clock::set(now);
        Net {
            nodes: Vec::new(),
            now,
            latency: Duration::ZERO,
            log: Vec::new(),
            trains: Vec::new(),
            in_flight: VecDeque::new(),
        }
    }

    /// Adds a device at `address`, and gives its index.
    pub(crate) fn add(&mut self, key: &PrivateKey, address: &str, worker: Worker) -> usize {
        let config = DeviceConfig {
            private_key: key.clone(),
            mtu: MTU,
            worker,
        };
        self.nodes.push(Node {
            device: Device::new(config, self.now),
            address: address.parse().unwrap(),
            pins: false,
            online: true,
            muted: None,
            inbox: Vec::new(),
            events: Vec::new(),
            handovers: VecDeque::new(),
        });
        self.nodes.len() - 1
    }

    /// Takes everything that `node`'s device has to give.
    pub(crate) fn collect(&mut self, node: usize) {
        let Net {
            nodes,
            now,
            latency,
            log,
            trains,
            in_flight,
        } = self;
        let node = &mut nodes[node];
        while let Some(packets) = node.device.poll_packets() {
            node.inbox.extend(packets.iter().map(<[u8]>::to_vec));
        }
        while let Some(transmit) = node.device.poll_transmit() {
            for segment in transmit.contents.chunks(transmit.segment_size) {
                log.push(Sent {
                    at: *now,
                    from: node.address,
                    to: transmit.endpoint,
                    source: transmit.source,
                    bytes: segment.to_vec(),
                });
            }
            let train = Train {
                from: node.address,
                to: transmit.endpoint,
                segment_size: transmit.segment_size,
                contents: transmit.contents.to_vec(),
            };
            trains.push(train.clone());
            if node.online && node.muted != Some(train.contents[0]) {
                in_flight.push_back((*now + *latency, train));
            }
        }
        while let Some(event) = node.device.poll_event() {
            node.events.push(event);
        }
        while let Some(handover) = node.device.poll_handover() {
            node.handovers.push_back(handover);
        }
    }

    /// Delivers all that is due, and what comes of it.
    pub(crate) fn flow(&mut self) {
        for node in 0..self.nodes.len() {
            self.collect(node);
        }
        while let Some((at, _)) = self.in_flight.front()
            && *at <= self.now
        {
            let (_, train) = self.in_flight.pop_front().unwrap();
            if let Some(to) = self.nodes.iter().position(|n| n.address == train.to) {
                self.deliver(to, train.from, &train.contents, train.segment_size);
            }
        }
    }

    /// Forgets what the eavesdropper has heard.
    pub(crate) fn forget(&mut self) {
        self.log = Vec::new();
        self.trains = Vec::new();
    }

    /// Hands a run of datagrams to a node, as if they came from `source`.
    pub(crate) fn deliver(&mut self, to: usize, source: SocketAddr, run: &[u8], stride: usize) {
        let node = &mut self.nodes[to];
        if !node.online {
            return;
        }
        let local = node.pins.then(|| node.address.ip());
        let device = &mut node.device;
        let whole = Run {
            local,
            ..Run::new(source, run, stride)
        };
        device.handle_datagrams(self.now, whole);
        if run.chunks(stride.max(1)).any(|datagram| datagram[0] == 1) {
            work_off(device, self.now);
        }
        self.collect(to);
    }

    /// Lets time pass, with everything that happens in it.
    pub(crate) fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        self.flow();
        loop {
            let arrival = self.in_flight.front().map(|(at, _)| *at);
            let timeouts = self.nodes.iter().filter_map(|n| n.device.poll_timeout());
            let next = timeouts.chain(arrival).min().filter(|at| *at <= end);
            self.set_time(next.unwrap_or(end).max(self.now));
            self.flow();
            for node in 0..self.nodes.len() {
                if self.nodes[node]
                    .device
                    .poll_timeout()
                    .is_some_and(|at| at <= self.now)
                {
                    self.nodes[node].device.handle_timeout(self.now);
                }
            }
            self.flow();
            if next.is_none() {
                break;
            }
        }
    }

    /// Moves the clock, and nobody notices.
    pub(crate) fn set_time(&mut self, now: Now) {
        self.now = now;
        clock::set(now);
    }

    /// A node's TUN yields `packets`.
    pub(crate) fn send(&mut self, from: usize, packets: &[Vec<u8>]) {
        for packet in packets {
            take(&mut self.nodes[from].device, self.now, packet);
        }
        self.flow();
    }

    pub(crate) fn take_inbox(&mut self, node: usize) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.nodes[node].inbox)
    }

    /// The datagrams of one kind that `node` sent.
    pub(crate) fn sent_by(&self, node: usize, kind: u8) -> Vec<Sent> {
        let from = self.nodes[node].address;
        let sent = self.log.iter();
        sent.filter(|s| s.from == from && s.kind() == kind)
            .cloned()
            .collect()
    }

    pub(crate) fn stats(&self, node: usize, peer: &PublicKey) -> PeerStats {
        let mut peers = self.nodes[node].device.peers();
        peers.find(|stats| stats.public_key == *peer).unwrap()
    }
}

/// Initiations wait for what is done when something is due.
pub(crate) fn work_off(device: &mut Device, now: Now) {
    while device.poll_timeout().is_some_and(|at| at <= now) {
        device.handle_timeout(now);
    }
}

/// Hands a device a packet from its TUN.
pub(crate) fn take(device: &mut Device, now: Now, packet: &[u8]) {
    let mut room = packet.to_vec();
    // What stood there before is no padding.
    room.resize(packet.len() + PADDING, 0xa5);
    let packets = Segments::single(&mut room, packet.len());
    device.handle_packets(now, packets.expect("there is room for padding"));
}

/// An IPv4 packet of `len` bytes whose content tells it from others.
pub(crate) fn packet(source: &str, destination: &str, len: usize) -> Vec<u8> {
    let octets = |text: &str| match text.parse().unwrap() {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => panic!("an IPv4 address is wanted"),
    };
    let mut packet: Vec<u8> = (0..len).map(|i| (i ^ len) as u8).collect();
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(len as u16).to_be_bytes());
    packet[12..16].copy_from_slice(&octets(source));
    packet[16..20].copy_from_slice(&octets(destination));
    packet
}

/// An IPv6 packet of `len` bytes.
pub(crate) fn packet6(source: &str, destination: &str, len: usize) -> Vec<u8> {
    let octets = |text: &str| match text.parse().unwrap() {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(_) => panic!("an IPv6 address is wanted"),
    };
    let mut packet: Vec<u8> = (0..len).map(|i| (i ^ len) as u8).collect();
    packet[0] = 0x60;
    packet[4..6].copy_from_slice(&(len as u16 - 40).to_be_bytes());
    packet[8..24].copy_from_slice(&octets(source));
    packet[24..40].copy_from_slice(&octets(destination));
    packet
}

/// A peer with these networks and nothing else.
pub(crate) fn peer(key: &PublicKey, networks: &[&str]) -> PeerConfig {
    PeerConfig {
        public_key: *key,
        preshared_key: None,
        allowed_ips: networks.iter().map(|n| n.parse().unwrap()).collect(),
        endpoint: None,
        keepalive: None,
        keep_session: false,
        owner: 0,
    }
}

/// Whose packets are whose in [`Scene`].
pub(crate) const INNER: &str = "10.0.0.1";
pub(crate) const CLIENT: &str = "10.77.0.7";
pub(crate) const OTHER: &str = "10.77.0.8";

/// A gateway (node 0) that two clients (nodes 1 and 2) know how to reach.
pub(crate) struct Scene {
    pub(crate) net: Net,
    pub(crate) gateway: PublicKey,
    pub(crate) gateway_key: PrivateKey,
    pub(crate) clients: [PublicKey; 2],
    /// The first client's.
    pub(crate) client_key: PrivateKey,
}

pub(crate) const GATEWAY_NODE: usize = 0;
pub(crate) const CLIENT_NODE: usize = 1;
pub(crate) const OTHER_NODE: usize = 2;

impl Scene {
    /// Clients that speak when there is something to send.
    pub(crate) fn new() -> Scene {
        Scene::with(|_| {})
    }

    /// Clients that keep a session at all times.
    pub(crate) fn keeping() -> Scene {
        Scene::with(|gateway| {
            gateway.keep_session = true;
            gateway.keepalive = Some(25);
        })
    }

    /// As `change` makes of the clients' idea of the gateway.
    pub(crate) fn with(change: impl Fn(&mut PeerConfig)) -> Scene {
        let mut net = Net::new();
        let gateway_key = PrivateKey::generate();
        let client_keys = [PrivateKey::generate(), PrivateKey::generate()];
        let clients = [client_keys[0].public(), client_keys[1].public()];
        let gateway = gateway_key.public();
        net.add(&gateway_key, "198.51.100.1:51820", Worker::default());
        for (i, key) in client_keys.iter().enumerate() {
            let node = net.add(
                key,
                &format!("192.0.2.{}:4{i}000", i + 1),
                Worker::default(),
            );
            let inner = [
                format!("10.77.0.{}/32", i + 7),
                format!("fd77::{}/128", i + 7),
            ];
            let inner: Vec<&str> = inner.iter().map(String::as_str).collect();
            let known = peer(&clients[i], &inner);
            let now = net.now;
            let device = &mut net.nodes[GATEWAY_NODE].device;
            device.add_peer(now, known).unwrap();
            let mut known = peer(&gateway, &["0.0.0.0/0", "::/0"]);
            known.endpoint = Some("198.51.100.1:51820".parse().unwrap());
            change(&mut known);
            net.nodes[node].device.add_peer(now, known).unwrap();
        }
        Scene {
            net,
            gateway,
            gateway_key,
            clients,
            client_key: client_keys[0].clone(),
        }
    }

    /// The same with sessions between both clients and the gateway, and an empty log.
    pub(crate) fn connected() -> Scene {
        let mut scene = Scene::new();
        scene.connect();
        scene
    }

    pub(crate) fn connect(&mut self) {
        let net = &mut self.net;
        for (node, source) in [(CLIENT_NODE, CLIENT), (OTHER_NODE, OTHER)] {
            net.send(node, &[packet(source, INNER, 100)]);
        }
        assert_eq!(net.take_inbox(GATEWAY_NODE).len(), 2);
        net.forget();
        for node in &mut net.nodes {
            node.events.clear();
        }
    }

    /// Whether a packet passes in both directions between client and gateway.
    pub(crate) fn passes(&mut self) -> bool {
        let (up, down) = (packet(CLIENT, INNER, 200), packet(INNER, CLIENT, 300));
        self.net.take_inbox(GATEWAY_NODE);
        self.net.take_inbox(CLIENT_NODE);
        self.net.send(CLIENT_NODE, std::slice::from_ref(&up));
        self.net.send(GATEWAY_NODE, std::slice::from_ref(&down));
        let latency = self.net.latency * 4;
        self.net.advance(latency);
        self.net.take_inbox(GATEWAY_NODE).contains(&up)
            && self.net.take_inbox(CLIENT_NODE).contains(&down)
    }
}

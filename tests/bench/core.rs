//! The core without a network: what one core does with packets and handshakes.

use std::{
    cell::RefCell,
    hint::black_box,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use boringtun::{
    noise::{Packet, Tunn, TunnResult, handshake::parse_handshake_anon, rate_limiter::RateLimiter},
    x25519::{PublicKey as PublicPoint, StaticSecret},
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokenvpn_common::{
    clock::Now,
    coalesce::Coalescer,
    device::{Device, DeviceConfig, PeerConfig, Worker},
    guard::PADDING,
    io::clock,
    key::PrivateKey,
    packet::Packets,
    run::Run,
    segments::Segments,
    virtio::VirtioHeader,
};

const MTU: u16 = 1420;
/// Packets of one super-packet, as the kernel hands them over.
const BATCH: usize = 46;
/// Bytes of an IPv4 header without options.
const IP_HEADER: usize = 20;
/// The same with a TCP header.
const HEADERS: usize = 40;
/// TCP's number (RFC 9293).
const TCP: u32 = 6;

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1);
const GATEWAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 2);
const CLIENT_INSIDE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const GATEWAY_INSIDE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

fn device(private_key: PrivateKey) -> Device {
    let config = DeviceConfig {
        private_key,
        mtu: MTU,
        worker: Worker::default(),
    };
    Device::new(config, clock::now())
}

fn peer(key: &PrivateKey, address: Ipv4Addr, endpoint: Option<SocketAddr>) -> PeerConfig {
    PeerConfig {
        public_key: key.public(),
        preshared_key: None,
        allowed_ips: vec![IpAddr::from(address).into()],
        endpoint,
        keepalive: None,
        keep_session: endpoint.is_some(),
        owner: 0,
    }
}

/// Gives everything one device has to send to the other.
fn deliver(from: &mut Device, source: SocketAddr, to: &mut Device) {
    while let Some(train) = from.poll_transmit() {
        to.handle_datagrams(
            clock::now(),
            Run::new(source, train.contents, train.segment_size),
        );
        to.handle_timeout(clock::now());
    }
}

/// A client and a gateway with a session.
fn pair() -> (Device, Device) {
    let keys = [PrivateKey::generate(), PrivateKey::generate()];
    let mut client = device(keys[0].clone());
    let mut gateway = device(keys[1].clone());
    let now = clock::now();
    gateway
        .add_peer(now, peer(&keys[0], CLIENT_INSIDE, None))
        .expect("a new peer");
    client
        .add_peer(now, peer(&keys[1], GATEWAY_INSIDE, Some(GATEWAY)))
        .expect("a new peer");
    for _ in 0..2 {
        deliver(&mut client, CLIENT, &mut gateway);
        deliver(&mut gateway, GATEWAY, &mut client);
    }
    assert!(gateway.peers().all(|peer| peer.last_handshake.is_some()));
    (client, gateway)
}

/// One TCP segment from the client to the gateway, `len` bytes with its headers.
fn segment(len: usize) -> Vec<u8> {
    let mut packet = vec![0; len];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&u16::try_from(len).expect("a packet's length").to_be_bytes());
    packet[8..10].copy_from_slice(&[64, 6]);
    packet[12..16].copy_from_slice(&CLIENT_INSIDE.octets());
    packet[16..20].copy_from_slice(&GATEWAY_INSIDE.octets());
    let header = !sum(&packet[..IP_HEADER], 0);
    packet[10..12].copy_from_slice(&header.to_be_bytes());
    // Data offset 5 words, ACK.
    packet[32..34].copy_from_slice(&[0x50, 0x10]);
    packet
}

/// The sum of the Internet checksum (RFC 1071).
fn sum(bytes: &[u8], initial: u32) -> u16 {
    let (words, _) = bytes.as_chunks();
    let words = words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)));
    let mut sum = words.fold(initial, |sum, word| sum + word);
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Cast: folded above.
    sum as u16
}

/// A super-packet of [`BATCH`] packets of `len` bytes each, as the kernel hands it over: one header
/// for all of them, checksums left to us.
struct SuperPacket {
    header: VirtioHeader,
    packet: Vec<u8>,
}

impl SuperPacket {
    fn of(len: usize) -> SuperPacket {
        let payload = len - HEADERS;
        let mut packet = segment(HEADERS + payload * BATCH);
        // Where the checksum belongs stands the sum of the pseudo-header.
        let tcp_len = u32::try_from(packet.len() - IP_HEADER).expect("a packet's length");
        let pseudo = sum(&packet[12..20], TCP + tcp_len);
        packet[36..38].copy_from_slice(&pseudo.to_be_bytes());
        SuperPacket {
            header: VirtioHeader {
                flags: VirtioHeader::NEEDS_CHECKSUM,
                gso_type: VirtioHeader::TCP_V4,
                header_len: HEADERS as u16,
                gso_size: payload as u16,
                checksum_start: IP_HEADER as u16,
                checksum_offset: 16,
            },
            packet,
        }
    }

    /// Room to cut it in.
    fn room(&self) -> Vec<u8> {
        vec![0; self.packet.len() + PADDING]
    }

    /// The super-packet in `room`, which cutting wears out.
    fn put<'a>(&self, room: &'a mut [u8]) -> Segments<'a> {
        room[..self.packet.len()].copy_from_slice(&self.packet);
        Segments::new(self.header, room, self.packet.len()).expect("a sound super-packet")
    }
}

/// Packets of both kinds of traffic: small ones, and as large as they come.
const SIZES: [usize; 2] = [64, MTU as usize];

fn data(c: &mut Criterion) {
    let mut group = c.benchmark_group("data");
    for len in SIZES {
        let bytes = u64::try_from(BATCH * len).expect("a batch's length");
        group.throughput(Throughput::Bytes(bytes));
        let super_packet = SuperPacket::of(len);
        let mut room = super_packet.room();

        let (mut client, _gateway) = pair();
        group.bench_function(BenchmarkId::new("encapsulate 46 packets", len), |b| {
            b.iter(|| {
                client.handle_packets(clock::now(), super_packet.put(&mut room));
                while let Some(train) = client.poll_transmit() {
                    black_box(train.contents);
                }
            });
        });

        let (mut client, mut gateway) = pair();
        group.bench_function(BenchmarkId::new("decapsulate 46 packets", len), |b| {
            b.iter_batched(
                || {
                    client.handle_packets(clock::now(), super_packet.put(&mut room));
                    let mut trains = Vec::new();
                    while let Some(train) = client.poll_transmit() {
                        trains.push((train.contents.to_vec(), train.segment_size));
                    }
                    trains
                },
                |trains| {
                    let mut count = 0;
                    for (contents, stride) in &trains {
                        gateway.handle_datagrams(clock::now(), Run::new(CLIENT, contents, *stride));
                        while let Some(packets) = gateway.poll_packets() {
                            count += packets.len();
                        }
                    }
                    assert_eq!(count, BATCH);
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn super_packets(c: &mut Criterion) {
    let super_packet = SuperPacket::of(MTU.into());
    let mut room = super_packet.room();
    let mut group = c.benchmark_group("super-packet");
    let bytes = u64::try_from(super_packet.packet.len()).expect("a length");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("split into 46", |b| {
        b.iter(|| {
            let mut segments = super_packet.put(&mut room);
            while let Some(packet) = segments.cut() {
                black_box(packet);
            }
        });
    });
    let mut cut = Vec::new();
    let mut segments = super_packet.put(&mut room);
    while let Some(packet) = segments.cut() {
        cut.push(packet[..packet.len() - PADDING].to_vec());
    }
    assert_eq!(cut.len(), BATCH);
    // Merging changes the first packet's header.
    let packets = RefCell::new(Packets::new());
    let mut coalescer = Coalescer::new(true);
    group.bench_function("merge 46", |b| {
        b.iter_batched(
            || {
                let mut packets = packets.borrow_mut();
                packets.clear();
                assert!(cut.iter().all(|packet| packets.push(packet)));
            },
            |()| {
                coalescer.merge(&mut packets.borrow_mut());
                assert_eq!(coalescer.merged().len(), 1);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// A packet from the TUN is looked at, its peer found, and dropped: that peer's endpoint is not known.
fn look_up(c: &mut Criterion) {
    const PACKETS: u32 = 64;
    let mut group = c.benchmark_group("look-up");
    for count in [1u32, 100, 10_000] {
        let mut gateway = device(PrivateKey::generate());
        let first = u32::from(CLIENT_INSIDE);
        for address in (first..first + count).map(Ipv4Addr::from) {
            let peer = peer(&PrivateKey::generate(), address, None);
            gateway.add_peer(clock::now(), peer).expect("a new peer");
        }
        let mut packet = segment(64);
        let len = packet.len();
        packet.resize(len + PADDING, 0);
        let mut look_up = || {
            let now = clock::now();
            for number in 0..PACKETS {
                // Far apart, so that not all are in the cache.
                let to = Ipv4Addr::from(first + number * 157 % count);
                packet[16..20].copy_from_slice(&to.octets());
                let segments = Segments::single(&mut packet, len).expect("room");
                gateway.handle_packets(now, segments);
            }
            gateway.counters().no_endpoint
        };
        assert_eq!(look_up(), u64::from(PACKETS));
        group.throughput(Throughput::Elements(PACKETS.into()));
        group.bench_function(BenchmarkId::new("64 packets, peers", count), |b| {
            b.iter(&mut look_up);
        });
    }
    group.finish();
}

/// A client that begins one handshake after the other, and ends each properly.
struct Caller {
    tunn: Tunn,
    room: Vec<u8>,
}

impl Caller {
    fn new(key: &PrivateKey, gateway: &PrivateKey, index: u32) -> Caller {
        let secret = StaticSecret::from(*key.expose());
        let theirs = PublicPoint::from(*gateway.public().as_bytes());
        // Left to itself it takes ten answers, and then no more.
        let limiter = RateLimiter::new(&PublicPoint::from(&secret), u64::MAX);
        let limiter = Some(Arc::new(limiter));
        Caller {
            tunn: Tunn::new(secret, theirs, None, None, index, limiter),
            room: vec![0; 70_000],
        }
    }

    fn initiation(&mut self) -> Vec<u8> {
        let TunnResult::WriteToNetwork(initiation) =
            self.tunn.format_handshake_initiation(&mut self.room, true)
        else {
            panic!("no initiation");
        };
        initiation.to_vec()
    }

    /// Takes the response and gives the keepalive that confirms the session.
    fn confirm(&mut self, response: &[u8]) -> Vec<u8> {
        let answer = self.tunn.decapsulate(None, response, &mut self.room);
        let TunnResult::WriteToNetwork(keepalive) = answer else {
            panic!("no session");
        };
        keepalive.to_vec()
    }
}

/// Peers that take turns, so that none is beyond what is answered of one peer's.
const CALLERS: u32 = 500;

/// The commonest of handshakes.
const WHERE_IT_WAS: &str = "answer, from where it was";

/// The dearest that need be, and the cheapest that can be.
const AS_BORINGTUN: &str = "answer as boringtun-cli does";
const BY_TUNNEL_ALONE: &str = "answer by boringtun's tunnel alone";

/// One initiation, from its bytes to the response's.
fn handshake(c: &mut Criterion) {
    let mut group = c.benchmark_group("handshake");
    let own = PrivateKey::generate();
    let keys: Vec<_> = std::iter::repeat_with(PrivateKey::generate)
        .take(CALLERS as usize)
        .collect();
    let callers = || -> Vec<Caller> {
        let numbered = (0..).zip(&keys);
        numbered
            .map(|(index, key)| Caller::new(key, &own, index))
            .collect()
    };

    // Where a peer begins its next session mostly, where it has never been, and where another
    // one was before.
    type Place = fn(u32) -> u32;
    let places: [(&str, Place); 3] = [
        (WHERE_IT_WAS, |turn| turn % CALLERS),
        ("answer, from elsewhere", |turn| turn),
        ("answer, from another's place", |_| 0),
    ];
    for (name, place) in places {
        let mut gateway = device(own.clone());
        let first = u32::from(CLIENT_INSIDE);
        for (address, key) in (first..).map(Ipv4Addr::from).zip(&keys) {
            let added = gateway.add_peer(clock::now(), peer(key, address, None));
            added.expect("a new peer");
        }
        let mut ours = callers();
        let mut turns = 0..u32::MAX;
        // Slower than the clock of the wall: more than 1,000 a second would be asked for cookies.
        let mut now = clock::now();
        let gateway = RefCell::new(gateway);
        let response = RefCell::new(Vec::new());
        let mut last: Option<usize> = None;
        let mut call = || {
            let gateway = &mut *gateway.borrow_mut();
            now = now + Duration::from_millis(2);
            if let Some(last) = last {
                let keepalive = ours[last].confirm(&response.borrow());
                gateway.handle_datagrams(now, Run::new(CLIENT, &keepalive, keepalive.len()));
            }
            // A look at the timers of all is no part of an answer.
            gateway.handle_timeout(now);
            let turn = turns.next().expect("fewer turns than that");
            let caller = (turn % CALLERS) as usize;
            last = Some(caller);
            let source = Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 64, 0, 0)) + place(turn));
            (
                now,
                SocketAddr::from((source, 1)),
                ours[caller].initiation(),
            )
        };
        let answer = |(now, source, initiation): (Now, SocketAddr, Vec<u8>)| {
            let gateway = &mut *gateway.borrow_mut();
            gateway.handle_datagrams(now, Run::new(source, &initiation, initiation.len()));
            gateway.handle_timeout(now);
            let answer = gateway.poll_transmit().expect("a response");
            let mut response = response.borrow_mut();
            response.clear();
            response.extend_from_slice(answer.contents);
        };
        // Each has a tunnel and a place.
        for _ in 0..CALLERS {
            answer(call());
        }
        group.bench_function(name, |b| {
            b.iter_batched(&mut call, answer, BatchSize::PerIteration);
        });
        // Few share a place in the table of those that were answered.
        let recognised = gateway.borrow().counters().recognised;
        let again = u64::from(turns.start - CALLERS);
        let known = recognised > again * 9 / 10;
        // None, where something else was asked for.
        if again > 0 {
            assert_eq!(known, name == WHERE_IT_WAS, "{recognised} of {again}");
        }
    }

    // As boringtun's own device does: check the MACs, find the peer, then the handshake. And that
    // alone, of which every answer is made.
    let secret = StaticSecret::from(*own.expose());
    let public = PublicPoint::from(&secret);
    let limiter = Arc::new(RateLimiter::new(&public, u64::MAX));
    let mut tunnels: Vec<_> = (0..)
        .zip(&keys)
        .map(|(index, key)| {
            let theirs = PublicPoint::from(*key.public().as_bytes());
            Tunn::new(
                secret.clone(),
                theirs,
                None,
                None,
                index,
                Some(limiter.clone()),
            )
        })
        .collect();
    let mut theirs = callers();
    let mut turns = (0..theirs.len()).cycle();
    let mut room = vec![0; 70_000];
    for (name, finds_peer) in [(AS_BORINGTUN, true), (BY_TUNNEL_ALONE, false)] {
        group.bench_function(name, |b| {
            b.iter_batched(
                || {
                    let turn = turns.next().expect("a circle has no end");
                    (turn, theirs[turn].initiation())
                },
                |(turn, datagram)| {
                    if finds_peer {
                        let parsed = limiter.verify_packet(Some(CLIENT.ip()), &datagram, &mut room);
                        let Ok(Packet::HandshakeInit(initiation)) = parsed else {
                            panic!("a MAC is wrong");
                        };
                        let half = parse_handshake_anon(&secret, &public, &initiation);
                        black_box(half.expect("an initiation").peer_static_public);
                    }
                    let answer = tunnels[turn].decapsulate(None, &datagram, &mut room);
                    assert!(matches!(answer, TunnResult::WriteToNetwork(_)));
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = core;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = data, super_packets, look_up, handshake
}
criterion_main!(core);

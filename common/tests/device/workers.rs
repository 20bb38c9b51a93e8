//! One gateway, several workers.

use std::time::Duration;

use tokenvpn_common::device::{Handover, Worker};
use tokenvpn_common::guard::{self, PADDING};
use tokenvpn_common::key::{PrivateKey, PublicKey};
use tokenvpn_common::run::{Ecn, Run};
use tokenvpn_common::segments::Segments;
use tokenvpn_common::virtio::VirtioHeader;

use crate::hostile::{bare_tunnel, initiation, stranger};
use crate::net::*;

/// Nodes 0 and 1 are the two workers of one gateway; node 2 is a client that the
/// second one owns.
struct Crew {
    net: Net,
    gateway: PublicKey,
    client_key: PrivateKey,
}

const CLIENT_NODE: usize = 2;

impl Crew {
    fn new() -> Crew {
        let mut net = Net::new();
        let (gateway, client) = (PrivateKey::generate(), PrivateKey::generate());
        for index in 0..2 {
            // The kernel could give anything to either; here all comes to the first.
            let address = ["198.51.100.1:51820", "198.51.100.1:1"][usize::from(index)];
            let node = net.add(&gateway, address, Worker { index, count: 2 });
            let mut known = peer(&client.public(), &["10.77.0.7/32"]);
            known.owner = 1;
            net.nodes[node].device.add_peer(net.now, known).unwrap();
        }
        let node = net.add(&client, "192.0.2.1:40000", Worker::default());
        assert_eq!(node, CLIENT_NODE);
        let mut known = peer(&gateway.public(), &["0.0.0.0/0"]);
        known.endpoint = Some(net.nodes[0].address);
        net.nodes[node].device.add_peer(net.now, known).unwrap();
        Crew {
            net,
            gateway: gateway.public(),
            client_key: client,
        }
    }

    /// Takes what the second worker has to give away. Both workers send from the
    /// gateway's one address.
    fn collect_second(&mut self) {
        let front = self.net.nodes[0].address;
        let own = std::mem::replace(&mut self.net.nodes[1].address, front);
        self.net.collect(1);
        self.net.nodes[1].address = own;
    }

    /// Carries handovers from worker to worker until there are none.
    fn flow(&mut self) {
        loop {
            self.collect_second();
            self.net.flow();
            let handovers: Vec<_> = self.net.nodes[0].handovers.drain(..).collect();
            assert!(self.net.nodes[1].handovers.is_empty(), "nothing comes back");
            if handovers.is_empty() {
                break;
            }
            for (worker, handover) in handovers {
                assert_eq!(worker, 1);
                let now = self.net.now;
                let device = &mut self.net.nodes[1].device;
                device.handle_handover(now, handover);
                work_off(device, now);
                self.collect_second();
            }
        }
    }
}

#[test]
fn what_the_wrong_worker_receives_reaches_the_owner() {
    let mut crew = Crew::new();
    let up = packet(CLIENT, INNER, 200);
    crew.net.send(CLIENT_NODE, std::slice::from_ref(&up));
    crew.flow();
    assert!(crew.net.nodes[0].inbox.is_empty());
    assert_eq!(crew.net.take_inbox(1), [up], "the handshake and the packet");

    let down = packet(INNER, CLIENT, 300);
    crew.net.send(0, std::slice::from_ref(&down));
    crew.flow();
    assert_eq!(crew.net.take_inbox(CLIENT_NODE), [down]);

    let owned: Vec<usize> = (0..2)
        .map(|node| crew.net.nodes[node].device.peers().count())
        .collect();
    assert_eq!(owned, [0, 1], "only the owner keeps state");
    assert_eq!(crew.net.nodes[0].device.poll_timeout(), None);
}

#[test]
fn a_run_is_handed_over_in_one_piece() {
    let mut crew = Crew::new();
    crew.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 200)]);
    crew.flow();
    let packets: Vec<_> = (0..10)
        .map(|i| packet(CLIENT, INNER, if i == 9 { 300 } else { 1000 }))
        .collect();
    crew.net.send(CLIENT_NODE, &packets);
    {
        let handovers = &crew.net.nodes[0].handovers;
        assert_eq!(handovers.len(), 1);
        let (_, Handover::Datagrams { run, stride, .. }) = &handovers[0] else {
            panic!("datagrams were handed over");
        };
        assert_eq!(run.len().div_ceil(*stride), 10);
    }
    crew.net.take_inbox(1);
    crew.flow();
    assert_eq!(crew.net.take_inbox(1), packets);
}

#[test]
fn a_run_is_handed_over_with_its_mark_and_none_with_anothers() {
    let mut crew = Crew::new();
    crew.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 200)]);
    crew.flow();
    crew.net.take_inbox(1);
    let mut heeding = packet(CLIENT, INNER, 200);
    heeding[1] = 1;
    for ecn in [Ecn::NONE, Ecn::CONGESTED, Ecn::CONGESTED, Ecn::NONE] {
        let client = &mut crew.net.nodes[CLIENT_NODE];
        take(&mut client.device, crew.net.now, &heeding);
        let train = client.device.poll_transmit().expect("a datagram");
        let (source, bytes) = (client.address, train.contents.to_vec());
        let run = Run {
            ecn,
            ..Run::new(source, &bytes, bytes.len())
        };
        crew.net.nodes[0].device.handle_datagrams(crew.net.now, run);
    }
    crew.flow();
    let marks: Vec<_> = crew.net.take_inbox(1).iter().map(|p| p[1]).collect();
    assert_eq!(marks, [1, 3, 3, 1]);
}

#[test]
fn the_owner_is_told_whether_a_sender_has_shown_its_address() {
    let mut crew = Crew::new();
    let mut tunn = bare_tunnel(&crew.client_key, &crew.gateway);
    let send = |crew: &mut Crew, datagram: &[u8]| {
        crew.net.deliver(0, stranger(), datagram, datagram.len());
        match crew.net.nodes[0].handovers.pop_front() {
            Some((1, Handover::Initiation { has_shown, .. })) => Some(has_shown),
            _ => None,
        }
    };
    assert_eq!(send(&mut crew, &initiation(&mut tunn)), Some(false));
    // So many come to this worker that it asks for cookies, which are its own.
    let crowd = initiation(&mut bare_tunnel(&PrivateKey::generate(), &crew.gateway));
    for _ in 0..guard::HANDSHAKES_PER_SECOND / 2 {
        assert_eq!(send(&mut crew, &crowd), None);
    }
    assert_eq!(send(&mut crew, &initiation(&mut tunn)), None);
    let cookie = crew.net.log.pop().expect("an answer");
    assert_eq!(cookie.kind(), 3);
    tunn.decapsulate(None, &cookie.bytes, &mut [0; 256]);
    assert_eq!(send(&mut crew, &initiation(&mut tunn)), Some(true));
}

#[test]
fn who_has_shown_its_address_to_another_worker_is_not_asked_again() {
    let mut crew = Crew::new();
    let mut tunn = bare_tunnel(&crew.client_key, &crew.gateway);
    let mut answer = |has_shown| {
        // Each with a time of its own.
        crew.net.advance(Duration::from_millis(1));
        let handover = Handover::Initiation {
            peer: crew.client_key.public(),
            source: stranger(),
            local: None,
            has_shown,
            datagram: initiation(&mut tunn),
        };
        let (now, device) = (crew.net.now, &mut crew.net.nodes[1].device);
        device.handle_handover(now, handover);
        work_off(device, now);
        crew.collect_second();
        crew.net.log.pop().expect("an answer").kind()
    };
    for _ in 0..guard::IDENTITY_RATE.burst {
        assert_eq!(answer(false), 2);
    }
    assert_eq!(answer(false), 3, "there are too many");
    assert_eq!(answer(true), 2);
}

#[test]
fn the_session_index_names_its_worker() {
    let mut crew = Crew::new();
    crew.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 200)]);
    crew.flow();
    let data = crew.net.sent_by(CLIENT_NODE, 4);
    assert!(!data.is_empty());
    for sent in data {
        assert_eq!(sent.bytes[5] % 2, 1, "what the kernel steers by");
    }
}

#[test]
fn a_long_handover_loses_nothing() {
    let mut crew = Crew::new();
    crew.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 200)]);
    crew.flow();
    crew.net.take_inbox(1);

    // Three runs arrive at the wrong worker before it hands anything over.
    crew.net.nodes[0].online = false;
    let before = crew.net.trains.len();
    for _ in 0..3 {
        let packets: Vec<_> = (0..60).map(|_| packet(CLIENT, INNER, 1000)).collect();
        crew.net.send(CLIENT_NODE, &packets);
    }
    crew.net.nodes[0].online = true;
    let now = crew.net.now;
    for train in crew.net.trains.split_off(before) {
        let wrong = &mut crew.net.nodes[0].device;
        wrong.handle_datagrams(
            now,
            Run::new(train.from, &train.contents, train.segment_size),
        );
    }
    crew.net.collect(0);
    crew.flow();
    assert_eq!(crew.net.take_inbox(1).len(), 180);
}

/// A super-packet for the client: TCP over IPv4, `len` bytes of payload cut every `size`.
pub(crate) fn super_packet(len: usize, size: u16) -> (VirtioHeader, Vec<u8>) {
    let mut bytes = packet(INNER, CLIENT, 40 + len);
    bytes[6..10].copy_from_slice(&[0, 0, 64, 6]);
    bytes[20..40].fill(0);
    bytes[32..34].copy_from_slice(&[0x50, 0x10]);
    let header = VirtioHeader {
        flags: VirtioHeader::NEEDS_CHECKSUM,
        gso_type: VirtioHeader::TCP_V4,
        header_len: 40,
        gso_size: size,
        checksum_start: 20,
        checksum_offset: 16,
    };
    (header, bytes)
}

#[test]
fn whichever_of_several_workers_receives_it_the_owner_has_it() {
    for count in [2, 4] {
        let mut net = Net::new();
        let (gateway, client) = (PrivateKey::generate(), PrivateKey::generate());
        let owner = count - 1;
        for index in 0..count {
            let worker = Worker { index, count };
            let node = net.add(
                &gateway,
                &format!("198.51.100.1:{}", 51_820 + u16::from(index)),
                worker,
            );
            let mut known = peer(&client.public(), &["10.77.0.7/32"]);
            known.owner = owner;
            net.nodes[node].device.add_peer(net.now, known).unwrap();
        }
        let owner = usize::from(owner);
        let client_node = net.add(&client, "192.0.2.1:40000", Worker::default());
        let mut known = peer(&gateway.public(), &["0.0.0.0/0"]);
        known.endpoint = Some(net.nodes[0].address);
        net.nodes[client_node]
            .device
            .add_peer(net.now, known)
            .unwrap();
        for wrong in 0..usize::from(count) {
            // The client's datagrams come to this worker, the handshake among them.
            let address = net.nodes[wrong].address;
            let device = &mut net.nodes[client_node].device;
            device.set_endpoint(net.now, &gateway.public(), address);
            let up: Vec<_> = (0..20).map(|_| packet(CLIENT, INNER, 1_000)).collect();
            net.send(client_node, &up);
            hand_over(&mut net, owner);
            assert_eq!(
                net.take_inbox(owner),
                up,
                "of {count} workers {wrong} got it"
            );

            // And so does a super-packet to it.
            let (header, mut bytes) = super_packet(10_000, 1_000);
            let len = bytes.len();
            bytes.resize(len + PADDING, 0);
            let packets = Segments::new(header, &mut bytes, len).unwrap();
            net.nodes[wrong].device.handle_packets(net.now, packets);
            net.flow();
            hand_over(&mut net, owner);
            let down = net.take_inbox(client_node);
            assert_eq!(down.len(), 10, "of {count} workers {wrong} got it");
            for (i, packet) in down.iter().enumerate() {
                assert_eq!(packet.len(), 1_040);
                assert_eq!(packet[24..28], (i as u32 * 1_000).to_be_bytes(), "in order");
            }
            let idle = net.nodes.iter().enumerate();
            for (node, it) in idle
                .take(usize::from(count))
                .filter(|(node, _)| *node != owner)
            {
                assert_eq!(it.device.peers().count(), 0);
                assert!(it.inbox.is_empty(), "worker {node} acts for another's peer");
            }
        }
    }
}

#[test]
fn all_workers_together_keep_the_limits_of_one() {
    let mut net = Net::new();
    let gateway = PrivateKey::generate();
    for index in 0..4 {
        let address = format!("198.51.100.1:{}", 51_820 + u16::from(index));
        let node = net.add(&gateway, &address, Worker { index, count: 4 });
        let mut known = peer(&PrivateKey::generate().public(), &["10.77.0.7/32"]);
        known.owner = index;
        known.endpoint = Some(([192, 0, 2, index + 1], 1).into());
        net.nodes[node].device.add_peer(net.now, known).unwrap();
        for other in 0..40u8 {
            let mut known = peer(&PrivateKey::generate().public(), &[]);
            known.owner = index;
            known.endpoint = Some(([198, 18, index, other], 1).into());
            net.nodes[node].device.add_peer(net.now, known).unwrap();
        }
    }
    // A quarter of the load at each is as much as all of it at one.
    let mut unknown = bare_tunnel(&PrivateKey::generate(), &gateway.public());
    let datagram = initiation(&mut unknown);
    for node in 0..4 {
        for _ in 0..guard::HANDSHAKES_PER_SECOND / 4 {
            net.deliver(node, stranger(), &datagram, datagram.len());
        }
        assert!(net.log.is_empty(), "nobody is asked for a cookie yet");
        net.deliver(node, stranger(), &datagram, datagram.len());
        assert_eq!(net.log.pop().expect("a cookie").kind(), 3);
    }
    net.forget();
    // Greetings: 50 a second from all.
    let now = net.now;
    for node in 0..4 {
        net.nodes[node].device.greet(now);
    }
    net.advance(Duration::from_secs(2));
    let greeted: usize = (0..4).map(|node| net.sent_by(node, 1).len()).sum();
    assert!((80..=108).contains(&greeted), "{greeted} in 2 s");
}

#[test]
fn under_load_a_source_has_one_share_at_all_workers_together() {
    let mut net = Net::new();
    let gateway = PrivateKey::generate();
    let worker = Worker { index: 0, count: 4 };
    let node = net.add(&gateway, "198.51.100.1:51820", worker);
    let mut tunn = bare_tunnel(&PrivateKey::generate(), &gateway.public());
    let crowd = initiation(&mut tunn);
    for _ in 0..guard::HANDSHAKES_PER_SECOND / 4 {
        net.deliver(node, stranger(), &crowd, 148);
    }
    net.deliver(node, stranger(), &crowd, 148);
    let cookie = net.log.pop().expect("an answer");
    assert_eq!(cookie.kind(), 3);
    tunn.decapsulate(None, &cookie.bytes, &mut [0; 256]);
    for _ in 0..4 {
        let shown = initiation(&mut tunn);
        net.deliver(node, stranger(), &shown, 148);
    }
    let counters = net.nodes[node].device.counters();
    assert_eq!(counters.source_limit, 3, "a fourth of five at once");
}

/// Carries handovers to `owner` until there are none.
fn hand_over(net: &mut Net, owner: usize) {
    loop {
        net.flow();
        let mut any = false;
        for node in 0..=owner {
            let handovers: Vec<_> = net.nodes[node].handovers.drain(..).collect();
            for (worker, handover) in handovers {
                assert_eq!(usize::from(worker), owner);
                any = true;
                let now = net.now;
                let device = &mut net.nodes[owner].device;
                device.handle_handover(now, handover);
                work_off(device, now);
                net.collect(owner);
            }
        }
        if !any {
            return;
        }
    }
}

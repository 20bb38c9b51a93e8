//! Packets in, packets out: lengths, padding, trains, and what they cost.

use tokenvpn_common::device::{Device, DeviceConfig, Worker};
use tokenvpn_common::guard::PADDING;
use tokenvpn_common::key::PrivateKey;
use tokenvpn_common::run::{Ecn, Run};
use tokenvpn_common::segments::Segments;

use crate::allocations;
use crate::net::*;
use crate::workers::super_packet;

#[test]
fn every_inner_length_survives_both_ways_and_padding_is_not_seen() {
    let mut scene = Scene::connected();
    for len in 20..=usize::from(MTU) {
        let (up, down) = (packet(CLIENT, INNER, len), packet(INNER, CLIENT, len));
        scene.net.send(CLIENT_NODE, std::slice::from_ref(&up));
        scene.net.send(GATEWAY_NODE, std::slice::from_ref(&down));
        assert_eq!(scene.net.take_inbox(GATEWAY_NODE), [up], "{len}");
        assert_eq!(scene.net.take_inbox(CLIENT_NODE), [down], "{len}");
    }
    for len in 40..200 {
        let up = packet6("fd77::7", "fd00::1", len);
        scene.net.send(CLIENT_NODE, std::slice::from_ref(&up));
        assert_eq!(scene.net.take_inbox(GATEWAY_NODE), [up], "{len}");
    }
    for sent in scene.net.sent_by(CLIENT_NODE, 4) {
        let padded = sent.bytes.len() - 32;
        assert!(padded % 16 == 0 || padded == usize::from(MTU), "{padded}");
    }
}

#[test]
fn a_datagram_bears_the_mark_of_its_packet_and_congestion_on_the_way_reaches_it() {
    let mut scene = Scene::connected();
    let marked = |ecn: u8| {
        let mut packet = packet(CLIENT, INNER, 100);
        packet[1] = 0xb8 | ecn;
        packet
    };
    let now = scene.net.now;
    for ecn in 0..4 {
        let mut room = marked(ecn);
        room.resize(100 + PADDING, 0);
        let [gateway, client] = scene.net.nodes.get_disjoint_mut([0, 1]).unwrap();
        let whole = Segments::single(&mut room, 100).unwrap();
        client.device.handle_packets(now, whole);
        let train = client.device.poll_transmit().expect("one datagram");
        assert_eq!(train.ecn, Ecn::from_bits(ecn));
        let run = Run {
            ecn: Ecn::CONGESTED,
            ..Run::new(client.address, train.contents, train.segment_size)
        };
        gateway.device.handle_datagrams(now, run);
        let arrived = gateway.device.poll_packets().expect("one packet").packet(0);
        let expected = if ecn == 0 { 0 } else { 3 };
        assert_eq!(arrived[1], 0xb8 | expected);
        assert_eq!(arrived[12..], marked(ecn)[12..]);
    }
}

#[test]
fn packets_of_different_marks_share_no_train() {
    let mut scene = Scene::connected();
    let marks = [0, 0, 1, 1, 0, 3];
    for mark in marks {
        let mut packet = packet(CLIENT, INNER, 100);
        packet[1] = mark;
        take(&mut scene.net.nodes[1].device, scene.net.now, &packet);
    }
    let client = &mut scene.net.nodes[CLIENT_NODE].device;
    let mut trains = Vec::new();
    while let Some(train) = client.poll_transmit() {
        let datagrams = train.contents.len() / train.segment_size;
        trains.push((train.ecn.bits(), datagrams));
    }
    assert_eq!(trains, [(0, 2), (1, 2), (0, 1), (3, 1)]);
}

#[test]
fn what_waited_for_a_session_leaves_without_a_mark() {
    let mut scene = Scene::new();
    let mut congested = packet(CLIENT, INNER, 100);
    congested[1] = 3;
    let [gateway, client] = scene.net.nodes.get_disjoint_mut([0, 1]).unwrap();
    take(&mut client.device, scene.net.now, &congested);
    let handed = |from: &mut Node, to: &mut Node| {
        let train = from.device.poll_transmit().expect("a message");
        let message = (train.ecn, train.contents.to_vec());
        let run = Run::new(from.address, &message.1, train.segment_size);
        to.device.handle_datagrams(scene.net.now, run);
        work_off(&mut to.device, scene.net.now);
        (message.0, message.1[0])
    };
    assert_eq!(handed(client, gateway), (Ecn::NONE, 1));
    assert_eq!(handed(gateway, client), (Ecn::NONE, 2));
    assert_eq!(handed(client, gateway), (Ecn::NONE, 4), "a keepalive");
    assert_eq!(handed(client, gateway), (Ecn::NONE, 4));
    let arrived = gateway.device.poll_packets().expect("it has arrived");
    assert_eq!(arrived.packet(0), congested);
}

#[test]
fn the_padding_is_zero_whatever_the_buffer_held() {
    let mut scene = Scene::connected();
    let packet = packet(CLIENT, INNER, 33);
    let mut dirty = [0xee; 33 + PADDING];
    dirty[..33].copy_from_slice(&packet);
    let device = &mut scene.net.nodes[CLIENT_NODE].device;
    device.handle_packets(scene.net.now, Segments::single(&mut dirty, 33).unwrap());
    assert_eq!(dirty[33..48], [0; 15]);
}

#[test]
fn trains_are_of_one_size_and_bounded() {
    let mut scene = Scene::connected();
    let lens = (0..400).map(|i| match i % 100 {
        99 => 500,
        50..70 => 1000,
        _ => 1420,
    });
    let packets: Vec<_> = lens.map(|len| packet(CLIENT, INNER, len)).collect();
    for batch in packets.chunks(100) {
        scene.net.send(CLIENT_NODE, batch);
    }
    assert_eq!(scene.net.take_inbox(GATEWAY_NODE), packets, "all, in order");
    for train in &scene.net.trains {
        assert!(train.contents.len() <= 65_507);
        let segments: Vec<_> = train.contents.chunks(train.segment_size).collect();
        assert!(segments.len() <= 64);
        for segment in segments {
            assert_eq!(segment[0], 4);
        }
    }
    // Of each batch: 44 of the longest fill a train, the other 6 end with the first of
    // 1000 bytes, then 19 more of those, then 29 with the one of 500.
    assert_eq!(scene.net.trains.len(), 4 * 4);
}

#[test]
fn a_super_packet_leaves_in_one_train_although_another_has_room_left() {
    let mut scene = Scene::connected();
    let gateway = &mut scene.net.nodes[GATEWAY_NODE].device;
    for _ in 0..2 {
        let (header, mut bytes) = super_packet(30 * 1_380, 1_380);
        let len = bytes.len();
        bytes.resize(len + PADDING, 0);
        let packets = Segments::new(header, &mut bytes, len).unwrap();
        gateway.handle_packets(scene.net.now, packets);
    }
    scene.net.flow();
    let trains = scene.net.trains.iter();
    let datagrams = trains.map(|train| train.contents.len().div_ceil(train.segment_size));
    assert_eq!(datagrams.collect::<Vec<_>>(), [30, 30]);
    assert_eq!(scene.net.take_inbox(CLIENT_NODE).len(), 60);
}

#[test]
fn trains_to_two_peers_do_not_mix() {
    let mut scene = Scene::connected();
    let packets: Vec<_> = [CLIENT, CLIENT, OTHER, CLIENT]
        .map(|to| packet(INNER, to, 700))
        .into();
    scene.net.send(GATEWAY_NODE, &packets);
    assert_eq!(scene.net.take_inbox(CLIENT_NODE).len(), 3);
    assert_eq!(scene.net.take_inbox(OTHER_NODE).len(), 1);
    assert_eq!(scene.net.trains.len(), 3);
}

#[test]
fn packets_cost_no_allocation() {
    let mut scene = Scene::connected();
    let now = scene.net.now;
    let mut packet = packet(CLIENT, INNER, 1400);
    packet.resize(1400 + PADDING, 0);
    let source = scene.net.nodes[CLIENT_NODE].address;
    let mut run = Vec::with_capacity(1 << 17);
    let [gateway, client, ..] = &mut scene.net.nodes[..] else {
        panic!("there are three nodes");
    };
    let mut round = || {
        for _ in 0..64 {
            let packets = Segments::single(&mut packet, 1400).unwrap();
            client.device.handle_packets(now, packets);
        }
        let mut received = 0;
        while let Some(train) = client.device.poll_transmit() {
            run.clear();
            run.extend_from_slice(train.contents);
            let stride = train.segment_size;
            gateway
                .device
                .handle_datagrams(now, Run::new(source, &run, stride));
            received += gateway.device.poll_packets().unwrap().len();
        }
        assert_eq!(received, 64);
    };
    round();
    let allocated = allocations::count(|| (0..100).for_each(|_| round()));
    assert_eq!(allocated, 0);
}

#[test]
fn an_idle_peer_costs_less_than_a_kilobyte() {
    let net = Net::new();
    let config = DeviceConfig {
        private_key: PrivateKey::generate(),
        mtu: MTU,
        worker: Worker::default(),
    };
    let peers: Vec<_> = (0..2_000u32)
        .map(|i| {
            let [.., high, low] = i.to_be_bytes();
            let network = format!("10.77.{high}.{low}/32");
            let mut known = peer(&PrivateKey::generate().public(), &[&network]);
            known.endpoint = Some(([192, 0, high, low], 1).into());
            known
        })
        .collect();
    let count = peers.len() as isize;
    let (bytes, device) = allocations::growth(|| {
        let mut device = Device::new(config, net.now);
        for known in &peers {
            device.add_peer(net.now, known.clone()).unwrap();
        }
        device
    });
    assert_eq!(device.poll_timeout(), None);
    assert!(bytes / count < 1024, "{} bytes each", bytes / count);
}

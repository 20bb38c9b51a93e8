use super::*;
use crate::checksum::{fold, pseudo_header, sum};
use crate::guard::PADDING;
use crate::segments::Segments;

/// A packet to be written out.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) udp: bool,
    pub(crate) v6: bool,
    pub(crate) port: u16,
    pub(crate) traffic_class: u8,
    pub(crate) hop_limit: u8,
    pub(crate) id: u16,
    pub(crate) dont_fragment: bool,
    pub(crate) sequence: u32,
    pub(crate) acknowledged: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    /// Bytes of TCP options.
    pub(crate) options: usize,
    pub(crate) payload: Vec<u8>,
}

impl Default for Packet {
    fn default() -> Packet {
        Packet {
            udp: false,
            v6: false,
            port: 7,
            traffic_class: 0,
            hop_limit: 64,
            id: 65_530,
            dont_fragment: false,
            sequence: u32::MAX - 1_000,
            acknowledged: 77,
            flags: ACK,
            window: 512,
            options: 12,
            payload: vec![1; 100],
        }
    }
}

impl Packet {
    pub(crate) fn transport(&self) -> usize {
        if self.v6 { 40 } else { 20 }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut transport = Vec::new();
        transport.extend(self.port.to_be_bytes());
        transport.extend(9_u16.to_be_bytes());
        if self.udp {
            transport.extend((8 + self.payload.len() as u16).to_be_bytes());
            transport.extend([0, 0]);
        } else {
            transport.extend(self.sequence.to_be_bytes());
            transport.extend(self.acknowledged.to_be_bytes());
            transport.extend([((20 + self.options) << 2) as u8, self.flags]);
            transport.extend(self.window.to_be_bytes());
            transport.extend([0; 4]);
            transport.extend((0..self.options).map(|i| i as u8));
        }
        transport.extend(&self.payload);
        let mut packet = Vec::new();
        let protocol = if self.udp { UDP } else { TCP };
        if self.v6 {
            packet.extend([
                0x60 | self.traffic_class >> 4,
                self.traffic_class << 4,
                0,
                9,
            ]);
            packet.extend((transport.len() as u16).to_be_bytes());
            packet.extend([protocol, self.hop_limit]);
            packet.extend([0xfd; 32]);
        } else {
            packet.extend([0x45, self.traffic_class]);
            packet.extend((20 + transport.len() as u16).to_be_bytes());
            packet.extend(self.id.to_be_bytes());
            packet.extend([
                u8::from(self.dont_fragment) << 6,
                0,
                self.hop_limit,
                protocol,
                0,
                0,
            ]);
            packet.extend([10, 0, 0, 1, 10, 0, 0, 2]);
            let header_sum = !fold(sum(&packet));
            packet[10..12].copy_from_slice(&header_sum.to_be_bytes());
        }
        let addresses = if self.v6 { 8..40 } else { 12..20 };
        let pseudo = pseudo_header(&packet[addresses], protocol, transport.len() as u16);
        let mut checksum = !fold(pseudo + sum(&transport));
        if self.udp && checksum == 0 {
            checksum = u16::MAX;
        }
        let field = if self.udp { 6 } else { 16 };
        transport[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
        packet.extend(transport);
        packet
    }

    /// What follows this packet with as much or `len` bytes of payload.
    fn next(&self, len: usize) -> Packet {
        let mut next = self.clone();
        next.sequence = self.sequence.wrapping_add(self.payload.len() as u32);
        next.id = self.id.wrapping_add(1);
        next.payload = (0..len).map(|i| (i ^ usize::from(next.id)) as u8).collect();
        next
    }

    /// `lens` as a row of packets.
    fn row(&self, lens: &[usize]) -> Vec<Packet> {
        let mut row: Vec<Packet> = Vec::new();
        for &len in lens {
            row.push(match row.last() {
                Some(last) => last.next(len),
                None => Packet {
                    payload: vec![9; len],
                    ..self.clone()
                },
            });
        }
        row
    }
}

pub(crate) fn transport_is_intact(packet: &[u8]) -> bool {
    Form::of(packet).is_some_and(|form| form.is_intact(packet))
}

/// Merges; gives what goes to the kernel in each write.
fn merge(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut all = Packets::new();
    assert!(packets.iter().all(|packet| all.push(packet)));
    let mut coalescer = Coalescer::new(true);
    // A second time, to see that nothing is left of the first.
    coalescer.merge(&mut all);
    all.clear();
    assert!(packets.iter().all(|packet| all.push(packet)));
    coalescer.merge(&mut all);
    let whole = |merged| coalescer.pieces(merged, &all).collect::<Vec<_>>().concat();
    coalescer.merged().iter().map(whole).collect()
}

/// Cuts a write again, as the kernel would.
fn cut(write: &[u8]) -> Vec<Vec<u8>> {
    let (header, packet) = write.split_first_chunk().unwrap();
    let mut room = packet.to_vec();
    room.resize(packet.len() + PADDING, 0);
    let mut segments =
        Segments::new(VirtioHeader::decode(header), &mut room, packet.len()).unwrap();
    let mut cut = Vec::new();
    while let Some(room) = segments.cut() {
        cut.push(room[..room.len() - PADDING].to_vec());
    }
    cut
}

fn bytes(packets: &[Packet]) -> Vec<Vec<u8>> {
    packets.iter().map(Packet::bytes).collect()
}

/// How many packets each write stands for, after all have come out as they went in.
fn groups(packets: &[Vec<u8>]) -> Vec<usize> {
    let writes: Vec<_> = merge(packets).iter().map(|write| cut(write)).collect();
    assert!(writes.concat() == packets, "not what went in");
    writes.iter().map(Vec::len).collect()
}

fn kinds() -> impl Iterator<Item = Packet> {
    [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(udp, v6)| Packet {
            udp,
            v6,
            ..Packet::default()
        })
}

#[test]
fn a_row_of_packets_becomes_one() {
    for kind in kinds() {
        let row = bytes(&kind.row(&[1_000, 1_000, 1_000, 333]));
        assert_eq!(groups(&row), [4]);
        // What is longer than the first, or follows a shorter one, begins anew.
        let row = bytes(&kind.row(&[500, 1_000, 1_000, 333, 333, 1]));
        assert_eq!(groups(&row), [1, 3, 2]);
    }
}

#[test]
fn a_super_packet_is_bounded() {
    for kind in kinds() {
        assert_eq!(groups(&bytes(&kind.row(&[100; 100]))), [MAX_MERGED, 36]);
        let row = bytes(&kind.row(&[9_000; 9]));
        assert_eq!(groups(&row), [7, 2]);
    }
}

#[test]
fn what_differs_in_any_header_is_not_merged() {
    let change: [fn(&mut Packet); 8] = [
        |p| p.port += 1,
        |p| p.traffic_class ^= 3,
        |p| p.hop_limit -= 1,
        |p| p.sequence += 1,
        |p| p.acknowledged += 1,
        |p| p.flags |= ECE,
        |p| p.window += 1,
        |p| p.options += 4,
    ];
    let for_udp = 3;
    for kind in kinds() {
        for change in &change[..if kind.udp { for_udp } else { change.len() }] {
            let mut row = kind.row(&[100, 100]);
            change(&mut row[1]);
            assert_eq!(groups(&bytes(&row)), [1, 1]);
        }
        // The same number twice is no row; without fragments numbers mean nothing.
        let mut row = kind.row(&[100, 100]);
        row[1].id = row[0].id;
        assert_eq!(merge(&bytes(&row)).len(), if kind.v6 { 1 } else { 2 });
        row.iter_mut()
            .for_each(|packet| packet.dont_fragment = true);
        assert_eq!(merge(&bytes(&row)).len(), 1);
    }
}

#[test]
fn flags_that_mean_more_than_data_stop_a_row() {
    for flag in [0x01, 0x02, 0x04, 0x20, 0x80] {
        let mut row = Packet::default().row(&[100; 4]);
        row[2].flags |= flag;
        assert_eq!(groups(&bytes(&row)), [2, 1, 1]);
    }
    let mut row = Packet::default().row(&[100; 4]);
    row[1].flags |= PSH;
    assert_eq!(groups(&bytes(&row)), [2, 2], "a push is passed on at once");
}

#[test]
fn a_wrong_checksum_stays_wrong_and_alone() {
    for kind in kinds() {
        for damaged in 0..3 {
            let mut row = bytes(&kind.row(&[100; 3]));
            let last = row[damaged].len() - 1;
            row[damaged][last] ^= 0x10;
            let all = groups(&row);
            assert!(all.len() > 1, "{all:?}");
        }
    }
    let mut row = bytes(&Packet::default().row(&[100; 3]));
    row[1][8] ^= 1;
    assert_eq!(
        groups(&row),
        [1, 1, 1],
        "the hop limit does not fit the rest"
    );
    row.iter_mut().for_each(|packet| packet[8] = 63);
    assert_eq!(
        groups(&row),
        [1, 1, 1],
        "the sums over the IP headers are wrong"
    );
}

#[test]
fn flows_may_mix_but_each_keeps_its_order() {
    let a = Packet::default().row(&[100; 4]);
    let b = Packet {
        port: 8,
        ..Packet::default()
    }
    .row(&[200; 4]);
    let mixed: Vec<_> = a
        .iter()
        .zip(&b)
        .flat_map(|(a, b)| [a.clone(), b.clone()])
        .collect();
    let writes = merge(&bytes(&mixed));
    let writes: Vec<_> = writes.iter().map(|write| cut(write)).collect();
    assert_eq!(writes, [bytes(&a), bytes(&b)]);
}

#[test]
fn nothing_overtakes_a_fragment_or_an_acknowledgement() {
    let row = Packet::default().row(&[100; 4]);
    let mut fragment = row[0].bytes();
    fragment[6] |= 0x20;
    let echo = {
        let mut packet = row[0].bytes();
        packet[9] = 1;
        packet
    };
    let mut bare = row[1].next(0);
    bare.flags = ACK;
    for between in [fragment, echo, bare.bytes()] {
        let mut packets = bytes(&row);
        packets.insert(2, between);
        assert_eq!(groups(&packets), [2, 1, 2]);
    }
}

#[test]
fn udp_is_left_alone_if_the_kernel_does_not_take_it() {
    let mut packets = Packets::new();
    for udp in [false, true] {
        let kind = Packet {
            udp,
            ..Packet::default()
        };
        packets.clear();
        bytes(&kind.row(&[100; 3])).iter().for_each(|packet| {
            packets.push(packet);
        });
        let mut coalescer = Coalescer::new(false);
        coalescer.merge(&mut packets);
        assert_eq!(coalescer.merged().len(), if udp { 3 } else { 1 });
    }
}

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }
}

#[test]
fn whatever_comes_goes_out_unchanged_and_in_order_within_a_flow() {
    for seed in 1..=300 {
        let mut dice = Dice(seed);
        let mut flows: Vec<Packet> = (0..12)
            .map(|flow| Packet {
                udp: flow % 3 == 0,
                v6: flow % 2 == 0,
                port: flow as u16,
                ..Packet::default()
            })
            .collect();
        let mut packets = Vec::new();
        while packets.len() < 120 {
            let at = dice.roll(flows.len());
            for _ in 0..=dice.roll(6) {
                let len = [0, 1, 500, 500, 500, 499][dice.roll(6)];
                flows[at] = flows[at].next(len);
                let mut bytes = flows[at].bytes();
                if dice.roll(20) == 0 {
                    let damaged = dice.roll(bytes.len());
                    bytes[damaged] ^= 1 << dice.roll(8);
                }
                if dice.roll(40) == 0 {
                    bytes.truncate(1 + dice.roll(bytes.len()));
                }
                packets.push(bytes);
            }
        }
        packets.truncate(120);
        let out: Vec<_> = merge(&packets)
            .iter()
            .flat_map(|write| cut(write))
            .collect();
        let sorted = |packets: &[Vec<u8>]| {
            let mut packets = packets.to_vec();
            packets.sort();
            packets
        };
        assert!(
            sorted(&out) == sorted(&packets),
            "seed {seed}: not what went in"
        );
        let of_flow = |packets: &[Vec<u8>], key: &[u8]| -> Vec<Vec<u8>> {
            let same = |packet: &&Vec<u8>| flow_key(packet).as_deref() == Some(key);
            packets.iter().filter(same).cloned().collect()
        };
        for key in packets.iter().filter_map(|packet| flow_key(packet)) {
            let (before, after) = (of_flow(&packets, &key), of_flow(&out, &key));
            assert!(before == after, "seed {seed}: a flow lost its order");
        }
    }
}

fn flow_key(packet: &[u8]) -> Option<Vec<u8>> {
    let form = Form::of(packet)?;
    let from = if form.transport == 20 { 12 } else { 8 };
    let mut key = packet[from..form.transport + 4].to_vec();
    key.push(form.protocol);
    Some(key)
}

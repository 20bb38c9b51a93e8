use super::*;
use crate::checksum::{fold, pseudo_header, sum};
use crate::coalesce::tests::{Packet, transport_is_intact};

/// A super-packet as the kernel gives it: one header, the payload of all, and the sum of
/// the pseudo-header where the checksum goes.
fn super_packet(packet: &Packet, size: u16) -> (VirtioHeader, Vec<u8>) {
    let mut bytes = packet.bytes();
    let transport = packet.transport();
    let addresses = if packet.v6 { 8..40 } else { 12..20 };
    let (protocol, field, gso_type) = match (packet.udp, packet.v6) {
        (true, _) => (17, 6, VirtioHeader::UDP),
        (false, false) => (6, 16, VirtioHeader::TCP_V4),
        (false, true) => (6, 16, VirtioHeader::TCP_V6),
    };
    let len = (bytes.len() - transport) as u16;
    let pseudo = fold(pseudo_header(&bytes[addresses], protocol, len));
    bytes[transport + field..][..2].copy_from_slice(&pseudo.to_be_bytes());
    let header = VirtioHeader {
        flags: VirtioHeader::NEEDS_CHECKSUM,
        gso_type,
        // Too much, as it is in what the kernel forwards.
        header_len: 1_400,
        gso_size: size,
        checksum_start: transport as u16,
        checksum_offset: field as u16,
    };
    (header, bytes)
}

/// Cuts, and pads as a device does.
fn cut_all(header: VirtioHeader, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut room = bytes.to_vec();
    room.resize(bytes.len() + PADDING, 0xee);
    let mut segments = Segments::new(header, &mut room, bytes.len())?;
    let mut all = Vec::new();
    while let Some(room) = segments.cut() {
        let (packet, padding) = room.split_at_mut(room.len() - PADDING);
        padding.fill(0);
        all.push(packet.to_vec());
    }
    Some(all)
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

#[test]
fn a_super_packet_becomes_the_packets_it_stands_for() {
    for (udp, v6) in [(false, false), (false, true), (true, false), (true, true)] {
        for (len, size) in [
            (1, 1),
            (10, 3),
            (1_000, 1_000),
            (5_333, 1_000),
            (60_000, 1_368),
            (2_000, 7),
        ] {
            let whole = Packet {
                udp,
                v6,
                payload: payload(len),
                options: if udp { 0 } else { 12 },
                ..Packet::default()
            };
            let (header, bytes) = super_packet(&whole, size);
            let cut = cut_all(header, &bytes).unwrap();
            let expected: Vec<Vec<u8>> = whole
                .payload
                .chunks(size.into())
                .enumerate()
                .map(|(i, chunk)| {
                    let mut part = whole.clone();
                    part.payload = chunk.to_vec();
                    part.id = whole.id.wrapping_add(i as u16);
                    part.sequence = whole.sequence.wrapping_add((i * usize::from(size)) as u32);
                    part.bytes()
                })
                .collect();
            assert!(cut == expected, "udp {udp} v6 {v6} {len} by {size}");
            assert!(cut.iter().all(|packet| transport_is_intact(packet)));
        }
    }
}

#[test]
fn flags_of_an_end_stand_on_the_last_and_the_answer_to_congestion_on_the_first() {
    let whole = Packet {
        payload: payload(300),
        flags: CWR | FIN | PSH | 0x10 | 0x40,
        ..Packet::default()
    };
    let (mut header, bytes) = super_packet(&whole, 100);
    header.gso_type |= VirtioHeader::ECN;
    let flags: Vec<u8> = cut_all(header, &bytes)
        .unwrap()
        .iter()
        .map(|packet| packet[20 + TCP_FLAGS])
        .collect();
    assert_eq!(flags, [CWR | 0x50, 0x50, FIN | PSH | 0x50]);
}

#[test]
fn the_mark_of_congestion_stands_on_every_packet() {
    for v6 in [false, true] {
        let whole = Packet {
            v6,
            payload: payload(300),
            traffic_class: 3,
            ..Packet::default()
        };
        let (header, bytes) = super_packet(&whole, 100);
        for packet in cut_all(header, &bytes).unwrap() {
            let class = u16::from_be_bytes([packet[0], packet[1]]);
            let class = if v6 { class >> 4 & 0xff } else { class & 0xff };
            assert_eq!(class, 3);
        }
    }
}

#[test]
fn a_plain_packet_gets_its_checksum_only_if_it_needs_one() {
    for udp in [false, true] {
        let plain = Packet {
            udp,
            payload: payload(333),
            ..Packet::default()
        };
        let (header, partial) = super_packet(&plain, 1);
        let needing = VirtioHeader {
            gso_type: 0,
            ..header
        };
        assert_eq!(cut_all(needing, &partial).unwrap(), [plain.bytes()]);
        let mut wrong = plain.bytes();
        wrong[40] ^= 1;
        let cut = cut_all(VirtioHeader::default(), &wrong).unwrap();
        assert_eq!(cut, [wrong], "a wrong checksum is not repaired");
    }
}

#[test]
fn a_checksum_of_zero_is_sent_as_ones_in_udp() {
    let mut plain = Packet {
        udp: true,
        payload: vec![0; 100],
        ..Packet::default()
    };
    let bytes = plain.bytes();
    // What is missing to a sum of all ones goes into the payload.
    plain.payload[..2].copy_from_slice(&bytes[26..28]);
    let (mut header, mut bytes) = super_packet(&plain, 1);
    header.gso_type = 0;
    let pseudo = u16::from_be_bytes([bytes[26], bytes[27]]);
    let all = fold(u32::from(pseudo) + sum(&bytes[20..]) + u32::from(!pseudo));
    assert_eq!(all, 0xffff, "the case is what it is meant to be");
    bytes = cut_all(header, &bytes).unwrap().remove(0);
    assert_eq!(bytes[26..28], [0xff, 0xff]);
}

#[test]
fn nonsense_is_refused_or_cut_but_never_overruns() {
    let (header, bytes) = super_packet(
        &Packet {
            payload: payload(200),
            ..Packet::default()
        },
        50,
    );
    let interesting = [
        0,
        1,
        2,
        6,
        8,
        16,
        19,
        20,
        33,
        40,
        64,
        200,
        239,
        240,
        241,
        u16::MAX,
    ];
    for gso_type in [0, 1, 2, 3, 4, 5, 6, 0x81, 0xff] {
        for flags in [0, 1, 2, 255] {
            for size in interesting {
                for start in interesting {
                    for offset in interesting {
                        let header = VirtioHeader {
                            flags,
                            gso_type,
                            gso_size: size,
                            checksum_start: start,
                            checksum_offset: offset,
                            ..header
                        };
                        let _ = cut_all(header, &bytes);
                    }
                }
            }
        }
    }
    for len in 0..bytes.len() {
        let _ = cut_all(header, &bytes[..len]);
    }
    for byte in 0..60 {
        for value in [0, 0x0f, 0x40, 0x4f, 0x60, 0xf0, 0xff] {
            let mut bytes = bytes.clone();
            bytes[byte] = value;
            let _ = cut_all(header, &bytes);
        }
    }
    assert!(
        Segments::new(header, &mut bytes.clone(), bytes.len()).is_none(),
        "no room"
    );
}

//! What the kernel hands over at the TUN device: a header for it and up to 64 KiB behind that, to be
//! cut; and packets that are merged to be handed back.

use tokenvpn_common::{
    coalesce::Coalescer,
    guard::PADDING,
    packet::Packets,
    segments::Segments,
    virtio::{VIRTIO_HEADER_LEN, VirtioHeader},
};

use super::input::Input;

/// Takes `data` as one frame of the kernel, or as packets to be merged.
///
/// # Panics
/// If a packet is lost or changed on its way through merging and cutting.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let merges_udp = match input.byte() % 4 {
        0 => return survives(&cut(input.rest()).unwrap_or_default(), true),
        1 => return survives(&cut(input.rest()).unwrap_or_default(), false),
        choice => choice == 2,
    };
    let mut packets = Vec::new();
    while !input.is_empty() && packets.len() < 64 {
        packets.push(input.sized(2000).to_vec());
    }
    survives(&packets, merges_udp);
}

/// Cuts a frame into its packets, and writes to the room behind each as a cipher would; `None` if
/// it makes no sense.
fn cut(frame: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (header, packet) = frame.split_first_chunk::<VIRTIO_HEADER_LEN>()?;
    let mut buffer = [packet, &[0; PADDING]].concat();
    let mut segments = Segments::new(VirtioHeader::decode(header), &mut buffer, packet.len())?;
    let mut packets = Vec::new();
    while let Some(packet) = segments.cut() {
        let (packet, room) = packet.split_at_mut(packet.len() - PADDING);
        room.fill(0xee);
        packets.push(packet.to_vec());
        assert!(packets.len() <= frame.len(), "it never ends");
    }
    Some(packets)
}

/// Merges packets and cuts what comes of it: they are the same, if in another order.
fn survives(packets: &[Vec<u8>], merges_udp: bool) {
    let mut run = Packets::new();
    let mut expected: Vec<&[u8]> = Vec::new();
    for packet in packets.iter().filter(|packet| !packet.is_empty()) {
        if run.push(packet) {
            expected.push(packet);
        }
    }
    let mut coalescer = Coalescer::new(merges_udp);
    coalescer.merge(&mut run);
    let mut found = Vec::new();
    for merged in coalescer.merged() {
        let frame = Vec::from_iter(coalescer.pieces(merged, &run)).concat();
        assert!(
            frame.len() <= VIRTIO_HEADER_LEN + 65_535,
            "{} bytes",
            frame.len()
        );
        found.extend(cut(&frame).expect("what we write makes sense"));
    }
    found.sort();
    expected.sort();
    assert!(
        found == expected,
        "{} packets became {}",
        expected.len(),
        found.len()
    );
}

//! Inner packets that go the same way together.

use std::ops::Range;

use crate::guard::MAX_DATAGRAM;

/// Free bytes that a datagram is decrypted into before anything of it is known: boringtun
/// panics on less.
const ROOM: usize = MAX_DATAGRAM + 65;

/// Where packets begin, so that headers are not spread over two lines of the cache.
const ALIGNMENT: usize = 64;

/// Most packets held. One run of datagrams has at most 128 (`UDP_MAX_SEGMENTS` of
/// linux/udp.h), and less than 64 may be held from before.
const MAX_PACKETS: usize = 192;

/// Most bytes held. One run has at most 65 535, and as many may be held from before.
const MAX_BYTES: usize = 4 * 65_536;

/// Inner packets in the order they came, in one buffer that is used again and again.
#[derive(Default)]
pub struct Packets {
    buffer: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Packets {
    /// No packets, and no memory yet.
    pub fn new() -> Packets {
        Packets::default()
    }

    /// Number of packets.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.places.clear();
    }

    /// Room for the next packet, enough for any, unless too many are held already.
    pub fn room(&mut self) -> Option<&mut [u8]> {
        let start = self.filled();
        if self.places.len() >= MAX_PACKETS || start >= MAX_BYTES {
            return None;
        }
        if self.buffer.is_empty() {
            // Once for all; what is never used of it takes no memory.
            self.buffer = vec![0; MAX_BYTES + ROOM];
        }
        Some(&mut self.buffer[start..])
    }

    /// Keeps the first `len` bytes of [`Packets::room`] as a packet.
    pub fn keep(&mut self, len: usize) {
        let start = self.filled();
        self.places.push(start..start + len);
    }

    /// Adds a copy of `packet`. False if too many are held already.
    pub fn push(&mut self, packet: &[u8]) -> bool {
        let Some(room) = self.room() else {
            return false;
        };
        room[..packet.len()].copy_from_slice(packet);
        self.keep(packet.len());
        true
    }

    /// The packets in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|place| &self.buffer[place.clone()])
    }

    /// One packet.
    ///
    /// # Panics
    /// If there are no more than `index`.
    pub fn packet(&self, index: usize) -> &[u8] {
        &self.buffer[self.places[index].clone()]
    }

    /// One packet, to be changed.
    ///
    /// # Panics
    /// If there are no more than `index`.
    pub fn packet_mut(&mut self, index: usize) -> &mut [u8] {
        &mut self.buffer[self.places[index].clone()]
    }

    fn filled(&self) -> usize {
        let end = self.places.last().map_or(0, |place| place.end);
        end.next_multiple_of(ALIGNMENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_as_they_went_in() {
        let mut packets = Packets::new();
        for round in 0..2u8 {
            for len in [1, 20, 1_420, 65_535] {
                assert!(packets.push(&vec![round; len]));
            }
            let lens: Vec<usize> = packets.iter().map(<[u8]>::len).collect();
            assert_eq!(lens, [1, 20, 1_420, 65_535]);
            assert!(packets.iter().all(|packet| packet[0] == round));
            packets.clear();
            assert!(packets.is_empty());
        }
    }

    #[test]
    fn there_is_room_for_any_packet_or_none_at_all() {
        for len in [1, 2_000, 65_535] {
            let mut packets = Packets::new();
            while let Some(room) = packets.room() {
                assert!(room.len() >= MAX_DATAGRAM);
                packets.keep(len);
            }
            assert!(packets.len() <= MAX_PACKETS);
            assert!(packets.buffer.len() <= MAX_BYTES + 2 * ROOM);
        }
    }
}

//! Datagrams that came together, and the mark that all of them bear.

use std::net::{IpAddr, SocketAddr};

use crate::checksum;

/// Datagrams of one size from one source, in the order they came.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Who sent them.
    pub source: SocketAddr,
    /// The address of ours they were sent to, if the answers have to be sent from it.
    pub local: Option<IpAddr>,
    /// What routers on their way have said.
    pub ecn: Ecn,
    /// All of them, one behind the other.
    pub bytes: &'a [u8],
    /// Size of each in bytes; only the last may have fewer.
    pub stride: usize,
}

impl<'a> Run<'a> {
    /// A run to whatever address of ours, without a mark.
    pub fn new(source: SocketAddr, bytes: &'a [u8], stride: usize) -> Run<'a> {
        Run {
            source,
            local: None,
            ecn: Ecn::NONE,
            bytes,
            stride,
        }
    }
}

/// By this an IP packet tells that its sender heeds congestion, and learns of it
/// (RFC 3168 §5).
///
/// A datagram bears the mark of the packet in it, and the packet that it is marked with on
/// its way: otherwise the tunnel would be a way for those who heed nothing (RFC 6040 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ecn(u8);

impl Ecn {
    /// Its sender heeds nothing.
    pub const NONE: Ecn = Ecn(0);

    /// There was congestion.
    pub const CONGESTED: Ecn = Ecn(3);

    /// The two lowest of these bits.
    pub const fn from_bits(bits: u8) -> Ecn {
        Ecn(bits & 3)
    }

    /// Two bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The mark of an IP packet.
    pub(crate) fn of(packet: &[u8]) -> Ecn {
        match packet {
            [first, second, ..] if first >> 4 == 4 => Ecn::from_bits(*second),
            [first, second, ..] if first >> 4 == 6 => Ecn::from_bits(second >> 4),
            _ => Ecn::NONE,
        }
    }

    /// Puts this mark, which its datagram bore, on an IP packet with a complete header. Only
    /// congestion is passed on, and only to whoever heeds it.
    pub(crate) fn put(self, packet: &mut [u8]) {
        if self != Ecn::CONGESTED || Ecn::of(packet) == Ecn::NONE {
            return;
        }
        if packet[0] >> 4 == 6 {
            packet[1] |= self.0 << 4;
            return;
        }
        let word = |packet: &[u8], at| u32::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
        let before = word(packet, 0);
        packet[1] |= self.0;
        // RFC 1624 §3, equation 3.
        let changed = u32::from(!(before as u16)) + word(packet, 0);
        let sum = checksum::fold(u32::from(!(word(packet, 10) as u16)) + changed);
        packet[10..12].copy_from_slice(&(!sum).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(service: u8) -> [u8; 20] {
        let mut packet = [0; 20];
        packet[..2].copy_from_slice(&[0x45, service]);
        packet[2..12].copy_from_slice(&[0, 20, 0xbe, 0xef, 0x40, 0, 64, 17, 0, 0]);
        packet[12..].copy_from_slice(&[10, 77, 0, 2, 10, 77, 0, 1]);
        let sum = checksum::fold(checksum::sum(&packet));
        packet[10..12].copy_from_slice(&(!sum).to_be_bytes());
        packet
    }

    fn v6(service: u8) -> [u8; 40] {
        let mut packet = [7; 40];
        packet[..2].copy_from_slice(&[0x60 | service >> 4, service << 4 | 7]);
        packet
    }

    #[test]
    fn congestion_is_passed_on_to_whoever_heeds_it_and_nothing_else_is_changed() {
        for service in 0..=255 {
            for mark in 0..4 {
                let heeds = service & 3 != 0;
                let expected = match mark {
                    3 if heeds => service | 3,
                    _ => service,
                };
                let (mut four, mut six) = (v4(service), v6(service));
                assert_eq!(Ecn::of(&four), Ecn(service & 3));
                assert_eq!(Ecn::of(&six), Ecn(service & 3));
                Ecn(mark).put(&mut four);
                Ecn(mark).put(&mut six);
                assert_eq!(four, v4(expected), "{service} {mark}");
                assert_eq!(six, v6(expected), "{service} {mark}");
            }
        }
    }
}

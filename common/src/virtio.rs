//! The header in front of what a TUN device reads and writes (virtio 1.2 §5.1.6).

/// Length of an encoded [`VirtioHeader`] in bytes: the kernel's default for TUN devices
/// (`virtio_net_hdr` of linux/virtio_net.h).
pub const VIRTIO_HEADER_LEN: usize = 10;

/// What the kernel left to us, or what we leave to the kernel, for one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VirtioHeader {
    /// Of [`VirtioHeader::NEEDS_CHECKSUM`].
    pub flags: u8,
    /// What kind of super-packet it is: one of the constants, or 0 for a plain packet.
    pub gso_type: u8,
    /// Bytes up to the end of the transport header; a hint only.
    pub header_len: u16,
    /// Bytes of payload in each packet but the last.
    pub gso_size: u16,
    /// Where the transport header begins.
    pub checksum_start: u16,
    /// Where in it the checksum stands, holding the sum of the pseudo-header.
    pub checksum_offset: u16,
}

impl VirtioHeader {
    /// The transport checksum is to be completed.
    pub const NEEDS_CHECKSUM: u8 = 1;
    /// TCP over IPv4.
    pub const TCP_V4: u8 = 1;
    /// TCP over IPv6.
    pub const TCP_V6: u8 = 4;
    /// UDP over either, since Linux 6.2.
    pub const UDP: u8 = 5;
    /// A bit beside the type: the first packet bears the CWR flag (RFC 3168).
    pub const ECN: u8 = 0x80;

    /// Reads the header from the front of what was read.
    pub fn decode(bytes: &[u8; VIRTIO_HEADER_LEN]) -> VirtioHeader {
        let at = |i| u16::from_ne_bytes([bytes[i], bytes[i + 1]]);
        VirtioHeader {
            flags: bytes[0],
            gso_type: bytes[1],
            header_len: at(2),
            gso_size: at(4),
            checksum_start: at(6),
            checksum_offset: at(8),
        }
    }

    /// The header as it goes in front of what is written, in this machine's byte order.
    pub fn encode(&self) -> [u8; VIRTIO_HEADER_LEN] {
        let mut bytes = [0; VIRTIO_HEADER_LEN];
        bytes[0] = self.flags;
        bytes[1] = self.gso_type;
        for (i, field) in [
            (2, self.header_len),
            (4, self.gso_size),
            (6, self.checksum_start),
            (8, self.checksum_offset),
        ] {
            bytes[i..i + 2].copy_from_slice(&field.to_ne_bytes());
        }
        bytes
    }
}

//! What one read from the TUN device holds: a packet, or a super-packet that stands
//! for many and is cut into them here.

use crate::checksum;
use crate::guard::PADDING;
use crate::virtio::VirtioHeader;

/// Longest headers of a super-packet in bytes: IP with its options or extensions, and TCP.
const MAX_HEADERS: usize = 192;

/// Where TCP's and UDP's checksums stand in their headers.
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

const TCP_FLAGS: usize = 13;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// A packet or super-packet, cut without copying: the headers of each packet are written
/// over the end of the payload before, which has been used by then.
pub struct Segments<'a> {
    /// Room for [`PADDING`] bytes behind the last one.
    buffer: &'a mut [u8],
    len: usize,
    header: VirtioHeader,
    cuts: Option<Cuts>,
    /// Where the next payload begins.
    next: usize,
    /// What stood where the last packet may have been padded.
    displaced: Option<[u8; PADDING]>,
}

/// How a super-packet is cut.
struct Cuts {
    headers: [u8; MAX_HEADERS],
    headers_len: usize,
    /// Where the transport header begins.
    transport: usize,
    payload: usize,
    is_tcp: bool,
    /// The sum of the pseudo-header but for the length.
    pseudo: u32,
}

impl<'a> Segments<'a> {
    /// Takes a packet of `len` bytes at the start of `buffer` that is as it should be.
    /// `None` if there is no room for padding behind it.
    pub fn single(buffer: &'a mut [u8], len: usize) -> Option<Segments<'a>> {
        Segments::new(VirtioHeader::default(), buffer, len)
    }

    /// Takes a packet of `len` bytes at the start of `buffer`, with all that `header` says
    /// is still to be done. `None` if that makes no sense, or there is no room for
    /// [`PADDING`] bytes behind it.
    pub fn new(mut header: VirtioHeader, buffer: &'a mut [u8], len: usize) -> Option<Segments<'a>> {
        if buffer.len() < len.checked_add(PADDING)? {
            return None;
        }
        let packet = &mut buffer[..len];
        let cuts = match header.gso_type {
            0 => {
                if header.flags & VirtioHeader::NEEDS_CHECKSUM != 0 {
                    complete_checksum(packet, &header)?;
                }
                header = VirtioHeader::default();
                None
            }
            _ => Some(Cuts::new(&header, packet)?),
        };
        Some(Segments {
            next: cuts.as_ref().map_or(0, |cuts| cuts.headers_len),
            buffer,
            len,
            header,
            cuts,
            displaced: None,
        })
    }

    /// The packet or super-packet whole. Its content is lost with the first
    /// [`Segments::cut`].
    pub fn whole(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// Into how many packets this is cut, and how many bytes each of them has; the last may
    /// have fewer.
    pub fn shape(&self) -> (usize, usize) {
        match &self.cuts {
            None => (1, self.len),
            Some(cuts) => (
                (self.len - cuts.headers_len).div_ceil(cuts.payload),
                cuts.headers_len + cuts.payload,
            ),
        }
    }

    /// A copy to be cut elsewhere, as [`Segments::new`] wants it; only whole.
    pub(crate) fn to_handover(&self) -> (VirtioHeader, Vec<u8>) {
        (self.header, self.buffer[..self.len + PADDING].to_vec())
    }

    /// The next packet, with [`PADDING`] bytes behind it that may be written to.
    pub fn cut(&mut self) -> Option<&mut [u8]> {
        if let Some(displaced) = self.displaced.take() {
            self.buffer[self.next..][..PADDING].copy_from_slice(&displaced);
        }
        if self.next >= self.len {
            return None;
        }
        let start = match &self.cuts {
            None => {
                self.next = self.len;
                0
            }
            Some(cuts) => {
                let start = self.next - cuts.headers_len;
                let end = self.len.min(self.next + cuts.payload);
                let is_last = end == self.len;
                cuts.head(&mut self.buffer[start..end], start, is_last);
                self.next = end;
                start
            }
        };
        if self.next < self.len {
            self.displaced = self.buffer[self.next..].first_chunk().copied();
        }
        Some(&mut self.buffer[start..self.next + PADDING])
    }
}

impl Cuts {
    fn new(header: &VirtioHeader, packet: &[u8]) -> Option<Cuts> {
        let version = packet.first()? >> 4;
        let is_tcp = match (header.gso_type & !VirtioHeader::ECN, version) {
            (VirtioHeader::TCP_V4, 4) | (VirtioHeader::TCP_V6, 6) => true,
            (VirtioHeader::UDP, 4 | 6) => false,
            _ => return None,
        };
        // Where the transport header begins is taken from there; what the kernel calls
        // the length of all headers may span the whole first packet when forwarded.
        let transport = usize::from(header.checksum_start);
        let ip_is_whole = match version {
            4 => transport == usize::from(packet[0] & 0x0f) * 4 && transport >= 20,
            _ => transport >= 40,
        };
        let transport_len = match is_tcp {
            true => usize::from(packet.get(transport + 12)? >> 4) * 4,
            false => 8,
        };
        let headers_len = transport + transport_len;
        let (field, least) = match is_tcp {
            true => (TCP_CHECKSUM, 20),
            false => (UDP_CHECKSUM, 8),
        };
        if !ip_is_whole
            || header.flags & VirtioHeader::NEEDS_CHECKSUM == 0
            || usize::from(header.checksum_offset) != field
            || header.gso_size == 0
            || transport_len < least
            || headers_len > MAX_HEADERS
            || headers_len >= packet.len()
            || packet.len() > usize::from(u16::MAX)
        {
            return None;
        }
        let mut headers = [0; MAX_HEADERS];
        headers[..headers_len].copy_from_slice(&packet[..headers_len]);
        // The kernel has summed up the pseudo-header of the whole: take its length out.
        let field = transport + field;
        let pseudo = checksum::sum(&headers[field..field + 2]);
        // Cast: checked just now.
        let len = (packet.len() - transport) as u16;
        headers[field..field + 2].fill(0);
        Some(Cuts {
            headers,
            headers_len,
            transport,
            payload: header.gso_size.into(),
            is_tcp,
            pseudo: pseudo + u32::from(!len),
        })
    }

    /// Writes the headers of the packet whose payload was at `offset` behind all headers.
    fn head(&self, packet: &mut [u8], offset: usize, is_last: bool) {
        let len = packet.len();
        let (headers, _) = packet.split_at_mut(self.headers_len);
        headers.copy_from_slice(&self.headers[..self.headers_len]);
        let (ip, transport) = headers.split_at_mut(self.transport);
        // Casts: a super-packet has at most 65 535 bytes.
        let transport_bytes = (len - self.transport) as u16;
        if ip[0] >> 4 == 4 {
            ip[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            let id = u16::from_be_bytes([ip[4], ip[5]]);
            let id = id.wrapping_add((offset / self.payload) as u16);
            ip[4..6].copy_from_slice(&id.to_be_bytes());
            ip[10..12].fill(0);
            let sum = checksum::fold(checksum::sum(ip));
            ip[10..12].copy_from_slice(&(!sum).to_be_bytes());
        } else {
            ip[4..6].copy_from_slice(&((len - 40) as u16).to_be_bytes());
        }
        let field = if self.is_tcp {
            let sequence =
                u32::from_be_bytes([transport[4], transport[5], transport[6], transport[7]]);
            let sequence = sequence.wrapping_add(offset as u32);
            transport[4..8].copy_from_slice(&sequence.to_be_bytes());
            if !is_last {
                transport[TCP_FLAGS] &= !(FIN | PSH);
            }
            // The answer to a congestion mark is given once (RFC 3168 §6.1.2).
            if offset > 0 {
                transport[TCP_FLAGS] &= !CWR;
            }
            TCP_CHECKSUM
        } else {
            transport[4..6].copy_from_slice(&transport_bytes.to_be_bytes());
            UDP_CHECKSUM
        };
        let sum = checksum::sum(&packet[self.transport..]);
        let sum = checksum::fold(sum + self.pseudo + u32::from(transport_bytes));
        put_checksum(packet, self.transport + field, !sum, self.is_tcp);
    }
}

fn put_checksum(packet: &mut [u8], field: usize, checksum: u16, is_tcp: bool) {
    // In UDP zero means "no checksum" (RFC 768).
    let checksum = match checksum {
        0 if !is_tcp => u16::MAX,
        checksum => checksum,
    };
    packet[field..field + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// Finishes a checksum whose field holds the sum of the pseudo-header.
fn complete_checksum(packet: &mut [u8], header: &VirtioHeader) -> Option<()> {
    let start = usize::from(header.checksum_start);
    let field = start + usize::from(header.checksum_offset);
    if field + 2 > packet.len() {
        return None;
    }
    // The field's own bytes are part of the sum, which is how the pseudo-header enters it.
    let sum = checksum::fold(checksum::sum(&packet[start..]));
    let is_udp = usize::from(header.checksum_offset) == UDP_CHECKSUM;
    put_checksum(packet, field, !sum, !is_udp);
    Some(())
}

#[cfg(test)]
mod tests;

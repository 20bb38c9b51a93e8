//! Packets of one flow that continue one another become one super-packet for the TUN
//! device, as a network card would have merged them.
//!
//! Merging is invisible: whoever cuts the super-packet again gets the same packets, but
//! for the order between flows. What has a wrong checksum is never merged, since the
//! kernel makes the checksums of a super-packet anew.

use crate::checksum;
use crate::packet::Packets;
use crate::virtio::{VIRTIO_HEADER_LEN, VirtioHeader};

/// Most packets in a super-packet (`UDP_MAX_SEGMENTS` of linux/udp.h, before 6.9).
pub const MAX_MERGED: usize = 64;

/// Flows looked at for the next packet. Runs come from few flows at a time.
const MAX_OPEN: usize = 8;

/// Longest packet there is in bytes.
const MAX_PACKET: usize = 65_535;

const TCP: u8 = 6;
const UDP: u8 = 17;

const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const ECE: u8 = 0x40;

/// Merges packets, run after run. Allocates nothing once it has seen a long run.
#[derive(Default)]
pub struct Coalescer {
    merges_udp: bool,
    merged: Vec<Merged>,
    /// Of each packet, the one that follows it in its super-packet.
    followers: Vec<Option<usize>>,
    /// The super-packets that may grow, the last used last.
    open: Vec<usize>,
}

/// One packet or super-packet to be written.
pub struct Merged {
    header: [u8; VIRTIO_HEADER_LEN],
    /// The packet whose headers are used.
    first: usize,
    last: usize,
    count: usize,
    /// Bytes of all payloads.
    payload: usize,
    form: Option<Form>,
    /// Whether the first packet's checksums were found right.
    is_checked: bool,
    /// Whether its last packet asks for delivery at once.
    pushes: bool,
}

/// Where the parts of a TCP or UDP packet lie.
#[derive(Clone, Copy)]
struct Form {
    protocol: u8,
    /// Where the transport header begins.
    transport: usize,
    /// Where the payload begins.
    payload: usize,
    /// Whether it may be part of a super-packet at all.
    is_mergeable: bool,
}

impl Coalescer {
    /// Merges TCP, and UDP too if the kernel takes it.
    pub fn new(merges_udp: bool) -> Coalescer {
        Coalescer {
            merges_udp,
            ..Coalescer::default()
        }
    }

    /// Finds out what can be merged, and changes the headers of the first packet of each
    /// super-packet accordingly.
    pub fn merge(&mut self, packets: &mut Packets) {
        self.merged.clear();
        self.followers.clear();
        self.open.clear();
        for index in 0..packets.len() {
            self.followers.push(None);
            self.add(packets, index);
        }
        for merged in self.merged.iter_mut().filter(|merged| merged.count > 1) {
            merged.finish(packets.packet_mut(merged.first));
        }
    }

    /// The packets and super-packets to be written, in this order.
    pub fn merged(&self) -> &[Merged] {
        &self.merged
    }

    /// What a packet or super-packet consists of, header for the kernel first: at most
    /// one more than [`MAX_MERGED`] pieces.
    pub fn pieces<'a>(
        &'a self,
        merged: &'a Merged,
        packets: &'a Packets,
    ) -> impl Iterator<Item = &'a [u8]> {
        let skip = merged.form.map_or(0, |form| form.payload);
        let follower = |index: &usize| self.followers[*index];
        let rest = std::iter::successors(self.followers[merged.first], follower);
        let rest = rest.map(move |index| &packets.packet(index)[skip..]);
        [&merged.header[..], packets.packet(merged.first)]
            .into_iter()
            .chain(rest)
    }

    fn add(&mut self, packets: &Packets, index: usize) {
        let packet = packets.packet(index);
        let form = Form::of(packet);
        match form {
            Some(form) => {
                let same_flow = |at: &usize| {
                    let merged = &self.merged[*at];
                    let first = packets.packet(merged.first);
                    let other = merged.form.expect("invariant: what is open has a form");
                    form.is_flow_of(packet, &other, first)
                };
                if let Some(position) = self.open.iter().rposition(same_flow) {
                    let at = self.open.remove(position);
                    let merged = &mut self.merged[at];
                    if merged.take(packets, index, packet, &form) {
                        self.followers[merged.last] = Some(index);
                        merged.last = index;
                        if merged.may_grow(packets) {
                            self.open.push(at);
                        }
                        return;
                    }
                }
                if form.is_mergeable && (form.protocol == TCP || self.merges_udp) {
                    if self.open.len() == MAX_OPEN {
                        self.open.remove(0);
                    }
                    self.open.push(self.merged.len());
                }
            }
            // A fragment, perhaps: it must not be overtaken by what it belongs to.
            None => self.open.clear(),
        }
        self.merged.push(Merged {
            header: VirtioHeader::default().encode(),
            first: index,
            last: index,
            count: 1,
            payload: form.map_or(0, |form| packet.len() - form.payload),
            form,
            is_checked: false,
            pushes: form.is_some_and(|form| form.pushes(packet)),
        });
    }
}

impl Merged {
    /// Takes `packet` if it continues this one.
    fn take(&mut self, packets: &Packets, index: usize, packet: &[u8], form: &Form) -> bool {
        let first = packets.packet(self.first);
        let Some(own) = self.form.filter(|_| form.is_mergeable && !self.pushes) else {
            return false;
        };
        debug_assert!(index > self.last, "invariant: packets are added in order");
        let (size, len) = (own.payload_len(first), form.payload_len(packet));
        if len > size
            || own.payload + self.payload + len > MAX_PACKET
            || !own.is_continued_by(first, self.count, self.payload, packet, form)
        {
            return false;
        }
        if !self.is_checked {
            self.is_checked = own.is_intact(first);
        }
        if !self.is_checked || !form.is_intact(packet) {
            return false;
        }
        self.count += 1;
        self.payload += len;
        self.pushes = form.pushes(packet);
        true
    }

    /// Whether another packet may follow the last one taken.
    fn may_grow(&self, packets: &Packets) -> bool {
        let Some(form) = self.form else {
            return false;
        };
        let size = form.payload_len(packets.packet(self.first));
        self.count < MAX_MERGED && self.payload == self.count * size && !self.pushes
    }

    /// Makes the first packet's headers those of the super-packet, and the header that
    /// tells the kernel so.
    fn finish(&mut self, first: &mut [u8]) {
        let form = self.form.expect("invariant: what was merged has a form");
        let size = form.payload_len(first);
        let total = form.payload + self.payload;
        // Casts: a super-packet is no longer than any packet may be.
        let transport_len = (total - form.transport) as u16;
        let (ip, transport) = first.split_at_mut(form.transport);
        let is_v4 = ip[0] >> 4 == 4;
        let addresses = if is_v4 {
            ip[2..4].copy_from_slice(&(total as u16).to_be_bytes());
            ip[10..12].fill(0);
            let sum = checksum::fold(checksum::sum(ip));
            ip[10..12].copy_from_slice(&(!sum).to_be_bytes());
            &ip[12..20]
        } else {
            ip[4..6].copy_from_slice(&transport_len.to_be_bytes());
            &ip[8..40]
        };
        let pseudo = checksum::pseudo_header(addresses, form.protocol, transport_len);
        let pseudo = checksum::fold(pseudo).to_be_bytes();
        let (gso_type, field) = match (form.protocol, is_v4) {
            (TCP, true) => (VirtioHeader::TCP_V4, 16),
            (TCP, false) => (VirtioHeader::TCP_V6, 16),
            _ => (VirtioHeader::UDP, 6),
        };
        if form.protocol == UDP {
            transport[4..6].copy_from_slice(&transport_len.to_be_bytes());
        } else if self.pushes {
            transport[13] |= PSH;
        }
        transport[field..field + 2].copy_from_slice(&pseudo);
        let header = VirtioHeader {
            flags: VirtioHeader::NEEDS_CHECKSUM,
            gso_type,
            header_len: form.payload as u16,
            gso_size: size as u16,
            checksum_start: form.transport as u16,
            checksum_offset: field as u16,
        };
        self.header = header.encode();
    }
}

impl Form {
    /// The form of a whole TCP or UDP packet without IP options or extensions. Anything
    /// else is `None`, fragments too.
    fn of(packet: &[u8]) -> Option<Form> {
        let (protocol, transport, len) = match packet.first()? {
            0x45 => {
                let (header, _) = packet.split_first_chunk::<20>()?;
                // All but "don't fragment" (RFC 791 §3.1).
                if u16::from_be_bytes([header[6], header[7]]) & 0xbfff != 0 {
                    return None;
                }
                (
                    header[9],
                    20,
                    u16::from_be_bytes([header[2], header[3]]).into(),
                )
            }
            0x60..=0x6f => {
                let (header, _) = packet.split_first_chunk::<40>()?;
                let len = usize::from(u16::from_be_bytes([header[4], header[5]])) + 40;
                (header[6], 40, len)
            }
            _ => return None,
        };
        if len != packet.len() {
            return None;
        }
        let rest = &packet[transport..];
        let form = |header_len: usize, is_mergeable| Form {
            protocol,
            transport,
            payload: transport + header_len,
            is_mergeable: is_mergeable && header_len < rest.len(),
        };
        match protocol {
            TCP => {
                let (header, _) = rest.split_first_chunk::<20>()?;
                let header_len = usize::from(header[12] >> 4) * 4;
                // Any other flag means that this packet is not like the next.
                let flags = header[13] & !(PSH | ECE);
                let fits = (20..=rest.len()).contains(&header_len);
                fits.then(|| form(header_len, flags == ACK && header[12] & 0x0f == 0))
            }
            UDP => {
                let (header, _) = rest.split_first_chunk::<8>()?;
                let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
                let has_checksum = header[6..8] != [0, 0];
                (len == rest.len()).then(|| form(8, has_checksum))
            }
            _ => None,
        }
    }

    fn payload_len(&self, packet: &[u8]) -> usize {
        packet.len() - self.payload
    }

    fn pushes(&self, packet: &[u8]) -> bool {
        self.protocol == TCP && packet[self.transport + 13] & PSH != 0
    }

    /// Addresses and ports.
    fn is_flow_of(&self, packet: &[u8], other: &Form, first: &[u8]) -> bool {
        let from = if self.transport == 20 { 12 } else { 8 };
        let to = self.transport + 4;
        self.protocol == other.protocol
            && self.transport == other.transport
            && packet[from..to] == first[from..to]
    }

    /// Whether `packet` is what comes after `count` packets of the form of `first` with
    /// `sent` bytes of payload, the headers being as cutting would make them.
    fn is_continued_by(
        &self,
        first: &[u8],
        count: usize,
        sent: usize,
        packet: &[u8],
        form: &Form,
    ) -> bool {
        let same = |from: usize, to: usize| first[from..to] == packet[from..to];
        let ip = if self.transport == 20 {
            let id = |ip: &[u8]| u16::from_be_bytes([ip[4], ip[5]]);
            // Cast: at most MAX_MERGED.
            let in_order = id(packet) == id(first).wrapping_add(count as u16);
            // What is never fragmented needs no number (RFC 6864 §4.1).
            same(1, 2) && same(6, 9) && (in_order || first[6] & 0x40 != 0)
        } else {
            same(0, 4) && same(7, 8)
        };
        let transport = self.transport;
        ip && form.payload == self.payload
            && (self.protocol == UDP || {
                let sequence = |tcp: &[u8]| u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
                // Cast: no more than a packet may hold.
                let next = sequence(&first[transport..]).wrapping_add(sent as u32);
                let flags = |packet: &[u8]| packet[transport + 13] & !PSH;
                sequence(&packet[transport..]) == next
                    && same(transport + 8, transport + 13)
                    && flags(first) == flags(packet)
                    && same(transport + 14, transport + 16)
                    && same(transport + 18, self.payload)
            })
    }

    /// Whether the checksums are right.
    fn is_intact(&self, packet: &[u8]) -> bool {
        let (ip, transport) = packet.split_at(self.transport);
        let addresses = if self.transport == 20 {
            if checksum::sum(ip) != 0xffff {
                return false;
            }
            &ip[12..20]
        } else {
            &ip[8..40]
        };
        // Cast: the length stands in the packet as 16 bits.
        let pseudo = checksum::pseudo_header(addresses, self.protocol, transport.len() as u16);
        checksum::fold(pseudo + checksum::sum(transport)) == 0xffff
    }
}

#[cfg(test)]
pub(crate) mod tests;

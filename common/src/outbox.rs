//! What a device has to give away: datagrams, packets, events.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use crate::counters::Counters;
use crate::guard::{DATA_OVERHEAD, MAX_DATAGRAM};
use crate::key::PublicKey;
use crate::packet::Packets;
use crate::peers::PeerId;
use crate::roaming::Path;
use crate::run::Ecn;
use crate::virtio::VirtioHeader;

/// Most datagrams in one train (Linux, UDP_MAX_SEGMENTS before 6.9).
pub(crate) const MAX_SEGMENTS: usize = 64;

/// Most bytes in one train: the longest UDP payload over IPv4.
pub(crate) const MAX_TRAIN: usize = 65_507;

/// Free bytes that every message is written into: boringtun panics on less than the
/// packet or datagram at hand needs.
const ROOM: usize = MAX_DATAGRAM + DATA_OVERHEAD;

/// Bytes that the trains of one round hardly ever exceed.
const TRAINS: usize = 512 << 10;

/// One train of equal-sized datagrams to one endpoint: one GSO send.
#[derive(Clone, Copy, Debug)]
pub struct Transmit<'a> {
    /// Where it goes.
    pub endpoint: SocketAddr,
    /// The local address to send it from, if one is pinned.
    pub source: Option<IpAddr>,
    /// What routers are told of whoever sent what is in it.
    pub ecn: Ecn,
    /// Bytes of each datagram; only the last may be shorter.
    pub segment_size: usize,
    /// At most 64 datagrams back to back, at most 65 507 bytes.
    pub contents: &'a [u8],
}

/// What one worker received for another.
pub enum Handover {
    /// An initiation that has passed admission.
    Initiation {
        /// The peer whose key it shows.
        peer: PublicKey,
        /// Who sent it.
        source: SocketAddr,
        /// The local address it came to.
        local: Option<IpAddr>,
        /// Whether its sender has shown that it receives there. Each worker has cookies of
        /// its own.
        has_shown: bool,
        /// The message.
        datagram: Vec<u8>,
    },
    /// Other datagrams from one source.
    Datagrams {
        /// Who sent them.
        source: SocketAddr,
        /// The local address they came to.
        local: Option<IpAddr>,
        /// Their mark.
        ecn: Ecn,
        /// The datagrams back to back.
        run: Vec<u8>,
        /// Bytes of each; only the last may be shorter.
        stride: usize,
    },
    /// A packet or super-packet from the TUN.
    Packets {
        /// What is to be done to it.
        header: VirtioHeader,
        /// It, with room for padding behind.
        bytes: Vec<u8>,
    },
}

/// What the owner of a device may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Packets can flow.
    SessionUp {
        /// With whom.
        peer: PublicKey,
    },
    /// The peer was authentically heard from elsewhere.
    EndpointMoved {
        /// Who.
        peer: PublicKey,
        /// From where.
        endpoint: SocketAddr,
    },
    /// An initiation was answered: [`Device::seen_initiations`] has changed.
    ///
    /// [`Device::seen_initiations`]: crate::device::Device::seen_initiations
    InitiationAnswered {
        /// Whose.
        peer: PublicKey,
    },
    /// The last session ended without a successor.
    SessionLost {
        /// With whom.
        peer: PublicKey,
    },
    /// More than five panics within a minute: the process should end.
    TooManyPanics,
}

/// How many packets of `mtu` bytes leave in one train: with more of them a super-packet
/// takes two.
pub fn packets_per_train(mtu: u16) -> usize {
    let datagram = usize::from(mtu) + DATA_OVERHEAD;
    (MAX_TRAIN / datagram).clamp(1, MAX_SEGMENTS)
}

/// Everything that leaves the device by a `poll_*`.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) trains: Trains,
    pub(crate) received: Received,
    pub(crate) events: VecDeque<Event>,
    pub(crate) handovers: VecDeque<(u8, Handover)>,
    pub(crate) counters: Counters,
}

struct Train {
    path: Path,
    /// Who is believed to be there, unless it is a stranger or somebody not proven yet.
    peer: Option<PeerId>,
    ecn: Ecn,
    segment_size: usize,
    start: usize,
    end: usize,
    /// Whether another datagram may follow.
    open: bool,
}

/// Encrypted datagrams back to back in one buffer, cut into trains of equal size.
#[derive(Default)]
pub(crate) struct Trains {
    buffer: Vec<u8>,
    filled: usize,
    trains: Vec<Train>,
    polled: usize,
}

impl Trains {
    /// Room for the next datagram, enough for any.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.polled == self.trains.len() {
            self.trains.clear();
            self.polled = 0;
            self.filled = 0;
        }
        if self.buffer.is_empty() {
            // Growing step by step would copy and wipe; what is never used takes no memory.
            self.buffer = vec![0; TRAINS];
        }
        if self.buffer.len() < self.filled + ROOM {
            self.buffer.resize(self.filled + TRAINS, 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// Sends the first `len` bytes of [`Trains::room`] by themselves to whoever is there.
    pub(crate) fn answer(&mut self, path: Path, len: usize) {
        self.start(path, None, Ecn::NONE, len, false);
    }

    /// Sends the first `len` bytes of [`Trains::room`] by themselves to a peer.
    pub(crate) fn send(&mut self, path: Path, peer: PeerId, len: usize) {
        self.start(path, Some(peer), Ecn::NONE, len, false);
    }

    /// Sends the first `len` bytes of [`Trains::room`] with others like them to a peer.
    pub(crate) fn send_in_train(&mut self, path: Path, peer: PeerId, ecn: Ecn, len: usize) {
        let waiting = self.trains.len() > self.polled;
        match self.trains.last_mut() {
            Some(train)
                if waiting
                    && train.open
                    && train.path == path
                    && train.peer == Some(peer)
                    && train.ecn == ecn
                    && len <= train.segment_size
                    && train.end + len - train.start <= MAX_TRAIN =>
            {
                train.end += len;
                self.filled = train.end;
                let segments = (train.end - train.start).div_ceil(train.segment_size);
                train.open = len == train.segment_size && segments < MAX_SEGMENTS;
            }
            _ => self.start(path, Some(peer), ecn, len, true),
        }
    }

    /// To be called before several datagrams of `len` bytes that came as one super-packet:
    /// they share a train if any has room for all of them, so that they are one again where
    /// they arrive.
    pub(crate) fn keep_together(&mut self, count: usize, len: usize) {
        let fit = |bytes, datagrams| bytes <= MAX_TRAIN && datagrams <= MAX_SEGMENTS;
        let bytes = count * len;
        if let Some(train) = self.trains.last_mut()
            && count > 1
            && fit(bytes, count)
        {
            let held = train.end - train.start;
            let joins = len == train.segment_size && fit(held + bytes, held / len + count);
            train.open &= joins;
        }
    }

    fn start(&mut self, path: Path, peer: Option<PeerId>, ecn: Ecn, len: usize, open: bool) {
        let start = self.filled;
        self.filled += len;
        self.trains.push(Train {
            path,
            peer,
            ecn,
            segment_size: len,
            start,
            end: self.filled,
            open,
        });
    }

    /// Whom the train polled last goes to.
    pub(crate) fn last_peer(&self) -> Option<PeerId> {
        self.trains.get(self.polled.checked_sub(1)?)?.peer
    }

    /// The next train that nothing can join any more.
    pub(crate) fn poll_full(&mut self) -> Option<Transmit<'_>> {
        let is_last = self.polled + 1 == self.trains.len();
        if is_last && self.trains[self.polled].open {
            return None;
        }
        self.poll()
    }

    pub(crate) fn poll(&mut self) -> Option<Transmit<'_>> {
        let train = self.trains.get(self.polled)?;
        self.polled += 1;
        Some(Transmit {
            endpoint: train.path.endpoint,
            source: train.path.source,
            ecn: train.ecn,
            segment_size: train.segment_size,
            contents: &self.buffer[train.start..train.end],
        })
    }
}

/// Decrypted packets, until they are polled.
#[derive(Default)]
pub(crate) struct Received {
    packets: Packets,
    polled: bool,
}

impl Received {
    /// Room for the next packet, unless too many wait already.
    pub(crate) fn room(&mut self) -> Option<&mut [u8]> {
        if std::mem::take(&mut self.polled) {
            self.packets.clear();
        }
        self.packets.room()
    }

    /// Keeps what is in the last [`Received::room`] as a packet of `len` bytes.
    pub(crate) fn keep(&mut self, len: usize) {
        self.packets.keep(len);
    }

    pub(crate) fn poll(&mut self) -> Option<&mut Packets> {
        if self.polled || self.packets.is_empty() {
            return None;
        }
        self.polled = true;
        Some(&mut self.packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(port: u16) -> Path {
        Path {
            endpoint: SocketAddr::from(([192, 0, 2, 1], port)),
            source: None,
        }
    }

    fn drain(trains: &mut Trains) -> Vec<(u16, usize, usize)> {
        let mut out = Vec::new();
        while let Some(t) = trains.poll() {
            out.push((t.endpoint.port(), t.segment_size, t.contents.len()));
        }
        out
    }

    fn fill(trains: &mut Trains, port: u16, len: usize) {
        trains.room()[..len].fill(len as u8);
        trains.send_in_train(to(port), PeerId(0), Ecn::NONE, len);
    }

    #[test]
    fn a_train_has_one_size_and_a_shorter_datagram_ends_it() {
        let mut trains = Trains::default();
        for len in [100, 100, 60, 100, 120, 120] {
            fill(&mut trains, 1, len);
        }
        fill(&mut trains, 2, 120);
        assert_eq!(
            drain(&mut trains),
            [(1, 100, 260), (1, 100, 100), (1, 120, 240), (2, 120, 120)]
        );
        assert!(trains.poll().is_none());
    }

    #[test]
    fn two_peers_at_one_place_share_no_train() {
        let mut trains = Trains::default();
        for peer in [0, 0, 1] {
            trains.room();
            trains.send_in_train(to(1), PeerId(peer), Ecn::NONE, 100);
        }
        let mut lost = |bytes| {
            assert_eq!(trains.poll().unwrap().contents.len(), bytes);
            trains.last_peer()
        };
        assert_eq!(lost(200), Some(PeerId(0)));
        assert_eq!(lost(100), Some(PeerId(1)));
    }

    #[test]
    fn a_train_is_bounded_in_datagrams_and_in_bytes() {
        let mut trains = Trains::default();
        for _ in 0..65 {
            fill(&mut trains, 1, 96);
        }
        assert_eq!(drain(&mut trains), [(1, 96, 64 * 96), (1, 96, 96)]);
        for _ in 0..8 {
            fill(&mut trains, 1, 9_000);
        }
        assert_eq!(drain(&mut trains), [(1, 9_000, 63_000), (1, 9_000, 9_000)]);
    }

    #[test]
    fn a_handshake_message_travels_alone() {
        let mut trains = Trains::default();
        fill(&mut trains, 1, 148);
        trains.room();
        trains.send(to(1), PeerId(0), 148);
        fill(&mut trains, 1, 148);
        assert_eq!(drain(&mut trains), [(1, 148, 148); 3]);
    }

    #[test]
    fn a_train_with_room_left_waits_until_it_is_asked_for() {
        let mut trains = Trains::default();
        for len in [100, 100, 60, 100] {
            fill(&mut trains, 1, len);
        }
        assert_eq!(trains.poll_full().unwrap().contents.len(), 260);
        assert!(trains.poll_full().is_none());
        for _ in 0..64 {
            fill(&mut trains, 1, 100);
        }
        assert_eq!(trains.poll_full().unwrap().contents.len(), 6_400);
        assert!(trains.poll_full().is_none());
        assert_eq!(drain(&mut trains), [(1, 100, 100)]);
        assert!(trains.poll_full().is_none());
    }

    #[test]
    fn what_came_as_one_super_packet_shares_a_train_if_any_has_room_for_it() {
        let mut trains = Trains::default();
        let mut lengths = |super_packets: &[(usize, usize)]| {
            for &(count, len) in super_packets {
                trains.keep_together(count, len);
                for _ in 0..count {
                    fill(&mut trains, 1, len);
                }
            }
            let lengths = drain(&mut trains).into_iter();
            lengths
                .map(|(_, len, bytes)| bytes.div_ceil(len))
                .collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[(20, 1_452), (20, 1_452)]), [40]);
        assert_eq!(lengths(&[(30, 1_452), (30, 1_452)]), [30, 30]);
        assert_eq!(lengths(&[(3, 1_452), (30, 1_000)]), [3, 30]);
        // Two trains either way.
        assert_eq!(lengths(&[(47, 1_452), (47, 1_452)]), [45, 45, 4]);
        assert_eq!(lengths(&[(1, 100), (1, 90), (1, 100)]), [2, 1]);
    }

    #[test]
    fn there_is_room_for_the_longest_datagram_whatever_waits_to_be_sent() {
        let mut trains = Trains::default();
        for _ in 0..200 {
            assert!(trains.room().len() >= MAX_DATAGRAM + DATA_OVERHEAD);
            fill(&mut trains, 1, 9_000);
        }
    }

    #[test]
    fn as_many_packets_as_are_said_to_fit_make_one_train() {
        for (mtu, expected) in [(576, 64), (1_280, 49), (1_420, 45), (9_000, 7), (65_475, 1)] {
            assert_eq!(packets_per_train(mtu), expected);
            let mut trains = Trains::default();
            for _ in 0..=expected {
                fill(&mut trains, 1, usize::from(mtu) + DATA_OVERHEAD);
            }
            assert_eq!(drain(&mut trains).len(), 2, "{mtu}");
        }
    }

    #[test]
    fn nothing_joins_a_train_that_has_left() {
        let mut trains = Trains::default();
        fill(&mut trains, 1, 100);
        assert_eq!(trains.poll().unwrap().contents, [100; 100]);
        fill(&mut trains, 1, 50);
        assert_eq!(trains.poll().unwrap().contents, [50; 50]);
    }

    #[test]
    fn packets_are_polled_once_and_their_room_comes_back() {
        let mut received = Received::default();
        let mut kept = 0;
        while let Some(room) = received.room() {
            room[0] = 1;
            received.keep(1);
            kept += 1;
        }
        assert_eq!(received.poll().unwrap().len(), kept);
        assert!(received.poll().is_none());
        assert!(received.room().is_some());
        assert!(received.poll().is_none());
    }
}

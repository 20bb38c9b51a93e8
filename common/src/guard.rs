//! What the host must check because boringtun does not: predicates over bytes, and
//! the limits and waits that go with them.
//!
//! Every rule is here once, for client and gateway alike. Constants name their source.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

pub use crate::bucket::Rate;
use crate::clock::Now;

/// Longest UDP payload there is, in bytes (65 535 less the IPv4 and UDP headers is
/// smaller still; IPv6 jumbograms are not used).
pub const MAX_DATAGRAM: usize = 65_535;

/// What encryption adds to a packet, in bytes: a 16-byte header and a 16-byte tag
/// (WireGuard paper §5.4.6).
pub const DATA_OVERHEAD: usize = 32;

/// First counter of a data message that is refused: 2^64 − 2^13 − 1, Reject-After-Messages
/// (WireGuard paper §6.1). boringtun's replay window overflows beyond it.
pub const COUNTER_LIMIT: u64 = u64::MAX - (1 << 13);

/// Padding unit of inner packets, in bytes (WireGuard paper §5.4.6).
pub const PADDING: usize = 16;

/// How often a live peer's timers are looked at.
pub const TICK: Duration = Duration::from_millis(250);

/// Timers older than this are brought up to date before a packet goes in or out, so
/// that a process that was stopped does not use a session past its end.
pub const STALE: Duration = Duration::from_secs(1);

/// After this long without an authentic datagram, the next packet sent is the one whose
/// answer is waited for: Keepalive-Timeout (WireGuard paper §6.1).
pub const SILENCE: Duration = Duration::from_secs(10);

/// After this long without sending, data heard is answered with a keepalive. The paper
/// has 10 s; sooner than [`DOUBT`], whoever sends without being answered knows in time
/// that what he sends arrives.
pub const ACKNOWLEDGE: Duration = Duration::from_secs(1);

/// How long the end that keeps a session takes it for alive while packets go out and
/// nothing is heard; over a slow path up to twice as long. Then it asks for the next one:
/// the other end may have lost this one, as it does when it restarts, and cannot say so.
/// The paper has 15 s, for both ends.
///
/// A gateway that stands still for so long is asked by all that talk to it, once it goes
/// on: as many handshakes as when it starts, and cookies if they are too many.
pub const DOUBT: Duration = Duration::from_secs(2);

/// How often a session is doubted: an end that acknowledges later is asked too often.
pub const DOUBT_PACE: Rate = Rate {
    every: Duration::from_secs(10),
    burst: 5,
};

/// How long that answer is waited for with the timers at rest. boringtun counts the wait
/// from the last datagram heard, not from the packet sent, and would start a handshake
/// at once.
pub const HOLD: Duration = Duration::from_secs(5);

/// End of a session's life: Reject-After-Time (WireGuard paper §6.1).
pub const SESSION_LIFETIME: Duration = Duration::from_secs(180);

/// Age of a session at which the end that keeps it starts the next one:
/// Rekey-After-Time (WireGuard paper §6.1).
pub const REKEY_AFTER: Duration = Duration::from_secs(120);

/// Wait between two initiations: Rekey-Timeout (WireGuard paper §6.1).
pub const RETRY: Duration = Duration::from_secs(5);

/// The same, once nothing has been answered for [`PATIENCE`].
pub const SLOW_RETRY: Duration = Duration::from_secs(30);

/// How old an initiation may be when its answer comes: two waits. Whoever answered counts
/// the session's life from then, and may have restarted since; boringtun takes the answer
/// however late it comes.
pub const ANSWER_LIFE: Duration = Duration::from_secs(10);

/// How long after a session's begin datagrams of the one before may still be on their way. They do
/// not say where a peer is: whoever goes over to another address begins a session there, and what
/// it sent before from the old one would call it back.
pub const STRAGGLE: Duration = Duration::from_secs(5);

/// How long unanswered initiations go out at the faster rate.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Largest random wait added to a retry, in milliseconds (WireGuard paper §6.4).
pub const RETRY_JITTER_MILLIS: u32 = 333;

/// Handshake messages per second beyond which senders must first show that they
/// receive at their address.
pub const HANDSHAKES_PER_SECOND: u64 = 1_000;

/// The second in that limit, and how long it is taken to be exceeded after it was.
pub const LOAD_WINDOW: Duration = Duration::from_secs(1);

/// Handshake messages that one source may send when too many come, after it has shown
/// that it receives at its address: 20 a second.
pub const SOURCE_RATE: Rate = Rate {
    every: Duration::from_millis(50),
    burst: 5,
};

/// Initiations of one peer that are answered, whenever: 50 a second.
pub const IDENTITY_RATE: Rate = Rate {
    every: Duration::from_millis(20),
    burst: 5,
};

/// Initiations of one peer that are answered although they are older than others, or too
/// many that nothing came of, before it is known that their sender receives at its address:
/// whoever has recorded many sends them as fast as he likes.
pub const DOUBT_RATE: Rate = Rate {
    every: Duration::from_millis(500),
    burst: 5,
};

/// Initiations worked off in one call: what else has come must not wait for key
/// exchanges, which take up to 400 µs each.
pub const INITIATIONS_AT_ONCE: usize = 2;

/// Initiations that may wait for their turn: less than a second's work.
pub const MAX_WAITING_INITIATIONS: usize = 1_024;

/// Peers whose timers are looked at in one call.
pub const TICKS_AT_ONCE: usize = 64;

/// Silent peers to which packets from the inside may make a tunnel: 100 a second.
/// Whoever knocks at every inner address must not keep the processor busy.
pub const WAKE_RATE: Rate = Rate {
    every: Duration::from_millis(10),
    burst: 64,
};

/// How many peers may have packets waiting for a session; boringtun keeps up to 256
/// packets, some 360 kB, for each.
pub const MAX_WAITING_PEERS: usize = 64;

/// Initiations that greet one peer.
pub const GREETINGS: u8 = 3;

/// Wait between any two greetings: 50 a second.
pub const GREETING_PACE: Duration = Duration::from_millis(20);

/// After this long without authentic data, a peer may come with a clock that was set
/// back: longer than the longest usual wait between two keepalives (25 s).
pub const CLOCK_DOUBT: Duration = Duration::from_secs(30);

/// How long a second tunnel, made for a peer whose clock was set back, may wait for the
/// data that proves it.
pub const CANDIDATE_LIFE: Duration = Duration::from_secs(10);

/// How long that data is waited for before another initiation, which is older, makes another
/// such tunnel: longer than the round trip on any usual path.
pub const CANDIDATE_WAIT: Duration = Duration::from_secs(1);

/// Panics within [`PANIC_WINDOW`] beyond which the process should end.
pub const MAX_PANICS: usize = 5;

/// See [`MAX_PANICS`].
pub const PANIC_WINDOW: Duration = Duration::from_secs(60);

/// The four messages of WireGuard (paper §5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Type 1, 148 bytes.
    Initiation,
    /// Type 2, 92 bytes.
    Response,
    /// Type 3, 64 bytes.
    CookieReply,
    /// Type 4, 32 bytes and more.
    Data,
}

/// The kind of a datagram, if its type and its length fit each other.
pub fn message(datagram: &[u8]) -> Option<Message> {
    let (kind, _) = datagram.split_first_chunk::<4>()?;
    match (u32::from_le_bytes(*kind), datagram.len()) {
        (1, 148) => Some(Message::Initiation),
        (2, 92) => Some(Message::Response),
        (3, 64) => Some(Message::CookieReply),
        (4, DATA_OVERHEAD..=MAX_DATAGRAM) => Some(Message::Data),
        _ => None,
    }
}

fn u32_at(datagram: &[u8], offset: usize) -> u32 {
    let bytes = datagram[offset..offset + 4]
        .try_into()
        .expect("invariant: four bytes were taken");
    u32::from_le_bytes(bytes)
}

/// The index by which the sender of a handshake message wants to be answered.
///
/// # Panics
/// If `datagram` is not what [`message`] found to be an initiation or a response.
pub fn sender_index(datagram: &[u8]) -> u32 {
    u32_at(datagram, 4)
}

/// The ephemeral public key of an initiation, by which it is told from all others.
///
/// # Panics
/// If `datagram` is not what [`message`] found to be an initiation.
pub fn ephemeral(datagram: &[u8]) -> &[u8] {
    &datagram[8..40]
}

/// The index by which a message names one of our sessions; an initiation has none.
///
/// # Panics
/// If `datagram` is not what [`message`] found to be a `message`.
pub fn receiver_index(message: Message, datagram: &[u8]) -> Option<u32> {
    match message {
        Message::Initiation => None,
        Message::Response => Some(u32_at(datagram, 8)),
        Message::CookieReply | Message::Data => Some(u32_at(datagram, 4)),
    }
}

/// Whether the counter of a data message is one that a session may reach.
///
/// # Panics
/// If `datagram` is not what [`message`] found to be data.
pub fn counter_allowed(datagram: &[u8]) -> bool {
    let bytes = datagram[8..16]
        .try_into()
        .expect("invariant: eight bytes were taken");
    u64::from_le_bytes(bytes) < COUNTER_LIMIT
}

/// Whether `datagram` is data with an allowed counter, in the session of `data`, which is
/// data too.
pub fn is_data_of(datagram: &[u8], data: &[u8]) -> bool {
    message(datagram) == Some(Message::Data)
        && datagram[4..8] == data[4..8]
        && counter_allowed(datagram)
}

/// Length of a packet of `len` bytes once padded: a multiple of [`PADDING`], but no
/// more than `mtu` unless it was longer already.
pub fn padded_len(len: usize, mtu: u16) -> usize {
    len.next_multiple_of(PADDING).min(len.max(mtu.into()))
}

/// What an inner packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// Its source address.
    pub source: IpAddr,
    /// Its destination address.
    pub destination: IpAddr,
    /// Its length in bytes; what follows is padding.
    pub len: usize,
}

/// Reads the header of an inner packet: version, a complete header, and a length that
/// covers the header and is covered by `packet`. Anything else is `None`.
pub fn inner(packet: &[u8]) -> Option<Inner> {
    let inner = match packet.first()? >> 4 {
        4 => {
            let (header, _) = packet.split_first_chunk::<20>()?;
            let header_len = usize::from(header[0] & 0x0f) * 4;
            let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
            if header_len < header.len() || len < header_len {
                return None;
            }
            let at = |offset| Ipv4Addr::from(*octets::<4>(header, offset));
            Inner {
                source: at(12).into(),
                destination: at(16).into(),
                len,
            }
        }
        6 => {
            let (header, _) = packet.split_first_chunk::<40>()?;
            let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
            let at = |offset| Ipv6Addr::from(*octets::<16>(header, offset));
            Inner {
                source: at(8).into(),
                destination: at(24).into(),
                len: header.len() + payload,
            }
        }
        _ => return None,
    };
    (inner.len <= packet.len()).then_some(inner)
}

fn octets<const N: usize>(header: &[u8], offset: usize) -> &[u8; N] {
    header[offset..]
        .first_chunk()
        .expect("invariant: the header is complete")
}

/// Whether timers last looked at at `ticked` must be looked at before a packet passes.
pub fn is_stale(ticked: Now, now: Now) -> bool {
    now.since(ticked) >= STALE
}

/// Whether the timers rest after a packet sent at `now`, given when the peer was last
/// heard and when its session began. A session near its end is not held: it must end.
pub fn starts_hold(last_heard: Now, session_start: Now, now: Now) -> bool {
    now.since(last_heard) >= SILENCE && now.since(session_start) + HOLD < SESSION_LIFETIME
}

/// How long nothing need be heard, given the round-trip time, until the session is in
/// doubt: see [`DOUBT`].
pub fn doubt(round_trip: Option<Duration>) -> Duration {
    let acknowledged = ACKNOWLEDGE + TICK * 2 + round_trip.unwrap_or_default();
    acknowledged.clamp(DOUBT, DOUBT * 2)
}

/// How long to wait for the answer to an initiation, given since when none was answered.
pub fn retry_wait(unanswered_since: Now, now: Now) -> Duration {
    if now.since(unanswered_since) < PATIENCE {
        RETRY
    } else {
        SLOW_RETRY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(total_len: u16, header_words: u8) -> Vec<u8> {
        let mut packet = vec![0; 64];
        packet[0] = 0x40 | header_words;
        packet[2..4].copy_from_slice(&total_len.to_be_bytes());
        packet[12..16].copy_from_slice(&[10, 0, 0, 1]);
        packet[16..20].copy_from_slice(&[10, 0, 0, 2]);
        packet
    }

    fn ipv6(payload_len: u16) -> Vec<u8> {
        let mut packet = vec![0; 64];
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&payload_len.to_be_bytes());
        packet[23] = 1;
        packet[39] = 2;
        packet
    }

    #[test]
    fn a_message_has_the_length_of_its_type() {
        let lengths = [(1, 148), (2, 92), (3, 64)];
        for len in 0..=255 {
            for kind in 0..=5 {
                let mut datagram = vec![0; len];
                if let Some(first) = datagram.first_mut() {
                    *first = kind;
                }
                let expected = match kind {
                    1..=3 => lengths.contains(&(kind, len)),
                    4 => len >= 32,
                    _ => false,
                };
                assert_eq!(message(&datagram).is_some(), expected, "{kind} {len}");
            }
        }
        let mut reserved = vec![0; 148];
        reserved[..2].copy_from_slice(&[1, 1]);
        assert_eq!(message(&reserved), None, "reserved bytes must be zero");
        let mut huge = vec![0; MAX_DATAGRAM + 1];
        huge[0] = 4;
        assert_eq!(message(&huge), None);
    }

    #[test]
    fn a_counter_near_its_end_is_refused() {
        let mut datagram = vec![0; 32];
        for (counter, allowed) in [
            (0, true),
            (COUNTER_LIMIT - 1, true),
            (COUNTER_LIMIT, false),
            (u64::MAX, false),
        ] {
            datagram[8..16].copy_from_slice(&counter.to_le_bytes());
            assert_eq!(counter_allowed(&datagram), allowed, "{counter}");
        }
        assert_eq!(u128::from(COUNTER_LIMIT), (1 << 64) - (1 << 13) - 1);
    }

    #[test]
    fn padding_stops_at_the_mtu() {
        let cases = [
            (0, 0),
            (1, 16),
            (16, 16),
            (1409, 1420),
            (1420, 1420),
            (1430, 1430),
        ];
        for (len, padded) in cases {
            assert_eq!(padded_len(len, 1420), padded, "{len}");
        }
    }

    #[test]
    fn an_inner_header_is_complete_and_covered() {
        let packet = ipv4(28, 5);
        let found = inner(&packet).unwrap();
        assert_eq!(found.source, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(found.destination, IpAddr::from([10, 0, 0, 2]));
        assert_eq!(found.len, 28);
        for total_len in (0..20).chain([65, u16::MAX]) {
            assert_eq!(inner(&ipv4(total_len, 5)), None, "{total_len}");
        }
        for header_words in 0..5 {
            assert_eq!(inner(&ipv4(64, header_words)), None, "{header_words}");
        }
        assert_eq!(inner(&ipv4(23, 6)), None, "options beyond the length");

        assert_eq!(inner(&ipv6(0)).unwrap().len, 40);
        assert_eq!(inner(&ipv6(24)).unwrap().len, 64);
        assert_eq!(inner(&ipv6(25)), None);
        assert_eq!(inner(&ipv6(24)[..39]), None);
        assert_eq!(inner(&packet[..19]), None);
        assert_eq!(inner(&[]), None);
        for version in [0, 1, 2, 3, 5, 7, 15] {
            let mut packet = ipv4(28, 5);
            packet[0] = version << 4 | 5;
            assert_eq!(inner(&packet), None, "{version}");
        }
    }

    #[test]
    fn the_timers_rest_only_after_silence_and_in_a_young_session() {
        let at = |seconds: u64| Now::from_nanos(seconds * 1_000_000_000);
        assert!(!starts_hold(at(91), at(0), at(100)));
        assert!(starts_hold(at(90), at(0), at(100)));
        assert!(starts_hold(at(90), at(0), at(174)));
        assert!(!starts_hold(at(90), at(0), at(175)));
    }

    #[test]
    fn retries_slow_down_after_ten_minutes() {
        let at = |seconds: u64| Now::from_nanos(seconds * 1_000_000_000);
        assert_eq!(retry_wait(at(0), at(599)), RETRY);
        assert_eq!(retry_wait(at(0), at(600)), SLOW_RETRY);
    }
}

//! Who may cause work: the checks before a handshake message reaches a tunnel.
//!
//! The order goes from cheap to dear, and an unauthenticated message is answered only
//! under load: length and type ([`guard::message`](crate::guard::message)), first MAC
//! (0.5 µs); under load the cookie (7 µs) and then its source's allowance; then the key
//! exchange that shows the initiator's key (about 80 µs), then whether a peer has that
//! key, and only then its tunnel (about 300 µs). Only the tunnel of who was answered last
//! at the same endpoint is asked first ([`Callers`](crate::callers::Callers)): a stranger
//! there costs one key exchange more, and under load a cookie first.
//!
//! What a peer may cause itself is limited by what was proven to be its own, in
//! [`Peer`](crate::peer::Peer): whoever only shows a key must not use up its allowance. Whoever
//! has recorded its initiations can use up a part of it, and then the sender of one more is
//! asked for a cookie too, which recorded ones do not have.

use std::net::IpAddr;

use boringtun::noise::handshake::parse_handshake_anon;
use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{Packet, Tunn, TunnResult};

use crate::bucket::Sources;
use crate::clock::Now;
use crate::guard::{HANDSHAKES_PER_SECOND, LOAD_WINDOW, SOURCE_RATE};
use crate::key::KEY_LEN;
use crate::tunnel::OwnKey;

/// Why a handshake message goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Not made for our key.
    BadMac,
    /// Too many come, in all or of one peer: a cookie reply of this length was written.
    UnderLoad(usize),
    /// Too many come, and more than its share from this source.
    SourceLimit,
}

/// Counts handshakes; when they are too many, asks for cookies and gives each source its
/// share.
pub(crate) struct Admission {
    load: Load,
    /// Asks everybody for a cookie.
    cookies: RateLimiter,
    sources: Sources,
}

impl Admission {
    /// Of one among so many workers, which share what may come.
    pub(crate) fn new(own: &OwnKey, workers: u8, now: Now) -> Admission {
        Admission {
            load: Load::new(HANDSHAKES_PER_SECOND / u64::from(workers), now),
            cookies: RateLimiter::new(&own.public, 0),
            sources: Sources::new(SOURCE_RATE.shared_by(workers)),
        }
    }

    /// Checks the MACs of an initiation or response. Gives whether its sender has shown that
    /// it receives at its address, which is asked under load only. `room` has to hold 64 bytes.
    pub(crate) fn check(
        &mut self,
        now: Now,
        own: &OwnKey,
        source: IpAddr,
        datagram: &[u8],
        room: &mut [u8],
    ) -> Result<bool, Turned> {
        let high = self.load.is_high(now);
        let limiter = if high { &self.cookies } else { &own.agreeable };
        let checked = verify(limiter, source, datagram, room);
        if checked == Err(Turned::BadMac) {
            return Err(Turned::BadMac);
        }
        self.load.count(now);
        checked?;
        if high && !self.sources.take(now, source) {
            return Err(Turned::SourceLimit);
        }
        Ok(high)
    }

    /// Whether the sender of an initiation, of which there are too many of the same peer, has
    /// shown that it receives at its address. `room` has to hold 64 bytes.
    pub(crate) fn check_sender(
        &mut self,
        now: Now,
        source: IpAddr,
        datagram: &[u8],
        room: &mut [u8],
    ) -> Result<(), Turned> {
        verify(&self.cookies, source, datagram, room)?;
        match self.sources.take(now, source) {
            true => Ok(()),
            false => Err(Turned::SourceLimit),
        }
    }

    /// The key that an initiation claims to be from. Not proven yet: whoever knows two
    /// public keys can write this part.
    pub(crate) fn initiator(own: &OwnKey, datagram: &[u8]) -> Option<[u8; KEY_LEN]> {
        let Ok(Packet::HandshakeInit(initiation)) = Tunn::parse_incoming_packet(datagram) else {
            return None;
        };
        let half = parse_handshake_anon(&own.private, &own.public, &initiation).ok()?;
        Some(half.peer_static_public)
    }
}

fn verify(
    limiter: &RateLimiter,
    source: IpAddr,
    datagram: &[u8],
    room: &mut [u8],
) -> Result<(), Turned> {
    match limiter.verify_packet(Some(source), datagram, room) {
        Ok(_) => Ok(()),
        Err(TunnResult::WriteToNetwork(cookie)) => Err(Turned::UnderLoad(cookie.len())),
        Err(_) => Err(Turned::BadMac),
    }
}

/// Whether more handshake messages come than can be served.
struct Load {
    /// Messages in a window that are too many.
    limit: u64,
    window: Now,
    count: u64,
    high_until: Now,
}

impl Load {
    fn new(limit: u64, now: Now) -> Load {
        Load {
            limit,
            window: now,
            count: 0,
            high_until: now,
        }
    }

    fn count(&mut self, now: Now) {
        if now.since(self.window) >= LOAD_WINDOW {
            self.window = now;
            self.count = 0;
        }
        self.count += 1;
        if self.count >= self.limit {
            self.high_until = now + LOAD_WINDOW;
        }
    }

    /// Still for a while after too many came: a flood must not have the first thousand of
    /// each second for nothing.
    fn is_high(&self, now: Now) -> bool {
        now < self.high_until
    }
}

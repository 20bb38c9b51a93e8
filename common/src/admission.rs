//! Who may cause work: the checks before a handshake message reaches a tunnel.
//!
//! The order goes from cheap to dear, and an unauthenticated message is answered only
//! under load: length and type ([`guard::message`](crate::guard::message)), first MAC
//! (0.5 µs), cookie if more than [`HANDSHAKES_PER_SECOND`] came (7 µs), then the key
//! exchange that shows the initiator's key (about 80 µs), then whether a peer has that
//! key, and only then its tunnel (about 300 µs). A bucket for each source and one for
//! each identity belong between cookie and key exchange.

use std::net::IpAddr;

use boringtun::noise::handshake::parse_handshake_anon;
use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{Packet, Tunn, TunnResult};

use crate::guard::HANDSHAKES_PER_SECOND;
use crate::key::KEY_LEN;
use crate::tunnel::OwnKey;

/// Why a handshake message goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Not made for our key.
    BadMac,
    /// Too many come: a cookie reply of this length was written.
    UnderLoad(usize),
}

/// Counts handshakes, and asks for cookies when they are too many.
pub(crate) struct Admission {
    limiter: RateLimiter,
}

impl Admission {
    pub(crate) fn new(own: &OwnKey) -> Admission {
        Admission {
            limiter: RateLimiter::new(&own.public, HANDSHAKES_PER_SECOND),
        }
    }

    /// Checks the MACs of an initiation or response. `room` has to hold 64 bytes.
    pub(crate) fn check(
        &self,
        source: IpAddr,
        datagram: &[u8],
        room: &mut [u8],
    ) -> Result<(), Turned> {
        // Starts a new count if the last one is a second old.
        self.limiter.reset_count();
        match self.limiter.verify_packet(Some(source), datagram, room) {
            Ok(_) => Ok(()),
            Err(TunnResult::WriteToNetwork(cookie)) => Err(Turned::UnderLoad(cookie.len())),
            Err(_) => Err(Turned::BadMac),
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

//! Whose initiation was answered where: a guess that saves a key exchange.
//!
//! An initiation shows whose it is only to whoever does a key exchange for it, and the
//! tunnel of that peer then does the same exchange again. But who begins the next session
//! mostly does so from where it began the last one: its tunnel may be tried at once.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::SocketAddr;

use crate::peers::PeerId;

/// Places for endpoints. A power of two; 256 KiB in all, of which only pages that were
/// written to take memory.
const PLACES: usize = 65_536;

/// The peer answered last at each endpoint, in a table that never grows.
///
/// Nothing is ever taken out of it, and two endpoints may share a place: what it gives is
/// a guess, and only the handshake itself says whether it was right.
pub(crate) struct Callers {
    hasher: RandomState,
    /// The peer's place and one more; zero if there was none.
    peers: Box<[u32]>,
}

impl Callers {
    pub(crate) fn new() -> Callers {
        Callers {
            hasher: RandomState::new(),
            peers: vec![0; PLACES].into_boxed_slice(),
        }
    }

    fn place(&self, endpoint: SocketAddr) -> usize {
        // Cast: the lowest bits are as random as the others.
        self.hasher.hash_one(endpoint) as usize % PLACES
    }

    /// Notes that an initiation of `peer` from `endpoint` was answered.
    pub(crate) fn note(&mut self, endpoint: SocketAddr, peer: PeerId) {
        self.peers[self.place(endpoint)] = peer.0.saturating_add(1);
    }

    /// Whose initiation from `endpoint` probably is.
    pub(crate) fn guess(&self, endpoint: SocketAddr) -> Option<PeerId> {
        self.peers[self.place(endpoint)].checked_sub(1).map(PeerId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_peer_at_an_endpoint_is_guessed_and_nobody_elsewhere() {
        let mut callers = Callers::new();
        let endpoint = |port| SocketAddr::from(([192, 0, 2, 1], port));
        assert_eq!(callers.guess(endpoint(1)), None);
        for peer in [0, 7] {
            callers.note(endpoint(1), PeerId(peer));
            assert_eq!(callers.guess(endpoint(1)), Some(PeerId(peer)));
        }
        // Of many others hardly any shares its place.
        let others = (2..102).filter(|port| callers.guess(endpoint(*port)).is_some());
        assert!(others.count() < 10);
    }
}

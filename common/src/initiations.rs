//! Which initiations of a peer were answered already.

use std::collections::VecDeque;
use std::fmt;

use blake2::Blake2sMac;
use blake2::digest::consts::U8;
use blake2::digest::{FixedOutput as _, KeyInit as _, Update as _};
use rand_core::{OsRng, RngCore as _};

/// How many initiations of one peer are remembered: those of eight hours, at one every
/// two minutes.
const REMEMBERED: usize = 256;

const KEY_LEN: usize = 16;
const HASH_LEN: usize = 8;

/// The initiations that a peer sent and we answered, the last 256 of them.
///
/// An initiation carries the time, and a tunnel refuses one that is older than the last.
/// That knowledge ends with the tunnel, and does not help a peer whose clock was set
/// back. Here an initiation is known by its ephemeral key, which nobody but its sender
/// can change: the sender index is in no hash of the handshake, and the first MAC needs
/// no more than our public key.
///
/// What is kept are hashes with a random key, so that the peers who choose the
/// ephemerals cannot choose the hashes.
#[derive(Clone, PartialEq, Eq)]
pub struct SeenInitiations {
    key: [u8; KEY_LEN],
    /// Oldest first.
    hashes: VecDeque<u64>,
}

/// How many, not which.
impl fmt::Debug for SeenInitiations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} initiations", self.hashes.len())
    }
}

impl SeenInitiations {
    /// None seen, and a new key.
    pub(crate) fn new() -> SeenInitiations {
        let mut key = [0; KEY_LEN];
        OsRng.fill_bytes(&mut key);
        SeenInitiations {
            key,
            hashes: VecDeque::new(),
        }
    }

    fn hash(&self, ephemeral: &[u8]) -> u64 {
        let mac = Blake2sMac::<U8>::new_from_slice(&self.key);
        let mut mac = mac.expect("invariant: the key is no longer than BLAKE2s takes");
        mac.update(ephemeral);
        u64::from_le_bytes(mac.finalize_fixed().into())
    }

    /// Whether the initiation with this ephemeral key was answered.
    pub(crate) fn contains(&self, ephemeral: &[u8]) -> bool {
        self.hashes.contains(&self.hash(ephemeral))
    }

    /// Notes that the initiation with this ephemeral key was answered.
    pub(crate) fn insert(&mut self, ephemeral: &[u8]) {
        if self.hashes.len() == REMEMBERED {
            self.hashes.pop_front();
        }
        self.hashes.push_back(self.hash(ephemeral));
    }

    /// The whole as bytes, to be stored: the key, then the hashes, oldest first and
    /// little-endian; at most 2 064 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let hashes = self.hashes.iter().flat_map(|hash| hash.to_le_bytes());
        self.key.into_iter().chain(hashes).collect()
    }

    /// What [`SeenInitiations::to_bytes`] gave; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<SeenInitiations> {
        let (key, hashes) = bytes.split_first_chunk::<KEY_LEN>()?;
        let (hashes, rest) = hashes.as_chunks::<HASH_LEN>();
        (rest.is_empty() && hashes.len() <= REMEMBERED).then(|| SeenInitiations {
            key: *key,
            hashes: hashes
                .iter()
                .map(|hash| u64::from_le_bytes(*hash))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_256_are_known_also_after_a_way_through_bytes() {
        let mut seen = SeenInitiations::new();
        let ephemeral = |n: u16| {
            let mut ephemeral = [7; 32];
            ephemeral[..2].copy_from_slice(&n.to_le_bytes());
            ephemeral
        };
        for n in 0..300 {
            assert!(!seen.contains(&ephemeral(n)), "{n}");
            seen.insert(&ephemeral(n));
        }
        let bytes = seen.to_bytes();
        assert_eq!(bytes.len(), 2064);
        let seen = SeenInitiations::from_bytes(&bytes).unwrap();
        for n in 0..300 {
            assert_eq!(seen.contains(&ephemeral(n)), n >= 44, "{n}");
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        for len in [0, 15, 17, 23, 25, 16 + 257 * 8] {
            assert!(
                SeenInitiations::from_bytes(&vec![0; len]).is_none(),
                "{len}"
            );
        }
        for len in [16, 24, 16 + 256 * 8] {
            assert!(
                SeenInitiations::from_bytes(&vec![0; len]).is_some(),
                "{len}"
            );
        }
    }

    #[test]
    fn two_memories_hash_differently() {
        let (a, b) = (SeenInitiations::new(), SeenInitiations::new());
        assert_ne!(a.hash(&[1; 32]), b.hash(&[1; 32]));
    }
}

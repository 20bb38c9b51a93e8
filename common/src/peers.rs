//! All peers of a device.

use std::collections::HashMap;

use crate::clock::Now;
use crate::key::{KEY_LEN, PublicKey};
use crate::peer::{Peer, PeerConfig};

/// A peer's place in its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PeerId(pub(crate) u32);

/// All peers of a device, by place and by key.
#[derive(Default)]
pub(crate) struct Peers {
    places: Vec<Option<Peer>>,
    free: Vec<PeerId>,
    by_key: HashMap<[u8; KEY_LEN], PeerId>,
}

impl Peers {
    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, peers: usize) {
        self.places.reserve(peers.saturating_sub(self.free.len()));
        self.by_key.reserve(peers);
    }

    /// Adds a peer whose key no other has.
    pub(crate) fn insert(&mut self, config: PeerConfig, now: Now) -> PeerId {
        let id = self.free.pop().unwrap_or_else(|| {
            let id = u32::try_from(self.places.len()).expect("invariant: fewer than 2^32 peers");
            self.places.push(None);
            PeerId(id)
        });
        self.by_key.insert(*config.public_key.as_bytes(), id);
        self.places[id.0 as usize] = Some(Peer::new(id, config, now));
        id
    }

    pub(crate) fn remove(&mut self, key: &PublicKey) -> Option<Peer> {
        let id = self.by_key.remove(key.as_bytes())?;
        self.free.push(id);
        self.places[id.0 as usize].take()
    }

    pub(crate) fn find(&self, key: &[u8; KEY_LEN]) -> Option<PeerId> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.places.get(id.0 as usize)?.as_ref()
    }

    pub(crate) fn peer_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.places.get_mut(id.0 as usize)?.as_mut()
    }

    pub(crate) fn ids(&self) -> Vec<PeerId> {
        self.iter().map(|peer| peer.id).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.places.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.places.iter_mut().flatten()
    }
}

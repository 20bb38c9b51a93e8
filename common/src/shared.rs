//! What the peers of a device share.

use std::collections::HashMap;

use rand_core::{OsRng, RngCore};

use crate::allowed_ips::AllowedIps;
use crate::bucket::Bucket;
use crate::callers::Callers;
use crate::device::Worker;
use crate::outbox::Outbox;
use crate::peers::PeerId;
use crate::tunnel::OwnKey;

/// What a peer works with besides its own state.
pub(crate) struct Shared {
    pub(crate) own: OwnKey,
    pub(crate) indexes: Indexes,
    pub(crate) callers: Callers,
    pub(crate) allowed_ips: AllowedIps,
    /// How many peers have packets waiting for a session.
    pub(crate) waiting: usize,
    /// What is left of the tunnels that packets from the inside may make.
    pub(crate) wakes: Bucket,
    pub(crate) out: Outbox,
}

/// Which peer's session a message names.
///
/// A session index has 32 bits. Its upper 24 belong to one tunnel and are drawn at
/// random, so that nobody can guess them; the lowest of their three bytes also says
/// which worker has that tunnel, so that the kernel can deliver by it.
pub(crate) struct Indexes {
    worker: Worker,
    tunnels: HashMap<u32, PeerId>,
}

impl Indexes {
    pub(crate) fn new(worker: Worker) -> Indexes {
        Indexes {
            worker,
            tunnels: HashMap::new(),
        }
    }

    /// The worker whose session `session` is, if it is anybody's.
    pub(crate) fn owner(&self, session: u32) -> u8 {
        // Cast: the byte that the kernel's steering looks at.
        (session >> 8) as u8 % self.worker.count
    }

    /// The peer whose session `session` is.
    pub(crate) fn find(&self, session: u32) -> Option<PeerId> {
        self.tunnels.get(&(session >> 8)).copied()
    }

    /// Draws 24 bits that no tunnel has, for a new one of ours.
    pub(crate) fn draw(&self) -> u32 {
        loop {
            let session = OsRng.next_u32();
            if self.owner(session) == self.worker.index && self.find(session).is_none() {
                return session >> 8;
            }
        }
    }

    /// Leads to `peer` by the 24 bits of a tunnel of its.
    pub(crate) fn claim(&mut self, index: u32, peer: PeerId) {
        self.tunnels.insert(index, peer);
    }

    /// Gives the 24 bits of a tunnel back.
    pub(crate) fn release(&mut self, index: u32) {
        self.tunnels.remove(&index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_leads_to_its_worker_and_its_peer() {
        for index in 0..3 {
            let mut indexes = Indexes::new(Worker { index, count: 3 });
            for peer in 0..100 {
                let claimed = indexes.draw();
                indexes.claim(claimed, PeerId(peer));
                assert!(claimed < 1 << 24);
                for low in [0, 1, 255] {
                    let session = claimed << 8 | low;
                    assert_eq!(indexes.owner(session), index);
                    assert_eq!(indexes.find(session), Some(PeerId(peer)));
                }
                if peer % 2 == 0 {
                    indexes.release(claimed);
                    assert_eq!(indexes.find(claimed << 8), None);
                }
            }
        }
    }
}

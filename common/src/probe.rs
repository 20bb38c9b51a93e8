//! A peer that is only asked whether it answers, without a device.

use std::time::Duration;

use rand_core::{OsRng, RngCore as _};

use crate::clock::Now;
use crate::guard::{self, Message};
use crate::key::{PresharedKey, PrivateKey, PublicKey};
use crate::tunnel::{OwnKey, Tunnel, Written};

/// A handshake with a peer, begun to see whether it answers.
///
/// WireGuard is silent to whom it does not know: an answer shows that the peer is there, has
/// its key and the preshared key, and knows ours.
pub struct Probe {
    tunnel: Tunnel,
    /// As long as a tunnel wants it.
    room: Box<[u8]>,
}

impl Probe {
    /// A handshake that was not begun.
    ///
    /// # Panics
    /// If the clock stands before 1970.
    pub fn new(
        own: &PrivateKey,
        peer: &PublicKey,
        preshared_key: Option<&PresharedKey>,
        now: Now,
    ) -> Probe {
        let index = OsRng.next_u32() >> 8;
        let own = OwnKey::new(own);
        Probe {
            tunnel: Tunnel::new(&own, peer, preshared_key, None, index, now),
            room: vec![0; guard::MAX_DATAGRAM + guard::DATA_OVERHEAD].into(),
        }
    }

    /// A datagram to send to the peer: an initiation, another one each time. A peer takes one
    /// only if it was made after all that it has taken.
    pub fn initiation(&mut self, now: Now) -> &[u8] {
        match self.tunnel.initiate(now, true, &mut self.room) {
            Some(Written::Initiation(len) | Written::Data(len)) => &self.room[..len],
            None => unreachable!("invariant: there is room for an initiation"),
        }
    }

    /// Takes what came from where the initiation was sent to. If it is the peer's answer, gives
    /// the datagram to send that ends the handshake; whatever else it is, is passed over.
    pub fn answer(&mut self, now: Now, datagram: &[u8]) -> Option<&[u8]> {
        let message = guard::message(datagram)?;
        let session = guard::receiver_index(message, datagram)?;
        if session >> 8 != self.tunnel.index() || !self.tunnel.is_awaiting(now) {
            return None;
        }
        match message {
            Message::Response => {
                let answer = self.tunnel.accept_response(now, datagram, &mut self.room);
                answer.ok().map(|len| &self.room[..len])
            }
            // It wants to know first whether we receive at our address: the next one shows it.
            Message::CookieReply => {
                let _ = self.tunnel.accept_cookie(datagram, &mut self.room);
                None
            }
            Message::Initiation | Message::Data => None,
        }
    }

    /// How long the answer took.
    pub fn round_trip(&self) -> Option<Duration> {
        self.tunnel.rtt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now::from_nanos(1_000_000_000);

    /// A peer and its answer to an initiation, if it has one.
    struct Peer {
        key: PrivateKey,
        tunnel: Tunnel,
    }

    impl Peer {
        fn who_knows(caller: &PrivateKey) -> Peer {
            let key = PrivateKey::generate();
            let tunnel = Tunnel::new(&OwnKey::new(&key), &caller.public(), None, None, 7, NOW);
            Peer { key, tunnel }
        }

        fn answer(&mut self, initiation: &[u8]) -> Option<Vec<u8>> {
            let mut room = vec![0; guard::MAX_DATAGRAM + guard::DATA_OVERHEAD];
            let answer = self.tunnel.accept_initiation(NOW, initiation, &mut room);
            answer.ok().map(|len| room[..len].to_vec())
        }
    }

    #[test]
    fn the_peer_s_own_answer_counts_once_and_nothing_else_does() {
        let own = PrivateKey::generate();
        let mut peer = Peer::who_knows(&own);
        let mut probe = Probe::new(&own, &peer.key.public(), None, NOW);
        let mut other = Probe::new(&own, &peer.key.public(), None, NOW);
        let initiation = probe.initiation(NOW).to_vec();
        let answer = peer.answer(&initiation).expect("it knows who asks");
        let mut forged = answer.clone();
        forged[60] ^= 1;
        for hostile in [&forged[..], &initiation, &answer[..91], &[], &[4; 64]] {
            assert!(probe.answer(NOW, hostile).is_none());
        }
        assert!(other.answer(NOW, &answer).is_none(), "nothing was asked");
        let late = NOW + guard::ANSWER_LIFE + Duration::from_secs(1);
        assert!(probe.answer(late, &answer).is_none());

        let end = probe.answer(NOW, &answer).map(<[u8]>::to_vec);
        assert_eq!(end.as_deref().and_then(guard::message), Some(Message::Data));
        assert!(probe.round_trip().is_some());
        assert!(probe.answer(NOW, &answer).is_none());
    }

    #[test]
    fn whoever_has_another_preshared_key_is_no_answer() {
        let own = PrivateKey::generate();
        let mut peer = Peer::who_knows(&own);
        let secret = PresharedKey::generate();
        let mut probe = Probe::new(&own, &peer.key.public(), Some(&secret), NOW);
        let initiation = probe.initiation(NOW).to_vec();
        let answer = peer.answer(&initiation).expect("it knows who asks");
        assert!(probe.answer(NOW, &answer).is_none());
    }

    #[test]
    fn one_that_was_asked_twice_answers_both() {
        let own = PrivateKey::generate();
        let mut peer = Peer::who_knows(&own);
        let mut probe = Probe::new(&own, &peer.key.public(), None, NOW);
        let lost = probe.initiation(NOW).to_vec();
        let second = probe.initiation(NOW).to_vec();
        assert_ne!(lost, second);
        let answer = peer.answer(&second).expect("it knows who asks");
        assert!(probe.answer(NOW, &answer).is_some());
    }
}

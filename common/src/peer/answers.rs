//! The answers to a peer's initiations, from its tunnel or from a second one.

use super::{Peer, count, new_tunnel};
use crate::bucket::Bucket;
use crate::clock::Now;
use crate::guard::{self, Rate};
use crate::initiations::SeenInitiations;
use crate::outbox::Event;
use crate::roaming::Path;
use crate::shared::Shared;
use crate::tunnel::{Refused, Tunnel};

/// A response that was sent, and no data in its session yet.
pub(super) struct Answered {
    pub(super) session: u32,
    pub(super) at: Now,
}

/// What is left to a peer of the initiations that are answered. Recorded ones, which anybody
/// can send in its name, take nothing from those that only it can send.
pub(super) struct Allowance {
    /// Of those that its tunnel takes.
    plain: Bucket,
    /// Of those that go to a candidate.
    doubtful: Bucket,
    /// Of both, from who has shown that it receives at its address.
    shown: Bucket,
}

impl Allowance {
    pub(super) const FULL: Allowance = Allowance {
        plain: Bucket::FULL,
        doubtful: Bucket::FULL,
        shown: Bucket::FULL,
    };

    fn bucket(&mut self, sender: Sender, doubtful: bool) -> (&mut Bucket, Rate) {
        match sender {
            Sender::Shown => (&mut self.shown, guard::IDENTITY_RATE),
            Sender::Unknown if doubtful => (&mut self.doubtful, guard::DOUBT_RATE),
            Sender::Unknown => (&mut self.plain, guard::IDENTITY_RATE),
        }
    }

    fn check(&mut self, now: Now, sender: Sender, doubtful: bool) -> Result<(), Contested> {
        let (bucket, rate) = self.bucket(sender, doubtful);
        match bucket.is_empty(now, rate) {
            true => Err(Contested),
            false => Ok(()),
        }
    }

    fn take(&mut self, now: Now, sender: Sender, doubtful: bool) {
        let (bucket, rate) = self.bucket(sender, doubtful);
        bucket.take(now, rate);
    }
}

/// What is known of who sent an initiation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Nothing.
    Unknown,
    /// It receives at its address. A recorded initiation bears no cookie of today, unless its
    /// sender knows our public key and puts one on.
    Shown,
}

/// There are too many initiations of a peer. Nothing was done about this one; its sender may
/// show that it receives at its address.
pub(crate) struct Contested;

/// A second tunnel, for a peer that comes with a clock that was set back, as when a
/// token moves from a computer whose clock is fast to one whose clock is right.
///
/// It takes the place of the first when data proves that the peer means it; what
/// somebody recorded and sends again gets an answer at most.
pub(super) struct Candidate {
    pub(super) tunnel: Box<Tunnel>,
    made: Now,
    /// Its last response.
    answered: Answered,
    /// Whom that went to.
    sender: Sender,
}

impl Candidate {
    /// When it is given up. It is never ticked, which it would have to be if it could
    /// live longer.
    pub(super) fn end(&self) -> Now {
        self.answered.at + guard::CANDIDATE_LIFE
    }

    /// Whether it may take another initiation.
    fn is_young(&self, now: Now) -> bool {
        now.since(self.made) < guard::CANDIDATE_LIFE
    }

    /// Whether it still waits for data from one who has shown its address, in a session that
    /// others must not crowd out.
    fn is_reserved(&self, now: Now) -> bool {
        self.sender == Sender::Shown && now.since(self.answered.at) < guard::CANDIDATE_WAIT
    }
}

impl Peer {
    /// Answers an initiation, to where it came from.
    ///
    /// # Errors
    /// [`Contested`]
    pub(crate) fn handle_initiation(
        &mut self,
        now: Now,
        from: Path,
        sender: Sender,
        datagram: &[u8],
        shared: &mut Shared,
    ) -> Result<(), Contested> {
        self.catch_up(now, shared);
        let ephemeral = guard::ephemeral(datagram);
        if self.seen.as_ref().is_some_and(|s| s.contains(ephemeral)) {
            count(Refused::Replayed, &mut shared.out);
            return Ok(());
        }
        let in_doubt = self.is_clock_in_doubt(now);
        if self.tunnel(now, shared).is_crowded() {
            return self.try_candidate(now, from, sender, datagram, shared);
        }
        self.allowance.check(now, sender, false)?;
        let tunnel = self.tunnel(now, shared);
        match tunnel.accept_initiation(now, datagram, shared.out.trains.room()) {
            Ok(len) => {
                self.allowance.take(now, sender, false);
                self.answer_from_tunnel(now, from, ephemeral, len, shared);
            }
            Err(Refused::Replayed) if in_doubt => {
                return self.try_candidate(now, from, sender, datagram, shared);
            }
            Err(refused) => {
                count(refused, &mut shared.out);
                if !tunnel.is_proven() && !tunnel.is_awaiting(now) {
                    self.drop_tunnel(shared);
                }
            }
        }
        Ok(())
    }

    /// Answers an initiation that may be of this peer, if that is as simple as it mostly is:
    /// where [`Peer::handle_initiation`] would have its tunnel answer. False otherwise: then
    /// the tunnel is as it was, and whose initiation it is remains to be found out.
    pub(crate) fn try_initiation(
        &mut self,
        now: Now,
        from: Path,
        datagram: &[u8],
        shared: &mut Shared,
    ) -> bool {
        self.catch_up(now, shared);
        let ephemeral = guard::ephemeral(datagram);
        let replayed = self.seen.as_ref().is_some_and(|s| s.contains(ephemeral));
        if replayed || self.allowance.check(now, Sender::Unknown, false).is_err() {
            return false;
        }
        let Some(tunnel) = self.tunnel.as_mut().filter(|tunnel| !tunnel.is_crowded()) else {
            return false;
        };
        let accepted = tunnel.accept_initiation(now, datagram, shared.out.trains.room());
        let Ok(len) = accepted else {
            return false;
        };
        self.allowance.take(now, Sender::Unknown, false);
        self.answer_from_tunnel(now, from, ephemeral, len, shared);
        true
    }

    /// Sends what the tunnel has answered to an initiation.
    fn answer_from_tunnel(
        &mut self,
        now: Now,
        to: Path,
        ephemeral: &[u8],
        len: usize,
        shared: &mut Shared,
    ) {
        let session = guard::sender_index(shared.out.trains.room());
        self.answered = Some(Answered { session, at: now });
        self.greetings = None;
        self.answer(to, ephemeral, len, shared);
    }

    /// Sends the answer to an initiation, and remembers to do so once only.
    fn answer(&mut self, to: Path, ephemeral: &[u8], len: usize, shared: &mut Shared) {
        let out = &mut shared.out;
        out.trains.answer(to, len);
        shared.callers.note(to.endpoint, self.id);
        let seen = self
            .seen
            .get_or_insert_with(|| SeenInitiations::new().into());
        seen.insert(ephemeral);
        out.events.push_back(Event::InitiationAnswered {
            peer: self.config.public_key,
        });
    }

    /// Whether an initiation may be older than another of the same peer and still be new:
    /// one whose session is alive has no reason to begin another on another clock.
    fn is_clock_in_doubt(&self, now: Now) -> bool {
        let silent = |heard| now.since(heard) >= guard::CLOCK_DOUBT;
        self.last_heard.is_none_or(silent)
    }

    /// Answers an initiation from a second tunnel: one that is older than another, or
    /// one too many that nothing came of.
    fn try_candidate(
        &mut self,
        now: Now,
        from: Path,
        sender: Sender,
        datagram: &[u8],
        shared: &mut Shared,
    ) -> Result<(), Contested> {
        self.allowance.check(now, sender, true)?;
        let ephemeral = guard::ephemeral(datagram);
        let young = |candidate: &&mut Candidate| candidate.is_young(now);
        if let Some(candidate) = self.candidate.as_mut().filter(young) {
            let reserved = candidate.is_reserved(now);
            if reserved && sender == Sender::Unknown {
                return Err(Contested);
            }
            let room = shared.out.trains.room();
            match candidate.tunnel.accept_initiation(now, datagram, room) {
                Ok(len) => {
                    let session = guard::sender_index(room);
                    candidate.answered = Answered { session, at: now };
                    candidate.sender = sender;
                    self.allowance.take(now, sender, true);
                    self.answer(from, ephemeral, len, shared);
                    return Ok(());
                }
                Err(Refused::Replayed) if reserved => return Err(Contested),
                // Another one takes its place, or whoever sends a recorded initiation
                // with a late time would keep the peer out.
                Err(Refused::Replayed) => {}
                Err(refused) => {
                    count(refused, &mut shared.out);
                    return Ok(());
                }
            }
        }
        self.drop_candidate(shared);
        let mut tunnel = new_tunnel(self.id, &self.config, now, shared);
        let room = shared.out.trains.room();
        match tunnel.accept_initiation(now, datagram, room) {
            Ok(len) => {
                let session = guard::sender_index(room);
                self.candidate = Some(Candidate {
                    tunnel,
                    made: now,
                    answered: Answered { session, at: now },
                    sender,
                });
                self.allowance.take(now, sender, true);
                self.answer(from, ephemeral, len, shared);
            }
            Err(refused) => {
                shared.indexes.release(tunnel.index());
                count(refused, &mut shared.out);
            }
        }
        Ok(())
    }

    /// Data has proved the candidate: it takes the place of the other tunnel, whose
    /// sessions end.
    pub(super) fn promote(&mut self, shared: &mut Shared) {
        let Some(candidate) = self.candidate.take() else {
            return;
        };
        self.end_wait(shared);
        self.answered = Some(candidate.answered);
        if let Some(old) = self.tunnel.replace(candidate.tunnel) {
            shared.indexes.release(old.index());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::key::PrivateKey;
    use crate::tunnel::OwnKey;

    const NOW: Now = Now::from_nanos(1 << 40);

    #[test]
    fn what_can_be_recorded_takes_nothing_from_what_only_the_peer_can_send() {
        let rates = [
            (Sender::Unknown, false, guard::IDENTITY_RATE),
            (Sender::Unknown, true, guard::DOUBT_RATE),
            (Sender::Shown, false, guard::IDENTITY_RATE),
        ];
        for (n, (sender, doubtful, rate)) in rates.into_iter().enumerate() {
            let mut allowance = Allowance::FULL;
            for _ in 0..rate.burst {
                assert!(allowance.check(NOW, sender, doubtful).is_ok());
                allowance.take(NOW, sender, doubtful);
            }
            for (other, (sender, doubtful, _)) in rates.into_iter().enumerate() {
                let left = allowance.check(NOW, sender, doubtful).is_ok();
                assert_eq!(left, other != n, "{n} {other}");
            }
            let mut is_left = |wait| allowance.check(NOW + wait, sender, doubtful).is_ok();
            assert!(!is_left(rate.every - Duration::from_nanos(1)) && is_left(rate.every));
        }
    }

    #[test]
    fn a_candidate_is_kept_a_second_for_whoever_has_shown_its_address() {
        let (own, peer) = (PrivateKey::generate(), PrivateKey::generate());
        let reserved = |sender, age| {
            let own = OwnKey::new(&own);
            let tunnel = Tunnel::new(&own, &peer.public(), None, None, 7, NOW);
            let candidate = Candidate {
                tunnel: tunnel.into(),
                made: NOW,
                answered: Answered {
                    session: 0,
                    at: NOW,
                },
                sender,
            };
            candidate.is_reserved(NOW + age)
        };
        let almost = guard::CANDIDATE_WAIT - Duration::from_nanos(1);
        assert!(reserved(Sender::Shown, almost));
        assert!(!reserved(Sender::Shown, guard::CANDIDATE_WAIT));
        assert!(!reserved(Sender::Unknown, Duration::ZERO));
    }
}

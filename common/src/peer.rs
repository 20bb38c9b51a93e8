//! One peer: when it is spoken to, what is believed of it, and where it is.

mod answers;

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use rand_core::{OsRng, RngCore};

use self::answers::{Allowance, Answered, Candidate};
pub(crate) use self::answers::{Contested, Sender};
use crate::bucket::Bucket;
use crate::clock::Now;
use crate::guard;
use crate::initiations::SeenInitiations;
use crate::key::{PresharedKey, PublicKey};
use crate::outbox::{Event, MAX_TRAIN, Outbox};
use crate::peers::PeerId;
use crate::roaming::{Path, Roaming};
use crate::run::Ecn;
use crate::shared::Shared;
use crate::tunnel::{Opened, Refused, Tick, Tunnel, Written};

/// Another end of a tunnel.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Its key.
    pub public_key: PublicKey,
    /// The second secret both ends share, if any.
    pub preshared_key: Option<PresharedKey>,
    /// The inner addresses that belong to it; no address may belong to two peers.
    pub allowed_ips: Vec<IpNet>,
    /// Where it was last heard from, or is expected.
    pub endpoint: Option<SocketAddr>,
    /// Seconds between persistent keepalives, if any.
    pub keepalive: Option<u16>,
    /// Keep a session at all times: connect at once, rekey unasked, ask for another soon if
    /// nothing is heard, never give up.
    pub keep_session: bool,
    /// Index of the worker that keeps this peer's state.
    pub owner: u8,
}

/// What is known of one peer.
#[derive(Clone, Debug)]
pub struct PeerStats {
    /// Its key.
    pub public_key: PublicKey,
    /// Where it was last heard from, or is expected.
    pub endpoint: Option<SocketAddr>,
    /// Start of the newest session.
    pub last_handshake: Option<Now>,
    /// Bytes of inner packets received from it.
    pub rx_bytes: u64,
    /// Bytes of inner packets sent to it.
    pub tx_bytes: u64,
    /// Its inner addresses.
    pub allowed_ips: Vec<IpNet>,
    /// Seconds between persistent keepalives.
    pub keepalive: Option<u16>,
    /// Round-trip time of the last handshake that we started.
    pub rtt: Option<Duration>,
    /// When the first packet was sent to it that nothing was heard after; `None` while it
    /// owes nothing.
    pub unheard_since: Option<Now>,
    /// When the first initiation was sent where it is that nothing was heard after.
    pub asked_since: Option<Now>,
}

/// A peer and, once there was reason to make one, its tunnel.
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) config: PeerConfig,
    pub(crate) roaming: Roaming,
    /// Who has been given its networks, from which it may still send.
    pub(crate) successor: Option<PeerId>,
    tunnel: Option<Box<Tunnel>>,
    candidate: Option<Candidate>,
    /// What is left to it of the initiations that are answered.
    allowance: Allowance,
    /// Kept when a tunnel is dropped.
    pub(crate) seen: Option<Box<SeenInitiations>>,
    /// The one time at which this peer is due; other entries of the timers are void.
    pub(crate) due: Option<Now>,
    /// End of the wait for the answer to the first packet sent after a silence.
    hold_until: Option<Now>,
    /// Since when data was heard and nothing sent.
    owes_since: Option<Now>,
    /// When the first packet was sent that nothing was heard after.
    unheard_since: Option<Now>,
    /// When the first initiation was sent where it is that nothing was heard after.
    asked_since: Option<Now>,
    /// When the last initiation counts as lost.
    retry_at: Now,
    /// The first initiation that no session has come of.
    unanswered_since: Option<Now>,
    /// How often its session may be doubted.
    doubts: Bucket,
    /// Initiations sent to greet it, while that is going on.
    greetings: Option<u8>,
    /// Whether it is among those whose packets wait for a session.
    waiting: bool,
    /// Whether there is a session that both ends have the keys of.
    up: bool,
    answered: Option<Answered>,
    last_handshake: Option<Now>,
    last_heard: Option<Now>,
    rx_bytes: u64,
    tx_bytes: u64,
}

impl Peer {
    pub(crate) fn new(id: PeerId, config: PeerConfig, now: Now) -> Peer {
        Peer {
            id,
            roaming: Roaming::expected(config.endpoint),
            config,
            successor: None,
            tunnel: None,
            candidate: None,
            allowance: Allowance::FULL,
            seen: None,
            due: None,
            hold_until: None,
            owes_since: None,
            unheard_since: None,
            asked_since: None,
            retry_at: now,
            unanswered_since: None,
            doubts: Bucket::FULL,
            greetings: None,
            waiting: false,
            up: false,
            answered: None,
            last_handshake: None,
            last_heard: None,
            rx_bytes: 0,
            tx_bytes: 0,
        }
    }

    pub(crate) fn stats(&self) -> PeerStats {
        PeerStats {
            public_key: self.config.public_key,
            endpoint: self.roaming.path().map(|path| path.endpoint),
            last_handshake: self.last_handshake,
            rx_bytes: self.rx_bytes,
            tx_bytes: self.tx_bytes,
            allowed_ips: self.config.allowed_ips.clone(),
            keepalive: self.config.keepalive,
            rtt: self.tunnel.as_ref().and_then(|tunnel| tunnel.rtt()),
            unheard_since: self.unheard_since,
            asked_since: self.asked_since,
        }
    }

    /// When this peer wants [`Peer::tick`], if ever: an idle peer costs nothing.
    pub(crate) fn wake(&self, now: Now) -> Option<Now> {
        let candidate = self.candidate.as_ref().map(Candidate::end);
        let times = [self.wake_tunnel(now), candidate];
        times.into_iter().flatten().min()
    }

    fn wake_tunnel(&self, now: Now) -> Option<Now> {
        if self.greetings.is_some() {
            return None;
        }
        let restless = self.config.keep_session && self.roaming.path().is_some();
        let soon = now + guard::TICK;
        let Some(tunnel) = self.tunnel.as_ref().filter(|tunnel| !tunnel.is_expired()) else {
            return restless.then_some(self.retry_at.max(soon));
        };
        let next = match self.held(now) {
            Some(until) => until,
            None if tunnel.is_awaiting(now) && !tunnel.is_ready() => self.retry_at.max(soon),
            None => soon,
        };
        let doubted = self.doubted_at().filter(|at| *at > now);
        Some(doubted.map_or(next, |at| next.min(at)))
    }

    /// When the session is doubted, because the other end may have lost it; `None` while there is
    /// no reason to. Not before the last initiation counts as lost: an initiation of the other
    /// end's, if we answer it, ends the wait for ours in boringtun.
    fn doubted_at(&self) -> Option<Now> {
        let tunnel = self.tunnel.as_deref()?;
        let keeps = self.config.keep_session && tunnel.is_ready();
        let since = self.unheard_since.filter(|_| keeps)?;
        Some(self.retry_at.max(since + guard::doubt(tunnel.rtt())))
    }

    fn held(&self, now: Now) -> Option<Now> {
        self.hold_until.filter(|until| now < *until)
    }

    /// Does what time has made due. What has arrived meanwhile comes before it: whoever was
    /// stopped for a while must not doubt what he has not listened to.
    pub(crate) fn handle_timeout(&mut self, now: Now, shared: &mut Shared) {
        self.tick(now, shared);
        if self.doubted_at().is_some_and(|at| at <= now) && self.doubts.take(now, guard::DOUBT_PACE)
        {
            self.initiate(now, true, shared);
        }
    }

    /// Looks at the timers.
    fn tick(&mut self, now: Now, shared: &mut Shared) {
        self.drop_old_candidate(now, shared);
        if self.held(now).is_some() || self.greetings.is_some() {
            return;
        }
        let Some(tunnel) = &mut self.tunnel else {
            if self.config.keep_session {
                self.initiate(now, false, shared);
            }
            return;
        };
        let tick = tunnel.tick(now, shared.out.trains.room());
        let ready = tunnel.is_ready();
        match tick {
            Tick::Quiet => {}
            Tick::Written(written) => self.send_alone(now, written, &mut shared.out),
            Tick::Expired => self.expire(now, shared),
        }
        if !ready {
            self.end_session(&mut shared.out);
        }
        let due = |since| now.since(since) >= guard::ACKNOWLEDGE;
        if ready && self.owes_since.is_some_and(due) {
            self.send_keepalive(now, shared);
        }
        let old = |start| now.since(start) >= guard::REKEY_AFTER;
        if self.config.keep_session && ready && self.last_handshake.is_some_and(old) {
            self.initiate(now, false, shared);
        }
        let is_spent = |tunnel: &Tunnel| tunnel.is_spent(now);
        if !self.config.keep_session && self.tunnel.as_deref().is_some_and(is_spent) {
            self.drop_tunnel(shared);
        }
    }

    /// The tunnel gave up; what waited in it is gone.
    fn expire(&mut self, now: Now, shared: &mut Shared) {
        self.end_wait(shared);
        if self.config.keep_session {
            if now >= self.retry_at {
                self.initiate(now, false, shared);
            }
        } else {
            self.drop_tunnel(shared);
        }
    }

    /// Brings old timers up to date before a message goes in or out.
    fn catch_up(&mut self, now: Now, shared: &mut Shared) {
        self.drop_old_candidate(now, shared);
        let behind =
            |tunnel: &Tunnel| guard::is_stale(tunnel.ticked(), now) || tunnel.is_overdue(now);
        if self.tunnel.as_deref().is_some_and(behind) {
            self.tick(now, shared);
        }
    }

    fn tunnel(&mut self, now: Now, shared: &mut Shared) -> &mut Tunnel {
        self.tunnel
            .get_or_insert_with(|| new_tunnel(self.id, &self.config, now, shared))
    }

    /// Ends all sessions and forgets the handshakes.
    pub(crate) fn drop_tunnels(&mut self, shared: &mut Shared) {
        self.drop_candidate(shared);
        self.drop_tunnel(shared);
    }

    fn drop_candidate(&mut self, shared: &mut Shared) {
        if let Some(candidate) = self.candidate.take() {
            shared.indexes.release(candidate.tunnel.index());
        }
    }

    fn drop_old_candidate(&mut self, now: Now, shared: &mut Shared) {
        if self.candidate.as_ref().is_some_and(|c| c.end() <= now) {
            self.drop_candidate(shared);
        }
    }

    fn drop_tunnel(&mut self, shared: &mut Shared) {
        self.end_wait(shared);
        self.greetings = None;
        self.hold_until = None;
        self.owes_since = None;
        self.answered = None;
        self.asked_since = None;
        self.unanswered_since = None;
        if let Some(tunnel) = self.tunnel.take() {
            shared.indexes.release(tunnel.index());
        }
        self.end_session(&mut shared.out);
    }

    /// Sends an initiation to the stored endpoint; only if none waits for its answer,
    /// unless `again`.
    pub(crate) fn initiate(&mut self, now: Now, again: bool, shared: &mut Shared) {
        if self.roaming.path().is_none() {
            return;
        }
        let tunnel = self.tunnel(now, shared);
        if let Some(written) = tunnel.initiate(now, again, shared.out.trains.room()) {
            self.send_alone(now, written, &mut shared.out);
        }
    }

    fn send_keepalive(&mut self, now: Now, shared: &mut Shared) {
        if let Some(tunnel) = &mut self.tunnel
            && let Some(written) = tunnel.seal(now, &[], shared.out.trains.room())
        {
            self.send_alone(now, written, &mut shared.out);
        }
    }

    /// Sends what is in the trains' room to the stored endpoint.
    fn send_alone(&mut self, now: Now, written: Written, out: &mut Outbox) {
        let len = match written {
            Written::Data(len) => {
                self.owes_since = None;
                len
            }
            Written::Initiation(len) => {
                self.asked_since.get_or_insert(now);
                let since = *self.unanswered_since.get_or_insert(now);
                let jitter = OsRng.next_u32() % (guard::RETRY_JITTER_MILLIS + 1);
                let jitter = Duration::from_millis(jitter.into());
                self.retry_at = now + guard::retry_wait(since, now) + jitter;
                len
            }
        };
        match self.roaming.path() {
            Some(path) => out.trains.send(path, self.id, len),
            None => out.counters.no_endpoint += 1,
        }
    }

    /// Sends an inner packet that stands in `room`, with [`guard::PADDING`] bytes free
    /// behind it.
    pub(crate) fn handle_packet(
        &mut self,
        now: Now,
        room: &mut [u8],
        mtu: u16,
        shared: &mut Shared,
    ) {
        let len = room.len() - guard::PADDING;
        let ecn = Ecn::of(&room[..len]);
        let (padded, _) = room.split_at_mut(guard::padded_len(len, mtu));
        padded[len..].fill(0);
        let Some(path) = self.roaming.path() else {
            shared.out.counters.no_endpoint += 1;
            return;
        };
        if padded.len() + guard::DATA_OVERHEAD > MAX_TRAIN {
            shared.out.counters.bad_outgoing += 1;
            return;
        }
        self.catch_up(now, shared);
        self.greetings = None;
        if self.tunnel.is_none()
            && !self.config.keep_session
            && !shared.wakes.take(now, guard::WAKE_RATE)
        {
            shared.out.counters.wake_limit += 1;
            return;
        }
        if !self.tunnel(now, shared).is_ready() && !self.waiting {
            if shared.waiting == guard::MAX_WAITING_PEERS {
                shared.out.counters.no_queue += 1;
                self.initiate(now, false, shared);
                return;
            }
            self.waiting = true;
            shared.waiting += 1;
        }
        let tunnel = self.tunnel(now, shared);
        match tunnel.seal(now, padded, shared.out.trains.room()) {
            Some(Written::Data(sealed)) => {
                shared.out.trains.send_in_train(path, self.id, ecn, sealed);
                self.tx_bytes += len as u64;
                self.owes_since = None;
                self.unheard_since.get_or_insert(now);
                self.hold(now);
            }
            Some(initiation) => self.send_alone(now, initiation, &mut shared.out),
            None => {}
        }
    }

    fn hold(&mut self, now: Now) {
        if self.hold_until.is_none()
            && !self.is_awaiting(now)
            && let (Some(start), Some(heard)) = (self.last_handshake, self.last_heard)
            && guard::starts_hold(heard, start, now)
        {
            self.hold_until = Some(now + guard::HOLD);
        }
    }

    /// Whether a response or cookie reply is expected.
    pub(crate) fn is_awaiting(&self, now: Now) -> bool {
        self.tunnel
            .as_ref()
            .is_some_and(|tunnel| tunnel.is_awaiting(now))
    }

    /// Takes the answer to an initiation of ours.
    pub(crate) fn handle_response(
        &mut self,
        now: Now,
        from: Path,
        datagram: &[u8],
        shared: &mut Shared,
    ) {
        self.catch_up(now, shared);
        let Some(tunnel) = &mut self.tunnel else {
            return;
        };
        match tunnel.accept_response(now, datagram, shared.out.trains.room()) {
            Ok(keepalive) => {
                shared.out.trains.send(from, self.id, keepalive);
                self.heard(now, from, &mut shared.out);
                self.begin_session(now, &mut shared.out);
                self.send_waiting(shared);
            }
            Err(refused) => count(refused, &mut shared.out),
        }
    }

    /// Takes a cookie for the next initiation.
    pub(crate) fn handle_cookie_reply(&mut self, now: Now, datagram: &[u8], shared: &mut Shared) {
        self.catch_up(now, shared);
        let Some(tunnel) = &mut self.tunnel else {
            return;
        };
        if let Err(refused) = tunnel.accept_cookie(datagram, shared.out.trains.room()) {
            count(refused, &mut shared.out);
        }
    }

    /// Takes a data message whose counter is allowed.
    pub(crate) fn handle_data(
        &mut self,
        now: Now,
        from: Path,
        ecn: Ecn,
        datagram: &[u8],
        shared: &mut Shared,
    ) {
        self.catch_up(now, shared);
        let session = guard::receiver_index(guard::Message::Data, datagram);
        let candidate = self.candidate.as_mut().map(|c| &mut c.tunnel);
        let candidate = candidate.filter(|t| Some(t.index()) == session.map(|s| s >> 8));
        let proves = candidate.is_some();
        let Some(tunnel) = candidate.or(self.tunnel.as_mut()) else {
            return;
        };
        let Some(room) = shared.out.received.room() else {
            shared.out.counters.no_buffer += 1;
            return;
        };
        let opened = match tunnel.open(now, datagram, room) {
            Ok(opened) => opened,
            Err(refused) => return count(refused, &mut shared.out),
        };
        let straggles = session.is_some_and(|session| tunnel.straggles(session, now));
        match opened {
            Opened::Keepalive => {}
            Opened::Malformed => shared.out.counters.bad_inner += 1,
            Opened::Packet(len) => match guard::inner(&room[..len]) {
                None => shared.out.counters.bad_inner += 1,
                Some(inner) if !self.sends_for(shared.allowed_ips.owner(inner.source)) => {
                    shared.out.counters.spoofed_inner += 1;
                }
                Some(inner) => {
                    ecn.put(&mut room[..inner.len]);
                    shared.out.received.keep(inner.len);
                    self.rx_bytes += inner.len as u64;
                }
            },
        }
        if proves {
            self.promote(shared);
        }
        match straggles {
            true => self.is_there(now),
            false => self.heard(now, from, &mut shared.out),
        }
        if opened != Opened::Keepalive {
            self.owes_since.get_or_insert(now);
        }
        let confirmed = self.answered.take_if(|a| Some(a.session) == session);
        if let Some(Answered { at, .. }) = confirmed {
            self.begin_session(at, &mut shared.out);
        } else if proves || !self.up {
            self.begin_session(now, &mut shared.out);
        }
        self.send_waiting(shared);
    }

    /// Whether what belongs to this owner may come from this peer.
    fn sends_for(&self, owner: Option<PeerId>) -> bool {
        owner.is_some_and(|owner| owner == self.id || Some(owner) == self.successor)
    }

    /// Something authentic came.
    fn is_there(&mut self, now: Now) {
        self.last_heard = Some(now);
        self.hold_until = None;
        self.unheard_since = None;
        self.asked_since = None;
    }

    /// Something authentic came along `from`, where the peer is now.
    fn heard(&mut self, now: Now, from: Path, out: &mut Outbox) {
        self.is_there(now);
        if self.roaming.heard(from) {
            out.events.push_back(Event::EndpointMoved {
                peer: self.config.public_key,
                endpoint: from.endpoint,
            });
        }
    }

    /// Both ends have the keys of a session that began at `start`.
    fn begin_session(&mut self, start: Now, out: &mut Outbox) {
        self.last_handshake = Some(start);
        self.unanswered_since = None;
        self.retry_at = start;
        self.greetings = None;
        if !std::mem::replace(&mut self.up, true) {
            let peer = self.config.public_key;
            out.events.push_back(Event::SessionUp { peer });
        }
    }

    fn end_session(&mut self, out: &mut Outbox) {
        if std::mem::take(&mut self.up) {
            let peer = self.config.public_key;
            out.events.push_back(Event::SessionLost { peer });
        }
    }

    /// Sends the packets that waited for a session.
    fn send_waiting(&mut self, shared: &mut Shared) {
        let (Some(tunnel), Some(path)) = (&mut self.tunnel, self.roaming.path()) else {
            return;
        };
        while let Some(Written::Data(len)) = tunnel.seal_waiting(shared.out.trains.room()) {
            shared
                .out
                .trains
                .send_in_train(path, self.id, Ecn::NONE, len);
            self.tx_bytes += (len - guard::DATA_OVERHEAD) as u64;
            self.owes_since = None;
        }
        self.end_wait(shared);
    }

    fn end_wait(&mut self, shared: &mut Shared) {
        if std::mem::take(&mut self.waiting) {
            shared.waiting -= 1;
        }
    }

    /// Sends to `endpoint` from now on, and starts a handshake there.
    pub(crate) fn set_endpoint(&mut self, now: Now, endpoint: SocketAddr, shared: &mut Shared) {
        self.catch_up(now, shared);
        self.roaming = Roaming::expected(Some(endpoint));
        self.greetings = None;
        self.initiate(now, true, shared);
    }

    /// Starts a handshake at `endpoint` and goes on as before where it is: an answer from
    /// there moves the peer there.
    pub(crate) fn probe(&mut self, now: Now, endpoint: SocketAddr, shared: &mut Shared) {
        self.catch_up(now, shared);
        let here = std::mem::replace(&mut self.roaming, Roaming::expected(Some(endpoint)));
        let asked = (self.asked_since, self.unanswered_since, self.retry_at);
        self.initiate(now, true, shared);
        self.roaming = here;
        (self.asked_since, self.unanswered_since, self.retry_at) = asked;
    }

    /// Ends all sessions and speaks to nobody, until an endpoint is set. How long it has
    /// not answered is kept.
    pub(crate) fn rest(&mut self, shared: &mut Shared) {
        let unanswered_since = self.unanswered_since;
        self.drop_tunnels(shared);
        self.successor = None;
        self.roaming = Roaming::default();
        self.unanswered_since = unanswered_since;
        self.unheard_since = None;
        // What was due is so no more: a look at the timers of the next tunnel before their time
        // would have it ask again.
        self.due = None;
    }

    /// Our own address may have changed: tells the peer, and tries again at once if
    /// there is no session.
    pub(crate) fn handle_network_change(&mut self, now: Now, shared: &mut Shared) {
        self.roaming.forget_source();
        self.catch_up(now, shared);
        match &self.tunnel {
            Some(tunnel) if tunnel.is_ready() => self.send_keepalive(now, shared),
            _ if self.config.keep_session => {
                self.unanswered_since = None;
                self.initiate(now, true, shared);
            }
            _ => {}
        }
    }

    /// Puts the peer among those to be greeted. False if there is no need or no way to.
    pub(crate) fn start_greeting(&mut self) -> bool {
        let silent = self.tunnel.is_none() && !self.config.keep_session;
        let wanted = silent && self.greetings.is_none() && self.roaming.path().is_some();
        if wanted {
            self.greetings = Some(0);
        }
        wanted
    }

    /// Sends the next greeting. False if it was answered, or the last one was not.
    pub(crate) fn greet(&mut self, now: Now, shared: &mut Shared) -> bool {
        match self.greetings {
            None => false,
            Some(guard::GREETINGS) => {
                self.drop_tunnel(shared);
                false
            }
            Some(sent) => {
                self.initiate(now, true, shared);
                self.greetings = Some(sent + 1);
                true
            }
        }
    }
}

/// A tunnel for the peer `id`, with an index that leads to it.
fn new_tunnel(id: PeerId, config: &PeerConfig, now: Now, shared: &mut Shared) -> Box<Tunnel> {
    let index = shared.indexes.draw();
    let tunnel = Tunnel::new(
        &shared.own,
        &config.public_key,
        config.preshared_key.as_ref(),
        config.keepalive,
        index,
        now,
    );
    // Only now: making one panics if the clock stands before 1970.
    shared.indexes.claim(index, id);
    Box::new(tunnel)
}

fn count(refused: Refused, out: &mut Outbox) {
    match refused {
        Refused::Replayed => out.counters.replayed += 1,
        Refused::Unauthentic => out.counters.unauthentic += 1,
    }
}

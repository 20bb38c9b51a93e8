//! boringtun's tunnel, with its many meanings told apart.
//!
//! Never print a type of boringtun's with `{:?}`: some show keys.

use std::sync::Arc;
use std::time::Duration;

use boringtun::noise::errors::WireGuardError;
use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{Tunn, TunnResult};
use x25519_dalek::StaticSecret;

use crate::clock::Now;
use crate::guard::{self, Message};
use crate::key::{PresharedKey, PrivateKey, PublicKey};

/// Places for sessions in a tunnel (boringtun's `N_SESSIONS`).
const SESSIONS: u32 = 8;

/// Our key, and what all tunnels made with it share.
pub(crate) struct OwnKey {
    pub(crate) private: StaticSecret,
    pub(crate) public: x25519_dalek::PublicKey,
    /// A tunnel asks a rate limiter once more after [`crate::admission`] has decided.
    /// This one always agrees.
    pub(crate) agreeable: Arc<RateLimiter>,
}

impl OwnKey {
    pub(crate) fn new(key: &PrivateKey) -> OwnKey {
        let private = key.to_static_secret();
        let public = x25519_dalek::PublicKey::from(&private);
        OwnKey {
            agreeable: Arc::new(RateLimiter::new(&public, u64::MAX)),
            private,
            public,
        }
    }
}

/// A message that a tunnel wrote into the room it was given, with its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Initiation(usize),
    Data(usize),
}

/// What has come of a look at a tunnel's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tick {
    Quiet,
    Written(Written),
    /// It has no session and does not try to get one.
    Expired,
}

/// What a data message held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Keepalive,
    /// This many bytes, at the start of the room.
    Packet(usize),
    /// Something authentic, but no IP packet.
    Malformed,
}

/// Why a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It was there before, or is older than what was.
    Replayed,
    /// It is not from this peer, or not for this session.
    Unauthentic,
}

impl From<WireGuardError> for Refused {
    fn from(error: WireGuardError) -> Refused {
        match error {
            WireGuardError::DuplicateCounter
            | WireGuardError::InvalidCounter
            | WireGuardError::WrongTai64nTimestamp => Refused::Replayed,
            _ => Refused::Unauthentic,
        }
    }
}

/// Handshake, sessions and timers with one peer.
///
/// Every `room` has to hold 65 567 bytes or more: boringtun panics when a datagram or
/// packet does not fit, before it has authenticated anything.
pub(crate) struct Tunnel {
    tunn: Tunn,
    index: u32,
    ticked: Now,
    ready: bool,
    awaiting: bool,
    proven: bool,
    /// The session index given out last.
    newest: u32,
    /// The index of the session in use.
    current: u32,
    /// The index in the last initiation of ours.
    initiated: u32,
    /// When the session in each place began.
    begun: [Now; SESSIONS as usize],
    /// When the next session in each place was asked for.
    asked: [Now; SESSIONS as usize],
    rtt: Option<Duration>,
}

impl Tunnel {
    /// A tunnel without a session. The indexes that it gives to its sessions are
    /// `index << 8` and up to 255 more.
    pub(crate) fn new(
        own: &OwnKey,
        peer: &PublicKey,
        preshared_key: Option<&PresharedKey>,
        keepalive: Option<u16>,
        index: u32,
        now: Now,
    ) -> Tunnel {
        let tunn = Tunn::new(
            own.private.clone(),
            x25519_dalek::PublicKey::from(*peer.as_bytes()),
            preshared_key.map(|key| *key.expose()),
            keepalive,
            index,
            Some(own.agreeable.clone()),
        );
        Tunnel {
            tunn,
            index,
            ticked: now,
            ready: false,
            awaiting: false,
            proven: false,
            newest: index << 8,
            current: index << 8,
            initiated: index << 8,
            begun: [now; SESSIONS as usize],
            asked: [now; SESSIONS as usize],
            rtt: None,
        }
    }

    /// The 24 bits that all its session indexes begin with.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// When its timers were last looked at.
    pub(crate) fn ticked(&self) -> Now {
        self.ticked
    }

    /// Whether it has a session to send with.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether an initiation of ours may still be answered.
    pub(crate) fn is_awaiting(&self, now: Now) -> bool {
        let asked = self.asked[place(self.initiated)];
        self.awaiting && now.since(asked) <= guard::ANSWER_LIFE
    }

    /// Whether nothing is left of it: its last session has ended, nobody may begin another
    /// with what was answered, and it waits for nothing.
    pub(crate) fn is_spent(&self, now: Now) -> bool {
        let over = |begun: &Now| now.since(*begun) > guard::SESSION_LIFETIME;
        !self.ready && !self.is_awaiting(now) && self.begun.iter().all(over)
    }

    /// Whether the peer ever proved that it holds its key.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether it has no session and does not try to get one.
    pub(crate) fn is_expired(&self) -> bool {
        self.tunn.is_expired()
    }

    /// Whether the next response would take the place of the session in use, or of the one
    /// that would be. A tunnel has places for eight sessions and fills them in turn, whether
    /// or not the peer ever uses them: eight recorded initiations would end a session, or
    /// begin one that the peer has not confirmed.
    pub(crate) fn is_crowded(&self) -> bool {
        self.newest.wrapping_add(1) % SESSIONS == self.current % SESSIONS
    }

    fn note_begin(&mut self, session: u32, now: Now) {
        self.begun[place(session)] = now;
    }

    /// Whether `session` has outlived its keys. boringtun notices at a look at the timers
    /// only, which may be due in a moment or rest.
    fn is_past_end(&self, session: u32, now: Now) -> bool {
        now.since(self.begun[place(session)]) > guard::SESSION_LIFETIME
    }

    /// Whether it would send in a session that has outlived its keys.
    pub(crate) fn is_overdue(&self, now: Now) -> bool {
        self.ready && self.is_past_end(self.current, now)
    }

    /// A session is used whose index is `session`. What comes late on an older one does
    /// not bring that back.
    fn note_use(&mut self, session: u32) {
        // Not by the index: unanswered initiations count it on, and round.
        if self.begun[place(session)] >= self.begun[place(self.current)] {
            self.current = session;
        }
    }

    /// Whether what comes in `session` may have been sent before the one in use began.
    pub(crate) fn straggles(&self, session: u32, now: Now) -> bool {
        let current = self.begun[place(self.current)];
        self.begun[place(session)] < current && now.since(current) < guard::STRAGGLE
    }

    /// Round-trip time of the last handshake that we started.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Looks at the timers. Sessions end here and nowhere else.
    pub(crate) fn tick(&mut self, now: Now, room: &mut [u8]) -> Tick {
        self.ticked = now;
        let tick = match self.tunn.update_timers(room) {
            TunnResult::Err(WireGuardError::ConnectionExpired) => Tick::Expired,
            result => match written(result) {
                Some(written) => Tick::Written(written),
                None => Tick::Quiet,
            },
        };
        self.ready = self.tunn.time_since_last_handshake().is_some();
        if let Tick::Written(written) = tick {
            self.note_initiation(now, written, room);
        }
        tick
    }

    /// Writes an initiation; nothing if one waits for its answer, unless `again`.
    pub(crate) fn initiate(&mut self, now: Now, again: bool, room: &mut [u8]) -> Option<Written> {
        let written = written(self.tunn.format_handshake_initiation(room, again))?;
        self.note_initiation(now, written, room);
        Some(written)
    }

    /// Encrypts `packet`, or a keepalive if that is empty. Without a session the packet
    /// waits for one, and an initiation is written unless one is under way.
    pub(crate) fn seal(&mut self, now: Now, packet: &[u8], room: &mut [u8]) -> Option<Written> {
        let written = written(self.tunn.encapsulate(packet, room))?;
        self.note_initiation(now, written, room);
        Some(written)
    }

    fn note_initiation(&mut self, now: Now, written: Written, room: &[u8]) {
        if let Written::Initiation(_) = written {
            self.awaiting = true;
            self.initiated = guard::sender_index(room);
            self.newest = self.initiated;
            self.asked[place(self.initiated)] = now;
        }
    }

    /// Encrypts the next packet that waited. To be called only right after
    /// [`Tunnel::accept_response`] or [`Tunnel::open`]: without a session it would start
    /// a second handshake.
    pub(crate) fn seal_waiting(&mut self, room: &mut [u8]) -> Option<Written> {
        written(self.tunn.decapsulate(None, &[], room))
    }

    /// Takes an initiation and writes the response, whose length it returns.
    pub(crate) fn accept_initiation(
        &mut self,
        now: Now,
        datagram: &[u8],
        room: &mut [u8],
    ) -> Result<usize, Refused> {
        match self.tunn.decapsulate(None, datagram, room) {
            TunnResult::WriteToNetwork(response) => {
                self.proven = true;
                let (len, session) = (response.len(), guard::sender_index(response));
                self.newest = session;
                self.note_begin(session, now);
                Ok(len)
            }
            TunnResult::Err(error) => Err(error.into()),
            _ => Err(Refused::Unauthentic),
        }
    }

    /// Takes a response and writes a keepalive, whose length it returns.
    pub(crate) fn accept_response(
        &mut self,
        now: Now,
        datagram: &[u8],
        room: &mut [u8],
    ) -> Result<usize, Refused> {
        let session = guard::receiver_index(Message::Response, datagram);
        let late = |session| now.since(self.asked[place(session)]) > guard::ANSWER_LIFE;
        if session.is_some_and(late) {
            return Err(Refused::Replayed);
        }
        match self.tunn.decapsulate(None, datagram, room) {
            TunnResult::WriteToNetwork(keepalive) => {
                let len = keepalive.len();
                self.ready = true;
                self.proven = true;
                if let Some(session) = session {
                    self.note_begin(session, now);
                    self.note_use(session);
                    // boringtun also takes the answer to the initiation before the last,
                    // and goes on to wait for the other.
                    self.awaiting = session != self.initiated;
                }
                let (.., millis) = self.tunn.stats();
                self.rtt = millis.map(|millis| Duration::from_millis(millis.into()));
                Ok(len)
            }
            TunnResult::Err(error) => Err(error.into()),
            _ => Err(Refused::Unauthentic),
        }
    }

    /// Takes a cookie for the next initiation. It proves nothing: whoever saw our
    /// initiation and knows the peer's public key can make one.
    pub(crate) fn accept_cookie(
        &mut self,
        datagram: &[u8],
        room: &mut [u8],
    ) -> Result<(), Refused> {
        match self.tunn.decapsulate(None, datagram, room) {
            TunnResult::Done => Ok(()),
            TunnResult::Err(error) => Err(error.into()),
            _ => Err(Refused::Unauthentic),
        }
    }

    /// Decrypts a data message.
    pub(crate) fn open(
        &mut self,
        now: Now,
        datagram: &[u8],
        room: &mut [u8],
    ) -> Result<Opened, Refused> {
        let session = guard::receiver_index(Message::Data, datagram);
        if session.is_some_and(|session| self.is_past_end(session, now)) {
            return Err(Refused::Unauthentic);
        }
        let opened = match self.tunn.decapsulate(None, datagram, room) {
            TunnResult::Done => Opened::Keepalive,
            TunnResult::WriteToTunnelV4(packet, _) => Opened::Packet(packet.len()),
            TunnResult::WriteToTunnelV6(packet, _) => Opened::Packet(packet.len()),
            // The message's own form was checked before, so this is about its content.
            TunnResult::Err(WireGuardError::InvalidPacket) => Opened::Malformed,
            TunnResult::Err(error) => return Err(error.into()),
            TunnResult::WriteToNetwork(_) => return Err(Refused::Unauthentic),
        };
        self.ready = true;
        self.proven = true;
        if let Some(session) = session {
            self.note_use(session);
        }
        Ok(opened)
    }
}

/// The place of a session.
fn place(session: u32) -> usize {
    (session % SESSIONS) as usize
}

fn written(result: TunnResult<'_>) -> Option<Written> {
    let TunnResult::WriteToNetwork(datagram) = result else {
        return None;
    };
    match guard::message(datagram) {
        Some(Message::Initiation) => Some(Written::Initiation(datagram.len())),
        _ => Some(Written::Data(datagram.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Now = Now::from_nanos(1);

    /// Two ends without a session.
    fn pair() -> (Tunnel, Tunnel) {
        let keys = [PrivateKey::generate(), PrivateKey::generate()];
        let tunnel = |own: &PrivateKey, peer: &PrivateKey| {
            Tunnel::new(&OwnKey::new(own), &peer.public(), None, None, 7, START)
        };
        (tunnel(&keys[0], &keys[1]), tunnel(&keys[1], &keys[0]))
    }

    /// An initiation that somebody recorded is answered without the peer.
    #[test]
    fn no_number_of_answers_begins_a_session_that_the_peer_has_not_confirmed() {
        let (mut ours, mut theirs) = pair();
        let mut room = vec![0; guard::MAX_DATAGRAM + guard::DATA_OVERHEAD];
        let mut answered = 0;
        while !theirs.is_crowded() {
            let Some(Written::Initiation(len)) = ours.initiate(START, true, &mut room) else {
                panic!("no initiation");
            };
            let initiation = room[..len].to_vec();
            theirs
                .accept_initiation(START, &initiation, &mut room)
                .expect("it is new");
            answered += 1;
            assert!(answered < SESSIONS, "the next one is in use unconfirmed");
        }
        let sealed = theirs.seal(START, &[0x45; 32], &mut room);
        assert!(matches!(sealed, Some(Written::Initiation(_))), "{sealed:?}");
    }

    #[test]
    fn an_initiation_that_can_be_answered_no_more_is_not_waited_for() {
        let (mut tunnel, _) = pair();
        assert!(!tunnel.is_awaiting(START));
        let mut room = vec![0; 2_048];
        tunnel.initiate(START, true, &mut room);
        assert!(tunnel.is_awaiting(START + guard::ANSWER_LIFE));
        let late = START + guard::ANSWER_LIFE + Duration::from_nanos(1);
        assert!(!tunnel.is_awaiting(late));
    }

    /// A peer that was away for long has let our indexes count round.
    #[test]
    fn a_session_that_comes_after_many_unanswered_calls_is_the_one_in_use() {
        let mut room = vec![0; 2_048];
        for calls in [1, 8, 100, 128, 200, 255, 256, 300] {
            let (mut ours, mut theirs) = pair();
            let back = START + Duration::from_secs(3_600);
            let mut initiation = Vec::new();
            for _ in 0..calls {
                let Some(Written::Initiation(len)) = ours.initiate(back, true, &mut room) else {
                    panic!("no initiation");
                };
                initiation = room[..len].to_vec();
            }
            let len = theirs
                .accept_initiation(back, &initiation, &mut room)
                .expect("the last call is good");
            let response = room[..len].to_vec();
            ours.accept_response(back, &response, &mut room)
                .expect("it answers the last call");
            assert!(!ours.is_overdue(back), "after {calls} calls");
            let end = back + guard::SESSION_LIFETIME + Duration::from_nanos(1);
            assert!(ours.is_overdue(end), "after {calls} calls");
        }
    }

    #[test]
    fn what_comes_late_in_an_older_session_does_not_bring_that_back() {
        let (mut ours, mut theirs) = pair();
        let mut room = vec![0; guard::MAX_DATAGRAM + guard::DATA_OVERHEAD];
        let renewed = START + guard::REKEY_AFTER;
        let mut sent = Vec::new();
        for now in [START, renewed] {
            let Some(Written::Initiation(len)) = ours.initiate(now, true, &mut room) else {
                panic!("no initiation");
            };
            let initiation = room[..len].to_vec();
            let len = theirs.accept_initiation(now, &initiation, &mut room);
            let response = room[..len.expect("it is new")].to_vec();
            let len = ours.accept_response(now, &response, &mut room);
            let keepalive = room[..len.expect("it is an answer")].to_vec();
            theirs.open(now, &keepalive, &mut room).expect("a session");
            let Some(Written::Data(len)) = ours.seal(now, &[], &mut room) else {
                panic!("there is a session");
            };
            sent.push(room[..len].to_vec());
        }
        theirs.open(renewed, &sent[0], &mut room).expect("its own");
        let end_of_first = START + guard::SESSION_LIFETIME + Duration::from_nanos(1);
        assert!(!theirs.is_overdue(end_of_first));
    }
}

//! The packet loop of the client, and its search for a gateway that answers.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Token};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokenvpn_common::clock::{Now, UnixTime};
use tokenvpn_common::device::{
    Device, DeviceConfig, Event, PeerConfig, PeerStats, Worker as Whole,
};
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::io::clock;
use tokenvpn_common::io::datapath::{Datapath, FIRST_FREE_TOKEN};
use tokenvpn_common::io::tun::{Offload, TunQueue};
use tokenvpn_common::io::udp::UdpPair;
use tokenvpn_common::key::PublicKey;
use tokenvpn_common::profile::{Gateway, Profile};
use tokenvpn_common::status::Peer;

use super::End;
use super::grace::Grace;
use crate::alarm::Alarm;
use crate::attempts::{Attempts, Step};
use crate::message::{Candidate, Channel, MessageError, Order, Report, Wait};
use crate::words::{Doing, Fault};

const CHANNEL: Token = FIRST_FREE_TOKEN;
const ALARM: Token = Token(FIRST_FREE_TOKEN.0 + 1);
const REMOVAL: Token = Token(FIRST_FREE_TOKEN.0 + 2);

/// How long after a change of network to wait for news of the gateway before it is asked
/// with a handshake. A tunnel in use answers by itself.
const ROAM_PATIENCE: Duration = Duration::from_secs(2);

/// How long a gateway that was left may still send: what is on its way when another one takes
/// over, and what the networks behind it send to it until they have learned of that.
const FAREWELL: Duration = Duration::from_secs(5);

/// The device between its descriptors, and what the supervisor wants of it.
pub(super) struct Carrier {
    channel: Arc<Channel>,
    datapath: Datapath,
    alarm: Alarm,
    /// The gateways with their preshared keys, for when the first does not answer.
    gateways: Vec<Gateway>,
    peer: PeerOptions,
    candidates: Vec<Candidate>,
    attempts: Attempts,
    /// The gateway that has the networks.
    gateway: usize,
    /// Others that are asked meanwhile.
    probed: Vec<usize>,
    /// The one that had the networks before, and until when it may still send.
    left: Option<(usize, Now)>,
    /// Since when the current one has owed an answer, if it is silent.
    silent_since: Option<Now>,
    roam: Option<Roam>,
    /// Set if the token may be out for a while.
    grace: Option<Arc<Grace>>,
    /// Until when, while it is out: nothing is sent and nothing is taken.
    frozen_until: Option<Now>,
    /// Whether it is said to be back, while the watch here does not see it yet.
    is_back: bool,
    /// Whether the network changed meanwhile.
    is_elsewhere: bool,
}

/// What all gateways have in common.
struct PeerOptions {
    allowed_ips: Vec<ipnet::IpNet>,
    keepalive: Option<u16>,
}

/// A change of network whose outcome is not known yet.
#[derive(Clone, Copy)]
struct Roam {
    /// What the gateway's counters said at the change.
    before: Heard,
    /// When to ask; `None` once asked.
    ask_at: Option<Now>,
}

/// By this it shows that the gateway was heard from.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Heard {
    rx_bytes: u64,
    last_handshake: Option<Now>,
}

impl Heard {
    fn of(stats: &PeerStats) -> Heard {
        Heard {
            rx_bytes: stats.rx_bytes,
            last_handshake: stats.last_handshake,
        }
    }
}

impl Carrier {
    /// Makes the device of `profile`, of which only the gateways remain after this.
    pub(super) fn new(
        channel: &Arc<Channel>,
        profile: Profile,
        candidates: Vec<Candidate>,
        offload: Offload,
        descriptors: Vec<OwnedFd>,
        grace: Option<Arc<Grace>>,
    ) -> Result<Carrier, End> {
        let now = clock::now();
        let mut descriptors = descriptors.into_iter();
        let (Some(queue), Some(v4)) = (descriptors.next(), descriptors.next()) else {
            return Err(Fault::NoDescriptors.into());
        };
        let Some(gateway) = candidates.first().map(|candidate| candidate.gateway) else {
            return Err(Fault::NoCandidates.into());
        };
        if candidates
            .iter()
            .any(|c| c.gateway >= profile.gateways.len())
        {
            return Err(Fault::CandidateOfNoGateway.into());
        }
        let device = Device::new(
            DeviceConfig {
                private_key: profile.private_key.clone(),
                mtu: profile.mtu,
                worker: Whole::default(),
            },
            now,
        );
        let peer = PeerOptions {
            allowed_ips: profile.allowed_ips.clone(),
            keepalive: (profile.keepalive != 0).then_some(profile.keepalive),
        };
        let gateways = profile.gateways.clone();
        drop(profile);

        let is_named = |c: &Candidate| matches!(c.endpoint, Endpoint::Host { .. });
        let named = candidates.iter().any(is_named);
        let (attempts, first) = Attempts::new(candidates.len(), named, now);
        let prepared = || -> io::Result<(Datapath, Alarm)> {
            let udp = UdpPair::from_fds(v4, descriptors.next())?;
            let tun = TunQueue::from_fd(queue, offload)?;
            let datapath = Datapath::new(device, udp, tun)?;
            let alarm = Alarm::new()?;
            for (fd, token) in [
                (channel.as_fd().as_raw_fd(), CHANNEL),
                (alarm.as_fd().as_raw_fd(), ALARM),
            ] {
                datapath
                    .registry()
                    .register(&mut SourceFd(&fd), token, Interest::READABLE)?;
            }
            if let Some(grace) = &grace {
                let fd = grace.as_fd().as_raw_fd();
                let registry = datapath.registry();
                registry.register(&mut SourceFd(&fd), REMOVAL, Interest::READABLE)?;
            }
            Ok((datapath, alarm))
        };
        let (datapath, alarm) = prepared().map_err(|e| Doing::StartPackets.failed(e))?;
        let mut carrier = Carrier {
            channel: Arc::clone(channel),
            datapath,
            alarm,
            gateways,
            peer,
            candidates,
            attempts,
            gateway,
            probed: Vec::new(),
            left: None,
            silent_since: None,
            roam: None,
            grace,
            frozen_until: None,
            is_back: false,
            is_elsewhere: false,
        };
        carrier.add_peers(now)?;
        carrier.take(now, first);
        Ok(carrier)
    }

    /// Carries packets until the end.
    pub(super) fn run(mut self) -> Result<Infallible, End> {
        let mut ready = Vec::new();
        if let Some(grace) = &self.grace {
            grace.begin();
        }
        loop {
            if self.frozen_until.is_some() {
                self.wait_for_token()?;
                continue;
            }
            self.datapath.flush();
            self.set_alarm().map_err(loop_failed)?;
            self.datapath.turn(&mut ready).map_err(loop_failed)?;
            while let Some(event) = self.datapath.device_mut().poll_event() {
                self.handle_event(event)?;
            }
            if ready.contains(&ALARM) {
                self.alarm.rang();
            }
            if ready.contains(&REMOVAL) && self.grace.as_ref().is_some_and(|g| g.take_pulled()) {
                self.freeze();
            }
            if ready.contains(&CHANNEL) {
                self.handle_orders()?;
            }
            if self.frozen_until.is_none() {
                self.handle_due();
            }
        }
    }

    /// The token is out: by what the watch here saw, or the supervisor's.
    fn freeze(&mut self) {
        if let Some(grace) = &self.grace {
            let until = clock::now() + grace.time;
            self.frozen_until.get_or_insert(until);
            self.is_back = false;
        }
    }

    /// Waits for orders alone, the sockets and the device left as they are, and no longer
    /// than the token may be out.
    fn wait_for_token(&mut self) -> Result<(), End> {
        self.alarm.set(self.frozen_until).map_err(loop_failed)?;
        let Some(grace) = self.grace.clone() else {
            return Err(Fault::NothingToGoOnWith.into());
        };
        if grace.take_pulled() {
            self.is_back = false;
        }
        self.check_time()?;
        if self.is_back && !grace.is_out() {
            self.thaw();
            return Ok(());
        }
        let sources = [self.channel.as_fd(), self.alarm.as_fd(), grace.as_fd()];
        let mut sources = sources.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut sources, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(loop_failed(errno.into())),
        }
        let is_ordered = sources[0].any() == Some(true);
        self.check_time()?;
        match is_ordered {
            true => self.handle_orders(),
            false => Ok(()),
        }
    }

    /// Ends with the time that the token may be out, which also passes while the computer
    /// sleeps.
    fn check_time(&self) -> Result<(), End> {
        match self.frozen_until.is_some_and(|until| until <= clock::now()) {
            true => Err(End::TokenGone),
            false => Ok(()),
        }
    }

    /// The token is back: by what the supervisor saw and the watch here does not deny.
    fn thaw(&mut self) {
        self.is_back = false;
        self.frozen_until = None;
        if std::mem::take(&mut self.is_elsewhere) {
            self.network_changed(clock::now());
        }
    }

    fn handle_event(&mut self, event: Event) -> Result<(), End> {
        let now = clock::now();
        let current = self.gateways[self.gateway].public_key;
        match event {
            Event::SessionUp { peer } if peer == current => {
                self.connected(now);
                Ok(())
            }
            Event::SessionUp { peer } => {
                self.moved_to(now, &peer);
                Ok(())
            }
            Event::EndpointMoved { peer, .. } if peer == current => {
                self.moved(now);
                Ok(())
            }
            Event::SessionLost { peer } if peer == current => {
                self.tell(&Report::Lost);
                let step = self.attempts.lost(now);
                self.take(now, step);
                Ok(())
            }
            Event::TooManyPanics => Err(Fault::Protocol.into()),
            Event::SessionLost { .. }
            | Event::EndpointMoved { .. }
            | Event::InitiationAnswered { .. } => Ok(()),
        }
    }

    /// A gateway answered, perhaps one that was given up a moment ago.
    fn connected(&mut self, now: Now) {
        if self.attempts.is_connected() {
            return;
        }
        let candidate = self.candidate_there().unwrap_or(self.attempts.current());
        self.attempts.connected(now, candidate, self.round_trip());
        self.tell(&Report::Connected {
            candidate,
            round_trip_ms: self.round_trip_ms(),
        });
    }

    /// Another gateway answered, while the session with the current one went on.
    fn moved_to(&mut self, now: Now, peer: &PublicKey) {
        let is_it = |gateway: &usize| self.gateways[*gateway].public_key == *peer;
        // One of several that were asked may answer in the same moment as the one before it.
        let Some(gateway) = self.probed.iter().copied().find(is_it) else {
            return;
        };
        let silent = self.silence(now);
        self.entrust(now, gateway);
        if let Some(candidate) = self.candidate_there() {
            self.move_on(now, candidate, silent);
        }
    }

    /// The current gateway was heard from elsewhere: perhaps where it was just asked.
    fn moved(&mut self, now: Now) {
        let there = self.candidate_there();
        if let Some(candidate) = there.filter(|there| *there != self.attempts.current())
            && self.attempts.is_connected()
        {
            self.move_on(now, candidate, self.silence(now));
        }
    }

    fn move_on(&mut self, now: Now, candidate: usize, silent: Option<Duration>) {
        self.attempts.connected(now, candidate, self.round_trip());
        self.silent_since = None;
        self.withdraw(now);
        self.roam = None;
        self.tell(&Report::Moved {
            candidate,
            round_trip_ms: self.round_trip_ms(),
            silent_ms: silent.and_then(|time| u64::try_from(time.as_millis()).ok()),
        });
    }

    /// The candidate where the current gateway is.
    fn candidate_there(&self) -> Option<usize> {
        let address = self.stats()?.endpoint?;
        let is_it = |c: &Candidate| c.gateway == self.gateway && c.address == address;
        self.candidates.iter().position(is_it)
    }

    /// How long the current gateway has owed an answer, if it is silent.
    fn silence(&self, now: Now) -> Option<Duration> {
        self.silent_since.map(|since| now.since(since))
    }

    fn round_trip(&self) -> Option<Duration> {
        self.stats()?.rtt
    }

    fn round_trip_ms(&self) -> Option<u64> {
        u64::try_from(self.round_trip()?.as_millis()).ok()
    }

    fn handle_orders(&mut self) -> Result<(), End> {
        loop {
            let now = clock::now();
            match self.channel.receive_order(Wait::Never) {
                Ok((Order::NetworkChanged, _)) if self.frozen_until.is_some() => {
                    self.is_elsewhere = true;
                }
                Ok((Order::NetworkChanged, _)) => self.network_changed(now),
                Ok((Order::Freeze, _)) => self.freeze(),
                Ok((Order::Thaw { reader }, _)) => self.said_to_be_back(reader)?,
                Ok((Order::AddCandidates(more), _)) => self.add_candidates(more)?,
                Ok((Order::ReportPeers, _)) => {
                    let peers = self.peers(now, clock::unix_time());
                    self.tell(&Report::Peers(peers));
                }
                Ok(_) => {
                    return Err(Fault::CarriesAlready.into());
                }
                Err(MessageError::Nothing) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn said_to_be_back(&mut self, reader: String) -> Result<(), End> {
        let Some(grace) = &self.grace else {
            return Err(Fault::NothingToGoOnWith.into());
        };
        grace.moved_to(reader);
        self.is_back = true;
        Ok(())
    }

    fn add_candidates(&mut self, more: Vec<Candidate>) -> Result<(), End> {
        if more.iter().any(|c| c.gateway >= self.gateways.len()) {
            return Err(Fault::CandidateOfNoGateway.into());
        }
        self.candidates.extend(more);
        self.attempts.grow(self.candidates.len());
        Ok(())
    }

    fn network_changed(&mut self, now: Now) {
        self.datapath.device_mut().handle_network_change(now);
        if self.attempts.is_connected() {
            if let Some(stats) = self.stats() {
                self.roam = Some(Roam {
                    before: Heard::of(&stats),
                    ask_at: Some(now + ROAM_PATIENCE),
                });
            }
            return;
        }
        // Perhaps this is the network that was missing: the device has asked again.
        if let Step::Try { candidate, .. } = self.attempts.lost(now) {
            self.tell(&Report::Connecting { candidate });
        }
        self.pace();
    }

    fn handle_due(&mut self) {
        let now = clock::now();
        if self.attempts.poll_timeout().is_some_and(|at| at <= now) {
            let silent_from = self.stats().and_then(|stats| {
                let (unheard, asked) = (stats.unheard_since, stats.asked_since);
                self.attempts.silent_from(now, unheard, asked)
            });
            for step in self.attempts.handle_timeout(now, silent_from) {
                self.take(now, step);
            }
        }
        if self.left.is_some_and(|(_, until)| until <= now) {
            self.part(now);
        }
        let Some(Roam { before, ask_at }) = self.roam else {
            return;
        };
        let Some(stats) = self.stats() else {
            self.roam = None;
            return;
        };
        if Heard::of(&stats) != before {
            self.roam = None;
            self.tell(&Report::Roamed);
        } else if let Some(at) = ask_at
            && at <= now
        {
            self.roam = Some(Roam {
                before,
                ask_at: None,
            });
            if let Some(endpoint) = stats.endpoint
                && stats.asked_since.is_none()
            {
                let device = self.datapath.device_mut();
                device.set_endpoint(now, &stats.public_key, endpoint);
            }
        }
    }

    fn take(&mut self, now: Now, step: Step) {
        match step {
            Step::Unreachable => self.tell(&Report::Unreachable),
            Step::Try {
                candidate,
                announce,
            } => {
                self.roam = None;
                self.silent_since = None;
                self.withdraw(now);
                self.part(now);
                if announce {
                    self.tell(&Report::Connecting { candidate });
                }
                let Candidate {
                    gateway, address, ..
                } = self.candidates[candidate];
                self.entrust(now, gateway);
                tracing::debug!(endpoint = %address, "the gateway is tried here");
                let key = self.gateways[gateway].public_key;
                self.datapath.device_mut().set_endpoint(now, &key, address);
                self.pace();
            }
            Step::Silent => {
                self.silent_since = self.stats().and_then(|stats| stats.unheard_since);
                self.tell(&Report::Silent);
            }
            Step::Probe { candidate } => {
                let Candidate {
                    gateway, address, ..
                } = self.candidates[candidate];
                tracing::debug!(endpoint = %address, "the gateway is asked here too");
                self.part(now);
                let key = self.gateways[gateway].public_key;
                let device = self.datapath.device_mut();
                match gateway == self.gateway {
                    true => device.probe(now, &key, address),
                    false => {
                        device.set_endpoint(now, &key, address);
                        if !self.probed.contains(&gateway) {
                            self.probed.push(gateway);
                        }
                    }
                }
            }
            Step::Withdraw => {
                self.silent_since = None;
                self.withdraw(now);
            }
        }
    }

    /// Speaks to no gateway but the current one any more.
    fn withdraw(&mut self, now: Now) {
        self.probed.retain(|probed| *probed != self.gateway);
        for gateway in self.probed.drain(..) {
            let key = self.gateways[gateway].public_key;
            self.datapath.device_mut().rest(now, &key);
        }
    }

    /// Makes this gateway the one that packets go to and come from.
    fn entrust(&mut self, now: Now, gateway: usize) {
        if gateway == self.gateway {
            return;
        }
        self.left.take_if(|(left, _)| *left == gateway);
        self.part(now);
        let old = std::mem::replace(&mut self.gateway, gateway);
        self.probed.retain(|probed| *probed != gateway);
        let keys = [old, gateway].map(|at| self.gateways[at].public_key);
        self.datapath.device_mut().entrust(&keys[0], &keys[1]);
        self.left = Some((old, now + FAREWELL));
        if !self.attempts.is_connected() {
            self.part(now);
        }
    }

    /// Takes nothing more from the gateway that was left, and speaks to it no more.
    fn part(&mut self, now: Now) {
        if let Some((gateway, _)) = self.left.take() {
            let key = self.gateways[gateway].public_key;
            self.datapath.device_mut().rest(now, &key);
        }
    }

    /// Keeps step with the device, which has just sent an initiation.
    fn pace(&mut self) {
        if let Some(retry) = self.datapath.device().poll_timeout() {
            self.attempts.handle_retry(retry);
        }
    }

    /// All gateways are known to the device, and one has the networks.
    fn add_peers(&mut self, now: Now) -> Result<(), End> {
        let device = self.datapath.device_mut();
        let mut allowed_ips = Some(std::mem::take(&mut self.peer.allowed_ips));
        let current = &self.gateways[self.gateway];
        let others = self
            .gateways
            .iter()
            .filter(|gateway| !std::ptr::eq(*gateway, current));
        for gateway in [current].into_iter().chain(others) {
            let peer = PeerConfig {
                public_key: gateway.public_key,
                preshared_key: gateway.preshared_key.clone(),
                allowed_ips: allowed_ips.take().unwrap_or_default(),
                endpoint: None,
                keepalive: self.peer.keepalive,
                keep_session: true,
                owner: 0,
            };
            device
                .add_peer(now, peer)
                .map_err(|e| Doing::AddPeer.failed(e))?;
        }
        Ok(())
    }

    /// Of the current gateway.
    fn stats(&self) -> Option<PeerStats> {
        let key = self.gateways[self.gateway].public_key;
        let mut peers = self.datapath.device().peers();
        peers.find(|peer| peer.public_key == key)
    }

    fn peers(&self, now: Now, wall: UnixTime) -> Vec<Peer> {
        let peer = |stats: PeerStats| Peer {
            // The supervisor gives the name.
            name: String::new(),
            public_key: stats.public_key,
            endpoint: stats.endpoint,
            latest_handshake: stats
                .last_handshake
                .map(|at| UnixTime(wall.0.saturating_sub(now.since(at).as_secs()))),
            rx_bytes: stats.rx_bytes,
            tx_bytes: stats.tx_bytes,
            allowed_ips: stats.allowed_ips,
            persistent_keepalive: stats.keepalive,
            expires: None,
        };
        // The current gateway first; one that is not spoken to has nothing to tell.
        let key = self.gateways[self.gateway].public_key;
        let (mut peers, others): (Vec<_>, Vec<_>) = self
            .datapath
            .device()
            .peers()
            .filter(|peer| peer.public_key == key || peer.endpoint.is_some())
            .partition(|peer| peer.public_key == key);
        peers.extend(others);
        peers.into_iter().map(peer).collect()
    }

    fn set_alarm(&mut self) -> io::Result<()> {
        let roam = self.roam.and_then(|roam| roam.ask_at);
        let left = self.left.map(|(_, until)| until);
        let due = [self.attempts.poll_timeout(), roam, left];
        self.alarm.set(due.into_iter().flatten().min())
    }

    fn tell(&self, report: &Report) {
        // A supervisor that does not read is stopped, one that is gone takes this
        // process along: neither is a reason to hold up packets.
        let _ = self.channel.send(report, &[]);
    }
}

fn loop_failed(error: io::Error) -> End {
    Doing::CarryPackets.failed(error).into()
}

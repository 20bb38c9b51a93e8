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
use tokenvpn_common::io::clock;
use tokenvpn_common::io::datapath::{Datapath, FIRST_FREE_TOKEN};
use tokenvpn_common::io::tun::{Offload, TunQueue};
use tokenvpn_common::io::udp::UdpPair;
use tokenvpn_common::profile::{Gateway, Profile};
use tokenvpn_common::status::Peer;

use super::End;
use super::grace::Grace;
use crate::alarm::Alarm;
use crate::attempts::{Attempts, Step};
use crate::message::{Candidate, Channel, MessageError, Order, Report, Wait};
use crate::words::Failure;

const CHANNEL: Token = FIRST_FREE_TOKEN;
const ALARM: Token = Token(FIRST_FREE_TOKEN.0 + 1);
const REMOVAL: Token = Token(FIRST_FREE_TOKEN.0 + 2);

/// How long after a change of network to wait for news of the gateway before it is asked
/// with a handshake. A tunnel in use answers by itself.
const ROAM_PATIENCE: Duration = Duration::from_secs(2);

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
    /// The gateway that is a peer now.
    gateway: usize,
    roam: Option<Roam>,
    /// Set if the token may be out for a while.
    grace: Option<Arc<Grace>>,
    /// Until when, while it is out: nothing is sent and nothing is taken.
    frozen_until: Option<Now>,
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
        let broken = |what: &str| End::from(Failure::internal(what));
        let mut descriptors = descriptors.into_iter();
        let (Some(queue), Some(v4)) = (descriptors.next(), descriptors.next()) else {
            return Err(broken("the worker got no descriptors"));
        };
        let Some(gateway) = candidates.first().map(|candidate| candidate.gateway) else {
            return Err(broken("the worker got no candidates"));
        };
        if candidates
            .iter()
            .any(|c| c.gateway >= profile.gateways.len())
        {
            return Err(broken("the worker got a candidate of no gateway"));
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

        let (attempts, first) = Attempts::new(candidates.len(), now);
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
        let (datapath, alarm) =
            prepared().map_err(|e| broken(&format!("the packet loop does not start: {e}")))?;
        let mut carrier = Carrier {
            channel: Arc::clone(channel),
            datapath,
            alarm,
            gateways,
            peer,
            candidates,
            attempts,
            gateway,
            roam: None,
            grace,
            frozen_until: None,
            is_elsewhere: false,
        };
        carrier.add_peer(now, gateway)?;
        carrier.take(now, first)?;
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
            if ready.contains(&REMOVAL) {
                self.freeze();
            }
            if ready.contains(&CHANNEL) {
                self.handle_orders()?;
            }
            if self.frozen_until.is_none() {
                self.handle_due()?;
            }
        }
    }

    /// The token is out: by what the watch here saw, or the supervisor's.
    fn freeze(&mut self) {
        if let Some(grace) = &self.grace {
            grace.heard();
            let until = clock::now() + grace.time;
            self.frozen_until.get_or_insert(until);
        }
    }

    /// Waits for orders alone, the sockets and the device left as they are, and no longer
    /// than the token may be out.
    fn wait_for_token(&mut self) -> Result<(), End> {
        self.alarm.set(self.frozen_until).map_err(loop_failed)?;
        let mut sources =
            [self.channel.as_fd(), self.alarm.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut sources, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(loop_failed(errno.into())),
        }
        let is_ordered = sources[0].any() == Some(true);
        if self.frozen_until.is_some_and(|until| until <= clock::now()) {
            return Err(End::TokenGone);
        }
        match is_ordered {
            true => self.handle_orders(),
            false => Ok(()),
        }
    }

    fn thaw(&mut self, reader: String) -> Result<(), End> {
        let Some(grace) = &self.grace else {
            return Err(Failure::internal("the worker has nothing to go on with").into());
        };
        grace.moved_to(reader);
        grace.heard();
        self.frozen_until = None;
        match std::mem::take(&mut self.is_elsewhere) {
            true => self.network_changed(clock::now()),
            false => Ok(()),
        }
    }

    fn handle_event(&mut self, event: Event) -> Result<(), End> {
        let now = clock::now();
        let current = self.gateways[self.gateway].public_key;
        match event {
            Event::SessionUp { peer } if peer == current => self.connected(),
            Event::SessionLost { peer } if peer == current => {
                self.tell(&Report::Lost);
                let step = self.attempts.lost(now);
                self.take(now, step)
            }
            Event::TooManyPanics => {
                Err(Failure::internal("the tunnel's protocol failed again and again").into())
            }
            Event::SessionUp { .. }
            | Event::SessionLost { .. }
            | Event::EndpointMoved { .. }
            | Event::InitiationAnswered { .. } => Ok(()),
        }
    }

    /// A gateway answered, perhaps one that was given up a moment ago.
    fn connected(&mut self) -> Result<(), End> {
        if self.attempts.is_connected() {
            return Ok(());
        }
        let stats = self.stats();
        let address = stats.as_ref().and_then(|stats| stats.endpoint);
        let is_it = |c: &Candidate| c.gateway == self.gateway && Some(c.address) == address;
        let candidate = self.candidates.iter().position(is_it);
        let candidate = candidate.unwrap_or(self.attempts.current());
        self.attempts.connected(candidate);
        let round_trip = stats.and_then(|stats| stats.rtt);
        self.tell(&Report::Connected {
            candidate,
            round_trip_ms: round_trip.and_then(|time| u64::try_from(time.as_millis()).ok()),
        });
        Ok(())
    }

    fn handle_orders(&mut self) -> Result<(), End> {
        loop {
            let now = clock::now();
            match self.channel.receive_order(Wait::Never) {
                Ok((Order::NetworkChanged, _)) if self.frozen_until.is_some() => {
                    self.is_elsewhere = true;
                }
                Ok((Order::NetworkChanged, _)) => self.network_changed(now)?,
                Ok((Order::Freeze, _)) => self.freeze(),
                Ok((Order::Thaw { reader }, _)) => self.thaw(reader)?,
                Ok((Order::ReportPeers, _)) => {
                    let peers = self.peers(now, clock::unix_time());
                    self.tell(&Report::Peers(peers));
                }
                Ok(_) => {
                    return Err(Failure::internal("the worker carries packets already").into());
                }
                Err(MessageError::Nothing) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn network_changed(&mut self, now: Now) -> Result<(), End> {
        self.datapath.device_mut().handle_network_change(now);
        if self.attempts.is_connected() {
            if let Some(stats) = self.stats() {
                self.roam = Some(Roam {
                    before: Heard::of(&stats),
                    ask_at: Some(now + ROAM_PATIENCE),
                });
            }
            return Ok(());
        }
        // Perhaps this is the network that was missing: the device has asked again.
        if let Step::Try { candidate, .. } = self.attempts.lost(now) {
            self.tell(&Report::Connecting { candidate });
        }
        self.pace();
        Ok(())
    }

    fn handle_due(&mut self) -> Result<(), End> {
        let now = clock::now();
        for step in self.attempts.handle_timeout(now) {
            self.take(now, step)?;
        }
        let Some(Roam { before, ask_at }) = self.roam else {
            return Ok(());
        };
        let Some(stats) = self.stats() else {
            self.roam = None;
            return Ok(());
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
            if let Some(endpoint) = stats.endpoint {
                let device = self.datapath.device_mut();
                device.set_endpoint(now, &stats.public_key, endpoint);
            }
        }
        Ok(())
    }

    fn take(&mut self, now: Now, step: Step) -> Result<(), End> {
        match step {
            Step::Unreachable => self.tell(&Report::Unreachable),
            Step::Try {
                candidate,
                announce,
            } => {
                self.roam = None;
                if announce {
                    self.tell(&Report::Connecting { candidate });
                }
                let Candidate {
                    gateway, address, ..
                } = self.candidates[candidate];
                if gateway != self.gateway {
                    let old = self.gateways[self.gateway].public_key;
                    self.datapath.device_mut().remove_peer(&old);
                    self.add_peer(now, gateway)?;
                }
                tracing::debug!(endpoint = %address, "the gateway is tried here");
                let key = self.gateways[gateway].public_key;
                self.datapath.device_mut().set_endpoint(now, &key, address);
                self.pace();
            }
        }
        Ok(())
    }

    /// Keeps step with the device, which has just sent an initiation.
    fn pace(&mut self) {
        if let Some(retry) = self.datapath.device().poll_timeout() {
            self.attempts.handle_retry(retry);
        }
    }

    fn add_peer(&mut self, now: Now, gateway: usize) -> Result<(), End> {
        let Gateway {
            public_key,
            preshared_key,
            ..
        } = &self.gateways[gateway];
        let peer = PeerConfig {
            public_key: *public_key,
            preshared_key: preshared_key.clone(),
            allowed_ips: self.peer.allowed_ips.clone(),
            endpoint: None,
            keepalive: self.peer.keepalive,
            keep_session: true,
            owner: 0,
        };
        self.gateway = gateway;
        let added = self.datapath.device_mut().add_peer(now, peer);
        added.map_err(|e| Failure::internal(format!("the gateway cannot be a peer: {e}")).into())
    }

    fn stats(&self) -> Option<PeerStats> {
        self.datapath.device().peers().next()
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
        self.datapath.device().peers().map(peer).collect()
    }

    fn set_alarm(&mut self) -> io::Result<()> {
        let roam = self.roam.and_then(|roam| roam.ask_at);
        let due = [self.attempts.poll_timeout(), roam];
        self.alarm.set(due.into_iter().flatten().min())
    }

    fn tell(&self, report: &Report) {
        // A supervisor that does not read is stopped, one that is gone takes this
        // process along: neither is a reason to hold up packets.
        let _ = self.channel.send(report, &[]);
    }
}

fn loop_failed(error: io::Error) -> End {
    Failure::internal(format!("the packet loop ended: {error}")).into()
}

//! The pure VPN device that client and gateway share.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::clock::Now;
use crate::key::{PresharedKey, PrivateKey, PublicKey};
use crate::packet::PacketBuf;

/// Which of a process's workers a device serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// This worker, from 0.
    pub index: u8,
    /// How many there are, from 1.
    pub count: u8,
}

impl Default for Worker {
    /// The only worker.
    fn default() -> Worker {
        Worker { index: 0, count: 1 }
    }
}

/// What a device needs to exist.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    /// Our own key.
    pub private_key: PrivateKey,
    /// Longest inner packet in bytes; padding never exceeds it.
    pub mtu: u16,
    /// The worker this device serves.
    pub worker: Worker,
}

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
    /// Keep a session at all times: connect at once, rekey unasked, never give up.
    pub keep_session: bool,
    /// Index of the worker that keeps this peer's state.
    pub owner: u8,
}

/// Why a peer was not added. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddPeerError {
    /// The peer's key is our own.
    #[error("this public key is our own")]
    OwnKey,
    /// Another peer has this key.
    #[error("another peer has this public key")]
    DuplicateKey,
    /// Some of its addresses belong to another peer.
    #[error("{network} overlaps {other}, which belongs to peer {owner}")]
    OverlappingAllowedIps {
        /// What was asked for.
        network: IpNet,
        /// What is taken.
        other: IpNet,
        /// Who has it.
        owner: PublicKey,
    },
}

/// One train of equal-sized datagrams to one endpoint: one GSO send.
#[derive(Clone, Copy, Debug)]
pub struct Transmit<'a> {
    /// Where it goes.
    pub endpoint: SocketAddr,
    /// The local address to send it from, if one is pinned.
    pub source: Option<IpAddr>,
    /// Bytes of each datagram; only the last may be shorter.
    pub segment_size: usize,
    /// At most 64 datagrams back to back, at most 65 000 bytes.
    pub contents: &'a [u8],
}

/// What one worker received for another.
#[derive(Clone, Debug)]
pub enum Handover {
    /// Datagrams from one source.
    Datagrams {
        /// Who sent them.
        source: SocketAddr,
        /// The local address they came to.
        local: Option<IpAddr>,
        /// The datagrams back to back.
        run: Vec<u8>,
        /// Bytes of each; only the last may be shorter.
        stride: usize,
    },
    /// One inner packet.
    Packet(Vec<u8>),
}

/// What the owner of a device may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Packets can flow.
    SessionUp {
        /// With whom.
        peer: PublicKey,
    },
    /// The peer was authentically heard from elsewhere.
    EndpointMoved {
        /// Who.
        peer: PublicKey,
        /// From where.
        endpoint: SocketAddr,
    },
    /// The last session ended without a successor.
    SessionLost {
        /// With whom.
        peer: PublicKey,
    },
    /// More than five panics within a minute: the process should end.
    TooManyPanics,
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
}

/// Why datagrams and packets were dropped, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that are no WireGuard message.
    pub malformed: u64,
}

/// The device.
pub struct Device {
    public_key: PublicKey,
    counters: Counters,
}

impl Device {
    /// A device without peers.
    pub fn new(config: DeviceConfig, _now: Now) -> Device {
        Device {
            public_key: config.private_key.public(),
            counters: Counters::default(),
        }
    }

    /// Our own public key.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Adds a peer.
    ///
    /// # Errors
    /// See [`AddPeerError`].
    pub fn add_peer(&mut self, _now: Now, peer: PeerConfig) -> Result<(), AddPeerError> {
        if peer.public_key == self.public_key {
            return Err(AddPeerError::OwnKey);
        }
        Ok(())
    }

    /// Removes a peer and cuts its session; false if there is none.
    pub fn remove_peer(&mut self, _key: &PublicKey) -> bool {
        false
    }

    /// Sends to `endpoint` from now on, and starts a handshake there.
    pub fn set_endpoint(&mut self, _now: Now, _key: &PublicKey, _endpoint: SocketAddr) {}

    /// Starts a paced handshake with every peer that has an endpoint.
    pub fn greet(&mut self, _now: Now) {}

    /// Our own address changed.
    pub fn handle_network_change(&mut self, _now: Now) {}

    /// Takes one GRO run of datagrams from one source.
    pub fn handle_datagrams(
        &mut self,
        _now: Now,
        _source: SocketAddr,
        _local: Option<IpAddr>,
        _run: &[u8],
        _stride: usize,
    ) {
    }

    /// Takes inner packets from the TUN; they are padded in place.
    pub fn handle_packets(&mut self, _now: Now, _packets: &mut [PacketBuf]) {}

    /// Takes what another worker received for this one.
    pub fn handle_handover(&mut self, _now: Now, _handover: Handover) {}

    /// A send to `endpoint` failed in a way that a pinned source address can cause.
    pub fn handle_send_error(&mut self, _endpoint: SocketAddr) {}

    /// Does what is due.
    pub fn handle_timeout(&mut self, _now: Now) {}

    /// When [`Device::handle_timeout`] wants to be called, if ever.
    pub fn poll_timeout(&self) -> Option<Now> {
        None
    }

    /// The next train to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        None
    }

    /// The inner packets for one TUN write, once.
    pub fn poll_packets(&mut self) -> Option<&mut [PacketBuf]> {
        None
    }

    /// The next thing for another worker, and that worker's index.
    pub fn poll_handover(&mut self) -> Option<(u8, Handover)> {
        None
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// What is known of this worker's own peers.
    pub fn peers(&self) -> impl Iterator<Item = PeerStats> + '_ {
        std::iter::empty()
    }

    /// What was dropped and why.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

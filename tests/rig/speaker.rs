//! A bare end of a tunnel: no link, no timers, no manners. It says what a test wants to have said,
//! and keeps every datagram that it sent or heard.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use boringtun::{
    noise::{Tunn, TunnResult, rate_limiter::RateLimiter},
    x25519,
};
use tokenvpn_common::{
    guard::{self, Message},
    key::{PrivateKey, PublicKey},
};

use crate::{
    host::Host,
    wait::{SOON, now},
};

/// Longest UDP payload and what boringtun wants beyond it.
const ROOM: usize = 65_600;

/// Longer than a datagram takes through a few namespaces, also on a busy machine.
const MOMENT: Duration = Duration::from_secs(1);

/// One end, on a socket in a host.
pub struct Speaker {
    tunn: Tunn,
    socket: UdpSocket,
    gateway: SocketAddr,
    inner: Ipv4Addr,
    /// Every datagram that it sent, oldest first.
    pub sent: Vec<Vec<u8>>,
    /// Every datagram that it heard, oldest first.
    pub heard: Vec<Vec<u8>>,
    echoes: u16,
}

/// A tunnel between these keys that is never asked for a cookie by its own end.
pub fn tunnel(key: &PrivateKey, gateway: &PublicKey) -> Tunn {
    let private = x25519::StaticSecret::from(*key.expose());
    let limiter = RateLimiter::new(&x25519::PublicKey::from(&private), u64::MAX);
    let public = x25519::PublicKey::from(*gateway.as_bytes());
    Tunn::new(private, public, None, None, 7, Some(Arc::new(limiter)))
}

/// The next initiation of a tunnel.
///
/// # Panics
/// If it writes none.
#[track_caller]
pub fn initiation(tunn: &mut Tunn) -> Vec<u8> {
    match tunn.format_handshake_initiation(&mut [0; 256], true) {
        TunnResult::WriteToNetwork(datagram) => datagram.to_vec(),
        _ => panic!("an initiation was asked for"),
    }
}

impl Speaker {
    /// An end with this key and inner address, at any port of `host`, for the gateway of that key.
    ///
    /// # Panics
    /// If there is no socket to be had.
    #[track_caller]
    pub fn new(
        host: &Host,
        key: &PrivateKey,
        inner: Ipv4Addr,
        gateway: SocketAddr,
        gateway_key: &PublicKey,
    ) -> Speaker {
        let any = match gateway {
            SocketAddr::V4(_) => "0.0.0.0:0",
            SocketAddr::V6(_) => "[::]:0",
        };
        let socket = host.within(|| UdpSocket::bind(any).expect("a socket"));
        Speaker::on(socket, key, inner, gateway, gateway_key)
    }

    /// The same on a socket that there is.
    pub fn on(
        socket: UdpSocket,
        key: &PrivateKey,
        inner: Ipv4Addr,
        gateway: SocketAddr,
        gateway_key: &PublicKey,
    ) -> Speaker {
        Speaker {
            tunn: tunnel(key, gateway_key),
            socket,
            gateway,
            inner,
            sent: Vec::new(),
            heard: Vec::new(),
            echoes: 0,
        }
    }

    /// A new initiation, not sent.
    pub fn initiation(&mut self) -> Vec<u8> {
        initiation(&mut self.tunn)
    }

    /// Sends any datagram.
    ///
    /// # Panics
    /// If the kernel refuses.
    #[track_caller]
    pub fn send(&mut self, datagram: &[u8]) {
        self.send_from(datagram);
        self.sent.push(datagram.to_vec());
    }

    fn send_from(&self, datagram: &[u8]) {
        let sent = self.socket.send_to(datagram, self.gateway);
        assert_eq!(sent.expect("it can be sent"), datagram.len());
    }

    /// Hears one datagram and does what the protocol says; gives the inner packet if there was one.
    /// `None` if nothing comes in time.
    fn hear(&mut self, within: Duration) -> Option<Option<Vec<u8>>> {
        let mut datagram = vec![0; ROOM];
        let within = within.max(Duration::from_millis(1));
        let timeout = self.socket.set_read_timeout(Some(within));
        timeout.expect("a socket has a timeout");
        let len = match self.socket.recv(&mut datagram) {
            Ok(len) => len,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return None;
            }
            Err(error) => panic!("the socket failed: {error}"),
        };
        datagram.truncate(len);
        let mut room = vec![0; ROOM];
        let mut packet = None;
        match self.tunn.decapsulate(None, &datagram, &mut room) {
            TunnResult::WriteToNetwork(answer) => {
                let answer = answer.to_vec();
                self.send(&answer);
            }
            TunnResult::WriteToTunnelV4(inner, _) => packet = Some(inner.to_vec()),
            _ => {}
        }
        self.heard.push(datagram);
        Some(packet)
    }

    /// Listens until something of this kind comes that was not there before. False if it does not
    /// come `within` the time.
    pub fn hears(&mut self, kind: Message, within: Duration) -> bool {
        let start = now();
        while let Some(left) = within.checked_sub(now().since(start)) {
            if self.hear(left).is_some()
                && self
                    .heard
                    .last()
                    .and_then(|datagram| guard::message(datagram))
                    == Some(kind)
            {
                return true;
            }
        }
        false
    }

    /// Takes all that has arrived.
    pub fn catch_up(&mut self) {
        while self.hear(Duration::ZERO).is_some() {}
    }

    /// Begins a session; the gateway has proof of it when this returns.
    ///
    /// # Panics
    /// If the gateway does not answer.
    #[track_caller]
    pub fn connect(&mut self) {
        let start = now();
        while now().since(start) < SOON {
            let initiation = self.initiation();
            self.send(&initiation);
            if self.hears(Message::Response, MOMENT) {
                return;
            }
        }
        panic!("the gateway does not answer");
    }

    /// Whether one echo request to an inner address is answered within a second. If there is a
    /// session, no handshake is made for it.
    pub fn pings(&mut self, destination: Ipv4Addr) -> bool {
        self.asks(destination);
        let answer = echo(0, destination, self.inner, self.echoes);
        let start = now();
        while let Some(left) = MOMENT.checked_sub(now().since(start)) {
            // The kernel has its own mind about identification and lifetime.
            if let Some(Some(packet)) = self.hear(left)
                && packet.get(12..) == Some(&answer[12..])
            {
                return true;
            }
        }
        false
    }

    /// Sends an echo request to an inner address and waits for nothing. Without a session it is an
    /// initiation.
    ///
    /// # Panics
    /// If the kernel refuses.
    #[track_caller]
    pub fn asks(&mut self, destination: Ipv4Addr) {
        self.echoes += 1;
        let request = echo(8, self.inner, destination, self.echoes);
        let mut room = [0; 256];
        if let TunnResult::WriteToNetwork(datagram) = self.tunn.encapsulate(&request, &mut room) {
            let datagram = datagram.to_vec();
            self.send(&datagram);
        }
    }

    /// Sends an initiation that was recorded, and then a new one; insists that this one is answered
    /// and not the other.
    ///
    /// # Panics
    /// If it is not so.
    #[track_caller]
    pub fn is_not_answered_again(&mut self, recorded: &[u8]) {
        let fresh = self.initiation();
        self.send(recorded);
        self.send(&fresh);
        assert!(self.hears(Message::Response, SOON), "there is no answer");
        // Answers come in order: the first that comes says which of the two was answered first.
        let response = self.heard.last().expect("invariant: it was heard");
        assert_eq!(response[8..12], fresh[4..8], "an old one was answered");
    }

    /// How many handshake messages it sent and heard.
    pub fn handshakes(&self) -> usize {
        let both = self.sent.iter().chain(&self.heard);
        let of_handshake = |datagram: &&Vec<u8>| {
            let kind = guard::message(datagram);
            matches!(kind, Some(Message::Initiation | Message::Response))
        };
        both.filter(of_handshake).count()
    }
}

/// An ICMP echo message (RFC 792) of 36 bytes in all.
fn echo(kind: u8, source: Ipv4Addr, destination: Ipv4Addr, number: u16) -> Vec<u8> {
    let mut packet = vec![0; 36];
    packet[..4].copy_from_slice(&[0x45, 0, 0, 36]);
    packet[8..10].copy_from_slice(&[64, 1]);
    packet[12..16].copy_from_slice(&source.octets());
    packet[16..20].copy_from_slice(&destination.octets());
    let sum = checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&sum);
    packet[20] = kind;
    packet[26..28].copy_from_slice(&number.to_be_bytes());
    packet[28..].copy_from_slice(b"are you?");
    let sum = checksum(&packet[20..]);
    packet[22..24].copy_from_slice(&sum);
    packet
}

/// The internet's checksum (RFC 1071) of an even number of bytes.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let (words, _) = bytes.as_chunks::<2>();
    let sum: u32 = words
        .iter()
        .map(|w| u32::from(u16::from_be_bytes(*w)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (!((folded & 0xffff) + (folded >> 16)) as u16).to_be_bytes()
}

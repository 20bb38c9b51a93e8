//! Many clients in one process: what a gateway meets on a Monday morning.
//!
//! They are boringtun's, with a socket and a handshake each, so that two programs by different
//! hands meet.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use boringtun::{
    noise::{Tunn, TunnResult},
    x25519::{PublicKey as PublicPoint, StaticSecret},
};
use mio::{Events, Interest, Poll, Token, net::UdpSocket};
use tokenvpn_common::key::{PrivateKey, PublicKey};

use crate::{
    host::Host,
    wait::{Now, now},
};

/// How often the clients' timers are looked at.
const TICK: Duration = Duration::from_millis(250);

/// How long an echo is waited for before it is asked for again.
const ECHO_LOST: Duration = Duration::from_secs(1);

/// Different addresses that a crowd comes from.
pub const SOURCES: usize = 250;

/// Room for any datagram or packet: boringtun panics on less.
const ROOM: usize = 65_600;

/// The keys and the tunnel address of one client.
pub struct Member {
    key: PrivateKey,
    /// Its key, as the gateway knows it.
    pub public_key: PublicKey,
    /// Its address in the tunnel.
    pub address: Ipv4Addr,
}

impl Member {
    /// As many members as there are addresses, with new keys.
    pub fn at(addresses: impl Iterator<Item = Ipv4Addr>) -> Vec<Member> {
        let member = |address| {
            let key = PrivateKey::generate();
            Member {
                public_key: key.public(),
                key,
                address,
            }
        };
        addresses.map(member).collect()
    }
}

/// Clients with sockets at one host.
pub struct Crowd {
    clients: Vec<Client>,
    poll: Poll,
    ticked: Now,
    room: Box<[u8]>,
    datagram: Box<[u8]>,
}

struct Client {
    tunn: Tunn,
    socket: UdpSocket,
    address: Ipv4Addr,
    /// The number of the echo it asked for last.
    asked: u16,
    /// The number of the last one that came back as it should.
    heard: u16,
}

impl Crowd {
    /// Gives each member a socket at `host`, on one of [`SOURCES`] addresses from
    /// `first_source` on. All of them have to be the host's.
    ///
    /// # Panics
    /// If the system refuses; each client needs a descriptor.
    pub fn new(
        host: &Host,
        members: &[Member],
        gateway: (PublicKey, SocketAddr),
        first_source: Ipv4Addr,
    ) -> Crowd {
        let (key, endpoint) = gateway;
        let poll = Poll::new().expect("a poll");
        let socket = |number: usize| {
            let source = u32::from(first_source) + (number % SOURCES) as u32;
            let source = SocketAddr::from((Ipv4Addr::from(source), 0));
            let socket = std::net::UdpSocket::bind(source).expect("a socket for a client");
            socket.connect(endpoint).expect("a way to the gateway");
            socket.set_nonblocking(true).expect("a socket's flag");
            UdpSocket::from_std(socket)
        };
        let sockets: Vec<UdpSocket> = host.within(|| (0..members.len()).map(socket).collect());
        let clients = sockets
            .into_iter()
            .zip(members)
            .enumerate()
            .map(|(number, (mut socket, member))| {
                poll.registry()
                    .register(&mut socket, Token(number), Interest::READABLE)
                    .expect("a descriptor to watch");
                let index = u32::try_from(number).expect("invariant: fewer than 2^24 clients");
                let secret = StaticSecret::from(*member.key.expose());
                let theirs = PublicPoint::from(*key.as_bytes());
                Client {
                    tunn: Tunn::new(secret, theirs, None, Some(25), index, None),
                    socket,
                    address: member.address,
                    asked: 0,
                    heard: 0,
                }
            })
            .collect();
        Crowd {
            clients,
            poll,
            ticked: now(),
            room: vec![0; ROOM].into(),
            datagram: vec![0; ROOM].into(),
        }
    }

    /// Starts a handshake for every client and goes on until all have a session, or the time
    /// is up. Gives how many have one.
    pub fn connect(&mut self, within: Duration) -> usize {
        for client in &mut self.clients {
            let initiation = client
                .tunn
                .format_handshake_initiation(&mut self.room, false);
            client.send(initiation);
        }
        self.run_until(within, Client::is_connected)
    }

    /// Lets every client send one packet to `address` in the tunnel, which has to answer echo
    /// requests, and goes on until all have their answer, or the time is up. Gives how many have.
    pub fn carry(&mut self, address: Ipv4Addr, within: Duration) -> usize {
        for client in &mut self.clients {
            client.asked = client.heard.wrapping_add(1);
            client.ask(address, &mut self.room);
        }
        let all = |client: &Client| client.heard == client.asked;
        let end = now() + within;
        loop {
            let answered = self.run_until(ECHO_LOST.min(end.since(now())), all);
            if answered == self.clients.len() || now() >= end {
                return answered;
            }
            for client in &mut self.clients {
                if client.heard != client.asked {
                    client.ask(address, &mut self.room);
                }
            }
        }
    }

    /// Does nothing but what clients do by themselves, for this long.
    pub fn idle(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Receives and keeps time until every client is `ready`, or the time is up. Gives how many are.
    fn run_until(&mut self, within: Duration, ready: impl Fn(&Client) -> bool) -> usize {
        let end = now() + within;
        let mut events = Events::with_capacity(1024);
        loop {
            if now().since(self.ticked) >= TICK {
                self.ticked = now();
                for client in &mut self.clients {
                    let due = client.tunn.update_timers(&mut self.room);
                    client.send(due);
                }
            }
            let count = self.clients.iter().filter(|client| ready(client)).count();
            let left = end.since(now());
            if count == self.clients.len() || left.is_zero() {
                return count;
            }
            match self.poll.poll(&mut events, Some(left.min(TICK))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled.expect("sockets can be waited for"),
            }
            for event in &events {
                let client = &mut self.clients[event.token().0];
                client.receive(&mut self.datagram, &mut self.room);
            }
        }
    }
}

impl Client {
    fn is_connected(&self) -> bool {
        self.tunn.time_since_last_handshake().is_some()
    }

    /// Sends what the tunnel wrote, if anything. A send that fails is a datagram lost.
    fn send(&self, result: TunnResult<'_>) {
        if let TunnResult::WriteToNetwork(datagram) = result {
            let _ = self.socket.send(datagram);
        }
    }

    fn receive(&mut self, datagram: &mut [u8], room: &mut [u8]) {
        while let Ok(len) = self.socket.recv(datagram) {
            let mut result = self.tunn.decapsulate(None, &datagram[..len], room);
            // After a handshake the packets that waited for it follow.
            while let TunnResult::WriteToNetwork(answer) = result {
                let _ = self.socket.send(answer);
                result = self.tunn.decapsulate(None, &[], room);
            }
            if let TunnResult::WriteToTunnelV4(packet, _) = result
                && packet.get(IP_HEADER..) == Some(&echo(ECHO_REPLY, self.address, self.asked)[..])
            {
                self.heard = self.asked;
            }
        }
    }

    fn ask(&mut self, address: Ipv4Addr, room: &mut [u8]) {
        let request = echo(ECHO_REQUEST, self.address, self.asked);
        let packet = [&ip_header(self.address, address)[..], &request].concat();
        let sealed = self.tunn.encapsulate(&packet, room);
        self.send(sealed);
    }
}

/// Bytes of an IPv4 header without options.
const IP_HEADER: usize = 20;
/// Bytes of an echo, its header included: with the IP header as many as ping(8) sends.
const ECHO: usize = 64;

/// The header in front of an [`ECHO`] (RFC 791).
fn ip_header(source: Ipv4Addr, destination: Ipv4Addr) -> [u8; IP_HEADER] {
    let mut header = [0; IP_HEADER];
    header[0] = 0x45;
    header[3] = (IP_HEADER + ECHO) as u8;
    // Time to live, and ICMP as what follows.
    header[8..10].copy_from_slice(&[64, 1]);
    header[12..16].copy_from_slice(&source.octets());
    header[16..].copy_from_slice(&destination.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// ICMP's type of an echo request (RFC 792).
const ECHO_REQUEST: u8 = 8;
/// ICMP's type of its answer.
const ECHO_REPLY: u8 = 0;

/// An echo message (RFC 792) filled with the address of the client that asks.
fn echo(kind: u8, client: Ipv4Addr, number: u16) -> [u8; ECHO] {
    let mut echo = [0; ECHO];
    for bytes in echo[8..].chunks_mut(4) {
        bytes.copy_from_slice(&client.octets());
    }
    echo[0] = kind;
    echo[6..8].copy_from_slice(&number.to_be_bytes());
    let sum = checksum(&echo);
    echo[2..4].copy_from_slice(&sum.to_be_bytes());
    echo
}

/// The Internet checksum (RFC 1071) of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let (words, _) = bytes.as_chunks();
    let sum: u32 = words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)))
        .sum();
    // Cast: folded twice, the sum fits.
    !((sum & 0xffff) + (sum >> 16) + (((sum & 0xffff) + (sum >> 16)) >> 16)) as u16
}

//! Watches the encrypted datagrams on a wire.

#![expect(
    unsafe_code,
    reason = "neither std nor nix can bind a packet socket to a link"
)]

use std::{
    io, mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt::RcvBufForce,
    },
};

use crate::{
    host::Host,
    wait::{Now, now},
};

/// One WireGuard message as it passed a link.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// When it passed.
    pub at: Now,
    /// Whether the host sent it.
    pub outgoing: bool,
    /// From where.
    pub source: SocketAddr,
    /// To where.
    pub destination: SocketAddr,
    /// The message's type, 1–4 (WireGuard paper §5.4).
    pub kind: u8,
    /// Bytes of UDP payload. With segmentation offload one of these may be a train of several.
    pub len: usize,
    /// The payload of a short one, at most [`SHORT`] bytes; empty for longer ones.
    pub payload: Vec<u8>,
}

/// Payloads up to this length in bytes are kept.
pub const SHORT: usize = 256;

impl Datagram {
    /// Whether it carries an inner packet: of type 4, and longer than a keepalive.
    pub fn carries_packet(&self) -> bool {
        self.kind == 4 && self.len > 32
    }
}

/// Anything else of IP that passed a link.
#[derive(Clone, Debug)]
pub struct ClearPacket {
    /// When it passed.
    pub at: Now,
    /// Whether the host sent it.
    pub outgoing: bool,
    /// To where.
    pub destination: IpAddr,
    /// Whether it is for a name server (RFC 1035 §4.2).
    pub is_question: bool,
}

/// What has passed a link.
#[derive(Debug, Default)]
struct Seen {
    datagrams: Vec<Datagram>,
    clear: Vec<ClearPacket>,
}

/// A wiretap on one link of a host, until it is dropped.
#[derive(Debug)]
pub struct Tap {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Tap {
    /// Taps a link.
    ///
    /// # Panics
    /// If the host has no such link.
    #[track_caller]
    pub fn on(host: &Host, link: &str) -> Tap {
        let socket = match host.within(|| open(link)) {
            Ok(socket) => socket,
            Err(error) => panic!("cannot tap {link} of {}: {error}", host.name()),
        };
        let (seen, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (log, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let reader = thread::spawn(move || follow(&socket, &log, &stopped));
        Tap {
            seen,
            stop,
            reader: Some(reader),
        }
    }

    /// All datagrams so far.
    pub fn datagrams(&self) -> Vec<Datagram> {
        let seen = self.seen.lock().expect("invariant: no holder panics");
        seen.datagrams.clone()
    }

    /// All IP packets so far that were no such datagrams.
    pub fn clear_packets(&self) -> Vec<ClearPacket> {
        let seen = self.seen.lock().expect("invariant: no holder panics");
        seen.clear.clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn open(link: &str) -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Packet,
        // From the packet on: a tunnel's link has no Ethernet header.
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::EthAll,
    )?;
    setsockopt(&socket, RcvBufForce, &(8 << 20))?;
    let mut address: libc::sockaddr_ll = zeroed();
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = nix::net::if_::if_nametoindex(link)? as i32;
    // SAFETY: a pointer to a sockaddr_ll and its size.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of_val(&address) as u32,
        )
    };
    if bound < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(socket)
}

fn zeroed() -> libc::sockaddr_ll {
    // SAFETY: it consists of integers.
    unsafe { mem::zeroed() }
}

fn follow(socket: &OwnedFd, log: &Mutex<Seen>, stop: &AtomicBool) {
    let mut packet = vec![0; 1 << 17];
    while !stop.load(Ordering::Relaxed) {
        let mut descriptors = [PollFd::new(
            std::os::fd::AsFd::as_fd(socket),
            PollFlags::POLLIN,
        )];
        let _ = poll(&mut descriptors, PollTimeout::from(20u8));
        loop {
            let mut from = zeroed();
            let mut size = size_of_val(&from) as u32;
            // SAFETY: pointers to a buffer and to a sockaddr_ll, with their sizes.
            let len = unsafe {
                libc::recvfrom(
                    socket.as_raw_fd(),
                    packet.as_mut_ptr().cast(),
                    packet.len(),
                    0,
                    (&raw mut from).cast(),
                    &mut size,
                )
            };
            let Ok(len) = usize::try_from(len) else { break };
            let (at, outgoing) = (now(), from.sll_pkttype == libc::PACKET_OUTGOING);
            let mut log = log.lock().expect("invariant: no holder panics");
            match udp(&packet[..len]) {
                Some((source, destination, payload @ &[kind @ 1..=4, 0, 0, 0, ..])) => {
                    let short = Some(payload).filter(|payload| payload.len() <= SHORT);
                    log.datagrams.push(Datagram {
                        at,
                        outgoing,
                        source,
                        destination,
                        kind,
                        len: payload.len(),
                        payload: short.unwrap_or_default().to_vec(),
                    });
                }
                other => {
                    let is_question = other.is_some_and(|(_, to, _)| to.port() == 53);
                    let packet = destination(&packet[..len]);
                    log.clear.extend(packet.map(|destination| ClearPacket {
                        at,
                        outgoing,
                        destination,
                        is_question,
                    }));
                }
            }
        }
    }
}

/// Where an IP packet goes.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => {
            let bytes: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            Some(bytes.into())
        }
        6 => {
            let bytes: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            Some(bytes.into())
        }
        _ => None,
    }
}

/// Addresses and payload of a UDP datagram. IPv6 extension headers and later fragments are not
/// looked into.
fn udp(packet: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    const UDP: u8 = 17;
    let (source, destination, datagram): (IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 if *packet.get(9)? == UDP => {
            let header = usize::from(packet[0] & 15) * 4;
            let address = |at: usize| -> Option<Ipv4Addr> {
                let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
                Some(bytes.into())
            };
            (
                address(12)?.into(),
                address(16)?.into(),
                packet.get(header..)?,
            )
        }
        6 if *packet.get(6)? == UDP => {
            let address = |at: usize| -> Option<Ipv6Addr> {
                let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                Some(bytes.into())
            };
            (address(8)?.into(), address(24)?.into(), packet.get(40..)?)
        }
        _ => return None,
    };
    let port = |at: usize| {
        Some(u16::from_be_bytes([
            *datagram.get(at)?,
            *datagram.get(at + 1)?,
        ]))
    };
    Some((
        SocketAddr::new(source, port(0)?),
        SocketAddr::new(destination, port(2)?),
        datagram.get(8..)?,
    ))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::{wait, world::World};

    #[test]
    fn datagrams_that_look_like_wireguard_are_seen_both_ways() {
        let world = World::new();
        let (a, b) = (world.host("a"), world.host("b"));
        world.wire((&a, "eth0", "10.0.0.1/24"), (&b, "eth0", "10.0.0.2/24"));
        world.wire((&a, "eth1", "fd00::1/64"), (&b, "eth1", "fd00::2/64"));
        let taps = [Tap::on(&a, "eth0"), Tap::on(&a, "eth1")];
        let ends = [("10.0.0.1:1", "10.0.0.2:2"), ("[fd00::1]:1", "[fd00::2]:2")];
        for (tap, (from, to)) in taps.iter().zip(ends) {
            let at_a = a.within(|| UdpSocket::bind(from).unwrap());
            let at_b = b.within(|| UdpSocket::bind(to).unwrap());
            at_a.send_to(b"no such message", to).unwrap();
            at_a.send_to(&[[4, 0, 0, 0].as_slice(), &[7; 60]].concat(), to)
                .unwrap();
            at_b.send_to(&[[4, 0, 0, 0].as_slice(), &[7; 28]].concat(), from)
                .unwrap();
            let seen = wait::until("two datagrams", wait::SOON, || {
                Some(tap.datagrams()).filter(|seen| seen.len() == 2)
            });
            assert!(seen[0].outgoing && seen[0].carries_packet());
            assert!(!seen[1].outgoing && !seen[1].carries_packet());
            assert_eq!(
                (seen[0].source, seen[0].destination),
                (from.parse().unwrap(), to.parse().unwrap())
            );
            assert!(seen[0].at <= seen[1].at);
            assert_eq!((seen[0].len, seen[0].payload.len()), (64, 64));
            let to: SocketAddr = to.parse().unwrap();
            let clear = tap.clear_packets();
            let no_message = clear.iter().find(|packet| packet.destination == to.ip());
            assert!(no_message.unwrap().outgoing);
        }
    }
}

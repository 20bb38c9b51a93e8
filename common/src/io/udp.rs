//! The outer UDP sockets: one per address family, trains in and out.
//!
//! One receive call takes up to 4 runs of datagrams (GRO), one send call takes a
//! train of equal-sized datagrams (GSO). Sockets are never connected: a peer may roam.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::{setsockopt_impl, sockopt_impl};
use quinn_udp::{EcnCodepoint, RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use super::{clock, steering};
use crate::clock::Now;
use crate::device::Transmit;
use crate::language::say;
use crate::run::{Ecn, Run};

/// Room for one run of datagrams in bytes: no GRO run is longer than a UDP payload.
const RUN_ROOM: usize = 65_536;

/// Runs received in one call: a quarter of a mebibyte, which stays in a processor's cache
/// until it is decrypted, and keeps what goes the other way waiting for no longer than that.
const RUNS: usize = 4;

/// Receive calls that may fail one after the other before the next event is waited for: an
/// error that stays must not keep the processor busy.
const ERRORS_IN_A_ROW: u8 = 8;

/// Asked of the kernel for each socket and direction, in bytes: the default of 208 KiB
/// loses a tenth of a full-speed stream, and what is longer than a millisecond or two at
/// full speed only makes everything wait. The kernel doubles it for its own needs.
const BUFFER_BYTES: usize = 384 << 10;

/// How long datagrams go one by one to where the kernel refused a train. What it refused
/// them for, a first hop that takes less, may be over by then.
const SINGLE: Duration = Duration::from_secs(60);

/// With port 0 both families need the same port; how often another one is tried.
const PORT_TRIES: usize = 16;

/// Why there are no sockets.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket has the port.
    #[error("{}", say().port_in_use(.port))]
    PortInUse {
        /// The port asked for.
        port: u16,
    },
    /// A port below 1024, or a mark, without the privilege for it.
    #[error("{}", say().no_permission_to(.action))]
    NoPermission {
        /// What was tried.
        action: String,
    },
    /// Anything else.
    #[error("{}", say().cannot_do(.action))]
    Socket {
        /// What was tried.
        action: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl BindError {
    fn at(action: String) -> impl FnOnce(io::Error) -> BindError {
        move |source| match source.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EPERM | Errno::EACCES) => BindError::NoPermission { action },
            _ => BindError::Socket { action, source },
        }
    }
}

/// Binds one pair of sockets per worker, all to `port`; 0 means any, the same for all.
///
/// With more than one worker the kernel steers a datagram to the worker whose number its
/// receiver index carries; if it cannot, a line is logged. `mark` is the firewall mark of
/// everything sent.
///
/// # Errors
/// [`BindError`]; a port that another process holds is refused even if that process
/// would share it.
pub fn bind(port: u16, mark: Option<u32>, workers: u8) -> Result<Vec<UdpPair>, BindError> {
    assert!(workers >= 1, "invariant: there is at least one worker");
    let shared = workers > 1;
    // Sockets of one user may share a port without asking, so a second gateway would
    // quietly take half of the datagrams. A socket that does not share finds out.
    let mut first = bind_pair(port, mark, false)?;
    if shared {
        let port = local_port(&first.0)?;
        drop(first);
        first = bind_pair(port, mark, true)?;
    }
    let port = local_port(&first.0)?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(bind_pair(port, mark, true)?);
    }
    if shared {
        let (v4, v6) = &sockets[0];
        let mut sockets = [Some(v4), v6.as_ref()].into_iter().flatten();
        if let Err(e) = sockets.try_for_each(|socket| steering::attach(socket, workers)) {
            tracing::warn!(reason = %e, "the kernel steers no datagrams; workers hand them over");
        }
    }
    let pairs = sockets
        .into_iter()
        .map(|(v4, v6)| {
            UdpPair::from_fds(v4.into(), v6.map(OwnedFd::from))
                .map_err(BindError::at(say().to_prepare_sockets()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if pairs.iter().any(|pair| !pair.v4.takes_trains) {
        tracing::warn!("the kernel offers no UDP segmentation offload; one datagram a call");
    }
    Ok(pairs)
}

fn local_port(socket: &Socket) -> Result<u16, BindError> {
    let address = socket
        .local_addr()
        .map_err(BindError::at(say().to_read_port()))?;
    Ok(address.as_socket().map_or(0, |address| address.port()))
}

fn bind_pair(
    port: u16,
    mark: Option<u32>,
    shared: bool,
) -> Result<(Socket, Option<Socket>), BindError> {
    let mut tries = if port == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let v4 = bind_one(Domain::IPV4, port, mark, shared)?;
        match bind_one(Domain::IPV6, local_port(&v4)?, mark, shared) {
            Ok(v6) => return Ok((v4, Some(v6))),
            Err(BindError::Socket { source, .. }) if no_ipv6(&source) => return Ok((v4, None)),
            Err(BindError::PortInUse { .. }) if tries > 0 => {}
            Err(e) => return Err(e),
        }
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT | Errno::EADDRNOTAVAIL)
    )
}

fn bind_one(
    domain: Domain,
    port: u16,
    mark: Option<u32>,
    shared: bool,
) -> Result<Socket, BindError> {
    let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))
        .map_err(BindError::at(say().to_open_socket()))?;
    let any: IpAddr = if domain == Domain::IPV6 {
        socket
            .set_only_v6(true)
            .map_err(BindError::at(say().to_restrict_socket()))?;
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    if shared {
        socket
            .set_reuse_port(true)
            .map_err(BindError::at(say().to_share_port()))?;
    }
    if let Some(mark) = mark {
        socket
            .set_mark(mark)
            .map_err(BindError::at(say().to_mark_socket()))?;
    }
    enlarge_buffers(&socket);
    socket
        .bind(&SocketAddr::new(any, port).into())
        .map_err(|e| match e.kind() {
            io::ErrorKind::AddrInUse => BindError::PortInUse { port },
            _ => BindError::at(say().to_bind_port())(e),
        })?;
    Ok(socket)
}

/// The plain options are capped by net.core.{r,w}mem_max, the others need CAP_NET_ADMIN.
/// Smaller buffers only cost speed.
fn enlarge_buffers(socket: &Socket) {
    let enlarged = setsockopt(socket, sockopt::RcvBufForce, &BUFFER_BYTES)
        .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &BUFFER_BYTES))
        .and_then(|()| {
            setsockopt(socket, sockopt::SndBufForce, &BUFFER_BYTES)
                .or_else(|_| setsockopt(socket, sockopt::SndBuf, &BUFFER_BYTES))
        });
    if let Err(e) = enlarged {
        tracing::debug!(reason = %e, "UDP buffers stay small");
    }
}

/// An address family: each has its own socket, and its own routing rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What became of datagrams that did not simply come or go. Datagrams, not calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpCounters {
    /// Receive calls that failed.
    pub receive_errors: u64,
    /// Dropped: the send buffer is full (EAGAIN, ENOBUFS).
    pub send_buffer_full: u64,
    /// Dropped: no way there (ENETUNREACH, EHOSTUNREACH, ENETDOWN, or no IPv6 here).
    pub unreachable: u64,
    /// Dropped: too big for the path's first hop (EMSGSIZE).
    pub too_big: u64,
    /// Dropped: a packet filter forbids it (EPERM).
    pub forbidden: u64,
    /// Dropped: any other error.
    pub other_send_errors: u64,
    /// Trains sent one datagram at a time because the kernel refused them whole.
    pub split_trains: u64,
    /// Local addresses that were gone when an answer was to leave from them.
    pub lost_sources: u64,
}

impl UdpCounters {
    fn count_drop(&mut self, error: &io::Error, datagrams: usize) {
        let counter = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => &mut self.send_buffer_full,
            Some(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN) => {
                &mut self.unreachable
            }
            Some(Errno::EMSGSIZE) => &mut self.too_big,
            Some(Errno::EPERM | Errno::EACCES) => &mut self.forbidden,
            _ => &mut self.other_send_errors,
        };
        *counter += datagrams as u64;
    }
}

/// What a send found out beyond having been tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// Nothing new.
    Tried,
    /// The local address asked for is gone; the train was sent from another one.
    SourceLost,
}

/// The sockets of one worker.
pub struct UdpPair {
    v4: UdpSocket,
    v6: Option<UdpSocket>,
    counters: UdpCounters,
    errors_in_a_row: u8,
    /// Where a train was refused last, and until when no other is tried there.
    single: Option<(SocketAddr, Now)>,
    /// Whether a refusal was told of.
    has_told: bool,
}

impl UdpPair {
    /// Takes sockets that [`bind`] made here or in another process.
    ///
    /// # Errors
    /// When they are no UDP sockets.
    pub fn from_fds(v4: OwnedFd, v6: Option<OwnedFd>) -> io::Result<UdpPair> {
        Ok(UdpPair {
            v4: UdpSocket::new(v4, Family::V4)?,
            v6: v6.map(|v6| UdpSocket::new(v6, Family::V6)).transpose()?,
            counters: UdpCounters::default(),
            errors_in_a_row: 0,
            single: None,
            has_told: false,
        })
    }

    /// Gives the sockets away, to another process for instance.
    pub fn into_fds(self) -> (OwnedFd, Option<OwnedFd>) {
        (self.v4.fd, self.v6.map(|v6| v6.fd))
    }

    /// The socket of `family`, to wait on; there may be no IPv6.
    pub fn fd(&self, family: Family) -> Option<BorrowedFd<'_>> {
        self.socket(family).map(|socket| socket.fd.as_fd())
    }

    /// The port both sockets are bound to.
    ///
    /// # Errors
    /// What `getsockname` says.
    pub fn port(&self) -> io::Result<u16> {
        let address = socket2::SockRef::from(&self.v4.fd).local_addr()?;
        Ok(address.as_socket().map_or(0, |address| address.port()))
    }

    /// What happened on these sockets so far.
    pub fn counters(&self) -> UdpCounters {
        self.counters
    }

    fn socket(&self, family: Family) -> Option<&UdpSocket> {
        match family {
            Family::V4 => Some(&self.v4),
            Family::V6 => self.v6.as_ref(),
        }
    }

    /// Receives up to 4 runs in one call, in place of what `batch` held.
    ///
    /// Gives whether there may be more. Errors of the network are counted and mean
    /// nothing here, since the socket is not connected; after several in a row there is
    /// nothing more to be had for now.
    ///
    /// # Errors
    /// Only what cannot get better: the descriptor is no socket.
    pub fn recv(&mut self, family: Family, batch: &mut Batch) -> io::Result<bool> {
        batch.count = 0;
        let Some(socket) = self.socket(family) else {
            return Ok(false);
        };
        let mut rooms = batch.buffers.chunks_exact_mut(RUN_ROOM);
        let mut slices: [IoSliceMut<'_>; RUNS] =
            std::array::from_fn(|_| IoSliceMut::new(rooms.next().unwrap_or_default()));
        let received = socket.state.recv(
            UdpSockRef::from(&socket.fd),
            &mut slices,
            &mut batch.metas[..],
        );
        match received {
            Ok(count) => {
                self.errors_in_a_row = 0;
                batch.count = count;
                // Fewer than there was room for: the kernel has looked for more.
                Ok(count == RUNS)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(e) => {
                self.counters.receive_errors += 1;
                self.errors_in_a_row = (self.errors_in_a_row + 1) % ERRORS_IN_A_ROW;
                match e.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EBADF | Errno::ENOTSOCK | Errno::EFAULT) => Err(e),
                    _ => Ok(self.errors_in_a_row != 0),
                }
            }
        }
    }

    /// Sends one train. What cannot be sent is counted and dropped.
    pub fn send(&mut self, transmit: &Transmit<'_>) -> Sent {
        let socket = match transmit.endpoint {
            SocketAddr::V4(_) => &self.v4,
            SocketAddr::V6(_) => match &self.v6 {
                Some(v6) => v6,
                None => {
                    self.counters.unreachable += datagrams(transmit) as u64;
                    return Sent::Tried;
                }
            },
        };
        let mut train = quinn_udp::Transmit {
            destination: transmit.endpoint,
            ecn: EcnCodepoint::from_bits(transmit.ecn.bits()),
            contents: transmit.contents,
            segment_size: Some(transmit.segment_size),
            src_ip: transmit.source,
        };
        let mut outcome = Sent::Tried;
        if datagrams(transmit) > 1
            && let Some((endpoint, until)) = self.single
            && endpoint == transmit.endpoint
        {
            if clock::now() < until {
                return self.send_one_by_one(train);
            }
            self.single = None;
        }
        let mut result = socket.try_send(&train);
        if train.src_ip.is_some() && result.as_ref().is_err_and(is_source_lost) {
            train.src_ip = None;
            result = socket.try_send(&train);
            if result.is_ok() {
                self.counters.lost_sources += 1;
                outcome = Sent::SourceLost;
            }
        }
        let Err(error) = result else { return outcome };
        if datagrams(transmit) > 1 && is_train_refused(&error) {
            if !std::mem::replace(&mut self.has_told, true) && socket.takes_trains {
                let endpoint = transmit.endpoint;
                tracing::warn!(%endpoint, reason = %error, "the kernel takes no train of datagrams to there; one a call");
            }
            self.single = Some((transmit.endpoint, clock::now() + SINGLE));
            let sent = self.send_one_by_one(train);
            return if outcome == Sent::Tried {
                sent
            } else {
                outcome
            };
        }
        self.counters.count_drop(&error, datagrams(transmit));
        outcome
    }

    fn send_one_by_one(&mut self, train: quinn_udp::Transmit<'_>) -> Sent {
        self.counters.split_trains += 1;
        let stride = train.segment_size.unwrap_or(train.contents.len()).max(1);
        let mut source = train.src_ip;
        for datagram in train.contents.chunks(stride) {
            let mut single = quinn_udp::Transmit {
                contents: datagram,
                segment_size: None,
                src_ip: source,
                ..train.clone()
            };
            let mut sent = self.try_send(&single);
            if source.is_some() && sent.as_ref().is_err_and(is_source_lost) {
                single.src_ip = None;
                sent = self.try_send(&single);
                if sent.is_ok() {
                    source = None;
                    self.counters.lost_sources += 1;
                }
            }
            if let Err(error) = sent {
                self.counters.count_drop(&error, 1);
            }
        }
        match source == train.src_ip {
            true => Sent::Tried,
            false => Sent::SourceLost,
        }
    }

    fn try_send(&self, datagrams: &quinn_udp::Transmit<'_>) -> io::Result<()> {
        let socket = match datagrams.destination {
            SocketAddr::V4(_) => Some(&self.v4),
            SocketAddr::V6(_) => self.v6.as_ref(),
        };
        match socket {
            Some(socket) => socket.try_send(datagrams),
            None => Err(Errno::ENETUNREACH.into()),
        }
    }
}

/// Room for what one receive call can bring. Allocated once.
pub struct Batch {
    buffers: Box<[u8]>,
    metas: Box<[RecvMeta; RUNS]>,
    count: usize,
}

impl Batch {
    /// An empty batch; its room is zero pages until a run is received into them.
    pub fn new() -> Batch {
        Batch {
            buffers: vec![0; RUNS * RUN_ROOM].into_boxed_slice(),
            metas: Box::new([RecvMeta::default(); RUNS]),
            count: 0,
        }
    }

    /// The runs of the last receive call, in the order they came.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        let received = self.metas[..self.count].iter();
        received
            .zip(self.buffers.chunks_exact(RUN_ROOM))
            .filter_map(|(meta, room)| {
                let bytes = room.get(..meta.len).filter(|bytes| !bytes.is_empty())?;
                Some(Run {
                    source: meta.addr,
                    local: meta.dst_ip,
                    ecn: meta.ecn.map_or(Ecn::NONE, |ecn| Ecn::from_bits(ecn as u8)),
                    bytes,
                    stride: meta.stride.clamp(1, bytes.len()),
                })
            })
    }
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

fn datagrams(transmit: &Transmit<'_>) -> usize {
    transmit
        .contents
        .len()
        .div_ceil(transmit.segment_size.max(1))
}

/// Linux says so when the source address asked for is not (or no longer) ours.
fn is_source_lost(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EINVAL | Errno::EADDRNOTAVAIL | Errno::ENETUNREACH)
    )
}

/// A segment above the path's MTU (EMSGSIZE, EINVAL in older kernels), or an interface
/// that cannot do the checksums (EIO).
fn is_train_refused(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EMSGSIZE | Errno::EINVAL | Errno::EIO)
    )
}

struct UdpSocket {
    fd: OwnedFd,
    state: UdpSocketState,
    /// Whether the kernel takes trains. Asked once: quinn-udp changes its own answer for
    /// good at any EINVAL, which an address that vanished gives as well.
    takes_trains: bool,
}

impl UdpSocket {
    fn new(fd: OwnedFd, family: Family) -> io::Result<UdpSocket> {
        let state = UdpSocketState::new(UdpSockRef::from(&fd))?;
        // quinn-udp wants QUIC's path MTU discovery and receive timestamps. A tunnel
        // lets the network fragment, as its peers cannot send smaller than their MTU.
        setsockopt(&fd, sockopt::ReceiveTimestampns, &false)?;
        setsockopt(&fd, Ipv4MtuDiscover, &libc::IP_PMTUDISC_DONT)?;
        if family == Family::V6 {
            setsockopt(&fd, Ipv6MtuDiscover, &libc::IPV6_PMTUDISC_DONT)?;
            setsockopt(&fd, sockopt::Ipv6DontFrag, &false)?;
        }
        let takes_trains = state.max_gso_segments() > 1;
        Ok(UdpSocket {
            fd,
            state,
            takes_trains,
        })
    }

    fn try_send(&self, train: &quinn_udp::Transmit<'_>) -> io::Result<()> {
        let is_train = train
            .segment_size
            .is_some_and(|size| size < train.contents.len());
        if is_train && !self.takes_trains {
            return Err(Errno::EIO.into());
        }
        self.state.try_send(UdpSockRef::from(&self.fd), train)
    }
}

sockopt_impl!(
    /// Whether IPv4 datagrams may be fragmented (ip(7), IP_MTU_DISCOVER).
    Ipv4MtuDiscover,
    SetOnly,
    libc::IPPROTO_IP,
    libc::IP_MTU_DISCOVER,
    libc::c_int
);

sockopt_impl!(
    /// Whether IPv6 datagrams may be fragmented (ipv6(7), IPV6_MTU_DISCOVER).
    Ipv6MtuDiscover,
    SetOnly,
    libc::IPPROTO_IPV6,
    libc::IPV6_MTU_DISCOVER,
    libc::c_int
);

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket as Plain};

    use super::*;

    #[test]
    fn an_error_that_stays_does_not_keep_the_processor_busy() {
        let socket = Plain::bind("127.0.0.1:0").unwrap();
        let mut pair = UdpPair::from_fds(socket.into(), None).unwrap();
        // Who listens receives nothing, and hears so each time (ENOTCONN).
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        nix::unistd::dup2(&listener, &mut pair.v4.fd).unwrap();
        let mut batch = Batch::new();
        for _ in 0..3 {
            let calls = (1..100).find(|_| !pair.recv(Family::V4, &mut batch).unwrap());
            assert_eq!(calls, Some(usize::from(ERRORS_IN_A_ROW)));
        }
        assert_eq!(
            pair.counters().receive_errors,
            3 * u64::from(ERRORS_IN_A_ROW)
        );
    }

    #[test]
    fn every_reason_why_a_datagram_cannot_leave_is_counted_and_none_is_fatal() {
        let counted = |errno: Errno| {
            let mut counters = UdpCounters::default();
            counters.count_drop(&errno.into(), 3);
            counters
        };
        let none = UdpCounters::default();
        for (errnos, expected) in [
            (
                &[Errno::EAGAIN, Errno::ENOBUFS, Errno::ENOMEM][..],
                UdpCounters {
                    send_buffer_full: 3,
                    ..none
                },
            ),
            (
                &[Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::ENETDOWN],
                UdpCounters {
                    unreachable: 3,
                    ..none
                },
            ),
            (&[Errno::EMSGSIZE], UdpCounters { too_big: 3, ..none }),
            (
                &[Errno::EPERM, Errno::EACCES],
                UdpCounters {
                    forbidden: 3,
                    ..none
                },
            ),
            (
                &[
                    Errno::ECONNREFUSED,
                    Errno::EADDRNOTAVAIL,
                    Errno::EINVAL,
                    Errno::EIO,
                ],
                UdpCounters {
                    other_send_errors: 3,
                    ..none
                },
            ),
        ] {
            for errno in errnos {
                assert_eq!(counted(*errno), expected, "{errno}");
            }
        }
    }
}

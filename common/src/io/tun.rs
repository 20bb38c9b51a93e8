//! The TUN device: one kernel read or write carries many packets.
//!
//! Opened with virtio network headers and segmentation offload, so that TCP and UDP
//! cross the boundary as super-packets of up to 64 KiB. A read is cut into the packets
//! that go on the wire ([`Segments`]), a run of packets is merged before it is written
//! ([`Coalescer`]).

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::net::if_::if_nametoindex;
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::coalesce::{Coalescer, MAX_MERGED};
use crate::guard::PADDING;
use crate::language::say;
use crate::packet::Packets;
use crate::segments::Segments;
use crate::virtio::{VIRTIO_HEADER_LEN, VirtioHeader};

/// Largest IP packet, so the largest super-packet too, in bytes.
const MAX_PACKET: usize = 65_535;

/// Longest interface name in bytes (`IFNAMSIZ` of linux/if.h, less its NUL).
pub const MAX_NAME: usize = 15;

/// What the kernel does for a queue. Goes along with a descriptor to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Offload {
    /// Nothing: one packet a call, no virtio header in front.
    Off,
    /// Segmentation of TCP.
    Tcp,
    /// Segmentation of TCP and, since Linux 6.2, of UDP.
    TcpUdp,
}

/// How to open a device.
#[derive(Clone, Debug)]
pub struct TunOptions {
    /// The interface's name; the kernel chooses if `None`.
    pub name: Option<String>,
    /// Number of queues, at least 1.
    pub queues: usize,
    /// Largest inner packet in bytes.
    pub mtu: u16,
}

/// Why there is no TUN device.
#[derive(Debug, thiserror::Error)]
pub enum TunError {
    /// The process lacks CAP_NET_ADMIN, or may not open /dev/net/tun.
    #[error("{}", say().no_permission_for_tun())]
    NoPermission,
    /// The kernel has no TUN driver here, or a container hides it.
    #[error("{}", say().no_tun_driver())]
    NoDevice,
    /// An interface of that name exists.
    #[error("{}", say().interface_exists(.name))]
    NameTaken {
        /// The name asked for.
        name: String,
    },
    /// Not a name Linux accepts.
    #[error("{}", say().malformed_interface(.name, &MAX_NAME))]
    BadName {
        /// The name asked for.
        name: String,
    },
    /// Anything else.
    #[error("{}", say().tun_does_not_open())]
    Open(#[source] io::Error),
}

impl TunError {
    fn from_io(error: io::Error, name: Option<&str>) -> TunError {
        match (error.raw_os_error().map(Errno::from_raw), name) {
            (Some(Errno::EPERM | Errno::EACCES), _) => TunError::NoPermission,
            (Some(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO), _) => TunError::NoDevice,
            (Some(Errno::EBUSY | Errno::EEXIST), Some(name)) => TunError::NameTaken {
                name: name.to_owned(),
            },
            _ => TunError::Open(error),
        }
    }
}

/// Opens a device that vanishes with its last queue. It is down and without addresses.
///
/// Gives its name and its queues. Offload that the kernel refuses is left out, with a
/// line in the log.
///
/// # Errors
/// [`TunError`]; nothing is left behind.
pub fn open(options: &TunOptions) -> Result<(String, Vec<TunQueue>), TunError> {
    let name = options.name.as_deref();
    if let Some(name) = name {
        check_name(name)?;
        // The kernel would attach us to an idle device of somebody else.
        if if_nametoindex(name).is_ok() {
            return Err(TunError::NameTaken {
                name: name.to_owned(),
            });
        }
    }
    let first = match build(options, true) {
        Err(e) if e.raw_os_error() == Some(Errno::EINVAL as i32) => {
            tracing::warn!(error = %e, "the kernel offers no TUN offload; one packet a call");
            build(options, false)
        }
        opened => opened,
    }
    .map_err(|e| TunError::from_io(e, name))?;

    let offload = match (first.tcp_gso(), first.udp_gso()) {
        (false, _) => Offload::Off,
        (true, false) => {
            tracing::warn!("the kernel offers no TUN offload of UDP; one datagram a call");
            Offload::Tcp
        }
        (true, true) => Offload::TcpUdp,
    };
    let name = first.name().map_err(TunError::Open)?;
    let mut devices = vec![first];
    for _ in 1..options.queues {
        devices.push(devices[0].try_clone().map_err(TunError::Open)?);
    }
    let queues = devices
        .iter()
        .map(|device| TunQueue::from_fd(device.as_fd().try_clone_to_owned()?, offload))
        .collect::<io::Result<_>>()
        .map_err(TunError::Open)?;
    Ok((name, queues))
}

/// Whether `name` can name an interface: dev_valid_name() of the kernel, and no template.
fn check_name(name: &str) -> Result<(), TunError> {
    let bad = name.is_empty()
        || name.len() > MAX_NAME
        || name == "."
        || name == ".."
        || name.contains(['/', ':', '%', '\0'])
        || name.contains(char::is_whitespace);
    if bad {
        return Err(TunError::BadName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn build(options: &TunOptions, offload: bool) -> io::Result<SyncDevice> {
    let mut builder = DeviceBuilder::new().mtu(options.mtu).enable(false);
    if let Some(name) = &options.name {
        builder = builder.name(name);
    }
    builder
        .with(|linux| {
            linux.offload(offload).multi_queue(options.queues > 1);
        })
        .build_sync()
}

/// Events of one queue that nobody hears of otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunCounters {
    /// Reads that made no sense.
    pub unreadable: u64,
    /// Writes the kernel refused: the interface is down, or a packet it does not take.
    pub write_errors: u64,
}

/// One queue of a TUN device, non-blocking.
pub struct TunQueue {
    file: File,
    offload: Offload,
    /// What was read last.
    frame: Box<[u8]>,
    coalescer: Coalescer,
    counters: TunCounters,
}

impl TunQueue {
    /// Takes a queue that [`open`] made here or in another process.
    ///
    /// # Errors
    /// What `fcntl` says about a descriptor that is none.
    pub fn from_fd(fd: OwnedFd, offload: Offload) -> io::Result<TunQueue> {
        let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(TunQueue {
            file: File::from(fd),
            offload,
            frame: vec![0; VIRTIO_HEADER_LEN + MAX_PACKET + PADDING].into(),
            coalescer: Coalescer::new(offload == Offload::TcpUdp),
            counters: TunCounters::default(),
        })
    }

    /// What the kernel does for this queue.
    pub fn offload(&self) -> Offload {
        self.offload
    }

    /// What happened on this queue so far.
    pub fn counters(&self) -> TunCounters {
        self.counters
    }

    /// Reads once; `None` means that something unreadable was counted and dropped.
    ///
    /// # Errors
    /// `WouldBlock` when the queue is empty; anything else means that the device is gone.
    pub fn read(&mut self) -> io::Result<Option<Segments<'_>>> {
        let room = self.frame.len() - PADDING;
        let segments = if self.offload == Offload::Off {
            let len = read_retrying(&self.file, &mut self.frame[..room])?;
            Segments::single(&mut self.frame, len)
        } else {
            let len = read_retrying(&self.file, &mut self.frame[..room])?;
            let (header, packet) = self
                .frame
                .split_first_chunk_mut()
                .expect("invariant: the frame is longer than its header");
            len.checked_sub(VIRTIO_HEADER_LEN)
                .and_then(|len| Segments::new(VirtioHeader::decode(header), packet, len))
        };
        if segments.is_none() {
            self.counters.unreadable += 1;
        }
        Ok(segments)
    }

    /// Writes `packets`, merging those that continue one another. Whatever the kernel
    /// does not take is counted and dropped. Headers in `packets` are changed.
    pub fn write(&mut self, packets: &mut Packets) {
        if self.offload == Offload::Off {
            for packet in packets.iter() {
                let written = (&self.file).write(packet);
                self.counters.write_errors += u64::from(written.is_err());
            }
            return;
        }
        self.coalescer.merge(packets);
        for merged in self.coalescer.merged() {
            let mut slices = [IoSlice::new(&[]); MAX_MERGED + 1];
            let mut count = 0;
            for (slice, piece) in slices
                .iter_mut()
                .zip(self.coalescer.pieces(merged, packets))
            {
                *slice = IoSlice::new(piece);
                count += 1;
            }
            let written = (&self.file).write_vectored(&slices[..count]);
            self.counters.write_errors += u64::from(written.is_err());
        }
    }
}

impl AsFd for TunQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl IntoRawFd for TunQueue {
    fn into_raw_fd(self) -> RawFd {
        self.file.into_raw_fd()
    }
}

impl From<TunQueue> for OwnedFd {
    fn from(queue: TunQueue) -> OwnedFd {
        queue.file.into()
    }
}

fn read_retrying(mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

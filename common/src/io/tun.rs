//! The TUN device: one kernel read or write carries many packets.
//!
//! Opened with virtio network headers and segmentation offload, so that TCP and UDP
//! cross the boundary as super-packets of up to 64 KiB. A read is split into the
//! packets that go on the wire, a run of packets is merged before it is written.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::net::if_::if_nametoindex;
use tun_rs::{
    DeviceBuilder, ExpandBuffer, GROTable, SyncDevice, VIRTIO_NET_HDR_GSO_TCPV4,
    VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_UDP_L4, VIRTIO_NET_HDR_LEN, VirtioNetHdr,
    checksum, gso_split,
};

use crate::packet::{CAPACITY, HEADROOM, PacketBuf};

/// Largest IP packet, so the largest super-packet too, in bytes.
const MAX_PACKET: usize = 65_535;

/// Longest interface name in bytes (`IFNAMSIZ` of linux/if.h, less its NUL).
pub const MAX_NAME: usize = 15;

// linux/virtio_net.h; tun-rs keeps these to itself.
const NEEDS_CSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_ECN: u8 = 0x80;

/// No header has these flags: what still carries them after merging was merged away.
const MERGED_AWAY: [u8; HEADROOM] = [0xff; HEADROOM];

const _: () = assert!(HEADROOM == VIRTIO_NET_HDR_LEN);

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
    #[error("no permission to create a TUN device")]
    NoPermission,
    /// The kernel has no TUN driver here, or a container hides it.
    #[error("there is no TUN driver at /dev/net/tun")]
    NoDevice,
    /// An interface of that name exists.
    #[error("the interface {name} exists already")]
    NameTaken {
        /// The name asked for.
        name: String,
    },
    /// Not a name Linux accepts.
    #[error("{name:?} is no interface name: 1 to {MAX_NAME} characters, no '/', '%' or blank")]
    BadName {
        /// The name asked for.
        name: String,
    },
    /// Anything else.
    #[error("the TUN device does not open")]
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
            tracing::info!(error = %e, "the kernel offers no TUN offload; one packet a call");
            build(options, false)
        }
        opened => opened,
    }
    .map_err(|e| TunError::from_io(e, name))?;

    let offload = match (first.tcp_gso(), first.udp_gso()) {
        (false, _) => Offload::Off,
        (true, false) => Offload::Tcp,
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
    /// Reads that made no sense, or more segments than there were buffers.
    pub unreadable: u64,
    /// Writes the kernel refused: the interface is down, or a packet it does not take.
    pub write_errors: u64,
}

/// One queue of a TUN device, non-blocking.
pub struct TunQueue {
    file: File,
    offload: Offload,
    scratch: PacketBuf,
    sizes: Vec<usize>,
    merger: GROTable,
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
            scratch: PacketBuf::new(),
            sizes: Vec::new(),
            merger: GROTable::new(),
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

    /// Reads once and splits what came into `packets`; gives their number.
    ///
    /// 0 means that something unreadable was counted and dropped.
    ///
    /// # Errors
    /// `WouldBlock` when the queue is empty; anything else means that the device is gone.
    pub fn read(&mut self, packets: &mut [PacketBuf]) -> io::Result<usize> {
        let Some(first) = packets.first_mut() else {
            return Ok(0);
        };
        if self.offload == Offload::Off {
            let len = read_retrying(&self.file, first.room())?;
            first.set_len(len);
            return Ok(1);
        }
        let len = read_retrying(&self.file, self.scratch.framed_room())?;
        let count = len
            .checked_sub(HEADROOM)
            .and_then(|len| self.split(len, packets));
        if count.is_none() {
            self.counters.unreadable += 1;
        }
        Ok(count.unwrap_or(0))
    }

    /// Splits the super-packet of `len` bytes in `scratch`; `None` if it makes no sense.
    fn split(&mut self, len: usize, packets: &mut [PacketBuf]) -> Option<usize> {
        self.scratch.set_len(len);
        let frame = self.scratch.framed();
        let mut header = VirtioNetHdr::decode(frame).ok()?;
        let packet = &mut frame[HEADROOM..];
        let version = packet.first()? >> 4;
        let csum_start = usize::from(header.csum_start);

        if header.gso_type == GSO_NONE {
            if header.flags & NEEDS_CSUM != 0 {
                complete_checksum(packet, csum_start, usize::from(header.csum_offset))?;
            }
            std::mem::swap(&mut self.scratch, packets.first_mut()?);
            return Some(1);
        }

        // In what is forwarded the kernel's hdr_len can span the whole first segment,
        // so the transport header is measured here.
        let transport_len = match header.gso_type & !GSO_ECN {
            VIRTIO_NET_HDR_GSO_UDP_L4 => 8,
            VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_TCPV6 => {
                u16::from(packet.get(csum_start.checked_add(12)?)? >> 4) * 4
            }
            _ => return None,
        };
        header.hdr_len = header.csum_start.checked_add(transport_len)?;

        self.sizes.resize(packets.len(), 0);
        for buffer in packets.iter_mut() {
            buffer.set_len(CAPACITY);
        }
        let split = gso_split(
            packet,
            header,
            packets,
            &mut self.sizes,
            HEADROOM,
            version == 6,
        );
        let count = split.as_ref().map_or(0, |count| *count);
        for (buffer, size) in packets.iter_mut().zip(&self.sizes[..count]) {
            buffer.set_len(*size);
        }
        for buffer in &mut packets[count..] {
            buffer.set_len(0);
        }
        split.ok()
    }

    /// Writes `packets`, merging those that continue one another. Whatever the kernel
    /// does not take is counted and dropped. Headers and lengths in `packets` are changed.
    pub fn write(&mut self, packets: &mut [PacketBuf]) {
        if self.offload == Offload::Off {
            for packet in packets.iter().filter(|packet| !packet.is_empty()) {
                let written = (&self.file).write(packet.packet());
                self.counters.write_errors += u64::from(written.is_err());
            }
            return;
        }
        for packet in packets.iter_mut() {
            packet.framed_room()[..HEADROOM].copy_from_slice(&MERGED_AWAY);
        }
        let can_merge_udp = self.offload == Offload::TcpUdp;
        if let Err(e) = self.merger.apply_gro(packets, HEADROOM, can_merge_udp) {
            // Only an empty packet does this.
            tracing::trace!(error = %e, "packets for the TUN device dropped");
            self.counters.write_errors += packets.len() as u64;
            return;
        }
        // tun-rs keeps its list of what to write private, but gives a header to
        // exactly those packets.
        for packet in packets.iter_mut() {
            let frame = packet.framed();
            if frame[..HEADROOM] != MERGED_AWAY {
                let written = (&self.file).write(frame);
                self.counters.write_errors += u64::from(written.is_err());
            }
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

/// Finishes a checksum whose field holds the sum of the pseudo-header (virtio 1.2 §5.1.6.2).
fn complete_checksum(packet: &mut [u8], start: usize, offset: usize) -> Option<()> {
    const UDP_CHECKSUM: usize = 6;
    let field = start.checked_add(offset)?;
    // The field's own bytes are part of the sum, which is how the pseudo-header enters it.
    let sum = !checksum(packet.get(start..)?, 0);
    let sum = match sum {
        // In UDP zero means "no checksum" (RFC 768).
        0 if offset == UDP_CHECKSUM => u16::MAX,
        sum => sum,
    };
    packet
        .get_mut(field..field.checked_add(2)?)?
        .copy_from_slice(&sum.to_be_bytes());
    Some(())
}

impl ExpandBuffer for PacketBuf {
    /// Twice the headroom and the largest packet: tun-rs merges up to
    /// `capacity - 2 * offset` bytes and would cut a longer length to 16 bits.
    fn buf_capacity(&self) -> usize {
        2 * HEADROOM + MAX_PACKET
    }

    fn buf_resize(&mut self, new_len: usize, value: u8) {
        let old_len = HEADROOM + self.len();
        self.set_len(new_len - HEADROOM);
        if let Some(grown) = self.framed().get_mut(old_len..) {
            grown.fill(value);
        }
    }

    fn buf_extend_from_slice(&mut self, more: &[u8]) {
        let old_len = HEADROOM + self.len();
        self.set_len(self.len() + more.len());
        self.framed()[old_len..].copy_from_slice(more);
    }
}

//! The packet loop of one worker: device, sockets and TUN queue under one `poll`.
//!
//! Its only job is the device's drive contract: after every `handle_*` write what
//! [`Device::poll_packets`] gives, send what [`Device::poll_transmit`] gives, and sleep
//! until [`Device::poll_timeout`].

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::clock;
use super::tun::{TunCounters, TunQueue};
use super::udp::{Batch, Family, Sent, UdpCounters, UdpPair};
use crate::clock::Now;
use crate::device::{Device, Transmit};

const V4: Token = Token(0);
const V6: Token = Token(1);
const TUN: Token = Token(2);
const TIMER: Token = Token(3);

/// The first token that owners may register their own sources with.
pub const FIRST_FREE_TOKEN: Token = Token(4);

/// Reads from the TUN per round, each of up to 64 KiB. Rounds are short, so that a flood
/// from one side makes nothing from the other side wait for long, nor the ticks and the
/// owner's sources: at 5 Gbit/s this is half a millisecond.
const READS_PER_ROUND: usize = 64;

/// Bytes that are read from the TUN before they are sent. Small packets come one a read,
/// so several reads make a burst: what goes to one peer then leaves in few trains.
const BYTES_PER_BURST: usize = 32_768;

/// Bytes and datagrams that are received before their packets are written: more than one
/// train, since a super-packet may come spread over two and is to be whole again.
const BYTES_PER_WRITE: usize = 65_536;
const DATAGRAMS_PER_WRITE: usize = 64;

/// Bursts per round.
const BURSTS_PER_ROUND: usize = 4;

/// Events taken from one `poll`: our four and an owner's few.
const EVENTS: usize = 32;

/// Where a device's packets and datagrams go.
struct Edges {
    udp: UdpPair,
    tun: TunQueue,
    pin_source: bool,
}

impl Edges {
    /// Writes and sends everything `device` has to hand out. Gives whether something was
    /// written.
    fn drain(&mut self, device: &mut Device) -> bool {
        let mut has_written = false;
        while let Some(packets) = device.poll_packets() {
            self.tun.write(packets);
            has_written = true;
        }
        self.send(device, Device::poll_transmit);
        has_written
    }

    /// Sends the trains that `poll` gives.
    fn send(&mut self, device: &mut Device, poll: fn(&mut Device) -> Option<Transmit<'_>>) {
        while let Some(mut transmit) = poll(device) {
            if !self.pin_source {
                transmit.source = None;
            }
            if self.udp.send(&transmit) == Sent::SourceLost {
                device.handle_source_lost();
            }
        }
    }
}

/// What has data as far as we know. Readiness is reported once (edge-triggered), so it
/// is remembered until a read says that nothing is left.
#[derive(Default)]
struct Ready {
    v4: bool,
    v6: bool,
    tun: bool,
}

/// Counters of the edges, beside the device's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoCounters {
    /// Of the UDP sockets.
    pub udp: UdpCounters,
    /// Of the TUN queue.
    pub tun: TunCounters,
}

/// One worker's packet loop.
pub struct Datapath {
    device: Device,
    edges: Edges,
    poll: Poll,
    events: Events,
    timer: TimerFd,
    /// What the timer is set to, until it has fired.
    armed: Option<Now>,
    ready: Ready,
    /// The last reading of the clock.
    now: Now,
    batch: Batch,
}

impl Datapath {
    /// Puts a device between its sockets and its TUN queue.
    ///
    /// # Errors
    /// When the kernel has no epoll, timer or memory for us.
    pub fn new(device: Device, udp: UdpPair, tun: TunQueue) -> io::Result<Datapath> {
        let poll = Poll::new()?;
        let timer = TimerFd::new(
            ClockId::CLOCK_BOOTTIME,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        let register = |fd: BorrowedFd<'_>, token| {
            let mut source = SourceFd(&fd.as_raw_fd());
            poll.registry()
                .register(&mut source, token, Interest::READABLE)
        };
        for (family, token) in [(Family::V4, V4), (Family::V6, V6)] {
            if let Some(fd) = udp.fd(family) {
                register(fd, token)?;
            }
        }
        register(tun.as_fd(), TUN)?;
        register(timer.as_fd(), TIMER)?;
        Ok(Datapath {
            device,
            edges: Edges {
                udp,
                tun,
                pin_source: false,
            },
            poll,
            events: Events::with_capacity(EVENTS),
            timer,
            armed: None,
            ready: Ready::default(),
            now: clock::now(),
            batch: Batch::new(),
        })
    }

    /// Whether datagrams leave from the local address the peer's datagrams came to:
    /// a gateway with several addresses does, a client never (its addresses change).
    pub fn set_pin_source(&mut self, pin_source: bool) {
        self.edges.pin_source = pin_source;
    }

    /// Where the owner registers sources of its own, with tokens from [`FIRST_FREE_TOKEN`].
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The device, to be changed or asked; call [`Datapath::flush`] after a change.
    pub fn device_mut(&mut self) -> &mut Device {
        &mut self.device
    }

    /// What the sockets and the TUN queue counted.
    pub fn io_counters(&self) -> IoCounters {
        IoCounters {
            udp: self.edges.udp.counters(),
            tun: self.edges.tun.counters(),
        }
    }

    /// Waits until something happens, and does one bounded round of it: datagrams first,
    /// then ticks, then packets from the TUN. The owner's tokens that fired are put into
    /// `foreign`, which is cleared first.
    ///
    /// # Errors
    /// Only what ends the loop: the TUN device is gone, a descriptor is invalid.
    pub fn turn(&mut self, foreign: &mut Vec<Token>) -> io::Result<()> {
        foreign.clear();
        self.wait(foreign)?;
        self.receive(Family::V4)?;
        self.receive(Family::V6)?;
        self.now = clock::now();
        if self.is_due() {
            self.device.handle_timeout(self.now);
            self.flush();
        }
        self.read_tun()
    }

    /// Whether the device wants to be called at once.
    fn is_due(&self) -> bool {
        let due = self.device.poll_timeout();
        due.is_some_and(|due| due <= self.now)
    }

    /// Writes and sends everything the device has to hand out.
    pub fn flush(&mut self) {
        self.edges.drain(&mut self.device);
    }

    fn receive(&mut self, family: Family) -> io::Result<()> {
        let ready = match family {
            Family::V4 => &mut self.ready.v4,
            Family::V6 => &mut self.ready.v6,
        };
        if !*ready {
            return Ok(());
        }
        *ready = self.edges.udp.recv(family, &mut self.batch)?;
        let now = clock::now();
        let device = &mut self.device;
        let (mut bytes, mut datagrams) = (0, 0);
        for run in self.batch.runs() {
            device.handle_datagrams(now, run);
            bytes += run.bytes.len();
            datagrams += run.bytes.len().div_ceil(run.stride);
            if bytes >= BYTES_PER_WRITE || datagrams >= DATAGRAMS_PER_WRITE {
                (bytes, datagrams) = (0, 0);
                self.ready.tun |= self.edges.drain(device);
            }
        }
        // The kernel answers what is written in the same call, with an acknowledgement or
        // an echo: no need to be told of that.
        self.ready.tun |= self.edges.drain(device);
        Ok(())
    }

    fn read_tun(&mut self) -> io::Result<()> {
        let mut reads = 0;
        for _ in 0..BURSTS_PER_ROUND {
            if !self.ready.tun || reads == READS_PER_ROUND {
                break;
            }
            let now = clock::now();
            let mut bytes = 0;
            while reads < READS_PER_ROUND && bytes < BYTES_PER_BURST {
                reads += 1;
                match self.edges.tun.read() {
                    Ok(Some(packets)) => {
                        bytes += packets.whole().len();
                        self.device.handle_packets(now, packets);
                    }
                    Ok(None) => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        self.ready.tun = false;
                        break;
                    }
                    Err(e) => return Err(e),
                }
            }
            // The last train waits for the next burst to fill it.
            self.edges
                .send(&mut self.device, Device::poll_full_transmit);
        }
        self.edges.drain(&mut self.device);
        Ok(())
    }

    fn wait(&mut self, foreign: &mut Vec<Token>) -> io::Result<()> {
        let busy = self.ready.v4 || self.ready.v6 || self.ready.tun || self.is_due();
        if !busy {
            self.arm_timer()?;
        }
        match self
            .poll
            .poll(&mut self.events, busy.then_some(Duration::ZERO))
        {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &self.events {
            match event.token() {
                V4 => self.ready.v4 = true,
                V6 => self.ready.v6 = true,
                TUN => self.ready.tun = true,
                TIMER => self.armed = None,
                token => foreign.push(token),
            }
        }
        Ok(())
    }

    /// Sets the timer unless it will fire early enough anyway: an early wake-up costs
    /// less than a system call whenever a deadline moves back.
    fn arm_timer(&mut self) -> io::Result<()> {
        let Some(due) = self.device.poll_timeout() else {
            return Ok(());
        };
        if self.armed.is_some_and(|armed| armed <= due) {
            return Ok(());
        }
        // Zero would disarm it.
        let at = TimeSpec::from_duration(Duration::from_nanos(due.as_nanos().max(1)));
        self.timer.set(
            Expiration::OneShot(at),
            TimerSetTimeFlags::TFD_TIMER_ABSTIME,
        )?;
        self.armed = Some(due);
        Ok(())
    }
}

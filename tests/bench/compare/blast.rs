//! Small datagrams at a given rate, and how many of them arrive.

use std::{
    io::{IoSlice, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, setsockopt,
    sockopt::{RcvBufForce, SndBufForce},
};
use rig::{
    Host,
    wait::{Now, now},
};

/// Datagrams in one system call.
const BATCH: usize = 32;

/// After this much silence nothing more comes.
const SILENCE: Duration = Duration::from_millis(400);

/// What came of a blast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blast {
    sent: u64,
    sending: Duration,
    received: u64,
    receiving: Duration,
}

impl Blast {
    pub(crate) fn loss(&self) -> f64 {
        1.0 - self.received as f64 / self.sent.max(1) as f64
    }

    pub(crate) fn sent_per_second(&self) -> f64 {
        self.sent as f64 / self.sending.as_secs_f64()
    }

    pub(crate) fn received_per_second(&self) -> f64 {
        if self.receiving.is_zero() {
            return 0.0;
        }
        self.received as f64 / self.receiving.as_secs_f64()
    }
}

/// Sends datagrams of `len` bytes from one host to an address of another for `time`, so many a
/// second, or as many as go.
pub(crate) fn blast(
    from: &Host,
    at: &Host,
    to: SocketAddr,
    len: usize,
    rate: Option<f64>,
    time: Duration,
) -> Blast {
    let sink = at.within(|| UdpSocket::bind(to).expect("a socket to receive on"));
    setsockopt(&sink, RcvBufForce, &(16 << 20)).expect("a large buffer");
    sink.set_read_timeout(Some(SILENCE)).expect("a timeout");
    let source = from.within(|| {
        let source = UdpSocket::bind("0.0.0.0:0").expect("a socket to send from");
        source.connect(to).expect("a way to the other host");
        source
    });
    setsockopt(&source, SndBufForce, &(4 << 20)).expect("a large buffer");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let receiving = scope.spawn(|| receive(&sink, &over));
        let (sent, sending) = send(&source, len, rate, time);
        over.store(true, Ordering::Relaxed);
        let (received, receiving) = receiving.join().expect("the sink counts");
        Blast {
            sent,
            sending,
            received,
            receiving,
        }
    })
}

/// Sends, and gives how many and for how long. A datagram that the kernel refuses counts as sent:
/// it is lost.
fn send(socket: &UdpSocket, len: usize, rate: Option<f64>, time: Duration) -> (u64, Duration) {
    let datagram = vec![0; len];
    let slices = [[IoSlice::new(&datagram)]; BATCH];
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let start = now();
    let mut sent = 0;
    loop {
        let passed = now().since(start);
        if passed >= time {
            return (sent, passed);
        }
        let mut due = BATCH as u64;
        if let Some(rate) = rate {
            due = ((passed.as_secs_f64() * rate) as u64).saturating_sub(sent);
            // Small batches, and asleep in between: the cores are the tunnel's too.
            if due < 8 {
                thread::sleep(Duration::from_secs_f64(16.0 / rate).min(Duration::from_millis(2)));
                continue;
            }
        }
        let count = due.min(BATCH as u64) as usize;
        let _ = sendmmsg(
            socket.as_raw_fd(),
            &mut headers,
            &slices[..count],
            [None; BATCH],
            [],
            MsgFlags::empty(),
        );
        sent += count as u64;
    }
}

/// Receives until it is `over` and nothing more comes; gives how many came, and in what time.
fn receive(socket: &UdpSocket, over: &AtomicBool) -> (u64, Duration) {
    let mut buffers = [[0; 2048]; BATCH];
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut received = 0;
    let mut span: Option<(Now, Now)> = None;
    loop {
        let mut slices = buffers.each_mut().map(|buffer| [IoSliceMut::new(buffer)]);
        // At least one, and then what is there.
        let flags = MsgFlags::MSG_WAITFORONE;
        let came = recvmmsg(socket.as_raw_fd(), &mut headers, &mut slices, flags, None);
        match came.map(Iterator::count) {
            Ok(count) if count > 0 => {
                let at = now();
                received += count as u64;
                span = Some((span.map_or(at, |(first, _)| first), at));
            }
            _ if over.load(Ordering::Relaxed) => break,
            _ => {}
        }
    }
    let (first, last) = span.unwrap_or_else(|| (now(), now()));
    (received, last.since(first))
}

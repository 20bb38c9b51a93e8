//! A download that is looked at while it goes on.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::{setsockopt_impl, sockopt_impl, sys::socket::setsockopt};

use crate::{
    host::Host,
    wait::{self, Now, SOON, now},
    web::pattern,
};

/// After so many bytes the pattern begins anew.
const PERIOD: usize = 1 << 24;

/// What is written at once.
const PIECE: usize = 1 << 16;

/// How fast it goes.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// As fast as the way lets it.
    ///
    /// Some bytes are always lost then, and are about to be sent once more when a test cuts the way.
    /// Linux 6.18 can forget those: the first answer after the gap is to the first transmission as far
    /// as it can tell, so it takes back what it held for lost (`tcp_undo_cwnd_reduction`), but not into
    /// the list in which RACK finds losses (`tcp_rack_detect_loss`). They are sent at the next timeout,
    /// which is as long as the gap, since that counts as a round trip: it stands still twice as long.
    Full,
    /// So slowly that a program may wait 50 ms for the processor and nothing is lost.
    Steady,
}

/// The bytes of that in a second.
const STEADY: u32 = 8 << 20;

sockopt_impl!(
    /// How many bytes a socket sends in a second, at most (socket(7), `SO_MAX_PACING_RATE`).
    MaxPacingRate,
    SetOnly,
    nix::libc::SOL_SOCKET,
    nix::libc::SO_MAX_PACING_RATE,
    u32
);

/// How long to wait for one that stands still, before it counts as given up: of two waits of TCP
/// that come to naught, the second is twice as long as the first.
const STALL: Duration = Duration::from_secs(30);

/// What has come so far.
#[derive(Debug)]
struct Progress {
    bytes: u64,
    at: Now,
    longest_pause: Duration,
}

/// One at a time has the machine: at full speed they take the processor from one another.
static TURN: Mutex<()> = Mutex::new(());

/// Bytes from one host to another over one TCP connection, until it is told to end. Each is compared
/// when it comes.
#[derive(Debug)]
pub struct Download {
    progress: Arc<Mutex<Progress>>,
    stop: Arc<AtomicBool>,
    sender: JoinHandle<io::Result<u64>>,
    receiver: JoinHandle<io::Result<()>>,
    _turn: MutexGuard<'static, ()>,
}

impl Download {
    /// Begins one from this address of the server.
    ///
    /// # Panics
    /// If nothing comes.
    #[track_caller]
    pub fn start(host: &Host, server: &Host, address: SocketAddr, pace: Pace) -> Download {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let listener = server.within(|| TcpListener::bind(address));
        let listener = listener.expect("a port of the server's");
        let connect = || TcpStream::connect_timeout(&address, SOON);
        let incoming = host.within(connect).expect("a connection");
        let (outgoing, _) = listener.accept().expect("a connection");
        if let Pace::Steady = pace {
            setsockopt(&outgoing, MaxPacingRate, &STEADY).expect("a pace");
        }
        let begin = Progress {
            bytes: 0,
            at: now(),
            longest_pause: Duration::ZERO,
        };
        let progress = Arc::new(Mutex::new(begin));
        let stop = Arc::new(AtomicBool::new(false));
        let (noted, stopped) = (Arc::clone(&progress), Arc::clone(&stop));
        let sent = Arc::new(pattern(PERIOD));
        let expected = Arc::clone(&sent);
        let download = Download {
            progress,
            stop,
            sender: thread::spawn(move || send(outgoing, &sent, &stopped)),
            receiver: thread::spawn(move || receive(incoming, &expected, &noted)),
            _turn: turn,
        };
        download.await_more();
        download
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("invariant: no holder panics")
    }

    /// How many bytes have come.
    pub fn bytes(&self) -> u64 {
        self.progress().bytes
    }

    /// Waits until something comes that was not there yet.
    ///
    /// # Panics
    /// If nothing does, for so long that it is no pause any more.
    #[track_caller]
    pub fn await_more(&self) {
        let before = self.bytes();
        wait::until_true("the download goes on", STALL, || self.bytes() > before);
    }

    /// The longest time for which nothing came, since this was asked last.
    pub fn take_longest_pause(&self) -> Duration {
        let mut progress = self.progress();
        let current = now().since(progress.at);
        std::mem::take(&mut progress.longest_pause).max(current)
    }

    /// Ends it, and insists that all that was sent has come; how much that is.
    ///
    /// # Panics
    /// If something is missing or damaged.
    #[track_caller]
    pub fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let received = self.receiver.join().expect("invariant: reported above");
        received.expect("a download that is whole");
        let sent = self.sender.join().expect("invariant: reported above");
        let sent = sent.expect("a connection that lasts");
        let progress = self.progress.lock().expect("invariant: no holder panics");
        assert_eq!(progress.bytes, sent, "something is missing");
        sent
    }
}

fn send(mut to: TcpStream, pattern: &[u8], stop: &AtomicBool) -> io::Result<u64> {
    let mut sent = 0;
    for piece in pattern.chunks(PIECE).cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        to.write_all(piece)?;
        sent += piece.len() as u64;
    }
    to.shutdown(Shutdown::Write)?;
    Ok(sent)
}

fn receive(mut from: TcpStream, pattern: &[u8], progress: &Mutex<Progress>) -> io::Result<()> {
    from.set_read_timeout(Some(2 * STALL))?;
    let mut room = vec![0; 4 * PIECE];
    let mut expected = pattern;
    loop {
        if expected.is_empty() {
            expected = pattern;
        }
        let most = room.len().min(expected.len());
        let len = from.read(&mut room[..most])?;
        if len == 0 {
            return Ok(());
        }
        let (came, after) = expected.split_at(len);
        if room[..len] != *came {
            return Err(io::Error::other("the download is damaged"));
        }
        expected = after;
        let mut progress = progress.lock().expect("invariant: no holder panics");
        let at = now();
        progress.longest_pause = progress.longest_pause.max(at.since(progress.at));
        progress.at = at;
        progress.bytes += len as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn every_byte_is_counted_and_every_pause_is_seen() {
        let world = World::new();
        let (a, b) = (world.host("a"), world.host("b"));
        world.wire((&a, "eth0", "10.0.0.1/24"), (&b, "eth0", "10.0.0.2/24"));
        let download = Download::start(&a, &b, "10.0.0.2:80".parse().unwrap(), Pace::Full);
        wait::until_true("more than a period", SOON, || {
            download.bytes() > PERIOD as u64
        });
        download.take_longest_pause();
        a.ip("route add blackhole 10.0.0.2/32");
        thread::sleep(Duration::from_secs(1));
        a.ip("route delete blackhole 10.0.0.2/32");
        download.await_more();
        let pause = download.take_longest_pause();
        assert!(pause > Duration::from_millis(500), "{pause:?}");
        assert!(download.take_longest_pause() < pause);
        assert!(download.finish() > PERIOD as u64);
    }
}

//! Sends many datagrams a second, and counts what comes back.

use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    host::Host,
    wait::{Now, now},
};

/// How often a few are sent.
const BEAT: Duration = Duration::from_millis(1);

/// Most that are sent at once to make up for a delay.
const MOST_AT_ONCE: u64 = 1_000;

/// A flood, until it is stopped.
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    sender: thread::JoinHandle<Toll>,
}

/// What a flood came to, in UDP payload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Toll {
    /// How long it lasted.
    pub lasted: Duration,
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Answers by their first byte, up to 4; all others are counted under 0.
    pub answers: [u64; 5],
    /// Bytes of answers.
    pub bytes_heard: u64,
}

impl Toll {
    /// Datagrams sent each second.
    pub fn rate(&self) -> f64 {
        self.sent as f64 / self.lasted.as_secs_f64()
    }

    /// Bytes that came back for each that was sent.
    pub fn amplification(&self) -> f64 {
        self.bytes_heard as f64 / self.bytes_sent.max(1) as f64
    }
}

impl Flood {
    /// Sends these datagrams in turn, again and again, so many a second in all, from each of these
    /// addresses of `host` in turn.
    ///
    /// # Panics
    /// If an address cannot be had.
    #[track_caller]
    pub fn start(
        host: &Host,
        sources: &[SocketAddr],
        target: SocketAddr,
        per_second: u64,
        datagrams: Vec<Vec<u8>>,
    ) -> Flood {
        let sockets: Vec<UdpSocket> = host.within(|| {
            let bound = sources.iter().map(UdpSocket::bind);
            bound.collect::<Result<_, _>>().expect("sockets")
        });
        for socket in &sockets {
            socket.set_nonblocking(true).expect("a non-blocking socket");
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let sender = thread::spawn(move || {
            let mut toll = Toll::default();
            let start = now();
            while !stopped.load(Ordering::Relaxed) {
                send_due(&sockets, target, per_second, &datagrams, start, &mut toll);
                hear(&sockets, &mut toll);
                thread::sleep(BEAT);
            }
            toll.lasted = now().since(start);
            // The last answers are on their way.
            thread::sleep(Duration::from_millis(200));
            hear(&sockets, &mut toll);
            toll
        });
        Flood { stop, sender }
    }

    /// Ends it.
    ///
    /// # Panics
    /// If the sender did.
    #[track_caller]
    pub fn stop(self) -> Toll {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().expect("the flood went on")
    }
}

fn send_due(
    sockets: &[UdpSocket],
    target: SocketAddr,
    per_second: u64,
    datagrams: &[Vec<u8>],
    start: Now,
    toll: &mut Toll,
) {
    let due = now().since(start).as_micros() as u64 * per_second / 1_000_000;
    for _ in 0..due.saturating_sub(toll.sent).min(MOST_AT_ONCE) {
        let datagram = &datagrams[toll.sent as usize % datagrams.len()];
        let socket = &sockets[toll.sent as usize % sockets.len()];
        // The word that nobody listens at another's port comes with the next send.
        while let Err(error) = socket.send_to(datagram, target) {
            if error.kind() != ErrorKind::ConnectionRefused {
                // A full buffer: the rest is due a moment later.
                return;
            }
        }
        toll.sent += 1;
        toll.bytes_sent += datagram.len() as u64;
    }
}

fn hear(sockets: &[UdpSocket], toll: &mut Toll) {
    let mut datagram = [0; 2_048];
    for socket in sockets {
        loop {
            match socket.recv(&mut datagram) {
                Ok(len) => {
                    let kind = datagram[..len].first().copied().unwrap_or(0);
                    let kind = if kind <= 4 { usize::from(kind) } else { 0 };
                    toll.answers[kind] += 1;
                    toll.bytes_heard += len as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{wait, world::World};

    #[test]
    fn a_flood_keeps_its_rate_and_counts_its_answers() {
        let world = World::new();
        let (a, b) = (world.host("a"), world.host("b"));
        world.wire((&a, "eth0", "10.0.0.1/24"), (&b, "eth0", "10.0.0.2/24"));
        let echo = b.within(|| UdpSocket::bind("10.0.0.2:7").unwrap());
        echo.set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let source = "10.0.0.1:0".parse().unwrap();
        let target = "10.0.0.2:7".parse().unwrap();
        let flood = Flood::start(&a, &[source], target, 500, vec![vec![3; 100], vec![9; 50]]);
        let mut answered = 0;
        wait::until_true("two hundred", wait::SOON, || {
            let mut datagram = [0; 200];
            while let Ok((len, from)) = echo.recv_from(&mut datagram) {
                echo.send_to(&datagram[..len / 2], from).unwrap();
                answered += 1;
                if answered == 200 {
                    return true;
                }
            }
            false
        });
        let toll = flood.stop();
        assert!(toll.sent >= 200 && toll.rate() <= 501.0, "{toll:?}");
        assert_eq!(toll.answers, [100, 0, 0, 100, 0]);
        assert_eq!(toll.bytes_heard, 100 * 50 + 100 * 25);
    }
}

//! A way that takes its time.
//!
//! The kernels of the tests cannot delay packets by themselves, so a router hands what it passes on
//! to a TUN device, and whoever reads that puts it back after a while.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokenvpn_common::io::tun::{self, TunOptions};

use crate::{
    host::Host,
    wait::{Now, now},
};

const LINK: &str = "long-way";
/// Where the router looks up what has not been on the way yet.
const TABLE: u32 = 7;

/// Delays all that a router passes on between its links, until it is dropped: then nothing arrives.
#[derive(Debug)]
pub struct LongWay {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl LongWay {
    /// Delays what comes in through each of these links of the router.
    ///
    /// # Panics
    /// If the kernel refuses.
    #[track_caller]
    pub fn through(router: &Host, links: &[&str], delay: Duration) -> LongWay {
        let options = TunOptions {
            name: Some(LINK.to_owned()),
            queues: 1,
            mtu: 1500,
        };
        let device = router.within(|| {
            let (_, queues) = tun::open(&options).expect("a TUN device");
            let queue = queues.first().expect("invariant: one queue was asked for");
            queue.as_fd().try_clone_to_owned().expect("a descriptor")
        });
        // A good bandwidth times the delay.
        router.ip(&format!("link set {LINK} txqueuelen 10000 up"));
        for family in ["-4", "-6"] {
            router.ip(&format!(
                "{family} route add default dev {LINK} table {TABLE}"
            ));
            for link in links {
                router.ip(&format!("{family} rule add iif {link} lookup {TABLE}"));
            }
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (depart, travelling) = mpsc::channel::<(Now, Vec<u8>)>();
        let mut entrance = File::from(device);
        let mut exit = entrance.try_clone().expect("a descriptor");
        let enter = thread::spawn(move || {
            let mut room = vec![0; 1 << 17];
            while !stopped.load(Ordering::Relaxed) {
                await_one(entrance.as_fd());
                // With the kernel's own header in front, by which it takes them back as they were.
                while let Ok(len) = entrance.read(&mut room) {
                    let packet = room.get(..len).expect("invariant: it was read");
                    if depart.send((now() + delay, packet.to_vec())).is_err() {
                        return;
                    }
                }
            }
        });
        let leave = thread::spawn(move || {
            for (arrival, packet) in travelling {
                thread::sleep(arrival.since(now()));
                // What has no way any more is lost here, as elsewhere.
                let _ = exit.write(&packet);
            }
        });
        LongWay {
            stop,
            threads: vec![enter, leave],
        }
    }
}

fn await_one(device: BorrowedFd<'_>) {
    let mut descriptors = [PollFd::new(device, PollFlags::POLLIN)];
    let _ = poll(&mut descriptors, PollTimeout::from(20u8));
}

impl Drop for LongWay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    #[test]
    fn what_goes_and_what_comes_is_delayed() {
        let scene = Scene::new();
        scene.add_ipv6();
        let delay = Duration::from_millis(100);
        let _way = LongWay::through(&scene.router, &["home", "internet"], delay);
        for address in ["203.0.113.5", "2001:db8:3::5"] {
            let start = now();
            assert!(scene.one.pings(address.parse().unwrap()));
            let took = now().since(start);
            assert!(took >= 2 * delay, "{took:?}");
        }
        assert!(scene.two.pings("198.51.100.1".parse().unwrap()));
    }
}

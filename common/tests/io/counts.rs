//! What packets cost in system calls and allocations: numbers that do not depend on how
//! fast or how busy the machine is.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;

use crate::datapath::{End, Pair, ping};

const PACKETS: usize = 1_000;

/// Counts the system calls of one thread.
struct Trace {
    strace: Child,
}

impl Trace {
    fn of(end: &End) -> Trace {
        let thread = end.thread_id.to_string();
        let mut strace = Command::new("strace")
            .args(["-q", "-c", "-U", "calls,name", "-p", &thread])
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace is installed");
        let status = format!("/proc/self/task/{thread}/status");
        let untraced = || {
            let status = std::fs::read_to_string(&status).expect("the thread is ours");
            status.contains("TracerPid:\t0\n")
        };
        while untraced() {
            assert_eq!(strace.try_wait().unwrap(), None, "strace may trace us");
            std::thread::sleep(Duration::from_millis(1));
        }
        Trace { strace }
    }

    fn total(self) -> usize {
        // Cast: the kernel's numbers of processes are i32.
        kill(Pid::from_raw(self.strace.id() as i32), Signal::SIGINT).unwrap();
        let output = self.strace.wait_with_output().unwrap();
        let table = String::from_utf8(output.stderr).unwrap();
        let total = table.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let count = words.next()?.parse().ok()?;
            (words.next() == Some("total")).then_some(count)
        });
        println!("{table}");
        total.expect("a line with the total")
    }
}

/// What a thousand packets cost each end.
struct Cost {
    sender: usize,
    receiver: usize,
}

/// Sends 1,000 packets with `size` bytes of payload, `train` of them with each call of
/// the kernel, while nobody reads them; then counts what carrying them takes.
fn cost(train: usize, size: usize) -> Cost {
    let pair = Pair::new();
    let (client, gateway) = pair.start("192.0.2.2");
    ping(&pair.client, "10.9.0.2");
    let sender = pair.client.run(|| UdpSocket::bind("10.9.0.1:0").unwrap());
    let receiver = pair.gateway.run(|| UdpSocket::bind("10.9.0.2:0").unwrap());
    setsockopt(&receiver, sockopt::RcvBufForce, &(64 << 20)).unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    if train > 1 {
        setsockopt(&sender, sockopt::UdpGsoSegment, &(size as i32)).unwrap();
    }
    let to = receiver.local_addr().unwrap();
    let payload = vec![7; train * size];
    let send = || {
        for _ in 0..PACKETS / train {
            sender.send_to(&payload, to).unwrap();
        }
    };
    let receive = || {
        let mut datagram = vec![0; 65_536];
        for _ in 0..PACKETS {
            let len = receiver.recv(&mut datagram).expect("all packets come");
            assert_eq!(len, size);
        }
    };
    // Once to grow buffers.
    client.pause();
    send();
    client.resume();
    receive();

    client.pause();
    gateway.pause();
    send();
    let (sending, receiving) = (Trace::of(&client), Trace::of(&gateway));
    gateway.resume();
    client.resume();
    receive();
    let allocated = [client.pause(), gateway.pause()];
    let cost = Cost {
        sender: sending.total(),
        receiver: receiving.total(),
    };
    assert_eq!(allocated, [0, 0], "allocations");
    client.stop();
    gateway.stop();
    cost
}

#[test]
fn a_thousand_packets_in_trains_cost_few_system_calls_and_no_allocation() {
    let cost = cost(40, 1_300);
    // 25 reads and as many sends; a receive, a write and a wait for each train at most.
    // The rest is for getting started, stopping, and a tick.
    assert!(cost.sender <= 50 + 30, "{} to send", cost.sender);
    assert!(cost.receiver <= 3 * 25 + 30, "{} to receive", cost.receiver);
}

#[test]
fn a_thousand_single_packets_cost_little_more_than_their_reads() {
    let cost = cost(1, 64);
    // One read each, a send for every 64 at most; the other end gets trains.
    assert!(cost.sender <= 1_000 + 16 + 40, "{} to send", cost.sender);
    assert!(cost.receiver <= 3 * 16 + 40, "{} to receive", cost.receiver);
}

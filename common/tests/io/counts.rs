//! What packets cost in system calls and allocations: numbers that do not depend on how
//! fast or how busy the machine is.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;

use crate::datapath::{End, Pair, ping};

/// Packets whose cost is counted, about so many.
const PACKETS: usize = 1_000;

/// Bytes that are sent while nobody reads them: what a socket's buffer holds for sure.
const PORTION: usize = 350_000;

/// Counts the system calls of one thread.
struct Trace {
    strace: Child,
}

/// How often each system call was made.
struct Calls(HashMap<String, usize>);

impl Calls {
    fn of(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(0)
    }
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

    fn end(self) -> Calls {
        // Cast: the kernel's numbers of processes are i32.
        kill(Pid::from_raw(self.strace.id() as i32), Signal::SIGINT).unwrap();
        let output = self.strace.wait_with_output().unwrap();
        let table = String::from_utf8(output.stderr).unwrap();
        println!("{table}");
        let calls = table.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let count = words.next()?.parse().ok()?;
            Some((words.next()?.to_owned(), count))
        });
        let calls = Calls(calls.collect());
        assert!(calls.of("total") > 0, "a line with the total: {table}");
        calls
    }
}

/// What the packets cost each end.
struct Cost {
    reads: usize,
    sender: Calls,
    receiver: Calls,
}

/// A packet's payload: nothing but its number tells it from the others.
fn payload(number: usize, size: usize) -> Vec<u8> {
    let mut payload = vec![7; size];
    payload[..8].copy_from_slice(&number.to_le_bytes());
    payload
}

/// Sends packets with `size` bytes of payload, `train` of them with each call of the kernel,
/// in portions while nobody reads them; then counts what carrying them takes. They come whole
/// and in order.
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
    let trains = PACKETS.div_ceil(train);
    let in_portion = (PORTION / (train * size)).clamp(1, trains);
    let send = |trains: std::ops::Range<usize>| {
        for first in trains.map(|number| number * train) {
            let packets = first..first + train;
            let contents: Vec<u8> = packets.flat_map(|packet| payload(packet, size)).collect();
            sender.send_to(&contents, to).unwrap();
        }
    };
    let receive = |trains: std::ops::Range<usize>| {
        let mut datagram = vec![0; 65_536];
        for number in trains.start * train..trains.end * train {
            let len = receiver.recv(&mut datagram).expect("all packets come");
            assert!(datagram[..len] == payload(number, size), "packet {number}");
        }
    };
    let portions = || (0..trains).step_by(in_portion);
    let portion = |start: usize| start..trains.min(start + in_portion);
    // Once to grow buffers.
    for start in portions() {
        client.pause();
        send(portion(start));
        client.resume();
        receive(portion(start));
    }

    client.pause();
    gateway.pause();
    let (sending, receiving) = (Trace::of(&client), Trace::of(&gateway));
    let mut allocated = 0;
    for start in portions() {
        send(portion(start));
        gateway.resume();
        client.resume();
        receive(portion(start));
        allocated += client.pause() + gateway.pause();
    }
    let cost = Cost {
        reads: trains,
        sender: sending.end(),
        receiver: receiving.end(),
    };
    assert_eq!(allocated, 0, "allocations");
    client.resume();
    gateway.resume();
    client.stop();
    gateway.stop();
    cost
}

#[test]
fn a_thousand_packets_in_trains_cost_few_system_calls_and_no_allocation() {
    let cost = cost(40, 1_300);
    assert_eq!(cost.reads, 25);
    // As many sends; a receive, a write, a look for more and a wait for each train at most.
    // The rest is for starting and stopping five times, and for a tick.
    let (sender, receiver) = (cost.sender.of("total"), cost.receiver.of("total"));
    assert!(sender <= 2 * 25 + 60, "{sender} to send");
    assert!(receiver <= 4 * 25 + 60, "{receiver} to receive");
    // And a keepalive or two, if it takes long.
    assert!((25..=27).contains(&cost.sender.of("sendmsg")));
    assert!(cost.receiver.of("writev") <= 25 + 2);
}

/// As TCP's do: 47 packets of full size have more bytes, once encrypted, than one datagram.
#[test]
fn super_packets_of_more_than_a_train_fill_trains_together() {
    let cost = cost(47, 1_368);
    assert_eq!(cost.reads, 22);
    // Four of them make four trains and the beginning of a fifth; each alone would make two.
    let sends = cost.sender.of("sendmsg");
    assert!(sends <= 36, "{sends} to send");
}

#[test]
fn a_thousand_single_packets_cost_little_more_than_their_reads() {
    let cost = cost(1, 64);
    assert_eq!(cost.reads, 1_000);
    // One read each, a send for every 64 at most; the other end gets trains.
    let (sender, receiver) = (cost.sender.of("total"), cost.receiver.of("total"));
    assert!(sender <= 1_000 + 16 + 40, "{sender} to send");
    assert!(receiver <= 4 * 16 + 40, "{receiver} to receive");
}

//! TUN queues: what the kernel writes into one comes out of the other.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use nix::sys::socket::{setsockopt, sockopt};
use tokenvpn_common::checksum::{fold, sum};
use tokenvpn_common::guard::PADDING;
use tokenvpn_common::io::netlink::Netlink;
use tokenvpn_common::io::tun::{Offload, TunError, TunOptions, TunQueue, open};
use tokenvpn_common::packet::Packets;

use crate::namespace::Namespace;
use crate::traffic::{exchange, noise};

const MTU: u16 = 1_420;

/// A computer with a TUN device that has the addresses `10.9.0.HOST` and `fd00:9::HOST`.
struct Computer {
    namespace: Namespace,
    queue: TunQueue,
}

fn computer(host: u8, offload: bool) -> Computer {
    let namespace = Namespace::new();
    let queue = namespace.run(|| {
        let queue = if offload {
            let options = TunOptions {
                name: Some("t0".into()),
                queues: 1,
                mtu: MTU,
            };
            let (name, mut queues) = open(&options).expect("a TUN device");
            assert_eq!(name, "t0");
            queues.remove(0)
        } else {
            // What is left when the kernel refuses offload.
            let plain = tun_rs::DeviceBuilder::new().name("t0").build_sync();
            let fd = plain.unwrap().as_fd().try_clone_to_owned().unwrap();
            TunQueue::from_fd(fd, Offload::Off).unwrap()
        };
        let mut netlink = Netlink::open().unwrap();
        netlink.link_up("t0", MTU).unwrap();
        for address in [format!("10.9.0.{host}/24"), format!("fd00:9::{host}/64")] {
            netlink.add_address("t0", address.parse().unwrap()).unwrap();
        }
        queue
    });
    Computer { namespace, queue }
}

/// Carries packets between two queues while `job` runs; gives what `job` gives, and the
/// most packets that one read became.
fn joined<T>(
    a: &mut Computer,
    b: &mut Computer,
    job: impl FnOnce(&Namespace, &Namespace) -> T,
) -> (T, usize) {
    let done = EventFd::new().unwrap();
    let (queue_a, queue_b) = (&mut a.queue, &mut b.queue);
    std::thread::scope(|scope| {
        let wire = scope.spawn(|| {
            let mut packets = Packets::new();
            let mut most = 0;
            loop {
                let mut fds = [
                    PollFd::new(queue_a.as_fd(), PollFlags::POLLIN),
                    PollFd::new(queue_b.as_fd(), PollFlags::POLLIN),
                    PollFd::new(done.as_fd(), PollFlags::POLLIN),
                ];
                poll(&mut fds, PollTimeout::NONE).unwrap();
                if fds[2].any().unwrap() {
                    return most;
                }
                most = most.max(carry(queue_a, queue_b, &mut packets));
                most = most.max(carry(queue_b, queue_a, &mut packets));
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            job(&a.namespace, &b.namespace)
        }));
        done.write(1).unwrap();
        let most = wire.join().unwrap();
        (
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            most,
        )
    })
}

fn carry(from: &mut TunQueue, to: &mut TunQueue, packets: &mut Packets) -> usize {
    match read(from, packets) {
        Ok(()) => {
            for packet in packets.iter() {
                assert!(packet.len() <= usize::from(MTU), "a packet above the MTU");
            }
            to.write(packets);
            packets.len()
        }
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
        Err(e) => panic!("{e}"),
    }
}

/// Puts what one read gives in place of what `packets` held.
fn read(queue: &mut TunQueue, packets: &mut Packets) -> io::Result<()> {
    packets.clear();
    if let Some(mut segments) = queue.read()? {
        while let Some(room) = segments.cut() {
            let len = room.len() - PADDING;
            assert!(packets.push(&room[..len]), "too many packets in one read");
        }
    }
    Ok(())
}

#[test]
fn streams_cross_two_queues_unchanged() {
    for (offload_a, offload_b) in [(true, true), (true, false), (false, false)] {
        let (mut a, mut b) = (computer(1, offload_a), computer(2, offload_b));
        let ((), most) = joined(&mut a, &mut b, |a, b| {
            exchange(a, b, "10.9.0.2".parse().unwrap(), 4 << 20, None);
            exchange(a, b, "fd00:9::2".parse().unwrap(), 4 << 20, None);
        });
        if offload_a {
            assert!(most > 10, "one read gave {most} packets at most");
        }
        for queue in [&a.queue, &b.queue] {
            assert_eq!(queue.counters().unreadable, 0);
            assert_eq!(queue.counters().write_errors, 0);
        }
    }
}

#[test]
fn a_stream_of_small_segments_does_not_stall() {
    let (mut a, mut b) = (computer(1, true), computer(2, true));
    joined(&mut a, &mut b, |a, b| {
        exchange(a, b, "10.9.0.2".parse().unwrap(), 1 << 20, Some(100));
    });
    assert_eq!(a.queue.counters().unreadable, 0);
    assert_eq!(b.queue.counters().unreadable, 0);
}

#[test]
fn a_udp_train_is_split_into_datagrams_with_right_checksums() {
    let mut a = computer(1, true);
    assert_eq!(a.queue.offload(), Offload::TcpUdp, "Linux 6.2 or newer");
    let payload = noise(5 * 1_000 + 333);
    a.namespace.run(|| {
        let socket = UdpSocket::bind("10.9.0.1:0").unwrap();
        setsockopt(&socket, sockopt::UdpGsoSegment, &1_000).unwrap();
        socket.send_to(&payload, "10.9.0.2:7").unwrap();
    });
    let mut packets = Packets::new();
    // The kernel may have something of its own to say first.
    while packets.len() != 6 {
        read(&mut a.queue, &mut packets).expect("the train has been sent");
    }
    let mut joined = Vec::new();
    for packet in packets.iter() {
        assert_eq!(transport_sum(packet), 0xffff, "the checksum is wrong");
        joined.extend_from_slice(&packet[28..]);
    }
    assert_eq!(joined, payload);
}

/// The one's complement sum over pseudo-header, header and payload of an IPv4 packet
/// without options: all ones if its checksum is right (RFC 1071).
fn transport_sum(packet: &[u8]) -> u16 {
    let len = (packet.len() - 20) as u16;
    let mut sum = u32::from(packet[9]) + u32::from(len);
    for pair in packet[12..].chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

fn udp_packet(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (from.ip(), to.ip()) else {
        panic!("IPv4 only");
    };
    let udp_len = (8 + payload.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend((20 + udp_len).to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    packet.extend(Ipv4Addr::octets(&source));
    packet.extend(Ipv4Addr::octets(&destination));
    let header_sum = !fold(sum(&packet));
    packet[10..12].copy_from_slice(&header_sum.to_be_bytes());
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend(udp_len.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    let sum = !transport_sum(&packet);
    packet[26..28].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn load(run: &[Vec<u8>]) -> Packets {
    let mut packets = Packets::new();
    assert!(run.iter().all(|packet| packets.push(packet)));
    packets
}

#[test]
fn a_wrong_inner_checksum_is_not_repaired_by_merging() {
    let mut a = computer(1, true);
    let socket = a.namespace.run(|| UdpSocket::bind("10.9.0.1:0").unwrap());
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let (from, to) = ("10.9.0.2:9".parse().unwrap(), socket.local_addr().unwrap());
    let mut run: Vec<Vec<u8>> = (0..6u8).map(|i| udp_packet(from, to, &[i; 500])).collect();
    // At the head of the run, in the middle of it, and one that only looks like the rest.
    for (damaged, byte) in [(0, 100), (3, 200)] {
        run[damaged][byte] ^= 0xff;
    }
    a.queue.write(&mut load(&run));

    for expected in [1, 2, 4, 5] {
        let mut received = [0; 1_000];
        let (len, _) = socket.recv_from(&mut received).unwrap();
        assert_eq!(received[..len], [expected; 500]);
    }
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv_from(&mut [0; 1_000]).is_err());
}

#[test]
fn a_run_is_merged_into_one_write() {
    let mut a = computer(1, true);
    let socket = a.namespace.run(|| UdpSocket::bind("10.9.0.1:0").unwrap());
    setsockopt(&socket, sockopt::UdpGroSegment, &true).unwrap();
    let (from, to) = ("10.9.0.2:9".parse().unwrap(), socket.local_addr().unwrap());
    let run: Vec<Vec<u8>> = (0..40u8)
        .map(|i| udp_packet(from, to, &[i; 1_300]))
        .collect();
    a.queue.write(&mut load(&run));
    let mut received = vec![0; 65_536];
    let len = socket.recv(&mut received).unwrap();
    let expected: Vec<u8> = (0..40u8).flat_map(|i| [i; 1_300]).collect();
    assert!(received[..len] == expected);
}

#[test]
fn writes_to_a_device_that_is_down_are_counted() {
    let mut a = computer(1, true);
    a.namespace.ip("link set t0 down");
    let (from, to) = ("10.9.0.2:9".parse().unwrap(), "10.9.0.1:9".parse().unwrap());
    a.queue.write(&mut load(&[udp_packet(from, to, b"x")]));
    assert_eq!(a.queue.counters().write_errors, 1);
}

#[test]
fn a_read_from_a_device_that_is_gone_fails() {
    let mut a = computer(1, true);
    a.namespace.ip("link delete t0");
    let gone = loop {
        if let Err(e) = a.queue.read() {
            break e;
        }
    };
    assert_ne!(gone.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_device_of_several_queues_vanishes_with_the_last() {
    let namespace = Namespace::new();
    let options = TunOptions {
        name: None,
        queues: 3,
        mtu: 1_300,
    };
    let (name, mut queues) = namespace.run(|| open(&options).unwrap());
    assert_eq!(queues.len(), 3);
    assert!(queues.iter().all(|queue| queue.as_fd().as_raw_fd() > 2));
    assert!(namespace.ip("link show").contains("mtu 1300"));
    queues.truncate(1);
    assert!(namespace.ip("link show").contains(&name));
    queues.clear();
    assert!(!namespace.ip("link show").contains(&name));
}

#[test]
fn a_name_that_is_taken_or_none_is_refused() {
    let namespace = Namespace::new();
    namespace.ip("tuntap add mode tun name idle0");
    let open = |name: &str| {
        let options = TunOptions {
            name: Some(name.into()),
            queues: 1,
            mtu: MTU,
        };
        namespace.run(|| open(&options).map(|_| ()))
    };
    assert!(matches!(open("idle0"), Err(TunError::NameTaken { .. })));
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "tun%d",
        "a:b",
        "sixteen-letters-",
    ] {
        assert!(
            matches!(open(name), Err(TunError::BadName { .. })),
            "{name}"
        );
    }
    assert!(open("fifteen-letters").is_ok());
}

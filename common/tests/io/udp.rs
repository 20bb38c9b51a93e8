//! The outer sockets against a real kernel.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use crate::namespace::Namespace;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokenvpn_common::device::Transmit;
use tokenvpn_common::io::udp::{Batch, BindError, Family, Sent, UdpPair, bind};
use tokenvpn_common::run::Ecn;

fn bind_one(port: u16) -> UdpPair {
    bind(port, None, 1).expect("a free port").remove(0)
}

/// Receives until `datagrams` have come, as (source, local address, run, stride).
fn receive(pair: &mut UdpPair, family: Family, datagrams: usize) -> Vec<Received> {
    let mut batch = Batch::new();
    let mut all = Vec::new();
    let mut count = 0;
    while count < datagrams {
        wait_readable(pair, family);
        let mut more = true;
        while more {
            more = pair.recv(family, &mut batch).expect("a socket");
            for run in batch.runs() {
                count += run.bytes.len().div_ceil(run.stride);
                all.push(Received {
                    source: run.source,
                    local: run.local,
                    ecn: run.ecn,
                    bytes: run.bytes.to_vec(),
                    stride: run.stride,
                });
            }
        }
    }
    all
}

#[derive(Debug)]
struct Received {
    source: SocketAddr,
    local: Option<IpAddr>,
    ecn: Ecn,
    bytes: Vec<u8>,
    stride: usize,
}

fn wait_readable(pair: &UdpPair, family: Family) {
    let fd = pair.fd(family).expect("this family exists");
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut fds, PollTimeout::from(5_000u16)).expect("poll works");
    assert_eq!(ready, 1, "nothing came within 5 s");
}

fn train<'a>(endpoint: SocketAddr, segment_size: usize, contents: &'a [u8]) -> Transmit<'a> {
    Transmit {
        endpoint,
        source: None,
        ecn: Ecn::NONE,
        segment_size,
        contents,
    }
}

fn numbered(datagrams: usize, size: usize) -> Vec<u8> {
    (0..datagrams)
        .flat_map(|i| std::iter::repeat_n(i as u8, size))
        .collect()
}

#[test]
fn both_families_get_the_same_port() {
    Namespace::new().run(|| {
        let mut pair = bind_one(0);
        let port = pair.port().unwrap();
        assert_ne!(port, 0);
        for (from, to, family) in [
            ("127.0.0.1:0", format!("127.0.0.1:{port}"), Family::V4),
            ("[::1]:0", format!("[::1]:{port}"), Family::V6),
        ] {
            let sender = UdpSocket::bind(from).unwrap();
            sender.send_to(b"hello", &to).unwrap();
            let run = receive(&mut pair, family, 1).remove(0);
            assert_eq!(run.source, sender.local_addr().unwrap());
            let to: SocketAddr = to.parse().unwrap();
            assert_eq!(run.local, Some(to.ip()));
            assert_eq!((run.bytes.as_slice(), run.stride), (&b"hello"[..], 5));
        }
    });
}

#[test]
fn a_port_in_use_is_refused_even_by_those_who_would_share_it() {
    Namespace::new().run(|| {
        let single = bind_one(0);
        let port = single.port().unwrap();
        for workers in [1, 2] {
            let again = bind(port, None, workers).map(drop);
            assert!(matches!(again, Err(BindError::PortInUse { port: p }) if p == port));
        }
        drop(single);

        let shared = bind(port, None, 2).expect("the port is free again");
        for workers in [1, 2] {
            let again = bind(port, None, workers).map(drop);
            assert!(matches!(again, Err(BindError::PortInUse { port: p }) if p == port));
        }
        drop(shared);
    });
}

#[test]
fn a_port_taken_in_one_family_only_is_in_use() {
    Namespace::new().run(|| {
        let v6_only = UdpSocket::bind("[::1]:0").unwrap();
        let port = v6_only.local_addr().unwrap().port();
        let pair = bind(port, None, 1).map(drop);
        assert!(matches!(pair, Err(BindError::PortInUse { port: p }) if p == port));
    });
}

#[test]
fn a_train_arrives_whole_and_in_order() {
    Namespace::new().run(|| {
        let (mut a, mut b) = (bind_one(0), bind_one(0));
        for (ip, family) in [("127.0.0.1", Family::V4), ("::1", Family::V6)] {
            let endpoint = SocketAddr::new(ip.parse().unwrap(), b.port().unwrap());
            let mut contents = numbered(40, 1_452);
            contents.truncate(contents.len() - 1_000);
            assert_eq!(a.send(&train(endpoint, 1_452, &contents)), Sent::Tried);
            let runs = receive(&mut b, family, 40);
            assert_eq!(runs.len(), 1, "one send, one run");
            assert_eq!(runs[0].stride, 1_452);
            assert_eq!(runs[0].bytes, contents);
        }
        assert_eq!(a.counters(), Default::default());
    });
}

#[test]
fn marks_of_congestion_cross_in_both_families() {
    Namespace::new().run(|| {
        let (mut a, mut b) = (bind_one(0), bind_one(0));
        for (ip, family) in [("127.0.0.1", Family::V4), ("::1", Family::V6)] {
            let endpoint = SocketAddr::new(ip.parse().unwrap(), b.port().unwrap());
            for ecn in [Ecn::from_bits(2), Ecn::CONGESTED, Ecn::NONE] {
                let marked = Transmit {
                    ecn,
                    ..train(endpoint, 100, &[7; 300])
                };
                assert_eq!(a.send(&marked), Sent::Tried);
                assert_eq!(receive(&mut b, family, 3)[0].ecn, ecn);
            }
        }
    });
}

#[test]
fn segments_above_the_mtu_are_sent_one_by_one_and_fragmented() {
    let namespace = Namespace::new();
    namespace.ip("link set lo mtu 1500");
    namespace.run(|| {
        let (mut a, mut b) = (bind_one(0), bind_one(0));
        for (ip, family) in [("127.0.0.1", Family::V4), ("::1", Family::V6)] {
            let endpoint = SocketAddr::new(ip.parse().unwrap(), b.port().unwrap());
            let contents = numbered(5, 2_000);
            assert_eq!(a.send(&train(endpoint, 2_000, &contents)), Sent::Tried);
            let runs = receive(&mut b, family, 5);
            let bytes: Vec<u8> = runs.into_iter().flat_map(|run| run.bytes).collect();
            assert_eq!(bytes, contents);
        }
        // For a while the kernel is not even asked about trains to there.
        namespace.ip("link set lo mtu 65536");
        let endpoint = SocketAddr::new("::1".parse().unwrap(), b.port().unwrap());
        let contents = numbered(5, 2_000);
        assert_eq!(a.send(&train(endpoint, 2_000, &contents)), Sent::Tried);
        assert_eq!(receive(&mut b, Family::V6, 5).len(), 5);
        let elsewhere = SocketAddr::new("127.0.0.1".parse().unwrap(), b.port().unwrap());
        assert_eq!(a.send(&train(elsewhere, 2_000, &contents)), Sent::Tried);
        assert_eq!(receive(&mut b, Family::V4, 5).len(), 1);
        let counters = a.counters();
        assert_eq!((counters.split_trains, counters.too_big), (3, 0));
    });
}

#[test]
fn sending_without_a_route_is_counted_and_nothing_more() {
    Namespace::new().run(|| {
        let mut pair = bind_one(0);
        for endpoint in ["192.0.2.1:51820", "[2001:db8::1]:51820"] {
            let contents = numbered(3, 100);
            let sent = pair.send(&train(endpoint.parse().unwrap(), 100, &contents));
            assert_eq!(sent, Sent::Tried);
        }
        assert_eq!(pair.counters().unreachable, 6);
    });
}

#[test]
fn routes_that_lead_nowhere_are_counted_and_the_next_datagram_leaves() {
    let namespace = Namespace::new();
    for words in [
        "route add unreachable 192.0.2.0/24",
        "route add prohibit 198.51.100.0/24",
        "-6 route add unreachable 2001:db8:1::/48",
        "-6 route add prohibit 2001:db8:2::/48",
    ] {
        namespace.ip(words);
    }
    namespace.run(|| {
        let (mut a, mut b) = (bind_one(0), bind_one(0));
        let contents = numbered(3, 100);
        for (nowhere, here, family) in [
            (["192.0.2.1", "198.51.100.1"], "127.0.0.1", Family::V4),
            (["2001:db8:1::1", "2001:db8:2::1"], "::1", Family::V6),
        ] {
            for ip in nowhere {
                let endpoint = SocketAddr::new(ip.parse().unwrap(), 9);
                assert_eq!(a.send(&train(endpoint, 100, &contents)), Sent::Tried);
            }
            let endpoint = SocketAddr::new(here.parse().unwrap(), b.port().unwrap());
            assert_eq!(a.send(&train(endpoint, 100, &contents)), Sent::Tried);
            assert_eq!(receive(&mut b, family, 3)[0].bytes, contents);
        }
        let counters = a.counters();
        assert_eq!((counters.unreachable, counters.forbidden), (6, 6));
        assert_eq!(counters.other_send_errors, 0);
    });
}

#[test]
fn a_lost_source_address_costs_neither_the_train_nor_later_ones() {
    Namespace::new().run(|| {
        let (mut a, mut b) = (bind_one(0), bind_one(0));
        for (ip, gone, family) in [
            ("127.0.0.1", "192.0.2.7", Family::V4),
            ("::1", "2001:db8::7", Family::V6),
        ] {
            let endpoint = SocketAddr::new(ip.parse().unwrap(), b.port().unwrap());
            let contents = numbered(10, 1_000);
            let pinned = Transmit {
                source: Some(gone.parse().unwrap()),
                ..train(endpoint, 1_000, &contents)
            };
            assert_eq!(a.send(&pinned), Sent::SourceLost);
            assert_eq!(receive(&mut b, family, 10)[0].bytes, contents);

            assert_eq!(a.send(&train(endpoint, 1_000, &contents)), Sent::Tried);
            let runs = receive(&mut b, family, 10);
            assert_eq!(runs.len(), 1, "still sent as a train");
        }
        let counters = a.counters();
        assert_eq!((counters.lost_sources, counters.split_trains), (2, 0));
    });
}

#[test]
fn a_lost_source_address_costs_no_datagram_where_no_train_is_taken() {
    let namespace = Namespace::new();
    namespace.ip("link set lo mtu 1500");
    namespace.run(|| {
        let (mut a, mut b) = (bind_one(0), bind_one(0));
        let endpoint = SocketAddr::from(([127, 0, 0, 1], b.port().unwrap()));
        let contents = numbered(5, 2_000);
        let whole = train(endpoint, 2_000, &contents);
        assert_eq!(a.send(&whole), Sent::Tried);
        assert_eq!(receive(&mut b, Family::V4, 5).len(), 5, "one by one");

        let pinned = Transmit {
            source: Some("192.0.2.7".parse().unwrap()),
            ..whole
        };
        assert_eq!(a.send(&pinned), Sent::SourceLost);
        assert_eq!(receive(&mut b, Family::V4, 5).len(), 5);
        let counters = a.counters();
        assert_eq!((counters.split_trains, counters.lost_sources), (2, 1));
    });
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let namespace = Namespace::new();
    namespace.ip("address add 192.0.2.1/32 dev lo");
    namespace.run(|| {
        let mut gateway = bind_one(0);
        let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
        asker
            .send_to(b"ask", ("192.0.2.1", gateway.port().unwrap()))
            .unwrap();
        let run = receive(&mut gateway, Family::V4, 1).remove(0);
        let answer = Transmit {
            source: run.local,
            ..train(run.source, 6, b"answer")
        };
        assert_eq!(gateway.send(&answer), Sent::Tried);
        let (_, from) = asker.recv_from(&mut [0; 16]).unwrap();
        assert_eq!(from.ip(), "192.0.2.1".parse::<IpAddr>().unwrap());
    });
}

#[test]
fn datagrams_reach_the_worker_whose_number_they_carry() {
    const WORKERS: u8 = 3;
    Namespace::new().run(|| {
        let mut pairs = bind(0, None, WORKERS).unwrap();
        let port = pairs[0].port().unwrap();
        for (ip, family) in [("127.0.0.1", Family::V4), ("::1", Family::V6)] {
            for worker in 0..WORKERS {
                let mut expected = Vec::new();
                for (kind, position) in [(2, 9), (3, 5), (4, 5)] {
                    // The index byte counts modulo the number of workers.
                    for index in [worker, worker + WORKERS, worker + 84 * WORKERS] {
                        let mut datagram = vec![0xaa; 64];
                        datagram[0] = kind;
                        datagram[position] = index;
                        let sender = UdpSocket::bind((ip, 0)).unwrap();
                        sender.send_to(&datagram, (ip, port)).unwrap();
                        expected.push(datagram);
                    }
                }
                let pair = &mut pairs[usize::from(worker)];
                let runs = receive(pair, family, expected.len());
                let got: Vec<Vec<u8>> = runs.into_iter().map(|run| run.bytes).collect();
                assert_eq!(got, expected, "worker {worker}");
            }
        }
    });
}

#[test]
fn sockets_work_on_after_a_change_of_hands() {
    Namespace::new().run(|| {
        let (v4, v6) = bind_one(0).into_fds();
        let mut pair = UdpPair::from_fds(v4, v6).unwrap();
        let sender = UdpSocket::bind("[::1]:0").unwrap();
        sender.send_to(b"x", ("::1", pair.port().unwrap())).unwrap();
        assert_eq!(receive(&mut pair, Family::V6, 1)[0].bytes, b"x");
    });
}

//! Whole tunnels: device, sockets and TUN queue, between two computers.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Token, Waker};
use nix::sched::{CloneFlags, setns};
use nix::unistd::gettid;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokenvpn_common::device::{Device, DeviceConfig, PeerConfig, Worker};
use tokenvpn_common::io::datapath::{Datapath, FIRST_FREE_TOKEN};
use tokenvpn_common::io::netlink::Netlink;
use tokenvpn_common::io::tun::{TunOptions, open};
use tokenvpn_common::io::{clock, udp};
use tokenvpn_common::key::PrivateKey;

use crate::allocations;
use crate::namespace::Namespace;
use crate::traffic::{exchange, noise};

const MTU: u16 = 1_420;
const PORT: u16 = 51_820;
const STOP: Token = FIRST_FREE_TOKEN;

/// Two computers and a cable: `192.0.2.HOST` and `2001:db8::HOST` outside,
/// `10.9.0.HOST` and `fd00:9::HOST` inside; the client is 1, the gateway 2.
pub(crate) struct Pair {
    pub(crate) client: Namespace,
    pub(crate) gateway: Namespace,
    mtu: u16,
}

impl Pair {
    pub(crate) fn new() -> Pair {
        Pair::with_mtu(MTU)
    }

    /// The cable takes what the tunnel adds to `mtu`.
    pub(crate) fn with_mtu(mtu: u16) -> Pair {
        let (client, gateway) = (Namespace::new(), Namespace::new());
        let to = gateway.path();
        client.ip(&format!("link add e0 type veth peer name e0 netns {to}"));
        for (namespace, host) in [(&client, 1), (&gateway, 2)] {
            namespace.ip(&format!("address add 192.0.2.{host}/24 dev e0"));
            namespace.ip(&format!("address add 2001:db8::{host}/64 dev e0 nodad"));
            namespace.ip(&format!("link set e0 mtu {} up", mtu + 80));
        }
        Pair {
            client,
            gateway,
            mtu,
        }
    }

    /// Starts both ends; `outer` is the gateway's address.
    pub(crate) fn start(&self, outer: &str) -> (End, End) {
        let keys = [PrivateKey::generate(), PrivateKey::generate()];
        let endpoint = SocketAddr::new(outer.parse().unwrap(), PORT);
        let end = |namespace, host: u8, endpoint: Option<SocketAddr>| {
            let (me, other) = (usize::from(host - 1), usize::from(2 - host));
            let peer = PeerConfig {
                public_key: keys[other].public(),
                preshared_key: None,
                allowed_ips: ["10.9.0.0/24", "fd00:9::/64", "10.8.0.0/24", "fd00:8::/64"]
                    .map(|net| net.parse().unwrap())
                    .to_vec(),
                endpoint,
                keepalive: None,
                keep_session: endpoint.is_some(),
                owner: 0,
            };
            End::start(namespace, host, self.mtu, keys[me].clone(), peer)
        };
        // The client speaks at once, and again only after seconds.
        let gateway = end(&self.gateway, 2, None);
        (end(&self.client, 1, Some(endpoint)), gateway)
    }
}

/// A running packet loop; stopped by [`End::stop`].
pub(crate) struct End {
    waker: Waker,
    thread: JoinHandle<Datapath>,
    /// For each run of the loop until it is stopped.
    runs: mpsc::Sender<()>,
    /// Allocations in each run.
    stopped: mpsc::Receiver<usize>,
    /// The thread as the kernel numbers it.
    pub(crate) thread_id: i32,
}

impl End {
    fn start(
        namespace: &Namespace,
        host: u8,
        mtu: u16,
        private_key: PrivateKey,
        peer: PeerConfig,
    ) -> End {
        let (sender, receiver) = mpsc::channel();
        let (runs, run) = mpsc::channel();
        let (done, stopped) = mpsc::channel();
        let inside = namespace.fd();
        let is_gateway = peer.endpoint.is_none();
        let thread = std::thread::spawn(move || {
            setns(inside, CloneFlags::CLONE_NEWNET).unwrap();
            let port = if is_gateway { PORT } else { 0 };
            let sockets = udp::bind(port, None, 1).unwrap().remove(0);
            let options = TunOptions {
                name: Some("t0".into()),
                queues: 1,
                mtu,
            };
            let (name, mut queues) = open(&options).unwrap();
            let mut netlink = Netlink::open().unwrap();
            netlink.link_up(&name, mtu).unwrap();
            for address in [format!("10.9.0.{host}/24"), format!("fd00:9::{host}/64")] {
                netlink
                    .add_address(&name, address.parse().unwrap())
                    .unwrap();
            }
            let now = clock::now();
            let config = DeviceConfig {
                private_key,
                mtu,
                worker: Worker::default(),
            };
            let mut device = Device::new(config, now);
            device.add_peer(now, peer).unwrap();
            let mut datapath = Datapath::new(device, sockets, queues.remove(0)).unwrap();
            datapath.set_pin_source(is_gateway);
            let waker = Waker::new(datapath.registry(), STOP).unwrap();
            sender.send((waker, gettid().as_raw())).unwrap();
            datapath.flush();
            let mut foreign = Vec::new();
            while run.recv().is_ok() {
                let allocated = allocations::count(|| {
                    foreign.clear();
                    while !foreign.contains(&STOP) {
                        datapath.turn(&mut foreign).unwrap();
                        while datapath.device_mut().poll_event().is_some() {}
                    }
                });
                done.send(allocated).unwrap();
            }
            datapath
        });
        let (waker, thread_id) = receiver.recv().expect("the loop starts");
        runs.send(()).unwrap();
        End {
            waker,
            thread,
            runs,
            stopped,
            thread_id,
        }
    }

    /// Lets the loop stand still; gives how many allocations it has made since it ran.
    pub(crate) fn pause(&self) -> usize {
        self.waker.wake().unwrap();
        self.stopped.recv().expect("the loop stops well")
    }

    /// Lets it run again.
    pub(crate) fn resume(&self) {
        self.runs.send(()).unwrap();
    }

    pub(crate) fn stop(self) -> Datapath {
        drop(self.runs);
        self.waker.wake().unwrap();
        self.thread.join().expect("the loop ends well")
    }
}

pub(crate) fn ping(from: &Namespace, to: &str) {
    let ping = from.run(|| {
        Command::new("ping")
            .args(["-c", "3", "-i", "0.01", "-w", "5", to])
            .output()
    });
    let ping = ping.expect("ping is installed");
    assert!(ping.status.success(), "{ping:?}");
}

fn no_losses(end: &Datapath) {
    let counters = end.io_counters();
    assert_eq!(counters.tun, Default::default());
    assert_eq!(counters.udp, Default::default());
}

#[test]
fn packets_cross_the_tunnel_both_ways_unchanged() {
    for outer in ["192.0.2.2", "2001:db8::2"] {
        let pair = Pair::new();
        let (client, gateway) = pair.start(outer);
        ping(&pair.client, "10.9.0.2");
        ping(&pair.gateway, "fd00:9::1");
        let inner: IpAddr = "10.9.0.2".parse().unwrap();
        exchange(&pair.client, &pair.gateway, inner, 4 << 20, None);
        let inner: IpAddr = "fd00:9::1".parse().unwrap();
        exchange(&pair.gateway, &pair.client, inner, 4 << 20, None);
        no_losses(&client.stop());
        no_losses(&gateway.stop());
    }
}

#[test]
fn a_stream_goes_on_when_the_address_changes() {
    let pair = Pair::new();
    let (client, gateway) = pair.start("192.0.2.2");
    ping(&pair.client, "10.9.0.2");
    std::thread::scope(|scope| {
        let stream = scope.spawn(|| {
            let inner: IpAddr = "10.9.0.2".parse().unwrap();
            exchange(&pair.client, &pair.gateway, inner, 32 << 20, None);
        });
        for host in [3, 4, 5] {
            pair.client.ip("-4 address flush dev e0");
            pair.client
                .ip(&format!("address add 192.0.2.{host}/24 dev e0"));
        }
        stream.join().expect("the stream goes on");
    });
    ping(&pair.gateway, "10.9.0.1");
    client.stop();
    let gateway = gateway.stop();
    let seen = gateway.device().peers().next().unwrap().endpoint.unwrap();
    assert_eq!(seen.ip(), "192.0.2.5".parse::<IpAddr>().unwrap());
}

#[test]
fn a_gateway_survives_the_loss_of_the_address_it_answers_from() {
    let pair = Pair::new();
    pair.gateway.ip("address add 198.51.100.2/32 dev e0");
    pair.client.ip("route add 198.51.100.2/32 dev e0");
    let (client, gateway) = pair.start("198.51.100.2");
    ping(&pair.client, "10.9.0.2");
    pair.gateway.ip("address delete 198.51.100.2/32 dev e0");
    // Only the gateway speaks now, from the address it still has.
    ping(&pair.gateway, "10.9.0.1");
    client.stop();
    assert_eq!(gateway.stop().io_counters().udp.lost_sources, 1);
}

/// A client has no address of its own to keep: the kernel chooses the one of the way there.
#[test]
fn a_gateway_answers_from_where_it_was_asked_and_a_client_from_where_it_is() {
    let pair = Pair::new();
    for (own, other, host) in [
        (&pair.client, &pair.gateway, 1),
        (&pair.gateway, &pair.client, 2),
    ] {
        own.ip(&format!("address add 198.51.100.{host}/32 dev e0"));
        other.ip(&format!("route add 198.51.100.{host}/32 dev e0"));
    }
    let (client, gateway) = pair.start("198.51.100.2");
    ping(&pair.client, "10.9.0.2");
    // Another address is the way's now.
    pair.client
        .ip("route replace 198.51.100.2/32 dev e0 src 198.51.100.1");
    ping(&pair.client, "10.9.0.2");
    let endpoint = |end: End| end.stop().device().peers().next().unwrap().endpoint;
    let ip = |endpoint: Option<SocketAddr>| endpoint.map(|endpoint| endpoint.ip().to_string());
    assert_eq!(ip(endpoint(client)).as_deref(), Some("198.51.100.2"));
    assert_eq!(ip(endpoint(gateway)).as_deref(), Some("198.51.100.1"));
}

/// A protocol without checksum or ports (RFC 3692): what is sent is the packet's payload.
const EXPERIMENT: i32 = 253;

fn raw(namespace: &Namespace) -> Socket {
    namespace.run(|| {
        let protocol = Protocol::from(EXPERIMENT);
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        socket
    })
}

/// The next packet, IP header and all.
fn receive(socket: &Socket) -> Vec<u8> {
    let mut packet = vec![0; 10_000];
    let len = (&mut &*socket).read(&mut packet).expect("a packet comes");
    packet.truncate(len);
    packet
}

#[test]
fn every_inner_length_crosses_both_ways_with_its_marks() {
    for mtu in [MTU, 9_000] {
        let pair = Pair::with_mtu(mtu);
        let (client, gateway) = pair.start("192.0.2.2");
        ping(&pair.client, "10.9.0.2");
        let noise = noise(usize::from(mtu));
        let lens = if mtu == MTU { 20..=mtu } else { 8_900..=mtu };
        for (from, to, address) in [
            (&pair.client, &pair.gateway, [10, 9, 0, 2]),
            (&pair.gateway, &pair.client, [10, 9, 0, 1]),
        ] {
            let (sender, receiver) = (raw(from), raw(to));
            let to = SockAddr::from(SocketAddr::from((address, 0)));
            for len in lens.clone().map(usize::from) {
                let payload = &noise[..len - 20];
                let mark = (len % 4) as u32;
                sender.set_tos_v4(mark).unwrap();
                sender.send_to(payload, &to).unwrap();
                let packet = receive(&receiver);
                assert!(packet[20..] == *payload, "{len} of {mtu}");
                assert_eq!(u32::from(packet[1]), mark, "congestion marks");
            }
        }
        let inner: IpAddr = "10.9.0.2".parse().unwrap();
        exchange(&pair.client, &pair.gateway, inner, 4 << 20, None);
        no_losses(&client.stop());
        no_losses(&gateway.stop());
    }
}

#[test]
fn fragments_cross_the_tunnel() {
    let pair = Pair::new();
    let (client, gateway) = pair.start("2001:db8::2");
    ping(&pair.client, "10.9.0.2");
    for (to, from) in [
        ("10.9.0.2:0", "10.9.0.1:0"),
        ("[fd00:9::2]:0", "[fd00:9::1]:0"),
    ] {
        let receiver = pair.gateway.run(|| UdpSocket::bind(to).unwrap());
        let sender = pair.client.run(|| UdpSocket::bind(from).unwrap());
        receiver
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let datagram = noise(30_000);
        sender
            .send_to(&datagram, receiver.local_addr().unwrap())
            .unwrap();
        let mut received = vec![0; 40_000];
        let len = receiver.recv(&mut received).expect("all fragments come");
        assert!(received[..len] == datagram);
    }
    no_losses(&client.stop());
    no_losses(&gateway.stop());
}

#[test]
fn a_wrong_inner_checksum_arrives_as_wrong_as_it_was() {
    let pair = Pair::new();
    let (client, gateway) = pair.start("192.0.2.2");
    ping(&pair.client, "10.9.0.2");
    let udp = |namespace: &Namespace| {
        namespace.run(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).unwrap())
    };
    let (sender, receiver) = (udp(&pair.client), udp(&pair.gateway));
    let inner = SocketAddr::from(([10, 9, 0, 2], 0));
    receiver.bind(&inner.into()).unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let to = SockAddr::from(inner);
    for i in 0..20u8 {
        // From and to port 9, with a sum that fits by a chance of 1 in 65 536 at most.
        let mut datagram = vec![0, 9, 0, 9, 0, 108, 0xba, 0xd0 | (i % 16)];
        datagram.extend([i; 100]);
        sender.send_to(&datagram, &to).unwrap();
        assert_eq!(receive(&receiver)[20..], datagram);
    }
    no_losses(&client.stop());
    no_losses(&gateway.stop());
}

#[test]
fn whoever_sends_too_much_behind_the_gateway_is_told() {
    let pair = Pair::new();
    let (client, gateway) = pair.start("192.0.2.2");
    ping(&pair.client, "10.9.0.2");
    let host = Namespace::new();
    let to = host.path();
    pair.gateway
        .ip(&format!("link add lan type veth peer name e0 netns {to}"));
    pair.gateway.ip("address add 10.8.0.2/24 dev lan");
    pair.gateway.ip("address add fd00:8::2/64 dev lan nodad");
    pair.gateway.ip("link set lan up");
    host.ip("address add 10.8.0.9/24 dev e0");
    host.ip("address add fd00:8::9/64 dev e0 nodad");
    host.ip("link set e0 up");
    host.ip("route add 10.9.0.0/24 via 10.8.0.2");
    host.ip("route add fd00:9::/64 via fd00:8::2");
    pair.client.ip("route add 10.8.0.0/24 dev t0");
    pair.client.ip("route add fd00:8::/64 dev t0");
    pair.gateway.run(|| {
        for knob in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            std::fs::write(format!("/proc/sys/net/{knob}"), "1").unwrap();
        }
    });
    // The headers of IP and ICMP have 28 bytes, or 48.
    for (inside, headers, told) in [
        ("10.9.0.1", 28, "mtu = 1420"),
        ("fd00:9::1", 48, "Packet too big: mtu=1420"),
    ] {
        ping(&host, inside);
        let whole = |size: u16| {
            let ping = host.run(|| {
                Command::new("ping")
                    .args(["-M", "do", "-c", "1", "-w", "5", "-s"])
                    .args([&size.to_string(), inside])
                    .output()
            });
            let ping = ping.unwrap();
            (
                ping.status.success(),
                String::from_utf8_lossy(&ping.stdout).into_owned(),
            )
        };
        // The first is refused on the way, after which the kernel knows.
        let (passed, said) = whole(MTU - headers + 1);
        assert!(!passed && said.contains(told), "{said}");
        assert!(whole(MTU - headers).0);
    }
    client.stop();
    gateway.stop();
}

//! Whole tunnels: device, sockets and TUN queue, between two computers.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;

use mio::{Token, Waker};
use nix::sched::{CloneFlags, setns};
use tokenvpn_common::device::{Device, DeviceConfig, PeerConfig, Worker};
use tokenvpn_common::io::datapath::{Datapath, FIRST_FREE_TOKEN};
use tokenvpn_common::io::netlink::Netlink;
use tokenvpn_common::io::tun::{TunOptions, open};
use tokenvpn_common::io::{clock, udp};
use tokenvpn_common::key::PrivateKey;

use crate::namespace::Namespace;
use crate::traffic::exchange;

const MTU: u16 = 1_420;
const PORT: u16 = 51_820;
const STOP: Token = FIRST_FREE_TOKEN;

/// Two computers and a cable: `192.0.2.HOST` and `2001:db8::HOST` outside,
/// `10.9.0.HOST` and `fd00:9::HOST` inside; the client is 1, the gateway 2.
struct Pair {
    client: Namespace,
    gateway: Namespace,
}

impl Pair {
    fn new() -> Pair {
        let (client, gateway) = (Namespace::new(), Namespace::new());
        let to = gateway.path();
        client.ip(&format!("link add e0 type veth peer name e0 netns {to}"));
        for (namespace, host) in [(&client, 1), (&gateway, 2)] {
            namespace.ip(&format!("address add 192.0.2.{host}/24 dev e0"));
            namespace.ip(&format!("address add 2001:db8::{host}/64 dev e0 nodad"));
            namespace.ip("link set e0 up");
        }
        Pair { client, gateway }
    }

    /// Starts both ends; `outer` is the gateway's address.
    fn start(&self, outer: &str) -> (End, End) {
        let keys = [PrivateKey::generate(), PrivateKey::generate()];
        let endpoint = SocketAddr::new(outer.parse().unwrap(), PORT);
        let end = |namespace, host: u8, endpoint: Option<SocketAddr>| {
            let (me, other) = (usize::from(host - 1), usize::from(2 - host));
            let peer = PeerConfig {
                public_key: keys[other].public(),
                preshared_key: None,
                allowed_ips: ["10.9.0.0/24", "fd00:9::/64"]
                    .map(|net| net.parse().unwrap())
                    .to_vec(),
                endpoint,
                keepalive: None,
                keep_session: endpoint.is_some(),
                owner: 0,
            };
            End::start(namespace, host, keys[me].clone(), peer)
        };
        // The client speaks at once, and again only after seconds.
        let gateway = end(&self.gateway, 2, None);
        (end(&self.client, 1, Some(endpoint)), gateway)
    }
}

/// A running packet loop; stopped by [`End::stop`].
struct End {
    waker: Waker,
    thread: JoinHandle<Datapath>,
}

impl End {
    fn start(namespace: &Namespace, host: u8, private_key: PrivateKey, peer: PeerConfig) -> End {
        let (sender, receiver) = mpsc::channel();
        let inside = namespace.fd();
        let is_gateway = peer.endpoint.is_none();
        let thread = std::thread::spawn(move || {
            setns(inside, CloneFlags::CLONE_NEWNET).unwrap();
            let port = if is_gateway { PORT } else { 0 };
            let sockets = udp::bind(port, None, 1).unwrap().remove(0);
            let options = TunOptions {
                name: Some("t0".into()),
                queues: 1,
                mtu: MTU,
            };
            let (name, mut queues) = open(&options).unwrap();
            let mut netlink = Netlink::open().unwrap();
            netlink.link_up(&name, MTU).unwrap();
            for address in [format!("10.9.0.{host}/24"), format!("fd00:9::{host}/64")] {
                netlink
                    .add_address(&name, address.parse().unwrap())
                    .unwrap();
            }
            let now = clock::now();
            let config = DeviceConfig {
                private_key,
                mtu: MTU,
                worker: Worker::default(),
            };
            let mut device = Device::new(config, now);
            device.add_peer(now, peer).unwrap();
            let mut datapath = Datapath::new(device, sockets, queues.remove(0)).unwrap();
            datapath.set_pin_source(is_gateway);
            sender
                .send(Waker::new(datapath.registry(), STOP).unwrap())
                .unwrap();
            datapath.flush();
            let mut foreign = Vec::new();
            while !foreign.contains(&STOP) {
                datapath.turn(&mut foreign).unwrap();
                while datapath.device_mut().poll_event().is_some() {}
            }
            datapath
        });
        let waker = receiver.recv().expect("the loop starts");
        End { waker, thread }
    }

    fn stop(self) -> Datapath {
        self.waker.wake().unwrap();
        self.thread.join().expect("the loop ends well")
    }
}

fn ping(from: &Namespace, to: &str) {
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

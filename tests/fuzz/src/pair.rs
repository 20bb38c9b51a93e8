//! A gateway with clients, in memory.

use std::{net::SocketAddr, time::Duration};

use ipnet::IpNet;
use tokenvpn_common::{
    clock::Now,
    device::{Device, DeviceConfig, PeerConfig, Worker},
    guard::PADDING,
    key::PrivateKey,
    run::Run,
    segments::Segments,
};

/// The tunnel addresses of the clients: client n has 10.77.0.n.
pub const CLIENTS: u8 = 2;

/// Where the gateway is.
pub fn gateway_address() -> SocketAddr {
    ([203, 0, 113, 5], 51820).into()
}

/// Where client `number` is.
pub fn client_address(number: u8) -> SocketAddr {
    ([192, 0, 2, number], 4000).into()
}

/// The gateway's key, the same at each run.
pub fn gateway_key() -> PrivateKey {
    PrivateKey::from_bytes([9; 32])
}

/// The key of client `number`.
pub fn client_key(number: u8) -> PrivateKey {
    PrivateKey::from_bytes([number; 32])
}

/// A datagram on its way.
#[derive(Clone)]
pub struct Datagram {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// The gateway, its clients, and the time that they are told.
pub struct Pair {
    pub gateway: Device,
    pub clients: Vec<Device>,
    pub now: Now,
}

impl Default for Pair {
    fn default() -> Pair {
        Pair::new()
    }
}

impl Pair {
    /// With clients that have said nothing yet.
    pub fn new() -> Pair {
        let now = tokenvpn_common::io::clock::now();
        let device = |private_key| {
            let config = DeviceConfig {
                private_key,
                mtu: 1420,
                worker: Worker::default(),
            };
            Device::new(config, now)
        };
        let peer = |key: PrivateKey, network: &str| PeerConfig {
            public_key: key.public(),
            preshared_key: None,
            allowed_ips: vec![network.parse::<IpNet>().expect("a network")],
            endpoint: None,
            keepalive: None,
            keep_session: false,
            owner: 0,
        };
        let mut gateway = device(gateway_key());
        let mut clients = Vec::new();
        for number in 1..=CLIENTS {
            let network = format!("10.77.0.{number}/32");
            let added = gateway.add_peer(now, peer(client_key(number), &network));
            added.expect("no two have anything in common");
            let mut client = device(client_key(number));
            let added = client.add_peer(
                now,
                PeerConfig {
                    endpoint: Some(gateway_address()),
                    ..peer(gateway_key(), "0.0.0.0/0")
                },
            );
            added.expect("the only peer");
            clients.push(client);
        }
        Pair {
            gateway,
            clients,
            now,
        }
    }

    /// Client `number` says something until it has a session.
    ///
    /// # Panics
    /// If it gets none.
    pub fn connect(&mut self, number: u8) {
        let packet = header([10, 77, 0, number], [10, 77, 0, 200], 20);
        let now = self.now;
        send(self.client(number), now, &packet);
        let delivered = self.settle();
        assert!(!delivered.is_empty(), "there is no session");
    }

    /// Client `number`.
    pub fn client(&mut self, number: u8) -> &mut Device {
        &mut self.clients[usize::from(number) - 1]
    }

    /// Brings all that is said to where it goes, and gives back the packets that the gateway and
    /// the clients have for their networks.
    pub fn settle(&mut self) -> Vec<Vec<u8>> {
        let mut delivered = Vec::new();
        for _ in 0..8 {
            let mut sent = take(&mut self.gateway, gateway_address(), &mut delivered);
            for number in 1..=CLIENTS {
                let client = &mut self.clients[usize::from(number) - 1];
                sent.extend(take(client, client_address(number), &mut delivered));
            }
            if sent.is_empty() {
                break;
            }
            for datagram in sent {
                self.deliver(&datagram);
            }
        }
        delivered
    }

    /// Brings one datagram to where it goes.
    pub fn deliver(&mut self, datagram: &Datagram) {
        let now = self.now;
        let number = (1..=CLIENTS).find(|number| client_address(*number) == datagram.to);
        let device = match number {
            Some(number) => self.client(number),
            None if datagram.to == gateway_address() => &mut self.gateway,
            None => return,
        };
        let bytes = &datagram.bytes;
        device.handle_datagrams(now, Run::new(datagram.from, bytes, bytes.len()));
        device.handle_timeout(now);
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.gateway.handle_timeout(self.now);
        for client in &mut self.clients {
            client.handle_timeout(self.now);
        }
    }

    /// Panics inside a device are caught there and counted; here they count.
    ///
    /// # Panics
    /// If there was one.
    pub fn expect_no_panic(&self) {
        assert_eq!(self.gateway.counters().panics, 0);
        assert!(
            self.clients
                .iter()
                .all(|client| client.counters().panics == 0)
        );
    }
}

/// What a device at `from` has to send, and what it has delivered.
pub fn take(device: &mut Device, from: SocketAddr, delivered: &mut Vec<Vec<u8>>) -> Vec<Datagram> {
    while let Some(packets) = device.poll_packets() {
        delivered.extend(packets.iter().map(<[u8]>::to_vec));
    }
    while device.poll_event().is_some() {}
    while device.poll_handover().is_some() {}
    let mut sent = Vec::new();
    while let Some(train) = device.poll_transmit() {
        for segment in train.contents.chunks(train.segment_size) {
            sent.push(Datagram {
                from,
                to: train.endpoint,
                bytes: segment.to_vec(),
            });
        }
    }
    sent
}

/// Gives a device a packet from its network.
pub fn send(device: &mut Device, now: Now, packet: &[u8]) {
    let mut buffer = [packet, &[0; PADDING]].concat();
    let whole = Segments::single(&mut buffer, packet.len()).expect("there is room for padding");
    device.handle_packets(now, whole);
}

/// An IPv4 packet of this length with nothing behind its header (RFC 791).
pub fn header(source: [u8; 4], destination: [u8; 4], len: u16) -> Vec<u8> {
    let mut packet = vec![0; usize::from(len.max(20))];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    packet[8] = 64;
    packet[9] = 17;
    packet[12..16].copy_from_slice(&source);
    packet[16..20].copy_from_slice(&destination);
    packet
}

//! Clients that never stay where they are.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rig::wait::now;
use tokenvpn_common::{
    device::{Device, DeviceConfig, PeerConfig, Worker},
    guard::PADDING,
    key::{PrivateKey, PublicKey},
    run::Run,
    segments::Segments,
};

/// Between two packets of a client, each from another port than the one before.
const PACE: Duration = Duration::from_millis(4);

/// Keeps a session with the gateway and sends from four ports in turn, until told to stop. Gives
/// back how many datagrams came from the gateway.
///
/// To be called on a thread inside the client's host.
pub(crate) fn roam(
    key: &PrivateKey,
    address: [u8; 4],
    gateway: PublicKey,
    endpoint: SocketAddr,
    stop: &AtomicBool,
) -> usize {
    let sockets: Vec<UdpSocket> = (0..4)
        .map(|_| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a port");
            socket.set_nonblocking(true).expect("a socket like any");
            socket
        })
        .collect();
    let config = DeviceConfig {
        private_key: key.clone(),
        mtu: 1420,
        worker: Worker::default(),
    };
    let mut device = Device::new(config, now());
    let peer = PeerConfig {
        public_key: gateway,
        preshared_key: None,
        allowed_ips: vec!["10.77.0.0/16".parse().expect("a network")],
        endpoint: Some(endpoint),
        keepalive: Some(25),
        keep_session: true,
        owner: 0,
    };
    device.add_peer(now(), peer).expect("the only peer");
    let mut datagram = vec![0; 65_536];
    let mut received = 0;
    for turn in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        for socket in &sockets {
            while let Ok((bytes, from)) = socket.recv_from(&mut datagram) {
                received += 1;
                device.handle_datagrams(now(), Run::new(from, &datagram[..bytes], bytes));
            }
        }
        device.handle_timeout(now());
        let mut buffer = packet(address);
        let whole = Segments::single(&mut buffer, HEADER).expect("there is room for padding");
        device.handle_packets(now(), whole);
        while device.poll_packets().is_some() {}
        while device.poll_event().is_some() {}
        while let Some(train) = device.poll_transmit() {
            for segment in train.contents.chunks(train.segment_size) {
                let sent = sockets[turn % sockets.len()].send_to(segment, train.endpoint);
                // The gateway is killed again and again, and its port answers that.
                let refused = |e: &io::Error| e.kind() == io::ErrorKind::ConnectionRefused;
                assert!(sent.as_ref().err().is_none_or(refused), "{sent:?}");
            }
        }
        thread::sleep(PACE);
    }
    received
}

/// Length of an IPv4 header (RFC 791).
const HEADER: usize = 20;

/// An IPv4 header without anything behind it, to the gateway's own address, and room for padding.
fn packet(source: [u8; 4]) -> [u8; HEADER + PADDING] {
    let mut packet = [0; HEADER + PADDING];
    packet[0] = 0x45;
    packet[3] = HEADER as u8;
    packet[8] = 64;
    packet[9] = 17;
    packet[12..16].copy_from_slice(&source);
    packet[16..20].copy_from_slice(&[10, 77, 0, 1]);
    packet
}

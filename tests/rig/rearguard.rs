//! Those who come last: once they are through, a gateway has looked at all that came before them.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::Duration,
};

use tokenvpn_common::key::PrivateKey;

use crate::{
    gateway::Gateway,
    host::Host,
    speaker::Speaker,
    wait::{self, SOON},
};

/// The gateway answers an identity fifty times a second.
const PACE: Duration = Duration::from_millis(25);

/// Data without a packet in it.
const KEEPALIVE: usize = 32;

/// One end for each worker of a gateway, all on one socket.
///
/// Data overtakes initiations, which wait for their turn; and with several workers each has a queue
/// and a socket of its own. So each end makes a handshake, which is answered after the initiations
/// that came before it from the same socket, and then asks with data, which comes to its worker's
/// socket after the data for that.
pub struct Rearguard {
    ends: Vec<Speaker>,
    gateway: Host,
    port: u16,
    /// What the gateway's kernel had thrown away at the start.
    lost: u64,
}

impl Rearguard {
    /// Lets the ends into a gateway, with inner addresses from `first` on, on a socket of their own
    /// somewhere.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn new(
        gateway: &Gateway,
        workers: u8,
        endpoint: SocketAddr,
        socket: &UdpSocket,
        first: Ipv4Addr,
    ) -> Rearguard {
        let own_key = gateway.own_key();
        let end = |worker| {
            // A worker has the keys whose first byte says so.
            let mut keys = std::iter::repeat_with(PrivateKey::generate);
            let key = keys.find(|key| key.public().as_bytes()[0] % workers == worker);
            let key = key.expect("invariant: there are many keys");
            let inner = Ipv4Addr::from_bits(first.to_bits() + u32::from(worker));
            let (name, public) = (format!("end {inner}"), key.public().to_string());
            let words = ["add", &name, "--public-key", &public];
            let address = ["--address", &inner.to_string()];
            gateway.command(&words).args(address).ok();
            let socket = socket.try_clone().expect("a descriptor");
            Speaker::on(socket, &key, inner, endpoint, &own_key)
        };
        let (host, port) = (gateway.host().clone(), endpoint.port());
        Rearguard {
            ends: (0..workers).map(end).collect(),
            lost: lost(&host, port),
            gateway: host,
            port,
        }
    }

    /// Sends something before them.
    ///
    /// # Panics
    /// If the kernel refuses.
    #[track_caller]
    pub fn send(&mut self, datagram: &[u8]) {
        self.ends[0].send(datagram);
    }

    /// Follows what was sent from their socket, to `inner`, which answers pings; all of it has been
    /// looked at when this returns. Gives how many answers came beyond those to themselves.
    ///
    /// # Panics
    /// If they do not come through, or the gateway's kernel has thrown something away.
    #[track_caller]
    pub fn follow(&mut self, inner: Ipv4Addr) -> usize {
        for end in &mut self.ends {
            end.sent.clear();
        }
        for end in &mut self.ends {
            end.connect();
            wait::until_true("it is heard", SOON, || end.pings(inner));
        }
        thread::sleep(PACE);
        let asks = |datagram: &&Vec<u8>| {
            datagram[0] == 1 || (datagram[0] == 4 && datagram.len() > KEEPALIVE)
        };
        let sent = self.ends.iter().flat_map(|end| &end.sent);
        let asked = sent.filter(asks).count();
        // Where they had to ask twice, the other answer may still be on its way.
        let mut answers = 0;
        wait::until_true("all they asked is answered", SOON, || {
            self.ends[0].catch_up();
            let heard = self.ends.iter_mut().map(|end| end.heard.drain(..).count());
            answers += heard.sum::<usize>();
            answers >= asked
        });
        let lost = lost(&self.gateway, self.port);
        assert_eq!(lost, self.lost, "not everything reached the gateway");
        answers - asked
    }
}

/// How many datagrams for this port the kernel had no room for (proc(5), the last column).
fn lost(host: &Host, port: u16) -> u64 {
    let tables = host
        .run("cat")
        .args(["/proc/net/udp", "/proc/net/udp6"])
        .ok();
    let port = format!(":{port:04X}");
    let rows = tables.lines().map(|row| row.split_whitespace().collect());
    let ours = rows.filter(|row: &Vec<&str>| row[1].ends_with(&port));
    let lost = ours.map(|row| row.last().and_then(|lost| lost.parse::<u64>().ok()));
    lost.map(|lost| lost.expect("a number of datagrams")).sum()
}

//! One gateway, several workers.

use tokenvpn_common::device::{Handover, Worker};
use tokenvpn_common::key::PrivateKey;

use crate::net::*;

/// Nodes 0 and 1 are the two workers of one gateway; node 2 is a client that the
/// second one owns.
struct Crew {
    net: Net,
}

const CLIENT_NODE: usize = 2;

impl Crew {
    fn new() -> Crew {
        let mut net = Net::new();
        let (gateway, client) = (PrivateKey::generate(), PrivateKey::generate());
        for index in 0..2 {
            // The kernel could give anything to either; here all comes to the first.
            let address = ["198.51.100.1:51820", "198.51.100.1:1"][usize::from(index)];
            let node = net.add(&gateway, address, Worker { index, count: 2 });
            let mut known = peer(&client.public(), &["10.77.0.7/32"]);
            known.owner = 1;
            net.nodes[node].device.add_peer(net.now, known).unwrap();
        }
        let node = net.add(&client, "192.0.2.1:40000", Worker::default());
        assert_eq!(node, CLIENT_NODE);
        let mut known = peer(&gateway.public(), &["0.0.0.0/0"]);
        known.endpoint = Some(net.nodes[0].address);
        net.nodes[node].device.add_peer(net.now, known).unwrap();
        Crew { net }
    }

    /// Takes what the second worker has to give away. Both workers send from the
    /// gateway's one address.
    fn collect_second(&mut self) {
        let front = self.net.nodes[0].address;
        let own = std::mem::replace(&mut self.net.nodes[1].address, front);
        self.net.collect(1);
        self.net.nodes[1].address = own;
    }

    /// Carries handovers from worker to worker until there are none.
    fn flow(&mut self) {
        loop {
            self.collect_second();
            self.net.flow();
            let handovers: Vec<_> = self.net.nodes[0].handovers.drain(..).collect();
            assert!(self.net.nodes[1].handovers.is_empty(), "nothing comes back");
            if handovers.is_empty() {
                break;
            }
            for (worker, handover) in handovers {
                assert_eq!(worker, 1);
                let now = self.net.now;
                self.net.nodes[1].device.handle_handover(now, handover);
                self.collect_second();
            }
        }
    }
}

#[test]
fn what_the_wrong_worker_receives_reaches_the_owner() {
    let mut crew = Crew::new();
    let up = packet(CLIENT, INNER, 200);
    crew.net.send(CLIENT_NODE, std::slice::from_ref(&up));
    crew.flow();
    assert!(crew.net.nodes[0].inbox.is_empty());
    assert_eq!(crew.net.take_inbox(1), [up], "the handshake and the packet");

    let down = packet(INNER, CLIENT, 300);
    crew.net.send(0, std::slice::from_ref(&down));
    crew.flow();
    assert_eq!(crew.net.take_inbox(CLIENT_NODE), [down]);

    let owned: Vec<usize> = (0..2)
        .map(|node| crew.net.nodes[node].device.peers().count())
        .collect();
    assert_eq!(owned, [0, 1], "only the owner keeps state");
    assert_eq!(crew.net.nodes[0].device.poll_timeout(), None);
}

#[test]
fn a_run_is_handed_over_in_one_piece() {
    let mut crew = Crew::new();
    crew.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 200)]);
    crew.flow();
    let packets: Vec<_> = (0..10)
        .map(|i| packet(CLIENT, INNER, if i == 9 { 300 } else { 1000 }))
        .collect();
    crew.net.send(CLIENT_NODE, &packets);
    {
        let handovers = &crew.net.nodes[0].handovers;
        assert_eq!(handovers.len(), 1);
        let (_, Handover::Datagrams { run, stride, .. }) = &handovers[0] else {
            panic!("datagrams were handed over");
        };
        assert_eq!(run.len().div_ceil(*stride), 10);
    }
    crew.net.take_inbox(1);
    crew.flow();
    assert_eq!(crew.net.take_inbox(1), packets);
}

#[test]
fn the_session_index_names_its_worker() {
    let mut crew = Crew::new();
    crew.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 200)]);
    crew.flow();
    let data = crew.net.sent_by(CLIENT_NODE, 4);
    assert!(!data.is_empty());
    for sent in data {
        assert_eq!(sent.bytes[5] % 2, 1, "what the kernel steers by");
    }
}

#[test]
fn a_long_handover_loses_nothing() {
    let mut crew = Crew::new();
    crew.net.send(CLIENT_NODE, &[packet(CLIENT, INNER, 200)]);
    crew.flow();
    crew.net.take_inbox(1);

    // Three runs arrive at the wrong worker before it hands anything over.
    crew.net.nodes[0].online = false;
    let before = crew.net.trains.len();
    for _ in 0..3 {
        let packets: Vec<_> = (0..60).map(|_| packet(CLIENT, INNER, 1000)).collect();
        crew.net.send(CLIENT_NODE, &packets);
    }
    crew.net.nodes[0].online = true;
    let now = crew.net.now;
    for train in crew.net.trains.split_off(before) {
        let wrong = &mut crew.net.nodes[0].device;
        wrong.handle_datagrams(now, train.from, None, &train.contents, train.segment_size);
    }
    crew.net.collect(0);
    crew.flow();
    assert_eq!(crew.net.take_inbox(1).len(), 180);
}

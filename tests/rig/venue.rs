//! A place where many clients meet one gateway.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{
    crowd::{Crowd, Member},
    gateway::Gateway,
    host::Host,
    world::World,
};

/// Where the gateway is reached.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const PORT: u16 = 51820;
/// The gateway's address in the tunnel.
pub const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The first of the addresses that clients come from, of networks for measurements (RFC 2544).
const SOURCES: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// A gateway, not running yet, and a host that has the addresses of a whole crowd.
///
/// ```text
///  clients ──────── gateway
///  198.18.0.1 …     203.0.113.5
///                   10.77.0.1
/// ```
#[derive(Debug)]
pub struct Venue {
    /// The gateway.
    pub gateway: Gateway,
    /// Where all clients are.
    pub clients: Host,
    /// Last, so that it goes last.
    pub world: World,
}

impl Venue {
    /// Builds it.
    ///
    /// # Panics
    /// If the kernel refuses.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it makes files and namespaces")]
    pub fn new() -> Venue {
        let world = World::new();
        let [clients, machine] = ["clients", "gateway"].map(|name| world.host(name));
        world.wire(
            (&clients, "eth0", "203.0.113.10/24"),
            (&machine, "eth0", "203.0.113.5/24"),
        );
        clients.ip("route add local 198.18.0.0/15 dev lo");
        machine.ip("route add 198.18.0.0/15 via 203.0.113.10");
        machine.set_forwarding(true);
        Venue {
            gateway: Gateway::init(&machine, &format!("{GATEWAY}:{PORT}"), "10.77.0.0/16"),
            clients,
            world,
        }
    }

    /// Lets in so many; the gateway must not run.
    ///
    /// # Panics
    /// If the registry refuses.
    #[track_caller]
    pub fn enrol(&self, count: u32) -> Vec<Member> {
        let first = u32::from(INSIDE) + 1;
        let members = Member::at((first..first + count).map(Ipv4Addr::from));
        self.gateway.let_in(&members);
        members
    }

    /// Clients for these members.
    ///
    /// # Panics
    /// If the system refuses a socket.
    #[track_caller]
    pub fn crowd(&self, members: &[Member]) -> Crowd {
        let gateway = (self.gateway.own_key(), SocketAddr::from((GATEWAY, PORT)));
        Crowd::new(&self.clients, members, gateway, SOURCES)
    }
}

//! The usual places.

use std::net::{IpAddr, Ipv4Addr};

use tokenvpn_common::{
    io::clock::unix_time,
    key::{PrivateKey, PublicKey},
    profile::{self, Profile},
};

use crate::{card::Card, client::Up, gateway::Gateway, host::Host, web::Web, world::World};

/// Two computers on different networks, the internet, and a gateway with a network behind it.
///
/// ```text
///  one ───home─────┐
///  192.0.2.10      │
///                router ──internet── gateway ──inner── server
///                  │              203.0.113.5          10.20.0.80
///  two ───hotel────┘              10.20.0.1
///  198.51.100.20
/// ```
///
/// Nothing but the gateway knows a way into the inner network.
#[derive(Debug)]
pub struct Scene {
    /// The computer at home.
    pub one: Host,
    /// The computer at the hotel.
    pub two: Host,
    /// Between all of them.
    pub router: Host,
    /// Where the gateway will run; packets are forwarded.
    pub gateway: Host,
    /// In the inner network.
    pub server: Host,
    /// Last, so that it goes last.
    pub world: World,
}

/// Where the gateway is reached.
pub const ENDPOINT: &str = "203.0.113.5:51820";
/// The tunnel's network.
pub const TUNNEL_NETWORK: &str = "10.77.0.0/24";
/// The network behind the gateway.
pub const INNER_NETWORK: &str = "10.20.0.0/24";
/// The server in it.
pub const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 20, 0, 80));
/// The first computer's address at home.
pub const HOME_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
/// The second computer's address.
pub const HOTEL_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 20));

impl Scene {
    /// Builds it all, with nothing of ours running yet.
    ///
    /// # Panics
    /// If the kernel refuses.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it makes files and namespaces")]
    pub fn new() -> Scene {
        let world = World::new();
        let [one, two, router, gateway, server] =
            ["one", "two", "router", "gateway", "server"].map(|name| world.host(name));
        world.wire(
            (&one, "eth0", "192.0.2.10/24"),
            (&router, "home", "192.0.2.1/24"),
        );
        world.wire(
            (&two, "eth0", "198.51.100.20/24"),
            (&router, "hotel", "198.51.100.1/24"),
        );
        world.wire(
            (&gateway, "eth0", "203.0.113.5/24"),
            (&router, "internet", "203.0.113.1/24"),
        );
        world.wire(
            (&server, "eth0", "10.20.0.80/24"),
            (&gateway, "inner", "10.20.0.1/24"),
        );
        one.ip("route add default via 192.0.2.1");
        two.ip("route add default via 198.51.100.1");
        gateway.ip("route add default via 203.0.113.1");
        server.ip("route add default via 10.20.0.1");
        router.set_forwarding(true);
        gateway.set_forwarding(true);
        Scene {
            one,
            two,
            router,
            gateway,
            server,
            world,
        }
    }

    /// Gives the first computer, the gateway and the server an IPv6 address each beside the other,
    /// `2001:db8:1::10`, `2001:db8:3::5` and `fd20::80`, and the ways between them.
    ///
    /// # Panics
    /// If the kernel refuses.
    #[track_caller]
    pub fn add_ipv6(&self) {
        for (host, link, address) in [
            (&self.one, "eth0", "2001:db8:1::10/64"),
            (&self.router, "home", "2001:db8:1::1/64"),
            (&self.router, "internet", "2001:db8:3::1/64"),
            (&self.gateway, "eth0", "2001:db8:3::5/64"),
            (&self.gateway, "inner", "fd20::1/64"),
            (&self.server, "eth0", "fd20::80/64"),
        ] {
            host.ip(&format!("address add {address} dev {link} nodad"));
        }
        self.one.ip("-6 route add default via 2001:db8:1::1");
        self.gateway.ip("-6 route add default via 2001:db8:3::1");
        self.server.ip("-6 route add default via fd20::1");
    }

    /// Gives the gateway its key and starts it.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn start_gateway(&self) -> Gateway {
        let gateway = Gateway::init(&self.gateway, ENDPOINT, TUNNEL_NETWORK);
        gateway.start();
        gateway
    }

    /// Invites `name`, issues its token at the first computer, where a pcscd is started, and enrols
    /// it: the pipe. The card lies beside the reader in the end.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn issue(&self, gateway: &Gateway, name: &str) -> Card {
        self.issue_with(gateway, name, &["--route", INNER_NETWORK])
    }

    /// The same with these options of `invite`.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn issue_with(&self, gateway: &Gateway, name: &str, options: &[&str]) -> Card {
        let card = self.insert_new(name);
        let invitation = gateway.invite(name, options);
        gateway.enrol(&self.one.issue(&invitation, card.pin()));
        card.remove();
        card
    }

    /// A card with this profile, which nobody issued; it lies beside the reader of the first
    /// computer, where a pcscd is started.
    ///
    /// # Panics
    /// If it does not fit.
    #[track_caller]
    pub fn write(&self, profile: &Profile) -> Card {
        let card = self.insert_new("traveller");
        card.write(&self.one, &profile.encode().expect("it fits"), None);
        card.remove();
        card
    }

    fn insert_new(&self, name: &str) -> Card {
        let card = Card::new(&self.world, name);
        self.one.start_pcscd();
        card.connect(&self.one);
        card.insert();
        card
    }

    /// Runs `up` at this host, puts the card in and waits for the session.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn connect(&self, host: &Host, card: &Card) -> Up {
        let up = host.up(card.pin(), &[]);
        up.await_state("waiting_token");
        card.insert();
        up.await_state("up");
        up
    }

    /// Serves [`GREETING`] on [`PAGE`].
    ///
    /// # Panics
    /// If that cannot be.
    #[track_caller]
    pub fn serve(&self) -> Web {
        Web::serve(&self.server, (SERVER, 80).into(), GREETING)
    }
}

/// A profile that was never issued: a fresh key, this endpoint, and the public key of the gateway
/// there, or of nobody.
///
/// # Panics
/// If the endpoint is none.
#[track_caller]
pub fn profile(endpoint: &str, gateway: Option<PublicKey>) -> Profile {
    let public_key = gateway.unwrap_or_else(|| PrivateKey::generate().public());
    Profile {
        name: "traveller".parse().expect("a name"),
        serial: 1,
        issued: unix_time(),
        not_before: None,
        not_after: None,
        private_key: PrivateKey::generate(),
        gateways: vec![profile::Gateway {
            public_key,
            preshared_key: None,
            endpoints: vec![endpoint.parse().expect("an endpoint")],
        }],
        addresses: vec!["10.77.0.2/24".parse().expect("an address")],
        allowed_ips: vec![INNER_NETWORK.parse().expect("a network")],
        dns: Vec::new(),
        mtu: 1420,
        keepalive: 25,
    }
}

/// What the inner server has to say.
pub const GREETING: &str = "Hello from the inner network.";
/// Where it says so.
pub const PAGE: &str = "http://10.20.0.80/";

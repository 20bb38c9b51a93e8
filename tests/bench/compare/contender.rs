//! What is compared, and how each of them is brought up between two hosts.

use std::net::Ipv4Addr;

use rig::{
    Card, Gateway, Host, Invocation, Up, World,
    client::PIN_FD,
    wait::{self, SOON},
};
use tokenvpn_common::key::PrivateKey;

use crate::link::Link;

const PORT: u16 = 51820;
const OUTER: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 98, 0, 1), Ipv4Addr::new(10, 98, 0, 2)];
const INNER: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 99, 0, 1), Ipv4Addr::new(10, 99, 0, 2)];
const MTU: u16 = 1420;

/// One way between two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Our gateway and our client, with its profile on a virtual card.
    Tokenvpn,
    /// The same program at both ends, spoken to by wg(8).
    Rival {
        name: &'static str,
        program: &'static str,
        words: &'static [&'static str],
        version: &'static [&'static str],
    },
    /// No tunnel at all: what the test bed can do.
    Bare,
}

/// In the order of the report. A rival has to be on the PATH.
pub(crate) const ALL: [Contender; 5] = [
    Contender::Tokenvpn,
    Contender::Rival {
        name: "boringtun-cli -t 1",
        program: "boringtun-cli",
        words: &["-f", "--disable-drop-privileges", "-t", "1", LINK],
        version: &["--version"],
    },
    Contender::Rival {
        name: "gotatun-cli",
        program: "gotatun",
        words: &["-f", "--disable-drop-privileges", "-v", "error", LINK],
        version: &["--version"],
    },
    Contender::Rival {
        name: "wireguard-go",
        program: "wireguard-go",
        words: &["-f", LINK],
        version: &["--version"],
    },
    Contender::Bare,
];

/// The rivals' device.
const LINK: &str = "wg0";

/// A way that is up.
pub(crate) struct Bed {
    pub(crate) server: Host,
    pub(crate) client: Host,
    /// The server's address to measure to.
    pub(crate) target: Ipv4Addr,
    /// The tunnel's processes at each end, server first.
    pub(crate) processes: [Vec<i32>; 2],
}

impl Contender {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Contender::Tokenvpn => "tokenvpn",
            Contender::Rival { name, .. } => name,
            Contender::Bare => "no tunnel",
        }
    }

    /// The line with which the program tells its version.
    pub(crate) fn version(self, host: &Host) -> Option<String> {
        let said = match self {
            Contender::Tokenvpn => host.tokenvpn(&["--version"]).ok(),
            Contender::Rival {
                program, version, ..
            } => host.run(program).args(version).ok(),
            Contender::Bare => return None,
        };
        said.lines().next().map(str::to_owned)
    }

    /// Brings it up between two new hosts of a world, and waits until it carries packets.
    pub(crate) fn start(self, world: &World, link: Link) -> Bed {
        let [client, server] = ["client", "server"].map(|name| world.host(name));
        world.wire(
            (&server, "eth0", &format!("{}/24", OUTER[0])),
            (&client, "eth0", &format!("{}/24", OUTER[1])),
        );
        for host in [&server, &client] {
            link.prepare(host);
        }
        let (target, processes) = match self {
            Contender::Tokenvpn => (INNER[0], start_own(world, &server, &client)),
            Contender::Rival { program, words, .. } => {
                (INNER[0], start_rival(&server, &client, program, words))
            }
            Contender::Bare => (OUTER[0], [Vec::new(), Vec::new()]),
        };
        wait::until_true("the tunnel carries packets", SOON, || {
            client.pings(target.into())
        });
        Bed {
            server,
            client,
            target,
            processes,
        }
    }
}

fn start_own(world: &World, server: &Host, client: &Host) -> [Vec<i32>; 2] {
    let gateway = Gateway::init(server, &format!("{}:{PORT}", OUTER[0]), "10.99.0.0/24");
    let process = gateway.started(quiet(gateway.command(&["run"])));
    [vec![process.pid()], bring_up(world, &gateway, client)]
}

/// Gives a new token to somebody at `client`, and its tunnel; gives the client's processes.
pub(crate) fn bring_up(world: &World, gateway: &Gateway, client: &Host) -> Vec<i32> {
    let card = Card::new(world, "traveller");
    client.start_pcscd();
    card.connect(client);
    card.insert();
    client.await_token(&card.ident());
    let enrolment = client.issue(&gateway.invite("traveller", &[]), card.pin());
    gateway.enrol(&enrolment);
    let number = PIN_FD.to_string();
    let up = client.tokenvpn(&["up", "--json", "--pin-fd", &number]);
    let up = Up::started(client, quiet(up.text_on(PIN_FD, card.pin())));
    up.await_state("up");
    up.pids()
}

/// With the log as users have it; in a world a program says everything.
pub(crate) fn quiet(program: Invocation) -> Invocation {
    program.env("RUST_LOG", "info")
}

fn start_rival(server: &Host, client: &Host, program: &str, words: &[&str]) -> [Vec<i32>; 2] {
    let keys = [PrivateKey::generate(), PrivateKey::generate()];
    let ends = [server, client];
    [0, 1].map(|end| {
        let other = 1 - end;
        let host = ends[end];
        let daemon = host
            .run(program)
            .args(words)
            .env("LOG_LEVEL", "error")
            .spawn();
        let socket = host.path(format!("/run/wireguard/{LINK}.sock"));
        wait::until_true("the tunnel's program answers", SOON, || socket.exists());
        let peer = keys[other].public().to_string();
        let endpoint = format!("{}:{PORT}", OUTER[other]);
        let allowed = format!("{}/32", INNER[other]);
        host.run("wg")
            .args(["set", LINK, "private-key", "/dev/stdin"])
            .args(["listen-port", &PORT.to_string()])
            .args(["peer", &peer, "endpoint", &endpoint])
            .args(["allowed-ips", &allowed, "persistent-keepalive", "25"])
            .stdin(keys[end].expose_text().as_bytes())
            .ok();
        host.ip(&format!("address add {}/24 dev {LINK}", INNER[end]));
        host.ip(&format!("link set {LINK} mtu {MTU} up"));
        vec![daemon.pid()]
    })
}

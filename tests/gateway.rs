//! The gateway alone: its files, its commands, and ordinary WireGuard clients.

use std::{
    fs::{self, Permissions},
    net::{IpAddr, SocketAddr},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::PathBuf,
    time::Duration,
};

use nix::sys::signal::Signal;
use rig::{
    Gateway, Host, SlowDisk, Speaker, Tap, WireGuardGo, World, programs,
    wait::{self, SOON, now, promised},
};
use tokenvpn_common::{
    clock::UnixTime,
    guard::Message,
    invitation::{Enrolment, Invitation, VERSION},
    io::clock::unix_time,
    key::{PrivateKey, PublicKey},
};

const CONFIG: &str = "/etc/tokenvpn/gateway.toml";
const STATE: &str = "/var/lib/tokenvpn";
const ENDPOINT: &str = "203.0.113.5:51820";
const LINK: &str = "tokenvpn-gw";

/// What a gateway has on the disk after `init`.
const FILES: [(&str, u32); 3] = [
    (CONFIG, 0o640),
    ("/var/lib/tokenvpn/private-key", 0o600),
    ("/var/lib/tokenvpn/registry.db", 0o600),
];

/// The gateway's machine with an inner network behind it, and a client.
///
/// ```text
///  client ──outer── gateway ──inner── server
///  203.0.113.10     203.0.113.5       10.20.0.80
/// ```
struct Place {
    client: Host,
    gateway: Gateway,
    server: Host,
    /// Last, so that it goes last.
    _world: World,
}

const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 20, 0, 80));

impl Place {
    /// With a gateway that is made and does not run.
    fn new() -> Place {
        let world = World::new();
        let [client, machine, server] = ["client", "gateway", "server"].map(|n| world.host(n));
        world.wire(
            (&client, "eth0", "203.0.113.10/24"),
            (&machine, "eth0", "203.0.113.5/24"),
        );
        world.wire(
            (&server, "eth0", "10.20.0.80/24"),
            (&machine, "inner", "10.20.0.1/24"),
        );
        server.ip("route add default via 10.20.0.1");
        machine.set_forwarding(true);
        Place {
            client,
            gateway: Gateway::init(&machine, ENDPOINT, "10.77.0.0/24"),
            server,
            _world: world,
        }
    }

    /// A wireguard-go at `host` that is let in as `name` and has this tunnel address.
    fn connect(&self, host: &Host, name: &str, address: &str) -> WireGuardGo {
        self.connect_with(host, name, address, &PrivateKey::generate())
    }

    /// The same with this key.
    fn connect_with(
        &self,
        host: &Host,
        name: &str,
        address: &str,
        key: &PrivateKey,
    ) -> WireGuardGo {
        let network = format!("{address}/24").parse().unwrap();
        let wireguard = WireGuardGo::start_with(host, 0, network, key);
        let key = wireguard.public_key().to_string();
        let words = ["add", name, "--public-key", &key, "--address", address];
        self.gateway.command(&words).ok();
        let endpoint = ENDPOINT.parse().unwrap();
        wireguard.add_peer(
            self.own_key(),
            Some(endpoint),
            &["10.77.0.0/24", "10.20.0.0/24"].map(|net| net.parse().unwrap()),
        );
        wireguard
    }

    fn own_key(&self) -> PublicKey {
        let text = fs::read_to_string(self.path("/var/lib/tokenvpn/private-key")).unwrap();
        text.parse::<PrivateKey>().unwrap().public()
    }

    /// One of the gateway's files.
    fn path(&self, inside: &str) -> PathBuf {
        self.gateway.host().path(inside)
    }

    /// Changes the gateway's configuration.
    fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(CONFIG)).unwrap();
        assert!(text.contains(from), "{from:?} is not in {text}");
        fs::write(self.path(CONFIG), text.replace(from, to)).unwrap();
    }

    /// The names in `identities`.
    fn names(&self) -> Vec<String> {
        let text = self.gateway.command(&["identities", "--json"]).ok();
        let listing: serde_json::Value = serde_json::from_str(&text).unwrap();
        let identities = listing["identities"].as_array().unwrap();
        let name = |identity: &serde_json::Value| identity["name"].as_str().unwrap().to_owned();
        identities.iter().map(name).collect()
    }
}

fn fresh_key() -> String {
    PrivateKey::generate().public().to_string()
}

/// A key that belongs to this one of `count` workers.
fn key_of_worker(index: u8, count: u8) -> PrivateKey {
    let mut keys = std::iter::repeat_with(PrivateKey::generate);
    let belongs = |key: &PrivateKey| key.public().as_bytes()[0] % count == index;
    keys.find(belongs).expect("every worker has its share")
}

/// What a token's computer would answer to an invitation.
fn enrolment(invitation: &str, public_key: PublicKey) -> String {
    let invitation = Invitation::from_toml(invitation).unwrap();
    let enrolment = Enrolment {
        version: VERSION,
        id: invitation.id,
        name: invitation.name,
        public_key,
        serial: 1,
    };
    enrolment.to_toml()
}

fn mode(path: PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn init_makes_private_files_and_prints_the_public_key() {
    let world = World::new();
    let host = world.host("gateway");
    let gateway = Gateway::at(&host);
    let words = ["init", "--endpoint", "vpn.example:4500", "--network"];
    let printed = gateway.command(&words).arg("10.77.0.0/24,fd77::/64").ok();
    for (path, expected) in FILES {
        assert_eq!(mode(host.path(path)), expected, "{path}");
    }
    assert_eq!(mode(host.path(STATE)), 0o700);
    let key = fs::read_to_string(host.path("/var/lib/tokenvpn/private-key")).unwrap();
    let public = key.parse::<PrivateKey>().unwrap().public();
    assert_eq!(printed, format!("{public}\n"));
    let config = fs::read_to_string(host.path(CONFIG)).unwrap();
    assert!(config.contains("listen_port = 4500"), "{config}");
    assert!(
        config.contains("endpoints = [\"vpn.example:4500\"]"),
        "{config}"
    );

    let before = FILES.map(|(path, _)| fs::read(host.path(path)).unwrap());
    gateway
        .command(&words)
        .arg("10.78.0.0/24")
        .finish()
        .expect_error(1, &[CONFIG, "exists already"]);
    let after = FILES.map(|(path, _)| fs::read(host.path(path)).unwrap());
    assert!(before == after, "something was overwritten");
}

#[test]
fn init_that_fails_leaves_nothing_behind() {
    let world = World::new();
    let host = world.host("gateway");
    let gateway = Gateway::at(&host);
    let init = |endpoint: &str, network: &str| {
        let words = ["init", "--endpoint", endpoint, "--network", network];
        gateway.command(&words)
    };
    for (endpoint, network, fact) in [
        ("vpn.example", "10.77.0.0/24", "HOST:PORT"),
        ("127.0.0.1:51820", "10.77.0.0/24", "127.0.0.1:51820"),
        ("vpn.example:51820", "10.77.0.0/33", "10.77.0.0/33"),
        ("vpn.example:51820", "10.77.0.1/24", "10.77.0.0/24"),
        ("vpn.example:51820", "10.77.0.0/31", "no room"),
        ("vpn.example:51820", "10.77.0.0/24,10.0.0.0/8", "overlap"),
    ] {
        init(endpoint, network).finish().expect_error(2, &[fact]);
    }
    // The configuration comes last; what was made before it is taken back.
    init("vpn.example:51820", "10.77.0.0/24")
        .args(["--config", "/proc/gateway.toml"])
        .finish()
        .expect_error(1, &["/proc/gateway.toml"]);
    assert!(!host.path(STATE).exists());
    assert!(!host.path(CONFIG).exists());
    init("vpn.example:51820", "10.77.0.0/24").ok();
}

#[test]
fn a_broken_configuration_is_told_by_line_and_column() {
    let place = Place::new();
    for (from, to, facts) in [
        ("mtu = 1420", "mtu = 99", &["gateway.toml:23:7", "1280"][..]),
        ("mtu = 1420", "mtu = \"x\"", &[":23:7", "0 to 65535", "not"]),
        ("mtu = 1420", "colour = 1", &["gateway.toml:23:1", "colour"]),
        ("mtu = 1420", "mtu 1420", &["gateway.toml:23:"]),
        (
            "listen_port = 51820",
            "",
            &["gateway.toml has no listen_port", "listen_port = 51820"],
        ),
        (
            "10.77.0.0/24",
            "10.77.0.0/99",
            &["gateway.toml:14:", "10.77.0.0/99"],
        ),
    ] {
        let good = fs::read(place.path(CONFIG)).unwrap();
        place.edit(from, to);
        for command in ["run", "identities"] {
            let finished = place.gateway.command(&[command]).finish();
            finished.expect_error(2, facts);
        }
        fs::write(place.path(CONFIG), good).unwrap();
    }
    fs::write(place.path(CONFIG), b"# fine\n# \xff\n").unwrap();
    let run = place.gateway.command(&["run"]).finish();
    run.expect_error(2, &["gateway.toml:2:3", "UTF-8"]);
    fs::remove_file(place.path(CONFIG)).unwrap();
    let run = place.gateway.command(&["run"]).finish();
    run.expect_error(2, &[CONFIG, "init"]);
}

#[test]
fn a_key_file_has_to_be_there_private_and_a_key() {
    let place = Place::new();
    let key = place.path("/var/lib/tokenvpn/private-key");
    let refused = |code, facts: &[&str]| {
        let run = place.gateway.command(&["run"]).finish();
        run.expect_error(code, facts);
    };
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    refused(12, &["private-key", "0644", "chmod 600"]);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "no key\n").unwrap();
    refused(1, &["private-key", "44 characters"]);
    fs::remove_file(&key).unwrap();
    refused(1, &["private-key", "backup", "every token again"]);
    assert!(!place.gateway.host().has_link(LINK));
}

#[test]
fn nobody_else_can_use_the_key() {
    let place = Place::new();
    // The configuration is no secret; the directory of the key is closed.
    fs::set_permissions(place.path(CONFIG), Permissions::from_mode(0o644)).unwrap();
    let run = place.gateway.command(&["run"]).as_nobody().finish();
    run.expect_error(12, &["private-key", "root"]);
}

#[test]
fn what_is_lost_can_be_made_anew_as_the_hint_says() {
    let place = Place::new();
    let gateway = &place.gateway;
    fs::write(place.path("/var/lib/tokenvpn/registry.db"), "no database").unwrap();
    let run = gateway.command(&["run"]).finish();
    let hint = ["gateway.toml", "state_dir", "init", "every token again"];
    run.expect_error(1, &hint);
    for path in [CONFIG, STATE] {
        fs::rename(place.path(path), place.path(format!("{path}.old").as_str())).unwrap();
    }
    Gateway::init(gateway.host(), ENDPOINT, "10.77.0.0/24").start();
}

#[test]
fn an_invitation_that_nobody_gets_is_withdrawn() {
    let place = Place::new();
    let gateway = &place.gateway;
    for running in [false, true] {
        if running {
            gateway.start();
        }
        let invite = gateway.host().run("sh").args([
            "-c".as_ref(),
            "exec \"$0\" invite traveller > /dev/full".as_ref(),
            programs::gateway().as_os_str(),
        ]);
        invite.finish().expect_error(1, &["output", "withdrawn"]);
        let text = gateway.command(&["identities", "--json"]).ok();
        let listing: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(listing["invitations"], serde_json::json!([]), "{text}");
    }
}

#[test]
fn a_key_comes_from_systemd_where_it_gives_one() {
    let place = Place::new();
    let key = place.path("/var/lib/tokenvpn/private-key");
    let expected = place.own_key();
    let credentials = place.path("/run/credentials");
    fs::create_dir(&credentials).unwrap();
    fs::copy(&key, credentials.join("private-key")).unwrap();
    fs::remove_file(key).unwrap();
    let run = place.gateway.command(&["run"]);
    place
        .gateway
        .started(run.env("CREDENTIALS_DIRECTORY", "/run/credentials"));
    assert_eq!(place.gateway.status().public_key, Some(expected));
}

#[test]
fn without_the_right_to_make_a_device_it_says_so() {
    let world = World::new();
    let host = world.host("gateway");
    let gateway = Gateway::at(&host);
    let home = host.path("/run/nobody");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(65534), Some(65534)).unwrap();
    let paths = [
        ("--config", "/run/nobody/gateway.toml"),
        ("--state-dir", "/run/nobody/state"),
        ("--runtime-dir", "/run/nobody/run"),
    ];
    let words = [
        "init",
        "--endpoint",
        "vpn.example:51820",
        "--network",
        "10.77.0.0/24",
    ];
    gateway
        .command(&words)
        .args(paths.iter().flat_map(|(option, path)| [option, path]))
        .as_nobody()
        .ok();
    let run = gateway.command(&["run", "--config", paths[0].1]);
    run.as_nobody()
        .finish()
        .expect_error(12, &["no permission", "root"]);
    assert!(!host.path("/run/nobody/run/gateway.sock").exists());

    // Nor may anybody but its owner use a gateway's state.
    Gateway::init(&host, "vpn.example:51820", "10.77.0.0/24");
    let invite = gateway.command(&["invite", "traveller"]).as_nobody();
    let refused = invite.finish().expect_error(12, &[]);
    assert_eq!(refused.stdout, "");
}

#[test]
fn only_one_gateway_runs_on_a_state_a_port_and_a_device() {
    let place = Place::new();
    let gateway = &place.gateway;
    gateway.start();
    let again = gateway.command(&["run"]).finish();
    again.expect_error(1, &["runs already", STATE]);

    let other = ["--config", "/run/other/gateway.toml"];
    gateway
        .command(&[
            "init",
            "--endpoint",
            "vpn.example:51820",
            "--network",
            "10.78.0.0/24",
        ])
        .args([
            "--state-dir",
            "/run/other/state",
            "--runtime-dir",
            "/run/other/run",
        ])
        .args(["--interface", "other"])
        .args(other)
        .ok();
    let second = |code, facts: &[&str]| {
        let run = gateway.command(&["run"]).args(other).finish();
        run.expect_error(code, facts);
    };
    second(1, &["port 51820 is in use"]);
    let config = place.path(other[1]);
    let text = fs::read_to_string(&config).unwrap();
    // Several workers share a port among themselves, and still not with a stranger.
    fs::write(&config, text.replace("workers = 1", "workers = 2")).unwrap();
    second(1, &["port 51820 is in use"]);
    let text = text.replace("listen_port = 51820", "listen_port = 51821");
    fs::write(&config, text.replace("\"other\"", &format!("{LINK:?}"))).unwrap();
    second(1, &[LINK, "exists already"]);
    fs::write(&config, text).unwrap();

    let run = gateway.command(&["run"]).args(other).spawn();
    wait::until_true("the other gateway answers", SOON, || {
        let status = gateway.command(&["status"]).args(other).finish();
        status.status.success()
    });
    assert_eq!(gateway.status().listen_port, Some(51820));
    run.signal(Signal::SIGTERM);
    assert_eq!(run.exit_code(SOON), 0);
}

#[test]
fn it_leaves_nothing_behind_when_it_ends() {
    let place = Place::new();
    let sockets = [
        "/run/tokenvpn/gateway.sock",
        "/run/wireguard/tokenvpn-gw.sock",
    ];
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let process = place.gateway.start();
        for socket in sockets {
            assert_eq!(mode(place.path(socket)), 0o600, "{socket}");
        }
        process.signal(Signal::SIGHUP);
        process.signal(signal);
        assert_eq!(process.exit_code(SOON), 0, "{}", process.report());
        for socket in sockets {
            assert!(!place.path(socket).exists(), "{socket}");
        }
        assert!(!place.gateway.host().has_link(LINK));
    }
    let status = place.gateway.command(&["status"]).finish();
    status.expect_error(3, &["not running", "run"]);
}

#[test]
fn after_a_power_failure_it_starts_as_if_nothing_had_been() {
    let place = Place::new();
    place.gateway.start();
    place
        .gateway
        .command(&["add", "laptop", "--public-key", &fresh_key()])
        .ok();
    place.gateway.kill();
    assert!(place.path("/run/tokenvpn/gateway.sock").exists());
    // A dead socket is not mistaken for a gateway.
    place
        .gateway
        .command(&["add", "phone", "--public-key", &fresh_key()])
        .ok();
    place.gateway.start();
    assert_eq!(place.names(), ["laptop", "phone"]);
    assert_eq!(place.gateway.status().peers.len(), 2);
}

#[test]
fn an_invitation_is_good_for_one_enrolment_whether_the_gateway_runs_or_not() {
    let place = Place::new();
    let gateway = &place.gateway;
    for running in [false, true] {
        let name = if running { "second" } else { "first" };
        if running {
            gateway.start();
        }
        let text = gateway.invite(name, &["--route", "10.20.0.0/24", "--dns", "10.20.0.80"]);
        let invitation = Invitation::from_toml(&text).unwrap();
        assert_eq!(invitation.gateway_public_key, place.own_key());
        assert_eq!(invitation.endpoints[0].to_string(), ENDPOINT);
        let allowed: Vec<_> = invitation
            .allowed_ips
            .iter()
            .map(|n| n.to_string())
            .collect();
        assert_eq!(allowed, ["10.77.0.0/24", "10.20.0.0/24"]);

        let key = PrivateKey::generate().public();
        let once = enrolment(&text, key);
        gateway.enrol(&once);
        let again = gateway.command(&["enrol"]).stdin(once).finish();
        again.expect_error(1, &["used already"]);
        if running {
            assert_eq!(gateway.peer(name).public_key, key);
        }
    }
    assert_eq!(place.names(), ["first", "second"]);
    assert_eq!(gateway.status().peers.len(), 2);
}

#[test]
fn a_renewal_takes_effect_when_it_is_enrolled() {
    let place = Place::new();
    let gateway = &place.gateway;
    gateway.start();
    let [old, new] = [(); 2].map(|()| PrivateKey::generate().public());
    gateway.enrol(&enrolment(&gateway.invite("traveller", &[]), old));
    let renewal = gateway.invite("traveller", &[]);
    let before = gateway.peer("traveller");
    assert_eq!(before.public_key, old);
    gateway.enrol(&enrolment(&renewal, new));
    let after = gateway.peer("traveller");
    assert_eq!(after.public_key, new);
    assert_eq!(after.allowed_ips, before.allowed_ips);
    assert_eq!(gateway.status().peers.len(), 1);

    let spare = PrivateKey::generate().public();
    gateway.enrol(&enrolment(
        &gateway.invite("traveller", &["--spare"]),
        spare,
    ));
    assert_eq!(gateway.status().peers.len(), 2);
    let key = new.to_string();
    gateway
        .command(&["revoke", "traveller", "--key", &key])
        .ok();
    assert_eq!(gateway.peer("traveller").public_key, spare);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let place = Place::new();
    let gateway = &place.gateway;
    let low_order = "4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=";
    let [key, free] = [(); 2].map(|()| fresh_key());
    let own = place.own_key().to_string();
    gateway
        .command(&["add", "laptop", "--public-key", &key])
        .ok();
    let yesterday = UnixTime(unix_time().0 - 86_400).day();
    for running in [false, true] {
        if running {
            gateway.start();
        }
        let add = |more: &[&str], code, facts: &[&str]| {
            let finished = gateway.command(&["add", "phone"]).args(more).finish();
            assert_eq!(finished.stdout, "");
            finished.expect_error(code, facts);
        };
        add(
            &["--public-key", low_order],
            2,
            &["low order", "wg genkey | wg pubkey"],
        );
        add(
            &["--public-key", "AAAA"],
            2,
            &["44 characters", "wg genkey | wg pubkey"],
        );
        add(
            &["--public-key", &free, "--preshared-key", "/nope"],
            1,
            &["no preshared key at /nope", "wg genpsk > /nope"],
        );
        add(&["--public-key", &key], 1, &["enrolled already", "laptop"]);
        add(&["--public-key", &own], 1, &["gateway's own"]);
        for (address, fact) in [
            ("10.77.0.2", "taken"),
            ("10.77.0.1", "gateway's own"),
            ("10.78.0.2", "none of the tunnel's networks"),
        ] {
            add(
                &["--public-key", &free, "--address", address],
                1,
                &[address, fact],
            );
        }
        add(
            &["--public-key", &free, "--expires", &yesterday],
            1,
            &["ended"],
        );
        add(
            &["--public-key", &free, "--expires", "soon"],
            2,
            &["2026-11-29"],
        );
        for (words, code, fact) in [
            (
                &["add", "laptop", "--public-key", &free][..],
                1,
                "exists already",
            ),
            (&["add", "a\u{1b}[2Jb", "--public-key", &free], 2, "control"),
            (
                &["invite", "phone", "--route", "10.0.0.0/33"],
                2,
                "10.0.0.0/33",
            ),
            (
                &["invite", "phone", "--route", "nowhere"],
                2,
                "--route 10.20.0.0/16",
            ),
            (
                &["invite", "phone", "--route", "10.0.0.1/8"],
                2,
                "10.0.0.0/8",
            ),
            (
                &["invite", "phone", "--route", "127.0.0.0/8"],
                1,
                "127.0.0.0/8",
            ),
            (
                &["invite", "phone", "--endpoint", "127.0.0.1:1"],
                1,
                "127.0.0.1:1",
            ),
            (&["invite", "phone", "--dns", "224.0.0.1"], 1, "224.0.0.1"),
            (&["invite", "phone", "--spare"], 1, "no phone"),
            (&["revoke", "phone"], 1, "no phone"),
            (&["revoke", "laptop", "--key", &free], 1, "no such key"),
        ] {
            let finished = gateway.command(words).finish();
            assert_eq!(finished.stdout, "");
            finished.expect_error(code, &[fact]);
        }
        for (text, facts) in [
            ("", &["empty"][..]),
            ("version = 1\nnonsense\n", &["line 2"]),
            (
                &format!(
                    "version = 1\nid = \"{}\"\nname = \"x\"\npublic_key = \"{free}\"\nserial = 1\n",
                    "0".repeat(32)
                ),
                &["unknown here"],
            ),
        ] {
            let enrol = gateway.command(&["enrol"]).stdin(text).finish();
            enrol.expect_error(1, facts);
        }
        assert_eq!(place.names(), ["laptop"]);
    }
}

#[test]
fn a_wireguard_client_reaches_what_is_behind_the_gateway() {
    let place = Place::new();
    place.gateway.start();
    let wireguard = place.connect(&place.client, "laptop", "10.77.0.9");
    assert!(!place.server.pings("10.77.0.9".parse().unwrap()));
    wait::until_true("the server answers", SOON, || place.client.pings(SERVER));
    assert!(place.server.pings("10.77.0.9".parse().unwrap()));

    let peer = place.gateway.peer("laptop");
    let from = peer.endpoint.map(|endpoint| endpoint.ip());
    assert_eq!(from, Some("203.0.113.10".parse().unwrap()));
    let age = unix_time().0 - peer.latest_handshake.unwrap().0;
    assert!(age < 60, "{age} s");
    assert!(peer.rx_bytes > 0 && peer.tx_bytes > 0);

    let machine = place.gateway.host();
    let shown = machine.run("wg").args(["show", LINK]).ok();
    for fact in [
        "listening port: 51820",
        &wireguard.public_key().to_string(),
        "latest handshake",
        "10.77.0.9/32",
    ] {
        assert!(shown.contains(fact), "{fact} is missing: {shown}");
    }
    let dump = machine.run("wg").args(["show", LINK, "dump"]).ok();
    assert!(dump.starts_with("(none)\t(none)\t51820"), "{dump}");
    let set = machine.run("wg").args(["set", LINK, "listen-port", "1"]);
    let refused = set.finish();
    assert!(!refused.status.success());
    assert!(refused.stderr.contains("not permitted"), "{refused}");
}

#[test]
fn revoking_cuts_the_live_session() {
    let place = Place::new();
    let process = place.gateway.start();
    let _wireguard = place.connect(&place.client, "laptop", "10.77.0.9");
    wait::until_true("the server answers", SOON, || place.client.pings(SERVER));
    place.gateway.command(&["revoke", "laptop"]).ok();
    wait::until_true("it is said whose session ended", SOON, || {
        let said = process.stderr().all();
        let mut lines = said.lines();
        lines.any(|line| line.contains("session ended") && line.contains("laptop"))
    });
    assert!(!place.client.pings(SERVER));
    assert!(place.gateway.status().peers.is_empty());
    assert!(place.names().is_empty());
    place.gateway.stop();
    place.gateway.start();
    assert!(!place.client.pings(SERVER));
}

#[test]
fn a_renewal_of_the_same_key_forgets_neither_where_it_is_nor_what_it_said() {
    let place = Place::new();
    place.gateway.start();
    let key = PrivateKey::generate();
    let text = key.public().to_string();
    let words = ["add", "laptop", "--public-key", &text, "--address"];
    place.gateway.command(&words).arg("10.77.0.9").ok();
    let (inner, own) = ("10.77.0.9".parse().unwrap(), place.own_key());
    let endpoint = ENDPOINT.parse().unwrap();
    let mut speaker = Speaker::new(&place.client, &key, inner, endpoint, &own);
    speaker.connect();
    let at = wait::until("it is seen", SOON, || place.gateway.peer("laptop").endpoint);
    let recorded = speaker.sent[0].clone();

    let renewal = place.gateway.invite("laptop", &[]);
    place.gateway.enrol(&enrolment(&renewal, key.public()));
    assert_eq!(place.gateway.peer("laptop").endpoint, Some(at));
    // The answer to the second says that the first was looked at.
    let fresh = speaker.initiation();
    speaker.send(&recorded);
    speaker.send(&fresh);
    assert!(speaker.hears(Message::Response, SOON));
    let response = speaker.heard.last().expect("it was heard");
    assert_eq!(response[8..12], fresh[4..8], "an old one was answered");
}

#[test]
fn addresses_that_come_and_go_do_not_have_clients_spoken_to_each_time() {
    let place = Place::new();
    place.gateway.start();
    let key = PrivateKey::generate();
    let text = key.public().to_string();
    let words = ["add", "laptop", "--public-key", &text, "--address"];
    place.gateway.command(&words).arg("10.77.0.9").ok();
    let (inner, own) = ("10.77.0.9".parse().unwrap(), place.own_key());
    let endpoint = ENDPOINT.parse().unwrap();
    let mut speaker = Speaker::new(&place.client, &key, inner, endpoint, &own);
    speaker.connect();
    wait::until("it is seen", SOON, || place.gateway.peer("laptop").endpoint);
    let spoken_to = |speaker: &mut Speaker| {
        speaker.catch_up();
        speaker.heard.iter().filter(|d| d[0] == 4).count()
    };
    let (before, start) = (spoken_to(&mut speaker), now());
    const CHANGES: usize = 40;
    for n in 0..CHANGES / 2 {
        for word in ["add", "delete"] {
            let words = format!("address {word} 10.20.1.{n}/24 dev inner");
            place.gateway.host().ip(&words);
        }
    }
    wait::until_true("it is spoken to", SOON, || spoken_to(&mut speaker) > before);
    let most = now().since(start).as_secs() as usize + 2;
    let told = spoken_to(&mut speaker) - before;
    assert!(told <= most, "{told} times, for {CHANGES} changes");
}

#[test]
fn a_disk_that_does_not_answer_keeps_nobody_in_and_stops_no_command() {
    let place = Place::new();
    let disk = SlowDisk::new(place.gateway.host());
    let process = place
        .gateway
        .started(disk.of(place.gateway.command(&["run"])));
    let key = PrivateKey::generate();
    let text = key.public().to_string();
    let expires = UnixTime(unix_time().0 + 15).to_string();
    place
        .gateway
        .command(&["add", "laptop", "--public-key", &text])
        .args(["--address", "10.77.0.9", "--expires", &expires])
        .ok();
    let (inner, own) = (std::net::Ipv4Addr::new(10, 77, 0, 9), place.own_key());
    let endpoint = ENDPOINT.parse().unwrap();
    let mut speaker = Speaker::new(&place.client, &key, inner, endpoint, &own);
    speaker.connect();
    let own_address = std::net::Ipv4Addr::new(10, 77, 0, 1);
    assert!(speaker.pings(own_address));

    disk.stop();
    let text = fresh_key();
    let adds = place.gateway.command(&["add", "phone", "--public-key"]);
    let adds = adds.arg(&text).spawn();
    // It is in the hands of the disk before the access ends, and no answer comes.
    let no_answer = adds.exit_code(SOON);
    assert_eq!(no_answer, 1, "{}", adds.report());
    assert_eq!(place.gateway.status().listen_port, Some(51820));
    wait::until_true("the access has ended", Duration::from_secs(30), || {
        place.gateway.status().peers.is_empty()
    });
    assert!(!speaker.pings(own_address));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.exit_code(SOON), 0, "{}", process.report());
}

#[test]
fn root_does_what_is_asked_of_a_stopped_gateway_of_another_user() {
    let place = Place::new();
    let gateway = &place.gateway;
    let state = place.path(STATE);
    let owned = |path: &std::path::Path| fs::metadata(path).unwrap().uid();
    let nobody = 65_534;
    fs::remove_file(state.join("lock")).ok();
    for entry in fs::read_dir(&state).unwrap() {
        chown(entry.unwrap().path(), Some(nobody), Some(nobody)).unwrap();
    }
    chown(&state, Some(nobody), Some(nobody)).unwrap();
    gateway.invite("traveller", &[]);
    let key = fresh_key();
    gateway
        .command(&["add", "laptop", "--public-key", &key])
        .ok();
    assert_eq!(place.names(), ["laptop"]);
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(owned(&path), nobody, "{}", path.display());
    }

    // Somebody else's key is nobody's here.
    chown(state.join("private-key"), Some(4_321), None).unwrap();
    let invite = gateway.command(&["invite", "phone"]).finish();
    invite.expect_error(12, &["private-key", "4321", "chown 65534"]);
    // Where systemd holds the key, what takes none goes on.
    fs::remove_file(state.join("private-key")).unwrap();
    gateway.command(&["revoke", "laptop"]).ok();
    gateway.command(&["audit"]).ok();
    assert!(place.names().is_empty());
    let invite = gateway.command(&["invite", "phone"]).finish();
    invite.expect_error(1, &["private-key"]);
}

#[test]
fn access_ends_within_a_second_of_its_expiry() {
    let place = Place::new();
    place.gateway.start();
    let wireguard = WireGuardGo::start(&place.client, 0, "10.77.0.9/24".parse().unwrap());
    let key = wireguard.public_key().to_string();
    // Time enough for a handshake: wireguard-go tries again after five seconds.
    let expires = UnixTime(unix_time().0 + 20);
    let date = expires.to_string();
    place
        .gateway
        .command(&["add", "laptop", "--public-key", &key, "--expires", &date])
        .args(["--address", "10.77.0.9"])
        .ok();
    let endpoint: SocketAddr = ENDPOINT.parse().unwrap();
    wireguard.add_peer(
        place.own_key(),
        Some(endpoint),
        &["10.20.0.0/24".parse().unwrap()],
    );
    wait::until_true("the server answers", SOON, || place.client.pings(SERVER));
    let tap = Tap::on(&place.client, "eth0");
    let server = SERVER.to_string();
    let ping = place.client.run("ping");
    let ping = ping.args(["-q", "-n", "-i", "0.05", &server]).spawn();
    assert!(unix_time() < expires, "too slow to tell");
    wait::until_true("its last second begins", Duration::from_secs(30), || {
        unix_time() >= expires
    });
    let last_second = now();
    wait::until_true("it is over", SOON, || unix_time() > expires);
    let over = now();
    wait::until_true("the session is cut", SOON, || {
        place.gateway.status().peers.is_empty()
    });
    ping.signal(Signal::SIGINT);
    ping.wait(SOON);
    let answers = tap.datagrams().into_iter();
    let answers = answers.filter(|d| !d.outgoing && d.carries_packet());
    let last = answers.map(|datagram| datagram.at).max();
    let last = last.expect("the server answered");
    assert!(last > last_second, "cut before the end of {expires}");
    let late = last.since(over);
    assert!(
        late <= promised(Duration::from_secs(1)),
        "cut {late:?} late"
    );
    assert!(!place.client.pings(SERVER));

    let listing = place.gateway.command(&["identities"]).ok();
    assert!(listing.contains("(over)"), "{listing}");
    // It stays out after a start, and comes back with a renewal only.
    place.gateway.stop();
    place.gateway.start();
    assert!(place.gateway.status().peers.is_empty());
    let renewal = place.gateway.invite("laptop", &[]);
    place
        .gateway
        .enrol(&enrolment(&renewal, wireguard.public_key()));
    assert_eq!(place.gateway.status().peers.len(), 1);
}

#[test]
fn after_a_restart_the_gateway_speaks_first() {
    let place = Place::new();
    place.gateway.start();
    let _wireguard = place.connect(&place.client, "laptop", "10.77.0.9");
    wait::until_true("the server answers", SOON, || place.client.pings(SERVER));
    let before = place.gateway.peer("laptop");
    place.gateway.stop();
    place.gateway.start();
    // The client says nothing by itself: it has no keepalive and nothing to send.
    let after = wait::until("the gateway has greeted the client", SOON, || {
        let peer = place.gateway.peer("laptop");
        peer.latest_handshake.map(|_| peer)
    });
    assert_eq!(after.endpoint, before.endpoint);
    assert!(place.server.pings("10.77.0.9".parse().unwrap()));
}

#[test]
fn two_workers_serve_several_clients() {
    serve_several_clients(2);
}

#[test]
fn four_workers_serve_several_clients() {
    serve_several_clients(4);
}

fn serve_several_clients(workers: u8) {
    let place = Place::new();
    place.edit("workers = 1", &format!("workers = {workers}"));
    place.gateway.start();
    let world = &place._world;
    let clients: Vec<(Host, WireGuardGo, String)> = (0..6)
        .map(|i| {
            let host = world.host(&format!("client{i}"));
            world.wire(
                (&host, "eth0", &format!("198.18.{i}.2/24")),
                (
                    place.gateway.host(),
                    &format!("c{i}"),
                    &format!("198.18.{i}.1/24"),
                ),
            );
            host.ip(&format!("route add default via 198.18.{i}.1"));
            let address = format!("10.77.0.{}", 10 + i);
            let name = format!("client {i}");
            let key = key_of_worker(i % workers, workers);
            let wireguard = place.connect_with(&host, &name, &address, &key);
            (host, wireguard, address)
        })
        .collect();
    for (host, _, address) in &clients {
        wait::until_true("the server answers", SOON, || host.pings(SERVER));
        assert!(place.server.pings(address.parse().unwrap()), "{address}");
    }
    // From client to client: for most of them from one worker to another.
    let (first, others) = clients.split_first().unwrap();
    for (_, _, address) in others {
        assert!(first.0.pings(address.parse().unwrap()), "{address}");
    }
    assert_eq!(place.gateway.status().peers.len(), 6);
    place.gateway.command(&["revoke", "client 0"]).ok();
    assert!(!first.0.pings(SERVER));
    assert!(others.iter().all(|(host, _, _)| host.pings(SERVER)));

    place.gateway.stop();
    place.gateway.start();
    wait::until_true("all are greeted", SOON, || {
        let peers = place.gateway.status().peers;
        peers.len() == 5 && peers.iter().all(|peer| peer.latest_handshake.is_some())
    });
}

#[test]
fn a_machine_that_does_not_forward_is_told_so() {
    let place = Place::new();
    place.gateway.host().set_forwarding(false);
    let process = place.gateway.start();
    let said = process.report();
    assert!(said.contains("net.ipv4.ip_forward"), "{said}");
    assert!(said.contains("Listening on UDP port 51820"), "{said}");
    // An error is two lines there too.
    let again = place.gateway.command(&["run"]).finish();
    again.expect_error(1, &["runs already"]);
}

/// Its main thread; a worker's panics are caught, one session each.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_panic_ends_it_with_two_lines_and_a_code_of_its_own() {
    let place = Place::new();
    let before = place.gateway.host().network_state();
    let process = place.gateway.start();
    let serve = "tokenvpn_gateway::gateway::Gateway::serve";
    let puppet = rig::Puppet::at(process.pid(), serve, || {
        drop(place.gateway.command(&["status"]).spawn());
    });
    puppet.panic();
    assert_eq!(process.exit_code(SOON), 70, "{}", process.report());
    let said = process.stderr().all();
    let errors: Vec<&str> = said
        .lines()
        .skip_while(|l| !l.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 2, "{said}");
    assert!(errors[0].contains("the program failed: "), "{said}");
    assert!(errors[0].contains("(puppet:1:1)"), "{said}");
    assert!(errors[1].starts_with("hint: "), "{said}");
    assert_eq!(place.gateway.host().network_state(), before);
    // All that it needs is there for the next one.
    place.gateway.start();
}

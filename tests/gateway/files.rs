//! What it keeps on the disk: made by `init`, read at each start, its own alone.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
};

use rig::{Gateway, World};
use tokenvpn_common::key::PrivateKey;

use super::{CONFIG, ENDPOINT, LINK, Place, STATE, fresh_key, mode};

/// What is there after `init`.
const FILES: [(&str, u32); 3] = [
    (CONFIG, 0o640),
    ("/var/lib/tokenvpn/private-key", 0o600),
    ("/var/lib/tokenvpn/registry.db", 0o600),
];

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
        ("mtu = 1420", "mtu = 99", &["gateway.toml:24:7", "1280"][..]),
        ("mtu = 1420", "mtu = \"x\"", &[":24:7", "0 to 65535", "not"]),
        ("mtu = 1420", "colour = 1", &["gateway.toml:24:1", "colour"]),
        ("mtu = 1420", "mtu 1420", &["gateway.toml:24:"]),
        (
            "listen_port = 51820",
            "",
            &["gateway.toml has no listen_port", "listen_port = 51820"],
        ),
        (
            "10.77.0.0/24",
            "10.77.0.0/99",
            &["gateway.toml:15:", "10.77.0.0/99"],
        ),
    ] {
        let good = fs::read(place.path(CONFIG)).unwrap();
        place.gateway.configure(from, to);
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

/// The sockets' modes keep everybody else out; and if somebody has changed them, so does the
/// gateway itself.
#[test]
fn nobody_else_is_answered() {
    let place = Place::new();
    place.gateway.start();
    let socket = place.path(&format!("/run/wireguard/{LINK}.sock"));
    let ask = || place.gateway.host().run("wg").args(["show", LINK]);
    for open in [false, true] {
        if open {
            fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
        }
        let refused = ask().as_nobody().finish();
        assert!(!refused.status.success(), "{refused}");
        assert_eq!(refused.stdout, "", "{refused}");
        assert!(ask().ok().contains("listening port: 51820"));
    }
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
fn a_key_comes_from_systemd_where_it_gives_one() {
    let place = Place::new();
    let key = place.path("/var/lib/tokenvpn/private-key");
    let expected = place.gateway.own_key();
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
    let all_are_nobody_s = || {
        for entry in fs::read_dir(&state).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(owned(&path), nobody, "{}", path.display());
        }
    };
    all_are_nobody_s();
    // So they are when root itself has run one.
    fs::remove_file(state.join("lock")).unwrap();
    gateway.start();
    gateway.stop();
    all_are_nobody_s();

    // What that user puts there leads root no further.
    let precious = place.path("/etc/precious");
    fs::write(&precious, "").unwrap();
    fs::remove_file(state.join("lock")).unwrap();
    for target in ["/etc/precious", "/etc/new"] {
        symlink(target, state.join("lock")).unwrap();
        for command in ["identities", "run"] {
            let refused = gateway.command(&[command]).finish();
            refused.expect_error(1, &["/var/lib/tokenvpn/lock"]);
        }
        fs::remove_file(state.join("lock")).unwrap();
    }
    fs::rename(state.join("registry.db"), state.join("kept")).unwrap();
    symlink("/etc/precious", state.join("registry.db")).unwrap();
    let refused = gateway.command(&["identities"]).finish();
    assert!(!refused.status.success(), "{refused}");
    fs::rename(state.join("kept"), state.join("registry.db")).unwrap();
    assert_eq!(owned(&precious), 0);
    assert!(fs::read(&precious).unwrap().is_empty());
    assert!(!place.path("/etc/new").exists());

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
    // One that is kept from that user, and which systemd hands over, is root's to read.
    const APART: &str = "/etc/tokenvpn/private-key";
    let text = PrivateKey::generate().expose_text();
    fs::write(place.path(APART), text.as_bytes()).unwrap();
    fs::set_permissions(place.path(APART), fs::Permissions::from_mode(0o600)).unwrap();
    gateway.configure(
        "# private_key_file = ",
        &format!("private_key_file = \"{APART}\" # "),
    );
    gateway.invite("phone", &[]);
}

//! How it starts, runs and ends.

use std::{fs, net::Ipv4Addr, time::Duration};

use nix::sys::signal::Signal;
use rig::{
    SlowDisk,
    wait::{self, SOON},
};
use tokenvpn_common::{clock::UnixTime, io::clock::unix_time, key::PrivateKey};

use super::{LINK, Place, STATE, fresh_key, mode};

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
fn a_disk_that_does_not_answer_keeps_nobody_in_and_stops_no_command() {
    let place = Place::new();
    let disk = SlowDisk::new(place.gateway.host());
    let process = place
        .gateway
        .started(disk.of(place.gateway.command(&["run"])));
    let expires = UnixTime(unix_time().0 + 15).to_string();
    let mut speaker = place.speaker(&PrivateKey::generate(), &["--expires", &expires]);
    let own_address = Ipv4Addr::new(10, 77, 0, 1);
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

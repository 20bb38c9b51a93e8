//! What the running programs have given up.

use std::{collections::HashMap, fs, os::unix::fs::chown, path::Path, process::Command};

use nix::sys::signal::Signal;
use rig::{
    Gateway, Host, Scene, World,
    memory::{self, Quarry},
    programs,
    scene::SERVER,
    wait::{self, SOON},
};
use tokenvpn_common::key::PrivateKey;

/// The capability sets in `/proc/PID/status` (proc(5)).
const CAPABILITIES: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/// `/proc/PID/task/TID/status` of every thread, by the threads' names.
fn threads(pid: i32) -> Vec<HashMap<String, String>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let status = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("status")).expect("the thread lives");
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        fields
            .map(|(field, value)| (field.to_owned(), value.trim().to_owned()))
            .collect()
    };
    tasks.flatten().map(status).collect()
}

/// Insists that every thread is without capabilities and under a filter.
#[track_caller]
fn assert_confined(pid: i32, least_threads: usize) {
    let threads = threads(pid);
    assert!(threads.len() >= least_threads, "{threads:?}");
    for status in threads {
        let name = &status["Name"];
        for set in CAPABILITIES {
            assert_eq!(status[set], "0000000000000000", "{set} of {name}");
        }
        assert_eq!(status["NoNewPrivs"], "1", "{name}");
        assert_eq!(status["Seccomp"], "2", "{name}");
        assert_eq!(status["Uid"], "0\t0\t0\t0", "{name}");
    }
}

fn gateway(world: &World) -> (Host, Gateway) {
    let host = world.host("gateway");
    let gateway = Gateway::init(&host, "203.0.113.5:51820", "10.77.0.0/24");
    let config = host.path("/etc/tokenvpn/gateway.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("workers = 1", "workers = 2")).unwrap();
    (host, gateway)
}

#[test]
fn no_thread_of_a_gateway_that_root_starts_keeps_a_capability() {
    let world = World::new();
    let (_, gateway) = gateway(&world);
    let process = gateway.start();
    // The main thread, the registry's, two workers.
    assert_confined(process.pid(), 4);
}

#[test]
fn a_confined_gateway_does_all_that_it_did() {
    let world = World::new();
    let (host, gateway) = gateway(&world);
    // Often enough for the shortest moments between its threads' starts and the filter.
    for round in 0..5 {
        let process = gateway.start();
        let name = format!("laptop {round}");
        let key = PrivateKey::generate().public().to_string();
        gateway.command(&["add", &name, "--public-key", &key]).ok();
        assert_eq!(gateway.status().peers.len(), 1);
        let shown = host.run("wg").args(["show", "tokenvpn-gw"]).ok();
        assert!(shown.contains(&key), "{shown}");
        gateway.invite("phone", &[]);
        gateway.command(&["revoke", &name]).ok();
        gateway.command(&["identities"]).ok();
        gateway.stop();
        let said = process.stderr().all();
        assert!(!said.contains("panicked"), "{said}");
        let left = fs::read_dir(host.path("/var/lib/tokenvpn")).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["lock", "private-key", "registry.db"]);
        assert!(!host.path("/run/tokenvpn/gateway.sock").exists());
    }
}

/// What the shipped unit gives it: a user of its own, its directories, and one capability.
#[test]
fn a_gateway_with_a_user_of_its_own_needs_one_capability_and_keeps_none() {
    let world = World::new();
    let (host, gateway) = gateway(&world);
    let config = "/run/gateway.toml";
    fs::copy(host.path("/etc/tokenvpn/gateway.toml"), host.path(config)).unwrap();
    for directory in ["/var/lib/tokenvpn", "/run/tokenvpn", "/run/wireguard"] {
        let directory = host.path(directory);
        fs::create_dir_all(&directory).unwrap();
        let files = fs::read_dir(&directory).unwrap();
        let files = files.map(|file| file.unwrap().path());
        for path in files.chain([directory.clone()]) {
            chown(path, Some(65534), Some(65534)).unwrap();
        }
    }
    chown(host.path(config), Some(65534), Some(65534)).unwrap();
    let own_user = [
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all,+net_admin",
        "--ambient-caps=-all,+net_admin",
        "--bounding-set=-all,+net_admin",
        "--no-new-privs",
    ];
    let run = host.run("setpriv").args(own_user);
    let run = run
        .arg(programs::gateway())
        .args(["run", "--config", config]);
    let process = gateway.started(run);
    for status in threads(process.pid()) {
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status[set], "0000000000000000", "{set}");
        }
        assert_eq!(status["Seccomp"], "2");
        assert_eq!(status["Uid"], "65534\t65534\t65534\t65534");
    }
    let key = PrivateKey::generate().public().to_string();
    gateway
        .command(&["add", "laptop", "--public-key", &key])
        .ok();
    assert_eq!(gateway.status().peers.len(), 1);
    gateway.stop();
    assert!(!host.path("/run/tokenvpn/gateway.sock").exists());
}

#[test]
fn no_thread_of_a_worker_keeps_a_capability_once_packets_flow() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let up = scene.connect(&scene.one, &card);
    let worker = up.worker().expect("a worker");
    // The packet loop, and the watch of the token.
    let threads = threads(worker);
    assert!(threads.iter().any(|status| status["Name"] == "token watch"));
    for status in threads {
        let name = &status["Name"];
        for set in CAPABILITIES {
            assert_eq!(status[set], "0000000000000000", "{set} of {name}");
        }
        assert_eq!(status["NoNewPrivs"], "1", "{name}");
        assert_eq!(status["Seccomp"], "2", "{name}");
    }
    // Not even by root's own processes, unless they have capabilities.
    let read = Command::new("setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all", "cat"])
        .arg(format!("/proc/{worker}/maps"))
        .output()
        .unwrap();
    assert!(!read.status.success() && read.stdout.is_empty(), "{read:?}");
    assert!(scene.one.pings(SERVER));
}

#[test]
fn the_shipped_unit_of_the_gateway_exposes_little() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/systemd");
    let checked = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20"])
        .arg(units.join("tokenvpn-gateway.service"))
        .output()
        .expect("systemd-analyze runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(said.contains("Overall exposure level"), "{checked:?}");
    assert!(checked.status.success(), "{said}");
}

#[test]
fn a_gateway_leaves_neither_its_key_nor_a_core_file_behind() {
    let world = World::new();
    let (host, gateway) = gateway(&world);
    let text = fs::read_to_string(host.path("/var/lib/tokenvpn/private-key")).unwrap();
    let key = Quarry::key(text.parse::<PrivateKey>().unwrap().expose());
    let process = gateway.start();
    let found = memory::hunt(process.pid(), &key);
    assert!(!found.sightings.is_empty(), "the scan is blind");
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.pid())).unwrap();
    let core = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"));
    let core: Vec<_> = core.unwrap().split_whitespace().take(2).collect();
    assert_eq!(core, ["0", "0"]);
    process.signal(Signal::SIGABRT);
    wait::until_true("it is gone", SOON, || !process.is_running());
    let ended = process.status().unwrap();
    assert!(
        !std::os::unix::process::ExitStatusExt::core_dumped(&ended),
        "{ended}"
    );
}

//! What the running programs have given up.

use std::{collections::HashMap, fs, os::unix::fs::chown, path::Path, process::Command};

use nix::sys::signal::Signal;
use rig::{
    Gateway, Host, Quarry, Scene, Up, World,
    client::PIN_FD,
    memory,
    process::threads,
    programs,
    scene::SERVER,
    wait::{self, SOON},
};
use tokenvpn_common::{invitation::Invitation, key::PrivateKey};

/// The capability sets in `/proc/PID/status` (proc(5)).
const CAPABILITIES: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/// Insists that every thread of a process is without capabilities and under a filter; what
/// /proc says of them.
#[track_caller]
fn assert_confined(pid: i32) -> Vec<HashMap<String, String>> {
    let threads = threads(pid);
    for status in &threads {
        let name = &status["Name"];
        for set in CAPABILITIES {
            assert_eq!(status[set], "0000000000000000", "{set} of {name}");
        }
        assert_eq!(status["NoNewPrivs"], "1", "{name}");
        assert_eq!(status["Seccomp"], "2", "{name}");
    }
    threads
}

fn gateway(world: &World) -> (Host, Gateway) {
    let host = world.host("gateway");
    let gateway = Gateway::init(&host, "203.0.113.5:51820", "10.77.0.0/24");
    gateway.configure("workers = 1", "workers = 2");
    (host, gateway)
}

#[test]
fn no_thread_of_a_gateway_that_root_starts_keeps_a_capability() {
    let world = World::new();
    let (_, gateway) = gateway(&world);
    let process = gateway.start();
    let threads = assert_confined(process.pid());
    // The main thread, the registry's, two workers.
    assert!(threads.len() >= 4, "{threads:?}");
    assert!(threads.iter().all(|status| status["Uid"] == "0\t0\t0\t0"));
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
    let threads = assert_confined(worker);
    assert!(threads.iter().any(|status| status["Name"] == "token-watch"));
    // Not even by root's own processes, unless they have capabilities.
    let read = Command::new("setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all", "cat"])
        .arg(format!("/proc/{worker}/maps"))
        .output()
        .unwrap();
    assert!(!read.status.success() && read.stdout.is_empty(), "{read:?}");
    assert!(scene.one.pings(SERVER));
}

/// What its filter of system calls leaves it no file to show for.
#[test]
fn the_worker_gives_up_all_files_before_its_filter_of_system_calls() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let one = &scene.one;
    let traced = one.dir().join("calls");
    let number = PIN_FD.to_string();
    let up = one
        .run("strace")
        .args([
            "-f",
            "-qq",
            "-e",
            "trace=landlock_restrict_self,seccomp",
            "-o",
        ])
        .arg(&traced)
        .arg(programs::client())
        .args(["up", "--json", "--pin-fd", &number])
        .text_on(PIN_FD, card.pin());
    let up = Up::started(one, up);
    up.await_state("waiting_token");
    card.insert();
    up.await_state("up");
    let calls = fs::read_to_string(traced).unwrap();
    // The supervisor is neither confined nor filtered; the worker is by its main thread.
    let workers = up.pids();
    let workers = workers.iter().filter_map(|pid| {
        let thread = threads(*pid).remove(0);
        let number = thread["NSpid"].split_whitespace().last()?.to_owned();
        (thread["Seccomp"] == "2").then_some(number)
    });
    let workers: Vec<String> = workers.collect();
    let [worker] = &workers[..] else {
        panic!("one worker is expected: {workers:?}");
    };
    let calls = calls
        .lines()
        .filter(|call| call.split(' ').next() == Some(worker));
    let calls: Vec<&str> = calls.collect();
    let at = |name: &str| calls.iter().position(|call| call.contains(name));
    let restricted = at("landlock_restrict_self").expect("it gives up files");
    assert!(calls[restricted].ends_with("= 0"), "{calls:?}");
    assert!(
        at("seccomp(").is_some_and(|filtered| restricted < filtered),
        "{calls:?}"
    );
    assert!(one.pings(SERVER));
    one.tokenvpn(&["down"]).ok();
}

/// The gateway's secrets are at rest in its state alone, and when it ends no process has them.
/// To change the mode of a socket's file by its name would change whatever has the name by then.
#[test]
fn a_gateway_s_sockets_are_its_own_before_they_have_a_name() {
    let world = World::new();
    let (host, gateway) = gateway(&world);
    let traced = host.dir().join("calls");
    let run = host
        .run("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&traced)
        .args(["-e", "trace=bind,chmod,fchmod,fchmodat"])
        .arg(programs::gateway())
        .arg("run");
    gateway.started(run);
    let calls = fs::read_to_string(traced).unwrap();
    // Behind the number of the thread.
    let calls = calls.lines().filter_map(|call| call.split_once(' '));
    let calls: Vec<&str> = calls.map(|(_, call)| call.trim_start()).collect();
    let named: Vec<usize> = (0..calls.len())
        .filter(|at| calls[*at].starts_with("bind(") && calls[*at].contains(".sock"))
        .collect();
    assert_eq!(named.len(), 2, "{calls:?}");
    for at in named {
        let (socket, _) = calls[at]["bind(".len()..].split_once(',').unwrap();
        let closed = format!("fchmod({socket}, 0600)");
        assert!(
            at > 0 && calls[at - 1].starts_with(&closed),
            "{socket}: {calls:?}"
        );
    }
    let by_name = |call: &&str| !call.starts_with("bind(") && call.contains(".sock");
    assert_eq!(
        calls.iter().filter(|call| by_name(call)).count(),
        0,
        "{calls:?}"
    );
}

#[test]
fn a_gateway_that_has_ended_has_left_its_secrets_in_its_state_alone() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let world = World::new();
        let (host, gateway) = gateway(&world);
        let key = gateway.private_key();
        let process = gateway.start();
        let psk = Invitation::from_toml(&gateway.invite("traveller", &[]));
        let psk = psk.unwrap().preshared_key.expect("everybody gets one");
        gateway.status();
        process.signal(signal);
        wait::until_true("it is gone", SOON, || !process.is_running());
        assert!(host.processes_of(&programs::gateway()).is_empty());
        let secrets = [
            Quarry::key("private key", key.expose()),
            Quarry::key("preshared key", psk.expose()),
        ];
        for (secret, kept_in) in secrets.iter().zip(["private-key", "registry.db"]) {
            let mut found = host.exposes(secret);
            found.retain(|name| !name.ends_with("-wal"));
            let expected = format!("tokenvpn/{kept_in}");
            let at_rest = found.iter().all(|name| name.ends_with(&expected));
            assert!(at_rest, "{signal}: {} in {found:?}", secret.name());
        }
    }
}

/// A promise without a test is none.
#[test]
fn the_tests_that_the_security_page_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("contrib/SECURITY.md")).unwrap();
    let quoted = page.split('`').skip(1).step_by(2);
    let files: Vec<&str> = quoted.filter(|text| text.ends_with(".rs")).collect();
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let text = fs::read_to_string(root.join(file));
        let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
        // A main.rs stands for all of its directory.
        let directory = file.strip_suffix("main.rs").map(|name| root.join(name));
        let modules = directory
            .into_iter()
            .filter_map(|path| fs::read_dir(path).ok());
        let modules = modules.flatten().flatten().map(|module| module.path());
        let mut texts = modules.filter_map(|path| fs::read_to_string(path).ok());
        let is_test = |text: &str| text.contains("#[test]");
        let is_program = file.ends_with("src/main.rs");
        let has_tests = is_program || is_test(&text) || texts.any(|text| is_test(&text));
        assert!(has_tests, "{file} has no test");
    }
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
    let (_, gateway) = gateway(&world);
    let key = Quarry::key("private key", gateway.private_key().expose());
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

/// What only an intruder in a process would do. The kernel is asked itself: the process is made to
/// try.
#[cfg(target_arch = "x86_64")]
mod intruder {
    use nix::errno::Errno;
    use rig::{Puppet, client::TUNNEL, process::is_alive};

    use super::*;

    #[test]
    fn an_intruder_in_the_gateway_gets_nowhere() {
        let world = World::new();
        let (host, gateway) = gateway(&world);
        let process = gateway.start();
        let serve = "tokenvpn_gateway::gateway::Gateway::serve";
        let take = || {
            Puppet::at(process.pid(), serve, || {
                drop(gateway.command(&["status"]).spawn())
            })
        };
        let mut puppet = take();
        let mut open = |path: &str, flags: i32| {
            let path = puppet.put(format!("{path}\0").as_bytes());
            let arguments = [libc::AT_FDCWD as u64, path, flags as u64, 0o600, 0, 0];
            puppet.call(libc::SYS_openat, arguments)
        };
        // Its own files it has to open; that is how we know that it tries at all.
        let own = open("/var/lib/tokenvpn/private-key", libc::O_RDONLY);
        assert!(own.is_ok(), "{own:?}");
        for (path, flags) in [
            ("/etc/shadow", libc::O_RDONLY),
            ("/etc/tokenvpn/gateway.toml", libc::O_RDONLY),
            ("/run/tokenvpn/new", libc::O_CREAT | libc::O_WRONLY),
            ("/tmp/tokenvpn-new", libc::O_CREAT | libc::O_WRONLY),
            ("/proc/1/mem", libc::O_RDWR),
            ("/dev/net/tun", libc::O_RDWR),
        ] {
            assert_eq!(open(path, flags), Err(Errno::EACCES), "{path}");
        }
        let [inet, stream, raw] =
            [libc::AF_INET, libc::SOCK_STREAM, libc::SOCK_RAW].map(|n| n as u64);
        let none = Err(Errno::ENOSYS);
        assert_eq!(
            puppet.call(libc::SYS_socket, [inet, stream, 0, 0, 0, 0]),
            none
        );
        assert_eq!(puppet.call(libc::SYS_socket, [inet, raw, 1, 0, 0, 0]), none);
        let parent = [1, Signal::SIGTERM as u64, 0, 0, 0, 0];
        assert_eq!(puppet.call(libc::SYS_kill, parent), none);
        let executable = (libc::PROT_READ | libc::PROT_EXEC) as u64;
        let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let code = [0, 4096, executable, anonymous, u64::MAX, 0];
        assert_eq!(puppet.call(libc::SYS_mmap, code), none);
        drop(puppet);
        // It has not noticed.
        assert_eq!(gateway.status().peers.len(), 0);
        let mut puppet = take();
        let shell = puppet.put(b"/bin/sh\0");
        let killed = puppet.last_call(libc::SYS_execve, [shell, 0, 0, 0, 0, 0]);
        assert_eq!(killed, Signal::SIGSYS);
        assert!(host.processes_named("sh").is_empty());
    }

    #[test]
    fn an_intruder_in_the_worker_gets_nowhere() {
        let scene = Scene::new();
        let gateway = scene.start_gateway();
        let card = scene.issue(&gateway, "traveller");
        let up = scene.connect(&scene.one, &card);
        let worker = up.worker().expect("a worker");
        let turn = "tokenvpn::worker::carrier::Carrier::set_alarm";
        let take = || {
            let status = || drop(scene.one.tokenvpn(&["status"]).spawn());
            Puppet::at(worker, turn, status)
        };
        let mut puppet = take();
        let path = puppet.put(b"/etc/passwd\0");
        let none = Err(Errno::ENOSYS);
        let here = libc::AT_FDCWD as u64;
        assert_eq!(
            puppet.call(libc::SYS_openat, [here, path, 0, 0, 0, 0]),
            none
        );
        let [inet, stream, datagram] =
            [libc::AF_INET, libc::SOCK_STREAM, libc::SOCK_DGRAM].map(|number| number as u64);
        for kind in [stream, datagram] {
            assert_eq!(
                puppet.call(libc::SYS_socket, [inet, kind, 0, 0, 0, 0]),
                none
            );
        }
        let parent = [1, Signal::SIGTERM as u64, 0, 0, 0, 0];
        assert_eq!(puppet.call(libc::SYS_kill, parent), none);
        let own = puppet.call(libc::SYS_getpid, [0; 6]);
        assert!(own.is_ok(), "it does not try at all: {own:?}");
        drop(puppet);
        assert!(scene.one.pings(SERVER));
        assert_eq!(take().last_call(libc::SYS_execve, [0; 6]), Signal::SIGSYS);
        wait::until_true("the tunnel is gone too", SOON, || {
            !is_alive(worker) && !scene.one.has_link(TUNNEL)
        });
    }
}

/// The examples, as far as their own programs can tell.
#[test]
fn the_shipped_examples_are_what_they_should_be() {
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib");
    // The programs that the unit names need not be installed here.
    let unit = fs::read_to_string(contrib.join("examples/tokenvpn-session.service")).unwrap();
    assert!(unit.contains("[Unit]") && unit.contains("systemctl stop tokenvpn.service"));
    let checked = Command::new("systemd-analyze")
        .env("XDG_RUNTIME_DIR", env!("CARGO_TARGET_TMPDIR"))
        .args(["--user", "verify", "--man=no"])
        .arg(contrib.join("examples/tokenvpn-session.service"))
        .output()
        .expect("systemd-analyze runs");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(!said.contains("tokenvpn-session"), "{said}");

    let rules = fs::read_to_string(contrib.join("polkit/50-tokenvpn.rules")).unwrap();
    for id in ["access_pcsc", "access_card", "manage-units"] {
        assert!(rules.contains(id), "{id}");
    }
    let entry = fs::read_to_string(contrib.join("examples/tokenvpn.desktop")).unwrap();
    assert!(entry.starts_with("[Desktop Entry]\n"));
    for line in entry.lines().skip(1) {
        assert!(
            line.split_once('=').is_some_and(|(key, value)| {
                !key.is_empty() && key.chars().all(char::is_alphanumeric) && !value.is_empty()
            }),
            "{line}"
        );
    }
    let udev = fs::read_to_string(contrib.join("examples/70-tokenvpn.rules")).unwrap();
    let rule = udev.lines().find(|line| !line.starts_with('#')).unwrap();
    assert!(rule.ends_with("ENV{SYSTEMD_WANTS}+=\"tokenvpn.service\""));
}

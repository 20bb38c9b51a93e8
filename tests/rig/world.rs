//! Hosts and the wires between them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{LazyLock, Mutex},
    thread,
};

use nix::{
    sched::{CloneFlags, setns},
    unistd::Uid,
};
use tempfile::TempDir;

use crate::{
    host::{Host, LAST_BREATH, population},
    process::Process,
    programs,
    secrets::Secrets,
    wait,
};

/// One end of a wire: the host, the name of its link, its address with prefix length.
pub type End<'a> = (&'a Host, &'a str, &'a str);

/// A world of its own for one test. Any number of them live side by side.
///
/// When it is dropped, everything in it dies; then it looks whether that is true, and whether a
/// program of ours has ever said a secret or written a control character. If the test is failing at that moment, it prints what its
/// processes said.
#[derive(Debug)]
pub struct World {
    dir: TempDir,
    secrets: Secrets,
    hosts: Mutex<Vec<Host>>,
}

impl World {
    /// Makes an empty world.
    ///
    /// # Panics
    /// Without root.
    #[expect(clippy::new_without_default, reason = "it makes files and namespaces")]
    pub fn new() -> World {
        assert!(
            Uid::effective().is_root(),
            "this test makes network namespaces and needs root: sudo contrib/test"
        );
        LazyLock::force(&programs::PROFILE_DIR);
        let dir = tempfile::Builder::new()
            .prefix("world-")
            .tempdir()
            .expect("a directory for the world");
        World {
            dir,
            secrets: Secrets::default(),
            hosts: Mutex::default(),
        }
    }

    /// Makes a host.
    ///
    /// # Panics
    /// If the kernel refuses, or there is one of this name.
    pub fn host(&self, name: &str) -> Host {
        let mut hosts = self.hosts.lock().expect("invariant: no holder panics");
        assert!(
            !hosts.iter().any(|host| host.name() == name),
            "two hosts named {name}"
        );
        let host = Host::new(name, self.dir.path().join(name), self.secrets.clone());
        hosts.push(host.clone());
        host
    }

    /// A directory for files of the world.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Puts a wire between two hosts and gives its ends these addresses.
    ///
    /// # Panics
    /// If the kernel refuses.
    #[track_caller]
    pub fn wire(&self, a: End<'_>, b: End<'_>) {
        let ((from, from_link, _), (to, to_link, _)) = (a, b);
        let peer = format!("/proc/{}/ns/net", to.init());
        let namespace = std::fs::File::open(format!("/proc/{}/ns/net", from.init()))
            .expect("the host is alive");
        let mut command = Command::new("ip");
        command
            .args(["link", "add", from_link, "type", "veth"])
            .args(["peer", "name", to_link, "netns", &peer]);
        // `ip` has to see the numbers of the processes out here, so it enters the network only.
        let status = thread::spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).expect("the host's network");
            command
                .status()
                .expect("`ip` can be run (package iproute2)")
        })
        .join()
        .expect("invariant: reported above");
        assert!(
            status.success(),
            "cannot make the wire {from_link}-{to_link}"
        );
        for ((host, link, address), own) in [(a, "fe80::1/64"), (b, "fe80::2/64")] {
            // The kernel would make link-local addresses too, but when it likes.
            host.ip(&format!("link set {link} addrgenmode none up"));
            host.ip(&format!("address add {own} dev {link} nodad"));
            let nodad = if address.contains(':') { "nodad" } else { "" };
            host.ip(&format!("address add {address} dev {link} {nodad}"));
        }
    }

    /// What no program here may ever say. What came to a card, keys in private files, as a
    /// gateway's, and those of invitations are added by themselves.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The names of the secrets that would be noticed now.
    pub fn known_secrets(&self) -> Vec<String> {
        self.secrets.collect(self.dir.path(), &self.hosts());
        self.secrets.names()
    }

    fn hosts(&self) -> Vec<Host> {
        // Even if a holder panicked: this runs while a failing test is unwound.
        let hosts = self.hosts.lock();
        hosts
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let hosts = self.hosts();
        if thread::panicking() {
            eprintln!("--- what ran in this world ---");
            hosts.iter().for_each(|host| eprint!("{}", host.report()));
            eprintln!("--- end of world ---");
        }
        let namespaces: Vec<PathBuf> = hosts.iter().map(Host::pid_namespace).collect();
        self.secrets.collect(self.dir.path(), &hosts);
        let processes: Vec<Vec<Process>> = hosts.iter().map(Host::processes).collect();
        hosts.iter().for_each(Host::shut_down);
        let said = self.secrets.said_by(processes.iter().flatten());
        if !thread::panicking() {
            assert!(said.is_empty(), "secrets were said: {said:#?}");
            for process in processes.iter().flatten() {
                let raw = process.raw_line();
                assert!(raw.is_none(), "a control character of {process:?}: {raw:?}");
            }
        }
        for (host, namespace) in hosts.iter().zip(namespaces) {
            let empty = || population(&namespace).is_empty().then_some(());
            if wait::poll(LAST_BREATH, empty).is_none() && !thread::panicking() {
                panic!(
                    "{} leaks processes: {:?}",
                    host.name(),
                    population(&namespace)
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pty::Pty, wait::SOON};

    #[test]
    fn two_hosts_reach_each_other_over_a_wire_and_nobody_else() {
        let world = World::new();
        let (a, b) = (world.host("a"), world.host("b"));
        assert!(!a.pings([10, 0, 0, 2].into()));
        world.wire((&a, "eth0", "10.0.0.1/24"), (&b, "eth0", "10.0.0.2/24"));
        assert!(a.pings([10, 0, 0, 2].into()));
        assert!(b.has_link("eth0"));
        b.ip("link delete eth0");
        assert!(!a.has_link("eth0"));
        assert_eq!(a.run("hostname").ok(), "a\n");
    }

    #[test]
    fn what_a_host_writes_is_its_own() {
        let world = World::new();
        let (a, b) = (world.host("a"), world.host("b"));
        for file in ["/etc/of-a", "/run/of-a", "/var/lib/of-a", "/var/run/too"] {
            a.run("touch").arg(file).ok();
            assert!(a.path(file).exists(), "{file}");
            assert!(!b.path(file).exists(), "{file}");
            assert!(!Path::new(file).exists(), "{file}");
        }
        let state = a.network_state();
        a.within(|| std::fs::write("/etc/resolv.conf", "nameserver 10.0.0.1\n").unwrap());
        assert_ne!(a.network_state(), state);
    }

    #[test]
    fn everything_dies_with_its_world() {
        let world = World::new();
        let host = world.host("a");
        // The second one is an orphan, of a session of its own.
        let script = "trap '' TERM HUP; setsid sleep 1000 & sleep 1000";
        let shell = host.run("sh").args(["-c", script]).spawn();
        wait::until_true("both sleep", SOON, || {
            host.processes_named("sleep").len() == 2
        });
        let pids = host.processes_named("sleep");
        drop(world);
        assert!(!shell.is_running());
        assert!(pids.iter().all(|&pid| !crate::process::is_alive(pid)));
    }

    #[test]
    fn an_orphan_that_ends_leaves_no_zombie() {
        let world = World::new();
        let host = world.host("a");
        let script = "sleep 0.2 & echo $!";
        host.run("sh").args(["-c", script]).ok();
        wait::until_true("the orphan is reaped", SOON, || {
            host.run("ls")
                .arg("/proc")
                .ok()
                .lines()
                .filter(|name| name.parse::<u32>().is_ok())
                .count()
                == 2
        });
    }

    #[test]
    fn programs_get_their_descriptors_stdin_and_user() {
        let world = World::new();
        let host = world.host("a");
        let cat = host.run("sh").args(["-c", "cat <&9; cat; id -u"]);
        let said = cat.text_on(9, "nine\n").stdin("in\n").as_nobody().ok();
        assert_eq!(said, "nine\nin\n65534\n");
        let fails = host.run("sh").args(["-c", "echo no >&2; exit 7"]).finish();
        assert_eq!(fails.expect_code(7).stderr, "no\n");
    }

    #[test]
    fn a_shell_on_a_terminal_is_interactive() {
        let world = World::new();
        let host = world.host("a");
        let mut pty = Pty::open();
        let before = pty.settings();
        let bash = host
            .run("bash")
            .args(["--norc", "--noediting"])
            .on(&pty)
            .spawn();
        pty.type_line("echo $((40 + 2)) >/dev/tty; tty -s && echo te''rminal");
        pty.expect("42");
        pty.expect("terminal");
        // Job control works: the sleeper is stopped and the shell goes on.
        pty.type_line("sleep 1000");
        wait::until_true("sleep runs", SOON, || {
            host.processes_named("sleep").len() == 1
        });
        pty.press(crate::pty::CTRL_Z);
        pty.expect("Stopped");
        pty.type_line("kill %1; stty -echo; echo do''ne");
        pty.expect("done");
        assert!(!pty.echoes());
        assert_ne!(pty.settings(), before);
        pty.hang_up();
        bash.wait(SOON);
    }
}

//! Network namespaces for tests: each is empty, its own, and gone with its value.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

/// An empty network namespace with its loopback up.
pub(crate) struct Namespace(OwnedFd);

impl Namespace {
    pub(crate) fn new() -> Namespace {
        let fd = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("these tests make namespaces: run as root");
            File::open("/proc/thread-self/ns/net").expect("the kernel shows its namespaces")
        });
        let namespace = Namespace(fd.join().expect("no panic").into());
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `job` on a thread inside; sockets it opens stay inside wherever they go.
    pub(crate) fn run<T: Send>(&self, job: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).expect("a namespace we own");
                job()
            });
            inside
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs ip(8) with arguments separated by blanks; gives what it prints.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let output = self.run(|| Command::new("ip").args(arguments.split(' ')).output());
        let output = output.expect("iproute2 is installed");
        assert!(output.status.success(), "ip {arguments}: {output:?}");
        String::from_utf8(output.stdout).expect("ip prints text")
    }

    /// The namespace for setns(2).
    pub(crate) fn fd(&self) -> OwnedFd {
        self.0.try_clone().expect("a free descriptor")
    }

    /// The namespace as ip(8) wants it named.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

//! A systemd-resolved that runs in a host.

use std::{env, ffi::OsString, fs, os::unix::fs::symlink, path::PathBuf};

use crate::{
    host::Host,
    process::{Invocation, Process},
    programs,
    wait::{self, SOON},
};

/// A bus as systemd's, with the rules of systemd-resolved beside; all else is allowed.
const BUS: &str = r#"<busconfig>
    <type>system</type>
    <listen>unix:path=/run/dbus/system_bus_socket</listen>
    <auth>EXTERNAL</auth>
    <policy context="default">
        <allow user="*"/>
        <allow send_type="method_call"/>
        <allow send_requested_reply="true" send_type="method_return"/>
        <allow send_requested_reply="true" send_type="error"/>
        <allow receive_type="method_call"/>
        <allow receive_type="method_return"/>
        <allow receive_type="error"/>
        <allow receive_type="signal"/>
    </policy>
    <includedir>RULES</includedir>
</busconfig>
"#;

/// The real systemd-resolved, with a bus of its own, which answers the host's programs.
#[derive(Debug)]
pub struct Resolved {
    host: Host,
    package: PathBuf,
    daemon: Process,
}

impl Resolved {
    /// Starts it, with the `/etc/resolv.conf` that Debian, Ubuntu and Fedora have.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn start(host: &Host) -> Resolved {
        let package = programs::resolved();
        let users = package.join("usr/lib/sysusers.d/systemd-resolve.conf");
        host.run("systemd-sysusers").arg(users).ok();
        let rules = package.join("usr/share/dbus-1/system.d");
        let bus = host.dir().join("bus.conf");
        let text = BUS.replace("RULES", &rules.to_string_lossy());
        fs::write(&bus, text).expect("a file of the host's");
        host.within(|| {
            fs::create_dir_all("/run/dbus").expect("a directory of the host's");
            // It makes its own in there.
            fs::create_dir_all("/run/systemd").expect("a directory of the host's");
            fs::remove_file("/etc/resolv.conf").expect("a file of the host's");
            symlink(
                "../run/systemd/resolve/stub-resolv.conf",
                "/etc/resolv.conf",
            )
            .expect("a file of the host's");
        });
        let bus = format!("--config-file={}", bus.display());
        let bus = host
            .run("dbus-daemon")
            .args([&bus, "--nofork", "--nopidfile"]);
        bus.spawn();
        wait::until_true("the bus is there", SOON, || {
            host.path("/run/dbus/system_bus_socket").exists()
        });
        // Not where Ubuntu 24.04 and later have it: /lib is a link there, and no part of a package.
        let places = ["lib/systemd", "usr/lib/systemd"].map(|place| package.join(place));
        let daemon = places.map(|place| place.join("systemd-resolved"));
        let daemon = daemon.iter().find(|daemon| daemon.exists());
        let daemon = host.run(daemon.expect("systemd-resolved")).spawn();
        let resolved = Resolved {
            host: host.clone(),
            package,
            daemon,
        };
        wait::until_true("systemd-resolved answers", SOON, || {
            let status = resolved.control(&["status"]).finish().status;
            status.success() && host.path("/etc/resolv.conf").exists()
        });
        resolved
    }

    /// `resolvectl` with these words.
    pub fn control(&self, words: &[&str]) -> Invocation {
        self.host
            .run(self.programs().join("resolvectl"))
            .args(words)
    }

    /// Lets a program find `resolvectl`.
    #[must_use]
    pub fn of(&self, program: Invocation) -> Invocation {
        let all = env::var_os("PATH").unwrap_or_default();
        let path: OsString = [self.programs().into(), OsString::from(":"), all]
            .into_iter()
            .collect();
        program.env("PATH", path)
    }

    fn programs(&self) -> PathBuf {
        self.package.join("usr/bin")
    }

    /// What it was told of all links: their servers and domains.
    #[track_caller]
    pub fn told(&self) -> String {
        self.control(&["dns"]).ok() + &self.control(&["domain"]).ok()
    }

    /// Ends it.
    pub fn stop(&self) {
        self.daemon.kill();
    }
}

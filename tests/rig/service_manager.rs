//! A systemd that runs in a host.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    card::READER_NAME,
    host::Host,
    process::{Invocation, Process},
    programs,
    wait::{self, SOON},
};

/// Where it finds its units, and nowhere else: nothing of the machine itself is started.
const UNITS: &str = "/run/units";

/// Where all that its services say is kept.
const SAID: &str = "/run/said-by-services";

/// Its place in the kernel's control groups, below each hierarchy that it uses, and what is not
/// to be seen by others of the host: processes, programs in `/usr/bin`, and no way to turn a
/// knob of the whole machine (systemd does, as process 1).
const BOOT: &str = r#"
set -eu
group=$1 private=$2 client=$3 gateway=$4
if grep -q :name=systemd: /proc/self/cgroup; then
    mount -t tmpfs tmpfs /sys/fs/cgroup
    hierarchies="none,name=systemd:/sys/fs/cgroup/systemd devices:/sys/fs/cgroup/devices"
    for hierarchy in $hierarchies; do
        mkdir "${hierarchy#*:}"
        mount -t cgroup -o "${hierarchy%%:*}" cgroup "${hierarchy#*:}" || {
            echo "this kernel has no control groups of the kind ${hierarchy%%:*} to give" >&2
            exit 1
        }
    done
    groups="/sys/fs/cgroup/systemd/$group /sys/fs/cgroup/devices/$group"
else
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    groups=/sys/fs/cgroup/$group
fi
for own in $groups; do
    mkdir "$own"
    echo $$ >"$own/cgroup.procs"
done
export private client gateway
exec unshare --mount --pid --fork --kill-child --mount-proc sh -euc '
    mount --bind /proc/sys/net /proc/sys/net
    mount --rbind /proc/sys /proc/sys
    mount -o remount,bind,ro /proc/sys
    mkdir "$private/programs" "$private/programs-work"
    mount -t overlay -o "lowerdir=/usr/bin,upperdir=$private/programs,workdir=$private/programs-work" \
        overlay /usr/bin
    touch /usr/bin/tokenvpn /usr/bin/tokenvpn-gateway
    mount --bind "$client" /usr/bin/tokenvpn
    mount --bind "$gateway" /usr/bin/tokenvpn-gateway
    mount --make-rshared / # Or what systemd mounts for a service does not reach it.
    exec env -i container=rig PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH=/run/units \
        /lib/systemd/systemd --system --unit=default.target --log-target=null --show-status=no
'
"#;

/// A real service manager, process 1 of a namespace within the host: it shares the host's network,
/// `/etc`, `/run` and `/var/lib`, and has our programs in `/usr/bin`. It knows no units but those
/// that it is given.
///
/// It ends when it is dropped, with all of its services.
#[derive(Debug)]
pub struct ServiceManager {
    host: Host,
    process: Process,
    group: String,
}

impl ServiceManager {
    /// Boots it with these of the shipped units, none of which is started. The targets that they
    /// name are there, and empty; the smart-card service takes the place of one that runs here
    /// already, and cards have to be connected to its reader anew.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn boot(host: &Host, units: &[&str]) -> ServiceManager {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/systemd");
        let own = host.path(UNITS);
        fs::create_dir_all(own.join("service.d")).expect("a directory for units");
        for unit in units {
            fs::copy(shipped.join(unit), own.join(unit)).expect("a shipped unit");
        }
        for target in [
            "basic",
            "default",
            "network-online",
            "shutdown",
            "sysinit",
            "time-sync",
        ] {
            let text = "[Unit]\nDefaultDependencies=no\n";
            fs::write(own.join(format!("{target}.target")), text).expect("a unit");
        }
        // The smart-card service is Debian's, with the host's reader; one reader has one service.
        if !host.processes_named("pcscd").is_empty() {
            host.kill_pcscd();
        }
        let socket = "[Socket]\nListenStream=/run/pcscd/pcscd.comm\nSocketMode=0666\n";
        fs::write(own.join("pcscd.socket"), socket).expect("a unit");
        let service = format!(
            "[Unit]\nRequires=pcscd.socket\n\
             [Service]\nExecStart=/usr/sbin/pcscd --foreground --auto-exit --config {}\n",
            host.reader_configuration(READER_NAME).display()
        );
        fs::write(own.join("pcscd.service"), service).expect("a unit");
        // All that is said is looked through for secrets, so all of it has to be said.
        let said = format!(
            "[Service]\nStandardOutput=append:{SAID}\nStandardError=append:{SAID}\nEnvironment=RUST_LOG=trace\n"
        );
        fs::write(own.join("service.d/said.conf"), said).expect("a unit");
        fs::create_dir_all(host.path("/run/systemd/system")).expect("what tells of a systemd");
        fs::write(host.path(SAID), "").expect("a file of the host");

        // A number alone comes again, and a test that was killed leaves its group behind.
        let group = format!("tokenvpn-tests-{}-{}", host.init(), wait::now().as_nanos());
        let process = host
            .run("sh")
            .args(["-c", BOOT, "boot", &group])
            .args([
                host.dir().join("private"),
                programs::client(),
                programs::gateway(),
            ])
            .spawn();
        // By a program whose output is searched.
        let said = format!("exec tail -n +1 -f {SAID}");
        host.run("sh").args(["-c", &said]).spawn();
        let manager = ServiceManager {
            host: host.clone(),
            process,
            group,
        };
        wait::until_true("systemd is up", SOON, || {
            let process = &manager.process;
            assert!(process.is_running(), "{}", process.report());
            manager.show("default.target", "ActiveState") == "active"
        });
        manager
    }

    /// A program run beside the services: systemd talks to nobody whose number it cannot see.
    pub fn run(&self, program: &str) -> Invocation {
        let systemd = self.systemd().map(numbers).unwrap_or_default();
        let in_host = systemd.iter().nth_back(1).map_or("0", String::as_str);
        let enter = ["--target", in_host, "--mount", "--pid", program];
        self.host.run("nsenter").args(enter)
    }

    /// `systemctl` with these words.
    pub fn control(&self, words: &[&str]) -> Invocation {
        self.run("systemctl").args(words)
    }

    /// A property of a unit (systemctl(1)), empty if there is none.
    #[track_caller]
    pub fn show(&self, unit: &str, property: &str) -> String {
        let shown = self.control(&["show", "--value", "--property", property, unit]);
        shown.finish().stdout.trim().to_owned()
    }

    /// Adds a unit that is none of the shipped ones.
    ///
    /// # Panics
    /// If systemd refuses.
    #[track_caller]
    pub fn add(&self, unit: &str, text: &str) {
        fs::write(self.host.path(UNITS).join(unit), text).expect("a unit");
        self.control(&["daemon-reload"]).ok();
    }

    /// Adds to a unit's settings.
    ///
    /// # Panics
    /// If systemd refuses.
    #[track_caller]
    pub fn amend(&self, unit: &str, settings: &str) {
        let directory = self.host.path(UNITS).join(format!("{unit}.d"));
        fs::create_dir_all(&directory).expect("a directory for settings");
        fs::write(directory.join("test.conf"), settings).expect("settings");
        self.control(&["daemon-reload"]).ok();
    }

    /// The main process of a service by its number outside, if it runs.
    #[track_caller]
    pub fn main_process(&self, unit: &str) -> Option<i32> {
        let inside = self.show(unit, "MainPID");
        let has_number = |pid: &i32| numbers(*pid).last() == Some(&inside);
        self.population().into_iter().find(has_number)
    }

    /// Its own process by its number outside.
    fn systemd(&self) -> Option<i32> {
        self.process.children().first().copied()
    }

    /// The processes of all services, and systemd itself, by their numbers outside.
    fn population(&self) -> Vec<i32> {
        let Some(systemd) = self.systemd() else {
            return Vec::new();
        };
        let namespace = fs::read_link(format!("/proc/{systemd}/ns/pid")).unwrap_or_default();
        let population = crate::host::population(&namespace);
        population.into_iter().map(|(pid, _)| pid).collect()
    }

    /// What its services have said so far.
    pub fn said(&self) -> String {
        let said = fs::read(self.host.path(SAID)).expect("a file of the host");
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The control groups that it has made or was given, the inner ones first.
    fn groups(&self) -> Vec<PathBuf> {
        let mut roots = vec![self.host.path("/sys/fs/cgroup").join(&self.group)];
        for hierarchy in ["systemd", "devices"] {
            let hierarchy = self.host.path("/sys/fs/cgroup").join(hierarchy);
            roots.push(hierarchy.join(&self.group));
        }
        let mut found: Vec<PathBuf> = roots.into_iter().filter(|root| root.is_dir()).collect();
        let mut at = 0;
        while let Some(group) = found.get(at) {
            let inner = fs::read_dir(group).into_iter().flatten().flatten();
            let inner: Vec<_> = inner
                .map(|entry| entry.path())
                .filter(|path| path.is_dir())
                .collect();
            found.extend(inner);
            at += 1;
        }
        found.reverse();
        found
    }
}

/// A process's numbers, from outside to inside: ours, the host's, systemd's own.
fn numbers(pid: i32) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers = numbers.unwrap_or_default().split_whitespace();
    numbers.map(str::to_owned).collect()
}

impl Drop for ServiceManager {
    fn drop(&mut self) {
        self.process.kill();
        // The kernel keeps a control group until the last of its processes is reaped.
        let gone = || {
            let groups = self.groups();
            let left = groups.iter().filter(|group| fs::remove_dir(group).is_err());
            (left.count() == 0).then_some(())
        };
        if wait::poll(SOON, gone).is_none() && !std::thread::panicking() {
            panic!("control groups of systemd stay: {:?}", self.groups());
        }
    }
}

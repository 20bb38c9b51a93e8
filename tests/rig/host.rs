//! One computer of a world.

#![expect(
    unsafe_code,
    reason = "what happens between fork and exec can only be said through `pre_exec`"
)]

use std::{
    ffi::OsStr,
    fmt,
    fs::{self, File},
    io,
    net::IpAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns, unshare},
    sys::{
        prctl,
        signal::{SigHandler, Signal, kill, signal},
    },
    unistd::{Pid, sethostname},
};

use crate::{
    process::{Invocation, Process},
    secrets::Secrets,
};

type Job = Box<dyn FnOnce() + Send>;

/// A computer: network, mounts, processes and name of its own, without systemd.
///
/// Its `/run` is empty, and what is written below `/etc`, `/var/lib` and `/var/run` is its own and
/// gone with it. Everything else of the file system is the real one, so keep files in
/// [`Host::dir`].
///
/// A clone is another handle on the same host. The host dies, with all that runs in it, when its
/// `World` is dropped or the test's process ends however it may.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    name: String,
    dir: PathBuf,
    /// Process 1 in there, by its number out here.
    init: i32,
    mounts: File,
    network: File,
    /// All processes are forked by one thread that lives in the host. It lasts as long as the
    /// host: `PR_SET_PDEATHSIG` looks at the thread that forked, not at the process.
    forks: Mutex<Option<mpsc::Sender<Job>>>,
    first: Mutex<Child>,
    processes: Mutex<Vec<Process>>,
    secrets: Secrets,
}

impl Host {
    /// Makes a host whose files are in `dir`.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub(crate) fn new(name: &str, dir: PathBuf, secrets: Secrets) -> Host {
        fs::create_dir_all(dir.join("private")).expect("a directory for the host");
        let (forks, jobs) = mpsc::channel::<Job>();
        let (answer, made) = mpsc::channel();
        let (own_name, own_dir) = (name.to_owned(), dir.clone());
        thread::Builder::new()
            .name(format!("host {name}"))
            .spawn(move || {
                let first = settle(&own_name, &own_dir);
                let settled = first.is_ok();
                answer
                    .send(first)
                    .expect("invariant: the maker waits for it");
                if settled {
                    jobs.into_iter().for_each(|job| job());
                }
            })
            .expect("a thread");
        let first = match made.recv().expect("invariant: the thread answers") {
            Ok(first) => first,
            Err(error) => panic!("cannot make the host {name}: {error:#}"),
        };
        let init = i32::try_from(first.id()).expect("invariant: a pid is positive");
        let namespace = |kind: &str| {
            File::open(format!("/proc/{init}/ns/{kind}")).expect("a namespace of the new host")
        };
        let host = Host(Arc::new(Inner {
            name: name.to_owned(),
            dir,
            init,
            mounts: namespace("mnt"),
            network: namespace("net"),
            forks: Mutex::new(Some(forks)),
            first: Mutex::new(first),
            processes: Mutex::default(),
            secrets,
        }));
        host.ip("link set lo up");
        host
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A directory for its files, the same inside and outside.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Its process 1, by its number outside: for `nsenter -t`.
    pub fn init(&self) -> i32 {
        self.0.init
    }

    /// How the test reaches one of the host's files, as long as the host lives. Absolute links on
    /// the way would lead out of the host; the usual one of `/var/run` is known.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        let inside = inside.as_ref();
        let inside = match inside.strip_prefix("/var/run") {
            Ok(rest) => Path::new("run").join(rest),
            Err(_) => inside.strip_prefix("/").unwrap_or(inside).to_owned(),
        };
        Path::new("/proc")
            .join(self.0.init.to_string())
            .join("root")
            .join(inside)
    }

    /// A program to be run in the host.
    pub fn run(&self, program: impl AsRef<OsStr>) -> Invocation {
        Invocation::new(self, program.as_ref())
    }

    /// Runs `ip` with these words.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn ip(&self, words: &str) -> String {
        self.run("ip").args(words.split_whitespace()).ok()
    }

    /// Lets the calling thread move in: its files, sockets and PC/SC contexts are the host's from
    /// now on, and so are those of the threads that it starts later. Processes are not: use
    /// [`Host::run`].
    ///
    /// # Panics
    /// If the host is gone.
    pub fn enter(&self) {
        unshare(CloneFlags::CLONE_FS).expect("a root and directory of our own");
        setns(&self.0.mounts, CloneFlags::CLONE_NEWNS).expect("the host's mounts");
        setns(&self.0.network, CloneFlags::CLONE_NEWNET).expect("the host's network");
    }

    /// Runs a closure on a thread inside the host; see [`Host::enter`].
    ///
    /// # Panics
    /// If the closure does.
    pub fn within<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            self.enter();
            body()
        };
        match thread::scope(|scope| scope.spawn(inside).join()) {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Lets the host pass on packets between its links, or not.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub fn set_forwarding(&self, on: bool) {
        let value = if on { "1" } else { "0" };
        self.within(|| {
            for file in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                fs::write(Path::new("/proc/sys/net").join(file), value).expect("a host's sysctl");
            }
        });
    }

    /// The network as programs see it: links, addresses, routes, rules and resolv.conf. Two of
    /// them are equal if nothing was left behind in between.
    ///
    /// # Panics
    /// If `ip` fails.
    #[track_caller]
    pub fn network_state(&self) -> String {
        let mut state = String::new();
        for words in [
            "-brief link",
            "-brief address",
            "-4 route show table all",
            "-6 route show table all",
            "-4 rule",
            "-6 rule",
        ] {
            state.push_str(&format!("# ip {words}\n{}", self.ip(words)));
        }
        let strict = self.within(|| fs::read_to_string("/proc/sys/net/ipv4/conf/all/rp_filter"));
        let strict = strict.expect("a sysctl");
        state.push_str(&format!("# rp_filter\n{strict}"));
        let resolver = fs::read_to_string(self.path("/etc/resolv.conf")).unwrap_or_default();
        state.push_str(&format!("# resolv.conf\n{resolver}"));
        state
    }

    /// Whether a link of this name exists.
    #[track_caller]
    pub fn has_link(&self, name: &str) -> bool {
        self.run("ip")
            .args(["link", "show", "dev", name])
            .finish()
            .status
            .success()
    }

    /// Whether one echo request to `address` is answered within a second.
    #[track_caller]
    pub fn pings(&self, address: IpAddr) -> bool {
        self.run("ping")
            .args(["-n", "-c", "1", "-W", "1", &address.to_string()])
            .finish()
            .status
            .success()
    }

    /// The processes in the host, by their numbers outside and their names; zombies and process 1
    /// left out.
    pub fn population(&self) -> Vec<(i32, String)> {
        population(&self.pid_namespace())
            .into_iter()
            .filter(|(pid, _)| *pid != self.0.init)
            .collect()
    }

    /// The processes in the host that run a program of this name (its first 15 characters).
    pub fn processes_named(&self, name: &str) -> Vec<i32> {
        let name: String = name.chars().take(15).collect();
        self.population()
            .into_iter()
            .filter(|(_, process)| *process == name)
            .map(|(pid, _)| pid)
            .collect()
    }

    /// The processes in the host that run this program file.
    pub fn processes_of(&self, program: &Path) -> Vec<i32> {
        let runs =
            |pid: &i32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|file| file == program);
        let pids = self.population().into_iter().map(|(pid, _)| pid);
        pids.filter(runs).collect()
    }

    pub(crate) fn pid_namespace(&self) -> PathBuf {
        fs::read_link(format!("/proc/{}/ns/pid", self.0.init)).unwrap_or_default()
    }

    /// Forks and executes on the host's own thread.
    pub(crate) fn fork(&self, mut command: Command) -> io::Result<Child> {
        let (answer, forked) = mpsc::channel();
        let job: Job = Box::new(move || {
            // Nobody waits only if the test is over.
            let _ = answer.send(command.spawn());
        });
        let forks = self.0.forks.lock().expect("invariant: no holder panics");
        let gone = || io::Error::other("the host is gone");
        forks
            .as_ref()
            .ok_or_else(gone)?
            .send(job)
            .map_err(|_| gone())?;
        drop(forks);
        forked.recv().map_err(|_| gone())?
    }

    /// Remembers a process so that it can be reported on, and reaped at the end.
    pub(crate) fn keep(&self, process: Process) {
        self.0
            .processes
            .lock()
            .expect("invariant: no holder panics")
            .push(process);
    }

    /// The secrets of its world.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    /// All that was started here.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let processes = self.0.processes.lock();
        processes.expect("invariant: no holder panics").clone()
    }

    /// What ran here and what it said, for a failure report.
    pub(crate) fn report(&self) -> String {
        let processes = self
            .0
            .processes
            .lock()
            .expect("invariant: no holder panics");
        let mut reports: Vec<(String, usize)> = Vec::new();
        for report in processes.iter().map(Process::report) {
            match reports.last_mut() {
                Some((last, times)) if *last == report => *times += 1,
                _ => reports.push((report, 1)),
            }
        }
        let told = reports.into_iter().map(|(report, times)| match times {
            1 => report,
            times => format!("{} ({times} times)\n", report.trim_end()),
        });
        told.collect()
    }

    /// Ends everything in the host.
    pub(crate) fn shut_down(&self) {
        // The kernel kills the others with process 1, and keeps it until they are all reaped.
        let _ = kill(Pid::from_raw(self.0.init), Signal::SIGKILL);
        let mut processes = self
            .0
            .processes
            .lock()
            .expect("invariant: no holder panics");
        for process in processes.drain(..) {
            process.kill();
        }
        let mut first = self.0.first.lock().expect("invariant: no holder panics");
        let _ = first.wait();
        *self.0.forks.lock().expect("invariant: no holder panics") = None;
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.0.name)
    }
}

/// The living processes of a PID namespace.
pub(crate) fn population(namespace: &Path) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse().ok()) else {
            continue;
        };
        if !fs::read_link(entry.path().join("ns/pid")).is_ok_and(|link| link == namespace)
            || !crate::process::is_alive(pid)
        {
            continue;
        }
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        found.push((pid, name.trim_end().to_owned()));
    }
    found.sort_unstable();
    found
}

/// Turns the calling thread into the forking thread of a new host and starts its process 1.
fn settle(name: &str, dir: &Path) -> anyhow::Result<Child> {
    use anyhow::Context as _;

    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS)
        .context("unshare")?;
    sethostname(name).context("sethostname")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("private mounts")?;
    let tmpfs = |target: &Path| {
        mount(
            Some("tmpfs"),
            target,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=755"),
        )
        .with_context(|| format!("a tmpfs on {}", target.display()))
    };
    let private = dir.join("private");
    tmpfs(&private)?;
    for target in ["/etc", "/var/lib"] {
        overlay(Path::new(target), &private)?;
    }
    // Of an installation on the machine itself nothing is seen in here.
    for ours in ["/etc/tokenvpn", "/var/lib/tokenvpn"] {
        match fs::remove_dir_all(ours) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("hiding {ours}"));
            }
            _ => {}
        }
    }
    tmpfs(Path::new("/run"))?;
    if !fs::symlink_metadata("/var/run").is_ok_and(|run| run.is_symlink()) {
        mount(Some("/run"), "/var/run", none, MsFlags::MS_BIND, none).context("/var/run")?;
    }
    fs::create_dir("/run/pcscd").context("/run/pcscd")?;
    // It may be a link into somebody else's /run.
    let _ = fs::remove_file("/etc/resolv.conf");
    fs::write("/etc/resolv.conf", "nameserver 127.0.0.1\n").context("/etc/resolv.conf")?;
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none).context("/sys")?;

    // The next process is number 1. It waits for ever, or until our end of its stdin is closed.
    unshare(CloneFlags::CLONE_NEWPID).context("unshare processes")?;
    let mut first = Command::new("cat");
    first.stdin(Stdio::piped()).stdout(Stdio::null());
    let prepare = || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // Process 1 has to reap orphans; if it ignores this signal the kernel does it.
        // SAFETY: no handler is installed.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }?;
        // A /proc shows the processes of the namespace of whoever mounts it.
        mount(
            Some("proc"),
            "/proc",
            Some("proc"),
            MsFlags::empty(),
            None::<&str>,
        )?;
        Ok(())
    };
    // SAFETY: the closure makes system calls only: no allocation, no lock.
    unsafe { first.pre_exec(prepare) };
    first.spawn().context("process 1")
}

/// Makes what is written below `target` private.
fn overlay(target: &Path, private: &Path) -> anyhow::Result<()> {
    use anyhow::Context as _;

    let name = target.to_string_lossy().replace('/', "-");
    let (upper, work) = (
        private.join(format!("upper{name}")),
        private.join(format!("work{name}")),
    );
    fs::create_dir(&upper)?;
    fs::create_dir(&work)?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        target.display(),
        upper.display(),
        work.display()
    );
    mount(
        Some("overlay"),
        target,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .with_context(|| format!("an overlay on {}", target.display()))
}

/// How long after the kill of its process 1 a host may need to be empty.
pub(crate) const LAST_BREATH: Duration = Duration::from_secs(5);

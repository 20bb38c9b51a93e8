//! Programs run in a host.

#![expect(
    unsafe_code,
    reason = "what happens between fork and exec can only be said through `pre_exec`"
)]

use std::{
    collections::HashMap,
    ffi::OsStr,
    fmt, fs,
    io::{self, Write},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{SigSet, Signal, kill},
    unistd::Pid,
};

use crate::{host::Host, pty::Pty, transcript::Transcript, wait};

/// How long a program may run that should end by itself.
const PATIENCE: Duration = Duration::from_secs(40);

/// The programs that log all they can: ours, and those that run ours. To others it may mean
/// something too.
const OUTSPOKEN: [&str; 8] = [
    "tokenvpn",
    "tokenvpn-gateway",
    "bash",
    "dash",
    "prlimit",
    "setpriv",
    "sh",
    "strace",
];

/// A program about to be run in a host; made by [`Host::run`].
///
/// Unless told otherwise its stdin is empty, its output is kept in [`Transcript`]s and it has no
/// controlling terminal.
#[derive(Debug)]
pub struct Invocation {
    host: Host,
    command: Command,
    words: String,
    descriptors: Vec<(OwnedFd, RawFd)>,
    stdin: Vec<u8>,
    on_terminal: bool,
    terminal: Option<OwnedFd>,
    screen: Option<Transcript>,
    echo: Option<String>,
}

impl Invocation {
    pub(crate) fn new(host: &Host, program: &OsStr) -> Invocation {
        let mut command = Command::new(program);
        command
            .current_dir(host.dir())
            .env_remove("RUST_LOG")
            .env_remove("http_proxy")
            .env("LC_ALL", "C.UTF-8")
            .env("TMPDIR", host.dir())
            // No escape sequences from readline and its like.
            .env("TERM", "dumb");
        let name = PathBuf::from(program);
        let name = name.file_name().unwrap_or(program).to_string_lossy();
        // What is said is looked through for secrets: all of it has to be said.
        if OUTSPOKEN.contains(&&*name) {
            command.env("RUST_LOG", "trace");
        }
        Invocation {
            host: host.clone(),
            command,
            words: name.into_owned(),
            descriptors: Vec::new(),
            stdin: Vec::new(),
            on_terminal: false,
            terminal: None,
            screen: None,
            echo: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Invocation {
        self.words.push(' ');
        self.words.push_str(&arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Invocation {
        args.into_iter().fold(self, Invocation::arg)
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Invocation {
        self.command.env(name, value);
        self
    }

    /// Starts in another directory than the host's own.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Invocation {
        self.command.current_dir(dir.into());
        self
    }

    /// Runs as the user and group 65534, `nobody`, without any capability.
    #[must_use]
    pub fn as_nobody(mut self) -> Invocation {
        self.command.uid(65534).gid(65534);
        self
    }

    /// Gives the program this text on stdin, and then the end.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Invocation {
        self.stdin = text.into();
        self
    }

    /// Gives the program this text on descriptor `number`, and then the end: a PIN for `--pin-fd`.
    ///
    /// # Panics
    /// If the text does not fit into a pipe (4 KiB always do).
    #[must_use]
    pub fn text_on(mut self, number: RawFd, text: &str) -> Invocation {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer
            .write_all(text.as_bytes())
            .expect("the pipe has room");
        self.descriptors.push((reader.into(), number));
        self
    }

    /// Puts stdin, stdout and stderr on this terminal and makes it the controlling one.
    #[must_use]
    pub fn on(mut self, pty: &Pty) -> Invocation {
        self.on_terminal = true;
        self.with_terminal(pty)
    }

    /// Makes this the controlling terminal (`/dev/tty`) and leaves stdin, stdout and stderr alone.
    #[must_use]
    pub fn with_terminal(mut self, pty: &Pty) -> Invocation {
        self.terminal = Some(pty.user_side());
        self.screen = Some(pty.screen().clone());
        self
    }

    /// Also shows the output on our stdout, line by line behind this prefix.
    #[must_use]
    pub fn echo(mut self, prefix: &str) -> Invocation {
        self.echo = Some(prefix.to_owned());
        self
    }

    /// The words of the command line, the program without its path.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Starts the program.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn spawn(mut self) -> Process {
        self.stdio();
        self.between_fork_and_exec();
        let (host, words, echo) = (self.host, self.words, self.echo);
        // The descriptors for the program close here as soon as it has them.
        let _handed_over = self.descriptors;
        let mut child = match host.fork(self.command) {
            Ok(child) => child,
            Err(error) => panic!("cannot start `{words}` on {}: {error}", host.name()),
        };
        if let Some(mut stdin) = child.stdin.take() {
            let text = self.stdin;
            // The program may end without reading: then there is nobody to tell.
            thread::spawn(move || stdin.write_all(&text));
        }
        let follow = |source: Option<OwnedFd>| match source {
            Some(source) => Transcript::follow(fs::File::from(source), echo.clone()).0,
            None => Transcript::default(),
        };
        let process = Process(Arc::new(Inner {
            words,
            host: host.name().to_owned(),
            pid: i32::try_from(child.id()).expect("invariant: a pid is positive"),
            stdout: follow(child.stdout.take().map(OwnedFd::from)),
            stderr: follow(child.stderr.take().map(OwnedFd::from)),
            screen: self.screen,
            child: Mutex::new(child),
        }));
        host.keep(process.clone());
        process
    }

    fn stdio(&mut self) {
        let command = &mut self.command;
        if self.on_terminal {
            let terminal = self
                .terminal
                .as_ref()
                .expect("invariant: set by the same call");
            let side = || terminal.try_clone().expect("a descriptor");
            command.stdin(side()).stdout(side()).stderr(side());
            return;
        }
        if self.stdin.is_empty() {
            command.stdin(Stdio::null());
        } else {
            command.stdin(Stdio::piped());
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    fn between_fork_and_exec(&mut self) {
        let descriptors: Vec<(RawFd, RawFd)> = self
            .descriptors
            .iter()
            .map(|(ours, number)| (ours.as_raw_fd(), *number))
            .collect();
        let terminal = self.terminal.take();
        let prepare = move || {
            // A program expects to get its signals, whatever ours are blocked for.
            SigSet::empty().thread_set_mask()?;
            if let Some(terminal) = &terminal {
                nix::unistd::setsid()?;
                // SAFETY: an ioctl that takes an integer, on a descriptor that this closure owns.
                if unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) } < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            for &(ours, number) in &descriptors {
                // SAFETY: plain system calls on numbers; in the child nobody else uses them.
                let copied = unsafe {
                    if ours == number {
                        libc::fcntl(ours, libc::F_SETFD, 0)
                    } else {
                        libc::dup2(ours, number)
                    }
                };
                if copied < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        };
        // SAFETY: the closure makes system calls only: no allocation, no lock.
        unsafe { self.command.pre_exec(prepare) };
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// If it does not end within 40 s.
    #[track_caller]
    pub fn finish(self) -> Finished {
        self.spawn().finish()
    }

    /// Runs the program to its end and returns its stdout.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn ok(self) -> String {
        self.finish().expect_code(0).stdout
    }
}

/// The commands that tell a state, or what they are about to change, before an error.
const TELLS_BEFORE: [&str; 3] = [
    "tokenvpn up",
    "tokenvpn token issue",
    "tokenvpn token erase",
];

/// How a program ended, and what it said.
#[derive(Clone, Debug)]
pub struct Finished {
    words: String,
    host: String,
    /// The status.
    pub status: ExitStatus,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
}

impl Finished {
    /// Insists on this exit code.
    ///
    /// # Panics
    /// If it was another one, or a signal; with everything that the program said.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Finished {
        assert!(
            self.status.code() == Some(code),
            "expected exit code {code}\n{self}"
        );
        self
    }

    /// Insists on this exit code and on an error for people: exactly two lines on stderr, `error: …`
    /// and `hint: …`, with each of `facts` somewhere in them. Only those of `TELLS_BEFORE` may say more.
    ///
    /// # Panics
    /// If anything of that is different.
    #[track_caller]
    pub fn expect_error(self, code: i32, facts: &[&str]) -> Finished {
        let finished = self.expect_code(code);
        let lines: Vec<&str> = finished.stderr.lines().collect();
        let tells_before = TELLS_BEFORE
            .iter()
            .any(|words| finished.words.starts_with(words));
        let shape = lines.len() >= 2
            && (lines.len() == 2 || tells_before)
            && lines[lines.len() - 2].starts_with("error: ")
            && lines[lines.len() - 1].starts_with("hint: ")
            && !lines[..lines.len() - 2]
                .iter()
                .any(|line| line.starts_with("error: ") || line.contains("panicked"));
        assert!(
            shape,
            "expected the two lines `error: …` and `hint: …`, and nothing else\n{finished}"
        );
        let text = lines[lines.len() - 2..].join("\n");
        for fact in facts {
            assert!(
                text.to_lowercase().contains(&fact.to_lowercase()),
                "{fact:?} is missing in the error\n{finished}"
            );
        }
        finished
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "`{}` on {}: {}", self.words, self.host, self.status)?;
        writeln!(f, "  stdout: {}", self.stdout)?;
        write!(f, "  stderr: {}", self.stderr)
    }
}

/// A program that was started. It lives until it ends by itself, is killed, or its host goes.
#[derive(Clone)]
pub struct Process(Arc<Inner>);

struct Inner {
    words: String,
    host: String,
    pid: i32,
    child: Mutex<Child>,
    stdout: Transcript,
    stderr: Transcript,
    screen: Option<Transcript>,
}

impl Process {
    /// Its number outside of the host.
    pub fn pid(&self) -> i32 {
        self.0.pid
    }

    /// The words of its command line.
    pub fn words(&self) -> &str {
        &self.0.words
    }

    /// Its stdout; empty if that is a terminal.
    pub fn stdout(&self) -> &Transcript {
        &self.0.stdout
    }

    /// Its stderr; empty if that is a terminal.
    pub fn stderr(&self) -> &Transcript {
        &self.0.stderr
    }

    /// Whether it is one of ours, or may run one.
    pub(crate) fn is_outspoken(&self) -> bool {
        let program = self.0.words.split(' ').next();
        program.is_some_and(|program| OUTSPOKEN.contains(&program))
    }

    /// The first line with a control character that one of our programs has written, to a place
    /// that is no terminal. What runs one may say on stdout what it likes.
    pub(crate) fn raw_line(&self) -> Option<String> {
        let is_ours = self.0.words.starts_with("tokenvpn");
        let stdout = Some(&self.0.stdout).filter(|_| is_ours);
        let stderr = Some(&self.0.stderr).filter(|_| self.is_outspoken());
        let mut outputs = stdout.into_iter().chain(stderr);
        outputs.find_map(|output| raw_line(&String::from_utf8_lossy(&output.whole())))
    }

    /// Everything that it says, by where.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = (&'static str, &Transcript)> {
        let pipes = [("stdout", &self.0.stdout), ("stderr", &self.0.stderr)];
        let screen = self.0.screen.iter().map(|screen| ("screen", screen));
        pipes.into_iter().chain(screen)
    }

    /// How it ended, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        let mut child = self.0.child.lock().expect("invariant: no holder panics");
        child.try_wait().ok().flatten()
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.status().is_none()
    }

    /// Sends a signal; it is no error if the process has ended.
    pub fn signal(&self, signal: Signal) {
        // Until it is waited for, its number cannot belong to somebody else.
        if self.is_running() {
            let _ = kill(Pid::from_raw(self.0.pid), signal);
        }
    }

    /// Kills it and waits for its end.
    pub fn kill(&self) {
        let mut child = self.0.child.lock().expect("invariant: no holder panics");
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Waits for its end, and for the last of its output.
    ///
    /// # Panics
    /// If it does not end in time; it is killed then.
    #[track_caller]
    pub fn wait(&self, within: Duration) -> ExitStatus {
        let Some(status) = wait::poll(within, || self.status()) else {
            self.kill();
            panic!(
                "did not end within {within:?} and was killed\n{}",
                self.report()
            );
        };
        // A child of it may hold the pipes open for ever.
        wait::poll(Duration::from_millis(500), || {
            (self.0.stdout.is_closed() && self.0.stderr.is_closed()).then_some(())
        });
        status
    }

    /// Waits for its end: how it ended, and what it said.
    ///
    /// # Panics
    /// If it does not end within 40 s.
    #[track_caller]
    pub fn finish(&self) -> Finished {
        let status = self.wait(PATIENCE);
        Finished {
            words: self.0.words.clone(),
            host: self.0.host.clone(),
            status,
            stdout: self.stdout().all(),
            stderr: self.stderr().all(),
        }
    }

    /// The exit code when it has ended by itself.
    ///
    /// # Panics
    /// If it does not end in time, or by a signal.
    #[track_caller]
    pub fn exit_code(&self, within: Duration) -> i32 {
        let status = self.wait(within);
        match status.code() {
            Some(code) => code,
            None => panic!("ended by signal {:?}\n{}", status.signal(), self.report()),
        }
    }

    /// The processes that it has started and that live, by their numbers outside of the host.
    pub fn children(&self) -> Vec<i32> {
        children(self.0.pid)
    }

    /// What it is, how it ended and, unless it ended well, what it said last.
    pub fn report(&self) -> String {
        let Inner {
            words, host, pid, ..
        } = &*self.0;
        let mut report = match self.status() {
            Some(status) if status.success() => return format!("  {host}: `{words}`: ok\n"),
            Some(status) => format!("  {host}: `{words}` (pid {pid}): {status}\n"),
            None => format!("  {host}: `{words}` (pid {pid}): running\n"),
        };
        for (name, transcript) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            let tail = transcript.tail(40);
            if !tail.is_empty() {
                report.push_str(&format!("    {name}:\n{tail}"));
            }
        }
        report
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.0.words, self.0.pid)
    }
}

/// The first line of a text that has a control character in it.
pub fn raw_line(text: &str) -> Option<String> {
    let is_raw = |line: &&str| line.chars().any(|c| c.is_control() && c != '\t');
    text.lines().find(is_raw).map(str::to_owned)
}

/// The living children of a process in the order of their numbers, zombies left out. Not from
/// `/proc/PID/task/TID/children`, which may leave one out while another one ends (proc(5)).
pub fn children(pid: i32) -> Vec<i32> {
    let mut children: Vec<i32> = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&child| parent(child) == Some(pid) && is_alive(child))
        .collect();
    children.sort_unstable();
    children
}

/// The letter of a process's state, if there is such a process.
pub fn state(pid: i32) -> Option<char> {
    stat(pid, 0)?.chars().next()
}

fn parent(pid: i32) -> Option<i32> {
    stat(pid, 1)?.parse().ok()
}

/// A field of `/proc/PID/stat` (proc(5)), counted from the one after the name.
fn stat(pid: i32, field: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may itself hold any character.
    let fields = &stat[stat.rfind(')')? + 1..];
    fields.split_whitespace().nth(field).map(str::to_owned)
}

/// `/proc/PID/task/TID/status` of every thread, field by field (proc(5)).
///
/// # Panics
/// If there is no such process.
#[track_caller]
pub fn threads(pid: i32) -> Vec<HashMap<String, String>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    // One may end in between.
    let status = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("status")).ok()?;
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(field, value)| (field.to_owned(), value.trim().to_owned()));
        Some(fields.collect())
    };
    tasks.flatten().filter_map(status).collect()
}

/// Insists that not even root can read a process's memory without capabilities, and that it leaves
/// no core file.
///
/// # Panics
/// If that is not so.
#[track_caller]
pub fn assert_sealed(pid: i32) {
    for file in ["maps", "mem", "environ", "fd"] {
        let read = Command::new("setpriv")
            .args(["--bounding-set=-all", "--inh-caps=-all", "head", "-c1"])
            .arg(format!("/proc/{pid}/{file}"))
            .output()
            .expect("setpriv runs");
        assert!(!read.status.success() && read.stdout.is_empty(), "{file}");
    }
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core"));
    let core: Vec<_> = core.expect("a limit").split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"]);
}

/// Whether there is such a process and it is neither dead nor a zombie.
pub fn is_alive(pid: i32) -> bool {
    !matches!(state(pid), None | Some('Z' | 'X'))
}

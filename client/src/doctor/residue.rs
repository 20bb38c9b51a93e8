//! What of us is on this computer: processes, interfaces, rules, mounts, files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tokenvpn_common::io::netlink::Netlink;

use crate::cli::DEFAULT_INTERFACE;
use crate::net::dns;
use crate::net::journal::is_held;
use crate::net::route;
use crate::runtime::{DIRECTORY, UAPI_DIRECTORY};

/// The gateway's files in the directory that we share with it begin like this.
const GATEWAYS: &str = "gateway.";

/// Something of ours on this computer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trace {
    /// A running tokenvpn other than this one.
    Process { pid: u32 },
    /// A tunnel device.
    Interface { name: String },
    /// A policy rule with a mark or table of ours.
    Rule { priority: u32 },
    /// A file of ours over /etc/resolv.conf.
    Mount { file: PathBuf },
    /// A file under /run.
    File { path: PathBuf },
}

impl Trace {
    /// What it is, for scripts.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Trace::Process { .. } => "process",
            Trace::Interface { .. } => "interface",
            Trace::Rule { .. } => "rule",
            Trace::Mount { .. } => "mount",
            Trace::File { .. } => "file",
        }
    }
}

/// Everything of ours that is there, in use or not.
pub(crate) fn traces() -> Vec<Trace> {
    let mut traces: Vec<_> = processes()
        .into_iter()
        .map(|pid| Trace::Process { pid })
        .collect();
    let files = files(Path::new(DIRECTORY));
    traces.extend(interfaces(&files));
    traces.extend(rules());
    let mounts = dns::mounted();
    traces.extend(mounts.into_iter().map(|file| Trace::Mount { file }));
    traces.extend(files.into_iter().map(|path| Trace::File { path }));
    traces.sort();
    traces
}

/// What no running tokenvpn will put back.
pub(crate) fn left_behind() -> Vec<Trace> {
    let files = files(Path::new(DIRECTORY));
    let locks: Vec<_> = files
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "lock") && is_held(file))
        .collect();
    if locks.is_empty() {
        let traces = traces().into_iter();
        return traces
            .filter(|trace| !matches!(trace, Trace::Process { .. }))
            .collect();
    }
    // Rules and mounts cannot be told apart by their tunnel; what has a journal can.
    let is_running = |file: &Path| {
        let name = file.file_name().and_then(|name| name.to_str());
        locks.iter().any(|lock| {
            let stem = lock.file_stem().and_then(|stem| stem.to_str());
            let rest = name
                .zip(stem)
                .and_then(|(name, stem)| name.strip_prefix(stem));
            rest.is_some_and(|rest| rest.starts_with('.'))
        })
    };
    let left = files.iter().filter(|file| !is_running(file));
    left.map(|path| Trace::File { path: path.clone() })
        .collect()
}

/// Our files in the runtime directory; the gateway's are not ours.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let ours = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with(GATEWAYS)
    });
    let ours: BTreeSet<_> = ours.collect();
    ours.into_iter().collect()
}

/// Tunnel devices under a name that our files or nobody gave them, and sockets for them.
fn interfaces(files: &[PathBuf]) -> Vec<Trace> {
    let known = files.iter().filter_map(|file| {
        let name = file.file_name()?.to_str()?;
        [".lock", ".sock", ".journal"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
    });
    let names: BTreeSet<_> = known.chain([DEFAULT_INTERFACE]).collect();
    let mut traces = Vec::new();
    for name in names {
        let device = Path::new("/sys/class/net").join(name);
        if device.join("tun_flags").exists() {
            traces.push(Trace::Interface { name: name.into() });
        }
        let socket = Path::new(UAPI_DIRECTORY).join(format!("{name}.sock"));
        // Of another program's device of this name it would be that program's.
        if fs::symlink_metadata(&socket).is_ok() {
            traces.push(Trace::File { path: socket });
        }
    }
    traces
}

fn rules() -> Vec<Trace> {
    let rules = Netlink::open().and_then(|mut netlink| netlink.rules());
    let ours = rules
        .unwrap_or_default()
        .into_iter()
        .filter(|rule| rule.mark.is_some_and(route::is_ours) || route::is_ours(rule.table));
    let priorities: BTreeSet<_> = ours.map(|rule| rule.priority).collect();
    let rule = |priority| Trace::Rule { priority };
    priorities.into_iter().map(rule).collect()
}

/// Processes that run this very program, but this one.
fn processes() -> Vec<u32> {
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    let Ok(own) = identity(Path::new("/proc/self/exe")) else {
        return Vec::new();
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut pids: Vec<u32> = pids
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            let program = identity(Path::new(&format!("/proc/{pid}/exe")));
            program.is_ok_and(|program| program == own)
        })
        .collect();
    pids.sort_unstable();
    pids
}

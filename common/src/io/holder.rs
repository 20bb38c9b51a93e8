//! Who may hold a card that we cannot have. PC/SC does not tell, so we look for processes.

use std::fmt;
use std::fs;
use std::os::unix::process::parent_id;

use crate::language::say;

/// A process that speaks with the smart-card service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The program's name, at most 15 bytes, as the kernel keeps it.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&say().holding_process(&self.name, &self.pid))
    }
}

/// Lists who may hold the card: every process with the service's library in its memory,
/// gpg's first. Without root only one's own processes can be looked at.
///
/// Neither this process nor a parent of one of them is listed, nor what of another tokenvpn only
/// watches: a supervisor, and a worker that has let go of the card.
pub fn likely_holders() -> Vec<Holder> {
    let own = [std::process::id(), parent_id()];
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut holders: Vec<Holder> = processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| !own.contains(pid))
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/maps"))
                .is_ok_and(|maps| String::from_utf8_lossy(&maps).contains("/libpcsclite.so"))
        })
        .filter_map(|pid| {
            let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
            let name = String::from_utf8_lossy(&name)
                .trim()
                .escape_debug()
                .to_string();
            Some(Holder { name, pid })
        })
        .collect();
    let parents: Vec<u32> = holders.iter().filter_map(parent).collect();
    holders.retain(|holder| !parents.contains(&holder.pid) && !only_watches(holder));
    holders.sort_by_key(|holder| (holder.name != "scdaemon", holder.pid));
    holders
}

/// Whether it is an `up` that has its cards held by a worker, or such a worker that carries
/// packets: then it has a filter of system calls that its supervisor does not have.
fn only_watches(holder: &Holder) -> bool {
    if holder.name != "tokenvpn" {
        return false;
    }
    let words = fs::read(format!("/proc/{}/cmdline", holder.pid)).unwrap_or_default();
    let is_supervisor = words.split(|byte| *byte == 0).nth(1) == Some(b"up");
    let filters = |pid| number(pid, "Seccomp_filters:");
    // A parent that cannot be looked at proves nothing.
    let of_parent = parent(holder).and_then(filters);
    is_supervisor || of_parent.is_some_and(|parent_s| filters(holder.pid) > Some(parent_s))
}

/// The process that started it.
fn parent(holder: &Holder) -> Option<u32> {
    number(holder.pid, "PPid:")
}

/// A field of proc_pid_status(5).
fn number(pid: u32, field: &str) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(field))?;
    value.trim().parse().ok()
}

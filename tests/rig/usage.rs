//! What processes use of memory and processors.

use std::{fs, time::Duration};

use nix::unistd::{SysconfVar, sysconf};

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// In use now.
    pub resident: u64,
    /// The most that was ever in use.
    pub peak: u64,
}

/// The memory of a process.
///
/// # Panics
/// If there is no such process.
#[track_caller]
pub fn memory(pid: i32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kibibytes.expect("memory in a process's status") * 1024
    };
    Memory {
        resident: field("VmRSS:"),
        peak: field("VmHWM:"),
    }
}

/// The processor time that a process has used, in units of 10 ms.
///
/// # Panics
/// If there is no such process.
#[track_caller]
pub fn processor_time(pid: i32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a living process");
    // Behind the name, which may hold anything, the state is field 3 (proc(5)).
    let (_, fields) = stat.rsplit_once(") ").expect("a process's stat");
    let mut times = fields.split(' ').skip(14 - 3).take(2);
    let mut ticks = || times.next().and_then(|ticks| ticks.parse::<u64>().ok());
    let used = ticks().zip(ticks()).expect("times in a process's stat");
    let rate = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    let rate = rate.expect("invariant: every Linux has a clock tick");
    Duration::from_secs_f64((used.0 + used.1) as f64 / rate as f64)
}

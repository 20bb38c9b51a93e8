//! The worker as a process: started, spoken to, killed.

use std::fs::{self, DirEntry};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokenvpn_common::io::clock;
use tokenvpn_common::token::Ident;

use crate::message::{Channel, MessageError, Order, Report};
use crate::{pin, worker};

/// A running worker. Killed when dropped.
pub(crate) struct WorkerProcess {
    child: Child,
    channel: Channel,
    /// What were this process's children before: others' may be, where it took the place of a shell
    /// or is the first of a container.
    others: Vec<Pid>,
}

impl WorkerProcess {
    /// Starts this very program as the worker of one token.
    ///
    /// The kernel kills the worker when the calling *thread* ends (PR_SET_PDEATHSIG), so
    /// this must be the main one.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn start(
        reader: String,
        token: Ident,
        grace: u64,
        keypad: bool,
    ) -> io::Result<WorkerProcess> {
        let (channel, theirs) = Channel::pair()?;
        let others = children();
        let mut child = Command::new("/proc/self/exe")
            .arg0("tokenvpn")
            .arg(worker::ARGUMENT)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        let order = Order::Open {
            reader,
            token,
            supervisor: Pid::this().as_raw(),
            grace,
            keypad,
        };
        match channel.send(&order, &[]) {
            // It has ended already, and said why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
            Ok(()) => {}
        }
        Ok(WorkerProcess {
            child,
            channel,
            others,
        })
    }

    /// Tells the worker, with copies of descriptors.
    ///
    /// # Errors
    /// It is gone, or has not listened for long.
    pub(crate) fn send(&self, order: &Order, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.channel.send(order, descriptors)
    }

    /// What the worker said, checked.
    ///
    /// # Errors
    /// [`MessageError::Nothing`] when all was read; anything else deserves the end.
    pub(crate) fn receive(&self) -> Result<Report, MessageError> {
        self.channel.receive_report()
    }

    /// The descriptor to wait on.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.channel.as_fd().as_raw_fd()
    }
}

impl AsFd for WorkerProcess {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

/// SIGKILL, and wait: nothing of the worker is left after this.
impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // Errors mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        end_orphans(&self.others);
    }
}

/// Makes this process the parent of what a killed worker leaves behind.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}

/// Ends the programs that asked for a killed worker: nobody waits for their answer. All that are
/// children of this process now are those, but for `others`.
fn end_orphans(others: &[Pid]) {
    let mut orphans = children();
    orphans.retain(|child| !others.contains(child));
    for orphan in &orphans {
        let _ = kill(*orphan, Signal::SIGTERM);
    }
    // Time to put back an echo, or to take back a question that lies somewhere.
    let until = clock::now() + pin::ASKER_PATIENCE;
    loop {
        let reaped = |orphan: &Pid| waitpid(*orphan, Some(WaitPidFlag::WNOHANG));
        orphans.retain(|orphan| reaped(orphan) == Ok(WaitStatus::StillAlive));
        if orphans.is_empty() || clock::now() >= until {
            break;
        }
        thread::sleep(pin::ASKER_PACE);
    }
    for orphan in orphans {
        let _ = kill(orphan, Signal::SIGKILL);
        let _ = waitpid(orphan, None);
    }
}

/// This process's children.
fn children() -> Vec<Pid> {
    // Not from the list of children, which may leave some out while others end (proc(5)).
    let own = std::process::id();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let child = |process: DirEntry| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(process.path().join("stat")).ok()?;
        (parent(&stat) == Some(own)).then(|| Pid::from_raw(pid))
    };
    processes.filter_map(child).collect()
}

/// The parent in a line of proc_pid_stat(5), where the program's name may hold anything.
fn parent(stat: &str) -> Option<u32> {
    let (_, behind_the_name) = stat.rsplit_once(')')?;
    behind_the_name.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(parent("7 (pinentry) S 4 7 7 0"), Some(4));
        assert_eq!(parent("7 (a) S 9 (b) S 4 7 7 0"), Some(4));
        assert_eq!(parent(""), None);
        assert_eq!(parent("7 (pinentry) S"), None);
    }
}

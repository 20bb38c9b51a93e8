//! The worker as a process: started, spoken to, killed.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use tokenvpn_common::token::Ident;

use crate::message::{Channel, MessageError, Order, Report};
use crate::worker;

/// A running worker. Killed when dropped.
pub(crate) struct WorkerProcess {
    child: Child,
    channel: Channel,
}

impl WorkerProcess {
    /// Starts this very program as the worker of one token.
    ///
    /// The kernel kills the worker when the calling *thread* ends (PR_SET_PDEATHSIG), so
    /// this must be the main one.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn start(reader: String, token: Ident, grace: u64) -> io::Result<WorkerProcess> {
        let (channel, theirs) = Channel::pair()?;
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
        Ok(WorkerProcess { child, channel })
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
        end_orphans();
    }
}

/// Makes this process the parent of what a killed worker leaves behind.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}

/// Ends the programs that asked for a killed worker: nobody waits for their answer.
fn end_orphans() {
    // Not from the list of children, which may leave some out while others end (proc(5)).
    let own = std::process::id();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        if parent(&stat) == Some(own) {
            let child = Pid::from_raw(pid);
            let _ = kill(child, Signal::SIGKILL);
            let _ = waitpid(child, None);
        }
    }
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

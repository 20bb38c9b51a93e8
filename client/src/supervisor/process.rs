//! The worker as a process: started, spoken to, killed.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

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
    /// Starts this very program as the worker of one token, with a PIN if one was given.
    ///
    /// The kernel kills the worker when the calling *thread* ends (PR_SET_PDEATHSIG), so
    /// this must be the main one.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn start(
        reader: String,
        token: Ident,
        pin: Option<&OwnedFd>,
    ) -> io::Result<WorkerProcess> {
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
        };
        let pin: Vec<_> = pin.iter().map(|fd| fd.as_fd()).collect();
        if let Err(error) = channel.send(&order, &pin) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
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

/// SIGKILL, and wait: nothing of the worker is left after this.
impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // Errors mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! What a process does to itself before it may hold secrets.

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

use crate::language::say;

/// A measure that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("{}", say().measure_failed(.measure))]
pub struct HardeningError {
    /// The call that failed.
    pub measure: &'static str,
    /// Why.
    #[source]
    pub errno: Errno,
}

fn failed(measure: &'static str) -> impl FnOnce(Errno) -> HardeningError {
    move |errno| HardeningError { measure, errno }
}

/// Lets this process and its descendants leave no core file, however they end.
///
/// # Errors
/// The kernel refuses.
pub fn forbid_core_files() -> Result<(), HardeningError> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(failed("setrlimit(RLIMIT_CORE)"))
}

/// Keeps this process's memory out of core dumps and debuggers, and its descendants from
/// gaining privileges. To be called before any secret is read.
///
/// # Errors
/// The measure that failed.
pub fn seal() -> Result<(), HardeningError> {
    forbid_core_files()?;
    prctl::set_dumpable(false).map_err(failed("prctl(PR_SET_DUMPABLE)"))?;
    prctl::set_no_new_privs().map_err(failed("prctl(PR_SET_NO_NEW_PRIVS)"))
}

/// Does what [`seal`] and [`lock_memory`] do. To be called before any input is read.
///
/// # Errors
/// The measure that failed.
pub fn harden() -> Result<(), HardeningError> {
    seal()?;
    lock_memory()
}

/// Keeps this process's memory out of swap.
///
/// # Errors
/// Locking memory needs CAP_IPC_LOCK or a high RLIMIT_MEMLOCK (mlockall(2)). Where that
/// cannot be raised to infinity, only what is mapped at the time of the call stays out of
/// swap.
pub fn lock_memory() -> Result<(), HardeningError> {
    // Raising the hard limit needs privileges; without them take what there is.
    let unlimited = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_ok();
    if !unlimited && let Ok((_, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK) {
        let _ = setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard);
    }
    // On fault: a page is locked when it is first touched. Locking whole mappings
    // would make every thread's stack and every spare buffer resident.
    let mut flags = MlockAllFlags::MCL_CURRENT | MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    // Under a limit, whoever gives up CAP_IPC_LOCK could get no memory any more.
    if unlimited {
        flags |= MlockAllFlags::MCL_FUTURE;
    } else {
        tracing::debug!("RLIMIT_MEMLOCK is low: memory used from now on may reach the swap");
    }
    mlockall(flags).map_err(failed("mlockall"))
}

/// The parent was gone before its death could be watched.
#[derive(Debug, thiserror::Error)]
pub enum Orphaned {
    /// Another process is the parent now.
    #[error("{}", say().supervisor_is_gone())]
    ParentGone,
    /// The kernel refused.
    #[error(transparent)]
    Refused(#[from] HardeningError),
}

/// Takes [`die_with_parent`] back, for as long as there is something to put right after
/// the parent's death.
///
/// # Errors
/// The kernel refuses.
pub fn outlive_parent() -> Result<(), HardeningError> {
    prctl::set_pdeathsig(None).map_err(failed("prctl(PR_SET_PDEATHSIG)"))
}

/// Has the kernel SIGKILL this process when the thread that started it ends
/// (PR_SET_PDEATHSIG, prctl(2)). A change of uid undoes it.
///
/// # Errors
/// [`Orphaned::ParentGone`] if `parent` died before; then nobody would be told.
pub fn die_with_parent(parent: Pid) -> Result<(), Orphaned> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed("prctl(PR_SET_PDEATHSIG)"))?;
    if getppid() == parent {
        Ok(())
    } else {
        Err(Orphaned::ParentGone)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use nix::sys::resource::{Resource, getrlimit};

    use super::*;

    /// Set in the process that hardens itself: no other test may suffer from it.
    const CHILD: &str = "TOKENVPN_TEST_HARDENED_CHILD";

    #[test]
    fn a_hardened_process_keeps_its_memory_to_itself() {
        if std::env::var_os(CHILD).is_some() {
            return check_hardened();
        }
        let test = "io::hardening::tests::a_hardened_process_keeps_its_memory_to_itself";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }

    fn check_hardened() {
        harden().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE), Ok((0, 0)));
        assert_eq!(prctl::get_dumpable(), Ok(false));
        assert_eq!(prctl::get_no_new_privs(), Ok(true));
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
        assert_ne!(locked.map(str::trim), Some("0 kB"), "{status}");
        // Room that is not touched stays free.
        let _room = vec![0u8; 64 << 20];
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|text| text.trim().split(' ').next()?.parse::<u64>().ok());
        assert!(kib.is_some_and(|kib| kib < 32 << 10), "{status}");

        die_with_parent(getppid()).unwrap();
        assert_eq!(prctl::get_pdeathsig(), Ok(Some(Signal::SIGKILL)));
        outlive_parent().unwrap();
        assert_eq!(prctl::get_pdeathsig(), Ok(None));
        // A parent that was replaced by another before it could be watched.
        let other = Pid::this();
        assert!(matches!(die_with_parent(other), Err(Orphaned::ParentGone)));
    }
}

//! What a process gives up once everything that it needs is open: capabilities
//! (capabilities(7)), files (landlock(7)) and system calls (seccomp(2)).
//!
//! None of it can be taken back. What is open stays usable.

mod calls;

use std::collections::BTreeMap;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, PathFdError, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, make_bitflags,
};
use nix::errno::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

use crate::language::say;

pub use self::calls::Calls;

/// The newest rules for files and sockets that are asked for. An older kernel enforces
/// those that it has.
const LANDLOCK: ABI = ABI::V6;

/// A measure that the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfinementError {
    /// Capabilities cannot be dropped.
    #[error("{}", say().capabilities_kept())]
    Capabilities(#[source] Errno),
    /// A directory that is to stay usable cannot be opened.
    #[error("{}", say().directory_does_not_open())]
    Directory(#[from] PathFdError),
    /// Files cannot be shut off.
    #[error("{}", say().files_not_shut_off())]
    Files(#[from] RulesetError),
    /// System calls cannot be shut off.
    #[error("{}", say().calls_not_shut_off())]
    Calls(#[source] seccompiler::Error),
}

/// Drops every capability of this thread and of those it will start, from all sets.
///
/// The bounding set needs CAP_SETPCAP; without it that set stays, and with
/// no_new_privs nothing can be gained from it.
///
/// # Errors
/// [`ConfinementError::Capabilities`].
pub fn drop_capabilities() -> Result<(), ConfinementError> {
    let refused = |errno: rustix::io::Errno| {
        ConfinementError::Capabilities(Errno::from_raw(errno.raw_os_error()))
    };
    // By number: a kernel may know more of them than this program. EINVAL ends the list.
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            Ok(false) => {}
            Ok(true) => match remove_capability_from_bounding_set(capability) {
                Ok(()) | Err(rustix::io::Errno::PERM) => {}
                Err(errno) => return Err(refused(errno)),
            },
            Err(_) => break,
        }
    }
    clear_ambient_capability_set().map_err(refused)?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).map_err(refused)
}

/// What stays usable of the file system after [`confine_files`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept<'a> {
    /// Directories whose files may be read, written, made and removed.
    pub files: &'a [&'a Path],
    /// Directories from which files may be removed.
    pub removals: &'a [&'a Path],
}

/// Shuts this thread, and those it will start, off from all files and directories except
/// what is `kept`, from TCP and from abstract Unix sockets. On a kernel without landlock
/// it says so in the log and does nothing.
///
/// # Errors
/// [`ConfinementError::Directory`] or [`ConfinementError::Files`].
pub fn confine_files(kept: Kept<'_>) -> Result<(), ConfinementError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::AbstractUnixSocket)?
        .create()?;
    let work = make_bitflags!(AccessFs::{
        ReadFile | ReadDir | WriteFile | Truncate | MakeReg | RemoveFile
    });
    let removal = BitFlags::from(AccessFs::RemoveFile);
    for (directories, access) in [(kept.files, work), (kept.removals, removal)] {
        for directory in directories {
            ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(directory)?, access))?;
        }
    }
    if ruleset.restrict_self()?.ruleset == RulesetStatus::NotEnforced {
        tracing::info!("this kernel has no landlock: files are guarded by their modes alone");
    }
    Ok(())
}

/// Leaves all threads of this process only the system calls of `calls`, and sets
/// no_new_privs.
///
/// A call that is not among them fails with ENOSYS, as on a kernel that lacks it: a C
/// library that is newer than this list then falls back to an older call, as it would
/// there, instead of dying. What no library does by itself and every intruder tries (to
/// run programs, to look into processes, to load code into the kernel) ends the process.
///
/// # Errors
/// [`ConfinementError::Calls`].
pub fn confine_calls(calls: Calls) -> Result<(), ConfinementError> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        tracing::warn!("system calls are not filtered on this kind of processor");
        return Ok(());
    };
    let refused = ConfinementError::Calls;
    let fatal = calls::fatal().iter().map(|call| (*call, Vec::new()));
    let fatal = program(
        fatal.collect(),
        SeccompAction::Allow,
        SeccompAction::KillProcess,
        arch,
    );
    let unknown = SeccompAction::Errno(Errno::ENOSYS as u32);
    let allowed = program(calls.rules(), unknown, SeccompAction::Allow, arch);
    // Both are made before either is in force; the second forbids to add more.
    let (fatal, allowed) = (fatal.map_err(refused)?, allowed.map_err(refused)?);
    apply_filter_all_threads(&fatal).map_err(refused)?;
    apply_filter_all_threads(&allowed).map_err(refused)
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    action: SeccompAction,
    arch: TargetArch,
) -> Result<BpfProgram, seccompiler::Error> {
    let filter = SeccompFilter::new(rules, otherwise, action, arch)?;
    Ok(filter.try_into()?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io;
    use std::net::UdpSocket;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Output};
    use std::thread;

    use nix::libc;

    use super::*;

    /// Set in the process that confines itself, to what it then tries.
    const CHILD: &str = "TOKENVPN_TEST_CONFINED_CHILD";

    /// Runs one test of this module as a process of its own.
    fn in_child(test: &str, attempt: &str) -> Output {
        let test = format!("io::confinement::tests::{test}");
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &test, "--nocapture"])
            .env(CHILD, attempt)
            .output()
            .unwrap()
    }

    /// What a child is to try, if this is one.
    fn attempt() -> Option<String> {
        std::env::var(CHILD).ok()
    }

    fn errno<T>(result: io::Result<T>) -> Option<i32> {
        result.err().and_then(|error| error.raw_os_error())
    }

    #[test]
    fn only_what_is_kept_can_be_opened() {
        if attempt().is_none() {
            let output = in_child("only_what_is_kept_can_be_opened", "");
            assert!(output.status.success(), "{output:?}");
            return;
        }
        let work = tempfile::tempdir().unwrap();
        let leave = tempfile::tempdir().unwrap();
        let (gone, stays) = (leave.path().join("gone"), leave.path().join("stays"));
        fs::write(&gone, "").unwrap();
        fs::write(&stays, "").unwrap();
        let before = File::open("/dev/null").unwrap();
        confine_files(Kept {
            files: &[work.path()],
            removals: &[leave.path()],
        })
        .unwrap();
        let inside = work.path().join("inside");
        fs::write(&inside, "kept").unwrap();
        assert_eq!(fs::read(&inside).unwrap(), b"kept");
        fs::remove_file(&inside).unwrap();
        fs::remove_file(gone).unwrap();
        let denied = Some(libc::EACCES);
        assert_eq!(errno(fs::read(&stays)), denied);
        assert_eq!(errno(fs::write(leave.path().join("new"), "")), denied);
        assert_eq!(errno(File::open("/etc/passwd")), denied);
        assert_eq!(errno(std::net::TcpListener::bind("127.0.0.1:0")), denied);
        // Threads are as confined as the one that starts them; what is open stays so.
        let inherited = thread::spawn(|| errno(File::open("/etc/passwd")));
        assert_eq!(inherited.join().unwrap(), denied);
        before.metadata().unwrap();
    }

    #[test]
    fn calls_that_are_not_needed_fail_in_every_thread() {
        if attempt().is_none() {
            let output = in_child("calls_that_are_not_needed_fail_in_every_thread", "");
            assert!(output.status.success(), "{output:?}");
            return;
        }
        let (go, wait) = std::sync::mpsc::channel::<()>();
        // Started before the filter.
        let other = thread::spawn(move || {
            let _ = wait.recv();
            errno(File::open("/etc/passwd"))
        });
        confine_calls(Calls::Packets).unwrap();
        drop(go);
        let unknown = Some(libc::ENOSYS);
        assert_eq!(other.join().unwrap(), unknown);
        assert_eq!(errno(File::open("/etc/passwd")), unknown);
        assert_eq!(errno(UdpSocket::bind("127.0.0.1:0")), unknown);
        // Memory, output and the end remain.
        println!("{}", vec![7u8; 1 << 24].len());
        std::process::exit(0);
    }

    #[test]
    fn what_only_an_intruder_calls_ends_the_process() {
        let Some(attempt) = attempt() else {
            for attempt in ["exec", "namespace", "other process"] {
                let output = in_child("what_only_an_intruder_calls_ends_the_process", attempt);
                let signal = output.status.signal();
                let expected = match attempt {
                    "other process" => None,
                    _ => Some(libc::SIGSYS),
                };
                assert_eq!(signal, expected, "{attempt}: {output:?}");
            }
            return;
        };
        confine_calls(Calls::PacketsAndDatabase).unwrap();
        match attempt.as_str() {
            "exec" => drop(nix::unistd::execv(c"/bin/true", &[c"true"])),
            "namespace" => drop(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)),
            _ => {
                let parent = nix::unistd::getppid();
                let refused = nix::sys::signal::kill(parent, None);
                assert_eq!(refused, Err(Errno::ENOSYS));
            }
        }
        std::process::exit(0);
    }

    #[test]
    fn without_capabilities_nothing_is_left_of_root() {
        if attempt().is_none() {
            let output = in_child("without_capabilities_nothing_is_left_of_root", "");
            assert!(output.status.success(), "{output:?}");
            return;
        }
        drop_capabilities().unwrap();
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            let value = status.lines().find_map(|line| line.strip_prefix(set));
            assert_eq!(value, Some(":\t0000000000000000"), "{set}");
        }
        assert_eq!(nix::unistd::chroot("/"), Err(Errno::EPERM));
    }
}

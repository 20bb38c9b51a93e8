//! Which system calls remain.

use std::collections::BTreeMap;

use nix::libc::{self, c_long};
use nix::unistd::Pid;
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

/// What a process still does, and so which system calls it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Moves packets between descriptors that are open, and talks on open sockets, also
    /// with the smart-card service.
    Packets,
    /// The same; it also accepts connections and keeps a database.
    PacketsAndDatabase,
}

/// Reading, writing and waiting on what is open; memory; time; ending.
const PACKETS: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendmmsg,
    libc::SYS_close,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_timerfd_settime,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // What the C library does first in a thread that has only just been started.
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_sched_getaffinity,
    // The smart-card library asks whether its service's socket is still there.
    libc::SYS_newfstatat,
];

/// The old names that only this processor has.
#[cfg(target_arch = "x86_64")]
const PACKETS_OLD: &[c_long] = &[
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_stat,
];
#[cfg(not(target_arch = "x86_64"))]
const PACKETS_OLD: &[c_long] = &[];

/// Connections and who makes them; what SQLite does with its files, which landlock limits.
const DATABASE: &[c_long] = &[
    libc::SYS_accept4,
    libc::SYS_getsockopt,
    libc::SYS_openat,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_geteuid,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_unlinkat,
];

#[cfg(target_arch = "x86_64")]
const DATABASE_OLD: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const DATABASE_OLD: &[c_long] = &[];

/// What ends the process: to run programs, to look into processes, to reach for the
/// kernel, to change who one is.
pub(super) fn fatal() -> &'static [c_long] {
    &[
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_kexec_load,
        libc::SYS_mount,
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_chroot,
        libc::SYS_pivot_root,
        libc::SYS_setuid,
        libc::SYS_setresuid,
        libc::SYS_setgid,
        libc::SYS_setresgid,
        libc::SYS_keyctl,
    ]
}

impl Calls {
    /// What is allowed, by number; an empty list of rules is "with any arguments".
    pub(super) fn rules(self) -> BTreeMap<c_long, Vec<SeccompRule>> {
        let database: &[&[c_long]] = match self {
            Calls::Packets => &[],
            Calls::PacketsAndDatabase => &[DATABASE, DATABASE_OLD],
        };
        let lists = [PACKETS, PACKETS_OLD].into_iter();
        let calls = lists.chain(database.iter().copied()).flatten();
        let mut rules: BTreeMap<_, _> = calls.map(|call| (*call, Vec::new())).collect();

        // A panic that aborts signals its own thread, a removal kills its own process.
        let own = own_process();
        rules.insert(libc::SYS_kill, vec![own.clone()]);
        rules.insert(libc::SYS_tgkill, vec![own]);
        let name = u64::from(libc::PR_SET_NAME.cast_unsigned());
        rules.insert(libc::SYS_prctl, vec![rule(0, SeccompCmpOp::Eq, name)]);
        // No new code.
        rules.insert(libc::SYS_mmap, vec![not_executable()]);
        rules.insert(libc::SYS_mprotect, vec![not_executable()]);
        rules
    }
}

fn own_process() -> SeccompRule {
    let pid = u64::from(Pid::this().as_raw().cast_unsigned());
    rule(0, SeccompCmpOp::Eq, pid)
}

/// The third argument, a protection, does not ask for PROT_EXEC.
fn not_executable() -> SeccompRule {
    let executable = u64::from(libc::PROT_EXEC.cast_unsigned());
    rule(2, SeccompCmpOp::MaskedEq(executable), 0)
}

fn rule(argument: u8, compare: SeccompCmpOp, value: u64) -> SeccompRule {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, value);
    let condition = condition.expect("invariant: there are six arguments");
    SeccompRule::new(vec![condition]).expect("invariant: it has a condition")
}

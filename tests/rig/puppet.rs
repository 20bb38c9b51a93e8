//! Takes a process in hand as a debugger does: to let it panic where a test wants it to, and to let
//! it make a system call that it would never make. The programs are as they are shipped; they have
//! no switch for this.
//!
//! Everything happens at the entry of one of the program's own functions, called by its main thread or
//! one that is named: there the stack is as the compiler made it, so a panic unwinds as a real one does.

use std::{
    fs::{self, File, OpenOptions},
    io,
    marker::PhantomData,
    os::unix::fs::FileExt,
    path::PathBuf,
    process::Command,
};

use libc::user_regs_struct;
use nix::{
    errno::Errno,
    sys::{
        ptrace,
        signal::Signal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use crate::wait::{self, SOON};

/// The instructions `int3` and `syscall`.
const BREAKPOINT: [u8; 1] = [0xCC];
const SYSTEM_CALL: [u8; 2] = [0x0F, 0x05];

/// What a division by zero ends in. Its only argument is the place in the source.
const PANIC: &str = "core::panicking::panic_const::panic_const_div_by_zero";

/// A process one thread of which stands at the entry of a function.
///
/// It runs on when this is dropped.
pub struct Puppet {
    pid: Pid,
    program: PathBuf,
    memory: File,
    entry: u64,
    registers: user_regs_struct,
    /// Only the thread that took it in hand can do anything with it.
    _not_send: PhantomData<*const ()>,
}

impl Puppet {
    /// Like [`Puppet::at`], with the thread of this name; only that one may call the function.
    ///
    /// # Panics
    /// As there, or if there is no such thread.
    #[track_caller]
    pub fn at_thread(pid: i32, thread: &str, function: &str, cause: impl FnOnce()) -> Puppet {
        Puppet::at(thread_named(pid, thread), function, cause)
    }

    /// Waits until the main thread of this process calls `function`, named as the source names
    /// it, and stops it there. `cause` should see to it that it does.
    ///
    /// Until this is dropped nobody in this process may wait for that one.
    ///
    /// # Panics
    /// If the program has no such function, or does not call it in time.
    #[track_caller]
    pub fn at(pid: i32, function: &str, cause: impl FnOnce()) -> Puppet {
        let program = fs::read_link(format!("/proc/{pid}/exe")).expect("the process runs");
        let entry = base(pid, &program) + offset(&program, function);
        let memory = OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/mem"))
            .expect("the memory of the process (this needs root)");
        let pid = Pid::from_raw(pid);
        ptrace::seize(pid, ptrace::Options::empty()).expect("a process to be traced");
        ptrace::interrupt(pid).expect("it is traced");
        let stopped = |status| match status {
            WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..) => Some(()),
            _ => None,
        };
        await_status(pid, "it stops", stopped);

        let mut original = BREAKPOINT;
        read_at(&memory, entry, &mut original);
        write_at(&memory, entry, &BREAKPOINT);
        ptrace::cont(pid, None).expect("it is stopped");
        cause();
        let registers = await_status(pid, &format!("{function} is called"), |status| {
            let signal = match status {
                WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                    let registers = ptrace::getregs(pid).expect("it is stopped");
                    if registers.rip == entry + 1 {
                        return Some(registers);
                    }
                    None
                }
                WaitStatus::Stopped(_, signal) => Some(signal),
                _ => None,
            };
            ptrace::cont(pid, signal).expect("it is stopped");
            None
        });
        write_at(&memory, entry, &original);
        let mut puppet = Puppet {
            pid,
            program,
            memory,
            entry,
            registers,
            _not_send: PhantomData,
        };
        puppet.registers.rip = entry;
        puppet.set(puppet.registers);
        puppet
    }

    /// Makes a system call; what the kernel gives.
    ///
    /// # Errors
    /// The kernel refuses.
    ///
    /// # Panics
    /// If the process ends of it.
    #[track_caller]
    pub fn call(&mut self, number: libc::c_long, arguments: [u64; 6]) -> Result<u64, Errno> {
        match self.try_call(number, arguments) {
            // Cast: the kernel gives errors as small negative numbers.
            Ok(result) if (-4095..0).contains(&result) => Err(Errno::from_raw(-result as i32)),
            Ok(result) => Ok(result as u64),
            Err(signal) => panic!("it ended by {signal} of the system call {number}"),
        }
    }

    /// Makes a system call that ends the process; the signal by which it does.
    ///
    /// # Panics
    /// If the process survives.
    #[track_caller]
    pub fn last_call(mut self, number: libc::c_long, arguments: [u64; 6]) -> Signal {
        match self.try_call(number, arguments) {
            Err(signal) => signal,
            Ok(result) => panic!("it survived the system call {number}: {result}"),
        }
    }

    fn try_call(&mut self, number: libc::c_long, arguments: [u64; 6]) -> Result<i64, Signal> {
        let mut original = SYSTEM_CALL;
        read_at(&self.memory, self.entry, &mut original);
        write_at(&self.memory, self.entry, &SYSTEM_CALL);
        let mut registers = self.registers;
        // Cast: numbers of system calls are small and positive.
        registers.rax = number as u64;
        [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ] = arguments;
        self.set(registers);
        ptrace::step(self.pid, None).expect("it is stopped");
        let result = await_status(self.pid, "the system call returns", |status| match status {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                let registers = ptrace::getregs(self.pid).expect("it is stopped");
                Some(Ok(registers.rax.cast_signed()))
            }
            WaitStatus::Signaled(_, signal, _) => Some(Err(signal)),
            _ => None,
        });
        if result.is_ok() {
            write_at(&self.memory, self.entry, &original);
            self.set(self.registers);
        }
        result
    }

    /// Puts bytes into memory that is new to the process; gives their address.
    ///
    /// # Panics
    /// If they are more than a page.
    #[track_caller]
    pub fn put(&mut self, bytes: &[u8]) -> u64 {
        const PAGE: u64 = 4096;
        assert!(bytes.len() as u64 <= PAGE);
        let access = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let kind = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let map = [0, PAGE, access, kind, u64::MAX, 0];
        let address = self.call(libc::SYS_mmap, map).expect("memory");
        write_at(&self.memory, address, bytes);
        address
    }

    /// Lets the thread panic instead of entering the function, and go on from there.
    #[track_caller]
    pub fn panic(mut self) {
        let target = base(self.pid.as_raw(), &self.program) + offset(&self.program, PANIC);
        // What `core::panic::Location` is made of: the name of the file, which a zero follows
        // that does not count, line and column.
        let file = b"puppet\0";
        let file_at = self.put(file);
        let place = [file_at, file.len() as u64 - 1, 1 << 32 | 1];
        let place: Vec<u8> = place.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let place = self.put(&place);
        self.registers.rdi = place;
        self.registers.rip = target;
        self.set(self.registers);
    }

    fn set(&self, registers: user_regs_struct) {
        ptrace::setregs(self.pid, registers).expect("it is stopped");
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        // It may have ended.
        let _ = ptrace::detach(self.pid, None);
    }
}

/// Waits for news of a traced process that `meaning` accepts.
#[track_caller]
fn await_status<T>(pid: Pid, what: &str, mut meaning: impl FnMut(WaitStatus) -> Option<T>) -> T {
    wait::until(what, SOON, || {
        let flags = WaitPidFlag::WNOHANG | WaitPidFlag::__WALL;
        match waitpid(pid, Some(flags)).expect("a traced process") {
            WaitStatus::StillAlive => None,
            status => meaning(status),
        }
    })
}

fn read_at(memory: &File, address: u64, bytes: &mut [u8]) {
    let read: io::Result<()> = memory.read_exact_at(bytes, address);
    read.expect("memory of a traced process can be read");
}

fn write_at(memory: &File, address: u64, bytes: &[u8]) {
    let written: io::Result<()> = memory.write_all_at(bytes, address);
    written.expect("memory of a traced process can be written");
}

/// The number of the process's thread of this name.
#[track_caller]
fn thread_named(pid: i32, name: &str) -> i32 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let mut threads = threads.flatten().map(|thread| thread.path());
    let found = threads.find(|thread| {
        fs::read_to_string(thread.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    });
    let number = found.and_then(|thread| thread.file_name()?.to_str()?.parse().ok());
    match number {
        Some(number) => number,
        None => panic!("the process has no thread {name}"),
    }
}

/// Where the program begins in the memory of the process.
#[track_caller]
fn base(pid: i32, program: &std::path::Path) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the process runs");
    let program = program.to_string_lossy();
    let first = maps.lines().find(|line| line.ends_with(&*program));
    let from = first.and_then(|line| line.split('-').next());
    let from = from.and_then(|from| u64::from_str_radix(from, 16).ok());
    from.expect("the program is in its own memory")
}

/// Where a function begins in the program, according to nm(1).
#[track_caller]
fn offset(program: &std::path::Path, function: &str) -> u64 {
    let listed = Command::new("nm").arg("-C").arg(program).output();
    let listed = listed.expect("nm runs (package binutils)");
    let listed = String::from_utf8_lossy(&listed.stdout);
    let found = listed.lines().find_map(|line| {
        let (address, symbol) = line.split_once(' ')?;
        (symbol.get(2..)? == function).then(|| u64::from_str_radix(address, 16).ok())?
    });
    match found {
        Some(offset) => offset,
        None => panic!("{} has no function {function}", program.display()),
    }
}

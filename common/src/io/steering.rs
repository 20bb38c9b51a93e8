//! Which worker's socket gets a datagram: the one whose number the datagram carries.
//!
//! A session's receiver index is random but for one byte, which names the worker that
//! made it (`crate::device::Worker`). A classic BPF program on the group of sockets
//! that share the port reads that byte.

use std::io;
use std::os::fd::AsFd;

use libc::{
    BPF_ABS, BPF_ALU, BPF_B, BPF_JA, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_MOD, BPF_RET,
    sock_filter, sock_fprog,
};
use nix::sys::socket::{setsockopt, sockopt};

/// Return value of a filter: the accumulator (linux/bpf_common.h).
const BPF_A: u32 = 0x10;

/// No socket has this number, so the kernel falls back to its hash of the addresses.
const BY_HASH: u32 = u32::MAX;

/// Where the worker's byte stands: the second of the little-endian receiver index
/// (WireGuard paper §5.4.3, §5.4.6, §5.4.7; boringtun counts in the first).
const IN_RESPONSE: u32 = 9;
const IN_COOKIE_OR_DATA: u32 = 5;

/// Steers the datagrams of the group that `socket` belongs to between `workers` sockets,
/// numbered in the order they were bound.
///
/// # Errors
/// What the kernel says; classic BPF on such groups came with Linux 4.5.
pub(super) fn attach(socket: &impl AsFd, workers: u8) -> io::Result<()> {
    let mut program = program(workers);
    let program = sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    Ok(setsockopt(socket, sockopt::AttachReusePortCbpf, &program)?)
}

fn program(workers: u8) -> [sock_filter; 10] {
    let step = |code: u32, jump_true: u8, jump_false: u8, k: u32| sock_filter {
        code: code as u16,
        jt: jump_true,
        jf: jump_false,
        k,
    };
    let load = |offset| step(BPF_LD | BPF_B | BPF_ABS, 0, 0, offset);
    let unless = |kind, jt, jf| step(BPF_JMP | BPF_JEQ | BPF_K, jt, jf, kind);
    [
        load(0),
        unless(4, 2, 0),
        unless(3, 1, 0),
        unless(2, 2, 5),
        load(IN_COOKIE_OR_DATA),
        step(BPF_JMP | BPF_JA, 0, 0, 1),
        load(IN_RESPONSE),
        step(BPF_ALU | BPF_MOD | BPF_K, 0, 0, u32::from(workers)),
        step(BPF_RET | BPF_A, 0, 0, 0),
        step(BPF_RET | BPF_K, 0, 0, BY_HASH),
    ]
}

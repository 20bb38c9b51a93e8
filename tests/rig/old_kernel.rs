//! A kernel that lacks the offloads, for one program.
//!
//! So a small library answers the program in place of the C library.

use std::path::PathBuf;

use crate::{host::Host, process::Invocation, wall_clock};

const SOURCE: &str = include_str!("old_kernel.c");

/// What such a kernel does for a TUN device. It does nothing for UDP sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunOffload {
    /// Nothing, as in some containers.
    Nothing,
    /// Checksums and the segmentation of TCP, as before Linux 6.2.
    Tcp,
}

/// A kernel of former times.
#[derive(Debug)]
pub struct OldKernel {
    offload: TunOffload,
    library: PathBuf,
}

impl OldKernel {
    /// One that does so much for a TUN device.
    ///
    /// # Panics
    /// If there is no C compiler.
    #[track_caller]
    pub fn new(host: &Host, offload: TunOffload) -> OldKernel {
        OldKernel {
            offload,
            library: wall_clock::compile(host, "old-kernel", SOURCE),
        }
    }

    /// Lets a program, and what it starts, find this kernel.
    #[must_use]
    pub fn of(&self, program: Invocation) -> Invocation {
        // TUN_F_CSUM, TUN_F_TSO4 and TUN_F_TSO6 (linux/if_tun.h).
        let bits = match self.offload {
            TunOffload::Nothing => "0",
            TunOffload::Tcp => "7",
        };
        program
            .env("LD_PRELOAD", &self.library)
            .env("TEST_OFFLOAD", bits)
    }
}

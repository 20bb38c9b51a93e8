//! A disk that stops answering, for one program.
//!
//! No namespace has a disk of its own that could be stopped. So a small library answers the program
//! in place of the C library.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::PathBuf,
};

use crate::{host::Host, process::Invocation, wall_clock};

const SOURCE: &str = include_str!("disk.c");

/// A disk that answers until it is told not to.
#[derive(Debug)]
pub struct SlowDisk {
    file: File,
    path: PathBuf,
    library: PathBuf,
}

impl SlowDisk {
    /// A disk that answers.
    ///
    /// # Panics
    /// If there is no C compiler.
    #[track_caller]
    pub fn new(host: &Host) -> SlowDisk {
        let path = host.dir().join("disk");
        fs::write(&path, [0]).expect("a file of the host's");
        let file = File::options().write(true).open(&path);
        SlowDisk {
            file: file.expect("a file of the host's"),
            path,
            library: wall_clock::compile(host, "disk", SOURCE),
        }
    }

    /// From now on whoever waits for it to write waits for ever.
    ///
    /// # Panics
    /// If the file is gone.
    #[track_caller]
    pub fn stop(&self) {
        let written = self.file.write_all_at(&[1], 0);
        written.expect("a file of the host's");
    }

    /// Lets a program, and what it starts, write to this disk.
    #[must_use]
    pub fn of(&self, program: Invocation) -> Invocation {
        program
            .env("LD_PRELOAD", &self.library)
            .env("TEST_DISK", &self.path)
    }
}

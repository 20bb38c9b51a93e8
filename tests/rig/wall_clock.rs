//! Another wall clock for one program.
//!
//! No namespace has a wall clock of its own, and setting the machine's would concern everybody. So
//! a small library answers the program in place of the C library.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::PathBuf,
    process::Command,
};

use crate::{host::Host, process::Invocation};

const SOURCE: &str = include_str!("clock.c");

/// The bytes of a number in its file, and where there the clocks' numbers are.
const NUMBER: usize = size_of::<i64>();
const WALL: u64 = 0;
const BOOT: u64 = NUMBER as u64;

/// A clock that is fast by some seconds, or slow.
#[derive(Debug)]
pub struct WallClock {
    file: File,
    path: PathBuf,
    library: PathBuf,
}

impl WallClock {
    /// A clock that is right.
    ///
    /// # Panics
    /// If there is no C compiler.
    #[track_caller]
    pub fn new(host: &Host) -> WallClock {
        let path = host.dir().join("clock");
        fs::write(&path, [0; 2 * NUMBER]).expect("a file of the host's");
        let library = compile(host, "clock", SOURCE);
        let file = File::options().read(true).write(true).open(&path);
        WallClock {
            file: file.expect("a file of the host's"),
            path,
            library,
        }
    }

    /// Sets it fast by so many seconds against the machine's own; whoever goes by it knows at once.
    ///
    /// # Panics
    /// If the file is gone.
    #[track_caller]
    pub fn set_fast(&self, seconds: i64) {
        self.set(WALL, seconds);
    }

    /// Lets the computer have slept for so long: whoever goes by it stood still meanwhile, and the
    /// clocks did not.
    ///
    /// # Panics
    /// If the file is gone.
    #[track_caller]
    pub fn sleep(&self, seconds: i64) {
        for clock in [WALL, BOOT] {
            let mut fast = [0; NUMBER];
            let read = self.file.read_exact_at(&mut fast, clock);
            read.expect("a file of the host's");
            self.set(clock, i64::from_ne_bytes(fast) + seconds);
        }
    }

    #[track_caller]
    fn set(&self, clock: u64, seconds: i64) {
        let written = self.file.write_all_at(&seconds.to_ne_bytes(), clock);
        written.expect("a file of the host's");
    }

    /// Lets a program, and what it starts, go by this clock.
    #[must_use]
    pub fn of(&self, program: Invocation) -> Invocation {
        program
            .env("LD_PRELOAD", &self.library)
            .env("TEST_CLOCK", &self.path)
    }
}

/// Makes a library that a program is given in front of the C library.
#[track_caller]
pub(crate) fn compile(host: &Host, name: &str, text: &str) -> PathBuf {
    let [source, library] = ["c", "so"].map(|kind| host.dir().join(format!("{name}.{kind}")));
    fs::write(&source, text).expect("a file of the host's");
    let compiled = Command::new("cc")
        .args([
            "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-pthread", "-o",
        ])
        .args([&library, &source])
        .status()
        .expect("a C compiler (package gcc)");
    assert!(compiled.success(), "{name}.c does not compile");
    library
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn a_program_goes_by_the_clock_it_is_given() {
        let world = World::new();
        let host = world.host("a");
        let clock = WallClock::new(&host);
        let seconds = |program: Invocation| -> i64 {
            let text = program.args(["-c", "date +%s"]).ok();
            text.trim().parse().expect("a number")
        };
        for fast in [0, 7_200, -7_200] {
            clock.set_fast(fast);
            let shown = seconds(clock.of(host.run("sh")));
            let difference = shown - seconds(host.run("sh"));
            assert!((difference - fast).abs() <= 2, "{difference}, not {fast}");
        }
        clock.sleep(7_200);
        assert!((seconds(clock.of(host.run("sh"))) - seconds(host.run("sh"))).abs() <= 2);
    }
}

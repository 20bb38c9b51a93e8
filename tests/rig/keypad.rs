//! A reader with keys of its own, on which a PIN is typed that no program sees.
//!
//! No virtual reader has keys. So a small library answers the program in place of the smart-card
//! library what such a reader would, and sends to the card what is typed.

use std::{fs, path::PathBuf};

use crate::{
    host::Host,
    process::Invocation,
    wait::{self, SOON},
    wall_clock,
};

const SOURCE: &str = include_str!("keypad.c");

/// The keys of a host's reader.
#[derive(Debug)]
pub struct Keypad {
    path: PathBuf,
    library: PathBuf,
}

impl Keypad {
    /// Keys that nobody has pressed.
    ///
    /// # Panics
    /// If there is no C compiler.
    #[track_caller]
    pub fn new(host: &Host) -> Keypad {
        Keypad {
            path: host.dir().join("keypad-typed"),
            library: wall_clock::compile(host, "keypad", SOURCE),
        }
    }

    /// Lets a program, and what it starts, find these keys at every reader.
    #[must_use]
    pub fn of(&self, program: Invocation) -> Invocation {
        program
            .env("LD_PRELOAD", &self.library)
            .env("TEST_KEYPAD", &self.path)
    }

    /// The same, but no PIN can be changed on them.
    #[must_use]
    pub fn only_verifying(&self, program: Invocation) -> Invocation {
        self.of(program).env("TEST_KEYPAD_VERIFIES_ONLY", "1")
    }

    /// The same, but the reader cannot ask: it answers every question with this status at once
    /// (four hexadecimal digits).
    #[must_use]
    pub fn refusing(&self, program: Invocation, status: &str) -> Invocation {
        self.of(program).env("TEST_KEYPAD_REFUSES", status)
    }

    /// Types the old PIN, the new one and that again, once the reader asks.
    ///
    /// # Panics
    /// If it does not ask.
    #[track_caller]
    pub fn change(&self, old: &str, new: &str, again: &str) {
        self.press(&[old, new, again].join("\n"));
    }

    /// Types a PIN and presses the key that ends it, once the reader asks.
    ///
    /// # Panics
    /// If it does not ask.
    #[track_caller]
    pub fn press(&self, pin: &str) {
        let new = self.path.with_extension("new");
        fs::write(&new, pin).expect("a file of the host's");
        fs::rename(&new, &self.path).expect("a file of the host's");
        wait::until_true("the reader asks", SOON, || !self.path.exists());
    }

    /// Presses the key that cancels, once the reader asks.
    ///
    /// # Panics
    /// If it does not ask.
    #[track_caller]
    pub fn cancel(&self) {
        self.press("");
    }

    /// Lets the reader's time for typing run out, once it asks.
    ///
    /// # Panics
    /// If it does not ask.
    #[track_caller]
    pub fn time_out(&self) {
        self.press("nobody");
    }

    /// Lets the reader fail, once it asks.
    ///
    /// # Panics
    /// If it does not ask.
    #[track_caller]
    pub fn break_down(&self) {
        self.press("breakdown");
    }
}

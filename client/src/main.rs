//! tokenvpn: a VPN that you carry.
//!
//! Reads the command line and hands over; `up` is two processes, see [`supervisor`]
//! and [`worker`].

#![forbid(unsafe_code)]

mod alarm;
mod attempts;
mod cli;
mod commands;
mod config;
mod doctor;
mod lifecycle;
mod message;
mod net;
mod pin;
mod runtime;
mod supervisor;
mod terminal;
mod voice;
mod words;
mod worker;

#[cfg(test)]
#[path = "../../contrib/documents.rs"]
mod documents;

use std::alloc::System;
use std::process::ExitCode;

use clap::error::ErrorKind;
use tokenvpn_common::io::{command_line, fault, locale, logging, stderr};
use tracing::level_filters::LevelFilter;
use zeroizing_alloc::ZeroAlloc;

use crate::cli::{Cli, Command};
use crate::words::{Failure, code};

/// Wipes all memory that is given back: the second layer, for copies that no type of ours
/// wipes. Packets cost nothing, as nothing is allocated for them.
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    let _log = logging::init(LevelFilter::WARN);
    locale::follow();
    fault::tell_with(|what| {
        let what = what.to_owned();
        let failure = Failure::from(words::Fault::Panicked { what });
        // Whoever panics may hold keys: no terminal is waited for.
        stderr::write(&format!("{failure}\n"));
    });
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == worker::ARGUMENT)
    {
        return fault::caught(worker::run).unwrap_or(ExitCode::from(code::INTERNAL));
    }
    match command_line::parse::<Cli>() {
        Ok(cli) => match fault::caught(|| run(cli)) {
            Some(Ok(code)) => ExitCode::from(code),
            Some(Err(failure)) => complain(&failure),
            None => ExitCode::from(code::INTERNAL),
        },
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
            _ => complain(&words::usage(&error)),
        },
    }
}

fn run(cli: Cli) -> Result<u8, Failure> {
    match cli.command {
        Command::Up(options) => commands::up::run(options),
        Command::Down(options) => commands::down::run(options).map(|()| 0),
        Command::Status(options) => commands::status::run(options),
        Command::Doctor(options) => commands::doctor::run(&options),
        Command::Token(command) => commands::token::run(command).map(|()| 0),
    }
}

fn complain(failure: &Failure) -> ExitCode {
    eprintln!("{failure}");
    ExitCode::from(failure.code)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::hint::black_box;
    use std::os::unix::fs::FileExt as _;

    #[test]
    fn memory_that_is_given_back_is_wiped() {
        let secret = black_box(vec![0xA7u8; 4096]);
        let address = secret.as_ptr().addr() as u64;
        let memory = File::open("/proc/self/mem").unwrap();
        let mut bytes = [0; 4096];
        memory.read_exact_at(&mut bytes, address).unwrap();
        assert_eq!(bytes, [0xA7; 4096]);
        drop(secret);
        // Others may have got some of it meanwhile.
        memory.read_exact_at(&mut bytes, address).unwrap();
        let left = bytes.iter().filter(|byte| **byte == 0xA7).count();
        assert!(left < 256, "{left} bytes are left");
    }
}

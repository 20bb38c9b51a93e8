//! The gateway that tokens connect to: it knows each identity by its key, forwards
//! between it and the networks behind, and follows it across networks.

#![forbid(unsafe_code)]

mod cli;
mod commands;
mod config;
mod control;
mod gateway;
mod key_file;
mod listing;
mod registry;
mod state;
mod verbs;
mod words;
mod worker;

#[cfg(test)]
#[path = "../../contrib/documents.rs"]
mod documents;

use std::alloc::System;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use tokenvpn_common::io::{fault, stderr};
use zeroizing_alloc::ZeroAlloc;

use self::cli::{Cli, Command};
use self::words::{Failure, code};

/// Wipes all memory that is given back: the second layer, for copies that no type of ours
/// wipes. Packets cost nothing, as nothing is allocated for them.
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    fault::tell_with(|what| stderr::write(&format!("{}\n", words::fault(what))));
    match Cli::try_parse() {
        Ok(cli) => match fault::caught(|| run(cli)) {
            Some(Ok(())) => ExitCode::SUCCESS,
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

fn run(cli: Cli) -> Result<(), Failure> {
    let path = &cli.config;
    match cli.command {
        Command::Init(asked) => commands::init::run(path, asked),
        Command::Run => commands::run::run(path),
        Command::Reload => commands::reload::run(path),
        Command::Invite(asked) => commands::invite::run(path, asked),
        Command::Enrol => commands::enrol::run(path),
        Command::Add(asked) => commands::add::run(path, asked),
        Command::Revoke(asked) => commands::revoke::run(path, asked),
        Command::Reinstate(asked) => commands::reinstate::run(path, asked),
        Command::Identities(output) => commands::identities::run(path, &output),
        Command::Status(asked) => commands::status::run(path, &asked),
        Command::Audit(asked) => commands::audit::run(path, &asked),
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

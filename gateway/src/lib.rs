//! The gateway that tokens connect to: it knows each identity by its key, forwards
//! between it and the networks behind, and follows it across networks.

//!
//! All of it is in this library, and the program is a shell around [`main`], so that a fuzzer can
//! reach what the program reads.

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

use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::io::{command_line, fault, locale, stderr};

use self::cli::{Cli, Command};
use self::registry::Registry;
use self::words::{Failure, code};

/// The program: reads the command line and hands over.
pub fn main() -> ExitCode {
    locale::follow();
    fault::tell_with(|what| stderr::write(&format!("{}\n", words::fault(what))));
    match command_line::parse::<Cli>() {
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

/// Reads all of the registry at `path` as a start and the commands do; gives how many identities it
/// has.
///
/// # Errors
/// What is wrong with it, in words for people.
pub fn read_registry(path: &Path) -> Result<usize, String> {
    let read = || {
        let registry = Registry::open(path)?;
        let identities = registry.identities()?;
        let mut count = 0;
        registry.each_identity(|_| count += 1)?;
        assert_eq!(
            count,
            identities.len(),
            "a start lets in others than are listed"
        );
        registry.invitations(UnixTime(0))?;
        registry.audit(None)?;
        registry.last_seen()?;
        registry.seen_initiations()?;
        Ok(count)
    };
    read().map_err(|error: registry::RegistryError| error.to_string())
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

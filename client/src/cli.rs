//! The command line. A contract: scripts depend on it.

use std::num::NonZeroU64;
use std::os::fd::RawFd;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokenvpn_common::language::say;
use tokenvpn_common::token::Ident;

use crate::commands::token::TokenCommand;
use crate::lifecycle::OnRemoval;
use crate::words::help;

#[derive(Debug, Parser)]
#[command(
    name = "tokenvpn",
    version,
    about = say().help_about(),
    after_long_help = help::exit_status(),
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(about = say().help_up(), after_long_help = say().help_up_more())]
    Up(Up),
    #[command(about = say().help_down())]
    Down(Interface),
    #[command(about = say().help_status())]
    Status(Status),
    #[command(about = say().help_doctor())]
    Doctor(Doctor),
    #[command(
        subcommand,
        about = say().help_token(),
        long_about = help::with_more(&say().help_token(), &say().help_token_more())
    )]
    Token(TokenCommand),
}

// Options of `up`. What is left out comes from /etc/tokenvpn/client.toml.
#[derive(Debug, Default, Args)]
pub(crate) struct Up {
    #[arg(long, value_name = say().value_ident(), help = say().help_up_token())]
    pub(crate) token: Option<Ident>,
    #[arg(
        long,
        value_name = say().value_number(),
        value_parser = descriptor,
        help = say().help_pin_fd()
    )]
    pub(crate) pin_fd: Option<RawFd>,
    #[arg(long, help = say().help_no_keypad())]
    pub(crate) no_keypad: bool,
    #[arg(
        long,
        value_name = say().value_name(),
        value_parser = interface,
        help = say().help_interface()
    )]
    pub(crate) interface: Option<String>,
    #[arg(
        long,
        value_name = say().value_seconds(),
        value_parser = seconds,
        help = say().help_up_wait()
    )]
    pub(crate) wait: Option<Duration>,
    #[arg(
        long,
        value_name = say().value_seconds(),
        value_parser = seconds,
        help = say().help_up_ready_timeout()
    )]
    pub(crate) ready_timeout: Option<Duration>,
    #[arg(long, help = say().help_up_once())]
    pub(crate) once: bool,
    #[arg(
        long,
        help = say().help_up_kill_switch(),
        long_help = help::with_more(&say().help_up_kill_switch(), &say().help_up_kill_switch_more())
    )]
    pub(crate) kill_switch: bool,
    #[arg(
        long,
        value_name = say().value_policy(),
        help = say().help_up_on_removal(),
        long_help = help::with_more(&say().help_up_on_removal(), &say().help_up_on_removal_more())
    )]
    pub(crate) on_removal: Option<OnRemoval>,
    #[arg(long, help = say().help_up_json())]
    pub(crate) json: bool,
}

// Options of `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) interface: Interface,
    #[arg(long, help = say().usage_json())]
    pub(crate) json: bool,
    #[arg(long, help = say().help_status_watch())]
    pub(crate) watch: bool,
}

// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[arg(
        long,
        help = say().help_doctor_gateways(),
        long_help = help::with_more(
            &say().help_doctor_gateways(),
            &say().help_doctor_gateways_more()
        )
    )]
    pub(crate) gateways: bool,
    #[arg(
        long,
        value_name = say().value_ident(),
        requires = "gateways",
        help = say().help_which_token()
    )]
    pub(crate) token: Option<Ident>,
    #[arg(
        long,
        value_name = say().value_number(),
        requires = "gateways",
        value_parser = descriptor,
        help = say().help_pin_fd()
    )]
    pub(crate) pin_fd: Option<RawFd>,
    #[arg(long, requires = "gateways", help = say().help_no_keypad())]
    pub(crate) no_keypad: bool,
    #[arg(long, conflicts_with = "gateways", help = say().help_doctor_residue())]
    pub(crate) residue: bool,
    #[arg(long, help = say().usage_json())]
    pub(crate) json: bool,
}

// Which tunnel is meant.
#[derive(Debug, Args)]
pub(crate) struct Interface {
    #[arg(
        long,
        value_name = say().value_name(),
        value_parser = interface,
        help = say().help_interface()
    )]
    pub(crate) interface: Option<String>,
}

/// The tunnel device's name if nobody says another.
pub(crate) const DEFAULT_INTERFACE: &str = "tokenvpn";

/// The number of a descriptor that can be taken over: not where we write.
pub(crate) fn descriptor(text: &str) -> Result<RawFd, String> {
    match text.parse() {
        Ok(number) if number == 0 || number > 2 => Ok(number),
        _ => Err(say().bad_descriptor()),
    }
}

/// A time in whole seconds, at least one.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: NonZeroU64 = text.parse().map_err(|_| say().bad_time())?;
    Ok(Duration::from_secs(seconds.get()))
}

/// A name that Linux takes for an interface and that names our files under /run.
///
/// # Errors
/// Not 1 to 15 letters, digits, `-`, `_`, `.` with a letter or digit first, or a name
/// that the gateway's files have.
pub(crate) fn interface(name: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty()
        || name.len() > tokenvpn_common::io::tun::MAX_NAME
        || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !name.chars().all(is_plain)
    {
        return Err(say().bad_interface());
    }
    if name == "gateway" {
        return Err(say().interface_of_the_gateway());
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn an_interface_name_cannot_leave_our_directory() {
        for name in [
            "",
            "../x",
            "a/b",
            ".a",
            "-a",
            "gateway",
            "sixteen-letters-",
            "a b",
        ] {
            assert!(interface(name).is_err(), "{name:?}");
        }
        assert_eq!(interface("tokenvpn"), Ok("tokenvpn".into()));
        assert_eq!(interface("wg0.7_a-b"), Ok("wg0.7_a-b".into()));
    }

    #[test]
    fn a_pin_is_read_from_where_nothing_is_written() {
        for text in ["1", "2", "-1", "x", "4294967296"] {
            assert!(descriptor(text).is_err(), "{text}");
        }
        assert_eq!((descriptor("0"), descriptor("9")), (Ok(0), Ok(9)));
    }

    #[test]
    fn a_time_is_a_whole_number_of_seconds() {
        assert!(seconds("0").is_err() && seconds("-1").is_err() && seconds("1.5").is_err());
        assert_eq!(seconds("90"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn its_documents_are_up_to_date() {
        let command = tokenvpn_common::io::command_line::command::<Cli>();
        crate::documents::check(command, &help::exit_codes(), &help::manual::sections());
    }
}

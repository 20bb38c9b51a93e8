//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::key::PublicKey;
use tokenvpn_common::name::Name;

use crate::config::{self, Network};
use crate::words::help;

#[derive(Debug, Parser)]
#[command(
    name = "tokenvpn-gateway",
    version,
    about = help::ABOUT,
    after_long_help = help::exit_status()
)]
pub(crate) struct Cli {
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = config::DEFAULT_PATH,
        help = help::CONFIG
    )]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(about = help::INIT)]
    Init(Init),
    #[command(about = help::RUN)]
    Run,
    #[command(
        about = help::RELOAD,
        long_about = help::with_more(help::RELOAD, help::RELOAD_MORE)
    )]
    Reload,
    #[command(
        about = help::INVITE,
        long_about = help::with_more(help::INVITE, help::INVITE_MORE)
    )]
    Invite(Invite),
    #[command(about = help::ENROL)]
    Enrol,
    #[command(about = help::ADD)]
    Add(Add),
    #[command(about = help::REVOKE)]
    Revoke(Revoke),
    #[command(
        about = help::REINSTATE,
        long_about = help::with_more(help::REINSTATE, help::REINSTATE_MORE)
    )]
    Reinstate(Reinstate),
    #[command(about = help::IDENTITIES)]
    Identities(Output),
    #[command(about = help::STATUS)]
    Status(Status),
    #[command(about = help::AUDIT)]
    Audit(Audit),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    #[arg(long, value_name = "HOST:PORT", help = help::init::ENDPOINT)]
    pub(crate) endpoint: Endpoint,
    #[arg(
        long,
        value_name = "CIDR",
        required = true,
        value_delimiter = ',',
        help = help::init::NETWORK
    )]
    pub(crate) network: Vec<Network>,
    #[arg(
        long,
        value_name = "NAME",
        default_value = config::DEFAULT_INTERFACE,
        help = help::init::INTERFACE
    )]
    pub(crate) interface: config::Interface,
    #[arg(
        long,
        value_name = "DIR",
        default_value = config::DEFAULT_STATE_DIR,
        help = help::init::STATE_DIR
    )]
    pub(crate) state_dir: PathBuf,
    #[arg(
        long,
        value_name = "DIR",
        default_value = config::DEFAULT_RUNTIME_DIR,
        help = help::init::RUNTIME_DIR
    )]
    pub(crate) runtime_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Invite {
    #[arg(help = help::invite::NAME)]
    pub(crate) name: Name,
    #[arg(long, help = help::invite::SPARE)]
    pub(crate) spare: bool,
    #[arg(long, value_name = "IP", help = help::invite::ADDRESS)]
    pub(crate) address: Vec<IpAddr>,
    #[arg(long, value_name = "CIDR", help = help::invite::ROUTE)]
    pub(crate) route: Vec<Network>,
    #[arg(long, value_name = "IP", help = help::invite::DNS)]
    pub(crate) dns: Vec<IpAddr>,
    #[arg(long, value_name = "DATE", help = help::invite::EXPIRES)]
    pub(crate) expires: Option<UnixTime>,
    #[arg(long, value_name = "HOST:PORT", help = help::invite::ENDPOINT)]
    pub(crate) endpoint: Vec<Endpoint>,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    #[arg(help = help::add::NAME)]
    pub(crate) name: Name,
    #[arg(long, value_name = "KEY", help = help::add::PUBLIC_KEY)]
    pub(crate) public_key: PublicKey,
    #[arg(long, value_name = "FILE", help = help::add::PRESHARED_KEY)]
    pub(crate) preshared_key: Option<PathBuf>,
    #[arg(long, value_name = "IP", help = help::add::ADDRESS)]
    pub(crate) address: Vec<IpAddr>,
    #[arg(long, value_name = "DATE", help = help::add::EXPIRES)]
    pub(crate) expires: Option<UnixTime>,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[arg(help = help::revoke::NAME)]
    pub(crate) name: Name,
    #[arg(long, value_name = "KEY", help = help::revoke::KEY)]
    pub(crate) key: Option<PublicKey>,
}

#[derive(Debug, Args)]
pub(crate) struct Reinstate {
    #[arg(
        required_unless_present = "all",
        conflicts_with = "all",
        help = help::reinstate::NAME
    )]
    pub(crate) name: Option<Name>,
    #[arg(long, help = help::reinstate::ALL)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    #[arg(long, help = help::JSON)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) output: Output,
    #[arg(long, help = help::status::WATCH)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) output: Output,
    #[arg(long, value_name = "DATE", help = help::audit::SINCE)]
    pub(crate) since: Option<Since>,
}

/// A time from which on something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since(pub(crate) UnixTime);

impl FromStr for Since {
    type Err = <UnixTime as FromStr>::Err;

    fn from_str(text: &str) -> Result<Since, Self::Err> {
        const DAY: u64 = 86_400;
        let time: UnixTime = text.parse()?;
        // A bare date is the last second of its day, which is right for an end.
        let is_bare = !text.contains(['T', 't', ' ']);
        Ok(Since(match is_bare {
            true => UnixTime((time.0 + 1).saturating_sub(DAY)),
            false => time,
        }))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn init_takes_several_networks_in_one_word() {
        let words = [
            "tokenvpn-gateway",
            "init",
            "--endpoint",
            "vpn.example:51820",
            "--network",
            "10.77.0.0/24,fd77::/64",
        ];
        let Command::Init(init) = Cli::try_parse_from(words).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(init.network.len(), 2);
    }

    #[test]
    fn a_bare_date_begins_the_day_from_which_on_something_is_shown() {
        let since = |text: &str| text.parse::<Since>().unwrap().0.to_string();
        assert_eq!(since("2026-11-05"), "2026-11-05T00:00:00Z");
        assert_eq!(since("2026-11-05T12:00:00Z"), "2026-11-05T12:00:00Z");
        assert!("yesterday".parse::<Since>().is_err());
    }

    #[test]
    fn its_documents_are_up_to_date() {
        let command = <Cli as clap::CommandFactory>::command();
        crate::documents::check(command, &help::EXIT_STATUS, &[]);
    }
}

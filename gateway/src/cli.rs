//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::key::PublicKey;
use tokenvpn_common::language::say;
use tokenvpn_common::name::Name;

use crate::config::{self, Network};
use crate::words::help;

#[derive(Debug, Parser)]
#[command(
    name = "tokenvpn-gateway",
    version,
    about = say().gateway_help_about(),
    after_long_help = help::exit_status()
)]
pub(crate) struct Cli {
    #[arg(
        long,
        global = true,
        value_name = say().value_file(),
        default_value = config::DEFAULT_PATH,
        help = say().gateway_help_config()
    )]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(about = say().gateway_help_init())]
    Init(Init),
    #[command(about = say().gateway_help_run())]
    Run,
    #[command(
        about = say().gateway_help_reload(),
        long_about = help::with_more(
            &say().gateway_help_reload(),
            &say().gateway_help_reload_more()
        )
    )]
    Reload,
    #[command(
        about = say().gateway_help_invite(),
        long_about = help::with_more(
            &say().gateway_help_invite(),
            &say().gateway_help_invite_more()
        )
    )]
    Invite(Invite),
    #[command(about = say().gateway_help_enrol())]
    Enrol,
    #[command(about = say().gateway_help_add())]
    Add(Add),
    #[command(about = say().gateway_help_revoke())]
    Revoke(Revoke),
    #[command(
        about = say().gateway_help_reinstate(),
        long_about = help::with_more(
            &say().gateway_help_reinstate(),
            &say().gateway_help_reinstate_more()
        )
    )]
    Reinstate(Reinstate),
    #[command(about = say().gateway_help_identities())]
    Identities(Output),
    #[command(about = say().gateway_help_status())]
    Status(Status),
    #[command(about = say().gateway_help_audit())]
    Audit(Audit),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    #[arg(long, value_name = say().value_endpoint(), help = say().gateway_help_init_endpoint())]
    pub(crate) endpoint: Endpoint,
    #[arg(
        long,
        value_name = say().value_network(),
        required = true,
        value_delimiter = ',',
        help = say().gateway_help_init_network()
    )]
    pub(crate) network: Vec<Network>,
    #[arg(
        long,
        value_name = say().value_name(),
        default_value = config::DEFAULT_INTERFACE,
        help = say().gateway_help_init_interface()
    )]
    pub(crate) interface: config::Interface,
    #[arg(
        long,
        value_name = say().value_directory(),
        default_value = config::DEFAULT_STATE_DIR,
        help = say().gateway_help_init_state_dir()
    )]
    pub(crate) state_dir: PathBuf,
    #[arg(
        long,
        value_name = say().value_directory(),
        default_value = config::DEFAULT_RUNTIME_DIR,
        help = say().gateway_help_init_runtime_dir()
    )]
    pub(crate) runtime_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Invite {
    #[arg(value_name = say().value_name(), help = say().gateway_help_invite_name())]
    pub(crate) name: Name,
    #[arg(long, help = say().gateway_help_invite_spare())]
    pub(crate) spare: bool,
    #[arg(long, value_name = say().value_address(), help = say().gateway_help_invite_address())]
    pub(crate) address: Vec<IpAddr>,
    #[arg(long, value_name = say().value_network(), help = say().gateway_help_invite_route())]
    pub(crate) route: Vec<Network>,
    #[arg(long, value_name = say().value_address(), help = say().gateway_help_invite_dns())]
    pub(crate) dns: Vec<IpAddr>,
    #[arg(long, value_name = say().value_date(), help = say().gateway_help_expires())]
    pub(crate) expires: Option<UnixTime>,
    #[arg(long, value_name = say().value_endpoint(), help = say().gateway_help_invite_endpoint())]
    pub(crate) endpoint: Vec<Endpoint>,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    #[arg(value_name = say().value_name(), help = say().gateway_help_add_name())]
    pub(crate) name: Name,
    #[arg(long, value_name = say().value_key(), help = say().gateway_help_add_public_key())]
    pub(crate) public_key: PublicKey,
    #[arg(long, value_name = say().value_file(), help = say().gateway_help_add_preshared_key())]
    pub(crate) preshared_key: Option<PathBuf>,
    #[arg(long, value_name = say().value_address(), help = say().gateway_help_add_address())]
    pub(crate) address: Vec<IpAddr>,
    #[arg(long, value_name = say().value_date(), help = say().gateway_help_expires())]
    pub(crate) expires: Option<UnixTime>,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[arg(value_name = say().value_name(), help = say().gateway_help_revoke_name())]
    pub(crate) name: Name,
    #[arg(long, value_name = say().value_key(), help = say().gateway_help_revoke_key())]
    pub(crate) key: Option<PublicKey>,
}

#[derive(Debug, Args)]
pub(crate) struct Reinstate {
    #[arg(
        value_name = say().value_name(),
        required_unless_present = "all",
        conflicts_with = "all",
        help = say().gateway_help_reinstate_name()
    )]
    pub(crate) name: Option<Name>,
    #[arg(long, help = say().gateway_help_reinstate_all())]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    #[arg(long, help = say().usage_json())]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) output: Output,
    #[arg(long, help = say().gateway_help_status_watch())]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) output: Output,
    #[arg(long, value_name = say().value_date(), help = say().gateway_help_audit_since())]
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
        let command = tokenvpn_common::io::command_line::command::<Cli>();
        let exit_status = help::EXIT_STATUS.map(|(code, meaning)| (code, meaning()));
        let exit_status = exit_status.each_ref();
        let exit_status = exit_status.map(|(code, meaning)| (*code, meaning.as_str()));
        crate::documents::check(command, &exit_status, &[]);
    }
}

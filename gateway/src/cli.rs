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

/// The gateway that tokens connect to
#[derive(Debug, Parser)]
#[command(name = "tokenvpn-gateway", version)]
pub(crate) struct Cli {
    /// The gateway's configuration
    #[arg(long, global = true, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the key, the configuration and the registry; print the gateway's public key
    Init(Init),
    /// Run the gateway in the foreground
    Run,
    /// Let the running gateway take up a changed configuration
    ///
    /// Endpoints, routes, dns, keepalive and invitation_days count at once, in the
    /// invitations that follow. Anything else takes a restart and is refused here.
    Reload,
    /// Print an invitation for a token (TOML)
    ///
    /// A name that exists is invited to renew: it keeps its address, and its old key
    /// ends when the new one is enrolled.
    Invite(Invite),
    /// Read a token's enrolment (TOML) from standard input and let it in
    Enrol,
    /// Let in a WireGuard client that made its own key
    Add(Add),
    /// End a name's access, live sessions included
    Revoke(Revoke),
    /// List who may come in
    Identities(Output),
    /// Show the running gateway and its peers
    Status(Status),
    /// Show who was invited, enrolled, added and revoked, by whom and when
    Audit(Audit),
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where clients reach this machine from outside
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) endpoint: Endpoint,
    /// The tunnel's networks; the gateway takes the first address of each
    #[arg(long, value_name = "CIDR", required = true, value_delimiter = ',')]
    pub(crate) network: Vec<Network>,
    /// Name of the tunnel device
    #[arg(long, value_name = "NAME", default_value = config::DEFAULT_INTERFACE)]
    pub(crate) interface: config::Interface,
    /// Where the key and the registry are kept
    #[arg(long, value_name = "DIR", default_value = config::DEFAULT_STATE_DIR)]
    pub(crate) state_dir: PathBuf,
    /// Where the control socket stands while the gateway runs
    #[arg(long, value_name = "DIR", default_value = config::DEFAULT_RUNTIME_DIR)]
    pub(crate) runtime_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Invite {
    /// Who is invited
    pub(crate) name: Name,
    /// Invite a further key of that name, with its own address, revocable alone
    #[arg(long)]
    pub(crate) spare: bool,
    /// A tunnel address instead of the next free one; for a renewal, the address of the key to renew
    #[arg(long, value_name = "IP")]
    pub(crate) address: Vec<IpAddr>,
    /// A network to reach through the tunnel, instead of the configured ones
    #[arg(long, value_name = "CIDR")]
    pub(crate) route: Vec<Network>,
    /// A resolver to use, instead of the configured ones
    #[arg(long, value_name = "IP")]
    pub(crate) dns: Vec<IpAddr>,
    /// When the access ends; a bare date ends that day, UTC
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<UnixTime>,
    /// Where to reach the gateway, instead of the configured endpoints
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) endpoint: Vec<Endpoint>,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Who is let in
    pub(crate) name: Name,
    /// The client's public key (wg pubkey)
    #[arg(long, value_name = "KEY")]
    pub(crate) public_key: PublicKey,
    /// A file with a preshared key (wg genpsk)
    #[arg(long, value_name = "FILE")]
    pub(crate) preshared_key: Option<PathBuf>,
    /// A tunnel address instead of the next free one
    #[arg(long, value_name = "IP")]
    pub(crate) address: Vec<IpAddr>,
    /// When the access ends; a bare date ends that day, UTC
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<UnixTime>,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Whose access ends
    pub(crate) name: Name,
    /// End this key's access only
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<PublicKey>,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) output: Output,
    /// Show it again and again until a key is pressed; with --json, one object a line
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) output: Output,
    /// Nothing older than this; a bare date begins that day, UTC
    #[arg(long, value_name = "DATE")]
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
        crate::documents::check(<Cli as clap::CommandFactory>::command());
    }
}

//! The command line. A contract: scripts depend on it.

use std::num::NonZeroU64;
use std::os::fd::RawFd;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokenvpn_common::token::Ident;

use crate::commands::token::TokenCommand;
use crate::lifecycle::OnRemoval;
use crate::words;

/// A VPN that you carry: everything it needs comes from an OpenPGP card token.
#[derive(Debug, Parser)]
#[command(name = "tokenvpn", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Wait for a token, ask for its PIN and hold the tunnel until the token is pulled.
    Up(Up),
    /// End a running `up` and put everything back.
    Down(Interface),
    /// Say whether the tunnel is up.
    Status(Status),
    /// Look for what keeps the tunnel from working, and say what to do about it.
    Doctor(Doctor),
    /// Look at tokens, fill and empty them.
    #[command(subcommand)]
    Token(TokenCommand),
}

/// Options of `up`. What is left out comes from /etc/tokenvpn/client.toml.
#[derive(Debug, Default, Args)]
pub(crate) struct Up {
    /// Use this token only, as in 0006:12345678.
    #[arg(long, value_name = "IDENT")]
    pub(crate) token: Option<Ident>,
    /// Read the PIN from this open descriptor; it is tried once.
    #[arg(long, value_name = "N", value_parser = descriptor)]
    pub(crate) pin_fd: Option<RawFd>,
    /// Name of the tunnel device [default: tokenvpn].
    #[arg(long, value_name = "NAME", value_parser = interface)]
    pub(crate) interface: Option<String>,
    /// Give up (exit 3) when no token is plugged in within this time.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) wait: Option<Duration>,
    /// Give up (exit 9) when no gateway answers within this time.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ready_timeout: Option<Duration>,
    /// End with the first token: at its removal (exit 10) or at what is wrong with it.
    #[arg(long)]
    pub(crate) once: bool,
    /// Let nothing out of this computer but through the tunnel.
    ///
    /// From the start, before any token, until it is ended (Ctrl-C, `tokenvpn down`): whatever
    /// would leave by a default route is refused. Networks to which the routing table knows
    /// a way of their own stay reachable, the local network above all, and the tunnel's own
    /// datagrams pass. If it ends otherwise, or is killed, all stays closed until `tokenvpn
    /// down`. A gateway given by name needs a name server in the local network. Programs that bind
    /// themselves to a network device still reach what is on that link.
    #[arg(long)]
    pub(crate) kill_switch: bool,
    /// What the removal of the token means: immediate, grace:SECONDS or hold [default: immediate].
    ///
    /// immediate: keys and tunnel go at once, however short the token was out; a reader that the
    /// smart-card service looks at only now and then hides a shorter absence than that.
    ///
    /// grace:SECONDS, at most 60: the tunnel stands still, nothing is sent, and it goes on
    /// without a PIN if the same token comes back in time. Its keys stay in memory meanwhile, and
    /// a token is known by its number alone, which a fake card can have too.
    ///
    /// hold: keys and tunnel go at once, but the networks of the profile lead nowhere until a token
    /// opens a tunnel again or it is ended as above.
    #[arg(long, value_name = "POLICY")]
    pub(crate) on_removal: Option<OnRemoval>,
    /// Print one event a line on stdout, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Which tunnel.
    #[command(flatten)]
    pub(crate) interface: Interface,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Go on showing it every second, with rates, until q is pressed; with --json one
    /// object a line.
    #[arg(long)]
    pub(crate) watch: bool,
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Look instead for anything that tokenvpn has left on this computer.
    #[arg(long)]
    pub(crate) residue: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which tunnel is meant.
#[derive(Debug, Args)]
pub(crate) struct Interface {
    /// Name of the tunnel device.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_INTERFACE, value_parser = interface)]
    pub(crate) interface: String,
}

/// The tunnel device's name if nobody says another.
pub(crate) const DEFAULT_INTERFACE: &str = "tokenvpn";

/// The number of a descriptor that can be taken over: not where we write.
fn descriptor(text: &str) -> Result<RawFd, String> {
    match text.parse() {
        Ok(number) if number == 0 || number > 2 => Ok(number),
        _ => Err(words::BAD_DESCRIPTOR.into()),
    }
}

/// A time in whole seconds, at least one.
fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    let seconds: NonZeroU64 = text.parse()?;
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
        return Err(words::BAD_INTERFACE.into());
    }
    if name == "gateway" {
        return Err(words::INTERFACE_OF_THE_GATEWAY.into());
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
        crate::documents::check(<Cli as clap::CommandFactory>::command());
    }
}

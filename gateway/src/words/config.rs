//! What `gateway.toml` says of itself, and what is said of its mistakes.

use crate::config::{ConfigError, MAX_INTERFACE, MAX_TEXT, NetworkError};

/// What `init` writes above each key, in the order of [`Config`](crate::config::Config).
pub(crate) const CONFIG_COMMENTS: [(&str, &str); 13] = [
    (
        "interface",
        "Name of the tunnel device: up to 15 letters, digits, '-', '_' or '.'. Required.",
    ),
    (
        "listen_port",
        "UDP port to listen on, from 1 to 65535. Required.",
    ),
    (
        "endpoints",
        "Where clients reach this machine from outside, HOST:PORT, best first. Required.",
    ),
    (
        "networks",
        "The tunnel's networks; the gateway takes the first address of each. Required.",
    ),
    (
        "routes",
        "Networks behind the gateway that new invitations name too. Default: none.",
    ),
    (
        "dns",
        "Addresses of the resolvers that new invitations name. Default: none.",
    ),
    (
        "mtu",
        "Largest packet inside the tunnel, in bytes, from 1280 to 9000. Default: 1420.",
    ),
    (
        "keepalive",
        "Seconds between a client's keepalives; 0 is none. Default: 25.",
    ),
    (
        "workers",
        "Threads that move packets, from 1 to 64. Default: 1.",
    ),
    (
        "invitation_days",
        "Days that an invitation may be used, from 1 to 366. Default: 7.",
    ),
    (
        "state_dir",
        "Directory of the key, the registry and the lock. Default: \"/var/lib/tokenvpn\".",
    ),
    (
        "runtime_dir",
        "Directory of the control socket. Default: \"/run/tokenvpn\".",
    ),
    (
        "private_key_file",
        "File with the gateway's private key. Default: private-key in state_dir.",
    ),
];

/// What `init` writes above all of them.
pub(crate) fn config_head(live: &[&str]) -> String {
    format!(
        "# The configuration of tokenvpn-gateway. The running one takes up a change of\n\
         # {}\n\
         # by tokenvpn-gateway reload, any other at its next start.\n",
        live.join(", ")
    )
}

/// A line with a key that has no default.
pub(crate) fn config_example(key: &str) -> Option<&'static str> {
    match key {
        "interface" => Some("interface = \"tokenvpn-gw\""),
        "listen_port" => Some("listen_port = 51820"),
        "endpoints" => Some("endpoints = [\"vpn.example:51820\"]"),
        "networks" => Some("networks = [\"10.77.0.0/24\"]"),
        _ => None,
    }
}

pub(crate) const NO_TEXT: &str = "this is no UTF-8 text";
pub(crate) const BAD_PORT: &str = "a port is a number from 1 to 65535";
pub(crate) const BAD_WORKERS: &str = "a gateway has 1 to 64 workers";
pub(crate) const BAD_DAYS: &str = "an invitation is valid for 1 to 366 days";

/// serde's message in one line, and without Rust's names for types.
pub(crate) fn config_mistake(message: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let wrong = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix));
    let Some((found, expected)) = wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) else {
        return message;
    };
    let expected = match expected {
        "u8" => "a number from 0 to 255",
        "u16" => "a number from 0 to 65535",
        "a sequence" => "a list in brackets",
        "a string" | "path string" => "a text in quotes",
        other => other,
    };
    format!("this has to be {expected}, not {found}")
}

/// Why a text or a list is no network, or no tunnel network.
pub(crate) fn network_error(error: &NetworkError) -> String {
    match error {
        NetworkError::Malformed(text) => format!(
            "{text:?} is no network; a network is an address and a prefix, as in 10.77.0.0/24"
        ),
        NetworkError::HostBits(net) => format!(
            "{net} has bits behind its prefix; the network is {}",
            net.trunc()
        ),
        NetworkError::TooSmall(net) => format!("{net} has no room for a gateway and its clients"),
        NetworkError::Special(net) => format!("{net} cannot be a tunnel's network"),
        NetworkError::Overlap(one, other) => format!("{one} and {other} overlap"),
        NetworkError::None => "there has to be a network".into(),
    }
}

/// Why there is no configuration.
pub(crate) fn config_error(error: &ConfigError) -> String {
    match error {
        ConfigError::Unreadable { path, cause } => {
            format!("{} cannot be read: {cause}", path.display())
        }
        ConfigError::Broken {
            path,
            line,
            column,
            message,
        } => format!("{}:{line}:{column}: {message}", path.display()),
        ConfigError::TooLong(path) => format!(
            "{} is no configuration: it is longer than {MAX_TEXT} bytes",
            path.display()
        ),
        ConfigError::Incomplete { path, key } => format!("{} has no {key}", path.display()),
    }
}

/// Why a name is none for a device.
pub(crate) fn bad_interface() -> String {
    format!("an interface name is 1 to {MAX_INTERFACE} letters, digits, '-', '_' or '.'")
}

//! `gateway.toml`: what the administrator decides.

mod network;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::profile::{self, DEFAULT_KEEPALIVE, DEFAULT_MTU};

#[cfg(test)]
pub(crate) use self::network::networks;
pub(crate) use self::network::{Network, NetworkError, Networks};

pub(crate) const DEFAULT_PATH: &str = "/etc/tokenvpn/gateway.toml";
pub(crate) const DEFAULT_STATE_DIR: &str = "/var/lib/tokenvpn";
pub(crate) const DEFAULT_RUNTIME_DIR: &str = "/run/tokenvpn";
pub(crate) const DEFAULT_INTERFACE: &str = "tokenvpn-gw";

/// Longest interface name in bytes (IFNAMSIZ in linux/if.h, without its final zero).
const MAX_INTERFACE: usize = 15;

/// Most workers: the session index carries the worker's number in one byte, and more
/// workers than cores only cost.
const MAX_WORKERS: u8 = 64;

/// The whole file. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Name of the tunnel device.
    pub(crate) interface: Interface,
    /// The UDP port to listen on.
    #[serde(deserialize_with = "port")]
    pub(crate) listen_port: u16,
    /// Where clients are told to reach us.
    #[serde(deserialize_with = "endpoints")]
    pub(crate) endpoints: Vec<Endpoint>,
    /// The tunnel's networks.
    pub(crate) networks: Networks,
    /// Networks behind the gateway that invitations name beside the tunnel's own.
    #[serde(default)]
    pub(crate) routes: Vec<Network>,
    /// Resolvers that invitations name.
    #[serde(default, deserialize_with = "dns")]
    pub(crate) dns: Vec<IpAddr>,
    /// Largest inner packet in bytes.
    #[serde(default = "default_mtu", deserialize_with = "mtu")]
    pub(crate) mtu: u16,
    /// Seconds between a client's keepalives; 0 is none.
    #[serde(default = "default_keepalive", deserialize_with = "keepalive")]
    pub(crate) keepalive: u16,
    /// Threads that move packets.
    #[serde(default = "default_workers", deserialize_with = "workers")]
    pub(crate) workers: u8,
    /// How many days an invitation may be used.
    #[serde(default = "default_invitation_days", deserialize_with = "days")]
    pub(crate) invitation_days: u16,
    /// Key, registry and lock.
    #[serde(default = "default_state_dir")]
    pub(crate) state_dir: PathBuf,
    /// The control socket.
    #[serde(default = "default_runtime_dir")]
    pub(crate) runtime_dir: PathBuf,
    /// The gateway's private key; `private-key` in the state directory unless named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) private_key_file: Option<PathBuf>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{path} cannot be read: {cause}", path = path.display())]
    Unreadable {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{path}:{line}:{column}: {message}", path = path.display())]
    Broken {
        path: PathBuf,
        line: usize,
        column: usize,
        message: String,
    },
}

impl Config {
    /// A configuration with every default.
    pub(crate) fn new(interface: Interface, endpoint: Endpoint, networks: Networks) -> Config {
        Config {
            interface,
            listen_port: endpoint.port(),
            endpoints: vec![endpoint],
            networks,
            routes: Vec::new(),
            dns: Vec::new(),
            mtu: default_mtu(),
            keepalive: default_keepalive(),
            workers: default_workers(),
            invitation_days: default_invitation_days(),
            state_dir: default_state_dir(),
            runtime_dir: default_runtime_dir(),
            private_key_file: None,
        }
    }

    /// Reads the file.
    pub(crate) fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
            path: path.to_owned(),
            cause,
        })?;
        toml::from_str(&text).map_err(|error| {
            let (line, column) = position(&text, error.span().map_or(0, |span| span.start));
            ConfigError::Broken {
                path: path.to_owned(),
                line,
                column,
                message: one_line(error.message()),
            }
        })
    }

    /// The file's text, as `init` writes it.
    pub(crate) fn to_toml(&self) -> String {
        let fields = toml::to_string(self).expect("invariant: every field has a TOML form");
        format!(
            "# The configuration of tokenvpn-gateway. A change counts from its next start.\n{fields}"
        )
    }

    pub(crate) fn private_key_file(&self) -> PathBuf {
        self.private_key_file
            .clone()
            .unwrap_or_else(|| self.state_dir.join("private-key"))
    }

    pub(crate) fn registry_file(&self) -> PathBuf {
        self.state_dir.join("registry.db")
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.runtime_dir.join("gateway.sock")
    }
}

/// Line and column of a byte offset, both from 1; the column counts characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A network device's name as Linux takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Interface(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an interface name is 1 to {MAX_INTERFACE} letters, digits, '-', '_' or '.'")]
pub(crate) struct InterfaceError;

impl Interface {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Interface {
    type Err = InterfaceError;

    fn from_str(text: &str) -> Result<Interface, InterfaceError> {
        let fits = (1..=MAX_INTERFACE).contains(&text.len());
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if fits && plain && !matches!(text, "." | "..") {
            Ok(Interface(text.to_owned()))
        } else {
            Err(InterfaceError)
        }
    }
}

impl TryFrom<String> for Interface {
    type Error = InterfaceError;

    fn try_from(text: String) -> Result<Interface, InterfaceError> {
        text.parse()
    }
}

impl From<Interface> for String {
    fn from(name: Interface) -> String {
        name.0
    }
}

fn default_mtu() -> u16 {
    DEFAULT_MTU
}

fn default_keepalive() -> u16 {
    DEFAULT_KEEPALIVE
}

fn default_workers() -> u8 {
    1
}

fn default_invitation_days() -> u16 {
    7
}

fn default_state_dir() -> PathBuf {
    DEFAULT_STATE_DIR.into()
}

fn default_runtime_dir() -> PathBuf {
    DEFAULT_RUNTIME_DIR.into()
}

/// Takes a value that keeps a rule, and says otherwise which it breaks.
fn checked<'de, D, T, E>(
    deserializer: D,
    rule: impl FnOnce(&T) -> Result<(), E>,
) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
    E: std::fmt::Display,
{
    let value = T::deserialize(deserializer)?;
    rule(&value).map_err(serde::de::Error::custom)?;
    Ok(value)
}

/// `Ok` where a rule is kept, and the rule's text where not.
fn keeps(kept: bool, rule: &'static str) -> Result<(), &'static str> {
    if kept { Ok(()) } else { Err(rule) }
}

fn port<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    checked(d, |port| {
        keeps(*port != 0, "a port is a number from 1 to 65535")
    })
}

fn endpoints<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<Endpoint>, D::Error> {
    checked(d, |endpoints: &Vec<_>| profile::check_endpoints(endpoints))
}

fn dns<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<IpAddr>, D::Error> {
    checked(d, |dns: &Vec<_>| profile::check_dns(dns))
}

fn mtu<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    checked(d, |mtu| profile::check_mtu(*mtu))
}

fn keepalive<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    checked(d, |seconds| profile::check_keepalive(*seconds))
}

fn workers<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u8, D::Error> {
    checked(d, |count| {
        let rule = "a gateway has 1 to 64 workers";
        keeps((1..=MAX_WORKERS).contains(count), rule)
    })
}

fn days<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    checked(d, |days| {
        let rule = "an invitation is valid for 1 to 366 days";
        keeps((1..=366).contains(days), rule)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = "interface = \"gw\"\nlisten_port = 51820\n\
        endpoints = [\"vpn.example:51820\"]\nnetworks = [\"10.77.0.0/24\"]\n";

    fn read(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gateway.toml");
        fs::write(&path, text).unwrap();
        Config::read(&path)
    }

    fn breaks_at(text: &str) -> (usize, usize, String) {
        match read(text) {
            Err(ConfigError::Broken {
                line,
                column,
                message,
                ..
            }) => (line, column, message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_init_writes_is_read_back() {
        let config = Config::new(
            "gw0".parse().unwrap(),
            "vpn.example:51820".parse().unwrap(),
            networks(&["10.77.0.0/24", "fd77::/64"]),
        );
        assert_eq!(read(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn a_short_file_gets_the_defaults() {
        let config = read(SHORT).unwrap();
        assert_eq!(
            (config.mtu, config.keepalive, config.workers),
            (1420, 25, 1)
        );
        assert_eq!(
            config.private_key_file(),
            Path::new("/var/lib/tokenvpn/private-key")
        );
    }

    #[test]
    fn an_error_says_where_it_is() {
        let (line, column, message) = breaks_at(&format!("{SHORT}colour = \"red\"\n"));
        assert_eq!((line, column), (5, 1));
        assert!(message.contains("unknown field `colour`"), "{message}");

        let (line, column, message) = breaks_at(&format!("{SHORT}mtu = 100\n"));
        assert_eq!((line, column), (5, 7));
        assert!(message.contains("1280"), "{message}");

        let (line, _, message) = breaks_at(&SHORT.replace("77.0.0/24", "77.0.1/24"));
        assert_eq!(line, 4);
        assert!(message.contains("10.77.0.0/24"), "{message}");

        let (line, _, message) = breaks_at("interface = \"gw\"\nlisten_port 51820\n");
        assert_eq!(line, 2);
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn an_interface_name_cannot_leave_its_directory() {
        for text in ["", "..", "a/b", "a b", "sixteen-letters-"] {
            assert_eq!(text.parse::<Interface>(), Err(InterfaceError), "{text:?}");
        }
        assert!("tokenvpn-gw".parse::<Interface>().is_ok());
    }
}

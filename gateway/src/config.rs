//! `gateway.toml`: what the administrator decides.

mod network;

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::language::say;
use tokenvpn_common::profile::{self, DEFAULT_KEEPALIVE, DEFAULT_MTU};

use super::words;

#[cfg(test)]
pub(crate) use self::network::networks;
pub(crate) use self::network::{Network, NetworkError, Networks};

pub(crate) const DEFAULT_PATH: &str = "/etc/tokenvpn/gateway.toml";
pub(crate) const DEFAULT_STATE_DIR: &str = "/var/lib/tokenvpn";
pub(crate) const DEFAULT_RUNTIME_DIR: &str = "/run/tokenvpn";
pub(crate) const DEFAULT_INTERFACE: &str = "tokenvpn-gw";

/// Longest interface name in bytes (IFNAMSIZ in linux/if.h, without its final zero).
pub(crate) const MAX_INTERFACE: usize = 15;

/// Longest file in bytes.
pub(crate) const MAX_TEXT: u64 = 1 << 20;

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
    #[error("{}", say().configuration_unreadable(&.path.display(), .cause))]
    Unreadable {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{}", say().configuration_broken(&.path.display(), .line, .column, .message))]
    Broken {
        path: PathBuf,
        line: usize,
        column: usize,
        message: String,
    },
    #[error("{}", say().configuration_too_long(&.0.display(), &MAX_TEXT))]
    TooLong(PathBuf),
    #[error("{}", say().configuration_lacks_key(&.path.display(), .key))]
    Incomplete { path: PathBuf, key: String },
}

/// The keys that only say what new invitations tell.
const LIVE: [&str; 5] = ["endpoints", "routes", "dns", "keepalive", "invitation_days"];

/// Whether a running gateway can take up another value of this key.
pub(crate) fn is_live(key: &str) -> bool {
    LIVE.contains(&key)
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
        let unreadable = |cause| ConfigError::Unreadable {
            path: path.to_owned(),
            cause,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        // One byte more than is allowed tells too much from just enough.
        let read = file.take(MAX_TEXT + 1).read_to_end(&mut bytes);
        read.map_err(unreadable)?;
        Config::parse(path, &bytes)
    }

    /// Takes what stands in the file at `path`.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Config, ConfigError> {
        if bytes.len() as u64 > MAX_TEXT {
            return Err(ConfigError::TooLong(path.to_owned()));
        }
        let broken = |before: &str, message: String| {
            let (line, column) = position_after(before);
            ConfigError::Broken {
                path: path.to_owned(),
                line,
                column,
                message,
            }
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            broken(&before, say().configuration_is_no_text())
        })?;
        toml::from_str(text).map_err(|error| match missing_key(error.message()) {
            Some(key) => ConfigError::Incomplete {
                path: path.to_owned(),
                key: key.to_owned(),
            },
            None => {
                let start = error.span().map_or(0, |span| span.start);
                let before = text.get(..start).unwrap_or(text);
                broken(before, words::config_mistake(error.message()))
            }
        })
    }

    /// The keys whose values differ, in the order of the file.
    pub(crate) fn differences(&self, other: &Config) -> Vec<String> {
        let (ours, theirs) = (self.fields(), other.fields());
        let keys = words::CONFIG_COMMENTS.iter().map(|(key, _)| *key);
        let differing = keys.filter(|key| ours.get(*key) != theirs.get(*key));
        differing.map(str::to_owned).collect()
    }

    fn fields(&self) -> toml::Table {
        toml::Table::try_from(self).expect("invariant: every field has a TOML form")
    }

    /// The file's text, as `init` writes it.
    pub(crate) fn to_toml(&self) -> String {
        let fields = self.fields();
        let mut text = commented(&say().comment_above_all(&LIVE.join(", ")));
        for (key, comment) in words::CONFIG_COMMENTS {
            text += "\n";
            text += &commented(&comment());
            text += &match fields.get(key) {
                Some(value) => format!("{key} = {value}\n"),
                None => commented(&format!("{key} = \"/path/to/private-key\"")),
            };
        }
        text
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

/// As comments of TOML, line by line.
fn commented(text: &str) -> String {
    text.lines().map(|line| format!("# {line}\n")).collect()
}

/// Line and column behind this text, both from 1; the column counts characters.
fn position_after(before: &str) -> (usize, usize) {
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// The key that is missing, if serde's message says so.
fn missing_key(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

/// A network device's name as Linux takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Interface(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", say().bad_interface_name(&MAX_INTERFACE))]
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
fn keeps(kept: bool, rule: impl FnOnce() -> String) -> Result<(), String> {
    if kept { Ok(()) } else { Err(rule()) }
}

fn port<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    checked(d, |port| keeps(*port != 0, || say().port_out_of_range()))
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
        keeps((1..=MAX_WORKERS).contains(count), || say().bad_workers())
    })
}

fn days<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    checked(d, |days| {
        keeps((1..=366).contains(days), || say().bad_invitation_days())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

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
    fn what_init_writes_explains_every_key_and_its_default() {
        let config = Config::new(
            "gw0".parse().unwrap(),
            "vpn.example:51820".parse().unwrap(),
            networks(&["10.77.0.0/24"]),
        );
        let text = config.to_toml();
        // A key that has a default may go: what stays means the same.
        let mut required = String::new();
        for (key, comment) in words::CONFIG_COMMENTS {
            let comment = comment();
            let explained = format!("\n# {comment}\n");
            let (_, rest) = text.split_once(&explained).expect(key);
            let line = rest.lines().next().unwrap();
            let line_of = line.trim_start_matches("# ");
            assert!(line_of.starts_with(&format!("{key} = ")), "{line}");
            match comment.split_once("Default: ") {
                None => {
                    assert!(comment.ends_with("Required."), "{comment}");
                    assert!(words::config_example(key).is_some(), "{key}");
                    required += &format!("{line}\n");
                }
                Some((_, "none.")) => assert_eq!(line, format!("{key} = []")),
                Some(_) if line.starts_with('#') => assert_eq!(key, "private_key_file"),
                Some((_, default)) => {
                    assert_eq!(format!("{line}."), format!("{key} = {default}"));
                }
            }
        }
        assert_eq!(read(&required).unwrap(), config);
        let known = format!("{SHORT}private_key_file = \"/k\"\n");
        let table = toml::Table::try_from(read(&known).unwrap()).unwrap();
        assert_eq!(table.len(), words::CONFIG_COMMENTS.len());
    }

    #[test]
    fn a_missing_key_is_named() {
        for key in ["interface", "listen_port", "endpoints", "networks"] {
            let lines = SHORT.lines().filter(|line| !line.starts_with(key));
            let text: String = lines.map(|line| format!("{line}\n")).collect();
            match read(&text) {
                Err(ConfigError::Incomplete { key: missing, .. }) => assert_eq!(missing, key),
                other => panic!("{other:?}"),
            }
            read(&format!("{text}{}\n", words::config_example(key).unwrap())).unwrap();
        }
    }

    #[test]
    fn a_wrong_type_is_told_in_a_users_words() {
        let expected = [
            (
                "mtu = \"x\"",
                "this has to be a number from 0 to 65535, not string \"x\"",
            ),
            (
                "mtu = 70000",
                "this has to be a number from 0 to 65535, not integer `70000`",
            ),
            (
                "workers = 1.5",
                "this has to be a number from 0 to 255, not floating point `1.5`",
            ),
            (
                "routes = \"x\"",
                "this has to be a list in brackets, not string \"x\"",
            ),
            (
                "state_dir = 5",
                "this has to be a text in quotes, not integer `5`",
            ),
        ];
        for (line, expected) in expected {
            let (at, _, message) = breaks_at(&format!("{SHORT}{line}\n"));
            assert_eq!((at, message.as_str()), (5, expected));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_told_by_line_and_column() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("gateway.toml");
        fs::write(&path, [SHORT.as_bytes(), b"# \xc3\xa9 \xff\n"].concat()).unwrap();
        let Err(ConfigError::Broken { line, column, .. }) = Config::read(&path) else {
            panic!("it was read");
        };
        assert_eq!((line, column), (5, 5));
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
        assert!(
            message.starts_with("there is no key 'colour'; there are: "),
            "{message}"
        );

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
    fn what_differs_is_named() {
        let config = read(SHORT).unwrap();
        assert!(config.differences(&config).is_empty());
        let other = SHORT.replace("51820\nend", "443\nend");
        let other = read(&format!(
            "{other}dns = [\"10.77.0.1\"]\nprivate_key_file = \"/k\"\n"
        ));
        let keys = config.differences(&other.unwrap());
        assert_eq!(keys, ["listen_port", "dns", "private_key_file"]);
    }

    #[test]
    fn an_interface_name_cannot_leave_its_directory() {
        for text in ["", "..", "a/b", "a b", "sixteen-letters-"] {
            assert_eq!(text.parse::<Interface>(), Err(InterfaceError), "{text:?}");
        }
        assert!("tokenvpn-gw".parse::<Interface>().is_ok());
    }
}

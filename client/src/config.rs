//! Options of `up` from `/etc/tokenvpn/client.toml`. The file never holds a secret.

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokenvpn_common::token::Ident;

use crate::cli::{self, Up};
use crate::lifecycle::OnRemoval;
use crate::words::{self, Failure};

/// Where the file is, if there is one.
pub(crate) const PATH: &str = "/etc/tokenvpn/client.toml";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Config {
    token: Option<Ident>,
    interface: Option<Interface>,
    wait: Option<NonZeroU64>,
    ready_timeout: Option<NonZeroU64>,
    #[serde(default)]
    once: bool,
    #[serde(default)]
    kill_switch: bool,
    on_removal: Option<OnRemoval>,
    keypad: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Interface(String);

impl TryFrom<String> for Interface {
    type Error = String;

    fn try_from(name: String) -> Result<Interface, String> {
        cli::interface(&name).map(Interface)
    }
}

/// Fills what the command line leaves out from the file at `path`.
///
/// # Errors
/// The file cannot be read, or something in it is wrong: with line and column.
pub(crate) fn complete(options: Up, path: &Path) -> Result<Up, Failure> {
    let config = read(path)?;
    let seconds = |time: NonZeroU64| Duration::from_secs(time.get());
    Ok(Up {
        token: options.token.or(config.token),
        interface: options.interface.or(config.interface.map(|name| name.0)),
        wait: options.wait.or(config.wait.map(seconds)),
        ready_timeout: options.ready_timeout.or(config.ready_timeout.map(seconds)),
        once: options.once || config.once,
        kill_switch: options.kill_switch || config.kill_switch,
        on_removal: options.on_removal.or(config.on_removal),
        no_keypad: options.no_keypad || config.keypad == Some(false),
        ..options
    })
}

/// The tunnel that is meant: the one named on the command line, in the file at `path`, or the usual.
///
/// # Errors
/// As [`complete`].
pub(crate) fn interface(named: Option<String>, path: &Path) -> Result<String, Failure> {
    let name = match named {
        Some(name) => Some(name),
        None => read(path)?.interface.map(|name| name.0),
    };
    Ok(name.unwrap_or_else(|| cli::DEFAULT_INTERFACE.into()))
}

/// The token that is meant by the file at `path`, if it names one.
///
/// # Errors
/// As [`complete`].
pub(crate) fn token(path: &Path) -> Result<Option<Ident>, Failure> {
    Ok(read(path)?.token)
}

/// The configuration at `path`; an empty one if there is no file.
fn read(path: &Path) -> Result<Config, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Config::default()),
        Err(e) => return Err(words::unreadable_config(path, &e)),
    };
    parse(&text).map_err(|(place, reason)| words::bad_config(path, &place, &reason))
}

/// The configuration, or where it is wrong (`LINE:COLUMN`) and why.
fn parse(text: &str) -> Result<Config, (String, String)> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let before = before.unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let reason = error.message().lines().next().unwrap_or_default();
        (format!("{line}:{column}"), reason.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_over_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(
            &file,
            "token = \"0006:12345678\"\ninterface = \"vpn0\"\nwait = 30\nready-timeout = 20\n\
             kill-switch = true\non-removal = \"grace:10\"\nkeypad = false\n",
        )
        .unwrap();
        let options = Up {
            interface: Some("mine".into()),
            on_removal: Some(OnRemoval::Hold),
            ..Up::default()
        };
        let options = complete(options, file.path()).unwrap();
        assert_eq!(options.interface.as_deref(), Some("mine"));
        assert_eq!(options.token, Some("0006:12345678".parse().unwrap()));
        assert_eq!(options.wait, Some(Duration::from_secs(30)));
        assert_eq!(options.ready_timeout, Some(Duration::from_secs(20)));
        assert!(!options.once && options.kill_switch && options.no_keypad);
        assert_eq!(options.on_removal, Some(OnRemoval::Hold));
    }

    #[test]
    fn the_tunnel_that_is_meant_is_the_one_of_the_file_unless_another_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let meant = |named: Option<&str>| interface(named.map(Into::into), file.path()).unwrap();
        assert_eq!(meant(None), "tokenvpn");
        fs::write(&file, "interface = \"vpn0\"\n").unwrap();
        assert_eq!(meant(None), "vpn0");
        assert_eq!(meant(Some("mine")), "mine");
        fs::write(&file, "interface = 7\n").unwrap();
        assert!(interface(None, file.path()).is_err());
        // What is named needs no file.
        assert_eq!(meant(Some("mine")), "mine");
    }

    #[test]
    fn no_file_is_no_error() {
        let options = complete(Up::default(), Path::new("/nonexistent/client.toml")).unwrap();
        assert_eq!(options.interface, None);
    }

    #[test]
    fn a_mistake_is_answered_with_all_that_the_file_may_set() {
        let (_, reason) = parse("x = 1\n").unwrap_err();
        let (_, keys) = reason.split_once("expected one of ").unwrap();
        let hint = words::bad_config(Path::new(PATH), "1:1", &reason).hint;
        let (_, listed) = hint.split_once("it may set ").unwrap();
        let listed = listed.replace(" and ", ", ");
        assert_eq!(keys.replace('`', ""), listed);
    }

    #[test]
    fn a_mistake_is_shown_with_its_place() {
        for (text, place, word) in [
            ("once = true\npin = \"123456\"\n", "2:1", "pin"),
            ("wait = 0\n", "1:8", "zero"),
            ("interface = \"../x\"\n", "1:13", "interface"),
            ("token = \"x\"\n", "1:9", "token"),
            ("once = \n", "1:8", ""),
            ("on-removal = \"grace:61\"\n", "1:14", "60"),
        ] {
            let (at, reason) = parse(text).unwrap_err();
            assert_eq!(at, place, "{text}: {reason}");
            assert!(reason.contains(word), "{text}: {reason}");
        }
    }
}

//! The profile's name servers, for as long as the tunnel is up.
//!
//! Where systemd-resolved answers the programs' questions it is told, and forgets it
//! with the interface. Everywhere else a file of ours under /run is mounted over
//! /etc/resolv.conf; the file itself is never written.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// What the C library reads (resolv.conf(5)).
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Where systemd-resolved keeps the files that /etc/resolv.conf links to.
const RESOLVED_FILES: &str = "/run/systemd/resolve";

/// The address systemd-resolved listens on (systemd-resolved.service(8)).
const RESOLVED_STUB: &str = "127.0.0.53";

/// How often, and how many times, to see whether resolvectl is done: 3 s in all.
const PATIENCE: (Duration, u32) = (Duration::from_millis(20), 150);

/// Who turns names into addresses here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolver {
    /// systemd-resolved.
    Resolved,
    /// The C library, after reading a file.
    File,
}

/// Why name servers could not be set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DnsError {
    /// resolvectl said no.
    #[error("resolvectl does not take the name servers")]
    Resolved(#[source] io::Error),
    /// The file under /run could not be written.
    #[error("cannot write {path}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The mount was refused.
    #[error("cannot mount over {path}")]
    Mount {
        /// Over which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Who resolves names on this computer.
pub(crate) fn resolver() -> Resolver {
    let target = fs::canonicalize(RESOLV_CONF).unwrap_or_default();
    let content = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    who_resolves(&target, &content)
}

fn who_resolves(target: &Path, content: &str) -> Resolver {
    let asks_stub = content.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("nameserver") && words.next() == Some(RESOLVED_STUB)
    });
    if asks_stub || target.starts_with(RESOLVED_FILES) {
        Resolver::Resolved
    } else {
        Resolver::File
    }
}

/// Has systemd-resolved ask `servers` for every name, through `interface`.
///
/// # Errors
/// [`DnsError::Resolved`], also when it takes longer than 3 s.
pub(crate) fn tell_resolved(interface: &str, servers: &[IpAddr]) -> Result<(), DnsError> {
    let servers: Vec<_> = servers.iter().map(IpAddr::to_string).collect();
    let servers = servers.iter().map(String::as_str);
    let dns: Vec<_> = ["dns", interface].into_iter().chain(servers).collect();
    resolvectl(&dns).map_err(DnsError::Resolved)?;
    // "~." makes this link's servers the ones for all names (resolvectl(1)).
    resolvectl(&["domain", interface, "~."]).map_err(DnsError::Resolved)
}

fn resolvectl<S: AsRef<OsStr>>(arguments: &[S]) -> io::Result<()> {
    let mut child = Command::new("resolvectl")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let (pause, times) = PATIENCE;
    for _ in 0..times {
        if let Some(status) = child.try_wait()? {
            return match status.success() {
                true => Ok(()),
                false => Err(io::Error::other(status.to_string())),
            };
        }
        thread::sleep(pause);
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(io::ErrorKind::TimedOut.into())
}

/// Writes `file` and mounts it over `target`.
///
/// # Errors
/// [`DnsError::Write`] or [`DnsError::Mount`]; the mount is then not there.
pub(crate) fn mount_over(file: &Path, target: &Path, servers: &[IpAddr]) -> Result<(), DnsError> {
    fs::write(file, text(servers)).map_err(|source| DnsError::Write {
        path: file.to_owned(),
        source,
    })?;
    mount(
        Some(file),
        target,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(|errno| DnsError::Mount {
        path: target.to_owned(),
        source: errno.into(),
    })
}

/// Undoes [`mount_over`]; does nothing if `target` shows somebody else's file.
///
/// # Errors
/// What umount says.
pub(crate) fn unmount(file: &Path, target: &Path) -> io::Result<()> {
    let is_ours = fs::read(target).is_ok_and(|content| content.starts_with(FIRST_LINE.as_bytes()));
    if is_ours {
        umount2(target, MntFlags::MNT_DETACH)?;
    }
    match fs::remove_file(file) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// By this a file of ours is known.
const FIRST_LINE: &str = "# The name servers of a tokenvpn tunnel, mounted over the file below.\n";

fn text(servers: &[IpAddr]) -> String {
    let mut text = FIRST_LINE.to_owned();
    for server in servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_resolved_is_told_only_where_programs_ask_it() {
        let file = Path::new("/etc/resolv.conf");
        assert_eq!(who_resolves(file, "nameserver 192.0.2.1\n"), Resolver::File);
        assert_eq!(
            who_resolves(file, "search x\nnameserver 127.0.0.53\n"),
            Resolver::Resolved
        );
        assert_eq!(
            who_resolves(file, "# nameserver 127.0.0.53\n"),
            Resolver::File
        );
        let linked = Path::new("/run/systemd/resolve/resolv.conf");
        assert_eq!(
            who_resolves(linked, "nameserver 192.0.2.1"),
            Resolver::Resolved
        );
        assert_eq!(who_resolves(Path::new(""), ""), Resolver::File);
    }

    #[test]
    fn the_file_names_every_server_in_order() {
        let servers = ["10.77.0.1".parse().unwrap(), "fd77::1".parse().unwrap()];
        let text = text(&servers);
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(lines, ["nameserver 10.77.0.1", "nameserver fd77::1"]);
        assert!(text.starts_with('#'));
    }
}

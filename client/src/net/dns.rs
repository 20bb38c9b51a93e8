//! The profile's name servers, for as long as the tunnel is up.
//!
//! Where systemd-resolved answers the programs' questions it is told, and forgets it
//! with the interface. Everywhere else a file of ours under /run is mounted over
//! /etc/resolv.conf; the file itself is never written.

use std::fs::{self, Permissions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tokenvpn_common::io::clock;
use tokenvpn_common::language::say;

/// What the C library reads (resolv.conf(5)).
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Where systemd-resolved keeps the files that /etc/resolv.conf links to.
pub(super) const RESOLVED_FILES: &str = "/run/systemd/resolve";

/// The address systemd-resolved listens on (systemd-resolved.service(8)).
const RESOLVED_STUB: &str = "127.0.0.53";

/// How long resolvectl may take, and how often to see whether it is done. No removal is
/// noticed meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
const PACE: Duration = Duration::from_millis(20);

/// How a mount is made one for reading only. The others may not be taken from it where /run has
/// them from outside of a container.
const READ_ONLY: MsFlags = MsFlags::MS_BIND
    .union(MsFlags::MS_REMOUNT)
    .union(MsFlags::MS_RDONLY)
    .union(MsFlags::MS_NOSUID)
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);

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
    #[error("{}", say().name_servers_not_taken())]
    Resolved(#[source] io::Error),
    /// The file under /run could not be written.
    #[error("{}", say().cannot_write(&.path.display()))]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The mount was refused.
    #[error("{}", say().cannot_mount_over(&.path.display()))]
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
    if asks_stub(content) || target.starts_with(RESOLVED_FILES) {
        Resolver::Resolved
    } else {
        Resolver::File
    }
}

/// Whether a file like /etc/resolv.conf leads to systemd-resolved.
pub(super) fn asks_stub(content: &str) -> bool {
    content.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("nameserver") && words.next() == Some(RESOLVED_STUB)
    })
}

/// Has systemd-resolved ask `servers` for every name, through `interface`.
///
/// # Errors
/// [`DnsError::Resolved`], also when it takes longer than 2 s.
pub(crate) fn tell_resolved(interface: &str, servers: &[IpAddr]) -> Result<(), DnsError> {
    let servers: Vec<_> = servers.iter().map(IpAddr::to_string).collect();
    let servers = servers.iter().map(String::as_str);
    let (mut dns, mut domain) = (Command::new("resolvectl"), Command::new("resolvectl"));
    dns.args(["dns", interface]).args(servers);
    // "~." makes this link's servers the ones for all names (resolvectl(1)).
    domain.args(["domain", interface, "~."]);
    finish([dns, domain]).map_err(DnsError::Resolved)
}

/// A process that does not outlive its value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs both side by side, out of reach of the terminal's Ctrl-C, until both succeeded.
fn finish(commands: [Command; 2]) -> io::Result<()> {
    let mut running = Vec::new();
    for mut command in commands {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        running.push(Process(command.spawn()?));
    }
    let until = clock::now() + PATIENCE;
    loop {
        let mut all = true;
        for process in &mut running {
            match process.0.try_wait()? {
                Some(status) if status.success() => {}
                Some(status) => return Err(io::Error::other(status.to_string())),
                None => all = false,
            }
        }
        if all {
            return Ok(());
        }
        if clock::now() >= until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(PACE);
    }
}

/// Writes `file` and mounts it over `target`, for reading only: whoever else manages
/// `target`, as a DHCP client does, would write its own name servers into `file`.
///
/// # Errors
/// [`DnsError::Write`] or [`DnsError::Mount`]; the mount is then not there.
pub(crate) fn mount_over(file: &Path, target: &Path, servers: &[IpAddr]) -> Result<(), DnsError> {
    // Every program reads it, whatever our umask.
    fs::write(file, text(servers))
        .and_then(|()| fs::set_permissions(file, Permissions::from_mode(0o644)))
        .map_err(|source| DnsError::Write {
            path: file.to_owned(),
            source,
        })?;
    let mount_with = |from, flags| mount(from, target, None::<&str>, flags, None::<&str>);
    mount_with(Some(file), MsFlags::MS_BIND)
        .and_then(|()| {
            mount_with(None, READ_ONLY).inspect_err(|_| {
                let _ = umount2(target, MntFlags::MNT_DETACH);
            })
        })
        .map_err(|errno| DnsError::Mount {
            path: target.to_owned(),
            source: errno.into(),
        })
}

/// Undoes [`mount_over`]; does nothing if it was not done.
///
/// Only the mount on top can be taken away. If another lies over ours, ours is marked:
/// the tunnel that lays it bare takes it away too.
///
/// # Errors
/// What umount says; `ResourceBusy` if another mount lies over ours.
pub(crate) fn unmount(file: &Path, target: &Path) -> io::Result<()> {
    while same_file(file, target) || begins(target, ENDED) {
        umount2(target, MntFlags::MNT_DETACH)?;
    }
    if is_mounted(file, target)? {
        fs::write(file, ENDED)?;
        let reason = say().mounted_over();
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, reason));
    }
    match fs::remove_file(file) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Whether `file` is mounted over `target`, on top or below others
/// (/proc/pid/mountinfo of proc(5)).
fn is_mounted(file: &Path, target: &Path) -> io::Result<bool> {
    let (name, target) = (file.file_name(), fs::canonicalize(target)?);
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo")?;
    Ok(mounts.lines().any(|mount| {
        // Mount, parent, device, root within the file system, mount point.
        let mut fields = mount.split(' ').skip(3).map(Path::new);
        fields.next().is_some_and(|root| root.file_name() == name) && fields.next() == Some(&target)
    }))
}

/// The files of ours that are mounted over /etc/resolv.conf, on top or below others, by their
/// place in their own file system.
pub(crate) fn mounted() -> Vec<PathBuf> {
    let target = fs::canonicalize(RESOLV_CONF).unwrap_or_else(|_| RESOLV_CONF.into());
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
    let ours = |mount: &str| {
        let mut fields = mount.split(' ').skip(3).map(PathBuf::from);
        let (root, point) = (fields.next()?, fields.next()?);
        let directory = root.parent()?.file_name()?;
        (point == target && directory == "tokenvpn").then_some(root)
    };
    mounts.lines().filter_map(ours).collect()
}

fn same_file(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

fn begins(path: &Path, line: &str) -> bool {
    fs::read(path).is_ok_and(|content| content.starts_with(line.as_bytes()))
}

/// For people who wonder.
const FIRST_LINE: &str = "# The name servers of a tokenvpn tunnel, mounted over the file below.\n";

/// The mark of a file whose tunnel has ended.
const ENDED: &str = "# The tokenvpn tunnel that mounted this has ended.\n";

fn text(servers: &[IpAddr]) -> String {
    let mut text = FIRST_LINE.to_owned();
    for server in servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::{Mode, umask};

    use super::*;
    use crate::net::world;

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

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn whoever_is_told_is_out_of_reach_of_ctrl_c() {
        let leads_its_group = "read -r pid name state parent group rest </proc/$$/stat; \
                               test $group = $$";
        finish([shell(leads_its_group), shell(leads_its_group)]).unwrap();
        assert!(finish([shell("true"), shell("false")]).is_err());
    }

    #[test]
    fn whoever_is_told_and_does_not_answer_is_given_up() {
        let begin = clock::now();
        let error = finish([shell("exec sleep 99"), shell("exec sleep 99")]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(clock::now() >= begin + PATIENCE);
    }

    /// The target and the files of two tunnels.
    fn files(directory: &Path) -> [PathBuf; 3] {
        let target = directory.join("resolv.conf");
        fs::write(&target, "nameserver 192.0.2.1\n").unwrap();
        let [a, b] = ["a", "b"].map(|name| directory.join(name));
        mount_over(&a, &target, &["10.0.0.1".parse().unwrap()]).unwrap();
        mount_over(&b, &target, &["10.0.0.2".parse().unwrap()]).unwrap();
        [target, a, b]
    }

    fn shows(target: &Path, server: &str) -> bool {
        let content = fs::read_to_string(target).unwrap();
        content.ends_with(&format!("nameserver {server}\n"))
    }

    #[test]
    fn the_file_can_be_read_by_all_whatever_the_umask() {
        if world::is_outside("the_file_can_be_read_by_all_whatever_the_umask") {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        umask(Mode::from_bits_truncate(0o077));
        let [target, ..] = files(directory.path());
        let mode = fs::metadata(target).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn whoever_else_manages_the_file_cannot_change_what_the_tunnel_has_mounted() {
        if world::is_outside(
            "whoever_else_manages_the_file_cannot_change_what_the_tunnel_has_mounted",
        ) {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let [target, a, b] = files(directory.path());
        let new = directory.path().join("new");
        fs::write(&new, "nameserver 192.0.2.9\n").unwrap();
        let errors = [
            fs::copy(&new, &target).unwrap_err(),
            fs::rename(&new, &target).unwrap_err(),
        ];
        let kinds = [
            io::ErrorKind::ReadOnlyFilesystem,
            io::ErrorKind::ResourceBusy,
        ];
        assert_eq!(errors.map(|error| error.kind()), kinds);
        assert!(shows(&target, "10.0.0.2"));
        unmount(&b, &target).unwrap();
        unmount(&a, &target).unwrap();
        fs::rename(&new, &target).unwrap();
    }

    #[test]
    fn the_last_tunnel_up_answers_until_it_ends_and_then_the_first() {
        if world::is_outside("the_last_tunnel_up_answers_until_it_ends_and_then_the_first") {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let [target, a, b] = files(directory.path());
        unmount(&b, &target).unwrap();
        assert!(shows(&target, "10.0.0.1"));
        unmount(&a, &target).unwrap();
        assert!(shows(&target, "192.0.2.1"));
        unmount(&a, &target).expect("nothing is left to undo");
    }

    #[test]
    fn the_first_tunnel_down_leaves_its_servers_to_the_last() {
        if world::is_outside("the_first_tunnel_down_leaves_its_servers_to_the_last") {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let [target, a, b] = files(directory.path());
        let busy = unmount(&a, &target).unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
        assert!(shows(&target, "10.0.0.2"));
        unmount(&b, &target).unwrap();
        assert!(shows(&target, "192.0.2.1"));
        unmount(&a, &target).expect("what the journal kept is worked off");
        assert!(!a.exists() && !b.exists());
    }

    #[test]
    fn somebody_elses_mount_on_top_makes_ours_wait() {
        if world::is_outside("somebody_elses_mount_on_top_makes_ours_wait") {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let [target, a, b] = files(directory.path());
        fs::write(&b, "nameserver 192.0.2.2\n").unwrap();
        for _ in 0..2 {
            let busy = unmount(&a, &target).unwrap_err();
            assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
            assert!(shows(&target, "192.0.2.2"));
        }
        umount2(&target, MntFlags::empty()).unwrap();
        unmount(&a, &target).unwrap();
        assert!(shows(&target, "192.0.2.1"));
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

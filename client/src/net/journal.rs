//! What has to be undone when the tunnel ends, in a file that outlives a killed
//! supervisor: `/run/tokenvpn/IF.journal`.
//!
//! A step is written down before it is done. The device, its addresses and its routes
//! are not in it: they vanish with the last process that holds the device.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use serde::{Deserialize, Serialize};
use tokenvpn_common::io::clock;
use tokenvpn_common::io::netlink::{Netlink, NetlinkError, Rule};
use tokenvpn_common::language::say;

use crate::net::route::REVERSE_PATH_FILTER;
use crate::net::{dns, route};

/// The version of the file.
const VERSION: u32 = 1;

/// How long to wait for one's turn with what tunnels share, and how often to ask. Nobody has it
/// for long; but whoever may look into the directory can keep it.
const TURN_PATIENCE: Duration = Duration::from_secs(1);
const TURN_PACE: Duration = Duration::from_millis(2);

/// One change that does not vanish by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    /// A policy rule was added.
    Rule(Rule),
    /// A kernel parameter was changed.
    Parameter {
        /// Its file under /proc/sys.
        path: PathBuf,
        /// What it was.
        before: String,
        /// What it was set to.
        after: String,
    },
    /// A file was mounted over another.
    Mount {
        /// The file under /run.
        file: PathBuf,
        /// The file it hides.
        target: PathBuf,
    },
}

impl Step {
    /// Whether the tunnel whose journal lies at `path` does such a thing: whoever wrote the
    /// file has no more power over this computer than that.
    fn is_ours(&self, path: &Path) -> bool {
        match self {
            Step::Rule(rule) => rule.mark.or(rule.not_mark).is_some_and(route::is_ours),
            Step::Parameter {
                path,
                before,
                after,
            } => {
                let is_number = |text: &str| text.parse::<u8>().is_ok();
                path == Path::new(REVERSE_PATH_FILTER) && is_number(before) && is_number(after)
            }
            Step::Mount { file, target } => {
                let stem = path.file_name().and_then(|name| name.to_str());
                let stem = stem.and_then(|name| name.strip_suffix(".journal"));
                let own = stem.map(|stem| path.with_file_name(format!("{stem}.resolv.conf")));
                target == Path::new(dns::RESOLV_CONF) && own.as_ref() == Some(file)
            }
        }
    }
}

/// Why the journal cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// Reading failed.
    #[error("{}", say().cannot_read(&.path.display()))]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing failed.
    #[error("{}", say().cannot_write(&.path.display()))]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not one of ours, or of another version.
    #[error("{}", say().not_a_journal(&.path.display(), .reason))]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    steps: Vec<Step>,
}

/// The steps done so far, first to last.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    steps: Vec<Step>,
}

impl Journal {
    /// Reads what a predecessor left at `path`; empty if it left nothing. Only who holds the
    /// interface's lock may do so.
    ///
    /// # Errors
    /// [`JournalError`]; [`JournalError::Malformed`] also for steps that nobody here does.
    pub(crate) fn open(path: &Path) -> Result<Journal, JournalError> {
        let journal = Journal::read(path)?;
        if !journal.steps.iter().all(|step| step.is_ours(path)) {
            return Err(JournalError::Malformed {
                path: path.to_owned(),
                reason: say().journal_of_strange_steps(),
            });
        }
        // Of a predecessor that was killed while it wrote.
        let _ = fs::remove_file(new(path));
        Ok(journal)
    }

    fn read(path: &Path) -> Result<Journal, JournalError> {
        let opened = fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path);
        let mut bytes = Vec::new();
        let read = opened.and_then(|mut file| file.read_to_end(&mut bytes));
        let steps = match read.map(|_| bytes) {
            Ok(bytes) => parse(&bytes).map_err(|reason| JournalError::Malformed {
                path: path.to_owned(),
                reason,
            })?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => {
                return Err(JournalError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        Ok(Journal {
            path: path.to_owned(),
            steps,
        })
    }

    /// Whether there is nothing to undo.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Writes a step down; do it only after this.
    ///
    /// # Errors
    /// [`JournalError::Write`]: then do not do it.
    pub(crate) fn add(&mut self, step: Step) -> Result<(), JournalError> {
        self.steps.push(step);
        self.write().inspect_err(|_| {
            self.steps.pop();
        })
    }

    /// What is written down, first to last.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether this step is written down.
    pub(crate) fn has(&self, step: &Step) -> bool {
        self.steps.contains(step)
    }

    /// Takes back the step written down last: it was not done, and is not to be undone.
    ///
    /// # Errors
    /// [`JournalError::Write`]: the file still has it.
    pub(crate) fn withdraw(&mut self) -> Result<(), JournalError> {
        self.steps.pop();
        self.write()
    }

    /// What the kernel parameter at `path` was before another tunnel changed it.
    pub(crate) fn value_before(&self, path: &Path) -> Option<String> {
        let mut steps = self.others().flat_map(|journal| journal.steps);
        steps.find_map(|step| match step {
            Step::Parameter {
                path: changed,
                before,
                ..
            } if changed == path => Some(before),
            _ => None,
        })
    }

    /// The journals of the other tunnels.
    fn others(&self) -> impl Iterator<Item = Journal> {
        let entries = self.path.parent().map(fs::read_dir);
        let entries = entries.into_iter().flatten().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| *path != self.path && path.extension().is_some_and(|e| e == "journal"))
            .filter_map(|path| Journal::read(&path).ok())
    }

    /// Whether another tunnel that is up needs the parameter as it is. That tunnel's
    /// journal has its original value too, and the last one puts it back.
    fn is_needed_by_another(&self, parameter: &Path) -> bool {
        self.others().any(|journal| {
            let changes =
                |step: &Step| matches!(step, Step::Parameter { path, .. } if path == parameter);
            journal.steps.iter().any(changes) && is_held(&journal.path.with_extension("lock"))
        })
    }

    /// Takes the turn with the parameters that several tunnels need: of two that end at once,
    /// each would take the other for one that goes on. Others have theirs when this is dropped.
    /// `None` after a second in vain: then it has to go without.
    pub(crate) fn turn(&self) -> Option<Flock<File>> {
        // The directory itself, so that no file is left of it.
        let mut directory = File::open(self.path.parent()?).ok()?;
        let until = clock::now() + TURN_PATIENCE;
        loop {
            match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
                Ok(turn) => return Some(turn),
                Err((again, Errno::EWOULDBLOCK)) if clock::now() < until => {
                    directory = again;
                    thread::sleep(TURN_PACE);
                }
                Err((_, errno)) => {
                    tracing::warn!(reason = %errno, "others may change what is put back");
                    return None;
                }
            }
        }
    }

    /// Undoes every step, last to first, and removes the file.
    ///
    /// What cannot be undone is logged, kept in the file and tried again the next time.
    pub(crate) fn undo(&mut self) {
        let is_shared = |step: &Step| matches!(step, Step::Parameter { .. });
        let _turn = self.steps.iter().any(is_shared).then(|| self.turn());
        let mut kept = Vec::new();
        while let Some(step) = self.steps.pop() {
            if let Step::Parameter { path, .. } = &step
                && self.is_needed_by_another(path)
            {
                continue;
            }
            if let Err(error) = undo(&step) {
                tracing::warn!(?step, reason = %error, "cannot be undone");
                kept.push(step);
            }
        }
        kept.reverse();
        self.steps = kept;
        let outcome = match self.steps.is_empty() {
            true => remove(&self.path),
            false => self.write(),
        };
        if let Err(error) = outcome {
            tracing::warn!(reason = %error, "the journal stays as it is");
        }
    }

    /// Undoes the steps that are not to be kept, last to first.
    ///
    /// # Errors
    /// [`JournalError::Write`]: the file still has them.
    pub(crate) fn undo_unless(
        &mut self,
        is_kept: impl Fn(&Step) -> bool,
    ) -> Result<(), JournalError> {
        let (mut kept, others): (Vec<_>, Vec<_>) =
            self.steps.drain(..).partition(|step| is_kept(step));
        for step in others.into_iter().rev() {
            if let Err(error) = undo(&step) {
                tracing::warn!(?step, reason = %error, "cannot be undone");
                kept.push(step);
            }
        }
        self.steps = kept;
        self.write()
    }

    /// Replaces the file in one step, so that a crash leaves the old or the new one.
    fn write(&self) -> Result<(), JournalError> {
        let failed = |source| JournalError::Write {
            path: self.path.clone(),
            source,
        };
        let content = Content {
            version: VERSION,
            steps: self.steps.clone(),
        };
        let bytes = serde_json::to_vec(&content).map_err(|e| failed(e.into()))?;
        let new = new(&self.path);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&new)
            .map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        fs::rename(&new, &self.path).map_err(failed)
    }
}

/// Where a journal is written before it takes the place of the old one.
fn new(path: &Path) -> PathBuf {
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    new.into()
}

/// Whether the process that works on an interface, and so holds its lock, lives; also if
/// only root can tell.
pub(crate) fn is_held(lock: &Path) -> bool {
    match File::open(lock) {
        Ok(file) => {
            let outcome = Flock::lock(file, FlockArg::LockSharedNonblock);
            matches!(outcome, Err((_, Errno::EWOULDBLOCK)))
        }
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

fn remove(path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(JournalError::Write {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<Step>, String> {
    let content: Content = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    match content.version {
        VERSION => Ok(content.steps),
        other => Err(say().journal_of_version(&other)),
    }
}

/// Undoes a step, also one that was written down and never done.
fn undo(step: &Step) -> io::Result<()> {
    match step {
        Step::Rule(rule) => match Netlink::open().and_then(|mut netlink| netlink.del_rule(rule)) {
            Ok(()) | Err(NetlinkError::Missing { .. }) => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        },
        Step::Parameter {
            path,
            before,
            after,
        } => match fs::read_to_string(path) {
            Ok(value) if value.trim() == after => fs::write(path, before),
            // Somebody else has set it since.
            Ok(_) => Ok(()),
            // It went with its interface.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        },
        Step::Mount { file, target } => dns::unmount(file, target),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn parameter(path: &Path) -> Step {
        Step::Parameter {
            path: path.to_owned(),
            before: "1".into(),
            after: "2".into(),
        }
    }

    #[test]
    fn what_a_killed_supervisor_did_is_undone_by_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let (path, value) = (
            directory.path().join("t.journal"),
            directory.path().join("rp_filter"),
        );
        fs::write(&value, "1").unwrap();
        let mut journal = Journal::read(&path).unwrap();
        assert!(journal.is_empty());
        journal.add(parameter(&value)).unwrap();
        fs::write(&value, "2\n").unwrap();
        drop(journal);

        let mut journal = Journal::read(&path).unwrap();
        assert!(!journal.is_empty());
        journal.undo();
        assert_eq!(fs::read_to_string(&value).unwrap(), "1");
        assert!(!path.exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_parameter_that_somebody_else_changed_since_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let value = directory.path().join("rp_filter");
        fs::write(&value, "0").unwrap();
        undo(&parameter(&value)).unwrap();
        assert_eq!(fs::read_to_string(&value).unwrap(), "0");
    }

    #[test]
    fn a_parameter_that_went_with_its_interface_needs_no_undoing() {
        let directory = tempfile::tempdir().unwrap();
        undo(&parameter(&directory.path().join("rp_filter"))).unwrap();
    }

    #[test]
    fn the_last_of_two_tunnels_puts_a_parameter_back() {
        let directory = tempfile::tempdir().unwrap();
        let value = directory.path().join("rp_filter");
        let begin = |interface: &str| {
            let path = directory.path().join(interface);
            let lock = File::create(path.with_extension("lock")).unwrap();
            let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).unwrap();
            (
                Journal::read(&path.with_extension("journal")).unwrap(),
                lock,
            )
        };
        fs::write(&value, "2").unwrap();
        let (mut first, lock) = begin("a");
        assert_eq!(first.value_before(&value), None);
        first.add(parameter(&value)).unwrap();
        let (mut second, _lock) = begin("b");
        assert_eq!(second.value_before(&value).as_deref(), Some("1"));
        second.add(parameter(&value)).unwrap();

        first.undo();
        drop(lock);
        assert_eq!(fs::read_to_string(&value).unwrap(), "2");
        assert!(first.is_empty());
        second.undo();
        assert_eq!(fs::read_to_string(&value).unwrap(), "1");
    }

    #[test]
    fn two_tunnels_that_end_at_once_do_not_leave_a_parameter_to_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let value = directory.path().join("rp_filter");
        for round in 0..100 {
            fs::write(&value, "2").unwrap();
            let both_stand = Barrier::new(2);
            let stand_and_end = |interface: &str| {
                let path = directory.path().join(interface);
                let lock = File::create(path.with_extension("lock")).unwrap();
                let _lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).unwrap();
                let mut journal = Journal::read(&path.with_extension("journal")).unwrap();
                journal.add(parameter(&value)).unwrap();
                both_stand.wait();
                journal.undo();
            };
            thread::scope(|scope| {
                scope.spawn(|| stand_and_end("a"));
                scope.spawn(|| stand_and_end("b"));
            });
            assert_eq!(fs::read_to_string(&value).unwrap(), "1", "round {round}");
        }
    }

    #[test]
    fn whoever_keeps_the_turn_keeps_nobody_from_ending() {
        let directory = tempfile::tempdir().unwrap();
        let value = directory.path().join("rp_filter");
        fs::write(&value, "2").unwrap();
        let mut journal = Journal::read(&directory.path().join("a.journal")).unwrap();
        journal.add(parameter(&value)).unwrap();
        let kept = journal.turn();
        assert!(kept.is_some());
        journal.undo();
        assert_eq!(fs::read_to_string(&value).unwrap(), "1");
    }

    #[test]
    fn a_dead_tunnels_journal_keeps_no_parameter_changed() {
        let directory = tempfile::tempdir().unwrap();
        let value = directory.path().join("rp_filter");
        fs::write(&value, "2").unwrap();
        for interface in ["a", "b"] {
            let path = directory.path().join(interface);
            File::create(path.with_extension("lock")).unwrap();
            let mut journal = Journal::read(&path.with_extension("journal")).unwrap();
            journal.add(parameter(&value)).unwrap();
        }
        let mut journal = Journal::read(&directory.path().join("a.journal")).unwrap();
        journal.undo();
        assert_eq!(fs::read_to_string(&value).unwrap(), "1");
    }

    #[test]
    fn what_cannot_be_undone_stays_in_the_journal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.journal");
        // A directory: there is something, but it cannot be read.
        let unreadable = directory.path();
        let mut journal = Journal::read(&path).unwrap();
        journal.add(parameter(unreadable)).unwrap();
        journal.undo();
        let left = Journal::read(&path).unwrap().steps;
        assert_eq!(left, [parameter(unreadable)]);
    }

    #[test]
    fn a_journal_has_no_power_over_anything_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.b.journal");
        let mount = |file: &Path, target: &str| Step::Mount {
            file: file.to_owned(),
            target: target.into(),
        };
        let own = directory.path().join("a.b.resolv.conf");
        let filter = |before: &str| Step::Parameter {
            path: REVERSE_PATH_FILTER.into(),
            before: before.into(),
            after: "2".into(),
        };
        let plan = route::Plan::new(&["0.0.0.0/0".parse().unwrap()], &[], route::mark(7), false);
        let rule = plan.rules[0];
        let unmarked = Rule {
            not_mark: None,
            ..rule
        };
        let opens = |step: Step| {
            let mut journal = Journal::read(&path).unwrap();
            journal.steps = vec![step];
            journal.write().unwrap();
            let opened = Journal::open(&path);
            fs::remove_file(&path).unwrap();
            opened.is_ok()
        };
        assert!(opens(filter("1")) && opens(mount(&own, dns::RESOLV_CONF)));
        assert!(opens(Step::Rule(rule)) && !opens(Step::Rule(unmarked)));
        assert!(!opens(filter("|/tmp/program")));
        assert!(!opens(parameter(Path::new(
            "/proc/sys/kernel/core_pattern"
        ))));
        assert!(!opens(mount(&own, "/etc/shadow")));
        assert!(!opens(mount(Path::new("/etc/shadow"), dns::RESOLV_CONF)));
        let link = directory.path().join("link");
        fs::write(&link, "{}").unwrap();
        std::os::unix::fs::symlink(&link, &path).unwrap();
        assert!(matches!(
            Journal::open(&path),
            Err(JournalError::Read { .. })
        ));
    }

    #[test]
    fn what_was_half_written_when_its_writer_was_killed_goes_with_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.journal");
        fs::write(new(&path), "{").unwrap();
        assert!(Journal::open(&path).unwrap().is_empty());
        assert!(!new(&path).exists());
    }

    #[test]
    fn a_file_that_is_no_journal_is_an_error_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.journal");
        for content in ["", "{", r#"{"version":2,"steps":[]}"#, "[]"] {
            fs::write(&path, content).unwrap();
            assert!(matches!(
                Journal::open(&path),
                Err(JournalError::Malformed { .. })
            ));
        }
        assert!(path.exists());
    }
}

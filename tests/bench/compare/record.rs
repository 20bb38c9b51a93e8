//! What was measured so far, one JSON object a line, so that rounds can be made at different times.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write as _,
    path::PathBuf,
    process::Command,
    sync::OnceLock,
};

use serde::{Deserialize, Serialize};

/// One measured thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The link, or another kind of run.
    pub(crate) kind: String,
    /// The contender, or the number of peers.
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// What of this project was measured, if git knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
    pub(crate) figures: BTreeMap<String, f64>,
}

impl Record {
    pub(crate) fn to_line(&self) -> String {
        serde_json::to_string(self).expect("invariant: a record has a JSON form")
    }
}

/// The commit that is checked out when this program starts, just after all was built, with a
/// `+` behind it if something was changed since.
pub(crate) fn commit() -> Option<String> {
    static COMMIT: OnceLock<Option<String>> = OnceLock::new();
    COMMIT.get_or_init(checked_out).clone()
}

fn checked_out() -> Option<String> {
    let git = |words: &[&str]| {
        let place = ["-C", env!("CARGO_MANIFEST_DIR")];
        let output = Command::new("git").args(place).args(words).output().ok()?;
        let said = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| said.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    // The report is written while measuring, and measures nothing.
    let changed = git(&["status", "--porcelain", "--", ":/", ":!."])?;
    Some(commit + if changed.is_empty() { "" } else { "+" })
}

/// Among what was built, since it belongs to this machine.
fn file() -> PathBuf {
    let program = std::env::current_exe().expect("the path of this program");
    let profile = program.parent().expect("a program is in a directory");
    profile.join("comparison.jsonl")
}

pub(crate) fn append(record: &Record) {
    let file = OpenOptions::new().append(true).create(true).open(file());
    let written = file.and_then(|mut file| writeln!(file, "{}", record.to_line()));
    written.expect("a place for results");
}

/// All records, oldest first.
pub(crate) fn all() -> Vec<Record> {
    let text = fs::read_to_string(file()).unwrap_or_default();
    let record = |line| serde_json::from_str(line).expect("a record of ours");
    text.lines().map(record).collect()
}

pub(crate) fn forget() {
    let _ = fs::remove_file(file());
}

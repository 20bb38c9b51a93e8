//! `audit`: who did what to whom, and when.

use std::path::Path;

use tokenvpn_common::language::say;

use super::{NONE, print, print_json, table};
use crate::cli;
use crate::control::{self, Answer, Request};
use crate::listing::Audit;
use crate::words::{self, Failure};

pub(crate) fn run(path: &Path, asked: &cli::Audit) -> Result<(), Failure> {
    let since = asked.since.map(|since| since.0);
    let Answer::Audit(audit) = control::ask(path, Request::Audit(since))? else {
        return Err(words::wrong_answer());
    };
    match asked.output.json {
        true => print_json(&audit),
        false => print(&text(&audit)),
    }
}

fn text(audit: &Audit) -> String {
    if audit.entries.is_empty() {
        return say().nothing_was_done() + "\n";
    }
    let mut rows = vec![vec![
        say().column_when(),
        say().column_who(),
        say().column_what(),
        say().column_name(),
        say().column_public_key(),
    ]];
    rows.extend(audit.entries.iter().map(|entry| {
        vec![
            entry.at.to_string(),
            entry.who.clone(),
            entry.action.clone(),
            entry.name.to_string(),
            entry.public_key.map_or(NONE.into(), |key| key.to_string()),
        ]
    }));
    table(&rows)
}

//! `tokenvpn token list`: which tokens are plugged in.

use clap::Args;
use serde_json::{Value, json};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::io::card::{self, Seen};
use tokenvpn_common::io::clock;
use tokenvpn_common::language::say;

use super::content::facts_json;
use super::{SCHEMA, failure, print};
use crate::words::{self, Failure, State};

// Options of `token list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[arg(long, help = say().usage_json())]
    json: bool,
}

impl List {
    pub(super) fn run(self) -> Result<(), Failure> {
        let seen = card::list().map_err(failure)?;
        if self.json {
            let tokens: Vec<_> = seen.iter().map(entry).collect();
            let document = json!({ "schema": SCHEMA, "tokens": tokens });
            return print(&format!("{document:#}\n"));
        }
        if seen.is_empty() {
            eprintln!("{}", say().no_token_to_list());
        }
        let now = clock::unix_time();
        print(&seen.iter().map(|seen| line(seen, now)).collect::<String>())
    }
}

/// What `token show` says without a PIN, and the reader; or why it cannot be said.
fn entry(seen: &Seen) -> Value {
    let mut entry = match &seen.card {
        Ok(facts) => facts_json(facts),
        Err(error) => json!({ "state": State::from(error.clone()).name() }),
    };
    entry["reader"] = seen.reader.clone().into();
    entry
}

/// `0006:12345678  traveller, until 2026-11-29`
fn line(seen: &Seen, now: UnixTime) -> String {
    match &seen.card {
        Ok(facts) => words::listed(facts, now) + "\n",
        Err(error) => {
            let reader = words::printable(&seen.reader);
            format!("{reader}  {}\n", failure(error.clone()).what)
        }
    }
}

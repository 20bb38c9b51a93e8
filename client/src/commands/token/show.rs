//! `tokenvpn token show`: what a token holds.

use clap::Args;
use serde_json::Value;
use tokenvpn_common::io::card::Token;
use tokenvpn_common::io::clock;
use tokenvpn_common::language::say;
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::Content;

use super::content::{facts_json, profile_json};
use super::{Interrupts, PinSource, SCHEMA, Which, failure, print};
use crate::words::{self, Failure, Object, State};

// Options of `token show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    which: Which,
    #[arg(long, help = say().usage_json())]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Result<(), Failure> {
        let interrupts = Interrupts::hold()?;
        let source = self.which.pin_source(&interrupts)?;
        let mut token = self.which.open(&interrupts)?;
        let facts = token.facts().map_err(failure)?;
        let holder = token.holder().map_err(failure)?;
        if !self.json {
            let mut lines = words::facts_lines(&facts, clock::unix_time());
            if !holder.is_empty() {
                lines.push(words::card_name_line(&holder));
            }
            print(&words::columns(&lines))?;
        }
        // What a script asks for shall open no window, and wait for nobody at the reader.
        let is_asked = match &source {
            PinSource::Given(_) => true,
            PinSource::Person(askable) => askable.terminal,
        };
        let held = is_asked.then(|| read(source, token, &interrupts));
        if self.json {
            // Without the right PIN too: that part is known whatever became of the other.
            let mut document = facts_json(&facts);
            document["card_name"] = holder.into();
            document["schema"] = SCHEMA.into();
            document["profile"] = match &held {
                Some(Ok((profile, bytes))) => profile_json(profile, *bytes),
                _ => Value::Null,
            };
            print(&format!("{document:#}\n"))?;
        }
        let Some(held) = held else {
            return Ok(());
        };
        let (profile, bytes) = held?;
        let profile = State::usable(profile, Object::Profile)?;
        if self.json {
            return Ok(());
        }
        let mut lines = words::profile_lines(&profile);
        lines.push(words::size_line(bytes, facts.room));
        print(&words::columns(&lines))
    }
}

/// What the token holds behind its PIN, and in how many bytes.
fn read(
    source: PinSource,
    token: Token,
    interrupts: &Interrupts,
) -> Result<(Content<Profile>, usize), Failure> {
    let mut token = source.unlock(token, interrupts)?;
    let bytes = token.profile().map_err(failure)?;
    Ok((Profile::decode(&bytes).into(), bytes.len()))
}

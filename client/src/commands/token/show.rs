//! `tokenvpn token show`: what a token holds.

use clap::Args;
use serde_json::Value;
use tokenvpn_common::io::clock;
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::Content;

use super::content::{facts_json, profile_json};
use super::{Interrupts, PinSource, SCHEMA, Which, failure, print};
use crate::words::{self, Failure, State, help};

// Options of `token show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    which: Which,
    #[arg(long, help = help::JSON)]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Result<(), Failure> {
        let interrupts = Interrupts::hold()?;
        let source = self.which.pin_source()?;
        let mut token = self.which.open()?;
        let facts = token.facts().map_err(failure)?;
        let holder = token.holder().map_err(failure)?;
        if !self.json {
            let mut lines = words::facts_lines(&facts, clock::unix_time());
            if !holder.is_empty() {
                lines.push(words::card_name_line(&holder));
            }
            print(&words::columns(&lines))?;
        }
        let mut document = facts_json(&facts);
        document["card_name"] = holder.into();
        document["schema"] = SCHEMA.into();
        document["profile"] = Value::Null;
        // What a script asks for shall open no window.
        let is_asked = match &source {
            PinSource::Given(_) => true,
            PinSource::Person(askable) => askable.terminal,
            PinSource::Nobody => false,
        };
        if is_asked {
            let mut token = source.unlock(token, &interrupts)?;
            let bytes = token.profile().map_err(failure)?;
            let profile = Content::from(Profile::decode(&bytes));
            document["profile"] = profile_json(&profile, bytes.len());
            if !self.json {
                let mut lines = words::profile_lines(&State::usable(profile, "profile")?);
                lines.push(words::size_line(bytes.len(), facts.room));
                print(&words::columns(&lines))?;
            }
        }
        match self.json {
            true => print(&format!("{document:#}\n")),
            false => Ok(()),
        }
    }
}

//! `identities`: who may come in, and who is invited.

use std::path::Path;

use tokenvpn_common::clock::UnixTime;

use super::{print, print_json, table};
use crate::cli::Output;
use crate::control::{self, Answer, Request};
use crate::listing::{Listed, Listing};
use crate::words::{self, Failure};

pub(crate) fn run(path: &Path, output: &Output) -> Result<(), Failure> {
    let Answer::Identities(listing) = control::ask(path, Request::Identities)? else {
        return Err(words::wrong_answer());
    };
    match output.json {
        true => print_json(&listing),
        false => print(&text(&listing)),
    }
}

fn text(listing: &Listing) -> String {
    if listing.identities.is_empty() && listing.invitations.is_empty() {
        return words::NOBODY.into();
    }
    let mut rows = vec![words::IDENTITIES.map(str::to_owned).to_vec()];
    for identity in &listing.identities {
        rows.push(vec![
            words::listed_name(identity),
            words::list(&identity.addresses),
            expires(identity),
            identity
                .endpoint
                .map_or(words::NONE.into(), |at| at.to_string()),
            identity.public_key.to_string(),
        ]);
    }
    for invited in &listing.invitations {
        rows.push(vec![
            invited.name.to_string(),
            words::list(&invited.addresses),
            date(invited.expires),
            words::NONE.into(),
            words::invited(invited),
        ]);
    }
    table(&rows)
}

fn expires(identity: &Listed) -> String {
    match identity.expired {
        true => words::is_over(&date(identity.expires)),
        false => date(identity.expires),
    }
}

fn date(date: Option<UnixTime>) -> String {
    date.map_or(words::NEVER.into(), |date| date.to_string())
}

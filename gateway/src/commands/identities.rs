//! `identities`: who may come in, and who is invited.

use std::path::Path;

use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::language::say;

use super::{NONE, print, print_json, table};
use crate::cli::Output;
use crate::control::{self, Answer, Request};
use crate::listing::{Invited, InvitedKind, Listed, Listing};
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
        return say().nobody_may_come_in() + "\n";
    }
    let mut rows = vec![vec![
        say().column_name(),
        say().column_addresses(),
        say().column_expires(),
        say().column_last_endpoint(),
        say().column_public_key(),
    ]];
    for identity in &listing.identities {
        rows.push(vec![
            name(identity),
            words::list(&identity.addresses),
            expires(identity),
            identity.endpoint.map_or(NONE.into(), |at| at.to_string()),
            identity.public_key.to_string(),
        ]);
    }
    for invited in &listing.invitations {
        rows.push(vec![
            invited.name.to_string(),
            words::list(&invited.addresses),
            date(invited.expires),
            NONE.into(),
            in_place_of_key(invited),
        ]);
    }
    table(&rows)
}

fn name(identity: &Listed) -> String {
    match identity.spare {
        true => say().listed_spare(&identity.name),
        false => identity.name.to_string(),
    }
}

fn expires(identity: &Listed) -> String {
    match identity.expired {
        true => say().date_is_over(&date(identity.expires)),
        false => date(identity.expires),
    }
}

fn in_place_of_key(invited: &Invited) -> String {
    let until = &invited.valid_until;
    match invited.kind {
        InvitedKind::New => say().listed_invitation(until),
        InvitedKind::Spare => say().listed_spare_invitation(until),
        InvitedKind::Renewal => say().listed_renewal_invitation(until),
    }
}

fn date(date: Option<UnixTime>) -> String {
    date.map_or_else(|| say().access_never_ends(), |date| date.to_string())
}

//! The tables of `status`, `identities` and `audit`.

use crate::listing::{Invited, InvitedKind, Listed};

pub(crate) const PEERS: [&str; 6] = [
    "NAME",
    "ENDPOINT",
    "LATEST HANDSHAKE",
    "RECEIVED",
    "SENT",
    "ALLOWED IPS",
];
pub(crate) const LIVE_PEERS: [&str; 7] = [
    "NAME",
    "ENDPOINT",
    "LATEST HANDSHAKE",
    "IN",
    "OUT",
    "RECEIVED",
    "SENT",
];
pub(crate) const IDENTITIES: [&str; 5] = [
    "NAME",
    "ADDRESSES",
    "EXPIRES",
    "LAST ENDPOINT",
    "PUBLIC KEY",
];
pub(crate) const AUDIT: [&str; 5] = ["WHEN", "WHO", "WHAT", "NAME", "PUBLIC KEY"];

/// The two directions of the live view, equally wide.
pub(crate) const DIRECTIONS: [&str; 2] = ["in ", "out"];

/// How to leave the live view.
pub(crate) const QUIT: &str = "q: quit";

/// Nothing is known, or there is none.
pub(crate) const NONE: &str = "-";

/// What has not been and will not be.
pub(crate) const NEVER: &str = "never";

/// An identity, in the first column.
pub(crate) fn listed_name(identity: &Listed) -> String {
    match identity.spare {
        true => format!("{} (spare)", identity.name),
        false => identity.name.to_string(),
    }
}

/// A date that has been.
pub(crate) fn is_over(date: &str) -> String {
    format!("{date} (over)")
}

/// An invitation, in place of a key.
pub(crate) fn invited(invited: &Invited) -> String {
    let what = match invited.kind {
        InvitedKind::New => "invited",
        InvitedKind::Spare => "spare invited",
        InvitedKind::Renewal => "renewal invited",
    };
    format!("{what}, until {}", invited.valid_until)
}

//! What `identities` and `audit` show.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::key::PublicKey;
use tokenvpn_common::name::Name;
use tokenvpn_common::status::SCHEMA;

use crate::registry::{Entry, Identity, Kind, Pending, Sighting};

/// Everyone who may come in, and everyone who is invited. Times are in Unix seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) schema: u32,
    pub(crate) identities: Vec<Listed>,
    pub(crate) invitations: Vec<Invited>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) name: Name,
    pub(crate) public_key: PublicKey,
    pub(crate) spare: bool,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) expires: Option<UnixTime>,
    pub(crate) expired: bool,
    pub(crate) serial: u32,
    pub(crate) added: UnixTime,
    /// Where it was last authentically heard from.
    pub(crate) endpoint: Option<SocketAddr>,
    /// Since when it has been there.
    pub(crate) endpoint_since: Option<UnixTime>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invited {
    pub(crate) name: Name,
    pub(crate) kind: InvitedKind,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) expires: Option<UnixTime>,
    pub(crate) valid_until: UnixTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InvitedKind {
    New,
    Spare,
    Renewal,
}

/// What was done to the registry, first things first. Times are in Unix seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Audit {
    pub(crate) schema: u32,
    pub(crate) entries: Vec<Audited>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Audited {
    pub(crate) at: UnixTime,
    /// The user who asked.
    pub(crate) who: String,
    /// `invite`, `withdraw`, `enrol`, `add`, `revoke` or `expire`.
    pub(crate) action: String,
    pub(crate) name: Name,
    pub(crate) public_key: Option<PublicKey>,
}

impl Audit {
    pub(crate) fn new(entries: Vec<Entry>) -> Audit {
        let entries = entries.into_iter().map(|entry| Audited {
            at: entry.at,
            who: entry.who,
            action: entry.action,
            name: entry.name,
            public_key: entry.public_key,
        });
        Audit {
            schema: SCHEMA,
            entries: entries.collect(),
        }
    }
}

impl Listing {
    pub(crate) fn new(
        identities: Vec<Identity>,
        invitations: Vec<Pending>,
        last_seen: &HashMap<PublicKey, Sighting>,
        now: UnixTime,
    ) -> Listing {
        let identities = identities.into_iter().map(|identity| {
            let seen = last_seen.get(&identity.public_key);
            Listed {
                expired: identity.is_expired(now),
                name: identity.name,
                public_key: identity.public_key,
                spare: identity.spare,
                addresses: identity.addresses,
                expires: identity.not_after,
                serial: identity.serial,
                added: identity.added,
                endpoint: seen.map(|seen| seen.endpoint),
                endpoint_since: seen.map(|seen| seen.at),
            }
        });
        let invitations = invitations.into_iter().map(|pending| Invited {
            name: pending.name,
            kind: match pending.kind {
                Kind::New => InvitedKind::New,
                Kind::Spare => InvitedKind::Spare,
                Kind::Renewal { .. } => InvitedKind::Renewal,
            },
            addresses: pending.addresses,
            expires: pending.not_after,
            valid_until: pending.valid_until,
        });
        Listing {
            schema: SCHEMA,
            identities: identities.collect(),
            invitations: invitations.collect(),
        }
    }
}

//! What tells a row that the disk has changed from one that we wrote: SQLite checks how its
//! pages hang together, and not what stands in them.

use std::net::IpAddr;

use blake2::digest::consts::U16;
use blake2::{Blake2s, Digest as _};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::key::PresharedKey;

use super::{Identity, Kind, Pending};

/// A hash of everything that a row says. No secret goes into it: it is against accidents.
pub(super) type Seal = [u8; 16];

pub(super) fn of_identity(identity: &Identity) -> Seal {
    Row::new()
        .field(identity.public_key.as_bytes())
        .field(identity.name.as_str().as_bytes())
        .field(&[identity.spare.into()])
        .addresses(&identity.addresses)
        .preshared_key(identity.preshared_key.as_ref())
        .time(identity.not_after)
        .field(&identity.serial.to_be_bytes())
        .time(Some(identity.added))
        .field(&[identity.ended.into()])
        .seal()
}

/// As long as nothing has ended it.
pub(super) fn of_pending(pending: &Pending) -> Seal {
    let replaces = match &pending.kind {
        Kind::Renewal { replaces } => &replaces.as_bytes()[..],
        Kind::New | Kind::Spare => &[],
    };
    Row::new()
        .field(pending.id.as_str().as_bytes())
        .field(pending.name.as_str().as_bytes())
        .field(&[(pending.kind == Kind::Spare).into()])
        .field(replaces)
        .addresses(&pending.addresses)
        .preshared_key(Some(&pending.preshared_key))
        .time(pending.not_after)
        .time(Some(pending.valid_until))
        .seal()
}

struct Row(Blake2s<U16>);

impl Row {
    fn new() -> Row {
        Row(Blake2s::new())
    }

    /// Adds a field; its length keeps it apart from the next one.
    fn field(mut self, bytes: &[u8]) -> Row {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    fn addresses(self, addresses: &[IpAddr]) -> Row {
        let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
        self.field(texts.join(" ").as_bytes())
    }

    fn preshared_key(self, key: Option<&PresharedKey>) -> Row {
        self.field(key.map_or(&[], |key| &key.expose()[..]))
    }

    fn time(self, time: Option<UnixTime>) -> Row {
        match time {
            Some(UnixTime(seconds)) => self.field(&seconds.to_be_bytes()),
            None => self.field(&[]),
        }
    }

    fn seal(self) -> Seal {
        self.0.finalize().into()
    }
}

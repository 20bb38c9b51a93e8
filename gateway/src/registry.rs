//! Who may come in: identities, open invitations, and where each identity was last seen.
//!
//! The rest of the gateway knows the types of this module and the verbs of [`Registry`];
//! that they stand in one SQLite database is nobody else's business. Each verb is one
//! transaction: it happens whole, with its audit row, or not at all.

pub(crate) mod addresses;
mod error;
mod rows;
pub(crate) mod schema;
mod seal;
pub(crate) mod writer;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::device::SeenInitiations;
use tokenvpn_common::invitation::{Enrolment, InvitationId};
use tokenvpn_common::key::{PresharedKey, PublicKey};
use tokenvpn_common::language::say;
use tokenvpn_common::name::Name;

use self::addresses::AddressError;
pub(crate) use self::error::{Refusal, RegistryError};
use crate::config::Networks;

/// How long an ended or lapsed invitation is remembered, in seconds: so long its late
/// use is told from a made-up one.
const REMEMBERED: u64 = 90 * 86_400;

/// A key that may come in, and what it may do.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) public_key: PublicKey,
    pub(crate) name: Name,
    /// A further key of that name.
    pub(crate) spare: bool,
    /// Its tunnel addresses, at least one.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) preshared_key: Option<PresharedKey>,
    /// When its access ends, if ever.
    pub(crate) not_after: Option<UnixTime>,
    /// The serial number of the profile that holds the key; 0 for a key without profile.
    pub(crate) serial: u32,
    pub(crate) added: UnixTime,
    /// Whether its access was seen to have ended: it stays so when the clock is set back.
    pub(crate) ended: bool,
}

impl Identity {
    /// Whether its access has ended at `now`.
    pub(crate) fn is_expired(&self, now: UnixTime) -> bool {
        self.ended || has_ended(self.not_after, now)
    }
}

/// Whether access through the second `not_after` has ended at `now`.
pub(crate) fn has_ended(not_after: Option<UnixTime>, now: UnixTime) -> bool {
    not_after.is_some_and(|not_after| now > not_after)
}

/// The first second at which access through the second `not_after` has ended.
pub(crate) fn end_of(not_after: UnixTime) -> UnixTime {
    UnixTime(not_after.0.saturating_add(1))
}

/// What the enrolment of an invitation will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A new name.
    New,
    /// A further key of a name.
    Spare,
    /// Another key or another expiry instead of this key's.
    Renewal { replaces: PublicKey },
}

/// An invitation that no one has used yet.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) id: InvitationId,
    pub(crate) name: Name,
    pub(crate) kind: Kind,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) preshared_key: PresharedKey,
    /// When the access that it gives ends.
    pub(crate) not_after: Option<UnixTime>,
    /// Until when it may be used.
    pub(crate) valid_until: UnixTime,
}

/// Who is to be invited.
pub(crate) struct Wish<'a> {
    pub(crate) name: &'a Name,
    pub(crate) spare: bool,
    /// Addresses instead of the next free ones; in a renewal, of the key to renew.
    pub(crate) addresses: &'a [IpAddr],
    pub(crate) not_after: Option<UnixTime>,
    pub(crate) valid_until: UnixTime,
}

/// What the data path has to do after a verb.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    /// Keys to forget, first.
    pub(crate) removed: Vec<PublicKey>,
    /// Keys to let in, then.
    pub(crate) added: Vec<Identity>,
    /// Which of their initiations were answered before.
    pub(crate) seen: HashMap<PublicKey, SeenInitiations>,
}

/// Who acts, and when: for the audit.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) who: String,
    pub(crate) now: UnixTime,
}

/// Something that was done to the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: UnixTime,
    pub(crate) who: String,
    pub(crate) action: String,
    pub(crate) name: Name,
    /// Which key, if it was about one.
    pub(crate) public_key: Option<PublicKey>,
}

/// Where an identity was last authentically heard from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) endpoint: SocketAddr,
    pub(crate) at: UnixTime,
}

/// What the workers saw of identities since it was last written.
#[derive(Default)]
pub(crate) struct Observed {
    /// Where they were heard from.
    pub(crate) endpoints: HashMap<PublicKey, SocketAddr>,
    /// Which of their initiations were answered.
    pub(crate) initiations: HashMap<PublicKey, SeenInitiations>,
}

/// The registry on this machine's disk.
pub(crate) struct Registry {
    connection: Connection,
}

impl Registry {
    /// Makes an empty registry that only its owner can read.
    pub(crate) fn create(path: &Path) -> Result<Registry, RegistryError> {
        schema::create(path).map(|connection| Registry { connection })
    }

    /// Opens the registry and checks it: the part with identities has to be whole, the
    /// last-seen part is emptied if it is not.
    pub(crate) fn open(path: &Path) -> Result<Registry, RegistryError> {
        schema::open(path).map(|connection| Registry { connection })
    }

    /// Everyone who may come in or could until their access ended, by name.
    pub(crate) fn identities(&self) -> Result<Vec<Identity>, RegistryError> {
        let mut identities = Vec::with_capacity(self.count_identities()?);
        rows::each_identity(&self.connection, |identity| identities.push(identity))?;
        identities.sort_unstable_by(|a, b| {
            let order = |identity: &Identity| (identity.spare, identity.added, identity.public_key);
            a.name.cmp(&b.name).then(order(a).cmp(&order(b)))
        });
        // What no single row shows: that no address belongs to two keys.
        let mut owners = HashMap::new();
        for identity in &identities {
            for address in &identity.addresses {
                if let Some(other) = owners.insert(address, &identity.name) {
                    let what = say().address_belongs_to_both(address, other, &identity.name);
                    return Err(RegistryError::Damaged(what));
                }
            }
        }
        Ok(identities)
    }

    /// Gives all of [`Registry::identities`] to `take`, in any order. A start with very many
    /// never has them in memory twice.
    pub(crate) fn each_identity(
        &self,
        mut take: impl FnMut(Identity),
    ) -> Result<(), RegistryError> {
        let mut taken = HashSet::new();
        let mut unique = true;
        rows::each_identity(&self.connection, |identity| {
            for address in &identity.addresses {
                unique &= taken.insert(*address);
            }
            take(identity);
        })?;
        if !unique {
            // This says whose address it is.
            self.identities()?;
        }
        Ok(())
    }

    /// How many identities there are.
    pub(crate) fn count_identities(&self) -> Result<usize, RegistryError> {
        rows::count_identities(&self.connection)
    }

    /// The invitations that can still be used.
    pub(crate) fn invitations(&self, now: UnixTime) -> Result<Vec<Pending>, RegistryError> {
        rows::pending(&self.connection, now)
    }

    /// What was done, first things first; from this second on, if one is named.
    pub(crate) fn audit(&self, since: Option<UnixTime>) -> Result<Vec<Entry>, RegistryError> {
        rows::audit(&self.connection, since.unwrap_or(UnixTime(0)))
    }

    /// Where everyone was last seen.
    pub(crate) fn last_seen(&self) -> Result<HashMap<PublicKey, Sighting>, RegistryError> {
        rows::last_seen(&self.connection)
    }

    /// Which initiations of each identity were answered.
    pub(crate) fn seen_initiations(
        &self,
    ) -> Result<HashMap<PublicKey, SeenInitiations>, RegistryError> {
        rows::seen_initiations(&self.connection)
    }

    /// Invites a new name, a further key of a name, or a name that exists to renew.
    ///
    /// An earlier invitation for the same thing is withdrawn. `write` makes the
    /// invitation's text; if it cannot, nobody was invited.
    pub(crate) fn invite<T, E: From<RegistryError>>(
        &mut self,
        act: &Act,
        wish: &Wish<'_>,
        networks: &Networks,
        write: impl FnOnce(&Pending) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.begin()?;
        let pending = prepare(&transaction, act, wish, networks)?;
        rows::insert_pending(&transaction, &pending)?;
        rows::insert_audit(&transaction, act, "invite", &pending.name, None)?;
        let written = write(&pending)?;
        transaction.commit().map_err(RegistryError::from)?;
        Ok(written)
    }

    /// Withdraws one invitation that nobody has used.
    pub(crate) fn withdraw(&mut self, act: &Act, id: &InvitationId) -> Result<(), RegistryError> {
        let transaction = self.begin()?;
        let pending = rows::invitation(&transaction, id)?;
        rows::withdraw(&transaction, id)?;
        rows::insert_audit(&transaction, act, "withdraw", &pending.name, None)?;
        transaction.commit()?;
        Ok(())
    }

    /// Uses up an invitation: the key comes in, and in a renewal the old one goes.
    pub(crate) fn enrol(
        &mut self,
        act: &Act,
        enrolment: &Enrolment,
        own_key: &PublicKey,
    ) -> Result<Change, RegistryError> {
        let transaction = self.begin()?;
        let pending = rows::invitation(&transaction, &enrolment.id)?;
        if act.now > pending.valid_until {
            let valid_until = pending.valid_until;
            return Err(Refusal::LateEnrolment { valid_until }.into());
        }
        if enrolment.name != pending.name {
            return Err(Refusal::OtherName {
                invited: pending.name,
                name: enrolment.name.clone(),
            }
            .into());
        }
        check_not_ended(pending.not_after, act.now)?;
        let replaced = match pending.kind {
            Kind::Renewal { replaces } => {
                let replaced = rows::identity(&transaction, &replaces)?;
                Some(replaced.ok_or(Refusal::WithdrawnInvitation)?)
            }
            Kind::Spare => None,
            Kind::New => {
                let holders = rows::identities_of(&transaction, &pending.name)?;
                if holders.iter().any(|holder| !holder.spare) {
                    return Err(Refusal::NameTaken { name: pending.name }.into());
                }
                None
            }
        };
        let removed = Vec::from_iter(replaced.as_ref().map(|replaced| replaced.public_key));
        for key in &removed {
            rows::delete_identity(&transaction, key)?;
            if *key != enrolment.public_key {
                rows::delete_last_seen(&transaction, key)?;
            }
        }
        let identity = Identity {
            public_key: enrolment.public_key,
            spare: replaced.map_or(pending.kind == Kind::Spare, |replaced| replaced.spare),
            name: pending.name,
            addresses: pending.addresses,
            preshared_key: Some(pending.preshared_key),
            not_after: pending.not_after,
            serial: enrolment.serial,
            added: act.now,
            ended: false,
        };
        insert_identity(&transaction, &identity, own_key)?;
        let seen = seen_of(&transaction, std::slice::from_ref(&identity))?;
        rows::end_invitation(&transaction, &enrolment.id)?;
        let key = Some(&identity.public_key);
        rows::insert_audit(&transaction, act, "enrol", &identity.name, key)?;
        transaction.commit()?;
        Ok(Change {
            removed,
            added: vec![identity],
            seen,
        })
    }

    /// Lets in a key that was made elsewhere, under a new name. `identity` holds the
    /// addresses wanted; it comes back with those given.
    pub(crate) fn add(
        &mut self,
        act: &Act,
        mut identity: Identity,
        networks: &Networks,
        own_key: &PublicKey,
    ) -> Result<Change, RegistryError> {
        check_not_ended(identity.not_after, act.now)?;
        let transaction = self.begin()?;
        let name = &identity.name;
        if !rows::identities_of(&transaction, name)?.is_empty() {
            return Err(Refusal::NameTaken { name: name.clone() }.into());
        }
        let taken = rows::taken_addresses(&transaction, act.now)?;
        identity.addresses =
            addresses::assign(networks, &identity.addresses, &taken).map_err(Refusal::from)?;
        insert_identity(&transaction, &identity, own_key)?;
        let key = Some(&identity.public_key);
        rows::insert_audit(&transaction, act, "add", &identity.name, key)?;
        transaction.commit()?;
        Ok(Change {
            added: vec![identity],
            ..Change::default()
        })
    }

    /// Ends the access of a name or of one of its keys, open invitations included.
    pub(crate) fn revoke(
        &mut self,
        act: &Act,
        name: &Name,
        key: Option<&PublicKey>,
    ) -> Result<Change, RegistryError> {
        let transaction = self.begin()?;
        let mut removed = Vec::new();
        for holder in rows::identities_of(&transaction, name)? {
            if key.is_none_or(|key| *key == holder.public_key) {
                removed.push(holder.public_key);
            }
        }
        for key in &removed {
            rows::delete_identity(&transaction, key)?;
            rows::delete_last_seen(&transaction, key)?;
            rows::withdraw_renewals(&transaction, key)?;
            rows::insert_audit(&transaction, act, "revoke", name, Some(key))?;
        }
        if key.is_some() {
            if removed.is_empty() {
                return Err(Refusal::UnknownKey { name: name.clone() }.into());
            }
        } else {
            let withdrawn = rows::withdraw_all(&transaction, name)?;
            if removed.is_empty() {
                if withdrawn == 0 {
                    return Err(Refusal::UnknownName { name: name.clone() }.into());
                }
                rows::insert_audit(&transaction, act, "revoke", name, None)?;
            }
        }
        transaction.commit()?;
        Ok(Change {
            removed,
            ..Change::default()
        })
    }

    /// Notes whose access has ended. Only somebody who says so lets them in again, whatever a
    /// clock shows that was set back.
    pub(crate) fn end_expired(&mut self, act: &Act) -> Result<(), RegistryError> {
        let transaction = self.begin()?;
        for mut identity in rows::newly_ended(&transaction, act.now)? {
            identity.ended = true;
            rows::set_ended(&transaction, &identity)?;
            let key = Some(&identity.public_key);
            rows::insert_audit(&transaction, act, "expire", &identity.name, key)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Lets in again whose access was ended by a clock that was wrong: there is time left by
    /// the one that is right now. Everyone of whom that is so, if no name is given.
    pub(crate) fn reinstate(
        &mut self,
        act: &Act,
        name: Option<&Name>,
    ) -> Result<Change, RegistryError> {
        let transaction = self.begin()?;
        let mut added = rows::ended_early(&transaction, act.now)?;
        added.retain(|identity| name.is_none_or(|name| identity.name == *name));
        if let Some(name) = name.filter(|_| added.is_empty()) {
            return Err(not_to_be_reinstated(&transaction, name, act.now)?.into());
        }
        for identity in &mut added {
            identity.ended = false;
            rows::set_ended(&transaction, identity)?;
            let key = Some(&identity.public_key);
            rows::insert_audit(&transaction, act, "reinstate", &identity.name, key)?;
        }
        let seen = seen_of(&transaction, &added)?;
        transaction.commit()?;
        Ok(Change {
            removed: added.iter().map(|identity| identity.public_key).collect(),
            added,
            seen,
        })
    }

    /// Notes what was seen of identities. What is not an identity's key is left out.
    pub(crate) fn record_last_seen(
        &mut self,
        observed: &Observed,
        now: UnixTime,
    ) -> Result<(), RegistryError> {
        let transaction = self.begin()?;
        for (key, endpoint) in &observed.endpoints {
            rows::insert_last_seen(&transaction, key, *endpoint, now)?;
        }
        for (key, seen) in &observed.initiations {
            rows::insert_seen_initiations(&transaction, key, seen)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn begin(&mut self) -> Result<Transaction<'_>, RegistryError> {
        let immediate = TransactionBehavior::Immediate;
        Ok(self.connection.transaction_with_behavior(immediate)?)
    }
}

/// Decides what an invitation is for, and withdraws the ones it takes the place of.
fn prepare(
    transaction: &Transaction<'_>,
    act: &Act,
    wish: &Wish<'_>,
    networks: &Networks,
) -> Result<Pending, RegistryError> {
    let name = wish.name;
    check_not_ended(wish.not_after, act.now)?;
    rows::forget_invitations(transaction, act.now.0.saturating_sub(REMEMBERED))?;
    let holders = rows::identities_of(transaction, name)?;
    let (kind, kept) = if wish.spare {
        if holders.is_empty() && !rows::is_invited(transaction, name, act.now)? {
            return Err(Refusal::UnknownName { name: name.clone() }.into());
        }
        (Kind::Spare, None)
    } else if holders.is_empty() {
        rows::withdraw_new(transaction, name)?;
        (Kind::New, None)
    } else {
        let holder = key_to_renew(name, &holders, wish.addresses)?;
        let replaces = holder.public_key;
        rows::withdraw_renewals(transaction, &replaces)?;
        (Kind::Renewal { replaces }, Some(holder.addresses.clone()))
    };
    let addresses = match kept {
        Some(kept) => kept,
        None => {
            let taken = rows::taken_addresses(transaction, act.now)?;
            addresses::assign(networks, wish.addresses, &taken).map_err(Refusal::from)?
        }
    };
    Ok(Pending {
        id: InvitationId::generate(),
        name: name.clone(),
        kind,
        addresses,
        preshared_key: PresharedKey::generate(),
        not_after: wish.not_after,
        valid_until: wish.valid_until,
    })
}

/// What is kept of the initiations of these.
fn seen_of(
    transaction: &Transaction<'_>,
    identities: &[Identity],
) -> Result<HashMap<PublicKey, SeenInitiations>, RegistryError> {
    let mut all = HashMap::new();
    for identity in identities {
        let key = identity.public_key;
        let seen = rows::seen_initiations_of(transaction, &key)?;
        all.extend(seen.map(|seen| (key, seen)));
    }
    Ok(all)
}

/// Why none of the keys of `name` is let in again.
fn not_to_be_reinstated(
    transaction: &Transaction<'_>,
    name: &Name,
    now: UnixTime,
) -> Result<Refusal, RegistryError> {
    let name = name.clone();
    let holders = rows::identities_of(transaction, &name)?;
    let over = holders.iter().find(|holder| holder.is_expired(now));
    Ok(match over.and_then(|holder| holder.not_after) {
        Some(not_after) => Refusal::Over { name, not_after },
        None if holders.is_empty() => Refusal::UnknownName { name },
        None => Refusal::NotEnded { name },
    })
}

fn check_not_ended(not_after: Option<UnixTime>, now: UnixTime) -> Result<(), Refusal> {
    match not_after {
        Some(not_after) if now > not_after => Err(Refusal::Ended { not_after }),
        _ => Ok(()),
    }
}

/// The key of `name` that an invitation means to renew: the one with the `wanted`
/// address, else the first one it was given, else its only one.
fn key_to_renew<'a>(
    name: &Name,
    holders: &'a [Identity],
    wanted: &[IpAddr],
) -> Result<&'a Identity, Refusal> {
    let Some(&address) = wanted.first() else {
        let mut first = holders.iter().filter(|holder| !holder.spare);
        return match (first.next(), holders) {
            (Some(holder), _) | (None, [holder]) => Ok(holder),
            _ => Err(Refusal::SeveralKeys { name: name.clone() }),
        };
    };
    let holder = holders
        .iter()
        .find(|holder| wanted.iter().all(|ip| holder.addresses.contains(ip)));
    holder.ok_or(Refusal::OtherAddress {
        name: name.clone(),
        address,
    })
}

/// Inserts a key where it and its addresses are free.
fn insert_identity(
    transaction: &Transaction<'_>,
    identity: &Identity,
    own_key: &PublicKey,
) -> Result<(), RegistryError> {
    if identity.public_key == *own_key {
        return Err(Refusal::OwnKey.into());
    }
    if let Some(other) = rows::identity(transaction, &identity.public_key)? {
        return Err(Refusal::DuplicateKey { name: other.name }.into());
    }
    let held = rows::held_addresses(transaction)?;
    if let Some(&address) = identity.addresses.iter().find(|ip| held.contains(ip)) {
        return Err(Refusal::Address(AddressError::Taken { address }).into());
    }
    rows::insert_identity(transaction, identity)
}

#[cfg(test)]
mod tests;

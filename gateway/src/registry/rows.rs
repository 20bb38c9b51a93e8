//! The registry's rows, to and from its types.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use rusqlite::{Connection, Params, Row, params};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::device::SeenInitiations;
use tokenvpn_common::invitation::InvitationId;
use tokenvpn_common::key::{PresharedKey, PublicKey};
use tokenvpn_common::language::say;
use tokenvpn_common::name::Name;

use super::seal::{self, Seal};
use super::{Act, Entry, Identity, Kind, Pending, Refusal, RegistryError, Sighting};

const IDENTITY: &str = "SELECT public_key, name, spare, addresses, preshared_key, not_after, serial, \
     added, ended, seal FROM identity";
const INVITATION: &str = "SELECT id, name, spare, replaces, addresses, preshared_key, not_after, \
     valid_until, ended, seal FROM invitation";

type Fallible<T> = Result<T, RegistryError>;

/// Runs a query and decodes all its rows.
fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    decode: impl Fn(&Row<'_>) -> Fallible<T>,
) -> Fallible<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut decoded = Vec::new();
    while let Some(row) = rows.next()? {
        decoded.push(decode(row)?);
    }
    Ok(decoded)
}

/// A value that has to be right, or the registry is damaged.
fn sound<T, E: std::fmt::Display>(column: &str, value: Result<T, E>) -> Fallible<T> {
    value.map_err(|e| RegistryError::Damaged(format!("{column}: {e}")))
}

fn key(row: &Row<'_>, column: &str) -> Fallible<PublicKey> {
    sound(column, PublicKey::new(row.get(column)?))
}

fn name(row: &Row<'_>) -> Fallible<Name> {
    sound("name", row.get::<_, String>("name")?.parse())
}

fn addresses(row: &Row<'_>) -> Fallible<Vec<IpAddr>> {
    let text: String = row.get("addresses")?;
    let addresses: Result<Vec<IpAddr>, _> = text.split(' ').map(str::parse).collect();
    sound("addresses", addresses)
}

fn address_text(addresses: &[IpAddr]) -> String {
    let texts: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
    texts.join(" ")
}

fn preshared_key(row: &Row<'_>) -> Fallible<Option<PresharedKey>> {
    let bytes: Option<[u8; 32]> = row.get("preshared_key")?;
    Ok(bytes.map(PresharedKey::from_bytes))
}

fn time(row: &Row<'_>, column: &str) -> Fallible<UnixTime> {
    sound(column, row.get::<_, i64>(column)?.try_into().map(UnixTime))
}

fn not_after(row: &Row<'_>) -> Fallible<Option<UnixTime>> {
    let seconds: Option<i64> = row.get("not_after")?;
    let seconds = sound("not_after", seconds.map(u64::try_from).transpose())?;
    Ok(seconds.map(UnixTime))
}

/// SQLite's integers have a sign; no date comes near it.
fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// Insists on the seal that the row was written with.
fn check_seal(row: &Row<'_>, name: &Name, seal: Seal) -> Fallible<()> {
    if row.get::<_, Seal>("seal")? == seal {
        return Ok(());
    }
    Err(RegistryError::Damaged(
        say().registry_entry_was_changed(name),
    ))
}

fn to_identity(row: &Row<'_>) -> Fallible<Identity> {
    let identity = unsealed_identity(row)?;
    check_seal(row, &identity.name, seal::of_identity(&identity))?;
    Ok(identity)
}

fn unsealed_identity(row: &Row<'_>) -> Fallible<Identity> {
    Ok(Identity {
        public_key: key(row, "public_key")?,
        name: name(row)?,
        spare: row.get("spare")?,
        addresses: addresses(row)?,
        preshared_key: preshared_key(row)?,
        not_after: not_after(row)?,
        serial: row.get("serial")?,
        added: time(row, "added")?,
        ended: row.get("ended")?,
    })
}

fn to_pending(row: &Row<'_>) -> Fallible<Pending> {
    let pending = unsealed_pending(row)?;
    check_seal(row, &pending.name, seal::of_pending(&pending))?;
    Ok(pending)
}

fn unsealed_pending(row: &Row<'_>) -> Fallible<Pending> {
    let replaces: Option<[u8; 32]> = row.get("replaces")?;
    let kind = match replaces {
        Some(_) => Kind::Renewal {
            replaces: key(row, "replaces")?,
        },
        None if row.get("spare")? => Kind::Spare,
        None => Kind::New,
    };
    let preshared_key = preshared_key(row)?;
    Ok(Pending {
        id: sound("id", row.get::<_, String>("id")?.parse())?,
        name: name(row)?,
        kind,
        addresses: addresses(row)?,
        preshared_key: sound(
            "preshared_key",
            preshared_key.ok_or_else(|| say().open_invitation_has_one()),
        )?,
        not_after: not_after(row)?,
        valid_until: time(row, "valid_until")?,
    })
}

/// Gives everyone to `take`, one at a time.
pub(super) fn each_identity(
    connection: &Connection,
    mut take: impl FnMut(Identity),
) -> Fallible<()> {
    let mut statement = connection.prepare_cached(IDENTITY)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(to_identity(row)?);
    }
    Ok(())
}

pub(super) fn count_identities(connection: &Connection) -> Fallible<usize> {
    let sql = "SELECT count(*) FROM identity";
    let count: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

pub(super) fn identities_of(connection: &Connection, name: &Name) -> Fallible<Vec<Identity>> {
    let sql = format!("{IDENTITY} WHERE name = ?1 ORDER BY spare, added, public_key");
    all(connection, &sql, [name.as_str()], to_identity)
}

pub(super) fn identity(connection: &Connection, key: &PublicKey) -> Fallible<Option<Identity>> {
    let sql = format!("{IDENTITY} WHERE public_key = ?1");
    Ok(all(connection, &sql, [key.as_bytes()], to_identity)?.pop())
}

pub(super) fn insert_identity(connection: &Connection, identity: &Identity) -> Fallible<()> {
    connection.execute(
        "INSERT INTO identity VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            identity.public_key.as_bytes(),
            identity.name.as_str(),
            identity.spare,
            address_text(&identity.addresses),
            identity.preshared_key.as_ref().map(PresharedKey::expose),
            identity.not_after.map(seconds),
            identity.serial,
            seconds(identity.added),
            identity.ended,
            seal::of_identity(identity),
        ],
    )?;
    Ok(())
}

/// Those whose access is over at `now` and of whom that is not noted yet.
pub(super) fn newly_ended(connection: &Connection, now: UnixTime) -> Fallible<Vec<Identity>> {
    let sql = format!("{IDENTITY} WHERE not_after < ?1 AND ended = 0");
    all(connection, &sql, [seconds(now)], to_identity)
}

/// Those whose access was noted to be over while there is time left at `now`.
pub(super) fn ended_early(connection: &Connection, now: UnixTime) -> Fallible<Vec<Identity>> {
    let sql = format!("{IDENTITY} WHERE not_after >= ?1 AND ended = 1");
    all(connection, &sql, [seconds(now)], to_identity)
}

/// Notes whether the access of an identity is over.
pub(super) fn set_ended(connection: &Connection, identity: &Identity) -> Fallible<()> {
    let sql = "UPDATE identity SET ended = ?2, seal = ?3 WHERE public_key = ?1";
    let (key, seal) = (identity.public_key.as_bytes(), seal::of_identity(identity));
    connection.execute(sql, params![key, identity.ended, seal])?;
    Ok(())
}

pub(super) fn delete_identity(connection: &Connection, key: &PublicKey) -> Fallible<()> {
    let sql = "DELETE FROM identity WHERE public_key = ?1";
    connection.execute(sql, [key.as_bytes()])?;
    Ok(())
}

/// The addresses of all identities.
pub(super) fn held_addresses(connection: &Connection) -> Fallible<HashSet<IpAddr>> {
    let held = all(connection, "SELECT addresses FROM identity", [], addresses)?;
    Ok(held.into_iter().flatten().collect())
}

/// The addresses of all identities and all invitations that can still be used.
pub(super) fn taken_addresses(connection: &Connection, now: UnixTime) -> Fallible<HashSet<IpAddr>> {
    let mut taken = held_addresses(connection)?;
    let sql = "SELECT addresses FROM invitation WHERE ended IS NULL AND valid_until >= ?1";
    let reserved = all(connection, sql, [seconds(now)], addresses)?;
    taken.extend(reserved.into_iter().flatten());
    Ok(taken)
}

pub(super) fn pending(connection: &Connection, now: UnixTime) -> Fallible<Vec<Pending>> {
    let sql = format!("{INVITATION} WHERE ended IS NULL AND valid_until >= ?1 ORDER BY name, id");
    all(connection, &sql, [seconds(now)], to_pending)
}

/// The invitation with this id, if nothing has ended it; it may be out of date.
pub(super) fn invitation(connection: &Connection, id: &InvitationId) -> Fallible<Pending> {
    let sql = format!("{INVITATION} WHERE id = ?1");
    let found = all(connection, &sql, [id.as_str()], |row| {
        match row.get::<_, Option<String>>("ended")?.as_deref() {
            None => to_pending(row),
            Some("used") => Err(Refusal::UsedInvitation.into()),
            Some(_) => Err(Refusal::WithdrawnInvitation.into()),
        }
    })?;
    let invitation = found.into_iter().next();
    invitation.ok_or(Refusal::UnknownInvitation.into())
}

pub(super) fn insert_pending(connection: &Connection, pending: &Pending) -> Fallible<()> {
    let replaces = match &pending.kind {
        Kind::Renewal { replaces } => Some(replaces.as_bytes()),
        Kind::New | Kind::Spare => None,
    };
    connection.execute(
        "INSERT INTO invitation VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, ?9)",
        params![
            pending.id.as_str(),
            pending.name.as_str(),
            pending.kind == Kind::Spare,
            replaces,
            address_text(&pending.addresses),
            pending.preshared_key.expose(),
            pending.not_after.map(seconds),
            seconds(pending.valid_until),
            seal::of_pending(pending),
        ],
    )?;
    Ok(())
}

/// Whether the name has an invitation that can still be used.
pub(super) fn is_invited(connection: &Connection, name: &Name, now: UnixTime) -> Fallible<bool> {
    let open = pending(connection, now)?;
    Ok(open.iter().any(|invitation| invitation.name == *name))
}

pub(super) fn end_invitation(connection: &Connection, id: &InvitationId) -> Fallible<()> {
    let sql = "UPDATE invitation SET ended = 'used', preshared_key = NULL WHERE id = ?1";
    connection.execute(sql, [id.as_str()])?;
    Ok(())
}

const WITHDRAW: &str =
    "UPDATE invitation SET ended = 'withdrawn', preshared_key = NULL WHERE ended IS NULL";

/// Withdraws the open invitations by which the name would come into being.
pub(super) fn withdraw_new(connection: &Connection, name: &Name) -> Fallible<()> {
    let sql = format!("{WITHDRAW} AND name = ?1 AND spare = 0 AND replaces IS NULL");
    connection.execute(&sql, [name.as_str()])?;
    Ok(())
}

/// Withdraws the open invitations to renew this key.
pub(super) fn withdraw_renewals(connection: &Connection, key: &PublicKey) -> Fallible<()> {
    let sql = format!("{WITHDRAW} AND replaces = ?1");
    connection.execute(&sql, [key.as_bytes()])?;
    Ok(())
}

/// Withdraws this invitation if it is open.
pub(super) fn withdraw(connection: &Connection, id: &InvitationId) -> Fallible<()> {
    let sql = format!("{WITHDRAW} AND id = ?1");
    connection.execute(&sql, [id.as_str()])?;
    Ok(())
}

/// Withdraws all open invitations of a name and counts them.
pub(super) fn withdraw_all(connection: &Connection, name: &Name) -> Fallible<usize> {
    let sql = format!("{WITHDRAW} AND name = ?1");
    Ok(connection.execute(&sql, [name.as_str()])?)
}

/// Deletes the invitations that could last be used before this second.
pub(super) fn forget_invitations(connection: &Connection, before: u64) -> Fallible<()> {
    let sql = "DELETE FROM invitation WHERE valid_until < ?1";
    connection.execute(sql, [seconds(UnixTime(before))])?;
    Ok(())
}

pub(super) fn insert_audit(
    connection: &Connection,
    act: &Act,
    action: &str,
    name: &Name,
    key: Option<&PublicKey>,
) -> Fallible<()> {
    connection.execute(
        "INSERT INTO audit (at, who, action, name, public_key) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            seconds(act.now),
            act.who,
            action,
            name.as_str(),
            key.map(PublicKey::as_bytes),
        ],
    )?;
    Ok(())
}

pub(super) fn audit(connection: &Connection, since: UnixTime) -> Fallible<Vec<Entry>> {
    let sql = "SELECT at, who, action, name, public_key FROM audit WHERE at >= ?1 ORDER BY id";
    all(connection, sql, [seconds(since)], |row| {
        let public_key: Option<[u8; 32]> = row.get("public_key")?;
        Ok(Entry {
            at: time(row, "at")?,
            who: row.get("who")?,
            action: row.get("action")?,
            name: name(row)?,
            public_key: match public_key {
                Some(_) => Some(key(row, "public_key")?),
                None => None,
            },
        })
    })
}

pub(super) fn last_seen(connection: &Connection) -> Fallible<HashMap<PublicKey, Sighting>> {
    let sql = "SELECT public_key, endpoint, at FROM last_seen";
    let seen = all(connection, sql, [], |row| {
        let sighting = Sighting {
            endpoint: sound("endpoint", row.get::<_, String>("endpoint")?.parse())?,
            at: time(row, "at")?,
        };
        Ok((key(row, "public_key")?, sighting))
    })?;
    Ok(seen.into_iter().collect())
}

pub(super) fn insert_last_seen(
    connection: &Connection,
    key: &PublicKey,
    endpoint: SocketAddr,
    now: UnixTime,
) -> Fallible<()> {
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO last_seen SELECT public_key, ?2, ?3 FROM identity WHERE public_key = ?1",
    )?;
    insert.execute(params![key.as_bytes(), endpoint.to_string(), seconds(now)])?;
    Ok(())
}

pub(super) fn seen_initiations(
    connection: &Connection,
) -> Fallible<HashMap<PublicKey, SeenInitiations>> {
    let sql = "SELECT public_key, initiations FROM seen_initiations";
    let seen = all(connection, sql, [], |row| {
        let bytes: Vec<u8> = row.get("initiations")?;
        let seen = SeenInitiations::from_bytes(&bytes).ok_or_else(|| say().of_no_such_length());
        Ok((key(row, "public_key")?, sound("initiations", seen)?))
    })?;
    Ok(seen.into_iter().collect())
}

/// The same of one identity; `None` also if it cannot be read: it may be lost.
pub(super) fn seen_initiations_of(
    connection: &Connection,
    key: &PublicKey,
) -> Fallible<Option<SeenInitiations>> {
    let sql = "SELECT initiations FROM seen_initiations WHERE public_key = ?1";
    let seen = all(connection, sql, [key.as_bytes()], |row| {
        let bytes: Vec<u8> = row.get("initiations")?;
        Ok(SeenInitiations::from_bytes(&bytes))
    })?;
    Ok(seen.into_iter().next().flatten())
}

pub(super) fn insert_seen_initiations(
    connection: &Connection,
    key: &PublicKey,
    seen: &SeenInitiations,
) -> Fallible<()> {
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO seen_initiations SELECT public_key, ?2 FROM identity WHERE public_key = ?1",
    )?;
    insert.execute(params![key.as_bytes(), seen.to_bytes()])?;
    Ok(())
}

pub(super) fn delete_last_seen(connection: &Connection, key: &PublicKey) -> Fallible<()> {
    for table in ["last_seen", "seen_initiations"] {
        let sql = format!("DELETE FROM {table} WHERE public_key = ?1");
        connection.execute(&sql, [key.as_bytes()])?;
    }
    Ok(())
}

/// Whether the audit has a row of this action; for tests.
#[cfg(test)]
pub(super) fn audited(connection: &Connection, action: &str) -> i64 {
    let sql = "SELECT count(*) FROM audit WHERE action = ?1";
    connection
        .query_row(sql, [action], |row| row.get(0))
        .unwrap()
}

//! The registry's verbs, on a database in a directory of its own.

use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use tempfile::TempDir;
use tokenvpn_common::invitation;
use tokenvpn_common::key::PrivateKey;

use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);
const LATER: UnixTime = UnixTime(NOW.0 + 1000);

fn act() -> Act {
    at(NOW)
}

fn at(now: UnixTime) -> Act {
    Act {
        who: "root".into(),
        now,
    }
}

fn networks() -> Networks {
    crate::config::networks(&["10.77.0.0/24"])
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn fresh_key() -> PublicKey {
    PrivateKey::generate().public()
}

fn own_key() -> PublicKey {
    PrivateKey::from_bytes([9; 32]).public()
}

fn registry() -> (TempDir, Registry) {
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::create(&directory.path().join("registry.db")).unwrap();
    (directory, registry)
}

fn wish(name: &Name) -> Wish<'_> {
    Wish {
        name,
        spare: false,
        addresses: &[],
        not_after: None,
        valid_until: LATER,
    }
}

fn invite_as(registry: &mut Registry, wish: &Wish<'_>) -> Result<Pending, RegistryError> {
    registry.invite(&act(), wish, &networks(), |pending| Ok(pending.clone()))
}

fn invite(registry: &mut Registry, who: &str) -> Pending {
    invite_as(registry, &wish(&name(who))).unwrap()
}

fn invite_spare(registry: &mut Registry, who: &str) -> Result<Pending, RegistryError> {
    let name = name(who);
    let spare = true;
    invite_as(
        registry,
        &Wish {
            spare,
            ..wish(&name)
        },
    )
}

fn enrolment(pending: &Pending, public_key: PublicKey) -> Enrolment {
    Enrolment {
        version: invitation::VERSION,
        id: pending.id.clone(),
        name: pending.name.clone(),
        public_key,
        serial: 1,
    }
}

fn enrol(
    registry: &mut Registry,
    pending: &Pending,
    key: PublicKey,
) -> Result<Change, RegistryError> {
    registry.enrol(&act(), &enrolment(pending, key), &own_key())
}

/// Invites and enrols somebody, and gives their key.
pub(super) fn enrolled(registry: &mut Registry, who: &str) -> PublicKey {
    let pending = invite(registry, who);
    let key = fresh_key();
    enrol(registry, &pending, key).unwrap();
    key
}

fn client(who: &str, addresses: &[&str]) -> Identity {
    Identity {
        public_key: fresh_key(),
        name: name(who),
        spare: false,
        addresses: addresses.iter().map(|text| ip(text)).collect(),
        preshared_key: None,
        not_after: None,
        serial: 0,
        added: NOW,
        ended: false,
    }
}

fn add(registry: &mut Registry, identity: Identity) -> Result<Change, RegistryError> {
    registry.add(&act(), identity, &networks(), &own_key())
}

fn refusal<T>(result: Result<T, RegistryError>) -> Refusal {
    match result {
        Err(RegistryError::Refused(refusal)) => refusal,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("nothing was refused"),
    }
}

fn keys(registry: &Registry) -> Vec<PublicKey> {
    let identities = registry.identities().unwrap();
    identities
        .iter()
        .map(|identity| identity.public_key)
        .collect()
}

#[test]
fn an_invitation_becomes_an_identity_once() {
    let (_directory, mut registry) = registry();
    let pending = invite(&mut registry, "traveller");
    assert_eq!(
        (pending.kind, &pending.addresses[..]),
        (Kind::New, &[ip("10.77.0.2")][..])
    );
    assert!(registry.identities().unwrap().is_empty());

    let key = fresh_key();
    let change = enrol(&mut registry, &pending, key).unwrap();
    assert!(change.removed.is_empty());
    assert_eq!(keys(&registry), [key]);
    let psk = registry.identities().unwrap()[0]
        .preshared_key
        .clone()
        .unwrap();
    assert_eq!(psk.expose(), pending.preshared_key.expose());

    let again = enrol(&mut registry, &pending, fresh_key());
    assert_eq!(refusal(again), Refusal::UsedInvitation);
    assert_eq!(keys(&registry), [key]);
    for action in ["invite", "enrol"] {
        assert_eq!(rows::audited(&registry.connection, action), 1, "{action}");
    }
}

#[test]
fn an_invitation_that_cannot_be_written_invites_nobody() {
    let (_directory, mut registry) = registry();
    let name = name("traveller");
    let result: Result<(), _> = registry.invite(&act(), &wish(&name), &networks(), |_| {
        Err(RegistryError::Damaged("the pen".into()))
    });
    assert!(result.is_err());
    assert!(registry.invitations(NOW).unwrap().is_empty());
}

#[test]
fn an_enrolment_has_to_fit_its_invitation() {
    let (_directory, mut registry) = registry();
    let pending = invite(&mut registry, "traveller");

    let mut unknown = enrolment(&pending, fresh_key());
    unknown.id = InvitationId::generate();
    let result = registry.enrol(&act(), &unknown, &own_key());
    assert_eq!(refusal(result), Refusal::UnknownInvitation);

    let mut other = enrolment(&pending, fresh_key());
    other.name = name("stranger");
    let result = registry.enrol(&act(), &other, &own_key());
    assert!(matches!(refusal(result), Refusal::OtherName { .. }));

    let late = at(UnixTime(LATER.0 + 1));
    let result = registry.enrol(&late, &enrolment(&pending, fresh_key()), &own_key());
    assert_eq!(
        refusal(result),
        Refusal::LateEnrolment { valid_until: LATER }
    );

    let result = enrol(&mut registry, &pending, own_key());
    assert_eq!(refusal(result), Refusal::OwnKey);
    assert!(keys(&registry).is_empty());

    enrol(&mut registry, &pending, fresh_key()).unwrap();
}

#[test]
fn a_key_is_one_identity_only() {
    let (_directory, mut registry) = registry();
    let key = enrolled(&mut registry, "traveller");
    let pending = invite(&mut registry, "second");
    let name = name("traveller");
    assert_eq!(
        refusal(enrol(&mut registry, &pending, key)),
        Refusal::DuplicateKey { name: name.clone() }
    );
    let mut same = client("third", &[]);
    same.public_key = key;
    assert_eq!(
        refusal(add(&mut registry, same)),
        Refusal::DuplicateKey { name }
    );
}

#[test]
fn a_later_invitation_withdraws_the_earlier_one_and_takes_its_address() {
    let (_directory, mut registry) = registry();
    let first = invite(&mut registry, "traveller");
    let second = invite(&mut registry, "traveller");
    assert_eq!(second.addresses, first.addresses);
    assert_eq!(
        refusal(enrol(&mut registry, &first, fresh_key())),
        Refusal::WithdrawnInvitation
    );
    enrol(&mut registry, &second, fresh_key()).unwrap();
}

#[test]
fn a_renewal_replaces_the_key_when_it_is_enrolled_and_not_before() {
    let (_directory, mut registry) = registry();
    let old = enrolled(&mut registry, "traveller");
    enrolled(&mut registry, "other");
    let renewal = invite(&mut registry, "traveller");
    assert_eq!(renewal.kind, Kind::Renewal { replaces: old });
    assert_eq!(renewal.addresses, [ip("10.77.0.2")]);
    assert!(keys(&registry).contains(&old));

    let new = fresh_key();
    let change = enrol(&mut registry, &renewal, new).unwrap();
    assert_eq!(change.removed, [old]);
    assert_eq!(change.added[0].public_key, new);
    assert!(keys(&registry).contains(&new) && !keys(&registry).contains(&old));

    let same_key = invite(&mut registry, "traveller");
    let change = enrol(&mut registry, &same_key, new).unwrap();
    assert_eq!((change.removed, change.added.len()), (vec![new], 1));
}

#[test]
fn a_spare_key_has_its_own_address_and_is_revoked_alone() {
    let (_directory, mut registry) = registry();
    let unknown = invite_spare(&mut registry, "nobody");
    assert!(matches!(refusal(unknown), Refusal::UnknownName { .. }));

    let main = enrolled(&mut registry, "traveller");
    let pending = invite_spare(&mut registry, "traveller").unwrap();
    let spare = fresh_key();
    enrol(&mut registry, &pending, spare).unwrap();
    assert_eq!(keys(&registry), [main, spare]);
    let identities = registry.identities().unwrap();
    assert_ne!(identities[0].addresses, identities[1].addresses);

    // A renewal means the first key, unless the address says otherwise.
    assert_eq!(
        invite(&mut registry, "traveller").kind,
        Kind::Renewal { replaces: main }
    );
    let traveller = name("traveller");
    let by_address = |addresses: &[IpAddr], registry: &mut Registry| {
        invite_as(
            registry,
            &Wish {
                addresses,
                ..wish(&traveller)
            },
        )
    };
    let renewal = by_address(&pending.addresses, &mut registry).unwrap();
    assert_eq!(renewal.kind, Kind::Renewal { replaces: spare });
    let change = enrol(&mut registry, &renewal, spare).unwrap();
    assert!(change.added[0].spare);
    let elsewhere = by_address(&[ip("10.77.0.99")], &mut registry);
    assert!(matches!(refusal(elsewhere), Refusal::OtherAddress { .. }));

    let change = registry.revoke(&act(), &traveller, Some(&main)).unwrap();
    assert_eq!(change.removed, [main]);
    assert_eq!(keys(&registry), [spare]);
    let again = registry.revoke(&act(), &traveller, Some(&main));
    assert!(matches!(refusal(again), Refusal::UnknownKey { .. }));
}

#[test]
fn revoking_a_name_ends_its_keys_and_its_invitations() {
    let (_directory, mut registry) = registry();
    let traveller = name("traveller");
    let main = enrolled(&mut registry, "traveller");
    let spare = invite_spare(&mut registry, "traveller").unwrap();
    let renewal = invite(&mut registry, "traveller");
    let change = registry.revoke(&act(), &traveller, None).unwrap();
    assert_eq!(change.removed, [main]);
    for pending in [spare, renewal] {
        assert_eq!(
            refusal(enrol(&mut registry, &pending, fresh_key())),
            Refusal::WithdrawnInvitation
        );
    }
    let again = registry.revoke(&act(), &traveller, None);
    assert!(matches!(refusal(again), Refusal::UnknownName { .. }));
    assert!(keys(&registry).is_empty());
}

#[test]
fn an_added_client_takes_a_free_name_and_free_addresses() {
    let (_directory, mut registry) = registry();
    let invited = invite(&mut registry, "traveller");
    let change = add(&mut registry, client("laptop", &[])).unwrap();
    assert_eq!(change.added[0].addresses, [ip("10.77.0.3")]);

    let twice = add(&mut registry, client("laptop", &[]));
    assert!(matches!(refusal(twice), Refusal::NameTaken { .. }));
    let address = invited.addresses[0];
    let taken = add(&mut registry, client("phone", &["10.77.0.2"]));
    assert_eq!(
        refusal(taken),
        Refusal::Address(AddressError::Taken { address })
    );
    let address = ip("192.0.2.1");
    let outside = add(&mut registry, client("phone", &["192.0.2.1"]));
    assert_eq!(
        refusal(outside),
        Refusal::Address(AddressError::Outside { address })
    );

    // The invited name is taken by then, and says so.
    add(&mut registry, client("traveller", &[])).unwrap();
    let late = enrol(&mut registry, &invited, fresh_key());
    assert!(matches!(refusal(late), Refusal::NameTaken { .. }));
}

#[test]
fn what_has_ended_is_not_given() {
    let (_directory, mut registry) = registry();
    let traveller = name("traveller");
    let not_after = Some(UnixTime(NOW.0 - 1));
    let past = Wish {
        not_after,
        ..wish(&traveller)
    };
    let ended = invite_as(&mut registry, &past);
    assert!(matches!(refusal(ended), Refusal::Ended { .. }));
    let mut past = client("laptop", &[]);
    past.not_after = not_after;
    assert!(matches!(
        refusal(add(&mut registry, past)),
        Refusal::Ended { .. }
    ));
}

#[test]
fn access_lasts_through_its_last_second() {
    let (_directory, mut registry) = registry();
    let mut laptop = client("laptop", &[]);
    laptop.not_after = Some(NOW);
    add(&mut registry, laptop).unwrap();
    let [laptop] = &registry.identities().unwrap()[..] else {
        panic!("one was added");
    };
    assert!(!laptop.is_expired(NOW));
    let over = UnixTime(NOW.0 + 1);
    assert!(laptop.is_expired(over));
    assert_eq!(end_of(NOW), over, "when it is looked at");
}

#[test]
fn what_has_ended_stays_so_when_the_clock_is_set_back_until_it_is_renewed() {
    let (directory, mut registry) = registry();
    let path = directory.path().join("registry.db");
    let mut laptop = client("laptop", &[]);
    laptop.not_after = Some(NOW);
    add(&mut registry, laptop).unwrap();
    let later = |seconds| Act {
        now: UnixTime(NOW.0 + seconds),
        ..act()
    };
    let is_over = |registry: &Registry| registry.identities().unwrap()[0].is_expired(NOW);
    registry.end_expired(&later(0)).unwrap();
    assert!(!is_over(&registry), "its last second");
    registry.end_expired(&later(1)).unwrap();
    // Another process, and a clock that was set back.
    drop(registry);
    let mut registry = Registry::open(&path).unwrap();
    assert!(is_over(&registry));
    registry.end_expired(&later(2)).unwrap();
    assert_eq!(rows::audited(&registry.connection, "expire"), 1);

    let renewal = invite(&mut registry, "laptop");
    enrol(&mut registry, &renewal, fresh_key()).unwrap();
    assert!(!is_over(&registry));
}

#[test]
fn what_a_wrong_clock_has_ended_can_be_given_back_until_its_date() {
    let (_directory, mut registry) = registry();
    for (holder, not_after) in [("early", NOW.0), ("late", NOW.0 + 500), ("never", 0)] {
        let mut client = client(holder, &[]);
        client.not_after = Some(UnixTime(not_after)).filter(|at| at.0 > 0);
        add(&mut registry, client).unwrap();
    }
    let key = |registry: &Registry, holder: &str| {
        let all = registry.identities().unwrap();
        all.into_iter().find(|i| i.name == name(holder)).unwrap()
    };
    let late = key(&registry, "late").public_key;
    registry.record_last_seen(&observed(late), NOW).unwrap();
    // A clock that is fast by far, and then a right one, after the first date.
    registry.end_expired(&at(LATER)).unwrap();
    let right = at(UnixTime(NOW.0 + 10));
    let refused = |registry: &mut Registry, holder: &str| {
        let refused = registry.reinstate(&right, Some(&name(holder)));
        match refused.unwrap_err() {
            RegistryError::Refused(refusal) => refusal,
            other => panic!("{other}"),
        }
    };
    let not_after = NOW;
    let early = name("early");
    assert_eq!(
        refused(&mut registry, "early"),
        Refusal::Over {
            name: early,
            not_after
        }
    );
    let never = name("never");
    assert_eq!(
        refused(&mut registry, "never"),
        Refusal::NotEnded { name: never }
    );
    let nobody = name("nobody");
    assert_eq!(
        refused(&mut registry, "nobody"),
        Refusal::UnknownName { name: nobody }
    );
    let change = registry.reinstate(&right, None).unwrap();
    let added: Vec<_> = change.added.iter().map(|i| i.public_key).collect();
    assert_eq!(added, [late]);
    assert!(change.seen.contains_key(&late), "what it said is known");
    assert!(!key(&registry, "late").is_expired(right.now));
    assert!(key(&registry, "early").is_expired(right.now));
    assert_eq!(rows::audited(&registry.connection, "reinstate"), 1);
    assert!(registry.reinstate(&right, None).unwrap().added.is_empty());
}

#[test]
fn the_registry_is_private_and_survives_its_process() {
    let (directory, mut registry) = registry();
    let path = directory.path().join("registry.db");
    let key = enrolled(&mut registry, "traveller");
    let seen = observed(key);
    registry.record_last_seen(&seen, NOW).unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
    // Unclosed, as after kill -9: what is on the disk then.
    let found = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), found.path().join(entry.file_name())).unwrap();
    }
    drop(registry);
    let registry = Registry::open(&found.path().join("registry.db")).unwrap();
    assert_eq!(keys(&registry), [key]);
    let sighting = registry.last_seen().unwrap()[&key];
    assert_eq!(sighting.endpoint, seen.endpoints[&key]);
    assert!(registry.seen_initiations().unwrap()[&key] == seen.initiations[&key]);
    assert!(matches!(
        Registry::create(&path),
        Err(RegistryError::Exists(_))
    ));
}

#[test]
fn a_sighting_of_a_revoked_key_is_not_kept() {
    let (_directory, mut registry) = registry();
    let key = enrolled(&mut registry, "traveller");
    registry.revoke(&act(), &name("traveller"), None).unwrap();
    let seen = observed(key);
    registry.record_last_seen(&seen, NOW).unwrap();
    assert!(registry.last_seen().unwrap().is_empty());
    assert!(registry.seen_initiations().unwrap().is_empty());
}

#[test]
fn a_file_that_is_no_registry_lets_nobody_in() {
    let (directory, mut registry) = registry();
    let path = directory.path().join("registry.db");
    let missing = Registry::open(&directory.path().join("none.db"));
    assert!(matches!(missing, Err(RegistryError::Missing(_))));

    enrolled(&mut registry, "traveller");
    for (rename, fits) in [("serial TO number", false), ("number TO serial", true)] {
        let sql = format!("ALTER TABLE identity RENAME COLUMN {rename}");
        registry.connection.execute_batch(&sql).unwrap();
        drop(registry);
        let opened = Registry::open(&path);
        let other = matches!(opened, Err(RegistryError::OtherVersion(_)));
        assert_eq!(other, !fits, "{rename}");
        registry = opened.unwrap_or_else(|_| Registry {
            connection: Connection::open(&path).unwrap(),
        });
    }
    registry
        .connection
        .pragma_update(None, "user_version", 2)
        .unwrap();
    drop(registry);
    assert!(matches!(
        Registry::open(&path),
        Err(RegistryError::TooNew { version: 2, .. })
    ));
    for bytes in [&b""[..], &[b'x'; 9000]] {
        fs::write(&path, bytes).unwrap();
        let opened = Registry::open(&path);
        assert!(matches!(opened, Err(RegistryError::Foreign(_))));
    }
}

#[test]
fn a_row_that_was_changed_lets_nobody_in() {
    for change in [
        "UPDATE identity SET name = 'somebody'",
        "UPDATE identity SET spare = 1",
        "UPDATE identity SET addresses = '10.77.0.9'",
        "UPDATE identity SET preshared_key = randomblob(32)",
        "UPDATE identity SET not_after = 9999999999",
        "UPDATE identity SET serial = serial + 1",
        "UPDATE identity SET added = added + 1",
        "UPDATE identity SET ended = 1",
        "UPDATE identity SET seal = randomblob(16)",
        "UPDATE invitation SET name = 'somebody'",
        "UPDATE invitation SET addresses = '10.77.0.9'",
        "UPDATE invitation SET preshared_key = randomblob(32)",
        "UPDATE invitation SET valid_until = valid_until + 1",
        "UPDATE invitation SET spare = 1",
    ] {
        let (_directory, mut registry) = registry();
        enrolled(&mut registry, "traveller");
        invite(&mut registry, "guest");
        registry.connection.execute(change, []).unwrap();
        let found = match change.contains("identity") {
            true => registry.identities().map(drop),
            false => registry.invitations(NOW).map(drop),
        };
        assert!(matches!(found, Err(RegistryError::Damaged(_))), "{change}");
    }
}

#[test]
fn a_key_that_protects_nothing_lets_nobody_in() {
    let (_directory, mut registry) = registry();
    enrolled(&mut registry, "traveller");
    let change = "UPDATE identity SET public_key = zeroblob(32)";
    registry.connection.execute(change, []).unwrap();
    let mut let_in = 0;
    for found in [
        registry.identities().map(drop),
        registry.each_identity(|_| let_in += 1),
    ] {
        // Said before the seal is looked at: a row that was sealed so says the same.
        let told = found.unwrap_err().to_string();
        assert!(told.contains("low order"), "{told}");
    }
    assert_eq!(let_in, 0);
}

/// Overwrites the root page of a table with noise.
fn damage(directory: &TempDir, registry: Registry, table: &str) {
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: i64 = registry
        .connection
        .query_row(sql, [table], |row| row.get(0))
        .unwrap();
    registry
        .connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(registry);
    let path = directory.path().join("registry.db");
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let offset = (page as u64 - 1) * 4096;
    file.write_all_at(&[0xa5; 4096], offset).unwrap();
}

#[test]
fn damage_among_the_identities_is_told_and_lets_nobody_in() {
    for table in ["identity", "invitation", "audit"] {
        let (directory, mut registry) = registry();
        enrolled(&mut registry, "traveller");
        damage(&directory, registry, table);
        match Registry::open(&directory.path().join("registry.db")) {
            Err(RegistryError::Damaged(_)) => {}
            Err(other) => panic!("{table}: {other}"),
            Ok(_) => panic!("{table}: opened"),
        }
    }
}

#[test]
fn damage_among_the_sightings_costs_only_them() {
    for table in ["last_seen", "seen_initiations"] {
        let (directory, mut registry) = registry();
        let key = enrolled(&mut registry, "traveller");
        let seen = observed(key);
        registry.record_last_seen(&seen, NOW).unwrap();
        damage(&directory, registry, table);
        let mut registry = Registry::open(&directory.path().join("registry.db")).unwrap();
        assert_eq!(keys(&registry), [key]);
        let kept = [
            registry.last_seen().unwrap().len(),
            registry.seen_initiations().unwrap().len(),
        ];
        let expected = if table == "last_seen" { [0, 1] } else { [1, 0] };
        assert_eq!(kept, expected, "{table}");
        registry.record_last_seen(&seen, NOW).unwrap();
        assert_eq!(registry.last_seen().unwrap().len(), 1);
        assert_eq!(registry.seen_initiations().unwrap().len(), 1);
    }
}

#[test]
fn an_index_of_the_sightings_that_claims_another_table_goes_with_them() {
    let (directory, mut registry) = registry();
    let path = directory.path().join("registry.db");
    let key = enrolled(&mut registry, "traveller");
    registry.record_last_seen(&observed(key), NOW).unwrap();
    registry
        .connection
        .execute_batch(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET tbl_name = 'nothing'
                 WHERE name = 'sqlite_autoindex_seen_initiations_1';
             UPDATE seen_initiations SET initiations = x'00';",
        )
        .unwrap();
    drop(registry);
    for start in ["the first", "the second"] {
        let registry = Registry::open(&path);
        let registry = registry.unwrap_or_else(|error| panic!("{start} start: {error}"));
        assert_eq!(keys(&registry), [key], "{start} start");
        assert!(registry.seen_initiations().unwrap().is_empty());
    }
}

#[test]
fn a_registry_from_before_initiations_were_kept_learns_to() {
    let (directory, mut registry) = registry();
    let path = directory.path().join("registry.db");
    let key = enrolled(&mut registry, "traveller");
    registry.record_last_seen(&observed(key), NOW).unwrap();
    let sql = "DROP TABLE seen_initiations";
    registry.connection.execute_batch(sql).unwrap();
    drop(registry);
    let mut registry = Registry::open(&path).unwrap();
    assert_eq!(registry.last_seen().unwrap().len(), 1);
    registry.record_last_seen(&observed(key), NOW).unwrap();
    assert_eq!(registry.seen_initiations().unwrap().len(), 1);
}

/// A key that was seen somewhere and sent an initiation.
fn observed(key: PublicKey) -> Observed {
    let initiations = SeenInitiations::from_bytes(&[7; 24]).unwrap();
    Observed {
        endpoints: HashMap::from([(key, "192.0.2.7:40000".parse().unwrap())]),
        initiations: HashMap::from([(key, initiations)]),
    }
}

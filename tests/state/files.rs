//! Files that are cut, overwritten, or not ours.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use rig::Dice;
use tokenvpn_common::key::PublicKey;

use super::{CONFIG, KEY, Place, REGISTRY, STATE};

/// A place with people in its registry, and the registry's bytes with nobody at work.
fn populated(names: usize) -> (Place, BTreeMap<String, PublicKey>, Vec<u8>) {
    let place = Place::new();
    for number in 0..names {
        place.add(&format!("somebody-{number}"));
    }
    let there = place.identities();
    assert_eq!(there.len(), names);
    let files: Vec<_> = fs::read_dir(place.machine.path(STATE))
        .expect("the state")
        .collect();
    for file in files.into_iter().flatten() {
        let name = file.file_name().into_string().expect("a name");
        assert!(!name.ends_with("-wal"), "the log is merged: {name}");
    }
    let bytes = fs::read(place.machine.path(REGISTRY)).expect("the registry");
    (place, there, bytes)
}

impl Place {
    /// Puts these bytes where the registry is, and nothing beside it.
    fn put_registry(&self, bytes: &[u8]) {
        for suffix in ["-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(self.machine.path(format!("{REGISTRY}{suffix}")));
        }
        fs::write(self.machine.path(REGISTRY), bytes).expect("the registry");
    }

    /// Lists the identities; or else it is an error for people, which is given back.
    fn listed(&self) -> Result<BTreeMap<String, PublicKey>, String> {
        let told = self.gateway.command(&["identities", "--json"]).finish();
        if told.status.success() {
            return Ok(super::identities_in(&told.stdout));
        }
        Err(told.expect_error(1, &[]).stderr)
    }

    /// `run` ends with an error for people that tells these facts.
    fn refuses(&self, code: i32, facts: &[&str]) {
        let told = self.gateway.command(&["run"]).finish();
        told.expect_error(code, facts);
    }
}

#[test]
fn a_registry_cut_at_any_length_is_refused_or_whole() {
    let (place, expected, bytes) = populated(60);
    let mut dice = Dice::thrown();
    let pages = (0..=bytes.len()).step_by(4096);
    let mut lengths: Vec<usize> = pages
        .flat_map(|at| [at.saturating_sub(1), at, at + 1])
        .collect();
    lengths.extend((0..40).map(|_| dice.roll(bytes.len())));
    lengths.extend([1, 15, 16, 99, 100, 101, 512]);
    lengths.retain(|length| *length < bytes.len());
    for length in lengths {
        place.put_registry(&bytes[..length]);
        if let Ok(there) = place.listed() {
            assert_eq!(there, expected, "cut at {length}");
        }
    }
    for length in [0, 100, 4096, bytes.len() / 2, bytes.len() - 4096] {
        place.put_registry(&bytes[..length]);
        place.refuses(1, &["regist", "backup"]);
    }
    place.put_registry(&bytes);
    place.gateway.start();
    assert_eq!(place.roster(), expected);
}

#[test]
fn a_registry_overwritten_in_part_is_refused_or_whole() {
    let (place, expected, bytes) = populated(60);
    let mut dice = Dice::thrown();
    let rounds = if rig::full_length() { 3000 } else { 300 };
    let mut refused = 0;
    for round in 0..rounds {
        let mut spoiled = bytes.clone();
        let count = [1, 1, 4, 64, 512, 4096][round % 6];
        let at = dice.roll(spoiled.len() - count + 1);
        let garbage = match dice.roll(3) {
            0 => vec![0; count],
            1 => vec![0xff; count],
            _ => dice.bytes(count),
        };
        spoiled[at..at + count].copy_from_slice(&garbage);
        place.put_registry(&spoiled);
        match place.listed() {
            Ok(there) => assert_eq!(there, expected, "{count} bytes at {at}: {garbage:?}"),
            Err(_) => refused += 1,
        }
    }
    println!("{refused} of {rounds} refused");
    assert!(refused > rounds / 4);
}

#[test]
fn what_is_no_registry_of_ours_is_refused() {
    let (place, _, bytes) = populated(3);
    let mut dice = Dice::thrown();
    let header = [&bytes[..100], &dice.bytes(40_000)].concat();
    for garbage in [&b"text\n"[..], &dice.bytes(50_000), &[0; 8192], &header] {
        place.put_registry(garbage);
        place.refuses(1, &["regist", "backup"]);
        // Nothing was repaired, overwritten or moved.
        let after = fs::read(place.machine.path(REGISTRY)).expect("the registry");
        assert!(after == garbage, "the file was changed");
    }

    // Another program's database, and one of a later version of ours.
    for (offset, value, facts) in [
        (68, *b"none", &["no registry", "backup"]),
        (60, 9_u32.to_be_bytes(), &["newer program", "version 9"]),
    ] {
        let mut other = bytes.clone();
        other[offset..offset + 4].copy_from_slice(&value);
        place.put_registry(&other);
        place.refuses(1, facts);
        assert!(place.listed().is_err());
    }

    let path = place.machine.path(REGISTRY);
    fs::remove_file(&path).expect("the registry");
    place.refuses(1, &["no registry", "backup"]);
    fs::create_dir(&path).expect("a directory");
    place.refuses(1, &["registry.db"]);
    fs::remove_dir(&path).expect("the directory");
    place.put_registry(&bytes);
    place.gateway.start();
}

#[test]
fn what_was_last_seen_may_be_lost() {
    let (place, expected, bytes) = populated(3);
    // The tables' definitions stand in the first page; their own pages are somewhere behind.
    let page_of = |table: &str| {
        let sql = format!("select rootpage from sqlite_schema where name = '{table}'");
        place.put_registry(&bytes);
        let text = place.machine.run("sqlite3").args([REGISTRY, &sql]).ok();
        text.trim().parse::<usize>().expect("a page's number") - 1
    };
    for table in ["last_seen", "seen_initiations"] {
        let page = page_of(table);
        let mut spoiled = bytes.clone();
        spoiled[page * 4096..][..4096].fill(0x5a);
        place.put_registry(&spoiled);
        let run = place.gateway.start();
        assert_eq!(place.roster(), expected, "{table}");
        assert!(run.stderr().all().contains("dropped"), "{}", run.report());
        place.gateway.stop();
    }
}

#[test]
fn a_key_file_of_any_kind_is_read_or_refused() {
    let place = Place::new();
    let path = place.machine.path(KEY);
    let good = fs::read(&path).expect("the key");
    let mut dice = Dice::thrown();
    let text = String::from_utf8(good.clone()).expect("text");
    let mut contents = vec![
        Vec::new(),
        b"\n".to_vec(),
        vec![0; 44],
        good[..20].to_vec(),
        good.repeat(2),
        text.replace('=', "").into_bytes(),
        vec![b'A'; 1 << 20],
        [b"\xff\xfe", &good[..]].concat(),
    ];
    contents.extend((0..10).map(|_| {
        let length = dice.roll(300);
        dice.bytes(length)
    }));
    for content in contents {
        fs::write(&path, &content).expect("the key file");
        place.refuses(1, &["private-key"]);
    }
    let replace = |make: &[&str]| {
        place.machine.run("rm").args(["-rf", KEY]).ok();
        place.machine.run(make[0]).args(&make[1..]).ok();
    };
    replace(&["ln", "-s", KEY, KEY]);
    place.refuses(1, &["private-key"]);
    replace(&["mkdir", "-m", "700", KEY]);
    place.refuses(1, &["private-key"]);
    replace(&["ln", "-s", "/dev/zero", KEY]);
    place.refuses(1, &["private-key"]);
    place.machine.run("rm").args(["-rf", KEY]).ok();
    fs::write(&path, good).expect("the key file");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
    place.gateway.start();
}

#[test]
fn a_configuration_of_any_kind_is_read_or_refused() {
    let place = Place::new();
    let path = place.machine.path(CONFIG);
    let good = fs::read_to_string(&path).expect("the configuration");
    let mut dice = Dice::thrown();
    let mut texts: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\xef\xbb\xbf".to_vec(),
        vec![0; 1000],
        vec![b'['; 100_000],
        [b"a = ", &vec![b'['; 100_000][..]].concat(),
        [b"a = ", &b"{ b = ".repeat(50_000)[..]].concat(),
        vec![b'#'; 20 << 20],
        format!("{good}\n{good}").into_bytes(),
        good.replace("tokenvpn-gw", "../../x").into_bytes(),
        good.replace("tokenvpn-gw", "\\u001b[2J").into_bytes(),
        good.replace("51820\"", "99999\"").into_bytes(),
        good.replace("listen_port = 51820", "listen_port = -1")
            .into_bytes(),
        good.replace("workers = 1", "workers = 99999999999999999999")
            .into_bytes(),
        good.replace("/var/lib/tokenvpn", "/var/lib/nowhere\\u0000x")
            .into_bytes(),
    ];
    texts.extend((0..10).map(|_| {
        let length = dice.roll(300);
        dice.bytes(length)
    }));
    for text in texts {
        fs::write(&path, &text).expect("the configuration");
        let told = place.gateway.command(&["run"]).finish();
        let shown = String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned();
        assert!(matches!(told.status.code(), Some(1 | 2)), "{shown}\n{told}");
        let code = told.status.code().expect("looked at above");
        let told = told.expect_error(code, &[]);
        assert!(!told.stderr.contains('\u{1b}'), "{shown}");
        assert!(
            told.stderr.len() < 2000,
            "{} bytes of error",
            told.stderr.len()
        );
    }
    // A file without end is not read to its end.
    let endless = place
        .gateway
        .command(&["run", "--config", "/dev/zero"])
        .finish();
    endless.expect_error(2, &["/dev/zero"]);
    let directory = place.gateway.command(&["run", "--config", "/etc"]).finish();
    directory.expect_error(1, &["/etc"]);

    fs::write(&path, &good).expect("the configuration");
    for (from, to, code, facts) in [
        (STATE, "/etc/hostname", 1, &["/etc/hostname"][..]),
        (STATE, "/nowhere", 1, &["/nowhere", "state_dir"]),
        (STATE, "/dev", 1, &["/dev"]),
        ("/run/tokenvpn", "/proc/1", 1, &["/proc/1"]),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(&path, good.replace(from, to)).expect("the configuration");
        let told = place.gateway.command(&["run"]).finish();
        told.expect_error(code, facts);
        assert!(!place.machine.has_link("tokenvpn-gw"), "{to}");
    }
    fs::write(&path, good).expect("the configuration");
    place.gateway.start();
}

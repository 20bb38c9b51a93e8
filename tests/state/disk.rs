//! A disk without room, and one that nobody may write.

use std::{fs, io::Write as _};

use super::{CONFIG, KEY, Place, REGISTRY, STATE};

/// Puts the state onto a file system of its own, of this many bytes.
fn onto_small_disk(place: &Place, bytes: usize) {
    let script = format!(
        "mv {STATE} {STATE}.before && mkdir -m 700 {STATE} &&
         mount -t tmpfs -o size={bytes},mode=700 none {STATE} &&
         cp -p {STATE}.before/* {STATE}/"
    );
    place.machine.run("sh").args(["-c", &script]).ok();
}

/// Takes all the room that is left.
fn fill(place: &Place) {
    let path = place.machine.path(STATE).join("filling");
    let mut file = fs::File::create(path).expect("an empty file needs no room");
    for size in [65_536, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

fn make_room(place: &Place) {
    fs::remove_file(place.machine.path(STATE).join("filling")).expect("the file that fills");
}

#[test]
fn a_disk_that_fills_up_refuses_changes_and_ends_nothing() {
    let place = Place::new();
    onto_small_disk(&place, 1 << 20);
    let run = place.gateway.start();
    place.add("before");
    fill(&place);
    // What still fits into the pages that are there may succeed; then it has to count.
    let mut refused = 0;
    for number in 0..40 {
        let (name, key) = (format!("during-{number}"), super::fresh_key().to_string());
        let words = ["add", &name, "--public-key", &key];
        let told = place.gateway.command(&words).finish();
        let there = place.identities();
        assert_eq!(there, place.roster());
        assert_eq!(there.contains_key(&name), told.status.success(), "{told}");
        if !told.status.success() {
            told.expect_error(1, &["full", "room"]);
            refused += 1;
        }
    }
    assert!(refused > 0, "the disk is not full");
    assert!(run.is_running());
    let before = place.identities();
    make_room(&place);
    place.add("after");
    place.gateway.kill();
    let mut expected = place.identities();
    expected.remove("after");
    assert_eq!(expected, before);
    place.gateway.start();
    assert!(place.roster().contains_key("after"));
}

#[test]
fn a_full_disk_lets_the_gateway_start() {
    let place = Place::new();
    for name in ["one", "two"] {
        place.add(name);
    }
    let expected = place.identities();
    onto_small_disk(&place, 1 << 20);
    fill(&place);
    place.gateway.start();
    assert_eq!(place.roster(), expected);
    place.gateway.stop();
    make_room(&place);
    place.gateway.start();
    assert_eq!(place.roster(), expected);
}

#[test]
fn init_on_a_full_disk_says_so_and_leaves_nothing() {
    let place = Place::new();
    onto_small_disk(&place, 1 << 20);
    for path in [KEY, REGISTRY, CONFIG] {
        fs::remove_file(place.machine.path(path)).expect("a file of init");
    }
    fill(&place);
    let words = ["init", "--endpoint", super::ENDPOINT, "--network"];
    let init = place.gateway.command(&words).arg("10.77.0.0/24").finish();
    init.expect_error(1, &["room"]);
    for path in [KEY, REGISTRY, CONFIG] {
        assert!(!place.machine.path(path).exists(), "{path}");
    }
    make_room(&place);
    place.gateway.command(&words).arg("10.77.0.0/24").ok();
    place.gateway.start();
}

#[test]
fn a_state_that_cannot_be_written_is_named() {
    let place = Place::new();
    place.add("one");
    let expected = place.identities();
    let mount = |words: &str| {
        let words = words.split(' ');
        place.machine.run("mount").args(words).ok();
    };
    mount(&format!("--bind {STATE} {STATE}"));
    mount(&format!("-o remount,bind,ro {STATE}"));
    let key = super::fresh_key().to_string();
    for words in [
        &["run"][..],
        &["identities"],
        &["add", "two", "--public-key", &key],
    ] {
        let told = place.gateway.command(words).finish();
        told.expect_error(1, &[STATE, "read-only"]);
    }
    mount(&format!("-o remount,bind,rw {STATE}"));
    place.gateway.start();
    assert_eq!(place.roster(), expected);
}

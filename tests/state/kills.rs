//! A gateway that is killed: at any moment, and at each of its writes.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rig::{
    Dice, Invocation, Process, programs,
    wait::{self, SOON},
};
use tokenvpn_common::key::{PrivateKey, PublicKey};

use super::{ENDPOINT, Place, ledger::Administrator, load};

/// Clients that roam all the time.
const ROAMERS: u8 = 3;

/// How often the gateway is killed.
const KILLS: usize = 100;

/// The longest time that a gateway is given to live; what was seen is written once a second.
const LONGEST: Duration = Duration::from_millis(1500);

#[test]
fn whatever_was_answered_is_there_after_a_kill_at_any_moment() {
    let place = Place::new();
    let mut dice = Dice::thrown();
    let mut administrators = [0, 1].map(|id| Administrator::new(id, Dice::new(dice.number())));
    let roamers: Vec<(PrivateKey, [u8; 4])> = (0..ROAMERS)
        .map(|number| (PrivateKey::generate(), [10, 77, 200, 1 + number]))
        .collect();
    for (number, (key, address)) in roamers.iter().enumerate() {
        let address = std::net::Ipv4Addr::from(*address).to_string();
        let (name, key) = (format!("roamer-{number}"), key.public().to_string());
        let words = ["add", &name, "--public-key", &key, "--address", &address];
        place.gateway.command(&words).ok();
    }
    let own_key = place.gateway.own_key();
    let endpoint = ENDPOINT.parse().expect("an endpoint");
    let mut received = 0;
    for kill in 0..KILLS {
        place.gateway.start();
        let roster = place.roster();
        assert_eq!(roster, place.identities(), "kill {kill}");
        for number in 0..roamers.len() {
            assert!(roster.contains_key(&format!("roamer-{number}")));
        }
        for administrator in &mut administrators {
            administrator.compare(&roster);
        }
        let life = dice.up_to(LONGEST);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for administrator in &mut administrators {
                scope.spawn(|| administrator.work(&place.gateway, &stop));
            }
            let outside = roamers.iter().map(|(key, address)| {
                let (stop, outside) = (&stop, &place.outside);
                scope.spawn(move || {
                    outside.within(|| load::roam(key, *address, own_key, endpoint, stop))
                })
            });
            let outside: Vec<_> = outside.collect();
            thread::sleep(life);
            place.gateway.kill();
            stop.store(true, Ordering::Relaxed);
            for roamer in outside {
                received += roamer.join().expect("a client that roams");
            }
        });
    }
    place.gateway.start();
    let roster = place.roster();
    for administrator in &mut administrators {
        administrator.compare(&roster);
    }
    let done: usize = administrators.iter().map(|a| a.done).sum();
    let unanswered: usize = administrators.iter().map(|a| a.unanswered).sum();
    println!(
        "{KILLS} kills: {done} commands answered, {unanswered} not; {} identities; \
         {received} datagrams from the gateway",
        roster.len()
    );
    // It was under load, or this proves nothing.
    assert!(done >= 5 * KILLS, "{done} commands");
    assert!(unanswered > 0, "no command was ever interrupted");
    assert!(received >= KILLS, "{received} datagrams");
    let seen = place.gateway.command(&["identities", "--json"]).ok();
    assert!(seen.contains("\"endpoint\": \"203.0.113.10:"), "{seen}");
}

/// The system calls with which SQLite changes files.
const WRITES: [&str; 4] = ["write", "pwrite64", "fdatasync", "ftruncate"];

/// Commands that change the registry, each on names of its own.
fn verbs(place: &Place, round: usize) -> Vec<(String, Vec<String>, Option<PublicKey>)> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let (added, revoked) = (format!("add-{round}"), format!("revoke-{round}"));
    let key = super::fresh_key();
    let adds = words(&["add", &added, "--public-key", &key.to_string()]);
    place.add(&revoked);
    let revokes = words(&["revoke", &revoked]);
    vec![(added, adds, Some(key)), (revoked, revokes, None)]
}

/// `program` with its `nth` call of `call` met by `fault`, a strace(1) injection.
fn with_fault(place: &Place, words: &[&str], call: &str, fault: &str, nth: usize) -> Invocation {
    let inject = format!("inject={call}:{fault}:when={nth}");
    place
        .machine
        .run("strace")
        .args(["-f", "-qqq", "-o", "/dev/null"])
        .args(["-e", &format!("trace={call}"), "-e", &inject, "--"])
        .arg(programs::gateway())
        .args(words)
}

#[test]
fn a_command_killed_at_any_of_its_writes_is_done_or_not() {
    let place = Place::new();
    let mut round = 0;
    let mut kills = 0;
    for call in WRITES {
        // Until nothing is hit any more.
        for nth in 1.. {
            round += 1;
            let mut hit = false;
            for (name, words, after) in verbs(&place, round) {
                let before = place.identities();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let killed = with_fault(&place, &words, call, "signal=KILL", nth).finish();
                expect_whole(&place, &before, &name, after, killed.status.success());
                if !killed.status.success() {
                    hit = true;
                    kills += 1;
                }
            }
            if !hit {
                break;
            }
        }
    }
    println!("{kills} kills");
    assert!(kills >= 10, "{kills} kills");
    place.gateway.start();
    assert_eq!(place.roster(), place.identities());
}

#[test]
fn a_gateway_killed_at_any_of_its_writes_has_done_a_command_or_not() {
    let place = Place::new();
    let mut kills = 0;
    let mut round = 1000;
    for call in WRITES {
        for nth in 1.. {
            round += 1;
            let commands = verbs(&place, round);
            let mut before = place.identities();
            let run = with_fault(&place, &["run"], call, "signal=KILL", nth).spawn();
            for (name, words, after) in commands {
                if !comes_up(&place, &run) {
                    break;
                }
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let told = place.gateway.command(&words).finish();
                before = expect_whole(&place, &before, &name, after, told.status.success());
            }
            if comes_up(&place, &run) {
                end(&place, &run);
                break;
            }
            kills += 1;
            assert_eq!(place.identities(), before, "{call} {nth}");
        }
    }
    println!("{kills} kills");
    assert!(kills >= 8, "{kills} kills");
}

#[test]
fn a_write_that_fails_is_told_and_the_next_one_goes_on() {
    let place = Place::new();
    let mut round = 2000;
    let mut failures = 0;
    for fault in ["error=ENOSPC", "error=EIO"] {
        for call in ["pwrite64", "fdatasync"] {
            for nth in 1.. {
                round += 1;
                let commands = verbs(&place, round);
                let run = with_fault(&place, &["run"], call, fault, nth).spawn();
                let mut before = place.identities();
                let mut hit = false;
                for (name, words, after) in commands {
                    if !comes_up(&place, &run) {
                        break;
                    }
                    let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    let told = place.gateway.command(&words).finish();
                    let success = told.status.success();
                    if !success {
                        hit = true;
                        told.expect_error(1, &["state_dir"]);
                    }
                    before = expect_whole(&place, &before, &name, after, success);
                    // The fault was there once: the same command is done now, or was.
                    if !success && before.contains_key(&name) != after.is_some() {
                        place.gateway.command(&words).ok();
                        before = place.identities();
                    }
                    assert_eq!(place.roster(), before, "{fault} {call} {nth}");
                }
                if run.is_running() {
                    end(&place, &run);
                } else {
                    hit = true;
                    expect_refusal(&run);
                }
                if !hit {
                    break;
                }
                failures += 1;
            }
        }
    }
    println!("{failures} failures");
    assert!(failures >= 8, "{failures} failures");
}

/// Checks that exactly one name changed, as the command says, or nothing if it gave no answer.
fn expect_whole(
    place: &Place,
    before: &BTreeMap<String, PublicKey>,
    name: &str,
    after: Option<PublicKey>,
    success: bool,
) -> BTreeMap<String, PublicKey> {
    // A gateway that is killed at this very moment may leave the first question unanswered.
    let there = wait::until("an answer", SOON, || {
        let told = place.gateway.command(&["identities", "--json"]).finish();
        told.status
            .success()
            .then(|| super::identities_in(&told.stdout))
    });
    let mut done = before.clone();
    match after {
        Some(key) => drop(done.insert(name.to_owned(), key)),
        None => drop(done.remove(name)),
    }
    assert!(
        there == done || (!success && there == *before),
        "{name}, answered: {success}; before {before:?}, now {there:?}"
    );
    there
}

/// Whether the gateway answers rather than ending.
fn comes_up(place: &Place, run: &Process) -> bool {
    let decided = || match place.gateway.look() {
        Some(_) => Some(true),
        None => (!run.is_running()).then_some(false),
    };
    wait::until("the gateway answers or ends", SOON, decided)
}

/// A gateway that did not start has said why.
fn expect_refusal(run: &Process) {
    run.finish().expect_error(1, &["state_dir"]);
}

/// Ends a traced gateway; its tracer ends with it.
fn end(place: &Place, run: &Process) {
    for pid in place.machine.processes_of(&programs::gateway()) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    }
    run.wait(SOON);
}

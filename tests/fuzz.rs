//! What strangers, tokens, editors and kernels may hand us: what is in the fuzzer's corpus, and
//! mutations of it for a few seconds. `contrib/fuzz` does the same for as long as one likes, and looks
//! at which paths it reaches.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use rig::{Dice, wait::now};
use tokenvpn_common::io::card::Token;

#[expect(unreachable_pub, reason = "a library for the fuzzer, a module here")]
#[path = "fuzz/src/lib.rs"]
mod targets;

/// How long each target is mutated.
fn time() -> Duration {
    Duration::from_secs(if rig::full_length() { 60 } else { 3 })
}

/// No file of the corpus and no mutation is longer.
const MOST_BYTES: usize = 16 * 1024;

/// Runs the corpus of a target, and mutations of it.
fn hunt(name: &str, run: fn(&[u8])) {
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "nothing in the corpus of {name}");
    for (path, bytes) in &corpus {
        attempt(run, bytes, &path.display().to_string());
    }
    let mut dice = Dice::thrown();
    let start = now();
    let mut executions: u64 = 0;
    while now().since(start) < time() {
        let (_, seed) = &corpus[dice.roll(corpus.len())];
        let (_, other) = &corpus[dice.roll(corpus.len())];
        let bytes = mutated(seed, other, &mut dice);
        attempt(run, &bytes, "a mutation");
        executions += 1;
    }
    println!("{name}: {executions} executions");
    assert!(executions > 100, "{executions}");
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let entries = fs::read_dir(&directory).expect("the corpus");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).expect("a file");
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// Runs a target, and keeps what it fails on for the fuzzer.
fn attempt(run: fn(&[u8]), bytes: &[u8], what: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(bytes))) {
        let path = std::env::temp_dir().join(format!("crash-{}", std::process::id()));
        fs::write(&path, bytes).expect("a file for what failed");
        eprintln!("fails on {what}, kept in {}", path.display());
        std::panic::resume_unwind(panic);
    }
}

/// Some bytes changed, put in, left out, doubled, or from elsewhere in the corpus.
fn mutated(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.roll(8) {
        let at = dice.roll(bytes.len() + 1);
        let len = dice.roll(32).min(bytes.len() - at);
        match dice.roll(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            1 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.roll(5)],
            2 => drop(bytes.drain(at..at + len)),
            3 => {
                let count = dice.roll(32);
                let noise = dice.bytes(count);
                bytes.splice(at..at, noise);
            }
            4 => {
                let part = bytes[at..at + len].to_vec();
                let to = dice.roll(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            5 if !other.is_empty() => {
                let from = dice.roll(other.len());
                let part = &other[from..(from + dice.roll(64)).min(other.len())];
                bytes.splice(at..at + len, part.iter().copied());
            }
            _ => {
                let count = dice.roll(4) + 1;
                let noise = dice.bytes(count);
                for (byte, noise) in bytes.iter_mut().skip(at).zip(noise) {
                    *byte = noise;
                }
            }
        }
    }
    bytes.truncate(MOST_BYTES);
    bytes
}

#[test]
fn datagrams_at_the_gateways_port() {
    hunt("datagrams", targets::datagrams::run);
}

#[test]
fn packets_through_the_tunnel() {
    hunt("packets", targets::packets::run);
}

#[test]
fn superpackets_at_the_device() {
    hunt("superpackets", targets::superpackets::run);
}

#[test]
fn profiles_on_a_token() {
    hunt("profile", targets::profile::run);
}

#[test]
fn invitations_and_enrolments() {
    hunt("invitation", targets::invitation::run);
}

#[test]
fn configurations_of_a_gateway() {
    hunt("configuration", targets::configuration::run);
}

#[test]
fn registries_of_a_gateway() {
    // Or nothing but the first page would ever be looked at.
    let counts: Vec<_> = corpus("registry")
        .iter()
        .map(|(path, _)| tokenvpn_gateway::read_registry(&copy(path)).expect("a whole registry"))
        .collect();
    assert!(
        counts.contains(&0) && counts.iter().any(|count| *count > 2),
        "{counts:?}"
    );
    hunt("registry", targets::registry::run);
}

/// A file that may be written to.
fn copy(path: &Path) -> PathBuf {
    let name = path.file_name().expect("a file").to_string_lossy();
    let copy = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    fs::copy(path, &copy).expect("a copy");
    copy
}

#[test]
fn answers_of_a_card() {
    // Or nothing but the first answer would ever be looked at.
    let honest = targets::card::FakeCard::new(&[0; 100]);
    let mut token = Token::over(Box::new(honest)).expect("a card");
    assert_eq!(token.facts().expect("its facts").room, 255);
    hunt("card", targets::card::run);
}

//! Waiting for something to become true, with a deadline.

use std::{thread, time::Duration};

pub use tokenvpn_common::clock::Now;
pub use tokenvpn_common::io::clock::now;

/// How long to wait for what should take milliseconds, on a busy machine.
pub const SOON: Duration = Duration::from_secs(15);

/// How many attempts a promise has on a machine that may be busy with something else. In full length
/// it is held at once.
const TRIES: u32 = 3;

/// What is granted beyond a promised time where the machine has other things to do.
const SLACK: Duration = Duration::from_secs(3);

/// A time that people are promised, for what is too long to try three times. It is held to the
/// letter in full length only, on a machine that does nothing else.
pub fn promised(time: Duration) -> Duration {
    match crate::full_length() {
        true => time,
        false => time + SLACK,
    }
}

/// How often a probe is made.
const PACE: Duration = Duration::from_millis(5);

/// Probes until there is something, for at most `within`.
pub fn poll<T>(within: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = now() + within;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if now() >= deadline {
            return None;
        }
        thread::sleep(PACE);
    }
}

/// Probes until there is something.
///
/// # Panics
/// If there is nothing `within` the time; the text says what was awaited.
#[track_caller]
pub fn until<T>(what: &str, within: Duration, probe: impl FnMut() -> Option<T>) -> T {
    match poll(within, probe) {
        Some(found) => found,
        None => panic!("waited {within:?} in vain: {what}"),
    }
}

/// Probes until the condition holds.
///
/// # Panics
/// If it does not hold `within` the time; the text says what was awaited.
#[track_caller]
pub fn until_true(what: &str, within: Duration, mut probe: impl FnMut() -> bool) {
    until(what, within, || probe().then_some(()));
}

/// Lets something happen that is promised to take less than `limit`: in full length once, otherwise
/// up to three times. A busy machine can hold up any of them, but a program that breaks its promise
/// breaks it each time.
///
/// # Panics
/// If none of them keeps it; the text says what was promised.
#[track_caller]
pub fn keeps_promise(what: &str, limit: Duration, mut attempt: impl FnMut() -> Duration) {
    let mut all = Vec::new();
    for _ in 0..if crate::full_length() { 1 } else { TRIES } {
        let took = attempt();
        println!("{what}: {took:?} of {limit:?}");
        if took < limit {
            return;
        }
        all.push(took);
    }
    panic!("not within {limit:?}: {what}: {all:?}");
}

/// Checks again and again that a condition holds for the whole time.
///
/// # Panics
/// As soon as it does not.
#[track_caller]
pub fn holds_for(what: &str, time: Duration, mut probe: impl FnMut() -> bool) {
    let fails = poll(time, || (!probe()).then_some(()));
    assert!(fails.is_none(), "did not last {time:?}: {what}");
}

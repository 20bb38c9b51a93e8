//! How the story looks on the screen.

use rig::{Host, Invocation};

/// Begins a step.
pub(crate) fn chapter(step: u8, title: &str) {
    println!("\n=== {step}. {title}");
}

/// What stands before a host's output.
pub(crate) fn prefix(host: &Host) -> String {
    format!("    {:>8} │ ", host.name())
}

/// Shows a command as it would be typed at this host.
pub(crate) fn announce(host: &Host, words: &str) {
    println!("    {:>8} # {words}", host.name());
}

/// Shows a command and lets its output be seen.
pub(crate) fn shown(host: &Host, invocation: Invocation) -> Invocation {
    announce(host, invocation.words());
    invocation.echo(&prefix(host))
}

/// Shows a line of a host's output.
pub(crate) fn says(host: &Host, line: &str) {
    println!("{}{line}", prefix(host));
}

/// Tells what a hand does.
pub(crate) fn hand(what: &str) {
    println!("             ☞ {what}");
}

/// Tells what has been seen to be so.
pub(crate) fn holds(what: &str) {
    println!("             ✓ {what}");
}

/// Insists.
///
/// # Panics
/// If it is not so.
#[track_caller]
pub(crate) fn check(what: &str, so: bool) {
    assert!(so, "it is not so that {what}");
    holds(what);
}

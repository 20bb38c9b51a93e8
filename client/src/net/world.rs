//! A computer of its own for a test: nothing that it does to the network, the mounts or
//! its process is seen outside.

use std::env;
use std::process::Command;

use nix::unistd::geteuid;

/// Set for a test that runs in a world of its own.
const INSIDE: &str = "TOKENVPN_TEST_WORLD";

/// Whether the test named `test` is still outside of its own world. It has been run inside
/// then, without a failure, and has nothing left to do.
pub(crate) fn is_outside(test: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return false;
    }
    let as_root: &[&str] = match geteuid().is_root() {
        true => &[],
        false => &["--user", "--map-root-user"],
    };
    let output = Command::new("unshare")
        .args(as_root)
        .args(["--net", "--mount"])
        .arg(env::current_exe().expect("a program knows its file"))
        .args([test, "--nocapture"])
        .env(INSIDE, "")
        .output()
        .expect("util-linux is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    assert!(said.contains("1 passed"), "the name is not right: {said}");
    true
}

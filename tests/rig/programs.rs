//! Where the built programs are.

use std::{
    env,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// The directory with this test's profile: `target/debug` or `target/release`. To be found out
/// before anybody enters a host, where the test's own process is not in `/proc`.
pub(crate) static PROFILE_DIR: LazyLock<PathBuf> = LazyLock::new(|| {
    let own = env::current_exe().expect("the path of this program");
    let dir = own.parent().expect("a program is in a directory");
    match dir.file_name() {
        Some(name) if name == "deps" => dir.parent().unwrap_or(dir).to_owned(),
        _ => dir.to_owned(),
    }
});

#[track_caller]
fn existing(path: PathBuf, made_by: &str) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing; this makes it: {made_by}",
        path.display()
    );
    path
}

#[track_caller]
fn built(name: &str) -> PathBuf {
    let dir = &*PROFILE_DIR;
    let release = dir.file_name().is_some_and(|name| name == "release");
    let profile = if release { " --release" } else { "" };
    existing(dir.join(name), &format!("cargo build --workspace{profile}"))
}

/// The client, `tokenvpn`.
///
/// # Panics
/// If it is not built.
#[track_caller]
pub fn client() -> PathBuf {
    built("tokenvpn")
}

/// The gateway, `tokenvpn-gateway`.
///
/// # Panics
/// If it is not built.
#[track_caller]
pub fn gateway() -> PathBuf {
    built("tokenvpn-gateway")
}

#[track_caller]
fn beside_profile(path: &str) -> PathBuf {
    let target = PROFILE_DIR.parent().unwrap_or(Path::new("/"));
    existing(target.join(path), "contrib/test --prepare")
}

/// The virtual card, `softcard`.
///
/// # Panics
/// If it is not built.
#[track_caller]
pub(crate) fn softcard() -> PathBuf {
    beside_profile("softcard/release/softcard")
}

/// The driver of the virtual reader.
///
/// # Panics
/// If it is not unpacked.
#[track_caller]
pub(crate) fn reader_driver() -> PathBuf {
    beside_profile("vpcd/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
}

/// What is in the package of systemd-resolved.
///
/// # Panics
/// If it is not unpacked.
#[track_caller]
pub(crate) fn resolved() -> PathBuf {
    beside_profile("resolved")
}

/// The kernel for QEMU and its initramfs.
///
/// # Panics
/// If they are not built.
#[track_caller]
pub(crate) fn kernel() -> PathBuf {
    let target = PROFILE_DIR.parent().unwrap_or(Path::new("/"));
    existing(target.join("kernel"), "contrib/test --all --prepare")
}

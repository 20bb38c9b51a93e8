//! The gateway's registry, after its disk or somebody with an editor had it.

use std::fs;

/// Reads `data` as a registry, twice: what the first reading mended must not change what the second
/// one finds.
///
/// # Panics
/// If it does, or if what is wrong is not said.
pub fn run(data: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("registry.db");
    fs::write(&path, data).expect("a file");
    let first = tokenvpn_gateway::read_registry(&path);
    if let Err(error) = &first {
        assert!(!error.trim().is_empty());
    }
    let second = tokenvpn_gateway::read_registry(&path);
    assert_eq!(first.is_ok(), second.is_ok(), "{first:?}, then {second:?}");
    assert_eq!(first.ok(), second.ok());
}

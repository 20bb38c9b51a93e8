//! Rules that the sources keep and no compiler looks at.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace").to_owned()
}

/// Paths and texts of all Rust sources of the workspace.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = ["client", "common", "contrib", "gateway", "tests"]
        .iter()
        .map(|directory| root.join(directory))
        .collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            // Build directories of the workspaces that stand apart.
            if path.file_name().is_some_and(|name| name != "target") {
                let entries = fs::read_dir(&path).expect("a directory of the sources");
                open.extend(entries.map(|entry| entry.expect("an entry").path()));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(&root).expect("it is below");
            let text = fs::read_to_string(&path).expect("a source");
            found.push((name.to_string_lossy().into_owned(), text));
        }
    }
    assert!(found.len() > 100, "{} sources", found.len());
    found
}

/// The sources in which `holds` is true of a line that is no comment.
fn with_line(holds: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let has = |text: &str| text.lines().filter(is_code).any(&holds);
    let sources = sources().into_iter();
    sources
        .filter(|(_, text)| has(text))
        .map(|(name, _)| name)
        .collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// In two pieces, since this is a source too.
const FORBIDS: &str = concat!("#![forbid(unsafe", "_code)]");

#[test]
fn the_programs_and_their_core_forbid_what_is_unsafe() {
    for file in [
        "client/src/main.rs",
        "common/src/lib.rs",
        "gateway/src/main.rs",
    ] {
        let text = fs::read_to_string(root().join(file)).expect(file);
        assert!(text.lines().any(|line| line == FORBIDS), "{file}");
    }
    // What a compiler cannot be asked about in a `pre_exec`, an `ioctl`, and a clock of one's own.
    let lifted = with_line(|line| line.contains(concat!("unsafe", "_code")) && line != FORBIDS);
    let expected = [
        "common/tests/device/main.rs",
        "common/tests/io/main.rs",
        "common/tests/sim/main.rs",
        "tests/rig/host.rs",
        "tests/rig/process.rs",
        "tests/rig/tap.rs",
    ];
    assert_eq!(lifted, names(&expected));
}

#[test]
fn what_may_be_replaced_is_named_in_few_files() {
    let of_programs = |word: &str| {
        let naming = with_line(|line| line.contains(word) && !line.contains('"'));
        let is_ours = |name: &String| !name.starts_with("tests/") && !name.contains("/tests/");
        naming.into_iter().filter(is_ours).collect::<BTreeSet<_>>()
    };
    let expected = ["common/src/admission.rs", "common/src/tunnel.rs"];
    assert_eq!(of_programs(concat!("boringtun", "::")), names(&expected));
    let expected = ["common/src/io/card.rs"];
    assert_eq!(of_programs(concat!("openpgp", "_card::")), names(&expected));
    let expected = ["common/src/io/tun.rs"];
    assert_eq!(of_programs(concat!("tun", "_rs::")), names(&expected));
}

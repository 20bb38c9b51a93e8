//! Rules that the sources keep and no compiler looks at.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

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
        "gateway/src/lib.rs",
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
    let expected = ["client/src/net/question.rs"];
    assert_eq!(of_programs(concat!("simple", "_dns::")), names(&expected));
}

/// boringtun's other clock would leak into the programs, and does not move the wall clock.
#[test]
fn the_clock_of_the_library_is_the_kernel_s() {
    let switch = concat!("mock", "-instant");
    for package in ["", "client", "common", "gateway", "tests", "tests/fuzz"] {
        let manifest = root().join(package).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).expect("a manifest");
        assert!(!text.contains(switch), "{}", manifest.display());
    }
}

/// What the library would print of a tunnel are keys.
#[test]
fn what_holds_keys_of_the_library_cannot_be_printed() {
    let text = fs::read_to_string(root().join("common/src/tunnel.rs")).expect("a source");
    let lines: Vec<&str> = text.lines().collect();
    for name in ["OwnKey", "Tunnel"] {
        let item = format!("pub(crate) struct {name} {{");
        let at = lines.iter().position(|line| *line == item).expect(name);
        let above = lines[..at].iter().rev();
        let mut attributes = above.take_while(|line| line.starts_with(['#', '/']));
        assert!(!attributes.any(|line| line.contains("Debug")), "{name}");
        let printed = format!("Debug for {name}");
        assert!(!text.contains(&printed), "{name}");
    }
}

/// Macros that speak to programmers alone, as `expect` does.
const FOR_PROGRAMMERS: [&str; 12] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "debug",
    "debug_assert",
    "debug_assert_eq",
    "error",
    "info",
    "panic",
    "trace",
    "unreachable",
    "warn",
];

/// A text of two words or more is something said; what stands in braces is put in later.
fn is_said(literal: &str) -> bool {
    let Some(text) = literal.strip_prefix(['"', 'r']) else {
        return false;
    };
    let mut depth = 0;
    let text: String = text
        .replace("\\n", " ")
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '{');
            let is_outside = depth == 0;
            depth -= i32::from(*c == '}');
            is_outside
        })
        .collect();
    let is_word = |word: &&str| {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
        word.chars().count() > 1 && word.chars().all(|c| c.is_alphabetic() || "'-".contains(c))
    };
    let is_sql = text.split_whitespace().any(|word| SQL.contains(&word));
    !is_sql && text.split_whitespace().filter(is_word).count() > 1
}

const SQL: [&str; 9] = [
    "AND", "CREATE", "DELETE", "DROP", "INSERT", "PRAGMA", "SELECT", "UPDATE", "WHERE",
];

/// What programs look for: in a message of serde's, in a file that an earlier run left, and in
/// a log.
const FOR_PROGRAMS: [&str; 4] = [
    "missing field `",
    "# The name servers of a tokenvpn tunnel",
    "# The tokenvpn tunnel that mounted this",
    "  WARN {target}: lines like this were left out",
];

/// Whether tokens hold this word, in groups too.
fn names_word(tokens: &TokenStream, word: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => names_word(&group.stream(), word),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The attributes that directly hold this word first: `doc` for a comment before an item.
fn attributes(tokens: &[TokenTree], first: &str) -> usize {
    let is_attribute = |pair: &[TokenTree]| match pair {
        [TokenTree::Punct(hash), TokenTree::Group(group)] => {
            let head = group.stream().into_iter().next();
            hash.as_char() == '#' && matches!(head, Some(TokenTree::Ident(ident)) if ident == first)
        }
        _ => false,
    };
    tokens.windows(2).filter(|pair| is_attribute(pair)).count()
}

/// What these tokens say to people: texts, and comments that clap makes a help of.
fn said(tokens: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    // The attributes since the last item, and where they begin.
    let (mut begin, mut is_test, mut is_clap, mut is_item) = (0, false, false, false);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ',') => {
                (begin, is_test, is_clap, is_item) = (at + 1, false, false, false);
            }
            TokenTree::Ident(ident) => is_item |= ident == "struct" || ident == "enum",
            TokenTree::Literal(literal) => {
                let literal = literal.to_string();
                let is_for_programs = FOR_PROGRAMS
                    .iter()
                    .any(|text| literal[1..].starts_with(text));
                if is_said(&literal) && !is_for_programs {
                    found.push(literal);
                }
            }
            TokenTree::Group(group) => {
                let before = |back: usize| at.checked_sub(back).map(|at| tokens[at].to_string());
                let is_macro = before(1).as_deref() == Some("!");
                let word = before(if is_macro { 2 } else { 1 });
                let is_attribute =
                    group.delimiter() == Delimiter::Bracket && word.as_deref() == Some("#");
                let content = group.stream();
                if is_attribute {
                    let word_of = |word| names_word(&content, word);
                    is_test |= word_of("cfg") && word_of("test");
                    is_clap |= word_of("derive")
                        && ["Args", "Parser", "Subcommand"].into_iter().any(word_of);
                    let head = content.clone().into_iter().next();
                    let is_for_programmers = matches!(&head, Some(TokenTree::Ident(ident))
                        if ["allow", "doc", "expect", "must_use"].iter().any(|word| ident == word));
                    if !is_for_programmers {
                        said(content, found);
                    }
                    continue;
                }
                let is_block = group.delimiter() == Delimiter::Brace;
                if is_block && is_item && is_clap {
                    let inner: Vec<_> = content.clone().into_iter().collect();
                    let comments =
                        attributes(&tokens[begin..at], "doc") + attributes(&inner, "doc");
                    if comments > 0 {
                        found.push(format!("{comments} comments as help"));
                    }
                }
                let is_quiet = word.is_some_and(|word| match is_macro {
                    true => FOR_PROGRAMMERS.contains(&&*word),
                    false => word == "expect",
                });
                let is_of_tests = is_block && is_test;
                if !(is_quiet || is_of_tests) {
                    said(content, found);
                }
                if is_block {
                    (begin, is_test, is_clap, is_item) = (at + 1, false, false, false);
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}

fn said_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    said(text.parse().expect("Rust"), &mut found);
    found
}

#[test]
fn a_text_for_people_is_found_wherever_it_stands() {
    for text in [
        r#"fn f() { Err("it is wrong".into()) }"#,
        r#"fn f() { eprintln!("{x} is wrong\n") }"#,
        r#"#[error("{path} is wrong")] struct E;"#,
        r#"#[arg(help = "Print it")] struct E;"#,
        r#"const X: &str = "it's wrong";"#,
        "/// Options.\n#[derive(Debug, Args)] struct Options { x: u8 }",
        "#[derive(Debug, Args)] struct Options { /// Print it.\nx: u8 }",
        "#[derive(clap::Subcommand)] pub(crate) enum Command { /// Print it.\nPrint }",
    ] {
        assert_eq!(said_in(text).len(), 1, "{text}");
    }
    for text in [
        r#"fn f() { x.expect("invariant: it is there") }"#,
        r#"fn f() { tracing::warn!(%e, "it is odd") }"#,
        r#"fn f() { let x = format!("{a} {b}: {}/{c}", "net.ipv4"); }"#,
        r#"#[cfg(test)] mod tests { const X: &str = "it is wrong"; }"#,
        r#"#[expect(dead_code, reason = "it is used")] const X: &str = "up";"#,
        r#"#[must_use = "it is used"] struct X;"#,
        "/// It is a comment.\n#[derive(Debug)] struct Options { /// So is this.\nx: u8 }",
    ] {
        assert_eq!(said_in(text), [""; 0], "{text}");
    }
}

/// Where each language has its file.
const LANGUAGES: &str = "common/src/language/";

/// Whether a text is a command, a list of fields or a line of TOML, which are the same in every
/// language; or what serde begins a message with.
fn is_for_programs(text: &str) -> bool {
    let text = text.trim_matches('"');
    let is_field = |field: &str| field.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let serde = [
        "invalid type: ",
        "invalid value: ",
        "path string",
        "unknown field `",
    ];
    text.starts_with("tokenvpn")
        || text.contains(", ") && text.split(", ").all(is_field)
        || text.starts_with("interface = ")
        || serde.contains(&text)
}

#[test]
fn what_people_read_is_said_by_the_language_alone() {
    let mut said = Vec::new();
    for (name, text) in sources() {
        let is_ours = ["client/src/", "common/src/", "gateway/src/"]
            .iter()
            .any(|place| name.starts_with(place));
        let is_language = name.starts_with(LANGUAGES);
        if is_ours && !is_language && !name.contains("tests") {
            said.extend(
                said_in(&text)
                    .into_iter()
                    .filter(|text| !is_for_programs(text))
                    .map(|text| format!("{name}: {text}")),
            );
        }
    }
    assert!(said.is_empty(), "{said:#?}");
}

#[test]
fn every_text_of_a_language_is_said_somewhere() {
    let sources = sources();
    let of_language = |name: &str| name.starts_with(LANGUAGES);
    let (languages, others): (Vec<_>, Vec<_>) =
        sources.iter().partition(|(name, _)| of_language(name));
    let mut texts = 0;
    for (name, language) in languages {
        // `    name(arguments) = text;`
        let entries = language.lines().filter_map(|line| {
            let (entry, _) = line.strip_prefix("    ")?.split_once('(')?;
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let is_entry = line.contains(") =") && !line.contains("==");
            (is_entry && !entry.is_empty() && entry.chars().all(is_name)).then_some(entry)
        });
        for entry in entries {
            texts += 1;
            let call = format!(".{entry}(");
            let is_said = others.iter().any(|(_, text)| text.contains(&call));
            assert!(is_said, "{name}: nobody says {entry}");
        }
    }
    assert!(texts > 900, "{texts} texts: the search is blind");
}

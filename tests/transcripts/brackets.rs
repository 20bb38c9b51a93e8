//! What may stand outside of the brackets in which `en_XA` puts every text of the language's file.

/// What is no word, and why.
const DATA: &[(&str, &[&str])] = &[
    (
        "what mask() has put in place of what differs each time",
        &["TOKEN", "OTHER", "KEY", "ID", "DATE", "N", "DIR"],
    ),
    (
        "names that the tests have given, and those of the virtual readers",
        &[
            "traveller",
            "laptop",
            "phone",
            "guest",
            "Virtual PCD 00 00",
            "Virtual PCD 00 01",
        ],
    ),
    (
        "devices, which are called so everywhere, and the programs themselves",
        &["tokenvpn", "tokenvpn-gw", "tokenvpn-gateway", "eth0"],
    ),
    ("what a terminal shows of a key", &["^C"]),
];

/// What `doctor` looks at: names that its JSON has too, behind a verdict.
const CHECKS: [&str; 13] = [
    "permission",
    "tun",
    "service",
    "reader",
    "token",
    "pin",
    "room",
    "profile",
    "dns",
    "clock",
    "network",
    "gateway",
    "leftovers",
];

/// Insists that what stands outside of brackets in what a program has said is data.
#[track_caller]
pub(crate) fn assert_only_data_outside(text: &str) {
    assert_only_these_outside(text, &[]);
}

/// The same where these are data too.
#[track_caller]
pub(crate) fn assert_only_these_outside(text: &str, names: &[&str]) {
    match stray(text, names) {
        Ok(stray) if stray.is_empty() => {}
        Ok(stray) => panic!("{stray:?} stand in no file of a language:\n{text}"),
        Err(why) => panic!("{why}:\n{text}"),
    }
}

/// The words outside of brackets.
///
/// # Errors
/// The brackets do not match: somebody has cut a text.
fn stray(text: &str, names: &[&str]) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    for line in outside(text)?.lines().filter(|line| !is_for_programs(line)) {
        let mut line = line.to_owned();
        if let Some(check) = check(&line) {
            line = line.replacen(check, "", 1);
        }
        if let Some(behind) = behind_action(&line) {
            line = behind.to_owned();
        }
        let phrases = DATA.iter().flat_map(|(_, phrases)| *phrases);
        for phrase in phrases.filter(|phrase| phrase.contains(' ')) {
            line = line.replace(phrase, "");
        }
        let is_data = |word: &str| {
            let mut known = DATA.iter().flat_map(|(_, words)| *words).chain(names);
            known.any(|known| *known == word)
        };
        words.extend(
            line.split(|c: char| c.is_whitespace() || c == PLACE)
                .filter(|word| !is_option(word))
                .map(|word| word.trim_matches(|c: char| c.is_ascii_punctuation() && c != '^'))
                .filter(|word| is_word(word) && !is_data(word))
                .map(str::to_owned),
        );
    }
    Ok(words)
}

/// `-h` or `--help`, which are called so in every language.
fn is_option(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_ascii_punctuation() && c != '-');
    let name = text.trim_start_matches('-');
    name.len() < text.len() && name.starts_with(char::is_alphabetic)
}

/// Letters, and no digit, slash or dot as in addresses, dates and paths.
fn is_word(text: &str) -> bool {
    let is_of_word = |c: char| c.is_alphabetic() || "'’-…".contains(c);
    text.chars().any(char::is_alphabetic) && text.trim_start_matches('^').chars().all(is_of_word)
}

/// The name of a check behind its verdict, of which the brackets' place is left.
fn check(line: &str) -> Option<&'static str> {
    let behind = line.strip_prefix(PLACE)?.trim_start();
    let name = behind.split_whitespace().next()?;
    CHECKS.into_iter().find(|check| *check == name)
}

/// What follows when, who and what in a line of `audit`: names that its JSON has too.
fn behind_action(line: &str) -> Option<&str> {
    let did = line.strip_prefix("DATE  uid 0  ")?;
    let actions = ["add", "enrol", "invite", "revoke"];
    actions.iter().find_map(|action| did.strip_prefix(action))
}

/// A line of TOML, or of a log.
fn is_for_programs(line: &str) -> bool {
    let is_key = |key: &str| key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let is_toml = line.split_once(" = ").is_some_and(|(key, _)| is_key(key));
    is_toml || line.starts_with("DATE  INFO ") || line.starts_with("DATE  WARN ")
}

/// Stands where there were brackets.
const PLACE: char = '¤';

fn outside(text: &str) -> Result<String, &'static str> {
    let (mut depth, mut outside) = (0u32, String::new());
    for c in text.chars() {
        match c {
            '⟦' => {
                if depth == 0 {
                    outside.push(PLACE);
                }
                depth += 1;
            }
            '⟧' => depth = depth.checked_sub(1).ok_or("a bracket closes nothing")?,
            c if depth == 0 => outside.push(c),
            _ => {}
        }
    }
    match depth {
        0 => Ok(outside),
        _ => Err("a bracket is not closed"),
    }
}

#[test]
fn a_word_outside_of_brackets_is_found() {
    let stray = |text: &str| stray(text, &[]).unwrap();
    for text in [
        "⟦Waiting⟧ for ⟦a token⟧",
        "error: ⟦the PIN is ⟦blocked⟧⟧",
        "⟦12 kB⟧/s",
        "⟦3 day⟧s",
        "⟦ok⟧       permission  this user",
        "a token",
        "no TOKEN",
    ] {
        assert!(!stray(text).is_empty(), "{text}");
    }
    for text in [
        "⟦a ⟦b⟧ c⟧",
        "⟦ok⟧       token       TOKEN (traveller)",
        "⟦ok⟧       reader      Virtual PCD 00 00",
        "⟦Gateway⟧  ⟦KEY, at 203.0.113.5:51820⟧, 10.77.0.0/24\n^C",
        "id = \"ID\"",
    ] {
        assert_eq!(stray(text), [""; 0], "{text}");
    }
}

#[test]
fn a_text_that_was_cut_is_found() {
    for text in ["⟦a ⟦b⟧", "a⟧", "⟦a⟧⟧⟦"] {
        assert!(stray(text, &[]).is_err(), "{text}");
    }
}

//! What of a transcript is different each time.

/// The text with its keys, dates and measured times left out.
pub(crate) fn mask(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (instead, taken) =
            volatile(rest, masked.chars().last()).unwrap_or((None, first.len_utf8()));
        match instead {
            Some(instead) => masked.push_str(instead),
            None => masked.push_str(&rest[..taken]),
        }
        rest = &rest[taken..];
    }
    masked.split_inclusive('\n').map(squeezed).collect()
}

/// A line of a table, without its alignment if that depends on something that was masked.
fn squeezed(line: &str) -> String {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let cells: Vec<_> = line[indent..]
        .split("  ")
        .map(|cell| cell.trim_start_matches(' '))
        .filter(|cell| !cell.is_empty())
        .collect();
    let is_head = line.starts_with("WHEN ") || line.contains(" LATEST HANDSHAKE ");
    let is_masked = |cell: &&str| *cell == "DATE" || cell.starts_with("N ");
    match is_head || cells.iter().any(is_masked) {
        true => format!("{}{}", &line[..indent], cells.join("  ")),
        false => line.to_owned(),
    }
}

/// What stands here that is different each time: what to write instead, and its length.
fn volatile(text: &str, before: Option<char>) -> Option<(Option<&'static str>, usize)> {
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let quick = "< 1 ms";
    if text.starts_with(quick) {
        return Some((Some("N ms"), quick.len()));
    }
    // Any port that the client was given, at its address in the usual places.
    let home = "192.0.2.10:";
    if let Some(port) = text.strip_prefix(home) {
        let end = port.find(|c: char| !c.is_ascii_digit());
        return Some((
            Some("192.0.2.10:PORT"),
            home.len() + end.unwrap_or(port.len()),
        ));
    }
    if let Some(pid) = text.strip_prefix("pid ") {
        let end = pid.find(|c: char| !c.is_ascii_digit());
        return Some((
            Some("pid N"),
            text.len() - pid.len() + end.unwrap_or(pid.len()),
        ));
    }
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let word = &text[..text.find(|c| !is_base64(c)).unwrap_or(text.len())];
    let is_hexadecimal = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    if word.len() == 32 && word.chars().all(is_hexadecimal) {
        return Some((Some("ID"), word.len()));
    }
    if word.len() == 44 && word.ends_with('=') {
        return Some((Some("KEY"), word.len()));
    }
    let is_time = |c: char| c.is_ascii_digit() || "-:TZ".contains(c);
    let time = &text[..text.find(|c| !is_time(c)).unwrap_or(text.len())];
    let clock = text[time.len()..].find(" UTC").filter(|at| *at == 6);
    let is_now = time.starts_with("20") || clock.is_some();
    if is_now && time.matches('-').count() == 2 {
        let fraction = text[time.len()..].find('Z').filter(|at| *at == 7);
        let more = clock.map(|at| at + 4).or(fraction.map(|at| at + 1));
        return Some((Some("DATE"), time.len() + more.unwrap_or(0)));
    }
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let number = &text[..text.find(|c| !is_number(c)).unwrap_or(text.len())];
    let unit = &text[number.len()..];
    // How much that is depends on how busy the machine is.
    let thousands = " kB";
    if !number.is_empty() && unit.starts_with(thousands) {
        return Some((Some("N B"), number.len() + thousands.len()));
    }
    let is_measured = ["ms", "s)", "s ago", "B"].iter().any(|end| {
        unit.strip_prefix(' ')
            .is_some_and(|unit| unit.starts_with(end))
    });
    if !number.is_empty() && is_measured {
        return Some((Some("N"), number.len()));
    }
    None
}

#[test]
fn what_differs_each_time_is_left_out() {
    let key = "znfyL6kRj7Bys39y+QUBNa28uOwSQSJ2QuStbXHWbWA=";
    let text = format!(
        "Key {key}, 2026-11-23 09:12 UTC (0.41 s), 41 ms, < 1 ms, pid 4711, 10.0.0.0/8, 2 tries"
    );
    assert_eq!(
        mask(&text),
        "Key KEY, DATE (N s), N ms, N ms, pid N, 10.0.0.0/8, 2 tries"
    );
    assert_eq!(
        mask("id = \"00c2590a4b1e4c7b9f4f0a5d3c2b1a09\""),
        "id = \"ID\""
    );
    assert_eq!(mask("since 2026-11-23T09:12:00Z."), "since DATE.");
    assert_eq!(mask("2026-11-30T10:47:10.725966Z  INFO x"), "DATE  INFO x");
    for seconds in ["7", "41"] {
        let line = format!(
            "a  {:<10}  {:>8}  b   c",
            format!("{seconds} s ago"),
            "41 B"
        );
        assert_eq!(mask(&line), "a  N s ago  N B  b  c");
    }
    assert_eq!(
        mask("until 2100-01-01"),
        "until 2100-01-01",
        "it was asked for"
    );
}

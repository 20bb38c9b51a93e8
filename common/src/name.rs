//! The name of an identity.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::language::say;

/// What a person calls an identity: 1 to 32 bytes of UTF-8 without control characters
/// or white space at either end.
///
/// Every name that was parsed is safe to print. A clone shares the text.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// Longest name in bytes; it has to fit a token's label.
pub const MAX_NAME: usize = 32;

/// Why a text is no [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty.
    #[error("{}", say().empty_name())]
    Empty,
    /// Longer than [`MAX_NAME`] bytes.
    #[error("{}", say().name_too_long(&MAX_NAME, .bytes))]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Holds a control character or a character that reorders or hides text.
    #[error("{}", say().control_in_name())]
    Control,
    /// White space at an end.
    #[error("{}", say().blank_around_name())]
    Blank,
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME {
            return Err(NameError::TooLong { bytes: text.len() });
        }
        if text.chars().any(deceives) {
            return Err(NameError::Control);
        }
        if text.trim() != text {
            return Err(NameError::Blank);
        }
        Ok(Name(text.into()))
    }
}

/// Control characters, line and paragraph separators, and the marks that reverse
/// or hide text on a terminal (Unicode TR 9 and TR 36).
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}')
}

/// `text` without what could move a terminal's cursor, or show the text otherwise than it
/// is: U+FFFD stands for each such character.
pub fn printable(text: &str) -> String {
    text.replace(deceives, "\u{fffd}")
}

/// The same of several lines, which stay lines.
pub fn printable_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Name, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_fool_a_terminal_is_refused() {
        let ends = [
            ['\0', '\u{1f}'],
            ['\u{7f}', '\u{9f}'],
            ['\u{61c}', '\u{61c}'],
            ['\u{200b}', '\u{200f}'],
            ['\u{2028}', '\u{202e}'],
            ['\u{2060}', '\u{206f}'],
            ['\u{feff}', '\u{feff}'],
        ];
        for c in ends.into_iter().flat_map(|[first, last]| first..=last) {
            let name = format!("a{c}b").parse::<Name>();
            assert_eq!(name, Err(NameError::Control), "{c:?}");
        }
        assert_eq!(
            printable("a\u{1b}[2J\u{202e}b\n"),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}"
        );
        assert_eq!(printable_lines("a\u{1b}\nb\n"), "a\u{fffd}\nb\n");
        assert_eq!("".parse::<Name>(), Err(NameError::Empty));
        assert_eq!(" a".parse::<Name>(), Err(NameError::Blank));
        assert_eq!(
            "x".repeat(33).parse::<Name>(),
            Err(NameError::TooLong { bytes: 33 })
        );
        assert_eq!(
            "Zoë's laptop".parse::<Name>().unwrap().as_str(),
            "Zoë's laptop"
        );
    }
}

//! The name that a card has been given for its holder.

use std::fmt;
use std::str::FromStr;

use crate::language::say;

/// The name of a card's holder: 1 to 39 printable ASCII characters (object 5B of OpenPGP card
/// 3.4.1 §4.4.1; the form SURNAME<<FIRST<NAMES is a habit of passports, and not asked for).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderName(pub(super) String);

impl FromStr for HolderName {
    type Err = HolderNameError;

    fn from_str(name: &str) -> Result<HolderName, HolderNameError> {
        let is_printable = |c: char| c.is_ascii_graphic() || c == ' ';
        match (1..=39).contains(&name.len()) && name.chars().all(is_printable) {
            true => Ok(HolderName(name.to_owned())),
            false => Err(HolderNameError),
        }
    }
}

impl fmt::Display for HolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not a name that a card keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", say().malformed_card_name())]
pub struct HolderNameError;

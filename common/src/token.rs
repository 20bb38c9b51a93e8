//! The token as others see it: its ident, its label, and what its objects can turn out to hold.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::language::say;
use crate::name::Name;
use crate::profile::wire::{self, Reader, Writer};
use crate::profile::{Field, Profile, ProfileError, check_dates, decode_name, number, tag};

/// A card's manufacturer and serial number (OpenPGP card 3.4.1 §4.2.1), as gpg writes
/// them: `0006:12345678`.
///
/// Not a proof of anything: a fake card can claim any ident.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Ident {
    /// Who made the card.
    pub manufacturer: u16,
    /// Which one it is.
    pub serial: u32,
}

/// The text is no [`Ident`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", say().malformed_ident())]
pub struct IdentError;

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}:{:08X}", self.manufacturer, self.serial)
    }
}

impl fmt::Debug for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Ident {
    type Err = IdentError;

    fn from_str(text: &str) -> Result<Ident, IdentError> {
        let (manufacturer, serial) = text.split_once(':').ok_or(IdentError)?;
        let is_hex =
            |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hex(manufacturer, 4) || !is_hex(serial, 8) {
            return Err(IdentError);
        }
        Ok(Ident {
            manufacturer: u16::from_str_radix(manufacturer, 16).map_err(|_| IdentError)?,
            serial: u32::from_str_radix(serial, 16).map_err(|_| IdentError)?,
        })
    }
}

impl TryFrom<String> for Ident {
    type Error = IdentError;

    fn try_from(text: String) -> Result<Ident, IdentError> {
        text.parse()
    }
}

impl From<Ident> for String {
    fn from(ident: Ident) -> String {
        ident.to_string()
    }
}

const MAGIC: &[u8; 3] = b"TVL";

/// What private-use object 0101 says to everybody, without a PIN.
///
/// A hint: it serves to choose a token and to save a PIN try. The profile decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The profile's name.
    pub name: Name,
    /// The profile's serial number.
    pub serial: u32,
    /// The profile's expiry.
    pub not_after: Option<UnixTime>,
}

impl Label {
    /// The label that belongs to a profile.
    pub fn of(profile: &Profile) -> Label {
        Label {
            name: profile.name.clone(),
            serial: profile.serial,
            not_after: profile.not_after,
        }
    }

    /// Writes the label as an object's bytes, its checksum included: at most 55 bytes.
    ///
    /// # Errors
    /// The label breaks a rule of profiles (serial number, dates).
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, ProfileError> {
        self.check()?;
        let mut out = Writer::new(MAGIC);
        out.field(tag::NAME, self.name.as_str().as_bytes())?;
        out.number(tag::SERIAL, u64::from(self.serial))?;
        if let Some(time) = self.not_after {
            out.number(tag::NOT_AFTER, time.0)?;
        }
        Ok(out.finish())
    }

    /// Reads an object's bytes: every input gives a label or an error.
    ///
    /// # Errors
    /// The bytes are empty, foreign, damaged or of a newer program.
    pub fn decode(bytes: &[u8]) -> Result<Label, ProfileError> {
        let mut fields = Reader::new(MAGIC, bytes)?;
        let (mut name, mut serial, mut not_after) = (None, None, None);
        while let Some((tag, value)) = fields.field()? {
            match tag {
                tag::NAME => name = Some(decode_name(value)?),
                tag::SERIAL => serial = Some(number(value, Field::Serial)?),
                tag::NOT_AFTER => not_after = Some(UnixTime(number(value, Field::NotAfter)?)),
                tag => wire::unknown(tag)?,
            }
        }
        let missing = |field| ProfileError::Missing { field };
        let label = Label {
            name: name.ok_or(missing(Field::Name))?,
            serial: serial.ok_or(missing(Field::Serial))?,
            not_after,
        };
        label.check()?;
        Ok(label)
    }

    fn check(&self) -> Result<(), ProfileError> {
        if self.serial == 0 {
            return Err(ProfileError::Serial);
        }
        check_dates(None, self.not_after)
    }
}

/// What an object on a token turned out to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<T> {
    /// Nothing.
    Empty,
    /// Another program's data, not to be overwritten without asking.
    Foreign,
    /// Ours, but not to be used.
    Damaged {
        /// The check that failed.
        check: ProfileError,
    },
    /// Ours, but only a newer program can read it.
    TooNew {
        /// What this program does not know.
        what: ProfileError,
    },
    /// A profile or label.
    Holds(T),
}

impl<T> From<Result<T, ProfileError>> for Content<T> {
    fn from(decoded: Result<T, ProfileError>) -> Content<T> {
        match decoded {
            Ok(value) => Content::Holds(value),
            Err(ProfileError::Empty) => Content::Empty,
            Err(ProfileError::Foreign) => Content::Foreign,
            Err(
                what @ (ProfileError::Version { .. }
                | ProfileError::Suite { .. }
                | ProfileError::UnknownField { .. }
                | ProfileError::NoPrivateKey),
            ) => Content::TooNew { what },
            Err(check) => Content::Damaged { check },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label {
            name: "n".repeat(32).parse().unwrap(),
            serial: u32::MAX,
            not_after: Some(crate::date::LAST_SECOND),
        }
    }

    #[test]
    fn an_ident_survives_its_text() {
        let ident: Ident = "000f:8a1b2c3d".parse().unwrap();
        assert_eq!(ident.to_string(), "000F:8A1B2C3D");
        for text in ["", "0006", "0006:1234567", "0006:+2345678", "06:12345678"] {
            assert_eq!(text.parse::<Ident>(), Err(IdentError), "{text}");
        }
    }

    #[test]
    fn the_longest_label_survives_and_is_short() {
        let bytes = label().encode().unwrap();
        assert_eq!(Label::decode(&bytes).unwrap(), label());
        assert_eq!(bytes.len(), 55);
        let smallest = Label {
            name: "a".parse().unwrap(),
            serial: 1,
            not_after: None,
        };
        let bytes = smallest.encode().unwrap();
        assert_eq!(Label::decode(&bytes).unwrap(), smallest);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_label_is_refused() {
        let bytes = label().encode().unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Label::decode(&flipped).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Label::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
    }
}

//! A secret, in all the shapes in which it could lie around.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem::Finder;

/// A secret that is looked for in memory and in output. Never printed.
pub struct Quarry {
    name: String,
    shapes: Vec<(&'static str, Finder<'static>)>,
    /// Whether letters and digits beside it make it something else.
    is_word: bool,
}

impl Quarry {
    /// A key: each half raw (a register spilled, a copy begun), in hexadecimal, as the numbers of
    /// `{:?}` and `{:x?}`, and in base64 wherever in a longer text it begins.
    pub fn key(name: &str, key: &[u8; 32]) -> Quarry {
        let (first, second) = key.split_at(16);
        let mut quarry = Quarry::empty(name);
        quarry.add(first);
        quarry.add(second);
        quarry
    }

    /// The beginning of a profile as the card holds it, 24 bytes of it.
    ///
    /// # Panics
    /// If it is shorter.
    pub fn profile(profile: &[u8]) -> Quarry {
        let mut quarry = Quarry::empty("profile");
        quarry.add(&profile[..24]);
        quarry
    }

    /// A PIN, at least six characters.
    pub fn pin(pin: &str) -> Quarry {
        let mut quarry = Quarry::empty("PIN");
        quarry.add(pin.as_bytes());
        quarry.is_word = true;
        quarry
    }

    fn empty(name: &str) -> Quarry {
        Quarry {
            name: name.to_owned(),
            shapes: Vec::new(),
            is_word: false,
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let numbers = format!("{bytes:?}");
        let hex_numbers = format!("{bytes:02x?}");
        let inner = |list: &str| list.as_bytes()[1..list.len() - 1].to_vec();
        let mut shapes = vec![
            ("raw", bytes.to_vec()),
            ("hexadecimal", hex.clone().into_bytes()),
            ("HEXADECIMAL", hex.to_uppercase().into_bytes()),
            ("numbers", inner(&numbers)),
            ("hexadecimal numbers", inner(&hex_numbers)),
        ];
        // Three bytes make four characters, so there are three ways to begin; the last
        // characters depend on what follows.
        for skipped in 0..3 {
            let whole = (bytes.len() - skipped) / 3 * 3;
            // Four characters alone are anything.
            if whole < 6 {
                continue;
            }
            let text = STANDARD.encode(&bytes[skipped..skipped + whole]);
            shapes.push(("base64", text.into_bytes()));
        }
        for (shape, pattern) in shapes {
            self.shapes
                .push((shape, Finder::new(&pattern).into_owned()));
        }
    }

    /// What it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is in `memory`, and in which shape.
    pub fn find_in<'a>(
        &'a self,
        memory: &'a [u8],
    ) -> impl Iterator<Item = (usize, &'static str)> + 'a {
        let of_shape = |(shape, finder): &'a (&'static str, Finder<'static>)| {
            finder.find_iter(memory).map(|at| (at, *shape))
        };
        self.shapes.iter().flat_map(of_shape)
    }

    /// The shape in which it is in a text, if it is. A PIN must not be part of another word.
    pub fn printed_in(&self, text: &[u8]) -> Option<&'static str> {
        let is_in = |finder: &Finder<'_>| {
            let length = finder.needle().len();
            let mut places = finder.find_iter(text);
            places.any(|at| !self.is_word || stands_alone(text, at, length))
        };
        let found = self.shapes.iter().find(|(_, finder)| is_in(finder));
        found.map(|(shape, _)| *shape)
    }
}

impl fmt::Debug for Quarry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quarry({})", self.name)
    }
}

/// Digits in the middle of a number or of the fraction of a second are no PIN.
fn stands_alone(text: &[u8], at: usize, length: usize) -> bool {
    let before = at.checked_sub(1).map(|before| text[before]);
    let after = text.get(at + length);
    !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        && !after.is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_every_shape() {
        let key: [u8; 32] = std::array::from_fn(|i| (i as u8).wrapping_mul(37) ^ 0xA5);
        let quarry = Quarry::key("key", &key);
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            key[..16].to_vec(),
            key[16..].to_vec(),
            hex.clone().into_bytes(),
            hex.to_uppercase().into_bytes(),
            STANDARD.encode(key).into_bytes(),
            STANDARD.encode([&[1], &key[..]].concat()).into_bytes(),
            STANDARD.encode([&[1, 2], &key[..]].concat()).into_bytes(),
            format!("{key:?}").into_bytes(),
            format!("{key:02x?}").into_bytes(),
        ] {
            let around = [b"before ", &text[..], b" after"].concat();
            assert!(quarry.find_in(&around).next().is_some(), "{text:?}");
        }
        assert!(quarry.find_in(&key[..15]).next().is_none());
    }

    #[test]
    fn a_pin_is_found_where_it_is_no_part_of_another_number() {
        let quarry = Quarry::pin("428571");
        for text in ["PIN 428571", "\"428571\"", "[52, 50, 56, 53, 55, 49]"] {
            assert!(quarry.printed_in(text.as_bytes()).is_some(), "{text}");
        }
        for text in ["12:00:00.428571Z", "1428571", "428571a"] {
            assert!(quarry.printed_in(text.as_bytes()).is_none(), "{text}");
        }
    }
}

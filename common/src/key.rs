//! Keys: X25519 pairs and preshared keys, in wg(8)'s base64.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand_core::{OsRng, RngCore};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::language::say;

/// Length of every key in bytes.
pub const KEY_LEN: usize = 32;

/// Why bytes or text are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 44 characters of standard base64 for 32 bytes.
    #[error("{}", say().malformed_key())]
    Malformed,
    /// A point of low order: whoever uses it shares one of a few known secrets with everybody.
    #[error("{}", say().low_order_key())]
    LowOrder,
}

fn decode(text: &str) -> Result<Zeroizing<[u8; KEY_LEN]>, KeyError> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    // Base64 estimates three bytes for every four characters, one more than 32 here.
    let mut room = Zeroizing::new([0; KEY_LEN + 1]);
    let len = STANDARD
        .decode_slice(text.trim(), &mut room[..])
        .map_err(|_| KeyError::Malformed)?;
    if len != KEY_LEN {
        return Err(KeyError::Malformed);
    }
    bytes.copy_from_slice(&room[..KEY_LEN]);
    Ok(bytes)
}

/// Every encoding below 2^255 of a point of low order on Curve25519 or its twist, those
/// not reduced modulo the prime included (RFC 7748 §7, https://cr.yp.to/ecdh.html#validate).
const LOW_ORDER: [[u8; KEY_LEN]; 7] = [
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    [
        0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    [
        0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
];

/// An X25519 public key that is not of low order.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; KEY_LEN]);

impl PublicKey {
    /// Takes a key received from elsewhere.
    ///
    /// # Errors
    /// [`KeyError::LowOrder`]: boringtun would accept such a key, and a stranger could then use it.
    pub fn new(bytes: [u8; KEY_LEN]) -> Result<PublicKey, KeyError> {
        if LOW_ORDER.contains(&bytes) {
            return Err(KeyError::LowOrder);
        }
        // The top bit is ignored by X25519 (RFC 7748 §5): one key, one spelling.
        if bytes[KEY_LEN - 1] & 0x80 != 0 {
            return Err(KeyError::Malformed);
        }
        Ok(PublicKey(bytes))
    }

    /// The key's 32 bytes, little-endian as on the wire.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PublicKey, KeyError> {
        PublicKey::new(*decode(text)?)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<PublicKey, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An X25519 private key. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PrivateKey([u8; KEY_LEN]);

impl PrivateKey {
    /// Makes a new key from the operating system's randomness.
    pub fn generate() -> PrivateKey {
        let mut bytes = [0; KEY_LEN];
        OsRng.fill_bytes(&mut bytes);
        let key = PrivateKey::from_bytes(bytes);
        bytes.zeroize();
        key
    }

    /// Takes a key's 32 bytes; they are clamped as wg(8) does.
    pub fn from_bytes(mut bytes: [u8; KEY_LEN]) -> PrivateKey {
        bytes[0] &= 248;
        bytes[31] = (bytes[31] & 127) | 64;
        let key = PrivateKey(bytes);
        bytes.zeroize();
        key
    }

    /// The 32 bytes, for the token and the key file.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// The key's base64 text, for the key file.
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(*x25519_dalek::PublicKey::from(&self.to_static_secret()).as_bytes())
    }

    /// The shared secret with `other`: what proves that a stored key works.
    pub fn agree(&self, other: &PublicKey) -> Zeroizing<[u8; KEY_LEN]> {
        let other = x25519_dalek::PublicKey::from(*other.as_bytes());
        Zeroizing::new(self.to_static_secret().diffie_hellman(&other).to_bytes())
    }

    pub(crate) fn to_static_secret(&self) -> x25519_dalek::StaticSecret {
        x25519_dalek::StaticSecret::from(self.0)
    }
}

impl FromStr for PrivateKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PrivateKey, KeyError> {
        Ok(PrivateKey::from_bytes(*decode(text)?))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// A symmetric key that both ends mix into the handshake. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PresharedKey([u8; KEY_LEN]);

impl PresharedKey {
    /// Makes a new key from the operating system's randomness.
    pub fn generate() -> PresharedKey {
        let mut bytes = [0; KEY_LEN];
        OsRng.fill_bytes(&mut bytes);
        let key = PresharedKey(bytes);
        bytes.zeroize();
        key
    }

    /// Takes a key's 32 bytes.
    pub fn from_bytes(mut bytes: [u8; KEY_LEN]) -> PresharedKey {
        let key = PresharedKey(bytes);
        bytes.zeroize();
        key
    }

    /// The 32 bytes, for the token and the registry.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// The key's base64 text, for an invitation.
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0))
    }
}

impl FromStr for PresharedKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PresharedKey, KeyError> {
        Ok(PresharedKey(*decode(text)?))
    }
}

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresharedKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_order_public_key_is_refused() {
        // A clamped scalar is a multiple of 8, so it takes exactly these points to zero.
        let scalar = x25519_dalek::StaticSecret::from([0x55; KEY_LEN]);
        let is_low = |bytes| {
            let shared = scalar.diffie_hellman(&x25519_dalek::PublicKey::from(bytes));
            !shared.was_contributory()
        };
        for bytes in LOW_ORDER {
            assert!(is_low(bytes), "{bytes:?}");
            assert_eq!(PublicKey::new(bytes), Err(KeyError::LowOrder));
            // X25519 ignores the top bit, so it must not hide such a point.
            let mut high = bytes;
            high[KEY_LEN - 1] |= 0x80;
            assert!(PublicKey::new(high).is_err());
        }
        // What is not in the table: nearby values, and the rest up to 2^255.
        for last in 0xef..=0xff {
            let mut bytes = [0xff; KEY_LEN];
            (bytes[0], bytes[KEY_LEN - 1]) = (last, 0x7f);
            assert!(!is_low(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn a_key_survives_its_text() {
        let key = PrivateKey::generate();
        let again: PrivateKey = key.expose_text().parse().unwrap();
        assert_eq!(key.expose(), again.expose());
        let public = key.public();
        assert_eq!(public.to_string().parse::<PublicKey>().unwrap(), public);
        assert_eq!("AAAA".parse::<PublicKey>(), Err(KeyError::Malformed));
    }

    #[test]
    fn a_secret_key_cannot_be_printed() {
        let key = PrivateKey::generate();
        assert_eq!(format!("{key:?}"), "PrivateKey(…)");
        let key = PresharedKey::generate();
        assert_eq!(format!("{key:?}"), "PresharedKey(…)");
    }

    #[test]
    fn both_sides_agree_on_a_secret() {
        let (a, b) = (PrivateKey::generate(), PrivateKey::generate());
        assert_eq!(*a.agree(&b.public()), *b.agree(&a.public()));
    }
}

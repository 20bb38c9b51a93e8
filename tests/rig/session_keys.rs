//! Finds the keys of a session in the memory of one of its ends, by what they can decrypt.

use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce, Tag, aead::AeadInPlace};

use crate::{memory, tap::Datagram};

/// Bytes of a data message before its ciphertext (WireGuard paper §5.4.6).
const HEADER: usize = 16;
/// Bytes of the tag behind it.
const TAG: usize = 16;

/// The key in this process's memory that decrypts a short data message, if there is one: every
/// place in question is tried.
///
/// # Panics
/// If the datagram is no short data message, or the memory cannot be read (this needs root).
#[track_caller]
pub fn find(pid: i32, datagram: &Datagram) -> Option<[u8; 32]> {
    let payload = &datagram.payload[..];
    assert!(datagram.kind == 4 && payload.len() >= HEADER + TAG);
    let (header, rest) = payload.split_at(HEADER);
    let (ciphertext, tag) = rest.split_at(rest.len() - TAG);
    let mut nonce = Nonce::default();
    nonce[4..].copy_from_slice(&header[8..]);
    let opens = |key: &[u8; 32]| {
        let mut text = ciphertext.to_vec();
        let cipher = ChaCha20Poly1305::new(Key::from_slice(key));
        let tag = Tag::from_slice(tag);
        cipher
            .decrypt_in_place_detached(&nonce, b"", &mut text, tag)
            .is_ok()
    };
    let mut found = None;
    memory::regions(pid, |_, bytes| {
        // Keys are made of words.
        for key in bytes.windows(32).step_by(4) {
            let key: &[u8; 32] = key.try_into().expect("invariant: a window has its length");
            if found.is_none() && is_random(key) && opens(key) {
                found = Some(*key);
            }
        }
    });
    found
}

/// Whether a key could look like this; one in a hundred thousand looks otherwise. Pointers and
/// numbers, of which memory is full, do.
fn is_random(key: &[u8; 32]) -> bool {
    key.iter().filter(|byte| **byte == 0).count() <= 3
}

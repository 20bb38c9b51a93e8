//! What anyone can do to a handshake message who knows a public key.

use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput as _, KeyInit as _, Update};
use blake2::{Blake2s256, Blake2sMac, Digest as _};
use tokenvpn_common::key::PublicKey;

/// Writes the first MAC of an initiation for `receiver`.
pub(crate) fn sign(initiation: &mut [u8], receiver: &PublicKey) {
    let key = Blake2s256::new()
        .chain_update(b"mac1----")
        .chain_update(receiver.as_bytes())
        .finalize();
    let mut mac = Blake2sMac::<U16>::new_from_slice(&key).unwrap();
    Update::update(&mut mac, &initiation[..116]);
    initiation[116..132].copy_from_slice(&mac.finalize_fixed());
}

/// The same initiation as if from another session, which takes no secret.
pub(crate) fn with_other_index(initiation: &[u8], receiver: &PublicKey) -> Vec<u8> {
    let mut other = initiation.to_vec();
    other[4] ^= 0x55;
    sign(&mut other, receiver);
    other
}

//! What stands on a token: profile and label.

use tokenvpn_common::{profile::Profile, token::Label};

/// Decodes `data` as both; what is understood is written and read back the same.
///
/// # Panics
/// If it is not.
pub fn run(data: &[u8]) {
    if let Ok(profile) = Profile::decode(data) {
        let again = profile.encode().expect("what was read can be written");
        let read = Profile::decode(&again).expect("what was written can be read");
        assert!(read.encode().expect("twice").as_slice() == again.as_slice());
    }
    if let Ok(label) = Label::decode(data) {
        let again = label.encode().expect("what was read can be written");
        assert!(Label::decode(&again).expect("what was written can be read") == label);
    }
}

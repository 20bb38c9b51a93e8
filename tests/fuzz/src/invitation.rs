//! What goes between a gateway and a token's computer, and back.

use tokenvpn_common::invitation::{Enrolment, Invitation};

/// Reads `data` as both; what is understood is written and read back the same.
///
/// # Panics
/// If it is not, or if an error would not fit into the line that people get.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Invitation::from_toml(text) {
        Ok(invitation) => {
            let again = invitation.to_toml().expect("what was read can be written");
            let read = Invitation::from_toml(&again).expect("what was written can be read");
            assert!(*read.to_toml().expect("twice") == *again);
        }
        Err(error) => drop(error.to_string()),
    }
    match Enrolment::from_toml(text) {
        Ok(enrolment) => {
            let again = enrolment.to_toml();
            let read = Enrolment::from_toml(&again).expect("what was written can be read");
            assert_eq!(read.to_toml(), again);
        }
        Err(error) => drop(error.to_string()),
    }
}

//! Inner packets: what a computer with the token sends into the tunnel, and what the network behind
//! the gateway does.

use super::{
    input::Input,
    pair::{self, Pair},
};

/// Sends packets both ways through a session.
///
/// # Panics
/// If a device does, or if something other than what was sent, or more of it, arrives.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut pair = Pair::new();
    pair.connect(1);
    for _ in 0..32 {
        if input.is_empty() {
            break;
        }
        let choice = input.byte();
        let mut bytes = input.sized(3000).to_vec();
        // Often enough a header that is right in what the tunnel looks at.
        if choice & 2 != 0 && bytes.len() >= 20 {
            let len = u16::try_from(bytes.len()).expect("at most 3000");
            bytes[0] = 0x45;
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            bytes[12..16].copy_from_slice(&[10, 77, 0, 1 + u8::from(choice & 4 != 0)]);
        }
        let now = pair.now;
        if choice & 1 == 0 {
            pair::send(pair.client(1), now, &bytes);
        } else {
            if choice & 2 != 0 && bytes.len() >= 20 {
                bytes[16..20].copy_from_slice(&[10, 77, 0, 1]);
            }
            pair::send(&mut pair.gateway, now, &bytes);
        }
        let delivered = pair.settle();
        assert!(delivered.len() <= 1, "{} packets of one", delivered.len());
        for packet in delivered {
            // Padding goes, and nothing else.
            assert!(bytes.starts_with(&packet), "another packet arrives");
            assert!(packet.len() >= 20);
        }
    }
    pair.expect_no_panic();
}

//! What this card can less than its firmware: other cards have less room, or none.

/// The command that shows a PIN (OpenPGP card 3.4.1 §7.2.2), and the user PIN's two names there.
const VERIFY: u8 = 0x20;
const USER_PIN: [u8; 2] = [0x81, 0x82];

/// The tries that the firmware gives the user PIN.
const TRIES: u8 = 3;

/// Commands for objects (OpenPGP card 3.4.1 §7.2.6, §7.2.8).
const GET_DATA: u8 = 0xCA;
const PUT_DATA: u8 = 0xDA;

/// The object that holds the extended capabilities, among others.
const APPLICATION_RELATED_DATA: [u8; 2] = [0x00, 0x6E];

/// Tag and length of the extended capabilities (OpenPGP card 3.4.1 §4.4.3.7).
const CAPABILITIES: [u8; 2] = [0xC0, 10];

/// Tag and length of the lengths and counters of the card's secrets, which stand beside the
/// capabilities (OpenPGP card 3.4.1 §4.4.3.1). The second byte is the longest user PIN, the fifth has its
/// tries.
const PIN_STATUS: [u8; 2] = [0xC4, 7];

/// The bit that says "there are private-use objects".
const PRIVATE_USE: u8 = 0x08;

const NOT_FOUND: [u8; 2] = [0x6A, 0x88];
const WRONG_LENGTH: [u8; 2] = [0x67, 0x00];

/// All that this card can less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Its private-use objects.
    pub objects: Objects,
    /// The longest user PIN that it says it takes, in bytes; `None`: the firmware's.
    pub longest_pin: Option<u8>,
    /// The tries that the user PIN has in all, as an owner can set them; `None`: the firmware's.
    /// A card of more is blocked by as many mistakes as the firmware's all the same.
    pub tries: Option<u8>,
}

impl Limits {
    /// The answer to a command that the firmware never gets to see.
    pub fn refuse(self, apdu: &[u8]) -> Option<Vec<u8>> {
        self.objects.refuse(apdu)
    }

    /// Changes what the firmware says of itself.
    pub fn amend(self, apdu: &[u8], answer: &mut [u8]) {
        self.objects.amend(apdu, answer);
        if let Some(status) = value_of(PIN_STATUS, apdu, answer) {
            status[1] = self.longest_pin.unwrap_or(status[1]);
            status[4] = self.tries_told(status[4]);
        }
        if let ([_, VERIFY, 0, name, ..], [0x63, left]) = (apdu, answer)
            && USER_PIN.contains(name)
        {
            *left = 0xC0 | self.tries_told(*left & 0x0F);
        }
    }

    /// What is told of the tries that the firmware has left.
    fn tries_told(self, left: u8) -> u8 {
        match (self.tries, left) {
            (None, left) => left,
            (_, 0) => 0,
            (Some(all), left) => (all + left).saturating_sub(TRIES),
        }
    }
}

/// The private-use objects of a card, as it announces and keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objects {
    /// The firmware's.
    #[default]
    All,
    /// At most so many bytes each.
    Room(u16),
    /// None.
    Missing,
}

impl Objects {
    /// The answer to a command that the firmware never gets to see.
    pub fn refuse(self, apdu: &[u8]) -> Option<Vec<u8>> {
        let &[_, instruction, 0x01, 0x01..=0x04, ..] = apdu else {
            return None;
        };
        match (self, instruction) {
            (Objects::Missing, GET_DATA | PUT_DATA) => Some(NOT_FOUND.to_vec()),
            (Objects::Room(room), PUT_DATA) if data_length(apdu) > room.into() => {
                Some(WRONG_LENGTH.to_vec())
            }
            _ => None,
        }
    }

    /// Changes what the firmware says of itself.
    pub fn amend(self, apdu: &[u8], answer: &mut [u8]) {
        let Some(value) = value_of(CAPABILITIES, apdu, answer) else {
            return;
        };
        match self {
            Objects::All => {}
            Objects::Room(room) => value[6..8].copy_from_slice(&room.to_be_bytes()),
            Objects::Missing => {
                value[0] &= !PRIVATE_USE;
                value[6..8].fill(0);
            }
        }
    }
}

/// The value behind this tag and length in what the firmware says of the card.
fn value_of<'a>(head: [u8; 2], apdu: &[u8], answer: &'a mut [u8]) -> Option<&'a mut [u8]> {
    if apdu.get(1) != Some(&GET_DATA) || apdu.get(2..4) != Some(&APPLICATION_RELATED_DATA) {
        return None;
    }
    let at = answer
        .windows(head.len())
        .position(|window| window == head)?;
    let start = at + head.len();
    answer.get_mut(start..start + usize::from(head[1]))
}

/// The length of a command's data, short or extended.
fn data_length(apdu: &[u8]) -> usize {
    match *apdu {
        [_, _, _, _, 0, high, low, _, ..] => u16::from_be_bytes([high, low]).into(),
        [_, _, _, _, length, _, ..] => length.into(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_card_refuses_what_does_not_fit() {
        let put = |length: u8| [vec![0, PUT_DATA, 1, 3, length], vec![7; length.into()]].concat();
        assert_eq!(Objects::Room(20).refuse(&put(20)), None);
        assert_eq!(
            Objects::Room(20).refuse(&put(21)),
            Some(WRONG_LENGTH.to_vec())
        );
        let extended = [vec![0, PUT_DATA, 1, 3, 0, 1, 0], vec![7; 256]].concat();
        assert!(Objects::Room(255).refuse(&extended).is_some());
        assert_eq!(Objects::All.refuse(&extended), None);
        // The name of the owner is none of these.
        let name = [vec![0, PUT_DATA, 0, 0x5B, 30], vec![7; 30]].concat();
        assert_eq!(Objects::Room(20).refuse(&name), None);
        assert_eq!(Objects::Missing.refuse(&name), None);
    }

    #[test]
    fn a_card_announces_the_longest_pin_and_keeps_its_counters() {
        let mut answer = [0x73, 9, 0xC4, 7, 0, 127, 127, 127, 3, 0, 3, 0x90, 0];
        let limits = Limits {
            longest_pin: Some(8),
            ..Limits::default()
        };
        limits.amend(&[0, GET_DATA, 0, 0x6E, 0], &mut answer);
        assert_eq!(answer, [0x73, 9, 0xC4, 7, 0, 8, 127, 127, 3, 0, 3, 0x90, 0]);
    }

    #[test]
    fn a_card_of_other_tries_tells_them_wherever_they_are_told() {
        let said = |tries, left| {
            let limits = Limits {
                tries: Some(tries),
                ..Limits::default()
            };
            let mut status = [0x73, 9, 0xC4, 7, 0, 127, 127, 127, left, 0, 3, 0x90, 0];
            limits.amend(&[0, GET_DATA, 0, 0x6E, 0], &mut status);
            assert_eq!(status[8..11][1..], [0, 3]);
            let mut refusal = [0x63, 0xC0 | left];
            limits.amend(&[0, VERIFY, 0, 0x82, 1, b'1'], &mut refusal);
            assert_eq!(refusal, [0x63, 0xC0 | status[8]]);
            let mut admin = [0x63, 0xC0 | left];
            limits.amend(&[0, VERIFY, 0, 0x83, 1, b'1'], &mut admin);
            assert_eq!(admin, [0x63, 0xC0 | left]);
            status[8]
        };
        assert_eq!([3, 2, 1, 0].map(|left| said(10, left)), [10, 9, 8, 0]);
        assert_eq!([3, 2, 1, 0].map(|left| said(2, left)), [2, 1, 0, 0]);
    }

    #[test]
    fn a_card_announces_what_it_has() {
        let ask = [0, GET_DATA, 0, 0x6E, 0];
        let all = [
            &[0x73, 12, 0xC0, 10, 0x7F, 0, 0, 0, 0, 0, 16, 0, 0, 0][..],
            &[0x90, 0],
        ]
        .concat();
        let said = |objects: Objects| {
            let mut answer = all.clone();
            objects.amend(&ask, &mut answer);
            answer
        };
        assert_eq!(said(Objects::All), all);
        assert_eq!(said(Objects::Room(255))[10..12], [0, 255]);
        assert_eq!(said(Objects::Missing)[4], 0x77);
    }
}

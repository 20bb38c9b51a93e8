//! What a card answers: a few honest replies to begin with, and after them whatever comes.

use card_backend::{CardBackend, CardCaps, CardTransaction, PinType, SmartcardError};
use tokenvpn_common::{
    io::card::{Pin, Token},
    profile::Profile,
};

use super::input::Input;

/// A card that an attacker has made may answer for ever; nobody asks that often.
const MOST_REPLIES: usize = 300;

/// Takes a card with these answers, looks at it, shows it a PIN, reads and writes.
///
/// # Panics
/// If our code or the card library does.
pub fn run(data: &[u8]) {
    let Ok(mut token) = Token::over(Box::new(FakeCard::new(data))) else {
        return;
    };
    let _ = token.facts();
    let Ok(pin) = Pin::new(b"123456") else {
        panic!("a PIN like any");
    };
    let mut unlocked = match token.unlock(pin) {
        Ok(unlocked) => unlocked,
        Err((mut token, _)) => {
            let _ = token.tries_left();
            return;
        }
    };
    if let Ok(bytes) = unlocked.profile() {
        let _ = Profile::decode(&bytes);
    }
    let _ = unlocked.write(&[1; 100], Some(&[2; 20]));
    let _ = unlocked.erase();
}

/// A card that answers from the fuzzer's bytes: per command one byte that says what kind, and what it takes.
pub struct FakeCard {
    data: Vec<u8>,
    at: usize,
    replies: usize,
}

impl FakeCard {
    /// Honest as long as `data` has zeros, and gone behind its end.
    pub fn new(data: &[u8]) -> FakeCard {
        FakeCard {
            data: data.to_vec(),
            at: 0,
            replies: 0,
        }
    }

    fn reply(&mut self, command: &[u8]) -> Result<Vec<u8>, SmartcardError> {
        self.replies += 1;
        let mut input = Input::new(&self.data[self.at..]);
        if self.replies > MOST_REPLIES || input.is_empty() {
            return Err(SmartcardError::Error("the card is gone".into()));
        }
        let answer = match input.byte() % 6 {
            // What an honest card says.
            0 | 1 => Ok(honest(command)),
            // The same, changed in places or cut.
            2 => {
                let mut bytes = honest(command);
                for _ in 0..input.byte() % 4 {
                    let at = usize::from(input.short()) % bytes.len();
                    bytes[at] = input.byte();
                }
                let len = usize::from(input.short()) % (bytes.len() + 1);
                if input.byte() & 1 != 0 {
                    bytes.truncate(len);
                }
                Ok(bytes)
            }
            // Data and success; a status alone; anything.
            3 => Ok([input.sized(1000), &[0x90, 0x00]].concat()),
            4 => Ok(vec![input.byte(), input.byte()]),
            _ => Ok(input.sized(1000).to_vec()),
        };
        self.at = self.data.len() - input.rest().len();
        answer
    }
}

/// The answers of a card of version 3.4 with room for 255 bytes, as far as it is asked here (OpenPGP
/// card 3.4.1).
fn honest(command: &[u8]) -> Vec<u8> {
    // Tag by tag as in §4.4.1: 4F the application, 5F52 the history, C0 what it can, C4 its tries.
    const APPLICATION_RELATED_DATA: &[u8] = &[
        0x6e, 0x34, //
        0x4f, 0x10, 0xd2, 0x76, 0x00, 0x01, 0x24, 0x01, 0x03, 0x04, 0x00, 0x06, 0x12, 0x34, 0x56,
        0x78, 0x00, 0x00, //
        0x5f, 0x52, 0x08, 0x00, 0x73, 0x00, 0x00, 0xe0, 0x05, 0x90, 0x00, //
        0x73, 0x15, //
        0xc0, 0x0a, 0x7c, 0x00, 0x0b, 0xfe, 0x08, 0x00, 0x00, 0xff, 0x00, 0x00, //
        0xc4, 0x07, 0x00, 0x7f, 0x7f, 0x7f, 0x03, 0x00, 0x03,
    ];
    let data: &[u8] = match command {
        [_, 0xca, 0x00, 0x6e, ..] => APPLICATION_RELATED_DATA,
        [_, 0xca, 0x00, 0xc4, ..] => &[0x00, 0x7f, 0x7f, 0x7f, 0x03, 0x00, 0x03],
        _ => &[],
    };
    [data, &[0x90, 0x00]].concat()
}

impl CardBackend for FakeCard {
    fn limit_card_caps(&self, card_caps: CardCaps) -> CardCaps {
        card_caps
    }

    fn transaction(
        &mut self,
        _reselect_application: Option<&[u8]>,
    ) -> Result<Box<dyn CardTransaction + Send + Sync + '_>, SmartcardError> {
        Ok(Box::new(Exchange(self)))
    }
}

struct Exchange<'a>(&'a mut FakeCard);

impl CardTransaction for Exchange<'_> {
    fn transmit(&mut self, command: &[u8], _buf_size: usize) -> Result<Vec<u8>, SmartcardError> {
        self.0.reply(command)
    }

    fn feature_pinpad_verify(&self) -> bool {
        false
    }

    fn feature_pinpad_modify(&self) -> bool {
        false
    }

    fn pinpad_verify(
        &mut self,
        _pin: PinType,
        _card_caps: &Option<CardCaps>,
    ) -> Result<Vec<u8>, SmartcardError> {
        Err(SmartcardError::Error("there is no keypad".into()))
    }

    fn pinpad_modify(
        &mut self,
        _pin: PinType,
        _card_caps: &Option<CardCaps>,
    ) -> Result<Vec<u8>, SmartcardError> {
        Err(SmartcardError::Error("there is no keypad".into()))
    }

    fn was_reset(&self) -> bool {
        false
    }
}

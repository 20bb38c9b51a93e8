//! The card application, talked to without any reader.

use softcard::{
    application::Application,
    card::{Card, Pins},
};
use tempfile::TempDir;

const OK: [u8; 2] = [0x90, 0x00];

/// Sends a short or, above 255 bytes, an extended command and splits data from status word.
fn send(card: &mut Application<'_>, header: [u8; 4], data: &[u8]) -> (Vec<u8>, [u8; 2]) {
    let mut apdu = header.to_vec();
    match data.len() {
        0 => apdu.extend([0, 0, 0]),
        length @ 1..=255 => {
            apdu.push(length as u8);
            apdu.extend(data);
        }
        length => {
            apdu.push(0);
            apdu.extend((length as u16).to_be_bytes());
            apdu.extend(data);
        }
    }
    split(card.execute(&apdu))
}

fn split(mut answer: Vec<u8>) -> (Vec<u8>, [u8; 2]) {
    let status = answer.split_off(answer.len() - 2);
    (answer, [status[0], status[1]])
}

fn select(card: &mut Application<'_>) -> [u8; 2] {
    let aid = [0xD2, 0x76, 0x00, 0x01, 0x24, 0x01];
    send(card, [0x00, 0xA4, 0x04, 0x00], &aid).1
}

fn verify(card: &mut Application<'_>, pin: &[u8]) -> [u8; 2] {
    send(card, [0x00, 0x20, 0x00, 0x82], pin).1
}

fn read_0103(card: &mut Application<'_>) -> (Vec<u8>, [u8; 2]) {
    send(card, [0x00, 0xCA, 0x01, 0x03], &[])
}

fn write_0103(card: &mut Application<'_>, data: &[u8]) -> [u8; 2] {
    send(card, [0x00, 0xDA, 0x01, 0x03], data).1
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + 3) as u8).collect()
}

fn fresh(dir: &TempDir) -> Card {
    Card::open(dir.path(), None, &Pins::default()).unwrap()
}

#[test]
fn a_fresh_card_takes_the_factory_pin_and_refuses_another() {
    let dir = TempDir::new().unwrap();
    fresh(&dir).power_up(|card| {
        assert_eq!(select(card), OK);
        assert_eq!(verify(card, b"654321"), [0x63, 0xC2]);
        assert_eq!(verify(card, b"123456"), OK);
    });
}

#[test]
fn the_private_object_needs_the_pin_and_survives_a_power_cycle() {
    let dir = TempDir::new().unwrap();
    let profile = pattern(255);
    fresh(&dir).power_up(|card| {
        select(card);
        assert_eq!(write_0103(card, &profile), [0x69, 0x82]);
        assert_eq!(verify(card, b"123456"), OK);
        assert_eq!(write_0103(card, &profile), OK);
        assert_eq!(read_0103(card), (profile.clone(), OK));
    });
    // Another process would do the same: open the directory again.
    fresh(&dir).power_up(|card| {
        select(card);
        assert_eq!(read_0103(card).1, [0x69, 0x82]);
        assert_eq!(verify(card, b"123456"), OK);
        assert_eq!(read_0103(card), (profile.clone(), OK));
    });
}

#[test]
fn a_reset_forgets_the_pin() {
    let dir = TempDir::new().unwrap();
    fresh(&dir).power_up(|card| {
        select(card);
        assert_eq!(verify(card, b"123456"), OK);
        card.reset();
        select(card);
        assert_eq!(read_0103(card).1, [0x69, 0x82]);
    });
}

#[test]
fn a_blocked_pin_stays_blocked_after_a_power_cycle() {
    let dir = TempDir::new().unwrap();
    fresh(&dir).power_up(|card| {
        select(card);
        for left in [0xC2, 0xC1, 0xC0] {
            assert_eq!(verify(card, b"654321"), [0x63, left]);
        }
    });
    fresh(&dir).power_up(|card| {
        select(card);
        assert_eq!(verify(card, b"123456"), [0x63, 0xC0]);
    });
}

#[test]
fn long_objects_pass_extended_and_chained() {
    let dir = TempDir::new().unwrap();
    fresh(&dir).power_up(|card| {
        select(card);
        assert_eq!(verify(card, b"123456"), OK);
        for length in [256, 600, 1025, 4096] {
            let object = pattern(length);
            assert_eq!(write_0103(card, &object), OK, "{length} bytes");
            assert_eq!(read_0103(card), (object, OK), "{length} bytes");
        }

        let object = pattern(600);
        let mut parts = object.chunks(200).peekable();
        while let Some(part) = parts.next() {
            let class = if parts.peek().is_some() { 0x10 } else { 0x00 };
            assert_eq!(send(card, [class, 0xDA, 0x01, 0x03], part).1, OK);
        }
        let (mut read, mut status) = split(card.execute(&[0x00, 0xCA, 0x01, 0x03, 0x00]));
        while status[0] == 0x61 {
            let (more, next) = split(card.execute(&[0x00, 0xC0, 0x00, 0x00, status[1]]));
            read.extend(more);
            status = next;
        }
        assert_eq!((read, status), (object, OK));
    });
}

#[test]
fn a_card_can_be_born_with_its_own_pins_and_serial_number() {
    let dir = TempDir::new().unwrap();
    let pins = Pins {
        user: Some("correct horse".to_owned()),
        admin: Some("battery staple".to_owned()),
    };
    let serial = Some([0xC0, 0xFF, 0xEE, 0x01]);
    let card = Card::open(dir.path(), serial, &pins).unwrap();
    assert_eq!(card.ident(), "FFFE:C0FFEE01");
    card.power_up(|card| {
        select(card);
        let (aid, status) = send(card, [0x00, 0xCA, 0x00, 0x4F], &[]);
        assert_eq!(status, OK);
        assert_eq!(&aid[8..14], [0xFF, 0xFE, 0xC0, 0xFF, 0xEE, 0x01]);
        assert_eq!(verify(card, b"123456"), [0x63, 0xC2]);
        assert_eq!(verify(card, b"correct horse"), OK);
        let admin = send(card, [0x00, 0x20, 0x00, 0x83], b"battery staple");
        assert_eq!(admin.1, OK);
    });

    let used = Card::open(dir.path(), None, &Pins::default()).unwrap_err();
    assert!(used.to_string().contains("another softcard"), "{used}");
    drop(card);
    let foreign = Card::open(dir.path(), Some([0; 4]), &Pins::default()).unwrap_err();
    assert!(foreign.to_string().contains("c0ffee01"), "{foreign}");
}

#[test]
fn two_cards_have_different_serial_numbers() {
    let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    assert_ne!(fresh(&a).ident(), fresh(&b).ident());
}

/// Makes an X25519 key in the decryption slot and returns its public half.
fn generate_x25519(card: &mut Application<'_>) -> Vec<u8> {
    select(card);
    let admin = send(card, [0x00, 0x20, 0x00, 0x83], b"12345678");
    assert_eq!(admin.1, OK);
    let attributes = [
        0x12, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01,
    ];
    let put = send(card, [0x00, 0xDA, 0x00, 0xC2], &attributes);
    assert_eq!(put.1, OK);
    let (template, status) = split(card.execute(&[
        0x00, 0x47, 0x80, 0x00, 0x00, 0x00, 0x02, 0xB8, 0x00, 0x00, 0x00,
    ]));
    assert_eq!(status, OK);
    template[template.len() - 32..].to_vec()
}

/// PSO: DECIPHER with the other side's public key.
fn agree(card: &mut Application<'_>, public: &[u8]) -> Vec<u8> {
    assert_eq!(verify(card, b"123456"), OK);
    let mut data = vec![0xA6, 0x25, 0x7F, 0x49, 0x22, 0x86, 0x20];
    data.extend(public);
    let (secret, status) = send(card, [0x00, 0x2A, 0x80, 0x86], &data);
    assert_eq!(status, OK);
    secret
}

#[test]
fn two_cards_agree_on_a_secret() {
    let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fresh(&a).power_up(|a| {
        fresh(&b).power_up(|b| {
            let (public_a, public_b) = (generate_x25519(a), generate_x25519(b));
            let secret = agree(a, &public_b);
            assert_eq!(secret.len(), 32);
            assert_eq!(secret, agree(b, &public_a));
        });
    });
}

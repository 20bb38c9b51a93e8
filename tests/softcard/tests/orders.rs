//! Orders from the control socket, with a reader played by the test instead of pcscd.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use softcard::{
    card::{ATR, Card, Pins},
    control::Control,
    limits::Limits,
    meter::Meter,
    slot::Slot,
};
use tempfile::TempDir;

const SELECT: &[u8] = b"\x00\xA4\x04\x00\x06\xD2\x76\x00\x01\x24\x01";
const VERIFY: &[u8] = b"\x00\x20\x00\x82\x06123456";
const WHETHER_VERIFIED: &[u8] = b"\x00\x20\x00\x82";

/// A desk with a reader, a card beside it and a way to give orders.
struct Desk {
    control: Control,
    reader: TcpListener,
    _state: TempDir,
}

impl Desk {
    fn new() -> Self {
        let reader = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = ("127.0.0.1".to_owned(), reader.local_addr().unwrap().port());
        let state = TempDir::new().unwrap();
        let card = Card::open(state.path(), None, &Pins::default()).unwrap();
        let meter = Arc::new(Mutex::new(Meter::default()));
        let slot = Slot::new(address, card, Limits::default(), Arc::clone(&meter));
        let control = Control::new(slot, meter, &state.path().join("control"));
        Self {
            control,
            reader,
            _state: state,
        }
    }

    fn order(&self, line: &str) -> Result<String, String> {
        let words: Vec<&str> = line.split(' ').collect();
        self.control.obey(&words).map_err(|error| error.to_string())
    }

    /// Gives the order to insert and takes the card as vpcd does, by asking for its ATR.
    fn insert(&self) -> Contact {
        thread::scope(|scope| {
            let order = scope.spawn(|| self.order("insert"));
            let mut contact = Contact(self.reader.accept().unwrap().0);
            assert_eq!(contact.ask(&[4]).as_deref(), Some(&ATR[..]));
            order.join().unwrap().unwrap();
            contact
        })
    }
}

/// The reader's contact with an inserted card.
struct Contact(TcpStream);

impl Contact {
    /// Sends a message; `None` when the card is gone.
    fn ask(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let length = (message.len() as u16).to_be_bytes();
        self.0.write_all(&length).unwrap();
        self.0.write_all(message).unwrap();
        let mut length = [0; 2];
        match self.0.read_exact(&mut length) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            other => other.unwrap(),
        }
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        self.0.read_exact(&mut answer).unwrap();
        Some(answer)
    }
}

#[test]
fn removal_is_a_power_cycle() {
    let desk = Desk::new();
    assert_eq!(desk.order("state").unwrap(), "removed");
    let mut contact = desk.insert();
    assert_eq!(desk.order("state").unwrap(), "inserted");
    assert_eq!(contact.ask(SELECT).unwrap(), [0x90, 0x00]);
    assert_eq!(contact.ask(VERIFY).unwrap(), [0x90, 0x00]);
    assert_eq!(contact.ask(WHETHER_VERIFIED).unwrap(), [0x90, 0x00]);

    desk.order("remove").unwrap();
    assert_eq!(desk.order("state").unwrap(), "removed");
    assert_eq!(contact.ask(&[4]), None);
    drop(contact);

    let mut contact = desk.insert();
    assert_eq!(contact.ask(SELECT).unwrap(), [0x90, 0x00]);
    assert_eq!(contact.ask(WHETHER_VERIFIED).unwrap(), [0x63, 0xC3]);
    assert_eq!(
        desk.order("counts").unwrap(),
        "verify=1 verify_ok=1 select=2 getdata=0 putdata=0 all=5"
    );
    desk.order("reset-counts").unwrap();
    assert!(desk.order("counts").unwrap().ends_with("all=0"));
}

#[test]
fn a_card_can_be_pulled_out_in_the_middle_of_a_command() {
    let desk = Desk::new();
    let mut contact = desk.insert();
    contact.ask(SELECT).unwrap();
    desk.order("remove-at 20 2").unwrap();
    assert!(contact.ask(VERIFY).is_some());
    assert_eq!(contact.ask(VERIFY), None);
    assert_eq!(desk.order("state").unwrap(), "removed");
    drop(contact);

    // The reader never looked, so the next insertion leaves it the time to do so.
    let before = Instant::now();
    let mut contact = desk.insert();
    assert!(before.elapsed() > Duration::from_millis(400));
    assert_eq!(contact.ask(SELECT).unwrap(), [0x90, 0x00]);
}

#[test]
fn answers_can_be_held_back() {
    let desk = Desk::new();
    let mut contact = desk.insert();
    desk.order("delay 200").unwrap();
    let before = Instant::now();
    contact.ask(SELECT).unwrap();
    assert!(before.elapsed() >= Duration::from_millis(200));
}

#[test]
fn nonsense_is_refused() {
    let desk = Desk::new();
    for line in ["", "eject", "delay soon", "remove-at zz 1", "remove"] {
        assert!(desk.order(line).is_err(), "{line:?} was accepted");
    }
    let _contact = desk.insert();
    assert_eq!(desk.order("insert").unwrap_err(), "already inserted");
}

#[test]
fn another_card_can_be_taken_in_hand() {
    let desk = Desk::new();
    let other = TempDir::new().unwrap();
    let first = desk.order("ident").unwrap();
    let second = desk.order(&format!("swap-state {}", other.path().display()));
    assert_ne!(first, second.unwrap());
}

#[test]
fn a_card_forgets_or_talks_nonsense_once_on_order() {
    let desk = Desk::new();
    let mut contact = desk.insert();
    contact.ask(SELECT).unwrap();
    desk.order("forget-at 20 1").unwrap();
    assert_eq!(contact.ask(VERIFY).as_deref(), Some(&[0x90, 0][..]));
    let verified = contact.ask(WHETHER_VERIFIED).unwrap();
    assert_ne!(verified, [0x90, 0], "it was told so, and is not");
    desk.order("garble-at a4 1").unwrap();
    assert_ne!(contact.ask(SELECT).as_deref(), Some(&[0x90, 0][..]));
    assert_eq!(contact.ask(SELECT).as_deref(), Some(&[0x90, 0][..]));
}

//! The token store against a real pcscd and a virtual card, in this very process.

use std::ffi::CStr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use card_backend::{CardBackend, CardCaps, CardTransaction, PinType, SmartcardError};
use pcsc::{Context, Disposition, Protocols, ReaderState, Scope, ShareMode, State};
use rig::card::{GET_DATA, PUT_DATA, READER, Slot, VERIFY};
use rig::{Card, Host, Process, Pty, World, wait};
use tokenvpn_common::io::card::{self, Backend, CardError, FULL_TRIES, Pin, Token, Unlocked};
use tokenvpn_common::io::watcher::{Presence, Watcher};
use tokenvpn_common::profile::{PORTABLE_ROOM, Profile, ProfileError};
use tokenvpn_common::token::{Content, Label};

/// The PC/SC library keeps what it knows of the readers once per process, so two worlds at
/// a time would see each other's.
static PCSC: Mutex<()> = Mutex::new(());

/// [`READER`] for the PC/SC library.
const READER_NAME: &CStr = c"Virtual PCD 00 00";

/// A computer with a card in its reader.
struct Desk {
    card: Card,
    pcscd: Process,
    computer: Host,
    _world: World,
    _alone: MutexGuard<'static, ()>,
}

impl Desk {
    fn new() -> Desk {
        let alone = PCSC.lock().unwrap_or_else(PoisonError::into_inner);
        let world = World::new();
        let computer = world.host("computer");
        let pcscd = computer.start_pcscd();
        let card = Card::new(&world, "traveller");
        card.connect(&computer);
        let desk = Desk {
            card,
            pcscd,
            computer,
            _world: world,
            _alone: alone,
        };
        desk.insert();
        desk
    }

    /// Puts the card in and waits until pcscd has noticed.
    fn insert(&self) {
        self.card.insert();
        self.computer.within(|| {
            wait::until("pcscd sees the card", wait::SOON, || {
                match Token::open(READER) {
                    Err(CardError::NoToken) => None,
                    opened => Some(opened.unwrap()),
                }
            });
        });
        self.card.reset_counts();
    }

    fn open<T: Send>(&self, body: impl FnOnce(Result<Token, CardError>) -> T + Send) -> T {
        self.computer.within(|| body(Token::open(READER)))
    }

    fn with<T: Send>(&self, body: impl FnOnce(Token) -> T + Send) -> T {
        self.open(|token| body(token.unwrap()))
    }

    fn unlocked<T: Send>(&self, body: impl FnOnce(Unlocked) -> T + Send) -> T {
        let pin = right_pin(&self.card);
        self.with(|token| body(token.unlock(pin).map_err(|(_, error)| error).unwrap()))
    }

    fn read(&self) -> Result<Vec<u8>, CardError> {
        let pin = right_pin(&self.card);
        self.with(|mut token| token.read_profile(pin).map(|bytes| bytes.to_vec()))
    }

    /// Shows the card a wrong PIN.
    fn mistype(&self) -> CardError {
        self.with(|token| refusal(token, "999999").1)
    }
}

fn right_pin(card: &Card) -> Pin {
    Pin::new(card.pin().as_bytes()).unwrap()
}

fn refusal(token: Token, pin: &str) -> (Token, CardError) {
    match token.unlock(Pin::new(pin.as_bytes()).unwrap()) {
        Ok(_) => panic!("{pin} was accepted"),
        Err(refused) => refused,
    }
}

fn label() -> Label {
    Label {
        name: "traveller".parse().unwrap(),
        serial: 7,
        not_after: Some("2027-01-01".parse().unwrap()),
    }
}

/// Speaks with the card as any program may.
fn connect() -> pcsc::Card {
    let context = Context::establish(Scope::User).unwrap();
    context
        .connect(READER_NAME, ShareMode::Shared, Protocols::ANY)
        .unwrap()
}

/// Selects its OpenPGP application.
fn select(card: &pcsc::Card) {
    let select = b"\x00\xa4\x04\x00\x06\xd2\x76\x00\x01\x24\x01\x00";
    card.transmit(select, &mut [0; 300]).unwrap();
}

/// The status word of the card's answer to GET DATA for object 0103, without any PIN.
fn status_of_profile() -> u16 {
    let card = connect();
    let mut room = [0; 300];
    select(&card);
    let answer = card.transmit(b"\x00\xca\x01\x03\x00", &mut room).unwrap();
    let status = answer.last_chunk().copied().unwrap();
    card.disconnect(Disposition::LeaveCard)
        .map_err(|e| e.1)
        .unwrap();
    u16::from_be_bytes(status)
}

#[test]
fn a_wrong_pin_costs_exactly_one_try_and_says_how_many_are_left() {
    let desk = Desk::new();
    let pin = right_pin(&desk.card);
    desk.with(|token| {
        let (mut token, error) = refusal(token, "999999");
        assert_eq!(error, CardError::PinWrong { tries_left: 2 });
        assert_eq!(token.tries_left(), Ok(2));
        assert!(
            token.unlock(pin).is_ok(),
            "the same token takes the right PIN"
        );
    });
    assert_eq!(
        (desk.card.counts().pins, desk.card.counts().right_pins),
        (2, 1)
    );
    let tries_left = desk.with(|mut token| token.tries_left());
    assert_eq!(
        tries_left,
        Ok(FULL_TRIES),
        "the right PIN restores all tries"
    );
}

/// A reader with a keypad: nobody has one at hand, so this one is put before the card's.
struct Keypad {
    card: Backend,
    keys: Arc<Mutex<Keys>>,
}

/// What is typed on it next, and how often it was used.
#[derive(Default)]
struct Keys {
    typed: Vec<&'static [u8]>,
    used: usize,
    /// Whether the card in it wants a hash of what is typed.
    derives: bool,
}

struct Typing<'a> {
    card: Box<dyn CardTransaction + Send + Sync + 'a>,
    keys: Arc<Mutex<Keys>>,
}

/// GET DATA of the key derivation (OpenPGP card 3.4.1 §4.3.2), and an answer: iterated and salted,
/// SHA-256, 100 000 bytes.
const GET_KDF: [u8; 4] = [0x00, 0xCA, 0x00, 0xF9];
const ITERATED_SALTED: [u8; 22] = [
    0x81, 1, 3, 0x82, 1, 8, 0x83, 4, 0x00, 0x01, 0x86, 0xA0, 0x84, 8, 1, 2, 3, 4, 5, 6, 7, 8,
];

impl CardBackend for Keypad {
    fn limit_card_caps(&self, caps: CardCaps) -> CardCaps {
        self.card.limit_card_caps(caps)
    }

    fn transaction(
        &mut self,
        application: Option<&[u8]>,
    ) -> Result<Box<dyn CardTransaction + Send + Sync + '_>, SmartcardError> {
        Ok(Box::new(Typing {
            card: self.card.transaction(application)?,
            keys: Arc::clone(&self.keys),
        }))
    }
}

impl CardTransaction for Typing<'_> {
    fn transmit(&mut self, command: &[u8], room: usize) -> Result<Vec<u8>, SmartcardError> {
        match self.keys.lock().unwrap().derives && command.starts_with(&GET_KDF) {
            true => Ok([&ITERATED_SALTED[..], &[0x90, 0x00]].concat()),
            false => self.card.transmit(command, room),
        }
    }

    fn feature_pinpad_verify(&self) -> bool {
        true
    }

    fn feature_pinpad_modify(&self) -> bool {
        false
    }

    fn pinpad_verify(
        &mut self,
        pin: PinType,
        _: &Option<CardCaps>,
    ) -> Result<Vec<u8>, SmartcardError> {
        let mut keys = self.keys.lock().unwrap();
        keys.used += 1;
        if keys.typed.is_empty() {
            // Its cancel key.
            return Ok(vec![0x64, 0x01]);
        }
        let typed = keys.typed.remove(0);
        let header = [0x00, 0x20, 0x00, pin.id(), typed.len() as u8];
        let command = [&header[..], typed].concat();
        self.card.transmit(&command, 254)
    }

    fn pinpad_modify(
        &mut self,
        _: PinType,
        _: &Option<CardCaps>,
    ) -> Result<Vec<u8>, SmartcardError> {
        Err(SmartcardError::Error("it has no such key".into()))
    }

    fn was_reset(&self) -> bool {
        self.card.was_reset()
    }
}

#[test]
fn on_a_keypad_each_entry_is_one_try_and_the_pin_stays_there() {
    let desk = Desk::new();
    desk.unlocked(|mut token| token.write(b"a profile", None))
        .unwrap();
    assert_eq!(desk.with(|mut token| token.has_pinpad()), Ok(false));
    desk.card.reset_counts();
    let keys = Arc::new(Mutex::new(Keys::default()));
    let through = |typed: &[&'static [u8]]| {
        keys.lock().unwrap().typed = typed.to_vec();
        let keys = Arc::clone(&keys);
        desk.computer.within(|| {
            let wrap = |card| -> Backend { Box::new(Keypad { card, keys }) };
            let mut token = Token::open_through(READER, wrap).unwrap();
            assert_eq!(token.has_pinpad(), Ok(true));
            token
                .read_profile_by_pinpad(&|| ())
                .map(|bytes| bytes.to_vec())
        })
    };
    let used = || keys.lock().unwrap().used;
    let tried = || (desk.card.counts().pins, desk.card.counts().right_pins);

    assert_eq!(through(&[]), Err(CardError::PinCancelled));
    assert_eq!((used(), tried()), (1, (0, 0)));
    let wrong = Err(CardError::PinWrong { tries_left: 2 });
    assert_eq!(through(&[b"999999", b"428571"]), wrong);
    assert_eq!((used(), tried()), (2, (1, 0)));
    assert_eq!(through(&[b"428571"]), Ok(b"a profile".to_vec()));
    assert_eq!((used(), tried()), (3, (2, 1)));
    for _ in 0..3 {
        desk.mistype();
    }
    assert_eq!(through(&[b"428571"]), Err(CardError::PinBlocked));
    assert_eq!(used(), 3, "the keypad was used for a blocked PIN");
}

#[test]
fn no_keypad_is_for_a_card_that_wants_a_hash_of_the_pin() {
    let desk = Desk::new();
    for derives in [false, true] {
        let keys = Arc::new(Mutex::new(Keys {
            derives,
            ..Keys::default()
        }));
        let has_pinpad = desk.computer.within(|| {
            let wrap = |card| -> Backend { Box::new(Keypad { card, keys }) };
            let mut token = Token::open_through(READER, wrap).unwrap();
            token.has_pinpad()
        });
        assert_eq!(has_pinpad, Ok(!derives));
    }
}

#[test]
fn a_blocked_pin_is_not_tried_again() {
    let desk = Desk::new();
    assert_eq!(desk.mistype(), CardError::PinWrong { tries_left: 2 });
    assert_eq!(desk.mistype(), CardError::PinWrong { tries_left: 1 });
    assert_eq!(desk.mistype(), CardError::PinBlocked);
    assert_eq!(desk.card.counts().pins, 3);
    assert_eq!(desk.read(), Err(CardError::PinBlocked));
    assert_eq!(desk.card.counts().pins, 3, "the card was not asked");
}

#[test]
fn a_new_card_is_empty_and_says_what_it_can() {
    let desk = Desk::new();
    let ident = desk.card.ident();
    let facts = desk.with(|mut token| token.facts().unwrap());
    assert_eq!(facts.ident.to_string(), ident);
    assert_eq!(facts.tries_left, FULL_TRIES);
    assert!(facts.room >= PORTABLE_ROOM, "{}", facts.room);
    assert!(matches!(facts.label, Content::Empty));
    assert!(desk.read().unwrap().is_empty());
    assert_eq!(desk.card.counts().pins, 1);
}

#[test]
fn the_portable_255_bytes_survive_the_card_and_a_computer_between() {
    let desk = Desk::new();
    let profile: Vec<u8> = (0..255).collect();
    let bytes = label().encode().unwrap();
    desk.unlocked(|mut token| token.write(&profile, Some(&bytes)))
        .unwrap();
    assert_eq!(desk.read().unwrap(), profile);
    desk.card.remove();
    desk.insert();
    assert_eq!(desk.read().unwrap(), profile);
    match desk.with(|mut token| token.label().unwrap()) {
        Content::Holds(kept) => assert_eq!(kept, label()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_profile_that_does_not_fit_is_not_written_in_part() {
    let desk = Desk::new();
    let (room, error) = desk.unlocked(|mut token| {
        let room = token.room();
        (room, token.write(&vec![1; room + 1], Some(b"label")))
    });
    let bytes = room + 1;
    assert_eq!(error, Err(CardError::TooLong { bytes, room }));
    assert_eq!(desk.card.counts().writes, 0);
    desk.unlocked(|mut token| token.write(&vec![1; room], None))
        .unwrap();
    assert_eq!(desk.read().unwrap(), vec![1; room]);
}

#[test]
fn what_is_no_profile_is_told_apart() {
    let desk = Desk::new();
    let good = label().encode().unwrap();
    let mut damaged = good.to_vec();
    damaged[10] ^= 1;
    for (bytes, expected) in [
        (&damaged[..], "damaged"),
        (&good[..good.len() - 1], "damaged"),
        (b"gpg was here", "foreign"),
        (&[0; 20], "empty"),
        (&[], "empty"),
    ] {
        desk.unlocked(|mut token| token.write(b"TVP!", Some(bytes)))
            .unwrap();
        let content = desk.with(|mut token| token.label().unwrap());
        let told = match content {
            Content::Damaged {
                check: ProfileError::Checksum,
            } => "damaged",
            Content::Foreign => "foreign",
            Content::Empty => "empty",
            other => panic!("{other:?}"),
        };
        assert_eq!(told, expected, "{bytes:?}");
    }
    let error = Profile::decode(&desk.read().unwrap()).unwrap_err();
    assert_eq!(error, ProfileError::Checksum);
}

#[test]
fn an_erased_token_holds_nothing() {
    let desk = Desk::new();
    desk.unlocked(|mut token| token.write(&[9; 255], Some(b"TVL")))
        .unwrap();
    desk.unlocked(|mut token| token.erase()).unwrap();
    assert!(desk.read().unwrap().is_empty());
    assert!(matches!(
        desk.with(|mut token| token.label().unwrap()),
        Content::Empty
    ));
    desk.unlocked(|mut token| token.erase()).unwrap();
}

#[test]
fn nobody_reads_the_profile_without_a_pin_after_us() {
    const REFUSED: u16 = 0x6982;
    let desk = Desk::new();
    desk.unlocked(|mut token| token.write(b"secret", None))
        .unwrap();
    let status = || desk.computer.within(status_of_profile);
    assert_eq!(status(), REFUSED, "after writing");
    desk.read().unwrap();
    assert_eq!(status(), REFUSED, "after reading");
    let pin = right_pin(&desk.card);
    desk.computer.within(|| {
        let token = Token::open(READER).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _unlocked = token.unlock(pin).map_err(|(_, error)| error).unwrap();
            std::panic::resume_unwind(Box::new("a panic with an open card"));
        }));
        assert!(panicked.is_err());
    });
    assert_eq!(status(), REFUSED, "after a panic");
}

#[test]
fn a_card_that_is_left_without_a_reset_gives_its_profile_to_anybody() {
    // The twin of the test above: the danger is real, and that test would notice it.
    let desk = Desk::new();
    desk.unlocked(|mut token| token.write(b"secret", None))
        .unwrap();
    let pin = desk.card.pin().to_owned();
    let status = desk.computer.within(|| {
        let card = connect();
        let mut room = [0; 300];
        select(&card);
        let mut verify = vec![0x00, 0x20, 0x00, 0x82, pin.len() as u8];
        verify.extend(pin.as_bytes());
        assert_eq!(card.transmit(&verify, &mut room).unwrap(), [0x90, 0x00]);
        card.disconnect(Disposition::LeaveCard)
            .map_err(|e| e.1)
            .unwrap();
        let card = connect();
        let answer = card.transmit(b"\x00\xca\x01\x03\x00", &mut room).unwrap();
        answer.to_vec()
    });
    assert_eq!(status, b"secret\x90\x00");
}

#[test]
fn a_card_that_another_process_holds_is_busy_and_free_soon_after_its_end() {
    let desk = Desk::new();
    let pty = Pty::open();
    let other = desk.computer.tokenvpn(&["token", "show"]).on(&pty).spawn();
    pty.expect("PIN for");
    desk.open(|token| match token {
        Err(CardError::Busy { reader, holders }) => {
            assert_eq!(reader, READER);
            let names: Vec<_> = holders.iter().map(|holder| &*holder.name).collect();
            assert_eq!(names, ["tokenvpn"]);
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("two programs have the card"),
    });
    other.kill();
    desk.with(|mut token| assert_eq!(token.tries_left(), Ok(FULL_TRIES)));
}

#[test]
fn a_card_pulled_in_the_middle_of_a_read_is_removed_and_unharmed() {
    let desk = Desk::new();
    desk.unlocked(|mut token| token.write(&[5; 255], None))
        .unwrap();
    desk.card.reset_counts();
    desk.read().unwrap();
    let reads = desk.card.counts().reads;
    assert!(reads >= 3, "{reads}");
    let moments = (1..=reads).map(|nth| (GET_DATA, nth)).chain([(VERIFY, 1)]);
    for (instruction, nth) in moments {
        desk.card.remove_at(instruction, nth);
        let pin = right_pin(&desk.card);
        let read = desk.open(|token| token?.read_profile(pin));
        let error = read.err().map(|error| error.to_string());
        assert_eq!(
            error,
            Some(CardError::Removed.to_string()),
            "at {instruction:#x}, {nth}"
        );
        desk.insert();
    }
    assert_eq!(desk.read().unwrap(), [5; 255]);
    assert_eq!(desk.with(|mut token| token.tries_left()), Ok(FULL_TRIES));
}

#[test]
fn a_card_pulled_in_the_middle_of_a_write_is_said_to_be_removed() {
    let desk = Desk::new();
    desk.card.remove_at(PUT_DATA, 1);
    let written = desk.unlocked(|mut token| token.write(&[5; 255], None));
    assert_eq!(written, Err(CardError::Removed));
}

#[test]
fn two_cards_are_listed_with_their_labels() {
    let desk = Desk::new();
    let bytes = label().encode().unwrap();
    desk.unlocked(|mut token| token.write(&[1], Some(&bytes)))
        .unwrap();
    let spare = Card::new(&desk._world, "spare").with_serial("8a1b2c3d");
    spare.connect_to(&desk.computer, Slot::Second);
    spare.insert();
    let names = |seen: &card::Seen| {
        let facts = seen.card.as_ref().unwrap();
        let name = match &facts.label {
            Content::Holds(label) => label.name.to_string(),
            _ => String::new(),
        };
        (facts.ident.to_string(), name)
    };
    let seen = desk.computer.within(|| {
        wait::until("both cards are seen", wait::SOON, || {
            Some(card::list().unwrap()).filter(|seen| seen.len() == 2)
        })
    });
    let mut seen: Vec<_> = seen.iter().map(names).collect();
    seen.sort();
    let mut expected = vec![
        (desk.card.ident(), "traveller".to_owned()),
        (spare.ident(), String::new()),
    ];
    expected.sort();
    assert_eq!(seen, expected);
}

#[test]
fn without_the_service_nothing_is_guessed() {
    let _alone = PCSC.lock().unwrap_or_else(PoisonError::into_inner);
    let world = World::new();
    world.host("computer").within(|| {
        assert_eq!(card::list().err(), Some(CardError::NoService));
        assert_eq!(Token::open(READER).err(), Some(CardError::NoService));
        assert_eq!(Watcher::start(|_| ()).err(), Some(CardError::NoService));
    });
}

#[test]
fn an_empty_reader_and_a_missing_one_are_told_apart() {
    let desk = Desk::new();
    desk.card.remove();
    desk.computer.within(|| {
        wait::until_true("the removal is seen", wait::SOON, || {
            Token::open(READER).err() == Some(CardError::NoToken)
        });
        assert_eq!(Token::open("Elsewhere").err(), Some(CardError::NoReader));
        assert!(card::list().unwrap().is_empty());
        let watched = Watcher::watch_one(READER, |_| ());
        assert_eq!(watched.err(), Some(CardError::NoToken));
    });
}

#[derive(Clone, Copy, PartialEq)]
enum Watch {
    All,
    One,
}

/// Listens to a watch.
fn watched(desk: &Desk, watch: Watch, body: impl FnOnce(&Receiver<Presence>)) {
    let (sender, receiver) = mpsc::channel();
    // Whoever hears of the end does not listen any more.
    let sink = move |presence| sender.send(presence).unwrap_or(());
    let watcher = desk.computer.within(|| match watch {
        Watch::All => Watcher::start(sink),
        Watch::One => Watcher::watch_one(READER, sink),
    });
    body(&receiver);
    drop(watcher.unwrap());
    assert!(receiver.try_recv().is_err(), "nothing comes unasked");
}

fn next(news: &Receiver<Presence>) -> Presence {
    news.recv_timeout(wait::SOON).expect("news of the card")
}

fn here(reader: &str) -> Presence {
    Presence::Inserted {
        reader: reader.into(),
    }
}

fn gone(reader: &str) -> Presence {
    Presence::Removed {
        reader: reader.into(),
    }
}

#[test]
fn the_watch_sees_what_is_in_and_what_comes_and_goes() {
    let desk = Desk::new();
    watched(&desk, Watch::All, |news| {
        assert_eq!(next(news), here(READER));
        desk.card.remove();
        assert_eq!(next(news), gone(READER));
        desk.card.insert();
        assert_eq!(next(news), here(READER));
    });
}

/// How many insertions and removals pcscd has counted.
fn events(desk: &Desk) -> u32 {
    desk.computer.within(|| {
        let context = Context::establish(Scope::User).unwrap();
        let mut state = [ReaderState::new(READER_NAME, State::UNAWARE)];
        context
            .get_status_change(Duration::ZERO, &mut state)
            .unwrap();
        state[0].event_count()
    })
}

#[test]
fn a_removal_is_seen_however_short_it_was() {
    let desk = Desk::new();
    watched(&desk, Watch::All, |news| {
        assert_eq!(next(news), here(READER));
        let mut seen = 0;
        while seen < 3 {
            let before = events(&desk);
            desk.card.remove();
            desk.card.insert();
            // pcscd looks at this reader every 400 ms only, and on a busy machine later.
            if events(&desk) != before {
                assert_eq!(next(news), gone(READER));
                assert_eq!(next(news), here(READER));
                seen += 1;
            }
        }
    });
}

#[test]
fn the_use_of_a_card_is_no_removal() {
    let desk = Desk::new();
    watched(&desk, Watch::One, |news| {
        desk.read().unwrap();
        desk.unlocked(|mut token| token.write(b"x", None)).unwrap();
        let silence = news.recv_timeout(Duration::from_millis(500));
        assert_eq!(silence, Err(RecvTimeoutError::Timeout));
        desk.card.remove();
        assert_eq!(next(news), gone(READER));
    });
}

#[test]
fn a_watch_whose_service_dies_says_that_it_is_lost() {
    for watch in [Watch::All, Watch::One] {
        let desk = Desk::new();
        watched(&desk, watch, |news| {
            if watch == Watch::All {
                assert_eq!(next(news), here(READER));
            }
            desk.pcscd.kill();
            assert!(matches!(next(news), Presence::Lost(_)));
        });
    }
}

//! Virtual OpenPGP cards and the reader that they go into.

use std::{
    collections::HashMap,
    fmt, fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokenvpn_common::{
    io::card::{CardError, Pin, Token},
    profile::Profile,
};

use crate::{
    host::Host,
    process::Process,
    programs,
    wait::{self, SOON},
    world::World,
};

/// The user PIN of a card that nobody gave another one. Not the factory's: no token is issued on a
/// card that still has that.
pub const PIN: &str = "428571";
/// The user PIN that cards leave the factory with.
pub const FACTORY_PIN: &str = "123456";
/// The admin PIN of every card.
pub const ADMIN_PIN: &str = "31415926";

/// The reader, as its maker has named it.
pub(crate) const READER_NAME: &str = "Virtual PCD";
/// The reader's first slot, as PC/SC names it.
pub const READER: &str = "Virtual PCD 00 00";

/// The first port of the reader's driver; its second slot listens on the next one.
const PORT: u16 = 0x8C7B;

/// How long an order to a card may take: an insertion waits for pcscd up to 10 s.
const PATIENCE: Duration = Duration::from_secs(15);

impl Host {
    /// Starts pcscd with a reader of two slots and waits until it serves.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn start_pcscd(&self) -> Process {
        self.start_pcscd_with(READER_NAME)
    }

    /// The same with a reader of this name, which its maker has chosen.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn start_pcscd_with(&self, name: &str) -> Process {
        let config = self.reader_configuration(name);
        // Left behind by one that was killed, it may name a process that is another by now.
        let _ = fs::remove_file(self.path("/run/pcscd/pcscd.pid"));
        let pcscd = self
            .run("pcscd")
            .args(["--foreground", "--config"])
            .arg(&config)
            .spawn();
        let socket = self.path("/run/pcscd/pcscd.comm");
        wait::until("pcscd serves", SOON, || {
            assert!(
                pcscd.is_running(),
                "pcscd ended at once\n{}",
                pcscd.report()
            );
            // Left behind by one that was killed, the file alone proves nothing.
            UnixStream::connect(&socket).ok()
        });
        pcscd
    }

    /// The directory that tells a pcscd here of a reader of this name (reader.conf(5)).
    pub(crate) fn reader_configuration(&self, name: &str) -> PathBuf {
        let driver = programs::reader_driver();
        let config = self.dir().join("reader.conf.d");
        fs::create_dir_all(&config).expect("a directory for pcscd's configuration");
        let reader = format!(
            "FRIENDLYNAME \"{name}\"\nDEVICENAME /dev/null:{PORT:#x}\nLIBPATH {}\nCHANNELID {PORT:#x}\n",
            driver.display()
        );
        fs::write(config.join("vpcd"), reader).expect("pcscd's configuration");
        config
    }
}

impl Host {
    /// Kills the pcscd here, with what systemd would clear away before the next one.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn kill_pcscd(&self) {
        let pcscd = nix::unistd::Pid::from_raw(self.processes_named("pcscd")[0]);
        nix::sys::signal::kill(pcscd, nix::sys::signal::Signal::SIGKILL).expect("it lives");
        for file in ["pcscd.comm", "pcscd.pid"] {
            let _ = fs::remove_file(self.path("/run/pcscd").join(file));
        }
    }
}

/// Taken by whoever uses PC/SC in this process.
static PCSC: Mutex<()> = Mutex::new(());

impl Host {
    /// Like [`Host::within`], for a closure that talks to the host's pcscd itself and does not start
    /// threads that go on doing so. One at a time: libpcsclite has one table of readers per process,
    /// whichever pcscd they belong to.
    ///
    /// # Panics
    /// If the closure does.
    pub fn with_pcsc<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let _turn = PCSC.lock().unwrap_or_else(PoisonError::into_inner);
        self.within(body)
    }
}

/// Which of the reader's two slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slot {
    /// `Virtual PCD 00 00`.
    #[default]
    First,
    /// `Virtual PCD 00 01`.
    Second,
}

impl Slot {
    fn port(self) -> u16 {
        match self {
            Slot::First => PORT,
            Slot::Second => PORT + 1,
        }
    }
}

/// An OpenPGP card. It remembers what is on it for as long as its world lives, and can be carried
/// from one host to another.
pub struct Card {
    name: String,
    dir: PathBuf,
    pin: String,
    admin_pin: String,
    serial: Option<String>,
    /// More words for the program that plays it.
    limits: Vec<String>,
    /// The hand that holds it: a process at the host of its reader.
    hand: Mutex<Option<Process>>,
}

impl Card {
    /// A new card with the PIN [`PIN`].
    pub fn new(world: &World, name: &str) -> Card {
        Card::with_pin(world, name, PIN)
    }

    /// A new card with this PIN.
    ///
    /// # Panics
    /// If there is one of this name.
    pub fn with_pin(world: &World, name: &str, pin: &str) -> Card {
        let dir = world.dir().join(format!("card-{name}"));
        fs::create_dir(&dir).expect("a directory for a new card");
        Card {
            name: name.to_owned(),
            dir,
            pin: pin.to_owned(),
            admin_pin: ADMIN_PIN.to_owned(),
            serial: None,
            limits: Vec::new(),
            hand: Mutex::default(),
        }
    }

    /// Gives a card that was never connected this serial number, eight hexadecimal digits.
    #[must_use]
    pub fn with_serial(mut self, serial: &str) -> Card {
        self.serial = Some(serial.to_owned());
        self
    }

    /// Gives a card that was never connected this admin PIN.
    #[must_use]
    pub fn with_admin_pin(mut self, pin: &str) -> Card {
        self.admin_pin = pin.to_owned();
        self
    }

    /// Lets private-use objects of a card that was never connected hold no more than this.
    #[must_use]
    pub fn with_room(mut self, bytes: u16) -> Card {
        self.limits = vec!["--room".to_owned(), bytes.to_string()];
        self
    }

    /// Takes the private-use objects from a card that was never connected.
    #[must_use]
    pub fn without_private_use(mut self) -> Card {
        self.limits = vec!["--no-private-use".to_owned()];
        self
    }

    /// Lets a card that was never connected say that it takes no longer PIN than this.
    #[must_use]
    pub fn with_longest_pin(mut self, bytes: u8) -> Card {
        self.limits = vec!["--longest-pin".to_owned(), bytes.to_string()];
        self
    }

    /// Gives the user PIN of a card that was never connected so many tries, as its owner can.
    #[must_use]
    pub fn with_tries(mut self, tries: u8) -> Card {
        self.limits = vec!["--tries".to_owned(), tries.to_string()];
        self
    }

    /// Its PIN.
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// Brings the card to a host's first slot; it lies beside the reader. pcscd need not run yet.
    /// At another host before, it is carried over.
    ///
    /// # Panics
    /// If the card cannot be started.
    #[track_caller]
    pub fn connect(&self, host: &Host) {
        self.connect_to(host, Slot::First);
    }

    /// Like [`Card::connect`], with a choice of slots.
    ///
    /// # Panics
    /// If the card cannot be started.
    #[track_caller]
    pub fn connect_to(&self, host: &Host, slot: Slot) {
        let mut held = self.hand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hand) = held.take() {
            hand.kill();
        }
        // One that is killed leaves its socket behind.
        let _ = fs::remove_file(self.socket());
        let mut softcard = host
            .run(programs::softcard())
            .args(["--port", &slot.port().to_string()])
            .args(["--pin", &self.pin, "--admin-pin", &self.admin_pin])
            .arg("--state")
            .arg(self.dir.join("state"))
            .arg("--control")
            .arg(self.socket());
        if let Some(serial) = &self.serial {
            softcard = softcard.args(["--serial", serial]);
        }
        let hand = softcard.args(&self.limits).spawn();
        wait::until("the virtual card is ready", SOON, || {
            assert!(
                hand.is_running(),
                "the virtual card ended at once\n{}",
                hand.report()
            );
            UnixStream::connect(self.socket()).ok()
        });
        *held = Some(hand);
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("control")
    }

    /// Gives one of the orders that the README of `softcard` lists; returns its answer.
    ///
    /// # Errors
    /// The card's own words if it refuses.
    ///
    /// # Panics
    /// If the card is not connected to a host.
    #[track_caller]
    pub fn order(&self, order: &str) -> Result<String, String> {
        let mut control = UnixStream::connect(self.socket()).expect("the card is at a host");
        control
            .set_read_timeout(Some(PATIENCE))
            .expect("a time limit");
        control
            .write_all(format!("{order}\n").as_bytes())
            .expect("the card takes orders");
        let mut answer = String::new();
        BufReader::new(control)
            .read_line(&mut answer)
            .expect("the card answers");
        match answer.trim_end().split_once(' ') {
            None if answer.trim_end() == "ok" => Ok(String::new()),
            Some(("ok", text)) => Ok(text.to_owned()),
            _ => Err(answer.trim_end().trim_start_matches("err ").to_owned()),
        }
    }

    #[track_caller]
    fn obey(&self, order: &str) -> String {
        match self.order(order) {
            Ok(answer) => answer,
            Err(refusal) => panic!("card {}: {order}: {refusal}", self.name),
        }
    }

    /// Reads the profile, as only somebody with the PIN can: for tests that must know the keys. The
    /// card has to be in the first slot of this host.
    ///
    /// # Panics
    /// If there is none, or another program holds the card.
    #[track_caller]
    pub fn profile(&self, host: &Host) -> Profile {
        let pin = Pin::new(self.pin.as_bytes()).expect("a PIN of the right length");
        let read = self.with_token(host, |mut token| token.read_profile(pin));
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => panic!("card {}: no profile: {error}", self.name),
        };
        Profile::decode(&bytes).expect("a profile on the card")
    }

    /// Writes these bytes where profile and label belong, whatever they are. The card has to be in
    /// the first slot of this host.
    ///
    /// # Panics
    /// If it is not, or another program holds the card.
    #[track_caller]
    pub fn write(&self, host: &Host, profile: &[u8], label: Option<&[u8]>) {
        let pin = Pin::new(self.pin.as_bytes()).expect("a PIN of the right length");
        let written = self.with_token(host, |token| {
            let mut token = token.unlock(pin).map_err(|(_, error)| error)?;
            token.write(profile, label)
        });
        if let Err(error) = written {
            panic!("card {}: cannot write: {error}", self.name);
        }
    }

    /// Opens the token in the first slot of this host as soon as pcscd sees it.
    fn with_token<T: Send>(
        &self,
        host: &Host,
        body: impl FnOnce(Token) -> Result<T, CardError> + Send,
    ) -> Result<T, CardError> {
        host.with_pcsc(|| {
            // pcscd takes up to 400 ms to see a card that was just inserted.
            let token = wait::until("pcscd sees the card", SOON, || match Token::open(READER) {
                Err(CardError::NoToken | CardError::NoReader) => None,
                other => Some(other),
            });
            body(token?)
        })
    }

    /// Puts the card into the reader; returns when the reader's driver has it, which is up to
    /// 400 ms before pcscd tells anyone.
    ///
    /// # Panics
    /// If it is in, or pcscd does not take it within 10 s.
    #[track_caller]
    pub fn insert(&self) {
        self.obey("insert");
    }

    /// Pulls the card out at once, also in the middle of a command.
    ///
    /// # Panics
    /// If it is not in.
    #[track_caller]
    pub fn remove(&self) {
        self.obey("remove");
    }

    /// Whether the card is in the reader.
    #[track_caller]
    pub fn is_inserted(&self) -> bool {
        self.obey("state") == "inserted"
    }

    /// Its manufacturer and serial number, `FFFE:00112233`.
    #[track_caller]
    pub fn ident(&self) -> String {
        self.obey("ident")
    }

    /// What was asked of the card since it was connected or its counts were reset.
    #[track_caller]
    pub fn counts(&self) -> Counts {
        let answer = self.obey("counts");
        let fields: HashMap<&str, u32> = answer
            .split_whitespace()
            .filter_map(|field| field.split_once('='))
            .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
            .collect();
        let count = |name: &str| match fields.get(name) {
            Some(&count) => count,
            None => panic!("the card counts no {name}: {answer}"),
        };
        Counts {
            pins: count("verify"),
            right_pins: count("verify_ok"),
            selects: count("select"),
            reads: count("getdata"),
            writes: count("putdata"),
            all: count("all"),
        }
    }

    /// Counts from zero again.
    #[track_caller]
    pub fn reset_counts(&self) {
        self.obey("reset-counts");
    }

    /// Lets the card be pulled out at the `nth` following command with this instruction, before it
    /// is carried out.
    #[track_caller]
    pub fn remove_at(&self, instruction: u8, nth: u32) {
        self.obey(&format!("remove-at {instruction:02x} {nth}"));
    }

    /// Like [`Card::remove_at`], but after the command is carried out and before its answer.
    #[track_caller]
    pub fn remove_after(&self, instruction: u8, nth: u32) {
        self.obey(&format!("remove-at {instruction:02x} {nth} after"));
    }

    /// Lets the card say at the `nth` following command with this instruction that it is done, and
    /// do nothing.
    #[track_caller]
    pub fn forget_at(&self, instruction: u8, nth: u32) {
        self.obey(&format!("forget-at {instruction:02x} {nth}"));
    }

    /// Lets the card answer the `nth` following command with this instruction with nonsense.
    #[track_caller]
    pub fn garble_at(&self, instruction: u8, nth: u32) {
        self.obey(&format!("garble-at {instruction:02x} {nth}"));
    }

    /// Makes every command take this much longer.
    #[track_caller]
    pub fn delay(&self, delay: Duration) {
        self.obey(&format!("delay {}", delay.as_millis()));
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Card({})", self.name)
    }
}

/// Instruction byte of VERIFY (OpenPGP card 3.4.1 §7.2.2).
pub const VERIFY: u8 = 0x20;
/// Instruction byte of GET DATA (OpenPGP card 3.4.1 §7.2.6).
pub const GET_DATA: u8 = 0xCA;
/// Instruction byte of PUT DATA (OpenPGP card 3.4.1 §7.2.8).
pub const PUT_DATA: u8 = 0xDA;

/// What was asked of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// PINs presented to it, right or wrong.
    pub pins: u32,
    /// Right PINs.
    pub right_pins: u32,
    /// Selections of the application: how often somebody began.
    pub selects: u32,
    /// Objects read.
    pub reads: u32,
    /// Objects written.
    pub writes: u32,
    /// All commands.
    pub all: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(host: &Host) -> Vec<bool> {
        host.with_pcsc(|| {
            let context = pcsc::Context::establish(pcsc::Scope::User).expect("pcscd serves");
            let mut names = vec![0; 2048];
            let mut states: Vec<_> = context
                .list_readers(&mut names)
                .expect("readers")
                .map(|reader| pcsc::ReaderState::new(reader, pcsc::State::UNAWARE))
                .collect();
            context
                .get_status_change(Duration::ZERO, &mut states)
                .expect("their states");
            let present =
                |state: &pcsc::ReaderState| state.event_state().contains(pcsc::State::PRESENT);
            states.iter().map(present).collect()
        })
    }

    #[test]
    fn two_cards_go_in_and_out_of_one_host() {
        let world = World::new();
        let host = world.host("computer");
        host.start_pcscd();
        let a = Card::new(&world, "a");
        let b = Card::with_pin(&world, "b", "correct horse").with_serial("00C0FFEE");
        a.connect(&host);
        b.connect_to(&host, Slot::Second);
        assert_eq!(b.ident(), "FFFE:00C0FFEE");
        assert_eq!(presence(&host), [false, false]);
        a.insert();
        b.insert();
        let becomes = |expected: [bool; 2]| {
            wait::until_true("pcscd sees it", SOON, || presence(&host) == expected);
        };
        becomes([true, true]);
        a.remove();
        becomes([false, true]);
        assert!(!a.is_inserted() && b.is_inserted());
        assert_eq!(a.order("remove").unwrap_err(), "not inserted");
        assert_eq!(a.counts().pins, 0);
    }

    #[test]
    fn a_card_is_the_same_at_another_host() {
        let world = World::new();
        let card = Card::new(&world, "a");
        let mut idents = Vec::new();
        for name in ["one", "two"] {
            let host = world.host(name);
            host.start_pcscd();
            card.connect(&host);
            card.insert();
            wait::until_true("pcscd sees it", SOON, || presence(&host) == [true, false]);
            idents.push(card.ident());
        }
        assert_eq!(idents[0], idents[1]);
    }
}

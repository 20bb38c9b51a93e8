//! The powered card: APDUs in, answers out.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
};

use iso7816::{Status, command::CommandView};
use littlefs2_core::path;
use opcard::Options;
use trussed::{
    ClientImplementation,
    backend::Dispatch,
    pipe::{ServiceEndpoint, TrussedChannel},
    platform::Syscall,
    service::Service,
    types::CoreContext,
    virt::{StorageConfig, StoreConfig},
};
use trussed_core::types::Location;

use crate::{
    backends::{self, Backend, Backends},
    platform::Platform,
};

/// The longest command and answer, as opcard announces it in object 7F66.
const MAX_LENGTH: usize = 0x1DB9;

/// The bit of the class byte that says "more of this command follows" (ISO 7816-4 §5.1.1).
const CHAINING: u8 = 0x10;

const GET_RESPONSE: u8 = 0xC0;

const VERIFY: u8 = 0x20;
const GET_DATA: u8 = 0xCA;
const PUT_DATA: u8 = 0xDA;

/// The private-use object that only the user PIN opens (OpenPGP card 3.4.1 §4.4.1).
const PRIVATE_OBJECT: [u8; 2] = [0x01, 0x03];

/// The file beside the flash memory in which every PIN and every content of the private object is
/// noted that came along: a test that looks for secrets where none may be has to know them.
pub const SECRETS: &str = "secrets";

/// Where the application's requests to the firmware are served: on the spot, in the same thread.
///
/// trussed's own runner polls from a second thread with a sleep of 1 ms per request, and one APDU
/// makes dozens of them.
struct Inline<'a> {
    service: Service<Platform<'a>, Backends>,
    endpoint: [ServiceEndpoint<'a, Backend, <Backends as Dispatch>::Context>; 1],
}

impl Syscall for Inline<'_> {
    fn syscall(&mut self) {
        self.service.process(&mut self.endpoint);
    }
}

type Client<'a> = ClientImplementation<'a, Inline<'a>, Backends>;

/// The OpenPGP application between power-on and power-off.
///
/// opcard wants whole commands and gives whole answers, so command chaining and GET RESPONSE are
/// resolved here.
pub struct Application<'a> {
    card: opcard::Card<Client<'a>>,
    secrets: File,
    /// Data of a chained command whose last part has not come yet.
    chained: Vec<u8>,
    /// What is left of an answer too long for the reader's Le.
    unread: Vec<u8>,
}

/// Powers a card up, lets `run` use it, and powers it down: everything that is not in `flash` is
/// gone afterwards, PIN verification above all.
///
/// # Panics
///
/// If `flash` cannot be written or does not hold a file system: the test world is broken.
pub fn powered<R>(flash: &Path, serial: [u8; 4], run: impl FnOnce(&mut Application<'_>) -> R) -> R {
    let secrets = OpenOptions::new()
        .create(true)
        .append(true)
        .open(flash.with_file_name(SECRETS))
        .expect("what is beside the flash memory can be written too");
    let mut store = StoreConfig {
        internal: StorageConfig::filesystem(flash.to_owned()),
        external: StorageConfig::ram(),
        volatile: StorageConfig::ram(),
    };
    store.with_store(|store| {
        let channel = TrussedChannel::new();
        let (requester, responder) = channel
            .split()
            .expect("invariant: a new channel is unsplit");
        let context = CoreContext::new(path!("opcard").into());
        let inline = Inline {
            service: Service::with_dispatch(Platform::new(store), Backends::new()),
            endpoint: [ServiceEndpoint::new(responder, context, backends::ORDER)],
        };
        let client = Client::new(requester, inline, None);

        let mut options = Options::default();
        options.manufacturer = crate::card::MANUFACTURER;
        options.serial = serial;
        // The default, external storage, is RAM here and would forget everything.
        options.storage = Location::Internal;

        run(&mut Application {
            card: opcard::Card::new(client, options),
            secrets,
            chained: Vec::new(),
            unread: Vec::new(),
        })
    })
}

impl Application<'_> {
    /// A warm reset, as after `SCardDisconnect` with `SCARD_RESET_CARD`: no PIN stays verified.
    pub fn reset(&mut self) {
        self.card.reset();
        self.chained.clear();
        self.unread.clear();
    }

    /// Answers one APDU, short or extended, with data and status word.
    pub fn execute(&mut self, apdu: &[u8]) -> Vec<u8> {
        match self.try_execute(apdu) {
            Ok(answer) => answer,
            Err(status) => {
                let word: [u8; 2] = status.into();
                word.to_vec()
            }
        }
    }

    fn try_execute(&mut self, apdu: &[u8]) -> Result<Vec<u8>, Status> {
        let command = CommandView::try_from(apdu).map_err(|_| Status::WrongLength)?;
        let limit = answer_limit(&command);

        if apdu[1] == GET_RESPONSE {
            if self.unread.is_empty() {
                return Err(Status::ConditionsOfUseNotSatisfied);
            }
            return Ok(self.next_part(limit));
        }
        self.unread.clear();

        if self.chained.len() + command.data().len() > MAX_LENGTH {
            self.chained.clear();
            return Err(Status::WrongLength);
        }
        if apdu[0] & CHAINING != 0 {
            self.chained.extend_from_slice(command.data());
            return Ok(vec![0x90, 0x00]);
        }

        let mut reply = heapless::Vec::<u8, MAX_LENGTH>::new();
        let chained = std::mem::take(&mut self.chained);
        let data = [&chained, command.data()].concat();
        self.note(apdu, &data, &[]);
        if chained.is_empty() {
            self.card.handle(command, &mut reply)?;
        } else {
            let whole = extended(&apdu[..4], &data, command.expected());
            let command = CommandView::try_from(&whole[..]).map_err(|_| Status::WrongLength)?;
            self.card.handle(command, &mut reply)?;
        }
        self.note(apdu, &[], &reply);
        self.unread = reply.to_vec();
        Ok(self.next_part(limit))
    }

    /// Notes what is secret of a command's data or of its answer.
    fn note(&mut self, apdu: &[u8], data: &[u8], reply: &[u8]) {
        let private = apdu[2..4] == PRIVATE_OBJECT;
        let (kind, secret) = match apdu[1] {
            VERIFY => ("pin", data),
            PUT_DATA if private => ("profile", data),
            GET_DATA if private => ("profile", reply),
            _ => return,
        };
        if !secret.is_empty() {
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(self.secrets, "{kind} {hex}").expect("it could be opened");
        }
    }

    /// Cuts the next `limit` bytes off the answer; 61xx says how much there still is.
    fn next_part(&mut self, limit: usize) -> Vec<u8> {
        let rest = self.unread.split_off(limit.min(self.unread.len()));
        let mut part = std::mem::replace(&mut self.unread, rest);
        match self.unread.len() {
            0 => part.extend([0x90, 0x00]),
            left @ 1..=255 => part.extend([0x61, left as u8]),
            _ => part.extend([0x61, 0x00]),
        }
        part
    }
}

/// How many bytes of data the reader can take for this command.
///
/// Without an Le field the reader still has its buffer, and some software leaves Le out.
fn answer_limit(command: &CommandView<'_>) -> usize {
    match (command.expected(), command.extended) {
        (0, false) => 256,
        (0, true) => MAX_LENGTH,
        (le, _) => le,
    }
}

/// Encodes a command in extended form (ISO 7816-3 §12.1.3); `data` is not empty.
fn extended(header: &[u8], data: &[u8], le: usize) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("invariant: at most MAX_LENGTH bytes");
    let mut apdu = header.to_vec();
    apdu.push(0);
    apdu.extend(length.to_be_bytes());
    apdu.extend_from_slice(data);
    if le > 0 {
        // 65 536 is written as zero, which is what the cast makes of it.
        apdu.extend((le as u16).to_be_bytes());
    }
    apdu
}

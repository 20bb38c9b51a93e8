//! What PC/SC tells of the readers: which there are, the way to the card in one, and whether
//! that is still there.

use std::env;
use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use pcsc::{Context, Protocols, ReaderState, Scope, ShareMode, State};

use super::CardError;
use crate::io::clock;
use crate::io::holder::likely_holders;
use crate::io::watcher::listed;

/// How long a card that another program holds is asked for again: a program that was
/// just killed may still be finishing an exchange.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// Where the service listens, and the variable that says otherwise (pcscd(8)).
const SOCKET: &str = "/run/pcscd/pcscd.comm";
const SOCKET_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// How often a service is asked that hangs up, and how long after: one that was ended just
/// then does so no more.
const HANG_UPS: u32 = 3;
const HANG_UP_PAUSE: Duration = Duration::from_millis(200);

/// Connects to the service.
///
/// Where it does not let us in, the library takes that for other trouble: a socket that is not
/// for us for no service at all, and the refusal by polkit for one that broke off or is none, as
/// pcscd then hangs up without a word (`ContextThread` of its winscard_svc.c).
///
/// # Errors
/// There is none, or it does not let us in.
pub(crate) fn service() -> Result<Context, CardError> {
    for _ in 0..HANG_UPS {
        match Context::establish(Scope::User) {
            Err(pcsc::Error::CommError) => {}
            Err(pcsc::Error::NoService) => match call() {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
                called => called.map_err(|_| CardError::NoService)?,
            },
            service => return Ok(service?),
        }
        std::thread::sleep(HANG_UP_PAUSE);
    }
    Err(CardError::NoPermission)
}

/// Whether anybody answers where the service listens.
fn call() -> io::Result<()> {
    let path = env::var_os(SOCKET_VARIABLE).map_or(SOCKET.into(), PathBuf::from);
    UnixStream::connect(path).map(drop)
}

/// The names of all readers, with and without a card.
///
/// # Errors
/// As [`super::list`].
pub fn readers() -> Result<Vec<String>, CardError> {
    let readers = readers_of(&service()?)?;
    let names = readers.iter().map(|reader| reader.to_string_lossy());
    Ok(names.map(String::from).collect())
}

pub(super) fn readers_of(context: &Context) -> Result<Vec<CString>, CardError> {
    Ok(listed(|| context.list_readers_owned())?)
}

/// Connects exclusively, with patience.
pub(super) fn connect(context: &Context, reader: &CStr) -> Result<pcsc::Card, CardError> {
    let deadline = clock::now() + BUSY_PATIENCE;
    loop {
        match context.connect(reader, ShareMode::Exclusive, Protocols::ANY) {
            Err(pcsc::Error::SharingViolation) if clock::now() < deadline => {
                std::thread::sleep(BUSY_PAUSE);
            }
            Err(pcsc::Error::SharingViolation) => {
                return Err(CardError::Busy {
                    reader: reader.to_string_lossy().into_owned(),
                    holders: likely_holders(),
                });
            }
            Err(pcsc::Error::CommError) => return Err(hung_up(reader)),
            connected => return Ok(connected?),
        }
    }
}

/// Why the service has hung up when it was asked for a card: it ended just then; or polkit keeps
/// this card from us, which pcscd says as it says it of all cards.
fn hung_up(reader: &CStr) -> CardError {
    let again = match service() {
        Ok(again) => again,
        Err(error) => return error,
    };
    match again.connect(reader, ShareMode::Exclusive, Protocols::ANY) {
        Err(pcsc::Error::CommError) => CardError::NoPermission,
        _ => CardError::NoService,
    }
}

/// What PC/SC said of the reader when the card was taken, to be compared with later.
pub(super) struct Presence {
    context: Context,
    reader: ReaderState,
    events: u32,
}

impl Presence {
    pub(super) fn now(context: &Context, reader: &CStr) -> Result<Presence, CardError> {
        let mut reader = ReaderState::new(reader, State::UNAWARE);
        context.get_status_change(Duration::ZERO, std::slice::from_mut(&mut reader))?;
        if !reader.event_state().contains(State::PRESENT) {
            return Err(CardError::NoToken);
        }
        Ok(Presence {
            context: context.clone(),
            events: reader.event_count(),
            reader,
        })
    }

    /// Whether the card has been out of the reader, or is so within `patience`.
    pub(super) fn is_lost(&mut self, patience: Duration) -> Result<bool, pcsc::Error> {
        let deadline = clock::now() + patience;
        loop {
            // Others using the reader are news too, so the first news need not be ours.
            self.reader.sync_current_state();
            let left = deadline.since(clock::now());
            let news = self
                .context
                .get_status_change(left, std::slice::from_mut(&mut self.reader));
            match news {
                Err(pcsc::Error::Timeout) => return Ok(false),
                // A USB token takes its reader along.
                Err(pcsc::Error::UnknownReader | pcsc::Error::ReaderUnavailable) => {
                    return Ok(true);
                }
                news => news?,
            }
            let is_here = self.reader.event_state().contains(State::PRESENT);
            if !is_here || self.reader.event_count() != self.events {
                return Ok(true);
            }
        }
    }
}

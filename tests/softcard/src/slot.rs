//! The hand that puts the card into the reader and takes it out.

use std::{
    net::TcpStream,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::{
    application::powered,
    card::Card,
    limits::Limits,
    meter::Meter,
    session::{self, Event, Pull},
    vpcd::Reader,
};

/// How long an insertion waits for pcscd to come up and take the card.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a pulled-out card waits for the reader to hang up.
const HANG_UP: Duration = Duration::from_secs(3);

/// How long pcscd may need to see that a card is gone: it looks every 400 ms
/// (`PCSCLITE_STATUS_POLL_RATE`).
const POLL: Duration = Duration::from_millis(500);

/// A stay in the reader that may have ended in the meantime.
#[derive(Debug)]
struct Stay {
    pull: Pull,
    events: Receiver<Event>,
    thread: thread::JoinHandle<()>,
}

/// One card and one reader.
#[derive(Debug)]
pub struct Slot {
    address: (String, u16),
    card: Card,
    limits: Limits,
    meter: Arc<Mutex<Meter>>,
    stay: Option<Stay>,
}

impl Slot {
    /// The card lies beside the reader.
    pub fn new(
        address: (String, u16),
        card: Card,
        limits: Limits,
        meter: Arc<Mutex<Meter>>,
    ) -> Self {
        Self {
            address,
            card,
            limits,
            meter,
            stay: None,
        }
    }

    /// Whether the card is in the reader and the reader is alive.
    pub fn is_inserted(&self) -> bool {
        self.stay
            .as_ref()
            .is_some_and(|stay| !stay.pull.is_pulled() && !stay.thread.is_finished())
    }

    /// The card's manufacturer and serial number.
    pub fn ident(&self) -> String {
        self.card.ident()
    }

    /// Inserts the card and returns when pcscd's driver has taken it.
    ///
    /// After a removal it first waits until pcscd can have seen the empty reader. Otherwise a quick
    /// remove and insert would go unnoticed, which no hand could do to a real reader.
    ///
    /// # Errors
    ///
    /// If the card is in already, or nobody takes it within 10 s.
    pub fn insert(&mut self) -> Result<()> {
        ensure!(!self.is_inserted(), "already inserted");
        self.settle()?;

        let deadline = Instant::now() + PATIENCE;
        let stream = connect(&self.address, deadline)?;
        let pull = Pull::new(stream.try_clone()?);
        let reader = Reader::new(stream)?;
        let (sender, events) = mpsc::channel();
        let (flash, serial) = self.card.parts();
        let meter = Arc::clone(&self.meter);
        let (string, limits) = (pull.clone(), self.limits);
        let thread = thread::spawn(move || {
            powered(&flash, serial, |application| {
                session::serve(application, limits, reader, &string, &meter, &sender);
            });
        });

        let taken = events.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        self.stay = Some(Stay {
            pull,
            events,
            thread,
        });
        match taken {
            Ok(Event::Taken) => {
                eprintln!("softcard: inserted");
                Ok(())
            }
            Ok(Event::Ended { .. }) => bail!("the reader hung up at once"),
            Err(RecvTimeoutError::Disconnected) => bail!("the card's thread died"),
            Err(RecvTimeoutError::Timeout) => {
                self.stay.take().inspect(|stay| stay.pull.sever());
                bail!("the reader does not take the card; is another one in this slot?")
            }
        }
    }

    /// Pulls the card out, in the middle of a command if there is one. Does not wait for pcscd to
    /// see it.
    ///
    /// # Errors
    ///
    /// If the card is not in.
    pub fn remove(&mut self) -> Result<()> {
        ensure!(self.is_inserted(), "not inserted");
        self.stay.as_ref().inspect(|stay| stay.pull.pull());
        eprintln!("softcard: removed");
        Ok(())
    }

    /// Takes another card in hand.
    ///
    /// # Errors
    ///
    /// If the present one is still in the reader, or `open` fails.
    pub fn swap(&mut self, open: impl FnOnce() -> Result<Card>) -> Result<()> {
        ensure!(!self.is_inserted(), "remove the card first");
        self.settle()?;
        self.card = open()?;
        Ok(())
    }

    /// Waits until the last removal is over and known to pcscd.
    fn settle(&mut self) -> Result<()> {
        let Some(stay) = self.stay.take() else {
            return Ok(());
        };
        let deadline = Instant::now() + HANG_UP;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match stay.events.recv_timeout(left) {
                Ok(Event::Taken) => {}
                Ok(Event::Ended { at, noticed }) => {
                    if !noticed {
                        thread::sleep(POLL.saturating_sub(at.elapsed()));
                    }
                    break;
                }
                // pcscd is stuck or stopped: there is nobody to hide the removal from.
                Err(RecvTimeoutError::Timeout) => {
                    stay.pull.sever();
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // Only now is the old flash file closed and may be opened again.
        stay.thread
            .join()
            .map_err(|_| anyhow!("the card's thread died"))
    }
}

fn connect(address: &(String, u16), deadline: Instant) -> Result<TcpStream> {
    let (host, port) = address;
    loop {
        match TcpStream::connect((host.as_str(), *port)) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() >= deadline => {
                return Err(error).with_context(|| format!("no reader at {host}:{port}"));
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

//! One stay in a reader, from the insertion to the moment the reader knows of the removal.

use std::{
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    thread,
    time::Instant,
};

use crate::{
    application::Application,
    card::ATR,
    limits::Limits,
    meter::{Meter, Moment},
    vpcd::{Message, Reader},
};

/// What a session tells the slot.
#[derive(Debug)]
pub enum Event {
    /// The reader has accepted the card and asked for its answer to reset.
    Taken,
    /// The reader has hung up.
    Ended {
        /// When.
        at: Instant,
        /// Whether it was the reader's regular look for a card that found none. If not, pcscd
        /// itself does not know yet that the card is gone: the driver only failed a command.
        noticed: bool,
    },
}

/// The string by which a card can be pulled out of the reader, from any thread.
#[derive(Clone, Debug)]
pub struct Pull {
    stream: Arc<TcpStream>,
    pulled: Arc<AtomicBool>,
}

impl Pull {
    /// Ties the string to a connection.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream: Arc::new(stream),
            pulled: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Pulls the card out: no answer leaves it any more.
    ///
    /// Only our direction is closed. The other one stays open to see when the reader hangs up,
    /// which it does at its next attempt to talk to the card.
    pub fn pull(&self) {
        self.pulled.store(true, Ordering::SeqCst);
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes the other direction too, for a reader that never talks.
    pub fn sever(&self) {
        self.pulled.store(true, Ordering::SeqCst);
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Whether the card has been pulled out.
    pub fn is_pulled(&self) -> bool {
        self.pulled.load(Ordering::SeqCst)
    }
}

/// Answers the reader until it hangs up.
pub fn serve(
    application: &mut Application<'_>,
    limits: Limits,
    mut reader: Reader,
    pull: &Pull,
    meter: &Mutex<Meter>,
    events: &Sender<Event>,
) {
    let mut noticed = false;
    let mut first = true;
    while let Some(message) = reader.receive() {
        if std::mem::take(&mut first) {
            let _ = events.send(Event::Taken);
        }
        if pull.is_pulled() {
            noticed |= message == Message::Atr;
            continue;
        }
        let sent = match message {
            Message::PowerOff | Message::PowerOn | Message::Reset => {
                application.reset();
                Ok(())
            }
            Message::Atr => reader.send(&ATR),
            Message::Apdu(apdu) => match answer(application, limits, &apdu, meter) {
                Some(bytes) => reader.send(&bytes),
                None => {
                    pull.pull();
                    eprintln!("softcard: removed in the middle of a command");
                    Ok(())
                }
            },
            Message::Unknown => Ok(()),
        };
        if sent.is_err() {
            // Pulled out by another thread while we were working, or pcscd is dead.
            pull.pull();
        }
    }
    let at = Instant::now();
    let _ = events.send(Event::Ended { at, noticed });
}

/// Carries out one command; `None` when it springs the trap.
fn answer(
    application: &mut Application<'_>,
    limits: Limits,
    apdu: &[u8],
    meter: &Mutex<Meter>,
) -> Option<Vec<u8>> {
    let lock = || meter.lock().expect("invariant: no holder panics");
    let trap = lock().arrived(apdu);
    let mut answer = match trap {
        Some(Moment::Before) => return None,
        Some(Moment::Forgotten) => vec![0x90, 0x00],
        _ => limits
            .refuse(apdu)
            .unwrap_or_else(|| application.execute(apdu)),
    };
    limits.amend(apdu, &mut answer);
    if trap == Some(Moment::Garbled) {
        let nonsense = answer.iter().map(|byte| byte.wrapping_mul(31) ^ 0xA5);
        answer = [nonsense.collect(), vec![0x90, 0x00]].concat();
    }
    let delay = {
        let mut meter = lock();
        meter.answered(apdu, &answer);
        meter.delay()
    };
    if trap == Some(Moment::After) {
        return None;
    }
    if !delay.is_zero() {
        thread::sleep(delay);
    }
    Some(answer)
}

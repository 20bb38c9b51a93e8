//! The control socket: one order a line, one answer a line.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    card::{Card, Pins},
    meter::{Meter, Moment},
    slot::Slot,
};

/// What a test can do to the card.
#[derive(Clone)]
pub struct Control {
    slot: Arc<Mutex<Slot>>,
    /// Beside the slot, so that counts can be read while an insertion waits.
    meter: Arc<Mutex<Meter>>,
    socket: PathBuf,
}

impl Control {
    /// Connects the orders to what they act on.
    pub fn new(slot: Slot, meter: Arc<Mutex<Meter>>, socket: &Path) -> Self {
        Self {
            slot: Arc::new(Mutex::new(slot)),
            meter,
            socket: socket.to_owned(),
        }
    }

    /// Opens the socket; one left over from a killed process is replaced.
    ///
    /// # Errors
    ///
    /// If the socket cannot be made.
    pub fn listen(&self) -> Result<UnixListener> {
        let _ = fs::remove_file(&self.socket);
        UnixListener::bind(&self.socket)
            .with_context(|| format!("cannot listen on {}", self.socket.display()))
    }

    /// Serves clients for ever, each in its own thread.
    pub fn serve(&self, listener: &UnixListener) {
        for client in listener.incoming().flatten() {
            let control = self.clone();
            thread::spawn(move || control.converse(client));
        }
    }

    fn converse(&self, client: UnixStream) -> Option<()> {
        let mut answers = client.try_clone().ok()?;
        for line in BufReader::new(client).lines() {
            let line = line.ok()?;
            let words: Vec<&str> = line.split_whitespace().collect();
            let answer = match self.obey(&words) {
                Ok(text) if text.is_empty() => "ok\n".to_owned(),
                Ok(text) => format!("ok {text}\n"),
                Err(error) => format!("err {error:#}\n"),
            };
            answers.write_all(answer.as_bytes()).ok()?;
            if words == ["quit"] {
                let _ = fs::remove_file(&self.socket);
                process::exit(0);
            }
        }
        Some(())
    }

    /// Carries out one order.
    ///
    /// # Errors
    ///
    /// If the order is not understood or cannot be carried out; the text is the answer's.
    pub fn obey(&self, words: &[&str]) -> Result<String> {
        let slot = || self.slot.lock().expect("invariant: no holder panics");
        let meter = || self.meter.lock().expect("invariant: no holder panics");
        match *words {
            ["insert"] => slot().insert()?,
            ["remove"] => slot().remove()?,
            ["swap-state", dir] => {
                let open = || Card::open(Path::new(dir), None, &Pins::default());
                let mut slot = slot();
                slot.swap(open)?;
                return Ok(slot.ident());
            }
            ["state"] if slot().is_inserted() => return Ok("inserted".to_owned()),
            ["state"] => return Ok("removed".to_owned()),
            ["ident"] => return Ok(slot().ident()),
            ["counts"] => return Ok(meter().counts().to_string()),
            ["reset-counts"] => meter().reset_counts(),
            ["remove-at", instruction, nth] => {
                meter().set_trap(hex(instruction)?, nth.parse()?, Moment::Before);
            }
            ["remove-at", instruction, nth, "after"] => {
                meter().set_trap(hex(instruction)?, nth.parse()?, Moment::After);
            }
            ["forget-at", instruction, nth] => {
                meter().set_trap(hex(instruction)?, nth.parse()?, Moment::Forgotten);
            }
            ["garble-at", instruction, nth] => {
                meter().set_trap(hex(instruction)?, nth.parse()?, Moment::Garbled);
            }
            ["delay", milliseconds] => {
                meter().set_delay(Duration::from_millis(milliseconds.parse()?));
            }
            ["quit"] => {}
            _ => bail!("no such order: {}", words.join(" ")),
        }
        Ok(String::new())
    }
}

fn hex(text: &str) -> Result<u8> {
    u8::from_str_radix(text, 16).context("an instruction is two hexadecimal digits")
}

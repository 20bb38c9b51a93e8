//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result};
use lexopt::{Arg, Parser, ValueExt};

use crate::{
    card::{Pins, parse_serial},
    limits::{Limits, Objects},
};

/// What `--help` prints.
pub const USAGE: &str = "\
usage: softcard --state DIR --control SOCKET [options]

  --state DIR         where the card lives; made if it does not exist
  --control SOCKET    Unix socket for orders
  --port N            port of the vpcd reader slot (35963)
  --host HOST         address of the vpcd reader (127.0.0.1)
  --serial HEX        serial number of the card, 8 digits (random)
  --pin PIN           user PIN of a new card (123456)
  --admin-pin PIN     admin PIN of a new card (12345678)
  --inserted          start with the card in the reader
  --room BYTES        keep no more than this in a private-use object
  --no-private-use    have no private-use objects
  --longest-pin BYTES take no longer user PIN than this
  --tries N           tell that the user PIN has so many tries in all
";

/// The parsed command line. Without `Debug`: it holds PINs.
pub struct Options {
    /// `--state`
    pub state: PathBuf,
    /// `--control`
    pub control: PathBuf,
    /// `--host` and `--port`
    pub address: (String, u16),
    /// `--serial`
    pub serial: Option<[u8; 4]>,
    /// `--pin` and `--admin-pin`
    pub pins: Pins,
    /// `--inserted`
    pub inserted: bool,
    /// `--room`, `--no-private-use`, `--longest-pin` and `--tries`
    pub limits: Limits,
}

impl Options {
    /// Reads the arguments of the process; `None` means that help was asked for.
    ///
    /// # Errors
    ///
    /// If an argument is unknown, malformed or missing.
    pub fn parse(mut parser: Parser) -> Result<Option<Self>> {
        let (mut state, mut control) = (None, None);
        let mut address = ("127.0.0.1".to_owned(), 35963);
        let (mut serial, mut pins, mut inserted) = (None, Pins::default(), false);
        let mut limits = Limits::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("state") => state = Some(PathBuf::from(parser.value()?)),
                Arg::Long("control") => control = Some(PathBuf::from(parser.value()?)),
                Arg::Long("host") => address.0 = parser.value()?.string()?,
                Arg::Long("port") => address.1 = parser.value()?.parse()?,
                Arg::Long("serial") => serial = Some(parse_serial(&parser.value()?.string()?)?),
                Arg::Long("pin") => pins.user = Some(parser.value()?.string()?),
                Arg::Long("admin-pin") => pins.admin = Some(parser.value()?.string()?),
                Arg::Long("inserted") => inserted = true,
                Arg::Long("room") => limits.objects = Objects::Room(parser.value()?.parse()?),
                Arg::Long("no-private-use") => limits.objects = Objects::Missing,
                Arg::Long("longest-pin") => limits.longest_pin = Some(parser.value()?.parse()?),
                Arg::Long("tries") => limits.tries = Some(parser.value()?.parse()?),
                Arg::Long("help") | Arg::Short('h') => return Ok(None),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(Some(Self {
            state: state.context("--state is missing")?,
            control: control.context("--control is missing")?,
            address,
            serial,
            pins,
            inserted,
            limits,
        }))
    }
}

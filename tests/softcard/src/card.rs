//! The card as a thing: a directory with its flash memory and its serial number.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use rand_core::{OsRng, RngCore};

use crate::application::{Application, powered};

/// "Unmanaged serial numbers" in GnuPG's list of manufacturers: nobody's product, so a test that
/// ever meets a real token cannot take it for one of ours.
pub const MANUFACTURER: [u8; 2] = [0xFF, 0xFE];

/// The answer to reset: direct convention, T=1, and in its historical bytes the same abilities that
/// opcard tells in object 5F52 (extended length, selection by partial name). It is the Nitrokey
/// Pro's, whose historical bytes opcard copied.
pub const ATR: [u8; 21] = [
    0x3B, 0xDA, 0x18, 0xFF, 0x81, 0xB1, 0xFE, 0x75, 0x1F, 0x03, // interface bytes
    0x00, 0x31, 0xF5, 0x73, 0xC0, 0x01, 0x60, 0x00, 0x90, 0x00, // historical bytes
    0x1C, // checksum
];

/// The PINs a fresh card is given; `None` leaves the factory's 123456 and 12345678.
///
/// Deliberately without `Debug`.
#[derive(Clone, Default)]
pub struct Pins {
    /// The user PIN, 6 to 127 bytes.
    pub user: Option<String>,
    /// The admin PIN, 8 to 127 bytes.
    pub admin: Option<String>,
}

/// A card that lies on the table.
#[derive(Debug)]
pub struct Card {
    flash: PathBuf,
    serial: [u8; 4],
    /// Two processes on one flash file would destroy it; the lock ends with this value.
    _lock: File,
}

impl Card {
    /// Takes the card out of `dir`, or makes a new one there.
    ///
    /// The file `serial` is written last: a directory without it is a card whose making was
    /// interrupted, and it is made anew.
    ///
    /// # Errors
    ///
    /// If the directory is in use or cannot be written, if it holds a card with another serial
    /// number than the one asked for, or if a new card refuses its PINs.
    pub fn open(dir: &Path, serial: Option<[u8; 4]>, pins: &Pins) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let lock = File::create(dir.join("lock")).context("cannot write in the state directory")?;
        ensure!(
            lock.try_lock().is_ok(),
            "another softcard uses {}",
            dir.display()
        );

        let flash = dir.join("flash.bin");
        let mark = dir.join("serial");
        if let Ok(text) = fs::read_to_string(&mark) {
            let kept = parse_serial(&text).context("the state directory is damaged")?;
            if serial.is_some_and(|asked| asked != kept) {
                bail!("the card in {} has serial number {text}", dir.display());
            }
            return Ok(Self {
                flash,
                serial: kept,
                _lock: lock,
            });
        }

        let serial = serial.unwrap_or_else(random_serial);
        let _ = fs::remove_file(&flash);
        powered(&flash, serial, |application| personalise(application, pins))?;
        let text: String = serial.iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(&mark, text).context("cannot write in the state directory")?;
        Ok(Self {
            flash,
            serial,
            _lock: lock,
        })
    }

    /// Gives power to the card for as long as `run` takes.
    pub fn power_up<R>(&self, run: impl FnOnce(&mut Application<'_>) -> R) -> R {
        powered(&self.flash, self.serial, run)
    }

    /// What [`Card::power_up`] needs, without the lock: for the thread that runs the card while
    /// its owner keeps the card itself.
    pub fn parts(&self) -> (PathBuf, [u8; 4]) {
        (self.flash.clone(), self.serial)
    }

    /// Manufacturer and serial number as OpenPGP software prints them: `FFFE:00112233`.
    pub fn ident(&self) -> String {
        let [m0, m1] = MANUFACTURER;
        let serial = u32::from_be_bytes(self.serial);
        format!("{m0:02X}{m1:02X}:{serial:08X}")
    }
}

/// Reads eight hexadecimal digits.
///
/// # Errors
///
/// If the text is anything else.
pub fn parse_serial(text: &str) -> Result<[u8; 4]> {
    let digits = text.trim();
    ensure!(
        digits.len() == 8 && digits.bytes().all(|c| c.is_ascii_hexdigit()),
        "a serial number is 8 hexadecimal digits"
    );
    Ok(u32::from_str_radix(digits, 16)?.to_be_bytes())
}

fn random_serial() -> [u8; 4] {
    OsRng.next_u32().to_be_bytes()
}

/// Sets the PINs through the application itself, as their owner would.
fn personalise(application: &mut Application<'_>, pins: &Pins) -> Result<()> {
    let select = [
        0x00, 0xA4, 0x04, 0x00, 0x06, 0xD2, 0x76, 0x00, 0x01, 0x24, 0x01,
    ];
    ensure!(
        application.execute(&select) == [0x90, 0x00],
        "the new card does not answer"
    );
    let changes = [
        (0x81, opcard::DEFAULT_USER_PIN, &pins.user, "user PIN"),
        (0x83, opcard::DEFAULT_ADMIN_PIN, &pins.admin, "admin PIN"),
    ];
    for (reference, old, new, name) in changes {
        let Some(new) = new else { continue };
        let data = [old, new.as_bytes()].concat();
        let length = u8::try_from(data.len()).with_context(|| format!("{name} too long"))?;
        // CHANGE REFERENCE DATA, OpenPGP card 3.4.1 §7.2.3
        let mut apdu = vec![0x00, 0x24, 0x00, reference, length];
        apdu.extend(data);
        let status = application.execute(&apdu);
        ensure!(
            status == [0x90, 0x00],
            "the card refuses the {name}: {status:02x?}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_the_answer_to_reset_is_right() {
        assert_eq!(ATR[1..].iter().fold(0, |sum, byte| sum ^ byte), 0);
    }

    #[test]
    fn a_serial_number_is_eight_digits() {
        assert_eq!(parse_serial("00c0FFee\n").unwrap(), [0, 0xC0, 0xFF, 0xEE]);
        assert!(parse_serial("+0c0ffee").is_err());
        assert!(parse_serial("c0ffee").is_err());
    }
}

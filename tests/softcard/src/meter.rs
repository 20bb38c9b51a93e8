//! Counts what the reader asks for, and disturbs it on order.

use std::{fmt, time::Duration};

const SELECT: u8 = 0xA4;
const VERIFY: u8 = 0x20;
const GET_DATA: [u8; 2] = [0xCA, 0xCB];
const PUT_DATA: [u8; 2] = [0xDA, 0xDB];

/// Numbers of commands since the start or the last reset of the counts.
///
/// A chained command counts once in its own column, at its last part, and with every part in `all`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// VERIFY with a PIN; the question "how many tries are left" is not one.
    pub verify: u64,
    /// VERIFY with a PIN that was right.
    pub verify_ok: u64,
    /// SELECT.
    pub select: u64,
    /// GET DATA.
    pub get_data: u64,
    /// PUT DATA.
    pub put_data: u64,
    /// Every APDU that arrived.
    pub all: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verify,
            verify_ok,
            select,
            get_data,
            put_data,
            all,
        } = self;
        write!(
            f,
            "verify={verify} verify_ok={verify_ok} select={select} \
             getdata={get_data} putdata={put_data} all={all}"
        )
    }
}

/// What happens at a trapped command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The command has arrived but is never carried out.
    Before,
    /// The command has been carried out but is never answered.
    After,
    /// The card stays in and says that it is done, but nothing is done.
    Forgotten,
    /// The card stays in and answers nonsense.
    Garbled,
}

/// "Do that at the n-th command of this kind."
#[derive(Clone, Copy, Debug)]
struct Trap {
    instruction: u8,
    left: u64,
    moment: Moment,
}

/// The counts and the disturbances of one reader slot. They outlive removal and insertion.
#[derive(Debug, Default)]
pub struct Meter {
    counts: Counts,
    delay: Duration,
    trap: Option<Trap>,
}

impl Meter {
    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Starts counting anew.
    pub fn reset_counts(&mut self) {
        self.counts = Counts::default();
    }

    /// How long every answer is held back.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// Changes the delay; zero turns it off.
    pub fn set_delay(&mut self, delay: Duration) {
        self.delay = delay;
    }

    /// Sets the trap for the `nth` APDU with this instruction from now on; 0 takes it away.
    pub fn set_trap(&mut self, instruction: u8, nth: u64, moment: Moment) {
        self.trap = (nth > 0).then_some(Trap {
            instruction,
            left: nth,
            moment,
        });
    }

    /// Notes that a command has arrived, and tells whether it springs the trap.
    pub fn arrived(&mut self, apdu: &[u8]) -> Option<Moment> {
        self.counts.all += 1;
        let (Some(class), Some(instruction)) = (apdu.first(), apdu.get(1)) else {
            return None;
        };
        if class & 0x10 == 0 {
            match *instruction {
                SELECT => self.counts.select += 1,
                VERIFY if presents_pin(apdu) => self.counts.verify += 1,
                i if GET_DATA.contains(&i) => self.counts.get_data += 1,
                i if PUT_DATA.contains(&i) => self.counts.put_data += 1,
                _ => {}
            }
        }
        let trap = self.trap.as_mut()?;
        if trap.instruction != *instruction {
            return None;
        }
        trap.left -= 1;
        if trap.left > 0 {
            return None;
        }
        self.trap.take().map(|trap| trap.moment)
    }

    /// Notes how the application answered.
    pub fn answered(&mut self, apdu: &[u8], answer: &[u8]) {
        if apdu.get(1) == Some(&VERIFY) && presents_pin(apdu) && answer == [0x90, 0x00] {
            self.counts.verify_ok += 1;
        }
    }
}

/// Whether a VERIFY carries data. P1 = FF is the command to forget a verification.
fn presents_pin(apdu: &[u8]) -> bool {
    let empty = match apdu.len() {
        ..=5 => true,
        // Extended, without data: three bytes of Le.
        7 => apdu[4] == 0,
        _ => false,
    };
    !empty && apdu[2] == 0x00
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_presented_pin_counts_as_verify() {
        let mut meter = Meter::default();
        meter.arrived(&[0x00, 0x20, 0x00, 0x82]);
        meter.arrived(&[0x00, 0x20, 0x00, 0x82, 0x00]);
        meter.arrived(&[0x00, 0x20, 0xFF, 0x82]);
        assert_eq!(meter.counts().verify, 0);
        let pin = b"\x00\x20\x00\x82\x06123456";
        meter.arrived(pin);
        meter.answered(pin, &[0x63, 0xC2]);
        meter.arrived(pin);
        meter.answered(pin, &[0x90, 0x00]);
        let counts = meter.counts();
        assert_eq!((counts.verify, counts.verify_ok, counts.all), (2, 1, 5));
    }

    #[test]
    fn the_trap_springs_once_at_the_nth_command() {
        let mut meter = Meter::default();
        meter.set_trap(0xCA, 2, Moment::Before);
        let get = [0x00, 0xCA, 0x01, 0x03, 0x00];
        assert_eq!(meter.arrived(&get), None);
        assert_eq!(meter.arrived(&[0x00, 0x20, 0x00, 0x82]), None);
        assert_eq!(meter.arrived(&get), Some(Moment::Before));
        assert_eq!(meter.arrived(&get), None);
    }
}

//! How many lines each place in the program may write: a stranger who can cause a line
//! can cause a million of them.

use std::collections::HashMap;
use std::time::Duration;

use tracing::Metadata;

use crate::bucket::{Bucket, Rate};
use crate::clock::Now;

/// What one place may write: enough for whatever a person follows, too little to fill a
/// disk. Ten lines a second of one place are 100 MB a day.
const LINES: Rate = Rate {
    every: Duration::from_millis(100),
    burst: 50,
};

/// How often the lines that were left out are told.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// A place in the program that writes lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) target: &'static str,
    file: &'static str,
    pub(super) line: u32,
}

impl Place {
    pub(super) fn of(metadata: &'static Metadata<'static>) -> Place {
        Place {
            target: metadata.target(),
            file: metadata.file().unwrap_or_default(),
            line: metadata.line().unwrap_or_default(),
        }
    }
}

/// What each place has left.
#[derive(Default)]
pub(super) struct Budget {
    places: HashMap<Place, Account>,
    reported: Option<Now>,
    /// Whether any line was left out since the last report.
    owes: bool,
}

struct Account {
    bucket: Bucket,
    left_out: u64,
}

impl Budget {
    /// Whether this place may write one more line now. If not, the line is counted.
    pub(super) fn take(&mut self, now: Now, place: Place) -> bool {
        let taken = self.account(place).bucket.take(now, LINES);
        if !taken {
            self.leave_out(place);
        }
        taken
    }

    /// Counts a line of this place that cannot be written.
    pub(super) fn leave_out(&mut self, place: Place) {
        self.account(place).left_out += 1;
        self.owes = true;
    }

    fn account(&mut self, place: Place) -> &mut Account {
        self.places.entry(place).or_insert(Account {
            bucket: Bucket::FULL,
            left_out: 0,
        })
    }

    /// The places whose lines were left out, and how many of each; empty until it is time
    /// to tell.
    pub(super) fn report(&mut self, now: Now) -> Vec<(Place, u64)> {
        let is_early = |reported| now.since(reported) < REPORT_EVERY;
        if !self.owes || self.reported.is_some_and(is_early) {
            return Vec::new();
        }
        self.reported = Some(now);
        self.rest()
    }

    /// The same, whatever the time.
    pub(super) fn rest(&mut self) -> Vec<(Place, u64)> {
        self.owes = false;
        let counts = self.places.iter_mut();
        let counts = counts.map(|(place, account)| (*place, std::mem::take(&mut account.left_out)));
        counts.filter(|(_, left_out)| *left_out > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn place(line: u32) -> Place {
        Place {
            target: "tokenvpn",
            file: "here.rs",
            line,
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_flood_of_one_place_is_cut_and_counted() {
        let mut budget = Budget::default();
        let mut now = Now::from_nanos(0);
        let (mut written, mut told) = (0, 0);
        for _ in 0..100_000 {
            now = now + Duration::from_micros(100);
            written += u64::from(budget.take(now, place(1)));
            told += budget
                .report(now)
                .iter()
                .map(|(_, count)| count)
                .sum::<u64>();
        }
        // Ten seconds.
        assert!((140..=160).contains(&written), "{written}");
        told += budget.rest().iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!(written + told, 100_000);
    }

    #[test]
    fn what_was_left_out_is_told_once_a_second() {
        let mut budget = Budget::default();
        let now = Now::from_nanos(0);
        for _ in 0..=LINES.burst {
            budget.take(now, place(1));
        }
        assert_eq!(budget.report(now), [(place(1), 1)]);
        assert!(!budget.take(now, place(1)));
        assert_eq!(budget.report(now + SECOND / 2), []);
        assert_eq!(budget.report(now + SECOND), [(place(1), 1)]);
        assert_eq!(budget.report(now + 2 * SECOND), []);
    }

    #[test]
    fn one_place_takes_nothing_from_another() {
        let mut budget = Budget::default();
        let now = Now::from_nanos(0);
        while budget.take(now, place(1)) {}
        assert!(budget.take(now, place(2)));
        assert!(budget.take(now + SECOND, place(1)));
    }
}

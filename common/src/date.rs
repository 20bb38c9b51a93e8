//! Dates as people write them: RFC 3339, or a bare day.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::{DateTime, date, time};
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

use crate::clock::UnixTime;
use crate::language::say;

/// The last second that RFC 3339 can write: 9999-12-31T23:59:59Z.
pub const LAST_SECOND: UnixTime = UnixTime(253_402_300_799);

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

const SECONDS_OF_A_DAY: u64 = 86_400;

/// Why a text is no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// Neither a day nor a moment with its offset.
    #[error("{}", say().malformed_date())]
    Malformed,
    /// Before 1970 or after 9999.
    #[error("{}", say().date_out_of_range())]
    OutOfRange,
}

/// A moment as text: `2026-11-29T18:00:00Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Civil time throughout: jiff's timestamps end a day before the year 9999 does.
        let since = i64::try_from(self.0).ok().map(SignedDuration::from_secs);
        match since.and_then(|since| EPOCH.checked_add(since).ok()) {
            Some(time) => write!(f, "{time}Z"),
            None => f.write_str(&say().second(&self.0)),
        }
    }
}

/// A day or a moment. A bare day means its last second in UTC, as an expiry is meant.
impl FromStr for UnixTime {
    type Err = DateError;

    fn from_str(text: &str) -> Result<UnixTime, DateError> {
        // jiff takes more spellings than RFC 3339 has: weeks, no hyphens, time zones by name.
        if !text.get(..10).is_some_and(is_day) {
            return Err(DateError::Malformed);
        }
        let pieces = Pieces::parse(text).map_err(|_| DateError::Malformed)?;
        let (time, offset) = match (pieces.time(), pieces.to_numeric_offset()) {
            (None, None) => (time(23, 59, 59, 0), Offset::UTC),
            (Some(time), Some(offset)) => (time, offset),
            _ => return Err(DateError::Malformed),
        };
        if pieces.time_zone_annotation().is_some() {
            return Err(DateError::Malformed);
        }
        let here = pieces.date().to_datetime(time).duration_since(EPOCH);
        let seconds = here.as_secs() - i64::from(offset.seconds());
        match u64::try_from(seconds).map(UnixTime) {
            Ok(time) if time <= LAST_SECOND => Ok(time),
            _ => Err(DateError::OutOfRange),
        }
    }
}

impl UnixTime {
    /// The day in UTC: `2026-11-29`.
    pub fn day(self) -> String {
        self.to_string().chars().take(10).collect()
    }

    /// The first second of the day in UTC.
    pub fn day_start(self) -> UnixTime {
        UnixTime(self.0 - self.0 % SECONDS_OF_A_DAY)
    }

    /// Whole days from `earlier` to here; negative if `earlier` is later.
    pub fn days_since(self, earlier: UnixTime) -> i64 {
        let days = (self.0.abs_diff(earlier.0) / SECONDS_OF_A_DAY) as i64;
        if self >= earlier { days } else { -days }
    }
}

fn is_day(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        })
}

/// For `#[serde(with = "date::text")]`: a moment as RFC 3339 text.
pub mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::clock::UnixTime;

    /// Writes the moment as text.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    /// Reads a day or a moment.
    ///
    /// # Errors
    /// The text is no date.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// For `#[serde(with = "date::optional_text", default)]`: the same for a date that may be absent.
pub mod optional_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::clock::UnixTime;

    /// Writes the moment as text.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(
        time: &Option<UnixTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(time),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a day or a moment.
    ///
    /// # Errors
    /// The text is no date.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<UnixTime>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_day_ends_with_its_last_second_in_utc() {
        let end: UnixTime = "2026-11-29".parse().unwrap();
        assert_eq!(end.to_string(), "2026-11-29T23:59:59Z");
        assert_eq!(end.day(), "2026-11-29");
    }

    #[test]
    fn a_day_starts_with_its_first_second_in_utc() {
        for text in ["2026-11-29T00:00:00Z", "2026-11-29T23:59:59Z"] {
            let start = text.parse::<UnixTime>().unwrap().day_start();
            assert_eq!(start.to_string(), "2026-11-29T00:00:00Z");
        }
    }

    #[test]
    fn a_moment_keeps_its_offset_in_mind() {
        let here: UnixTime = "2026-11-29T18:00:00+09:00".parse().unwrap();
        assert_eq!(here.to_string(), "2026-11-29T09:00:00Z");
        assert_eq!("1970-01-01T00:00:00Z".parse(), Ok(UnixTime(0)));
        assert_eq!("9999-12-31".parse(), Ok(LAST_SECOND));
        assert_eq!(LAST_SECOND.to_string().parse(), Ok(LAST_SECOND));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2026-11",
            "2026-11-31",
            "20261129",
            "2026-W48-7",
            "2026-11-29T18:00:00",
            "2026-11-29T18:00:00+09:00[Asia/Tokyo]",
            "2026-11-29[UTC]",
            "2026-11-29T24:00:00Z",
            "2026-11-29é",
            " 2026-11-29",
        ] {
            assert_eq!(
                text.parse::<UnixTime>(),
                Err(DateError::Malformed),
                "{text:?}"
            );
        }
        for text in ["1969-12-31", "1960-01-01T00:00:00Z"] {
            assert_eq!(
                text.parse::<UnixTime>(),
                Err(DateError::OutOfRange),
                "{text}"
            );
        }
    }

    #[test]
    fn days_are_counted_in_both_directions() {
        let (a, b): (UnixTime, UnixTime) =
            ("2026-10-31".parse().unwrap(), "2026-11-23".parse().unwrap());
        assert_eq!(b.days_since(a), 23);
        assert_eq!(a.days_since(b), -23);
    }

    #[test]
    fn a_moment_beyond_every_calendar_can_still_be_shown() {
        assert_eq!(
            UnixTime(u64::MAX).to_string(),
            format!("second {}", u64::MAX)
        );
    }
}

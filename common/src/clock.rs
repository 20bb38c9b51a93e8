//! The two clocks, as values. Nothing in the core reads a clock; see `io::clock`.

use std::time::Duration;

/// A moment on `CLOCK_BOOTTIME`, which also runs while the computer sleeps.
///
/// Nanoseconds since boot. `std::time::Instant` is banned because its
/// clock stops during sleep, so a session could outlive its keys' lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(u64);

impl Now {
    /// The moment `nanos` nanoseconds after boot.
    pub const fn from_nanos(nanos: u64) -> Now {
        Now(nanos)
    }

    /// Nanoseconds since boot.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero if `earlier` is later, as after a restored snapshot.
    pub fn since(self, earlier: Now) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Now {
    type Output = Now;

    fn add(self, wait: Duration) -> Now {
        Now(self
            .0
            .saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Wall time: whole seconds since 1970-01-01 UTC, for expiry and issue dates only.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// Before this program was written (2026-11-01): a clock that shows less is wrong.
    pub const EARLIEST: UnixTime = UnixTime(1_793_491_200);
}

//! The only place where clocks are read.

use nix::time::{ClockId, clock_gettime};

use crate::clock::{Now, UnixTime};

/// Reads `CLOCK_BOOTTIME`.
///
/// # Panics
/// If the kernel has no such clock (Linux has had it since 2.6.39).
pub fn now() -> Now {
    let t = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("invariant: Linux has CLOCK_BOOTTIME");
    let seconds = u64::try_from(t.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(t.tv_nsec()).unwrap_or(0);
    Now::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// Reads the wall clock; a clock before 1970 reads as 0.
#[expect(clippy::disallowed_methods, reason = "this is where wall time enters")]
pub fn unix_time() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime(since.map_or(0, |d| d.as_secs()))
}

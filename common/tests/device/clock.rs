//! Virtual time. boringtun reads the clock itself, so this test program brings the
//! function by which it does: each thread has the time it sets.

use std::cell::Cell;
use std::time::Duration;

use tokenvpn_common::clock::Now;

/// Wall time at virtual time 0: some day in 2026.
const EPOCH: i64 = 1_790_000_000;

thread_local! {
    static VIRTUAL: Cell<Option<u64>> = const { Cell::new(None) };
    static WALL: Cell<i64> = const { Cell::new(EPOCH) };
}

/// Sets the wall clock of whoever is asked next on this thread, by how many seconds it
/// is fast.
pub(crate) fn set_fast(seconds: i64) {
    WALL.set(EPOCH + seconds);
}

/// Sets this thread's clocks.
pub(crate) fn set(now: Now) {
    VIRTUAL.set(Some(now.as_nanos()));
}

#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: libc::clockid_t, out: *mut libc::timespec) -> libc::c_int {
    let time = VIRTUAL.try_with(Cell::get).ok().flatten();
    let time = time.and_then(|nanos| match clock {
        libc::CLOCK_BOOTTIME => Some((nanos, 0)),
        libc::CLOCK_REALTIME => Some((nanos, WALL.get())),
        _ => None,
    });
    match time {
        Some((nanos, wall)) => {
            let time = Duration::from_nanos(nanos);
            let time = libc::timespec {
                tv_sec: time.as_secs() as libc::time_t + wall,
                tv_nsec: time.subsec_nanos().into(),
            };
            // SAFETY: the caller owns what `out` points to, by the contract of clock_gettime(2).
            unsafe { out.write(time) };
            0
        }
        // SAFETY: the same contract holds for the system call.
        None => unsafe { libc::syscall(libc::SYS_clock_gettime, clock, out) as libc::c_int },
    }
}

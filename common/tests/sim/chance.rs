//! Chance that can be had again. boringtun, the core and `HashMap` ask the system for
//! randomness, so this test program brings the functions by which they do: each thread
//! draws from the seed it sets.

use std::cell::Cell;
use std::ffi::{c_long, c_uint, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{mem, ptr, slice};

use crate::dice::Dice;

thread_local! {
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Sets what this thread draws from now on.
pub(crate) fn set(seed: u64) {
    SEED.set(Some(seed));
}

/// `syscall(2)` as the C library has it. It takes as many words as the call needs; more
/// are ignored.
type Syscall = unsafe extern "C" fn(c_long, ...) -> c_long;

fn the_systems_own() -> Syscall {
    static FOUND: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    let mut found = FOUND.load(Ordering::Relaxed);
    if found.is_null() {
        // SAFETY: the name ends with a zero.
        found = unsafe { libc::dlsym(libc::RTLD_NEXT, c"syscall".as_ptr()) };
        assert!(!found.is_null(), "the C library has syscall()");
        FOUND.store(found, Ordering::Relaxed);
    }
    // SAFETY: it is the function of that name, and this is its type.
    unsafe { mem::transmute::<*mut c_void, Syscall>(found) }
}

/// Fills what the caller of `getrandom` gave, if this thread has a seed.
fn fill(out: usize, len: usize) -> Option<usize> {
    let seed = SEED.try_with(Cell::get).ok().flatten()?;
    let mut dice = Dice::new(seed);
    if len > 0 {
        // SAFETY: the caller owns `len` bytes at `out`, by the contract of getrandom(2).
        let bytes = unsafe { slice::from_raw_parts_mut(out as *mut u8, len) };
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&dice.next().to_le_bytes()[..chunk.len()]);
        }
    }
    SEED.set(Some(dice.state()));
    Some(len)
}

#[unsafe(no_mangle)]
extern "C" fn getrandom(out: *mut c_void, len: usize, flags: c_uint) -> isize {
    let filled = fill(out as usize, len);
    filled.map_or_else(
        // SAFETY: the contract is the same.
        || unsafe { the_systems_own()(libc::SYS_getrandom, out, len, flags) as isize },
        |len| len as isize,
    )
}

#[unsafe(no_mangle)]
extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    let filled = match number {
        libc::SYS_getrandom => fill(a, b),
        _ => None,
    };
    filled.map_or_else(
        // SAFETY: the caller's words are passed on as they are.
        || unsafe { the_systems_own()(number, a, b, c, d, e, f) },
        |len| len as c_long,
    )
}

//! An allocator that counts, for tests that bound what something costs.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn note(bytes: isize) {
    // Ignored while a thread ends.
    let _ = BYTES.try_with(|b| b.set(b.get() + bytes));
    if bytes > 0 {
        let _ = COUNT.try_with(|c| c.set(c.get() + 1));
    }
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How many allocations `work` makes on this thread.
pub(crate) fn count(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

/// By how many bytes this thread's allocations have grown after `work`.
pub(crate) fn growth<T>(work: impl FnOnce() -> T) -> (isize, T) {
    let before = BYTES.get();
    let kept = work();
    (BYTES.get() - before, kept)
}

//! Devices that talk to each other in memory, in virtual time.

// The clock and the allocator of this process are replaced, which takes `unsafe`.
#![allow(unsafe_code)]

mod allocations;
mod clock;
mod forgery;
mod net;

mod callers;
mod doubt;
mod handshake;
mod hostile;
mod limits;
mod replay;
mod roaming;
mod timers;
mod traffic;
mod workers;

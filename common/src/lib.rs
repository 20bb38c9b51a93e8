//! What tokenvpn's client and gateway share.
//!
//! Everything outside `io` is pure: no socket, no clock, no thread. Time comes in
//! as an argument ([`clock::Now`]), bytes come in through `handle_*` and go out
//! through `poll_*`.

#![forbid(unsafe_code)]

pub mod checksum;
pub mod clock;
pub mod coalesce;
pub mod date;
pub mod device;
pub mod endpoint;
pub mod guard;
pub mod invitation;
pub mod key;
pub mod language;
pub mod name;
pub mod packet;
pub mod probe;
pub mod profile;
pub mod run;
pub mod segments;
pub mod status;
pub mod token;
pub mod uapi;
pub mod virtio;
pub mod watch;

mod admission;
mod allowed_ips;
mod bucket;
mod callers;
mod counters;
mod greeting;
mod initiations;
mod outbox;
mod peer;
mod peers;
mod roaming;
mod shared;
mod timers;
mod tunnel;

#[cfg(feature = "io")]
pub mod io;

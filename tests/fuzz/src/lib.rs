//! What a stranger, a peer, a token, an administrator's editor and a computer behind the tunnel may
//! hand us, one target each. A target takes any bytes, and panics if something is not as it should.
//!
//! `contrib/fuzz` lets a fuzzer make the bytes up; `tests/fuzz.rs` runs what is in `corpus` and
//! mutations of it.

#![forbid(unsafe_code)]

pub mod card;
pub mod configuration;
pub mod datagrams;
pub mod input;
pub mod invitation;
pub mod packets;
pub mod pair;
pub mod profile;
pub mod registry;
pub mod superpackets;

//! What people read of this crate, in either program: what is said of its errors, and its names
//! for secrets and processes. [`english`] says it, so that no text has to stand in both programs.

mod english;

pub(crate) use english::*;

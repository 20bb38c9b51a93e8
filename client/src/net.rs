//! What the supervisor changes in this computer's network, and how it is put back.

pub(crate) mod dns;
pub(crate) mod fence;
pub(crate) mod journal;
pub(crate) mod route;
pub(crate) mod tunnel;
#[cfg(test)]
mod world;

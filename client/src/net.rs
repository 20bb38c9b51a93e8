//! What the supervisor changes in this computer's network, and how it is put back.

pub(crate) mod dns;
pub(crate) mod fence;
pub(crate) mod inquiry;
pub(crate) mod journal;
mod name_servers;
mod question;
pub(crate) mod route;
pub(crate) mod tunnel;
#[cfg(test)]
mod world;

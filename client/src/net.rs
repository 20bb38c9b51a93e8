//! What the supervisor changes in this computer's network, how it is put back, and how names
//! are looked up past it.

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

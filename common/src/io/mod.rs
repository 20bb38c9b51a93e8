//! The edges: everything here touches the world.

pub mod clock;
pub mod hardening;
pub mod logging;
pub mod request_socket;
pub mod tun;
mod steering;
pub mod udp;

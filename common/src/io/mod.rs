//! The edges: everything here touches the world.

pub mod card;
pub mod clock;
pub mod command_line;
pub mod confinement;
pub mod datapath;
pub mod fault;
pub mod hardening;
pub mod holder;
pub mod locale;
pub mod logging;
pub mod netlink;
pub mod request_socket;
pub mod screen;
pub mod stderr;
mod steering;
pub mod tun;
pub mod udp;
pub mod watcher;

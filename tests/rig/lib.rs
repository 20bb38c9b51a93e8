//! Worlds for tests: computers with networks, card readers and terminals of their own, made of
//! namespaces in a fraction of a second, without systemd, any number in parallel.
//!
//! ```no_run
//! let world = rig::World::new();
//! let computer = world.host("computer");
//! let card = rig::Card::new(&world, "traveller");
//! computer.start_pcscd();
//! card.connect(&computer);
//! card.insert();
//! ```
//!
//! The hosts see the real file system with a private `/run`, `/etc` and `/var/lib`; what is started
//! in them dies with the world, or with the process of the test. Everything here panics when it is
//! disappointed: this is for tests, and a disappointment is their result.

pub mod card;
pub mod client;
pub mod crowd;
pub mod desk;
pub mod dice;
pub mod download;
pub mod exposure;
pub mod flood;
pub mod gateway;
pub mod host;
pub mod kernel;
pub mod keypad;
mod log_lines;
pub mod long_way;
pub mod memory;
pub mod name_server;
pub mod old_kernel;
pub mod process;
pub mod programs;
pub mod pty;
#[cfg(target_arch = "x86_64")]
pub mod puppet;
pub mod quarry;
pub mod rearguard;
pub mod resolved;
pub mod scene;
pub mod secrets;
pub mod service_manager;
pub mod session_keys;
pub mod slow_disk;
pub mod speaker;
pub mod tap;
pub mod transcript;
pub mod usage;
pub mod venue;
pub mod wait;
pub mod wall_clock;
pub mod web;
pub mod wireguard;
pub mod world;

pub use card::Card;
pub use client::Up;
pub use crowd::Crowd;
pub use desk::Desk;
pub use dice::Dice;
pub use download::Download;
pub use flood::Flood;
pub use gateway::Gateway;
pub use host::Host;
pub use kernel::Kernel;
pub use keypad::Keypad;
pub use long_way::LongWay;
pub use name_server::NameServer;
pub use old_kernel::OldKernel;
pub use process::{Finished, Invocation, Process};
pub use pty::Pty;
#[cfg(target_arch = "x86_64")]
pub use puppet::Puppet;
pub use quarry::Quarry;
pub use rearguard::Rearguard;
pub use resolved::Resolved;
pub use scene::Scene;
pub use service_manager::ServiceManager;
pub use slow_disk::SlowDisk;
pub use speaker::Speaker;
pub use tap::Tap;
pub use venue::Venue;
pub use wall_clock::WallClock;
pub use web::Web;
pub use wireguard::WireGuardGo;
pub use world::World;

/// Whether tests with a long form take it: `contrib/test --all` sets `TOKENVPN_TEST_ALL`.
pub fn full_length() -> bool {
    std::env::var_os("TOKENVPN_TEST_ALL").is_some_and(|value| value == "1")
}

//! The chip: entropy, flash and a button that is always being pressed.

use rand_core::OsRng;
use trussed::{
    platform,
    virt::{Store, UserInterface},
};

/// A trussed platform like `trussed::virt::Platform`, except for its randomness.
///
/// The one in trussed seeds its generator with a constant, so every card it makes has the same
/// keys and salts; two cards in one test would be indistinguishable in exactly the places where a
/// test wants to see a difference.
pub struct Platform<'a> {
    entropy: OsRng,
    store: Store<'a>,
    ui: UserInterface,
}

impl<'a> Platform<'a> {
    /// Puts the chip together on top of mounted file systems.
    pub fn new(store: Store<'a>) -> Self {
        Self {
            entropy: OsRng,
            store,
            ui: UserInterface::new(),
        }
    }
}

impl<'a> platform::Platform for Platform<'a> {
    type R = OsRng;
    type S = Store<'a>;
    type UI = UserInterface;

    fn rng(&mut self) -> &mut OsRng {
        &mut self.entropy
    }

    fn store(&self) -> Store<'a> {
        self.store
    }

    fn user_interface(&mut self) -> &mut UserInterface {
        &mut self.ui
    }
}

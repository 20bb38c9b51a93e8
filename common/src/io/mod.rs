//! The edges: everything here touches the world.

pub mod clock;

//! The commands of the command line.

pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod up;

//! A virtual OpenPGP card for tests, with real firmware inside.
//!
//! The application is opcard, which runs on the Nitrokey 3: what the tests learn about PINs,
//! access conditions and lost state comes from an independent implementation, not from a mock of
//! our own beliefs. The program is the *card* side of the vpcd protocol: pcscd's vpcd driver
//! listens, we connect; connected means inserted, disconnected means pulled out.
//!
//! From the inside out:
//! [`platform`] and [`backends`] are the chip, [`application`] is the powered card that answers
//! APDUs, [`card`] is the thing one holds in the hand (a directory), [`session`] is one stay in a
//! reader over [`vpcd`], [`limits`] makes it a lesser card, [`slot`] is the hand that inserts and removes, [`meter`] watches and
//! disturbs, [`control`] is how a test gives orders.

pub mod application;
pub mod backends;
pub mod card;
pub mod control;
pub mod limits;
pub mod meter;
pub mod options;
pub mod platform;
pub mod session;
pub mod slot;
pub mod vpcd;

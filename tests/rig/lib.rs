//! Worlds for tests.

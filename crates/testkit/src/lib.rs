//! Whole groups of real sessions for tests: a channel in memory, a network that a seed drives, and parts that
//! nobody should use. The conformance kits live with their contracts, `concilium-gka` and
//! `concilium-encryptor`.
//!
//! Nothing in here is for production: it panics where a session breaks a rule, and seeds are known.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "checks fail by panicking"
)]

pub mod channel;
pub mod encryptor;
pub mod gka;
pub mod network;

//! What tests of concilium are made of: conformance kits that turn the rules of a contract into tests, fake
//! parts, a seeded random source, and an in-memory channel.
//!
//! Nothing in here is for production: kits panic where a part under test breaks a rule, and seeds are known.

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
pub mod memory;
pub mod network;
pub mod rng;
pub mod sessions;

//! Burmester and Desmedt's group key agreement, with authenticated confirmation, for concilium.
//!
//! The members stand in a ring (Burmester, Desmedt: "A secure and efficient conference key distribution
//! system", EUROCRYPT '94) on ristretto255 (RFC 9496). Neighbours in the ring share a *link*, by a
//! Diffie-Hellman exchange. Each member publishes the difference of its two links. From these all members
//! compute all links, going around the ring.
//!
//! - The initial packet carries its author's point, and the *hello* of each other member adds its own (B-1,
//!   B-2).
//! - When all points are there, each member sends its difference, and a confirmation that it holds its two
//!   links (B-3, B-4).
//! - When all differences are there, each member computes all links, checks all confirmations, and derives
//!   the keys (B-5, B-6).
//!
//! Three round trips for any change and any number of members, and every member takes part in each change.
//! One operation hands to the next only a description of itself (B-7).
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! use concilium_core::{MemberId, Secret};
//! use concilium_gka::{GroupKeyAgreement, Identity};
//! use concilium_gka_bd::BurmesterDesmedt;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let alice = Identity::new(MemberId::new("alice")?, &Secret::new([7; 32]));
//! let directory = BTreeMap::from([(alice.member().clone(), *alice.verifying_key())]);
//! let gka = BurmesterDesmedt::new(alice, Arc::new(directory));
//! assert_eq!(gka.suite(), concilium_gka_bd::SUITE);
//! # Ok(())
//! # }
//! ```
//!
//! The contract, [`concilium_gka`], says how operations are driven. Packets, limits, and what a corrupt
//! member can do:
//! [B rules](https://github.com/concilium-rs/concilium/blob/main/docs/spec/burmester-desmedt.md).
//!
//! What to read first: `operation` (a running operation), then `ring` (neighbours and links).

mod agreement;
mod operation;
mod payload;
mod ring;
mod state;
#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use agreement::BurmesterDesmedt;
pub use operation::Operation;
pub use payload::Payload;
pub use state::{Proposal, State};

/// The suite's name, as it stands first in [`AssociatedData::suite`](concilium_gka::AssociatedData::suite).
pub const SUITE: &str = "bd-ristretto255";

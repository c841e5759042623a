//! Burmester and Desmedt's group key agreement, with authenticated confirmation, for concilium.
//!
//! The members stand in a ring (Burmester, Desmedt: "A secure and efficient conference key distribution system", EUROCRYPT
//! '94) on ristretto255 (RFC 9496). Neighbours in the ring share a *link*, by Diffie and Hellman's exchange; each member
//! publishes the difference of its two links, and with these everybody walks around the ring and knows all links.
//!
//! - The initial packet carries its author's point, and a *hello* of everyone else adds its own (B-1, B-2).
//! - When all points are there, everyone sends its difference, and with it the confirmation that it holds its two links
//!   (B-3, B-4).
//! - When all differences are there, everyone computes all links, checks all confirmations with them, and derives the keys
//!   (B-5, B-6).
//!
//! Three round trips for any change and any number of members, and every member takes part in each change. Nothing is
//! carried over from one operation to the next but what it consisted of (B-7).
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
//! How operations are driven is the contract's matter: [`concilium_gka`]. Packets, limits, and what a corrupt member can
//! and cannot do: `docs/spec/burmester-desmedt.md`.
//!
//! What to read first: `operation` (a running operation), then `ring` (who is whose neighbour, and the walk around).

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

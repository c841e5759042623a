//! CLIQUES with authenticated confirmation: concilium's default group key agreement.
//!
//! Group Diffie-Hellman (Steiner, Tsudik, Waidner: "Key agreement in dynamic peer groups", IEEE TPDS 11(8),
//! 2000) on ristretto255 (RFC 9496). Every member has a secret scalar, its *contribution*; *slot* i is the
//! base point times all contributions but member i's; the group's point is any slot times the contribution
//! that it lacks.
//!
//! - A founder, or a member that includes others, sends an *upflow* through the joiners, each of which
//!   multiplies its contribution in; the last one's *downflow* gives everyone's slot (C-1, C-2).
//! - A member that excludes others or refreshes multiplies a fresh factor into its contribution and every
//!   slot except its own, and sends the slots: one packet, and none from any other member (C-3).
//! - From the group's point and a hash of the whole operation, all members derive the same keys, confirm
//!   that, and announce a fresh signing key (C-5 to C-8).
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! use concilium_core::{MemberId, Secret};
//! use concilium_gka::{GroupKeyAgreement, Identity};
//! use concilium_gka_cliques::Cliques;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let alice = Identity::new(MemberId::new("alice")?, &Secret::new([7; 32]));
//! let directory = BTreeMap::from([(alice.member().clone(), *alice.verifying_key())]);
//! let gka = Cliques::new(alice, Arc::new(directory));
//! assert_eq!(gka.suite(), concilium_gka_cliques::SUITE);
//! # Ok(())
//! # }
//! ```
//!
//! The contract, [`concilium_gka`], says how operations are driven. Packets, limits, and what a corrupt
//! member can do: [C rules](https://github.com/concilium-rs/concilium/blob/main/docs/spec/cliques.md).
//!
//! What to read first: `operation` (a running operation), then `agreement` (proposing). The arithmetic and
//! the key schedule are in [`concilium_gka_dh`].

mod agreement;
mod course;
mod operation;
mod payload;
mod state;
#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use agreement::Cliques;
pub use operation::Operation;
pub use payload::Payload;
pub use state::{Proposal, State};

/// The suite's name, as it stands first in [`AssociatedData::suite`](concilium_gka::AssociatedData::suite).
pub const SUITE: &str = "cliques-ristretto255";

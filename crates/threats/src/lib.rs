//! What each attacker gets from real sessions: the table of promises (S-1), measured.
//!
//! One [course of events](course) is run with real keys for each pair of a key agreement and a cipher. At every moment of it
//! copies of the whole group are attacked by each [attacker], with its secrets and no others, and everybody tries
//! the same: to read, to speak, and to join, as the member whose secrets leaked and as others. What succeeded, as
//! honest members and opened packets show it, are the [facts]; the [table] is made of nothing else.
//!
//! An attack that fails must not fail because it is badly made: where it has what it takes, each is seen to succeed, in the
//! table itself or in the tests of this crate.
//!
//! Attackers are not bound to our code: what a snapshot holds is taken apart and used by hand as well, with an opener and a sealer
//! of their own, written after the specification. They are bound to what somebody has thought of, as all tests are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "checks fail by panicking"
)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod attacker;
mod cipher;
#[cfg(test)]
mod controls;
pub mod course;
pub mod facts;
mod join;
mod listen;
mod loot;
mod speak;
mod stage;
pub mod table;

//! What each attacker gets from real sessions: the table of promises (S-1), measured.
//!
//! One [course of events](course) is run with real keys for each pair of a key agreement and a cipher. At
//! every moment each [attacker] attacks copies of the whole group, with its secrets and no others. Each tries
//! the same: to read, to speak, and to join, as the member whose secrets leaked and as others. The [facts]
//! are what succeeded, as honest members and opened packets show it. The [table] is made only of these.
//!
//! An attack must not fail only because it is badly made. So each is seen to succeed where it has the secrets
//! that it takes, in the table itself or in the tests of this crate.
//!
//! Attackers are not bound to our code. They also take snapshots apart and use the parts by hand, with an
//! opener and a sealer of their own, written after the specification. They are bound to what their authors
//! have thought of, as all tests are.
//!
//! Ids such as S-1 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/promises.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

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

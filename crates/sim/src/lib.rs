//! The deterministic simulator: production sessions under a seed that decides on the faults, and checkers
//! outside of the sessions.
//!
//! A run is a function of its [`Plan`], and a plan one of the seed and the caller's [`Wishes`]. First comes a
//! safety phase of random commands, channel events and faults; then a liveness phase, in which all faults
//! stop and all members that want in must end up in one working session (T-16, A-44).
//!
//! ```
//! use concilium_sim::{Cipher, Gka, Plan, Suite, Wishes, simulation};
//!
//! let suite = Suite::named(Gka::Plain, Cipher::Plain);
//! let wishes = Wishes { faults: "none".parse()?, steps: 10, ..Wishes::default() };
//! let outcome = simulation::run(&Plan::new(1, &wishes), &suite, false);
//! assert!(outcome.is_good(), "{:?}", outcome.violations);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Ids such as K-5 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/README.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "nothing in here is for production, and a panic is caught and told with the seed that leads to it"
)]

mod acts;
pub mod attack;
pub mod campaign;
mod checks;
mod clock;
mod dice;
mod fault;
mod insider;
mod lie;
mod link;
mod panics;
pub mod plan;
pub mod report;
pub mod scale;
mod secrecy;
pub mod shrink;
pub mod simulation;
mod suite;
mod trace;
mod world;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use checks::Violation;
pub use concilium_test_parts::{Cipher, Gka};
pub use fault::{Fault, Faults, Reach, UnknownFault};
pub use lie::Lie;
pub use plan::{Plan, Rules, UnknownRules, Wishes};
pub use simulation::Outcome;
pub use suite::Suite;
pub use world::Work;

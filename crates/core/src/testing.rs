//! What tests begin with: a [random source](rng) whose bytes follow from a seed and one that is broken,
//! members' [names](name), and a measure of [memory]. With the feature `testing` alone, and never for
//! production: the seeds are known.
//!
//! ```
//! use concilium_core::testing::{name, rng};
//! use concilium_core::{Context, Time};
//!
//! let mut random = rng::seeded(1);
//! let nonce: [u8; 32] = Context::new(Time::ZERO, &mut random).random().expect("a seeded source works");
//! assert_ne!(nonce, [0; 32]);
//! assert_eq!(name(7).to_string(), "m007");
//! ```

pub mod memory;
mod names;
pub mod rng;

pub use names::{name, names};
pub use rng::SeededRng;

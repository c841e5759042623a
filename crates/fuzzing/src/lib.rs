//! The bodies of the fuzz targets: each takes any bytes at all and panics where a promise is broken.
//!
//! The targets of `fuzz/` are one line each and call these. `cargo test` runs them too, without a fuzzer: over every
//! saved input, and over inputs from a seeded random source (`tests/replay.rs`). Inputs are choices more than
//! data: what an honest member, an insider or the server does next. The real keys and ciphers are used, and never
//! got past by guessing: where a body wants to be an insider, it signs as one.
//!
//! To add a target: a file here with a function of its name and a few seeds, its line in [`TARGETS`], a file of one
//! line in `fuzz/fuzz_targets`, and its name in `fuzz/Cargo.toml`; then `cargo run -p concilium-fuzzing --example seeds`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "checks fail by panicking"
)]

mod core;
mod encryptor;
mod gka;
mod input;
mod server_order;
mod session;
mod transcript;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use self::core::core;
pub use encryptor::encryptor;
pub use gka::{gka, gka_bd, gka_mls};
pub use server_order::server_order;
pub use session::session;
pub use transcript::transcript;

use rand_core::Rng as _;

use concilium_testkit::rng;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its files.
    pub name: &'static str,
    /// What it does with an input.
    pub body: fn(&[u8]),
    seeds: fn() -> Vec<Seed>,
}

/// An input to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// What it is about, as a file name.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

impl Seed {
    fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// All targets.
pub const TARGETS: [Target; 8] = [
    Target::new("core", core, core::seeds),
    Target::new("encryptor", encryptor, encryptor::seeds),
    Target::new("gka", gka, gka::seeds),
    Target::new("gka_bd", gka_bd, gka::seeds_bd),
    Target::new("gka_mls", gka_mls, gka::seeds_mls),
    Target::new("server_order", server_order, server_order::seeds),
    Target::new("session", session, session::seeds),
    Target::new("transcript", transcript, transcript::seeds),
];

/// How many of a target's seeds are of random choices.
const RANDOM_SEEDS: u64 = 4;

impl Target {
    const fn new(name: &'static str, body: fn(&[u8]), seeds: fn() -> Vec<Seed>) -> Self {
        Self { name, body, seeds }
    }

    /// What the fuzzer starts from, and what `fuzz/corpus-seeds` holds besides inputs that once failed.
    #[must_use]
    pub fn seeds(&self) -> Vec<Seed> {
        let random = (0..RANDOM_SEEDS).map(|n| Seed::new(format!("random-{n}"), random_input(n, 256)));
        (self.seeds)().into_iter().chain(random).collect()
    }
}

/// The n-th input of the seeded random source, shorter than `max` bytes. Half of them are of small numbers only, as
/// choices are.
#[must_use]
pub fn random_input(n: u64, max: usize) -> Vec<u8> {
    let mut rng = rng::seeded(n);
    let len = usize::try_from(rng.next_u64()).unwrap_or(0) % max;
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    if n % 2 == 1 {
        bytes.iter_mut().for_each(|byte| *byte %= 32);
    }
    bytes
}

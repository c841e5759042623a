//! The bodies of the fuzz targets: each takes any bytes at all and panics where a promise is broken.
//!
//! The targets of `fuzz/` are one line each and call these. `cargo test` runs them too, without a fuzzer:
//! over every saved input, and over inputs from a seeded random source (`tests/replay.rs`). Inputs are
//! choices more than data: what an honest member, an insider or the server does next. The real keys and
//! ciphers are used, and never got past by guessing: where a body wants to be an insider, it signs as one.
//!
//! To add a target: a file here with a function of its name and a few seeds, its lines in [`TARGETS`] and
//! [`COVERAGE`], a file of one line in `fuzz/fuzz_targets`, and its name in `fuzz/Cargo.toml`; then
//! `cargo run -p concilium-fuzzing --example seeds`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "checks fail by panicking"
)]

mod agreement;
mod core;
mod coverage;
mod encryptor;
mod gka;
mod gka_dh;
mod input;
mod liveness;
mod relay_hub;
mod relay_model;
mod relay_protocol;
mod scenario;
mod server_order;
mod session;
mod session_restore;
mod transcript;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use self::core::core;
pub use agreement::{gka_bd, gka_cliques, gka_mls};
pub use coverage::{COVERAGE, Coverage};
pub use encryptor::encryptor;
pub use gka::gka;
pub use gka_dh::gka_dh;
pub use liveness::liveness;
pub use relay_hub::relay_hub;
pub use relay_protocol::relay_protocol;
pub use scenario::scenario;
pub use server_order::server_order;
pub use session::session;
pub use session_restore::session_restore;
pub use transcript::transcript;

use rand_core::Rng as _;

use concilium_core::testing::rng;

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
pub const TARGETS: [Target; 15] = [
    Target::new("core", core, core::seeds),
    Target::new("encryptor", encryptor, encryptor::seeds),
    Target::new("gka", gka, gka::seeds),
    Target::new("gka_bd", gka_bd, agreement::seeds_bd),
    Target::new("gka_cliques", gka_cliques, agreement::seeds_cliques),
    Target::new("gka_dh", gka_dh, gka_dh::seeds),
    Target::new("gka_mls", gka_mls, agreement::seeds_mls),
    Target::new("liveness", liveness, liveness::seeds),
    Target::new("relay_hub", relay_hub, relay_hub::seeds),
    Target::new("relay_protocol", relay_protocol, relay_protocol::seeds),
    Target::new("scenario", scenario, scenario::seeds),
    Target::new("server_order", server_order, server_order::seeds),
    Target::new("session", session, session::seeds),
    Target::new("session_restore", session_restore, session_restore::seeds),
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

/// The n-th input of the seeded random source, shorter than `max` bytes. Half of them are of small numbers
/// only, as choices are.
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

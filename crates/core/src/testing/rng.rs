//! Randomness that can be replayed, and randomness that fails.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::{RandomSource, RandomnessError};

/// A random source whose every byte follows from its seed; of one kind, so that a test can name it.
pub type SeededRng = ChaCha20Rng;

/// A random source whose every byte follows from the seed.
#[must_use]
pub fn seeded(seed: u64) -> SeededRng {
    SeededRng::seed_from_u64(seed)
}

/// A random source that is broken in one of the ways that A-04 names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Every byte is zero.
    Zeros,
    /// Every call gives the same bytes.
    Constant,
    /// Every call fails.
    Error,
}

impl Broken {
    /// All ways to be broken.
    pub const ALL: [Self; 3] = [Self::Zeros, Self::Constant, Self::Error];
}

impl RandomSource for Broken {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        match self {
            Self::Zeros => bytes.fill(0),
            Self::Constant => {
                for (byte, value) in bytes.iter_mut().zip((0..=250_u8).cycle()) {
                    *byte = value;
                }
            }
            Self::Error => return Err(RandomnessError),
        }
        Ok(())
    }
}

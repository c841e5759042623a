//! A random source that follows from a seed, and remembers what it gave.

use concilium_core::{RandomSource, RandomnessError};
use curve25519_dalek::Scalar;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Every byte follows from the seed.
pub(crate) struct Source {
    rng: ChaCha20Rng,
    drawn: Vec<Vec<u8>>,
}

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha20Rng::seed_from_u64(seed),
            drawn: Vec::new(),
        }
    }

    /// A number below the bound, for the script rather than for a member.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let number = usize::try_from(self.rng.next_u32()).expect("32 bits fit");
        number.checked_rem(bound).unwrap_or(0)
    }

    /// The contributions drawn since the last time: scalars from 64 bytes, reduced (C-1, B-1).
    pub(crate) fn take_contributions(&mut self) -> Vec<[u8; 32]> {
        let drawn = std::mem::take(&mut self.drawn);
        let wide = drawn
            .into_iter()
            .filter_map(|bytes| <[u8; 64]>::try_from(bytes).ok());
        wide.map(|bytes| Scalar::from_bytes_mod_order_wide(&bytes).to_bytes())
            .collect()
    }
}

impl RandomSource for Source {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        self.rng.fill_bytes(bytes);
        self.drawn.push(bytes.to_vec());
        Ok(())
    }
}

//! Choices that follow from a seed.

use concilium_core::FramedHash;
use concilium_core::testing::rng::seeded;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

/// A source of choices. Each purpose has its own, so that more choices for one do not change the others.
pub(crate) struct Dice(ChaCha20Rng);

impl Dice {
    /// The choices that this seed gives for this purpose.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        Self(source(seed, purpose))
    }

    /// A number below `end`; zero if there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0.next_u64() % end }
    }

    /// A number from `first` to `last`.
    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// An index into something of this length.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True in this many cases of a hundred.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// As many bytes as an id has.
    pub(crate) fn chunk(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

/// A random source for one purpose.
pub(crate) fn source(seed: u64, purpose: &str) -> ChaCha20Rng {
    let mut bytes = [0; 8];
    FramedHash::new("concilium-sim 2026 seeds")
        .field(purpose.as_bytes())
        .number(seed)
        .finish_into(&mut bytes);
    seeded(u64::from_le_bytes(bytes))
}

//! What the caller brings into every call: the time, and randomness.

use std::fmt;
use std::time::Duration;

use rand_core::TryCryptoRng;
use zeroize::Zeroize;

use crate::{Secret, Time};

/// The random source failed, or gave bytes that no working one gives. Nothing was sent; try again with a
/// source that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[error("the random source failed; give the session a working cryptographic random generator")]
pub struct RandomnessError;

/// A cryptographic random source. Every [`TryCryptoRng`] is one.
pub trait RandomSource {
    /// Fills `bytes` with random bytes.
    ///
    /// # Errors
    /// The source has failed; `bytes` may hold anything.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomnessError>;
}

impl<R: TryCryptoRng> RandomSource for R {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
        self.try_fill_bytes(bytes).map_err(|_| RandomnessError)
    }
}

/// The time of a call and its random source. Made afresh for each call and never stored.
pub struct Context<'a> {
    now: Time,
    random: &'a mut dyn RandomSource,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl<'a> Context<'a> {
    /// A context for calls made at `now`.
    pub fn new(now: Time, random: &'a mut dyn RandomSource) -> Self {
        // a clock at the end of time would make everything due that is never to be.
        let now = now.min(Time::from_millis(Time::NEVER.as_millis() - 1));
        Self { now, random }
    }

    /// The time of this call.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The same random source at another time: for callees with a clock of their own.
    #[must_use]
    pub fn at(&mut self, now: Time) -> Context<'_> {
        Context::new(now, self.random)
    }

    /// `N` public random bytes: nonces, salts. `N` must be at least 8, or a working source would be taken for
    /// a broken one too often.
    ///
    /// # Errors
    /// The source fails, repeats itself or gives one byte over and over.
    pub fn random<const N: usize>(&mut self) -> Result<[u8; N], RandomnessError> {
        const {
            assert!(
                N >= 8,
                "too short to tell a working random source from a stuck one"
            )
        };
        let (mut bytes, mut witness) = ([0; N], [0; 8]);
        self.random.fill(&mut bytes)?;
        self.random.fill(&mut witness)?;
        // a source that is stuck on one byte, or starts again at each call, is refused. A working one
        // is refused here with probability below 2^-55.
        let (first, rest) = bytes.split_at(8);
        let stuck = bytes.iter().all(|byte| Some(byte) == bytes.first());
        let repeats = first == witness || (rest.len() >= 8 && rest.starts_with(first));
        witness.zeroize();
        if stuck || repeats {
            bytes.zeroize();
            return Err(RandomnessError);
        }
        Ok(bytes)
    }

    /// `N` secret random bytes: keys, contributions.
    ///
    /// # Errors
    /// As [`Context::random`].
    pub fn secret<const N: usize>(&mut self) -> Result<Secret<N>, RandomnessError> {
        let mut bytes = self.random::<N>()?;
        let secret = Secret::new(bytes);
        bytes.zeroize();
        Ok(secret)
    }

    /// A duration between `low` and `high`, both included, for timers that must not all fire at once. Not for
    /// cryptography: a failing source yields `high`.
    pub fn jitter(&mut self, low: Duration, high: Duration) -> Duration {
        let span = u64::try_from(high.saturating_sub(low).as_millis()).unwrap_or(u64::MAX);
        match self.random::<8>() {
            Ok(bytes) => {
                low + Duration::from_millis(u64::from_le_bytes(bytes) % span.saturating_add(1).max(1))
            }
            Err(RandomnessError) => high,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what the closure says for the n-th byte of the k-th call.
    struct Source<F>(u64, F);

    impl<F: Fn(u64, usize) -> Option<u8>> RandomSource for Source<F> {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
            self.0 += 1;
            for (i, byte) in bytes.iter_mut().enumerate() {
                *byte = (self.1)(self.0, i).ok_or(RandomnessError)?;
            }
            Ok(())
        }
    }

    fn draw(source: impl Fn(u64, usize) -> Option<u8>) -> Result<[u8; 32], RandomnessError> {
        Context::new(Time::ZERO, &mut Source(0, source)).random()
    }

    /// Code that waits for nothing compares with the end of time, which must never be now.
    #[test]
    fn a42_no_clock_shows_the_end_of_time() {
        let mut source = Source(0, |_, _| Some(7));
        assert!(Context::new(Time::NEVER, &mut source).now() < Time::NEVER);
        assert_eq!(Context::new(Time::ZERO, &mut source).now(), Time::ZERO);
    }

    #[test]
    fn a04_broken_sources_are_noticed() {
        assert_eq!(draw(|_, _| None), Err(RandomnessError));
        assert_eq!(draw(|_, _| Some(0)), Err(RandomnessError));
        assert_eq!(draw(|_, _| Some(0x5a)), Err(RandomnessError));
        assert_eq!(
            draw(|_, i| Some(i as u8)),
            Err(RandomnessError),
            "the same bytes at each call"
        );
        assert_eq!(
            draw(|_, i| Some(i as u8 % 8)),
            Err(RandomnessError),
            "a short period"
        );
        assert!(draw(|call, i| Some((call as u8).wrapping_mul(31) ^ (i as u8).wrapping_mul(7))).is_ok());
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        let (low, high) = (Duration::from_millis(10), Duration::from_millis(13));
        let mut source = Source(0, |call, i| {
            Some((call as u8).wrapping_mul(151) ^ (i as u8).wrapping_mul(29))
        });
        let mut cx = Context::new(Time::ZERO, &mut source);
        for _ in 0..200 {
            assert!((low..=high).contains(&cx.jitter(low, high)));
        }
        assert_eq!(cx.jitter(high, low), high, "an empty range is its lower bound");
        assert_eq!(
            Context::new(Time::ZERO, &mut Source(0, |_, _| None)).jitter(low, high),
            high
        );
    }
}

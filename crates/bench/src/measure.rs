//! Measuring things in turn.

use std::time::{Duration, Instant};

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds in which everything has its turn.
    pub rounds: u32,
    /// How long one turn should take at least.
    pub turn: Duration,
}

impl Effort {
    /// For figures to be quoted.
    pub const FULL: Self = Self {
        rounds: 25,
        turn: Duration::from_millis(4),
    };
    /// To see that it works.
    pub const QUICK: Self = Self {
        rounds: 3,
        turn: Duration::from_micros(500),
    };
}

/// How long each of these takes, once: they take turns, round after round, so that other load of the machine
/// falls on all alike. The least of the rounds.
pub fn in_turn<const N: usize>(effort: Effort, mut works: [&mut dyn FnMut(); N]) -> [Duration; N] {
    let times = works.each_mut().map(|work| {
        let once = once(*work, 1).max(Duration::from_nanos(1));
        u32::try_from(effort.turn.as_nanos() / once.as_nanos())
            .unwrap_or(u32::MAX)
            .max(1)
    });
    let mut rounds: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..effort.rounds {
        for ((work, times), rounds) in works.iter_mut().zip(times).zip(&mut rounds) {
            rounds.push(once(*work, times));
        }
    }
    rounds.map(least)
}

/// How long some work takes.
#[expect(clippy::disallowed_methods, reason = "measuring is what this crate is for")]
pub fn elapsed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// A clock that has just been set to zero.
#[expect(clippy::disallowed_methods, reason = "measuring is what this crate is for")]
pub fn stopwatch() -> impl Fn() -> Duration {
    let start = Instant::now();
    move || start.elapsed()
}

fn once(work: &mut dyn FnMut(), times: u32) -> Duration {
    elapsed(|| {
        for _ in 0..times {
            work();
        }
    }) / times
}

/// The least of some times: other load of the machine only adds.
pub fn least(times: impl IntoIterator<Item = Duration>) -> Duration {
    times.into_iter().min().unwrap_or_default()
}

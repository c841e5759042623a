//! The session's own time: the caller's clock, put forward only.

use std::time::Duration;

use concilium_core::{Context, Time};
use serde::{Deserialize, Serialize};

/// The furthest that one look at the caller's clock moves ours. It is longer than every wait of a session,
/// and so short that no clock brings ours to the end of time.
const LONGEST_STEP: Duration = Duration::from_hours(24 * 366);

/// Goes as the caller's clock goes, and stands still while that one runs back. Otherwise every wait
/// would become longer by as much as the clock was put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clock {
    /// Ours.
    now: Time,
    /// What the caller's showed last.
    shown: Time,
}

impl Clock {
    /// The session's time, as of the last look at the caller's clock. All waits of a session use it.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Looks at the caller's clock. What follows is done with the context returned, which has our time.
    pub(crate) fn read<'a>(&mut self, cx: &'a mut Context<'_>) -> Context<'a> {
        let shown = cx.now();
        self.now = self.now.after(shown.since(self.shown).min(LONGEST_STEP));
        self.shown = shown;
        cx.at(self.now)
    }

    /// What the caller's clock will show then; never, if it is near its end.
    pub(crate) fn shows(&self, at: Time) -> Time {
        if at == Time::NEVER {
            return at;
        }
        self.shown.after(at.since(self.now))
    }
}

#[cfg(test)]
mod tests {
    use concilium_core::{RandomSource, RandomnessError};

    use super::*;

    struct Nothing;

    impl RandomSource for Nothing {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), RandomnessError> {
            Err(RandomnessError)
        }
    }

    fn read(clock: &mut Clock, millis: u64) -> u64 {
        let mut nothing = Nothing;
        let now = clock
            .read(&mut Context::new(Time::from_millis(millis), &mut nothing))
            .now();
        assert_eq!(now, clock.now());
        now.as_millis()
    }

    #[test]
    fn a42_a_clock_put_back_makes_nothing_wait_longer() {
        let mut clock = Clock::default();
        assert_eq!(read(&mut clock, 5_000), 5_000);
        let due = Time::from_millis(5_300);
        assert_eq!(read(&mut clock, 5_100), 5_100);
        assert_eq!(clock.shows(due), due);
        assert_eq!(read(&mut clock, 100), 5_100, "it ran back");
        assert_eq!(clock.shows(due), Time::from_millis(300));
        assert_eq!(read(&mut clock, 300), 5_300);
        assert_eq!(clock.shows(Time::NEVER), Time::NEVER);
    }

    #[test]
    fn a42_no_clock_brings_ours_to_the_end_of_time() {
        let mut clock = Clock::default();
        read(&mut clock, 1);
        for _ in 0..1_000 {
            read(&mut clock, u64::MAX);
            read(&mut clock, 0);
        }
        let now = clock.now();
        assert!(now.after(LONGEST_STEP * 1_000_000) < Time::NEVER);
        assert_eq!(
            clock.shows(now.after(Duration::from_millis(7))),
            Time::from_millis(7)
        );
    }
}

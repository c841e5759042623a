//! A member's clock, as wrong as the plan wants it.

use std::time::Duration;

use concilium_core::Time;

/// A clock that was set at some moment and runs at its own rate since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The true moment from which on it has run as it does now.
    since: Time,
    /// What it showed then.
    shown: Time,
    /// Its milliseconds in a thousand true ones.
    rate: u64,
}

impl Clock {
    /// A clock that is right.
    pub(crate) fn right(now: Time) -> Self {
        Self {
            since: now,
            shown: now,
            rate: 1000,
        }
    }

    /// What it shows.
    pub(crate) fn shows(&self, now: Time) -> Time {
        let passed = now.since(self.since).as_millis() as u64;
        let passed = u128::from(passed) * u128::from(self.rate) / 1000;
        self.shown
            .after(Duration::from_millis(u64::try_from(passed).unwrap_or(u64::MAX)))
    }

    /// The first true moment at which it shows `local` or more; never if it is too far away.
    pub(crate) fn when_it_shows(&self, local: Time) -> Time {
        if local == Time::NEVER {
            return Time::NEVER;
        }
        let left = local.since(self.shown).as_millis();
        let passed = (left * 1000).div_ceil(u128::from(self.rate.max(1)));
        self.since
            .after(Duration::from_millis(u64::try_from(passed).unwrap_or(u64::MAX)))
    }

    /// It jumps by this many milliseconds, forward or back.
    pub(crate) fn jump(&mut self, now: Time, millis: i64) {
        let shown = self.shows(now).as_millis();
        self.shown = Time::from_millis(shown.saturating_add_signed(millis).min(u64::MAX / 4));
        self.since = now;
    }

    /// It runs at another rate, in milliseconds per thousand true ones.
    pub(crate) fn run_at(&mut self, now: Time, rate: u64) {
        self.shown = self.shows(now);
        self.since = now;
        self.rate = rate.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a42_a_clock_shows_what_is_due_when_it_is_said_to() {
        let at = Time::from_millis;
        let mut clock = Clock::right(at(1_000_000));
        assert_eq!(clock.shows(at(1_000_500)), at(1_000_500));
        for rate in [1, 333, 999, 1000, 1001, 3000] {
            clock.run_at(at(1_001_000), rate);
            for wait in [0, 1, 2, 500, 12_345] {
                let due = at(clock.shown.as_millis() + wait);
                let moment = clock.when_it_shows(due);
                assert!(clock.shows(moment) >= due, "{rate} {wait}");
                let before = at(moment.as_millis().saturating_sub(1));
                assert!(before < clock.since || wait == 0 || clock.shows(before) < due);
            }
        }
        clock.jump(at(1_002_000), -5_000_000_000);
        assert!(clock.shows(at(1_002_000)) < at(1_002_000));
    }
}

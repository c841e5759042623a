//! Time as a number that the caller brings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since an epoch that the caller chose. It only ever serves to compare and to wait;
/// clocks that jump or run back change when things happen, never what is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Time(u64);

impl Time {
    /// The epoch.
    pub const ZERO: Self = Self(0);
    /// Later than every other moment.
    pub const NEVER: Self = Self(u64::MAX);

    /// So many milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This moment plus a duration, rounded down to milliseconds; what would overflow is [`Time::NEVER`],
    /// and never plus anything is never.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// How long it is since `earlier`: zero if `earlier` is the later one, as after a clock that ran back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a42_no_arithmetic_overflows_or_goes_negative() {
        let t = Time::from_millis(5);
        assert_eq!(t.after(Duration::from_millis(3)), Time::from_millis(8));
        assert_eq!(t.after(Duration::MAX), Time::NEVER);
        assert_eq!(Time::NEVER.after(Duration::from_secs(1)), Time::NEVER);
        assert_eq!(t.since(Time::from_millis(9)), Duration::ZERO);
        assert_eq!(Time::from_millis(9).since(t), Duration::from_millis(4));
    }
}

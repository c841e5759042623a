//! Time as a number that the caller brings.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since an epoch that the caller chose. It serves only to compare and to wait. Clocks
/// that jump or run back change when things happen, never what is valid.
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

    /// How long to wait for this moment from `now` on: nothing if it has passed, `None` if it never comes.
    #[must_use]
    pub fn wait_from(self, now: Self) -> Option<Duration> {
        (self != Self::NEVER).then(|| self.since(now))
    }

    /// This moment on the wall clock, where the epoch is that of Unix, as after [`Time::from`] a
    /// [`SystemTime`]. `None` for [`Time::NEVER`] and beyond what the system can name.
    #[must_use]
    pub fn to_system_time(self) -> Option<SystemTime> {
        let since_epoch = (self != Self::NEVER).then(|| Duration::from_millis(self.0))?;
        UNIX_EPOCH.checked_add(since_epoch)
    }

    /// How long it is since `earlier`: zero if `earlier` is the later one, as after a clock that ran back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Milliseconds since the Unix epoch. A wall clock that shows a time before 1970 counts as showing 1970:
/// times only ever serve to compare and to wait.
impl From<SystemTime> for Time {
    fn from(wall: SystemTime) -> Self {
        Self::ZERO.after(wall.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// A moment as the time since the epoch, rounded down to milliseconds: of a monotonic clock, what has elapsed
/// since it was started.
impl From<Duration> for Time {
    fn from(since_epoch: Duration) -> Self {
        Self::ZERO.after(since_epoch)
    }
}

/// The time since the epoch.
impl From<Time> for Duration {
    fn from(time: Time) -> Self {
        time.since(Time::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_std_become_moments_and_come_back() {
        let wall = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let time = Time::from(wall);
        assert_eq!(time.as_millis(), 1_700_000_000_123);
        assert_eq!(time.to_system_time(), Some(wall));
        assert_eq!(Time::from(UNIX_EPOCH - Duration::from_secs(1)), Time::ZERO);
        assert_eq!(Time::NEVER.to_system_time(), None);
        let elapsed = Duration::from_micros(7_999);
        assert_eq!(Duration::from(Time::from(elapsed)), Duration::from_millis(7));
        assert_eq!(Time::from(Duration::MAX), Time::NEVER);
    }

    #[test]
    fn a_wait_is_what_is_left_of_it() {
        let at = Time::from_millis;
        assert_eq!(at(9).wait_from(at(4)), Some(Duration::from_millis(5)));
        assert_eq!(at(4).wait_from(at(9)), Some(Duration::ZERO));
        assert_eq!(Time::NEVER.wait_from(at(9)), None);
    }

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

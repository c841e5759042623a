//! The only place that reads the clock and the operating system's randomness: everything below takes both as
//! arguments.

use std::time::{Duration, Instant, SystemTime};

use concilium::{Context, Time};
use getrandom::SysRng;

/// Time since the Unix epoch that never runs back: the wall clock once, and from then on the monotonic one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    epoch: Time,
}

impl Clock {
    /// A clock set by the wall clock.
    #[expect(clippy::disallowed_methods, reason = "this is where a driver reads the clock")]
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            epoch: SystemTime::now().into(),
        }
    }

    /// Now.
    pub(crate) fn now(&self) -> Time {
        self.epoch.after(self.started.elapsed())
    }

    /// How long until `time`, rounded up to a millisecond; none if it never comes.
    pub(crate) fn until(&self, time: Time) -> Option<Duration> {
        time.wait_from(self.now())
    }

    /// Calls `f` with a context of now and the operating system's random source.
    pub(crate) fn with_context<T>(&self, f: impl FnOnce(&mut Context<'_>) -> T) -> T {
        f(&mut Context::new(self.now(), &mut SysRng))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a42_time_does_not_run_back_and_never_is_not_waited_for() {
        let clock = Clock::start();
        let then = clock.now();
        assert!(clock.now() >= then);
        assert_eq!(clock.until(Time::NEVER), None);
        assert_eq!(clock.until(Time::ZERO), Some(Duration::ZERO));
    }
}

//! How fast one connection may send.

use std::time::Duration;

use tokio::time::Instant;

/// A rate with a burst: a token bucket that holds `burst` and gains `per_second` each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// Units that may pass per second in the long run.
    pub per_second: u32,
    /// Units that may pass at once after a pause.
    pub burst: u32,
}

impl Rate {
    /// The units per second, and the most at once.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// One bucket. It may go below zero: messages that were read already must pass, and the debt is waited off.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    tokens: f64,
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            tokens: f64::from(rate.burst),
        }
    }

    fn gain(&mut self, elapsed: Duration) {
        let gained = elapsed.as_secs_f64() * f64::from(self.rate.per_second);
        self.tokens = (self.tokens + gained).min(f64::from(self.rate.burst));
    }

    /// Takes `units` and says how long to wait until the bucket is out of debt.
    fn spend(&mut self, units: f64) -> Duration {
        self.tokens -= units;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        let seconds = -self.tokens / f64::from(self.rate.per_second.max(1));
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// What to do about a message that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Act upon it.
    Pass,
    /// Read nothing more for this long, then act upon it. The sender feels it as back-pressure.
    Wait(Duration),
    /// The sender has been held back without a pause for too long.
    Cut,
}

/// Measures what one connection sends, in messages and in bytes.
#[derive(Debug)]
pub(crate) struct Meter {
    messages: Bucket,
    bytes: Bucket,
    patience: Duration,
    last: Instant,
    /// Since when every message has had to wait.
    held_since: Option<Instant>,
}

impl Meter {
    pub(crate) fn new(messages: Rate, bytes: Rate, patience: Duration, now: Instant) -> Self {
        Self {
            messages: Bucket::new(messages),
            bytes: Bucket::new(bytes),
            patience,
            last: now,
            held_since: None,
        }
    }

    /// Counts one message of this many bytes.
    pub(crate) fn count(&mut self, bytes: usize, now: Instant) -> Verdict {
        let elapsed = now.saturating_duration_since(self.last);
        self.last = now;
        self.messages.gain(elapsed);
        self.bytes.gain(elapsed);
        // A message is far below 2^32 bytes; were it longer, the sender would be cut all the same.
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        let wait = self.messages.spend(1.0).max(self.bytes.spend(bytes));
        if wait.is_zero() {
            self.held_since = None;
            return Verdict::Pass;
        }
        let since = *self.held_since.get_or_insert(now);
        if now.saturating_duration_since(since).saturating_add(wait) > self.patience {
            Verdict::Cut
        } else {
            Verdict::Wait(wait)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: Rate = Rate::new(1_000_000, 1_000_000);

    fn meter(messages: Rate, bytes: Rate, now: Instant) -> Meter {
        Meter::new(messages, bytes, Duration::from_secs(3), now)
    }

    #[tokio::test(start_paused = true)]
    async fn a39_a_burst_passes_then_the_sender_waits_then_is_cut() {
        let mut now = Instant::now();
        let mut meter = meter(Rate::new(10, 5), PLENTY, now);
        for _ in 0..5 {
            assert_eq!(meter.count(1, now), Verdict::Pass);
        }
        let mut waited = Duration::ZERO;
        loop {
            match meter.count(1, now) {
                Verdict::Pass => unreachable!("nothing was saved up"),
                Verdict::Wait(wait) => {
                    assert!(wait.abs_diff(Duration::from_millis(100)) < Duration::from_millis(1));
                    now += wait;
                    waited += wait;
                }
                Verdict::Cut => break,
            }
            assert!(waited <= Duration::from_secs(3), "patience ends");
        }
        assert!(waited > Duration::from_millis(2800), "but not early: {waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_restores_the_burst_and_the_patience() {
        let mut now = Instant::now();
        let mut meter = meter(PLENTY, Rate::new(100, 50), now);
        for _ in 0..100 {
            assert_eq!(meter.count(50, now), Verdict::Pass);
            assert!(matches!(meter.count(50, now), Verdict::Wait(_)));
            now += Duration::from_secs(2);
        }
        assert_eq!(
            meter.count(1_000_000, now),
            Verdict::Cut,
            "a wait beyond patience"
        );
    }
}

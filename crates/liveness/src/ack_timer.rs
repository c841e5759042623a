//! When we owe the others an explicit acknowledgement.

use concilium_core::Time;
use serde::{Deserialize, Serialize};

/// One pending acknowledgement for all that has come in (L-2): it is due a while after the first message that
/// asks for it, and any message of ours makes it unnecessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckTimer(Time);

impl Default for AckTimer {
    fn default() -> Self {
        Self(Time::NEVER)
    }
}

impl AckTimer {
    /// A message came in that asks to be acknowledged, by `due` at the latest. An earlier due time stands.
    pub fn owe(&mut self, due: Time) {
        self.0 = self.0.min(due);
    }

    /// We have sent something that acknowledges all we have seen.
    pub fn sent(&mut self) {
        self.0 = Time::NEVER;
    }

    /// When the acknowledgement is due; never if none is owed.
    #[must_use]
    pub fn due(&self) -> Time {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l02_one_ack_covers_everything_seen_since_the_last() {
        let mut timer = AckTimer::default();
        assert_eq!(timer.due(), Time::NEVER);
        timer.owe(Time::from_millis(20));
        timer.owe(Time::from_millis(30));
        assert_eq!(timer.due(), Time::from_millis(20));
        timer.owe(Time::from_millis(10));
        assert_eq!(timer.due(), Time::from_millis(10));
        timer.sent();
        assert_eq!(timer.due(), Time::NEVER);
    }
}

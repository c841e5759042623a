//! Which messages should be seen by everyone by when.

use std::time::Duration;

use concilium_core::{MessageId, Time};
use serde::{Deserialize, Serialize};

use crate::deadlines::Deadlines;

/// Deadlines of the messages that are not fully acknowledged yet (L-1). It does not know which member
/// acknowledges what: the owner of the transcript says when a message is settled.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AckMonitor(Deadlines);

impl AckMonitor {
    /// Expects the message to be fully acknowledged before `deadline`. A second call for the same message
    /// changes nothing.
    pub fn expect(&mut self, message: MessageId, deadline: Time) {
        if self.0.get(&message).is_none() {
            self.0.set(message, deadline);
        }
    }

    /// The message is fully acknowledged, or no longer of interest.
    pub fn settle(&mut self, message: &MessageId) {
        self.0.remove(message);
    }

    /// The messages whose deadline has passed, the longest overdue first.
    pub fn overdue(&self, now: Time) -> impl Iterator<Item = MessageId> + '_ {
        self.0.due(now)
    }

    /// Whether a message's deadline passed at least this long ago.
    #[must_use]
    pub fn is_overdue_for(&self, message: &MessageId, wait: Duration, now: Time) -> bool {
        self.0
            .get(message)
            .is_some_and(|deadline| deadline.after(wait) <= now)
    }

    /// The first deadline of all, passed or not; never if nothing is expected.
    #[must_use]
    pub fn first_deadline(&self) -> Time {
        self.0.first()
    }

    /// The first deadline after `now`, or never: those that have passed call for no further look.
    #[must_use]
    pub fn next_timeout(&self, now: Time) -> Time {
        self.0.first_after(now)
    }

    /// Whether nothing is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> MessageId {
        MessageId::from_bytes([n; 32])
    }

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn l01_late_messages_are_named_until_they_settle() {
        let mut monitor = AckMonitor::default();
        monitor.expect(id(1), at(20));
        monitor.expect(id(2), at(10));
        monitor.expect(id(2), at(99));
        assert_eq!(
            monitor.next_timeout(at(0)),
            at(10),
            "the second call for a message changes nothing"
        );
        assert_eq!(monitor.overdue(at(9)).count(), 0);
        assert_eq!(monitor.overdue(at(10)).collect::<Vec<_>>(), [id(2)]);
        assert_eq!(monitor.next_timeout(at(10)), at(20));
        assert_eq!(monitor.overdue(at(30)).collect::<Vec<_>>(), [id(2), id(1)]);
        assert_eq!(monitor.next_timeout(at(30)), Time::NEVER);
        monitor.settle(&id(2));
        assert_eq!(monitor.overdue(at(30)).collect::<Vec<_>>(), [id(1)]);
        monitor.settle(&id(1));
        assert!(monitor.is_empty());
    }
}

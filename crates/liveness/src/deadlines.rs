//! Moments, one for each message.

use std::collections::{BTreeMap, BTreeSet};

use concilium_core::{MessageId, Time};
use serde::{Deserialize, Serialize};

/// When something is due, for any number of messages.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Deadlines {
    of: BTreeMap<MessageId, Time>,
    by_time: BTreeSet<(Time, MessageId)>,
}

impl Deadlines {
    /// Sets a message's moment, replacing an earlier one.
    pub(crate) fn set(&mut self, message: MessageId, at: Time) {
        self.remove(&message);
        self.of.insert(message, at);
        self.by_time.insert((at, message));
    }

    pub(crate) fn remove(&mut self, message: &MessageId) {
        if let Some(at) = self.of.remove(message) {
            self.by_time.remove(&(at, *message));
        }
    }

    pub(crate) fn get(&self, message: &MessageId) -> Option<Time> {
        self.of.get(message).copied()
    }

    /// What is due, the longest due first.
    pub(crate) fn due(&self, now: Time) -> impl Iterator<Item = MessageId> + '_ {
        self.by_time
            .iter()
            .take_while(move |(at, _)| *at <= now)
            .map(|(_, message)| *message)
    }

    /// The first moment of all, or never.
    pub(crate) fn first(&self) -> Time {
        self.by_time.first().map_or(Time::NEVER, |(at, _)| *at)
    }

    /// The first moment after `now`, or never.
    pub(crate) fn first_after(&self, now: Time) -> Time {
        let after = (now, MessageId::from_bytes([0xff; 32]));
        self.by_time
            .range(after..)
            .find(|(at, _)| *at > now)
            .map_or(Time::NEVER, |(at, _)| *at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

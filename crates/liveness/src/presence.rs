//! Which members are present.

use std::collections::BTreeMap;

use concilium_core::{Context, MemberId, Time};
use serde::{Deserialize, Serialize};

use crate::Timing;

/// Signs of life, and the silence after which we ask for one (L-5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// When each member's last new message came.
    heard: BTreeMap<MemberId, Time>,
    /// When we ask, unless a member says something that calls for answers first.
    ask_at: Time,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            heard: BTreeMap::new(),
            ask_at: Time::NEVER,
        }
    }
}

impl Presence {
    /// A new message of this member has come: replays are no sign of life.
    pub fn heard(&mut self, member: &MemberId, now: Time) {
        match self.heard.get_mut(member) {
            Some(at) => *at = (*at).max(now),
            None => {
                self.heard.insert(member.clone(), now);
            }
        }
    }

    /// When we last heard of a member; none: never.
    #[must_use]
    pub fn last_heard(&self, member: &MemberId) -> Option<Time> {
        self.heard.get(member).copied()
    }

    /// A member, perhaps we, has said something that all are to answer: no member needs to ask for a while.
    pub fn asked(&mut self, timing: &Timing, cx: &mut Context<'_>) {
        self.ask_at = cx.now().after(timing.heartbeat(cx));
    }

    /// When it is on us to ask; never before the first [`asked`](Self::asked).
    #[must_use]
    pub fn ask_at(&self) -> Time {
        self.ask_at
    }
}

//! Leaving the channel: from our asking for it until the channel lets us go.

use concilium_core::channel::ChannelAction;
use concilium_core::{MemberSet, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;
use serde::{Deserialize, Serialize};

use crate::due::{Due, DueReason};
use crate::{Event, Session};

/// Whether we have asked the channel to let us go. Whatever made us ask, one place asks again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Departure {
    /// We stay.
    #[default]
    Staying,
    /// We have asked, and do so again at this time: the channel may have lost the request.
    Asked {
        again_at: Time,
        /// Whether we enter again once we are out (T-17).
        comes_back: bool,
    },
}

impl Departure {
    /// We ask now, and again at that time.
    fn ask(&mut self, again_at: Time) {
        let comes_back = self.comes_back();
        *self = Self::Asked { again_at, comes_back };
    }

    /// We mean to leave, and to enter again once we are out.
    fn come_back(&mut self) {
        *self = Self::Asked {
            again_at: self.again_at(),
            comes_back: true,
        };
    }

    /// Whether we are about to leave.
    pub(crate) fn is_under_way(&self) -> bool {
        *self != Self::Staying
    }

    /// Whether we enter again once we are out.
    pub(crate) fn comes_back(&self) -> bool {
        matches!(self, Self::Asked { comes_back: true, .. })
    }

    /// When we ask again.
    fn again_at(&self) -> Time {
        match self {
            Self::Staying => Time::NEVER,
            Self::Asked { again_at, .. } => *again_at,
        }
    }

    /// The next moment at which something is due here.
    pub(crate) fn next_due(&self, now: Time) -> Option<Due> {
        Due::first([Due::new(DueReason::LeaveAgain, self.again_at())], now)
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// Asks the channel to let us go.
    pub(crate) fn leave(&mut self) {
        let again_at = self.clock.now().after(self.settings.timing.channel_reply());
        if let Some(stay) = &mut self.stay {
            stay.departure.ask(again_at);
            self.act(ChannelAction::Leave);
        }
    }

    /// T-17: leaves the channel, to enter it again and be included.
    pub(crate) fn come_back(&mut self, elsewhere: MemberSet) {
        self.reunions = self.reunions.saturating_add(1);
        self.emit(Event::ComingBack { elsewhere });
        if let Some(stay) = &mut self.stay {
            stay.departure.come_back();
        }
        self.leave();
    }

    /// The channel has not let us go yet: it may have lost our request.
    pub(crate) fn leave_again_if_due(&mut self) {
        let departure = self.stay.as_ref().map(|stay| stay.departure);
        if departure.is_some_and(|departure| departure.again_at() <= self.clock.now()) {
            self.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t17_a_member_that_means_to_come_back_still_does_when_it_asks_again() {
        let mut departure = Departure::default();
        assert!(!departure.is_under_way() && departure.again_at() == Time::NEVER);
        departure.come_back();
        departure.ask(Time::from_millis(7));
        departure.ask(Time::from_millis(9));
        assert!(departure.is_under_way() && departure.comes_back());
        assert_eq!(departure.again_at(), Time::from_millis(9));
    }

    #[test]
    fn t9_a_member_that_leaves_for_good_does_not_come_back() {
        let mut departure = Departure::default();
        departure.ask(Time::from_millis(7));
        assert!(departure.is_under_way() && !departure.comes_back());
        assert_eq!(departure.again_at(), Time::from_millis(7));
    }
}

//! What a session waits for: every deadline by its name, in one table.

use std::fmt;

use concilium_core::Time;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $rule:literal, $says:literal;)*) => {
        /// Why a session wakes. Each has one owner, which alone says when it is due.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum DueReason {
            $(#[doc = concat!("To ", $says, " (", $rule, ").")] $(#[$doc])* $name,)*
        }

        impl DueReason {
            /// All reasons.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The rule that asks for it.
            #[must_use]
            pub fn rule(self) -> &'static str {
                match self {
                    $(Self::$name => $rule,)*
                }
            }

            /// What is to be done, after "to".
            #[must_use]
            pub fn says(self) -> &'static str {
                match self {
                    $(Self::$name => $says,)*
                }
            }
        }
    };
}

reasons! {
    // What the user has asked for.
    GiveUpAction = "T-14", "give up an action of which nothing has come";
    EnterAgain = "T-12", "ask the channel again to let us in";
    LeaveAgain = "T-9", "ask the channel again to let us go";

    // Coming into the session.
    Found = "T-11", "found a session, since nobody else seems to have one";
    AnnounceAgain = "K-14", "announce ourselves again to those who may include us";
    LookForCompany = "T-17", "leave and come back, since we have been with nobody for long";
    Reunite = "T-17", "decide who goes to whom";

    // The door.
    Kick = "T-7", "ask the channel to put somebody out";
    IncludeUnready = "T-1", "try again to include somebody whose key or announcement was missing";
    ExcludeDeparted = "T-4", "propose to exclude those who have left the channel";

    // Operations.
    MissEcho = "T-14", "give up a proposal of ours that the channel has not returned";
    EndOperation = "O-11", "abort an operation that takes too long, or leave if it excludes us";
    ProposeAgain = "T-14", "propose again of our own accord";
    IncludeAgain = "T-18", "include somebody again after an operation that was aborted";
    Refresh = "C-11", "replace our contribution to the keys, which is the oldest";
    LeavePerhapsExcluded = "T-10", "leave, since we may have been excluded without seeing it";
    MissConfirmation = "O-10", "warn of a member that has not confirmed the chain";

    // Messages.
    Acknowledge = "L-2", "acknowledge what we have seen";
    Confirm = "O-10", "confirm the chain to the others";
    Ask = "L-5", "ask into the silence who is there";
    Resend = "L-3", "send a message again that not everybody has seen";
    MissAcknowledgement = "L-1", "warn of a message that not everybody has seen";
    MissMember = "L-5", "warn of a member that gives no sign of life";
    MissParents = "G-1", "warn of a message whose parents have not come";
    MissKeys = "M-2", "give up a packet that nobody here can read";
    EndFinish = "L-6", "leave although not everybody has seen our finish";
    CloseSubsession = "M-1", "close a past subsession";
}

impl fmt::Display for DueReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {} ({})", self.says(), self.rule())
    }
}

/// A moment at which something is due. The earlier is the lesser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Due {
    /// When.
    pub at: Time,
    /// What for.
    pub why: DueReason,
}

impl Due {
    pub(crate) fn new(why: DueReason, at: Time) -> Self {
        Self { at, why }
    }

    /// The first of these that is still to come. Duties that are due already have been done, and one at
    /// [`Time::NEVER`] is not due.
    pub(crate) fn first(dues: impl IntoIterator<Item = Self>, now: Time) -> Option<Self> {
        let ahead = |due: &Self| due.at > now && due.at < Time::NEVER;
        dues.into_iter().filter(ahead).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Due {
        Due::new(DueReason::Kick, Time::from_millis(millis))
    }

    #[test]
    fn the_first_that_is_still_to_come_is_next() {
        let now = Time::from_millis(5);
        let never = Due::new(DueReason::Found, Time::NEVER);
        assert_eq!(Due::first([at(9), never, at(3), at(5), at(7)], now), Some(at(7)));
        assert_eq!(Due::first([never, at(5)], now), None);
    }

    #[test]
    fn every_reason_reads_as_a_line() {
        for why in DueReason::ALL {
            let line = why.to_string();
            assert!(line.starts_with("to ") && line.contains(why.rule()), "{line}");
        }
        assert_eq!(DueReason::ALL.len(), 27);
    }
}

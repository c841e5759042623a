//! The kinds of session event, as scenarios name them.

use concilium_session::{ActionStage, Event};

/// A kind of session event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKind(&'static str);

impl EventKind {
    /// The names of all kinds. Each event has exactly one, so that `action-settled` is no `action`.
    const ALL: [&'static str; 20] = [
        "state-changed",
        "message",
        "unknown-message",
        "fully-acked",
        "membership-changed",
        "operation-started",
        "operation-failed",
        "proposal-rejected",
        "coming-back",
        "proposal-forbidden",
        "someone-entered",
        "someone-left",
        "member-finished",
        "key-published",
        "action",
        "action-settled",
        "warning-raised",
        "warning-cleared",
        "cannot-propose",
        "skipped",
    ];

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| *known == name).map(Self)
    }

    /// The kind of this event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        Self(match event {
            Event::StateChanged(_) => "state-changed",
            Event::Message { .. } => "message",
            Event::UnknownMessage { .. } => "unknown-message",
            Event::FullyAcked { .. } => "fully-acked",
            Event::MembershipChanged { .. } => "membership-changed",
            Event::OperationStarted { .. } => "operation-started",
            Event::OperationFailed { .. } => "operation-failed",
            Event::ProposalRejected { .. } => "proposal-rejected",
            Event::ComingBack { .. } => "coming-back",
            Event::ProposalForbidden { .. } => "proposal-forbidden",
            Event::SomeoneEntered { .. } => "someone-entered",
            Event::SomeoneLeft { .. } => "someone-left",
            Event::MemberFinished { .. } => "member-finished",
            Event::KeyPublished { .. } => "key-published",
            Event::Action {
                stage: ActionStage::Settled(_),
                ..
            } => "action-settled",
            Event::Action { .. } => "action",
            Event::WarningRaised(_) => "warning-raised",
            Event::WarningCleared(_) => "warning-cleared",
            Event::CannotPropose { .. } => "cannot-propose",
            Event::Skipped { .. } => "skipped",
            _ => "unknown",
        })
    }

    /// The kind's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.0
    }
}

//! The user's own actions, from their beginning until the group has settled them (T-14, T-15).

use concilium_core::{Change, MemberSet, Time};
use serde::{Deserialize, Serialize};

use crate::{ActionId, ActionKind};

/// What the user has asked for and what is not settled yet: at most one thing at a time (T-15).
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Actions {
    next: u64,
    current: Option<Action>,
}

/// One action under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Action {
    pub(crate) id: ActionId,
    pub(crate) kind: ActionKind,
    pub(crate) begun_at: Time,
    /// How often it has been proposed.
    pub(crate) proposals: u32,
    /// Whom we have invited and not seen enter yet.
    pub(crate) invited: MemberSet,
    /// For a join: when to ask the channel again after we were kicked (T-12).
    pub(crate) retry_at: Time,
}

impl Actions {
    /// The action under way.
    pub(crate) fn current(&self) -> Option<&Action> {
        self.current.as_ref()
    }

    pub(crate) fn current_mut(&mut self) -> Option<&mut Action> {
        self.current.as_mut()
    }

    /// Begins an action. The caller has seen that none is under way.
    pub(crate) fn begin(&mut self, kind: ActionKind, now: Time) -> ActionId {
        let id = ActionId(self.next);
        self.next += 1;
        self.current = Some(Action {
            id,
            kind,
            begun_at: now,
            proposals: 0,
            invited: MemberSet::new(),
            retry_at: Time::NEVER,
        });
        id
    }

    /// Takes the action out, to be settled.
    pub(crate) fn take(&mut self) -> Option<Action> {
        self.current.take()
    }

    /// Forgets the action that was just begun, as if it had not been.
    pub(crate) fn cancel(&mut self) {
        if let Some(action) = self.current.take() {
            self.next = action.id.0;
        }
    }

    /// The change that the user is waiting for.
    pub(crate) fn change(&self) -> Option<&Change> {
        match self.current.as_ref().map(|action| &action.kind) {
            Some(ActionKind::Change(change)) => Some(change),
            _ => None,
        }
    }

    pub(crate) fn is_joining(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|action| action.kind == ActionKind::Join)
    }

    pub(crate) fn is_parting(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|action| action.kind == ActionKind::Part)
    }
}

//! The user's own actions, from their beginning until the group has settled them (T-14, T-15).

use concilium_core::{Change, MemberSet, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;
use concilium_liveness::Timing;
use serde::{Deserialize, Serialize};

use crate::course::Wish;
use crate::due::{Due, DueReason};
use crate::{
    ActionError, ActionId, ActionKind, ActionOutcome, ActionStage, Event, RejectionCause, Session,
    WarningKind,
};

/// The user's action that is not settled yet: at most one at a time (T-15).
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
    /// When it was begun, or its wait was (T-12).
    begun_at: Time,
    /// How often it has been proposed.
    pub(crate) proposals: u32,
    /// Whom we have invited and not seen enter yet.
    pub(crate) invited: MemberSet,
    /// For a join: when to ask the channel again to let us in (T-12).
    enter_at: Time,
}

impl Action {
    /// When nothing has come of it for too long.
    fn over_at(&self, timing: &Timing) -> Time {
        self.begun_at.after(timing.join_deadline())
    }

    /// Whether nothing has come of it for too long.
    pub(crate) fn is_over(&self, timing: &Timing, now: Time) -> bool {
        self.over_at(timing) <= now
    }

    /// A join asks the channel again at that time.
    pub(crate) fn enter_at(&mut self, at: Time) {
        self.enter_at = at;
    }

    /// Whether a join asks the channel now; it asks again when that should have come to something.
    pub(crate) fn enters(&mut self, timing: &Timing, now: Time) -> bool {
        let enters = self.enter_at <= now;
        if enters {
            self.enter_at = now.after(timing.channel_reply());
        }
        enters
    }

    /// Its wait begins anew.
    pub(crate) fn wait_anew(&mut self, now: Time) {
        self.begun_at = now;
    }
}

impl Actions {
    /// The next moment at which something is due here.
    pub(crate) fn next_due(&self, timing: &Timing, now: Time) -> Option<Due> {
        let action = self.current.as_ref()?;
        let dues = [
            Due::new(DueReason::GiveUpAction, action.over_at(timing)),
            Due::new(DueReason::EnterAgain, action.enter_at),
        ];
        Due::first(dues, now)
    }

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
            enter_at: Time::NEVER,
        });
        id
    }

    /// Takes the action out, to be settled.
    pub(crate) fn take(&mut self) -> Option<Action> {
        self.current.take()
    }

    /// Forgets the action that has just begun.
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

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    pub(crate) fn begin(&mut self, kind: ActionKind) -> ActionId {
        self.actions.begin(kind, self.clock.now())
    }

    /// T-15: an action that is under way already is joined; another one has to wait.
    pub(crate) fn same_action(&self, kind: &ActionKind) -> Result<Option<ActionId>, ActionError> {
        match self.actions.current() {
            Some(action) if action.kind == *kind => Ok(Some(action.id)),
            Some(action) => Err(ActionError::Busy(action.kind.clone())),
            None => Ok(None),
        }
    }

    /// Tells the owner how far the action has come (T-14).
    pub(crate) fn stage(&mut self, stage: ActionStage) {
        if let Some(action) = self.actions.current() {
            let (id, kind) = (action.id, action.kind.clone());
            self.emit(Event::Action { id, kind, stage });
        }
    }

    /// The action has come to its end.
    pub(crate) fn settle_action(&mut self, outcome: ActionOutcome) {
        self.stage(ActionStage::Settled(outcome));
        self.actions.take();
    }

    /// The members to be included that are not in the channel yet.
    pub(crate) fn awaited(&self, change: &Change) -> MemberSet {
        match &self.stay {
            Some(stay) => change.include.minus(&stay.channel),
            None => MemberSet::new(),
        }
    }

    /// Settles the user's change if its goal is reached, by any member's operation.
    pub(crate) fn settle_change(&mut self, by_us: bool) {
        let Some(change) = self.actions.change() else {
            return;
        };
        let members = self.members();
        let there = change.include.is_subset(members) && change.exclude.intersection(members).is_empty();
        if if change.is_refresh() { by_us } else { there } {
            self.settle_action(ActionOutcome::Done);
        }
    }

    /// The group has not taken our proposal. It is made again while it makes sense, a bounded number of times
    /// (T-14), and never silently.
    pub(crate) fn rejected(&mut self, wish: Wish, cause: RejectionCause) {
        if !wish.for_action {
            return; // A duty that somebody else has done first, or will be due again.
        }
        self.emit(Event::ProposalRejected {
            change: wish.change,
            cause: cause.clone(),
        });
        let tried = self.actions.current().map_or(0, |action| action.proposals);
        if tried >= self.settings.max_proposals {
            let kind = WarningKind::ProposalStarved;
            let members = MemberSet::new();
            self.warn(kind, members);
            self.settle_action(ActionOutcome::Rejected(cause));
        } else {
            self.stage(ActionStage::Rejected(cause));
        }
    }

    /// An operation has ended. Members that we invited while it ran were put out again (T-2), and are invited
    /// once more.
    pub(crate) fn invite_again(&mut self) {
        if let (Some(stay), Some(action)) = (&self.stay, self.actions.current_mut()) {
            action.invited = action.invited.intersection(&stay.channel);
        }
    }
}

//! The change of members that we want, and proposing it. It is derived from the state each time, never kept
//! (decision 0006).

use concilium_core::{Change, Context, MemberId, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::{GroupKeyAgreement, ProposeError};

use crate::course::Wish;
use crate::{ActionKind, ActionOutcome, Event, RejectionCause, Session};

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// When our contribution to the keys, the oldest of all, is due for a refresh (C-11).
    pub(crate) fn refresh_due(&self) -> Option<Time> {
        let keys = self.stay.as_ref()?.course.keys.as_ref()?;
        let after = self.settings.refresh_after?;
        let ages = self.gka.ages(keys);
        ages.oldest()
            .filter(|(who, _)| *who == self.gka.me())
            .map(|(_, since)| since.after(after))
    }

    /// What we want the members to be, if it is anything else than they are.
    fn wish(&self) -> Option<Wish> {
        let stay = self.stay.as_ref()?;
        let head = stay.chain.resolver.head()?;
        let missed = stay.chain.has_missed_its_end();
        let busy = stay.chain.resolver.running().is_some()
            || stay.course.proposal.is_some()
            || stay.departure.is_under_way();
        if busy
            || missed
            || stay.course.is_keyless()
            || !stay.chain.resolver.is_member()
            || self.actions.is_parting()
        {
            return None;
        }
        let members = &head.members;
        let now = self.clock.now();
        let unwanted = |member: &MemberId| members.contains(member) || stay.door.is_barred(member);
        let unready = |member: &MemberId| stay.door.is_unready(member, now);
        let mut wish = Change::refresh();
        let mut for_action = false;
        let mut refresh = false;
        if let Some(change) = self.actions.change() {
            let include = change.include.minus(members);
            let exclude = change.exclude.intersection(members);
            let there = include
                .iter()
                .all(|member| stay.channel.contains(member) && !unwanted(member) && !unready(member));
            let left_to_do = change.is_refresh() || !include.is_empty() || !exclude.is_empty();
            if there && left_to_do {
                (wish, for_action, refresh) = (Change { include, exclude }, true, change.is_refresh());
            }
        }
        if stay.course.has_rested(now) {
            let comers = if self.settings.auto_include {
                stay.channel.minus(members) // T-1
            } else {
                stay.arrival.heirs().clone() // T-11
            };
            if stay.course.may_include(now) {
                let comers = comers
                    .into_iter()
                    .filter(|member| !unwanted(member) && !unready(member))
                    .collect();
                let comers = stay.course.in_turn(self.permitted_comers(&wish, comers));
                wish.include.extend(comers);
            }
            refresh |= self.refresh_due().is_some_and(|due| due <= now);
        }
        // T-4, T-6: together with other changes that there are to do, or when it is our turn.
        let turn = stay
            .door
            .exclusion_turn(&self.settings.timing, || self.rank(None));
        let our_turn = turn <= now && stay.course.has_rested(now);
        if our_turn || refresh || !wish.is_refresh() {
            let departed = stay.door.departed().filter(|member| members.contains(member));
            wish.exclude.extend(departed.cloned());
        }
        if !refresh && wish.is_refresh() {
            return None;
        }
        self.permitted_wish(Wish {
            change: wish,
            for_action,
        })
    }

    /// Proposes what we want, if there is anything and the group is free to hear it.
    pub(crate) fn pursue(&mut self, cx: &mut Context<'_>) -> Result<(), ProposeError> {
        self.settle_forbidden();
        while let Some(wish) = self.wish() {
            match self.propose(wish, cx) {
                Err(error) if self.set_aside(&error) => {} // The rest of it, then.
                result => return result,
            }
        }
        Ok(())
    }

    /// Sets aside a waiting member that cannot be included for now, so that everything else goes on.
    /// Its announcement may be on its way (K-14), or the user may come to trust its key. Returns whether it
    /// was set aside.
    fn set_aside(&mut self, error: &ProposeError) -> bool {
        let (now, timing) = (self.clock.now(), self.settings.timing);
        let is_wanted = |member: &MemberId| {
            let change = self.actions.change();
            change.is_some_and(|change| change.include.contains(member))
        };
        let (member, is_silent) = match error {
            ProposeError::NotAnnounced(member) => (member, true),
            ProposeError::UnknownIdentity(member) if !is_wanted(member) => (member, false),
            _ => return false,
        };
        let Some(stay) = &mut self.stay else { return false };
        let aside = stay.door.set_aside(member, &timing, now);
        if is_silent && aside.for_long {
            self.kick_in_turn(member.clone(), None); // T-18
        } else if !is_silent && aside.is_new {
            self.emit(Event::CannotPropose { cause: error.clone() });
        }
        aside.has_changed
    }

    /// O-12: what the user wants is forbidden by now, since others have come or gone.
    fn settle_forbidden(&mut self) {
        let (Some(stay), Some(change)) = (&self.stay, self.actions.change()) else {
            return;
        };
        if stay.chain.resolver.running().is_some()
            || stay.course.proposal.is_some()
            || !stay.chain.resolver.is_member()
        {
            return;
        }
        let left_to_do = Change {
            include: change.include.minus(self.members()),
            exclude: change.exclude.intersection(self.members()),
        };
        if left_to_do.is_refresh() && !change.is_refresh() {
            return; // It is so already.
        }
        if let Err(forbidden) = self.permits_us(&left_to_do) {
            let cause = RejectionCause::Forbidden(forbidden.to_string());
            self.settle_action(ActionOutcome::Rejected(cause));
        }
    }

    /// What we wanted to propose cannot be proposed.
    pub(crate) fn cannot_propose(&mut self, error: &ProposeError) {
        if let Some(stay) = &mut self.stay {
            stay.course.rest(&self.settings.timing, self.clock.now());
        }
        self.emit(Event::CannotPropose { cause: error.clone() });
        if matches!(
            self.actions.current().map(|action| &action.kind),
            Some(ActionKind::Change(_))
        ) {
            self.settle_action(ActionOutcome::Rejected(RejectionCause::CannotPropose(
                error.clone(),
            )));
        }
    }
}

//! What is due now, and when something will be next.
//!
//! Every input and every command ends here, so that nothing depends on which of them made a thing due.

use concilium_core::channel::ChannelAction;
use concilium_core::{Context, MemberId, MemberSet, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;

use crate::due::{Due, DueReason};
use crate::{ActionOutcome, ActionStage, RejectionCause, Session};

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    pub(crate) fn tick(&mut self, cx: &mut Context<'_>) {
        self.leave_again_if_due();
        self.rejoin();
        self.expire_proposal();
        self.end_long_operation();
        self.invite_and_expire();
        self.speak_if_due(cx);
        self.resend_if_due(cx);
        self.part_if_finished(cx);
        self.close_if_due();
        self.found_if_senior(cx);
        self.announce_if_due(cx);
        self.kick_if_due();
        self.look_for_trouble(cx);
        self.come_back_if_due(cx);
        if let Err(error) = self.pursue(cx) {
            self.cannot_propose(&error);
        }
        self.announce_state();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if nothing else happens; `None`: nothing
    /// is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        self.next_due().map(|due| due.at)
    }

    /// What is due next, and when the caller's clock will show it. It tells why a session wakes.
    #[must_use]
    pub fn next_due(&self) -> Option<Due> {
        let (timing, now) = (&self.settings.timing, self.clock.now());
        let subsessions = self.subsessions();
        let subsessions = subsessions.filter_map(|subsession| subsession.next_due(timing, now));
        let stay = self.stay.as_ref();
        let dues = [
            self.waiting.next_due(now),
            self.actions.next_due(timing, now),
            stay.and_then(|stay| stay.chain.next_due(timing, now)),
            stay.and_then(|stay| stay.door.next_due(timing, || self.rank(None), now)),
            stay.and_then(|stay| stay.course.next_due(timing, now)),
            stay.and_then(|stay| stay.arrival.next_due(now)),
            stay.and_then(|stay| stay.departure.next_due(now)),
            stay.and_then(|stay| stay.strays.next_due(now)),
            self.refresh_due().map(|at| Due::new(DueReason::Refresh, at)),
        ];
        let first = Due::first(dues.into_iter().flatten().chain(subsessions), now)?;
        let at = self.clock.shows(first.at);
        (at < Time::NEVER).then_some(Due { at, ..first })
    }

    /// T-12: asks the channel again, until it makes no sense any more.
    fn rejoin(&mut self) {
        let timing = self.settings.timing;
        let now = self.clock.now();
        if self.stay.is_some() || !self.actions.is_joining() {
            return;
        }
        let Some(action) = self.actions.current_mut() else {
            return;
        };
        if action.is_over(&timing, now) {
            return self.settle_action(ActionOutcome::TimedOut);
        }
        if action.enters(&timing, now) {
            self.act(ChannelAction::Enter);
        }
    }

    /// The channel seems to have lost a proposal of ours.
    fn expire_proposal(&mut self) {
        let Some(stay) = &mut self.stay else { return };
        let lost = stay.course.lose_proposal(&self.settings.timing, self.clock.now());
        if let Some(wish) = lost {
            self.rejected(wish, RejectionCause::NoEcho);
        }
    }

    /// O-11: an operation that takes too long is aborted. If it excludes us, we cannot see its end, and leave
    /// by ourselves (T-10).
    fn end_long_operation(&mut self) {
        let (now, wait) = (self.clock.now(), self.settings.timing.channel_reply());
        let me = self.gka.me();
        let Some(stay) = &mut self.stay else { return };
        if stay.chain.gives_up(now) {
            return self.leave();
        }
        let Some(running) = stay
            .course
            .operation
            .as_mut()
            .filter(|running| running.deadline <= now)
        else {
            return;
        };
        let initial = running.initial;
        if stay
            .chain
            .resolver
            .running()
            .is_some_and(|running| running.after.contains(me))
        {
            running.deadline = now.after(wait); // In case the channel loses this one.
            let _ = self.send_abort(initial);
        } else {
            running.deadline = Time::NEVER;
            self.leave();
        }
    }

    /// Brings in those whom the user wants to include, and gives up when it takes too long.
    fn invite_and_expire(&mut self) {
        let now = self.clock.now();
        let Some(change) = self.actions.change().cloned() else {
            return;
        };
        let Some(stay) = &mut self.stay else { return };
        let Some(action) = self.actions.current_mut() else {
            return;
        };
        // T-2: a newcomer is put out while an operation runs.
        let idle = stay.course.proposal.is_none() && stay.chain.resolver.running().is_none();
        if idle && action.is_over(&self.settings.timing, now) {
            return self.settle_action(ActionOutcome::TimedOut);
        }
        let mut invited = MemberSet::new();
        for member in &change.include {
            if stay.door.is_excluded(member) {
                stay.door.put_out(member.clone(), now); // T-8
            } else if idle && !stay.channel.contains(member) && action.invited.insert(member.clone()) {
                invited.insert(member.clone());
            }
        }
        if invited.is_empty() {
            return;
        }
        for member in invited {
            self.act(ChannelAction::Invite { member });
        }
        let awaited = self.awaited(&change);
        self.stage(ActionStage::Waiting(awaited));
    }

    /// M-1, T-10: a past subsession closes when its time has come. Excluded members are put out of the
    /// channel once all present members have seen all messages there.
    fn close_if_due(&mut self) {
        let now = self.clock.now();
        self.close_past(|_, past| past.state.closes_at <= now);
        let Some(stay) = &self.stay else { return };
        let excluded: Vec<(MemberId, MemberId)> = stay
            .door
            .excluded()
            .map(|(member, by)| (member.clone(), by.clone()))
            .collect();
        if excluded.is_empty() {
            return;
        }
        let present = self.present();
        if self.past.iter().all(|past| past.is_consistent(&present)) {
            for (member, by) in excluded {
                self.kick_in_turn(member, Some(&by));
            }
        }
    }
}

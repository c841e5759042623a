//! What is due now, and when something will be next.
//!
//! Every input and every command ends here, so that nothing depends on which of them made a thing due.

use concilium_core::channel::ChannelAction;
use concilium_core::{Context, MemberId, MemberSet, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;

use crate::stay::Kick;
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
        self.reunite_if_due(cx);
        if let Err(error) = self.pursue(cx) {
            self.cannot_propose(&error);
        }
        self.announce_state();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if nothing else happens; `None`: nothing is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        let timing = &self.settings.timing;
        let mut times = vec![self.waiting.next_timeout()];
        if let Some(action) = self.actions.current() {
            times.push(action.begun_at.after(timing.join_deadline()));
            times.push(action.retry_at);
        }
        let subsessions = self.subsessions();
        times.extend(subsessions.map(|subsession| subsession.next_timeout(self.clock.now(), timing)));
        if let Some(stay) = &self.stay {
            times.extend(
                stay.proposal
                    .as_ref()
                    .map(|sent| sent.sent_at.after(timing.channel_reply())),
            );
            times.extend(stay.operation.as_ref().map(|running| running.deadline));
            times.extend(stay.kicks.values().map(|kick| kick.at));
            times.extend(stay.unready.values().map(|unready| unready.again_at));
            if let Some(first) = stay.departed.values().min() {
                times.push(first.after(timing.turn(self.rank(None))));
            }
            times.extend([
                stay.retry_at,
                stay.departure.again_at(),
                stay.include_at,
                stay.announce_at,
                stay.found_at,
                stay.estranged.decide_at,
                stay.estranged.look_at,
                stay.unsure_until,
            ]);
            let deadline = timing.confirmation_deadline();
            times.extend(stay.owing.values().map(|since| since.after(deadline)));
            times.extend(self.refresh_due());
        }
        times
            .into_iter()
            .filter(|at| *at > self.clock.now())
            .min()
            .map(|at| self.clock.shows(at))
            .filter(|at| *at < Time::NEVER)
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
        if action.begun_at.after(timing.join_deadline()) <= now {
            return self.settle_action(ActionOutcome::TimedOut);
        }
        if action.retry_at <= now {
            action.retry_at = now.after(timing.channel_reply());
            self.act(ChannelAction::Enter);
        }
    }

    /// The channel seems to have lost a proposal of ours.
    fn expire_proposal(&mut self) {
        let (now, wait) = (self.clock.now(), self.settings.timing.channel_reply());
        let Some(stay) = &mut self.stay else { return };
        if let Some(lost) = stay
            .proposal
            .take_if(|proposal| proposal.sent_at.after(wait) <= now)
        {
            let (change, for_action) = (lost.change.clone(), lost.for_action);
            // It may only be late, and count for the others: then we must know it.
            stay.refuse(Some(lost));
            self.rejected(change, for_action, RejectionCause::NoEcho);
        }
    }

    /// O-11: an operation that takes too long is aborted; one that excludes us is not ours to see the end of, and
    /// we leave by ourselves (T-10).
    fn end_long_operation(&mut self) {
        let (now, wait) = (self.clock.now(), self.settings.timing.channel_reply());
        let me = self.gka.me();
        let Some(stay) = &mut self.stay else { return };
        if stay.unsure_until < Time::NEVER && stay.unsure_until <= now {
            stay.unsure_until = Time::NEVER;
            return self.leave();
        }
        let Some(running) = stay.operation.as_mut().filter(|running| running.deadline <= now) else {
            return;
        };
        let initial = running.initial;
        if stay
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
        // T-2: whoever enters while an operation runs is put out.
        let idle = stay.proposal.is_none() && stay.resolver.running().is_none();
        if idle && action.begun_at.after(self.settings.timing.join_deadline()) <= now {
            return self.settle_action(ActionOutcome::TimedOut);
        }
        let mut invited = MemberSet::new();
        for member in &change.include {
            if stay.excluded.contains_key(member) {
                stay.kicks.entry(member.clone()).or_insert(Kick::due(now)); // T-8
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

    /// M-1, T-10: a past subsession closes when its time has come; whoever was excluded is put out of the channel
    /// once nothing there is left to be seen.
    fn close_if_due(&mut self) {
        let now = self.clock.now();
        self.close_past(|_, past| past.state.closes_at <= now);
        let Some(stay) = self.stay.as_ref().filter(|stay| !stay.excluded.is_empty()) else {
            return;
        };
        let present = self.present();
        if self.past.iter().all(|past| past.is_consistent(&present)) {
            let excluded: Vec<(MemberId, MemberId)> = stay
                .excluded
                .iter()
                .map(|(member, by)| (member.clone(), by.clone()))
                .collect();
            for (member, by) in excluded {
                self.kick_in_turn(member, Some(&by));
            }
        }
    }
}

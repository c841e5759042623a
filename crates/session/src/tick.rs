//! What is due now, and when something will be next.
//!
//! Every input and every command ends here, so that nothing depends on which of them made a thing due.

use concilium_core::channel::ChannelAction;
use concilium_core::{Change, Context, MemberId, MemberSet, MessageId, Time};
use concilium_encryptor::{Kind, MessageEncryptor};
use concilium_gka::{GroupKeyAgreement, ProposeError};

use crate::stay::{Kick, Stay, Unready};
use crate::subsessions::Which;
use crate::{ActionKind, ActionOutcome, ActionStage, RejectionCause, Session, WarningKind};

/// So many messages at once are looked at for a warning: the longest overdue say enough.
const MAX_OVERDUE: usize = 16;

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

    /// T-9, L-6: finish, wait until all have seen it, leave.
    fn part_if_finished(&mut self, cx: &mut Context<'_>) {
        if !self.actions.is_parting() {
            return;
        }
        let now = self.clock.now();
        let present = self.present();
        let me = self.gka.me().clone();
        let Some(stay) = &self.stay else { return };
        if stay.departure.is_under_way() {
            return;
        }
        if !stay.resolver.is_member() {
            return self.leave();
        }
        let finish = self.subsessions().filter_map(|subsession| {
            let (id, until) = subsession.state.own_finish?;
            Some((id, until, subsession.missing(&id, &present), subsession.state.id))
        });
        if let Some((id, until, members, subsession)) = finish.last() {
            if members.is_empty() {
                self.acknowledge_all(cx);
                self.publish_key(&id, cx);
                self.leave();
            } else if until <= now {
                let (message, subsession) = (Some(id), Some(subsession));
                self.warn_within(WarningKind::FinishTimeout, members, message, subsession);
                self.leave();
            }
            return;
        }
        if stay.operation.is_some()
            && stay
                .resolver
                .running()
                .is_some_and(|running| running.after.contains(&me))
        {
            return; // Leaving now would make it fail for everybody (T-5).
        }
        let alone = present.iter().all(|member| *member == me);
        // M-9: what we said in subsessions before, perhaps with the same key, must have arrived.
        if self.settings.deniable && !alone && !self.past.is_empty() {
            return;
        }
        let named = self.control_key(cx);
        if alone || self.speak(Which::Current, Kind::FINISH, &named, cx).is_err() {
            self.leave();
        } else {
            self.part_if_finished(cx);
        }
    }

    /// M-9: the body of our finish, which names the key that we go on with if we mean to publish the first one.
    fn control_key(&mut self, cx: &mut Context<'_>) -> Vec<u8> {
        let Some(current) = self.current.as_mut().filter(|_| self.settings.deniable) else {
            return Vec::new();
        };
        let key = current.encryptor.control_key(cx).ok().flatten();
        key.map_or_else(Vec::new, |key| key.as_bytes().to_vec())
    }

    /// M-9, A-15: everybody in the subsession, gone or not, has our finish, and nobody takes anything more that our first
    /// key signs: we publish it. Not while it is, or may come to be, in use in a later subsession (C-8), whose newcomers
    /// have not seen that finish.
    fn publish_key(&mut self, finish: &MessageId, cx: &mut Context<'_>) {
        let Some(stay) = &self.stay else { return };
        let changing =
            stay.operation.is_some() || stay.proposal.is_some() || stay.resolver.running().is_some();
        let Some(current) = self.current.as_ref().filter(|_| !changing) else {
            return;
        };
        let ours = current.state.own_finish.is_some_and(|(id, _)| id == *finish);
        if !ours || !current.transcript.is_fully_acked(finish).unwrap_or(false) {
            return;
        }
        if let Some(seed) = current.encryptor.retired_key() {
            let _ = self.speak(Which::Current, Kind::KEY_PUBLICATION, seed.expose(), cx);
        }
    }

    /// L-2: what crossed our finish on its way is acknowledged before we go.
    fn acknowledge_all(&mut self, cx: &mut Context<'_>) {
        let now = self.clock.now();
        for which in self.whiches() {
            if let Some(subsession) = self.subsession_mut(which)
                && subsession.state.ack.due() < Time::NEVER
            {
                subsession.state.ack.owe(now);
            }
        }
        self.speak_if_due(cx);
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

    /// Raises the warnings whose time has come, and clears those that have lost their ground.
    fn look_for_trouble(&mut self, cx: &mut Context<'_>) {
        let now = self.clock.now();
        for (from, suspicious) in self.waiting.expire(now) {
            let stay = self.stay.as_ref().filter(|stay| stay.resolver.is_member());
            if stay.is_some_and(|stay| stay.channel.contains(&from) || self.is_alone()) {
                self.estranged(&from, cx);
            }
            if suspicious {
                self.warn(WarningKind::NotDecryptable, MemberSet::of(from));
            }
        }
        // Whoever may be out, or goes, expects nothing of anybody: the others may be where it cannot see them (T-10).
        let expects = !self.is_going();
        for which in self.whiches() {
            if expects {
                self.look_for_missing_acks(which);
            }
            self.look_for_missing_parents(which);
        }
        if expects {
            self.look_for_absent_members();
        }
        self.look_for_vain_kicks();
        self.look_for_missing_confirmations();
        self.look_for_differences(cx);
    }

    /// L-5: a member that owes an answer for long, and has given no sign of life meanwhile.
    fn look_for_absent_members(&mut self) {
        let (now, timing) = (self.clock.now(), self.settings.timing);
        let Some(current) = &self.current else { return };
        if current.state.monitor.first_deadline().after(timing.absence()) > now {
            return;
        }
        let present = self.present();
        let patience = timing.full_ack() + timing.absence();
        let silent = |member: &MemberId| {
            let heard = current.state.presence.last_heard(member);
            heard.is_none_or(|at| at.after(patience) <= now)
        };
        let overdue = current.state.monitor.overdue(now).take(MAX_OVERDUE);
        let absent: MemberSet = overdue
            .filter(|message| {
                current
                    .state
                    .monitor
                    .is_overdue_for(message, timing.absence(), now)
            })
            .flat_map(|message| current.missing(&message, &present))
            .filter(|member| silent(member))
            .collect();
        for member in absent {
            self.warn(WarningKind::MemberAbsent, MemberSet::of(member));
        }
    }

    /// A member has left the channel and come back, or so the channel says, and does not put it out again before it is
    /// excluded (T-7).
    fn look_for_vain_kicks(&mut self) {
        let Some(stay) = &self.stay else { return };
        let kicks = stay.kicks.iter().filter(|(_, kick)| kick.is_vain());
        let there: Vec<_> = kicks
            .map(|(member, _)| member.clone())
            .filter(|member| stay.departed.contains_key(member))
            .collect();
        for member in there {
            self.warn(WarningKind::MemberAbsent, MemberSet::of(member));
        }
    }

    /// L-1: a message that should have been seen by everyone by now.
    fn look_for_missing_acks(&mut self, which: Which) {
        let now = self.clock.now();
        let Some(subsession) = self.subsession_mut(which) else {
            return;
        };
        let overdue: Vec<_> = subsession.state.monitor.overdue(now).take(MAX_OVERDUE).collect();
        if overdue.is_empty() {
            return;
        }
        let own_finish = subsession.state.own_finish.map(|(id, _)| id);
        let id = subsession.state.id;
        let present = self.present();
        for message in overdue {
            let Some(subsession) = self.subsession_mut(which) else {
                return;
            };
            let members = subsession.missing(&message, &present);
            if members.is_empty() {
                // Whoever has not seen it is not here any more: that is no warning.
                subsession.state.monitor.settle(&message);
                self.clear_warnings(|warning| warning.message == Some(message));
            } else {
                let finish = own_finish == Some(message);
                let kind = if finish {
                    WarningKind::FinishTimeout
                } else {
                    WarningKind::NotFullyAcked
                };
                self.warn_within(kind, members, Some(message), Some(id));
            }
        }
    }

    /// G-1: a message that has waited too long for its parents.
    fn look_for_missing_parents(&mut self, which: Which) {
        let (now, patience) = (self.clock.now(), self.settings.timing.patience());
        let Some(subsession) = self.subsession_mut(which) else {
            return;
        };
        if subsession.transcript.deferred_len() == 0 {
            return;
        }
        let id = Some(subsession.state.id);
        let waiting = subsession
            .transcript
            .deferred()
            .filter(|deferred| deferred.since.after(patience) <= now);
        let late: Vec<_> = waiting
            .map(|deferred| (*deferred.id, deferred.author.clone()))
            .collect();
        for (message, author) in late {
            let members = MemberSet::of(author);
            self.warn_within(WarningKind::MissingParents, members, Some(message), id);
        }
    }

    /// O-10: a member that should have confirmed the chain by now.
    fn look_for_missing_confirmations(&mut self) {
        let Some(stay) = &self.stay else { return };
        let deadline = self.settings.timing.confirmation_deadline();
        let late = stay
            .owing
            .iter()
            .filter(|(_, since)| since.after(deadline) <= self.clock.now());
        let late: MemberSet = late.map(|(member, _)| member.clone()).collect();
        if stay.bad_share || self.is_going() {
            return;
        }
        let late = late.intersection(&self.present());
        self.clear_warnings(|warning| {
            warning.kind == WarningKind::ChainUnconfirmed && warning.members.intersection(&late).is_empty()
        });
        for member in late {
            self.warn(WarningKind::ChainUnconfirmed, MemberSet::of(member));
        }
    }

    /// O-10: a member that has accepted other operations than we have. Also what was said before an operation ended
    /// is decided when it ends.
    fn look_for_differences(&mut self, cx: &mut Context<'_>) {
        let Some(stay) = &self.stay else { return };
        let differing: Vec<MemberId> = stay.resolver.differences().keys().cloned().collect();
        for member in differing {
            self.estranged(&member, cx);
            self.warn(WarningKind::InconsistentHistory, MemberSet::of(member));
        }
    }

    /// When our contribution to the keys, the oldest of all, is due for a refresh (C-11).
    fn refresh_due(&self) -> Option<Time> {
        let keys = self.stay.as_ref()?.keys.as_ref()?;
        let after = self.settings.refresh_after?;
        let ages = self.gka.ages(keys);
        ages.oldest()
            .filter(|(who, _)| *who == self.gka.me())
            .map(|(_, since)| since.after(after))
    }

    /// What we want the members to be, if it is anything else than they are; and whether the user wants it, or our
    /// duties do.
    fn wish(&self) -> Option<(Change, bool)> {
        let stay = self.stay.as_ref()?;
        let head = stay.resolver.head()?;
        let unsure = stay.unsure_until < Time::NEVER;
        let busy =
            stay.resolver.running().is_some() || stay.proposal.is_some() || stay.departure.is_under_way();
        if busy || unsure || stay.bad_share || !stay.resolver.is_member() || self.actions.is_parting() {
            return None;
        }
        let members = &head.members;
        let unwanted = |member: &MemberId| {
            members.contains(member)
                || stay.excluded.contains_key(member)
                || stay.departed.contains_key(member)
                || stay.kicks.contains_key(member)
        };
        let unready = |member: &MemberId| {
            let found = stay.unready.get(member);
            found.is_some_and(|unready| unready.again_at > self.clock.now())
        };
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
        if stay.retry_at <= self.clock.now() {
            let comers = if self.settings.auto_include {
                stay.channel.minus(members) // T-1
            } else {
                stay.heirs.clone() // T-11
            };
            if stay.include_at <= self.clock.now() {
                let comers = comers
                    .into_iter()
                    .filter(|member| !unwanted(member) && !unready(member))
                    .collect();
                let comers = stay.in_turn(self.permitted_comers(&wish, comers));
                wish.include.extend(comers);
            }
            refresh |= self.refresh_due().is_some_and(|due| due <= self.clock.now());
        }
        // T-4, T-6: together with whatever else there is to do, or when it is our turn.
        let our_turn = stay.departed.values().min().is_some_and(|first| {
            let turn = self.settings.timing.turn(self.rank(None));
            first.after(turn) <= self.clock.now() && stay.retry_at <= self.clock.now()
        });
        if our_turn || refresh || !wish.is_refresh() {
            wish.exclude.extend(
                stay.departed
                    .keys()
                    .filter(|member| members.contains(member))
                    .cloned(),
            );
        }
        if !refresh && wish.is_refresh() {
            return None;
        }
        self.permitted_wish(wish, for_action)
    }

    /// Proposes what we want, if there is anything and the group is free to hear it.
    pub(crate) fn pursue(&mut self, cx: &mut Context<'_>) -> Result<(), ProposeError> {
        self.settle_forbidden();
        while let Some((change, for_action)) = self.wish() {
            match self.propose(change, for_action, cx) {
                Err(error) if self.set_aside(&error) => {} // The rest of it, then.
                result => return result,
            }
        }
        Ok(())
    }

    /// Whoever cannot be included for now waits, and keeps nothing else from being done: what it has to announce
    /// may be on its way (K-14), and the user may come to trust it. Whether it was set aside.
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
        let known = stay.unready.get(member).copied();
        let unready = Unready {
            since: known.map_or(now, |unready| unready.since),
            again_at: now.after(timing.channel_reply()),
        };
        stay.unready.insert(member.clone(), unready);
        if is_silent && unready.since.after(timing.join_deadline()) <= now {
            self.kick_in_turn(member.clone(), None); // T-18
        } else if !is_silent && known.is_none() {
            let me = self.gka.me().clone();
            self.skip(&me, error);
        }
        known != Some(unready)
    }

    /// O-12: what the user wants is forbidden by now, since others have come or gone.
    fn settle_forbidden(&mut self) {
        let (Some(stay), Some(change)) = (&self.stay, self.actions.change()) else {
            return;
        };
        if stay.resolver.running().is_some() || stay.proposal.is_some() || !stay.resolver.is_member() {
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
    fn cannot_propose(&mut self, error: &ProposeError) {
        let retry_at = self.clock.now().after(self.settings.timing.channel_reply());
        if let Some(stay) = &mut self.stay {
            stay.retry_at = retry_at;
        }
        let me = self.gka.me().clone();
        self.skip(&me, error);
        if matches!(
            self.actions.current().map(|action| &action.kind),
            Some(ActionKind::Change(_))
        ) {
            self.settle_action(ActionOutcome::Rejected(RejectionCause::Other(error.to_string())));
        }
    }
}

impl<G: GroupKeyAgreement> Stay<G> {
    /// Of those whom we would include: all, or, after an operation that was aborted, one after the other, so that somebody
    /// who does not answer keeps nobody else out.
    fn in_turn(&self, comers: MemberSet) -> MemberSet {
        let Some(turn) = self.aborted.checked_sub(1) else {
            return comers;
        };
        let places = comers.len().max(1);
        comers.into_iter().skip(turn as usize % places).take(1).collect()
    }
}

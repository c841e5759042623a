//! Enters and leaves of the channel, and what they call for (T rules).

use concilium_core::{Context, MemberId, MemberSet, PacketId};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;
use concilium_server_order::Outcome;

use crate::chain::Chain;
use crate::stay::Stay;
use crate::{ActionKind, ActionOutcome, Event, FailureCause, Session, WarningKind};

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// We are in the channel.
    pub(crate) fn entered(&mut self, mut members: MemberSet, cx: &mut Context<'_>) {
        if self.stay.is_some() {
            self.left(cx); // The channel has skipped a leave: what we knew is void (T-3).
        }
        let me = self.gka.me().clone();
        members.insert(me.clone());
        self.stay = Some(Stay::outside(me, members, self.clock.now()));
        self.wait_for_company();
        self.found_if_senior(cx);
        self.announce(cx);
    }

    /// T-11: we are in no session and have no seniors left: we found one, and include our heirs.
    pub(crate) fn found_if_senior(&mut self, cx: &mut Context<'_>) {
        let Some(stay) = &mut self.stay else { return };
        let in_step = stay.chain.resolver.is_synchronised();
        if !stay
            .arrival
            .founds(in_step, &self.settings.timing, self.clock.now())
        {
            return;
        }
        let Ok(parent) = cx.random() else {
            return; // Tried again at the next event.
        };
        let me = self.gka.me().clone();
        stay.arrival
            .founded(stay.channel.minus(&MemberSet::of(me.clone())));
        stay.chain = Chain::found(me.clone(), PacketId::from_bytes(parent));
        let members = MemberSet::of(me);
        self.emit(Event::MembershipChanged {
            subsession: None,
            members: members.clone(),
            joined: members,
            parted: MemberSet::new(),
        });
        if self.actions.is_joining() {
            self.settle_action(ActionOutcome::Done);
        }
    }

    /// K-14: a waiting member announces itself again, less and less often, since the channel may have lost
    /// the announcement.
    pub(crate) fn announce_if_due(&mut self, cx: &mut Context<'_>) {
        let now = self.clock.now();
        let Some(stay) = &mut self.stay else { return };
        let in_step = stay.chain.resolver.is_synchronised();
        if stay.arrival.announces_again(in_step, now) {
            self.announce(cx);
        }
    }

    /// T-3: we are out of the channel, for any reason. All that we knew of the session is cleared. What was
    /// said stays readable.
    pub(crate) fn left(&mut self, cx: &mut Context<'_>) {
        let Some(stay) = self.stay.take() else { return };
        self.clear_session(&stay);
        for member in &stay.channel {
            self.gka.forget(member); // K-14: they announce themselves when we come again.
        }
        let parting = self.actions.is_parting();
        match self.actions.current().map(|action| &action.kind) {
            Some(ActionKind::Join) if !stay.departure.is_under_way() || stay.departure.comes_back() => {
                // T-12: kicked while trying to join: again, after a while.
                let (now, timing) = (self.clock.now(), self.settings.timing);
                let was_let_in = stay.entered_at.after(timing.join_deadline()) <= now;
                let enter_at = now.after(timing.rejoin_delay(cx));
                if let Some(action) = self.actions.current_mut() {
                    action.enter_at(enter_at);
                    // T-17 is our own wish, and T-18 concerns all waiting members: neither is a refusal.
                    if stay.departure.comes_back() || was_let_in {
                        action.wait_anew(now);
                    }
                }
            }
            Some(ActionKind::Part) => self.settle_action(ActionOutcome::Done),
            Some(_) => self.settle_action(ActionOutcome::Left),
            None => {}
        }
        if stay.departure.comes_back() && self.actions.current().is_none() && !parting {
            self.enter_again(cx);
        }
    }

    /// Another member is in the channel now.
    pub(crate) fn member_entered(&mut self, member: MemberId, cx: &mut Context<'_>) {
        let Some(stay) = &mut self.stay else { return };
        if !stay.channel.insert(member.clone()) {
            return;
        }
        stay.strays.forget(&member);
        let is_member = stay.chain.resolver.is_member();
        self.announce(cx); // K-14: a newcomer has not seen our announcement.
        let Some(stay) = self.stay.as_mut().filter(|_| is_member) else {
            return;
        };
        self.waiting.forget(&member);
        let running = stay.chain.resolver.running();
        let stranger = running.is_some_and(|running| !running.after.contains(&member)); // T-2
        if stranger || stay.door.has_departed(&member) {
            // T-7 too: a departed member is kept out until it is excluded.
            let author = running.map(|running| running.author.clone());
            self.kick_in_turn(member, author.as_ref());
            return;
        }
        if !self.members().contains(&member) {
            self.emit(Event::SomeoneEntered { member }); // T-1
        }
    }

    /// Another member is out of the channel.
    pub(crate) fn member_left(&mut self, member: &MemberId, cx: &mut Context<'_>) {
        let Some(stay) = &mut self.stay else { return };
        if !stay.channel.remove(member) {
            return;
        }
        self.gka.forget(member); // K-14: it announces itself when it comes again.
        stay.arrival.left(member);
        stay.strays.forget(member);
        if stay.door.left(member)
            && let Some(action) = self.actions.current_mut()
        {
            action.invited.remove(member); // T-8: out at last, it can be invited now.
        }
        for subsession in self.current.iter_mut().chain(&mut self.past) {
            if subsession.transcript.members().contains(member) {
                subsession.state.gone.insert(member.clone());
            }
        }
        let failed = stay.chain.resolver.left(member, &stay.channel); // T-5
        self.clear_warnings(|warning| {
            warning.kind == WarningKind::MemberAbsent && warning.members.contains(member)
        });
        let Some(stay) = &mut self.stay else { return };
        let is_member = stay
            .chain
            .resolver
            .head()
            .is_some_and(|head| head.members.contains(member));
        if stay.chain.resolver.is_member() && is_member {
            stay.door.depart(member.clone(), self.clock.now()); // T-4, T-6
        }
        if let Some(record) = failed {
            let cause = match &record.outcome {
                Outcome::Left { who } => FailureCause::Left(who.clone()),
                Outcome::Aborted { by } => FailureCause::Aborted(by.clone()),
                Outcome::Finished => return,
            };
            self.operation_failed(&record, cause, cx);
        }
        self.emit(Event::SomeoneLeft {
            member: member.clone(),
        });
        self.found_if_senior(cx);
        // T-13: the last member leaves too.
        let last = self.stay.as_ref().is_some_and(|stay| stay.channel.len() == 1);
        if last && is_member && !self.settings.stay_if_last && !self.actions.is_joining() {
            self.leave();
        }
    }
}

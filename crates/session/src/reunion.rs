//! Coming together again: members of one channel who are not in one session (T-17).

use std::collections::BTreeMap;

use concilium_core::{Context, MemberId, MemberSet, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::{AssociatedData, GroupKeyAgreement};
use serde::{Deserialize, Serialize};

use crate::due::{Due, DueReason};
use crate::{ActionKind, Session};

/// Who is in our channel and has shown that it is elsewhere: in another session, or at another place of the chain. Or it
/// is in the channel, where we do not see it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Estranged {
    /// Since when, without a sign that it is with us after all.
    since: BTreeMap<MemberId, Time>,
    /// When we decide who goes to whom.
    pub(crate) decide_at: Time,
    /// How often we have decided that they come to us.
    waited: u32,
    /// Without company: when we look for it. Others may be where we do not see them, if we have heard nobody for so long...
    pub(crate) look_at: Time,
    /// ... or not see us, if we hear them and nobody lets us in for longer.
    look_at_latest: Time,
    /// When we last asked who is with us.
    asked_at: Option<Time>,
}

impl Default for Estranged {
    fn default() -> Self {
        Self {
            since: BTreeMap::new(),
            decide_at: Time::NEVER,
            waited: 0,
            look_at: Time::NEVER,
            look_at_latest: Time::NEVER,
            asked_at: None,
        }
    }
}

impl Estranged {
    /// All are with us, after an operation that has succeeded, and not by a packet of our own alone.
    pub(crate) fn forget_all(&mut self) {
        *self = Self {
            look_at: self.look_at,
            look_at_latest: self.look_at_latest,
            ..Self::default()
        };
    }

    /// Nobody seems to be elsewhere.
    fn rest(&mut self) {
        self.since.clear();
        (self.decide_at, self.waited) = (Time::NEVER, 0);
    }

    /// What is left of it for somebody who starts over: it is with nobody still.
    pub(crate) fn start_over(&self) -> Self {
        Self {
            look_at: self.look_at_latest,
            look_at_latest: self.look_at_latest,
            ..Self::default()
        }
    }

    /// The member is with us, or gone.
    pub(crate) fn forget(&mut self, member: &MemberId) {
        self.since.remove(member);
    }

    /// The next moment at which something is due here.
    pub(crate) fn next_due(&self, now: Time) -> Option<Due> {
        let dues = [
            Due::new(DueReason::Reunite, self.decide_at),
            Due::new(DueReason::LookForCompany, self.look_at),
        ];
        Due::first(dues, now)
    }

    /// All of them.
    fn members(&self) -> MemberSet {
        self.since.keys().cloned().collect()
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// T-17: somebody in the channel has shown that it is not where we are. Those who are with us will say so when they are
    /// asked.
    pub(crate) fn estranged(&mut self, member: &MemberId, cx: &mut Context<'_>) {
        let (now, timing) = (self.clock.now(), self.settings.timing);
        let me = self.gka.me();
        // What whoever may be excluded says is no question to anybody (T-10).
        let reunite = self.settings.reunite && member != me && !self.is_going();
        let Some(stay) = self.stay.as_mut().filter(|_| reunite) else {
            return;
        };
        let estranged = &mut stay.estranged;
        let times = self.reunions.saturating_add(estranged.waited);
        if estranged.decide_at == Time::NEVER {
            estranged.decide_at = now.after(timing.reunion_delay(times, cx));
        }
        if estranged.since.contains_key(member) {
            return;
        }
        estranged.since.insert(member.clone(), now);
        let asked = estranged.asked_at;
        if asked.is_some_and(|at| at.after(timing.full_ack()) > now) {
            return;
        }
        estranged.asked_at = Some(now);
        if let Some(current) = &mut self.current {
            let ask_at = now.after(timing.broadcast_latency());
            current.state.confirm_due = current.state.confirm_due.min(ask_at);
        }
    }

    /// T-17: whether a proposal that does not count shows that its author is not where we are. To whoever is outside, the place
    /// of everybody's chain is new; but nobody should take it for a member.
    pub(crate) fn is_from_elsewhere(&self, data: &AssociatedData) -> bool {
        let me = self.gka.me();
        self.stay.as_ref().is_some_and(|stay| {
            if stay.chain.resolver.is_member() {
                !stay.chain.resolver.has_seen(&data.parent)
            } else {
                data.before.contains(me) && data.after.contains(me)
            }
        })
    }

    /// T-17: the fewer go to the more, by leaving the channel and coming back as if they had never been here. Of as many
    /// those go who do not have the least name. Whoever has no keys goes anyway.
    pub(crate) fn reunite_if_due(&mut self, cx: &mut Context<'_>) {
        let (now, timing) = (self.clock.now(), self.settings.timing);
        if self.settings.reunite && self.has_waited_in_vain() {
            return self.come_back(MemberSet::new());
        }
        let times = self.reunions;
        let (going, parting) = (self.is_going(), self.actions.is_parting());
        let Some(stay) = self.stay.as_mut().filter(|_| self.settings.reunite) else {
            return;
        };
        if stay.estranged.decide_at > now {
            return;
        }
        let keyless = stay.course.is_keyless();
        if going || parting || stay.estranged.since.is_empty() && !keyless {
            return stay.estranged.rest();
        }
        if !stay.chain.resolver.is_member() {
            let elsewhere = stay.estranged.members();
            return self.come_back(elsewhere);
        }
        let first = stay.estranged.since.values().copied().min().unwrap_or(now);
        let (elsewhere, waited) = (stay.estranged.members(), stay.estranged.waited);
        let with_us = self.heard_since(first).minus(&elsewhere);
        let outnumbered = with_us.len() < elsewhere.len();
        let even = with_us.len() == elsewhere.len();
        let theirs_is_least = elsewhere.iter().next() < with_us.iter().next();
        if keyless || outnumbered || even && (waited > 0 || theirs_is_least) {
            return self.come_back(elsewhere);
        }
        let Some(stay) = &mut self.stay else { return };
        // Whoever is elsewhere still shows it again; whoever has another chain need not.
        let differences = stay.chain.resolver.differences();
        let estranged = &mut stay.estranged;
        estranged
            .since
            .retain(|member, _| differences.contains_key(member));
        estranged.waited = waited.saturating_add(1);
        let times = times.saturating_add(estranged.waited);
        estranged.decide_at = now.after(timing.reunion_delay(times, cx));
    }

    /// T-17: whoever is with nobody and hears nobody may have been told the wrong things: who enters anew is told again
    /// who is there, and the others that it is.
    fn has_waited_in_vain(&mut self) -> bool {
        let (lacks_company, alone) = (self.lacks_company(), self.is_alone());
        let busy = self.is_going() || self.actions.current().is_some() && !self.actions.is_joining();
        let Some(stay) = &mut self.stay else {
            return false;
        };
        if !lacks_company {
            stay.estranged.look_at = Time::NEVER;
            if !alone {
                stay.estranged.look_at_latest = Time::NEVER;
            }
        } else if stay.estranged.look_at == Time::NEVER {
            self.wait_for_company();
        } else {
            return stay.estranged.look_at <= self.clock.now() && !busy;
        }
        false
    }

    /// T-17: somebody is there, for whom we may be waiting.
    pub(crate) fn heard_from_outside(&mut self, from: &MemberId) {
        if from != self.gka.me() {
            self.wait_for_company();
        }
    }

    /// T-17: with nobody, we wait for so long to hear somebody, and not for ever.
    pub(crate) fn wait_for_company(&mut self) {
        let (now, wait) = (self.clock.now(), self.settings.timing.silence(self.reunions));
        let lacks_company = self.lacks_company();
        let Some(stay) = self.stay.as_mut().filter(|_| lacks_company) else {
            return;
        };
        let estranged = &mut stay.estranged;
        if estranged.look_at_latest == Time::NEVER {
            estranged.look_at_latest = now.after(wait * 2);
        }
        estranged.look_at = now.after(wait).min(estranged.look_at_latest);
    }

    /// Members of our session who have said something in it since then; and we.
    fn heard_since(&self, then: Time) -> MemberSet {
        let me = self.gka.me();
        let heard = |member: &MemberId| {
            let current = self.current.as_ref();
            current
                .and_then(|current| current.state.presence.last_heard(member))
                .is_some_and(|at| at >= then)
        };
        let members = self.members().intersection(&self.present());
        members
            .into_iter()
            .filter(|member| member == me || heard(member))
            .collect()
    }

    /// We are out, and enter again after a while.
    pub(crate) fn begin_anew(&mut self, cx: &mut Context<'_>) {
        let enter_at = self.clock.now().after(self.settings.timing.rejoin_delay(cx));
        self.begin(ActionKind::Join);
        if let Some(action) = self.actions.current_mut() {
            action.enter_at(enter_at);
        }
    }
}

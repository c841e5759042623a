//! Reunion: members of one channel that are not in one session come together again (T-17).

use std::collections::BTreeMap;

use concilium_core::{Context, MemberId, MemberSet, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::{AssociatedData, GroupKeyAgreement};
use serde::{Deserialize, Serialize};

use crate::due::{Due, DueReason};
use crate::{ActionKind, Session};

/// The stray members of our channel. They have shown that they are in another session, at another place of
/// the chain, or in the channel although we do not see them there.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Strays {
    /// Each stray member, and when it gave its first sign.
    since: BTreeMap<MemberId, Time>,
    /// When we count, and decide which side leaves.
    pub(crate) decide_at: Time,
    /// How often we have counted and stayed.
    waited: u32,
    /// Without company: when we leave and come back if we hear nobody until then. The others may be where we
    /// do not see them.
    pub(crate) look_at: Time,
    /// Without company: when we leave and come back at the latest, even if we hear others. They may not see
    /// us.
    look_at_latest: Time,
    /// When we last asked the members that are with us to say so.
    asked_at: Option<Time>,
}

impl Default for Strays {
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

impl Strays {
    /// An operation has succeeded, not by a packet of our own alone: all are with us.
    pub(crate) fn forget_all(&mut self) {
        *self = Self {
            look_at: self.look_at,
            look_at_latest: self.look_at_latest,
            ..Self::default()
        };
    }

    /// There are no stray members.
    fn rest(&mut self) {
        self.since.clear();
        (self.decide_at, self.waited) = (Time::NEVER, 0);
    }

    /// What remains for a member that starts over: it is still without company.
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
    /// T-17: `member` has given a sign that it is a stray. We ask the others, so that those with us say so.
    pub(crate) fn note_stray(&mut self, member: &MemberId, cx: &mut Context<'_>) {
        let (now, timing) = (self.clock.now(), self.settings.timing);
        let me = self.gka.me();
        // A perhaps excluded or departing member asks the others nothing (T-10).
        let reunite = self.settings.reunite && member != me && !self.is_going();
        let Some(stay) = self.stay.as_mut().filter(|_| reunite) else {
            return;
        };
        let strays = &mut stay.strays;
        let times = self.reunions.saturating_add(strays.waited);
        if strays.decide_at == Time::NEVER {
            strays.decide_at = now.after(timing.reunion_delay(times, cx));
        }
        if strays.since.contains_key(member) {
            return;
        }
        strays.since.insert(member.clone(), now);
        let asked = strays.asked_at;
        if asked.is_some_and(|at| at.after(timing.full_ack()) > now) {
            return;
        }
        strays.asked_at = Some(now);
        if let Some(current) = &mut self.current {
            let ask_at = now.after(timing.broadcast_latency());
            current.state.confirm_due = current.state.confirm_due.min(ask_at);
        }
    }

    /// T-17: whether a rejected proposal is a sign that its author is a stray. To a waiting member every
    /// place of a chain is new, so only a proposal that takes it for a member is a sign.
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

    /// T-17: the fewer leave the channel and come back, as if they had never been here. If both sides are
    /// equal, the side without the least name leaves. A member without keys leaves anyway.
    pub(crate) fn come_back_if_due(&mut self, cx: &mut Context<'_>) {
        let (now, timing) = (self.clock.now(), self.settings.timing);
        if self.settings.reunite && self.has_waited_in_vain() {
            return self.come_back(MemberSet::new());
        }
        let times = self.reunions;
        let (going, parting) = (self.is_going(), self.actions.is_parting());
        let Some(stay) = self.stay.as_mut().filter(|_| self.settings.reunite) else {
            return;
        };
        if stay.strays.decide_at > now {
            return;
        }
        let keyless = stay.course.is_keyless();
        if going || parting || stay.strays.since.is_empty() && !keyless {
            return stay.strays.rest();
        }
        if !stay.chain.resolver.is_member() {
            let elsewhere = stay.strays.members();
            return self.come_back(elsewhere);
        }
        let first = stay.strays.since.values().copied().min().unwrap_or(now);
        let (elsewhere, waited) = (stay.strays.members(), stay.strays.waited);
        let with_us = self.heard_since(first).minus(&elsewhere);
        let outnumbered = with_us.len() < elsewhere.len();
        let even = with_us.len() == elsewhere.len();
        let theirs_is_least = elsewhere.iter().next() < with_us.iter().next();
        if keyless || outnumbered || even && (waited > 0 || theirs_is_least) {
            return self.come_back(elsewhere);
        }
        let Some(stay) = &mut self.stay else { return };
        // A stray counts again only after a new sign, unless it has confirmed another chain.
        let differences = stay.chain.resolver.differences();
        let strays = &mut stay.strays;
        strays.since.retain(|member, _| differences.contains_key(member));
        strays.waited = waited.saturating_add(1);
        let times = times.saturating_add(strays.waited);
        strays.decide_at = now.after(timing.reunion_delay(times, cx));
    }

    /// T-17: whether we have been without company for too long. We may have been told wrong things; entering
    /// again corrects that on both sides.
    fn has_waited_in_vain(&mut self) -> bool {
        let (lacks_company, alone) = (self.lacks_company(), self.is_alone());
        let busy = self.is_going() || self.actions.current().is_some() && !self.actions.is_joining();
        let Some(stay) = &mut self.stay else {
            return false;
        };
        if !lacks_company {
            stay.strays.look_at = Time::NEVER;
            if !alone {
                stay.strays.look_at_latest = Time::NEVER;
            }
        } else if stay.strays.look_at == Time::NEVER {
            self.wait_for_company();
        } else {
            return stay.strays.look_at <= self.clock.now() && !busy;
        }
        false
    }

    /// T-17: another member of the channel, which we may be waiting for, was heard.
    pub(crate) fn heard_from_outside(&mut self, from: &MemberId) {
        if from != self.gka.me() {
            self.wait_for_company();
        }
    }

    /// T-17: if we are without company, starts the wait again in which we hope to hear others, up to its
    /// latest end.
    pub(crate) fn wait_for_company(&mut self) {
        let (now, wait) = (self.clock.now(), self.settings.timing.silence(self.reunions));
        let lacks_company = self.lacks_company();
        let Some(stay) = self.stay.as_mut().filter(|_| lacks_company) else {
            return;
        };
        let strays = &mut stay.strays;
        if strays.look_at_latest == Time::NEVER {
            strays.look_at_latest = now.after(wait * 2);
        }
        strays.look_at = now.after(wait).min(strays.look_at_latest);
    }

    /// The members of our session that have said something in it since then, and we.
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
    pub(crate) fn enter_again(&mut self, cx: &mut Context<'_>) {
        let enter_at = self.clock.now().after(self.settings.timing.rejoin_delay(cx));
        self.begin(ActionKind::Join);
        if let Some(action) = self.actions.current_mut() {
            action.enter_at(enter_at);
        }
    }
}

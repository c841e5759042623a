//! What should have happened by now: the warnings whose time has come, and those that have lost their ground.

use concilium_core::{Context, MemberId, MemberSet};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;

use crate::subsessions::Which;
use crate::{Session, WarningKind};

/// At most this many overdue messages are examined per tick; the oldest suffice.
const MAX_OVERDUE: usize = 16;

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// Raises the warnings whose time has come, and clears those that have lost their ground.
    pub(crate) fn look_for_trouble(&mut self, cx: &mut Context<'_>) {
        let now = self.clock.now();
        for (from, suspicious) in self.waiting.expire(now) {
            let stay = self.stay.as_ref().filter(|stay| stay.chain.resolver.is_member());
            if stay.is_some_and(|stay| stay.channel.contains(&from) || self.is_alone()) {
                self.note_stray(&from, cx);
            }
            if suspicious {
                self.warn(WarningKind::NotDecryptable, MemberSet::of(from));
            }
        }
        // A perhaps excluded or departing member expects nothing of others: they may be where it cannot see
        // them (T-10).
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

    /// A departed member has come back, as far as the channel says, and the channel does not put it out
    /// (T-7).
    fn look_for_vain_kicks(&mut self) {
        let Some(stay) = &self.stay else { return };
        let there: Vec<_> = stay.door.put_out_in_vain().cloned().collect();
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
                // The members that have not seen it are not here any more: that is no warning.
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
        let late = stay.chain.late(&self.settings.timing, self.clock.now());
        if stay.course.is_keyless() || self.is_going() {
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

    /// O-10: a member has accepted other operations than we have. A confirmation made before an operation
    /// ended is judged when it ends.
    fn look_for_differences(&mut self, cx: &mut Context<'_>) {
        let Some(stay) = &self.stay else { return };
        let differing: Vec<MemberId> = stay.chain.resolver.differences().keys().cloned().collect();
        for member in differing {
            self.note_stray(&member, cx);
            self.warn(WarningKind::InconsistentHistory, MemberSet::of(member));
        }
    }
}

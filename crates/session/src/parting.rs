//! Parting: we send a finish, wait until all have seen it, and leave the channel (T-9, L-6, M-9).

use concilium_core::{Context, MessageId, Time};
use concilium_encryptor::{Kind, MessageEncryptor};
use concilium_gka::GroupKeyAgreement;

use crate::subsessions::Which;
use crate::{Session, WarningKind};

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// T-9, L-6: finish, wait until all have seen it, leave.
    pub(crate) fn part_if_finished(&mut self, cx: &mut Context<'_>) {
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
        if !stay.chain.resolver.is_member() {
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
        if stay.course.operation.is_some()
            && stay
                .chain
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

    /// M-9: the body of our finish. If we mean to publish our first key, it names the key that we go on with.
    pub(crate) fn control_key(&mut self, cx: &mut Context<'_>) -> Vec<u8> {
        let Some(current) = self.current.as_mut().filter(|_| self.settings.deniable) else {
            return Vec::new();
        };
        let key = current.encryptor.control_key(cx).ok().flatten();
        key.map_or_else(Vec::new, |key| key.as_bytes().to_vec())
    }

    /// M-9, A-15: we publish our first key. Every member of the subsession, departed or not, has our finish
    /// by now, and accepts nothing more under that key. We do not publish it while a later subsession uses it
    /// or may come to use it (C-8), since joiners there have not seen the finish.
    fn publish_key(&mut self, finish: &MessageId, cx: &mut Context<'_>) {
        let Some(stay) = &self.stay else { return };
        let changing = stay.course.operation.is_some()
            || stay.course.proposal.is_some()
            || stay.chain.resolver.running().is_some();
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
}

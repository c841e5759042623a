//! A subsession: fixed members, one set of keys, a transcript of its own, and the timers that go with it.

use std::collections::{BTreeMap, BTreeSet};

use concilium_core::keys::{SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::{Context, FramedHash, MemberId, MemberSet, MessageId, Secret, SubsessionId, Time, wire};
use concilium_encryptor::{ChainConfirmation, Content, Kind, MessageEncryptor, OpenError, SealError};
use concilium_liveness::{AckMonitor, AckTimer, Presence, ResendTimer, Timing};
use concilium_server_order::Link;
use concilium_transcript::{Entry, InsertError, Inserted, Placement, Transcript};
use serde::{Deserialize, Serialize};

use crate::due::{Due, DueReason};

/// What the session keeps with each message of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) kind: Kind,
    pub(crate) confirmation: Option<ChainConfirmation>,
    /// The body, until it is handed on.
    #[serde(with = "wire::bytes")]
    pub(crate) body: Vec<u8>,
    /// The packet that it came in, to be sent again byte for byte (L-3). Kept until all have it.
    #[serde(with = "wire::bytes")]
    pub(crate) packet: Vec<u8>,
    /// When we last sent this acknowledgement of ours again (L-4).
    pub(crate) again_at: Time,
    /// The key of its author that it retires (M-9).
    pub(crate) retires: Option<VerifyingKey>,
}

/// One member's side of a subsession.
#[derive(Debug)]
pub(crate) struct Subsession<E> {
    pub(crate) encryptor: E,
    pub(crate) transcript: Transcript<Note>,
    pub(crate) state: SubsessionState,
}

/// What a subsession knows besides its encryptor and its transcript.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubsessionState {
    pub(crate) id: SubsessionId,
    exporter: Secret<32>,
    pub(crate) monitor: AckMonitor,
    pub(crate) ack: AckTimer,
    pub(crate) resends: ResendTimer,
    pub(crate) presence: Presence,
    /// What our messages here have confirmed of the chain (O-10).
    pub(crate) confirmed: Option<Link>,
    /// When we confirm the chain even if we have nothing to say.
    pub(crate) confirm_due: Time,
    /// The members that have finished, and may send no more data (L-6).
    pub(crate) finished: MemberSet,
    /// The members whose signing key is retired, and the key (M-9). Their finish said so, here or in an
    /// earlier subsession.
    pub(crate) retired: BTreeMap<MemberId, VerifyingKey>,
    /// The members that have left the channel since. They will never see more of this subsession: if they
    /// come back, they begin anew (T-3).
    pub(crate) gone: MemberSet,
    /// Our finish, and until when we wait for all to have seen it.
    pub(crate) own_finish: Option<(MessageId, Time)>,
    /// When it closes, seen by all or not; never while it is the current one (M-1).
    pub(crate) closes_at: Time,
}

/// Why a packet did not become a message.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Not readable here.
    NotDecryptable,
    /// Some member made it, and no honest one does so.
    Bad,
    /// Its author may not say it.
    Refused(MemberId, InsertError),
    /// Data after its author's finish.
    AfterFinish(MemberId),
}

/// Why a message of ours was not said.
#[derive(Debug)]
pub(crate) enum SpeakError {
    /// There is no such subsession.
    NoSubsession,
    /// It could not be sealed.
    Seal(SealError),
    /// The transcript does not take it.
    Transcript(InsertError),
}

impl<E: MessageEncryptor> Subsession<E> {
    /// The subsession that these keys make, whose first messages start from `latest` of the one before (G-9).
    pub(crate) fn new(
        me: &MemberId,
        keys: &SubsessionKeys,
        previous: Option<&Self>,
        latest: Vec<MessageId>,
        confirm_due: Time,
    ) -> Option<Self> {
        let encryptor = E::new(me, keys).ok()?;
        let members = keys.members();
        let transcript = match previous {
            Some(previous) => Transcript::succeeding(&previous.transcript, members, latest),
            None => Transcript::with_roots(members, latest),
        };
        let mut exporter = Secret::zeroed();
        FramedHash::new("concilium 2026-11 v1 session exporter base")
            .field(keys.subsession.as_bytes())
            .field(keys.secret.expose())
            .finish_into(exporter.expose_mut());
        // C-8: a member may keep its signing key from one subsession to the next, retired or not.
        let retired = previous.map(|previous| {
            let kept = previous.state.retired.iter();
            let kept = kept.filter(|(member, key)| keys.verifying.get(member) == Some(*key));
            kept.map(|(member, key)| (member.clone(), *key)).collect()
        });
        let state = SubsessionState {
            id: keys.subsession,
            retired: retired.unwrap_or_default(),
            exporter,
            monitor: AckMonitor::default(),
            ack: AckTimer::default(),
            resends: ResendTimer::default(),
            presence: Presence::default(),
            confirmed: None,
            confirm_due,
            finished: MemberSet::new(),
            gone: MemberSet::new(),
            own_finish: None,
            closes_at: Time::NEVER,
        };
        Some(Self {
            encryptor,
            transcript,
            state,
        })
    }

    /// A secret for the application's own use, the same for all members, another for each label.
    pub(crate) fn exporter(&self, label: &str) -> Secret<32> {
        let mut secret = Secret::zeroed();
        FramedHash::new("concilium 2026-11 v1 session exporter")
            .field(self.state.exporter.expose())
            .field(label.as_bytes())
            .finish_into(secret.expose_mut());
        secret
    }

    /// Verifies a packet, then takes it in (M-6). A packet that fails leaves no trace. Returns the message's
    /// id, and what it did unless the message was here before.
    pub(crate) fn receive(
        &mut self,
        packet: &[u8],
        retired: &BTreeSet<VerifyingKey>,
        now: Time,
    ) -> Result<(MessageId, Option<Inserted>), Refusal> {
        let opened = match self.encryptor.open(packet) {
            Ok(opened) => opened,
            // M-9: the finish that names the key is on its way.
            Err(OpenError::KeyNotNamed(_)) => return Err(Refusal::NotDecryptable),
            Err(OpenError::NotDecryptable) => {
                // M-8: a message that all have is no longer readable, but may come again.
                let again = self.encryptor.recognise(packet);
                let again = again.filter(|id| self.transcript.contains(id));
                return Ok((again.ok_or(Refusal::NotDecryptable)?, None));
            }
            Err(_) => return Err(Refusal::Bad),
        };
        let (author, content) = (opened.author, opened.content);
        // after its finish, a member has no more to say. Its finish itself may come again.
        let known = self.transcript.contains(&opened.id);
        let says_more = content.kind == Kind::DATA || content.kind == Kind::FINISH;
        if self.state.finished.contains(&author) && says_more && !known {
            return Err(Refusal::AfterFinish(author));
        }
        // a message under a retired key that we do not have came after the finish that retired the key.
        if opened.signer.is_some_and(|key| retired.contains(&key)) && !known {
            return Err(Refusal::AfterFinish(author));
        }
        let mut entry = entry(opened.id, author.clone(), content, packet);
        entry.body.retires = opened.signer.filter(|_| opened.retires);
        let inserted = self
            .transcript
            .insert(entry, now)
            .map_err(|error| Refusal::Refused(author, error))?;
        self.encryptor.commit(opened.step);
        let new = (inserted.outcome != Placement::Duplicate).then_some(inserted);
        Ok((opened.id, new))
    }

    /// Makes a message of ours, which answers all that we have seen, and takes it in.
    pub(crate) fn say(
        &mut self,
        me: &MemberId,
        kind: Kind,
        body: &[u8],
        claim: Option<Link>,
        cx: &mut Context<'_>,
    ) -> Result<(MessageId, Vec<u8>, Inserted), SpeakError> {
        let mut parents = self.transcript.next_parents(me);
        parents.sort_unstable();
        // O-10: once for each operation, in the first message after it.
        let claim = claim.filter(|claim| self.state.confirmed != Some(*claim));
        let confirmation = claim.map(|link| ChainConfirmation {
            packet: link.packet,
            chain: link.chain,
        });
        let content = Content {
            kind,
            parents,
            confirmation,
            body: body.to_vec(),
        };
        let sealed = self.encryptor.seal(&content, cx).map_err(SpeakError::Seal)?;
        let mut entry = entry(sealed.id, me.clone(), content, &sealed.packet);
        if kind == Kind::FINISH {
            let retired = self.encryptor.retired_key();
            entry.body.retires = retired.map(|seed| *SigningKey::from_seed(&seed).verifying_key());
        }
        let inserted = self
            .transcript
            .insert(entry, cx.now())
            .map_err(SpeakError::Transcript)?;
        self.state.ack.sent();
        if claim.is_some() {
            self.state.confirmed = claim;
        }
        if self.state.confirmed.is_some() {
            self.state.confirm_due = Time::NEVER;
        }
        Ok((sealed.id, sealed.packet, inserted))
    }

    /// Whether everyone of `present` has seen everything here, as far as we know, and knows that we have.
    pub(crate) fn is_consistent(&self, present: &MemberSet) -> bool {
        let seen = |id: &MessageId| self.missing(id, present).is_empty();
        self.state.ack.due() == Time::NEVER
            && self.transcript.deferred_len() == 0
            && self.transcript.unacked_messages().all(seen)
    }

    /// Those of `present` that have not seen a message, as far as we know, and still may.
    pub(crate) fn missing(&self, message: &MessageId, present: &MemberSet) -> MemberSet {
        let unacked = self.transcript.unacked(message).unwrap_or_default();
        unacked.intersection(present).minus(&self.state.gone)
    }

    /// What to send so that members that lack a message get it (L-3): its packet, preceded by those of the
    /// explicit acks that it answers. Such acks are not sent again for their own sake.
    pub(crate) fn packets_of(&self, message: &MessageId) -> Vec<&[u8]> {
        let acks = self.acks_before(message);
        let ids = acks.iter().rev().chain([message]);
        let packets = ids.filter_map(|id| Some(self.transcript.message(id)?.body.packet.as_slice()));
        packets.filter(|packet| !packet.is_empty()).collect()
    }

    /// The explicit acks directly before a message, and those directly before them, whose packets are kept:
    /// each after those that answer it.
    fn acks_before(&self, message: &MessageId) -> Vec<MessageId> {
        let mut found = Vec::new();
        let mut next = vec![*message];
        while let Some(id) = next.pop() {
            let Ok(parents) = self.transcript.parents(&id) else {
                continue;
            };
            for parent in parents {
                let ack = self.transcript.message(parent).filter(|parent| parent.ack_only);
                if ack.is_some_and(|ack| !ack.body.packet.is_empty()) && !found.contains(parent) {
                    found.push(*parent);
                    next.push(*parent);
                }
            }
        }
        found
    }

    /// All have this message and everything before it: no member will ask for the packets again, or need the
    /// keys (M-8).
    pub(crate) fn forget_packets(&mut self, message: &MessageId) {
        let mut ids = self.acks_before(message);
        ids.push(*message);
        for id in ids {
            if let Some(note) = self.transcript.body_mut(&id) {
                let packet = std::mem::take(&mut note.packet);
                self.encryptor.fully_acked(&packet);
            }
        }
        self.state.resends.settle(message);
    }

    /// L-4: `from` has sent a message again that we have acknowledged. If our acknowledgement was explicit
    /// and `from` has perhaps not seen it: its packet, to be sent again, though not at every repetition
    /// (L-8).
    pub(crate) fn ack_again(
        &mut self,
        message: &MessageId,
        from: &MemberId,
        me: &MemberId,
        timing: &Timing,
        now: Time,
    ) -> Option<Vec<u8>> {
        let ack = *self.transcript.ack_of(message, me).ok()??;
        let unseen = self.transcript.unacked(&ack).ok()?.contains(from);
        let explicit = self.transcript.message(&ack)?.ack_only;
        let note = self.transcript.body_mut(&ack)?;
        let rested = note.again_at == Time::ZERO || note.again_at.after(timing.full_ack() / 4) <= now;
        if !unseen || !explicit || note.packet.is_empty() || !rested {
            return None;
        }
        note.again_at = now;
        Some(note.packet.clone())
    }

    /// The next moment at which something is due here.
    pub(crate) fn next_due(&self, timing: &Timing, now: Time) -> Option<Due> {
        let state = &self.state;
        let finish = state.own_finish.map_or(Time::NEVER, |(_, until)| until);
        let parents = self.transcript.deferred().map(|deferred| {
            let overdue = deferred.since.after(timing.patience());
            Due::new(DueReason::MissParents, overdue)
        });
        let absence = state.monitor.first_deadline().after(timing.absence());
        let own = [
            Due::new(DueReason::Acknowledge, state.ack.due()),
            Due::new(DueReason::MissAcknowledgement, state.monitor.next_timeout(now)),
            Due::new(DueReason::MissMember, absence),
            Due::new(DueReason::Resend, state.resends.next_timeout()),
            Due::new(DueReason::Ask, state.presence.ask_at()),
            Due::new(DueReason::Confirm, state.confirm_due),
            Due::new(DueReason::EndFinish, finish),
            Due::new(DueReason::CloseSubsession, state.closes_at),
        ];
        Due::first(own.into_iter().chain(parents), now)
    }
}

fn entry(id: MessageId, author: MemberId, content: Content, packet: &[u8]) -> Entry<Note> {
    Entry {
        id,
        author,
        ack_only: content.kind.is_ack(),
        shown: content.kind == Kind::DATA,
        weight: content.body.len() + packet.len(),
        parents: content.parents,
        body: Note {
            kind: content.kind,
            confirmation: content.confirmation,
            body: content.body,
            packet: packet.to_vec(),
            again_at: Time::ZERO,
            retires: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use concilium_core::keys::SigningKey;
    use concilium_core::{RandomSource, RandomnessError};
    use concilium_encryptor::DefaultEncryptor;

    use super::*;

    /// Counts: good enough where nothing is at stake.
    struct Counting(u8);

    impl RandomSource for Counting {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomnessError> {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(5).wrapping_add(31);
                *byte = self.0;
            }
            Ok(())
        }
    }

    fn pair() -> [(MemberId, Subsession<DefaultEncryptor>); 2] {
        let members = ["alice", "bob"].map(|name| MemberId::new(name).unwrap());
        let signing = [1, 2].map(|seed| SigningKey::from_seed(&Secret::new([seed; 32])));
        let keys = members
            .iter()
            .cloned()
            .zip(signing.iter().map(|key| *key.verifying_key()));
        let verifying: concilium_core::MemberMap<_> = keys.collect();
        let mut signing = signing.into_iter();
        members.map(|me| {
            let keys = SubsessionKeys {
                subsession: SubsessionId::from_bytes([9; 32]),
                secret: Secret::new([8; 32]),
                signing: signing.next().unwrap(),
                verifying: verifying.clone(),
            };
            let subsession = Subsession::new(&me, &keys, None, vec![], Time::NEVER).unwrap();
            (me, subsession)
        })
    }

    #[test]
    fn a35_data_after_its_authors_finish_is_refused() {
        let [(_, mut alice), (bob, mut bobs)] = pair();
        let mut random = Counting(7);
        let mut say = |kind, body: &[u8]| {
            let mut cx = Context::new(Time::ZERO, &mut random);
            bobs.say(&bob, kind, body, None, &mut cx).unwrap().1
        };
        let finish = say(Kind::FINISH, b"");
        let (ack, confirmation) = (say(Kind::AUTOMATIC_ACK, b""), say(Kind::CONSISTENCY, b""));
        let (data, again) = (say(Kind::DATA, b"more"), say(Kind::FINISH, b""));
        assert!(alice.receive(&finish, &BTreeSet::new(), Time::ZERO).is_ok());
        alice.state.finished.insert(bob.clone());
        for refused in [data, again] {
            let refused = alice.receive(&refused, &BTreeSet::new(), Time::ZERO);
            assert!(matches!(refused, Err(Refusal::AfterFinish(who)) if who == bob));
        }
        assert_eq!(alice.transcript.len(), 1, "it left no trace");
        // After a finish, acks (L-6) and confirmations of later operations (O-10) still come. The same finish
        // may come again.
        for taken in [finish, ack, confirmation] {
            assert!(alice.receive(&taken, &BTreeSet::new(), Time::ZERO).is_ok());
        }
        assert_eq!(alice.transcript.len(), 3);
    }

    #[test]
    fn l03_explicit_acks_go_along_with_what_answers_them() {
        let [(alice, mut alices), (bob, mut bobs)] = pair();
        let mut random = Counting(5);
        let mut cx = Context::new(Time::ZERO, &mut random);
        let (_, question, _) = alices.say(&alice, Kind::DATA, b"?", None, &mut cx).unwrap();
        let _ = bobs.receive(&question, &BTreeSet::new(), Time::ZERO).unwrap();
        let mut packets = Vec::new();
        let mut last = None;
        for kind in [Kind::AUTOMATIC_ACK, Kind::MANUAL_ACK, Kind::DATA] {
            let (id, packet, _) = bobs.say(&bob, kind, b"", None, &mut cx).unwrap();
            packets.push(packet);
            last = Some(id);
        }
        let last = last.unwrap();
        assert_eq!(
            bobs.packets_of(&last),
            packets,
            "in an order in which each can be read at once"
        );
        bobs.forget_packets(&last);
        assert!(bobs.packets_of(&last).is_empty());
        let kept = bobs
            .transcript
            .iter()
            .filter(|message| !message.body.packet.is_empty());
        assert_eq!(kept.count(), 1, "the question, which is another message");
    }

    #[test]
    fn l02_our_message_acknowledges_all_that_we_have_seen() {
        let [(alice_id, mut alice), (bob, mut bobs)] = pair();
        let mut random = Counting(3);
        let mut cx = Context::new(Time::ZERO, &mut random);
        let (id, packet, _) = bobs.say(&bob, Kind::DATA, b"hi", None, &mut cx).unwrap();
        let _ = alice.receive(&packet, &BTreeSet::new(), Time::ZERO).unwrap();
        alice.state.ack.owe(Time::from_millis(5));
        let (_, answer, _) = alice.say(&alice_id, Kind::DATA, b"hello", None, &mut cx).unwrap();
        assert_eq!(alice.state.ack.due(), Time::NEVER);
        let (_, inserted) = bobs.receive(&answer, &BTreeSet::new(), Time::ZERO).unwrap();
        assert_eq!(inserted.unwrap().fully_acked, [id]);
        assert!(bobs.missing(&id, &bobs.transcript.members().clone()).is_empty());
    }

    /// What both members know in the same or another subsession, with this member's signing key.
    fn keys_of(member: usize, subsession: u8) -> (MemberId, SubsessionKeys) {
        let members = ["alice", "bob"].map(|name| MemberId::new(name).unwrap());
        let signing = [1, 2].map(|seed| SigningKey::from_seed(&Secret::new([seed; 32])));
        let verifying = signing.iter().map(|key| *key.verifying_key());
        let keys = SubsessionKeys {
            subsession: SubsessionId::from_bytes([subsession; 32]),
            secret: Secret::new([8; 32]),
            verifying: members.iter().cloned().zip(verifying).collect(),
            signing: signing[member].clone(),
        };
        (members[member].clone(), keys)
    }

    fn side(member: usize, subsession: u8) -> Subsession<DefaultEncryptor> {
        let (me, keys) = keys_of(member, subsession);
        Subsession::new(&me, &keys, None, vec![], Time::NEVER).unwrap()
    }

    #[test]
    fn m09_a15_what_a_retired_key_signs_is_refused_here_elsewhere_and_when_restored() {
        let [(_, mut alices), (bob, mut bobs)] = pair();
        let mut random = Counting(7);
        let mut cx = Context::new(Time::ZERO, &mut random);
        let none = BTreeSet::new();
        // A message that was here before, the finish, and what Bob says afterwards.
        let said = bobs.say(&bob, Kind::DATA, b"said", None, &mut cx).unwrap();
        let named = bobs.encryptor.control_key(&mut cx).unwrap().unwrap();
        let finish = bobs.say(&bob, Kind::FINISH, named.as_bytes(), None, &mut cx);
        let finish = finish.unwrap();
        let ack = bobs.say(&bob, Kind::AUTOMATIC_ACK, b"", None, &mut cx).unwrap();
        assert!(bobs.say(&bob, Kind::DATA, b"more", None, &mut cx).is_err());

        // The ack overtakes the finish, and is to be kept until its key is known.
        let early = alices.receive(&ack.1, &none, Time::ZERO);
        assert!(matches!(early, Err(Refusal::NotDecryptable)));
        for packet in [&said.1, &finish.1] {
            assert!(alices.receive(packet, &none, Time::ZERO).is_ok());
        }
        let note = alices.transcript.message(&finish.0).unwrap().body;
        let retired = BTreeSet::from([note.retires.unwrap()]);
        assert!(alices.receive(&ack.1, &retired, Time::ZERO).is_ok());

        // Everybody can make these with the key that Bob published, in each subsession in which he has had
        // it.
        alices.encryptor = DefaultEncryptor::restore(&alices.encryptor.export()).unwrap();
        let before = alices.transcript.len();
        for kind in [0, 1, 3, 4, 5].map(|number| Kind::from_number(number).unwrap()) {
            let [here, there] = [9, 5].map(|subsession| {
                let mut forger = side(1, subsession);
                forger.say(&bob, kind, b"forged", None, &mut cx).unwrap().1
            });
            for refused in [
                alices.receive(&here, &retired, Time::ZERO),
                side(0, 5).receive(&there, &retired, Time::ZERO),
            ] {
                assert!(
                    matches!(refused, Err(Refusal::AfterFinish(who)) if who == bob),
                    "{kind:?}"
                );
            }
            let taken = side(0, 5).receive(&there, &none, Time::ZERO);
            assert!(taken.is_ok(), "but for that it would be taken");
        }
        assert_eq!(alices.transcript.len(), before);
        // What was here before comes again without harm.
        let again = alices.receive(&said.1, &retired, Time::ZERO);
        assert!(matches!(again, Ok((id, None)) if id == said.0));
    }

    #[test]
    fn m09_a15_a_key_stays_retired_in_later_subsessions_for_as_long_as_it_is_kept() {
        let [(alice, mut alices), (bob, _)] = pair();
        let (_, mut keys) = keys_of(0, 5);
        let first = *keys.verifying.get(&bob).unwrap();
        alices.state.retired.insert(bob.clone(), first);
        let next = |keys: &SubsessionKeys| {
            Subsession::new(&alice, keys, Some(&alices), vec![], Time::NEVER).unwrap()
        };
        assert_eq!(next(&keys).state.retired.get(&bob), Some(&first));
        let fresh = SigningKey::from_seed(&Secret::new([3; 32]));
        keys.verifying.insert(bob, *fresh.verifying_key());
        assert!(
            next(&keys).state.retired.is_empty(),
            "with a new key he can speak"
        );
    }
}

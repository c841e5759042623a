//! A subsession: fixed members, one set of keys, a transcript of its own, and the timers that go with it.

use concilium_core::keys::SubsessionKeys;
use concilium_core::{Context, FramedHash, MemberId, MemberSet, MessageId, Secret, SubsessionId, Time, wire};
use concilium_encryptor::{ChainConfirmation, Content, Kind, MessageEncryptor, OpenError, SealError};
use concilium_liveness::{AckMonitor, AckTimer, Timing};
use concilium_server_order::Link;
use concilium_transcript::{Entry, InsertError, Inserted, Transcript};
use serde::{Deserialize, Serialize};

/// What the session keeps with each message of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) kind: Kind,
    pub(crate) confirmation: Option<ChainConfirmation>,
    /// The body, until it is handed on.
    #[serde(with = "wire::bytes")]
    pub(crate) body: Vec<u8>,
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
    /// What our messages here have confirmed of the chain (O-10).
    pub(crate) confirmed: Option<Link>,
    /// When we confirm the chain even if we have nothing to say.
    pub(crate) confirm_due: Time,
    /// Who has finished, and may send no more data (L-6).
    pub(crate) finished: MemberSet,
    /// Who has left the channel since: what they have not seen here they never will, even if they come back, for then
    /// they begin anew (T-3).
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
        let state = SubsessionState {
            id: keys.subsession,
            exporter,
            monitor: AckMonitor::default(),
            ack: AckTimer::default(),
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

    /// Verifies a packet, then takes it in (M-6): a packet that fails leaves no trace.
    pub(crate) fn receive(&mut self, packet: &[u8], now: Time) -> Result<(MemberId, Inserted), Refusal> {
        let opened = self.encryptor.open(packet).map_err(|error| match error {
            OpenError::NotDecryptable => Refusal::NotDecryptable,
            _ => Refusal::Bad,
        })?;
        let (author, content) = (opened.author, opened.content);
        // after its finish, a member only acknowledges. Its finish itself may come again.
        let known = self.transcript.contains(&opened.id);
        if self.state.finished.contains(&author) && !content.kind.is_ack() && !known {
            return Err(Refusal::AfterFinish(author));
        }
        let entry = entry(opened.id, author.clone(), content);
        let inserted = self
            .transcript
            .insert(entry, now)
            .map_err(|error| Refusal::Refused(author.clone(), error))?;
        self.encryptor.commit(opened.step);
        Ok((author, inserted))
    }

    /// Makes a message of ours, which answers all that we have seen, and takes it in.
    pub(crate) fn say(
        &mut self,
        me: &MemberId,
        kind: Kind,
        body: &[u8],
        claim: Option<Link>,
        cx: &mut Context<'_>,
    ) -> Result<(MessageId, Vec<u8>, Inserted), SealError> {
        let mut parents = self.transcript.next_parents(me);
        parents.sort_unstable();
        // O-10: once for each operation, in whatever message comes first.
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
        let sealed = self.encryptor.seal(&content, cx)?;
        let entry = entry(sealed.id, me.clone(), content);
        let inserted = self
            .transcript
            .insert(entry, cx.now())
            .map_err(|_| SealError::TooManyParents(0))?;
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

    /// Who of `present` has not seen a message, as far as we know, and still may.
    pub(crate) fn missing(&self, message: &MessageId, present: &MemberSet) -> MemberSet {
        let unacked = self.transcript.unacked(message).unwrap_or_default();
        unacked.intersection(present).minus(&self.state.gone)
    }

    /// The next moment at which something is due here.
    pub(crate) fn next_timeout(&self, now: Time, timing: &Timing) -> Time {
        let state = &self.state;
        let finish = state.own_finish.map_or(Time::NEVER, |(_, until)| until);
        let waits = self
            .transcript
            .deferred()
            .map(|deferred| deferred.since.after(timing.patience()));
        let own = [
            state.ack.due(),
            state.monitor.next_timeout(now),
            state.confirm_due,
            finish,
            state.closes_at,
        ];
        own.into_iter()
            .chain(waits)
            .filter(|at| *at > now)
            .min()
            .unwrap_or(Time::NEVER)
    }
}

fn entry(id: MessageId, author: MemberId, content: Content) -> Entry<Note> {
    Entry {
        id,
        author,
        ack_only: content.kind.is_ack(),
        shown: content.kind == Kind::DATA,
        weight: content.body.len(),
        parents: content.parents,
        body: Note {
            kind: content.kind,
            confirmation: content.confirmation,
            body: content.body,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
        let verifying: BTreeMap<_, _> = keys.collect();
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
        let (finish, data, ack) = (
            say(Kind::FINISH, b""),
            say(Kind::DATA, b"more"),
            say(Kind::AUTOMATIC_ACK, b""),
        );
        assert!(alice.receive(&finish, Time::ZERO).is_ok());
        alice.state.finished.insert(bob.clone());
        assert!(matches!(alice.receive(&data, Time::ZERO), Err(Refusal::AfterFinish(who)) if who == bob));
        assert_eq!(alice.transcript.len(), 1, "it left no trace");
        // L-6: acks still come, and the finish may be sent again.
        assert!(alice.receive(&finish, Time::ZERO).is_ok());
        assert!(alice.receive(&ack, Time::ZERO).is_ok());
    }

    #[test]
    fn l02_our_message_acknowledges_all_that_we_have_seen() {
        let [(alice_id, mut alice), (bob, mut bobs)] = pair();
        let mut random = Counting(3);
        let mut cx = Context::new(Time::ZERO, &mut random);
        let (id, packet, _) = bobs.say(&bob, Kind::DATA, b"hi", None, &mut cx).unwrap();
        let _ = alice.receive(&packet, Time::ZERO).unwrap();
        alice.state.ack.owe(Time::from_millis(5));
        let (_, answer, _) = alice.say(&alice_id, Kind::DATA, b"hello", None, &mut cx).unwrap();
        assert_eq!(alice.state.ack.due(), Time::NEVER);
        let (_, inserted) = bobs.receive(&answer, Time::ZERO).unwrap();
        assert_eq!(inserted.fully_acked, [id]);
        assert!(bobs.missing(&id, &bobs.transcript.members().clone()).is_empty());
    }
}

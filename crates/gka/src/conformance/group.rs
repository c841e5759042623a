//! A whole group in one hand: everyone's key agreement, and a channel that delivers to whom the test wants.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::{
    AssociatedData, Directory, Export as _, GroupKeyAgreement, Identity, OpenError, Opened, Operation as _,
    Progress, ProposeError, ReceiveError, Role,
};
use concilium_core::keys::{SubsessionKeys, VerifyingKey};
use concilium_core::testing::{SeededRng, name, names, rng};
use concilium_core::{
    ChainHash, Change, Context, FramedHash, MemberId, MemberSet, PacketId, RandomSource, Secret, SessionName,
    Time,
};

/// A packet as the channel echoed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Its id (O-1).
    pub id: PacketId,
    /// Who sent it, as the channel says.
    pub from: MemberId,
    /// The packet.
    pub bytes: Vec<u8>,
}

/// What a packet led to at one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// It did not open.
    Closed(OpenError),
    /// Nobody here to whom it belongs: no such operation runs, another one does, or we are not in it.
    NotForUs,
    /// A duplicate, or it told nothing new.
    Ignored,
    /// The operation goes on; so many packets were sent.
    Continued(usize),
    /// The operation has succeeded, and the new state is in place.
    Finished,
    /// An error; after `Failed` the operation is gone.
    Refused(ReceiveError),
    /// An abort ended the operation.
    Aborted,
}

impl Reaction {
    /// Whether the packet did not count, for anyone (K-5).
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        matches!(
            self,
            Self::Closed(_) | Self::NotForUs | Self::Ignored | Self::Refused(ReceiveError::Rejected(_))
        )
    }

    /// Whether the operation ended as failed here.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Refused(ReceiveError::Failed(_)))
    }
}

/// One member: its key agreement, and what a session would keep for it.
#[derive(Debug)]
pub struct Member<G: GroupKeyAgreement> {
    /// The key agreement.
    pub gka: G,
    /// What the last success left.
    pub state: Option<G::State>,
    /// The keys of the last success.
    pub keys: Option<SubsessionKeys>,
    /// Our proposal that is not settled.
    pub proposal: Option<G::Proposal>,
    /// The running operation, and the id of its initial packet.
    pub operation: Option<(PacketId, G::Operation)>,
    rng: SeededRng,
}

impl<G: GroupKeyAgreement> Member<G> {
    /// Everything that this member keeps, as bytes: to compare before and after. State, proposal, operation,
    /// and what was announced.
    #[must_use]
    pub fn export(&self) -> Vec<Vec<u8>> {
        let state = self.state.as_ref().map(|state| state.export());
        let proposal = self.proposal.as_ref().map(|proposal| proposal.export());
        let operation = self.operation.as_ref().map(|(_, operation)| operation.export());
        [state, proposal, operation, Some(self.gka.export_announcements())]
            .into_iter()
            .map(|part| part.map_or_else(Vec::new, |bytes| bytes.to_vec()))
            .collect()
    }

    /// All that this member keeps, to go back to.
    #[must_use]
    pub fn save(&self) -> Saved {
        Saved {
            export: self.export(),
            keys: self.keys.clone(),
            running: self.operation.as_ref().map(|(id, _)| *id),
        }
    }

    /// Goes back to what was saved.
    pub fn reset(&mut self, saved: &Saved) {
        let [state, proposal, operation, announcements] = &saved.export[..] else {
            unreachable!("four parts are saved")
        };
        let restores = "K-13: what was exported restores";
        let some = |bytes: &Vec<u8>| !bytes.is_empty();
        self.state = some(state).then(|| self.gka.restore_state(state).expect(restores));
        self.proposal = some(proposal).then(|| self.gka.restore_proposal(proposal).expect(restores));
        let operation = some(operation).then(|| self.gka.restore_operation(operation).expect(restores));
        self.operation = saved.running.zip(operation);
        self.gka.restore_announcements(announcements).expect(restores);
        self.keys.clone_from(&saved.keys);
    }

    /// Sends everything that this member keeps through its export and back (K-13).
    pub fn restore(&mut self) {
        let saved = self.save();
        self.reset(&saved);
    }
}

/// What [`Member::save`] keeps.
#[derive(Debug)]
pub struct Saved {
    /// As [`Member::export`] gives it: state, proposal, operation, announcements.
    pub export: Vec<Vec<u8>>,
    keys: Option<SubsessionKeys>,
    running: Option<PacketId>,
}

/// Members, their channel, and the order that it gives.
#[derive(Debug)]
pub struct Group<G: GroupKeyAgreement> {
    /// Everyone, in the session or not, by name.
    pub people: BTreeMap<MemberId, Member<G>>,
    /// Who is in the session now.
    pub members: MemberSet,
    /// Everything that ever was on the channel.
    pub log: Vec<Echo>,
    /// Packets sent and not yet echoed, with their senders.
    pub outbox: VecDeque<(MemberId, Vec<u8>)>,
    /// Everyone goes through export and restore after each step (K-13).
    pub restoring: bool,
    /// The time of the next call.
    pub now: Time,
    session: SessionName,
    parent: PacketId,
    chain: ChainHash,
}

/// The identity of the n-th member of every group.
#[must_use]
pub fn identity(n: usize) -> Identity {
    let mut seed = [0x17; 32];
    seed[..8].copy_from_slice(&(n as u64).to_le_bytes());
    Identity::new(name(n), &Secret::new(seed))
}

/// A directory of the first `n` members.
#[must_use]
pub fn directory(n: usize) -> BTreeMap<MemberId, VerifyingKey> {
    (0..n)
        .map(identity)
        .map(|identity| (identity.member().clone(), *identity.verifying_key()))
        .collect()
}

/// How the kit makes the key agreement under test, for one member.
pub trait Make<G>: Fn(Identity, Arc<dyn Directory>) -> G {}

impl<G, F: Fn(Identity, Arc<dyn Directory>) -> G> Make<G> for F {}

impl<G: GroupKeyAgreement> Group<G> {
    /// `n` people who know each other's identity keys, in the channel of the session "tea", the first of them
    /// in the session. Announcements have been made and learned (K-14).
    #[must_use]
    pub fn new(n: usize, seed: u64, make: impl Make<G>) -> Self {
        Self::named("tea", n, seed, make)
    }

    /// The same in a session of another name.
    #[must_use]
    pub fn named(session: &str, n: usize, seed: u64, make: impl Make<G>) -> Self {
        let directory: Arc<dyn Directory> = Arc::new(directory(n));
        let people = (0..n).map(|i| {
            let member = Member {
                gka: make(identity(i), Arc::clone(&directory)),
                state: None,
                keys: None,
                proposal: None,
                operation: None,
                rng: rng::seeded(seed << 16 | i as u64),
            };
            (name(i), member)
        });
        let mut group = Self {
            people: people.collect(),
            members: names([0]),
            log: Vec::new(),
            outbox: VecDeque::new(),
            restoring: false,
            now: Time::from_millis(1000),
            session: SessionName::new(session).expect("a short name"),
            parent: PacketId::from_bytes([seed.to_le_bytes()[0]; 32]),
            chain: ChainHash::from_bytes([0; 32]),
        };
        group.announce(&names(0..n));
        group
    }

    /// These people announce what they can be included by, and everyone else learns it (K-14): as whoever
    /// enters a channel does, and everyone in it when somebody enters.
    pub fn announce(&mut self, people: &MemberSet) {
        let everyone: Vec<MemberId> = self.people.keys().cloned().collect();
        for from in people.iter().filter(|from| everyone.contains(from)) {
            let (session, now) = (self.session.clone(), self.now);
            let member = self.member(from);
            let announced = member
                .gka
                .announce(&session, &mut Context::new(now, &mut member.rng));
            let Some(announcement) = announced.expect("K-14: announcing works") else {
                continue;
            };
            for other in everyone.iter().filter(|other| *other != from) {
                let learned = self.member(other).gka.learn(&session, from, &announcement);
                learned.expect("K-14: an announcement is learned");
            }
        }
    }

    /// A member.
    pub fn member(&mut self, who: &MemberId) -> &mut Member<G> {
        self.people.get_mut(who).expect("one of the people")
    }

    /// The session's name.
    #[must_use]
    pub fn session(&self) -> &SessionName {
        &self.session
    }

    /// The associated data of an operation that `by` proposes now and that leads to `after`.
    #[must_use]
    pub fn data(&self, by: &MemberId, after: &MemberSet) -> AssociatedData {
        AssociatedData {
            session: self.session.clone(),
            suite: format!("{}/none", self.people[by].gka.suite()),
            parent: self.parent,
            chain: self.chain,
            latest: Vec::new(),
            before: if self.members.contains(by) {
                self.members.clone()
            } else {
                MemberSet::of(by.clone())
            },
            after: after.clone(),
        }
    }

    /// Has `by` propose that the session's members be `after`. The packet is returned, and not on the channel
    /// yet.
    ///
    /// Whoever is to be included has just entered the channel and announced itself: an announcement may serve
    /// once.
    ///
    /// # Errors
    /// The key agreement's.
    pub fn propose(&mut self, by: &MemberId, after: &MemberSet) -> Result<Vec<u8>, ProposeError> {
        self.announce(&after.minus(&self.members));
        let (data, now) = (self.data(by, after), self.now);
        let member = self.member(by);
        let mut cx = Context::new(now, &mut member.rng);
        let (packet, proposal) = member.gka.propose(member.state.as_ref(), data, &mut cx)?;
        member.proposal = Some(proposal);
        Ok(packet)
    }

    /// As [`propose`](Self::propose), with a random source of the test's choice.
    ///
    /// # Errors
    /// The key agreement's.
    pub fn propose_with(
        &mut self,
        by: &MemberId,
        after: &MemberSet,
        random: &mut dyn RandomSource,
    ) -> Result<Vec<u8>, ProposeError> {
        let (data, now) = (self.data(by, after), self.now);
        let member = self.member(by);
        let mut cx = Context::new(now, random);
        let (packet, proposal) = member.gka.propose(member.state.as_ref(), data, &mut cx)?;
        member.proposal = Some(proposal);
        Ok(packet)
    }

    /// Puts a packet on the channel: it gets its id (O-1), everyone in the channel being all the people.
    pub fn echo(&mut self, from: &MemberId, bytes: Vec<u8>) -> Echo {
        let id = FramedHash::new("concilium testkit packet id")
            .field(&bytes)
            .field(from.as_bytes())
            .list(self.people.keys().map(MemberId::as_bytes))
            .finish();
        let echo = Echo {
            id: PacketId::from_bytes(id),
            from: from.clone(),
            bytes,
        };
        self.log.push(echo.clone());
        self.now = self.now.after(Duration::from_millis(10));
        echo
    }

    /// Opens a packet at `who`.
    ///
    /// # Errors
    /// The key agreement's.
    pub fn open(&self, who: &MemberId, echo: &Echo) -> Result<Opened<G::Payload>, OpenError> {
        self.people[who].gka.open(&self.session, &echo.from, &echo.bytes)
    }

    /// Delivers an echoed packet to one member, who reacts as a session would.
    pub fn deliver(&mut self, who: &MemberId, echo: &Echo) -> Reaction {
        let mut rng = self.member(who).rng.clone();
        let reaction = self.deliver_with(who, echo, &mut rng);
        self.member(who).rng = rng;
        reaction
    }

    /// As [`deliver`](Self::deliver), with a random source of the test's choice.
    pub fn deliver_with(&mut self, who: &MemberId, echo: &Echo, random: &mut dyn RandomSource) -> Reaction {
        let opened = match self.open(who, echo) {
            Ok(opened) => opened,
            Err(error) => return Reaction::Closed(error),
        };
        let (now, restoring) = (self.now, self.restoring);
        let member = self.people.get_mut(who).expect("one of the people");
        let mut cx = Context::new(now, random);
        let running = member.operation.as_ref().map(|(id, _)| *id);
        let progress = match opened.role() {
            Role::Initial(data) if running.is_none() && data.after.contains(who) => {
                let ours = (echo.from == *who).then(|| member.proposal.take()).flatten();
                member
                    .gka
                    .accept(member.state.as_ref(), ours, echo.id, opened, &mut cx)
                    .map(|started| {
                        member.operation = Some((echo.id, started.operation));
                        started.progress
                    })
            }
            Role::Later { initial } if Some(*initial) == running => {
                let (_, operation) = member.operation.as_mut().expect("it runs");
                operation.receive(opened, &mut cx)
            }
            Role::Abort { initial } if Some(*initial) == running => {
                member.operation = None;
                return Reaction::Aborted;
            }
            _ => return Reaction::NotForUs,
        };
        let reaction = match progress {
            Ok(Progress::Ignored) => Reaction::Ignored,
            Ok(Progress::Continue(packets)) => {
                let sent = packets.len();
                self.outbox
                    .extend(packets.into_iter().map(|packet| (who.clone(), packet)));
                Reaction::Continued(sent)
            }
            Ok(Progress::Finished(outcome)) => {
                member.operation = None;
                member.state = Some(outcome.state);
                member.keys = Some(outcome.keys);
                Reaction::Finished
            }
            Err(error) => {
                if matches!(error, ReceiveError::Failed(_)) {
                    member.operation = None;
                }
                Reaction::Refused(error)
            }
        };
        if restoring {
            self.member(who).restore();
        }
        reaction
    }

    /// Echoes what waits in the outbox.
    pub fn flush(&mut self) -> Vec<Echo> {
        let sent: Vec<_> = self.outbox.drain(..).collect();
        sent.into_iter()
            .map(|(from, bytes)| self.echo(&from, bytes))
            .collect()
    }

    /// Runs an operation with an honest channel and honest members; `watch` sees the group before each packet
    /// is delivered to all of `after`, and the packet. Returns each member's reaction to the last packet.
    pub fn run_watched(
        &mut self,
        by: &MemberId,
        after: &MemberSet,
        mut watch: impl FnMut(&mut Self, &Echo),
    ) -> BTreeMap<MemberId, Reaction> {
        let packet = self.propose(by, after).expect("an honest proposal is made");
        if self.restoring {
            self.member(by).restore();
        }
        let initial = self.echo(by, packet);
        self.carry_on(initial, after, &mut watch)
    }

    /// Delivers `first` to all of `after`, and whatever they send in reply, until nothing is left.
    pub fn carry_on(
        &mut self,
        first: Echo,
        after: &MemberSet,
        watch: &mut dyn FnMut(&mut Self, &Echo),
    ) -> BTreeMap<MemberId, Reaction> {
        let mut queue = VecDeque::from([first]);
        let mut reactions = BTreeMap::new();
        while let Some(echo) = queue.pop_front() {
            watch(self, &echo);
            for who in after {
                let reaction = self.deliver(who, &echo);
                if reaction == Reaction::Finished {
                    // The chain goes on from the final packet (O-5); what it is exactly is not our matter
                    // here.
                    self.parent = echo.id;
                    self.chain = ChainHash::from_bytes(*echo.id.as_bytes());
                    self.members = after.clone();
                }
                reactions.insert(who.clone(), reaction);
            }
            queue.extend(self.flush());
        }
        reactions
    }

    /// Runs an operation that must succeed, for all at the same packet, and checks that everyone holds the
    /// same keys (K-7).
    pub fn run(&mut self, by: &MemberId, after: &MemberSet) {
        let reactions = self.run_watched(by, after, |_, _| {});
        for (who, reaction) in &reactions {
            assert_eq!(
                *reaction,
                Reaction::Finished,
                "{who} finishes with the last packet"
            );
        }
        self.assert_agreed(after);
    }

    /// Runs a change by the first member that stays.
    pub fn change(&mut self, change: &Change) {
        let after = change.apply(&self.members).expect("the change fits");
        let by = self.members.intersection(&after).first().cloned();
        self.run(&by.expect("somebody stays"), &after);
    }

    /// Everyone in `members` holds the same keys, each with its own signing key (K-4, K-7).
    pub fn assert_agreed(&self, members: &MemberSet) {
        let keys = |who: &MemberId| self.people[who].keys.as_ref().expect("has keys");
        let first = keys(members.first().expect("not empty"));
        for who in members {
            let own = keys(who);
            assert_eq!(own.members(), *members, "K-4: {who} holds a key of every member");
            assert_eq!(own.secret, first.secret, "K-7: {who} holds the same group secret");
            assert_eq!(
                own.subsession, first.subsession,
                "K-4: {who} is in the same subsession"
            );
            assert_eq!(
                own.verifying, first.verifying,
                "K-4: {who} holds the same verifying keys"
            );
            assert_eq!(
                own.verifying.get(who),
                Some(own.signing.verifying_key()),
                "K-4: and its own"
            );
        }
        let distinct: std::collections::BTreeSet<_> = first.verifying.values().collect();
        assert_eq!(distinct.len(), members.len(), "K-11: signing keys are distinct");
    }

    /// A group of `n` that has been established, by its first member.
    #[must_use]
    pub fn established(n: usize, seed: u64, make: impl Make<G>) -> Self {
        let mut group = Self::new(n, seed, make);
        group.run(&name(0), &names(0..n));
        group
    }

    /// Everything that anyone keeps.
    #[must_use]
    pub fn export(&self) -> BTreeMap<MemberId, Vec<Vec<u8>>> {
        self.people
            .iter()
            .map(|(who, member)| (who.clone(), member.export()))
            .collect()
    }
}

//! A key agreement for concilium: a ring of Diffie-Hellman secrets, after Burmester and Desmedt.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use concilium_core::keys::{SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::{
    Context, FramedHash, MemberId, MemberSet, PacketId, RandomnessError, Secret, SessionName, SubsessionId,
    Time, wire,
};
use concilium_gka::{
    Ages, AssociatedData, Directory, Export, Failure, GroupKeyAgreement, Identity, OpenError, Opened,
    Operation, Progress, ProposeError, Reason, ReceiveError, RestoreError, Role, Started, Success, signed,
};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What a member contributes to an operation, for all to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    point: [u8; 32],
    signing: VerifyingKey,
}

/// What a packet carries besides its author, its role and its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// The initial packet: the subsession that it starts from, and its author's share.
    Start(Option<SubsessionId>, Share),
    /// Everybody else's share.
    Share(Share),
    /// The two secrets that the author has with its neighbours, one hidden by the other.
    Link([u8; 32]),
    /// Proof that the author has the key.
    Confirm([u8; 32]),
    /// It ends the operation, and says nothing else.
    Abort,
}

/// The secret half of our share.
#[derive(Debug, Serialize, Deserialize)]
struct Own {
    scalar: Secret<64>,
    signing: SigningKey,
}

impl Own {
    fn fresh(cx: &mut Context<'_>) -> Result<Self, RandomnessError> {
        Ok(Self {
            scalar: cx.secret()?,
            signing: SigningKey::from_seed(&cx.secret()?),
        })
    }

    fn scalar(&self) -> Zeroizing<Scalar> {
        Zeroizing::new(Scalar::from_bytes_mod_order_wide(self.scalar.expose()))
    }

    fn share(&self) -> Share {
        Share {
            point: RistrettoPoint::mul_base(&self.scalar()).compress().to_bytes(),
            signing: *self.signing.verifying_key(),
        }
    }
}

/// K-11: a canonical encoding, and not of the identity.
fn point(bytes: &[u8; 32]) -> Option<RistrettoPoint> {
    CompressedRistretto(*bytes)
        .decompress()
        .filter(|_| *bytes != [0; 32])
}

/// What a successful operation leaves for the next one.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    subsession: SubsessionId,
    members: MemberSet,
    since: Time,
}

/// What we keep of an initial packet of ours until the channel gives it back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Proposal {
    own: Own,
    data: AssociatedData,
    payload: Payload,
}

impl Export for State {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(self)
    }
}

impl Export for Proposal {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(self)
    }
}

/// A running operation.
#[derive(Debug)]
pub struct Running {
    identity: Identity,
    run: Run,
}

/// What an export of it holds.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    initial: PacketId,
    data: AssociatedData,
    base: Option<SubsessionId>,
    own: Own,
    /// Our latest payload, which the channel will give back.
    sent: Payload,
    shares: BTreeMap<MemberId, Share>,
    links: BTreeMap<MemberId, [u8; 32]>,
    /// Once all links are there.
    key: Option<Secret<32>>,
    confirmed: MemberSet,
}

impl Export for Running {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(&self.run)
    }
}

/// The longest export that we read back: more than twice what an operation of 1,024 members with the longest
/// names has.
const MAX_EXPORT_BYTES: usize = 1 << 22;

fn rejected(reason: Reason) -> ReceiveError {
    ReceiveError::Rejected(reason)
}

fn failed(reason: Reason) -> ReceiveError {
    ReceiveError::Failed(Failure {
        culprit: None,
        reason,
        ends: false,
    })
}

/// A group key agreement in three rounds, in which every member contributes to every key.
pub struct Ring {
    identity: Identity,
    directory: Arc<dyn Directory>,
}

impl Ring {
    /// The suite's name.
    pub const SUITE: &str = "ring";

    /// The key agreement of the member who has this identity.
    #[must_use]
    pub fn new(identity: Identity, directory: Arc<dyn Directory>) -> Self {
        Self { identity, directory }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("member", self.identity.member())
            .finish_non_exhaustive()
    }
}

impl GroupKeyAgreement for Ring {
    type State = State;
    type Proposal = Proposal;
    type Payload = Payload;
    type Operation = Running;

    fn suite(&self) -> &str {
        Self::SUITE
    }

    fn me(&self) -> &MemberId {
        self.identity.member()
    }

    fn propose(
        &self,
        state: Option<&State>,
        data: AssociatedData,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<u8>, Proposal), ProposeError> {
        let held = state.map(|state| &state.members);
        data.check_proposal(Self::SUITE, self.me(), held, &*self.directory)?;
        let own = Own::fresh(cx)?;
        let payload = Payload::Start(state.map(|state| state.subsession), own.share());
        let packet = signed::seal(
            &self.identity,
            &data.session,
            Role::Initial(data.clone()),
            wire::encode(&payload),
        )?;
        Ok((packet, Proposal { own, data, payload }))
    }

    fn abort(&self, session: &SessionName, initial: PacketId) -> Result<Vec<u8>, ProposeError> {
        let payload = wire::encode(&Payload::Abort);
        signed::seal(&self.identity, session, Role::Abort { initial }, payload)
    }

    fn open(
        &self,
        session: &SessionName,
        from: &MemberId,
        packet: &[u8],
    ) -> Result<Opened<Payload>, OpenError> {
        signed::open(packet, session, from, &*self.directory)?.try_map(|role, bytes| {
            let payload = wire::decode(&bytes, signed::MAX_BYTES)?;
            let fits = match (role, &payload) {
                (Role::Initial(_), Payload::Start(_, share))
                | (Role::Later { .. }, Payload::Share(share)) => point(&share.point).is_some(),
                (Role::Later { .. }, Payload::Link(_) | Payload::Confirm(_)) => true,
                (Role::Abort { .. }, Payload::Abort) => true,
                _ => return Err(OpenError::Invalid(Reason::OutOfTurn)),
            };
            fits.then_some(payload)
                .ok_or(OpenError::Invalid(Reason::BadElement))
        })
    }

    fn accept(
        &self,
        state: Option<&State>,
        proposal: Option<Proposal>,
        id: PacketId,
        initial: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Running, State>, ReceiveError> {
        let (author, role, payload) = initial.into_parts();
        let (Role::Initial(data), Payload::Start(base, share)) = (role, payload.clone()) else {
            return Err(rejected(Reason::OutOfTurn));
        };
        if !data.after.contains(self.me()) {
            return Err(rejected(Reason::WrongMembers));
        }
        // A joiner has nothing to compare with, and learns from the channel what the others start from.
        let fits = match state.filter(|_| data.before.contains(self.me())) {
            Some(state) => base == Some(state.subsession) && state.members == data.before,
            None => base.is_none() || !data.before.contains(self.me()),
        };
        if !fits {
            return Err(failed(Reason::WrongOperation));
        }
        let ours = author == *self.me();
        let (own, sent) = if ours {
            let same = |ours: &Proposal| ours.data == data && ours.payload == payload;
            let proposal = proposal.filter(same);
            let proposal = proposal.ok_or_else(|| failed(Reason::ContributionChanged))?;
            (proposal.own, proposal.payload)
        } else {
            let own = Own::fresh(cx)?;
            let sent = Payload::Share(own.share());
            (own, sent)
        };
        let identity = self.identity.clone();
        let run = Run {
            initial: id,
            data,
            base,
            own,
            sent,
            shares: BTreeMap::new(),
            links: BTreeMap::new(),
            key: None,
            confirmed: MemberSet::new(),
        };
        let mut operation = Running { identity, run };
        let mut packets = operation.take_share(author, share)?;
        if !ours {
            packets.push(operation.seal()?);
        }
        let progress = Progress::Continue(packets);
        Ok(Started { operation, progress })
    }

    fn ages(&self, state: &State) -> Ages {
        let ages = state.members.iter().map(|who| (who.clone(), state.since));
        Ages(ages.collect())
    }

    fn restore_state(&self, bytes: &[u8]) -> Result<State, RestoreError> {
        let state: State = wire::decode(bytes, MAX_EXPORT_BYTES)?;
        let ours = state.members.contains(self.me());
        ours.then_some(state).ok_or(RestoreError)
    }

    fn restore_proposal(&self, bytes: &[u8]) -> Result<Proposal, RestoreError> {
        Ok(wire::decode(bytes, MAX_EXPORT_BYTES)?)
    }

    fn restore_operation(&self, bytes: &[u8]) -> Result<Running, RestoreError> {
        let run: Run = wire::decode(bytes, MAX_EXPORT_BYTES)?;
        let ours = run.data.after.contains(self.me());
        let identity = self.identity.clone();
        ours.then_some(Running { identity, run }).ok_or(RestoreError)
    }
}

impl Operation for Running {
    type State = State;
    type Payload = Payload;

    fn receive(
        &mut self,
        packet: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Progress<State>, ReceiveError> {
        let (author, role, payload) = packet.into_parts();
        let run = &self.run;
        // K-9.
        if role != (Role::Later { initial: run.initial }) {
            return Err(rejected(Reason::WrongOperation));
        }
        let (seen, due) = match &payload {
            Payload::Share(_) => (run.shares.contains_key(&author), true),
            Payload::Link(_) => (run.links.contains_key(&author), run.is_everyone(run.shares.len())),
            Payload::Confirm(_) => (run.confirmed.contains(&author), run.key.is_some()),
            Payload::Start(..) | Payload::Abort => (false, false),
        };
        if seen {
            return Ok(Progress::Ignored);
        }
        if !due || !run.data.after.contains(&author) {
            return Err(rejected(Reason::OutOfTurn));
        }
        if author == *self.identity.member() && payload != run.sent {
            return Err(failed(Reason::ContributionChanged));
        }
        match payload {
            Payload::Share(share) => self.take_share(author, share).map(Progress::Continue),
            Payload::Link(link) => self.take_link(author, link).map(Progress::Continue),
            Payload::Confirm(tag) => self.take_confirmation(author, tag, cx.now()),
            Payload::Start(..) | Payload::Abort => Err(rejected(Reason::OutOfTurn)),
        }
    }
}

impl Running {
    fn take_share(&mut self, author: MemberId, share: Share) -> Result<Vec<Vec<u8>>, ReceiveError> {
        let same = |other: &Share| other.point == share.point || other.signing == share.signing;
        if self.run.shares.values().any(same) {
            return Err(rejected(Reason::Duplicate));
        }
        self.run.shares.insert(author, share);
        if !self.run.is_everyone(self.run.shares.len()) {
            return Ok(Vec::new());
        }
        let (_, [left, right]) = self.run.sides(self.identity.member())?;
        self.run.sent = Payload::Link(*xor(&left, right.expose()).expose());
        Ok(vec![self.seal()?])
    }

    fn take_link(&mut self, author: MemberId, link: [u8; 32]) -> Result<Vec<Vec<u8>>, ReceiveError> {
        self.run.links.insert(author, link);
        if !self.run.is_everyone(self.run.links.len()) {
            return Ok(Vec::new());
        }
        let key = self.run.agree(self.identity.member())?;
        let tag = derive(&key, b"confirm", self.identity.member().as_bytes());
        self.run.sent = Payload::Confirm(*tag.expose());
        self.run.key = Some(key);
        Ok(vec![self.seal()?])
    }

    fn take_confirmation(
        &mut self,
        author: MemberId,
        tag: [u8; 32],
        now: Time,
    ) -> Result<Progress<State>, ReceiveError> {
        let Run {
            key,
            confirmed,
            own,
            data,
            shares,
            ..
        } = &mut self.run;
        let key = key.as_ref().ok_or_else(|| failed(Reason::NoState))?;
        // K-7; secrets compare in constant time.
        if Secret::new(tag) != derive(key, b"confirm", author.as_bytes()) {
            return Err(failed(Reason::KeyMismatch));
        }
        confirmed.insert(author);
        if confirmed.len() < data.after.len() {
            return Ok(Progress::Continue(Vec::new()));
        }
        let subsession = SubsessionId::from_bytes(*derive(key, b"subsession", b"").expose());
        let verifying = shares.iter().map(|(who, share)| (who.clone(), share.signing));
        let keys = SubsessionKeys {
            subsession,
            secret: derive(key, b"secret", b""),
            signing: own.signing.clone(),
            verifying: verifying.collect(),
        };
        let state = State {
            subsession,
            members: data.after.clone(),
            since: now,
        };
        Ok(Progress::Finished(Box::new(Success { state, keys })))
    }

    /// The packet of what we have to say now.
    fn seal(&self) -> Result<Vec<u8>, ReceiveError> {
        let Run {
            initial, data, sent, ..
        } = &self.run;
        let role = Role::Later { initial: *initial };
        let packet = signed::seal(&self.identity, &data.session, role, wire::encode(sent));
        // Only a packet that is too long does not seal, and these are short.
        packet.map_err(|_| failed(Reason::Limit))
    }
}

impl Run {
    fn is_everyone(&self, count: usize) -> bool {
        count == self.data.after.len()
    }

    /// Our place on the ring, and the secrets that we have with the member before us and the one after.
    fn sides(&self, me: &MemberId) -> Result<(usize, [Secret<32>; 2]), ReceiveError> {
        let members = self.shares.len();
        let place = self.shares.keys().position(|who| who == me);
        let place = place.ok_or_else(|| failed(Reason::NoState))?;
        // Side number n is the one between member n and the next.
        let side = |neighbour: usize, number: usize| -> Result<Secret<32>, ReceiveError> {
            let share = self.shares.values().nth(neighbour);
            let point = share.and_then(|share| point(&share.point));
            let point = point.ok_or_else(|| failed(Reason::BadElement))?;
            let common = Zeroizing::new((point * *self.own.scalar()).compress());
            let mut secret = Secret::zeroed();
            FramedHash::new("ring 2026 side")
                .field(common.as_bytes())
                .field(self.initial.as_bytes())
                .number(number as u64)
                .finish_into(secret.expose_mut());
            Ok(secret)
        };
        let (before, after) = ((place + members - 1) % members, (place + 1) % members);
        Ok((place, [side(before, before)?, side(after, place)?]))
    }

    /// The group's key, from all sides of the ring and from all that was said (K-6).
    fn agree(&self, me: &MemberId) -> Result<Secret<32>, ReceiveError> {
        let (place, [_, after]) = self.sides(me)?;
        let mut sides = Vec::with_capacity(self.links.len());
        let mut last = after;
        for link in self.links.values().cycle().skip(place + 1).take(self.links.len()) {
            let next = xor(&last, link);
            sides.push(std::mem::replace(&mut last, next));
        }
        sides.rotate_right(place);
        let mut key = Secret::zeroed();
        FramedHash::new("ring 2026 key")
            .list(sides.iter().map(Secret::expose))
            .field(self.initial.as_bytes())
            .field(&wire::encode(&self.data))
            .field(&wire::encode(&self.base))
            .field(&wire::encode(&self.shares))
            .field(&wire::encode(&self.links))
            .finish_into(key.expose_mut());
        Ok(key)
    }
}

fn xor(secret: &Secret<32>, mask: &[u8; 32]) -> Secret<32> {
    let mut result = secret.clone();
    result
        .expose_mut()
        .iter_mut()
        .zip(mask)
        .for_each(|(byte, mask)| *byte ^= mask);
    result
}

/// One of the secrets that follow from the group's key, each for one purpose.
fn derive(key: &Secret<32>, purpose: &[u8], member: &[u8]) -> Secret<32> {
    let mut secret = Secret::zeroed();
    FramedHash::new("ring 2026 derived")
        .field(key.expose())
        .field(purpose)
        .field(member)
        .finish_into(secret.expose_mut());
    secret
}

#[cfg(test)]
mod conformance {
    use super::Ring;

    concilium_gka::gka_conformance!(Ring::new);
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::error::Error;

    use super::*;
    use concilium::encryptor::DefaultEncryptor;
    use concilium::memory::Room;
    use concilium::{Change, Output, Session, Settings};
    use concilium_core::testing::{name, names, rng};
    use concilium_gka::conformance::{Echo, Group, Reaction, checks, directory, identity};

    #[test]
    fn two_who_collude_split_nobody() {
        let mut group: Group<Ring> = Group::new(4, 1, Ring::new);
        let session = group.session().clone();
        let packet = group.propose(&name(0), &names(0..4)).unwrap();
        let mut queue = VecDeque::from([group.echo(&name(0), packet)]);
        let mut failures = BTreeMap::new();
        while let Some(echo) = queue.pop_front() {
            // Both turn the same bit of their links, so that all links together give what they should.
            let turned = checks::resigned(&session, &echo, |role, payload| {
                let payload = match wire::decode(&payload, 1024).unwrap() {
                    Payload::Link(mut link) if [name(1), name(3)].contains(&echo.from) => {
                        link[0] ^= 1;
                        Payload::Link(link)
                    }
                    payload => payload,
                };
                (role, wire::encode(&payload))
            });
            let shown = Echo {
                bytes: turned.unwrap(),
                ..echo.clone()
            };
            for (who, echo) in [(0, &shown), (1, &echo), (2, &shown), (3, &echo)] {
                let reaction = group.deliver(&name(who), echo);
                assert_ne!(reaction, Reaction::Finished, "{who}");
                if reaction.is_failure() {
                    failures.insert(who, reaction);
                }
            }
            queue.extend(group.flush());
        }
        for honest in [0, 2] {
            let mismatch = Reaction::Refused(failed(Reason::KeyMismatch));
            assert_eq!(failures.get(&honest), Some(&mismatch));
        }
    }

    #[test]
    fn what_others_say_in_our_name_is_noticed() {
        let mut group: Group<Ring> = Group::new(3, 1, Ring::new);
        let session = group.session().clone();
        let packet = group.propose(&name(0), &names(0..3)).unwrap();
        let initial = group.echo(&name(0), packet);
        group.deliver(&name(1), &initial);
        let honest = group.flush().remove(0);
        let own = Own::fresh(&mut Context::new(Time::ZERO, &mut rng::seeded(2))).unwrap();
        let changed = checks::resigned(&session, &honest, |role, _| {
            (role, wire::encode(&Payload::Share(own.share())))
        });
        let bytes = changed.unwrap();
        let reaction = group.deliver(&name(1), &Echo { bytes, ..honest });
        assert_eq!(reaction, Reaction::Refused(failed(Reason::ContributionChanged)));
    }

    #[test]
    fn a_group_meets_talks_and_changes() -> Result<(), Box<dyn Error>> {
        let (mut random, mut room) = (rng::seeded(1), Room::new(Time::ZERO));
        let (tea, trusted) = (SessionName::new("tea")?, Arc::new(directory(3)));
        let [mut alice, mut bob, mut carol] = [0, 1, 2].map(|n| {
            let ring = Ring::new(identity(n), trusted.clone());
            Session::<Ring, DefaultEncryptor>::new(ring, tea.clone(), Settings::default())
        });
        alice.join(&mut Context::new(room.now, &mut random))?;
        room.settle(&mut [&mut alice, &mut bob, &mut carol], &mut random);
        bob.join(&mut Context::new(room.now, &mut random))?;
        carol.join(&mut Context::new(room.now, &mut random))?;
        room.settle(&mut [&mut alice, &mut bob, &mut carol], &mut random);
        let both = Change::include([name(1), name(2)]);
        alice.change(both, &mut Context::new(room.now, &mut random))?;
        room.settle(&mut [&mut alice, &mut bob, &mut carol], &mut random);
        carol.send(b"hello", &mut Context::new(room.now, &mut random))?;
        room.settle(&mut [&mut alice, &mut bob, &mut carol], &mut random);

        // Bob's process dies in the middle of an operation and comes back from what it had saved.
        alice.change(Change::refresh(), &mut Context::new(room.now, &mut random))?;
        for output in alice.drain().unsaved() {
            if let Output::Channel(action) = output {
                room.channel.act(&name(0), action);
            }
        }
        while let Some((to, event)) = room.channel.next() {
            for session in [&mut alice, &mut bob, &mut carol] {
                if *session.me() == to {
                    session.handle(event.clone(), &mut Context::new(room.now, &mut random));
                }
            }
        }
        assert!(bob.operation().is_some());
        let saved = bob.snapshot();
        let ring = Ring::new(identity(1), trusted);
        bob = Session::restore(ring, tea, Settings::default(), &saved)?;
        room.settle(&mut [&mut alice, &mut bob, &mut carol], &mut random);
        assert!(bob.operation().is_none());

        let without = Change::exclude([name(2)]);
        bob.change(without, &mut Context::new(room.now, &mut random))?;
        room.settle(&mut [&mut alice, &mut bob, &mut carol], &mut random);
        bob.send(b"only us", &mut Context::new(room.now, &mut random))?;
        room.settle(&mut [&mut alice, &mut bob, &mut carol], &mut random);

        let heard = |session: &Session<_, _>| -> Vec<Vec<u8>> {
            session.messages().map(|message| message.body.to_vec()).collect()
        };
        assert_eq!(heard(&alice), [b"hello".to_vec(), b"only us".to_vec()]);
        assert_eq!(heard(&carol), [b"hello".to_vec()]);
        assert_eq!(*bob.members(), names(0..2));
        assert_eq!(alice.warnings().iter().count(), 0);
        Ok(())
    }
}

//! A key agreement as different from the default as can be: one member decides, all operations are one
//! packet, and who joins is included by what it announced (K-14).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use concilium_core::keys::{Signature, SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::{
    Context, FramedHash, MemberId, PacketId, Secret, SessionName, SubsessionId, Time, wire,
};
use concilium_gka::{
    Ages, AssociatedData, Directory, Export, Failure, GroupKeyAgreement, Identity, OpenError, Opened,
    Operation, Progress, ProposeError, Reason, ReceiveError, RestoreError, Role, Started, Success, signed,
};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const ANNOUNCEMENT: &str = "concilium testkit 2026-11 dictator announcement";
const MASK: &str = "concilium testkit 2026-11 dictator mask";
const COURSE: &str = "concilium testkit 2026-11 dictator course";
const DERIVE: &str = "concilium testkit 2026-11 dictator keys";

/// A key agreement in which the proposer chooses the secret and encrypts it to every member's announced key.
///
/// No member but the proposer contributes, so it is nothing for people who do not trust each other's
/// machines; but it meets the contract.
pub struct Dictator {
    identity: Identity,
    directory: Arc<dyn Directory>,
    announcements: Announcements,
}

/// What was announced: ours with its private part, and all that we know.
#[derive(Default, Serialize, Deserialize)]
struct Announcements {
    own: Option<Own>,
    known: BTreeMap<MemberId, SignedAnnouncement>,
}

/// The private part of our announcement.
#[derive(Serialize, Deserialize)]
struct Own {
    secret: Secret<32>,
    signing: SigningKey,
}

/// What a member must have published to be included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Announcement {
    point: [u8; 32],
    signing: VerifyingKey,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct SignedAnnouncement {
    announcement: Announcement,
    signature: Signature,
}

/// What an operation's packet carries.
#[derive(Debug, Serialize, Deserialize)]
pub struct Payload {
    base: Option<SubsessionId>,
    point: [u8; 32],
    /// One for each member, in order.
    #[serde(with = "wire::list")]
    masked: Vec<[u8; 32]>,
    /// What each member has announced, in order: whoever joins has not heard it from those who came before.
    #[serde(with = "wire::list")]
    announced: Vec<SignedAnnouncement>,
    check: [u8; 32],
}

/// Who is in, and since when its secret is its own.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    subsession: SubsessionId,
    contributed: BTreeMap<MemberId, Time>,
}

impl Export for State {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(self)
    }
}

/// The secret that we chose, and the packet that it is in.
#[derive(Debug, Serialize, Deserialize)]
pub struct Proposal {
    chosen: Secret<32>,
    fingerprint: [u8; 32],
}

impl Export for Proposal {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(self)
    }
}

/// An operation, which is over as soon as it has begun.
#[derive(Debug, Serialize, Deserialize)]
pub struct Over(PacketId);

impl Export for Over {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(self)
    }
}

impl Operation for Over {
    type State = State;
    type Payload = Payload;

    fn receive(&mut self, _: Opened<Payload>, _: &mut Context<'_>) -> Result<Progress<State>, ReceiveError> {
        Err(ReceiveError::Rejected(Reason::OutOfTurn))
    }
}

fn failure(culprit: Option<&MemberId>, reason: Reason) -> ReceiveError {
    ReceiveError::Failed(Failure {
        culprit: culprit.cloned(),
        reason,
        ends: true,
    })
}

/// K-11: a canonical encoding, and not of the identity.
fn point(bytes: [u8; 32]) -> Option<RistrettoPoint> {
    let point = CompressedRistretto(bytes).decompress()?;
    (bytes != [0; 32]).then_some(point)
}

fn scalar(secret: &Secret<32>) -> Scalar {
    let mut wide = Zeroizing::new([0; 64]);
    FramedHash::new("concilium testkit 2026-11 dictator scalar")
        .field(secret.expose())
        .finish_into(&mut *wide);
    Scalar::from_bytes_mod_order_wide(&wide)
}

/// What hides the secret from everyone but one member; its own inverse.
fn mask(shared: &RistrettoPoint, ephemeral: &[u8; 32], member: &MemberId, bytes: &[u8; 32]) -> [u8; 32] {
    let mask = FramedHash::new(MASK)
        .field(shared.compress().as_bytes())
        .field(ephemeral)
        .field(member.as_bytes())
        .finish();
    std::array::from_fn(|i| mask[i] ^ bytes[i])
}

/// Everything that the operation consists of (K-6).
fn course(
    data: &AssociatedData,
    base: Option<SubsessionId>,
    point: &[u8; 32],
    masked: &[[u8; 32]],
) -> [u8; 32] {
    FramedHash::new(COURSE)
        .field(&wire::encode(data))
        .list(base.iter().map(SubsessionId::as_bytes))
        .field(point)
        .list(masked.iter())
        .finish()
}

fn derive(chosen: &Secret<32>, course: &[u8; 32], what: &[u8]) -> [u8; 32] {
    FramedHash::new(DERIVE)
        .field(chosen.expose())
        .field(course)
        .field(what)
        .finish()
}

impl Dictator {
    /// The suite's name.
    pub const SUITE: &str = "dictator";

    /// The key agreement of the member who has this identity.
    #[must_use]
    pub fn new(identity: Identity, directory: Arc<dyn Directory>) -> Self {
        Self {
            identity,
            directory,
            announcements: Announcements::default(),
        }
    }

    fn signed_bytes(session: &SessionName, from: &MemberId, announcement: &Announcement) -> [u8; 32] {
        FramedHash::new(ANNOUNCEMENT)
            .field(session.as_bytes())
            .field(from.as_bytes())
            .field(&wire::encode(announcement))
            .finish()
    }

    /// Whether this is what the member has announced.
    fn check(
        &self,
        session: &SessionName,
        from: &MemberId,
        announced: &SignedAnnouncement,
    ) -> Result<(), OpenError> {
        let SignedAnnouncement {
            announcement,
            signature,
        } = announced;
        if point(announcement.point).is_none() {
            return Err(OpenError::Invalid(Reason::BadElement));
        }
        self.directory
            .identity_key(from)
            .ok_or_else(|| OpenError::UnknownIdentity(from.clone()))?
            .verify(&Self::signed_bytes(session, from, announcement), signature)
            .map_err(|_| OpenError::BadSignature(from.clone()))
    }
}

impl fmt::Debug for Dictator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dictator")
            .field("member", self.identity.member())
            .finish_non_exhaustive()
    }
}

impl GroupKeyAgreement for Dictator {
    type State = State;
    type Proposal = Proposal;
    type Payload = Payload;
    type Operation = Over;

    fn suite(&self) -> &str {
        Self::SUITE
    }

    fn me(&self) -> &MemberId {
        self.identity.member()
    }

    fn announce(
        &mut self,
        session: &SessionName,
        cx: &mut Context<'_>,
    ) -> Result<Option<Vec<u8>>, ProposeError> {
        // Whoever enters later has not heard us: the same is said again, as others may rely on it already.
        let own = match self.announcements.own.take() {
            Some(own) => own,
            None => Own {
                secret: cx.secret()?,
                signing: SigningKey::from_seed(&cx.secret()?),
            },
        };
        let announcement = Announcement {
            point: RistrettoPoint::mul_base(&scalar(&own.secret)).compress().0,
            signing: *own.signing.verifying_key(),
        };
        let me = self.identity.member().clone();
        let signature = self
            .identity
            .sign(&Self::signed_bytes(session, &me, &announcement));
        let announced = SignedAnnouncement {
            announcement,
            signature,
        };
        self.announcements.known.insert(me, announced);
        self.announcements.own = Some(own);
        Ok(Some(wire::encode(&announced)))
    }

    fn learn(
        &mut self,
        session: &SessionName,
        from: &MemberId,
        announcement: &[u8],
    ) -> Result<(), OpenError> {
        let announced = wire::decode(announcement, 1024)?;
        self.check(session, from, &announced)?;
        self.announcements.known.insert(from.clone(), announced);
        Ok(())
    }

    fn forget(&mut self, who: &MemberId) {
        self.announcements.known.remove(who);
    }

    fn export_announcements(&self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(&self.announcements)
    }

    fn restore_announcements(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        self.announcements = wire::decode(bytes, 1 << 20)?;
        Ok(())
    }

    fn propose(
        &self,
        state: Option<&State>,
        data: AssociatedData,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<u8>, Proposal), ProposeError> {
        let held = state.map(|state| state.contributed.keys());
        data.check_proposal(Self::SUITE, self.me(), held, &*self.directory)?;
        let chosen = cx.secret::<32>()?;
        let ephemeral = scalar(&cx.secret()?);
        let ephemeral_point = RistrettoPoint::mul_base(&ephemeral).compress().0;
        let (mut masked, mut announced) = (Vec::new(), Vec::new());
        for who in &data.after {
            let known = self.announcements.known.get(who);
            let key = known.and_then(|known| point(known.announcement.point));
            let key = key.ok_or_else(|| ProposeError::NotAnnounced(who.clone()))?;
            announced.extend(known);
            masked.push(mask(&(key * ephemeral), &ephemeral_point, who, chosen.expose()));
        }
        let base = state.map(|state| state.subsession);
        let course = course(&data, base, &ephemeral_point, &masked);
        let payload = Payload {
            base,
            point: ephemeral_point,
            masked,
            announced,
            check: derive(&chosen, &course, b"check"),
        };
        let proposal = Proposal {
            chosen,
            fingerprint: payload.check,
        };
        let session = data.session.clone();
        let packet = signed::seal(
            &self.identity,
            &session,
            Role::Initial(data),
            wire::encode(&payload),
        )?;
        Ok((packet, proposal))
    }

    fn abort(&self, session: &SessionName, initial: PacketId) -> Result<Vec<u8>, ProposeError> {
        signed::seal(&self.identity, session, Role::Abort { initial }, Vec::new())
    }

    fn open(
        &self,
        session: &SessionName,
        from: &MemberId,
        packet: &[u8],
    ) -> Result<Opened<Payload>, OpenError> {
        signed::open(packet, session, from, &*self.directory)?.try_map(|role, bytes| match role {
            Role::Initial(data) => {
                let payload: Payload = wire::decode(&bytes, signed::MAX_BYTES)?;
                let members = data.after.len();
                let fits = payload.masked.len() == members && payload.announced.len() == members;
                if !fits || point(payload.point).is_none() {
                    return Err(OpenError::Invalid(Reason::BadElement));
                }
                Ok(payload)
            }
            // An abort has no payload; what stands here is never read.
            Role::Abort { .. } if bytes.is_empty() => Ok(Payload {
                base: None,
                point: [0; 32],
                masked: Vec::new(),
                announced: Vec::new(),
                check: [0; 32],
            }),
            _ => Err(OpenError::Invalid(Reason::OutOfTurn)),
        })
    }

    fn accept(
        &self,
        state: Option<&State>,
        proposal: Option<Proposal>,
        id: PacketId,
        initial: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Over, State>, ReceiveError> {
        let (author, role, payload) = initial.into_parts();
        let (Role::Initial(data), Some(own)) = (role, &self.announcements.own) else {
            return Err(failure(None, Reason::NoState));
        };
        let me = self.me();
        let Some(position) = data.after.iter().position(|who| who == me) else {
            return Err(ReceiveError::Rejected(Reason::WrongMembers));
        };
        let state = state.filter(|_| data.before.contains(me));
        let fits = match state {
            Some(state) => {
                payload.base == Some(state.subsession) && state.contributed.keys().eq(data.before.iter())
            }
            None => !data.before.contains(me) || payload.base.is_none(),
        };
        if !fits {
            return Err(failure(None, Reason::WrongOperation));
        }
        let chosen = if author == *me {
            let ours = proposal.filter(|proposal| proposal.fingerprint == payload.check);
            ours.ok_or_else(|| failure(None, Reason::ContributionChanged))?
                .chosen
        } else {
            let shared = point(payload.point).map(|point| point * scalar(&own.secret));
            let shared = shared.ok_or_else(|| failure(Some(&author), Reason::BadElement))?;
            Secret::new(mask(&shared, &payload.point, me, &payload.masked[position]))
        };
        let course = course(&data, payload.base, &payload.point, &payload.masked);
        if derive(&chosen, &course, b"check") != payload.check {
            return Err(failure(Some(&author), Reason::KeyMismatch));
        }
        let mut verifying = BTreeMap::new();
        for (who, announced) in data.after.iter().zip(&payload.announced) {
            self.check(&data.session, who, announced)
                .map_err(|_| failure(Some(&author), Reason::BadKey))?;
            verifying.insert(who.clone(), announced.announcement.signing);
        }
        let keys = SubsessionKeys {
            subsession: SubsessionId::from_bytes(derive(&chosen, &course, b"subsession")),
            secret: Secret::new(derive(&chosen, &course, b"secret")),
            signing: own.signing.clone(),
            verifying: verifying.into(),
        };
        let known = |who: &MemberId| state.and_then(|state| state.contributed.get(who)).copied();
        let contributed = data.after.iter().map(|who| {
            let before = known(who).filter(|_| *who != author);
            (who.clone(), before.unwrap_or(cx.now()))
        });
        let state = State {
            subsession: keys.subsession,
            contributed: contributed.collect(),
        };
        Ok(Started {
            operation: Over(id),
            progress: Progress::Finished(Box::new(Success { state, keys })),
        })
    }

    fn ages(&self, state: &State) -> Ages {
        Ages(state.contributed.clone())
    }

    fn restore_state(&self, bytes: &[u8]) -> Result<State, RestoreError> {
        let state: State = wire::decode(bytes, 1 << 20)?;
        state
            .contributed
            .contains_key(self.me())
            .then_some(state)
            .ok_or(RestoreError)
    }

    fn restore_proposal(&self, bytes: &[u8]) -> Result<Proposal, RestoreError> {
        Ok(wire::decode(bytes, 1024)?)
    }

    fn restore_operation(&self, bytes: &[u8]) -> Result<Over, RestoreError> {
        Ok(wire::decode(bytes, 64)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concilium_core::testing::{name, names, rng};
    use concilium_gka::conformance::{Echo, Group, Reaction, checks, directory, identity};

    concilium_gka::gka_conformance!(Dictator::new);

    #[test]
    fn k14_who_has_announced_nothing_cannot_be_included() {
        let mut rng = rng::seeded(1);
        let mut cx = Context::new(Time::ZERO, &mut rng);
        let group: Group<Dictator> = Group::new(3, 1, Dictator::new);
        let mut deaf = Dictator::new(identity(0), Arc::new(directory(3)));
        assert!(deaf.announce(group.session(), &mut cx).is_ok());
        let proposed = deaf.propose(None, group.data(&name(0), &names(0..3)), &mut cx);
        assert_eq!(proposed.map(|_| ()), Err(ProposeError::NotAnnounced(name(1))));
    }

    #[test]
    fn a06_the_victim_of_another_key_knows_and_names_the_dictator() {
        let mut group: Group<Dictator> = Group::new(3, 1, Dictator::new);
        let packet = group.propose(&name(0), &names(0..3)).unwrap();
        let honest = group.echo(&name(0), packet);
        let session = group.session().clone();
        let bytes = checks::resigned(&session, &honest, |role, bytes| {
            let mut payload: Payload = wire::decode(&bytes, 1 << 16).unwrap();
            payload.masked[1][0] ^= 1;
            (role, wire::encode(&payload))
        });
        let echo = Echo {
            bytes: bytes.unwrap(),
            ..honest
        };
        let reaction = group.deliver(&name(1), &echo);
        assert_eq!(
            reaction,
            Reaction::Refused(failure(Some(&name(0)), Reason::KeyMismatch))
        );
    }
}

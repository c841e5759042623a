//! A key agreement without any secrecy, for runs in which nothing but speed and order matters.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use concilium_core::keys::{SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::{
    Context, FramedHash, MemberId, MemberSet, PacketId, Secret, SessionName, SubsessionId, Time, wire,
};
use concilium_gka::{
    Ages, AssociatedData, Directory, Export, Failure, GroupKeyAgreement, Identity, OpenError, Opened,
    Operation, Progress, ProposeError, Reason, ReceiveError, RestoreError, Role, Started, Success, signed,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Every operation is one packet that its proposer signs and in which the new secret stands for all to read.
///
/// It meets the contract but for the secrecy: there is none (K-12).
pub struct Plain {
    identity: Identity,
    directory: Arc<dyn Directory>,
}

/// What an operation's packet carries.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlainPayload {
    base: Option<SubsessionId>,
    chosen: [u8; 32],
}

/// Who is in, and since when.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlainState {
    subsession: SubsessionId,
    members: MemberSet,
    since: Time,
}

impl Export for PlainState {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(self)
    }
}

/// The secret that we proposed.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlainProposal([u8; 32]);

impl Export for PlainProposal {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(self)
    }
}

/// An operation, which is over as soon as it has begun.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlainOver(PacketId);

impl Export for PlainOver {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(self)
    }
}

impl Operation for PlainOver {
    type State = PlainState;
    type Payload = PlainPayload;

    fn receive(
        &mut self,
        _: Opened<PlainPayload>,
        _: &mut Context<'_>,
    ) -> Result<Progress<PlainState>, ReceiveError> {
        Err(ReceiveError::Rejected(Reason::OutOfTurn))
    }
}

/// Everybody's signing key, as everybody may know it.
fn signing(member: &MemberId) -> SigningKey {
    let seed = FramedHash::new("concilium testkit 2026-11 plain signing key").field(member.as_bytes());
    SigningKey::from_seed(&Secret::new(seed.finish()))
}

/// The public half. Computing it is most of the cost of a large group, so it is remembered.
fn verifying(member: &MemberId) -> VerifyingKey {
    static KNOWN: LazyLock<Mutex<BTreeMap<MemberId, VerifyingKey>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known
        .entry(member.clone())
        .or_insert_with(|| *signing(member).verifying_key())
}

fn derive(data: &AssociatedData, payload: &PlainPayload, what: &[u8]) -> [u8; 32] {
    FramedHash::new("concilium testkit 2026-11 plain keys")
        .field(&wire::encode(data))
        .field(&wire::encode(payload))
        .field(what)
        .finish()
}

impl Plain {
    /// The suite's name.
    pub const SUITE: &str = "plain";

    /// The key agreement of the member who has this identity.
    #[must_use]
    pub fn new(identity: Identity, directory: Arc<dyn Directory>) -> Self {
        Self { identity, directory }
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain")
            .field("member", self.identity.member())
            .finish_non_exhaustive()
    }
}

impl GroupKeyAgreement for Plain {
    type State = PlainState;
    type Proposal = PlainProposal;
    type Payload = PlainPayload;
    type Operation = PlainOver;

    fn suite(&self) -> &str {
        Self::SUITE
    }

    fn me(&self) -> &MemberId {
        self.identity.member()
    }

    fn propose(
        &self,
        state: Option<&PlainState>,
        data: AssociatedData,
        cx: &mut Context<'_>,
    ) -> Result<(Vec<u8>, PlainProposal), ProposeError> {
        let held = state.map(|state| &state.members);
        data.check_proposal(Self::SUITE, self.me(), held, &*self.directory)?;
        let payload = PlainPayload {
            base: state.map(|state| state.subsession),
            chosen: cx.random()?,
        };
        let session = data.session.clone();
        let packet = signed::seal(
            &self.identity,
            &session,
            Role::Initial(data),
            wire::encode(&payload),
        )?;
        Ok((packet, PlainProposal(payload.chosen)))
    }

    fn abort(&self, session: &SessionName, initial: PacketId) -> Result<Vec<u8>, ProposeError> {
        signed::seal(&self.identity, session, Role::Abort { initial }, Vec::new())
    }

    fn open(
        &self,
        session: &SessionName,
        from: &MemberId,
        packet: &[u8],
    ) -> Result<Opened<PlainPayload>, OpenError> {
        signed::open(packet, session, from, &*self.directory)?.try_map(|role, bytes| match role {
            Role::Initial(_) => Ok(wire::decode(&bytes, 1024)?),
            // An abort has no payload; what stands here is never read.
            Role::Abort { .. } if bytes.is_empty() => Ok(PlainPayload {
                base: None,
                chosen: [0; 32],
            }),
            _ => Err(OpenError::Invalid(Reason::OutOfTurn)),
        })
    }

    fn accept(
        &self,
        state: Option<&PlainState>,
        proposal: Option<PlainProposal>,
        id: PacketId,
        initial: Opened<PlainPayload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<PlainOver, PlainState>, ReceiveError> {
        let failed = |reason| {
            ReceiveError::Failed(Failure {
                culprit: None,
                reason,
                ends: true,
            })
        };
        let (author, role, payload) = initial.into_parts();
        let me = self.me();
        let Role::Initial(data) = role else {
            return Err(failed(Reason::NoState));
        };
        if !data.after.contains(me) {
            return Err(ReceiveError::Rejected(Reason::WrongMembers));
        }
        let fits = match state.filter(|_| data.before.contains(me)) {
            Some(state) => payload.base == Some(state.subsession) && state.members == data.before,
            None => !data.before.contains(me) || payload.base.is_none(),
        };
        if !fits {
            return Err(failed(Reason::WrongOperation));
        }
        if author == *me && proposal.is_none_or(|proposal| proposal.0 != payload.chosen) {
            return Err(failed(Reason::ContributionChanged));
        }
        let subsession = SubsessionId::from_bytes(derive(&data, &payload, b"subsession"));
        let keys = SubsessionKeys {
            subsession,
            secret: Secret::new(derive(&data, &payload, b"secret")),
            signing: signing(me),
            verifying: data
                .after
                .iter()
                .map(|who| (who.clone(), verifying(who)))
                .collect(),
        };
        let state = PlainState {
            subsession,
            members: data.after,
            since: cx.now(),
        };
        Ok(Started {
            operation: PlainOver(id),
            progress: Progress::Finished(Box::new(Success { state, keys })),
        })
    }

    fn ages(&self, state: &PlainState) -> Ages {
        let ages = state.members.iter().map(|who| (who.clone(), state.since));
        Ages(ages.collect())
    }

    fn restore_state(&self, bytes: &[u8]) -> Result<PlainState, RestoreError> {
        let state: PlainState = wire::decode(bytes, 1 << 20)?;
        state
            .members
            .contains(self.me())
            .then_some(state)
            .ok_or(RestoreError)
    }

    fn restore_proposal(&self, bytes: &[u8]) -> Result<PlainProposal, RestoreError> {
        Ok(wire::decode(bytes, 1024)?)
    }

    fn restore_operation(&self, bytes: &[u8]) -> Result<PlainOver, RestoreError> {
        Ok(wire::decode(bytes, 64)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What speaks of secrecy or of insiders is not for it; the rest of the contract is.
    concilium_gka::gka_conformance_tests! { Plain::new;
        k01_proposing_changes_nothing,
        k02_any_of_several_racing_proposals_can_be_accepted,
        k04_success_yields_everything_at_once,
        k05_a18_rejected_packets_change_nothing,
        k06_associated_data_are_authenticated,
        k09_a01_a_packet_belongs_to_one_operation,
        k10_excluding_takes_no_packet_of_the_excluded,
        k11_misfitting_changes_are_not_proposed,
        k13_state_goes_through_exports,
        k15_a45_unauthentic_packets_do_not_count,
        a04_broken_randomness_sends_nothing,
        a10_replayed_packets_do_nothing,
        a11_a_stolen_key_speaks_for_its_owner_only,
        a12_signatures_do_not_change_their_kind,
        a14_sender_author_and_key_are_one,
        a41_a46_packets_from_outside_block_nothing,
    }
}

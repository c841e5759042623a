//! The key agreement as the contract wants it: proposing, opening, accepting.

use std::fmt;
use std::sync::Arc;

use concilium_core::keys::SigningKey;
use concilium_core::{Context, MemberId, MemberSet, PacketId, SessionName};
use concilium_gka::{
    Ages, AssociatedData, Directory, GroupKeyAgreement, Identity, OpenError, Opened, ProposeError, Reason,
    ReceiveError, RestoreError, Role, Started, signed,
};
use concilium_gka_dh::{Contribution, Element, Keys, abort, all_distinct, restore};

use crate::SUITE;
use crate::course::Course;
use crate::operation::Operation;
use crate::payload::{Body, Content, Flow, Payload};
use crate::state::{Proposal, State};

/// CLIQUES with authenticated confirmation, as one member runs it.
pub struct Cliques {
    identity: Arc<Identity>,
    directory: Arc<dyn Directory>,
}

impl Cliques {
    /// The key agreement of the member with this identity. It trusts the identity keys of `directory`.
    #[must_use]
    pub fn new(identity: Identity, directory: Arc<dyn Directory>) -> Self {
        Self {
            identity: Arc::new(identity),
            directory,
        }
    }
}

impl fmt::Debug for Cliques {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cliques")
            .field("member", self.identity.member())
            .finish_non_exhaustive()
    }
}

/// The order of the slots: staying members, then joiners, each in bytewise order. It follows from the member
/// sets, so no packet can claim another order (C-9, A-07).
#[derive(Clone, Debug)]
pub(crate) struct SlotOrder {
    pub(crate) kept: MemberSet,
    pub(crate) joiners: MemberSet,
}

impl SlotOrder {
    pub(crate) fn of(data: &AssociatedData) -> Self {
        let joiners = data.after.minus(&data.before);
        let kept = if joiners.is_empty() {
            data.after.clone()
        } else {
            data.after.intersection(&data.before)
        };
        Self { kept, joiners }
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len() + self.joiners.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &MemberId> {
        self.kept.iter().chain(&self.joiners)
    }

    pub(crate) fn last(&self) -> Option<&MemberId> {
        let joiner = self.joiners.iter().next_back();
        joiner.or_else(|| self.kept.iter().next_back())
    }

    pub(crate) fn position(&self, member: &MemberId) -> Option<usize> {
        let joiner = || Some(self.kept.len() + self.joiners.position(member)?);
        self.kept.position(member).or_else(joiner)
    }
}

impl GroupKeyAgreement for Cliques {
    type State = State;
    type Proposal = Proposal;
    type Payload = Payload;
    type Operation = Operation;

    fn suite(&self) -> &str {
        SUITE
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
        let me = self.identity.member();
        data.check_proposal(SUITE, me, state.map(State::members), &*self.directory)?;
        let order = SlotOrder::of(&data);
        let kept = &order.kept;
        let corrupt = |members: &[&MemberId], at: usize| {
            ProposeError::CorruptShare(members.get(at).map_or(me, |member| member).clone())
        };

        // C-2, C-3: a fresh factor for our contribution and for every slot except our own. C-1: without keys,
        // the factor is our contribution, and our slot is the base point.
        let factor = Contribution::random(cx)?;
        let nonce = cx.random::<32>()?;
        let own = state.and_then(|state| state.slot(me));
        let own = own.copied().unwrap_or(Element::BASE);
        let contribution = state.map_or_else(|| factor.clone(), |state| state.contribution.times(&factor));
        let others: Vec<&MemberId> = kept.iter().filter(|member| *member != me).collect();
        let slots: Vec<Element> = others
            .iter()
            .filter_map(|member| state?.slot(member).copied())
            .collect();
        let mut elements = factor.raise_all(&slots).map_err(|bad| corrupt(&others, bad.0))?;
        let position = kept.position(me).unwrap_or_default();
        elements.insert(position, own);

        let base = state.map(|state| state.transcript);
        let (body, prepared) = if !order.joiners.is_empty() {
            let cardinal = contribution.raise_all(&[own]).map_err(|_| corrupt(&[], 0))?;
            elements.extend(cardinal);
            (Body::Upflow(Flow { nonce, elements }), None)
        } else {
            let signing = SigningKey::from_seed(&cx.secret()?);
            let shared = contribution.raise(&own).map_err(|_| corrupt(&[], 0))?;
            let course = Course {
                data: &data,
                base: base.as_ref(),
                order: &order,
                nonces: &[nonce],
                slots: &elements,
                // A packet's id is known only once the channel has echoed it (O-1): see decision 0004.
                initial: None,
            };
            let keys = Keys::derive(course.transcript(), &*shared);
            let confirmation = keys.confirm(me, &signing);
            (
                Body::Downflow(Flow { nonce, elements }, confirmation),
                Some((keys, signing)),
            )
        };
        // K-11 holds for what we send as well. Two slots are equal only if a member corrupted one.
        if let Body::Upflow(flow) | Body::Downflow(flow, _) = &body
            && !all_distinct(&flow.elements)
        {
            return Err(ProposeError::Members(Reason::Duplicate));
        }

        let session = data.session.clone();
        let content = Content::Initial { base, body };
        let (packet, fingerprint) = content.seal(&self.identity, &session, Role::Initial(data))?;
        let proposal = Proposal {
            contribution,
            prepared,
            fingerprint,
        };
        Ok((packet, proposal))
    }

    fn abort(&self, session: &SessionName, initial: PacketId) -> Result<Vec<u8>, ProposeError> {
        abort(&self.identity, session, initial)
    }

    fn open(
        &self,
        session: &SessionName,
        from: &MemberId,
        packet: &[u8],
    ) -> Result<Opened<Payload>, OpenError> {
        // K-15: one signature, checked here and nowhere else, before anything is made of the payload.
        signed::open(packet, session, from, &*self.directory)?
            .try_map(|role, bytes| Payload::read(from, role, &bytes))
    }

    fn accept(
        &self,
        state: Option<&State>,
        proposal: Option<Proposal>,
        id: PacketId,
        initial: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Operation, State>, ReceiveError> {
        Operation::start(&self.identity, state, proposal, id, initial, cx)
    }

    fn ages(&self, state: &State) -> Ages {
        Ages(state.ages().map(|(who, at)| (who.clone(), at)).collect())
    }

    fn restore_state(&self, bytes: &[u8]) -> Result<State, RestoreError> {
        State::restore(self.identity.member(), bytes)
    }

    fn restore_proposal(&self, bytes: &[u8]) -> Result<Proposal, RestoreError> {
        restore(bytes)
    }

    fn restore_operation(&self, bytes: &[u8]) -> Result<Operation, RestoreError> {
        Operation::restore(&self.identity, bytes)
    }
}

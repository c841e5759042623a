//! A running operation: which packet is due, what it leads to, and when all agree.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use concilium_core::keys::{SigningKey, VerifyingKey};
use concilium_core::{Context, MemberId, MemberMap, PacketId, Time};
use concilium_gka::{
    AssociatedData, Export, Identity, Opened, Progress, Reason, ReceiveError, RestoreError, Role, Started,
    Success,
};
use concilium_gka_dh::{
    Confirmation, Contribution, CourseHash, Element, Keys, check_base, ending, export, failure, only_suspect,
    restore,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::agreement::SlotOrder;
use crate::course::Course;
use crate::payload::{Body, Content, Flow, Payload};
use crate::state::{Proposal, Share, State};

/// An operation, as one member runs it, from its initial packet on.
///
/// A packet is refused in one of two ways, see [`ReceiveError`]. A fault that shows in the operation's
/// packets alone is `Rejected`, by all members alike. A fault that only our state or our secrets show is
/// `Failed`.
pub struct Operation {
    identity: Arc<Identity>,
    /// Follows from `run.data`.
    order: SlotOrder,
    run: Run,
}

#[derive(Serialize, Deserialize)]
struct Run {
    id: PacketId,
    initiator: MemberId,
    base: Option<CourseHash>,
    data: AssociatedData,
    /// When each staying member last contributed, as far as we know.
    contributed: BTreeMap<MemberId, Time>,
    flow: Progression,
    phase: Phase,
}

/// How far the upflow has come.
#[derive(Serialize, Deserialize)]
struct Progression {
    /// Of the initiator and of the joiners whose turn is over.
    nonces: Vec<[u8; 32]>,
    /// The slots so far; while the upflow travels, with the cardinal value last.
    elements: Vec<Element>,
}

impl Progression {
    /// After one more flow.
    fn with(&self, flow: Flow) -> Self {
        Self {
            nonces: [self.nonces.as_slice(), &[flow.nonce]].concat(),
            elements: flow.elements,
        }
    }
}

#[derive(Serialize, Deserialize)]
enum Phase {
    /// The upflow travels through the joiners.
    Upflow(Box<Own>),
    /// All slots are known and agree with our own keys. The others confirm.
    Confirming(Box<Confirming>),
    /// Finished or failed; no secret is left (K-4).
    Over,
}

/// Our own part while the upflow travels.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Own {
    /// None before our turn as a joiner.
    contribution: Option<Contribution>,
    /// Names the packet that we sent and that has not come back.
    sent: Option<[u8; 32]>,
    /// What our downflow will have led to once it comes back.
    prepared: Option<(Keys, SigningKey)>,
}

#[derive(Serialize, Deserialize)]
struct Confirming {
    contribution: Contribution,
    keys: Keys,
    signing: SigningKey,
    confirmed: BTreeMap<MemberId, VerifyingKey>,
}

/// C-9, C-10: the keys as we compute them, if the confirmation's author computed the same.
fn agree(
    course: &Course<'_>,
    own: (&Contribution, &Element),
    author: &MemberId,
    confirmation: &Confirmation,
    culprits: Culprits<'_>,
) -> Result<Keys, ReceiveError> {
    let transcript = course.transcript();
    if transcript != confirmation.transcript {
        return Err(failure(culprits.of_transcript, Reason::TranscriptMismatch));
    }
    let (contribution, slot) = own;
    // K-11: an honest computation of this slot gives a point. Its author is to blame for a made-up one.
    let shared = contribution
        .raise(slot)
        .map_err(|_| failure(Some(author), Reason::BadElement))?;
    let keys = Keys::derive(transcript, &*shared);
    if keys.confirmed_by(author, confirmation) {
        Ok(keys)
    } else {
        Err(failure(culprits.of_key, Reason::KeyMismatch))
    }
}

/// The culprit if a confirmation does not fit, where it can be known (C-10).
#[derive(Clone, Copy)]
struct Culprits<'a> {
    of_transcript: Option<&'a MemberId>,
    of_key: Option<&'a MemberId>,
}

impl Operation {
    /// K-2: starts from the initial packet. `state` is ours before the operation.
    pub(crate) fn start(
        identity: &Arc<Identity>,
        state: Option<&State>,
        proposal: Option<Proposal>,
        id: PacketId,
        initial: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Self, State>, ReceiveError> {
        let whole = matches!(
            initial.payload().0,
            Content::Initial {
                body: Body::Downflow(..),
                ..
            }
        );
        let started = Self::begin(identity, state, proposal, id, initial, cx);
        started.map_err(|error| if whole { ending(error) } else { error })
    }

    fn begin(
        identity: &Arc<Identity>,
        state: Option<&State>,
        proposal: Option<Proposal>,
        id: PacketId,
        initial: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Self, State>, ReceiveError> {
        let (author, role, Payload(content)) = initial.into_parts();
        let me = identity.member();
        if author == *me {
            // C-9: a packet in our name that we did not make was made with our stolen identity key.
            let ours = proposal.as_ref().map(|proposal| proposal.fingerprint);
            if ours != Some(content.fingerprint(&role)) {
                return Err(failure(None, Reason::ContributionChanged));
            }
        }
        let (Role::Initial(data), Content::Initial { base, body }) = (role, content) else {
            return Err(ReceiveError::Rejected(Reason::WrongOperation));
        };
        if !data.after.contains(me) {
            return Err(ReceiveError::Rejected(Reason::WrongMembers));
        }
        // A joiner starts with nothing, even if it still holds an old state.
        let state = state.filter(|_| data.before.contains(me));
        let known = state.map(|state| (state.members(), &state.transcript));
        check_base(me, known, base.as_ref(), &data)?;

        let order = SlotOrder::of(&data);
        let (flow, confirmation) = match body {
            Body::Upflow(flow) => (flow, None),
            Body::Downflow(flow, confirmation) => (flow, Some(confirmation)),
            Body::Confirmation(_) => return Err(ReceiveError::Rejected(Reason::Malformed)),
        };
        check_fresh_slot(me, state, &author, &order, &flow)?;
        let contributed = match (state, &confirmation) {
            // A member that finishes at once reads the state itself.
            (Some(state), None) => state.ages().map(|(who, at)| (who.clone(), at)).collect(),
            _ => BTreeMap::new(),
        };
        let mut operation = Self {
            identity: Arc::clone(identity),
            order,
            run: Run {
                id,
                initiator: author,
                base,
                data,
                contributed,
                flow: Progression {
                    nonces: vec![flow.nonce],
                    elements: flow.elements,
                },
                phase: Phase::Over,
            },
        };
        let (contribution, prepared) = match proposal {
            Some(proposal) if operation.run.initiator == *me => {
                (Some(proposal.contribution), proposal.prepared)
            }
            _ => (state.map(|state| state.contribution.clone()), None),
        };
        let progress = match confirmation {
            Some(confirmation) => {
                let contribution = contribution.ok_or_else(|| failure(None, Reason::NoState))?;
                operation.finish_at_once(state, &contribution, prepared, &confirmation, cx.now())?
            }
            None => {
                let own = Own {
                    contribution,
                    ..Own::default()
                };
                let (own, packets) = operation.take_turn(&operation.run.flow, own, cx)?;
                operation.run.phase = Phase::Upflow(Box::new(own));
                Progress::Continue(packets)
            }
        };
        Ok(Started { operation, progress })
    }

    /// C-3, O-9: an operation of one packet. Its initiator has prepared the outcome. A member that sends no
    /// packet keeps its signing key (C-8).
    fn finish_at_once(
        &self,
        state: Option<&State>,
        contribution: &Contribution,
        prepared: Option<(Keys, SigningKey)>,
        confirmation: &Confirmation,
        now: Time,
    ) -> Result<Progress<State>, ReceiveError> {
        let initiator = &self.run.initiator;
        let (keys, signing) = match (prepared, state) {
            (Some(prepared), _) => prepared,
            (None, Some(state)) => {
                let keys = self.check_whole(state, contribution, confirmation)?;
                (keys, state.signing.clone())
            }
            (None, None) => return Err(failure(None, Reason::NoState)),
        };
        // Without joiners the slots are in the order of the members, so that one walk along both finds all.
        let mut members = state
            .into_iter()
            .flat_map(|state| state.verifying.iter().zip(&state.shares));
        let known = self.order.iter().map_while(|who| {
            if who == initiator {
                Some((confirmation.key, None))
            } else {
                let ((_, key), share) = members.find(|((known, _), _)| *known == who)?;
                Some((*key, Some(share.contributed)))
            }
        });
        self.outcome(contribution, &keys, signing, known, now)
    }

    /// C-9, C-10: the keys to which another member's operation of one packet leads.
    fn check_whole(
        &self,
        state: &State,
        contribution: &Contribution,
        confirmation: &Confirmation,
    ) -> Result<Keys, ReceiveError> {
        let initiator = &self.run.initiator;
        // C-8, K-11: the new key is new, the initiator's last one included.
        if state.verifying.values().any(|key| *key == confirmation.key) {
            return Err(failure(Some(initiator), Reason::Duplicate));
        }
        let slot = self.own_slot(&self.run.flow)?;
        agree(
            // All that this transcript is taken over stands in the one packet, or was compared with it.
            &self.course(&self.run.flow.nonces, &self.run.flow.elements, None),
            (contribution, &slot),
            initiator,
            confirmation,
            Culprits {
                of_transcript: Some(initiator),
                of_key: Some(initiator),
            },
        )
    }

    /// If it is our turn in the upflow: our packet, and our part after it. Changes nothing by itself.
    fn take_turn(
        &self,
        flow: &Progression,
        own: Own,
        cx: &mut Context<'_>,
    ) -> Result<(Own, Vec<Vec<u8>>), ReceiveError> {
        let me = self.identity.member();
        if self.contributor(flow.nonces.len()) != Some(me) {
            return Ok((own, Vec::new()));
        }
        let Some((cardinal, slots)) = flow.elements.split_last() else {
            return Err(ReceiveError::Rejected(Reason::Malformed));
        };
        // The sender of these elements computed them: it made up one that is no point.
        let sender = self.contributor(flow.nonces.len().saturating_sub(1));
        let bad = |_| failure(sender, Reason::BadElement);

        let contribution = Contribution::random(cx)?;
        let nonce = cx.random::<32>()?;
        let nonces = [flow.nonces.as_slice(), &[nonce]].concat();
        let mut prepared = None;
        let body = if self.order.last() == Some(me) {
            // C-1: the last joiner keeps the cardinal value.
            let signing = SigningKey::from_seed(&cx.secret()?);
            let mut elements = contribution.raise_all(slots).map_err(bad)?;
            elements.push(*cardinal);
            let shared = contribution.raise(cardinal).map_err(bad)?;
            let course = self.course(&nonces, &elements, Some(self.run.id));
            let keys = Keys::derive(course.transcript(), &*shared);
            let confirmation = keys.confirm(me, &signing);
            prepared = Some((keys, signing));
            Body::Downflow(Flow { nonce, elements }, confirmation)
        } else {
            let mut elements = contribution.raise_all(&flow.elements).map_err(bad)?;
            elements.insert(slots.len(), *cardinal);
            Body::Upflow(Flow { nonce, elements })
        };
        let (packet, sent) = self.seal(body)?;
        let own = Own {
            contribution: Some(contribution),
            sent: Some(sent),
            prepared,
        };
        Ok((own, vec![packet]))
    }

    /// A packet of ours, and what names it.
    fn seal(&self, body: Body) -> Result<(Vec<u8>, [u8; 32]), ReceiveError> {
        let role = Role::Later { initial: self.run.id };
        Content::Later(body)
            .seal(&self.identity, &self.run.data.session, role)
            .map_err(|_| failure(None, Reason::Limit))
    }

    fn step(
        &mut self,
        packet: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Progress<State>, ReceiveError> {
        let (author, role, Payload(content)) = packet.into_parts();
        // K-9, O-3.
        if role != (Role::Later { initial: self.run.id }) {
            return Err(ReceiveError::Rejected(Reason::WrongOperation));
        }
        // C-9: we know only of our own packets what they must say.
        let ours = author == *self.identity.member();
        let fingerprint = ours.then(|| content.fingerprint(&role));
        let Content::Later(body) = content else {
            return Err(ReceiveError::Rejected(Reason::OutOfTurn));
        };
        match body {
            Body::Upflow(flow) => self.receive_flow(&author, fingerprint, flow, None, cx),
            Body::Downflow(flow, confirmation) => {
                self.receive_flow(&author, fingerprint, flow, Some(&confirmation), cx)
            }
            Body::Confirmation(confirmation) => self.receive_confirmation(&author, &confirmation, cx.now()),
        }
    }

    /// An upflow or the downflow.
    fn receive_flow(
        &mut self,
        author: &MemberId,
        fingerprint: Option<[u8; 32]>,
        flow: Flow,
        confirmation: Option<&Confirmation>,
        cx: &mut Context<'_>,
    ) -> Result<Progress<State>, ReceiveError> {
        let seen = &self.run.flow;
        // C-9: the order of the joiners is fixed, and so is the number of elements at each place.
        let due = self.contributor(seen.nonces.len()) == Some(author);
        let (true, Phase::Upflow(own)) = (due, &self.run.phase) else {
            let mut known = self.contributors().zip(&seen.nonces);
            return if known.any(|known| known == (author, &flow.nonce)) {
                Ok(Progress::Ignored)
            } else {
                Err(ReceiveError::Rejected(Reason::OutOfTurn))
            };
        };
        let last = self.order.last() == Some(author);
        if last != confirmation.is_some() {
            return Err(ReceiveError::Rejected(Reason::OutOfTurn));
        }
        if flow.elements.len() != seen.elements.len() + usize::from(!last) {
            return Err(ReceiveError::Rejected(Reason::Malformed));
        }
        if seen.nonces.contains(&flow.nonce) {
            return Err(ReceiveError::Rejected(Reason::Duplicate));
        }
        if fingerprint.is_some() && own.sent != fingerprint {
            return Err(failure(None, Reason::ContributionChanged));
        }
        let (own, next) = (Own::clone(own), seen.with(flow));
        let (phase, packets) = match confirmation {
            None => {
                let (own, packets) = self.take_turn(&next, own, cx)?;
                (Phase::Upflow(Box::new(own)), packets)
            }
            Some(confirmation) => {
                let (confirming, packets) = self.receive_downflow(&next, own, author, confirmation, cx)?;
                (Phase::Confirming(Box::new(confirming)), packets)
            }
        };
        self.run.flow = next;
        self.run.phase = phase;
        Ok(Progress::Continue(packets))
    }

    /// C-7: checks the downflow's confirmation and makes our own.
    fn receive_downflow(
        &self,
        flow: &Progression,
        own: Own,
        author: &MemberId,
        confirmation: &Confirmation,
        cx: &mut Context<'_>,
    ) -> Result<(Confirming, Vec<Vec<u8>>), ReceiveError> {
        let contribution = own.contribution.ok_or_else(|| failure(None, Reason::NoState))?;
        let confirmed = BTreeMap::from([(author.clone(), confirmation.key)]);
        if let Some((keys, signing)) = own.prepared {
            let confirming = Confirming {
                contribution,
                keys,
                signing,
                confirmed,
            };
            return Ok((confirming, Vec::new()));
        }
        let slot = self.own_slot(flow)?;
        let keys = agree(
            &self.course(&flow.nonces, &flow.elements, Some(self.run.id)),
            (&contribution, &slot),
            author,
            confirmation,
            Culprits {
                // The server may have shown us another channel than it showed the author.
                of_transcript: None,
                of_key: self.only_suspect(author),
            },
        )?;
        let signing = SigningKey::from_seed(&cx.secret()?);
        let confirmation = keys.confirm(self.identity.member(), &signing);
        let (packet, _) = self.seal(Body::Confirmation(confirmation))?;
        let confirming = Confirming {
            contribution,
            keys,
            signing,
            confirmed,
        };
        Ok((confirming, vec![packet]))
    }

    fn receive_confirmation(
        &mut self,
        author: &MemberId,
        confirmation: &Confirmation,
        now: Time,
    ) -> Result<Progress<State>, ReceiveError> {
        let Phase::Confirming(confirming) = &self.run.phase else {
            return Err(ReceiveError::Rejected(Reason::OutOfTurn));
        };
        if !self.run.data.after.contains(author) {
            return Err(ReceiveError::Rejected(Reason::OutOfTurn));
        }
        match confirming.confirmed.get(author) {
            Some(key) if *key == confirmation.key => return Ok(Progress::Ignored),
            Some(_) => return Err(ReceiveError::Rejected(Reason::OutOfTurn)),
            None => {}
        }
        // K-11: keys are pairwise distinct.
        if confirming.confirmed.values().any(|key| *key == confirmation.key) {
            return Err(ReceiveError::Rejected(Reason::Duplicate));
        }
        // C-9: only we confirm in our name.
        let me = self.identity.member();
        if author == me && confirmation.key != *confirming.signing.verifying_key() {
            return Err(failure(None, Reason::ContributionChanged));
        }
        if confirmation.transcript != *confirming.keys.transcript() {
            return Err(failure(None, Reason::TranscriptMismatch));
        }
        if !confirming.keys.confirmed_by(author, confirmation) {
            return Err(failure(self.only_suspect(author), Reason::KeyMismatch));
        }
        if confirming.confirmed.len() + 1 < self.order.len() {
            if let Phase::Confirming(confirming) = &mut self.run.phase {
                confirming.confirmed.insert(author.clone(), confirmation.key);
            }
            return Ok(Progress::Continue(Vec::new()));
        }
        // K-7: all members hold these keys and have said so.
        let known = self.order.iter().map_while(|who| {
            let confirmed = if who == author {
                Some(&confirmation.key)
            } else {
                confirming.confirmed.get(who)
            };
            Some((*confirmed?, self.run.contributed.get(who).copied()))
        });
        let signing = confirming.signing.clone();
        self.outcome(&confirming.contribution, &confirming.keys, signing, known, now)
    }

    /// K-4: everything at once. For each member, in the order of the slots: its verifying key, and when it
    /// last contributed, as far as we know.
    fn outcome(
        &self,
        contribution: &Contribution,
        keys: &Keys,
        signing: SigningKey,
        known: impl Iterator<Item = (VerifyingKey, Option<Time>)>,
        now: Time,
    ) -> Result<Progress<State>, ReceiveError> {
        let run = &self.run;
        let mut verifying = Vec::with_capacity(self.order.len());
        let mut shares = Vec::with_capacity(self.order.len());
        let slots = self.order.iter().zip(&run.flow.elements).enumerate();
        for ((i, (who, slot)), (key, contributed)) in slots.zip(known) {
            let fresh = *who == run.initiator || i >= self.order.kept.len();
            verifying.push(key);
            shares.push(Share {
                slot: *slot,
                // Of earlier members we know no contribution older than our own joining.
                contributed: contributed.filter(|_| !fresh).unwrap_or(now),
            });
        }
        if !self.order.joiners.is_empty() {
            verifying = self.by_name(verifying);
            shares = self.by_name(shares);
        }
        let verifying = MemberMap::zip(run.data.after.clone(), verifying)
            .ok_or_else(|| failure(None, Reason::WrongMembers))?;
        let transcript = *keys.transcript();
        let keys = keys.with(signing.clone(), verifying.clone());
        let state = State {
            transcript,
            contribution: contribution.clone(),
            signing,
            verifying,
            shares,
        };
        Ok(Progress::Finished(Box::new(Success { state, keys })))
    }

    /// What stands in the order of the slots, in that of the names.
    fn by_name<T>(&self, items: Vec<T>) -> Vec<T> {
        let by_name: BTreeMap<&MemberId, T> = self.order.iter().zip(items).collect();
        by_name.into_values().collect()
    }

    fn course<'a>(
        &'a self,
        nonces: &'a [[u8; 32]],
        slots: &'a [Element],
        initial: Option<PacketId>,
    ) -> Course<'a> {
        Course {
            data: &self.run.data,
            base: self.run.base.as_ref(),
            order: &self.order,
            nonces,
            slots,
            initial,
        }
    }

    fn own_slot(&self, flow: &Progression) -> Result<Element, ReceiveError> {
        let position = self.order.position(self.identity.member());
        position
            .and_then(|position| flow.elements.get(position).copied())
            .ok_or_else(|| failure(None, Reason::WrongMembers))
    }

    /// The initiator and the joiners, in the order of their turns.
    fn contributors(&self) -> impl Iterator<Item = &MemberId> {
        std::iter::once(&self.run.initiator).chain(&self.order.joiners)
    }

    /// The member whose turn comes after `turns` others.
    fn contributor(&self, turns: usize) -> Option<&MemberId> {
        match turns.checked_sub(1) {
            None => Some(&self.run.initiator),
            Some(joiner) => self.order.joiners.at(joiner),
        }
    }

    /// C-10: our keys differ from `author`'s. Every contributor could have caused that, or the author
    /// pretends it.
    fn only_suspect<'a>(&'a self, author: &'a MemberId) -> Option<&'a MemberId> {
        only_suspect(self.identity.member(), self.contributors().chain([author]))
    }

    pub(crate) fn restore(identity: &Arc<Identity>, bytes: &[u8]) -> Result<Self, RestoreError> {
        let run: Run = restore(bytes)?;
        let operation = Self {
            identity: Arc::clone(identity),
            order: SlotOrder::of(&run.data),
            run,
        };
        let run = &operation.run;
        let passed = run.flow.nonces.len().saturating_sub(1);
        let (kept, joiners) = (operation.order.kept.len(), operation.order.joiners.len());
        let cardinal = usize::from(passed < joiners);
        let fits = run.data.is_well_formed()
            && run.data.after.contains(identity.member())
            && run.data.before.contains(&run.initiator)
            && (1..=joiners + 1).contains(&run.flow.nonces.len())
            && run.flow.elements.len() == kept + passed + cardinal
            && match &run.phase {
                Phase::Upflow(_) => passed < joiners,
                Phase::Confirming(_) => passed == joiners,
                Phase::Over => true,
            };
        fits.then_some(operation).ok_or(RestoreError)
    }
}

/// a slot of ours that stands as it stood means that no fresh factor was mixed in (C-2, C-3).
fn check_fresh_slot(
    me: &MemberId,
    state: Option<&State>,
    initiator: &MemberId,
    order: &SlotOrder,
    flow: &Flow,
) -> Result<(), ReceiveError> {
    let before = state.and_then(|state| state.slot(me));
    let now = order.position(me).and_then(|place| flow.elements.get(place));
    match (before, now) {
        (Some(before), Some(now)) if initiator != me && before == now => {
            Err(failure(Some(initiator), Reason::Duplicate))
        }
        _ => Ok(()),
    }
}

impl concilium_gka::Operation for Operation {
    type State = State;
    type Payload = Payload;

    fn receive(
        &mut self,
        packet: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Progress<State>, ReceiveError> {
        let last = match &self.run.phase {
            Phase::Confirming(confirming) => confirming.confirmed.len() + 1 == self.order.len(),
            _ => false,
        };
        let result = self
            .step(packet, cx)
            .map_err(|error| if last { ending(error) } else { error });
        // K-4: success hands the secrets over, failure destroys them. K-5: a rejection touches nothing.
        if matches!(result, Ok(Progress::Finished(_)) | Err(ReceiveError::Failed(_))) {
            self.run.phase = Phase::Over;
        }
        result
    }
}

impl Export for Operation {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        export(&self.run)
    }
}

/// Without secrets.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.run.phase {
            Phase::Upflow(_) => "upflow",
            Phase::Confirming(_) => "confirming",
            Phase::Over => "over",
        };
        f.debug_struct("Operation")
            .field("initial", &self.run.id)
            .field("members", &self.run.data.after)
            .field("phase", &phase)
            .finish_non_exhaustive()
    }
}

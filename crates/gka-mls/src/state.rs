//! What one member keeps from one operation to the next, and of a proposal until it is settled.

use std::collections::BTreeMap;
use std::fmt;

use concilium_core::keys::{SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::{Context, MemberId, MemberSet, PacketId, Secret, SubsessionId, Time};
use concilium_gka::{Export, Opened, Operation, Progress, Reason, ReceiveError, RestoreError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::desk::Desk;
use crate::epoch::{self, Client, Derived, Epoch, Group};
use crate::export::{export, restore, secret};
use crate::packet::Payload;

/// What a successful operation leaves to one member: the library's group, and data that the library does not
/// keep.
///
/// The group's exporter secret is gone, so the state does not tell the group secret that it once yielded.
pub struct State {
    pub(crate) group: Box<Group>,
    desk: Desk,
    pub(crate) subsession: SubsessionId,
    pub(crate) signing: SigningKey,
    pub(crate) members: BTreeMap<MemberId, Member>,
}

/// What is known of a member.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    /// What it signs messages with (C-8).
    pub(crate) key: VerifyingKey,
    /// When it last renewed its keys, as far as we saw (C-11).
    pub(crate) renewed: Time,
}

#[derive(Serialize, Deserialize)]
struct StoredState {
    #[serde(with = "secret")]
    group: Zeroizing<Vec<u8>>,
    subsession: SubsessionId,
    signing: SigningKey,
    members: BTreeMap<MemberId, Member>,
}

impl State {
    /// The state after an epoch has begun, and the keys of its subsession. `renewed` says when each member
    /// renewed its keys.
    pub(crate) fn begin(
        epoch: Epoch,
        desk: Desk,
        renewed: impl Fn(&MemberId) -> Time,
    ) -> (Self, SubsessionKeys) {
        let members = epoch.verifying.iter().map(|(who, key)| {
            let renewed = renewed(who);
            (who.clone(), Member { key: *key, renewed })
        });
        let state = Self {
            subsession: epoch.derived.subsession,
            signing: epoch.signing.clone(),
            members: members.collect(),
            group: epoch.group,
            desk,
        };
        let keys = SubsessionKeys {
            subsession: epoch.derived.subsession,
            secret: epoch.derived.secret,
            signing: epoch.signing,
            verifying: epoch.verifying.into(),
        };
        (state, keys)
    }

    /// The verifying keys of all members except one, which is about to change its own.
    pub(crate) fn known_but(&self, author: &MemberId) -> impl Fn(&MemberId) -> Option<VerifyingKey> {
        move |who| {
            self.members
                .get(who)
                .filter(|_| who != author)
                .map(|member| member.key)
        }
    }

    pub(crate) fn has_members(&self, members: &MemberSet) -> bool {
        self.members.len() == members.len() && self.members.keys().eq(members.iter())
    }

    pub(crate) fn restore(
        me: &MemberId,
        client: &Client,
        desk: &Desk,
        bytes: &[u8],
    ) -> Result<Self, RestoreError> {
        let stored: StoredState = restore(bytes)?;
        let group = epoch::load(client, desk, stored.group).map_err(|_| RestoreError)?;
        let state = Self {
            group,
            desk: desk.clone(),
            subsession: stored.subsession,
            signing: stored.signing,
            members: stored.members,
        };
        let ours = state.members.get(me).map(|member| member.key);
        let is_ours = ours.as_ref() == Some(state.signing.verifying_key());
        (is_ours && state.has_members(&epoch::members(&state.group)))
            .then_some(state)
            .ok_or(RestoreError)
    }
}

impl Export for State {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        export(&StoredState {
            group: epoch::store(&self.group, &self.desk),
            subsession: self.subsession,
            signing: self.signing.clone(),
            members: self.members.clone(),
        })
    }
}

/// Without secrets.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

/// Our outcome if our proposal is accepted. Dropped otherwise, and nothing else has to be undone (K-1).
pub struct Proposal {
    pub(crate) epoch: Epoch,
    desk: Desk,
    /// The subsession that it starts from.
    pub(crate) base: Option<SubsessionId>,
    /// Of the packet: no other member may speak for us.
    pub(crate) fingerprint: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct StoredProposal {
    #[serde(with = "secret")]
    group: Zeroizing<Vec<u8>>,
    signing: SigningKey,
    verifying: BTreeMap<MemberId, VerifyingKey>,
    check: [u8; 32],
    secret: Secret<32>,
    subsession: SubsessionId,
    base: Option<SubsessionId>,
    fingerprint: [u8; 32],
}

impl Proposal {
    pub(crate) fn new(epoch: Epoch, desk: Desk, base: Option<SubsessionId>, fingerprint: [u8; 32]) -> Self {
        Self {
            epoch,
            desk,
            base,
            fingerprint,
        }
    }

    pub(crate) fn restore(
        me: &MemberId,
        client: &Client,
        desk: &Desk,
        bytes: &[u8],
    ) -> Result<Self, RestoreError> {
        let stored: StoredProposal = restore(bytes)?;
        if stored.verifying.get(me) != Some(stored.signing.verifying_key()) {
            return Err(RestoreError);
        }
        let epoch = Epoch {
            group: epoch::load(client, desk, stored.group).map_err(|_| RestoreError)?,
            signing: stored.signing,
            verifying: stored.verifying,
            derived: Derived {
                check: stored.check,
                secret: stored.secret,
                subsession: stored.subsession,
            },
        };
        Ok(Self::new(epoch, desk.clone(), stored.base, stored.fingerprint))
    }
}

impl Export for Proposal {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        let Epoch {
            group,
            signing,
            verifying,
            derived,
        } = &self.epoch;
        export(&StoredProposal {
            group: epoch::store(group, &self.desk),
            signing: signing.clone(),
            verifying: verifying.clone(),
            check: derived.check,
            secret: derived.secret.clone(),
            subsession: derived.subsession,
            base: self.base,
            fingerprint: self.fingerprint,
        })
    }
}

/// Without secrets.
impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proposal").finish_non_exhaustive()
    }
}

/// An operation, which is over as soon as it has begun (O-9): no packet comes after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over(pub(crate) PacketId);

impl Export for Over {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        export(self)
    }
}

impl Operation for Over {
    type State = State;
    type Payload = Payload;

    fn receive(&mut self, _: Opened<Payload>, _: &mut Context<'_>) -> Result<Progress<State>, ReceiveError> {
        Err(ReceiveError::Rejected(Reason::OutOfTurn))
    }
}

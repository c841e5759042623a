//! What one member keeps from one operation to the next, and of a proposal until it is settled.

use std::fmt;

use concilium_core::keys::{SigningKey, VerifyingKey};
use concilium_core::{MemberId, MemberMap, MemberSet, Time};
use concilium_gka::{Export, RestoreError};
use concilium_gka_dh::{Contribution, CourseHash, Element, Keys, export, restore};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What a successful operation leaves to one member.
///
/// The size depends on the number of members, and on nothing else (C-4).
#[derive(Serialize, Deserialize)]
pub struct State {
    /// The transcript of the operation that led here.
    pub(crate) transcript: CourseHash,
    pub(crate) contribution: Contribution,
    pub(crate) signing: SigningKey,
    /// What each member signs messages with (C-8).
    pub(crate) verifying: MemberMap<VerifyingKey>,
    /// One for each member, in the order of the names.
    pub(crate) shares: Vec<Share>,
}

/// A member's part in the agreement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Share {
    /// Everyone's contributions but this member's, times the base point.
    pub(crate) slot: Element,
    /// When it last contributed, as far as we saw (C-11).
    pub(crate) contributed: Time,
}

impl State {
    pub(crate) fn members(&self) -> &MemberSet {
        self.verifying.members()
    }

    pub(crate) fn slot(&self, member: &MemberId) -> Option<&Element> {
        let share = self.shares.get(self.members().position(member)?);
        share.map(|share| &share.slot)
    }

    /// When each member last contributed.
    pub(crate) fn ages(&self) -> impl Iterator<Item = (&MemberId, Time)> {
        let ages = self.shares.iter().map(|share| share.contributed);
        self.members().iter().zip(ages)
    }

    pub(crate) fn restore(me: &MemberId, bytes: &[u8]) -> Result<Self, RestoreError> {
        let state: Self = restore(bytes)?;
        let ours = state.verifying.get(me) == Some(state.signing.verifying_key());
        (ours && state.shares.len() == state.verifying.len())
            .then_some(state)
            .ok_or(RestoreError)
    }
}

impl Export for State {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        export(self)
    }
}

/// Without secrets.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("verifying", &self.verifying)
            .field("shares", &self.shares)
            .finish_non_exhaustive()
    }
}

/// The private part of an operation that we proposed, until its initial packet is accepted or rejected.
#[derive(Serialize, Deserialize)]
pub struct Proposal {
    pub(crate) contribution: Contribution,
    /// What the initial packet will have led to, where it is the only one.
    pub(crate) prepared: Option<(Keys, SigningKey)>,
    /// Of the initial packet: no other member may speak for us (C-9).
    pub(crate) fingerprint: [u8; 32],
}

impl Export for Proposal {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        export(self)
    }
}

/// Without secrets.
impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proposal").finish_non_exhaustive()
    }
}

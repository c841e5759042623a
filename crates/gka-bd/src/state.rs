//! What one member keeps from one operation to the next, and of a proposal until it is settled.

use std::fmt;

use concilium_core::keys::SigningKey;
use concilium_core::{MemberId, MemberSet, Time};
use concilium_gka::{Export, RestoreError};
use concilium_gka_dh::{Contribution, CourseHash, export, restore};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What a successful operation leaves to one member: a description of the operation, and no secret (B-7).
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// The transcript of the operation that led here.
    pub(crate) transcript: CourseHash,
    pub(crate) members: MemberSet,
    /// When it ended, which is when everyone last contributed (C-11).
    pub(crate) since: Time,
}

impl State {
    pub(crate) fn restore(me: &MemberId, bytes: &[u8]) -> Result<Self, RestoreError> {
        let state: Self = restore(bytes)?;
        state.members.contains(me).then_some(state).ok_or(RestoreError)
    }
}

impl Export for State {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        export(self)
    }
}

/// The private part of an operation that we proposed, until its initial packet is accepted or rejected.
#[derive(Serialize, Deserialize)]
pub struct Proposal {
    pub(crate) contribution: Contribution,
    pub(crate) signing: SigningKey,
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

//! What one member keeps from one operation to the next, and of a proposal until it is settled.

use std::collections::BTreeMap;
use std::fmt;

use concilium_core::keys::{SigningKey, VerifyingKey};
use concilium_core::{MemberId, MemberSet, Time, wire};
use concilium_gka::{Export, RestoreError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::element::{Contribution, Element};
use crate::schedule::{Keys, Transcript};

/// The layout of exports that this code writes and reads.
const EXPORT_VERSION: u8 = 1;

/// The longest export that is read: 1,024 members with names of 255 bytes, three times over (before, after, keys),
/// and 200 bytes more for each, fit twice.
const MAX_EXPORT_BYTES: usize = 2 << 20;

pub(crate) fn export<T: Serialize>(value: &T) -> Zeroizing<Vec<u8>> {
    wire::encode_secret(&(EXPORT_VERSION, value))
}

pub(crate) fn restore<T: Serialize + for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, RestoreError> {
    match wire::decode(bytes, MAX_EXPORT_BYTES)? {
        (EXPORT_VERSION, value) => Ok(value),
        _ => Err(RestoreError),
    }
}

/// What a successful operation leaves to one member.
///
/// The size depends on the number of members, and on nothing else (C-4).
#[derive(Serialize, Deserialize)]
pub struct State {
    /// The transcript of the operation that led here.
    pub(crate) transcript: Transcript,
    pub(crate) contribution: Contribution,
    pub(crate) signing: SigningKey,
    pub(crate) members: BTreeMap<MemberId, Member>,
}

/// What is known of a member.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Everyone's contributions but this member's, times the base point.
    pub(crate) slot: Element,
    /// What it signs messages with (C-8).
    pub(crate) key: VerifyingKey,
    /// When it last contributed, as far as we saw (C-11).
    pub(crate) contributed: Time,
}

impl State {
    pub(crate) fn has_members(&self, members: &MemberSet) -> bool {
        self.members.len() == members.len() && self.members.keys().eq(members.iter())
    }

    pub(crate) fn restore(me: &MemberId, bytes: &[u8]) -> Result<Self, RestoreError> {
        let state: Self = restore(bytes)?;
        let ours = state.members.get(me).map(|member| &member.key);
        (ours == Some(state.signing.verifying_key()))
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
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

/// The private part of an operation that we proposed, until its initial packet is accepted or rejected.
#[derive(Serialize, Deserialize)]
pub struct Proposal {
    pub(crate) contribution: Contribution,
    /// What the initial packet will have led to, where it is the only one.
    pub(crate) prepared: Option<(Keys, SigningKey)>,
    /// Of the initial packet: nobody else may speak for us (C-9).
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

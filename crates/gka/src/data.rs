//! What the session has a key agreement authenticate.

use concilium_core::{ChainHash, Change, ChangeError, MemberSet, MessageId, PacketId, SessionName, wire};
use serde::{Deserialize, Serialize};

/// What an operation is about: readable by all, authenticated by the time that the operation succeeds (K-6).
///
/// On the wire stand the members before, who comes and who goes, so that nobody is named twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "WireData", try_from = "WireData")]
pub struct AssociatedData {
    /// The session's name.
    pub session: SessionName,
    /// The names of the key agreement and of the cipher, as both sides must have them: ASCII, joined by a slash.
    pub suite: String,
    /// The last accepted final packet (O-2).
    pub parent: PacketId,
    /// The chain hash there (O-5).
    pub chain: ChainHash,
    /// The latest messages that the proposer had seen in the current subsession (O-2, G-9), at most
    /// [`AssociatedData::MAX_LATEST`].
    pub latest: Vec<MessageId>,
    /// The members before: M'. The proposer is one of them.
    pub before: MemberSet,
    /// The members after: M.
    pub after: MemberSet,
}

impl AssociatedData {
    /// More latest messages than this are not carried: as many as a session may have members.
    pub const MAX_LATEST: usize = MAX_MEMBERS;

    /// Who comes and who goes.
    #[must_use]
    pub fn change(&self) -> Change {
        Change::between(&self.before, &self.after)
    }

    /// Whether the sets are such as an operation may have: not empty, not beyond [`MAX_MEMBERS`],
    /// and lists within their limits.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        !self.before.is_empty()
            && !self.after.is_empty()
            && self.before.len() <= MAX_MEMBERS
            && self.after.len() <= MAX_MEMBERS
            && self.latest.len() <= Self::MAX_LATEST
            && self.suite.len() <= MAX_SUITE_BYTES
    }
}

#[derive(Serialize, Deserialize)]
struct WireData {
    session: SessionName,
    #[serde(with = "wire::text")]
    suite: String,
    parent: PacketId,
    chain: ChainHash,
    #[serde(with = "wire::list")]
    latest: Vec<MessageId>,
    before: MemberSet,
    change: Change,
}

impl From<AssociatedData> for WireData {
    fn from(data: AssociatedData) -> Self {
        Self {
            change: data.change(),
            session: data.session,
            suite: data.suite,
            parent: data.parent,
            chain: data.chain,
            latest: data.latest,
            before: data.before,
        }
    }
}

impl TryFrom<WireData> for AssociatedData {
    type Error = ChangeError;

    fn try_from(data: WireData) -> Result<Self, ChangeError> {
        Ok(Self {
            after: data.change.apply(&data.before)?,
            session: data.session,
            suite: data.suite,
            parent: data.parent,
            chain: data.chain,
            latest: data.latest,
            before: data.before,
        })
    }
}

/// The largest session. A limit so that a packet can bound the work that it causes; 512 is required to work.
pub const MAX_MEMBERS: usize = 1024;

/// The longest suite name, in bytes.
pub const MAX_SUITE_BYTES: usize = 128;

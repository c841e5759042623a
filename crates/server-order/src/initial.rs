//! Initial packets, and why one does not count.

use concilium_core::{MemberId, MemberSet, PacketId};
use serde::{Deserialize, Serialize};

use crate::Link;

/// What an authentic initial packet (pI) says about its operation. The caller has checked the signature over
/// all of it (K-15) and that author and channel sender are one (C-9); the resolver sees no other packets.
///
/// A pI names the latest messages too (O-2). They do not bear on the order, so they are not here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Initial {
    /// Its packet id (O-1).
    pub id: PacketId,
    /// Where in the chain its author stands: the last accepted final packet and the chain hash there (O-2).
    pub parent: Link,
    /// Its author.
    pub author: MemberId,
    /// The members before the operation, M'.
    pub before: MemberSet,
    /// The members after it, M.
    pub after: MemberSet,
}

impl Initial {
    /// Whether `member` comes in by this operation.
    #[must_use]
    pub fn joins(&self, member: &MemberId) -> bool {
        self.after.contains(member) && !self.before.contains(member)
    }

    /// Whether `member` goes out by this operation.
    #[must_use]
    pub fn excludes(&self, member: &MemberId) -> bool {
        self.before.contains(member) && !self.after.contains(member)
    }
}

/// Why an initial packet does not count. It has changed nothing, except that a resolver that is not a member
/// may have remembered the parent (O-7).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Rejection {
    /// Its author is not a member, or would not stay one.
    #[error("{author} is not a member who may propose this; propose from within the session")]
    AuthorNotMember {
        /// The author of the packet.
        author: MemberId,
    },
    /// Some of its members were not in the channel (O-6).
    #[error("not in the channel: {missing}; propose again when all are there")]
    NotAllPresent {
        /// The members that were not there.
        missing: MemberSet,
    },
    /// Another operation runs already (O-4).
    #[error("another operation runs already; propose again when it has ended")]
    OperationRunning,
    /// It does not continue from the last accepted final packet (O-4): another proposal was first, or it is a
    /// replay.
    #[error("the proposal does not continue from the last accepted packet; propose again from there")]
    WrongParent,
    /// It names the right parent and another chain hash than ours. No honest member does so: see
    /// [`Rejection::is_evidence`].
    #[error("{author} names another history than ours up to the same packet; do not trust it")]
    WrongChain {
        /// The author of the packet.
        author: MemberId,
    },
    /// It names the right parent and other members than ours before the operation. No honest member does so.
    #[error("{author} names other members than ours before the operation; do not trust it")]
    WrongMembers {
        /// The author of the packet.
        author: MemberId,
    },
    /// We are not a member, and it does not make us one (O-7).
    #[error("the operation does not include us; wait for one that does")]
    NotIncluded,
    /// We are not a member, and an earlier packet has named its parent already (O-7).
    #[error("an earlier proposal named the same parent; wait for one that continues from later")]
    RememberedParent,
    /// We are not a member, and remember as many parents as we can
    /// ([`MAX_REMEMBERED`](crate::MAX_REMEMBERED)): we cannot tell new proposals from old ones any more.
    #[error("too many proposals passed before one included us; leave the channel and enter again")]
    MemoryFull,
}

impl Rejection {
    /// Whether this proves that the author, a member, is wrong about our shared history. It does where the
    /// parents are equal: the parent's id commits to all that was accepted before it. Show it as a warning
    /// that names the author.
    #[must_use]
    pub fn is_evidence(&self) -> bool {
        matches!(self, Self::WrongChain { .. } | Self::WrongMembers { .. })
    }
}

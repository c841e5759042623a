//! Why a message does not enter.

use concilium_core::{MemberId, MessageId};

use crate::{MAX_BRANCHES, MAX_PARENTS};

/// Why a message was not taken. The transcript is as it was before.
///
/// All but [`InsertError::QuotaFull`], [`InsertError::TooManyBranches`] and [`InsertError::Full`] depend only
/// on the message and its past. Every receiver makes the same refusal, in any order of arrival.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// The author is not a member of this subsession (G-4).
    #[error("{0} is not a member of this subsession; drop the message")]
    NotMember(MemberId),
    /// More than [`MAX_PARENTS`].
    #[error("{0} parents are more than the limit of {MAX_PARENTS}; drop the message")]
    TooManyParents(usize),
    /// A parent named twice.
    #[error("parent {0:.8} is named twice; drop the message")]
    ParentRepeated(MessageId),
    /// The message names itself as a parent.
    #[error("the message names itself as a parent; drop it")]
    OwnParent,
    /// A parent that belongs to the subsession before: a message that starts from there names no parents
    /// (G-9).
    #[error("parent {0:.8} belongs to the previous subsession; drop the message")]
    ParentOutside(MessageId),
    /// One parent is an ancestor of another (G-2).
    #[error("one parent is an ancestor of another; drop the message")]
    ParentsNotConcurrent,
    /// The message's own past shows that its author forked: there is no going on after that (G-3).
    #[error("{0} forked its history and goes on all the same; drop the message, and think of excluding {0}")]
    AfterFork(MemberId),
    /// The author has forked its history [`MAX_BRANCHES`] times already (G-3).
    #[error("{0} forked its history over {MAX_BRANCHES} times; drop the message, and exclude {0}")]
    TooManyBranches(MemberId),
    /// Parents are missing, and the author has no room left for messages that wait. The message can
    /// come back by a resend.
    #[error("too many messages of {0} wait for their parents; wait for a resend")]
    QuotaFull(MemberId),
    /// The transcript holds as many messages as it can address.
    #[error("the transcript is full; start a new subsession by a key refresh")]
    Full,
}

/// The name is not that of a message in this transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message {0:.8} is not in this transcript")]
pub struct UnknownMessage(pub MessageId);

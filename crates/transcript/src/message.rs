//! What goes into a transcript, and what comes back.

use concilium_core::{MemberId, MessageId, Time};

use crate::InsertError;

/// A message to be inserted. It is authentic: the caller has decrypted and verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<B> {
    /// Its id. Two messages of one id cannot be made.
    pub id: MessageId,
    /// Its author.
    pub author: MemberId,
    /// The latest messages of this subsession that the author had seen, none an ancestor of another (G-2).
    /// Empty: none yet, the message starts from [`Transcript::roots`](crate::Transcript::roots) (G-9).
    pub parents: Vec<MessageId>,
    /// An explicit ack: acks others and does not itself expect to be acked (L-2).
    pub ack_only: bool,
    /// For people: [`Timeline`](crate::Timeline) shows it. Acks, heartbeats and the like are not shown.
    pub shown: bool,
    /// Bytes of memory that the body takes, for the quotas of messages that wait.
    pub weight: usize,
    /// Whatever the caller keeps with a message.
    pub body: B,
}

/// A message in a transcript.
#[derive(Debug)]
pub struct Message<'a, B> {
    /// Its name.
    pub id: &'a MessageId,
    /// Its author. Its readers are all other members (G-4).
    pub author: &'a MemberId,
    /// An explicit ack, which does not expect to be acked.
    pub ack_only: bool,
    /// For people.
    pub shown: bool,
    /// What the caller keeps with it.
    pub body: &'a B,
}

impl<B> Clone for Message<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Message<'_, B> {}

/// What became of the message that was inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It is in the transcript: the first of [`Inserted::accepted`].
    Accepted,
    /// It waits for parents (G-1).
    Deferred,
    /// It was here before, in the transcript or waiting. Nothing changed (G-5).
    Duplicate,
}

/// What an insertion did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Inserted {
    /// What became of the message itself.
    pub outcome: Placement,
    /// What entered the transcript, in causal order: the message, and then what had waited for it.
    pub accepted: Vec<MessageId>,
    /// What had waited, and was refused when its parents had come.
    pub rejected: Vec<Rejected>,
    /// What waited, and had to go to make room. Resends can bring it back.
    pub dropped: Vec<Dropped>,
    /// Messages that expect acks and have now been acked by all their readers (G-6), in order of acceptance.
    pub fully_acked: Vec<MessageId>,
    /// Forks that came to light (G-3).
    pub forks: Vec<Fork>,
}

impl Inserted {
    pub(crate) fn new(outcome: Placement) -> Self {
        Self {
            outcome,
            accepted: Vec::new(),
            rejected: Vec::new(),
            dropped: Vec::new(),
            fully_acked: Vec::new(),
            forks: Vec::new(),
        }
    }
}

/// A message that had waited for its parents, and is refused because of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The message.
    pub id: MessageId,
    /// Its author, which is to blame.
    pub author: MemberId,
    /// Why.
    pub reason: InsertError,
}

/// A message that had waited for its parents and is here no more, because its author has too many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The message.
    pub id: MessageId,
    /// Its author.
    pub author: MemberId,
}

/// Evidence that an author told two stories: two of its messages, neither of which it had seen when it wrote
/// the other (G-3). Both are in the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The author that forked.
    pub author: MemberId,
    /// The message that was here first.
    pub first: MessageId,
    /// The message that showed the fork.
    pub second: MessageId,
}

/// A message that waits for parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deferred<'a> {
    /// The message.
    pub id: &'a MessageId,
    /// Its author, which claims to have seen the parents.
    pub author: &'a MemberId,
    /// The parents that are not in the transcript, in ascending order, also those that wait themselves.
    pub missing: Vec<&'a MessageId>,
    /// When it came.
    pub since: Time,
}

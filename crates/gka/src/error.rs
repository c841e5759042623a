//! Errors of a key agreement, and what they mean for the packet in hand.

use concilium_core::{MemberId, RandomnessError, wire::DecodeError};
use serde::{Deserialize, Serialize};

/// Why an operation could not be proposed. Nothing has changed and nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ProposeError {
    /// The members before and after do not fit our state, or we are not among them.
    #[error("the change does not fit the members: {0}")]
    Members(Reason),
    /// A member to be included has no identity key in our directory.
    #[error("no trusted identity key for {0}; add it to the directory first")]
    UnknownIdentity(MemberId),
    /// This member's share was corrupted in an earlier operation: exclude the member, then include it again.
    #[error("the key share of {0} is corrupt; exclude {0} and include it again")]
    CorruptShare(MemberId),
    /// A member to be included has published nothing that it could be included by (K-14).
    #[error("{0} has announced no material to be included with; wait until it has entered the channel")]
    NotAnnounced(MemberId),
    /// The packet would be longer than a packet may be.
    #[error(
        "the operation's packet would have {0} bytes, more than a packet may; change fewer members at once"
    )]
    TooLong(usize),
    /// The random source failed.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

/// Why a packet is not authentic as its sender's: it starts nothing, ends nothing, blocks nothing (K-15).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not a packet of this key agreement.
    #[error("not a packet of this key agreement: {0}")]
    Malformed(#[from] DecodeError),
    /// Well encoded, but not what any member would send.
    #[error("not a packet that a member sends: {0}")]
    Invalid(Reason),
    /// The channel and the packet name different senders.
    #[error("the packet claims to be from {claimed}, the channel says it is from {sender}")]
    WrongSender {
        /// Its author, in its own words.
        claimed: MemberId,
        /// Its sender, in the channel's.
        sender: MemberId,
    },
    /// We know no identity key of its author.
    #[error("no trusted identity key for {0}; add it to the directory to take part in operations with {0}")]
    UnknownIdentity(MemberId),
    /// The signature is not its author's, over this packet, in this session.
    #[error("the packet is not signed by {0}")]
    BadSignature(MemberId),
}

/// Why there was no progress.
///
/// The difference between the first two matters to all. All members must decide alike whether a packet
/// counts, or the session splits. `Rejected` is therefore only for faults that every member sees: the packet
/// counts for none, and nothing has changed (K-5). A fault that only we can see (a share that does not fit
/// our secret, our nonce missing) is `Failed`: the packet counts, and the operation is over for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The packet does not count. State is as before.
    #[error("the packet does not count: {0}")]
    Rejected(Reason),
    /// The operation has failed, its secrets are gone (K-4).
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The random source failed while we made our answer. State is as before, nothing was sent.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

/// An operation failed for a reason that we can see and others may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operation failed: {reason}{}", culprit.as_ref().map(|who| format!(" (by {who})")).unwrap_or_default())]
pub struct Failure {
    /// The culprit, where it can be known (C-10).
    pub culprit: Option<MemberId>,
    /// What was wrong.
    pub reason: Reason,
    /// Whether this packet completes the operation for every unaffected member. The operation has then ended,
    /// and an abort comes too late.
    pub ends: bool,
}

/// What was wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// The payload cannot be read.
    #[error("the payload is malformed")]
    Malformed,
    /// The member sets contradict each other or what we know.
    #[error("the members do not fit")]
    WrongMembers,
    /// Made for another combination of key agreement and cipher.
    #[error("another suite is in use there")]
    WrongSuite,
    /// Not this author's turn, or not an author in this operation.
    #[error("its author has nothing to say at this point")]
    OutOfTurn,
    /// Of an operation other than the one that runs.
    #[error("it belongs to another operation")]
    WrongOperation,
    /// An identity element, a non-canonical or invalid encoding of a point (K-11).
    #[error("it holds an unacceptable group element")]
    BadElement,
    /// A key that is unacceptable as an Ed25519 public key (K-11).
    #[error("it holds an unacceptable signing key")]
    BadKey,
    /// Something stands twice that must be unique: an element, a key, a nonce, a member (K-11).
    #[error("it holds a duplicate")]
    Duplicate,
    /// What we contributed has been changed on its way (C-9).
    #[error("our own contribution comes back changed")]
    ContributionChanged,
    /// Its author took part in another course of the operation than we did: another order of packets, another
    /// channel (C-5).
    #[error("its author saw another course of the operation than we did")]
    TranscriptMismatch,
    /// The sender holds another key than we do (C-10).
    #[error("its author holds another key than we do")]
    KeyMismatch,
    /// We have no state that the operation could start from.
    #[error("we hold no state to start from")]
    NoState,
    /// Our random source failed when our part in the operation was due: no member is to blame.
    #[error("our random source failed")]
    NoRandomness,
    /// The key agreement broke its contract: it gave keys that do not fit the members.
    #[error("the key agreement gave keys that do not fit the members")]
    UnfitKeys,
    /// It includes us by an announcement that has served already, or that we never made (K-14). Perhaps no
    /// member is to blame: the channel may have shown its author an old one.
    #[error("it includes us by an announcement of ours that has served or is unknown to us")]
    StaleAnnouncement,
    /// More than an implementation takes.
    #[error("a limit is exceeded")]
    Limit,
}

/// Exported bytes could not be restored: damaged, of another version, or of another member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the exported state is damaged or of another version; start anew by joining again")]
pub struct RestoreError;

impl From<DecodeError> for RestoreError {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

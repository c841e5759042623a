//! What can go wrong when sealing and opening.

use concilium_core::{MemberId, RandomnessError};

/// Why a message could not be sealed. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The body is longer than a body may be.
    #[error("the body has {0} bytes, a message holds at most 65536; split it")]
    BodyTooLong(usize),
    /// More parents than a message may have.
    #[error("a message has at most 1024 parents, not {0}")]
    TooManyParents(usize),
    /// The parents are not in strictly ascending order.
    #[error("the parents of a message stand in ascending order, each once; sort them")]
    ParentsNotAscending,
    /// We have retired our signing key, and may only acknowledge and control (M-9).
    #[error("this member has finished; it may only acknowledge")]
    Finished,
    /// Our keys of this subsession are used up.
    #[error("no keys are left in this subsession; refresh the keys")]
    Exhausted,
    /// The random source failed.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

/// Why a packet is not a message of this subsession. Nothing has changed (M-6).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Does not decrypt under this subsession's keys: of another subsession, or damaged.
    #[error("not decryptable with this subsession's keys")]
    NotDecryptable,
    /// It decrypts, and claims to be signed with a control key, but the finish that names that key has not
    /// come yet (M-9).
    #[error("decrypted, but signed with a key that {0} has yet to name")]
    KeyNotNamed(MemberId),
    /// Decrypts, so some member made it, but is not what any honest member makes.
    #[error("decrypted, but malformed")]
    Malformed,
    /// Decrypts, and claims an author whose signature it does not carry: some other member made it.
    #[error("decrypted, but not signed by {0}, its claimed author")]
    BadSignature(MemberId),
}

/// Exported bytes could not be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the exported encryptor is damaged or of another version; start anew by joining again")]
pub struct RestoreError;

impl From<concilium_core::wire::DecodeError> for RestoreError {
    fn from(_: concilium_core::wire::DecodeError) -> Self {
        Self
    }
}

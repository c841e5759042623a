//! The caller's own misuse. What peers do wrong is an event, never an error.

use concilium_core::{ChangeError, RandomnessError};
use concilium_encryptor::SealError;
use concilium_gka::ProposeError;
use concilium_transcript::InsertError;

/// Why a message was not sent. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Not in a session.
    #[error("not in a session; join one first")]
    NotJoined,
    /// Alone in the session.
    #[error("nobody else is in the session; include someone first")]
    Alone,
    /// A finish was sent: no more data in this session.
    #[error("this session is being left; join again to say more")]
    Parting,
    /// The body is longer than a body may be.
    #[error("the body has {0} bytes, a message holds at most 65536; split it")]
    TooLong(usize),
    /// Too many messages are waiting to be acknowledged.
    #[error("{0} messages are not acknowledged yet; wait until some are")]
    Congested(usize),
    /// The keys of the current subsession are not usable for us: an operation gave us a bad share.
    #[error("our share of the group's keys is bad; part and join again")]
    NoKeys,
    /// The encryptor cannot seal it.
    #[error(transparent)]
    Seal(SealError),
    /// The transcript cannot take it.
    #[error("our message does not fit the transcript: {0}")]
    Transcript(InsertError),
    /// The random source failed.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

/// Why an action was not begun. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// Only possible outside of a session.
    #[error("already in a session or on the way into one; part first")]
    AlreadyJoined,
    /// Only possible in a session.
    #[error("not in a session; join one first")]
    NotJoined,
    /// Another action of ours is under way (T-15).
    #[error("another action is still under way: {0}; wait until it is settled")]
    Busy(crate::ActionKind),
    /// The change does not fit the members.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// One does not exclude oneself: one parts (T-9).
    #[error("to leave, part; one cannot exclude oneself")]
    ExcludeSelf,
    /// The session would become larger than a session may.
    #[error("a session has at most {limit} members, this would be {members}")]
    TooMany {
        /// How many there would be.
        members: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The session's policy does not let us propose it (O-12).
    #[error(transparent)]
    Forbidden(#[from] crate::Forbidden),
    /// There is no operation to abort.
    #[error("no operation is running; there is nothing to abort")]
    NoOperation,
    /// The key agreement cannot propose it.
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

impl ActionError {
    /// The error's kind in one word, for scripts and scenarios.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::AlreadyJoined => "already-joined",
            Self::NotJoined => "not-joined",
            Self::Busy(_) => "busy",
            Self::Change(ChangeError::AlreadyMember(_)) => "already-member",
            Self::Change(ChangeError::NotMember(_)) => "not-member",
            Self::Change(_) => "bad-change",
            Self::ExcludeSelf => "exclude-self",
            Self::Propose(ProposeError::UnknownIdentity(_)) => "unknown-identity",
            Self::TooMany { .. } => "too-many",
            Self::Forbidden(_) => "forbidden",
            Self::NoOperation => "no-operation",
            Self::Propose(ProposeError::Randomness(_)) => "randomness",
            Self::Propose(_) => "cannot-propose",
        }
    }
}

impl SendError {
    /// The error's kind in one word, for scripts and scenarios.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotJoined => "not-joined",
            Self::Alone => "alone",
            Self::Parting => "parting",
            Self::TooLong(_) => "too-long",
            Self::Congested(_) => "congested",
            Self::NoKeys => "no-keys",
            Self::Seal(_) => "cannot-seal",
            Self::Transcript(_) => "transcript",
            Self::Randomness(_) => "randomness",
        }
    }
}

/// A snapshot could not be restored: damaged, of another version, or of another member, session or policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the snapshot is damaged, of another version, or not of this member, session and policy; join again instead"
)]
pub struct RestoreError;

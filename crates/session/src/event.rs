//! What a session tells its owner.

use std::fmt;

use concilium_core::channel::ChannelAction;
use concilium_core::{Body, Change, MemberId, MemberSet, MessageId, PacketId, SubsessionId};
use concilium_encryptor::Kind;
use concilium_gka::{ProposeError, Reason};
use concilium_server_order::Rejection;
use serde::{Deserialize, Serialize};

use crate::Warning;

/// One output of a session, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// To be done on the channel.
    Channel(ChannelAction),
    /// To be shown or acted upon.
    Event(Event),
}

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SessionState {
    /// Not in the channel.
    Parted,
    /// On the way in: entering the channel, or waiting to be included.
    Joining,
    /// In a session, perhaps alone.
    Joined,
    /// On the way out.
    Parting,
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parted => "parted",
            Self::Joining => "joining",
            Self::Joined => "joined",
            Self::Parting => "parting",
        })
    }
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// The session's state changed.
    StateChanged(SessionState),
    /// A reunion begins: we leave the channel and come back (T-17). The reason is one of three: stray members
    /// outnumber us, we hold no keys, or we have been without company for long.
    ComingBack {
        /// The stray members. Empty if we look for company.
        elsewhere: MemberSet,
    },
    /// A message with the application's data was accepted, ours included.
    Message {
        /// Its id.
        id: MessageId,
        /// Its author.
        author: MemberId,
        /// What it says.
        body: Body,
    },
    /// A message of a kind that this version does not know was accepted and skipped (M-7).
    UnknownMessage {
        /// Its id.
        id: MessageId,
        /// Its author.
        author: MemberId,
        /// Its kind.
        kind: Kind,
    },
    /// All readers have acknowledged this message.
    FullyAcked {
        /// Its id.
        id: MessageId,
    },
    /// There is a new subsession.
    MembershipChanged {
        /// The subsession; none when we are alone without keys, or out.
        subsession: Option<SubsessionId>,
        /// The members now; empty when we are out.
        members: MemberSet,
        /// The joiners.
        joined: MemberSet,
        /// The excluded members.
        parted: MemberSet,
    },
    /// An operation is running.
    OperationStarted {
        /// Its initial packet.
        initial: PacketId,
        /// Its author.
        by: MemberId,
        /// The change that it makes.
        change: Change,
    },
    /// The running operation failed; the members are as before.
    OperationFailed {
        /// Its initial packet.
        initial: PacketId,
        /// Why.
        cause: FailureCause,
    },
    /// A proposal of ours was not accepted.
    ProposalRejected {
        /// The change that it would have made.
        change: Change,
        /// Why.
        cause: RejectionCause,
    },
    /// Another member proposed something that the session's policy forbids, in vain (O-12). An honest member
    /// with the same policy does so only by bad luck: the member that it would exclude has come back into the
    /// channel meanwhile. The channel may also show an old proposal again.
    ProposalForbidden {
        /// Its author.
        by: MemberId,
        /// The change that it would have made.
        change: Change,
        /// Why it is forbidden.
        #[serde(with = "concilium_core::wire::text")]
        why: String,
    },
    /// A newcomer is in the channel and not in the session (T-1).
    SomeoneEntered {
        /// Its name.
        member: MemberId,
    },
    /// Someone left the channel.
    SomeoneLeft {
        /// Its name.
        member: MemberId,
    },
    /// A member has finished: it will send no more data in this subsession (L-6).
    MemberFinished {
        /// Its name.
        member: MemberId,
    },
    /// A departing member has published the key that it signed with until its finish (M-9). From now on,
    /// everybody that knows the group's keys can write in its name, so its messages prove nothing to others.
    KeyPublished {
        /// Its name.
        member: MemberId,
        /// The subsession in which it signed with that key.
        subsession: SubsessionId,
        /// The key's seed (RFC 8032).
        seed: [u8; 32],
    },
    /// An action of ours has come to a new stage (T-14).
    Action {
        /// Which.
        id: ActionId,
        /// What it is.
        kind: ActionKind,
        /// How far it has come.
        stage: ActionStage,
    },
    /// A warning is in force now.
    WarningRaised(Warning),
    /// A warning is no longer in force.
    WarningCleared(Warning),
    /// A duty of ours waits, or an action of the user's has ended: it cannot be proposed for now.
    CannotPropose {
        /// Why.
        cause: ProposeError,
    },
    /// Something came in that was skipped; it changed nothing. For logs.
    Skipped {
        /// Its sender, as the channel claims.
        from: MemberId,
        /// Why it was skipped.
        #[serde(with = "concilium_core::wire::text")]
        why: String,
    },
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FailureCause {
    /// This member left the channel (T-5).
    Left(MemberId),
    /// This member aborted it (O-11).
    Aborted(MemberId),
    /// A packet showed it to be broken (C-10).
    Broken {
        /// The culprit, where it is known.
        culprit: Option<MemberId>,
        /// What was wrong.
        reason: Reason,
    },
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left(who) => write!(f, "{who} left the channel"),
            Self::Aborted(who) => write!(f, "{who} aborted it"),
            Self::Broken {
                culprit: Some(who),
                reason,
            } => write!(f, "{reason}, by {who}"),
            Self::Broken {
                culprit: None,
                reason,
            } => write!(f, "{reason}"),
        }
    }
}

/// Why a proposal was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RejectionCause {
    /// Another operation came first (O-4).
    AnotherFirst,
    /// Someone to be in it was not in the channel (O-6).
    NotPresent,
    /// It did not come back from the channel in time.
    NoEcho,
    /// The session's policy forbids it (O-12): the members of the session or the channel have changed since
    /// it was asked for.
    Forbidden(#[serde(with = "concilium_core::wire::text")] String),
    /// The server order rejects it for another reason (O-4, O-7).
    Order(Rejection),
    /// The key agreement rejects it for all members.
    Unusable(Reason),
    /// It was not made: the key agreement cannot propose it.
    CannotPropose(ProposeError),
}

impl fmt::Display for RejectionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnotherFirst => write!(f, "another operation came first"),
            Self::NotPresent => write!(f, "someone to be in it was not in the channel"),
            Self::NoEcho => write!(f, "the channel did not return it in time"),
            Self::Forbidden(why) => write!(f, "{why}"),
            Self::Order(rejection) => write!(f, "{rejection}"),
            Self::Unusable(reason) => write!(f, "{reason}"),
            Self::CannotPropose(error) => write!(f, "{error}"),
        }
    }
}

/// Names an action of ours, within this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionId(pub(crate) u64);

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What an action is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ActionKind {
    /// Entering the channel and the session.
    Join,
    /// Changing the members, or the keys only.
    Change(Change),
    /// Finishing and leaving.
    Part,
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join => write!(f, "join"),
            Self::Change(change) => write!(f, "{change}"),
            Self::Part => write!(f, "part"),
        }
    }
}

/// How far an action has come (T-14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ActionStage {
    /// Waiting for these to enter the channel.
    Waiting(MemberSet),
    /// Proposed to the group; this many times so far.
    Proposed(u32),
    /// The group has accepted the proposal: the operation runs.
    Accepted,
    /// The group has refused the proposal; it will be made again.
    Rejected(RejectionCause),
    /// Settled, one way or the other. The last stage.
    Settled(ActionOutcome),
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ActionOutcome {
    /// What was wanted is so.
    Done,
    /// The operation failed.
    Failed(FailureCause),
    /// The group refused it, and it was not or will not be tried again.
    Rejected(RejectionCause),
    /// Nothing came of it in time.
    TimedOut,
    /// We are out of the channel.
    Left,
}

impl fmt::Display for ActionOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => write!(f, "done"),
            Self::Failed(cause) => write!(f, "failed: {cause}"),
            Self::Rejected(cause) => write!(f, "rejected: {cause}"),
            Self::TimedOut => write!(f, "timed out"),
            Self::Left => write!(f, "we are out of the channel"),
        }
    }
}

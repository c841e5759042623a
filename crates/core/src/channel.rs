//! The vocabulary between a session and a group channel: what the channel tells us, what we ask of it.
//!
//! A channel is untrusted. It should deliver packets, enters and leaves to all its members, the sender
//! included, in one total order. The session notices if it does not.

use serde::{Deserialize, Serialize};

use crate::{MemberId, MemberSet, wire};

/// What the channel tells us, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ChannelEvent {
    /// We entered. These are in the channel now, ourselves included.
    Entered {
        /// Everyone in the channel.
        members: MemberSet,
    },
    /// We are out of the channel: by our wish, kicked, or disconnected.
    Left,
    /// Someone else entered.
    MemberEntered {
        /// Its name.
        member: MemberId,
    },
    /// Another member left, or was kicked; or was to be kicked and is not there. The channel may say it again
    /// of a member that is out already.
    MemberLeft {
        /// Its name.
        member: MemberId,
    },
    /// A packet; ours come back to us in the same way.
    Packet {
        /// Its sender, as the channel claims.
        from: MemberId,
        /// The packet.
        #[serde(with = "wire::bytes")]
        bytes: Vec<u8>,
    },
}

/// What we ask of the channel. Nothing has happened before the channel says so by a [`ChannelEvent`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ChannelAction {
    /// Let us in.
    Enter,
    /// We leave.
    Leave,
    /// A packet for everyone in the channel, ourselves included.
    Send {
        /// The packet.
        #[serde(with = "wire::bytes")]
        bytes: Vec<u8>,
    },
    /// Ask a member to enter.
    Invite {
        /// Whom.
        member: MemberId,
    },
    /// Put a member out of the channel. If no member of that name is there, the channel says so by
    /// [`ChannelEvent::MemberLeft`]: to all at one place of the order, or to us at least. Members that were
    /// told otherwise learn the truth this way.
    Kick {
        /// Whom.
        member: MemberId,
    },
}

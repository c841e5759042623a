//! The vocabulary between a session and a group channel: what the channel tells us, what we ask of it.
//!
//! A channel is untrusted. It delivers packets, enters and leaves to everyone in it, hopefully in one total
//! order and to the sender as well; whatever it does instead, the session notices.

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
    /// We are out of the channel, for whatever reason: by our wish, kicked, or disconnected.
    Left,
    /// Someone else entered.
    MemberEntered {
        /// Who.
        member: MemberId,
    },
    /// Someone else left, or was kicked; or was to be kicked and is not there. It may be said again of who is out already.
    MemberLeft {
        /// Who.
        member: MemberId,
    },
    /// A packet; ours come back to us in the same way.
    Packet {
        /// Who sent it, as the channel claims.
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
    /// Ask someone to enter.
    Invite {
        /// Whom.
        member: MemberId,
    },
    /// Put someone out of the channel. If nobody of that name is there, the channel says so by
    /// [`ChannelEvent::MemberLeft`]: to everybody at one place of the order, or to us at least. Who was told otherwise
    /// before learns it so.
    Kick {
        /// Whom.
        member: MemberId,
    },
}

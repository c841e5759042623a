//! What members send, and what a channel tells them.

use std::fmt;
use std::sync::Arc;

use concilium_core::{MemberId, MemberSet, PacketId};
use concilium_server_order::{Link, packet_id};

/// The contents of a packet. Authenticity is given: no member sends in another's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Body {
    /// Opens an operation (O-2). Without joiners, the packet is the whole operation (O-9).
    Proposal {
        /// Its author's place in the chain.
        parent: Link,
        /// M'.
        before: MemberSet,
        /// M.
        after: MemberSet,
    },
    /// The author's part in the operation of this initial packet (O-3). All of M, also its author, send one
    /// once they have accepted it, as the confirmation of K-7 demands. The last to arrive ends the operation.
    Share(PacketId),
    /// Ends the operation of this initial packet as failed (O-11).
    Abort(PacketId),
    /// A message whose author confirms its history (O-10).
    Claim {
        /// What it confirms.
        link: Link,
        /// Members with the keys of this subsession can read it. The subsession is named by the packet that
        /// began it.
        subsession: PacketId,
    },
}

/// A packet on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packet {
    /// Its sender.
    pub author: MemberId,
    /// Counts the author's packets. Its only byte. With the author it makes every packet unique. It does not
    /// depend on what others send meanwhile, so different orders of sending meet in one state.
    pub number: u8,
    /// What it says.
    pub body: Body,
}

impl Packet {
    /// Its id in a channel of these members (O-1).
    #[must_use]
    pub fn id(&self, channel: &MemberSet) -> PacketId {
        packet_id(&[self.number], &self.author, channel)
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", self.author, self.number, self.body)
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proposal {
                parent,
                before,
                after,
            } => write!(
                f,
                "propose {} -> {} after {:.4}",
                Names(before),
                Names(after),
                parent.packet
            ),
            Self::Share(of) => write!(f, "share of {of:.4}"),
            Self::Abort(of) => write!(f, "abort {of:.4}"),
            Self::Claim { link, .. } => write!(f, "confirm {:.4} with {:.4}", link.packet, link.chain),
        }
    }
}

/// Members as they are printed.
pub(crate) struct Names<'a>(pub(crate) &'a MemberSet);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{")?;
        for (i, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if i == 0 { "" } else { " " })?;
        }
        write!(f, "}}")
    }
}

/// What the channel tells a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A packet, with its id and the members of the channel at that moment.
    Packet {
        /// The packet.
        packet: Arc<Packet>,
        /// Its id (O-1).
        id: PacketId,
        /// The members of the channel.
        channel: MemberSet,
    },
    /// A member entered.
    Entered(MemberId),
    /// A member left; the remaining ones.
    Left(MemberId, MemberSet),
}

impl Event {
    /// `packet` as a channel of these members shows it.
    pub(crate) fn shown(packet: Arc<Packet>, channel: MemberSet) -> Self {
        let id = packet.id(&channel);
        Self::Packet { packet, id, channel }
    }
}

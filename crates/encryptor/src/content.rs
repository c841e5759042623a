//! What a message says, whatever the cipher.

use std::fmt;

use concilium_core::{ChainHash, MessageId, PacketId, wire};
use serde::{Deserialize, Serialize};

/// The longest body, in bytes. Longer things are the application's to split.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The most parents of one message: as many as a session may have members.
pub const MAX_PARENTS: usize = 1024;

/// What a message carries (M-3). Author and signature are the encryptor's to add.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What the body is.
    pub kind: Kind,
    /// The latest messages seen by the author: an antichain, in ascending order, at most [`MAX_PARENTS`].
    #[serde(with = "wire::list")]
    pub parents: Vec<MessageId>,
    /// What the author takes for the last accepted operation (O-10).
    pub confirmation: Option<ChainConfirmation>,
    /// At most [`MAX_BODY_BYTES`].
    #[serde(with = "wire::bytes")]
    pub body: Vec<u8>,
}

/// Without what the body says.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("kind", &self.kind)
            .field("parents", &self.parents)
            .field("confirmation", &self.confirmation)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Where the author stands in the chain of operations (O-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainConfirmation {
    /// The last accepted final packet.
    pub packet: PacketId,
    /// The chain hash there.
    pub chain: ChainHash,
}

/// What a body is (M-7). Kinds that this version does not know are carried all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kind(u8);

impl Kind {
    /// The application's data.
    pub const DATA: Self = Self(0);
    /// An explicit acknowledgement that the session made by itself. Not itself to be acknowledged (L-2).
    pub const AUTOMATIC_ACK: Self = Self(1);
    /// An explicit acknowledgement that the user asked for. Not itself to be acknowledged.
    pub const MANUAL_ACK: Self = Self(2);
    /// Nothing but a chain confirmation or a heartbeat; to be acknowledged (L-5, O-10).
    pub const CONSISTENCY: Self = Self(3);
    /// The author's last data in this subsession (L-6). A body of 32 bytes is the verifying key that its
    /// control messages are signed with from then on (M-9).
    pub const FINISH: Self = Self(4);
    /// A published signing key: its seed, 32 bytes (M-9).
    pub const KEY_PUBLICATION: Self = Self(5);
    /// The highest number that a kind can have: it shares its byte with two flags.
    pub const MAX: u8 = 0x3f;

    /// The kind of this number, known to this version or not; none above [`Kind::MAX`].
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        if number <= Self::MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The kind's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether this version knows what the kind means.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0 <= Self::KEY_PUBLICATION.0
    }

    /// Whether it is one of those that a member may still send when it has retired its signing key (M-9):
    /// acknowledgements and control messages.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.is_ack() || self.0 == Self::CONSISTENCY.0 || self.0 == Self::KEY_PUBLICATION.0
    }

    /// Whether it is an explicit acknowledgement, which is not acknowledged itself.
    #[must_use]
    pub const fn is_ack(self) -> bool {
        self.0 == Self::AUTOMATIC_ACK.0 || self.0 == Self::MANUAL_ACK.0
    }
}

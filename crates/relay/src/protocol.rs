//! What client and relay say to each other: one value per binary WebSocket message, through
//! [`concilium_core::wire`].

use std::fmt;

use concilium_core::{MemberId, MemberSet, Secret, SessionName, packet, wire};
use serde::{Deserialize, Serialize};

use crate::CloseReason;

/// The number of the protocol between client and relay that this crate speaks.
pub const PROTOCOL: u8 = 1;

/// What a message may have beyond the packet that it carries: a kind, a channel's name, a member's name, and
/// lengths. 1,024 bytes hold that with room to spare.
pub(crate) const OVERHEAD_BYTES: usize = 1024;

/// The longest packet that any relay may be configured to carry: what the workspace reads and writes.
pub const MAX_PACKET_BYTES: usize = packet::MAX_BYTES;

/// The most members that any relay may be configured to allow in one channel: a list of that many names of
/// 255 bytes fits into one message.
pub const MAX_CHANNEL_MEMBERS: usize = 2000;

/// The longest message that either side ever reads.
pub(crate) const MAX_MESSAGE_BYTES: usize = MAX_PACKET_BYTES + OVERHEAD_BYTES;

const _: () = assert!(
    MAX_CHANNEL_MEMBERS * (MemberId::MAX_BYTES + 3) + OVERHEAD_BYTES <= MAX_MESSAGE_BYTES,
    "the list of members must fit into one message"
);

/// Proves to the relay that a connection is the successor of an earlier one under the same name.
pub(crate) type ResumeToken = Secret<16>;

/// From client to relay. New kinds are added at the end and raise `KINDS`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ClientMessage {
    /// The first message, and only the first. The protocol's number comes first in it in every version.
    Hello {
        protocol: u8,
        member: MemberId,
        token: ResumeToken,
    },
    Enter {
        channel: SessionName,
    },
    Leave {
        channel: SessionName,
    },
    Send {
        channel: SessionName,
        #[serde(with = "wire::bytes")]
        bytes: Vec<u8>,
    },
    Invite {
        channel: SessionName,
        member: MemberId,
    },
    Kick {
        channel: SessionName,
        member: MemberId,
    },
}

/// From relay to client. New kinds are added at the end and raise `KINDS`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ServerMessage {
    /// The answer to a hello: from now on the client may speak.
    Welcome {
        max_packet_bytes: u32,
    },
    Entered {
        channel: SessionName,
        members: MemberSet,
    },
    Left {
        channel: SessionName,
    },
    MemberEntered {
        channel: SessionName,
        member: MemberId,
    },
    MemberLeft {
        channel: SessionName,
        member: MemberId,
    },
    Packet {
        channel: SessionName,
        from: MemberId,
        #[serde(with = "wire::bytes")]
        bytes: Vec<u8>,
    },
    Invited {
        channel: SessionName,
        by: MemberId,
    },
    Refused {
        channel: SessionName,
        refusal: Refusal,
    },
    /// The relay skipped a message of this kind: it does not know it.
    Skipped {
        kind: u8,
    },
}

/// Why the relay did not do a request. The connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// To enter: we are in this channel already.
    #[error("already in this channel")]
    AlreadyIn,
    /// To enter: the channel has as many members as the relay allows.
    #[error("the channel is full; wait until someone leaves")]
    ChannelFull,
    /// To enter: the relay has as many channels as it allows.
    #[error("the relay has no room for another channel; try again later or use another relay")]
    TooManyChannels,
    /// To enter: this connection is in as many channels as the relay allows.
    #[error("this connection is in too many channels; leave one first")]
    TooManyOwnChannels,
    /// To leave, send, invite or kick: we are not in this channel, perhaps since a moment ago.
    #[error("not in this channel; enter it first")]
    NotIn,
    /// To invite: no client of that name is connected to the relay.
    #[error("nobody of that name is connected to the relay; ask them to connect")]
    NotConnected,
    /// To kick: no member of that name is in the channel, perhaps since a moment ago. All members have been
    /// told.
    #[error("nobody of that name is in the channel")]
    NotMember,
    /// To invite: that member is in the channel already.
    #[error("that member is in the channel already")]
    AlreadyMember,
}

impl Refusal {
    /// Whether this answers a wish to enter.
    pub(crate) const fn of_enter(self) -> bool {
        matches!(
            self,
            Self::AlreadyIn | Self::ChannelFull | Self::TooManyChannels | Self::TooManyOwnChannels
        )
    }
}

/// A message from the other side, or what stands in its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming<T> {
    /// A message.
    Known(T),
    /// Of a kind that this version does not know: to be skipped and reported.
    Unknown(u8),
    /// Nothing that any version writes.
    Malformed,
}

/// The messages of one side.
pub(crate) trait Message: Serialize + for<'de> Deserialize<'de> + fmt::Debug {
    /// How many kinds there are: the first byte of a message is below this.
    const KINDS: u8;
}

impl Message for ClientMessage {
    const KINDS: u8 = 6;
}

impl Message for ServerMessage {
    const KINDS: u8 = 9;
}

/// Reads one message. Its memory is bounded by a constant times `bytes`: see [`wire::decode`].
pub(crate) fn read<T: Message>(bytes: &[u8]) -> Incoming<T> {
    match bytes.first() {
        Some(kind) if *kind >= T::KINDS => Incoming::Unknown(*kind),
        _ => match wire::decode(bytes, MAX_MESSAGE_BYTES) {
            Ok(message) => Incoming::Known(message),
            Err(_) => Incoming::Malformed,
        },
    }
}

/// Reads the first message of a connection: who it claims to be, and its token. An error ends the connection.
pub(crate) fn read_hello(bytes: &[u8]) -> Result<(MemberId, ResumeToken), CloseReason> {
    // The number is read first: a hello of another version may look different from there on.
    match (hello_protocol(bytes), read(bytes)) {
        (Some(PROTOCOL), Incoming::Known(ClientMessage::Hello { member, token, .. })) => Ok((member, token)),
        (Some(PROTOCOL) | None, _) => Err(CloseReason::Malformed),
        (Some(_), _) => Err(CloseReason::Protocol),
    }
}

/// The protocol's number in what claims to be a hello. The rest may have any form in that version.
fn hello_protocol(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [0, protocol, ..] => Some(*protocol),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(bytes: &[u8]) -> (SessionName, MemberId) {
        (SessionName::new(bytes).unwrap(), MemberId::new(bytes).unwrap())
    }

    fn client_messages(bytes: &[u8]) -> Vec<ClientMessage> {
        let (channel, member) = name(bytes);
        vec![
            ClientMessage::Hello {
                protocol: PROTOCOL,
                member: member.clone(),
                token: ResumeToken::new([7; 16]),
            },
            ClientMessage::Enter {
                channel: channel.clone(),
            },
            ClientMessage::Leave {
                channel: channel.clone(),
            },
            ClientMessage::Send {
                channel: channel.clone(),
                bytes: bytes.to_vec(),
            },
            ClientMessage::Invite {
                channel: channel.clone(),
                member: member.clone(),
            },
            ClientMessage::Kick { channel, member },
        ]
    }

    fn server_messages(bytes: &[u8]) -> Vec<ServerMessage> {
        let (channel, member) = name(bytes);
        vec![
            ServerMessage::Welcome { max_packet_bytes: 9 },
            ServerMessage::Entered {
                channel: channel.clone(),
                members: MemberSet::of(member.clone()),
            },
            ServerMessage::Left {
                channel: channel.clone(),
            },
            ServerMessage::MemberEntered {
                channel: channel.clone(),
                member: member.clone(),
            },
            ServerMessage::MemberLeft {
                channel: channel.clone(),
                member: member.clone(),
            },
            ServerMessage::Packet {
                channel: channel.clone(),
                from: member.clone(),
                bytes: bytes.to_vec(),
            },
            ServerMessage::Invited {
                channel: channel.clone(),
                by: member,
            },
            ServerMessage::Refused {
                channel,
                refusal: Refusal::NotIn,
            },
            ServerMessage::Skipped { kind: 200 },
        ]
    }

    #[test]
    fn a41_the_first_byte_is_the_kind_and_unknown_kinds_are_told_from_garbage() {
        for (i, message) in client_messages(b"x").iter().enumerate() {
            assert_eq!(usize::from(wire::encode(message)[0]), i);
        }
        assert_eq!(client_messages(b"x").len(), usize::from(ClientMessage::KINDS));
        for (i, message) in server_messages(b"x").iter().enumerate() {
            assert_eq!(usize::from(wire::encode(message)[0]), i);
        }
        assert_eq!(server_messages(b"x").len(), usize::from(ServerMessage::KINDS));
        for kind in ClientMessage::KINDS..=255 {
            assert_eq!(read::<ClientMessage>(&[kind, 1, 2]), Incoming::Unknown(kind));
        }
        assert_eq!(read::<ClientMessage>(&[]), Incoming::Malformed);
        assert_eq!(read::<ClientMessage>(&[1]), Incoming::Malformed);
        assert_eq!(
            read::<ClientMessage>(&[1, 0]),
            Incoming::Malformed,
            "an empty name"
        );
        assert_eq!(hello_protocol(&[0, 9, 250]), Some(9));
        assert_eq!(hello_protocol(&[1, 9]), None);
    }

    #[test]
    fn a37_a_length_that_is_announced_but_not_there_is_malformed() {
        // Send, channel "x", and a packet that claims 2^63 bytes.
        let bomb = [3, 1, b'x', 253, 0, 0, 0, 0, 0, 0, 0, 128, 1, 2, 3];
        assert_eq!(read::<ClientMessage>(&bomb), Incoming::Malformed);
        // Entered, channel "x", and a list that claims 2^63 members.
        let bomb = [1, 1, b'x', 253, 0, 0, 0, 0, 0, 0, 0, 128, 1, b'a'];
        assert_eq!(read::<ServerMessage>(&bomb), Incoming::Malformed);
    }

    #[test]
    fn a21_a_hello_does_not_print_its_token() {
        let printed = format!("{:?}", client_messages(b"x")[0]);
        assert!(
            printed.contains("Secret(..)") && !printed.contains('7'),
            "{printed}"
        );
    }

    proptest! {
        #[test]
        fn a48_every_name_travels_exactly(bytes in proptest::collection::vec(any::<u8>(), 1..=255)) {
            for message in client_messages(&bytes) {
                prop_assert_eq!(read(&wire::encode(&message)), Incoming::Known(message));
            }
            for message in server_messages(&bytes) {
                let encoded = wire::encode(&message);
                prop_assert!(encoded.len() <= bytes.len() + OVERHEAD_BYTES);
                prop_assert_eq!(read(&encoded), Incoming::Known(message));
            }
        }

        #[test]
        fn a40_no_bytes_make_the_readers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read::<ClientMessage>(&bytes);
            let _ = read::<ServerMessage>(&bytes);
            let _ = hello_protocol(&bytes);
        }
    }
}

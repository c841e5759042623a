//! The relay without its sockets, for fuzz targets: its readers, and its hub driven by encoded messages.
//!
//! Applications have no use for it. It is there with the feature `fuzzing` alone, and promises nothing to
//! others.

use std::sync::Arc;

use concilium_core::wire;

use crate::hub::{self, HubLimits, Outbox, Seat};
use crate::protocol::{ClientMessage, Incoming, Message, ServerMessage, read, read_hello};
use crate::queue::Next;
use crate::{CloseReason, QueueLimit};

/// What a reader makes of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A message; its encoding.
    Known(Vec<u8>),
    /// Of a kind that this version does not know.
    Unknown(u8),
    /// Nothing that any version writes.
    Malformed,
}

/// Reads bytes as the relay reads those of a client.
#[must_use]
pub fn from_client(bytes: &[u8]) -> Reading {
    reading::<ClientMessage>(bytes)
}

/// Reads bytes as a client reads those of the relay.
#[must_use]
pub fn from_relay(bytes: &[u8]) -> Reading {
    reading::<ServerMessage>(bytes)
}

fn reading<T: Message>(bytes: &[u8]) -> Reading {
    match read::<T>(bytes) {
        Incoming::Known(message) => Reading::Known(wire::encode(&message)),
        Incoming::Unknown(kind) => Reading::Unknown(kind),
        Incoming::Malformed => Reading::Malformed,
    }
}

/// How many of what, as in [`RelayConfig`](crate::RelayConfig).
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a fuzz target names them all")]
pub struct Limits {
    /// Channels at one time.
    pub channels: usize,
    /// Members in one channel.
    pub members_per_channel: usize,
    /// Channels that one connection is in.
    pub channels_per_connection: usize,
    /// What waits for one connection.
    pub queue: QueueLimit,
    /// The longest packet, in bytes.
    pub max_packet_bytes: u32,
}

/// A relay's whole state.
#[derive(Debug)]
pub struct Hub {
    hub: hub::Hub,
    max_packet_bytes: u32,
}

/// One connection to a [`Hub`] that has said hello.
#[derive(Debug)]
pub struct Connection {
    seat: Seat,
    outbox: Outbox,
}

impl Hub {
    /// With nobody connected.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let hub_limits = HubLimits {
            channels: limits.channels,
            members_per_channel: limits.members_per_channel,
            channels_per_connection: limits.channels_per_connection,
            queue: limits.queue,
        };
        Self {
            hub: hub::Hub::new(hub_limits, Arc::default()),
            max_packet_bytes: limits.max_packet_bytes,
        }
    }

    /// A connection says its first message.
    ///
    /// # Errors
    /// The relay ends it.
    pub fn greet(&self, hello: &[u8]) -> Result<Connection, CloseReason> {
        let (member, token) = read_hello(hello)?;
        let welcome = ServerMessage::Welcome {
            max_packet_bytes: self.max_packet_bytes,
        };
        let (seat, outbox) = self.hub.join(member, token, &welcome)?;
        Ok(Connection { seat, outbox })
    }

    /// A connection says something.
    ///
    /// # Errors
    /// The relay ends it: the caller is to [`part`](Self::part) it.
    pub fn hear(&self, connection: &Connection, bytes: &[u8]) -> Result<(), CloseReason> {
        let longest = usize::try_from(self.max_packet_bytes).unwrap_or(usize::MAX);
        self.hub.hear(&connection.seat, bytes, longest)
    }

    /// A connection has ended.
    pub fn part(&self, connection: &Connection, reason: CloseReason) {
        self.hub.part(&connection.seat, reason);
    }

    /// Ends all connections and takes no more.
    pub fn close(&self) {
        self.hub.close();
    }
}

impl Connection {
    /// What is to be written to it next, encoded; `None` if nothing waits.
    ///
    /// # Errors
    /// Nothing follows: the relay ended it.
    pub fn take(&self) -> Result<Option<Vec<u8>>, CloseReason> {
        match self.outbox.take() {
            Some(Next::Item(bytes)) => Ok(Some(bytes.to_vec())),
            Some(Next::End(reason)) => Err(reason),
            None => Ok(None),
        }
    }
}

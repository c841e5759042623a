//! A group channel over WebSocket: a relay that can run inside any process, and a client for it.
//!
//! [`Relay`] is the server: [`Relay::bind`] starts it, [`RelayConfig`] limits it. [`RelayClient`] is one
//! connection to it under one name: it takes a session's
//! [`ChannelAction`](concilium_core::channel::ChannelAction)s and yields its
//! [`ChannelEvent`](concilium_core::channel::ChannelEvent)s, for any number of channels, and it reconnects.
//! This crate does not know the contents of packets, or sessions.
//!
//! ```
//! use concilium_core::channel::{ChannelAction, ChannelEvent};
//! use concilium_core::{MemberId, SessionName};
//! use concilium_relay::{ClientConfig, ClientEvent, Relay, RelayClient, RelayConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let relay = Relay::bind("127.0.0.1:0", RelayConfig::default()).await?;
//! let url = format!("ws://{}", relay.local_addr());
//! let room = SessionName::new("room")?;
//!
//! let mut alice = RelayClient::connect(ClientConfig::new(url, MemberId::new("alice")?)).await?;
//! alice.act(&room, ChannelAction::Enter)?;
//! let event = alice.next().await;
//! assert!(matches!(
//!     event,
//!     Some(ClientEvent::Channel { event: ChannelEvent::Entered { .. }, .. })
//! ));
//! alice.close().await;
//! relay.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What a channel is
//!
//! A channel has a name and exists while it has a member. Packets, enters and leaves of one channel have one
//! total order, the same for all its members, also senders: the relay queues each of them for all readers
//! while it holds one lock. One client's requests are done in the order asked.
//!
//! - **There is no authentication.** A name belongs to the connection that came first. A client proves with a
//!   random token of its own that it is the successor of its broken connection, and takes that one's place at
//!   once. Other clients wait until the relay has noticed the break by silence.
//! - **Every member of a channel may kick every other one**, and a kicked member may enter again: the relay
//!   has no policy. The session enforces its own membership (rules T-2, T-7, T-8, T-10).
//! - **Every member of a channel may invite** every client that is connected to the relay and not in the
//!   channel. The invited client is told the channel and the inviting member. It need not be in any channel.
//! - **A broken connection is a leave** from every channel (rule T-3). Nothing of one stay arrives in a later
//!   one.
//! - **A slow reader is cut off** when its queue runs over; the others do not wait for it and miss nothing.
//!
//! A dishonest relay can do all that an attacker on the network can: read names, sizes and times, drop,
//! delay, reorder, repeat and forge. Sessions are made to notice (A-22, A-24). Against a flood of connections
//! from many addresses the relay has only a limit on their number: put a filter that knows addresses in front
//! of it.
//!
//! # The protocol
//!
//! Version 1, which is [`PROTOCOL`]. One WebSocket connection (RFC 6455) per client, at any path, without
//! extensions or subprotocols. Every message is binary and holds exactly one value in the encoding of
//! [`concilium_core::wire`]: a kind in one byte, then the fields. Names and packets are byte strings.
//!
//! | from the client | fields | meaning |
//! |---|---|---|
//! | 0 hello | protocol (1 byte), member, token (16 bytes) | first, and only first; then wait for the welcome |
//! | 1 enter | channel | |
//! | 2 leave | channel | |
//! | 3 send | channel, packet | for all members of the channel, the sender included |
//! | 4 invite | channel, member | |
//! | 5 kick | channel, member | |
//!
//! | from the relay | fields | meaning |
//! |---|---|---|
//! | 0 welcome | longest packet in bytes | the client may speak |
//! | 1 entered | channel, members | we are in; all its members, ourselves included, in ascending order |
//! | 2 left | channel | we are out, by our wish or kicked |
//! | 3 member entered | channel, member | |
//! | 4 member left | channel, member | |
//! | 5 packet | channel, from, packet | |
//! | 6 invited | channel, by | |
//! | 7 refused | channel, [`Refusal`] | the last request was not done; the connection goes on |
//! | 8 skipped | kind | the relay does not know this kind of message and went on to the next (A-41) |
//!
//! The protocol's number stays the second byte of a hello in all versions. A hello of another version,
//! anything before the hello, text, and bytes that are no message end the connection; the WebSocket close
//! code says why ([`CloseReason`]). Both sides ping. A side that hears nothing for too long, not even a pong,
//! ends the connection.
//!
//! No message is longer than the longest packet plus 1,024 bytes, and a frame that announces more is refused
//! at its header (A-37).
//!
//! Ids such as T-2 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/transport.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

mod client;
mod close;
mod config;
mod connection;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hub;
mod link;
mod protocol;
mod queue;
mod rate;
mod relay;
mod stats;
mod tls;

pub use client::{ActionError, Backoff, ClientConfig, ClientEvent, ConnectError, Disconnect, RelayClient};
pub use close::CloseReason;
pub use config::RelayConfig;
pub use protocol::{MAX_CHANNEL_MEMBERS, MAX_PACKET_BYTES, PROTOCOL, Refusal};
pub use queue::QueueLimit;
pub use rate::Rate;
pub use relay::Relay;
pub use stats::{ClientStats, RelayStats};
pub use tls::{TlsError, TlsFiles};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

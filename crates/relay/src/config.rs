//! What a relay allows.

use std::io;
use std::time::Duration;

use crate::hub::HubLimits;
use crate::protocol::{MAX_CHANNEL_MEMBERS, MAX_PACKET_BYTES};
use crate::queue::QueueLimit;
use crate::rate::Rate;
use crate::tls::TlsFiles;

/// What a relay allows, and how it listens. Start from [`RelayConfig::default`] and change what must differ.
///
/// The memory that one connection can make a relay hold is at most `queue.bytes`, plus twice
/// `max_packet_bytes` for reading, plus buffers of some ten kilobytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayConfig {
    /// TLS, or plain WebSocket if there is none. Default: none.
    pub tls: Option<TlsFiles>,
    /// The longest packet, in bytes; at most and by default [`MAX_PACKET_BYTES`]. Over it: closed with
    /// [`CloseReason::TooLarge`](crate::CloseReason::TooLarge).
    pub max_packet_bytes: usize,
    /// Messages that one connection may send, WebSocket pings included. Over it the relay stops reading for
    /// as long as the debt lasts. Default: 200 per second, 2,000 at once, which a member of a group of
    /// hundreds does not reach.
    pub message_rate: Rate,
    /// Bytes that one connection may send. Default: 4 MiB per second, 8 MiB at once.
    pub byte_rate: Rate,
    /// How long a connection may be held back by the rates without a pause before it is closed with
    /// [`CloseReason::TooFast`](crate::CloseReason::TooFast). Default: 10 seconds.
    pub rate_patience: Duration,
    /// What may wait for one reader; over it the reader is closed with
    /// [`CloseReason::TooSlow`](crate::CloseReason::TooSlow) and the others go on. Default: 4,096 messages
    /// and 16 MiB.
    pub queue: QueueLimit,
    /// Channels that exist at once. Default: 1,024.
    pub channels: usize,
    /// Members in one channel; at most [`MAX_CHANNEL_MEMBERS`]. Default: 512.
    pub members_per_channel: usize,
    /// Channels that one connection may be in. Default: 16.
    pub channels_per_connection: usize,
    /// Connections at once; over it, new ones are turned away with HTTP status 503. Default: 1,024.
    pub connections: usize,
    /// The time for TLS, WebSocket handshake and hello together. Default: 10 seconds.
    pub handshake_timeout: Duration,
    /// How often the relay pings each client. Default: 20 seconds.
    pub ping_interval: Duration,
    /// How long a client may be silent, pongs included, before it counts as gone; must be longer than
    /// `ping_interval`. Default: 60 seconds.
    pub silence_timeout: Duration,
    /// How long [`Relay::shutdown`](crate::Relay::shutdown) waits for connections to close in good order.
    /// Default: 5 seconds.
    pub shutdown_timeout: Duration,
}

impl Default for RelayConfig {
    fn default() -> Self {
        const MIB: u32 = 1024 * 1024;
        Self {
            tls: None,
            max_packet_bytes: MAX_PACKET_BYTES,
            message_rate: Rate::new(200, 2000),
            byte_rate: Rate::new(4 * MIB, 8 * MIB),
            rate_patience: Duration::from_secs(10),
            queue: QueueLimit::new(4096, 16 * 1024 * 1024),
            channels: 1024,
            members_per_channel: 512,
            channels_per_connection: 16,
            connections: 1024,
            handshake_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(20),
            silence_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(5),
        }
    }
}

impl RelayConfig {
    /// Refuses what could not work.
    pub(crate) fn check(&self) -> io::Result<()> {
        let rules = [
            (
                self.max_packet_bytes <= MAX_PACKET_BYTES,
                "max_packet_bytes is more than clients read",
            ),
            (
                self.members_per_channel <= MAX_CHANNEL_MEMBERS,
                "members_per_channel is more than fits into one message",
            ),
            (
                self.silence_timeout > self.ping_interval,
                "silence_timeout must be longer than ping_interval",
            ),
            (!self.ping_interval.is_zero(), "ping_interval must not be zero"),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, why)) => Err(io::Error::new(io::ErrorKind::InvalidInput, why)),
            None => Ok(()),
        }
    }

    pub(crate) fn hub_limits(&self) -> HubLimits {
        HubLimits {
            channels: self.channels,
            members_per_channel: self.members_per_channel,
            channels_per_connection: self.channels_per_connection,
            queue: self.queue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_nonsense_is_refused_by_name() {
        let good = RelayConfig::default();
        good.check().unwrap();
        let bad = [
            RelayConfig {
                max_packet_bytes: MAX_PACKET_BYTES + 1,
                ..good.clone()
            },
            RelayConfig {
                members_per_channel: MAX_CHANNEL_MEMBERS + 1,
                ..good.clone()
            },
            RelayConfig {
                silence_timeout: good.ping_interval,
                ..good.clone()
            },
            RelayConfig {
                ping_interval: Duration::ZERO,
                ..good
            },
        ];
        for config in bad {
            assert_eq!(config.check().unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}

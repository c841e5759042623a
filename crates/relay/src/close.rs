//! Why a connection is closed, as a WebSocket close code.

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Why one side closed the connection. It travels as the code of the WebSocket close frame; the text beside
/// it is for people that look at the wire, and programs do not read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client is done (code 1000).
    #[error("the client is done")]
    Done,
    /// The relay shuts down (code 1001).
    #[error("the relay shuts down; connect again later")]
    Shutdown,
    /// Not a WebSocket conversation as RFC 6455 has it (code 1002).
    #[error("the peer broke the WebSocket protocol")]
    WebSocket,
    /// A text message; all are binary (code 1003).
    #[error("text messages are not spoken here, only binary ones")]
    Text,
    /// A message or a packet over the relay's limit (code 1009).
    #[error("a message was longer than the relay allows; send less at once")]
    TooLarge,
    /// The bytes were no message, or not at that point (code 4000).
    #[error("a message could not be read; the peer may be a foreign program")]
    Malformed,
    /// The relay speaks another protocol number than the client (code 4001).
    #[error("the relay speaks another version of the protocol; updating may help")]
    Protocol,
    /// Another connection holds the name (code 4002).
    #[error("another connection holds this name; choose another or wait until that one has ended")]
    NameTaken,
    /// A later connection of the same client took the name over (code 4003).
    #[error("a later connection of the same client took over")]
    Displaced,
    /// Too much was sent for too long (code 4004).
    #[error("too many packets or bytes for too long; send more slowly")]
    TooFast,
    /// The queue of what the client had still to read ran over (code 4005).
    #[error("the client read too slowly and its queue ran over")]
    TooSlow,
    /// Nothing was heard for too long (code 4006).
    #[error("nothing was heard from the peer for too long")]
    Silent,
    /// No hello in time (code 4007).
    #[error("no hello came in time")]
    NoHello,
    /// A code that this version does not know.
    #[error("the peer closed the connection with code {0}")]
    Other(u16),
}

impl CloseReason {
    const ALL: [Self; 13] = [
        Self::Done,
        Self::Shutdown,
        Self::WebSocket,
        Self::Text,
        Self::TooLarge,
        Self::Malformed,
        Self::Protocol,
        Self::NameTaken,
        Self::Displaced,
        Self::TooFast,
        Self::TooSlow,
        Self::Silent,
        Self::NoHello,
    ];

    /// The WebSocket close code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Done => 1000,
            Self::Shutdown => 1001,
            Self::WebSocket => 1002,
            Self::Text => 1003,
            Self::TooLarge => 1009,
            Self::Malformed => 4000,
            Self::Protocol => 4001,
            Self::NameTaken => 4002,
            Self::Displaced => 4003,
            Self::TooFast => 4004,
            Self::TooSlow => 4005,
            Self::Silent => 4006,
            Self::NoHello => 4007,
            Self::Other(code) => code,
        }
    }

    /// What a WebSocket close code means.
    #[must_use]
    pub fn from_code(code: u16) -> Self {
        Self::ALL
            .into_iter()
            .find(|reason| reason.code() == code)
            .unwrap_or(Self::Other(code))
    }

    /// The close frame to send.
    pub(crate) fn frame(self) -> CloseFrame {
        CloseFrame {
            code: CloseCode::from(self.code()),
            reason: self.to_string().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a41_codes_and_reasons_are_one_to_one_and_unknown_codes_are_kept() {
        for reason in CloseReason::ALL {
            assert_eq!(CloseReason::from_code(reason.code()), reason);
            // RFC 6455, 5.5: what a control frame carries is at most 125 bytes, two of which are the code.
            assert!(reason.to_string().len() <= 123, "{reason}");
            assert!(reason.frame().code.is_allowed());
        }
        assert_eq!(CloseReason::from_code(4999), CloseReason::Other(4999));
        assert_eq!(CloseReason::Other(4999).code(), 4999);
    }
}

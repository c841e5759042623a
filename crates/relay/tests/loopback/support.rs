//! What the tests share.

use std::net::SocketAddr;
use std::time::Duration;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::{MemberId, MemberSet, SessionName};
use concilium_relay::{ClientConfig, ClientEvent, CloseReason, PROTOCOL, Relay, RelayClient, RelayConfig};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn member(name: impl AsRef<[u8]>) -> MemberId {
    MemberId::new(name).unwrap()
}

pub(crate) fn channel(name: impl AsRef<[u8]>) -> SessionName {
    SessionName::new(name).unwrap()
}

pub(crate) fn set(names: &str) -> MemberSet {
    names.split_whitespace().map(member).collect()
}

pub(crate) async fn relay() -> Relay {
    relay_with(|_| {}).await
}

pub(crate) async fn relay_with(change: impl FnOnce(&mut RelayConfig)) -> Relay {
    let mut config = RelayConfig::default();
    change(&mut config);
    Relay::bind("127.0.0.1:0", config).await.unwrap()
}

pub(crate) fn url(addr: SocketAddr) -> String {
    format!("ws://{addr}")
}

/// A client and the one channel that most tests are about.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) client: RelayClient,
    pub(crate) room: SessionName,
}

impl Peer {
    pub(crate) async fn connect(relay: &Relay, name: impl AsRef<[u8]>) -> Self {
        Self::with(ClientConfig::new(url(relay.local_addr()), member(name))).await
    }

    pub(crate) async fn with(config: ClientConfig) -> Self {
        Self {
            client: RelayClient::connect(config).await.unwrap(),
            room: channel("room"),
        }
    }

    /// Connects, enters, and takes the event of it.
    pub(crate) async fn entered(relay: &Relay, name: impl AsRef<[u8]>) -> Self {
        let mut peer = Self::connect(relay, name).await;
        peer.act(ChannelAction::Enter);
        assert!(matches!(peer.event().await, ChannelEvent::Entered { .. }));
        peer
    }

    pub(crate) fn act(&self, action: ChannelAction) {
        self.client.act(&self.room, action).unwrap();
    }

    pub(crate) fn send(&self, bytes: impl Into<Vec<u8>>) {
        self.act(ChannelAction::Send { bytes: bytes.into() });
    }

    /// The next event of any kind.
    pub(crate) async fn next(&mut self) -> ClientEvent {
        timeout(PATIENCE, self.client.next())
            .await
            .expect("an event comes in time")
            .expect("the client goes on")
    }

    /// The next event, which must be one of the channel.
    pub(crate) async fn event(&mut self) -> ChannelEvent {
        match self.next().await {
            ClientEvent::Channel { channel, event } if channel == self.room => event,
            other => panic!("not an event of the channel: {other:?}"),
        }
    }

    /// The next event, which must be a packet.
    pub(crate) async fn packet(&mut self) -> (MemberId, Vec<u8>) {
        match self.event().await {
            ChannelEvent::Packet { from, bytes } => (from, bytes),
            other => panic!("not a packet: {other:?}"),
        }
    }
}

/// A WebSocket that speaks only as it is told.
pub(crate) struct Raw(pub(crate) WebSocketStream<TcpStream>);

impl Raw {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(url(addr), stream).await.unwrap();
        Self(socket)
    }

    /// Opens, says hello, and is welcomed.
    pub(crate) async fn hello(addr: SocketAddr, name: &str, token: u8) -> Self {
        let mut raw = Self::open(addr).await;
        raw.say(hello(PROTOCOL, name, token)).await;
        assert_eq!(raw.hear().await.unwrap()[0], 0, "a welcome");
        raw
    }

    pub(crate) async fn say(&mut self, bytes: impl Into<Bytes>) {
        self.0.send(Message::Binary(bytes.into())).await.unwrap();
    }

    /// The next message, or why there is none.
    pub(crate) async fn hear(&mut self) -> Result<Bytes, Option<CloseReason>> {
        // Over all of it: pings come as long as the relay lives.
        timeout(PATIENCE, self.hear_at_last())
            .await
            .expect("an answer in time")
    }

    async fn hear_at_last(&mut self) -> Result<Bytes, Option<CloseReason>> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err(Some(CloseReason::from_code(frame.code.into())));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return Err(None),
            }
        }
    }

    /// Why the relay closes, whatever it says before.
    pub(crate) async fn closed(&mut self) -> Option<CloseReason> {
        let closed = async {
            loop {
                if let Err(reason) = self.hear_at_last().await {
                    return reason;
                }
            }
        };
        timeout(PATIENCE, closed).await.expect("closed in time")
    }
}

// The wire format is spelled out here a second time, by hand: a change of it must break a test.

pub(crate) fn hello(protocol: u8, name: &str, token: u8) -> Vec<u8> {
    let mut bytes = vec![0, protocol, name.len() as u8];
    bytes.extend(name.as_bytes());
    bytes.extend([token; 16]);
    bytes
}

pub(crate) fn named(kind: u8, channel: &str) -> Vec<u8> {
    let mut bytes = vec![kind, channel.len() as u8];
    bytes.extend(channel.as_bytes());
    bytes
}

//! One client's connection, on the relay's side.

use std::sync::Arc;

use concilium_core::MemberId;
use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tracing::debug;

use crate::CloseReason;
use crate::config::RelayConfig;
use crate::hub::{Hub, Seat};
use crate::link::{self, Ended, Io, Listener, Pace, Socket};
use crate::protocol::{OVERHEAD_BYTES, ResumeToken, ServerMessage, read_hello};
use crate::rate::{Meter, Verdict};

/// What every connection of one relay shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: RelayConfig,
    pub(crate) hub: Hub,
}

/// Serves one connection from its first byte to its last. The reason is why it ended if we ended it. When
/// `stop` is ready, a connection without a seat ends; those with one are ended by the hub.
pub(crate) async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    stop: impl Future<Output = ()> + Send,
) -> Option<CloseReason> {
    tokio::pin!(stop);
    let deadline = Instant::now() + shared.config.handshake_timeout;
    let mut socket = tokio::select! {
        accepted = timeout_at(deadline, accept(stream, tls, &shared.config)) => match accepted {
            Ok(socket) => socket?,
            Err(_) => return Some(CloseReason::NoHello),
        },
        () = &mut stop => return Some(CloseReason::Shutdown),
    };
    let greeting = tokio::select! {
        greeting = timeout_at(deadline, greet(&mut socket)) => {
            greeting.unwrap_or(Err(Ended::ByUs(CloseReason::NoHello)))
        }
        () = &mut stop => Err(Ended::ByUs(CloseReason::Shutdown)),
    };
    let joined = match greeting {
        Ok((member, token)) => {
            let welcome = ServerMessage::Welcome {
                max_packet_bytes: u32::try_from(shared.config.max_packet_bytes).unwrap_or(u32::MAX),
            };
            shared.hub.join(member, token, &welcome).map_err(Ended::ByUs)
        }
        Err(ended) => Err(ended),
    };
    let (socket, ended) = match joined {
        Err(ended) => (Some(socket), ended),
        Ok((seat, outbox)) => {
            let mut listener = ServerListener::new(&shared, &seat);
            let pace = Pace {
                ping_interval: shared.config.ping_interval,
                silence_timeout: shared.config.silence_timeout,
            };
            let (socket, ended) = link::run(socket, &outbox, &mut listener, pace).await;
            // The others learn of it before the goodbyes.
            shared.hub.part(&seat, CloseReason::Done);
            (socket, ended)
        }
    };
    debug!(?ended, "a connection ends");
    link::close(socket, &ended).await;
    match ended {
        Ended::ByUs(reason) => Some(reason),
        Ended::ByPeer(_) | Ended::Lost(_) => None,
    }
}

async fn accept(stream: TcpStream, tls: Option<TlsAcceptor>, config: &RelayConfig) -> Option<Socket> {
    // Packets are small and people wait for them.
    let _ = stream.set_nodelay(true);
    let stream: Box<dyn Io> = match tls {
        Some(tls) => Box::new(tls.accept(stream).await.ok()?),
        None => Box::new(stream),
    };
    let config = link::web_socket_config(config.max_packet_bytes + OVERHEAD_BYTES);
    accept_async_with_config(stream, Some(config)).await.ok()
}

/// Waits for the hello: the first message, and no other before it.
async fn greet(socket: &mut Socket) -> Result<(MemberId, ResumeToken), Ended> {
    let bytes = match socket.next().await {
        None => return Err(Ended::Lost("the connection ended before a hello".to_owned())),
        Some(Err(error)) => return Err(error.into()),
        Some(Ok(Message::Binary(bytes))) => bytes,
        Some(Ok(Message::Text(_))) => return Err(Ended::ByUs(CloseReason::Text)),
        Some(Ok(Message::Close(_))) => return Err(Ended::ByPeer(CloseReason::Done)),
        Some(Ok(_)) => return Err(Ended::ByUs(CloseReason::Malformed)),
    };
    read_hello(&bytes).map_err(Ended::ByUs)
}

struct ServerListener<'a> {
    shared: &'a Shared,
    seat: &'a Seat,
    meter: Meter,
}

impl<'a> ServerListener<'a> {
    fn new(shared: &'a Shared, seat: &'a Seat) -> Self {
        let config = &shared.config;
        Self {
            shared,
            seat,
            meter: Meter::new(
                config.message_rate,
                config.byte_rate,
                config.rate_patience,
                Instant::now(),
            ),
        }
    }
}

impl Listener for ServerListener<'_> {
    async fn hear(&mut self, message: Message) -> Result<(), CloseReason> {
        // Everything counts, pings and pongs as well: they cost us work like any other message.
        match self.meter.count(message.len(), Instant::now()) {
            Verdict::Pass => {}
            Verdict::Wait(wait) => sleep(wait).await,
            Verdict::Cut => return Err(CloseReason::TooFast),
        }
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(_) => return Err(CloseReason::Text),
            _ => return Ok(()),
        };
        let max_packet_bytes = self.shared.config.max_packet_bytes;
        self.shared.hub.hear(self.seat, &bytes, max_packet_bytes)
    }
}

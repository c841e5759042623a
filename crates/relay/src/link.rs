//! One WebSocket connection, as both sides run it: reading, writing, pings and the end of it.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, error::ProtocolError};

use crate::CloseReason;
use crate::queue::{Next, Queue};

/// A TCP or TLS stream.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// One side of a WebSocket connection.
pub(crate) type Socket = WebSocketStream<Box<dyn Io>>;

/// How long the end of a connection may take: enough for a round trip around the world, short enough that
/// ends do not pile up.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What is read and written at once. Packets are mostly far smaller, and every connection holds this much.
const BUFFER_BYTES: usize = 16 * 1024;

/// The limits of a WebSocket connection whose messages have at most this many bytes.
pub(crate) fn web_socket_config(max_message_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        // a frame that announces more is refused before it is read.
        .max_frame_size(Some(max_message_bytes))
        .max_message_size(Some(max_message_bytes))
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// We closed it.
    ByUs(CloseReason),
    /// The peer closed it.
    ByPeer(CloseReason),
    /// It broke.
    Lost(String),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        match error {
            Error::Capacity(_) => Self::ByUs(CloseReason::TooLarge),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                Self::Lost("the connection ended without a word".to_owned())
            }
            Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => Self::ByUs(CloseReason::WebSocket),
            other => Self::Lost(other.to_string()),
        }
    }
}

/// How often to ping, and how long to bear silence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) ping_interval: Duration,
    pub(crate) silence_timeout: Duration,
}

/// What one side does with the messages that it hears.
pub(crate) trait Listener {
    /// Handles one message; pings and pongs are heard too, closes are not. Nothing more is read meanwhile.
    /// Losing the future before it is ready must lose the message as a whole.
    fn hear(&mut self, message: Message) -> impl Future<Output = Result<(), CloseReason>> + Send;
}

/// Runs a connection until it ends for one reason or another. The socket comes back to be closed.
pub(crate) async fn run<L: Listener + Send>(
    socket: Socket,
    queue: &Queue,
    listener: &mut L,
    pace: Pace,
) -> (Option<Socket>, Ended) {
    let (mut sink, mut stream) = socket.split();
    let pulse = Pulse::new();
    let ended = tokio::select! {
        biased;
        reason = queue.until_cut() => Ended::ByUs(reason),
        ended = listen(&mut stream, &pulse, listener) => ended,
        ended = speak(&mut sink, queue, pace.ping_interval) => ended,
        () = pulse.silence(pace.silence_timeout) => Ended::ByUs(CloseReason::Silent),
    };
    (sink.reunite(stream).ok(), ended)
}

/// Ends a connection in good order, as far as the peer goes along, within a second.
pub(crate) async fn close(socket: Option<Socket>, ended: &Ended) {
    let Some(mut socket) = socket else { return };
    let good_end = async {
        match ended {
            Ended::ByUs(reason) => socket.close(Some(reason.frame())).await.ok(),
            // The answer to the peer's close frame is queued already.
            Ended::ByPeer(_) => socket.flush().await.ok(),
            Ended::Lost(_) => return,
        };
        while let Some(Ok(_)) = socket.next().await {}
        // Bytes that were never read would turn the end into a reset, which can overtake our close frame and
        // rob the peer of the reason.
        let mut io = socket.into_inner();
        let _ = io.shutdown().await;
        let mut rest = [0; 1024];
        while let Ok(1..) = io.read(&mut rest).await {}
    };
    let _ = timeout(CLOSE_TIMEOUT, good_end).await;
}

async fn listen<L: Listener>(stream: &mut SplitStream<Socket>, pulse: &Pulse, listener: &mut L) -> Ended {
    loop {
        let message = match stream.next().await {
            None => return Ended::Lost("the connection ended".to_owned()),
            Some(Err(error)) => return error.into(),
            Some(Ok(Message::Close(frame))) => {
                // RFC 6455, 7.1.5: a close frame without a code counts as 1005.
                let code = frame.map_or(1005, |frame| frame.code.into());
                return Ended::ByPeer(CloseReason::from_code(code));
            }
            Some(Ok(message)) => message,
        };
        pulse.busy();
        if let Err(reason) = listener.hear(message).await {
            return Ended::ByUs(reason);
        }
        pulse.beat();
    }
}

async fn speak(sink: &mut SplitSink<Socket, Message>, queue: &Queue, ping_interval: Duration) -> Ended {
    let mut pings = interval_at(Instant::now() + ping_interval, ping_interval);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let spoken = tokio::select! {
            biased;
            _ = pings.tick() => sink.send(Message::Ping(Bytes::new())).await,
            next = queue.next() => match next {
                Next::Item(bytes) => match sink.feed(Message::Binary(bytes)).await {
                    Ok(()) if queue.is_empty() => sink.flush().await,
                    other => other,
                },
                Next::End(reason) => return Ended::ByUs(reason),
            },
        };
        if let Err(error) = spoken {
            return error.into();
        }
    }
}

/// When the peer was last heard.
struct Pulse(Mutex<Beat>);

struct Beat {
    last: Instant,
    /// A message is being handled: that nothing is heard meanwhile is not the peer's fault.
    busy: bool,
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pulse")
    }
}

impl Pulse {
    fn new() -> Self {
        Self(Mutex::new(Beat {
            last: Instant::now(),
            busy: false,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn busy(&self) {
        self.lock().busy = true;
    }

    fn beat(&self) {
        *self.lock() = Beat {
            last: Instant::now(),
            busy: false,
        };
    }

    /// Waits until nothing was heard for this long.
    async fn silence(&self, limit: Duration) {
        loop {
            let silent = {
                let beat = self.lock();
                if beat.busy {
                    Duration::ZERO
                } else {
                    beat.last.elapsed()
                }
            };
            match limit.checked_sub(silent) {
                None | Some(Duration::ZERO) => return,
                Some(rest) => sleep(rest).await,
            }
        }
    }
}

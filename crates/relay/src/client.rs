//! The client: a connection to a relay under one name, in any number of channels.

mod dial;
mod presence;
mod task;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::{Context, MemberId, RandomnessError, SessionName, Time};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::dial::Target;
use self::presence::Presences;
use self::task::{Post, Task};
use crate::protocol::{Refusal, ResumeToken};
use crate::queue::QueueLimit;
use crate::stats::{ClientStats, Counters};
use crate::tls::TlsError;
use crate::{CloseReason, tls};

/// Events that may wait for [`RelayClient::next`]. At this many, nothing more is read from the relay, which
/// in the end closes the connection as too slow. At most 32 MiB, as no message is longer than 513 KiB.
const EVENTS: usize = 64;

/// How long [`RelayClient::close`] waits for queued actions to be written and the connection to be closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where to connect, as whom, and what to do when the connection is lost. Start from [`ClientConfig::new`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// `ws://host:port` or `wss://host:port`, with a path if something stands in front of the relay.
    pub url: String,
    /// Our name on the relay.
    pub member: MemberId,
    /// For `wss`: a PEM file with the roots to trust, and no others. Default: none, which means Mozilla's
    /// roots as built in by the crate `webpki-roots`.
    pub ca_file: Option<PathBuf>,
    /// The time for one attempt to connect: name lookup, TCP, TLS, WebSocket and welcome together. Default:
    /// 10 seconds.
    pub connect_timeout: Duration,
    /// How to try again when the connection is lost. Default: [`Backoff::default`]. None: never, the client
    /// ends.
    pub reconnect: Option<Backoff>,
    /// Whether to enter the same channels again after a lost connection. A session's driver that decides by
    /// itself leaves this off and answers [`ClientEvent::Connected`] with [`ChannelAction::Enter`]. Default:
    /// off.
    pub reenter: bool,
    /// How often to ping the relay. Default: 20 seconds.
    pub ping_interval: Duration,
    /// How long the relay may be silent, pongs included, before the connection counts as lost. Default: 60
    /// seconds.
    pub silence_timeout: Duration,
    /// What may wait to be written; over it, [`RelayClient::act`] refuses. Default: 4,096 actions and 16 MiB.
    pub queue: QueueLimit,
}

impl ClientConfig {
    /// The defaults for this relay and this name.
    #[must_use]
    pub fn new(url: impl Into<String>, member: MemberId) -> Self {
        Self {
            url: url.into(),
            member,
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            reconnect: Some(Backoff::default()),
            reenter: false,
            ping_interval: Duration::from_secs(20),
            silence_timeout: Duration::from_secs(60),
            queue: QueueLimit::new(4096, 16 * 1024 * 1024),
        }
    }
}

/// How long to wait between attempts to connect: each time twice as long, and each wait drawn between half of
/// that and all of it, so that clients which lost the relay together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait at most.
    pub initial: Duration,
    /// The longest wait. After a connection that held for this long, the waits start again from `initial`.
    pub max: Duration,
}

/// From half a second to half a minute.
impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(30),
        }
    }
}

/// What the client tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Something happened in a channel that we are in, enter or leave.
    Channel {
        /// The channel.
        channel: SessionName,
        /// What.
        event: ChannelEvent,
    },
    /// Someone in a channel asks us to enter it. Only the relay's word stands behind it.
    Invited {
        /// Which channel.
        channel: SessionName,
        /// The member that asks.
        by: MemberId,
    },
    /// The relay did not do something that we asked for.
    Refused {
        /// The channel.
        channel: SessionName,
        /// Why.
        refusal: Refusal,
    },
    /// Connected again after a [`ClientEvent::Disconnected`]; the first connection is what
    /// [`RelayClient::connect`] returns. We are in no channel.
    Connected,
    /// The connection was lost, or an attempt to connect again failed. A [`ChannelEvent::Left`] for every
    /// channel that we were in came before this.
    Disconnected {
        /// Why.
        reason: Disconnect,
        /// When the next attempt is made; none if the client gives up, which then was its last event.
        retry_in: Option<Duration>,
    },
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Disconnect {
    /// The relay closed the connection, or refused us.
    #[error("the relay closed the connection: {0}")]
    Closed(CloseReason),
    /// The relay has no room.
    #[error("the relay has too many connections; try again later")]
    Busy,
    /// The connection broke, or could not be made.
    #[error("the connection failed: {0}")]
    Lost(String),
    /// No connection, or no sign of life, in time.
    #[error("the relay did not answer in time")]
    Timeout,
    /// Whatever answered does not speak the relay's protocol.
    #[error("the other side does not speak the relay's protocol: {0}")]
    NotRelay(String),
}

/// Why [`RelayClient::connect`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not `ws://` or `wss://` with a host.
    #[error("{0:?} is not a relay's URL; write ws://host:port or wss://host:port")]
    Url(String),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No random bytes for the token that lets us resume.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The attempt failed.
    #[error(transparent)]
    Failed(#[from] Disconnect),
}

/// Why [`RelayClient::act`] did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// There is no connection, or a newer one than the caller has heard of.
    #[error("not connected; act again after the event Connected")]
    Disconnected,
    /// The packet is longer than the relay allows.
    #[error("the packet has {len} bytes, the relay allows {limit}; send less at once")]
    PacketTooLarge {
        /// Its length in bytes.
        len: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Too much waits to be written already.
    #[error("too much waits to be written to the relay; act again later")]
    QueueFull,
    /// An action that this version of the relay's protocol has no word for.
    #[error("the relay's protocol has no such action; updating may help")]
    Unknown,
}

/// A connection to a relay under one name. It reconnects by itself; see [`ClientConfig::reconnect`].
///
/// Take events with [`RelayClient::next`], in one loop with other sources. Ask with [`RelayClient::act`],
/// which never waits. The relay acts upon actions in the order in which they were asked. An action has
/// happened only when an event says so.
///
/// **Connections share nothing.** When a connection is lost, we are out of every channel, and unwritten
/// actions are dropped: a packet of one stay in a channel never arrives in a later one. To ensure this,
/// [`RelayClient::act`] refuses until the caller has *taken* the event [`ClientEvent::Connected`], even if
/// the new connection stands already.
///
/// Dropping the client closes the connection in the background, after writing queued actions.
#[derive(Debug)]
pub struct RelayClient {
    events: mpsc::Receiver<Post>,
    presences: Arc<Presences>,
    counters: Arc<Counters>,
    /// Which connection the caller knows of.
    epoch: u64,
    task: Option<JoinHandle<()>>,
}

impl RelayClient {
    /// Connects, and keeps connected from then on.
    ///
    /// # Errors
    /// The configuration cannot work, or this first attempt failed; it is not tried again.
    pub async fn connect(config: ClientConfig) -> Result<Self, ConnectError> {
        let target = Target::new(&config)?;
        let token: ResumeToken = Context::new(Time::ZERO, &mut getrandom::SysRng).secret()?;
        let counters = Arc::new(Counters::default());
        let presences = Arc::new(Presences::new(config.queue, Arc::clone(&counters)));
        let (sender, events) = mpsc::channel(EVENTS);
        let task = Task {
            target,
            token,
            config,
            presences: Arc::clone(&presences),
            counters: Arc::clone(&counters),
            events: sender,
        };
        let (socket, queue) = task.dial().await?;
        Ok(Self {
            events,
            epoch: presences.epoch(),
            presences,
            counters,
            task: Some(tokio::spawn(task.run(socket, queue))),
        })
    }

    /// Asks the relay for something in a channel. Never waits.
    ///
    /// # Errors
    /// Nothing was done, and nothing will be: not connected, the packet is too long, or too much is waiting.
    pub fn act(&self, channel: &SessionName, action: ChannelAction) -> Result<(), ActionError> {
        self.presences.act(self.epoch, channel, action)
    }

    /// Waits for the next event. None after the client has given up for good. Losing the future loses no
    /// event.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        let post = self.events.recv().await?;
        Some(self.open(post))
    }

    /// The next event if there is one now.
    pub fn try_next(&mut self) -> Option<ClientEvent> {
        let post = self.events.try_recv().ok()?;
        Some(self.open(post))
    }

    fn open(&mut self, post: Post) -> ClientEvent {
        match post {
            Post::Event(event) => event,
            Post::Connected { epoch } => {
                self.epoch = epoch;
                ClientEvent::Connected
            }
        }
    }

    /// What has been sent and received so far.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.counters.client()
    }

    /// Writes queued actions, closes the connection, and waits for that, at most five seconds.
    pub async fn close(mut self) {
        self.presences.finish();
        self.events.close();
        if let Some(mut task) = self.task.take()
            && timeout(CLOSE_TIMEOUT, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

impl Drop for RelayClient {
    fn drop(&mut self) {
        self.presences.finish();
    }
}

fn connector(config: &ClientConfig) -> Result<tokio_rustls::TlsConnector, TlsError> {
    tls::connector(config.ca_file.as_deref())
}

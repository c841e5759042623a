//! The relay: it listens, and serves each connection in a task of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::CloseReason;
use crate::config::RelayConfig;
use crate::connection::{Shared, serve};
use crate::hub::Hub;
use crate::stats::{Counters, RelayStats};
use crate::tls;

/// How many connections at one time are told that there are too many. Further ones are dropped without an
/// answer.
const TURNED_AWAY_AT_ONCE: usize = 32;

/// How long such an answer may take.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait after `accept` failed, as when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running relay. Dropping it ends it at once; [`Relay::shutdown`] ends it in good order.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use concilium_relay::{Relay, RelayConfig};
///
/// let relay = Relay::bind("127.0.0.1:0", RelayConfig::default()).await?;
/// println!("ws://{}", relay.local_addr());
/// relay.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Relay {
    local_addr: SocketAddr,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    shutdown: watch::Sender<bool>,
    listening: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens at an address and serves from now on, on the present tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound; the configuration makes no sense ([`io::ErrorKind::InvalidInput`]); the
    /// TLS files cannot be used ([`io::ErrorKind::InvalidData`], with a [`TlsError`](crate::TlsError)
    /// inside).
    pub async fn bind(addr: impl ToSocketAddrs, config: RelayConfig) -> io::Result<Self> {
        config.check()?;
        let tls = config
            .tls
            .as_ref()
            .map(tls::acceptor)
            .transpose()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let listener = TcpListener::bind(addr).await?;
        let local_addr = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let shared = Arc::new(Shared {
            hub: Hub::new(config.hub_limits(), Arc::clone(&counters)),
            config,
        });
        let (shutdown, stop) = watch::channel(false);
        let server = Server {
            tls,
            shared: Arc::clone(&shared),
            counters: Arc::clone(&counters),
            slots: Arc::new(Semaphore::new(shared.config.connections)),
            refusals: Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE)),
            stop,
            tasks: JoinSet::new(),
        };
        Ok(Self {
            local_addr,
            shared,
            counters,
            shutdown,
            listening: Some(tokio::spawn(server.listen(listener))),
        })
    }

    /// Where it listens: the actual port if port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> RelayStats {
        self.counters.relay()
    }

    /// Ends it in good order: accepts no more connections, tells every client, closes the connections, and
    /// returns when all are closed or the configured time is over.
    pub async fn shutdown(mut self) {
        // After this no client can join, so that none is missed.
        self.shared.hub.close();
        self.shutdown.send_replace(true);
        if let Some(listening) = self.listening.take() {
            let _ = listening.await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // The task owns those of the connections: they end with it.
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

struct Server {
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    slots: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
    tasks: JoinSet<()>,
}

impl Server {
    async fn listen(mut self, listener: TcpListener) {
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(_) = self.tasks.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, from)) => {
                        debug!(%from, "a connection comes in");
                        self.admit(stream);
                    }
                    Err(error) => {
                        warn!(%error, "accepting a connection failed; trying again");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let all_closed = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(self.shared.config.shutdown_timeout, all_closed)
            .await
            .is_err()
        {
            self.tasks.shutdown().await;
        }
    }

    /// Gives a connection a task of its own, or turns it away.
    fn admit(&mut self, stream: TcpStream) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            self.counters.turned_away();
            if let (None, Ok(turn)) = (&self.tls, Arc::clone(&self.refusals).try_acquire_owned()) {
                self.tasks.spawn(async move {
                    turn_away(stream).await;
                    drop(turn);
                });
            }
            return;
        };
        let open = Open::new(Arc::clone(&self.counters));
        let (tls, shared) = (self.tls.clone(), Arc::clone(&self.shared));
        let mut stop = self.stop.clone();
        self.tasks.spawn(async move {
            let mut open = open;
            open.cut = serve(stream, tls, shared, stopped(&mut stop)).await;
            drop(slot);
        });
    }
}

/// Waits until the relay is told to end, or is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Counts a connection for as long as it lives, however its task ends.
struct Open {
    counters: Arc<Counters>,
    cut: Option<CloseReason>,
}

impl Open {
    fn new(counters: Arc<Counters>) -> Self {
        counters.connected();
        Self { counters, cut: None }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counters.disconnected(self.cut);
    }
}

/// Says in plain HTTP that there is no room.
async fn turn_away(mut stream: TcpStream) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let _ = timeout(TURN_AWAY_TIMEOUT, async {
        stream.write_all(ANSWER).await?;
        stream.shutdown().await?;
        // The request is read and dropped, lest the answer be lost in a reset.
        let mut request = [0; 1024];
        while stream.read(&mut request).await? > 0 {}
        io::Result::Ok(())
    })
    .await;
}

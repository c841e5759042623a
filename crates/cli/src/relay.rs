//! `concilium relay`: the server that carries the packets, until it is told to stop.

use std::io;
use std::net::SocketAddr;

use concilium_relay::Relay;

use crate::args::RelayArgs;
use crate::screen;

/// Why there is no relay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RelayError {
    /// It could not be started.
    #[error(
        "the relay cannot listen at {listen}: {source}; choose another address with --listen, or mend what is named here"
    )]
    Bind {
        /// Where.
        listen: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The system does not let us hear of its signals.
    #[error("this system does not say when to stop: {0}")]
    Signals(#[from] io::Error),
}

/// Runs a relay until ctrl-c, or a request to terminate; then everyone connected is told.
pub(crate) async fn run(args: RelayArgs) -> Result<(), RelayError> {
    let config = args.config();
    let scheme = if config.tls.is_some() { "wss" } else { "ws" };
    // Before the relay says that it is there, so that a script that waits for that may stop it at once.
    let mut stop = Stop::listen()?;
    let relay = Relay::bind(args.listen, config)
        .await
        .map_err(|source| RelayError::Bind {
            listen: args.listen,
            source,
        })?;
    screen::out(&format!("relay at {scheme}://{}", relay.local_addr()));
    stop.wait().await;
    let stats = relay.stats();
    screen::out(&format!(
        "stopping: {} connections are told; {} packets in, {} out, {} bytes in, {} out",
        stats.connections, stats.packets_in, stats.packets_out, stats.bytes_in, stats.bytes_out
    ));
    relay.shutdown().await;
    Ok(())
}

/// The user's or the system's wish that we stop: ctrl-c, and on Unix the signal to terminate.
pub(crate) struct Stop {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    /// From now on the wish does not end the process by itself.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            interrupt: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?,
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    /// Waits for the wish, which may be uttered several times.
    pub(crate) async fn wait(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

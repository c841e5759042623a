//! The task behind a client: it runs one connection after another.

use std::sync::Arc;
use std::time::Duration;

use concilium_core::channel::ChannelEvent;
use concilium_core::{Context, SessionName, Time};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tracing::debug;

use super::dial::Target;
use super::presence::Presences;
use super::{Backoff, ClientConfig, ClientEvent, Disconnect};
use crate::CloseReason;
use crate::link::{self, Listener, Pace, Socket};
use crate::protocol::{Incoming, ResumeToken, read};
use crate::queue::Queue;
use crate::stats::Counters;

/// What the task hands to the handle.
#[derive(Debug)]
pub(super) enum Post {
    /// To be passed on.
    Event(ClientEvent),
    /// Connected again: from when the caller takes this, it may act on this connection.
    Connected {
        /// The connection's number.
        epoch: u64,
    },
}

pub(super) struct Task {
    pub(super) target: Target,
    pub(super) token: ResumeToken,
    pub(super) config: ClientConfig,
    pub(super) presences: Arc<Presences>,
    pub(super) counters: Arc<Counters>,
    pub(super) events: mpsc::Sender<Post>,
}

/// The handle is gone.
struct Finished;

impl Task {
    /// Makes the first connection.
    pub(super) async fn dial(&self) -> Result<(Socket, Arc<Queue>), Disconnect> {
        let (socket, max_packet_bytes) = self.attempt().await?;
        let (_, queue) = self.presences.connected(max_packet_bytes, Vec::new());
        self.counters.connected();
        Ok((socket, queue))
    }

    /// Runs connections until the handle is gone or there is no point in trying again.
    pub(super) async fn run(self, mut socket: Socket, mut queue: Arc<Queue>) {
        let pace = Pace {
            ping_interval: self.config.ping_interval,
            silence_timeout: self.config.silence_timeout,
        };
        let mut failures = 0;
        loop {
            let since = Instant::now();
            let (closing, ended) = link::run(socket, &queue, &mut ClientListener(&self), pace).await;
            debug!(?ended, "the connection ends");
            let (inside, wanted) = self.presences.disconnected();
            if self
                .config
                .reconnect
                .is_some_and(|backoff| since.elapsed() >= backoff.max)
            {
                failures = 0;
            }
            // T-3: we are out, and that is said at once; goodbyes need not be waited for.
            let goodbye = link::close(closing, &ended);
            let channels = if self.config.reenter { wanted } else { Vec::new() };
            let (next, ()) = tokio::join!(
                self.between(inside, channels, ended.clone().into(), &mut failures),
                goodbye
            );
            match next {
                Ok((next_socket, next_queue)) => (socket, queue) = (next_socket, next_queue),
                Err(Finished) => return,
            }
        }
    }

    /// From one connection to the next.
    async fn between(
        &self,
        inside: Vec<SessionName>,
        reenter: Vec<SessionName>,
        mut reason: Disconnect,
        failures: &mut u32,
    ) -> Result<(Socket, Arc<Queue>), Finished> {
        for channel in inside {
            self.tell(ClientEvent::Channel {
                channel,
                event: ChannelEvent::Left,
            })
            .await?;
        }
        loop {
            let retry_in = self
                .config
                .reconnect
                // Another version of the protocol will not come by waiting.
                .filter(|_| reason != Disconnect::Closed(CloseReason::Protocol))
                .map(|backoff| wait(backoff, *failures));
            *failures = failures.saturating_add(1);
            self.tell(ClientEvent::Disconnected { reason, retry_in }).await?;
            let attempt = async {
                sleep(retry_in.ok_or(Finished)?).await;
                Ok(self.attempt().await)
            };
            let attempt = tokio::select! {
                attempt = attempt => attempt?,
                () = self.events.closed() => return Err(Finished),
            };
            match attempt {
                Ok((socket, max_packet_bytes)) => {
                    let (epoch, queue) = self.presences.connected(max_packet_bytes, reenter);
                    self.counters.connected();
                    self.post(Post::Connected { epoch }).await?;
                    return Ok((socket, queue));
                }
                Err(why) => reason = why,
            }
        }
    }

    async fn attempt(&self) -> Result<(Socket, usize), Disconnect> {
        let attempt = self.target.dial(&self.config.member, &self.token);
        timeout(self.config.connect_timeout, attempt)
            .await
            .unwrap_or(Err(Disconnect::Timeout))
    }

    async fn tell(&self, event: ClientEvent) -> Result<(), Finished> {
        self.post(Post::Event(event)).await
    }

    async fn post(&self, post: Post) -> Result<(), Finished> {
        if self.presences.is_finished() {
            return Err(Finished);
        }
        self.events.send(post).await.map_err(|_| Finished)
    }
}

/// How long to wait after this many failures.
fn wait(backoff: Backoff, failures: u32) -> Duration {
    let longest = backoff
        .initial
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(backoff.max);
    Context::new(Time::ZERO, &mut getrandom::SysRng).jitter(longest / 2, longest)
}

struct ClientListener<'a>(&'a Task);

impl Listener for ClientListener<'_> {
    async fn hear(&mut self, message: Message) -> Result<(), CloseReason> {
        let Self(task) = self;
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(_) => return Err(CloseReason::Text),
            _ => return Ok(()),
        };
        // First the room, then the event: nothing is half done if the connection ends here.
        let Ok(room) = task.events.reserve().await else {
            // The handle is gone, and with it the interest in events; its actions are still being written.
            return Ok(());
        };
        match read(&bytes) {
            Incoming::Known(message) => {
                if let Some(event) = task.presences.interpret(message) {
                    room.send(Post::Event(event));
                }
                Ok(())
            }
            Incoming::Unknown(kind) => {
                task.presences.skip(kind);
                Ok(())
            }
            Incoming::Malformed => Err(CloseReason::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_with_jitter_up_to_the_longest() {
        let backoff = Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(1),
        };
        for (failures, most) in [
            (0, 100),
            (1, 200),
            (2, 400),
            (3, 800),
            (4, 1000),
            (u32::MAX, 1000),
        ] {
            for _ in 0..20 {
                let wait = wait(backoff, failures);
                assert!(wait <= Duration::from_millis(most), "{wait:?} after {failures}");
                assert!(
                    wait >= Duration::from_millis(most / 2),
                    "{wait:?} after {failures}"
                );
            }
        }
    }
}

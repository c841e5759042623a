//! Which channels we are in on the present connection, and what waits to be written to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::{SessionName, wire};
use tracing::warn;

use super::{ActionError, ClientEvent};
use crate::CloseReason;
use crate::protocol::{ClientMessage, ServerMessage};
use crate::queue::{PushError, Queue, QueueLimit};
use crate::stats::Counters;

/// Shared by the client's handle and its task.
#[derive(Debug)]
pub(super) struct Presences {
    limit: QueueLimit,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts connections. A caller must know of the present one to act on it.
    epoch: u64,
    connection: Option<Connection>,
    /// The handle is gone: no connection any more.
    finished: bool,
}

#[derive(Debug)]
struct Connection {
    queue: Arc<Queue>,
    max_packet_bytes: usize,
    channels: BTreeMap<SessionName, Presence>,
}

/// Our relation to a channel. Events that do not fit it are skipped, so that the relay cannot make us keep
/// track of channels that we never asked for.
#[derive(Debug, Default)]
struct Presence {
    /// Wishes to enter that are not answered yet.
    asked: u32,
    inside: bool,
    /// The last that was asked for was to enter, not to leave.
    wanted: bool,
}

impl Presences {
    pub(super) fn new(limit: QueueLimit, counters: Arc<Counters>) -> Self {
        Self {
            limit,
            counters,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in this file panics while it holds the lock, so a poisoned lock guards a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// A new connection: its number and its queue. Wishes to enter `channels` are in it already.
    pub(super) fn connected(&self, max_packet_bytes: usize, channels: Vec<SessionName>) -> (u64, Arc<Queue>) {
        let mut state = self.lock();
        state.epoch += 1;
        let epoch = state.epoch;
        let queue = Arc::new(Queue::new(self.limit));
        state.connection = Some(Connection {
            queue: Arc::clone(&queue),
            max_packet_bytes,
            channels: BTreeMap::new(),
        });
        if state.finished {
            queue.finish(CloseReason::Done);
        }
        drop(state);
        for channel in channels {
            // A queue too short even for these refuses them; the driver sees that it is not in.
            let _ = self.act(epoch, &channel, ChannelAction::Enter);
        }
        (epoch, queue)
    }

    /// The connection is no more: the channels that we were in, and those that we want to be in.
    pub(super) fn disconnected(&self) -> (Vec<SessionName>, Vec<SessionName>) {
        let connection = self.lock().connection.take();
        let channels = connection
            .map(|connection| connection.channels)
            .unwrap_or_default();
        let those = |f: fn(&Presence) -> bool| {
            let those = channels.iter().filter(|(_, presence)| f(presence));
            those.map(|(channel, _)| channel.clone()).collect()
        };
        (
            those(|presence| presence.inside),
            those(|presence| presence.wanted),
        )
    }

    /// The handle is gone: queued actions are still written, and nothing else happens.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.finished = true;
        if let Some(connection) = &state.connection {
            connection.queue.finish(CloseReason::Done);
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.lock().finished
    }

    /// Queues an action of a caller that knows of connection number `epoch`.
    pub(super) fn act(
        &self,
        epoch: u64,
        channel: &SessionName,
        action: ChannelAction,
    ) -> Result<(), ActionError> {
        let mut state = self.lock();
        if state.epoch != epoch {
            return Err(ActionError::Disconnected);
        }
        let connection = state.connection.as_mut().ok_or(ActionError::Disconnected)?;
        let packet = match &action {
            ChannelAction::Send { bytes } => Some(bytes.len()),
            _ => None,
        };
        let limit = connection.max_packet_bytes;
        if let Some(len) = packet.filter(|len| *len > limit) {
            return Err(ActionError::PacketTooLarge { len, limit });
        }
        let wish = match &action {
            ChannelAction::Enter => Some(true),
            ChannelAction::Leave => Some(false),
            _ => None,
        };
        let message = message(channel.clone(), action).ok_or(ActionError::Unknown)?;
        connection
            .queue
            .push(wire::encode(&message).into())
            .map_err(|error| match error {
                PushError::Full => ActionError::QueueFull,
                PushError::Closed => ActionError::Disconnected,
            })?;
        if let Some(len) = packet {
            self.counters.packet_out(len);
        }
        match wish {
            Some(true) => {
                let presence = connection.channels.entry(channel.clone()).or_default();
                presence.asked = presence.asked.saturating_add(1);
                presence.wanted = true;
            }
            Some(false) => {
                if let Some(presence) = connection.channels.get_mut(channel) {
                    presence.wanted = false;
                }
            }
            None => {}
        }
        Ok(())
    }

    /// What the caller is told about a message of the relay, if anything.
    pub(super) fn interpret(&self, message: ServerMessage) -> Option<ClientEvent> {
        let mut state = self.lock();
        let event = state
            .connection
            .as_mut()
            .and_then(|connection| connection.interpret(message, &self.counters));
        if event.is_none() {
            self.counters.skipped();
        }
        event
    }

    /// A41: a message of a kind that we do not know is skipped and counted.
    pub(super) fn skip(&self, kind: u8) {
        warn!(
            kind,
            "the relay said something of an unknown kind; updating may help"
        );
        self.counters.skipped();
    }
}

impl Connection {
    fn interpret(&mut self, message: ServerMessage, counters: &Counters) -> Option<ClientEvent> {
        let (channel, event) = match message {
            ServerMessage::Entered { channel, members } => {
                let presence = self.channels.get_mut(&channel)?;
                if presence.inside {
                    return None;
                }
                presence.asked = presence.asked.checked_sub(1)?;
                presence.inside = true;
                (channel, ChannelEvent::Entered { members })
            }
            ServerMessage::Left { channel } => {
                let presence = self.inside(&channel)?;
                presence.inside = false;
                if presence.asked == 0 {
                    self.channels.remove(&channel);
                }
                (channel, ChannelEvent::Left)
            }
            ServerMessage::MemberEntered { channel, member } => {
                self.inside(&channel)?;
                (channel, ChannelEvent::MemberEntered { member })
            }
            ServerMessage::MemberLeft { channel, member } => {
                self.inside(&channel)?;
                (channel, ChannelEvent::MemberLeft { member })
            }
            ServerMessage::Packet { channel, from, bytes } => {
                self.inside(&channel)?;
                counters.packet_in(bytes.len());
                (channel, ChannelEvent::Packet { from, bytes })
            }
            ServerMessage::Invited { channel, by } => return Some(ClientEvent::Invited { channel, by }),
            ServerMessage::Refused { channel, refusal } => {
                if refusal.of_enter() {
                    let presence = self.channels.get_mut(&channel)?;
                    presence.asked = presence.asked.checked_sub(1)?;
                    if presence.asked == 0 && !presence.inside {
                        self.channels.remove(&channel);
                    }
                }
                return Some(ClientEvent::Refused { channel, refusal });
            }
            ServerMessage::Skipped { kind } => {
                warn!(kind, "the relay is older than this program and skipped a message");
                return None;
            }
            ServerMessage::Welcome { .. } => return None,
        };
        Some(ClientEvent::Channel { channel, event })
    }

    fn inside(&mut self, channel: &SessionName) -> Option<&mut Presence> {
        self.channels.get_mut(channel).filter(|presence| presence.inside)
    }
}

fn message(channel: SessionName, action: ChannelAction) -> Option<ClientMessage> {
    Some(match action {
        ChannelAction::Enter => ClientMessage::Enter { channel },
        ChannelAction::Leave => ClientMessage::Leave { channel },
        ChannelAction::Send { bytes } => ClientMessage::Send { channel, bytes },
        ChannelAction::Invite { member } => ClientMessage::Invite { channel, member },
        ChannelAction::Kick { member } => ClientMessage::Kick { channel, member },
        // What a later `concilium-core` may add.
        _ => return None,
    })
}

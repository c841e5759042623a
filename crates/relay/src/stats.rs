//! Counters: cheap enough to be always on.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::CloseReason;

/// What a relay has done since it was bound. Packets and bytes are those of the group channel: control
/// messages, WebSocket and TLS are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayStats {
    /// Connections open now, those included that have not said hello.
    pub connections: u64,
    /// Connections accepted in all.
    pub connections_accepted: u64,
    /// Connections turned away because there were too many.
    pub connections_refused: u64,
    /// Connections ended by the relay because of what the client did or failed to do.
    pub connections_cut: u64,
    /// Packets taken from members.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Packets queued for members, each reader counted.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
}

/// What a client has done since it first connected. Packets and bytes as in [`RelayStats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Connections made, the first included.
    pub connections: u64,
    /// Packets handed to the connection.
    pub packets_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Packets received, our own echoes included.
    pub packets_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Messages of the relay that were skipped: of a kind unknown to this version, or about a channel that we
    /// were not in.
    pub skipped: u64,
}

/// The counters themselves, shared by all tasks of one relay or client.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    connections: AtomicU64,
    connections_accepted: AtomicU64,
    connections_refused: AtomicU64,
    connections_cut: AtomicU64,
    packets_in: AtomicU64,
    bytes_in: AtomicU64,
    packets_out: AtomicU64,
    bytes_out: AtomicU64,
    skipped: AtomicU64,
}

// Each counter stands alone and is only ever shown: no ordering between them is needed.
fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counters {
    pub(crate) fn connected(&self) {
        add(&self.connections, 1);
        add(&self.connections_accepted, 1);
    }

    pub(crate) fn disconnected(&self, cut: Option<CloseReason>) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        match cut {
            None | Some(CloseReason::Done | CloseReason::Shutdown | CloseReason::Displaced) => {}
            Some(_) => add(&self.connections_cut, 1),
        }
    }

    pub(crate) fn turned_away(&self) {
        add(&self.connections_refused, 1);
    }

    pub(crate) fn packet_in(&self, bytes: usize) {
        add(&self.packets_in, 1);
        add(&self.bytes_in, bytes);
    }

    pub(crate) fn packet_out(&self, bytes: usize) {
        add(&self.packets_out, 1);
        add(&self.bytes_out, bytes);
    }

    pub(crate) fn skipped(&self) {
        add(&self.skipped, 1);
    }

    pub(crate) fn relay(&self) -> RelayStats {
        RelayStats {
            connections: read(&self.connections),
            connections_accepted: read(&self.connections_accepted),
            connections_refused: read(&self.connections_refused),
            connections_cut: read(&self.connections_cut),
            packets_in: read(&self.packets_in),
            bytes_in: read(&self.bytes_in),
            packets_out: read(&self.packets_out),
            bytes_out: read(&self.bytes_out),
        }
    }

    pub(crate) fn client(&self) -> ClientStats {
        ClientStats {
            connections: read(&self.connections_accepted),
            packets_sent: read(&self.packets_out),
            bytes_sent: read(&self.bytes_out),
            packets_received: read(&self.packets_in),
            bytes_received: read(&self.bytes_in),
            skipped: read(&self.skipped),
        }
    }
}

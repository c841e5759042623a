//! Packets that cannot be read yet, because they may depend on packets that are not here (M-2).

use std::collections::{BTreeMap, VecDeque};

use concilium_core::{MemberId, Time, wire};
use serde::{Deserialize, Serialize};

use crate::due::{Due, DueReason};

/// The most waiting packets of one sender: more than a member sends while an operation ends.
const MAX_PACKETS: usize = 64;

/// The most bytes of one sender that wait: a few messages of the greatest length.
const MAX_BYTES: usize = 512 * 1024;

/// Packets waiting for keys, each sender within a quota of its own. A sender that overflows it loses its own
/// oldest packet; a resend may bring that back.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WaitingRoom {
    senders: BTreeMap<MemberId, VecDeque<Waiting>>,
}

/// One packet, without its outer frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    #[serde(with = "wire::bytes")]
    pub(crate) packet: Vec<u8>,
    pub(crate) until: Time,
    /// Whether it is worth a warning if it stays unreadable: not if it may well be meant for others.
    pub(crate) suspicious: bool,
}

impl WaitingRoom {
    pub(crate) fn push(&mut self, from: &MemberId, waiting: Waiting) {
        let queue = self.senders.entry(from.clone()).or_default();
        if queue.iter().any(|other| other.packet == waiting.packet) {
            return;
        }
        queue.push_back(waiting);
        while queue.len() > MAX_PACKETS
            || queue.iter().map(|waiting| waiting.packet.len()).sum::<usize>() > MAX_BYTES
        {
            queue.pop_front();
        }
    }

    /// Everything that waits, in order of arrival for each sender. The room is empty afterwards.
    pub(crate) fn take(&mut self) -> Vec<(MemberId, Waiting)> {
        std::mem::take(&mut self.senders)
            .into_iter()
            .flat_map(|(from, queue)| queue.into_iter().map(move |waiting| (from.clone(), waiting)))
            .collect()
    }

    /// Takes out what has waited long enough: whose it was, and whether any of it was suspicious.
    pub(crate) fn expire(&mut self, now: Time) -> Vec<(MemberId, bool)> {
        let mut senders = Vec::new();
        self.senders.retain(|from, queue| {
            let expired = queue.iter().take_while(|waiting| waiting.until <= now).count();
            let mut expired = queue.drain(..expired).peekable();
            if expired.peek().is_some() {
                senders.push((from.clone(), expired.any(|waiting| waiting.suspicious)));
            }
            drop(expired);
            !queue.is_empty()
        });
        senders
    }

    /// How many packets wait.
    pub(crate) fn len(&self) -> usize {
        self.senders.values().map(VecDeque::len).sum()
    }

    /// When the next packet has waited long enough.
    pub(crate) fn next_due(&self, now: Time) -> Option<Due> {
        let first = self.senders.values().filter_map(|queue| queue.front());
        let dues = first.map(|waiting| Due::new(DueReason::MissKeys, waiting.until));
        Due::first(dues, now)
    }

    /// What a sender has here is no longer of interest.
    pub(crate) fn forget(&mut self, from: &MemberId) {
        self.senders.remove(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(n: usize, len: usize) -> Waiting {
        let mut packet = vec![0; len.max(8)];
        packet[..8].copy_from_slice(&n.to_le_bytes());
        Waiting {
            packet,
            until: Time::from_millis(n as u64),
            suspicious: n.is_multiple_of(2),
        }
    }

    #[test]
    fn a39_a_flood_costs_only_its_sender() {
        let (honest, flood) = (MemberId::new("honest").unwrap(), MemberId::new("flood").unwrap());
        let mut room = WaitingRoom::default();
        room.push(&honest, waiting(1, 100));
        for n in 0..10 * MAX_PACKETS {
            room.push(&flood, waiting(n, 60_000));
        }
        let all = room.take();
        assert_eq!(all.iter().filter(|(from, _)| *from == honest).count(), 1);
        let bytes: usize = all.iter().map(|(_, waiting)| waiting.packet.len()).sum();
        assert!(bytes <= MAX_BYTES + 100, "{bytes}");
        assert!(all.len() > 2, "the newest are kept");
    }

    #[test]
    fn m02_packets_wait_for_a_time_and_then_go() {
        let from = MemberId::new("x").unwrap();
        let mut room = WaitingRoom::default();
        room.push(&from, waiting(5, 10));
        room.push(&from, waiting(5, 10));
        room.push(&from, waiting(6, 10));
        let due = room.next_due(Time::ZERO).unwrap();
        assert_eq!(due, Due::new(DueReason::MissKeys, Time::from_millis(5)));
        assert_eq!(room.expire(Time::from_millis(4)), []);
        assert_eq!(room.expire(Time::from_millis(5)), [(from.clone(), false)]);
        assert_eq!(room.expire(Time::from_millis(6)), [(from, true)]);
        assert_eq!(room.next_due(Time::ZERO), None);
    }
}

//! The way from the server to one member: how long it takes, and what goes wrong on it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use concilium_core::channel::ChannelEvent;
use concilium_core::packet::{self, PacketKind};
use concilium_core::{MemberId, Time};
use concilium_testkit::channel::Delivery;

/// Something on its way to a member.
#[derive(Clone, Debug)]
pub(crate) struct Arriving {
    pub(crate) delivery: Delivery,
    /// Whether it is a packet that no member ever made, so that it must change nothing (K-5, A-18).
    pub(crate) is_forged: bool,
}

/// What is on its way to one member.
#[derive(Debug, Default)]
pub(crate) struct Link {
    queue: BTreeMap<(Time, u64), Arriving>,
    count: u64,
    /// The members that seem to have left and are to be shown as entering again, and where in the queue that
    /// stands.
    hidden: BTreeMap<MemberId, (Time, u64)>,
    /// When the last one arrives that was not held back: an honest channel keeps the order.
    last: Time,
    slow_until: Time,
    extra: Duration,
    miss: usize,
    miss_messages: usize,
    miss_operations: usize,
    /// Packets that never arrive, however often they are sent.
    never: BTreeSet<Vec<u8>>,
    twice: bool,
    /// One that arrives after this many others.
    held: Option<(Arriving, usize)>,
    places: usize,
}

/// Whether a packet is of this kind, as its frame shows.
fn is_of(kind: PacketKind, bytes: &[u8]) -> bool {
    matches!(packet::read(bytes), Ok((found, _)) if found == kind)
}

impl Link {
    /// Sends something on its way, at `now`, to arrive after `latency`.
    pub(crate) fn push(&mut self, arriving: Arriving, now: Time, latency: Duration) {
        if let ChannelEvent::Packet { bytes, .. } = &arriving.delivery.event {
            if self.miss > 0 {
                self.miss -= 1;
                return;
            }
            if self.miss_messages > 0 && is_of(PacketKind::Message, bytes) {
                self.miss_messages -= 1;
                return;
            }
            if self.miss_operations > 0 && is_of(PacketKind::Operation, bytes) {
                self.miss_operations -= 1;
                return;
            }
            if self.never.contains(bytes) {
                return;
            }
        }
        let extra = if now < self.slow_until {
            self.extra
        } else {
            Duration::ZERO
        };
        self.last = self.last.max(now.after(latency + extra));
        // A member learns at its own end of the connection whether it is in the channel at all. Nothing can
        // change the order there: events that were held back come before.
        if matches!(
            arriving.delivery.event,
            ChannelEvent::Entered { .. } | ChannelEvent::Left
        ) {
            if let Some((held, _)) = self.held.take() {
                self.insert(self.last, held);
            }
            self.insert(self.last, arriving);
            return;
        }
        if self.places > 0 {
            let places = std::mem::take(&mut self.places);
            if let Some((earlier, _)) = self.held.replace((arriving, places)) {
                self.insert(self.last, earlier);
            }
            return;
        }
        if std::mem::take(&mut self.twice) {
            self.insert(self.last, arriving.clone());
        }
        self.insert(self.last, arriving);
        if let Some((held, places)) = self.held.take() {
            if places > 1 {
                self.held = Some((held, places - 1));
            } else {
                self.insert(self.last, held);
            }
        }
    }

    /// Sends something on its way that arrives exactly at that time.
    pub(crate) fn push_at(&mut self, arriving: Arriving, at: Time) {
        self.insert(at, arriving);
    }

    /// Sends word on its way that a member hidden by a split is there. It arrives when the split ends.
    pub(crate) fn show_again(&mut self, member: MemberId, arriving: Arriving, at: Time) {
        self.see(&member);
        let place = self.insert(at, arriving);
        self.hidden.insert(member, place);
    }

    /// The member is shown as it is, there or not: no split hides it any more.
    pub(crate) fn see(&mut self, member: &MemberId) {
        if let Some(place) = self.hidden.remove(member) {
            self.queue.remove(&place);
        }
    }

    /// All members that are there are shown.
    pub(crate) fn see_all(&mut self) {
        for place in std::mem::take(&mut self.hidden).values() {
            self.queue.remove(place);
        }
    }

    fn insert(&mut self, at: Time, arriving: Arriving) -> (Time, u64) {
        let place = (at, self.count);
        self.queue.insert(place, arriving);
        self.count += 1;
        place
    }

    /// When the next one arrives.
    pub(crate) fn next(&self) -> Time {
        self.queue.keys().next().map_or(Time::NEVER, |(at, _)| *at)
    }

    pub(crate) fn pop(&mut self) -> Option<Arriving> {
        self.queue.pop_first().map(|(_, arriving)| arriving)
    }

    /// Whether the member is out of the channel already and has yet to hear of it.
    pub(crate) fn brings_left(&self) -> bool {
        self.brings(|event| *event == ChannelEvent::Left)
    }

    /// Whether the member is in the channel already and has yet to hear of it.
    pub(crate) fn brings_entered(&self) -> bool {
        self.brings(|event| matches!(event, ChannelEvent::Entered { .. }))
    }

    fn brings(&self, wanted: impl Fn(&ChannelEvent) -> bool) -> bool {
        let mut arriving = self.queue.values();
        arriving.any(|arriving| wanted(&arriving.delivery.event))
    }

    /// Nothing that is on its way arrives.
    pub(crate) fn cut(&mut self) {
        self.queue.clear();
        self.held = None;
    }

    // What goes wrong.

    pub(crate) fn slow_down(&mut self, extra: Duration, until: Time) {
        self.extra = extra;
        self.slow_until = until;
    }

    pub(crate) fn miss(&mut self, packets: usize, messages_only: bool) {
        if messages_only {
            self.miss_messages += packets;
        } else {
            self.miss += packets;
        }
    }

    pub(crate) fn miss_operations(&mut self, packets: usize) {
        self.miss_operations += packets;
    }

    /// This packet never arrives, however often it is sent.
    pub(crate) fn never(&mut self, bytes: Vec<u8>) {
        self.never.insert(bytes);
    }

    /// What is on its way with these bytes does not arrive.
    pub(crate) fn take_back(&mut self, packet: &[u8]) {
        self.queue.retain(|_, arriving| {
            !matches!(&arriving.delivery.event, ChannelEvent::Packet { bytes, .. } if bytes == packet)
        });
    }

    pub(crate) fn twice(&mut self) {
        self.twice = true;
    }

    pub(crate) fn hold_next(&mut self, places: usize) {
        self.places = places;
    }

    /// From now on nothing goes wrong.
    pub(crate) fn heal(&mut self, now: Time) {
        (self.miss, self.miss_messages, self.miss_operations) = (0, 0, 0);
        (self.twice, self.places) = (false, 0);
        self.never.clear();
        self.slow_until = Time::ZERO;
        for place in std::mem::take(&mut self.hidden).values() {
            if let Some(arriving) = self.queue.remove(place) {
                self.insert(now, arriving);
            }
        }
        if let Some((held, _)) = self.held.take() {
            self.last = self.last.max(now);
            self.insert(self.last, held);
        }
    }
}

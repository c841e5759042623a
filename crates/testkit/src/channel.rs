//! A group channel in memory: one total order of events, and for every process a queue of those that it has
//! not been given yet.
//!
//! The order is made when something happens, not when it is delivered: what a process asks for takes the next
//! position at once, and who is in the channel at that position sees it. Delivery is the driver's business
//! and honest by itself: every process takes its events in their order. Whatever a server can do wrong is a
//! method of its own.
//!
//! ```
//! use concilium_core::channel::{ChannelAction, ChannelEvent};
//! use concilium_core::{MemberId, MemberSet, Time};
//! use concilium_testkit::channel::Channel;
//!
//! let alice = MemberId::new("alice")?;
//! let mut channel = Channel::new([alice.clone()]);
//! channel.ask(&alice, ChannelAction::Enter, Time::ZERO);
//! let entered = channel.take(&alice).expect("an event is queued");
//! assert_eq!(entered.event, ChannelEvent::Entered { members: MemberSet::of(alice) });
//! # Ok::<(), concilium_core::NameError>(())
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::{MemberId, MemberSet, Time};

/// The most events of one run: far more than any test needs, and the end of one that never rests.
pub const MAX_EVENTS: u64 = 1_000_000;

/// One event on its way to one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in the order, from zero.
    pub position: u64,
    /// The place at which this process is shown it: another one than [`position`](Self::position) if the
    /// server swaps it.
    pub slot: u64,
    /// When it took that place.
    pub at: Time,
    /// What the process sees.
    pub event: ChannelEvent,
    /// The packet's number, if it is one.
    pub packet: Option<usize>,
    /// Whether the server loses it on its last step: then the process never sees it.
    pub lost: bool,
}

/// A packet of the run. The first has number 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// Who sent it, or is said to have.
    pub from: MemberId,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The position that it took, or none if the server lost it for all.
    pub position: Option<u64>,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It has a place in the order; a packet has this number.
    Ordered(Option<usize>),
    /// The server lost this packet for all.
    Lost(usize),
    /// Nothing: whoever asked is not in the channel, or what it asked for is so already.
    Nothing,
}

/// The channel. See the [module](self).
#[derive(Clone, Debug)]
pub struct Channel {
    members: MemberSet,
    queues: BTreeMap<MemberId, VecDeque<Delivery>>,
    unreachable: BTreeSet<MemberId>,
    order: Vec<(Time, ChannelEvent)>,
    packets: Vec<SentPacket>,
    sent: Sent,
    drop_from: BTreeMap<MemberId, usize>,
    drop_to: BTreeMap<MemberId, usize>,
    swap_for: BTreeSet<MemberId>,
    duplicate_next: usize,
}

/// What the processes have sent so far, without what the server made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Channel {
    /// An empty channel for these processes. None of them is in it.
    pub fn new(processes: impl IntoIterator<Item = MemberId>) -> Self {
        Self {
            members: MemberSet::new(),
            queues: processes.into_iter().map(|id| (id, VecDeque::new())).collect(),
            unreachable: BTreeSet::new(),
            order: Vec::new(),
            packets: Vec::new(),
            sent: Sent::default(),
            drop_from: BTreeMap::new(),
            drop_to: BTreeMap::new(),
            swap_for: BTreeSet::new(),
            duplicate_next: 0,
        }
    }

    /// Who is in the channel at the end of the order.
    #[must_use]
    pub fn members(&self) -> &MemberSet {
        &self.members
    }

    /// Every packet so far, what the server made up included.
    #[must_use]
    pub fn packets(&self) -> &[SentPacket] {
        &self.packets
    }

    /// What the processes have sent so far.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// The position that the next event will take.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.order.len() as u64
    }

    /// The order from a position on, as it looks to who is in the channel throughout and is neither of those
    /// who enter and leave: when each event took its place, and what it is. Nothing that a server loses on
    /// the way is missing.
    pub fn order_from(&self, position: u64) -> impl Iterator<Item = &(Time, ChannelEvent)> {
        self.order
            .iter()
            .skip(usize::try_from(position).unwrap_or(usize::MAX))
    }

    /// When the last event took its position, if there was any.
    #[must_use]
    pub fn last_event_at(&self) -> Option<Time> {
        self.order.last().map(|(at, _)| *at)
    }

    /// Whether the run has as many events as a run may have; further ones do not happen.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.next_position() >= MAX_EVENTS
    }

    // What processes ask for.

    /// Does what a process asks for, as an honest server would.
    pub fn ask(&mut self, who: &MemberId, action: ChannelAction, now: Time) -> Effect {
        match action {
            ChannelAction::Enter => self.enter(who, now),
            _ if !self.members.contains(who) => Effect::Nothing,
            ChannelAction::Leave => self.leave(who, now),
            ChannelAction::Kick { member } => self.kick(member, now),
            ChannelAction::Invite { member } => self.enter(&member, now),
            ChannelAction::Send { bytes } => self.send(who, bytes, now),
            _ => Effect::Nothing,
        }
    }

    fn enter(&mut self, who: &MemberId, now: Time) -> Effect {
        let known = self.queues.contains_key(who) && !self.unreachable.contains(who);
        if !known || !self.members.insert(who.clone()) {
            return Effect::Nothing;
        }
        let members = self.members.clone();
        let others = ChannelEvent::MemberEntered { member: who.clone() };
        self.append(
            now,
            None,
            Some((who, &ChannelEvent::Entered { members })),
            &others,
        )
    }

    /// Takes someone out: by its own wish, or kicked by a member, or by the server for no reason.
    pub fn leave(&mut self, who: &MemberId, now: Time) -> Effect {
        if !self.members.contains(who) {
            return Effect::Nothing;
        }
        let others = ChannelEvent::MemberLeft { member: who.clone() };
        let effect = self.append(now, None, Some((who, &ChannelEvent::Left)), &others);
        self.members.remove(who);
        effect
    }

    /// Takes someone out; of who is not in, it says just that.
    fn kick(&mut self, member: MemberId, now: Time) -> Effect {
        if self.members.contains(&member) {
            self.leave(&member, now)
        } else {
            self.append(now, None, None, &ChannelEvent::MemberLeft { member })
        }
    }

    fn send(&mut self, from: &MemberId, bytes: Vec<u8>, now: Time) -> Effect {
        self.sent.packets += 1;
        self.sent.bytes += bytes.len() as u64;
        if count_down(&mut self.drop_from, from) {
            self.packets.push(SentPacket {
                from: from.clone(),
                bytes,
                position: None,
            });
            return Effect::Lost(self.packets.len());
        }
        self.packet(from, bytes, now)
    }

    fn packet(&mut self, from: &MemberId, bytes: Vec<u8>, now: Time) -> Effect {
        self.packets.push(SentPacket {
            from: from.clone(),
            bytes: bytes.clone(),
            position: Some(self.next_position()),
        });
        let event = ChannelEvent::Packet {
            from: from.clone(),
            bytes,
        };
        self.append(now, Some(self.packets.len()), None, &event)
    }

    /// Gives an event the next position and queues it for everyone in the channel: `others` for all but `us`.
    fn append(
        &mut self,
        at: Time,
        packet: Option<usize>,
        us: Option<(&MemberId, &ChannelEvent)>,
        others: &ChannelEvent,
    ) -> Effect {
        if self.is_full() {
            return Effect::Nothing;
        }
        let position = self.next_position();
        self.order.push((at, others.clone()));
        let copies = if self.duplicate_next > 0 {
            self.duplicate_next -= 1;
            2
        } else {
            1
        };
        for (member, queue) in &mut self.queues {
            if !self.members.contains(member) {
                continue;
            }
            let event = match us {
                Some((who, event)) if who == member => event,
                _ => others,
            };
            for _ in 0..copies {
                queue.push_back(Delivery {
                    position,
                    slot: position,
                    at,
                    event: event.clone(),
                    packet,
                    lost: false,
                });
                if queue.len() >= 2 && self.swap_for.remove(member) {
                    swap_first_two(queue);
                }
            }
        }
        Effect::Ordered(packet)
    }

    /// Cuts a process off: nothing that is under way reaches it, and the others see it leave, if it was in.
    /// Whether anything was cut.
    pub fn cut_off(&mut self, who: &MemberId, now: Time) -> bool {
        let pending = self
            .queues
            .get_mut(who)
            .map(std::mem::take)
            .is_some_and(|queue| !queue.is_empty());
        let left = self.leave(who, now) != Effect::Nothing;
        if let Some(queue) = self.queues.get_mut(who) {
            queue.clear();
        }
        pending || left
    }

    /// Whether a process answers when someone asks it in.
    pub fn set_reachable(&mut self, who: &MemberId, reachable: bool) {
        if reachable {
            self.unreachable.remove(who);
        } else {
            self.unreachable.insert(who.clone());
        }
    }

    // Delivery.

    /// The position of the first event that could be delivered now.
    #[must_use]
    pub fn first_pending(&self) -> Option<u64> {
        self.heads().map(|(_, head)| head.slot).min()
    }

    /// When the first event that could be delivered now took its place.
    #[must_use]
    pub fn first_pending_at(&self) -> Option<Time> {
        self.heads().map(|(_, head)| head.at).min()
    }

    /// Whether this process is to be shown its next event at that position.
    #[must_use]
    pub fn is_next(&self, who: &MemberId, position: u64) -> bool {
        self.heads()
            .any(|(member, head)| member == who && head.slot == position)
    }

    /// How many events wait for this process, those included that wait for another one to be swapped with.
    #[must_use]
    pub fn pending(&self, who: &MemberId) -> usize {
        self.queues.get(who).map_or(0, VecDeque::len)
    }

    /// How many events wait for anyone.
    #[must_use]
    pub fn pending_for_all(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    fn heads(&self) -> impl Iterator<Item = (&MemberId, &Delivery)> {
        self.queues.iter().filter_map(|(member, queue)| {
            let withheld = self.swap_for.contains(member);
            queue
                .front()
                .filter(|_| !withheld)
                .map(|delivery| (member, delivery))
        })
    }

    /// Takes the next event of a process out of its queue. A packet that the server loses comes out too,
    /// marked.
    pub fn take(&mut self, who: &MemberId) -> Option<Delivery> {
        if self.swap_for.contains(who) {
            return None;
        }
        let mut delivery = self.queues.get_mut(who)?.pop_front()?;
        delivery.lost = delivery.packet.is_some() && count_down(&mut self.drop_to, who);
        Some(delivery)
    }

    // What a server can do wrong.

    /// Loses the next `count` packets that `from` sends, for all.
    pub fn drop_from(&mut self, from: &MemberId, count: usize) {
        *self.drop_from.entry(from.clone()).or_default() += count;
    }

    /// Loses the next `count` packets that would be delivered to `to`, for it alone.
    pub fn drop_to(&mut self, to: &MemberId, count: usize) {
        *self.drop_to.entry(to.clone()).or_default() += count;
    }

    /// Loses no more packets from or to this member than it has already.
    pub fn heal(&mut self, who: &MemberId) {
        self.drop_from.remove(who);
        self.drop_to.remove(who);
    }

    /// Delivers the next `count` events of the order twice, to everyone that they are still to be delivered
    /// to: first those under way, then those to come.
    pub fn duplicate(&mut self, count: usize) {
        let positions: BTreeSet<u64> = self
            .queues
            .values()
            .flatten()
            .map(|delivery| delivery.position)
            .collect();
        let chosen: BTreeSet<u64> = positions.into_iter().take(count).collect();
        self.duplicate_next += count - chosen.len();
        for queue in self.queues.values_mut() {
            *queue = queue
                .drain(..)
                .flat_map(|delivery| {
                    let copies = if chosen.contains(&delivery.position) { 2 } else { 1 };
                    std::iter::repeat_n(delivery, copies)
                })
                .collect();
        }
    }

    /// Shows `to` its next two events in the other order. If there is only one yet, it waits for the second.
    pub fn swap(&mut self, to: &MemberId) {
        match self.queues.get_mut(to) {
            Some(queue) if queue.len() >= 2 => swap_first_two(queue),
            _ => {
                self.swap_for.insert(to.clone());
            }
        }
    }

    /// Makes up a packet of `from`, who may not even be there.
    pub fn forge(&mut self, from: &MemberId, bytes: Vec<u8>, now: Time) -> Effect {
        self.packet(from, bytes, now)
    }

    /// Sends the packet of this number again, from whom it came from, after `change`. None if there is no
    /// such packet or `change` gives none.
    pub fn replay(
        &mut self,
        number: usize,
        now: Time,
        change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>,
    ) -> Option<Effect> {
        let packet = self.packets.get(number.checked_sub(1)?)?.clone();
        let bytes = change(packet.bytes)?;
        Some(self.packet(&packet.from, bytes, now))
    }
}

/// The first two events change places: each is shown where the other was to be, so that a line which delivers
/// so many places of the order delivers both or the one that comes first now.
fn swap_first_two(queue: &mut VecDeque<Delivery>) {
    queue.swap(0, 1);
    let (first, second) = (queue[0].slot, queue[1].slot);
    (queue[0].slot, queue[1].slot) = (second, first);
}

/// Takes one from a member's counter; false if there is nothing to take.
fn count_down(counters: &mut BTreeMap<MemberId, usize>, who: &MemberId) -> bool {
    match counters.get_mut(who) {
        Some(count) => {
            *count -= 1;
            if *count == 0 {
                counters.remove(who);
            }
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    fn set(names: &str) -> MemberSet {
        names.split(' ').map(id).collect()
    }

    /// A channel with alice and bob in it and nothing under way; carol is outside.
    fn two() -> Channel {
        let mut channel = Channel::new(["alice", "bob", "carol"].map(id));
        for name in ["alice", "bob"] {
            channel.ask(&id(name), ChannelAction::Enter, Time::ZERO);
        }
        all(&mut channel, "alice");
        all(&mut channel, "bob");
        channel
    }

    fn send(channel: &mut Channel, from: &str, byte: u8) -> Effect {
        channel.ask(&id(from), ChannelAction::Send { bytes: vec![byte] }, Time::ZERO)
    }

    /// Everything that waits for someone, in a few words.
    fn all(channel: &mut Channel, who: &str) -> Vec<String> {
        std::iter::from_fn(|| channel.take(&id(who)))
            .map(|delivery| {
                let what = match delivery.event {
                    ChannelEvent::Entered { members } => format!("in {members}"),
                    ChannelEvent::Left => "out".to_owned(),
                    ChannelEvent::MemberEntered { member } => format!("+{member}"),
                    ChannelEvent::MemberLeft { member } => format!("-{member}"),
                    ChannelEvent::Packet { from, bytes } => format!("{from}{}", bytes[0]),
                    other => format!("{other:?}"),
                };
                if delivery.lost { format!("({what})") } else { what }
            })
            .collect()
    }

    #[test]
    fn everyone_present_sees_one_order() {
        let mut channel = two();
        send(&mut channel, "alice", 1);
        channel.ask(&id("carol"), ChannelAction::Enter, Time::ZERO);
        send(&mut channel, "bob", 2);
        assert_eq!(channel.members(), &set("alice bob carol"));
        assert_eq!(all(&mut channel, "alice"), ["alice1", "+carol", "bob2"]);
        assert_eq!(all(&mut channel, "bob"), ["alice1", "+carol", "bob2"]);
        assert_eq!(all(&mut channel, "carol"), ["in alice bob carol", "bob2"]);
        assert_eq!(channel.sent(), Sent { packets: 2, bytes: 2 });
    }

    #[test]
    fn who_is_out_is_neither_heard_nor_told() {
        let mut channel = two();
        assert_eq!(send(&mut channel, "carol", 1), Effect::Nothing);
        channel.ask(
            &id("alice"),
            ChannelAction::Kick { member: id("bob") },
            Time::ZERO,
        );
        assert_eq!(send(&mut channel, "bob", 2), Effect::Nothing);
        send(&mut channel, "alice", 3);
        assert_eq!(all(&mut channel, "bob"), ["out"]);
        assert_eq!(all(&mut channel, "alice"), ["-bob", "alice3"]);
        assert_eq!(channel.leave(&id("bob"), Time::ZERO), Effect::Nothing);
    }

    #[test]
    fn invitations_reach_those_who_answer() {
        let mut channel = two();
        let invite = |channel: &mut Channel, name: &str| {
            channel.ask(
                &id("alice"),
                ChannelAction::Invite { member: id(name) },
                Time::ZERO,
            )
        };
        channel.set_reachable(&id("carol"), false);
        assert_eq!(invite(&mut channel, "carol"), Effect::Nothing);
        channel.set_reachable(&id("carol"), true);
        assert_eq!(invite(&mut channel, "bob"), Effect::Nothing, "is in already");
        assert_eq!(invite(&mut channel, "dora"), Effect::Nothing, "is nobody");
        assert_eq!(invite(&mut channel, "carol"), Effect::Ordered(None));
        assert_eq!(all(&mut channel, "carol"), ["in alice bob carol"]);
    }

    #[test]
    fn who_is_cut_off_gets_nothing_more() {
        let mut channel = two();
        send(&mut channel, "alice", 1);
        assert!(channel.cut_off(&id("bob"), Time::ZERO));
        assert_eq!(all(&mut channel, "bob"), [""; 0]);
        assert_eq!(all(&mut channel, "alice"), ["alice1", "-bob"]);
        assert!(!channel.cut_off(&id("bob"), Time::ZERO));
    }

    #[test]
    fn lost_packets() {
        let mut channel = two();
        channel.drop_from(&id("alice"), 1);
        assert_eq!(send(&mut channel, "alice", 1), Effect::Lost(1));
        assert_eq!(send(&mut channel, "alice", 2), Effect::Ordered(Some(2)));
        channel.drop_to(&id("bob"), 1);
        send(&mut channel, "alice", 3);
        assert_eq!(all(&mut channel, "alice"), ["alice2", "alice3"]);
        assert_eq!(all(&mut channel, "bob"), ["(alice2)", "alice3"]);
        assert_eq!(channel.sent().packets, 3);
    }

    #[test]
    fn duplicates_of_what_is_under_way_and_of_what_comes() {
        let mut channel = two();
        send(&mut channel, "alice", 1);
        channel.duplicate(2);
        send(&mut channel, "alice", 2);
        send(&mut channel, "alice", 3);
        for name in ["alice", "bob"] {
            assert_eq!(
                all(&mut channel, name),
                ["alice1", "alice1", "alice2", "alice2", "alice3"]
            );
        }
    }

    #[test]
    fn swapped_events_wait_for_each_other() {
        let mut channel = two();
        channel.swap(&id("bob"));
        send(&mut channel, "alice", 1);
        assert_eq!(channel.pending(&id("bob")), 1);
        assert_eq!(
            all(&mut channel, "bob"),
            [""; 0],
            "the first waits for the second"
        );
        assert_eq!(all(&mut channel, "alice"), ["alice1"]);
        assert_eq!(channel.first_pending(), None);
        send(&mut channel, "alice", 2);
        send(&mut channel, "alice", 3);
        assert_eq!(all(&mut channel, "bob"), ["alice2", "alice1", "alice3"]);
        send(&mut channel, "alice", 4);
        send(&mut channel, "alice", 5);
        channel.swap(&id("bob"));
        assert_eq!(all(&mut channel, "bob"), ["alice5", "alice4"]);
    }

    #[test]
    fn swapped_events_stand_in_each_others_places() {
        let mut channel = two();
        send(&mut channel, "alice", 1);
        send(&mut channel, "alice", 2);
        channel.swap(&id("bob"));
        let first = channel.first_pending().unwrap();
        assert!(channel.is_next(&id("alice"), first) && channel.is_next(&id("bob"), first));
        let taken = channel.take(&id("bob")).unwrap();
        assert_eq!((taken.slot, taken.position), (first, first + 1));
        assert!(
            channel.is_next(&id("bob"), first + 1),
            "and what was first comes second"
        );
    }

    #[test]
    fn made_up_packets() {
        let mut channel = two();
        send(&mut channel, "alice", 1);
        channel.forge(&id("carol"), vec![9], Time::ZERO);
        assert!(channel.replay(1, Time::ZERO, Some).is_some());
        assert!(channel.replay(2, Time::ZERO, |_| Some(vec![8])).is_some());
        assert!(channel.replay(1, Time::ZERO, |_| None).is_none());
        assert!(channel.replay(0, Time::ZERO, Some).is_none());
        assert!(channel.replay(5, Time::ZERO, Some).is_none());
        assert_eq!(all(&mut channel, "bob"), ["alice1", "carol9", "alice1", "carol8"]);
        assert_eq!(
            channel.sent().packets,
            1,
            "what the server makes up is not the members' cost"
        );
    }

    #[test]
    fn positions_tell_who_is_behind() {
        let mut channel = two();
        send(&mut channel, "alice", 1);
        send(&mut channel, "alice", 2);
        let first = channel.first_pending().unwrap();
        assert!(channel.is_next(&id("alice"), first) && channel.is_next(&id("bob"), first));
        channel.take(&id("bob"));
        assert_eq!(channel.first_pending(), Some(first));
        assert!(channel.is_next(&id("bob"), first + 1) && !channel.is_next(&id("bob"), first));
        assert_eq!(channel.pending_for_all(), 3);
    }
}

//! The connected clients, the members of each channel, and what each is told: the relay without its sockets.
//!
//! One lock guards it all, and everything is put into the readers' queues while it is held. That makes the
//! one total order of each channel, for packets as for enters and leaves. Nothing in here waits.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use concilium_core::{MemberId, SessionName, wire};
use tokio_tungstenite::tungstenite::Bytes;

use crate::CloseReason;
use crate::protocol::{ClientMessage, Incoming, Refusal, ResumeToken, ServerMessage, read};
use crate::queue::{PushError, Queue, QueueLimit};
use crate::stats::Counters;

/// What a connection has still to be told.
pub(crate) type Outbox = Arc<Queue>;

/// How many of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HubLimits {
    pub(crate) channels: usize,
    pub(crate) members_per_channel: usize,
    pub(crate) channels_per_connection: usize,
    pub(crate) queue: QueueLimit,
}

/// The name that a connection holds. A later connection may hold the same name, never the same number.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    member: MemberId,
    number: u64,
}

/// The relay's whole state.
#[derive(Debug)]
pub(crate) struct Hub {
    limits: HubLimits,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    peers: BTreeMap<MemberId, Peer>,
    channels: BTreeMap<SessionName, BTreeMap<MemberId, Outbox>>,
    seats: u64,
    closed: bool,
}

#[derive(Debug)]
struct Peer {
    number: u64,
    token: ResumeToken,
    outbox: Outbox,
    channels: Vec<SessionName>,
}

impl Hub {
    pub(crate) fn new(limits: HubLimits, counters: Arc<Counters>) -> Self {
        Self {
            limits,
            counters,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in this file panics while it holds the lock, so a poisoned lock guards a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seats a connection under a name and welcomes it. A connection with the token of the name's present
    /// holder is its successor and takes its place. Otherwise the first to come keeps the name.
    pub(crate) fn join(
        &self,
        member: MemberId,
        token: ResumeToken,
        welcome: &ServerMessage,
    ) -> Result<(Seat, Outbox), CloseReason> {
        let mut state = self.lock();
        if state.closed {
            return Err(CloseReason::Shutdown);
        }
        match state.peers.get(&member) {
            Some(holder) if holder.token != token => return Err(CloseReason::NameTaken),
            Some(_) => state.expel(&member, CloseReason::Displaced, &self.counters),
            None => {}
        }
        let outbox = Arc::new(Queue::new(self.limits.queue));
        state.seats += 1;
        let seat = Seat {
            member: member.clone(),
            number: state.seats,
        };
        let peer = Peer {
            number: seat.number,
            token,
            outbox: Arc::clone(&outbox),
            channels: Vec::new(),
        };
        state.peers.insert(member, peer);
        state.tell(&seat.member, welcome, &self.counters);
        Ok((seat, outbox))
    }

    /// The connection has ended: its member leaves every channel, unless a successor holds the name already.
    pub(crate) fn part(&self, seat: &Seat, reason: CloseReason) {
        let mut state = self.lock();
        if state.holds(seat) {
            state.expel(&seat.member, reason, &self.counters);
        }
    }

    /// Ends every connection and admits no other.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.channels.clear();
        for peer in std::mem::take(&mut state.peers).into_values() {
            peer.outbox.cut(CloseReason::Shutdown);
        }
    }

    /// Tells one connection something.
    pub(crate) fn tell(&self, seat: &Seat, message: &ServerMessage) {
        let mut state = self.lock();
        if state.holds(seat) {
            state.tell(&seat.member, message, &self.counters);
        }
    }

    /// Reads what a connection says and does it. An error ends the connection.
    pub(crate) fn hear(&self, seat: &Seat, bytes: &[u8], max_packet_bytes: usize) -> Result<(), CloseReason> {
        match read(bytes) {
            Incoming::Known(ClientMessage::Send { bytes, .. }) if bytes.len() > max_packet_bytes => {
                Err(CloseReason::TooLarge)
            }
            Incoming::Known(message) => self.act(seat, message),
            // whatever a newer client says, the rest of what it says goes on.
            Incoming::Unknown(kind) => {
                self.tell(seat, &ServerMessage::Skipped { kind });
                Ok(())
            }
            Incoming::Malformed => Err(CloseReason::Malformed),
        }
    }

    /// Does what a connection asks for, or tells it why not.
    pub(crate) fn act(&self, seat: &Seat, message: ClientMessage) -> Result<(), CloseReason> {
        let mut state = self.lock();
        if !state.holds(seat) {
            // Cut off a moment ago; its task is about to learn it.
            return Ok(());
        }
        let me = &seat.member;
        let (channel, outcome) = match message {
            ClientMessage::Hello { .. } => return Err(CloseReason::Malformed),
            ClientMessage::Enter { channel } => {
                let outcome = state.enter(me, &channel, &self.limits, &self.counters);
                (channel, outcome)
            }
            ClientMessage::Leave { channel } => {
                let outcome = state.require_in(me, &channel);
                if outcome.is_ok() {
                    state.leave(me, &channel, &self.counters);
                }
                (channel, outcome)
            }
            ClientMessage::Send { channel, bytes } => {
                let outcome = state.require_in(me, &channel);
                if outcome.is_ok() {
                    self.counters.packet_in(bytes.len());
                    let packet = ServerMessage::Packet {
                        channel: channel.clone(),
                        from: me.clone(),
                        bytes,
                    };
                    state.broadcast(&channel, &packet, &self.counters);
                }
                (channel, outcome)
            }
            ClientMessage::Invite { channel, member } => {
                let outcome = state.invite(me, &channel, &member, &self.counters);
                (channel, outcome)
            }
            ClientMessage::Kick { channel, member } => {
                let outcome = state.kick(me, &channel, &member, &self.counters);
                (channel, outcome)
            }
        };
        if let Err(refusal) = outcome {
            state.tell(me, &ServerMessage::Refused { channel, refusal }, &self.counters);
        }
        Ok(())
    }
}

impl State {
    fn holds(&self, seat: &Seat) -> bool {
        self.peers
            .get(&seat.member)
            .is_some_and(|peer| peer.number == seat.number)
    }

    fn is_in(&self, member: &MemberId, channel: &SessionName) -> bool {
        self.channels
            .get(channel)
            .is_some_and(|members| members.contains_key(member))
    }

    fn require_in(&self, member: &MemberId, channel: &SessionName) -> Result<(), Refusal> {
        if self.is_in(member, channel) {
            Ok(())
        } else {
            Err(Refusal::NotIn)
        }
    }

    fn enter(
        &mut self,
        me: &MemberId,
        channel: &SessionName,
        limits: &HubLimits,
        counters: &Counters,
    ) -> Result<(), Refusal> {
        // Every check comes before the first change.
        let room_for_channel = self.channels.len() < limits.channels;
        let Some(peer) = self.peers.get_mut(me) else {
            return Ok(());
        };
        match self.channels.get(channel) {
            Some(members) if members.contains_key(me) => return Err(Refusal::AlreadyIn),
            _ if peer.channels.len() >= limits.channels_per_connection => {
                return Err(Refusal::TooManyOwnChannels);
            }
            Some(members) if members.len() >= limits.members_per_channel => return Err(Refusal::ChannelFull),
            None if !room_for_channel => return Err(Refusal::TooManyChannels),
            _ => {}
        }
        peer.channels.push(channel.clone());
        let outbox = Arc::clone(&peer.outbox);
        let members = self.channels.entry(channel.clone()).or_default();
        members.insert(me.clone(), Arc::clone(&outbox));
        // The newcomer learns of all members, the others of the newcomer. A member with a full queue is
        // removed only after that, so that no leave is heard without its enter.
        let entered = ServerMessage::Entered {
            channel: channel.clone(),
            members: members.keys().cloned().collect(),
        };
        let news = ServerMessage::MemberEntered {
            channel: channel.clone(),
            member: me.clone(),
        };
        let mut slow = Vec::new();
        if outbox.push(wire::encode(&entered).into()) == Err(PushError::Full) {
            slow.push(me.clone());
        }
        self.broadcast_once(channel, &news, Some(me), counters, &mut slow);
        self.expel_all(slow, CloseReason::TooSlow, counters);
        Ok(())
    }

    /// Takes a member out of a channel and tells everyone, the member included.
    fn leave(&mut self, member: &MemberId, channel: &SessionName, counters: &Counters) {
        if self.withdraw(member, channel) {
            if let Some(peer) = self.peers.get_mut(member) {
                peer.channels.retain(|other| other != channel);
            }
            let left = ServerMessage::Left {
                channel: channel.clone(),
            };
            self.tell(member, &left, counters);
            self.say_gone(member, channel, counters);
        }
    }

    /// Tells everyone in a channel that a member is not.
    fn say_gone(&mut self, member: &MemberId, channel: &SessionName, counters: &Counters) {
        let news = ServerMessage::MemberLeft {
            channel: channel.clone(),
            member: member.clone(),
        };
        self.broadcast(channel, &news, counters);
    }

    /// Takes a member out of a channel's list, and the channel off the list if it is empty then.
    fn withdraw(&mut self, member: &MemberId, channel: &SessionName) -> bool {
        match self.channels.entry(channel.clone()) {
            Entry::Vacant(_) => false,
            Entry::Occupied(mut members) => {
                let was_in = members.get_mut().remove(member).is_some();
                if members.get().is_empty() {
                    members.remove();
                }
                was_in
            }
        }
    }

    fn invite(
        &mut self,
        me: &MemberId,
        channel: &SessionName,
        member: &MemberId,
        counters: &Counters,
    ) -> Result<(), Refusal> {
        self.require_in(me, channel)?;
        if self.is_in(member, channel) {
            return Err(Refusal::AlreadyMember);
        }
        if !self.peers.contains_key(member) {
            return Err(Refusal::NotConnected);
        }
        let invited = ServerMessage::Invited {
            channel: channel.clone(),
            by: me.clone(),
        };
        self.tell(member, &invited, counters);
        Ok(())
    }

    fn kick(
        &mut self,
        me: &MemberId,
        channel: &SessionName,
        member: &MemberId,
        counters: &Counters,
    ) -> Result<(), Refusal> {
        self.require_in(me, channel)?;
        if self.is_in(member, channel) {
            self.leave(member, channel, counters);
            return Ok(());
        }
        // The asking member may not be the only one that takes this member for being here.
        self.say_gone(member, channel, counters);
        Err(Refusal::NotMember)
    }

    fn tell(&mut self, member: &MemberId, message: &ServerMessage, counters: &Counters) {
        let Some(peer) = self.peers.get(member) else {
            return;
        };
        if peer.outbox.push(wire::encode(message).into()) == Err(PushError::Full) {
            self.expel(member, CloseReason::TooSlow, counters);
        }
    }

    fn broadcast(&mut self, channel: &SessionName, message: &ServerMessage, counters: &Counters) {
        let mut slow = Vec::new();
        self.broadcast_once(channel, message, None, counters, &mut slow);
        self.expel_all(slow, CloseReason::TooSlow, counters);
    }

    fn broadcast_once(
        &self,
        channel: &SessionName,
        message: &ServerMessage,
        except: Option<&MemberId>,
        counters: &Counters,
        slow: &mut Vec<MemberId>,
    ) {
        let Some(members) = self.channels.get(channel) else {
            return;
        };
        // Encoded once for all its readers.
        let encoded = Bytes::from(wire::encode(message));
        for (member, outbox) in members.iter().filter(|(member, _)| Some(*member) != except) {
            let pushed = outbox.push(encoded.clone());
            if pushed == Err(PushError::Full) {
                slow.push(member.clone());
            } else if let (Ok(()), ServerMessage::Packet { bytes, .. }) = (pushed, message) {
                counters.packet_out(bytes.len());
            }
        }
    }

    fn expel(&mut self, member: &MemberId, reason: CloseReason, counters: &Counters) {
        self.expel_all(vec![member.clone()], reason, counters);
    }

    /// Ends connections and takes their members out of all channels. The news of that may be too much for the
    /// queues of others: these go the same way. Each member is expelled at most once, so the loop ends.
    fn expel_all(&mut self, mut members: Vec<MemberId>, mut reason: CloseReason, counters: &Counters) {
        while !members.is_empty() {
            let mut slow = Vec::new();
            let gone: Vec<_> = members
                .into_iter()
                .filter_map(|member| self.peers.remove(&member).map(|peer| (member, peer)))
                .collect();
            // All are out before any news goes round: none of them is told of the others.
            for (member, peer) in &gone {
                peer.outbox.cut(reason);
                for channel in &peer.channels {
                    self.withdraw(member, channel);
                }
            }
            for (member, peer) in gone {
                for channel in peer.channels {
                    let news = ServerMessage::MemberLeft {
                        channel: channel.clone(),
                        member: member.clone(),
                    };
                    self.broadcast_once(&channel, &news, None, counters, &mut slow);
                }
            }
            members = slow;
            reason = CloseReason::TooSlow;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use concilium_core::MemberSet;
    use proptest::prelude::*;

    use super::*;
    use crate::queue::Next;

    const LIMITS: HubLimits = HubLimits {
        channels: 2,
        members_per_channel: 3,
        channels_per_connection: 2,
        queue: QueueLimit::new(8, 10_000),
    };

    fn member(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    fn channel(name: &str) -> SessionName {
        SessionName::new(name).unwrap()
    }

    fn hub(limits: HubLimits) -> Hub {
        Hub::new(limits, Arc::default())
    }

    fn join(hub: &Hub, name: &str) -> (Seat, Outbox) {
        let welcome = ServerMessage::Welcome { max_packet_bytes: 9 };
        hub.join(member(name), ResumeToken::new([1; 16]), &welcome)
            .unwrap()
    }

    fn enter(hub: &Hub, seat: &Seat) {
        let channel = channel("room");
        hub.act(seat, ClientMessage::Enter { channel }).unwrap();
    }

    fn send(hub: &Hub, seat: &Seat, len: usize) {
        let (channel, bytes) = (channel("room"), vec![0; len]);
        hub.act(seat, ClientMessage::Send { channel, bytes }).unwrap();
    }

    /// All that waits, and how the queue ended if it did.
    fn drain(outbox: &Outbox) -> (Vec<ServerMessage>, Option<CloseReason>) {
        let mut messages = Vec::new();
        loop {
            match outbox.take() {
                Some(Next::Item(bytes)) => match read(&bytes) {
                    Incoming::Known(message) => messages.push(message),
                    other => panic!("{other:?}"),
                },
                Some(Next::End(reason)) => return (messages, Some(reason)),
                None => return (messages, None),
            }
        }
    }

    #[test]
    fn a39_a_full_queue_costs_only_its_reader_by_number_and_by_bytes() {
        for (packets, len) in [(4, 1), (1, 9_000)] {
            let hub = hub(LIMITS);
            let (alice, alices) = join(&hub, "alice");
            let (slow, slows) = join(&hub, "slow");
            enter(&hub, &alice);
            enter(&hub, &slow);
            drain(&alices);
            drain(&slows);
            let mut heard = Vec::new();
            for _ in 0..2 * packets + 1 {
                send(&hub, &alice, len);
                heard.extend(drain(&alices).0);
            }
            let left = ServerMessage::MemberLeft {
                channel: channel("room"),
                member: member("slow"),
            };
            assert_eq!(drain(&slows), (vec![], Some(CloseReason::TooSlow)));
            assert_eq!(heard.iter().filter(|message| **message == left).count(), 1);
            assert_eq!(heard.len(), 2 * packets + 2, "every packet, and the leave");
            // What the slow one still says is ignored; its name is free.
            send(&hub, &slow, 1);
            assert_eq!(drain(&alices), (vec![], None));
            join(&hub, "slow");
        }
    }

    #[test]
    fn a39_readers_that_the_news_of_others_fills_up_go_as_well() {
        let limits = HubLimits {
            queue: QueueLimit::new(4, 10_000),
            members_per_channel: 9,
            ..LIMITS
        };
        let hub = hub(limits);
        let (alice, alices) = join(&hub, "alice");
        enter(&hub, &alice);
        let names = ["b", "c", "d"];
        let others = names.map(|name| {
            let (seat, outbox) = join(&hub, name);
            enter(&hub, &seat);
            drain(&alices);
            (seat, outbox)
        });
        // Three, two and one messages wait for b, c and d after their own entering: welcome and entered
        // taken.
        for (_, outbox) in &others {
            drain(outbox);
        }
        // b is full at the fourth packet of these; each leave of another is one more for those that remain.
        for (i, (_, outbox)) in others.iter().enumerate() {
            for _ in 0..4 - i {
                assert_eq!(outbox.push(Bytes::from_static(b"x")), Ok(()));
            }
        }
        send(&hub, &alice, 1);
        for (_, outbox) in &others {
            assert_eq!(outbox.take(), Some(Next::End(CloseReason::TooSlow)));
        }
        let left: BTreeSet<_> = drain(&alices)
            .0
            .into_iter()
            .filter_map(|message| match message {
                ServerMessage::MemberLeft { member, .. } => Some(member),
                _ => None,
            })
            .collect();
        assert_eq!(left, names.map(member).into());
    }

    #[test]
    fn a_closed_hub_ends_everyone_and_admits_no_one() {
        let hub = hub(LIMITS);
        let (_, alices) = join(&hub, "alice");
        hub.close();
        assert_eq!(alices.take(), Some(Next::End(CloseReason::Shutdown)));
        let welcome = ServerMessage::Welcome { max_packet_bytes: 9 };
        let late = hub.join(member("bob"), ResumeToken::new([1; 16]), &welcome);
        assert_eq!(late.err(), Some(CloseReason::Shutdown));
    }

    /// One client as it sees itself: what it was told, applied in order.
    struct View {
        seat: Seat,
        outbox: Outbox,
        rooms: BTreeMap<SessionName, MemberSet>,
        /// The members that it is told again are out, since a kick was asked for.
        said_again: Vec<(SessionName, MemberId)>,
        /// Packets by channel, since the client entered.
        packets: Vec<(SessionName, Vec<u8>)>,
    }

    impl View {
        fn new((seat, outbox): (Seat, Outbox)) -> Self {
            Self {
                seat,
                outbox,
                rooms: BTreeMap::new(),
                said_again: Vec::new(),
                packets: Vec::new(),
            }
        }

        /// Takes all that waits; true if the connection was ended.
        fn catch_up(&mut self) -> bool {
            let (messages, end) = drain(&self.outbox);
            if end.is_some() {
                return true;
            }
            for message in messages {
                match message {
                    ServerMessage::Entered { channel, members } => {
                        assert!(members.contains(&self.seat.member));
                        assert!(self.rooms.insert(channel, members).is_none(), "entered twice");
                    }
                    ServerMessage::Left { channel } => {
                        assert!(self.rooms.remove(&channel).is_some(), "left what it was not in");
                    }
                    ServerMessage::MemberEntered { channel, member } => {
                        assert!(
                            self.rooms.get_mut(&channel).unwrap().insert(member),
                            "there already"
                        );
                    }
                    ServerMessage::MemberLeft { channel, member } => {
                        let was_there = self.rooms.get_mut(&channel).unwrap().remove(&member);
                        let news = (channel, member);
                        let again = self.said_again.iter().position(|said| *said == news);
                        assert!(was_there || again.is_some(), "was not there");
                        if let Some(again) = again.filter(|_| !was_there) {
                            self.said_again.remove(again);
                        }
                    }
                    ServerMessage::Packet { channel, from, bytes } => {
                        assert!(self.rooms[&channel].contains(&from), "a packet from outside");
                        self.packets.push((channel, bytes));
                    }
                    _ => {}
                }
            }
            false
        }
    }

    proptest! {
        /// Random requests in random order, with queues that run over all the time. The events of each client
        /// add up to the real state, and all heard the same packets in the same order.
        #[test]
        fn what_everyone_is_told_adds_up(steps in proptest::collection::vec((0..4_usize, 0..8_u8, 0..4_usize, 0..3_usize), 1..200)) {
            let hub = hub(LIMITS);
            let names = ["a", "b", "c", "d"];
            let rooms = ["x", "y", "z"];
            let mut views = names.map(|name| View::new(join(&hub, name)));
            let mut sent: BTreeMap<SessionName, Vec<Vec<u8>>> = BTreeMap::new();
            for (n, (who, what, whom, room)) in steps.into_iter().enumerate() {
                let (room, whom) = (channel(rooms[room]), member(names[whom]));
                let message = match what {
                    0 | 1 => ClientMessage::Enter { channel: room },
                    2 => ClientMessage::Leave { channel: room },
                    3 | 4 => ClientMessage::Send { channel: room, bytes: n.to_le_bytes().to_vec() },
                    5 => ClientMessage::Kick { channel: room, member: whom },
                    6 => ClientMessage::Invite { channel: room, member: whom },
                    _ => {
                        if views[who].catch_up() {
                            views[who] = View::new(join(&hub, names[who]));
                        }
                        continue;
                    }
                };
                if let ClientMessage::Send { channel, bytes } = &message
                    && hub.lock().is_in(&views[who].seat.member, channel)
                {
                    sent.entry(channel.clone()).or_default().push(bytes.clone());
                }
                if let ClientMessage::Kick { channel, member } = &message {
                    let state = hub.lock();
                    if state.is_in(&views[who].seat.member, channel) && !state.is_in(member, channel) {
                        for view in views.iter_mut().filter(|view| state.is_in(&view.seat.member, channel)) {
                            view.said_again.push((channel.clone(), member.clone()));
                        }
                    }
                }
                hub.act(&views[who].seat, message).unwrap();
            }
            for view in &mut views {
                if view.catch_up() {
                    prop_assert!(!hub.lock().holds(&view.seat));
                    continue;
                }
                let state = hub.lock();
                let seen: Vec<_> = view.rooms.iter().map(|(channel, members)| (channel.clone(), members.clone())).collect();
                let me = &view.seat.member;
                let real: Vec<_> = state.channels.iter()
                    .filter(|(_, members)| members.contains_key(me))
                    .map(|(channel, members)| (channel.clone(), members.keys().cloned().collect::<MemberSet>()))
                    .collect();
                prop_assert_eq!(seen, real);
                for (channel, all) in &sent {
                    let mut all = all.iter();
                    for (_, packet) in view.packets.iter().filter(|(of, _)| of == channel) {
                        prop_assert!(all.any(|one| one == packet), "out of order, or twice");
                    }
                }
            }
            // No ghosts: every member of a channel is connected and knows of it, and no channel is empty.
            let state = hub.lock();
            prop_assert!(state.channels.len() <= LIMITS.channels);
            for (channel, members) in &state.channels {
                prop_assert!(!members.is_empty() && members.len() <= LIMITS.members_per_channel);
                for member in members.keys() {
                    prop_assert!(state.peers[member].channels.contains(channel));
                }
            }
        }
    }
}

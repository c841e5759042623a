//! A naive model of the relay's hub: who is connected, who is in which channel, and what each has still to be
//! told.

use std::collections::{BTreeSet, VecDeque};

use concilium_core::{MemberId, SessionName, wire};
use concilium_relay::fuzzing::Limits;
use concilium_relay::{CloseReason, Refusal};

use super::relay_protocol::{Ask, Told, expected_hello};

/// The hub by its promises: lists that are searched anew for each question, and no index that could differ
/// from them.
#[derive(Debug)]
pub(super) struct Model {
    limits: Limits,
    /// All connections that ever said hello, in that order.
    seats: Vec<Seat>,
    closed: bool,
}

#[derive(Debug)]
struct Seat {
    member: MemberId,
    token: [u8; 16],
    /// The channels that it is in, in the order of entering.
    channels: Vec<SessionName>,
    inbox: VecDeque<Told>,
    /// Why the relay ended it.
    ended: Option<CloseReason>,
}

impl Model {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            seats: Vec::new(),
            closed: false,
        }
    }

    /// A connection says its first message; the next number is its own.
    pub(super) fn greet(&mut self, hello: &[u8]) -> Result<(), CloseReason> {
        let (member, token) = expected_hello(hello)?;
        if self.closed {
            return Err(CloseReason::Shutdown);
        }
        if let Some(holder) = self.seat_of(&member) {
            if self.seats[holder].token != token {
                return Err(CloseReason::NameTaken);
            }
            self.end(vec![holder], CloseReason::Displaced);
        }
        self.seats.push(Seat {
            member,
            token,
            channels: Vec::new(),
            inbox: VecDeque::new(),
            ended: None,
        });
        self.tell(self.seats.len() - 1, Told::Welcome(self.limits.max_packet_bytes));
        Ok(())
    }

    pub(super) fn hear(&mut self, me: usize, bytes: &[u8]) -> Result<(), CloseReason> {
        if let Some(kind) = bytes.first().filter(|kind| **kind >= Ask::KINDS) {
            self.tell(me, Told::Skipped(*kind));
            return Ok(());
        }
        let ask = wire::decode(bytes, bytes.len()).map_err(|_| CloseReason::Malformed)?;
        let longest = usize::try_from(self.limits.max_packet_bytes).expect("a small number");
        match ask {
            Ask::Send(_, packet) if packet.len() > longest => Err(CloseReason::TooLarge),
            _ if self.seats[me].ended.is_some() => Ok(()),
            Ask::Hello { .. } => Err(CloseReason::Malformed),
            ask => {
                let channel = channel_of(&ask).clone();
                if let Err(refusal) = self.act(me, ask) {
                    self.tell(me, Told::Refused(channel, refusal));
                }
                Ok(())
            }
        }
    }

    pub(super) fn part(&mut self, me: usize, reason: CloseReason) {
        self.end(vec![me], reason);
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        for seat in self.seats.iter_mut().filter(|seat| seat.ended.is_none()) {
            seat.ended = Some(CloseReason::Shutdown);
            seat.channels.clear();
            seat.inbox.clear();
        }
    }

    /// All that a connection has to be told, and how it ended if it did.
    pub(super) fn take(&mut self, me: usize) -> (Vec<Told>, Option<CloseReason>) {
        let seat = &mut self.seats[me];
        (seat.inbox.drain(..).collect(), seat.ended)
    }

    fn act(&mut self, me: usize, ask: Ask) -> Result<(), Refusal> {
        let name = self.seats[me].member.clone();
        match ask {
            Ask::Hello { .. } => {}
            Ask::Enter(channel) => self.enter(me, channel)?,
            Ask::Leave(channel) => {
                self.require_in(me, &channel)?;
                self.leave(me, &channel);
            }
            Ask::Send(channel, packet) => {
                self.require_in(me, &channel)?;
                self.tell_all(&channel, &Told::Packet(channel.clone(), name, packet));
            }
            Ask::Invite(channel, member) => {
                self.require_in(me, &channel)?;
                match self.seat_of(&member) {
                    Some(seat) if self.is_in(seat, &channel) => return Err(Refusal::AlreadyMember),
                    Some(seat) => self.tell(seat, Told::Invited(channel, name)),
                    None => return Err(Refusal::NotConnected),
                }
            }
            Ask::Kick(channel, member) => {
                self.require_in(me, &channel)?;
                match self.seat_of(&member).filter(|seat| self.is_in(*seat, &channel)) {
                    Some(seat) => self.leave(seat, &channel),
                    None => {
                        self.tell_all(&channel, &Told::MemberLeft(channel.clone(), member));
                        return Err(Refusal::NotMember);
                    }
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, me: usize, channel: SessionName) -> Result<(), Refusal> {
        let inside = self.inside(&channel);
        let channels: BTreeSet<&SessionName> = self.seats.iter().flat_map(|seat| &seat.channels).collect();
        if inside.contains(&me) {
            return Err(Refusal::AlreadyIn);
        }
        if self.seats[me].channels.len() >= self.limits.channels_per_connection {
            return Err(Refusal::TooManyOwnChannels);
        }
        if inside.len() >= self.limits.members_per_channel {
            return Err(Refusal::ChannelFull);
        }
        if inside.is_empty() && channels.len() >= self.limits.channels {
            return Err(Refusal::TooManyChannels);
        }
        self.seats[me].channels.push(channel.clone());
        let name = self.seats[me].member.clone();
        let all = self.inside(&channel).into_iter();
        let members = all.map(|seat| self.seats[seat].member.clone()).collect();
        let entered = Told::Entered(channel.clone(), members);
        let mut slow = Vec::new();
        if !self.push(me, entered) {
            slow.push(me);
        }
        let news = Told::MemberEntered(channel, name);
        for other in inside {
            if !self.push(other, news.clone()) {
                slow.push(other);
            }
        }
        self.end(slow, CloseReason::TooSlow);
        Ok(())
    }

    /// The one who leaves is told first, then those who remain.
    fn leave(&mut self, me: usize, channel: &SessionName) {
        self.seats[me].channels.retain(|other| other != channel);
        self.tell(me, Told::Left(channel.clone()));
        let name = self.seats[me].member.clone();
        self.tell_all(channel, &Told::MemberLeft(channel.clone(), name));
    }

    /// The connection that holds a name.
    fn seat_of(&self, member: &MemberId) -> Option<usize> {
        (0..self.seats.len()).find(|n| self.seats[*n].ended.is_none() && self.seats[*n].member == *member)
    }

    fn is_in(&self, seat: usize, channel: &SessionName) -> bool {
        self.seats[seat].channels.contains(channel)
    }

    fn require_in(&self, seat: usize, channel: &SessionName) -> Result<(), Refusal> {
        self.is_in(seat, channel).then_some(()).ok_or(Refusal::NotIn)
    }

    /// The connections in a channel, by name.
    fn inside(&self, channel: &SessionName) -> Vec<usize> {
        let mut inside: Vec<usize> = (0..self.seats.len())
            .filter(|seat| self.is_in(*seat, channel))
            .collect();
        inside.sort_by_key(|seat| &self.seats[*seat].member);
        inside
    }

    /// Whether there was room for it, or nobody to tell.
    fn push(&mut self, seat: usize, told: Told) -> bool {
        let Seat { inbox, ended, .. } = &mut self.seats[seat];
        if ended.is_some() {
            return true;
        }
        let bytes: usize = inbox
            .iter()
            .chain([&told])
            .map(|told| wire::encode(told).len())
            .sum();
        let room = inbox.len() < self.limits.queue.packets && bytes <= self.limits.queue.bytes;
        if room {
            inbox.push_back(told);
        }
        room
    }

    fn tell(&mut self, seat: usize, told: Told) {
        if !self.push(seat, told) {
            self.end(vec![seat], CloseReason::TooSlow);
        }
    }

    fn tell_all(&mut self, channel: &SessionName, told: &Told) {
        let mut slow = self.inside(channel);
        slow.retain(|seat| !self.push(*seat, told.clone()));
        self.end(slow, CloseReason::TooSlow);
    }

    /// Connections end: all of them leave first, then the others hear of it, and whose queue that fills goes
    /// as well.
    fn end(&mut self, mut seats: Vec<usize>, mut reason: CloseReason) {
        while !seats.is_empty() {
            let mut news = Vec::new();
            for seat in seats {
                let seat = &mut self.seats[seat];
                if seat.ended.is_none() {
                    seat.ended = Some(reason);
                    seat.inbox.clear();
                    let channels = std::mem::take(&mut seat.channels);
                    news.extend(channels.into_iter().map(|channel| (channel, seat.member.clone())));
                }
            }
            seats = Vec::new();
            for (channel, member) in news {
                let mut slow = self.inside(&channel);
                let told = Told::MemberLeft(channel, member);
                slow.retain(|seat| !self.push(*seat, told.clone()));
                seats.extend(slow);
            }
            reason = CloseReason::TooSlow;
        }
    }
}

/// The channel that a request is about. A hello is about none.
fn channel_of(ask: &Ask) -> &SessionName {
    match ask {
        Ask::Hello { .. } => unreachable!("a hello is no request"),
        Ask::Enter(channel)
        | Ask::Leave(channel)
        | Ask::Send(channel, _)
        | Ask::Invite(channel, _)
        | Ask::Kick(channel, _) => channel,
    }
}

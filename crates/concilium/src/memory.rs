//! A group channel in memory, for examples and tests of applications: no network, no clock, no async.
//!
//! A [`Channel`] takes each member's [`ChannelAction`]s and gives [`ChannelEvent`]s, member by member, in one
//! total order. It is an honest server: who is in the channel is told everything, its own packets included. A
//! [`Room`] drives whole sessions over such a channel, with a time that stands still until it is told to
//! pass.
//!
//! ```
//! use concilium::channel::{ChannelAction, ChannelEvent};
//! use concilium::memory::Channel;
//! use concilium::{MemberId, MemberSet};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let alice = MemberId::new("alice")?;
//! let mut channel = Channel::new();
//! channel.act(&alice, ChannelAction::Enter);
//! let entered = ChannelEvent::Entered { members: MemberSet::of(alice.clone()) };
//! assert_eq!(channel.next(), Some((alice, entered)));
//! assert_eq!(channel.next(), None);
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use crate::channel::{ChannelAction, ChannelEvent};
use crate::{AnySession, Context, Event, MemberId, MemberSet, Output, RandomSource, Time};

/// The most events that wait in a channel. What is asked for beyond does not happen: a driver that takes no
/// events has no use for more of them.
pub const MAX_WAITING: usize = 1_000_000;

/// The most events that a [`Room`] hands out while time stands still. Only sessions that answer each other
/// without end reach it; the rest then waits for the next call.
pub const MAX_STEPS: usize = 100_000;

/// A channel in memory. See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Channel {
    connected: MemberSet,
    members: MemberSet,
    waiting: VecDeque<(MemberId, ChannelEvent)>,
}

impl Channel {
    /// An empty channel.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who is in the channel, once everything that waits is delivered.
    #[must_use]
    pub fn members(&self) -> &MemberSet {
        &self.members
    }

    /// Connects a member, who can be invited from now on. Whoever enters is connected by that.
    pub fn connect(&mut self, member: MemberId) {
        self.connected.insert(member);
    }

    /// A member's connection is gone: nothing that waits reaches it, and the others see it leave if it was
    /// in.
    pub fn disconnect(&mut self, member: &MemberId) {
        self.connected.remove(member);
        self.waiting.retain(|(to, _)| to != member);
        if self.members.remove(member) {
            self.tell(&ChannelEvent::MemberLeft {
                member: member.clone(),
            });
        }
    }

    /// Does what a member asks for. Who is not in the channel can enter it, and nothing else.
    pub fn act(&mut self, who: &MemberId, action: ChannelAction) {
        match action {
            ChannelAction::Enter => {
                self.connected.insert(who.clone());
                self.enter(who);
            }
            _ if !self.members.contains(who) => {}
            ChannelAction::Leave => self.leave(who.clone()),
            ChannelAction::Invite { member } => self.enter(&member),
            ChannelAction::Kick { member } => self.leave(member),
            ChannelAction::Send { bytes } => self.tell(&ChannelEvent::Packet {
                from: who.clone(),
                bytes,
            }),
            _ => {}
        }
    }

    /// The next event, and to whom it goes: those of each member come in the order of the channel.
    #[expect(
        clippy::should_implement_trait,
        reason = "more events may come after the last one"
    )]
    pub fn next(&mut self) -> Option<(MemberId, ChannelEvent)> {
        self.waiting.pop_front()
    }

    fn enter(&mut self, who: &MemberId) {
        if !self.connected.contains(who) || self.members.contains(who) {
            return;
        }
        self.tell(&ChannelEvent::MemberEntered { member: who.clone() });
        self.members.insert(who.clone());
        let members = self.members.clone();
        self.queue(who.clone(), ChannelEvent::Entered { members });
    }

    /// Takes a member out. Of one that is not in, the others are told just that.
    fn leave(&mut self, member: MemberId) {
        if self.members.remove(&member) {
            self.queue(member.clone(), ChannelEvent::Left);
        }
        self.tell(&ChannelEvent::MemberLeft { member });
    }

    /// Tells everyone in the channel.
    fn tell(&mut self, event: &ChannelEvent) {
        for member in self.members.clone() {
            self.queue(member, event.clone());
        }
    }

    fn queue(&mut self, to: MemberId, event: ChannelEvent) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((to, event));
        }
    }
}

/// Sessions over a [`Channel`] in memory, and the time that they are told. Nothing is saved: who needs
/// snapshots drives its sessions as a real driver does.
#[derive(Clone, Debug)]
pub struct Room {
    /// The channel.
    pub channel: Channel,
    /// What time it is.
    pub now: Time,
}

impl Room {
    /// An empty room at this time.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            channel: Channel::new(),
            now,
        }
    }

    /// Carries out what the sessions want of the channel, until no session wants anything more; gives what
    /// they tell their owners. No time passes. What is for a member whose session is not among these is lost.
    pub fn settle(
        &mut self,
        sessions: &mut [&mut dyn AnySession],
        random: &mut dyn RandomSource,
    ) -> Vec<(MemberId, Event)> {
        let mut told = Vec::new();
        for _ in 0..MAX_STEPS {
            for session in &mut *sessions {
                let me = session.me().clone();
                for output in session.drain().unsaved() {
                    match output {
                        Output::Channel(action) => self.channel.act(&me, action),
                        Output::Event(event) => told.push((me.clone(), event)),
                    }
                }
            }
            let Some((to, event)) = self.channel.next() else {
                break;
            };
            if let Some(session) = sessions.iter_mut().find(|session| *session.me() == to) {
                session.handle(event, &mut Context::new(self.now, random));
            }
        }
        told
    }

    /// Lets time pass: as [`settle`](Self::settle), and each session is woken whenever its next timeout is
    /// due.
    pub fn pass(
        &mut self,
        time: Duration,
        sessions: &mut [&mut dyn AnySession],
        random: &mut dyn RandomSource,
    ) -> Vec<(MemberId, Event)> {
        let end = self.now.after(time);
        let mut told = self.settle(sessions, random);
        for _ in 0..MAX_STEPS {
            let due = sessions.iter().filter_map(|session| session.next_timeout()).min();
            let Some(due) = due.filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            for session in &mut *sessions {
                session.handle_timeout(&mut Context::new(self.now, random));
            }
            told.extend(self.settle(sessions, random));
        }
        self.now = end;
        told
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    fn id(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    /// What `to` is told, in short, of all that waits.
    fn told(channel: &mut Channel, to: &str) -> Vec<String> {
        let events: Vec<_> = std::iter::from_fn(|| channel.next()).collect();
        let mine = events.into_iter().filter(|(who, _)| *who == id(to));
        mine.map(|(_, event)| match event {
            ChannelEvent::Entered { members } => format!("in: {members}"),
            ChannelEvent::Left => "out".to_owned(),
            ChannelEvent::MemberEntered { member } => format!("+{member}"),
            ChannelEvent::MemberLeft { member } => format!("-{member}"),
            ChannelEvent::Packet { from, bytes } => format!("{from} {bytes:?}"),
            other => format!("{other:?}"),
        })
        .collect()
    }

    fn two() -> Channel {
        let mut channel = Channel::new();
        channel.act(&id("alice"), ChannelAction::Enter);
        channel.act(&id("bob"), ChannelAction::Enter);
        channel
    }

    fn send(channel: &mut Channel, from: &str, byte: u8) {
        channel.act(&id(from), ChannelAction::Send { bytes: vec![byte] });
    }

    #[test]
    fn all_who_are_in_are_told_the_same_in_the_same_order() {
        let talk = |to: &str| {
            let mut channel = two();
            send(&mut channel, "bob", 1);
            send(&mut channel, "alice", 2);
            channel.act(&id("bob"), ChannelAction::Leave);
            send(&mut channel, "bob", 3);
            send(&mut channel, "alice", 4);
            told(&mut channel, to)
        };
        let alice = ["in: alice", "+bob", "bob [1]", "alice [2]", "-bob", "alice [4]"];
        assert_eq!(talk("alice"), alice);
        assert_eq!(talk("bob"), ["in: alice bob", "bob [1]", "alice [2]", "out"]);
    }

    #[test]
    fn kicks_and_invitations() {
        let mut channel = two();
        let (bob, carol) = (id("bob"), id("carol"));
        channel.act(
            &id("alice"),
            ChannelAction::Invite {
                member: carol.clone(),
            },
        );
        assert_eq!(
            channel.members().to_string(),
            "alice bob",
            "carol is not connected"
        );
        channel.connect(carol.clone());
        channel.act(
            &id("alice"),
            ChannelAction::Invite {
                member: carol.clone(),
            },
        );
        channel.act(&carol, ChannelAction::Kick { member: bob.clone() });
        channel.act(&bob, ChannelAction::Kick { member: carol });
        assert_eq!(channel.members().to_string(), "alice carol");
        channel.act(&id("alice"), ChannelAction::Kick { member: bob });
        let alice = ["in: alice", "+bob", "+carol", "-bob", "-bob"];
        assert_eq!(told(&mut channel.clone(), "alice"), alice);
        assert_eq!(told(&mut channel, "bob"), ["in: alice bob", "+carol", "out"]);
    }

    #[test]
    fn nothing_reaches_who_is_disconnected() {
        let mut channel = two();
        channel.disconnect(&id("bob"));
        channel.act(&id("alice"), ChannelAction::Invite { member: id("bob") });
        assert_eq!(told(&mut channel.clone(), "alice"), ["in: alice", "+bob", "-bob"]);
        assert_eq!(told(&mut channel, "bob"), [""; 0]);
    }
}

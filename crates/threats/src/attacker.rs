//! What each attacker has, and the sessions that it runs with it.

use std::sync::Arc;
use std::time::Duration;

use concilium_core::channel::ChannelEvent;
use concilium_core::{Change, MemberSet, Time};
use concilium_gka::Identity;
use concilium_test_parts::Parts;

use crate::course::{Course, Moment, VICTIM, members};
use crate::stage::{Keys, Process, Stage, directory, id, identity, key_of};

/// An identity of this name with a key that no honest member trusts.
pub(crate) fn made_up(name: &str) -> Identity {
    key_of(name, &format!("nobody, as {name}"))
}

/// The rows of the table (S-1). Each except the last has also what the one before has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attacker {
    /// The network and the server.
    Network,
    /// Also T's identity key.
    Identity,
    /// Also all that T's process held at one moment.
    Session,
    /// The network, the server, and T itself, all along.
    Seat,
}

impl Attacker {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Network, Self::Identity, Self::Session, Self::Seat];

    /// The identity with which it impersonates a member: with T's key if it has that, else with one that it
    /// made.
    pub(crate) fn identity_as(self, name: &str) -> Identity {
        match self {
            Self::Network => made_up(name),
            Self::Identity | Self::Session | Self::Seat => key_of(name, VICTIM),
        }
    }

    /// The keys that its own sessions trust: the real ones, except for the member in whose name it acts.
    pub(crate) fn directory_for(impostor: &Identity, everybody: &Keys) -> Arc<Keys> {
        let mut keys = everybody.clone();
        keys.extend(directory([impostor]));
        Arc::new(keys)
    }

    /// The moments at whose ends it takes all that T's process holds.
    pub(crate) fn thefts(self) -> &'static [Moment] {
        match self {
            Self::Network | Self::Identity => &[],
            Self::Session => &[Moment::Acknowledged],
            // Once for each of its contributions to the keys, and before the leak.
            Self::Seat => &[Moment::Early, Moment::Late, Moment::Acknowledged, Moment::Renewed],
        }
    }

    /// T's session as this attacker has it at the end of a moment: the one it stole last, fed since with all
    /// that the channel carried.
    pub(crate) fn stolen_at(self, course: &Course, moment: Moment) -> Option<Process> {
        let theft = self.thefts().iter().rev().find(|theft| **theft <= moment)?;
        let mut listener = Listener::stolen(course, *theft);
        let stage = course.at(moment);
        while let Some(event) = listener.next(stage) {
            listener.hear(event);
        }
        Some(listener.process)
    }
}

/// A session that hears everything and reaches no member.
pub(crate) struct Listener {
    pub(crate) process: Process,
    /// When it was stolen. Time stands still for it, so that it says nothing by itself, and its view of what
    /// was said stays true.
    at: Time,
    position: u64,
    /// The members of the channel at that position.
    channel: MemberSet,
    me_is_in: bool,
}

impl Listener {
    /// One that knows nothing, from the start of the course.
    pub(crate) fn fresh(parts: Parts, identity: Identity, keys: &Arc<Keys>) -> Self {
        let mut process = Process::fresh(parts, identity, keys, 0xf4e5);
        let _ = process.act(Time::ZERO, |session, cx| session.join(cx));
        Self {
            process,
            at: Time::ZERO,
            position: 0,
            channel: MemberSet::new(),
            me_is_in: false,
        }
    }

    /// T's session as it was at the end of a moment, in other hands.
    pub(crate) fn stolen(course: &Course, theft: Moment) -> Self {
        let stage = course.at(theft);
        let snapshot = stage.session(VICTIM).snapshot();
        Self {
            process: Process::stolen(
                course.parts,
                identity(VICTIM),
                stage.directory(),
                &snapshot,
                0x57013,
            ),
            at: stage.now,
            position: stage.channel.next_position(),
            channel: stage.channel.members().clone(),
            me_is_in: true,
        }
    }

    /// The next event of the stage's channel.
    pub(crate) fn next(&mut self, stage: &Stage) -> Option<ChannelEvent> {
        let (_, event) = stage.channel.order_from(self.position).next()?.clone();
        self.position += 1;
        Some(event)
    }

    /// Hears it, deaf to being put out.
    pub(crate) fn hear(&mut self, event: ChannelEvent) {
        let me = self.process.identity.member().clone();
        let event = match event {
            ChannelEvent::MemberEntered { member } => {
                self.channel.insert(member.clone());
                if member == me {
                    if self.me_is_in {
                        return;
                    }
                    self.me_is_in = true;
                    let members = self.channel.clone();
                    ChannelEvent::Entered { members }
                } else {
                    ChannelEvent::MemberEntered { member }
                }
            }
            ChannelEvent::MemberLeft { member } => {
                self.channel.remove(&member);
                if member == me {
                    return;
                }
                ChannelEvent::MemberLeft { member }
            }
            event => event,
        };
        if self.me_is_in {
            self.process.act(self.at, |session, cx| session.handle(event, cx));
        }
        let _ = self.process.packets();
    }
}

/// A session of the same name in which the attacker plays all members: with the real keys that it has, and
/// made-up ones for the others.
pub(crate) fn counterfeit(attacker: Attacker, parts: Parts) -> Stage {
    let names: Vec<&str> = members().collect();
    let mut stage = Stage::new(parts, &names);
    let identities: Vec<Identity> = (names.iter())
        .map(|name| match *name {
            VICTIM => attacker.identity_as(name),
            other => made_up(other),
        })
        .collect();
    let keys = Arc::new(directory(&identities));
    for (seed, identity) in (100..).zip(identities) {
        stage.replace(Process::fresh(parts, identity, &keys, seed));
    }
    stage.act("alice", |session, cx| session.join(cx)).unwrap();
    stage.run(Duration::from_secs(20));
    let others: MemberSet = ["bob", "carol", VICTIM].map(id).into_iter().collect();
    stage.change("alice", Change::include(others));
    for name in names {
        stage.say(name, crate::speak::FORGED);
    }
    stage.run(Duration::from_secs(5));
    stage
}

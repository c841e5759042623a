//! An insider at work. Its session lives on as it is, or as its lie left it, and its lies carry good
//! signatures.

use concilium_core::channel::ChannelAction;
use concilium_core::keys::SigningKey;
use concilium_core::packet::{self, PacketKind};
use concilium_core::{ChainHash, Change, Context, MemberSet, MessageId, PacketId, Secret};
use concilium_encryptor::{ChainConfirmation, Content, Kind, MAX_PARENTS};
use concilium_gka::{AssociatedData, Role, signed};
use concilium_session::{AnySession, Output, SessionState};

use crate::dice::{Dice, source};
use crate::lie::{self, Bend, BendData, Lie};
use crate::plan::{Who, name};
use crate::world::World;

/// Group elements, keys, nonces and hashes all have this many bytes, and stand at the end of payloads.
const CHUNK: usize = 32;

/// The number of a kind of message that there is not.
const UNKNOWN_KIND: u8 = 0x2a;

fn no_message(dice: &mut Dice) -> MessageId {
    MessageId::from_bytes(dice.chunk())
}

impl World<'_> {
    /// The member tells a lie. Then it forgets that it did, or `believes` that it said it.
    pub(crate) fn perjure(&mut self, number: usize, who: Who, lie: Lie, believes: bool) {
        self.checks.liars.insert(who);
        match lie {
            Lie::Resign => self.members[who].resign += 2,
            Lie::AbortRunning
            | Lie::AbortOver
            | Lie::AbortMadeUp
            | Lie::Borrowed
            | Lie::LaterOfOver
            | Lie::InitialBorrowed => self.make_up(who, lie),
            Lie::ProposalParent
            | Lie::ProposalChain
            | Lie::ProposalEarlier
            | Lie::ProposalLatest
            | Lie::ProposalMembers
            | Lie::ProposalSuite => self.propose_falsely(number, who, lie, believes),
            _ => self.speak_falsely(number, who, lie, believes),
        }
    }

    // Messages.

    fn speak_falsely(&mut self, number: usize, who: Who, lie: Lie, believes: bool) {
        let Some(mut twin) = self.twin(who) else { return };
        let local = self.members[who].clock.shows(self.now);
        let mut rng = source(number as u64, "perjury");
        for (count, bend) in self.bends(who, lie).into_iter().enumerate() {
            let body = format!("{number}.{count} of {} and not so", name(who));
            let mut cx = Context::new(local, &mut rng);
            lie::with_content(bend, || twin.send(body.as_bytes(), &mut cx).is_ok());
        }
        self.let_out(who, twin, lie, believes);
    }

    /// What becomes of the next messages.
    fn bends(&mut self, who: Who, lie: Lie) -> Vec<Bend> {
        let Some(peer) = self.peer(who) else {
            return Vec::new();
        };
        let here = peer.subsession();
        let is_here = |view: &concilium_session::MessageView<'_>| Some(view.subsession) == here;
        let (ours, elsewhere): (Vec<_>, Vec<_>) = peer.messages().partition(is_here);
        let ours: Vec<MessageId> = ours.iter().map(|view| view.id).collect();
        let elsewhere: Vec<MessageId> = elsewhere.iter().map(|view| view.id).collect();
        let links: Vec<_> = peer.history().iter().map(|record| record.link).collect();
        let made_up: Vec<MessageId> = (0..MAX_PARENTS).map(|_| no_message(&mut self.dice)).collect();
        let chain = ChainHash::from_bytes(self.dice.chunk());
        let packet = PacketId::from_bytes(self.dice.chunk());
        let key = SigningKey::from_seed(&Secret::new(self.dice.chunk()));
        let seed = self.dice.chunk();
        let some_link = match links.len() {
            0 => None,
            len => links.get(self.dice.index(len)).copied(),
        };
        let confirm = |packet, chain| -> Bend {
            Box::new(move |content: &mut Content| {
                content.confirmation = Some(ChainConfirmation { packet, chain });
            })
        };
        let turn = |kind: Kind, body: Option<Vec<u8>>| -> Bend {
            Box::new(move |content: &mut Content| {
                content.kind = kind;
                content.body = body.unwrap_or_default();
            })
        };
        let honestly = || -> Bend { Box::new(|_| {}) };
        let parents = |parents: Vec<MessageId>| -> Bend {
            Box::new(move |content: &mut Content| content.parents = parents)
        };
        let unknown = Kind::from_number(UNKNOWN_KIND).unwrap_or(Kind::CONSISTENCY);
        match lie {
            Lie::UnknownParents => vec![Box::new(move |content: &mut Content| {
                content.parents.extend(made_up.into_iter().take(2));
            })],
            Lie::ManyParents => vec![parents(made_up)],
            Lie::ParentsBeforeParents => vec![Box::new(move |content: &mut Content| {
                content.parents.extend(ours);
                content.parents.truncate(MAX_PARENTS);
            })],
            Lie::ParentsElsewhere => vec![parents(elsewhere)],
            Lie::NoParents => vec![parents(Vec::new())],
            Lie::ChainMadeUp => vec![confirm(packet, chain)],
            Lie::ChainOther => vec![confirm(links.last().map_or(packet, |last| last.packet), chain)],
            Lie::ChainEarlier => match some_link {
                Some(link) => vec![confirm(link.packet, link.chain)],
                None => Vec::new(),
            },
            Lie::Finish => vec![turn(Kind::FINISH, None)],
            Lie::FinishTwice => vec![turn(Kind::FINISH, None), turn(Kind::FINISH, None)],
            Lie::DataAfterFinish | Lie::DataBeforeFinish => vec![turn(Kind::FINISH, None), honestly()],
            Lie::DataAfterRetiring => {
                let names = key.verifying_key().as_bytes().to_vec();
                vec![turn(Kind::FINISH, Some(names)), honestly()]
            }
            Lie::FinishOddBody => vec![turn(Kind::FINISH, Some(vec![7; 33]))],
            Lie::WrongKey => vec![turn(Kind::KEY_PUBLICATION, Some(seed.to_vec()))],
            Lie::AckWithBody => vec![turn(Kind::AUTOMATIC_ACK, Some(vec![7; 4000]))],
            Lie::UnknownKind => vec![turn(unknown, Some(vec![7; 10]))],
            _ => Vec::new(),
        }
    }

    // Proposals.

    fn propose_falsely(&mut self, number: usize, who: Who, lie: Lie, believes: bool) {
        let Some(mut twin) = self.twin(who) else { return };
        let (parent, chain) = (
            PacketId::from_bytes(self.dice.chunk()),
            ChainHash::from_bytes(self.dice.chunk()),
        );
        let made_up = no_message(&mut self.dice);
        let links: Vec<_> = twin.history().iter().map(|record| record.link).collect();
        let earlier = match links.len() {
            0 => None,
            len => links.get(self.dice.index(len)).copied(),
        };
        let other = self.dice.index(self.members.len());
        let other = self.members[other].id.clone();
        let bend: BendData = match lie {
            Lie::ProposalParent => Box::new(move |data| data.parent = parent),
            Lie::ProposalChain => Box::new(move |data| data.chain = chain),
            Lie::ProposalEarlier => Box::new(move |data| {
                if let Some(link) = earlier {
                    (data.parent, data.chain) = (link.packet, link.chain);
                }
            }),
            Lie::ProposalLatest => Box::new(move |data| data.latest.push(made_up)),
            Lie::ProposalMembers => Box::new(move |data| toggle(&mut data.after, other)),
            _ => Box::new(|data| data.suite.push('x')),
        };
        let local = self.members[who].clock.shows(self.now);
        let mut rng = source(number as u64, "perjury");
        let mut cx = Context::new(local, &mut rng);
        lie::with_data(bend, || twin.change(Change::refresh(), &mut cx).is_ok());
        self.let_out(who, twin, lie, believes);
    }

    /// The session of a member once more, with parts that lie.
    fn twin(&self, who: Who) -> Option<Box<dyn AnySession>> {
        let peer = self
            .peer(who)
            .filter(|peer| peer.state() == SessionState::Joined)?;
        self.lying_copy(who, &peer.snapshot())
    }

    fn let_out(&mut self, who: Who, mut twin: Box<dyn AnySession>, lie: Lie, believes: bool) {
        let mut packets = Vec::new();
        for output in twin.drain().unsaved() {
            if let Output::Channel(ChannelAction::Send { bytes }) = output {
                packets.push(bytes);
            }
        }
        if lie == Lie::DataBeforeFinish {
            packets.reverse();
        }
        for bytes in packets {
            self.utter(who, bytes);
        }
        if believes && let Some(peer) = self.copy(who, &twin.snapshot()) {
            self.checks.restarted(who);
            self.members[who].peer = Some(peer);
            self.pump(who);
        }
        self.reschedule(who);
    }

    /// A member sends a packet that its session does not know of.
    fn utter(&mut self, who: Who, bytes: Vec<u8>) {
        let id = self.members[who].id.clone();
        if self.channel.members().contains(&id) {
            self.channel.forge(&id, bytes, self.now);
            self.route(false);
        }
    }

    // Packets of operations.

    /// A packet of an operation, made from nothing or from other packets.
    fn make_up(&mut self, who: Who, lie: Lie) {
        let Some(peer) = self.peer(who) else { return };
        let running = peer.operation().map(|operation| operation.initial);
        let over: Vec<PacketId> = peer.history().iter().map(|record| record.initial).collect();
        let over = match over.len() {
            0 => None,
            len => over.get(self.dice.index(len)).copied(),
        };
        let mut sent = self.operation_packets();
        let made = match lie {
            Lie::AbortRunning => running.map(|initial| (Role::Abort { initial }, Vec::new())),
            Lie::AbortOver => over.map(|initial| (Role::Abort { initial }, Vec::new())),
            Lie::AbortMadeUp => {
                let initial = PacketId::from_bytes(self.dice.chunk());
                Some((Role::Abort { initial }, Vec::new()))
            }
            _ if sent.is_empty() => None,
            Lie::InitialBorrowed => {
                let place = self.dice.index(sent.len());
                let (role, payload) = sent.swap_remove(place);
                // In another's place: the author must be a member before and after.
                let role = match role {
                    Role::Initial(mut data) => {
                        data.before.insert(self.members[who].id.clone());
                        data.after.insert(self.members[who].id.clone());
                        Role::Initial(data)
                    }
                    role => role,
                };
                Some((role, payload))
            }
            _ => {
                let initial = if lie == Lie::Borrowed { running } else { over };
                let place = self.dice.index(sent.len());
                let (_, payload) = sent.swap_remove(place);
                initial.map(|initial| (Role::Later { initial }, payload))
            }
        };
        if let Some(packet) = made.and_then(|(role, payload)| self.sign(who, role, payload)) {
            self.utter(who, packet);
        }
    }

    /// What a lying member makes of a packet of an operation: another one, well signed. None if it is of no
    /// operation, or its key agreement signs in a way of its own.
    pub(crate) fn resign(&mut self, who: Who, bytes: &[u8]) -> Option<Vec<u8>> {
        let (mut role, mut payload) = self.read_operation(who, bytes)?;
        let others = self.operation_packets();
        if self.dice.percent(55) {
            let place = self.dice.index(others.len());
            let other = others.get(place).map_or(&[][..], |(_, payload)| payload);
            bend_payload(&mut payload, other, &mut self.dice);
        } else {
            self.bend_role(who, &mut role);
        }
        self.sign(who, role, payload)
    }

    fn bend_role(&mut self, who: Who, role: &mut Role) {
        let other = self.dice.index(self.members.len());
        let other = self.members[other].id.clone();
        let dice = &mut self.dice;
        let packet = PacketId::from_bytes(dice.chunk());
        let history = self.members[who]
            .peer
            .as_ref()
            .map_or(&[][..], |peer| peer.history());
        let earlier = history.get(dice.index(history.len()));
        *role = match std::mem::replace(role, Role::Later { initial: packet }) {
            Role::Initial(mut data) => {
                bend_data(&mut data, other, dice);
                Role::Initial(data)
            }
            Role::Later { initial } => match dice.below(3) {
                0 => Role::Abort { initial },
                1 => Role::Later {
                    initial: earlier.map_or(packet, |record| record.initial),
                },
                _ => Role::Later { initial: packet },
            },
            Role::Abort { .. } => Role::Abort {
                initial: earlier.map_or(packet, |record| record.initial),
            },
        };
    }

    /// The packets of operations so far that are signed in the usual way, opened.
    fn operation_packets(&self) -> Vec<(Role, Vec<u8>)> {
        let packets = self.channel.packets().iter();
        let read = packets.filter_map(|packet| {
            let who = self.number(&packet.from)?;
            self.read_operation(who, &packet.bytes)
        });
        read.collect()
    }

    fn read_operation(&self, who: Who, bytes: &[u8]) -> Option<(Role, Vec<u8>)> {
        let Ok((PacketKind::Operation, body)) = packet::read(bytes) else {
            return None;
        };
        let (name, directory) = self.name_and_directory();
        let opened = signed::open(body, name, &self.members[who].id, directory).ok()?;
        let (_, role, payload) = opened.into_parts();
        Some((role, payload))
    }

    fn sign(&self, who: Who, role: Role, payload: Vec<u8>) -> Option<Vec<u8>> {
        let (name, _) = self.name_and_directory();
        let packet = signed::seal(&self.members[who].identity, name, role, payload).ok()?;
        Some(packet::frame(PacketKind::Operation, &packet))
    }
}

fn toggle(members: &mut MemberSet, member: concilium_core::MemberId) {
    if !members.remove(&member) {
        members.insert(member);
    }
}

fn bend_data(data: &mut AssociatedData, other: concilium_core::MemberId, dice: &mut Dice) {
    match dice.below(6) {
        0 => data.parent = PacketId::from_bytes(dice.chunk()),
        1 => data.chain = ChainHash::from_bytes(dice.chunk()),
        2 => data.latest.push(no_message(dice)),
        3 => toggle(&mut data.after, other),
        4 => toggle(&mut data.before, other),
        _ => data.suite.push('x'),
    }
}

/// Another payload, with parts of the size of group elements in other places, or from another one.
fn bend_payload(payload: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let len = payload.len();
    let chunk = |len: usize, dice: &mut Dice| {
        let count = len / CHUNK;
        (count > 0).then(|| len - CHUNK * (1 + dice.index(count)))
    };
    let (Some(to), Some(from)) = (chunk(len, dice), chunk(len, dice)) else {
        return payload.push(0);
    };
    match dice.below(7) {
        0 => {
            for place in 0..CHUNK {
                payload.swap(to + place, from + place);
            }
        }
        1 => payload.copy_within(from..from + CHUNK, to),
        2 | 3 => {
            // From the same place, counted from the end, if there is one there.
            let place = (other.len() + to).checked_sub(len);
            let theirs = place.and_then(|place| other.get(place..place + CHUNK));
            if let Some(theirs) = theirs {
                payload[to..to + CHUNK].copy_from_slice(theirs);
            }
        }
        4 => *payload = other.to_vec(),
        5 => payload[to..to + CHUNK].copy_from_slice(&dice.bytes(CHUNK)),
        _ => {
            let bit = dice.index(len * 8);
            payload[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

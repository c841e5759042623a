//! Carrying out the steps of a plan.

use std::collections::BTreeSet;
use std::time::Duration;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::packet::{self, PacketKind};
use concilium_core::{Change, Context, MemberSet};
use concilium_session::{Output, SessionState};

use crate::dice::source;
use crate::plan::{Act, Who, name};
use crate::world::World;

impl World<'_> {
    /// Does what a step says. A step that makes no sense now does nothing.
    pub(crate) fn carry_out_step(&mut self, number: usize, who: Who, act: &Act) {
        let now = self.now;
        let millis = |millis: u64| Duration::from_millis(millis);
        match act {
            Act::Join => {
                self.members[who].wants_in = true;
                self.command(who, |peer, cx| peer.join(cx).is_ok());
            }
            Act::Part => {
                self.members[who].wants_in = false;
                self.command(who, |peer, cx| peer.part(cx).is_ok());
            }
            Act::Send { bytes } => {
                let mut body = format!("{number} of {}", name(who)).into_bytes();
                body.resize(body.len().max(*bytes), b'.');
                self.say(who, &body);
            }
            Act::Ack => {
                self.command(who, |peer, cx| peer.ack(cx).is_ok());
            }
            Act::Change { include, exclude } => self.change(who, include, exclude),
            Act::Abort => {
                self.command(who, |peer, cx| peer.abort(cx).is_ok());
            }
            Act::Crash { millis: after, age } => self.crash(who, millis(*after), *age),
            Act::Restart => self.restart(who),
            Act::Disconnect => self.disconnect(who),
            Act::Kick => {
                let id = self.members[who].id.clone();
                self.channel.leave(&id, now);
                self.route(false);
            }
            Act::Stall { millis: span } => {
                self.members[who].stalled_until = now.after(millis(*span));
                self.reschedule(who);
            }
            Act::Jump { millis } => {
                self.members[who].clock.jump(now, *millis);
                self.command(who, |peer, cx| peer.handle_timeout(cx));
            }
            Act::Rate { permille } => {
                self.members[who].clock.run_at(now, *permille);
                self.command(who, |peer, cx| peer.handle_timeout(cx));
            }
            Act::Delay { extra, millis: span } => {
                let until = now.after(millis(*span));
                self.members[who].link.slow_down(millis(*extra), until);
            }
            Act::Lose { packets } => self.members[who].lose += packets,
            Act::Miss {
                packets,
                messages_only,
            } => self.members[who].link.miss(*packets, *messages_only),
            Act::Duplicate { alone: true } => self.members[who].link.twice(),
            Act::Duplicate { alone: false } => self.twice_next = true,
            Act::Replay { place, flip } => self.replay(*place, *flip),
            Act::Forge { kind, bytes } => self.forge(who, *kind, *bytes),
            Act::Reorder { places } => self.members[who].link.hold_next(*places),
            Act::Partition {
                with,
                millis: span,
                how,
            } => {
                let inside = with.iter().copied().chain([who]).collect();
                self.split(inside, now.after(millis(*span)), *how);
            }
            Act::Lie {
                about,
                enters,
                to_all,
            } => self.lie(who, *about, *enters, *to_all),
            Act::Mutate { packets } => {
                self.checks.liars.insert(who);
                self.members[who].mutate += packets;
            }
            Act::Perjure { lie, believes } => self.perjure(number, who, *lie, *believes),
            Act::Fork => self.fork(number, who),
        }
    }

    /// The server says that a member is in the channel, or is not.
    fn lie(&mut self, to: Who, about: Who, enters: bool, to_all: bool) {
        let member = self.members[about].id.clone();
        let event = match (about == to && !to_all, enters) {
            (true, true) => ChannelEvent::Entered {
                members: self.channel.members().clone(),
            },
            (true, false) => ChannelEvent::Left,
            (false, true) => ChannelEvent::MemberEntered { member },
            (false, false) => ChannelEvent::MemberLeft { member },
        };
        if to_all {
            self.tell_all_but(about, &event);
        } else {
            self.tell(to, event);
        }
    }

    /// A member says something, if it can.
    pub(crate) fn say(&mut self, who: Who, body: &[u8]) -> bool {
        let said = self.command(who, |peer, cx| peer.send(body, cx).ok()).flatten();
        let Some(id) = said else { return false };
        if let Some(peer) = self.members[who].peer.as_deref() {
            self.checks.wrote(who, id, body, peer);
        }
        true
    }

    fn change(&mut self, who: Who, include: &[Who], exclude: &[Who]) {
        let ids = |whos: &[Who]| whos.iter().map(|who| self.members[*who].id.clone()).collect();
        let (include, exclude): (MemberSet, MemberSet) = (ids(include), ids(exclude));
        let Some(peer) = self.peer(who) else { return };
        let members = peer.members();
        let refresh = include.is_empty() && exclude.is_empty();
        let change = Change {
            include: include.minus(members).minus(&exclude),
            exclude: exclude.intersection(members),
        };
        if refresh || !change.is_refresh() {
            self.command(who, |peer, cx| peer.change(change, cx).is_ok());
        }
    }

    fn replay(&mut self, place: u64, flip: Option<u64>) {
        let packets = self.channel.packets();
        let number = place as usize * packets.len() / 65_536 + 1;
        let is_forged = flip.is_some();
        let done = self.channel.replay(number, self.now, |mut bytes| {
            if let Some(flip) = flip {
                let bit = flip as usize % (bytes.len().max(1) * 8);
                *bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
            }
            Some(bytes)
        });
        if done.is_some() {
            self.route(is_forged);
        }
    }

    /// A made-up packet: garbage, garbage in a frame, or another member's packet under this name.
    fn forge(&mut self, from: Who, kind: u8, bytes: usize) {
        let garbage = self.dice.bytes(bytes);
        let frame = |kind| packet::frame(kind, &garbage);
        let bytes = match kind {
            0 => frame(PacketKind::Operation),
            1 => frame(PacketKind::Message),
            2 => frame(PacketKind::Announcement),
            3 => garbage,
            _ => {
                let packets = self.channel.packets();
                let (own, others): (Vec<_>, Vec<_>) = packets
                    .iter()
                    .filter(|packet| matches!(packet::read(&packet.bytes), Ok((PacketKind::Operation, _))))
                    .partition(|packet| packet.from == self.members[from].id);
                // What was forged before under another name may be its own.
                let is_own = |bytes: &Vec<u8>| own.iter().any(|packet| packet.bytes == *bytes);
                let others: Vec<_> = others
                    .into_iter()
                    .filter(|packet| !is_own(&packet.bytes))
                    .collect();
                match others.len() {
                    0 => garbage,
                    len => others[self.dice.index(len)].bytes.clone(),
                }
            }
        };
        let from = self.members[from].id.clone();
        self.channel.forge(&from, bytes, self.now);
        self.route(true);
    }

    /// The member's session lives twice for one message, and each of the others sees one of the two.
    pub(crate) fn fork(&mut self, number: usize, who: Who) {
        let local = self.members[who].clock.shows(self.now);
        let Some(peer) = self.peer(who).filter(|peer| peer.state() == SessionState::Joined) else {
            return;
        };
        let Some(mut twin) = self.copy(who, &peer.snapshot()) else {
            return;
        };
        let body = format!("{number} of {} but not to all", name(who));
        let mut rng = source(number as u64, "twin");
        if twin
            .send(body.as_bytes(), &mut Context::new(local, &mut rng))
            .is_err()
        {
            return;
        }
        self.checks.liars.insert(who);
        // At least one of the others on either side, if there are two.
        let others: Vec<Who> = (0..self.members.len()).filter(|other| *other != who).collect();
        let mut some: BTreeSet<Who> = others.iter().copied().filter(|_| self.dice.percent(50)).collect();
        some.extend(others.first());
        if others.len() > 1 {
            some.remove(&others[others.len() - 1]);
        }
        let id = self.members[who].id.clone();
        for output in twin.drain().unsaved() {
            if let Output::Channel(ChannelAction::Send { bytes }) = output {
                self.channel.forge(&id, bytes, self.now);
                self.route_to(&some, false);
            }
        }
        for other in &some {
            self.members[*other].link.miss(1, true);
        }
        let body = format!("{number} of {} to the others", name(who));
        self.say(who, body.as_bytes());
    }
}

//! Processes with real sessions around an untrusted server, on one agenda.
//!
//! Every process has a careful driver. After each input the driver saves the state, and only then carries out
//! the outputs. A timer that is due fires at once. A member that wants to be in and finds itself out enters
//! again after a while, as clients do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use concilium::sessions::Owner;
use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::{Context, MemberId, MemberSet, SessionName, Time};
use concilium_gka::{Directory, Identity};
use concilium_session::{AnySession, Event, Moderators, Output, SessionState, Settings};
use concilium_testkit::channel::{Channel, Delivery, Effect};
use concilium_testkit::network::EPOCH;
use rand_chacha::ChaCha20Rng;
use zeroize::Zeroizing;

use crate::checks::Checks;
use crate::clock::Clock;
use crate::dice::{Dice, source};
use crate::link::{Arriving, Link};
use crate::plan::{Plan, Split, Who, name};
use crate::{Gka, Suite};

/// The most inputs within one moment: only processes that answer each other without end reach it.
const MAX_AT_ONCE: u64 = 200_000;

/// The most times that a process is woken at one moment.
const MAX_WAKE_UPS: usize = 100;

/// So many saved states are kept of each process.
const SAVED: usize = 5;

/// One member's process, and the way to it.
pub(crate) struct Member {
    pub(crate) id: MemberId,
    pub(crate) identity: Identity,
    rng: ChaCha20Rng,
    pub(crate) peer: Option<Box<dyn AnySession>>,
    saved: VecDeque<Zeroizing<Vec<u8>>>,
    pub(crate) clock: Clock,
    pub(crate) link: Link,
    timer: Time,
    pub(crate) stalled_until: Time,
    /// Whether its user wants to be in the session.
    pub(crate) wants_in: bool,
    rejoin_at: Time,
    /// By whom it was invited while it had yet to hear that it is out: it comes in when it has.
    invited_by: Option<Who>,
    /// So many packets of it are still lost, or changed by itself.
    pub(crate) lose: usize,
    pub(crate) mutate: usize,
    /// So many of its packets of operations leave changed, and signed again.
    pub(crate) resign: usize,
    /// When it starts again after a crash, and from which saved state.
    restore_at: Time,
    restore_age: usize,
    agenda: Time,
    /// The position after the last event that it was given.
    pub(crate) position: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) commands: u64,
}

/// The state of a process when its members changed.
pub(crate) struct Held {
    pub(crate) who: Who,
    pub(crate) snapshot: Zeroizing<Vec<u8>>,
    pub(crate) position: u64,
    /// Whether it was in a session with others then.
    pub(crate) is_in: bool,
}

struct Sides {
    inside: BTreeSet<Who>,
    until: Time,
    how: Split,
}

/// What a run has cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Inputs of all sessions: events, timers, commands.
    pub inputs: u64,
    /// Packets sent.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// All of it.
pub(crate) struct World<'s> {
    suite: &'s Suite,
    settings: Settings,
    name: SessionName,
    directory: Arc<dyn Directory>,
    pub(crate) members: Vec<Member>,
    numbers: BTreeMap<MemberId, Who>,
    pub(crate) channel: Channel,
    pub(crate) now: Time,
    /// The next process, and when.
    agenda: BTreeSet<(Time, Who)>,
    latencies: Dice,
    slowness: u64,
    pub(crate) dice: Dice,
    sides: Option<Sides>,
    pub(crate) twice_next: bool,
    pub(crate) checks: Checks,
    pub(crate) held: Vec<Held>,
    pub(crate) keeps_held: bool,
    pub(crate) saves: bool,
    /// Whether everything is compared at every step, which costs as much as the members are many.
    pub(crate) is_thorough: bool,
    pub(crate) work: Work,
    at_once: u64,
    /// What happened, if a trace is wanted.
    pub(crate) trace: Option<Vec<String>>,
}

impl fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// The ids of these members.
fn ids(whos: &BTreeSet<Who>) -> MemberSet {
    let id = |who: &Who| MemberId::new(name(*who)).expect("names are short and not empty");
    whos.iter().map(id).collect()
}

/// The settings that a plan asks for.
pub(crate) fn settings(plan: &Plan) -> Settings {
    let mut settings = Settings::default();
    settings.auto_include = plan.auto_include;
    settings.stay_if_last = plan.stay_if_last;
    settings.deniable = plan.deniable;
    if !plan.moderators.is_empty() {
        settings.policy = Arc::new(Moderators::new(ids(&plan.moderators)));
    }
    settings.timing = concilium_liveness::Timing::new(plan.latency, plan.latency * plan.full_ack);
    settings
}

impl<'s> World<'s> {
    pub(crate) fn new(suite: &'s Suite, plan: &Plan) -> Self {
        let mut settings = settings(plan);
        // Its signing keys are the same for ever: once retired, a member could never speak again.
        settings.deniable &= suite.gka != Gka::Plain.name();
        let mut members = Vec::new();
        for who in 0..plan.members {
            let id = MemberId::new(name(who)).expect("names are short and not empty");
            let purpose = format!("identity {}", name(who));
            let secret = Context::new(EPOCH, &mut source(plan.seed, &purpose)).secret();
            members.push(Member {
                identity: Identity::new(id.clone(), &secret.expect("a seeded source works")),
                rng: source(plan.seed, &format!("process {}", name(who))),
                id,
                peer: None,
                saved: VecDeque::new(),
                clock: Clock::right(EPOCH),
                link: Link::default(),
                timer: Time::NEVER,
                stalled_until: Time::ZERO,
                wants_in: false,
                rejoin_at: Time::NEVER,
                invited_by: None,
                lose: 0,
                mutate: 0,
                resign: 0,
                restore_at: Time::NEVER,
                restore_age: 0,
                agenda: Time::NEVER,
                position: 0,
                bytes_in: 0,
                bytes_out: 0,
                commands: 0,
            });
        }
        let keys: BTreeMap<_, _> = members
            .iter()
            .map(|member| (member.id.clone(), *member.identity.verifying_key()))
            .collect();
        let mut world = Self {
            suite,
            settings,
            name: SessionName::new("simulation").expect("a fixed name of fitting length"),
            directory: Arc::new(keys),
            channel: Channel::new(members.iter().map(|member| member.id.clone())),
            numbers: members
                .iter()
                .enumerate()
                .map(|(who, member)| (member.id.clone(), who))
                .collect(),
            checks: Checks::new(members.len(), ids(&plan.moderators)),
            members,
            now: EPOCH,
            agenda: BTreeSet::new(),
            latencies: Dice::new(plan.seed, "latencies"),
            slowness: plan.slowness,
            dice: Dice::new(plan.seed, "server"),
            sides: None,
            twice_next: false,
            held: Vec::new(),
            keeps_held: suite.is_secret,
            saves: true,
            is_thorough: true,
            work: Work::default(),
            at_once: 0,
            trace: None,
        };
        for who in 0..world.members.len() {
            world.members[who].peer = Some(world.fresh(who));
        }
        world
    }

    // Queries.

    pub(crate) fn latency(&self) -> Duration {
        self.settings.timing.broadcast_latency()
    }

    pub(crate) fn full_ack(&self) -> Duration {
        self.settings.timing.full_ack()
    }

    pub(crate) fn peer(&self, who: Who) -> Option<&dyn AnySession> {
        self.members[who].peer.as_deref()
    }

    pub(crate) fn state(&self, who: Who) -> Option<SessionState> {
        self.peer(who).map(AnySession::state)
    }

    pub(crate) fn number(&self, id: &MemberId) -> Option<Who> {
        self.numbers.get(id).copied()
    }

    /// A session as a snapshot describes it, apart from the world.
    pub(crate) fn copy(&self, who: Who, snapshot: &[u8]) -> Option<Box<dyn AnySession>> {
        self.suite.restore(self.owner(who), snapshot)
    }

    /// As [`copy`](Self::copy), with parts that lie when they are told to.
    pub(crate) fn lying_copy(&self, who: Who, snapshot: &[u8]) -> Option<Box<dyn AnySession>> {
        self.suite.restore_lying(self.owner(who), snapshot)
    }

    pub(crate) fn name_and_directory(&self) -> (&SessionName, &dyn Directory) {
        (&self.name, &*self.directory)
    }

    fn fresh(&self, who: Who) -> Box<dyn AnySession> {
        self.suite.start(self.owner(who))
    }

    fn owner(&self, who: Who) -> Owner {
        Owner {
            identity: self.members[who].identity.clone(),
            directory: Arc::clone(&self.directory),
            name: self.name.clone(),
            settings: self.settings.clone(),
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let at = self.now.since(EPOCH).as_secs_f64();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{at:10.3}  {}", line()));
        }
    }

    // Time.

    /// Lets everything happen that happens before `end`, that moment included.
    pub(crate) fn run_until(&mut self, end: Time) {
        while let Some((at, who)) = self.agenda.first().copied().filter(|(at, _)| *at <= end) {
            if at > self.now {
                self.now = at;
                self.at_once = 0;
            }
            self.at_once += 1;
            if self.at_once > MAX_AT_ONCE || self.channel.is_full() {
                self.checks.fail(
                    "restless",
                    self.now,
                    "the processes react to each other without end",
                );
                return;
            }
            self.turn(who);
            self.reschedule(who);
            if self.checks.is_hopeless() {
                return;
            }
        }
        if end > self.now {
            self.now = end;
            self.at_once = 0;
        }
    }

    /// The next thing that happens to a process: it starts again, something arrives, its timer fires, it
    /// enters again.
    fn turn(&mut self, who: Who) {
        let now = self.now;
        let member = &self.members[who];
        if member.restore_at <= now {
            let age = member.restore_age;
            self.restore(who, age);
        } else if member.stalled_until > now {
            // Later.
        } else if member.link.next() <= now {
            if let Some(arriving) = self.members[who].link.pop() {
                self.arrive(who, arriving);
            }
        } else if member.timer <= now {
            self.members[who].timer = Time::NEVER;
            self.input(who, |peer, cx| peer.handle_timeout(cx));
        } else if member.rejoin_at <= now {
            self.members[who].rejoin_at = Time::NEVER;
            self.note(|| format!("{} enters again", name(who)));
            self.command(who, |peer, cx| peer.join(cx).is_ok());
        }
    }

    /// Puts a process where it belongs on the agenda.
    pub(crate) fn reschedule(&mut self, who: Who) {
        let member = &mut self.members[who];
        let awake = if member.peer.is_some() {
            let inputs = member.link.next().min(member.timer).min(member.rejoin_at);
            if inputs == Time::NEVER {
                inputs
            } else {
                inputs.max(member.stalled_until)
            }
        } else {
            Time::NEVER
        };
        let next = awake.min(member.restore_at);
        if next != member.agenda {
            self.agenda.remove(&(member.agenda, who));
            if next < Time::NEVER {
                self.agenda.insert((next, who));
            }
            member.agenda = next;
        }
    }

    // Processes.

    /// Something that a user does. None if the process is not running.
    pub(crate) fn command<T>(
        &mut self,
        who: Who,
        command: impl FnOnce(&mut dyn AnySession, &mut Context<'_>) -> T,
    ) -> Option<T> {
        if self.members[who].stalled_until > self.now {
            return None;
        }
        self.members[who].commands += 1;
        let answer = self.input(who, command);
        self.reschedule(who);
        answer
    }

    /// Gives an input to a running process, and carries out its outputs.
    fn input<T>(
        &mut self,
        who: Who,
        input: impl FnOnce(&mut dyn AnySession, &mut Context<'_>) -> T,
    ) -> Option<T> {
        self.work.inputs += 1;
        let local = self.members[who].clock.shows(self.now);
        let member = &mut self.members[who];
        let peer = member.peer.as_deref_mut()?;
        let answer = input(peer, &mut Context::new(local, &mut member.rng));
        self.pump(who);
        Some(answer)
    }

    /// Saves a process, carries out its outputs, fires its timers that are due, and so on until it rests.
    pub(crate) fn pump(&mut self, who: Who) {
        let local = self.members[who].clock.shows(self.now);
        for _ in 0..MAX_WAKE_UPS {
            self.save(who);
            self.drain(who);
            let member = &mut self.members[who];
            let Some(peer) = &mut member.peer else { return };
            let due = peer.next_timeout().unwrap_or(Time::NEVER);
            if due > local {
                member.timer = member.clock.when_it_shows(due);
                self.look_at(who);
                return;
            }
            self.work.inputs += 1;
            peer.handle_timeout(&mut Context::new(local, &mut member.rng));
        }
        let what = format!("a timer of {} fires without end", name(who));
        self.checks.fail("restless", self.now, what);
        self.members[who].timer = Time::NEVER;
    }

    fn save(&mut self, who: Who) {
        let member = &mut self.members[who];
        if let Some(peer) = member.peer.as_deref().filter(|_| self.saves) {
            member.saved.push_front(peer.snapshot());
            member.saved.truncate(SAVED);
        }
    }

    fn drain(&mut self, who: Who) {
        while let Some(output) = self.members[who]
            .peer
            .as_mut()
            .and_then(|peer| peer.drain().saved().next())
        {
            self.carry_out(who, output);
        }
    }

    fn carry_out(&mut self, who: Who, output: Output) {
        match output {
            Output::Channel(action) => self.ask(who, action),
            Output::Event(event) => self.told(who, &event),
        }
    }

    fn told(&mut self, who: Who, event: &Event) {
        self.note(|| format!("{} is told {event:?}", name(who)));
        let Some(peer) = self.members[who].peer.as_deref() else {
            return;
        };
        self.checks.told(who, event, peer, self.now);
        if self.keeps_held && matches!(event, Event::MembershipChanged { .. }) {
            let (snapshot, is_in) = (peer.snapshot(), peer.subsession().is_some());
            let position = self.members[who].position;
            self.held.push(Held {
                who,
                snapshot,
                position,
                is_in,
            });
        }
    }

    /// What follows from where a session stands now.
    fn look_at(&mut self, who: Who) {
        let again = self
            .now
            .after(self.latency() * self.latencies.between(2, 6) as u32);
        let member = &mut self.members[who];
        let Some(peer) = member.peer.as_deref() else {
            return;
        };
        let out = peer.state() == SessionState::Parted;
        if !(out && member.wants_in) {
            member.rejoin_at = Time::NEVER;
        } else if member.rejoin_at == Time::NEVER {
            member.rejoin_at = again;
        }
        if self.is_thorough {
            self.checks.stands(who, peer, self.now);
        }
    }

    /// A process vanishes, and the channel notices.
    pub(crate) fn crash(&mut self, who: Who, back_after: Duration, age: usize) {
        if self.members[who].peer.is_none() {
            return;
        }
        let id = self.members[who].id.clone();
        self.members[who].restore_at = self.now.after(back_after);
        self.members[who].restore_age = age;
        self.members[who].peer = None;
        self.members[who].timer = Time::NEVER;
        self.members[who].link.cut();
        self.channel.set_reachable(&id, false);
        self.channel.cut_off(&id, self.now);
        self.members[who].link.cut();
        self.route(false);
        self.reschedule(who);
    }

    /// A process that has crashed starts again; it is told that it is out.
    pub(crate) fn restore(&mut self, who: Who, age: usize) {
        self.members[who].restore_at = Time::NEVER;
        if self.members[who].peer.is_some() {
            return;
        }
        self.note(|| format!("{} starts again", name(who)));
        let age = age.min(self.members[who].saved.len().saturating_sub(1));
        let saved = self.members[who].saved.get(age).cloned();
        let peer = match &saved {
            Some(snapshot) => self.copy(who, snapshot),
            None => Some(self.fresh(who)),
        };
        let Some(peer) = peer else {
            let what = format!("{} does not come back from its snapshot", name(who));
            return self.checks.fail("K-13", self.now, what);
        };
        let id = self.members[who].id.clone();
        self.members[who].peer = Some(peer);
        self.channel.set_reachable(&id, true);
        self.checks.restarted(who);
        // What it had not released yet goes nowhere: it is out, and learns it first of all.
        while self.members[who]
            .peer
            .as_mut()
            .is_some_and(|peer| peer.drain().saved().next().is_some())
        {}
        self.input(who, |peer, cx| peer.handle(ChannelEvent::Left, cx));
        self.reschedule(who);
    }

    /// A process starts again in place from its last snapshot: the channel has not noticed.
    pub(crate) fn restart(&mut self, who: Who) {
        let saved = self.members[who].saved.front().cloned();
        let (Some(snapshot), true) = (saved, self.members[who].peer.is_some()) else {
            return;
        };
        match self.copy(who, &snapshot) {
            Some(peer) => self.members[who].peer = Some(peer),
            None => {
                let what = format!("{} does not come back from its snapshot", name(who));
                return self.checks.fail("K-13", self.now, what);
            }
        }
        self.checks.restarted(who);
        self.pump(who);
        self.reschedule(who);
    }

    /// A process loses its connection, and is told that it is out.
    pub(crate) fn disconnect(&mut self, who: Who) {
        let id = self.members[who].id.clone();
        if self.members[who].peer.is_none() || !self.channel.members().contains(&id) {
            return;
        }
        self.members[who].link.cut();
        self.channel.cut_off(&id, self.now);
        self.route(false);
        self.members[who].link.cut();
        self.input(who, |peer, cx| peer.handle(ChannelEvent::Left, cx));
        self.reschedule(who);
    }

    // The server.

    /// Does what a process asks for.
    fn ask(&mut self, who: Who, action: ChannelAction) {
        let id = self.members[who].id.clone();
        let mut action = action;
        let mut mutated = false;
        if let ChannelAction::Send { bytes } = &mut action {
            self.members[who].bytes_out += bytes.len() as u64;
            self.work.packets += 1;
            self.work.bytes += bytes.len() as u64;
            if self.members[who].mutate > 0 {
                self.members[who].mutate -= 1;
                mutated = true;
                self.mutate(bytes);
            }
            if self.members[who].resign > 0
                && let Some(other) = self.resign(who, bytes)
            {
                self.members[who].resign -= 1;
                mutated = true;
                *bytes = other;
            }
            if self.members[who].lose > 0 {
                self.members[who].lose -= 1;
                return self.note(|| format!("a packet of {} is lost", name(who)));
            }
        }
        if self.trace.is_some() {
            let what = crate::trace::action(&action);
            self.note(|| {
                format!(
                    "{} asks {what}{}",
                    name(who),
                    if mutated { " (changed)" } else { "" }
                )
            });
        }
        if let ChannelAction::Invite { member } = &action
            && let Some(invited) = self.number(member)
            && self.members[invited].link.brings_left()
        {
            self.members[invited].invited_by = Some(who);
            return;
        }
        // A lie told the member that it is out: the server takes a new connection for the end of the one
        // before. A lie told it that it is in: it is told that it is not.
        match (&action, self.channel.members().contains(&id)) {
            (ChannelAction::Enter, true) => {
                self.channel.leave(&id, self.now);
                self.route(false);
            }
            (ChannelAction::Leave, false) => {
                let at = self.now.after(self.draw_latency());
                return self.answer(who, ChannelEvent::Left, at);
            }
            _ => {}
        }
        let effect = self.channel.ask(&id, action, self.now);
        self.route(false);
        if let (Effect::Ordered(Some(number)), true) = (effect, self.twice_next) {
            self.twice_next = false;
            self.channel.replay(number, self.now, Some);
            self.route(false);
        }
    }

    /// What a lying member makes of its packet.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        match self.dice.below(4) {
            0 => {
                let bit = self.dice.index(bytes.len() * 8);
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            1 => bytes.truncate(self.dice.index(bytes.len() + 1)),
            2 => {
                let packets = self.channel.packets();
                if !packets.is_empty() {
                    let packet = &packets[self.dice.index(packets.len())];
                    bytes.clone_from(&packet.bytes);
                }
            }
            _ => {
                for _ in 0..8 {
                    let place = self.dice.index(bytes.len());
                    let value = self.dice.below(256) as u8;
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte = value;
                    }
                }
            }
        }
    }

    /// Sends everything on its way that has a place in the order by now.
    pub(crate) fn route(&mut self, is_forged: bool) {
        for who in 0..self.members.len() {
            let mut any = false;
            while let Some(delivery) = self.channel.take(&self.members[who].id) {
                any = true;
                self.send_on(who, delivery, is_forged);
            }
            if any {
                self.reschedule(who);
            }
        }
    }

    /// As [`route`](Self::route), to these only; it is lost for all others.
    pub(crate) fn route_to(&mut self, some: &BTreeSet<Who>, is_forged: bool) {
        for who in 0..self.members.len() {
            while let Some(delivery) = self.channel.take(&self.members[who].id) {
                if some.contains(&who) {
                    self.send_on(who, delivery, is_forged);
                }
            }
            self.reschedule(who);
        }
    }

    fn send_on(&mut self, to: Who, delivery: Delivery, is_forged: bool) {
        let latency = self.draw_latency();
        let link = &mut self.members[to].link;
        match &delivery.event {
            ChannelEvent::MemberEntered { member } | ChannelEvent::MemberLeft { member } => link.see(member),
            ChannelEvent::Entered { .. } | ChannelEvent::Left => link.see_all(),
            _ => {}
        }
        let arriving = Arriving { delivery, is_forged };
        if let ChannelEvent::Packet { from, .. } = &arriving.delivery.event
            && let Some((until, how)) = self.is_cut(from, to)
        {
            if how == Split::Held {
                self.members[to].link.push_at(arriving, until.after(latency));
            }
            return;
        }
        self.members[to].link.push(arriving, self.now, latency);
    }

    fn draw_latency(&mut self) -> Duration {
        let most = self.latency().as_millis() as u64 * self.slowness / 100;
        Duration::from_millis(self.latencies.between(most.min(1), most))
    }

    /// Whether the two are on different sides, until when, and how.
    fn is_cut(&self, from: &MemberId, to: Who) -> Option<(Time, Split)> {
        let sides = self.sides.as_ref().filter(|sides| self.now < sides.until)?;
        let from = self.number(from)?;
        (sides.inside.contains(&from) != sides.inside.contains(&to)).then_some((sides.until, sides.how))
    }

    /// Tells one member something that is not so, if it is in the channel.
    pub(crate) fn tell(&mut self, who: Who, event: ChannelEvent) {
        if self.channel.members().contains(&self.members[who].id) {
            let at = self.now.after(self.draw_latency());
            self.answer(who, event, at);
        }
    }

    /// Tells all others in the channel something false, at one place of the order.
    pub(crate) fn tell_all_but(&mut self, about: Who, event: &ChannelEvent) {
        for who in 0..self.members.len() {
            if who != about && self.channel.members().contains(&self.members[who].id) {
                let (word, latency) = (self.word(event.clone()), self.draw_latency());
                self.members[who].link.push(word, self.now, latency);
                self.reschedule(who);
            }
        }
    }

    /// Tells a process something, in the channel or not.
    fn answer(&mut self, who: Who, event: ChannelEvent, at: Time) {
        let arriving = self.word(event);
        self.members[who].link.push_at(arriving, at);
        self.reschedule(who);
    }

    /// Something that the server says outside of the order.
    fn word(&self, event: ChannelEvent) -> Arriving {
        let delivery = Delivery {
            position: self.channel.next_position(),
            slot: self.channel.next_position(),
            at: self.now,
            event,
            packet: None,
            lost: false,
        };
        Arriving {
            delivery,
            is_forged: false,
        }
    }

    /// Two parts do not hear each other for a while. Where the net splits, each part is shown the other one's
    /// leaves. At the end each is shown the enters of those that are still there.
    pub(crate) fn split(&mut self, inside: BTreeSet<Who>, until: Time, how: Split) {
        if how == Split::Net {
            let present = self.channel.members();
            let (near, far): (Vec<Who>, Vec<Who>) = (0..self.members.len())
                .filter(|who| present.contains(&self.members[*who].id))
                .partition(|who| inside.contains(who));
            for (one, other) in near
                .iter()
                .flat_map(|one| far.iter().map(move |other| (*one, *other)))
            {
                self.hide(one, other, until);
                self.hide(other, one, until);
            }
        }
        self.sides = Some(Sides { inside, until, how });
    }

    fn hide(&mut self, other: Who, to: Who, until: Time) {
        let member = self.members[other].id.clone();
        self.tell(
            to,
            ChannelEvent::MemberLeft {
                member: member.clone(),
            },
        );
        let entered = self.word(ChannelEvent::MemberEntered {
            member: member.clone(),
        });
        self.members[to].link.show_again(member, entered, until);
        self.reschedule(to);
    }

    /// From now on nothing goes wrong, and all processes run.
    pub(crate) fn heal(&mut self) {
        self.sides = None;
        self.twice_next = false;
        // A member that a lie tells that it is out has ended its connection.
        for who in 0..self.members.len() {
            let id = self.members[who].id.clone();
            let out = self.peer(who).is_some_and(|peer| peer.channel().is_none());
            let link = &self.members[who].link;
            if (out || link.brings_left()) && !link.brings_entered() {
                self.channel.leave(&id, self.now);
                self.route(false);
            }
        }
        for who in 0..self.members.len() {
            let now = self.now;
            let member = &mut self.members[who];
            member.link.heal(now);
            member.clock.run_at(now, 1000);
            member.stalled_until = Time::ZERO;
            (member.lose, member.mutate, member.resign) = (0, 0, 0);
            if member.peer.is_none() {
                self.restore(who, 0);
            }
            self.pump(who);
            self.reschedule(who);
        }
    }

    fn arrive(&mut self, who: Who, arriving: Arriving) {
        let Arriving { delivery, is_forged } = arriving;
        if self.trace.is_some() {
            let what = crate::trace::event(&delivery.event);
            self.note(|| format!("{} gets {what}", name(who)));
        }
        self.members[who].position = self.members[who].position.max(delivery.position + 1);
        if let ChannelEvent::Packet { from, bytes } = &delivery.event
            && *from != self.members[who].id
        {
            self.members[who].bytes_in += bytes.len() as u64;
        }
        if is_forged {
            self.arrive_forged(who, delivery.event);
        } else {
            self.input(who, |peer, cx| peer.handle(delivery.event, cx));
        }
        let member = &mut self.members[who];
        if let Some(by) = member.invited_by.take_if(|_| !member.link.brings_left()) {
            let member = self.members[who].id.clone();
            self.ask(by, ChannelAction::Invite { member });
        }
    }

    /// K-5, A-18: an input that is only skipped has changed nothing.
    fn arrive_forged(&mut self, who: Who, event: ChannelEvent) {
        let local = self.members[who].clock.shows(self.now);
        self.input(who, |peer, cx| peer.handle_timeout(cx));
        let member = &mut self.members[who];
        let Some(peer) = member.peer.as_deref_mut() else {
            return;
        };
        let before = peer.snapshot();
        peer.handle(event, &mut Context::new(local, &mut member.rng));
        let outputs: Vec<Output> = peer.drain().unsaved().collect();
        let skipped = !outputs.is_empty()
            && outputs
                .iter()
                .all(|output| matches!(output, Output::Event(Event::Skipped { .. })));
        if skipped && peer.snapshot() != before {
            let what = format!("a packet that {} skipped has changed its state", name(who));
            self.checks.fail("A-18", self.now, what);
        }
        for output in outputs {
            self.carry_out(who, output);
        }
        self.pump(who);
    }
}

//! Several real sessions over the [channel in memory](crate::channel), driven deterministically: the same
//! seed and the same calls give the same run to the last byte.
//!
//! Time stands still except in [`Network::advance`] and [`Network::run`], and nothing is delivered except by
//! a call. Every process is driven as a careful driver would: after each input its state is saved, only then
//! are its outputs taken and acted upon, and a timer that is due fires at once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::{Context, FramedHash, MemberId, Secret, SessionName, Time};
use concilium_encryptor::{DefaultEncryptor, MessageEncryptor};
use concilium_gka::{Directory, GroupKeyAgreement, Identity};
use concilium_gka_cliques::Cliques;
use concilium_session::{AnySession, Event, Output, Settings};
use zeroize::Zeroizing;

use crate::channel::{Channel, Delivery, Effect};
use concilium::sessions::{GkaFactory, Owner, Sessions, Typed};
use concilium_core::testing::{SeededRng, rng::seeded};

/// When every run starts: a round moment, far from zero, so that nothing works by being zero.
pub const EPOCH: Time = Time::from_millis(1_000_000_000_000);

/// The most deliveries and timers of one call while time stands still. Only sessions that answer each other
/// without end reach it.
const MAX_STEPS: usize = 100_000;

/// The most times that a process is woken at one moment. Only a timer that is due again as soon as it has
/// fired reaches it.
const MAX_WAKE_UPS: usize = 100;

/// Why a run cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// There is no such process, or it has crashed.
    #[error("{0} is not running; `restore` or `join` starts it again")]
    NotRunning(MemberId),
    /// A process is out of the channel and has nothing under way.
    #[error("{0} is not in the channel")]
    NotInChannel(MemberId),
    /// A process could not be restarted from its last snapshot.
    #[error("{0} could not be restored from its snapshot")]
    Restore(MemberId),
    /// A timer is due again as soon as it has fired.
    #[error("a timer of {0} fires without end")]
    Timer(MemberId),
    /// Processes react to each other without end.
    #[error("the processes react to each other without end")]
    Restless,
    /// More events than a run may have.
    #[error("more than {} events in one run", crate::channel::MAX_EVENTS)]
    Full,
}

impl NetworkError {
    /// The kind in one word, if it is only that a member cannot do what it was to do: as scenarios name a
    /// refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::NotRunning(_) => Some("not-running"),
            Self::NotInChannel(_) => Some("not-in-channel"),
            _ => None,
        }
    }
}

/// Something that happened, for traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Time,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The channel gave an event to a process, or lost it on the way.
    Delivered {
        /// To whom.
        to: MemberId,
        /// What.
        delivery: Delivery,
    },
    /// A process asked something of the channel.
    Asked {
        /// Who.
        by: MemberId,
        /// What.
        action: ChannelAction,
        /// What came of it.
        effect: Effect,
    },
    /// A session told its owner something.
    Told {
        /// Whose session.
        member: MemberId,
        /// What.
        event: Event,
    },
}

/// What someone held at one moment.
#[derive(Clone)]
pub struct Held {
    /// The session's snapshot.
    pub snapshot: Zeroizing<Vec<u8>>,
    /// The position after the last event that it had been given.
    pub position: u64,
    /// Whether it was then told less than the others, or told to leave: an eavesdropper would have listened
    /// on.
    pub last_before_gap: bool,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// What a process takes the time to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ProcessClock {
    /// What it is.
    #[default]
    Right,
    /// So many milliseconds more, or less.
    Off(i64),
    /// This, for ever.
    Frozen(Time),
    /// So much before this moment as it is after it: it runs back.
    Backwards(Time),
}

impl ProcessClock {
    fn shows(self, now: Time) -> Time {
        match self {
            Self::Right => now,
            Self::Off(millis) => Time::from_millis(now.as_millis().saturating_add_signed(millis)),
            Self::Frozen(at) => at,
            Self::Backwards(from) => {
                let passed = u64::try_from(now.since(from).as_millis()).unwrap_or(u64::MAX);
                Time::from_millis(from.as_millis().saturating_sub(passed))
            }
        }
    }

    /// When it will show `shown`, a moment that it does not show yet.
    fn when(self, shown: Time) -> Time {
        match self {
            Self::Right => shown,
            Self::Off(millis) if shown < Time::NEVER => {
                Time::from_millis(shown.as_millis().saturating_add_signed(millis.saturating_neg()))
            }
            Self::Off(_) | Self::Frozen(_) | Self::Backwards(_) => Time::NEVER,
        }
    }
}

struct Process<T> {
    id: MemberId,
    identity: Identity,
    rng: SeededRng,
    settings: Settings,
    session: Option<T>,
    snapshot: Option<Zeroizing<Vec<u8>>>,
    position: u64,
    held: Vec<Held>,
    clock: ProcessClock,
    saves: usize,
    /// It vanishes with the save of this number, before anything that follows from it has left.
    vanishes_at: usize,
}

impl<T> Process<T> {
    /// Its session, if it is running.
    fn any<S: Sessions<Session = T>>(&self) -> Option<&dyn AnySession> {
        self.session.as_ref().map(S::any)
    }
}

/// How a network treats its processes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conduct {
    /// Whether to keep all that every process ever held, for [`Network::held`].
    pub keep_history: bool,
    /// Whether every process is restarted from its snapshot after each input. Nobody must notice.
    pub restart_always: bool,
    /// Whether no process saves anything: for measuring what is sent, where most of the time would go into
    /// snapshots. Who crashes has nothing to start again from.
    pub never_save: bool,
}

/// Several sessions of one key agreement and one encryptor over one channel. See the [module](self).
pub type Network<G, E> = NetworkOf<Typed<G, E>>;

/// Several sessions over one channel, whatever they are made of. See the [module](self).
pub struct NetworkOf<S: Sessions> {
    sessions: S,
    processes: Vec<Process<S::Session>>,
    channel: Channel,
    name: SessionName,
    settings: Settings,
    directory: Arc<dyn Directory>,
    conduct: Conduct,
    now: Time,
    records: Vec<Record>,
}

impl<S: Sessions> fmt::Debug for NetworkOf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("now", &self.now)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// A random source of its own for each purpose and member, all from the one seed.
fn rng_for(purpose: &'static str, seed: u64, member: &MemberId) -> SeededRng {
    let mut bytes = [0; 8];
    FramedHash::new("concilium-testkit 2026 seeds of a network")
        .field(purpose.as_bytes())
        .number(seed)
        .field(member.as_bytes())
        .finish_into(&mut bytes);
    seeded(u64::from_le_bytes(bytes))
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Network<G, E> {
    /// Processes of these members, all out of the channel, who know and trust each other's identity keys.
    pub fn new(
        members: impl IntoIterator<Item = MemberId>,
        name: SessionName,
        settings: Settings,
        gka: GkaFactory<G>,
        seed: u64,
        conduct: Conduct,
    ) -> Self {
        Self::of(Typed::new(gka), members, name, settings, seed, conduct)
    }
}

impl Network<Cliques, DefaultEncryptor> {
    /// As [`Network::new`], of the default parts; compiled here, once for all the tests that drive it.
    #[must_use]
    pub fn of_default_parts(
        members: Vec<MemberId>,
        name: SessionName,
        settings: Settings,
        seed: u64,
        conduct: Conduct,
    ) -> Self {
        let mut network = Self::new(members, name, settings, Cliques::new, seed, conduct);
        // Nothing is under way yet; but all that a network does is compiled here because of this call.
        let _ = network.run(Duration::ZERO);
        network
    }
}

impl<S: Sessions> NetworkOf<S> {
    /// As [`Network::new`], with sessions from wherever.
    pub fn of(
        sessions: S,
        members: impl IntoIterator<Item = MemberId>,
        name: SessionName,
        settings: Settings,
        seed: u64,
        conduct: Conduct,
    ) -> Self {
        let mut processes: Vec<Process<S::Session>> = Vec::new();
        for id in members {
            let secret: Secret<32> = Context::new(EPOCH, &mut rng_for("identity", seed, &id))
                .secret()
                .expect("a seeded source works");
            processes.push(Process {
                identity: Identity::new(id.clone(), &secret),
                rng: rng_for("process", seed, &id),
                settings: settings.clone(),
                id,
                session: None,
                snapshot: None,
                position: 0,
                held: Vec::new(),
                clock: ProcessClock::Right,
                saves: 0,
                vanishes_at: usize::MAX,
            });
        }
        let keys: BTreeMap<_, _> = processes
            .iter()
            .map(|process| (process.id.clone(), *process.identity.verifying_key()))
            .collect();
        let mut network = Self {
            sessions,
            channel: Channel::new(processes.iter().map(|process| process.id.clone())),
            processes,
            name,
            settings,
            directory: Arc::new(keys),
            conduct,
            now: EPOCH,
            records: Vec::new(),
        };
        for index in 0..network.processes.len() {
            network.processes[index].session = Some(network.fresh_session(index));
        }
        network
    }

    // Queries.

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The channel, to do wrong with.
    pub fn channel_mut(&mut self) -> &mut Channel {
        &mut self.channel
    }

    /// The members of all processes, in the order in which they were given.
    pub fn members(&self) -> impl Iterator<Item = &MemberId> {
        self.processes.iter().map(|process| &process.id)
    }

    /// A member's session.
    ///
    /// # Errors
    /// Its process is not running.
    pub fn session(&self, who: &MemberId) -> Result<&S::Session, NetworkError> {
        self.processes
            .iter()
            .find(|process| process.id == *who)
            .and_then(|process| process.session.as_ref())
            .ok_or_else(|| NetworkError::NotRunning(who.clone()))
    }

    /// Whether a member's process is running.
    #[must_use]
    pub fn is_running(&self, who: &MemberId) -> bool {
        self.session(who).is_ok()
    }

    /// A member's session as its process saved it last, apart from the network.
    ///
    /// # Errors
    /// There is no such process, or what it saved does not come back.
    pub fn last_saved(&self, who: &MemberId) -> Result<S::Session, NetworkError> {
        let index = self.index(who)?;
        match self.processes[index].snapshot.as_deref() {
            Some(snapshot) => self.copy(who, snapshot),
            None => Ok(self.fresh_session(index)),
        }
    }

    /// All that a member ever held, the oldest first, if the network keeps it.
    #[must_use]
    pub fn held(&self, who: &MemberId) -> &[Held] {
        self.processes
            .iter()
            .find(|process| process.id == *who)
            .map_or(&[], |process| &process.held)
    }

    /// A member's identity, to do wrong with.
    ///
    /// # Errors
    /// There is no such process.
    pub fn identity(&self, who: &MemberId) -> Result<&Identity, NetworkError> {
        self.index(who).map(|index| &self.processes[index].identity)
    }

    /// Whose key is which: what all processes know of each other.
    #[must_use]
    pub fn directory(&self) -> &Arc<dyn Directory> {
        &self.directory
    }

    /// How often a process has saved its state.
    ///
    /// # Errors
    /// There is no such process.
    pub fn saves(&self, who: &MemberId) -> Result<usize, NetworkError> {
        self.index(who).map(|index| self.processes[index].saves)
    }

    /// A session of this member as a snapshot describes it, apart from the network.
    ///
    /// # Errors
    /// The snapshot is not one of this member.
    pub fn copy(&self, who: &MemberId, snapshot: &[u8]) -> Result<S::Session, NetworkError> {
        let index = self.index(who)?;
        self.sessions
            .restore(self.owner(index), snapshot)
            .map_err(|_| NetworkError::Restore(who.clone()))
    }

    /// Whether nothing is under way and, left alone, nobody would ask anything of the channel before somebody
    /// asks into the silence who is there (L-5).
    ///
    /// # Errors
    /// A session does not come back from its snapshot, or its timers never rest.
    pub fn is_quiet(&self) -> Result<bool, NetworkError> {
        if self.channel.pending_for_all() > 0 {
            return Ok(false);
        }
        let heartbeats = self.processes.iter().filter_map(Process::any::<S>);
        let horizon = heartbeats.filter_map(AnySession::next_heartbeat).min();
        let horizon = horizon.unwrap_or(Time::NEVER);
        for process in &self.processes {
            let Some(session) = process.any::<S>() else {
                continue;
            };
            let mut copy = self.copy(&process.id, &session.snapshot())?;
            let copy = S::any_mut(&mut copy);
            let mut rng = process.rng.clone();
            for _ in 0..MAX_STEPS {
                match copy.next_timeout().filter(|at| *at < horizon) {
                    None => break,
                    Some(at) => copy.handle_timeout(&mut Context::new(at.max(self.now), &mut rng)),
                }
                for output in copy.drain().unsaved() {
                    if matches!(output, Output::Channel(_)) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Takes what happened since the last call.
    pub fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    // Members.

    /// Calls a command of a member's session.
    ///
    /// # Errors
    /// Its process is not running, or cannot go on. What the session answers is the inner result.
    pub fn command<T>(
        &mut self,
        who: &MemberId,
        command: impl FnOnce(&mut S::Session, &mut Context<'_>) -> T,
    ) -> Result<T, NetworkError> {
        let index = self.index(who)?;
        let answer = self.input(index, command)?;
        Ok(answer)
    }

    /// Starts a process from nothing, with other settings than the network's. The channel thinks no more of
    /// it than of a restart: this is for members that are not in it.
    ///
    /// # Errors
    /// There is no such process.
    pub fn configure(&mut self, who: &MemberId, settings: Settings) -> Result<(), NetworkError> {
        let index = self.index(who)?;
        self.processes[index].settings = settings;
        self.processes[index].session = Some(self.fresh_session(index));
        self.processes[index].snapshot = None;
        Ok(())
    }

    /// Starts a process that has crashed, from nothing but its identity key.
    ///
    /// # Errors
    /// There is no such process.
    pub fn start(&mut self, who: &MemberId) -> Result<(), NetworkError> {
        let index = self.index(who)?;
        if self.processes[index].session.is_none() {
            self.processes[index].session = Some(self.fresh_session(index));
            self.processes[index].snapshot = None;
            self.channel.set_reachable(who, true);
        }
        Ok(())
    }

    /// A process vanishes, and the channel notices.
    ///
    /// # Errors
    /// It is not running.
    pub fn crash(&mut self, who: &MemberId) -> Result<(), NetworkError> {
        self.session(who)?;
        let index = self.index(who)?;
        self.gap(index);
        self.processes[index].session = None;
        self.channel.set_reachable(who, false);
        self.channel.cut_off(who, self.now);
        Ok(())
    }

    /// A process is to vanish as by [`crash`](Self::crash) when it has saved its state so many times in all:
    /// between the saving and whatever follows from it.
    ///
    /// # Errors
    /// There is no such process.
    pub fn vanish_at_save(&mut self, who: &MemberId, number: usize) -> Result<(), NetworkError> {
        let index = self.index(who)?;
        self.processes[index].vanishes_at = number;
        Ok(())
    }

    /// Sets a process's clock. It notices at its next input.
    ///
    /// # Errors
    /// There is no such process.
    pub fn set_clock(&mut self, who: &MemberId, clock: ProcessClock) -> Result<(), NetworkError> {
        let index = self.index(who)?;
        self.processes[index].clock = clock;
        self.pump(index)
    }

    /// A process loses its connection: what is under way to it is lost, and it is told that it is out.
    ///
    /// # Errors
    /// It is not running, or not connected.
    pub fn disconnect(&mut self, who: &MemberId) -> Result<(), NetworkError> {
        self.session(who)?;
        let index = self.index(who)?;
        if !self.channel.cut_off(who, self.now) {
            return Err(NetworkError::NotInChannel(who.clone()));
        }
        self.tell_left(index)
    }

    /// A process starts again from its last snapshot. While it ran, the channel has not noticed and it goes
    /// on where it was; after a crash it is told that it is out.
    ///
    /// # Errors
    /// The snapshot does not restore, or the process cannot go on.
    pub fn restore(&mut self, who: &MemberId) -> Result<(), NetworkError> {
        let session = self.last_saved(who)?;
        self.restore_as(who, session)
    }

    /// As [`restore`](Self::restore), from an older snapshot than the last, as of a disk that has lost what
    /// was written to it.
    ///
    /// # Errors
    /// As for [`restore`](Self::restore).
    pub fn restore_from(&mut self, who: &MemberId, snapshot: &[u8]) -> Result<(), NetworkError> {
        let session = self.copy(who, snapshot)?;
        self.restore_as(who, session)
    }

    fn restore_as(&mut self, who: &MemberId, session: S::Session) -> Result<(), NetworkError> {
        let index = self.index(who)?;
        let crashed = self.processes[index].session.is_none();
        self.processes[index].session = Some(session);
        self.channel.set_reachable(who, true);
        // Whoever starts again after a crash knows that it has lost its connection before it does anything
        // else.
        if crashed && !self.channel.members().contains(who) {
            return self.tell_left(index);
        }
        self.pump(index)
    }

    // The channel.

    /// Delivers the next event of the order to everyone it is still to be delivered to. False if there is
    /// none.
    ///
    /// # Errors
    /// A process cannot go on.
    pub fn deliver_next(&mut self) -> Result<bool, NetworkError> {
        let Some(position) = self.channel.first_pending() else {
            return Ok(false);
        };
        for index in 0..self.processes.len() {
            // A duplicated event has the same position twice, and both are delivered in one go.
            while self.channel.is_next(&self.processes[index].id, position) {
                self.deliver_to(index)?;
            }
        }
        Ok(true)
    }

    /// Delivers the next event of one process to it. False if there is none.
    ///
    /// # Errors
    /// The process cannot go on.
    pub fn deliver_next_to(&mut self, who: &MemberId) -> Result<bool, NetworkError> {
        let index = self.index(who)?;
        self.deliver_to(index)
    }

    /// Delivers everything that is queued now, and nothing that comes of it.
    ///
    /// # Errors
    /// A process cannot go on.
    pub fn deliver_queued(&mut self) -> Result<(), NetworkError> {
        let end = self.channel.next_position();
        while self
            .channel
            .first_pending()
            .is_some_and(|position| position < end)
        {
            self.deliver_next()?;
        }
        Ok(())
    }

    /// Delivers until nothing is queued any more. Time stands still.
    ///
    /// # Errors
    /// A process cannot go on, or they never rest.
    pub fn settle(&mut self) -> Result<(), NetworkError> {
        for _ in 0..MAX_STEPS {
            if !self.deliver_next()? {
                return Ok(());
            }
        }
        Err(NetworkError::Restless)
    }

    /// Moves time. Timers fire in the order of their times, those of one moment in the order of the members.
    /// Nothing is delivered.
    ///
    /// # Errors
    /// A process cannot go on.
    pub fn advance(&mut self, span: Duration) -> Result<(), NetworkError> {
        let end = self.now.after(span);
        while let Some((at, index)) = self.next_timer().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.wake(index)?;
        }
        self.now = self.now.max(end);
        Ok(())
    }

    /// Moves time and delivers, as a healthy network would: every event reaches everyone half a broadcast
    /// latency after it took its place in the order, before the timers of that moment. What is on its way at
    /// the end stays queued.
    ///
    /// # Errors
    /// A process cannot go on, or they never rest.
    pub fn run(&mut self, span: Duration) -> Result<(), NetworkError> {
        let end = self.now.after(span);
        let latency = self.settings.timing.broadcast_latency() / 2;
        let mut steps_now = 0;
        loop {
            let arrival = self
                .channel
                .first_pending_at()
                .map(|at| at.after(latency).max(self.now));
            let timer = self.next_timer();
            let next = match (arrival, timer) {
                (Some(arrival), Some((at, _))) => arrival.min(at.max(self.now)),
                (Some(arrival), None) => arrival,
                (None, Some((at, _))) => at.max(self.now),
                (None, None) => break,
            };
            if next > end {
                break;
            }
            steps_now = if next > self.now { 0 } else { steps_now + 1 };
            if steps_now > MAX_STEPS {
                return Err(NetworkError::Restless);
            }
            self.now = next;
            match (arrival, timer) {
                (Some(arrival), _) if arrival <= next => {
                    self.deliver_next()?;
                }
                (_, Some((_, index))) => self.wake(index)?,
                (_, None) => {}
            }
        }
        self.now = self.now.max(end);
        Ok(())
    }

    // Inside.

    fn index(&self, who: &MemberId) -> Result<usize, NetworkError> {
        self.processes
            .iter()
            .position(|process| process.id == *who)
            .ok_or_else(|| NetworkError::NotRunning(who.clone()))
    }

    fn owner(&self, index: usize) -> Owner {
        Owner {
            identity: self.processes[index].identity.clone(),
            directory: Arc::clone(&self.directory),
            name: self.name.clone(),
            settings: self.processes[index].settings.clone(),
        }
    }

    fn fresh_session(&self, index: usize) -> S::Session {
        self.sessions.begin(self.owner(index))
    }

    fn next_timer(&self) -> Option<(Time, usize)> {
        self.processes
            .iter()
            .enumerate()
            .filter_map(|(index, process)| {
                let at = process.clock.when(process.any::<S>()?.next_timeout()?);
                (at < Time::NEVER).then_some((at, index))
            })
            .min()
    }

    fn deliver_to(&mut self, index: usize) -> Result<bool, NetworkError> {
        let who = self.processes[index].id.clone();
        let Some(delivery) = self.channel.take(&who) else {
            return Ok(false);
        };
        if delivery.lost || delivery.event == ChannelEvent::Left {
            self.gap(index);
        }
        self.processes[index].position = self.processes[index].position.max(delivery.position + 1);
        self.note(Happening::Delivered {
            to: who,
            delivery: delivery.clone(),
        });
        if !delivery.lost {
            self.input(index, |session, cx| {
                S::any_mut(session).handle(delivery.event, cx)
            })?;
        }
        Ok(true)
    }

    fn tell_left(&mut self, index: usize) -> Result<(), NetworkError> {
        self.gap(index);
        let delivery = Delivery {
            position: self.channel.next_position(),
            slot: self.channel.next_position(),
            at: self.now,
            event: ChannelEvent::Left,
            packet: None,
            lost: false,
        };
        self.note(Happening::Delivered {
            to: self.processes[index].id.clone(),
            delivery,
        });
        self.input(index, |session, cx| {
            S::any_mut(session).handle(ChannelEvent::Left, cx)
        })
    }

    fn gap(&mut self, index: usize) {
        if let Some(held) = self.processes[index].held.last_mut() {
            held.last_before_gap = true;
        }
    }

    fn wake(&mut self, index: usize) -> Result<(), NetworkError> {
        self.input(index, |session, cx| S::any_mut(session).handle_timeout(cx))
    }

    /// Gives an input to a process that is running, and does what it asks for.
    fn input<T>(
        &mut self,
        index: usize,
        input: impl FnOnce(&mut S::Session, &mut Context<'_>) -> T,
    ) -> Result<T, NetworkError> {
        let process = &mut self.processes[index];
        let session = process
            .session
            .as_mut()
            .ok_or_else(|| NetworkError::NotRunning(process.id.clone()))?;
        let now = process.clock.shows(self.now);
        let answer = input(session, &mut Context::new(now, &mut process.rng));
        self.pump(index)?;
        Ok(answer)
    }

    /// Saves a process, then does what it asks for, then fires its timers that are due, and so on until it
    /// rests.
    fn pump(&mut self, index: usize) -> Result<(), NetworkError> {
        for _ in 0..MAX_WAKE_UPS {
            self.save(index)?;
            if self.processes[index].saves == self.processes[index].vanishes_at {
                let who = self.processes[index].id.clone();
                return self.crash(&who);
            }
            self.drain(index);
            let process = &mut self.processes[index];
            let now = process.clock.shows(self.now);
            match process.session.as_mut().map(S::any_mut) {
                Some(session) if session.next_timeout().is_some_and(|at| at <= now) => {
                    session.handle_timeout(&mut Context::new(now, &mut process.rng));
                }
                _ if self.channel.is_full() => return Err(NetworkError::Full),
                _ => return Ok(()),
            }
        }
        Err(NetworkError::Timer(self.processes[index].id.clone()))
    }

    /// Nothing leaves a process before the state that it follows from is saved.
    fn save(&mut self, index: usize) -> Result<(), NetworkError> {
        if self.conduct.never_save {
            return Ok(());
        }
        let Some(session) = self.processes[index].any::<S>() else {
            return Ok(());
        };
        let snapshot = session.snapshot();
        if self.conduct.restart_always {
            let session = self.copy(&self.processes[index].id, &snapshot)?;
            self.processes[index].session = Some(session);
        }
        let process = &mut self.processes[index];
        process.saves += 1;
        if self.conduct.keep_history {
            process.held.push(Held {
                snapshot: snapshot.clone(),
                position: process.position,
                last_before_gap: false,
            });
        }
        process.snapshot = Some(snapshot);
        Ok(())
    }

    fn drain(&mut self, index: usize) {
        let who = self.processes[index].id.clone();
        while let Some(output) = self.processes[index]
            .session
            .as_mut()
            .and_then(|session| S::any_mut(session).drain().saved().next())
        {
            match output {
                Output::Channel(action) => {
                    let effect = self.channel.ask(&who, action.clone(), self.now);
                    self.note(Happening::Asked {
                        by: who.clone(),
                        action,
                        effect,
                    });
                }
                Output::Event(event) => self.note(Happening::Told {
                    member: who.clone(),
                    event,
                }),
            }
        }
    }

    fn note(&mut self, what: Happening) {
        self.records.push(Record { at: self.now, what });
    }
}

//! Real sessions over the channel in memory, which can be copied as a whole: an attack is tried on a copy.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use concilium::sessions::{Owner, Sessions as _};
use concilium_core::channel::ChannelEvent;
use concilium_core::testing::rng::seeded;
use concilium_core::{Change, Context, MemberId, Secret, SessionName, SubsessionId, Time};
use concilium_gka::Identity;
use concilium_session::{AnySession, Output, Settings};
use concilium_test_parts::Parts;
use concilium_testkit::channel::Channel;
use rand_chacha::ChaCha20Rng;

/// When every run starts.
const EPOCH: Time = Time::from_millis(1_000_000_000_000);

/// Half a broadcast latency: how long a packet is under way.
const LATENCY: Duration = Duration::from_millis(500);

/// More steps of one call than these are sessions that answer each other without end.
const MAX_STEPS: usize = 20_000;

/// A name of the runs.
pub(crate) fn id(name: &str) -> MemberId {
    MemberId::new(name).unwrap()
}

/// A member's identity, the same in every run.
pub(crate) fn identity(name: &str) -> Identity {
    key_of(name, name)
}

/// An identity of this name with the key of another one's.
pub(crate) fn key_of(name: &str, owner: &str) -> Identity {
    Identity::new(id(name), &Secret::new(*blake3::hash(owner.as_bytes()).as_bytes()))
}

/// The keys that each member trusts.
pub(crate) type Keys = BTreeMap<MemberId, concilium_core::keys::VerifyingKey>;

/// A directory of these identities.
pub(crate) fn directory<'a>(identities: impl IntoIterator<Item = &'a Identity>) -> Keys {
    identities
        .into_iter()
        .map(|identity| (identity.member().clone(), *identity.verifying_key()))
        .collect()
}

/// One session, of an honest member or an attacker.
pub(crate) struct Process {
    pub(crate) identity: Identity,
    directory: Arc<Keys>,
    pub(crate) session: Box<dyn AnySession + Send>,
    rng: ChaCha20Rng,
}

fn owner(identity: &Identity, directory: &Arc<Keys>) -> Owner {
    Owner {
        identity: identity.clone(),
        directory: directory.clone(),
        name: name(),
        settings: Settings::default(),
    }
}

impl Process {
    /// A session of this identity that knows nothing yet.
    pub(crate) fn fresh(parts: Parts, identity: Identity, directory: &Arc<Keys>, seed: u64) -> Self {
        let session = parts.begin(owner(&identity, directory));
        Self {
            identity,
            directory: Arc::clone(directory),
            session,
            rng: seeded(seed),
        }
    }

    /// The session of a snapshot, in the hands of an owner with another random source.
    pub(crate) fn stolen(
        parts: Parts,
        identity: Identity,
        directory: &Arc<Keys>,
        snapshot: &[u8],
        seed: u64,
    ) -> Self {
        let session = parts.restore(owner(&identity, directory), snapshot);
        Self {
            session: session.unwrap(),
            identity,
            directory: Arc::clone(directory),
            rng: seeded(seed),
        }
    }

    fn copy(&self, parts: Parts) -> Self {
        let snapshot = self.session.snapshot();
        let mut copy = Self::stolen(parts, self.identity.clone(), &self.directory, &snapshot, 0);
        copy.rng = self.rng.clone();
        copy
    }

    /// Gives it something to do.
    pub(crate) fn act<T>(
        &mut self,
        now: Time,
        input: impl FnOnce(&mut dyn AnySession, &mut Context<'_>) -> T,
    ) -> T {
        input(&mut *self.session, &mut Context::new(now, &mut self.rng))
    }

    /// The packets that it wants to send; its other outputs are dropped.
    pub(crate) fn packets(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        for output in self.session.drain().unsaved() {
            if let Output::Channel(concilium_core::channel::ChannelAction::Send { bytes }) = output {
                packets.push(bytes);
            }
        }
        packets
    }
}

fn name() -> SessionName {
    SessionName::new("threats").unwrap()
}

/// The sessions of a run and what lies between them.
pub(crate) struct Stage {
    pub(crate) parts: Parts,
    processes: BTreeMap<MemberId, Process>,
    pub(crate) channel: Channel,
    pub(crate) now: Time,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl Stage {
    /// These members, all out of the channel, that know each other's keys.
    pub(crate) fn new(parts: Parts, names: &[&str]) -> Self {
        let identities: Vec<Identity> = names.iter().map(|name| identity(name)).collect();
        let directory = Arc::new(directory(&identities));
        let processes = (1..).zip(identities).map(|(seed, identity)| {
            let process = Process::fresh(parts, identity, &directory, seed);
            (process.identity.member().clone(), process)
        });
        Self {
            parts,
            processes: processes.collect(),
            channel: Channel::new(names.iter().map(|name| id(name))),
            now: EPOCH,
        }
    }

    /// The same once more: what happens there has no effect here.
    pub(crate) fn copy(&self) -> Self {
        Self {
            parts: self.parts,
            processes: self
                .processes
                .iter()
                .map(|(who, process)| (who.clone(), process.copy(self.parts)))
                .collect(),
            channel: self.channel.clone(),
            now: self.now,
        }
    }

    pub(crate) fn process(&self, who: &str) -> &Process {
        &self.processes[&id(who)]
    }

    pub(crate) fn session(&self, who: &str) -> &dyn AnySession {
        &*self.process(who).session
    }

    /// The keys that all trust.
    pub(crate) fn directory(&self) -> &Arc<Keys> {
        &self.process("alice").directory
    }

    /// The current subsession of a member.
    pub(crate) fn subsession(&self, who: &str) -> Option<SubsessionId> {
        self.session(who).subsession()
    }

    /// A member does something.
    pub(crate) fn act<T>(
        &mut self,
        who: &str,
        input: impl FnOnce(&mut dyn AnySession, &mut Context<'_>) -> T,
    ) -> T {
        let now = self.now;
        let process = self.processes.get_mut(&id(who)).unwrap();
        let answer = process.act(now, input);
        self.drain(&id(who));
        answer
    }

    /// A member says something.
    pub(crate) fn say(&mut self, who: &str, body: &str) {
        self.act(who, |session, cx| session.send(body.as_bytes(), cx))
            .unwrap();
    }

    /// A member changes the members or the keys, and the operation completes.
    pub(crate) fn change(&mut self, who: &str, change: Change) {
        self.act(who, |session, cx| session.change(change, cx)).unwrap();
        self.run(Duration::from_secs(20));
    }

    /// Another process takes a member's place at the channel: from here on the member's own one is cut off.
    pub(crate) fn replace(&mut self, process: Process) {
        self.processes.insert(process.identity.member().clone(), process);
    }

    /// Lets time pass and packets travel, as a healthy network would.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now.after(span);
        for _ in 0..MAX_STEPS {
            let arrival = self
                .channel
                .first_pending_at()
                .map(|at| at.after(LATENCY).max(self.now));
            let timer = self
                .processes
                .iter()
                .filter_map(|(who, process)| Some((process.session.next_timeout()?.max(self.now), who)))
                .min();
            match (arrival, timer) {
                (Some(at), timer) if at <= end && timer.is_none_or(|(due, _)| at <= due) => {
                    self.now = at;
                    self.deliver();
                }
                (_, Some((due, who))) if due <= end => {
                    let who = who.clone();
                    self.now = due;
                    let process = self.processes.get_mut(&who).unwrap();
                    process.act(due, |session, cx| session.handle_timeout(cx));
                    self.drain(&who);
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the sessions react to each other without end");
    }

    /// Delivers the next event of the order to everyone.
    fn deliver(&mut self) {
        let Some(position) = self.channel.first_pending() else {
            return;
        };
        let names: Vec<MemberId> = self.processes.keys().cloned().collect();
        for who in names {
            while self.channel.is_next(&who, position) {
                let delivery = self.channel.take(&who).unwrap();
                self.give(&who, delivery.event);
            }
        }
    }

    /// The server shows one member something.
    pub(crate) fn give(&mut self, who: &MemberId, event: ChannelEvent) {
        let now = self.now;
        let process = self.processes.get_mut(who).unwrap();
        process.act(now, |session, cx| session.handle(event, cx));
        self.drain(who);
    }

    fn drain(&mut self, who: &MemberId) {
        let process = self.processes.get_mut(who).unwrap();
        for output in process.session.drain().unsaved() {
            if let Output::Channel(action) = output {
                self.channel.ask(who, action, self.now);
            }
        }
    }
}

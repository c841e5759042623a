//! Timers and presence, beside naive models of them.

use std::collections::BTreeMap;
use std::time::Duration;

use concilium_core::testing::rng;
use concilium_core::{Context, MemberId, MessageId, RandomSource, Time, wire};
use concilium_liveness::{AckMonitor, AckTimer, Presence, ResendTimer, Timing};
use serde::{Deserialize, Serialize};

use super::Seed;
use super::core::one_encoding;
use super::input::Input;

/// More messages than are due at one moment.
const MESSAGES: usize = 40;

const MAX_ACTIONS: usize = 400;

/// Takes the bytes as stored state, or as what happens to the timers of a subsession: messages that come, are
/// acknowledged, sent again and asked for, members who give signs of life, time that passes, and restarts.
/// Whatever can be asked is what naive models say, whose waits are drawn from the same random source; and
/// each wait is within the bounds that its page gives (L-1 to L-5).
///
/// # Panics
/// Where a promise is broken.
pub fn liveness(data: &[u8]) {
    run(data);
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reached {
    overdue: usize,
    due: usize,
    hastened: usize,
}

fn run(data: &[u8]) -> Reached {
    let mut input = Input::new(data);
    if input.byte() % 8 == 7 {
        stored(input.rest());
        return Reached::default();
    }
    let timing = Timing::new(
        Duration::from_millis(input.number() as u64),
        Duration::from_millis(input.number() as u64 * 16),
    );
    assert!(timing.broadcast_latency() >= Duration::from_millis(1), "L-7");
    assert!(
        timing.full_ack() >= timing.broadcast_latency() * 8,
        "L-7: honest members can meet it"
    );
    let mut run = Run {
        timing,
        now: Time::ZERO,
        rng: rng::seeded(input.number() as u64),
        timers: Timers::default(),
        model: Model::default(),
        reached: Reached::default(),
    };
    for _ in 0..MAX_ACTIONS {
        let Some(action) = input.next() else { break };
        run.step(action, &mut input);
        run.check();
    }
    run.reached
}

/// What a subsession keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Timers {
    monitor: AckMonitor,
    ack: AckTimer,
    resend: ResendTimer,
    presence: Presence,
}

/// The same, as what it means.
#[derive(Debug, Default)]
struct Model {
    deadlines: BTreeMap<MessageId, Time>,
    ack: Option<Time>,
    watched: BTreeMap<MessageId, Watched>,
    gate: Time,
    heard: BTreeMap<MemberId, Time>,
    ask_at: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    due: Time,
    sent_at: Time,
    times: u32,
}

struct Run<R> {
    timing: Timing,
    now: Time,
    rng: R,
    timers: Timers,
    model: Model,
    reached: Reached,
}

impl<R: RandomSource + Clone> Run<R> {
    fn step(&mut self, action: u8, input: &mut Input<'_>) {
        match action % 16 {
            0 | 1 => self.now = self.now.after(Duration::from_millis(1 << (input.byte() % 24))),
            2 => {
                let (id, deadline) = (
                    id(input),
                    self.now.after(Duration::from_millis(input.number() as u64)),
                );
                self.timers.monitor.expect(id, deadline);
                self.model.deadlines.entry(id).or_insert(deadline);
            }
            3 => {
                let id = id(input);
                self.timers.monitor.settle(&id);
                self.model.deadlines.remove(&id);
            }
            4 => {
                let due = self.now.after(Duration::from_millis(input.number() as u64));
                self.timers.ack.owe(due);
                self.model.ack = Some(self.model.ack.map_or(due, |earlier| earlier.min(due)));
            }
            5 => {
                self.timers.ack.sent();
                self.model.ack = None;
            }
            6 | 7 => (0..input.below(MESSAGES)).for_each(|_| self.watch(id(input))),
            8 => {
                let id = id(input);
                self.timers.resend.settle(&id);
                self.model.watched.remove(&id);
            }
            9 => self.sent_again(id(input)),
            10 => self.hasten(id(input)),
            11 | 12 => self.send_what_is_due(),
            13 => {
                let member = member(input);
                // A clock that went back a little.
                let at = Time::from_millis(self.now.as_millis().saturating_sub(u64::from(input.byte())));
                self.timers.presence.heard(&member, at);
                let known = self.model.heard.entry(member).or_insert(at);
                *known = (*known).max(at);
            }
            14 => self.asked(),
            _ => {
                let bytes = wire::encode(&self.timers);
                self.timers = wire::decode(&bytes, bytes.len()).expect("stored state restores");
            }
        }
    }

    /// A wait drawn by `wait`, as the timers will draw theirs next: from a copy of the random source.
    fn drawn(&self, wait: impl FnOnce(&mut Context<'_>) -> Duration) -> Duration {
        wait(&mut Context::new(self.now, &mut self.rng.clone()))
    }

    /// L-3: half the full-ack interval, twice as long each time and 64 times at most, and up to a quarter of
    /// it more.
    fn resend_delay(&self, times: u32) -> Duration {
        let wait = self.drawn(|cx| self.timing.resend_delay(times, cx));
        let base = self.timing.full_ack() / 2;
        let shortest = base * [1, 2, 4, 8, 16, 32, 64][times.min(6) as usize];
        assert!(
            (shortest..=shortest + base / 2).contains(&wait),
            "L-3: {wait:?} after {times} times"
        );
        wait
    }

    fn watch(&mut self, id: MessageId) {
        if !self.model.watched.contains_key(&id) {
            let watched = Watched {
                due: self.now.after(self.resend_delay(0)),
                sent_at: self.now,
                times: 0,
            };
            self.model.watched.insert(id, watched);
        }
        let mut cx = Context::new(self.now, &mut self.rng);
        self.timers.resend.watch(id, &self.timing, &mut cx);
    }

    fn sent_again(&mut self, id: MessageId) {
        if let Some(mut watched) = self.model.watched.get(&id).copied() {
            // What several send at once counts once.
            let at_once = self.now < watched.sent_at.after(self.timing.broadcast_latency() * 2);
            watched.times += u32::from(!at_once);
            watched.sent_at = self.now;
            watched.due = self.now.after(self.resend_delay(watched.times));
            self.model.watched.insert(id, watched);
        }
        let mut cx = Context::new(self.now, &mut self.rng);
        self.timers.resend.sent_again(&id, &self.timing, &mut cx);
    }

    fn hasten(&mut self, id: MessageId) {
        if let Some(mut watched) = self.model.watched.get(&id).copied() {
            let latency = self.timing.broadcast_latency();
            let wait = self.drawn(|cx| cx.jitter(latency, latency * 4));
            let rested = watched.sent_at.after(self.timing.full_ack() / 2);
            let soon = self.now.max(rested).after(wait);
            if watched.times > 0 && soon < watched.due {
                watched.due = soon;
                self.model.watched.insert(id, watched);
                self.reached.hastened += 1;
            }
        }
        let mut cx = Context::new(self.now, &mut self.rng);
        self.timers.resend.hasten(&id, &self.timing, &mut cx);
    }

    fn send_what_is_due(&mut self) {
        let due: Vec<MessageId> = self.timers.resend.due(self.now).collect();
        for id in &due {
            self.sent_again(*id);
        }
        if !due.is_empty() {
            self.timers.resend.rest(&self.timing, self.now);
            self.model.gate = self.now.after(self.timing.broadcast_latency());
        }
        self.reached.due = self.reached.due.max(due.len());
    }

    fn asked(&mut self) {
        let wait = self.drawn(|cx| self.timing.heartbeat(cx));
        let full_ack = self.timing.full_ack();
        assert!((full_ack * 8..=full_ack * 9).contains(&wait), "L-5: {wait:?}");
        self.model.ask_at = Some(self.now.after(wait));
        let mut cx = Context::new(self.now, &mut self.rng);
        self.timers.presence.asked(&self.timing, &mut cx);
    }

    /// Compares everything that can be asked.
    fn check(&mut self) {
        let Timers {
            monitor,
            ack,
            resend,
            presence,
        } = &self.timers;
        let model = &self.model;

        let overdue: Vec<MessageId> = monitor.overdue(self.now).collect();
        assert_eq!(
            overdue,
            passed(model.deadlines.iter().map(|(id, at)| (*at, *id)), self.now),
            "L-1"
        );
        let deadlines = || model.deadlines.values().copied();
        assert_eq!(monitor.first_deadline(), first(deadlines()), "L-1");
        assert_eq!(
            monitor.next_timeout(self.now),
            first(deadlines().filter(|at| *at > self.now)),
            "L-1"
        );
        assert_eq!(monitor.is_empty(), model.deadlines.is_empty());
        let wait = self.timing.full_ack();
        for n in 0..MESSAGES {
            let id = nth(n);
            let late = model
                .deadlines
                .get(&id)
                .is_some_and(|at| at.after(wait) <= self.now);
            assert_eq!(monitor.is_overdue_for(&id, wait, self.now), late, "L-1");
            let again = model.watched.get(&id).is_some_and(|watched| watched.times > 0);
            assert_eq!(resend.is_sent_again(&id), again, "L-3");
        }
        self.reached.overdue = self.reached.overdue.max(overdue.len());

        assert_eq!(ack.due(), model.ack.unwrap_or(Time::NEVER), "L-2");

        let due: Vec<MessageId> = resend.due(self.now).collect();
        let mut expected = passed(
            model.watched.iter().map(|(id, watched)| (watched.due, *id)),
            self.now,
        );
        expected.truncate(if model.gate <= self.now {
            ResendTimer::BURST
        } else {
            0
        });
        assert_eq!(due, expected, "L-3");
        let next = first(model.watched.values().map(|watched| watched.due));
        let next = if next == Time::NEVER {
            next
        } else {
            next.max(model.gate)
        };
        assert_eq!(resend.next_timeout(), next, "L-3");

        assert_eq!(presence.ask_at(), model.ask_at.unwrap_or(Time::NEVER), "L-5");
        for name in NAMES {
            let member = MemberId::new(name).expect("a short name");
            assert_eq!(
                presence.last_heard(&member),
                model.heard.get(&member).copied(),
                "L-5"
            );
        }
        let bytes = wire::encode(&self.timers);
        assert_eq!(wire::decode(&bytes, bytes.len()).as_ref(), Ok(&self.timers));
    }
}

/// Those whose time has come, the longest due first.
fn passed(moments: impl Iterator<Item = (Time, MessageId)>, now: Time) -> Vec<MessageId> {
    let mut passed: Vec<(Time, MessageId)> = moments.filter(|(at, _)| *at <= now).collect();
    passed.sort_unstable();
    passed.into_iter().map(|(_, id)| id).collect()
}

fn first(moments: impl Iterator<Item = Time>) -> Time {
    moments.min().unwrap_or(Time::NEVER)
}

/// Arbitrary bytes are no state but the one that they encode, and none makes a call panic.
fn stored(bytes: &[u8]) {
    one_encoding::<AckMonitor>(bytes);
    one_encoding::<AckTimer>(bytes);
    one_encoding::<ResendTimer>(bytes);
    one_encoding::<Presence>(bytes);
    one_encoding::<Timing>(bytes);
    let now = Time::from_millis(1 << 20);
    let mut rng = rng::seeded(1);
    let mut cx = Context::new(now, &mut rng);
    let timing = wire::decode::<Timing>(bytes, bytes.len()).unwrap_or_default();
    assert_eq!(
        Timing::new(timing.broadcast_latency(), timing.full_ack()),
        timing,
        "L-7: no other figures than those that can be set"
    );
    let waits = [
        timing.ack_delay(&mut cx),
        timing.resend_delay(9, &mut cx),
        timing.heartbeat(&mut cx),
        timing.confirmation_delay(&mut cx),
        timing.confirmation_deadline(),
        timing.finish(),
    ];
    assert!(
        waits
            .iter()
            .all(|wait| *wait <= Duration::from_secs(100 * 365 * 24 * 60 * 60))
    );
    if let Ok(mut timer) = wire::decode::<ResendTimer>(bytes, bytes.len()) {
        let due: Vec<MessageId> = timer.due(now).collect();
        for id in due {
            timer.sent_again(&id, &timing, &mut cx);
            timer.hasten(&id, &timing, &mut cx);
            timer.settle(&id);
        }
        let _ = timer.next_timeout();
    }
}

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

fn member(input: &mut Input<'_>) -> MemberId {
    MemberId::new(NAMES[input.below(NAMES.len())]).expect("a short name")
}

fn id(input: &mut Input<'_>) -> MessageId {
    nth(input.below(MESSAGES))
}

/// The n-th message's name: in no order, as real ones.
fn nth(n: usize) -> MessageId {
    let [high, low] = (n as u16).wrapping_mul(40_503).to_be_bytes();
    MessageId::from_bytes(std::array::from_fn(|at| if at == 0 { high } else { low }))
}

pub(super) fn seeds() -> Vec<Seed> {
    // A tenth of a second and a minute, in units of sixteen milliseconds; then the random source's seed.
    let begin = [0, 0, 100, 14, 166, 0, 1];
    let join = |parts: &[&[u8]]| [&begin, parts.concat().as_slice()].concat();
    let expect: Vec<u8> = (0..12).flat_map(|n| [2, n, 3 * n, 200 - n]).collect();
    let settle: Vec<u8> = (0..12).flat_map(|n| [3, n]).collect();
    let watch = [&[6, 39], (0..39).collect::<Vec<u8>>().as_slice()].concat();
    let later = [0, 17];
    let send = [11, 0, 8, 11, 0, 8, 11];
    let again: Vec<u8> = (0..12).flat_map(|n| [9, n, 0, 16, 10, n]).collect();
    let acks = [4, 0, 50, 4, 0, 20, 0, 5, 5, 4, 1, 0];
    let people = [13, 0, 0, 0, 9, 13, 0, 200, 13, 1, 0, 14, 0, 20, 14];
    let stored = |value: Vec<u8>| [&[7], value.as_slice()].concat();
    let mut monitor = AckMonitor::default();
    monitor.expect(nth(1), Time::from_millis(9));
    let mut resend = ResendTimer::default();
    let mut rng = rng::seeded(1);
    resend.watch(
        nth(2),
        &Timing::default(),
        &mut Context::new(Time::ZERO, &mut rng),
    );
    vec![
        Seed::new("acks", join(&[&acks, &[15], &acks])),
        Seed::new("burst", join(&[&watch, &later, &send, &[15], &later, &send])),
        Seed::new(
            "hasten",
            join(&[&watch, &later, &again, &later, &again, &[8, 1], &again, &send]),
        ),
        Seed::new(
            "overdue",
            join(&[&expect, &later, &later, &settle, &expect, &[15]]),
        ),
        Seed::new("people", join(&[&people, &[15], &people])),
        Seed::new("stored-monitor", stored(wire::encode(&monitor))),
        Seed::new("stored-resend", stored(wire::encode(&resend))),
        Seed::new("stored-timing", stored(wire::encode(&Timing::default()))),
        // Waits so long that a multiple of them is no duration any more.
        Seed::new("stored-timing-long", stored(wire::encode(&[Duration::MAX; 2]))),
        // A full-ack interval that nobody could meet.
        Seed::new(
            "stored-timing-short",
            stored(wire::encode(&[Duration::from_secs(9); 2])),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l01_l03_seeds_reach_what_is_late_what_is_due_and_what_is_hastened() {
        let reached: Vec<Reached> = seeds().iter().map(|seed| run(&seed.bytes)).collect();
        assert!(reached.iter().any(|reached| reached.overdue > 5), "{reached:?}");
        assert!(
            reached.iter().any(|reached| reached.due == ResendTimer::BURST),
            "{reached:?}"
        );
        assert!(reached.iter().any(|reached| reached.hastened > 2), "{reached:?}");
    }
}

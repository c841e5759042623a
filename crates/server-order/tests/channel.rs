//! A simulated channel: one order of events, in which members come, go, propose, race and replay, and
//! outsiders forge. Everyone sees every event from its own entry on.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic, in its own functions too"
)]

mod common;

use std::cell::Cell;
use std::collections::BTreeMap;

use common::{id, set, who};
use concilium_core::{ChainHash, FramedHash, MemberId, MemberSet, PacketId};
use concilium_server_order::{
    Acceptance, ChainRole, Comparison, Initial, Link, Outcome, Record, Rejection, Resolver, chain_start,
    chain_step, packet_id,
};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Clone, Debug)]
enum Step {
    Enter(usize),
    Leave(usize),
    /// An honest proposal, from what its author knows now; it is on its way.
    Propose {
        by: usize,
        include: u8,
        exclude: u8,
    },
    /// Authentic, but with any parent that anyone ever held, a made-up one or a wrong chain hash.
    Forge {
        by: usize,
        parent: Index,
        made_up: bool,
        lie: bool,
        before: u8,
        after: u8,
    },
    /// The channel echoes the newest proposal, or any of them for the first time or again.
    Echo(Option<Index>),
    /// Somebody's operation ends by its final packet, if its members can all bring it about.
    Finish(usize),
    Abort {
        by: usize,
        of: usize,
    },
    /// A final packet or an abort again.
    Replay(Index),
    /// Somebody sends a message with a confirmation; it is on its way.
    Speak(usize),
    /// The message arrives.
    Hear(Index),
}

fn step(forging: bool) -> impl Strategy<Value = Step> {
    let n = 0..NAMES.len();
    let honest = prop_oneof![
        9 => n.clone().prop_map(Step::Enter),
        2 => n.clone().prop_map(Step::Leave),
        4 => (n.clone(), 0..32_u8, prop_oneof![3 => Just(0), 1 => 0..32_u8])
            .prop_map(|(by, include, exclude)| Step::Propose { by, include, exclude }),
        6 => proptest::option::of(any::<Index>()).prop_map(Step::Echo),
        4 => n.clone().prop_map(Step::Finish),
        1 => (n.clone(), n.clone()).prop_map(|(by, of)| Step::Abort { by, of }),
        1 => any::<Index>().prop_map(Step::Replay),
        3 => n.clone().prop_map(Step::Speak),
        3 => any::<Index>().prop_map(Step::Hear),
    ];
    let forged = (
        n,
        any::<Index>(),
        any::<bool>(),
        any::<bool>(),
        0..32_u8,
        0..32_u8,
    )
        .prop_map(|(by, parent, made_up, lie, before, after)| Step::Forge {
            by,
            parent,
            made_up,
            lie,
            before,
            after,
        });
    prop_oneof![30 => honest, if forging { 3 } else { 0 } => forged]
}

/// What happened over all cases; a test that never sees a joiner shows nothing.
#[derive(Debug, Default)]
struct Seen(BTreeMap<&'static str, Cell<u32>>);

impl Seen {
    fn new() -> Self {
        let what = [
            "joined",
            "firm",
            "one packet",
            "finished",
            "aborted",
            "left",
            "stale",
            "raced",
            "remembered",
            "not included",
            "absent",
            "evidence",
            "late end",
            "unsure",
            "older",
            "consistent",
            "replayed",
            "misled",
        ];
        Self(what.into_iter().map(|what| (what, Cell::new(0))).collect())
    }

    fn count(&self, what: &'static str) {
        let cell = &self.0[what];
        cell.set(cell.get() + 1);
    }
}

struct Process {
    resolver: Resolver,
    /// The current and the previous subsession: what messages can be read.
    subsessions: Vec<PacketId>,
    /// Numbers the echo that started its operation: its contribution is fresh at each.
    run: u64,
}

struct World<'a> {
    seen: &'a Seen,
    forging: bool,
    channel: MemberSet,
    /// In order of entry.
    present: Vec<Process>,
    /// Proposals without their id, and whether they are honest.
    proposals: Vec<(Initial, bool)>,
    echoed: BTreeMap<PacketId, Initial>,
    ends: Vec<End>,
    links: Vec<Link>,
    messages: Vec<(MemberId, PacketId, Link)>,
    nonce: u64,
}

/// A final packet or an abort.
#[derive(Clone, Debug)]
struct End {
    id: PacketId,
    pi: PacketId,
    aborted_by: Option<MemberId>,
    /// Whose contributions went into a final packet, from which run.
    runs: BTreeMap<MemberId, u64>,
}

fn some(mask: u8) -> MemberSet {
    (0..NAMES.len())
        .filter(|i| mask >> i & 1 == 1)
        .map(|i| who(NAMES[i]))
        .collect()
}

impl World<'_> {
    fn nonce(&mut self) -> [u8; 32] {
        self.nonce += 1;
        FramedHash::new("test nonce").number(self.nonce).finish()
    }

    fn find(&self, name: usize) -> Option<usize> {
        self.present
            .iter()
            .position(|process| *process.resolver.me() == who(NAMES[name]))
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Enter(name) => {
                if self.channel.insert(who(NAMES[*name])) {
                    let resolver = Resolver::unsynchronised(who(NAMES[*name]));
                    self.present.push(Process {
                        resolver,
                        subsessions: vec![],
                        run: 0,
                    });
                }
            }
            Step::Leave(name) => {
                let Some(i) = self.find(*name) else { return };
                self.present.remove(i);
                self.channel.remove(&who(NAMES[*name]));
                for process in &mut self.present {
                    let before = process.resolver.clone();
                    match process.resolver.left(&who(NAMES[*name]), &self.channel) {
                        Some(record) => {
                            assert!(!record.outcome.is_success());
                            self.seen.count("left");
                        }
                        None => assert_eq!(process.resolver, before),
                    }
                }
            }
            Step::Propose { by, include, exclude } => {
                let Some(i) = self.find(*by) else { return };
                let resolver = &self.present[i].resolver;
                let (Some(head), true, None) = (resolver.head(), resolver.is_member(), resolver.running())
                else {
                    return;
                };
                let exclude = some(*exclude).minus(&set(NAMES[*by]));
                // Whoever has gone goes out, and whoever is there may come in: as the session proposes.
                let gone = head.members.minus(&self.channel);
                let after = head.members.union(&some(*include).intersection(&self.channel));
                let pi = Initial {
                    id: id(0),
                    parent: head.link,
                    author: who(NAMES[*by]),
                    before: head.members.clone(),
                    after: after.minus(&exclude).minus(&gone),
                };
                self.proposals.push((pi, true));
            }
            Step::Forge {
                by,
                parent,
                made_up,
                lie,
                before,
                after,
            } => {
                if !self.forging || self.find(*by).is_none() {
                    return;
                }
                let random = PacketId::from_bytes(self.nonce());
                let mut link = if *made_up || self.links.is_empty() {
                    Link {
                        packet: random,
                        chain: chain_start(&random),
                    }
                } else {
                    *parent.get(&self.links)
                };
                if *lie {
                    link.chain = ChainHash::from_bytes(*random.as_bytes());
                }
                let me = set(NAMES[*by]);
                let pi = Initial {
                    id: id(0),
                    parent: link,
                    author: who(NAMES[*by]),
                    before: some(*before).union(&me),
                    // Mostly of people who are there; otherwise it would be ignored for O-6.
                    after: if *after < 4 {
                        some(*before)
                    } else {
                        some(*after).intersection(&self.channel)
                    }
                    .union(&me),
                };
                self.proposals.push((pi, false));
            }
            Step::Echo(index) => self.echo(*index),
            Step::Finish(of) => {
                let Some(pi) = self
                    .find(*of)
                    .and_then(|i| self.present[i].resolver.running().cloned())
                else {
                    return;
                };
                // K-7: nobody succeeds unless all members take part.
                let takes_part = |process: &Process| {
                    !pi.after.contains(process.resolver.me()) || process.resolver.is_running(&pi.id)
                };
                if pi.after.is_subset(&self.channel) && self.present.iter().all(takes_part) {
                    let id = PacketId::from_bytes(self.nonce());
                    self.end(&End {
                        id,
                        pi: pi.id,
                        aborted_by: None,
                        runs: self.runs(),
                    });
                }
            }
            Step::Abort { by, of } => {
                let running = self
                    .find(*of)
                    .and_then(|i| self.present[i].resolver.running().map(|pi| pi.id));
                let (Some(_), Some(pi)) = (self.find(*by), running) else {
                    return;
                };
                let id = PacketId::from_bytes(self.nonce());
                let aborted_by = Some(who(NAMES[*by]));
                self.end(&End {
                    id,
                    pi,
                    aborted_by,
                    runs: self.runs(),
                });
            }
            Step::Replay(index) => {
                if !self.ends.is_empty() {
                    let end = index.get(&self.ends).clone();
                    self.end(&end);
                }
            }
            Step::Speak(by) => {
                let Some(process) = self.find(*by).map(|i| &self.present[i]) else {
                    return;
                };
                if let (Some(link), Some(subsession)) = (process.resolver.claim(), process.subsessions.last())
                {
                    self.messages.push((who(NAMES[*by]), *subsession, link));
                }
            }
            Step::Hear(index) => {
                if self.messages.is_empty() {
                    return;
                }
                let (by, subsession, link) = index.get(&self.messages).clone();
                for process in &mut self.present {
                    if *process.resolver.me() == by || !process.subsessions.contains(&subsession) {
                        continue;
                    }
                    let provisional = process.resolver.is_provisional();
                    match process.resolver.confirm(&by, link) {
                        Comparison::Consistent => self.seen.count("consistent"),
                        Comparison::Older => self.seen.count("older"),
                        _ => {}
                    }
                    if provisional && !process.resolver.is_provisional() {
                        self.seen.count("firm");
                    }
                }
            }
        }
        self.found();
    }

    /// T-11: the most senior starts over when nobody is left to be included by.
    fn found(&mut self) {
        if self
            .present
            .iter()
            .all(|process| !process.resolver.is_synchronised())
            && !self.present.is_empty()
        {
            let parent = PacketId::from_bytes(self.nonce());
            let senior = &mut self.present[0];
            senior.resolver = Resolver::found(senior.resolver.me().clone(), parent);
            senior.subsessions = vec![parent];
        }
    }

    fn echo(&mut self, index: Option<Index>) {
        if self.proposals.is_empty() {
            return;
        }
        let newest = self.proposals.len() - 1;
        let number = index.map_or(newest, |index| index.index(newest + 1));
        let (mut pi, honest) = self.proposals[number].clone();
        if !self.channel.contains(&pi.author) {
            return;
        }
        pi.id = packet_id(&number.to_le_bytes(), &pi.author, &self.channel); // O-1
        if self.echoed.insert(pi.id, pi.clone()).is_some() {
            self.seen.count("replayed");
        }
        let (mut members, mut joiners) = (0, 0);
        self.nonce += 1;
        for process in &mut self.present {
            let before = process.resolver.clone();
            match process.resolver.initial(&pi, &self.channel) {
                Ok(how) => {
                    process.run = self.nonce;
                    match how {
                        Acceptance::Member => members += 1,
                        Acceptance::Joining => joiners += 1,
                    }
                }
                Err(rejection) => {
                    self.seen.count(match rejection {
                        Rejection::WrongParent => "stale",
                        Rejection::OperationRunning => "raced",
                        Rejection::RememberedParent => "remembered",
                        Rejection::NotIncluded => "not included",
                        Rejection::NotAllPresent { .. } => "absent",
                        _ if rejection.is_evidence() => "evidence",
                        _ => "stale",
                    });
                    assert!(
                        !honest || !rejection.is_evidence(),
                        "T-16: no accusation among honest members"
                    );
                    if before.is_member() {
                        assert_unmoved(&process.resolver, &before);
                    }
                    assert_eq!(process.resolver.running(), before.running());
                }
            }
        }
        if joiners > 0 && members == 0 {
            self.seen.count("misled");
        }
        // O-9: whatever brings nobody in is a single packet.
        if pi.after.is_subset(&pi.before) {
            self.end(&End {
                id: pi.id,
                pi: pi.id,
                aborted_by: None,
                runs: self.runs(),
            });
        }
    }

    fn runs(&self) -> BTreeMap<MemberId, u64> {
        self.present
            .iter()
            .map(|process| (process.resolver.me().clone(), process.run))
            .collect()
    }

    fn end(&mut self, end: &End) {
        self.ends.push(end.clone());
        let (last, pi) = (end.id, end.pi);
        let operation = self.echoed[&pi].clone();
        let mut records: Vec<Record> = Vec::new();
        for process in &mut self.present {
            let before = process.resolver.clone();
            let blind = !operation.after.contains(before.me());
            let result = match &end.aborted_by {
                None if blind => continue, // T-10
                // K-7: a final packet of an earlier run does not confirm the key of this one.
                None if end.runs.get(before.me()) != Some(&process.run) => continue,
                None => process.resolver.finished(last, &pi),
                Some(by) => process.resolver.aborted(last, &pi, by),
            };
            let Ok(record) = result else {
                self.seen.count("late end");
                assert_eq!(process.resolver, before, "A-18");
                continue;
            };
            assert!(before.is_running(&pi), "O-4");
            if record.outcome.is_success() {
                process.subsessions = process
                    .subsessions
                    .last()
                    .copied()
                    .into_iter()
                    .chain([last])
                    .collect();
            }
            self.seen.count(match &record.outcome {
                Outcome::Finished if last == pi => "one packet",
                Outcome::Finished if !before.is_member() => "joined",
                Outcome::Finished => "finished",
                _ if process.resolver.is_member() && blind => "unsure",
                _ => "aborted",
            });
            if !blind {
                records.push(Record { number: 0, ..record });
            }
        }
        assert!(
            records.windows(2).all(|pair| pair[0] == pair[1]),
            "one end for all: {records:?}"
        );
    }

    fn check(&mut self) {
        for process in &self.present {
            let resolver = &process.resolver;
            if let Some(head) = resolver.head() {
                self.links.push(head.link);
            }
            // T-16: the channel shows everyone the same, so nobody is accused.
            assert!(resolver.differences().is_empty(), "{resolver:#?}");
            // O-5, said anew: hash every packet as it is accepted.
            for pair in resolver.history().windows(2) {
                let (previous, record) = (pair[0].link.chain, &pair[1]);
                let role = match record.outcome {
                    Outcome::Finished => ChainRole::Final,
                    Outcome::Aborted { .. } => ChainRole::Abort,
                    Outcome::Left { .. } => ChainRole::Leave,
                };
                let chain = if record.initial == record.link.packet {
                    chain_step(&previous, &record.initial, ChainRole::Both)
                } else {
                    chain_step(
                        &chain_step(&previous, &record.initial, ChainRole::Initial),
                        &record.link.packet,
                        role,
                    )
                };
                assert_eq!(chain, record.link.chain);
                assert_eq!(
                    self.echoed[&record.initial].parent, pair[0].link,
                    "O-4: an unbroken chain"
                );
            }
            // nothing that was accepted is accepted again, whoever is in the channel now.
            for record in resolver.history() {
                let mut again = resolver.clone();
                assert!(again.initial(&self.echoed[&record.initial], &some(31)).is_err());
                assert_unmoved(&again, resolver);
            }
        }
        // Everyone who is sure agrees with everyone else who is.
        let sure = |resolver: &Resolver| {
            let excluded = resolver.running().is_some_and(|pi| pi.excludes(resolver.me()));
            resolver.is_member() && !resolver.is_provisional() && !excluded
        };
        let sure: Vec<_> = self
            .present
            .iter()
            .map(|process| &process.resolver)
            .filter(|r| sure(r))
            .collect();
        for (i, p) in sure.iter().enumerate() {
            for q in &sure[i + 1..] {
                let knows = |p: &Resolver, q: &Resolver| p.head().unwrap().members.contains(q.me());
                if knows(p, q) && knows(q, p) {
                    assert_eq!(p.head(), q.head());
                    assert_eq!(p.running(), q.running());
                    let tail = |r: &Resolver, n: usize| -> Vec<_> {
                        let same = |record: &Record| Record {
                            number: 0,
                            ..record.clone()
                        };
                        r.history().iter().rev().take(n).map(same).collect()
                    };
                    let n = p.history().len().min(q.history().len());
                    assert_eq!(tail(p, n), tail(q, n));
                }
            }
        }
    }
}

fn run(forging: bool, cases: u32) -> Seen {
    let seen = Seen::new();
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let steps = proptest::collection::vec(step(forging), 1..150);
    let outcome = runner.run(&(any::<bool>(), steps), |(grown, steps)| {
        let mut world = World {
            seen: &seen,
            forging,
            channel: MemberSet::new(),
            present: vec![],
            proposals: vec![],
            echoed: BTreeMap::new(),
            ends: vec![],
            links: vec![],
            messages: vec![],
            nonce: 0,
        };
        // Half of the cases begin with a group of four.
        let group = (0..4).map(Step::Enter).chain([
            Step::Propose {
                by: 0,
                include: 15,
                exclude: 0,
            },
            Step::Echo(None),
            Step::Finish(0),
        ]);
        for step in group.filter(|_| grown).chain(steps) {
            world.step(&step);
            world.check();
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    seen
}

/// O-1 to O-11 among honest members on an honest channel, with all its races (T-16).
#[test]
fn whoever_sees_the_same_channel_accepts_the_same_chain_joiners_included() {
    let seen = run(false, 1500);
    for (what, count) in &seen.0 {
        assert!(
            count.get() > 0 || *what == "evidence",
            "never happened: {what} in {seen:?}"
        );
    }
    assert_eq!(seen.0["evidence"].get(), 0);
}

/// the same when members and outsiders send proposals with stale and made-up
/// parents, chain hashes and memberships.
#[test]
fn forged_and_stale_proposals_split_nobody_who_is_sure() {
    let seen = run(true, 1500);
    for (what, count) in &seen.0 {
        assert!(count.get() > 0, "never happened: {what} in {seen:?}");
    }
}

/// a rejection has changed nothing. Only who may have been excluded without seeing it remembers parents
/// (O-7).
fn assert_unmoved(after: &Resolver, before: &Resolver) {
    if before.is_perhaps_excluded() {
        let place = |resolver: &Resolver| {
            let history = resolver.history().to_vec();
            (resolver.head().cloned(), resolver.running().cloned(), history)
        };
        assert_eq!(place(after), place(before), "A-18");
    } else {
        assert_eq!(after, before, "A-18");
    }
}

/// any calls at all, in any order, with ids and names that collide on purpose.
#[test]
fn a40_any_sequence_of_calls_keeps_the_state_sound() {
    let id_ = 0..4_u8;
    let call = (
        0..5_u8,
        id_.clone(),
        id_.clone(),
        0..3_usize,
        0..8_u8,
        0..8_u8,
        id_,
    );
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    let (accepted, ended) = (Cell::new(0), Cell::new(0));
    let calls = proptest::collection::vec(call, 0..60);
    let outcome = runner.run(&calls, |calls| {
        let mut resolver = Resolver::found(who("a"), id(0));
        for (kind, one, two, name, x, y, hash) in calls {
            let before = resolver.clone();
            let parent = Link {
                packet: id(two),
                chain: chain_start(&id(hash)),
            };
            let member = who(NAMES[name]);
            // Mostly what fits, or nothing would ever be accepted.
            let fits = hash != 0;
            let named = resolver.running().filter(|_| fits).map_or(id(two), |pi| pi.id);
            let settled = match kind {
                0 => {
                    let mut pi = Initial {
                        id: id(one),
                        parent,
                        author: member,
                        before: some(x),
                        after: some(y),
                    };
                    if let Some(head) = resolver.head().filter(|_| fits) {
                        pi.parent = head.link;
                        pi.before = head.members.clone();
                        pi.author = pi.before.first().unwrap().clone();
                        pi.after.insert(pi.author.clone());
                    }
                    let was_member = resolver.is_member();
                    match resolver.initial(&pi, &some(7)) {
                        Ok(_) => accepted.set(accepted.get() + 1),
                        Err(_) if was_member => prop_assert_eq!(&resolver, &before),
                        Err(_) => {}
                    }
                    continue;
                }
                1 => resolver.finished(id(one), &named).is_ok(),
                2 => resolver.aborted(id(one), &named, &member).is_ok(),
                3 => resolver.left(&member, &some(x)).is_some(),
                _ => {
                    let _ = resolver.confirm(&member, parent);
                    continue;
                }
            };
            if settled {
                ended.set(ended.get() + 1);
                prop_assert!(before.running().is_some() && resolver.running().is_none());
                prop_assert_eq!(
                    resolver.history().last().map(|record| record.link),
                    resolver.head().map(|h| h.link)
                );
            } else {
                prop_assert_eq!(&resolver, &before);
            }
            prop_assert!(!resolver.missing().contains(resolver.me()));
            prop_assert!(
                resolver
                    .running()
                    .is_none_or(|pi| Some(&pi.before) == resolver.head().map(|h| &h.members))
            );
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert!(
        accepted.get() > 200 && ended.get() > 200,
        "{accepted:?} {ended:?}"
    );
}

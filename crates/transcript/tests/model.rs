//! Random graphs in random orders, legal and illegal, against a model that computes everything from plain
//! sets of ancestors.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{export, id, member, restore};
use concilium_core::{MemberId, MemberSet, MessageId, SubsessionId, Time};
use concilium_transcript::{Entry, InsertError, MAX_BRANCHES, Placement, Timeline, Transcript};
use proptest::prelude::*;
use proptest::sample::Index;

/// How a message of a random graph comes about.
#[derive(Clone, Debug)]
struct Step {
    author: Index,
    seen: Vec<Index>,
    /// Takes the parents as they come, not only the latest among them.
    unordered: bool,
    /// Has seen what the message before it has seen, and no more.
    at_once: bool,
    /// Leaves out its own last message.
    forgetful: bool,
    /// Names a parent that does not exist.
    unknown: bool,
    ack_only: bool,
    shown: bool,
}

fn one_in(n: u32) -> impl Strategy<Value = bool> {
    (0..n).prop_map(|i| i == 0)
}

fn step() -> impl Strategy<Value = Step> {
    (
        any::<Index>(),
        prop::collection::vec(any::<Index>(), 0..4),
        one_in(12),
        one_in(3),
        one_in(8),
        one_in(40),
        one_in(4),
        one_in(2),
    )
        .prop_map(
            |(author, seen, unordered, at_once, forgetful, unknown, ack_only, shown)| Step {
                author,
                seen,
                unordered,
                at_once,
                forgetful,
                unknown,
                ack_only,
                shown: shown && !ack_only,
            },
        )
}

#[derive(Clone, Debug)]
struct Node {
    entry: Entry<u64>,
    /// Numbers of the parents; `None` if one of them is unknown.
    parents: Option<Vec<usize>>,
    /// All ancestors, if the message is to be accepted.
    past: Option<BTreeSet<usize>>,
}

struct Model {
    members: MemberSet,
    nodes: Vec<Node>,
}

impl Model {
    fn new(size: usize, steps: &[Step]) -> Self {
        let names: Vec<MemberId> = (0..size).map(|i| member(&format!("m{i}"))).collect();
        let mut model = Self {
            members: names.iter().cloned().collect(),
            nodes: Vec::new(),
        };
        for step in steps {
            let author = names[step.author.index(size)].clone();
            let written = |node: &&Node| node.entry.author == author;
            // A branch that is one too many is the one thing that depends on the order of arrival.
            if model.nodes.iter().filter(written).count() > MAX_BRANCHES {
                continue;
            }
            model.add(author, step);
        }
        model
    }

    fn add(&mut self, author: MemberId, step: &Step) {
        let number = self.nodes.len();
        let mut seen: BTreeSet<usize> = match number {
            0 => BTreeSet::new(),
            _ if step.at_once => self.nodes[number - 1].parents.iter().flatten().copied().collect(),
            _ => step.seen.iter().map(|i| i.index(number)).collect(),
        };
        let own = (0..number).rev().find(|i| self.nodes[*i].entry.author == author);
        // Where the message before has not seen our last one, we are not that far back.
        let known = own.is_some_and(|own| seen.iter().any(|i| self.before(own, *i)));
        if !step.forgetful && !known {
            seen.extend(own);
        }
        let latest = |i: &usize| {
            step.unordered
                || !seen
                    .iter()
                    .any(|other| self.past(*other).is_some_and(|past| past.contains(i)))
        };
        let parents: Vec<usize> = seen.iter().copied().filter(latest).collect();
        let mut names: Vec<MessageId> = parents.iter().map(|i| id(*i as u64)).collect();
        if step.unknown {
            names.push(id(1_000_000));
        }
        let parents = (!step.unknown).then_some(parents);
        let past = parents.as_ref().and_then(|parents| self.judge(&author, parents));
        self.nodes.push(Node {
            entry: Entry {
                id: id(number as u64),
                author,
                parents: names,
                ack_only: step.ack_only,
                shown: step.shown,
                weight: 1,
                body: number as u64,
            },
            parents,
            past,
        });
    }

    fn past(&self, node: usize) -> Option<&BTreeSet<usize>> {
        self.nodes[node].past.as_ref()
    }

    fn before(&self, a: usize, b: usize) -> bool {
        self.past(b).is_some_and(|past| past.contains(&a))
    }

    fn concurrent(&self, a: usize, b: usize) -> bool {
        a != b && !self.before(a, b) && !self.before(b, a)
    }

    /// The past of a message that is accepted. G-1, G-2, G-3, word by word.
    fn judge(&self, author: &MemberId, parents: &[usize]) -> Option<BTreeSet<usize>> {
        let mut past = BTreeSet::new();
        for parent in parents {
            past.insert(*parent);
            past.extend(self.past(*parent)?);
        }
        let antichain = parents
            .iter()
            .all(|a| parents.iter().all(|b| !self.before(*a, *b)));
        let own: Vec<usize> = past
            .iter()
            .copied()
            .filter(|i| self.nodes[*i].entry.author == *author)
            .collect();
        let forked = own.iter().any(|a| own.iter().any(|b| self.concurrent(*a, *b)));
        (antichain && !forked).then_some(past)
    }

    fn accepted(&self) -> impl Iterator<Item = usize> + Clone {
        (0..self.nodes.len()).filter(|i| self.past(*i).is_some())
    }

    /// Refused for itself, and not waiting for what was refused.
    fn refused(&self, node: usize) -> bool {
        let parents = self.nodes[node].parents.as_ref();
        self.past(node).is_none()
            && parents.is_some_and(|parents| parents.iter().all(|parent| self.past(*parent).is_some()))
    }

    fn unacked(&self, node: usize) -> MemberSet {
        let author = &self.nodes[node].entry.author;
        let mut missing = self.members.clone();
        missing.remove(author);
        for other in self.accepted().filter(|other| self.before(node, *other)) {
            missing.remove(&self.nodes[other].entry.author);
        }
        missing
    }

    fn forked(&self, author: &MemberId) -> bool {
        let own: Vec<usize> = self
            .accepted()
            .filter(|i| self.nodes[*i].entry.author == *author)
            .collect();
        own.iter().any(|a| own.iter().any(|b| self.concurrent(*a, *b)))
    }
}

/// Compares everything that can be asked.
fn compare(model: &Model, transcript: &Transcript<u64>) {
    let accepted: BTreeSet<MessageId> = model.accepted().map(|i| id(i as u64)).collect();
    assert_eq!(
        transcript
            .iter()
            .map(|message| *message.id)
            .collect::<BTreeSet<_>>(),
        accepted
    );
    assert_eq!(transcript.len(), accepted.len());
    let waiting: BTreeSet<MessageId> = transcript.deferred().map(|waiting| *waiting.id).collect();
    for (i, node) in model.nodes.iter().enumerate() {
        let waits = !accepted.contains(&node.entry.id) && !model.refused(i);
        assert_eq!(waiting.contains(&node.entry.id), waits);
    }
    for waiting in transcript.deferred() {
        let node = model
            .nodes
            .iter()
            .find(|node| node.entry.id == *waiting.id)
            .unwrap();
        let missing: BTreeSet<_> = node
            .entry
            .parents
            .iter()
            .filter(|id| !accepted.contains(id))
            .collect();
        assert_eq!(waiting.missing.into_iter().collect::<BTreeSet<_>>(), missing);
        assert!(!missing.is_empty());
    }
    let wanted: BTreeSet<MessageId> = transcript
        .deferred()
        .flat_map(|waiting| waiting.missing)
        .copied()
        .filter(|id| !waiting.contains(id))
        .collect();
    assert!(transcript.wanted().copied().eq(wanted));

    let mut seen = BTreeSet::new();
    for message in transcript.iter() {
        let node = &model.nodes[*message.body as usize];
        assert_eq!(
            (message.author, message.ack_only, message.shown),
            (&node.entry.author, node.entry.ack_only, node.entry.shown)
        );
        assert!(transcript.parents(message.id).unwrap().eq(&node.entry.parents));
        assert!(
            node.entry.parents.iter().all(|parent| seen.contains(parent)),
            "G-1: parents first"
        );
        seen.insert(*message.id);
    }
    let mut unacked = BTreeSet::new();
    for i in model.accepted() {
        let name = id(i as u64);
        let missing = model.unacked(i);
        let author = &model.nodes[i].entry.author;
        // G-6
        assert_eq!(transcript.unacked(&name).unwrap(), missing);
        let mut acked = model.members.minus(&missing);
        acked.remove(author);
        assert_eq!(transcript.acked_by(&name).unwrap(), acked);
        assert_eq!(transcript.is_fully_acked(&name), Ok(missing.is_empty()));
        if !missing.is_empty() && !model.nodes[i].entry.ack_only {
            unacked.insert(name);
        }
        for reader in &model.members {
            let ack = transcript.ack_of(&name, reader).unwrap();
            assert_eq!(ack.is_some(), acked.contains(reader));
            if let Some(ack) = ack {
                let ack = *transcript.message(ack).unwrap().body as usize;
                assert_eq!(model.nodes[ack].entry.author, *reader);
                assert!(model.before(i, ack));
                let earlier = |other: usize| {
                    model.nodes[other].entry.author == *reader
                        && model.before(i, other)
                        && model.before(other, ack)
                };
                assert!(!model.accepted().any(earlier));
            }
        }
        // G-7
        for j in model.accepted() {
            assert_eq!(
                transcript.is_ancestor(&name, &id(j as u64)),
                Ok(model.before(i, j))
            );
        }
    }
    assert_eq!(
        transcript.unacked_messages().copied().collect::<BTreeSet<_>>(),
        unacked
    );
    assert_eq!(transcript.unacked_messages().len(), unacked.len());
    let is_head = |i: &usize| !model.accepted().any(|j| model.before(*i, j));
    let heads: BTreeSet<MessageId> = model.accepted().filter(is_head).map(|i| id(i as u64)).collect();
    assert_eq!(transcript.heads().copied().collect::<BTreeSet<_>>(), heads);
    // G-3
    let forkers: BTreeSet<_> = transcript
        .forks()
        .iter()
        .map(|fork| fork.author.clone())
        .collect();
    let expected: BTreeSet<_> = model
        .members
        .iter()
        .filter(|author| model.forked(author))
        .cloned()
        .collect();
    assert_eq!(forkers, expected);
    for fork in transcript.forks() {
        assert_eq!(transcript.is_ancestor(&fork.first, &fork.second), Ok(false));
        assert_eq!(transcript.is_ancestor(&fork.second, &fork.first), Ok(false));
        assert_eq!(transcript.message(&fork.first).unwrap().author, &fork.author);
        assert_eq!(transcript.message(&fork.second).unwrap().author, &fork.author);
    }
    for member in &model.members {
        let mut own = model
            .accepted()
            .filter(|i| model.nodes[*i].entry.author == *member);
        match transcript.last_of(member) {
            None => assert_eq!(own.next(), None),
            Some(last) => {
                let last = *transcript.message(last).unwrap().body as usize;
                assert!(own.all(|other| other == last
                    || model.before(other, last)
                    || model.concurrent(other, last)));
            }
        }
    }
}

/// G-8, word by word, but that what is not shown does not count.
fn compare_timeline(model: &Model, timeline: &Timeline, order: &[usize]) {
    let shown: Vec<usize> = order
        .iter()
        .copied()
        .filter(|i| model.nodes[*i].entry.shown)
        .collect();
    assert_eq!(timeline.items().len(), shown.len());
    let shown_past = |i: usize| -> BTreeSet<usize> {
        model
            .past(i)
            .unwrap()
            .iter()
            .copied()
            .filter(|j| model.nodes[*j].entry.shown)
            .collect()
    };
    for (place, (item, i)) in timeline.items().iter().zip(&shown).enumerate() {
        assert_eq!(item.message, id(*i as u64));
        let follows = match place.checked_sub(1).map(|above| shown[above]) {
            None => true,
            Some(above) => {
                let mut past = shown_past(above);
                past.insert(above);
                past == shown_past(*i)
            }
        };
        assert_eq!(item.follows, follows);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// G-1 to G-8, A-30, A-31, A-32, A-34, A-18: any graph, in any order, with duplicates, gives what the
    /// model says.
    #[test]
    fn a34_g5_g8_any_order_of_arrival_gives_the_model(
        size in 1_usize..5,
        steps in prop::collection::vec(step(), 1..45),
        order in prop::collection::vec(any::<Index>(), 45),
        again in prop::collection::vec(one_in(4), 45),
        cut in any::<Index>(),
    ) {
        let model = Model::new(size, &steps);
        let mut left: Vec<usize> = (0..model.nodes.len()).collect();
        // Half of the runs keep the order in which the graph grew, but for a few.
        let mut arrivals = Vec::new();
        let shuffled = order[0].index(2) == 0;
        for (pick, again) in order.iter().zip(&again) {
            if left.is_empty() {
                break;
            }
            let next = if shuffled || *again { left.remove(pick.index(left.len())) } else { left.remove(0) };
            arrivals.push(next);
            if *again {
                arrivals.push(arrivals[pick.index(arrivals.len())]);
            }
        }
        arrivals.extend(left);
        let cut = cut.index(arrivals.len());

        let subsession = SubsessionId::from_bytes([1; 32]);
        let mut transcript = Transcript::new(model.members.clone());
        let (mut timeline, mut accepted, mut fully_acked) = (Timeline::new(), Vec::new(), Vec::new());
        let mut reported: BTreeMap<MessageId, usize> = BTreeMap::new();
        for (turn, i) in arrivals.into_iter().enumerate() {
            if turn == cut {
                transcript = restore(&export(&transcript)).unwrap();
            }
            let before = export(&transcript);
            match transcript.insert(model.nodes[i].entry.clone(), Time::from_millis(turn as u64)) {
                Ok(inserted) => {
                    let accepts = matches!(inserted.outcome, Placement::Accepted);
                    prop_assert_eq!(accepts, inserted.accepted.first() == Some(&id(i as u64)));
                    prop_assert_eq!(inserted.outcome == Placement::Duplicate, before == export(&transcript));
                    prop_assert!(inserted.dropped.is_empty());
                    for name in inserted.accepted {
                        timeline.push(subsession, &transcript, &name).unwrap();
                        accepted.push(*transcript.message(&name).unwrap().body as usize);
                    }
                    for rejected in inserted.rejected {
                        *reported.entry(rejected.id).or_default() += 1;
                    }
                    fully_acked.extend(inserted.fully_acked);
                }
                Err(error) => {
                    //
                    prop_assert_eq!(&before, &export(&transcript));
                    prop_assert!(model.refused(i), "{:?}", error);
                    prop_assert!(matches!(error, InsertError::ParentsNotConcurrent | InsertError::AfterFork(_)));
                }
            }
        }
        compare(&model, &transcript);
        compare_timeline(&model, &timeline, &accepted);
        for name in reported.keys() {
            prop_assert!((0..model.nodes.len()).any(|i| id(i as u64) == *name && model.refused(i)));
        }
        // Each full ack is told once.
        let expected: BTreeSet<MessageId> = model
            .accepted()
            .filter(|i| model.unacked(*i).is_empty() && !model.nodes[*i].entry.ack_only)
            .map(|i| id(i as u64))
            .collect();
        prop_assert_eq!(fully_acked.len(), expected.len());
        prop_assert_eq!(fully_acked.into_iter().collect::<BTreeSet<_>>(), expected);

        let bytes = export(&transcript);
        let restored: Transcript<u64> = restore(&bytes).unwrap();
        prop_assert_eq!(export(&restored), bytes);
        compare(&model, &restored);
    }

    /// corrupt snapshots are refused, or are snapshots of something else; nothing in between.
    #[test]
    fn a40_corrupt_snapshots_are_refused(
        steps in prop::collection::vec(step(), 1..12),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<Index>()),
    ) {
        let model = Model::new(3, &steps);
        let mut transcript = Transcript::new(model.members.clone());
        for node in model.nodes.iter().rev() {
            let _ = transcript.insert(node.entry.clone(), Time::from_millis(7));
        }
        let mut bytes = export(&transcript);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(restored) = restore::<u64>(&bytes) {
            prop_assert_eq!(export(&restored), bytes);
        }
    }
}

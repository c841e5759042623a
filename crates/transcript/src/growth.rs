//! Total work against the number of messages, for graphs that an attacker might build (A-38, G-7).

use concilium_core::{MemberId, MemberSet, MessageId, Time};

use crate::{Entry, Transcript, work};

const MEMBERS: usize = 32;

fn id(number: u64) -> MessageId {
    MessageId::from_bytes(
        concilium_core::FramedHash::new("concilium test 2026 message")
            .number(number)
            .finish(),
    )
}

struct Builder {
    transcript: Transcript<()>,
    names: Vec<MemberId>,
    next: u64,
}

impl Builder {
    fn new(members: usize) -> Self {
        let names: Vec<MemberId> = (0..members)
            .map(|i| MemberId::new(format!("m{i:04}")).unwrap())
            .collect();
        Self {
            transcript: Transcript::new(names.iter().cloned().collect::<MemberSet>()),
            names,
            next: 0,
        }
    }

    fn entry(&self, number: u64, author: usize, parents: Vec<MessageId>) -> Entry<()> {
        Entry {
            id: id(number),
            author: self.names[author % self.names.len()].clone(),
            parents,
            ack_only: false,
            shown: true,
            weight: 0,
            body: (),
        }
    }

    fn add(&mut self, author: usize, parents: Vec<MessageId>) -> MessageId {
        let entry = self.entry(self.next, author, parents);
        self.next += 1;
        let id = entry.id;
        let inserted = self.transcript.insert(entry, Time::ZERO).unwrap();
        assert_eq!(inserted.accepted, [id]);
        id
    }

    fn heads(&self) -> Vec<MessageId> {
        self.transcript.heads().copied().collect()
    }
}

/// The steps that the graph costs at n, 2n and 4n messages.
fn steps(n: usize, build: impl Fn(usize)) -> [f64; 3] {
    [n, 2 * n, 4 * n].map(|size| {
        work::take();
        build(size);
        work::take() as f64
    })
}

/// No doubling of the graph may cost over 2.5 times the work.
fn near_linear(name: &str, n: usize, build: impl Fn(usize)) {
    let [one, two, four] = steps(n, build);
    assert!(
        two / one < 2.5 && four / two < 2.5,
        "{name}: {one}, {two}, {four} steps"
    );
}

#[test]
fn a38_g7_deep_graphs_are_near_linear() {
    near_linear("deep", 2000, |n| {
        let mut graph = Builder::new(MEMBERS);
        for i in 0..n {
            let heads = graph.heads();
            graph.add(i, heads);
        }
    });
}

#[test]
fn a38_g7_wide_graphs_are_near_linear() {
    // All speak at once, again and again.
    near_linear("wide", 2000, |n| {
        let mut graph = Builder::new(MEMBERS);
        for _ in 0..n / MEMBERS {
            let heads = graph.heads();
            for member in 0..MEMBERS {
                graph.add(member, heads.clone());
            }
        }
    });
}

#[test]
fn a38_g7_combs_are_near_linear() {
    // Each member a tooth of its own that never looks at the others, and one that collects them now and then.
    near_linear("comb", 2000, |n| {
        let mut graph = Builder::new(MEMBERS);
        let mut tips: Vec<Option<MessageId>> = vec![None; MEMBERS];
        for i in 0..n {
            let tooth = 1 + i % (MEMBERS - 1);
            let parents = tips[tooth].into_iter().collect();
            tips[tooth] = Some(graph.add(tooth, parents));
            if i % 100 == 99 {
                let heads = graph.heads();
                tips[0] = Some(graph.add(0, heads));
            }
        }
    });
}

#[test]
fn a38_g7_repeated_merges_of_disjoint_halves_are_near_linear() {
    // Two halves that share nothing in any leaf of the clocks; then all members merge them, and nothing can
    // be shared.
    near_linear("halves", 2000, |n| {
        let mut graph = Builder::new(MEMBERS);
        let mut start: Vec<MessageId> = Vec::new();
        for _ in 0..n / (2 * MEMBERS) {
            let mut halves = [start.clone(), start.clone()];
            for member in 0..MEMBERS {
                let half = &mut halves[member % 2];
                *half = vec![graph.add(member, half.clone())];
            }
            let parents: Vec<MessageId> = halves.concat();
            let merges: Vec<MessageId> = (0..MEMBERS)
                .map(|member| graph.add(member, parents.clone()))
                .collect();
            start = vec![graph.add(0, merges)];
        }
    });
}

#[test]
fn a38_g7_forks_are_near_linear() {
    // As many branches as are taken, of half of the members, and the others merge them for ever.
    near_linear("forks", 4000, |n| {
        let mut graph = Builder::new(8);
        let mut tips = Vec::new();
        for member in 0..4 {
            for _ in 0..=crate::MAX_BRANCHES {
                tips.push(graph.add(member, Vec::new()));
            }
        }
        let (left, right) = tips.split_at(tips.len() / 2);
        let mut left = vec![graph.add(4, left.to_vec())];
        let mut right = vec![graph.add(5, right.to_vec())];
        let mut merged = [None, None];
        for i in 0..n {
            match (i % 4, merged.get_mut(i / 2 % 2)) {
                (0, _) => left = vec![graph.add(4, left)],
                (1, _) => right = vec![graph.add(5, right)],
                (_, Some(last)) if i % 4 == 2 => {
                    // The sides never hear of the merges, so that every merge joins all of both.
                    let own: Vec<_> = last.take().into_iter().collect();
                    *last = Some(graph.add(6 + i / 2 % 2, [left.clone(), right.clone(), own].concat()));
                }
                _ => {}
            }
        }
    });
}

#[test]
fn a38_g7_messages_that_wait_are_near_linear() {
    // Chains that come in backwards, as long as the quota allows, again and again.
    near_linear("backwards", 2000, |n| {
        let mut graph = Builder::new(4);
        let mut last = graph.add(0, Vec::new());
        for _ in 0..n / 100 {
            let first = graph.next;
            for number in (first + 1..first + 100).rev() {
                let entry = graph.entry(number, 0, vec![id(number - 1)]);
                assert!(
                    graph
                        .transcript
                        .insert(entry, Time::ZERO)
                        .unwrap()
                        .accepted
                        .is_empty()
                );
            }
            let entry = graph.entry(first, 0, vec![last]);
            assert_eq!(
                graph.transcript.insert(entry, Time::ZERO).unwrap().accepted.len(),
                100
            );
            graph.next = first + 100;
            last = id(first + 99);
        }
    });
}

#[test]
fn a38_g7_members_without_end_are_near_linear() {
    // The number of members grows with that of messages: each member says one thing, one collects it. Where
    // their number passes a power of four, all clocks grow by one level: hence both doublings together.
    let [one, _, four] = steps(128, |n| {
        let mut graph = Builder::new(n);
        for member in 1..n {
            graph.add(member, Vec::new());
        }
        let parents = graph.heads();
        graph.add(0, parents);
    });
    assert!(
        four / one < 2.5 * 2.5,
        "{one}, and with four times the members {four} steps"
    );
}

/// The work for each block of a hundred messages, of ten thousand, by all members except the given number of
/// silent ones.
fn blocks(members: usize, silent: usize) -> (Builder, Vec<u64>) {
    let mut graph = Builder::new(members);
    let mut costs = Vec::new();
    for block in 0..100 {
        work::take();
        for i in 0..100 {
            let heads = graph.heads();
            graph.add((block * 100 + i) % (members - silent), heads);
        }
        costs.push(work::take());
    }
    (graph, costs)
}

#[test]
fn a47_a_member_that_never_acks_costs_nothing() {
    for members in [3, MEMBERS] {
        let (mut graph, silent) = blocks(members, 1);
        let (_, everybody) = blocks(members, 0);
        assert_eq!(graph.transcript.unacked_messages().len(), 10_000);
        assert_eq!(graph.transcript.unacked_messages().next(), Some(&id(0)));
        assert!(
            silent
                .iter()
                .zip(&everybody)
                .all(|(with, without)| with <= without)
        );
        // What grows is the index of ids, by one step for every sixteenfold.
        let (early, late) = (silent[9], silent[99]);
        assert!(late <= early + 3 * 100, "{early} steps, and later {late}");
        // And when it speaks at last, everything is settled in one go.
        work::take();
        let entry = graph.entry(99_999, members - 1, graph.heads());
        let acked = graph.transcript.insert(entry, Time::ZERO).unwrap().fully_acked;
        assert!(acked.len() > 9_900);
        assert!(work::take() < 10_000);
    }
}

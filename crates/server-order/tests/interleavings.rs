//! Exhaustive: every order of the events that end an operation.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic, in its own functions too"
)]

mod common;

use common::{group, id, next, set, who};
use concilium_core::{MemberId, MemberSet, PacketId};
use concilium_server_order::{Comparison, EndRejection, Outcome, Record, Rejection, Resolver};

#[derive(Clone, Debug, PartialEq)]
enum End {
    Final(u8),
    Abort(u8, &'static str),
    Leave(&'static str),
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// All orders of `items`.
fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for i in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(i);
        all.extend(permutations(&rest).into_iter().map(|mut tail| {
            tail.insert(0, first.clone());
            tail
        }));
    }
    all
}

/// Feeds an event; what it settled.
fn feed(resolver: &mut Resolver, end: &End, pi: &PacketId, channel: &mut MemberSet) -> Option<Record> {
    let before = resolver.clone();
    let (settled, refused) = match end {
        // T-10: who is being excluded cannot tell.
        End::Final(_) if resolver.running().is_some_and(|pi| pi.excludes(resolver.me())) => (None, None),
        End::Final(n) => split(resolver.finished(id(*n), pi)),
        End::Abort(n, by) => split(resolver.aborted(id(*n), pi, &who(by))),
        End::Leave(name) => {
            channel.remove(&who(name));
            (resolver.left(&who(name), channel), None)
        }
    };
    if settled.is_none() {
        assert_eq!(*resolver, before, "A-18: what settles nothing changes nothing");
        let outsider = matches!(end, End::Abort(_, by) if !takes_part(resolver, by));
        assert!(refused.is_none_or(|refusal| refusal == EndRejection::NotRunning || outsider));
    }
    settled
}

fn split(result: Result<Record, EndRejection>) -> (Option<Record>, Option<EndRejection>) {
    match result {
        Ok(record) => (Some(record), None),
        Err(refusal) => (None, Some(refusal)),
    }
}

fn takes_part(resolver: &Resolver, name: &str) -> bool {
    let running = resolver.running();
    running.is_some_and(|pi| pi.before.union(&pi.after).contains(&who(name)))
}

/// What is to happen, said anew and without the resolver.
fn winner<'a>(order: &'a [End], before: &MemberSet, after: &MemberSet) -> Option<&'a End> {
    order.iter().find(|end| match end {
        End::Leave(name) => after.contains(&who(name)),
        End::Abort(_, by) => before.contains(&who(by)) || after.contains(&who(by)),
        End::Final(_) => true,
    })
}

/// A group of `n - 1` with one joiner, and `proposal`'s operation running for all.
fn running(n: usize, after: &str) -> (Vec<Resolver>, PacketId, MemberSet) {
    let mut all = group(&NAMES[..n - 1].join(" "));
    let channel = set(&NAMES[..n].join(" "));
    all.push(Resolver::unsynchronised(who(NAMES[n - 1])));
    let pi = next(1, &all[0], "a", after);
    for resolver in &mut all {
        let joins = pi.joins(resolver.me());
        let member = pi.before.contains(resolver.me());
        assert_eq!(resolver.initial(&pi, &channel).is_ok(), joins || member);
    }
    (all, pi.id, channel)
}

#[test]
fn a27_every_interleaving_has_one_winner_for_all() {
    let mut orders = 0;
    // Include the last; include it and exclude b; exclude b alone.
    for n in 2..=4 {
        let names = NAMES[..n].join(" ");
        for after in [
            names.clone(),
            names.replacen(" b", "", 1),
            NAMES[..n - 1].join(" "),
        ] {
            let mut ends = vec![End::Final(10)];
            ends.extend(
                NAMES[..n]
                    .iter()
                    .take(2)
                    .enumerate()
                    .map(|(i, by)| End::Abort(11 + i as u8, by)),
            );
            ends.extend(NAMES[..n].iter().map(|name| End::Leave(name)));
            for order in permutations(&ends) {
                let (all, pi, channel) = running(n, &after);
                let expected = winner(&order, &set(&NAMES[..n - 1].join(" ")), &set(&after)).unwrap();
                orders += 1;
                for mut resolver in all {
                    // A joiner that the operation does not include never learnt of it.
                    let knows = resolver.is_running(&pi);
                    let blind = resolver.running().is_some_and(|pi| pi.excludes(resolver.me()));
                    let mut channel = channel.clone();
                    let mut settled = Vec::new();
                    for end in &order {
                        if matches!(end, End::Leave(name) if *resolver.me() == who(name)) {
                            break; // T-3: it is gone.
                        }
                        settled.extend(feed(&mut resolver, end, &pi, &mut channel));
                    }
                    assert!(settled.len() <= 1, "only one end counts (O-4)");
                    let Some(record) = settled.pop() else {
                        let left = order
                            .iter()
                            .position(|end| *end == End::Leave(name_of(resolver.me())));
                        let ended = order.iter().position(|end| end == expected);
                        assert!(!knows || blind || left <= ended);
                        continue;
                    };
                    assert!(knows);
                    if blind && matches!(expected, End::Final(_)) {
                        assert!(resolver.is_provisional(), "it says that it cannot be sure");
                        continue;
                    }
                    match (expected, &record.outcome) {
                        (End::Final(n), Outcome::Finished) => assert_eq!(record.link.packet, id(*n)),
                        (End::Abort(n, by), Outcome::Aborted { by: member }) => {
                            assert_eq!((record.link.packet, member), (id(*n), &who(by)));
                        }
                        (End::Leave(name), Outcome::Left { who: member }) => assert_eq!(member, &who(name)),
                        other => panic!("{order:?}: {other:?}"),
                    }
                    let members = if record.outcome.is_success() {
                        set(&after)
                    } else {
                        set(&NAMES[..n - 1].join(" "))
                    };
                    assert_eq!(resolver.head().unwrap().members, members);
                }
            }
        }
    }
    assert_eq!(orders, 3 * (120 + 720 + 5040));
}

fn name_of(member: &MemberId) -> &'static str {
    NAMES.into_iter().find(|name| who(name) == *member).unwrap()
}

#[test]
fn a24_chain_hashes_are_equal_exactly_if_the_same_was_accepted() {
    let ends = [
        End::Final(10),
        End::Abort(11, "a"),
        End::Abort(12, "b"),
        End::Leave("c"),
        End::Leave("d"),
    ];
    let (mut equal, mut different) = (0, 0);
    for theirs in permutations(&ends) {
        for ours in [
            ends.to_vec(),
            vec![ends[4].clone(), ends[3].clone(), ends[0].clone()],
            vec![ends[2].clone()],
        ] {
            // The server shows a one order and b another.
            let (mut all, pi, channel) = running(4, "a b c d");
            let [a, b, ..] = &mut all[..] else { unreachable!() };
            let (mut seen_by_a, mut seen_by_b) = (channel.clone(), channel);
            let first: Vec<_> = ours
                .iter()
                .filter_map(|end| feed(a, end, &pi, &mut seen_by_a))
                .collect();
            let other: Vec<_> = theirs
                .iter()
                .filter_map(|end| feed(b, end, &pi, &mut seen_by_b))
                .collect();
            let accepted = |records: &[Record]| -> Vec<(PacketId, Outcome)> {
                records
                    .iter()
                    .map(|record| (record.link.packet, record.outcome.clone()))
                    .collect()
            };
            let same = accepted(&first) == accepted(&other);
            assert_eq!(a.claim() == b.claim(), same);
            let found = a.confirm(&who("b"), b.claim().unwrap());
            if same {
                equal += 1;
                assert_eq!(found, Comparison::Consistent);
            } else {
                different += 1;
                assert_eq!(found, Comparison::Different);
                assert!(a.differences().contains_key(&who("b")), "warned, and b named");
            }
        }
    }
    assert!(equal >= 24 && different >= 120, "{equal} {different}");
}

#[test]
fn a25_a_final_packet_that_reaches_some_only() {
    for n in 2..=4 {
        let names = NAMES[..n].join(" ");
        for subset in 1..(1_u32 << n) - 1 {
            let (mut all, pi, channel) = running(n, &names);
            let reached = |i: usize| subset >> i & 1 == 1;
            for (i, resolver) in all.iter_mut().enumerate() {
                if reached(i) {
                    resolver.finished(id(10), &pi).unwrap();
                }
            }
            let lucky = (0..n).find(|i| reached(*i)).unwrap();
            // What the joiner says now is in the new subsession, which the others do not have.
            let heard = lucky + 1 < n;
            let claim = all[lucky].claim().unwrap();
            let proposal = next(20, &all[lucky], NAMES[lucky], &names);
            for (i, resolver) in all.iter_mut().enumerate() {
                if reached(i) {
                    assert_eq!(resolver.head().unwrap().link, claim);
                    continue;
                }
                // The others still run it, and take part in nothing that builds on it.
                assert!(resolver.is_running(&pi));
                assert_eq!(
                    resolver.initial(&proposal, &channel),
                    Err(Rejection::OperationRunning)
                );
                if resolver.is_member() && heard {
                    assert_eq!(resolver.confirm(&who(NAMES[lucky]), claim), Comparison::Ahead);
                }
                // Their deadline passes.
                resolver.aborted(id(11), &pi, &resolver.me().clone()).unwrap();
                if resolver.is_member() && heard {
                    assert!(resolver.differences().contains_key(&who(NAMES[lucky])), "warned");
                }
            }
        }
    }
}

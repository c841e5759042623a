//! The attacks that a transcript has to bear, one by one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod common;

use common::{ack, entry, export, id, ids, member, members, restore};
use concilium_core::{MemberSet, SubsessionId, Time};
use concilium_transcript::{
    DEFERRED_BYTES, DEFERRED_BYTES_PER_AUTHOR, DEFERRED_MESSAGES, DEFERRED_MESSAGES_PER_AUTHOR, Entry, Fork,
    InsertError, MAX_BRANCHES, MAX_PARENTS, Placement, Timeline, Transcript,
};

const NOW: Time = Time::from_millis(1000);

/// A transcript of these members with these messages, all accepted.
fn transcript(names: &str, entries: &[Entry<u64>]) -> Transcript<u64> {
    let mut transcript = Transcript::new(members(names));
    for entry in entries {
        let inserted = transcript.insert(entry.clone(), NOW).unwrap();
        assert_eq!(inserted.outcome, Placement::Accepted);
    }
    transcript
}

/// The message is refused, and nothing has changed.
fn refuse(transcript: &mut Transcript<u64>, entry: Entry<u64>) -> InsertError {
    let before = export(transcript);
    let error = transcript.insert(entry, NOW).unwrap_err();
    assert_eq!(export(transcript), before);
    error
}

#[test]
fn a30_missing_parents_wait_and_are_named_and_clear() {
    let mut transcript = transcript("a b c", &[entry(1, "a", &[])]);
    // Bob claims to have seen 7, which names 8: neither is here.
    let later = Time::from_millis(5000);
    assert_eq!(
        transcript.insert(entry(9, "b", &[7]), NOW).unwrap().outcome,
        Placement::Deferred
    );
    assert_eq!(
        transcript.insert(entry(7, "c", &[8]), later).unwrap().outcome,
        Placement::Deferred
    );
    assert_eq!(
        transcript.insert(entry(7, "c", &[8]), later).unwrap().outcome,
        Placement::Duplicate
    );
    let deferred: Vec<_> = transcript.deferred().collect();
    assert_eq!(
        (deferred[0].id, deferred[0].author, deferred[0].since),
        (&id(9), &member("b"), NOW)
    );
    assert_eq!(deferred[0].missing, [&id(7)]);
    assert_eq!((deferred[1].id, deferred[1].since), (&id(7), later));
    assert!(transcript.wanted().eq(&[id(8)]), "7 is here, though it waits");
    // Others go on.
    assert_eq!(
        transcript.insert(entry(2, "c", &[1]), NOW).unwrap().accepted,
        ids(&[2])
    );
    assert_eq!(transcript.len(), 2);
    assert!(!transcript.contains(&id(9)) && transcript.message(&id(9)).is_none());
    let inserted = transcript.insert(entry(8, "c", &[2]), NOW).unwrap();
    assert_eq!(inserted.accepted, ids(&[8, 7, 9]), "G-1: in causal order");
    assert_eq!((transcript.deferred_len(), transcript.wanted().count()), (0, 0));
}

#[test]
fn a31_parents_that_are_no_antichain_are_refused() {
    let mut transcript = transcript(
        "a b c",
        &[
            entry(1, "a", &[]),
            entry(2, "b", &[1]),
            entry(3, "c", &[1]),
            entry(4, "a", &[2]),
        ],
    );
    // G-2: a parent and its ancestor, near and far, in any order; of one author, and of several.
    for parents in [&[1, 2], &[2, 1], &[1, 4], &[4, 1], &[4, 2]] {
        assert_eq!(
            refuse(&mut transcript, entry(9, "c", parents)),
            InsertError::ParentsNotConcurrent
        );
    }
    assert_eq!(
        refuse(&mut transcript, entry(9, "c", &[3, 4, 1])),
        InsertError::ParentsNotConcurrent
    );
    assert_eq!(
        refuse(&mut transcript, entry(9, "c", &[3, 3])),
        InsertError::ParentRepeated(id(3))
    );
    assert_eq!(
        refuse(&mut transcript, entry(9, "c", &[9])),
        InsertError::OwnParent
    );
    let many: Vec<u64> = (100..=100 + MAX_PARENTS as u64).collect();
    assert_eq!(
        refuse(&mut transcript, entry(9, "c", &many)),
        InsertError::TooManyParents(MAX_PARENTS + 1)
    );
    assert!(transcript.insert(entry(9, "c", &[3, 4]), NOW).is_ok());
    // The same when the parents come later.
    let waits = transcript.insert(entry(11, "a", &[9, 10]), NOW).unwrap();
    assert_eq!(waits.outcome, Placement::Deferred);
    let inserted = transcript.insert(entry(10, "b", &[9]), NOW).unwrap();
    assert_eq!(inserted.accepted, ids(&[10]));
    let rejected = &inserted.rejected[0];
    assert_eq!((rejected.id, &rejected.author), (id(11), &member("a")));
    assert_eq!(rejected.reason, InsertError::ParentsNotConcurrent);
    assert_eq!(transcript.deferred_len(), 0);
}

#[test]
fn a31_own_history_rewound_is_a_fork_and_ends_there() {
    let mut transcript = transcript(
        "a b",
        &[entry(1, "a", &[]), entry(2, "a", &[1]), entry(3, "b", &[2])],
    );
    let inserted = transcript.insert(entry(4, "a", &[1]), NOW).unwrap();
    let fork = Fork {
        author: member("a"),
        first: id(2),
        second: id(4),
    };
    assert_eq!(inserted.forks, [fork]);
    // Whoever has seen both goes on; the author cannot.
    assert_eq!(
        refuse(&mut transcript, entry(5, "a", &[2, 4])),
        InsertError::AfterFork(member("a"))
    );
    assert_eq!(
        refuse(&mut transcript, entry(5, "a", &[3, 4])),
        InsertError::AfterFork(member("a"))
    );
    let _ = transcript.insert(entry(6, "b", &[3, 4]), NOW).unwrap();
    assert_eq!(
        refuse(&mut transcript, entry(7, "a", &[6])),
        InsertError::AfterFork(member("a"))
    );
    assert!(transcript.heads().eq(&[id(6)]));
}

/// G-3: Mallory tells Alice 10, 11 and Bob 20, 21. Each builds upon what they heard.
#[test]
fn a32_a_fork_shown_to_different_members_is_found_at_the_merge() {
    let to_alice = [
        entry(1, "m", &[]),
        entry(10, "m", &[1]),
        entry(11, "m", &[10]),
        entry(30, "a", &[11]),
    ];
    let to_bob = [
        entry(1, "m", &[]),
        entry(20, "m", &[1]),
        entry(21, "m", &[20]),
        entry(40, "b", &[21]),
    ];
    let mut alice = transcript("a b m", &to_alice);
    let mut bob = transcript("a b m", &to_bob);
    assert!(alice.forks().is_empty() && bob.forks().is_empty());
    // Each gets what the other wrote, and then, by resends, what that builds upon.
    let mut found = Vec::new();
    for entry in to_bob.iter().rev() {
        found.extend(alice.insert(entry.clone(), NOW).unwrap().forks);
    }
    assert_eq!(
        found,
        [Fork {
            author: member("m"),
            first: id(10),
            second: id(20)
        }]
    );
    assert_eq!(alice.forks(), found);
    for entry in to_alice.iter().rev() {
        let _ = bob.insert(entry.clone(), NOW).unwrap();
    }
    assert_eq!(
        bob.forks(),
        [Fork {
            author: member("m"),
            first: id(20),
            second: id(10)
        }]
    );
    // Both hold both, and agree on all of it.
    for transcript in [&alice, &bob] {
        assert_eq!(transcript.len(), 7);
        for evidence in [10, 20] {
            assert!(transcript.contains(&id(evidence)));
        }
        assert_eq!(
            transcript
                .heads()
                .copied()
                .collect::<std::collections::BTreeSet<_>>(),
            ids(&[30, 40]).into_iter().collect()
        );
        assert_eq!(transcript.unacked(&id(11)).unwrap(), members("b"));
        assert_eq!(transcript.unacked(&id(21)).unwrap(), members("a"));
        assert_eq!(transcript.unacked(&id(1)).unwrap(), MemberSet::new());
    }
    // From the merge on, Mallory has no way to go on, on either branch.
    for transcript in [&mut alice, &mut bob] {
        let _ = transcript.insert(entry(50, "a", &[30, 40]), NOW).unwrap();
        for parents in [[50], [11]] {
            let forked = transcript.insert(entry(60 + parents[0], "m", &parents), NOW);
            assert_eq!(forked.is_err(), parents == [50]);
        }
        // Acks of both branches are exact.
        let _ = transcript.insert(entry(51, "b", &[50]), NOW).unwrap();
        assert_eq!(transcript.is_fully_acked(&id(11)), Ok(true));
        assert_eq!(transcript.is_fully_acked(&id(21)), Ok(true));
        assert_eq!(transcript.unacked(&id(30)).unwrap(), members("m"));
    }
}

#[test]
fn a32_forks_without_end_are_cut_off() {
    let mut transcript = transcript("a b", &[entry(0, "a", &[])]);
    for branch in 1..=MAX_BRANCHES as u64 {
        assert_eq!(
            transcript
                .insert(entry(branch, "a", &[]), NOW)
                .unwrap()
                .forks
                .len(),
            1
        );
    }
    assert_eq!(
        refuse(&mut transcript, entry(99, "a", &[])),
        InsertError::TooManyBranches(member("a"))
    );
    // Bob goes on, and acks all branches at once.
    let heads: Vec<u64> = (0..=MAX_BRANCHES as u64).collect();
    let inserted = transcript.insert(entry(100, "b", &heads), NOW).unwrap();
    assert_eq!(inserted.fully_acked, ids(&heads));
    assert_eq!(transcript.forks().len(), MAX_BRANCHES);
    let restored: Transcript<u64> = restore(&export(&transcript)).unwrap();
    assert_eq!(restored.forks(), transcript.forks());
}

#[test]
fn a35_only_members_write_and_parents_stay_inside() {
    let previous = transcript(
        "a b",
        &[entry(1, "a", &[]), entry(2, "b", &[1]), ack(3, "a", &[2])],
    );
    let mut next = Transcript::succeeding(&previous, members("a b c"), ids(&[3]));
    assert_eq!(next.roots(), ids(&[3]));
    // G-4
    assert_eq!(
        refuse(&mut next, entry(10, "d", &[])),
        InsertError::NotMember(member("d"))
    );
    // G-9: the roots are not parents; who starts from them names none.
    assert_eq!(
        refuse(&mut next, entry(10, "a", &[3])),
        InsertError::ParentOutside(id(3))
    );
    let _ = next.insert(entry(10, "a", &[]), NOW).unwrap();
    assert_eq!(next.unacked(&id(10)).unwrap(), members("b c"));
    // A message of the other subsession never becomes a parent.
    assert_eq!(
        next.insert(entry(11, "b", &[2]), NOW).unwrap().outcome,
        Placement::Deferred
    );
    let restored: Transcript<u64> = restore(&export(&next)).unwrap();
    assert_eq!(restored.roots(), next.roots());
}

#[test]
fn a39_a_flood_of_messages_that_wait_hits_only_its_author() {
    let mut transcript = transcript("a m", &[entry(0, "a", &[])]);
    let _ = transcript.insert(entry(1, "a", &[2]), NOW).unwrap();
    let mut refused = 0;
    for i in 0..3000_u64 {
        match transcript.insert(entry(10_000 + i, "m", &[50_000 + i]), NOW) {
            Ok(inserted) => assert!(inserted.dropped.is_empty()),
            Err(error) => {
                assert_eq!(error, InsertError::QuotaFull(member("m")));
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 3000 - DEFERRED_MESSAGES_PER_AUTHOR);
    assert_eq!(transcript.deferred_len(), 1 + DEFERRED_MESSAGES_PER_AUTHOR);
    assert_eq!(
        refuse(&mut transcript, entry(9, "m", &[8])),
        InsertError::QuotaFull(member("m"))
    );
    // Alice's waiting message is still there, and so is Mallory's right to speak with parents that are here.
    assert_eq!(
        transcript.insert(entry(2, "a", &[0]), NOW).unwrap().accepted,
        ids(&[2, 1])
    );
    assert_eq!(
        transcript.insert(entry(3, "m", &[1]), NOW).unwrap().accepted,
        ids(&[3])
    );
    // Bytes count as well, and what leaves gives its room back.
    let heavy = |number| Entry {
        weight: DEFERRED_BYTES_PER_AUTHOR / 2,
        ..entry(number, "a", &[number + 1])
    };
    assert!(transcript.insert(heavy(100), NOW).is_ok());
    assert_eq!(
        refuse(&mut transcript, heavy(200)),
        InsertError::QuotaFull(member("a"))
    );
    assert_eq!(
        transcript.insert(entry(101, "a", &[1]), NOW).unwrap().accepted,
        ids(&[101, 100])
    );
    assert!(transcript.insert(heavy(200), NOW).is_ok());
    let bomb = Entry {
        weight: usize::MAX,
        ..entry(300, "m", &[301])
    };
    assert_eq!(refuse(&mut transcript, bomb), InsertError::QuotaFull(member("m")));
}

#[test]
fn a39_when_all_together_are_too_many_the_heaviest_pays() {
    // Twenty colluders fill what all share. Alice, who has little, loses nothing.
    let names: Vec<String> = (0..20).map(|i| format!("m{i:02}")).collect();
    let mut transcript = Transcript::new(members(&format!("a {}", names.join(" "))));
    let mut dropped = Vec::new();
    let mut number = 1_000_u64;
    for turn in 0..DEFERRED_MESSAGES_PER_AUTHOR {
        for name in &names {
            number += 2;
            match transcript.insert(entry(number, name, &[number + 1]), NOW) {
                Ok(inserted) => dropped.extend(inserted.dropped),
                Err(error) => assert_eq!(error, InsertError::QuotaFull(member(name))),
            }
        }
        if turn % 100 == 0 {
            let number = 500_000 + 2 * turn as u64;
            assert!(transcript.insert(entry(number, "a", &[number + 1]), NOW).is_ok());
        }
        assert!(transcript.deferred_len() <= DEFERRED_MESSAGES);
    }
    let late = transcript.insert(entry(600_000, "a", &[600_001]), NOW).unwrap();
    assert_eq!((late.outcome, late.dropped.len()), (Placement::Deferred, 1));
    assert_ne!(late.dropped[0].author, member("a"));
    assert!(!transcript.is_deferred(&late.dropped[0].id));
    assert!(dropped.iter().all(|dropped| dropped.author != member("a")));
    assert_eq!(
        transcript
            .deferred()
            .filter(|waiting| *waiting.author == member("a"))
            .count(),
        12
    );
    assert_eq!(transcript.deferred_len(), DEFERRED_MESSAGES);
    // One of the heaviest gets no more in, and nothing of it or of others is dropped for the attempt.
    let name = String::from_utf8(late.dropped[0].author.as_bytes().to_vec()).unwrap();
    let others = names.iter().find(|other| **other != name).unwrap();
    assert_eq!(
        refuse(&mut transcript, entry(700_000, others, &[700_001])),
        InsertError::QuotaFull(member(others))
    );
    // What was dropped comes back by a resend, and is accepted at once if its parents have come (M-2).
    let again = late.dropped[0].clone();
    let author = String::from_utf8(again.author.as_bytes().to_vec()).unwrap();
    let back = Entry {
        id: again.id,
        ..entry(0, &author, &[])
    };
    assert_eq!(transcript.insert(back, NOW).unwrap().outcome, Placement::Accepted);
}

#[test]
fn a39_bytes_of_all_together_are_bounded() {
    let names: Vec<String> = (0..12).map(|i| format!("m{i:02}")).collect();
    let mut transcript = Transcript::new(members(&format!("a {}", names.join(" "))));
    let _ = transcript.insert(entry(1, "a", &[2]), NOW).unwrap();
    let mut held = 0;
    for (i, name) in (0_u64..).zip(&names) {
        for part in 0..3 {
            let number = 100 + 10 * i + 2 * part;
            let weight = DEFERRED_BYTES_PER_AUTHOR / 4;
            let heavy = Entry {
                weight,
                ..entry(number, name, &[number + 1])
            };
            if let Ok(inserted) = transcript.insert(heavy, NOW) {
                held += 1;
                held -= inserted.dropped.len();
                assert!(
                    inserted
                        .dropped
                        .iter()
                        .all(|dropped| dropped.author != member("a"))
                );
            }
            assert!(held * weight <= DEFERRED_BYTES);
        }
    }
    assert!(
        held * DEFERRED_BYTES_PER_AUTHOR / 4 > DEFERRED_BYTES * 3 / 4,
        "and used"
    );
    assert!(transcript.is_deferred(&id(1)));
    // Everybody has about the same.
    for name in &names {
        assert!(
            transcript
                .deferred()
                .filter(|waiting| *waiting.author == member(name))
                .count()
                >= 2
        );
    }
}

#[test]
fn acks_cover_everything_seen_and_are_not_acked() {
    let mut transcript = transcript(
        "a b c",
        &[entry(1, "a", &[]), entry(2, "a", &[1]), entry(3, "b", &[])],
    );
    let inserted = transcript.insert(ack(4, "c", &[2, 3]), NOW).unwrap();
    assert!(inserted.fully_acked.is_empty());
    assert!(
        transcript.unacked_messages().eq(&ids(&[1, 2, 3])),
        "4 expects no ack"
    );
    assert_eq!(transcript.unacked_messages().next(), Some(&id(1)));
    let inserted = transcript.insert(ack(5, "b", &[4]), NOW).unwrap();
    assert_eq!(inserted.fully_acked, ids(&[1, 2]));
    assert_eq!(transcript.unacked(&id(3)).unwrap(), members("a"));
    // L-4: what to resend when a duplicate of 1 comes to b, to c, and to a.
    for (who, ack) in [
        ("b", Some(id(5))),
        ("c", Some(id(4))),
        ("a", None),
        ("nobody", None),
    ] {
        assert_eq!(transcript.ack_of(&id(1), &member(who)).unwrap().copied(), ack);
    }
    assert_eq!(transcript.ack_of(&id(4), &member("b")).unwrap(), Some(&id(5)));
    assert!(transcript.is_ancestor(&id(1), &id(77)).is_err());
}

#[test]
fn alone_everything_is_fully_acked_at_once() {
    let mut transcript = Transcript::new(members("a"));
    let inserted = transcript.insert(entry(1, "a", &[]), NOW).unwrap();
    assert_eq!(inserted.fully_acked, ids(&[1]));
    assert_eq!(transcript.unacked_messages().len(), 0);
    // A fork of our own, as after a crash that lost state.
    let inserted = transcript.insert(entry(2, "a", &[]), NOW).unwrap();
    assert_eq!((inserted.fully_acked, inserted.forks.len()), (ids(&[2]), 1));
}

#[test]
fn more_heads_than_parents_allowed_are_named_in_turns() {
    let count = MAX_PARENTS as u64 + 10;
    let names: Vec<String> = (0..count).map(|i| format!("m{i:03}")).collect();
    let mut transcript = Transcript::new(members(&names.join(" ")));
    for (i, name) in (0..).zip(&names) {
        let _ = transcript.insert(entry(i, name, &[]), NOW).unwrap();
    }
    let last = names.last().unwrap();
    let parents = transcript.next_parents(&member(last));
    assert_eq!((parents.len(), parents[0]), (MAX_PARENTS, id(count - 1)));
    assert_eq!(parents[1], id(0));
    let next = Entry {
        parents,
        ..entry(1000, last, &[])
    };
    assert!(transcript.insert(next, NOW).unwrap().forks.is_empty());
    let parents = transcript.next_parents(&member(last));
    assert_eq!((parents.len(), transcript.heads().len()), (11, 11));
    assert_eq!(parents.last(), Some(&id(1000)));
}

#[test]
fn the_timeline_joins_subsessions_at_the_roots() {
    let (one, two) = (
        SubsessionId::from_bytes([1; 32]),
        SubsessionId::from_bytes([2; 32]),
    );
    // 2 and 3 are concurrent; acks lie above them.
    let mut first = Transcript::new(members("a b"));
    let mut timeline = Timeline::new();
    for entry in [
        entry(1, "a", &[]),
        entry(2, "b", &[1]),
        ack(3, "a", &[2]),
        entry(4, "b", &[3]),
        ack(5, "a", &[4]),
    ] {
        let inserted = first.insert(entry, NOW).unwrap();
        for message in &inserted.accepted {
            timeline.push(one, &first, message).unwrap();
        }
    }
    let shown = |timeline: &Timeline| {
        timeline
            .items()
            .iter()
            .map(|item| (item.message, item.follows))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&timeline), [(id(1), true), (id(2), true), (id(4), true)]);
    // G-9: the operation names 5, an ack of 4: who starts there follows 4.
    let second = Transcript::succeeding(&first, members("a b c"), ids(&[5]));
    let mut second: Transcript<u64> = {
        let bytes = export(&second);
        restore(&bytes).unwrap()
    };
    let mut elsewhere = timeline.clone();
    let _ = second.insert(entry(10, "a", &[]), NOW).unwrap();
    assert!(timeline.push(two, &second, &id(10)).unwrap().unwrap().follows);
    // Carol has not seen 10.
    let _ = second.insert(entry(11, "c", &[]), NOW).unwrap();
    assert!(!timeline.push(two, &second, &id(11)).unwrap().unwrap().follows);
    // If a late message of the first subsession came in between, 10 does not follow that.
    let _ = first.insert(entry(6, "b", &[5]), NOW).unwrap();
    assert!(elsewhere.push(one, &first, &id(6)).unwrap().unwrap().follows);
    assert!(!elsewhere.push(two, &second, &id(10)).unwrap().unwrap().follows);
    // Carol, who joined, sees nothing from before; two concurrent roots are followed by nobody.
    let joined = Transcript::<u64>::with_roots(members("a b c"), ids(&[5]));
    assert_eq!(joined.roots(), ids(&[5]));
    assert!(
        Timeline::new()
            .push(two, &second, &id(10))
            .unwrap()
            .unwrap()
            .follows
    );
    assert!(timeline.push(two, &second, &id(999)).is_err());
}

#[test]
fn snapshots_that_nobody_wrote_are_refused() {
    let mut transcript = transcript("a b", &[entry(1, "a", &[]), entry(2, "b", &[1])]);
    let _ = transcript.insert(entry(3, "a", &[2, 4]), NOW).unwrap();
    let bytes = export(&transcript);
    assert_eq!(export(&restore::<u64>(&bytes).unwrap()), bytes);
    // The waiting message's missing parent made one that is here: it would not wait.
    let place = bytes
        .windows(32)
        .position(|window| window == id(4).as_bytes())
        .unwrap();
    let mut forged = bytes.clone();
    forged[place..place + 32].copy_from_slice(id(1).as_bytes());
    assert!(restore::<u64>(&forged).is_err());
    // The second message made a copy of the first.
    let place = bytes
        .windows(32)
        .position(|window| window == id(2).as_bytes())
        .unwrap();
    let mut forged = bytes.clone();
    forged[place..place + 32].copy_from_slice(id(1).as_bytes());
    assert!(restore::<u64>(&forged).is_err());
    // An author who is no member; a parent after its child, and itself.
    for (offset, value) in [(32, 2), (34, 2), (34, 0), (33, 9)] {
        let mut forged = bytes.clone();
        forged[place + offset] = value;
        assert!(restore::<u64>(&forged).is_err(), "{offset} {value}");
    }
}

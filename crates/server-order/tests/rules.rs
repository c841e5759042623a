//! The rules O-1 to O-11 and T-5, one by one.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic, in its own functions too"
)]

mod common;

use common::{confirm_all, group, id, initial, link, next, set, who};
use concilium_core::{ChainHash, wire};
use concilium_server_order::{
    Acceptance, ChainRole, Comparison, EndRejection, Initial, Link, MAX_DIFFERENCES, MAX_HISTORY,
    MAX_REMEMBERED, Outcome, Rejection, Resolver, chain_start, chain_step, leave_id,
};

#[test]
fn o2_a_new_session_takes_its_parent_from_the_caller() {
    let resolver = Resolver::found(who("a"), id(9));
    let head = resolver.head().unwrap();
    assert_eq!(
        head.link,
        Link {
            packet: id(9),
            chain: chain_start(&id(9))
        }
    );
    assert_eq!(head.members, set("a"));
    assert!(resolver.is_member() && !resolver.is_provisional());
    assert_eq!((resolver.claim(), resolver.missing()), (None, set("")));
}

#[test]
fn o3_later_packets_belong_to_the_operation_that_they_name() {
    let mut a = group("a b").remove(0);
    let pi = next(1, &a, "b", "a b");
    assert!(!a.is_running(&id(1)));
    a.initial(&pi, &set("a b")).unwrap();
    assert!(a.is_running(&id(1)) && !a.is_running(&id(2)));
    let running = a.clone();
    assert_eq!(a.finished(id(5), &id(2)), Err(EndRejection::NotRunning));
    assert_eq!(a.aborted(id(5), &id(2), &who("a")), Err(EndRejection::NotRunning));
    assert_eq!(a, running, "A-18");
    a.finished(id(5), &id(1)).unwrap();
    assert!(!a.is_running(&id(1)));
}

#[test]
fn o4_the_first_proposal_and_the_first_end_win_and_rejections_change_nothing_a18() {
    let mut a = group("a b").remove(0);
    let (first, second) = (next(1, &a, "a", "a"), next(2, &a, "b", "a b"));
    assert_eq!(a.initial(&first, &set("a b")), Ok(Acceptance::Member));
    let running = a.clone();
    assert_eq!(a.initial(&second, &set("a b")), Err(Rejection::OperationRunning));
    assert_eq!(a.initial(&first, &set("a b")), Err(Rejection::OperationRunning));
    assert_eq!(a, running);
    a.finished(id(3), &id(1)).unwrap();
    let ended = a.clone();
    assert_eq!(a.finished(id(4), &id(1)), Err(EndRejection::NotRunning));
    assert_eq!(a.aborted(id(4), &id(1), &who("a")), Err(EndRejection::NotRunning));
    assert_eq!(a.left(&who("b"), &set("a")), None);
    // replays of both proposals, now that nothing runs.
    assert_eq!(a.initial(&first, &set("a b")), Err(Rejection::WrongParent));
    assert_eq!(a.initial(&second, &set("a b")), Err(Rejection::WrongParent));
    assert_eq!(a, ended);
}

#[test]
fn o5_o9_the_chain_hashes_every_accepted_packet_in_its_role() {
    let all = set("a b");
    let mut a = group("a b").remove(0);
    let start = a.head().unwrap().link.chain;
    let two = chain_step(&start, &id(1), ChainRole::Initial);
    type End<'a> = &'a dyn Fn(&mut Resolver);
    let cases: [(End<'_>, ChainHash); 4] = [
        (
            &|a| drop(a.finished(id(1), &id(1))),
            chain_step(&start, &id(1), ChainRole::Both),
        ),
        (
            &|a| drop(a.finished(id(2), &id(1))),
            chain_step(&two, &id(2), ChainRole::Final),
        ),
        (
            &|a| drop(a.aborted(id(2), &id(1), &who("b"))),
            chain_step(&two, &id(2), ChainRole::Abort),
        ),
        (
            &|a| drop(a.left(&who("b"), &set("a"))),
            chain_step(&two, &leave_id(&id(1), &who("b"), &set("a")), ChainRole::Leave),
        ),
    ];
    a.initial(&next(1, &a, "a", "a b"), &all).unwrap();
    assert_eq!(
        a.head().unwrap().link.chain,
        start,
        "proposals never build on a running operation"
    );
    for (end, expected) in cases {
        let mut a = a.clone();
        end(&mut a);
        assert!(a.running().is_none());
        assert_eq!(a.head().unwrap().link.chain, expected);
        assert_eq!(a.history().last().unwrap().link, a.head().unwrap().link);
    }
}

#[test]
fn o6_everyone_must_be_in_the_channel() {
    for mut resolver in group("a b")
        .into_iter()
        .chain([Resolver::unsynchronised(who("c"))])
    {
        let head = group("a b")[0].head().unwrap().clone();
        let pi = initial(1, head.link, "a", "a b", "a b c");
        let before = resolver.clone();
        assert_eq!(
            resolver.initial(&pi, &set("a c")),
            Err(Rejection::NotAllPresent { missing: set("b") })
        );
        // Nor has the unsynchronised one remembered the parent: the members have not used it up.
        assert_eq!(resolver, before);
        assert!(resolver.initial(&pi, &set("a b c d")).is_ok());
    }
}

#[test]
fn o7_parents_of_proposals_without_us_are_remembered() {
    let mut c = Resolver::unsynchronised(who("c"));
    let all = set("a b c");
    let without = initial(1, link(10), "a", "a b", "a");
    let with = initial(2, link(10), "a", "a b", "a b c");
    assert_eq!(c.initial(&without, &all), Err(Rejection::NotIncluded));
    let remembering = c.clone();
    assert_eq!(c.initial(&with, &all), Err(Rejection::RememberedParent));
    assert_eq!(c.initial(&without, &all), Err(Rejection::RememberedParent));
    assert_eq!(c, remembering, "A-18");
    let later = initial(3, link(11), "a", "a", "a c");
    assert_eq!(c.initial(&later, &all), Ok(Acceptance::Joining));
}

#[test]
fn o7_a_proposal_that_takes_us_for_a_member_does_not_include_us() {
    let mut c = Resolver::unsynchronised(who("c"));
    let all = set("a c");
    let refresh = initial(1, link(10), "a", "a c", "a c");
    assert_eq!(c.initial(&refresh, &all), Err(Rejection::NotIncluded));
    assert_eq!(
        c.initial(&initial(2, link(10), "a", "a", "a c"), &all),
        Err(Rejection::RememberedParent)
    );
}

#[test]
fn o4_a39_full_memory_rejects_everything_and_evicts_nothing() {
    let mut c = Resolver::unsynchronised(who("c"));
    let all = set("a c");
    let numbered = |n: usize| {
        let mut pi = initial(1, link(10), "a", "a", "a");
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        pi.parent.packet = concilium_core::PacketId::from_bytes(bytes);
        pi
    };
    for n in 0..MAX_REMEMBERED {
        assert_eq!(c.initial(&numbered(n), &all), Err(Rejection::NotIncluded));
    }
    let full = c.clone();
    assert_eq!(
        c.initial(&numbered(MAX_REMEMBERED), &all),
        Err(Rejection::MemoryFull)
    );
    assert_eq!(
        c.initial(&initial(2, link(99), "a", "a", "a c"), &all),
        Err(Rejection::MemoryFull)
    );
    assert_eq!(c.initial(&numbered(0), &all), Err(Rejection::RememberedParent));
    assert_eq!(c, full);
    assert!(wire::encode(&c).len() < 33 * MAX_REMEMBERED + 100, "A-37");
}

#[test]
fn o8_a26_an_adopted_history_is_provisional_until_all_confirm() {
    let mut group = group("a b");
    let all = set("a b c");
    let pi = next(1, &group[0], "a", "a b c");
    let mut c = Resolver::unsynchronised(who("c"));
    assert_eq!(c.initial(&pi, &all), Ok(Acceptance::Joining));
    assert!(c.is_synchronised() && !c.is_member() && c.is_provisional());
    assert_eq!(c.confirm(&who("a"), link(1)), Comparison::NotExpected);
    c.finished(id(2), &id(1)).unwrap();
    for member in &mut group {
        member.initial(&pi, &all).unwrap();
        member.finished(id(2), &id(1)).unwrap();
        assert!(
            !member.is_provisional(),
            "they have followed the chain themselves"
        );
        assert_eq!(member.head(), c.head());
    }
    assert_eq!(c.missing(), set("a b"));
    assert_eq!(
        c.confirm(&who("a"), group[0].claim().unwrap()),
        Comparison::Consistent
    );
    assert!(c.is_member() && c.is_provisional());
    assert_eq!(c.missing(), set("b"));
    assert_eq!(
        c.confirm(&who("b"), group[1].claim().unwrap()),
        Comparison::Consistent
    );
    assert!(!c.is_provisional());
}

#[test]
fn a26_a_made_up_chain_hash_is_found_and_named_by_the_first_honest_confirmation() {
    let mut a = group("a b").remove(0);
    let all = set("a b c");
    let honest = next(1, &a, "b", "a b c");
    let lie = Initial {
        parent: Link {
            chain: link(66).chain,
            ..honest.parent
        },
        ..honest.clone()
    };
    let mut c = Resolver::unsynchronised(who("c"));
    // The members see the lie too, and it is evidence.
    let rejection = a.initial(&lie, &all).unwrap_err();
    assert_eq!(rejection, Rejection::WrongChain { author: who("b") });
    assert!(rejection.is_evidence());
    // Suppose that the server showed the joiner the lie and the members the truth.
    c.initial(&lie, &all).unwrap();
    a.initial(&honest, &all).unwrap();
    for resolver in [&mut a, &mut c] {
        resolver.finished(id(2), &id(1)).unwrap();
    }
    assert_eq!(
        c.confirm(&who("b"), c.claim().unwrap()),
        Comparison::Consistent,
        "the liar keeps to it"
    );
    assert!(c.is_provisional());
    let theirs = a.claim().unwrap();
    assert_eq!(c.confirm(&who("a"), theirs), Comparison::Different);
    assert_eq!(c.differences()[&who("a")].theirs, theirs);
    assert_eq!(c.differences()[&who("a")].ours, Some(c.claim().unwrap().chain));
    // O-10: permanent, whatever a says later.
    assert_eq!(c.confirm(&who("a"), c.claim().unwrap()), Comparison::Consistent);
    assert!(c.is_provisional() && c.differences().len() == 1);
}

#[test]
fn a26_a_made_up_parent_is_found_too() {
    let all = set("a c");
    let mut c = Resolver::unsynchronised(who("c"));
    c.initial(&initial(1, link(66), "a", "a", "a c"), &all).unwrap();
    c.finished(id(2), &id(1)).unwrap();
    assert_eq!(c.confirm(&who("a"), link(7)), Comparison::Different);
    assert_eq!(c.differences()[&who("a")].ours, None);
    assert!(c.is_provisional());
}

#[test]
fn a23_a46_outsiders_start_nothing() {
    let mut a = group("a b").remove(0);
    let before = a.clone();
    let all = set("a b x");
    let head = a.head().unwrap().link;
    for (pi, author) in [
        (initial(1, head, "x", "a b", "a b x"), "x"),
        (initial(1, head, "x", "a b x", "a b x"), "x"),
        (initial(1, head, "a", "a b", "b"), "a"),
    ] {
        let author = who(author);
        assert_eq!(a.initial(&pi, &all), Err(Rejection::AuthorNotMember { author }));
    }
    // made up from outside, with a parent of its own.
    assert_eq!(
        a.initial(&initial(1, link(3), "x", "x", "a x"), &all),
        Err(Rejection::WrongParent)
    );
    let wrong = initial(1, head, "b", "b", "a b");
    assert_eq!(
        a.initial(&wrong, &all),
        Err(Rejection::WrongMembers { author: who("b") })
    );
    assert_eq!(a, before, "A-18");
}

#[test]
fn o10_confirmations_of_earlier_operations_count_for_those() {
    let mut group = group("a b");
    let old = group[1].claim().unwrap();
    for n in [1, 3] {
        let pi = next(n, &group[0], "a", "a b");
        for member in &mut group {
            member.initial(&pi, &set("a b")).unwrap();
            member.aborted(id(n + 1), &pi.id, &who("b")).unwrap();
        }
    }
    let a = &mut group[0];
    assert_eq!(a.missing(), set("b"));
    assert_eq!(a.confirm(&who("b"), old), Comparison::Older);
    let middle = a.history()[1].link;
    assert_eq!(a.confirm(&who("b"), middle), Comparison::Older);
    assert_eq!(
        a.missing(),
        set("b"),
        "the newest operation is still to be confirmed"
    );
    assert_eq!(a.confirm(&who("x"), link(9)), Comparison::NotExpected);
    let forged = Link {
        chain: link(9).chain,
        ..middle
    };
    assert_eq!(a.clone().confirm(&who("b"), forged), Comparison::Different);
    confirm_all(&mut group);
    assert_eq!((group[0].missing(), group[1].missing()), (set(""), set("")));
    assert_eq!(
        group[0].confirm(&who("b"), old),
        Comparison::Older,
        "a message that came late"
    );
    assert_eq!(group[0].missing(), set(""), "takes nothing back");
    assert!(group[0].differences().is_empty());
}

#[test]
fn o10_a_claim_ahead_is_decided_when_the_operation_ends() {
    let mut a = group("a b c").remove(0);
    let all = set("a b c");
    a.initial(&next(1, &a, "a", "a b c"), &all).unwrap();
    let mut finished = a.clone();
    finished.finished(id(2), &id(1)).unwrap();
    let theirs = finished.claim().unwrap();
    assert_eq!(a.confirm(&who("b"), theirs), Comparison::Ahead);
    assert_eq!(a.confirm(&who("b"), theirs), Comparison::Ahead);
    let mut twice = a.clone();
    assert_eq!(
        twice.confirm(&who("b"), link(7)),
        Comparison::Different,
        "two ends of one operation"
    );
    // The same end here: it was a confirmation. Another: evidence.
    let mut other = a.clone();
    a.finished(id(2), &id(1)).unwrap();
    assert_eq!((a.missing(), a.differences().len()), (set("c"), 0));
    other.aborted(id(3), &id(1), &who("c")).unwrap();
    assert_eq!(other.missing(), set("b c"));
    assert_eq!(other.differences()[&who("b")].theirs, theirs);
    // And with nothing running there is nothing to wait for.
    assert_eq!(a.confirm(&who("b"), link(7)), Comparison::Different);
}

#[test]
fn o10_evidence_is_bounded_and_still_reported() {
    let mut a = Resolver::found(who("a"), id(200));
    let name = |n: usize| concilium_core::MemberId::new(n.to_le_bytes()).unwrap();
    let crowd: concilium_core::MemberSet = (0..MAX_DIFFERENCES + 5).map(name).chain([who("a")]).collect();
    let pi = Initial {
        after: crowd.clone(),
        ..next(1, &a, "a", "a")
    };
    a.initial(&pi, &crowd).unwrap();
    a.finished(id(2), &pi.id).unwrap();
    for n in 0..MAX_DIFFERENCES + 5 {
        assert_eq!(a.confirm(&name(n), link(3)), Comparison::Different);
    }
    assert_eq!(a.differences().len(), MAX_DIFFERENCES);
}

#[test]
fn a37_members_who_come_and_go_leave_nothing_behind_in_the_confirmations() {
    let mut a = Resolver::found(who("a"), id(200));
    let mut sizes = Vec::new();
    for n in 0..MAX_HISTORY + 50 {
        let name = format!("a {n:04}");
        for after in [name.as_str(), "a"] {
            let pi = next(1, &a, "a", after);
            a.initial(&pi, &set(&name)).unwrap();
            a.finished(id(2), &id(1)).unwrap();
            let claim = a.claim().unwrap();
            let _ = a.confirm(&who(&name[2..]), claim);
        }
        sizes.push(wire::encode(&a).len());
    }
    let (half, end) = (sizes[MAX_HISTORY], sizes[MAX_HISTORY + 49]);
    assert!(end <= half + 8, "{half} {end}");
}

#[test]
fn o11_aborts_come_from_members_before_or_after() {
    let mut a = group("a b").remove(0);
    let all = set("a b c x");
    a.initial(&next(1, &a, "a", "a c"), &all).unwrap();
    let running = a.clone();
    assert_eq!(a.aborted(id(2), &id(1), &who("x")), Err(EndRejection::Outsider));
    assert_eq!(a, running, "A-18");
    for by in ["a", "b", "c"] {
        let mut a = a.clone();
        let record = a.aborted(id(2), &id(1), &who(by)).unwrap();
        assert_eq!(record.outcome, Outcome::Aborted { by: who(by) });
        assert_eq!((record.include, record.exclude), (set("c"), set("b")));
        assert_eq!(a.head().unwrap().members, set("a b"), "the membership stays");
        // The next proposal continues from the abort.
        let next = next(3, &a, "b", "a b c");
        assert_eq!(next.parent.packet, id(2));
        assert_eq!(a.initial(&next, &all), Ok(Acceptance::Member));
    }
}

#[test]
fn t5_a_leave_fails_the_operation_unless_the_leaver_goes_anyway() {
    let mut a = group("a b c").remove(0);
    let all = set("a b c d x");
    assert_eq!(a.left(&who("b"), &set("a c d x")), None, "nothing runs");
    a.initial(&next(1, &a, "a", "a b d"), &all).unwrap();
    let running = a.clone();
    assert_eq!(a.left(&who("c"), &set("a b d x")), None, "being excluded");
    assert_eq!(a.left(&who("x"), &set("a b c d")), None, "has no part in it");
    assert_eq!(a, running);
    for leaver in ["b", "d"] {
        let mut a = a.clone();
        let remaining = all.minus(&set(leaver));
        let record = a.left(&who(leaver), &remaining).unwrap();
        assert_eq!(record.link.packet, leave_id(&id(1), &who(leaver), &remaining));
        assert_eq!(record.outcome, Outcome::Left { who: who(leaver) });
        assert_eq!(a.head().unwrap().members, set("a b c"));
    }
}

#[test]
fn t5_o8_a_joiner_whose_operation_fails_is_included_from_where_that_left_the_members() {
    let mut a = group("a b").remove(0);
    let mut c = Resolver::unsynchronised(who("c"));
    let all = set("a b c");
    let stale = next(9, &a, "b", "a b c");
    let pi = next(1, &a, "a", "a b c");
    for resolver in [&mut a, &mut c] {
        resolver.initial(&pi, &all).unwrap();
        resolver.aborted(id(2), &id(1), &who("b")).unwrap();
    }
    assert!(!c.is_member() && !c.is_synchronised() && !c.is_provisional());
    assert_eq!((c.head(), c.claim()), (a.head(), None));
    let failed = c.clone();
    for replay in [&stale, &pi] {
        assert_eq!(c.initial(replay, &all), Err(Rejection::RememberedParent), "A-10");
    }
    // It judges as the members do: evidence is evidence, and uses nothing up.
    let lie = Initial {
        parent: Link {
            chain: link(7).chain,
            ..a.head().unwrap().link
        },
        ..next(3, &a, "b", "a b")
    };
    for resolver in [&mut a, &mut c] {
        assert_eq!(
            resolver.initial(&lie, &all),
            Err(Rejection::WrongChain { author: who("b") })
        );
    }
    assert_eq!(c, failed);
    let again = next(4, &a, "b", "a b c");
    assert_eq!(c.initial(&again, &all), Ok(Acceptance::Joining));
    a.initial(&again, &all).unwrap();
    for resolver in [&mut a, &mut c] {
        resolver.finished(id(4), &id(4)).unwrap();
    }
    assert_eq!(a.head(), c.head());
    assert_eq!(c.history().len(), 2, "one unbroken chain");

    // And where an operation without it goes on from there, it has to wait for a later one.
    let mut c = failed;
    assert_eq!(
        c.initial(&next(5, &c, "a", "a b"), &all),
        Err(Rejection::NotIncluded)
    );
    assert_eq!(c.head(), None);
    assert_eq!(c.initial(&again, &all), Err(Rejection::RememberedParent));
}

#[test]
fn o8_a28_a_misled_joiner_finds_back() {
    // A stale proposal reaches a joiner that cannot know; the members reject it and propose again meanwhile.
    let mut a = group("a b").remove(0);
    let mut c = Resolver::unsynchronised(who("c"));
    let all = set("a b c");
    let stale = next(1, &a, "b", "a b c");
    let refresh = next(2, &a, "a", "a b");
    a.initial(&refresh, &all).unwrap();
    a.finished(id(2), &id(2)).unwrap();
    assert_eq!(c.initial(&stale, &all), Ok(Acceptance::Joining));
    assert_eq!(a.initial(&stale, &all), Err(Rejection::WrongParent));
    let real = next(3, &a, "a", "a b c");
    a.initial(&real, &all).unwrap();
    assert_eq!(c.initial(&real, &all), Err(Rejection::OperationRunning));
    // Both wait until their deadlines and abort. The real one is not taken up late.
    c.aborted(id(4), &stale.id, &who("c")).unwrap();
    assert_eq!(c.initial(&real, &all), Err(Rejection::RememberedParent));
    assert_eq!(
        a.aborted(id(4), &stale.id, &who("c")),
        Err(EndRejection::NotRunning)
    );
    a.aborted(id(5), &real.id, &who("a")).unwrap();
    assert_eq!(
        c.aborted(id(5), &real.id, &who("a")),
        Err(EndRejection::NotRunning)
    );
    // The next attempt works, though it does not continue from what the joiner believed.
    let again = next(6, &a, "a", "a b c");
    for resolver in [&mut a, &mut c] {
        resolver.initial(&again, &all).unwrap();
        resolver.finished(id(7), &id(6)).unwrap();
    }
    assert_eq!(a.head(), c.head());
    assert_eq!(
        c.history().len(),
        1,
        "what it believed before is no part of this chain"
    );
    assert_eq!(c.confirm(&who("a"), a.claim().unwrap()), Comparison::Consistent);
}

#[test]
fn t5_o10_whoever_is_being_excluded_cannot_be_sure_that_it_failed() {
    let mut group = group("a b c");
    let all = set("a b c");
    let pi = next(1, &group[0], "a", "a b");
    for member in &mut group {
        member.initial(&pi, &all).unwrap();
    }
    // The operation succeeds, which c cannot see; then b leaves before c has been kicked.
    let [a, _, c] = &mut group[..] else { unreachable!() };
    a.finished(id(2), &id(1)).unwrap();
    assert_eq!(c.confirm(&who("a"), a.claim().unwrap()), Comparison::Ahead);
    assert_eq!(
        c.confirm(&who("a"), link(8)),
        Comparison::Ahead,
        "c has no part in what they do now"
    );
    assert_eq!(a.left(&who("b"), &set("a c")), None);
    assert!(c.left(&who("b"), &set("a c")).is_some());
    assert!(c.is_member() && c.is_provisional());
    assert_eq!(
        c.confirm(&who("a"), a.claim().unwrap()),
        Comparison::Ahead,
        "no false alarm (T-16)"
    );
    assert!(c.differences().is_empty());
    assert_eq!(c.missing(), set("a b"));
    // Had it really failed, the others would confirm that.
    let failed = c.claim().unwrap();
    assert_eq!(c.confirm(&who("a"), failed), Comparison::Consistent);
    assert!(c.is_provisional());
    assert_eq!(c.confirm(&who("b"), failed), Comparison::Consistent);
    assert!(!c.is_provisional());
}

#[test]
fn o7_a_member_that_knows_of_its_exclusion_is_an_outsider() {
    let mut group = group("a b");
    let all = set("a b");
    let old = next(9, &group[0], "a", "a b");
    let pi = next(1, &group[0], "a", "a");
    let b = &mut group[1];
    b.initial(&pi, &all).unwrap();
    b.finished(id(1), &id(1)).unwrap();
    assert!(!b.is_synchronised() && b.claim().is_none());
    assert_eq!(b.initial(&old, &all), Err(Rejection::RememberedParent));
    assert_eq!(b.initial(&next(2, b, "a", "a b"), &all), Ok(Acceptance::Joining));
}

/// O-7, T-10: who finds itself out knows every parent that was used up while it was in, and takes no proposal
/// that lost to an operation which it took part in.
#[test]
fn o7_t10_a_member_that_goes_over_remembers_the_parents_of_what_it_took_part_in() {
    let everyone = set("alice bob carol");
    let mut members = group("alice bob");
    let lost = next(11, &members[0], "alice", "alice bob carol");
    let lost_before_bob = initial(12, link(200), "alice", "alice", "alice bob");
    for resolver in &mut members {
        for (n, after) in [(1, "alice bob"), (3, "alice bob")] {
            let pi = next(n, resolver, "bob", after);
            resolver.initial(&pi, &everyone).unwrap();
            resolver.finished(id(n + 1), &pi.id).unwrap();
        }
    }
    let bob = &mut members[1];
    for stale in [lost, lost_before_bob] {
        let stale = Initial {
            before: set("alice"),
            after: set("alice bob"),
            ..stale
        };
        let judged = bob.judge_anew(&stale, &everyone);
        assert_eq!(judged, Err(Rejection::RememberedParent), "{stale:?}");
    }
    // From another chain somebody includes bob, who goes over; the parents of the old one stay used up.
    let old = bob.head().unwrap().link;
    let over = initial(21, link(77), "carol", "carol", "bob carol");
    let accepted = bob.judge_anew(&over, &everyone).unwrap();
    assert!(accepted.takes_over() && accepted.acceptance() == Acceptance::Joining);
    assert_eq!(bob.start(accepted), Acceptance::Joining);
    assert!(bob.history().is_empty() && bob.is_running(&id(21)));
    bob.aborted(id(22), &id(21), &who("carol")).unwrap();
    let back = initial(23, old, "alice", "alice", "alice bob");
    assert_eq!(bob.initial(&back, &everyone), Err(Rejection::RememberedParent));
}

/// A verdict that is dropped leaves no trace: the key agreement may have found that the packet does not count
/// for anybody.
#[test]
fn o7_o8_judging_changes_nothing() {
    let all = set("a b c");
    let outside = Resolver::unsynchronised(who("c"));
    let mut joining = outside.clone();
    joining
        .initial(&initial(1, link(10), "a", "a", "a c"), &all)
        .unwrap();
    let mut failed = joining.clone();
    failed.aborted(id(2), &id(1), &who("a")).unwrap();
    let member = Resolver::found(who("c"), id(200));
    for resolver in [outside, joining, failed, member] {
        for packet in [
            initial(3, link(10), "a", "a", "a c"),
            initial(4, link(11), "a", "a", "a b"),
            initial(5, link(12), "a", "a", "a c"),
            next(6, &Resolver::found(who("c"), id(200)), "c", "c a"),
        ] {
            let before = resolver.clone();
            let judged = resolver.judge(&packet, &all);
            let again = resolver.judge(&packet, &all);
            assert_eq!(judged, again);
            let _ = resolver.judge_anew(&packet, &all);
            assert_eq!(resolver, before);
            let mut applied = resolver.clone();
            let outcome = match judged {
                Ok(accepted) => Ok(applied.start(accepted)),
                Err(rejected) => Err(applied.reject(rejected)),
            };
            let mut at_once = resolver.clone();
            assert_eq!(at_once.initial(&packet, &all), outcome);
            assert_eq!(at_once, applied);
        }
    }
}

#[test]
fn the_history_is_bounded_and_state_survives_a_snapshot() {
    let mut a = Resolver::found(who("a"), id(200));
    let mut oldest = None;
    for _ in 0..=MAX_HISTORY {
        let pi = next(1, &a, "a", "a");
        a.initial(&pi, &set("a")).unwrap();
        // K-13: at every step, also while an operation runs.
        let bytes = wire::encode(&a);
        assert_eq!(wire::decode::<Resolver>(&bytes, bytes.len()).as_ref(), Ok(&a));
        let record = a.finished(id(1), &id(1)).unwrap();
        oldest.get_or_insert(record);
    }
    assert_eq!(a.history().len(), MAX_HISTORY);
    assert_eq!(a.history()[0].number, oldest.unwrap().number + 1);
    assert_eq!(a.history().last().unwrap().number, MAX_HISTORY as u64 + 1);
}

#[test]
fn a_model_checker_can_drive_it() {
    fn suits<T: Clone + Ord + std::hash::Hash + std::fmt::Debug + Send + Sync + 'static>() {}
    suits::<Resolver>();
}

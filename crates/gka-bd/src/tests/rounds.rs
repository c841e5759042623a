//! Honest operations, looked at closely.

use std::collections::BTreeSet;

use concilium_core::{Change, MemberSet};

use super::*;

/// Runs an operation and returns how many round trips it took, and how many packets.
fn round_trips(group: &mut Group, by: usize, after: &MemberSet) -> (usize, usize) {
    let sent = group.log.len();
    let packet = group.propose(&name(by), after).unwrap();
    let mut batch = vec![group.echo(&name(by), packet)];
    let (mut trips, mut finished) = (0, 0);
    while !batch.is_empty() {
        trips += 1;
        for echo in &batch {
            for who in after {
                match group.deliver(who, echo) {
                    Reaction::Finished => finished += 1,
                    Reaction::Continued(_) => {}
                    other => panic!("{who}: {other:?}"),
                }
            }
        }
        batch = group.flush();
    }
    assert_eq!(finished, after.len());
    group.members = after.clone();
    group.assert_agreed(after);
    (trips, group.log.len() - sent)
}

#[test]
fn b1_b2_b3_b4_b5_any_change_takes_three_round_trips_and_two_packets_of_each() {
    for n in [2, 3, 4, 32] {
        let mut group = Group::new(n + 1, 1, BurmesterDesmedt::new);
        assert_eq!(
            round_trips(&mut group, 0, &names(0..n)),
            (3, 2 * n),
            "establish {n}"
        );
        assert_eq!(
            round_trips(&mut group, n - 1, &names(0..n)),
            (3, 2 * n),
            "refresh {n}"
        );
        assert_eq!(
            round_trips(&mut group, 0, &names(0..n + 1)),
            (3, 2 * n + 2),
            "include into {n}"
        );
        assert_eq!(
            round_trips(&mut group, n, &names(1..n + 1)),
            (3, 2 * n),
            "exclude from {n}"
        );
    }
}

#[test]
fn b8_alone_one_packet_is_all() {
    let mut group = Group::new(3, 1, BurmesterDesmedt::new);
    assert_eq!(round_trips(&mut group, 0, &names(0..1)), (1, 1), "found");
    assert_eq!(round_trips(&mut group, 0, &names(0..1)), (1, 1), "refresh");
    assert_eq!(round_trips(&mut group, 0, &names(0..3)), (3, 6));
    assert_eq!(
        round_trips(&mut group, 2, &names(2..3)),
        (1, 1),
        "everyone else out"
    );
}

#[test]
fn b8_two_publish_no_difference_and_more_do() {
    for n in 2..=4 {
        let mut group = Group::new(n, 1, BurmesterDesmedt::new);
        let mut seen = 0;
        group.run_watched(&name(0), &names(0..n), |group, echo| {
            if let Some(links) = links(&mut content(group, echo)) {
                assert_eq!(links.difference.is_some(), n > 2);
                seen += 1;
            }
        });
        assert_eq!(seen, n);
    }
}

#[test]
fn a08_k12_b7_no_value_of_one_operation_stands_in_another() {
    let mut group = Group::new(4, 1, BurmesterDesmedt::new);
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for after in [names(0..3), names(0..3), names(0..4), names(0..3), names(1..3)] {
        group.run_watched(
            &name(1).min(after.first().unwrap().clone()),
            &after,
            |group, echo| {
                let mut content = content(group, echo);
                let point = hello(&mut content).map(|hello| *hello.point.as_bytes());
                let difference = links(&mut content).and_then(|links| links.difference);
                for value in point.into_iter().chain(difference.map(|point| *point.as_bytes())) {
                    seen.insert(value);
                    count += 1;
                }
            },
        );
    }
    assert!(count > 20);
    assert_eq!(seen.len(), count);
    for member in group.people.values() {
        let export = member.export().remove(0);
        assert!(
            export.len() < 100,
            "a state holds names, a hash and a time, and no secret"
        );
    }
}

#[test]
fn k10_a28_b7_a_silent_member_blocks_until_somebody_gives_up_and_is_then_excluded() {
    let mut group = Group::new(4, 1, BurmesterDesmedt::new);
    group.run(&name(0), &names(0..4));
    // Member 3 says nothing in a refresh: nobody finishes, and nobody fails.
    let packet = group.propose(&name(0), &names(0..4)).unwrap();
    let initial = group.echo(&name(0), packet);
    let mut queue = vec![initial.clone()];
    while !queue.is_empty() {
        let echo = queue.remove(0);
        for who in names(0..3).iter() {
            let reaction = group.deliver(who, &echo);
            assert!(matches!(reaction, Reaction::Continued(_)), "{reaction:?}");
        }
        queue.extend(group.flush());
    }
    // O-11. Then it is excluded without a packet of its own.
    let session = group.session().clone();
    let abort = concilium_gka::GroupKeyAgreement::abort(&group.people[&name(1)].gka, &session, initial.id);
    let abort = group.echo(&name(1), abort.unwrap());
    for who in names(0..3).iter() {
        assert_eq!(group.deliver(who, &abort), Reaction::Aborted);
    }
    group.change(&Change::exclude([name(3)]));
}

#[test]
fn c11_everyone_contributes_to_each_operation() {
    let mut group = Group::new(3, 1, BurmesterDesmedt::new);
    group.now = Time::from_millis(50_000);
    group.run(&name(0), &names(0..3));
    let member = &group.people[&name(1)];
    let ages = concilium_gka::GroupKeyAgreement::ages(&member.gka, member.state.as_ref().unwrap());
    assert_eq!(ages.0.len(), 3);
    assert!(ages.0.values().all(|at| *at >= Time::from_millis(50_000)));
}

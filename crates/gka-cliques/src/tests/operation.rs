//! Honest operations, looked at closely.

use concilium_core::{Change, Time};
use concilium_gka::{GroupKeyAgreement as _, OpenError, ProposeError};

use super::*;

#[test]
fn c8_who_sends_nothing_keeps_its_signing_key_and_who_sends_makes_a_new_one() {
    let mut group = established(3);
    let keys = |group: &Group| group.people[&name(0)].keys.clone().unwrap().verifying;
    let first = keys(&group);
    group.run(&name(1), &names(0..3));
    let second = keys(&group);
    assert_eq!(first.get(&name(0)), second.get(&name(0)));
    assert_ne!(first.get(&name(1)), second.get(&name(1)));
    group.run(&name(1), &names(0..4));
    let third = keys(&group);
    for who in 0..3 {
        assert_ne!(
            second.get(&name(who)),
            third.get(&name(who)),
            "everyone confirms, so everyone has a new key"
        );
    }
}

#[test]
fn c11_ages_tell_who_contributed_longest_ago() {
    let mut group = Group::new(8, 1, Cliques::new);
    let ages = |group: &Group, who: usize| {
        let member = &group.people[&name(who)];
        member.gka.ages(member.state.as_ref().unwrap())
    };
    group.now = Time::from_millis(10_000);
    group.run(&name(0), &names(0..3));
    group.now = Time::from_millis(20_000);
    group.run(&name(0), &names(0..3));
    assert_eq!(
        ages(&group, 2).oldest().unwrap().0,
        &name(1),
        "the first of those who never did since"
    );
    group.now = Time::from_millis(30_000);
    group.run(&name(1), &names(0..3));
    assert_eq!(ages(&group, 0).oldest().unwrap().0, &name(2));
    group.now = Time::from_millis(40_000);
    group.run(&name(2), &names(0..4));
    let (oldest, since) = ages(&group, 1)
        .oldest()
        .map(|(who, at)| (who.clone(), at))
        .unwrap();
    assert_eq!(oldest, name(0));
    assert!((20_000..21_000).contains(&since.as_millis()));
    assert!(
        ages(&group, 3).oldest().unwrap().1 >= Time::from_millis(40_000),
        "a joiner knows nothing older"
    );
}

#[test]
fn k6_a_suite_of_another_key_agreement_is_neither_proposed_nor_opened() {
    let mut group = established(2);
    let mut data = group.data(&name(0), &names(0..2));
    data.suite = "dictator/none".into();
    let mut random = concilium_core::testing::rng::seeded(1);
    let mut cx = concilium_core::Context::new(Time::ZERO, &mut random);
    let member = &group.people[&name(0)];
    let proposed = member.gka.propose(member.state.as_ref(), data.clone(), &mut cx);
    assert_eq!(proposed.unwrap_err(), ProposeError::Members(Reason::WrongSuite));
    let packet = group.propose(&name(0), &names(0..2)).unwrap();
    let echo = group.echo(&name(0), packet);
    let payload = content(&group, &echo).encode();
    let role = concilium_gka::Role::Initial(data);
    let bytes = signed::seal(&identity(0), group.session(), role, payload).unwrap();
    let opened = group.open(&name(1), &Echo { bytes, ..echo });
    assert_eq!(opened.unwrap_err(), OpenError::Invalid(Reason::WrongSuite));
}

#[test]
fn an_unknown_joiner_is_named() {
    let mut group = Group::new(2, 1, Cliques::new);
    let proposed = group.propose(&name(0), &names([0, 1, 5]));
    assert_eq!(proposed, Err(ProposeError::UnknownIdentity(name(5))));
}

#[test]
fn k13_a_state_of_somebody_else_is_not_restored() {
    let mut group = established(2);
    let export = group.member(&name(0)).export().remove(0);
    let restored = group.people[&name(1)].gka.restore_state(&export);
    assert_eq!(restored.map(|_| ()), Err(concilium_gka::RestoreError));
}

#[test]
fn a37_lengths_that_lie_are_refused() {
    let mut group = established(2);
    let packet = group.propose(&name(0), &names(0..2)).unwrap();
    let echo = group.echo(&name(0), packet);
    // A downflow of two elements: their length in bytes is 64, told in one byte after base, variant and
    // nonce.
    let at = 1 + 32 + 1 + 32;
    for lie in [
        &[252, 0xff, 0xff, 0xff, 0x7f][..],
        &[253, 0, 0, 0, 0, 0, 0, 0, 0x7f],
        &[250],
    ] {
        let lying = resealed(&group, &echo, |bytes| {
            assert_eq!(bytes[at], 64);
            [&bytes[..at], lie, &bytes[at + 1..]].concat()
        });
        assert!(matches!(
            group.open(&name(1), &lying),
            Err(OpenError::Malformed(_))
        ));
    }
}

#[test]
fn c3_two_packets_never_for_exclusion_and_refresh() {
    let mut group = established(4);
    for change in [
        Change::refresh(),
        Change::exclude([name(3)]),
        Change::exclude([name(1), name(2)]),
    ] {
        let before = group.log.len();
        group.change(&change);
        assert_eq!(group.log.len(), before + 1, "{change}");
    }
}

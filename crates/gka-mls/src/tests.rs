//! Attacks by members on what is particular to MLS: the parts of a packet, key packages, and the tree.

use std::sync::Arc;

use concilium_core::keys::SigningKey;
use concilium_core::testing::{name, names, rng};
use concilium_core::{ChainHash, Context, MemberId, MemberSet, PacketId, Secret, SessionName, Time, wire};
use concilium_gka::conformance::{Echo, Group, Member, Reaction, checks, directory, identity};
use concilium_gka::{
    AssociatedData, Failure, GroupKeyAgreement as _, Progress, ProposeError, Reason, ReceiveError, Role,
    signed,
};

use crate::announcement::announcement;
use crate::desk::Things;
use crate::epoch::{Derived, digest, leaf_extensions, no_time};
use crate::packet::{WirePayload, read_message};
use crate::{Mls, SUITE, State};

fn failure(culprit: Option<MemberId>, reason: Reason) -> Reaction {
    Reaction::Refused(ReceiveError::Failed(Failure {
        culprit,
        reason,
        ends: true,
    }))
}

fn payload(group: &Group<Mls>, echo: &Echo) -> WirePayload {
    let opened = signed::open(&echo.bytes, group.session(), &echo.from, &directory(8)).unwrap();
    wire::decode(opened.payload(), signed::MAX_BYTES).unwrap()
}

/// The packet as its author could have made it.
fn changed(
    group: &Group<Mls>,
    echo: &Echo,
    change: impl FnOnce(&mut AssociatedData, &mut WirePayload),
) -> Echo {
    let bytes = checks::resigned(group.session(), echo, |role, payload| {
        let Role::Initial(mut data) = role else {
            unreachable!()
        };
        let mut payload = wire::decode(&payload, signed::MAX_BYTES).unwrap();
        change(&mut data, &mut payload);
        (Role::Initial(data), wire::encode(&payload))
    });
    Echo {
        bytes: bytes.unwrap(),
        ..echo.clone()
    }
}

/// How a member reacts, and afterwards is as before.
fn reaction(group: &mut Group<Mls>, who: &MemberId, echo: &Echo) -> Reaction {
    let saved = group.member(who).save();
    let reaction = group.deliver(who, echo);
    group.member(who).reset(&saved);
    reaction
}

fn proposed(group: &mut Group<Mls>, by: usize, after: &MemberSet) -> Echo {
    let packet = group.propose(&name(by), after).unwrap();
    group.echo(&name(by), packet)
}

#[test]
fn a01_parts_of_a_parallel_group_finish_for_nobody() {
    let [mut ours, mut theirs] = [1, 2].map(|seed| {
        let mut group: Group<Mls> = Group::new(4, seed, Mls::new);
        group.run(&name(0), &names(0..3));
        group
    });
    let echo = proposed(&mut ours, 1, &names(0..4));
    let foreign = proposed(&mut theirs, 1, &names(0..4));
    for parts in 1..8 {
        let (commit, welcome, check) = (parts & 1 > 0, parts & 2 > 0, parts & 4 > 0);
        let spliced = changed(&ours, &echo, |_, payload| {
            let foreign = self::payload(&theirs, &foreign);
            if commit {
                payload.commit = foreign.commit;
            }
            if welcome {
                payload.welcome = foreign.welcome;
            }
            if check {
                payload.check = foreign.check;
            }
        });
        for (who, is_for_it) in [(0, commit), (1, true), (2, commit), (3, welcome)] {
            let reaction = reaction(&mut ours, &name(who), &spliced);
            let finishes = reaction == Reaction::Finished;
            assert_eq!(
                finishes,
                !(is_for_it || check),
                "{who} with {parts}: {reaction:?}"
            );
            // A welcome by what another member announced elsewhere is nothing to the joiner.
            let stale = Reaction::Refused(ReceiveError::Rejected(Reason::StaleAnnouncement));
            assert!(
                finishes || reaction.is_failure() || who == 3 && welcome && reaction == stale,
                "{who} with {parts}: {reaction:?}"
            );
        }
    }
}

#[test]
fn a05_a06_k07_a_commit_and_a_welcome_to_two_epochs_are_noticed() {
    let mut group: Group<Mls> = Group::new(5, 6, Mls::new);
    group.run(&name(0), &names(0..3));
    let one = proposed(&mut group, 1, &names(0..5));
    let other = proposed(&mut group, 1, &names(0..5));
    let split = changed(&group, &one, |_, payload| {
        payload.welcome = self::payload(&group, &other).welcome;
    });
    for who in [0, 2] {
        assert_eq!(reaction(&mut group, &name(who), &split), Reaction::Finished);
    }
    for who in [3, 4] {
        let expected = failure(Some(name(1)), Reason::KeyMismatch);
        assert_eq!(reaction(&mut group, &name(who), &split), expected, "{who}");
    }
    let split = changed(&group, &split, |_, payload| {
        payload.check = self::payload(&group, &other).check;
    });
    for who in [0, 2] {
        let expected = failure(Some(name(1)), Reason::KeyMismatch);
        assert_eq!(reaction(&mut group, &name(who), &split), expected, "{who}");
    }
}

#[test]
fn a14_the_committer_and_who_vouches_for_the_group_are_the_author() {
    let mut group: Group<Mls> = Group::new(4, 14, Mls::new);
    group.run(&name(0), &names(0..3));
    let echo = proposed(&mut group, 1, &names(0..4));
    let opened = signed::open(&echo.bytes, group.session(), &name(1), &directory(4)).unwrap();
    let (_, role, payload) = opened.into_parts();
    let taken_over = signed::seal(&identity(2), group.session(), role, payload).unwrap();
    let taken_over = Echo {
        from: name(2),
        bytes: taken_over,
        ..echo
    };
    for who in [0, 3] {
        let expected = failure(Some(name(2)), Reason::WrongMembers);
        assert_eq!(reaction(&mut group, &name(who), &taken_over), expected, "{who}");
    }
    let expected = failure(None, Reason::ContributionChanged);
    assert_eq!(reaction(&mut group, &name(2), &taken_over), expected);
}

#[test]
fn a05_k04_nobody_is_put_out_and_let_in_again_unseen() {
    let mut group: Group<Mls> = Group::established(4, 5, Mls::new);
    group.announce(&names([2]));
    let echo = proposed(&mut group, 1, &names(0..4));
    let session = group.session().clone();
    let mallory = &group.people[&name(1)];
    let key_package = mallory.gka.announcements().of(&session, &name(2)).unwrap();
    let digest = digest(&group.data(&name(1), &names(0..4)));
    let mut copy = mallory.state.as_ref().unwrap().group.clone();
    let desk = mallory.gka.desk();
    let (commit, _) = desk.with(Things::random(&Secret::new([5; 32])), || {
        let leaf = copy.member_with_identity(name(2).as_bytes()).unwrap().index;
        let fresh = SigningKey::from_seed(&Secret::new([6; 32]));
        let output = copy
            .commit_builder()
            .authenticated_data(digest.to_vec())
            .set_leaf_node_extensions(leaf_extensions(fresh.verifying_key()))
            .commit_time(no_time())
            .remove_member(leaf)
            .and_then(|commit| commit.add_member(key_package))
            .and_then(|commit| commit.build());
        copy.apply_pending_commit().unwrap();
        output.unwrap().commit_message.to_bytes().unwrap()
    });
    let check = Derived::of(&copy, &digest).unwrap().check;
    let swapped = changed(&group, &echo, |_, payload| {
        (payload.commit, payload.check) = (commit, check)
    });
    for who in [0, 2, 3] {
        let expected = failure(Some(name(1)), Reason::WrongMembers);
        assert_eq!(reaction(&mut group, &name(who), &swapped), expected, "{who}");
    }
}

#[test]
fn a08_k12_who_is_excluded_cannot_follow_even_if_the_data_say_otherwise() {
    let mut group: Group<Mls> = Group::established(4, 8, Mls::new);
    let out = name(3);
    let echo = proposed(&mut group, 1, &names(0..3));
    let pretended = changed(&group, &echo, |data, _| {
        data.after.insert(name(3));
    });
    assert!(reaction(&mut group, &out, &pretended).is_failure());
    // Nor those that come afterwards.
    for who in 0..3 {
        assert_eq!(group.deliver(&name(who), &echo), Reaction::Finished);
    }
    group.members = names(0..3);
    let echo = proposed(&mut group, 0, &names(0..3));
    let pretended = changed(&group, &echo, |data, _| {
        data.before.insert(name(3));
        data.after.insert(name(3));
    });
    let expected = failure(None, Reason::WrongOperation);
    assert_eq!(reaction(&mut group, &out, &pretended), expected);
}

#[test]
fn a10_k14_a_key_package_serves_once_and_its_private_part_is_gone() {
    let mut group: Group<Mls> = Group::new(2, 10, Mls::new);
    let echo = proposed(&mut group, 0, &names(0..2));
    let welcome = read_message(&payload(&group, &echo).welcome).unwrap();
    let references = welcome.welcome_key_package_references();
    let session = group.session().clone();
    let bob = &group.people[&name(1)];
    let invitation = bob
        .gka
        .announcements()
        .invitation(&session, references.iter().map(|reference| &***reference));
    let initial_key = invitation.unwrap().data.init_key;
    let holds = |member: &Member<Mls>| {
        let kept = member.export().concat();
        kept.windows(32).any(|window| window == &*initial_key)
    };
    assert!(holds(bob), "K-13: what is announced is kept until it serves");
    for who in 0..2 {
        assert_eq!(group.deliver(&name(who), &echo), Reaction::Finished);
    }
    assert!(!holds(&group.people[&name(1)]), "and no longer");

    // The same welcome again, to a member that is out and has no memory of it.
    let member = group.member(&name(1));
    (member.state, member.keys) = (None, None);
    let expected = Reaction::Refused(ReceiveError::Rejected(Reason::StaleAnnouncement));
    assert_eq!(reaction(&mut group, &name(1), &echo), expected);
    // It announces itself anew, as the group lets it, and is included by that.
    group.members = names([0]);
    group.member(&name(0)).state = None;
    group.run(&name(0), &names(0..2));
}

#[test]
fn a28_k14_a_key_package_that_nobody_can_use_is_named() {
    let mut group: Group<Mls> = Group::new(4, 28, Mls::new);
    group.run(&name(0), &names(0..2));
    let session = group.session().clone();
    // Its owner signs the announcement, and breaks the signature of MLS inside.
    let honest = group.member(&name(0)).gka.announcements().of(&session, &name(2));
    let mut key_package = honest.unwrap().to_bytes().unwrap();
    *key_package.last_mut().unwrap() ^= 1;
    let bad = announcement(&identity(2), &session, key_package, *identity(2).verifying_key());
    let gka = &mut group.member(&name(0)).gka;
    gka.learn(&session, &name(2), &bad).unwrap();
    let data = group.data(&name(0), &names(0..4));
    let mut random = rng::seeded(2);
    let mut cx = Context::new(Time::ZERO, &mut random);
    let member = group.member(&name(0));
    let proposed = member.gka.propose(member.state.as_ref(), data, &mut cx);
    assert_eq!(
        proposed.map(|_| ()).unwrap_err(),
        ProposeError::NotAnnounced(name(2))
    );
    group.members = names([0, 1]);
    group.run(&name(0), &names([0, 1, 3]));
}

#[test]
fn k13_a_state_is_its_members_own() {
    let mut group: Group<Mls> = Group::established(2, 13, Mls::new);
    let export = group.member(&name(0)).export();
    let other = Mls::new(identity(1), Arc::new(directory(2)));
    assert!(other.restore_state(&export[0]).is_err());
}

#[test]
fn c8_who_commits_signs_with_a_fresh_key_and_others_go_on_with_theirs() {
    let mut group: Group<Mls> = Group::established(3, 8, Mls::new);
    let before = group.people[&name(0)].keys.clone().unwrap().verifying;
    group.run(&name(1), &names(0..3));
    let after = group.people[&name(0)].keys.clone().unwrap().verifying;
    for who in names(0..3).iter() {
        assert_eq!(before.get(who) != after.get(who), *who == name(1), "{who}");
    }
}

#[test]
fn c11_ages_say_who_renewed_its_keys_last() {
    let mut group: Group<Mls> = Group::established(3, 11, Mls::new);
    group.run(&name(1), &names(0..3));
    let member = group.member(&name(0));
    let ages = member.gka.ages(member.state.as_ref().unwrap());
    assert!(ages.0[&name(1)] > ages.0[&name(0)]);
    assert_eq!(ages.oldest().map(|(who, _)| who.clone()), Some(name(0)));
}

#[test]
fn k04_five_hundred_and_twelve_members_fit_into_packets() {
    const N: usize = 512;
    // Only the members under test hold anything; the others have announced themselves.
    let known = Arc::new(directory(N + 1));
    let mut random = rng::seeded(512);
    let mut cx = Context::new(Time::ZERO, &mut random);
    let session = SessionName::new("tea").unwrap();
    let mut people: Vec<Mls> = (0..=N).map(|n| Mls::new(identity(n), known.clone())).collect();
    let announced: Vec<Vec<u8>> = people
        .iter_mut()
        .map(|gka| gka.announce(&session, &mut cx).unwrap().unwrap())
        .collect();
    for (n, announcement) in announced.iter().enumerate().skip(1) {
        people[0].learn(&session, &name(n), announcement).unwrap();
    }
    people[1].learn(&session, &name(N), &announced[N]).unwrap();

    let mut states: Vec<Option<State>> = (0..=N).map(|_| None).collect();
    let mut run = |by: usize, before: MemberSet, after: MemberSet, watched: &[usize]| {
        let data = AssociatedData {
            session: session.clone(),
            suite: format!("{SUITE}/none"),
            parent: PacketId::from_bytes([1; 32]),
            chain: ChainHash::from_bytes([2; 32]),
            latest: Vec::new(),
            before,
            after,
        };
        let (packet, proposal) = people[by].propose(states[by].as_ref(), data, &mut cx).unwrap();
        let (mut proposal, mut secrets) = (Some(proposal), Vec::new());
        for who in watched {
            let gka = &people[*who];
            let opened = gka.open(&session, &name(by), &packet).unwrap();
            let ours = proposal.take_if(|_| *who == by);
            let id = PacketId::from_bytes([3; 32]);
            let started = gka
                .accept(states[*who].as_ref(), ours, id, opened, &mut cx)
                .unwrap();
            let Progress::Finished(outcome) = started.progress else {
                unreachable!()
            };
            states[*who] = Some(outcome.state);
            secrets.push(outcome.keys.secret);
        }
        assert!(secrets.windows(2).all(|pair| pair[0] == pair[1]));
        packet.len()
    };
    let sizes = [
        run(0, names([0]), names(0..N), &[0, 1, N - 1]),
        // All members are new in the tree and have to be encrypted to.
        run(N - 1, names(0..N), names(0..N), &[N - 1, 0, 1]),
        run(
            1,
            names(0..N),
            names((0..=N).filter(|n| *n != 7)),
            &[1, 0, N - 1, N],
        ),
    ];
    assert!(
        sizes.iter().all(|size| *size < signed::MAX_BYTES / 2),
        "{sizes:?}"
    );
}

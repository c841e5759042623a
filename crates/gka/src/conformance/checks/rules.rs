//! The rules of the contract, K-1 to K-15.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::{Directory, Export as _, GroupKeyAgreement, Operation as _, ProposeError, ReceiveError, Role};
use concilium_core::{Change, Context, MemberId};

use super::{LIFE, PEOPLE, assert_does_not_count, forged, life};
use crate::conformance::{Echo, Group, Make, Reaction, directory, identity};
use concilium_core::testing::{name, names, rng};

/// K-1: proposing changes nothing, and no two proposals are alike.
pub fn k01_proposing_changes_nothing<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group = Group::established(3, 1, make);
    let before = group.export();
    let mut packets = BTreeSet::new();
    for after in [names([0, 1, 2]), names([0, 1])] {
        for _ in 0..3 {
            let packet = group.propose(&name(0), &after).expect("a proposal is made");
            assert!(packets.insert(packet), "K-1, K-9: a proposal like one before");
            group.member(&name(0)).proposal = None;
        }
    }
    assert_eq!(group.export(), before, "K-1: proposing changed something");
    group.run(&name(1), &names([0, 1, 2]));
}

/// K-2: of racing proposals whichever the channel gives first is started, by their authors too.
pub fn k02_any_of_several_racing_proposals_can_be_accepted<G: GroupKeyAgreement>(make: impl Make<G>) {
    for winner in 0..3 {
        let mut group = Group::established(3, 2, &make);
        let after = names(0..3);
        let mut packets: Vec<Vec<u8>> = (0..3)
            .map(|by| group.propose(&name(by), &after).expect("a proposal is made"))
            .collect();
        let first = group.echo(&name(winner), packets.swap_remove(winner));
        let reactions = group.carry_on(first, &after, &mut |_, _| {});
        assert!(
            reactions.values().all(|reaction| *reaction == Reaction::Finished),
            "K-2: {reactions:?}"
        );
        group.assert_agreed(&after);
        for who in &after {
            group.member(who).proposal = None;
        }
        group.run(&name(0), &after);
    }
}

/// K-3: packets that do not depend on each other may come in any order.
pub fn k03_independent_packets_come_in_any_order<G: GroupKeyAgreement>(make: impl Make<G>) {
    for turn in 0..4 {
        let mut group = Group::established(2, 3, &make);
        let mut group = {
            group.run(&name(0), &names([0, 1]));
            let mut larger = Group::new(4, 3 + turn as u64, &make);
            larger.run(&name(0), &names([0, 1]));
            larger
        };
        let after = names(0..4);
        let packet = group.propose(&name(1), &after).expect("a proposal is made");
        let mut batch = vec![group.echo(&name(1), packet)];
        let mut finished = BTreeSet::new();
        while !batch.is_empty() {
            for (i, who) in after.iter().enumerate() {
                // Everyone sees the packets of one batch in another order.
                let mut order: Vec<&Echo> = batch.iter().collect();
                order.rotate_left((i + turn) % batch.len());
                if (i + turn) % 2 == 1 {
                    order.reverse();
                }
                for echo in order {
                    match group.deliver(who, echo) {
                        Reaction::Finished => assert!(finished.insert(who.clone())),
                        Reaction::Continued(_) | Reaction::Ignored => {}
                        other => panic!("K-3: {who} answers {other:?}"),
                    }
                }
            }
            batch = group.flush();
        }
        assert_eq!(finished.len(), after.len(), "K-3: not all finished");
        group.assert_agreed(&after);
    }
}

/// K-4: success hands over everything, for every size and kind of operation; the next operation starts from
/// it.
pub fn k04_success_yields_everything_at_once<G: GroupKeyAgreement>(make: impl Make<G>) {
    for n in [1, 2, 3, 7] {
        let mut group = Group::new(n + 2, 4, &make);
        group.run(&name(0), &names(0..n));
        group.run(&name(n - 1), &names(0..n));
        group.run(&name(0), &names(0..n + 2));
        group.run(&name(n + 1), &names(n..n + 2));
        group.run(&name(n), &names([n]));
    }
}

/// K-5, A-18: a packet that is rejected leaves no trace: at every step, everything that is not due then.
pub fn k05_a18_rejected_packets_change_nothing<G: GroupKeyAgreement>(make: impl Make<G>) {
    let log = {
        let mut twin = Group::new(PEOPLE, 5, &make);
        life(&mut twin, &mut |_, _| {});
        twin.log
    };
    // The same seeds make the same packets, so that we know those to come.
    let mut group = Group::new(PEOPLE, 5, &make);
    life(&mut group, &mut |group, due| {
        let at = log
            .iter()
            .position(|echo| echo == due)
            .expect("the twin's packet");
        let waiting: Vec<Echo> = log[at..=group.log.len() - 1].to_vec();
        for echo in log.iter().filter(|echo| !waiting.contains(echo)) {
            for who in group.people.keys().cloned().collect::<Vec<_>>() {
                rejected_by_operation(group, &who, echo);
            }
        }
    });
}

/// Hands a packet straight to the running operation, past the caller's own look at its role.
fn rejected_by_operation<G: GroupKeyAgreement>(group: &mut Group<G>, who: &MemberId, echo: &Echo) {
    let Ok(opened) = group.open(who, echo) else { return };
    let now = group.now;
    let member = group.member(who);
    let Some((_, operation)) = &mut member.operation else {
        return;
    };
    let before = operation.export();
    let mut random = rng::seeded(99);
    match operation.receive(opened, &mut Context::new(now, &mut random)) {
        Ok(crate::Progress::Ignored) | Err(ReceiveError::Rejected(_)) => {}
        other => panic!("K-5, K-9: {who} takes a packet that is not due: {other:?}"),
    }
    assert_eq!(
        operation.export(),
        before,
        "K-5: a rejected packet changed {who}'s operation"
    );
}

/// K-6: the associated data are carried as given, and other data make other keys.
pub fn k06_associated_data_are_authenticated<G: GroupKeyAgreement>(make: impl Make<G>) {
    let run = |session: &str, seed: u64| {
        let mut group: Group<G> = Group::named(session, 3, seed, &make);
        let data = group.data(&name(0), &names(0..3));
        let reactions = group.run_watched(&name(0), &names(0..3), |group, echo| {
            let opened = group.open(&name(1), echo).expect("an honest packet opens");
            if let Role::Initial(carried) = opened.role() {
                assert_eq!(
                    *carried, data,
                    "K-6: the packet carries other data than were given"
                );
            }
        });
        assert!(reactions.values().all(|reaction| *reaction == Reaction::Finished));
        group.people[&name(0)].keys.clone().expect("has keys")
    };
    let (tea, rum) = (run("tea", 6), run("rum", 6));
    assert_ne!(
        tea.subsession, rum.subsession,
        "K-6: another session, the same subsession"
    );
    assert_ne!(tea.secret, rum.secret, "K-6: another session, the same secret");
}

/// K-8: an operation that did not finish yields nothing, and the last state serves on.
pub fn k08_nothing_is_used_before_success<G: GroupKeyAgreement>(make: impl Make<G>) {
    let packets = {
        let mut group = Group::established(3, 8, &make);
        let before = group.log.len();
        group.run(&name(0), &names(0..3));
        let mut larger: Group<G> = Group::new(5, 8, &make);
        larger.run(&name(0), &names(0..3));
        let established = larger.log.len();
        larger.run(&name(0), &names(0..5));
        (group.log.len() - before).max(larger.log.len() - established)
    };
    for lost in 0..packets {
        let mut group: Group<G> = Group::new(5, 8, &make);
        group.run(&name(0), &names(0..3));
        let old = group.people[&name(0)].keys.clone();
        let states = group.export();
        let after = names(0..5);
        let packet = group.propose(&name(0), &after).expect("a proposal is made");
        let mut queue = vec![group.echo(&name(0), packet)];
        let initial = queue[0].id;
        let mut at = 0;
        while !queue.is_empty() {
            let echo = queue.remove(0);
            if at != lost {
                for who in &after {
                    let reaction = group.deliver(who, &echo);
                    assert_ne!(
                        reaction,
                        Reaction::Finished,
                        "K-8: finished without packet {lost}"
                    );
                }
            }
            queue.extend(group.flush());
            at += 1;
        }
        assert_eq!(group.people[&name(0)].keys, old, "K-8");
        // O-11: someone gives up.
        let session = group.session().clone();
        let abort = group.people[&name(1)].gka.abort(&session, initial);
        let abort = group.echo(&name(1), abort.expect("an abort is made"));
        for who in &after {
            let reaction = group.deliver(who, &abort);
            assert!(
                matches!(reaction, Reaction::Aborted | Reaction::NotForUs),
                "O-11: {reaction:?}"
            );
            group.member(who).proposal = None;
        }
        assert_eq!(
            group.export(),
            states,
            "K-8: an operation that failed left a trace"
        );
        group.run(&name(2), &after);
    }
}

/// K-9, A-01: no packet of one operation or session serves another, even with the same people at the same
/// time.
pub fn k09_a01_a_packet_belongs_to_one_operation<G: GroupKeyAgreement>(make: impl Make<G>) {
    for session in ["tea", "rum"] {
        let mut other: Group<G> = Group::named(session, PEOPLE, 91, &make);
        life(&mut other, &mut |_, _| {});
        let foreign = other.log;
        let mut group: Group<G> = Group::named("tea", PEOPLE, 90, &make);
        life(&mut group, &mut |group, _| {
            for echo in &foreign {
                let ids: BTreeSet<&[u8]> = group.log.iter().map(|echo| echo.bytes.as_slice()).collect();
                assert!(
                    !ids.contains(echo.bytes.as_slice()),
                    "K-9: two operations have one packet"
                );
                for who in group.people.keys().cloned().collect::<Vec<_>>() {
                    rejected_by_operation(group, &who, echo);
                }
                if session == "rum" {
                    assert_does_not_count(group, echo, "K-9");
                }
            }
        });
    }
}

/// K-10: members are excluded without a packet of theirs, all but one at once too.
pub fn k10_excluding_takes_no_packet_of_the_excluded<G: GroupKeyAgreement>(make: impl Make<G>) {
    for stay in [vec![0, 1, 2], vec![3], vec![1, 4]] {
        let mut group = Group::established(5, 10, &make);
        let sent = group.log.len();
        let by = name(*stay.last().expect("someone stays"));
        let stay = names(stay);
        group.run(&by, &stay);
        for echo in &group.log[sent..] {
            assert!(
                stay.contains(&echo.from),
                "K-10: {} is excluded and speaks",
                echo.from
            );
        }
    }
}

/// K-11: what is proposed must fit; signing keys are distinct (held by every success of the kit).
pub fn k11_misfitting_changes_are_not_proposed<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group = Group::established(3, 11, make);
    let refused = |result: Result<Vec<u8>, ProposeError>| {
        assert!(
            matches!(result, Err(ProposeError::Members(_))),
            "K-11: {result:?}"
        );
    };
    let before = group.export();
    refused(group.propose(&name(0), &names([1, 2])));
    refused(group.propose(&name(0), &names([])));
    let members = std::mem::replace(&mut group.members, names([0, 1]));
    refused(group.propose(&name(0), &names([0])));
    group.members = names([0, 1, 2, 3]);
    refused(group.propose(&name(0), &names([0])));
    group.members = members;
    assert_eq!(group.export(), before);
    group.change(&Change::refresh());
}

/// K-12: every operation makes another secret, and who is out cannot follow, however much it hears.
pub fn k12_who_is_out_learns_nothing<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(PEOPLE, 12, &make);
    let mut secrets = BTreeSet::new();
    let mut subsessions = BTreeSet::new();
    life(&mut group, &mut |group, echo| {
        let known = group.people.values().filter_map(|member| member.keys.as_ref());
        for keys in known {
            secrets.insert(*keys.secret.expose());
            subsessions.insert(keys.subsession);
        }
        let Ok(opened) = group.open(&name(0), echo) else {
            return;
        };
        let Role::Initial(data) = opened.role().clone() else {
            return;
        };
        for outside in group.people.keys().filter(|who| !data.after.contains(who)) {
            let member = &group.people[outside];
            let opened = group.open(outside, echo).expect("an honest packet opens");
            let mut random = rng::seeded(1);
            let mut cx = Context::new(group.now, &mut random);
            let started = member
                .gka
                .accept(member.state.as_ref(), None, echo.id, opened, &mut cx);
            assert!(
                started.is_err(),
                "K-12: {outside} is not among {} and takes part",
                data.after
            );
        }
    });
    for member in group.people.values() {
        let keys = member.keys.as_ref().expect("everyone was in");
        secrets.insert(*keys.secret.expose());
        subsessions.insert(keys.subsession);
    }
    assert_eq!(secrets.len(), LIFE, "K-12: a secret for each operation");
    assert_eq!(subsessions.len(), LIFE, "K-12: a subsession for each operation");
}

/// K-13: a whole life through exports; damaged exports are refused.
pub fn k13_state_goes_through_exports<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(PEOPLE, 13, &make);
    group.restoring = true;
    life(&mut group, &mut |group, _| {
        for member in group.people.values() {
            let [state, proposal, operation, _] = &member.export()[..] else {
                unreachable!()
            };
            let gka = &member.gka;
            refuses_damaged(state, |bytes| gka.restore_state(bytes).is_ok());
            refuses_damaged(proposal, |bytes| gka.restore_proposal(bytes).is_ok());
            refuses_damaged(operation, |bytes| gka.restore_operation(bytes).is_ok());
        }
    });
}

fn refuses_damaged(export: &[u8], restores: impl Fn(&[u8]) -> bool) {
    if export.is_empty() {
        return;
    }
    assert!(restores(export), "K-13: an export restores");
    assert!(!restores(&[]), "K-13: nothing is no export");
    assert!(
        !restores(&[export, &[0]].concat()),
        "K-13: an export with more after it"
    );
    for len in (0..export.len()).step_by(1 + export.len() / 16) {
        assert!(!restores(&export[..len]), "K-13: an export cut short");
        // Whether it restores is not for us to say, but nothing may panic.
        let mut damaged = export.to_vec();
        damaged[len] ^= 0xff;
        let _ = restores(&damaged);
    }
}

/// K-13, K-14: who starts again from its exports can be included by what it announced before, and knows what
/// the others did.
pub fn k13_k14_announcements_outlive_a_restart<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(3, 1314, &make);
    let known: Arc<dyn Directory> = Arc::new(directory(3));
    for i in 0..3 {
        let member = group.member(&name(i));
        let export = member.gka.export_announcements();
        member.gka = make(identity(i), Arc::clone(&known));
        let restored = member.gka.restore_announcements(&export);
        assert!(restored.is_ok(), "K-13: what was announced restores");
        let again = member.gka.export_announcements();
        assert!(*again == *export, "K-13: and is exported as it was");
        let longer = [export.as_slice(), &[0]].concat();
        let refused = make(identity(i), Arc::clone(&known)).restore_announcements(&longer);
        assert!(refused.is_err(), "K-13: an export with more after it");
    }
    group.run(&name(0), &names(0..3));
}

/// K-14: announcements are authentic, and one that is needed is asked for.
pub fn k14_announcements_are_authentic<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(3, 14, &make);
    let (session, now) = (group.session().clone(), group.now);
    let mut random = rng::seeded(14);
    let mut announce = |group: &mut Group<G>, who: usize| {
        let gka = &mut group.member(&name(who)).gka;
        gka.announce(&session, &mut Context::new(now, &mut random))
            .expect("announcing works")
    };
    let Some(announcement) = announce(&mut group, 1) else {
        // None is needed; then none is taken.
        let learned = group.member(&name(0)).gka.learn(&session, &name(1), b"anything");
        assert!(learned.is_err(), "K-14: an announcement where there are none");
        return;
    };
    let other = concilium_core::SessionName::new("rum").expect("a short name");
    let gka = &mut group.member(&name(0)).gka;
    assert!(
        gka.learn(&session, &name(2), &announcement).is_err(),
        "K-14: another sender"
    );
    assert!(
        gka.learn(&other, &name(1), &announcement).is_err(),
        "K-14: another session"
    );
    for at in 0..announcement.len() {
        let mut damaged = announcement.clone();
        damaged[at] ^= 1;
        assert!(
            gka.learn(&session, &name(1), &damaged).is_err(),
            "K-14: a changed announcement"
        );
    }
    assert!(gka.learn(&session, &name(1), &announcement).is_ok());
    for learner in [1, 2] {
        let learned = group
            .member(&name(learner))
            .gka
            .learn(&session, &name(1), &announcement);
        assert!(learned.is_ok(), "K-14");
    }
    group.run(&name(0), &names(0..3));
}

/// K-14: what somebody announced is void once it has left, and what it announces when it comes again serves.
pub fn k14_who_has_left_announces_anew<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(3, 140, &make);
    let announces = !group.people[&name(1)].gka.export_announcements().is_empty();
    group.member(&name(0)).gka.forget(&name(1));
    let data = group.data(&name(0), &names(0..3));
    let mut random = rng::seeded(140);
    let mut cx = Context::new(group.now, &mut random);
    let proposed = group.people[&name(0)].gka.propose(None, data, &mut cx);
    if announces {
        let error = proposed.map(|_| ()).unwrap_err();
        assert_eq!(error, ProposeError::NotAnnounced(name(1)), "K-14: it has left");
    } else {
        assert!(
            proposed.is_ok(),
            "K-14: nothing was announced, nothing can be forgotten"
        );
    }
    // The group lets whoever is to be included announce itself.
    group.run(&name(0), &names(0..3));
}

/// K-15, A-45: packets without, with an empty, a foreign or a damaged signature do not count, and nothing
/// stops for them.
pub fn k15_a45_unauthentic_packets_do_not_count<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(PEOPLE, 15, &make);
    life(&mut group, &mut |group, due| {
        let packet = &due.bytes;
        let cut = packet.len().saturating_sub(64);
        let foreign = group.log.iter().rev().find(|echo| echo.from != due.from);
        let mut variants = vec![
            Vec::new(),
            packet[..cut].to_vec(),
            [&packet[..cut], &[0; 64]].concat(),
            [packet.as_slice(), &[0]].concat(),
        ];
        variants.extend(foreign.map(|echo| {
            let end = echo.bytes.len().saturating_sub(64);
            [&packet[..cut], &echo.bytes[end..]].concat()
        }));
        for at in (0..packet.len()).step_by(1 + packet.len() / 24) {
            let mut damaged = packet.clone();
            damaged[at] ^= 0x10;
            variants.push(damaged);
        }
        for bytes in variants {
            assert_does_not_count(group, &forged(due, &due.from, bytes), "K-15");
        }
    });
}

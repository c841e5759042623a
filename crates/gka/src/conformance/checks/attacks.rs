//! Attacks by those outside, by thieves of keys, and faults of our own.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::{GroupKeyAgreement, Identity, ReceiveError, Role, signed};
use concilium_core::{Context, MemberId, MemberSet, Secret, Time};

use super::insider::{operations, payload_len};
use super::{PEOPLE, assert_does_not_count, assert_not_counted_by, forged, life, resigned};
use crate::conformance::{Echo, Group, Make, Reaction, directory, identity};
use concilium_core::testing::{
    name, names,
    rng::{self, Broken},
};

/// Runs an operation up to its packet number `at`, which nobody has received yet. Beside it, what its author
/// would have sent with other random numbers. None if the operation has fewer packets.
fn up_to<G: GroupKeyAgreement>(
    make: impl Make<G>,
    (by, after): &(usize, MemberSet),
    at: usize,
) -> Option<(Group<G>, Echo, Vec<u8>)> {
    let mut group: Group<G> = Group::new(PEOPLE, 2, make);
    group.run(&name(0), &names(0..3));
    let (by, mut random) = (name(*by), rng::seeded(2));
    group.announce(&after.minus(&group.members.clone()));
    let other = group.propose_with(&by, after, &mut random);
    let packet = group.propose(&by, after).expect("a proposal is made");
    let first = group.echo(&by, packet);
    let mut queue = VecDeque::from([(first, other.expect("another one too"))]);
    for _ in 0..at {
        let (echo, _) = queue.pop_front()?;
        for who in after {
            let saved = group.member(who).save();
            group.deliver_with(who, &echo, &mut random);
            let others = std::mem::take(&mut group.outbox);
            group.member(who).reset(&saved);
            group.deliver(who, &echo);
            let others = others.into_iter().map(|(_, packet)| packet);
            queue.extend(group.flush().into_iter().zip(others));
        }
    }
    let (echo, other) = queue.pop_front()?;
    Some((group, echo, other))
}

/// a packet in our name that is not what we sent was made with our stolen identity key. Whatever else
/// it says, be it what we would have sent with other random numbers, and to whatever keys it leads the
/// others: we do not go on with it.
///
/// For key agreements whose packets are those of [`crate::signed`].
pub fn a02_our_packets_are_not_taken_as_ours_when_changed<G: GroupKeyAgreement>(make: impl Make<G>) {
    for operation in operations() {
        for at in 0.. {
            let Some((mut group, echo, other)) = up_to(&make, &operation, at) else {
                break;
            };
            let mut changed = vec![other];
            let (author, session) = (&echo.from, group.session());
            let len = payload_len(session, &echo).unwrap_or_default();
            changed.extend((0..len).step_by(1 + len / 16).filter_map(|byte| {
                resigned(session, &echo, |role, mut payload| {
                    payload[byte] ^= 1 << (byte % 8);
                    (role, payload)
                })
            }));
            let people = group.people.iter();
            let saved: Vec<_> = people.map(|(who, member)| (who.clone(), member.save())).collect();
            for bytes in changed.into_iter().filter(|bytes| *bytes != echo.bytes) {
                let changed = forged(&echo, author, bytes);
                let keys = group.people[author].keys.clone();
                let own = group.deliver(author, &changed);
                // What counts for nobody may be refused as such.
                let mut others = operation.1.iter().filter(|who| *who != author);
                let counts = others.any(|who| !group.deliver(who, &changed).is_rejected());
                assert!(
                    own.is_failure() || (own.is_rejected() && !counts),
                    "A-02: {author} takes packet {at}, which it did not send, as its own: {own:?}"
                );
                assert_eq!(group.people[author].keys, keys, "A-02: {author} has other keys");
                group.outbox.clear();
                for (who, saved) in &saved {
                    group.member(who).reset(saved);
                }
            }
        }
    }
}

/// with a broken random source nothing is sent and nothing changes; with a working one it goes on.
pub fn a04_broken_randomness_sends_nothing<G: GroupKeyAgreement>(make: impl Make<G>) {
    for kind in Broken::ALL {
        let mut group: Group<G> = Group::new(PEOPLE, 4, &make);
        let before = group.export();
        let proposed = group.propose_with(&name(0), &names(0..3), &mut { kind });
        assert!(proposed.is_err(), "A-04: proposed with {kind:?}");
        assert_eq!(group.export(), before, "A-04");
        life(&mut group, &mut |group, due| {
            for who in group.people.keys().cloned().collect::<Vec<_>>() {
                let sent = group.outbox.len();
                let saved = group.member(&who).save();
                let reaction = group.deliver_with(&who, due, &mut { kind });
                if let Reaction::Refused(ReceiveError::Randomness(_)) = reaction {
                    let [state, _, operation, _] = &group.member(&who).export()[..] else {
                        unreachable!()
                    };
                    let unchanged = *state == saved.export[0] && *operation == saved.export[2];
                    assert!(unchanged, "A-04: {who} changed");
                    assert_eq!(group.outbox.len(), sent, "A-04: {who} sent something");
                }
                assert!(
                    !reaction.is_failure(),
                    "A-04: the operation must survive: {reaction:?}"
                );
                // As if this had not been.
                group.outbox.truncate(sent);
                group.member(&who).reset(&saved);
            }
        });
    }
}

/// every packet again, at every later step. Operations that the receiver was to join are the server
/// order's to refuse (O-4): a joiner has no memory.
pub fn a10_replayed_packets_do_nothing<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(PEOPLE, 10, make);
    life(&mut group, &mut |group, due| {
        let at = group
            .log
            .iter()
            .position(|echo| echo == due)
            .expect("is on the channel");
        let earlier = group.log[..at].to_vec();
        for echo in earlier {
            for who in group.people.keys().cloned().collect::<Vec<_>>() {
                let joins = group.open(&who, &echo).is_ok_and(
                    |opened| matches!(opened.role(), Role::Initial(data) if !data.before.contains(&who)),
                );
                let member = group.member(&who);
                if member.operation.is_none() && (joins || member.state.is_none()) {
                    continue;
                }
                let (before, proposal) = (member.export(), member.proposal.take());
                let sent = group.outbox.len();
                let reaction = group.deliver(&who, &echo);
                assert!(
                    reaction.is_rejected() || reaction.is_failure(),
                    "A-10: {who} takes a packet of before: {reaction:?}"
                );
                group.member(&who).proposal = proposal;
                assert_eq!(group.member(&who).export(), before, "A-10: {who} changed");
                assert_eq!(group.outbox.len(), sent, "A-10: {who} answers");
            }
        }
    });
}

/// with A's stolen identity key nobody passes as B, towards A no more than towards others.
pub fn a11_a_stolen_key_speaks_for_its_owner_only<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(PEOPLE, 11, &make);
    let mut seed = [0x17; 32];
    seed[..8].copy_from_slice(&0_u64.to_le_bytes());
    let stolen = Secret::new(seed);
    assert_eq!(
        Identity::new(name(0), &stolen).verifying_key(),
        identity(0).verifying_key(),
        "it is member 0's key"
    );
    let known = directory(PEOPLE);
    let thief = make(Identity::new(name(1), &stolen), Arc::new(known));
    life(&mut group, &mut |group, due| {
        let session = group.session().clone();
        let abort = thief.abort(&session, due.id).expect("an abort is made");
        assert_does_not_count(group, &forged(due, &name(1), abort), "A-11");
        let mut random = rng::seeded(11);
        let mut data = group.data(&name(1), &names(0..3));
        data.before = names([1]);
        let proposed = thief.propose(None, data, &mut Context::new(Time::ZERO, &mut random));
        if let Ok((packet, _)) = proposed {
            assert_does_not_count(group, &forged(due, &name(1), packet), "A-11");
        }
    });
}

/// a signature of one kind of packet does not pass for one of another.
pub fn a12_signatures_do_not_change_their_kind<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(PEOPLE, 12, make);
    let mut kinds: Vec<Echo> = Vec::new();
    life(&mut group, &mut |group, due| {
        kinds.push(due.clone());
        let session = group.session().clone();
        let abort = group.people[&due.from]
            .gka
            .abort(&session, due.id)
            .expect("an abort is made");
        kinds.push(forged(due, &due.from, abort));
    });
    for body in &kinds {
        for signature in kinds.iter().filter(|other| other.bytes != body.bytes) {
            let cut = body.bytes.len().saturating_sub(64);
            let tail = signature.bytes.len().saturating_sub(64);
            let bytes = [&body.bytes[..cut], &signature.bytes[tail..]].concat();
            let opened = group.open(&name(0), &forged(body, &body.from, bytes));
            assert!(opened.is_err(), "A-12: a signature passes for another's");
        }
    }
}

/// the channel's sender must be the author, for every packet and every other sender.
pub fn a14_sender_author_and_key_are_one<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(PEOPLE, 14, make);
    life(&mut group, &mut |group, due| {
        for other in group.people.keys().cloned().collect::<Vec<_>>() {
            if other != due.from {
                assert_does_not_count(group, &forged(due, &other, due.bytes.clone()), "A-14");
            }
        }
    });
}

/// A-21, K-13: nothing that is printed holds bytes that only exports hold.
pub fn a21_nothing_secret_is_printed<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(PEOPLE, 21, make);
    life(&mut group, &mut |group, _| {
        let packets = group.log.iter().flat_map(|echo| echo.bytes.windows(8));
        let public: BTreeSet<&[u8]> = packets.collect();
        for member in group.people.values() {
            let printed = format!(
                "{:?} {:?} {:?} {:?}",
                member.state, member.proposal, member.operation, member.keys
            )
            .to_lowercase();
            let mut secrets = member.export();
            secrets.extend(member.keys.iter().map(|keys| keys.secret.expose().to_vec()));
            secrets.extend(
                member
                    .keys
                    .iter()
                    .map(|keys| keys.signing.seed().expose().to_vec()),
            );
            for window in secrets.iter().flat_map(|bytes| bytes.windows(8)) {
                let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
                let list = format!("{window:?}");
                let found = printed.contains(&hex) || printed.contains(list.trim_matches(['[', ']']));
                let readable = window.iter().all(|byte| *byte == 0 || byte.is_ascii_graphic());
                let excused = readable || public.contains(window);
                assert!(
                    !found || excused,
                    "A-21: secret bytes {hex} are printed in {printed}"
                );
            }
        }
    });
}

/// bytes of unknown meaning, and initial packets by people from outside, stop nothing.
pub fn a41_a46_packets_from_outside_block_nothing<G: GroupKeyAgreement>(make: impl Make<G>) {
    let mut group: Group<G> = Group::new(PEOPLE, 46, &make);
    // Nobody's directory holds this one.
    let stranger = make(identity(PEOPLE), Arc::new(directory(PEOPLE + 1)));
    let mut at = 0_u64;
    life(&mut group, &mut |group, due| {
        at += 1;
        let mut noise = vec![0; 40 * at as usize];
        let mut random = rng::seeded(at);
        concilium_core::RandomSource::fill(&mut random, &mut noise).expect("a seeded source works");
        assert_does_not_count(group, &forged(due, &due.from, noise.clone()), "A-41");

        let mut data = group.data(&name(1), &names(0..3));
        let session = group.session().clone();
        data.before = [name(PEOPLE)].into_iter().collect();
        data.after = names(0..=PEOPLE);
        if let Ok((packet, _)) = stranger.propose(None, data, &mut Context::new(Time::ZERO, &mut random)) {
            let everyone: Vec<MemberId> = group.people.keys().cloned().collect();
            for who in &everyone {
                assert_not_counted_by(group, who, &forged(due, &name(PEOPLE), packet.clone()), "A-46");
            }
        }
        // Someone known, who is not a member, starts an operation of the members.
        let members = group.members.clone();
        for outside in (0..PEOPLE).filter(|n| !members.contains(&name(*n))) {
            let mut data = group.data(&name(outside), &names(0..PEOPLE));
            data.before = group.members.clone();
            let packet = signed::seal(&identity(outside), &session, Role::Initial(data), noise.clone());
            let packet = packet.expect("a short packet");
            assert_does_not_count(group, &forged(due, &name(outside), packet), "A-46");
        }
    });
}

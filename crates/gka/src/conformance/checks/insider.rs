//! Attacks by members: their packets are authentic, and say what no honest member would.
//!
//! For key agreements whose packets are those of [`crate::signed`]; others find their own ways to speak
//! for a corrupt member.

use std::collections::BTreeSet;

use crate::{AssociatedData, GroupKeyAgreement, Identity, Role, signed};
use concilium_core::{ChainHash, MemberId, MemberSet, MessageId, PacketId, SessionName};

use crate::conformance::{Echo, Group, Make, Reaction, directory, identity};
use concilium_core::testing::{name, names};

/// The identity of one of the people, by name.
fn identity_of(who: &MemberId) -> Identity {
    (0..64)
        .map(identity)
        .find(|identity| identity.member() == who)
        .expect("one of the people")
}

/// The same packet, changed and signed again by its author, if it is a signed one.
pub fn resigned(
    group_session: &SessionName,
    echo: &Echo,
    change: impl FnOnce(Role, Vec<u8>) -> (Role, Vec<u8>),
) -> Option<Vec<u8>> {
    let opened = signed::open(&echo.bytes, group_session, &echo.from, &directory(64)).ok()?;
    let (author, role, payload) = opened.into_parts();
    let (role, payload) = change(role, payload);
    signed::seal(&identity_of(&author), group_session, role, payload).ok()
}

/// How long the packet's payload is, if it is a signed one.
pub(super) fn payload_len(session: &SessionName, echo: &Echo) -> Option<usize> {
    let opened = signed::open(&echo.bytes, session, &echo.from, &directory(64)).ok()?;
    Some(opened.payload().len())
}

/// An operation of each kind, in a group of which people 0 to 2 are the members.
pub(super) fn operations() -> [(usize, MemberSet); 4] {
    [
        (0, names([0, 1, 2])),
        (1, names([1, 2])),
        (2, names([0, 1, 2, 3, 4])),
        (1, names([1, 2, 3])),
    ]
}

/// Runs an operation in which the packet number `at` is changed by its author. Returns who finished, who
/// noticed, or none if the operation has fewer packets.
fn corrupted<G: GroupKeyAgreement>(
    make: impl Make<G>,
    (by, after): &(usize, MemberSet),
    at: usize,
    change: impl FnOnce(&[Echo], Role, Vec<u8>) -> (Role, Vec<u8>),
) -> Option<(Group<G>, BTreeSet<MemberId>, BTreeSet<MemberId>)> {
    let mut group: Group<G> = Group::new(5, 66, make);
    group.run(&name(0), &names(0..3));
    let packet = group.propose(&name(*by), after).expect("a proposal is made");
    let mut queue = vec![group.echo(&name(*by), packet)];
    let (mut change, mut position) = (Some(change), 0);
    let (mut finished, mut failed) = (BTreeSet::new(), BTreeSet::new());
    while !queue.is_empty() {
        let mut echo = queue.remove(0);
        if position == at
            && let Some(change) = change.take()
        {
            let log = group.log.clone();
            let session = group.session().clone();
            echo.bytes = resigned(&session, &echo, |role, payload| change(&log, role, payload))?;
        }
        position += 1;
        for who in after {
            match group.deliver(who, &echo) {
                Reaction::Finished => {
                    finished.insert(who.clone());
                }
                Reaction::Refused(_) | Reaction::Closed(_) => {
                    failed.insert(who.clone());
                }
                _ => {}
            }
        }
        queue.extend(group.flush());
    }
    change.is_none().then_some((group, finished, failed))
}

/// K-7, A-06, A-40: whatever single byte a member changes in what it sends, nobody panics; those who finish
/// hold the same keys; and if one does not finish, it knows.
pub fn k07_a06_who_finishes_agrees_whatever_a_member_sends<G: GroupKeyAgreement>(make: impl Make<G>) {
    for operation in operations() {
        for at in 0.. {
            let mut len = 0;
            let Some((group, finished, _)) = corrupted(&make, &operation, at, |_, role, payload| {
                len = payload.len();
                (role, payload)
            }) else {
                break;
            };
            assert_eq!(finished.len(), operation.1.len(), "an unchanged packet counts");
            group.assert_agreed(&operation.1);
            // A sample of the bytes; each costs a whole group's life.
            for byte in (0..len).step_by(1 + len / 16) {
                let run = corrupted(&make, &operation, at, |_, role, mut payload| {
                    payload[byte] ^= 1 << (byte % 8);
                    (role, payload)
                });
                let (group, finished, noticed) = run.expect("the packet exists");
                let keys: BTreeSet<_> = finished
                    .iter()
                    .filter_map(|who| group.people[who].keys.as_ref())
                    .map(|keys| {
                        (
                            *keys.secret.expose(),
                            keys.subsession,
                            format!("{:?}", keys.verifying),
                        )
                    })
                    .collect();
                assert!(keys.len() <= 1, "K-7: two who finished hold different keys");
                let all_know = finished.is_empty() || finished.len() + noticed.len() >= operation.1.len();
                assert!(
                    all_know,
                    "A-06: some finished and some do not know: {finished:?} {noticed:?}"
                );
            }
        }
    }
}

/// K-6: no associated data but those that the proposer's payload was made for lead anywhere.
pub fn k06_changed_associated_data_lead_nowhere<G: GroupKeyAgreement>(make: impl Make<G>) {
    let changes: [fn(&mut AssociatedData); 6] = [
        |data| data.parent = PacketId::from_bytes([0xee; 32]),
        |data| data.chain = ChainHash::from_bytes([0xee; 32]),
        |data| data.latest.push(MessageId::from_bytes([0xee; 32])),
        |data| data.suite.push('x'),
        |data| {
            if !data.before.insert(name(4)) {
                data.before.remove(&name(4));
            }
        },
        |data| {
            if !data.after.insert(name(4)) {
                data.after.remove(&name(4));
            }
        },
    ];
    for operation in operations() {
        for change in changes {
            let run = corrupted(&make, &operation, 0, |_, role, payload| match role {
                Role::Initial(mut data) => {
                    change(&mut data);
                    (Role::Initial(data), payload)
                }
                role => (role, payload),
            });
            if let Some((_, finished, _)) = run {
                assert!(finished.is_empty(), "K-6: {finished:?} finish with changed data");
            }
        }
    }
}

/// K-11, A-41: payloads that are empty, cut, prolonged, of one byte throughout, of an unknown kind, or
/// another packet's finish nothing.
pub fn k11_a41_odd_payloads_finish_nothing<G: GroupKeyAgreement>(make: impl Make<G>) {
    type Odd = fn(Vec<u8>) -> Vec<u8>;
    let odd: [Odd; 6] = [
        |_| Vec::new(),
        |payload| payload[..payload.len() - 1].to_vec(),
        |payload| [payload.as_slice(), &[0]].concat(),
        |payload| vec![0; payload.len()],
        |payload| vec![0xff; payload.len()],
        |mut payload| {
            payload[0] = 200;
            payload
        },
    ];
    for operation in operations() {
        for at in 0..4 {
            for change in odd {
                let run = corrupted(&make, &operation, at, |_, role, payload| (role, change(payload)));
                if let Some((_, finished, _)) = run {
                    assert!(
                        finished.is_empty(),
                        "K-11: {finished:?} finish with an odd payload"
                    );
                }
            }
            let run = corrupted(&make, &operation, at, |log, role, payload| {
                let session = SessionName::new("tea").expect("a short name");
                let other = log.iter().rev().find_map(|echo| {
                    let opened = signed::open(&echo.bytes, &session, &echo.from, &directory(64)).ok()?;
                    let (_, _, other) = opened.into_parts();
                    (other != payload).then_some(other)
                });
                (role, other.unwrap_or_default())
            });
            if let Some((_, finished, _)) = run {
                assert!(
                    finished.is_empty(),
                    "K-9: {finished:?} finish with another packet's payload"
                );
            }
        }
    }
}

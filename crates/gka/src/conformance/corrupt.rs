//! Operations in which members send what no honest member would, for the tests of key agreements whose
//! packets are those of [`crate::signed`].

use std::collections::BTreeMap;

use crate::{Failure, GroupKeyAgreement, Reason, ReceiveError, signed};
use concilium_core::{MemberId, MemberSet};

use super::checks::resigned;
use super::{Echo, Group, Make, Reaction, directory};
use concilium_core::testing::{name, names};

/// Each member's first reaction that is not going on.
pub type Ends = BTreeMap<MemberId, Reaction>;

/// The packet with another payload, signed by its author.
///
/// # Panics
/// It is no signed packet, or by none of the kit's people.
#[must_use]
pub fn resealed<G: GroupKeyAgreement>(
    group: &Group<G>,
    echo: &Echo,
    payload: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> Echo {
    let bytes = resigned(group.session(), echo, |role, bytes| (role, payload(bytes)));
    Echo {
        bytes: bytes.expect("a signed packet"),
        ..echo.clone()
    }
}

/// Runs an operation in which `corrupt` may replace the packets, given by number, for everybody.
pub fn run_corrupted<G: GroupKeyAgreement>(
    group: &mut Group<G>,
    by: usize,
    after: &MemberSet,
    mut corrupt: impl FnMut(&Group<G>, usize, Echo) -> Echo,
) -> Ends {
    run_lying(group, by, after, |group, number, echo| {
        let echo = corrupt(group, number, echo);
        (echo.clone(), echo)
    })
}

/// The same with a packet for its author and one for everybody else: a corrupt author goes on as if it had
/// said what it should.
pub fn run_lying<G: GroupKeyAgreement>(
    group: &mut Group<G>,
    by: usize,
    after: &MemberSet,
    mut lie: impl FnMut(&Group<G>, usize, Echo) -> (Echo, Echo),
) -> Ends {
    let packet = group.propose(&name(by), after).expect("a proposal is made");
    let mut queue = vec![group.echo(&name(by), packet)];
    let (mut ends, mut number) = (Ends::new(), 0);
    while !queue.is_empty() {
        let echo = queue.remove(0);
        let (own, others) = lie(group, number, echo);
        number += 1;
        for who in after {
            let echo = if *who == own.from { &own } else { &others };
            let reaction = group.deliver(who, echo);
            let goes_on = matches!(
                reaction,
                Reaction::Continued(_) | Reaction::Ignored | Reaction::NotForUs
            );
            if !goes_on {
                ends.entry(who.clone()).or_insert(reaction);
            }
        }
        queue.extend(group.flush());
    }
    ends
}

/// The reaction to a packet with which the operation fails.
#[must_use]
pub fn failed(culprit: Option<usize>, reason: Reason, ends: bool) -> Reaction {
    Reaction::Refused(ReceiveError::Failed(Failure {
        culprit: culprit.map(name),
        reason,
        ends,
    }))
}

/// Nobody has finished.
///
/// # Panics
/// Somebody has.
pub fn nobody_finishes(ends: &Ends) {
    assert!(!ends.values().any(|end| *end == Reaction::Finished), "{ends:?}");
}

/// Where the values of 32 bytes start in a payload: elements, keys, hashes, nonces, MACs. From the end all of
/// them are as far apart as they are long.
fn places(payload: &[u8]) -> impl Iterator<Item = usize> {
    (1..=payload.len() / 32).map(|n| payload.len() - 32 * n)
}

fn payload<G: GroupKeyAgreement>(group: &Group<G>, echo: &Echo) -> Vec<u8> {
    let opened = signed::open(&echo.bytes, group.session(), &echo.from, &directory(64));
    opened.expect("a signed packet").into_parts().2
}

/// each value of 32 bytes that one run of an operation sends, in the place of each that another run
/// sends: of the same people, in the same session or in another one. The author of the packet vouches for it
/// and goes on. No honest member finishes.
///
/// For operations of several packets, which take everybody's confirmation. Returns how many splices were
/// tried.
///
/// # Panics
/// Somebody finishes.
pub fn spliced_values_finish_nothing<G: GroupKeyAgreement>(
    make: impl Make<G>,
    session: &str,
    before: &MemberSet,
    after: &MemberSet,
) -> usize {
    let group = |session: &str, seed: u64| {
        let mut group: Group<G> = Group::named(session, 6, seed, &make);
        group.run(&name(0), before);
        group
    };
    let mut other = group(session, 2);
    let earlier = other.log.len();
    other.run(&name(0), after);
    let values: Vec<[u8; 32]> = (other.log.iter().skip(earlier))
        .flat_map(|echo| {
            let payload = payload(&other, echo);
            let values: Vec<_> = places(&payload)
                .filter_map(|at| payload[at..].first_chunk().copied())
                .collect();
            values
        })
        .collect();

    let mut honest = group("tea", 1);
    let earlier = honest.log.len();
    honest.run(&name(0), after);
    let packets = honest.log.split_off(earlier);
    let mut tried = 0;
    for (at, packet) in packets.iter().enumerate() {
        let payload = payload(&honest, packet);
        for place in places(&payload) {
            // What both runs have there, as the base point, is no splice.
            let changes = |value: &&[u8; 32]| !payload[place..].starts_with(*value);
            for value in values.iter().filter(changes) {
                let mut group = group("tea", 1);
                let ends = run_lying(&mut group, 0, after, |group, number, echo| {
                    let lie = if number == at {
                        resealed(group, &echo, |mut payload| {
                            payload[place..place + 32].copy_from_slice(value);
                            payload
                        })
                    } else {
                        echo.clone()
                    };
                    (echo, lie)
                });
                for (who, end) in &ends {
                    assert!(
                        *who == packet.from || *end != Reaction::Finished,
                        "A-01: {who} finishes with a value of another run in packet {at} at {place}"
                    );
                }
                tried += 1;
            }
        }
    }
    tried
}

/// A-01 for a founding and for an operation with one joiner, within a session and across two.
///
/// # Panics
/// Somebody finishes.
pub fn splices_of_all_kinds_finish_nothing<G: GroupKeyAgreement>(make: impl Make<G>) {
    for session in ["tea", "rum"] {
        for (before, after) in [(names(0..1), names(0..3)), (names(0..2), names(0..3))] {
            let tried = spliced_values_finish_nothing(&make, session, &before, &after);
            assert!(tried > 100, "{tried} splices");
        }
    }
}

//! Corrupt members, and thieves of identity keys.

use super::*;
use concilium_core::keys::SigningKey;
use concilium_core::testing::rng;
use concilium_core::{Context, Secret, Time};
use concilium_gka::{GroupKeyAgreement as _, OpenError, ProposeError};
use concilium_gka_dh::Confirmation;
use concilium_gka_dh::{Contribution, Element};

/// A point that no honest member computed: a known multiple of the base point.
fn known_multiple(seed: u64) -> Element {
    let mut random = rng::seeded(seed);
    let factor = Contribution::random(&mut Context::new(Time::ZERO, &mut random)).unwrap();
    factor.raise_all(&[Element::BASE]).unwrap()[0]
}

fn replace(bytes: &[u8], from: &[u8; 32], to: &[u8; 32]) -> Vec<u8> {
    let at = bytes.windows(32).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + 32..]].concat()
}

/// How many elements each packet of an establishment of four has.
const ELEMENTS: [usize; 4] = [2, 3, 4, 4];

#[test]
fn a03_k11_bad_encodings_in_any_slot_at_any_stage_do_not_open() {
    let mut negative = [0; 32];
    negative[0] = 1;
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    for bad in [[0; 32], negative, prime, [0xff; 32]] {
        for (at, elements) in ELEMENTS.into_iter().enumerate() {
            for slot in 0..elements {
                let mut group = Group::new(8, 1, Cliques::new);
                let ends = run_corrupted(&mut group, 0, &names(0..4), |group, number, echo| {
                    if number != at {
                        return echo;
                    }
                    let honest = flow(&mut content(group, &echo)).unwrap().elements[slot];
                    resealed(group, &echo, |bytes| replace(&bytes, honest.as_bytes(), &bad))
                });
                let refused = Reaction::Closed(OpenError::Invalid(Reason::BadElement));
                assert_eq!(ends.len(), 4);
                assert!(ends.values().all(|end| *end == refused), "{ends:?}");
            }
        }
    }
}

/// A canonical encoding of no point: RFC 9496, appendix A.2.
fn no_point() -> Element {
    let hex = "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371";
    let bytes = std::array::from_fn(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap());
    // The first of the list is negative, too; this makes it even and keeps it off the curve.
    let even = (0..=u8::MAX).step_by(2).find_map(|low| {
        let mut bytes: [u8; 32] = bytes;
        bytes[0] = low;
        let element = Element::from_bytes(bytes)?;
        known_multiple_fails(&element).then_some(element)
    });
    even.unwrap()
}

fn known_multiple_fails(element: &Element) -> bool {
    let mut random = rng::seeded(5);
    let factor = Contribution::random(&mut Context::new(Time::ZERO, &mut random)).unwrap();
    factor.raise(element).is_err()
}

#[test]
fn a03_c10_what_is_no_point_is_found_by_who_computes_with_it_and_its_maker_named() {
    // In the upflow of member 1, who is named by member 2, whose turn it is.
    let mut group = Group::new(8, 1, Cliques::new);
    let ends = run_corrupted(&mut group, 0, &names(0..4), |group, number, echo| match number {
        1 => altered(group, &echo, |content| {
            flow(content).unwrap().elements[0] = no_point()
        }),
        _ => echo,
    });
    assert_eq!(ends[&name(2)], failed(Some(1), Reason::BadElement, false));
    nobody_finishes(&ends);

    // In the downflow, in the slot of member 1.
    let mut group = Group::new(8, 1, Cliques::new);
    let ends = run_corrupted(&mut group, 0, &names(0..4), |group, number, echo| match number {
        3 => altered(group, &echo, |content| {
            flow(content).unwrap().elements[1] = no_point()
        }),
        _ => echo,
    });
    assert_ne!(ends[&name(1)], Reaction::Finished);
    nobody_finishes(&ends);
}

/// Makes an initiator's refresh with another slot for one member, and the confirmation that fits it.
fn corrupt_refresh(group: &mut Group, by: usize, victim: usize, slot: Element) -> Ends {
    let after = group.members.clone();
    let keys = group.people[&name(by)]
        .gka
        .restore_state(&concilium_gka::Export::export(
            group.people[&name(by)].state.as_ref().unwrap(),
        ));
    let state = keys.unwrap();
    run_corrupted(group, by, &after, |group, _, echo| {
        let data = group.data(&name(by), &after);
        let proposal = group.people[&name(by)].proposal.as_ref().unwrap();
        altered(group, &echo, |content| {
            let Content::Initial {
                base,
                body: Body::Downflow(flow, confirmation),
            } = content
            else {
                panic!("a refresh is one packet");
            };
            let order = crate::agreement::SlotOrder::of(&data);
            flow.elements[victim] = slot;
            let course = crate::course::Course {
                data: &data,
                base: base.as_ref(),
                order: &order,
                nonces: &[flow.nonce],
                slots: &flow.elements,
                initial: None,
            };
            let shared = proposal
                .contribution
                .raise(state.slot(&name(by)).unwrap())
                .unwrap();
            let keys = concilium_gka_dh::Keys::derive(course.transcript(), &*shared);
            *confirmation = keys.confirm(&name(by), &proposal.prepared.as_ref().unwrap().1);
        })
    })
}

#[test]
fn a05_a06_c10_the_victim_of_a_one_packet_operation_knows_and_names_the_initiator() {
    for slot in [known_multiple(1), no_point()] {
        let mut group = established(4);
        let before = group.member(&name(2)).export();
        let ends = corrupt_refresh(&mut group, 1, 2, slot);
        let reason = if slot == no_point() {
            Reason::BadElement
        } else {
            Reason::KeyMismatch
        };
        assert_eq!(ends[&name(2)], failed(Some(1), reason, true));
        assert_eq!(ends[&name(0)], Reaction::Finished, "the others cannot see it");
        assert_eq!(ends[&name(3)], Reaction::Finished);
        assert_eq!(
            group.member(&name(2)).export(),
            before,
            "K-5: its old state is whole"
        );
        // Who proposes next finds what is no point, and can exclude the member.
        let proposed = group.propose(&name(0), &names(0..4)).map(|_| ());
        let found = if slot == no_point() {
            Err(ProposeError::CorruptShare(name(2)))
        } else {
            Ok(())
        };
        assert_eq!(proposed, found);
        group.propose(&name(0), &names([0, 3])).unwrap();
    }
}

#[test]
fn a05_a_slot_that_stands_as_it_stood_is_refused() {
    let mut group = established(4);
    let stale = group.people[&name(2)]
        .state
        .as_ref()
        .unwrap()
        .slot(&name(2))
        .copied()
        .unwrap();
    let ends = corrupt_refresh(&mut group, 1, 2, stale);
    assert_eq!(ends[&name(2)], failed(Some(1), Reason::Duplicate, true));
}

#[test]
fn a05_a09_a_slot_that_stands_twice_does_not_open() {
    for (at, elements) in ELEMENTS.into_iter().enumerate() {
        let mut group = Group::new(8, 1, Cliques::new);
        let ends = run_corrupted(&mut group, 0, &names(0..4), |group, number, echo| match number {
            _ if number == at => altered(group, &echo, |content| {
                let slots = &mut flow(content).unwrap().elements;
                slots[elements - 1] = slots[0];
            }),
            _ => echo,
        });
        let refused = Reaction::Closed(OpenError::Invalid(Reason::Duplicate));
        assert!(
            ends.len() == 4 && ends.values().all(|end| *end == refused),
            "{ends:?}"
        );
    }
}

#[test]
fn a05_a06_a_known_slot_anywhere_in_an_establishment_finishes_for_nobody() {
    for (at, elements) in ELEMENTS.into_iter().enumerate() {
        for slot in 0..elements {
            let mut group = Group::new(8, 1, Cliques::new);
            let ends = run_corrupted(&mut group, 0, &names(0..4), |group, number, echo| match number {
                _ if number == at => altered(group, &echo, |content| {
                    flow(content).unwrap().elements[slot] = known_multiple(3)
                }),
                _ => echo,
            });
            nobody_finishes(&ends);
            assert!(!ends.is_empty(), "someone knows");
        }
    }
}

#[test]
fn a01_values_spliced_between_parallel_runs_finish_for_nobody() {
    concilium_gka::conformance::corrupt::splices_of_all_kinds_finish_nothing(Cliques::new);
}

#[test]
fn a05_a_known_or_stale_slot_in_any_place_when_somebody_is_included_finishes_for_nobody() {
    let after = names(0..4);
    let stale = established(3).people[&name(0)]
        .state
        .as_ref()
        .unwrap()
        .slot(&name(1))
        .copied();
    for made_up in [known_multiple(3), stale.unwrap(), Element::BASE] {
        for (at, elements) in [(0, 4), (1, 4)] {
            for slot in 0..elements {
                let mut group = established(3);
                let ends = run_corrupted(&mut group, 0, &after, |group, number, echo| match number {
                    _ if number == at => altered(group, &echo, |content| {
                        flow(content).unwrap().elements[slot] = made_up
                    }),
                    _ => echo,
                });
                nobody_finishes(&ends);
                assert!(!ends.is_empty(), "someone knows");
            }
        }
    }
}

#[test]
fn a07_members_permuted_against_slots_are_refused() {
    for n in 2..=4 {
        for order in permutations(n) {
            if order.is_sorted() {
                continue;
            }
            // The downflow of an establishment.
            let mut group = Group::new(8, 1, Cliques::new);
            let ends = run_corrupted(&mut group, 0, &names(0..n), |group, number, echo| match number {
                _ if number == n - 1 => altered(group, &echo, |content| permute(content, &order)),
                _ => echo,
            });
            nobody_finishes(&ends);

            // A refresh: whoever's slot moved notices.
            let mut group = established(n);
            let ends = run_corrupted(&mut group, 0, &names(0..n), |group, _, echo| {
                altered(group, &echo, |content| permute(content, &order))
            });
            for (place, from) in order.iter().enumerate() {
                assert!(
                    place == *from || ends[&name(place)].is_failure(),
                    "{order:?}: {ends:?}"
                );
            }
        }
    }
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(n - 1);
    let insert = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, n - 1);
        order
    };
    shorter
        .iter()
        .flat_map(|order| (0..n).map(move |at| insert(order, at)))
        .collect()
}

fn permute(content: &mut Content, order: &[usize]) {
    let flow = flow(content).unwrap();
    flow.elements = order.iter().map(|from| flow.elements[*from]).collect();
}

#[test]
fn a02_c9_an_upflow_rebuilt_with_stolen_identity_keys_is_noticed_by_its_owner() {
    // The server holds member 1's identity key and puts an upflow of its own in the place of member 1's.
    for kept_nonce in [false, true] {
        let mut group = Group::new(8, 1, Cliques::new);
        let ends = run_corrupted(&mut group, 0, &names(0..4), |group, number, echo| match number {
            1 => altered(group, &echo, |content| {
                let flow = flow(content).unwrap();
                if !kept_nonce {
                    flow.nonce = [7; 32];
                }
                flow.elements = (10..13).map(known_multiple).collect();
            }),
            _ => echo,
        });
        assert_eq!(ends[&name(1)], failed(None, Reason::ContributionChanged, false));
        nobody_finishes(&ends);
    }
}

#[test]
fn a02_c9_an_initial_packet_in_our_name_is_not_ours() {
    let mut group = established(3);
    let ends = run_corrupted(&mut group, 1, &names(0..3), |group, _, echo| {
        altered(group, &echo, |content| flow(content).unwrap().nonce = [7; 32])
    });
    assert_eq!(ends[&name(1)], failed(None, Reason::ContributionChanged, true));
}

fn confirmation(content: &mut Content) -> Option<&mut Confirmation> {
    match content {
        Content::Initial { body, .. } | Content::Later(body) => match body {
            Body::Downflow(_, confirmation) | Body::Confirmation(confirmation) => Some(confirmation),
            Body::Upflow(_) => None,
        },
        Content::Abort => None,
    }
}

#[test]
fn a13_k11_odd_signing_keys_do_not_open() {
    let mut small = [0; 32];
    small[0] = 1;
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xee, 0x7f);
    for at in [2, 3, 4] {
        for odd in [small, [0; 32], prime] {
            let mut group = Group::new(8, 1, Cliques::new);
            let ends = run_corrupted(&mut group, 0, &names(0..3), |group, number, echo| {
                if number != at {
                    return echo;
                }
                let key = confirmation(&mut content(group, &echo)).unwrap().key;
                resealed(group, &echo, |bytes| replace(&bytes, key.as_bytes(), &odd))
            });
            let refused = Reaction::Closed(OpenError::Invalid(Reason::BadKey));
            assert_eq!(ends[&name(0)], refused);
            nobody_finishes(&ends);
        }
    }
}

#[test]
fn c7_c10_confirmations_that_do_not_fit_fail_the_operation() {
    // Of three, by the last to confirm; then of two, where only one can be to blame.
    for (n, last, culprit) in [(3, 4, None), (2, 2, Some(0))] {
        type Case = (fn(&mut Confirmation), Reason, Option<usize>);
        let cases: [Case; 2] = [
            (
                |confirmation| confirmation.transcript[0] ^= 1,
                Reason::TranscriptMismatch,
                None,
            ),
            (
                |confirmation| confirmation.mac[31] ^= 1,
                Reason::KeyMismatch,
                culprit,
            ),
        ];
        for (change, reason, culprit) in cases {
            let mut group = Group::new(8, 1, Cliques::new);
            let mut author = None;
            let ends = run_corrupted(&mut group, 0, &names(0..n), |group, number, echo| {
                if number != last {
                    return echo;
                }
                author = Some(echo.from.clone());
                altered(group, &echo, |content| change(confirmation(content).unwrap()))
            });
            let author = author.unwrap();
            for (who, end) in ends {
                if who != author {
                    let sees = if who == name(n - 1) { culprit } else { None };
                    assert_eq!(end, failed(sees, reason, true), "{who}");
                }
            }
        }
    }
}

#[test]
fn c10_a_downflow_that_names_another_transcript_blames_nobody() {
    // The channel may have shown its author something else than it showed us.
    let mut group = Group::new(8, 1, Cliques::new);
    let ends = run_corrupted(&mut group, 0, &names(0..3), |group, number, echo| match number {
        2 => altered(group, &echo, |content| {
            confirmation(content).unwrap().transcript[0] ^= 1
        }),
        _ => echo,
    });
    for who in 0..2 {
        assert_eq!(ends[&name(who)], failed(None, Reason::TranscriptMismatch, false));
    }
}

#[test]
fn k11_two_members_cannot_confirm_one_key() {
    let mut group = Group::new(8, 1, Cliques::new);
    let mut first = None;
    let ends = run_corrupted(&mut group, 0, &names(0..3), |group, number, echo| match number {
        2 => {
            first = confirmation(&mut content(group, &echo)).map(|confirmation| confirmation.key);
            echo
        }
        3 => altered(group, &echo, |content| {
            confirmation(content).unwrap().key = first.unwrap()
        }),
        _ => echo,
    });
    let refused = Reaction::Refused(ReceiveError::Rejected(Reason::Duplicate));
    assert_eq!(ends[&name(2)], refused);
    nobody_finishes(&ends);
}

#[test]
fn c8_k11_a_refresh_with_a_signing_key_that_is_in_use_fails() {
    let mut group = established(3);
    let used = group.people[&name(0)]
        .keys
        .as_ref()
        .unwrap()
        .verifying
        .get(&name(2))
        .copied()
        .unwrap();
    let ends = run_corrupted(&mut group, 1, &names(0..3), |group, _, echo| {
        altered(group, &echo, |content| confirmation(content).unwrap().key = used)
    });
    assert_eq!(ends[&name(0)], failed(Some(1), Reason::Duplicate, true));
    let fresh = SigningKey::from_seed(&Secret::new([1; 32]));
    assert_ne!(*fresh.verifying_key(), used);
}

#[test]
fn c9_k05_flows_and_confirmations_out_of_turn_do_not_count() {
    let mut group = Group::new(8, 1, Cliques::new);
    let out_of_turn = Reaction::Refused(ReceiveError::Rejected(Reason::OutOfTurn));
    let mut packets = 0;
    let mut twin = Group::new(8, 1, Cliques::new);
    twin.run(&name(0), &names(0..4));
    let log = twin.log;
    group.run_watched(&name(0), &names(0..4), |group, due| {
        let at = log.iter().position(|echo| echo == due).unwrap();
        // What is due, said by everyone else: members whose turn it is not, and somebody who is none.
        if at > 0 && at < 4 {
            for author in (0..6).filter(|author| name(*author) != due.from) {
                let opened = signed::open(&due.bytes, group.session(), &due.from, &directory(8)).unwrap();
                let (_, role, payload) = opened.into_parts();
                let forged = Echo {
                    id: due.id,
                    from: name(author),
                    bytes: signed::seal(&identity(author), group.session(), role, payload).unwrap(),
                };
                for who in 0..4 {
                    let before = group.member(&name(who)).export();
                    assert_eq!(
                        group.deliver(&name(who), &forged),
                        out_of_turn,
                        "{author} at {at}"
                    );
                    assert_eq!(group.member(&name(who)).export(), before, "K-5");
                    packets += 1;
                }
            }
        }
    });
    assert_eq!(packets, 3 * 5 * 4);
    group.assert_agreed(&names(0..4));
}

#[test]
fn a09_k11_a_nonce_that_another_contributor_had_does_not_count() {
    let mut group = Group::new(8, 1, Cliques::new);
    let mut nonce = None;
    let ends = run_corrupted(&mut group, 0, &names(0..4), |group, number, echo| match number {
        0 => {
            nonce = flow(&mut content(group, &echo)).map(|flow| flow.nonce);
            echo
        }
        2 => altered(group, &echo, |content| {
            flow(content).unwrap().nonce = nonce.unwrap()
        }),
        _ => echo,
    });
    let refused = Reaction::Refused(ReceiveError::Rejected(Reason::Duplicate));
    assert!(
        ends.len() == 4 && ends.values().all(|end| *end == refused),
        "{ends:?}"
    );
}

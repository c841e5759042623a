//! Corrupt members, and thieves of identity keys. Packets of a founding of n: the initial one is number 0,
//! the hellos are 1 to n - 1, and n that tell links follow.

use super::*;
use concilium_core::wire;
use concilium_gka_dh::Element;

/// No honest member finishes: the corrupt ones may.
fn no_honest_finishes(ends: &concilium_gka::conformance::corrupt::Ends, corrupt: &[usize]) {
    for (who, end) in ends {
        let honest = !corrupt.iter().any(|n| name(*n) == *who);
        assert!(!honest || *end != Reaction::Finished, "{who} finishes");
    }
}

#[test]
fn a01_values_spliced_between_parallel_runs_finish_for_nobody() {
    concilium_gka::conformance::corrupt::splices_of_all_kinds_finish_nothing(BurmesterDesmedt::new);
}

fn replace(bytes: &[u8], from: &[u8; 32], to: &[u8; 32]) -> Vec<u8> {
    let at = bytes.windows(32).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + 32..]].concat()
}

#[test]
fn a03_k11_bad_encodings_in_any_place_do_not_open_for_anybody() {
    let mut negative = [0; 32];
    negative[0] = 1;
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    // The last is a canonical field element off the curve: here everybody computes with everything.
    let off = (2..=u8::MAX).step_by(2).find_map(|low| {
        let mut bytes = [0; 32];
        bytes[0] = low;
        let is_off = Element::from_bytes(bytes).is_some() && Point::from_bytes(bytes).is_none();
        is_off.then_some(bytes)
    });
    for bad in [[0; 32], negative, prime, [0xff; 32], off.unwrap()] {
        for at in 0..6 {
            let mut group = Group::new(3, 1, BurmesterDesmedt::new);
            let ends = run_corrupted(&mut group, 0, &names(0..3), |group, number, echo| {
                if number != at {
                    return echo;
                }
                let mut content = content(group, &echo);
                let honest = match hello(&mut content) {
                    Some(hello) => *hello.point.as_bytes(),
                    None => *links(&mut content).unwrap().difference.unwrap().as_bytes(),
                };
                resealed(group, &echo, |bytes| replace(&bytes, &honest, &bad))
            });
            let refused = Reaction::Closed(OpenError::Invalid(Reason::BadElement));
            assert!(
                ends.len() == 3 && ends.values().all(|end| *end == refused),
                "{at}: {ends:?}"
            );
        }
    }
}

#[test]
fn a05_a09_k11_a_point_or_key_that_another_member_has_does_not_count() {
    type Copy = fn(&mut Hello, &Hello);
    let copies: [Copy; 2] = [
        |own, other| own.point = other.point,
        |own, other| own.key = other.key,
    ];
    for copy in copies {
        let mut group = Group::new(3, 1, BurmesterDesmedt::new);
        let mut first = None;
        let ends = run_corrupted(&mut group, 0, &names(0..3), |group, number, echo| match number {
            0 => {
                first = hello(&mut content(group, &echo)).cloned();
                echo
            }
            2 => altered(group, &echo, |content| {
                copy(hello(content).unwrap(), first.as_ref().unwrap())
            }),
            _ => echo,
        });
        let refused = Reaction::Refused(ReceiveError::Rejected(Reason::Duplicate));
        assert!(
            ends.len() == 3 && ends.values().all(|end| *end == refused),
            "{ends:?}"
        );
    }
}

#[test]
fn a05_a06_a_known_or_stale_value_in_any_place_finishes_for_no_honest_member() {
    for n in [2, 3, 4] {
        // What the same members sent in an operation before.
        let mut stale = Vec::new();
        let mut before = Group::new(n, 1, BurmesterDesmedt::new);
        before.run_watched(&name(0), &names(0..n), |group, echo| {
            let mut content = content(group, echo);
            stale.extend(hello(&mut content).map(|hello| hello.point));
            stale.extend(links(&mut content).and_then(|links| links.difference));
        });
        stale.extend([
            known_multiple(3),
            Point::from_bytes(*Element::BASE.as_bytes()).unwrap(),
        ]);
        for value in stale {
            for at in 0..2 * n {
                let mut group = Group::new(n, 7, BurmesterDesmedt::new);
                let mut corrupt = None;
                let ends = run_lying(&mut group, 0, &names(0..n), |group, number, echo| {
                    if number != at {
                        return (echo.clone(), echo);
                    }
                    corrupt = (0..n).find(|who| name(*who) == echo.from);
                    let lie = altered(group, &echo, |content| match hello(content) {
                        Some(hello) => hello.point = value,
                        None => links(content).unwrap().difference = Some(value),
                    });
                    (echo, lie)
                });
                no_honest_finishes(&ends, &[corrupt.unwrap()]);
            }
        }
    }
}

#[test]
fn a05_b6_no_contribution_is_cancelled_by_others() {
    // Members 1 and 2 take opposite contributions, so that the sum of the links does not depend on member 0.
    let opposite = {
        let bytes = wire::encode_secret(&contribution(1));
        let scalar = curve25519_dalek::Scalar::from_canonical_bytes(bytes.as_slice().try_into().unwrap());
        wire::decode::<Contribution>((-scalar.unwrap()).as_bytes(), 32).unwrap()
    };
    let keys = |honest: u64| {
        let ring = [contribution(honest), contribution(1), opposite.clone()];
        let points: Vec<Point> = ring.iter().map(Contribution::public).collect();
        let points: Vec<&Point> = points.iter().collect();
        let pairs = [0, 1, 2].map(|at| crate::ring::Pair::agree(&ring[at], &points, at).unwrap());
        let differences = [0, 1, 2].map(|at| pairs[at].difference().unwrap());
        let circles = [0, 1, 2].map(|at| pairs[at].walk(at, &differences).unwrap().bytes().to_vec());
        assert!(
            circles[0] == circles[1] && circles[1] == circles[2],
            "B-5: all walk to the same links"
        );
        circles[0].clone()
    };
    assert_ne!(keys(8), keys(9));
}

#[test]
fn a05_a06_b4_two_who_shift_their_links_against_each_other_are_found_by_all() {
    // The differences still close the ring; what members 0 and 2 hold is not what they would compute of each
    // other.
    let shift = |group: &Group, echo: &Echo, back: bool| {
        altered(group, echo, |content| {
            let links = links(content).unwrap();
            let by = contribution(5).agree(&known_multiple(6));
            // As links: adding a point to a difference, or taking it away.
            let other = contribution(7).agree(&known_multiple(8));
            let (from, to) = if back { (&by, &other) } else { (&other, &by) };
            let delta = to.minus(from).unwrap();
            let sum = to.plus(&links.difference.unwrap()).unwrap().plus(&delta).unwrap();
            links.difference = sum.minus(to);
        })
    };
    let mut group = Group::new(4, 1, BurmesterDesmedt::new);
    let ends = run_corrupted(&mut group, 0, &names(0..4), |group, number, echo| {
        match (number >= 4, echo.from == name(1), echo.from == name(3)) {
            (true, true, _) => shift(group, &echo, false),
            (true, _, true) => shift(group, &echo, true),
            _ => echo,
        }
    });
    for who in [0, 2] {
        let end = &ends[&name(who)];
        assert_eq!(*end, failed(None, Reason::KeyMismatch, true), "{who}");
    }
    nobody_finishes(&ends);
}

#[test]
fn a02_c9_a_packet_in_our_name_that_we_did_not_send_is_noticed() {
    for at in 0..6 {
        let mut group = Group::new(3, 1, BurmesterDesmedt::new);
        let mut author = None;
        let ends = run_corrupted(&mut group, 0, &names(0..3), |group, number, echo| {
            if number != at {
                return echo;
            }
            author = Some(echo.from.clone());
            altered(group, &echo, |content| match hello(content) {
                Some(hello) => hello.point = known_multiple(4),
                None => links(content).unwrap().mac[0] ^= 1,
            })
        });
        let end = &ends[&author.unwrap()];
        assert_eq!(*end, failed(None, Reason::ContributionChanged, at == 5));
        nobody_finishes(&ends);
    }
}

#[test]
fn c7_c10_k7_confirmations_that_do_not_fit_fail_the_operation() {
    // Of three, by the last who tells its links; then of two, where only one can be to blame.
    for (n, culprit) in [(3, None), (2, Some(1))] {
        type Case = (fn(&mut Links), Reason, bool);
        let cases: [Case; 2] = [
            (
                |links| links.transcript[0] ^= 1,
                Reason::TranscriptMismatch,
                false,
            ),
            (|links| links.mac[31] ^= 1, Reason::KeyMismatch, true),
        ];
        for (change, reason, names_culprit) in cases {
            let mut group = Group::new(n, 1, BurmesterDesmedt::new);
            let ends = run_corrupted(&mut group, 0, &names(0..n), |group, _, echo| {
                let tells = links(&mut content(group, &echo)).is_some() && echo.from == name(n - 1);
                if tells {
                    altered(group, &echo, |content| change(links(content).unwrap()))
                } else {
                    echo
                }
            });
            let culprit = culprit.filter(|_| names_culprit);
            assert_eq!(ends[&name(0)], failed(culprit, reason, true));
            nobody_finishes(&ends);
        }
    }
}

#[test]
fn b8_k11_a_difference_where_none_belongs_and_none_where_one_does_do_not_count() {
    for n in [2, 3] {
        let mut group = Group::new(n, 1, BurmesterDesmedt::new);
        let ends = run_corrupted(&mut group, 0, &names(0..n), |group, number, echo| match number {
            _ if number == n => altered(group, &echo, |content| {
                let links = links(content).unwrap();
                links.difference = match links.difference {
                    Some(_) => None,
                    None => Some(known_multiple(2)),
                };
            }),
            _ => echo,
        });
        let refused = Reaction::Refused(ReceiveError::Rejected(Reason::Malformed));
        assert!(
            ends.len() == n && ends.values().all(|end| *end == refused),
            "{ends:?}"
        );
    }
}

#[test]
fn a13_k11_odd_signing_keys_do_not_open() {
    let mut small = [0; 32];
    small[0] = 1;
    for odd in [small, [0; 32]] {
        let mut group = Group::new(3, 1, BurmesterDesmedt::new);
        let ends = run_corrupted(&mut group, 0, &names(0..3), |group, number, echo| {
            if number != 1 {
                return echo;
            }
            let key = hello(&mut content(group, &echo)).unwrap().key;
            resealed(group, &echo, |bytes| replace(&bytes, key.as_bytes(), &odd))
        });
        let refused = Reaction::Closed(OpenError::Invalid(Reason::BadKey));
        assert!(
            ends.len() == 3 && ends.values().all(|end| *end == refused),
            "{ends:?}"
        );
    }
}

#[test]
fn c8_every_operation_has_new_signing_keys() {
    let mut group = Group::new(3, 1, BurmesterDesmedt::new);
    group.run(&name(0), &names(0..3));
    let first = group.people[&name(0)].keys.clone().unwrap().verifying;
    group.run(&name(0), &names(0..3));
    let second = group.people[&name(0)].keys.clone().unwrap().verifying;
    assert!(
        first
            .values()
            .all(|key| second.values().all(|other| key != other))
    );
    let fresh = SigningKey::from_seed(&Secret::new([1; 32]));
    assert!(second.values().all(|key| key != fresh.verifying_key()));
}

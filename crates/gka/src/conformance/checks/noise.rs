//! Bytes that nobody meant, in place of packets, payloads and exports: nothing panics, and no noise
//! opens.

use crate::GroupKeyAgreement;

use super::resigned;
use crate::conformance::{Echo, Group, Make};
use concilium_core::testing::{name, names};

/// Makes three property tests of what is in [`noise`](crate::conformance::checks::noise), for a key agreement
/// with packets of [`crate::signed`]. The argument is that of [`gka_conformance!`](crate::gka_conformance);
/// the crate needs `proptest`.
#[macro_export]
macro_rules! gka_noise {
    ($make:expr) => {
        ::proptest::proptest! {
            #![proptest_config(::proptest::prelude::ProptestConfig::with_cases(160))]

            #[test]
            fn a18_a40_noise_does_not_open(noise: Vec<u8>) {
                $crate::conformance::checks::noise::a18_a40_noise_does_not_open($make, &noise);
            }

            #[test]
            fn a40_signed_nonsense_panics_nowhere(
                steps in 0_usize..9,
                which: usize,
                changes in ::proptest::collection::vec(::proptest::prelude::any::<(usize, u8)>(), 0..4),
                cut: Option<usize>,
            ) {
                $crate::conformance::checks::noise::a40_signed_nonsense_panics_nowhere($make, steps, which, &changes, cut);
            }

            #[test]
            fn k13_a40_damaged_exports_panic_nowhere(
                steps in 0_usize..9,
                which: usize,
                (who, part) in (0_usize..5, 0_usize..4),
                changes in ::proptest::collection::vec(::proptest::prelude::any::<(usize, u8)>(), 1..4),
            ) {
                $crate::conformance::checks::noise::k13_a40_damaged_exports_panic_nowhere(
                    $make, steps, which, (who, part), &changes,
                );
            }
        }
    };
}

/// A group of which member 1 excludes 2 and includes 3 and 4, after so many packets of that.
fn in_the_middle<G: GroupKeyAgreement>(make: impl Make<G>, steps: usize) -> Group<G> {
    let mut group: Group<G> = Group::new(5, 40, make);
    group.run(&name(0), &names(0..3));
    let packet = group.propose(&name(1), &names([0, 1, 3, 4]));
    let mut queue = vec![group.echo(&name(1), packet.expect("a proposal is made"))];
    for step in 0..steps {
        let Some(echo) = queue.get(step).cloned() else {
            break;
        };
        deliver_to_all(&mut group, &echo);
        queue.extend(group.flush());
    }
    group
}

fn deliver_to_all<G: GroupKeyAgreement>(group: &mut Group<G>, echo: &Echo) {
    for who in 0..5 {
        let _ = group.deliver(&name(who), echo);
    }
}

/// A packet of all that were ever sent in the group.
fn any_of<G: GroupKeyAgreement>(group: &Group<G>, which: usize) -> Echo {
    group.log[which % group.log.len()].clone()
}

/// Sets these bytes.
fn damage(bytes: &mut [u8], changes: &[(usize, u8)]) {
    let len = bytes.len();
    for (at, value) in changes {
        if let Some(byte) = at.checked_rem(len).and_then(|at| bytes.get_mut(at)) {
            *byte = *value;
        }
    }
}

/// Noise is no packet, no announcement, and no export of announcements.
pub fn a18_a40_noise_does_not_open<G: GroupKeyAgreement>(make: impl Make<G>, noise: &[u8]) {
    let mut group: Group<G> = Group::new(2, 40, make);
    let session = group.session().clone();
    let gka = &mut group.member(&name(0)).gka;
    assert!(gka.open(&session, &name(1), noise).is_err(), "A-18");
    assert!(gka.learn(&session, &name(1), noise).is_err(), "A-18");
    let restores = gka.restore_announcements(noise).is_ok();
    assert!(noise.is_empty() || !restores, "A-18");
}

/// Any packet after any number of others, its payload changed and cut, and signed again by its author.
pub fn a40_signed_nonsense_panics_nowhere<G: GroupKeyAgreement>(
    make: impl Make<G>,
    steps: usize,
    which: usize,
    changes: &[(usize, u8)],
    cut: Option<usize>,
) {
    let mut group = in_the_middle(make, steps);
    let echo = any_of(&group, which);
    let bytes = resigned(group.session(), &echo, |role, mut payload| {
        damage(&mut payload, changes);
        if let Some(cut) = cut {
            payload.truncate(cut % (payload.len() + 1));
        }
        (role, payload)
    });
    let bytes = bytes.expect("a signed packet");
    deliver_to_all(&mut group, &Echo { bytes, ..echo });
}

/// A part of what a member exports, changed: if it restores, the member goes on with it.
pub fn k13_a40_damaged_exports_panic_nowhere<G: GroupKeyAgreement>(
    make: impl Make<G>,
    steps: usize,
    which: usize,
    (who, part): (usize, usize),
    changes: &[(usize, u8)],
) {
    let mut group = in_the_middle(make, steps);
    let echo = any_of(&group, which);
    let member = group.member(&name(who));
    let mut export = member.export().swap_remove(part);
    damage(&mut export, changes);
    let gka = &mut member.gka;
    match part {
        0 => member.state = gka.restore_state(&export).ok().or(member.state.take()),
        1 => member.proposal = gka.restore_proposal(&export).ok().or(member.proposal.take()),
        2 => {
            if let (Some((_, running)), Ok(restored)) =
                (&mut member.operation, gka.restore_operation(&export))
            {
                *running = restored;
            }
        }
        _ => drop(gka.restore_announcements(&export)),
    }
    let _ = group.deliver(&name(who), &echo);
    let _ = group.propose(&name(who), &names(0..3));
}

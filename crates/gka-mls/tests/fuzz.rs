//! No bytes make anything panic, whoever signed them, and none that are damaged count.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use concilium_gka::GroupKeyAgreement as _;
use concilium_gka_mls::Mls;
use concilium_testkit::gka::{Echo, Group, checks, name, names};
use proptest::prelude::*;

/// A group whose member 1 excludes 2 and includes 3 and 4; the packet that does it.
fn in_the_middle() -> (Group<Mls>, Echo) {
    let mut group: Group<Mls> = Group::new(5, 40, Mls::new);
    group.run(&name(0), &names(0..3));
    let packet = group.propose(&name(1), &names([0, 1, 3, 4])).unwrap();
    let echo = group.echo(&name(1), packet);
    (group, echo)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn a18_a40_noise_does_not_open(noise: Vec<u8>) {
        let (group, _) = in_the_middle();
        let opened = group.people[&name(0)].gka.open(group.session(), &name(1), &noise);
        prop_assert!(opened.is_err());
        let mut gka = Mls::new(concilium_testkit::gka::identity(0), std::sync::Arc::new(
            concilium_testkit::gka::directory(2),
        ));
        prop_assert!(gka.learn(group.session(), &name(1), &noise).is_err());
        prop_assert!(noise.is_empty() || gka.restore_announcements(&noise).is_err());
    }

    #[test]
    fn a40_signed_nonsense_panics_nowhere(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut: prop::sample::Index,
        cuts: bool,
    ) {
        let (mut group, echo) = in_the_middle();
        let session = group.session().clone();
        let bytes = checks::resigned(&session, &echo, |role, mut payload| {
            for (at, value) in &changes {
                let at = at.index(payload.len());
                payload[at] = *value;
            }
            if cuts {
                payload.truncate(cut.index(payload.len() + 1));
            }
            (role, payload)
        });
        let forged = Echo { bytes: bytes.unwrap(), ..echo };
        for who in 0..5 {
            let _ = group.deliver(&name(who), &forged);
        }
    }

    #[test]
    fn k13_a40_damaged_exports_do_not_restore(
        who in 0_usize..5,
        at: prop::sample::Index,
        flip in 1_u8..,
    ) {
        let (mut group, _) = in_the_middle();
        let member = group.member(&name(who));
        for (part, mut export) in member.export().into_iter().enumerate() {
            if export.is_empty() {
                continue;
            }
            let at = at.index(export.len());
            export[at] ^= flip;
            let restored = match part {
                0 => member.gka.restore_state(&export).is_ok(),
                1 => member.gka.restore_proposal(&export).is_ok(),
                2 => member.gka.restore_operation(&export).is_ok(),
                _ => member.gka.restore_announcements(&export).is_ok(),
            };
            prop_assert!(!restored, "part {part} of {who}, damaged at {at}");
        }
    }
}

//! No bytes make anything panic, whoever signed them, and none that are damaged count.

use concilium_core::testing::{name, names};
use concilium_gka::GroupKeyAgreement as _;
use concilium_gka::conformance::Group;
use concilium_gka_mls::Mls;

concilium_gka::gka_noise!(Mls::new);

#[test]
fn k13_a40_damaged_exports_do_not_restore() {
    let mut group: Group<Mls> = Group::new(5, 40, Mls::new);
    group.run(&name(0), &names(0..3));
    assert!(group.propose(&name(1), &names([0, 1, 3, 4])).is_ok());
    for member in group.people.values_mut() {
        for (part, export) in member.export().into_iter().enumerate() {
            for at in (0..export.len()).step_by(1 + export.len() / 64) {
                let mut damaged = export.clone();
                damaged[at] ^= 1 << (at % 8);
                let restored = match part {
                    0 => member.gka.restore_state(&damaged).is_ok(),
                    1 => member.gka.restore_proposal(&damaged).is_ok(),
                    2 => member.gka.restore_operation(&damaged).is_ok(),
                    _ => member.gka.restore_announcements(&damaged).is_ok(),
                };
                assert!(!restored, "part {part}, damaged at {at}");
            }
        }
    }
}

//! opening, accepting and restoring use memory in proportion to their input, whatever the input
//! announces.
//!
//! One test, because the allocator counts for the whole process.

use concilium_core::Context;
use concilium_core::testing::{
    memory::{PeakAlloc, peak},
    name, names, rng,
};
use concilium_gka::conformance::{Group, checks};
use concilium_gka::{Export as _, GroupKeyAgreement as _};
use concilium_gka_cliques::Cliques;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A member is ten bytes on the wire here; in memory it is a node of a map with keys of 200 bytes and their
/// names.
const FACTOR: usize = 40;

/// For what does not grow.
const SMALL: usize = 8 * 1024;

#[test]
fn a37_memory_is_at_most_a_constant_times_the_input() {
    for n in [2, 16, 64] {
        let mut group: Group<Cliques> = Group::established(n, 1, Cliques::new);
        let packet = group.propose(&name(0), &names(0..n)).unwrap();
        let echo = group.echo(&name(0), packet);
        let session = group.session().clone();
        let member = &group.people[&name(1)];
        let len = echo.bytes.len();
        let opening = peak(&MEMORY, || member.gka.open(&session, &echo.from, &echo.bytes));
        assert!(
            opening <= FACTOR * len + SMALL,
            "opening {len} bytes takes {opening}"
        );
        let accepting = peak(&MEMORY, || {
            let opened = member.gka.open(&session, &echo.from, &echo.bytes).unwrap();
            let mut random = rng::seeded(1);
            let mut cx = Context::new(group.now, &mut random);
            member
                .gka
                .accept(member.state.as_ref(), None, echo.id, opened, &mut cx)
        });
        assert!(
            accepting <= FACTOR * len + SMALL,
            "accepting {len} bytes takes {accepting}"
        );
        let export = member.state.as_ref().unwrap().export();
        let restoring = peak(&MEMORY, || member.gka.restore_state(&export));
        let len = export.len();
        assert!(
            restoring <= FACTOR * len + SMALL,
            "restoring {len} bytes takes {restoring}"
        );

        // Lies at every place where a length may stand.
        let opened = concilium_gka::signed::open(
            &echo.bytes,
            &session,
            &echo.from,
            &concilium_gka::conformance::directory(n),
        );
        let payload = opened.unwrap().into_parts().2;
        for at in 0..payload.len().min(200) {
            let lying = checks::resigned(&session, &echo, |role, mut payload| {
                payload.splice(at..=at, [253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
                (role, payload)
            });
            let lying = lying.unwrap();
            let opening = peak(&MEMORY, || member.gka.open(&session, &echo.from, &lying));
            assert!(
                opening <= FACTOR * lying.len() + SMALL,
                "a lie at {at} takes {opening}"
            );
        }
    }
}

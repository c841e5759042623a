//! opening, accepting and restoring use memory in proportion to their input, whatever the input
//! announces.
//!
//! One test, because the allocator counts for the whole process.

use concilium_core::Context;
use concilium_core::testing::{
    memory::{PeakAlloc, peak},
    name, names, rng,
};
use concilium_gka::conformance::{Echo, Group, Member, checks, directory};
use concilium_gka::{Export as _, GroupKeyAgreement as _, signed};
use concilium_gka_mls::Mls;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A blank node is one byte on the wire and a whole node in the library's tree.
const FACTOR: usize = 400;

/// For what does not grow with the packet but with the member's own group, of which a change makes copies.
const SMALL: usize = 256 * 1024;

/// Opens and accepts, and forgets what comes of it.
fn accept(group: &Group<Mls>, member: &Member<Mls>, echo: &Echo) {
    let Ok(opened) = member.gka.open(group.session(), &echo.from, &echo.bytes) else {
        return;
    };
    let mut random = rng::seeded(1);
    let mut cx = Context::new(group.now, &mut random);
    let _ = member
        .gka
        .accept(member.state.as_ref(), None, echo.id, opened, &mut cx);
}

#[test]
fn a37_memory_is_at_most_a_constant_times_the_input() {
    for n in [2, 16, 64] {
        let mut group: Group<Mls> = Group::new(n + 1, 1, Mls::new);
        group.run(&name(0), &names(0..n));
        let packet = group.propose(&name(0), &names(0..=n)).unwrap();
        let echo = group.echo(&name(0), packet);
        let session = group.session().clone();
        let payload = signed::open(&echo.bytes, &session, &echo.from, &directory(n + 1));
        let payload = payload.unwrap().into_parts().2;
        // As it is, and with lies at every place where a length may stand.
        let lies = (0..payload.len()).step_by(1 + payload.len() / 200).map(|at| {
            let lying = checks::resigned(&session, &echo, |role, mut payload| {
                payload.splice(at..=at, [253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
                (role, payload)
            });
            lying.unwrap()
        });
        let packets: Vec<Vec<u8>> = std::iter::once(echo.bytes.clone()).chain(lies).collect();
        for bytes in packets {
            let len = bytes.len();
            let forged = Echo {
                bytes,
                ..echo.clone()
            };
            for who in [1, n] {
                let member = &group.people[&name(who)];
                let most = peak(&MEMORY, || accept(&group, member, &forged));
                assert!(most <= FACTOR * len + SMALL, "{len} bytes take {most} of {n}");
            }
        }
        let member = &group.people[&name(1)];
        let export = member.state.as_ref().unwrap().export();
        let restoring = peak(&MEMORY, || member.gka.restore_state(&export));
        let len = export.len();
        assert!(
            restoring <= FACTOR * len + SMALL,
            "restoring {len} bytes takes {restoring}"
        );
    }
}

//! No bytes make anything panic, whoever signed them, and none that are damaged count.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use concilium_core::{Context, Time};
use concilium_gka::GroupKeyAgreement as _;
use concilium_gka_cliques::Cliques;
use concilium_testkit::gka::{Echo, Group, checks, name, names};
use concilium_testkit::rng;
use proptest::prelude::*;

/// A group whose members 0 to 2 have started to include 3 and 4, and all packets that were ever sent there, those of
/// this operation included.
fn in_the_middle(steps: usize) -> (Group<Cliques>, Vec<Echo>) {
    let mut group: Group<Cliques> = Group::new(5, 40, Cliques::new);
    group.run(&name(0), &names(0..3));
    let packet = group.propose(&name(1), &names(0..5)).unwrap();
    let mut queue = vec![group.echo(&name(1), packet)];
    for step in 0..steps.min(8) {
        let Some(echo) = queue.get(step).cloned() else {
            break;
        };
        for who in 0..5 {
            let _ = group.deliver(&name(who), &echo);
        }
        queue.extend(group.flush());
    }
    let log = group.log.clone();
    (group, log)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn a18_a40_noise_does_not_open(noise: Vec<u8>) {
        let (group, _) = in_the_middle(0);
        let opened = group.people[&name(0)].gka.open(group.session(), &name(1), &noise);
        prop_assert!(opened.is_err());
    }

    #[test]
    fn a40_signed_nonsense_panics_nowhere(
        steps in 0_usize..9,
        which: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut: prop::sample::Index,
        cuts: bool,
    ) {
        let (mut group, log) = in_the_middle(steps);
        let echo = which.get(&log).clone();
        let session = group.session().clone();
        let bytes = checks::resigned(&session, &echo, |role, mut payload| {
            for (at, value) in &changes {
                if !payload.is_empty() {
                    let at = at.index(payload.len());
                    payload[at] = *value;
                }
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
    fn k13_a40_damaged_exports_panic_nowhere(
        steps in 0_usize..9,
        which: prop::sample::Index,
        who in 0_usize..5,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (mut group, log) = in_the_middle(steps);
        let mut export = group.member(&name(who)).export().remove(2);
        prop_assume!(!export.is_empty());
        for (at, value) in &changes {
            let at = at.index(export.len());
            export[at] = *value;
        }
        let member = group.member(&name(who));
        if let Ok(operation) = member.gka.restore_operation(&export) {
            let id = member.operation.as_ref().map(|(id, _)| *id);
            member.operation = id.map(|id| (id, operation));
            let _ = group.deliver(&name(who), which.get(&log));
        }
        let state = group.member(&name(who)).export().remove(0);
        if !state.is_empty() {
            let mut state = state;
            let at = changes[0].0.index(state.len());
            state[at] = changes[0].1;
            let data = group.data(&name(who), &names(0..3));
            let gka = &group.people[&name(who)].gka;
            if let Ok(state) = gka.restore_state(&state) {
                let _ = gka.propose(Some(&state), data, &mut Context::new(Time::ZERO, &mut rng::seeded(1)));
            }
        }
    }
}

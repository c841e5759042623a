//! Sessions with moderators (O-12), and sessions that publish their keys on parting (M-9).

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use concilium_session::WarningKind;
use concilium_sim::{Cipher, Gka, Plan, Rules, Suite, Wishes, shrink, simulation};

fn all_are_good(policy: Rules, deniable: bool, faults: &str, cipher: Cipher) {
    let suite = Suite::named(Gka::Cliques, cipher);
    for seed in 0..12 {
        let wishes = Wishes {
            faults: faults.parse().unwrap(),
            policy: Some(policy),
            deniable: Some(deniable),
            ..Wishes::default()
        };
        let outcome = simulation::run(&Plan::new(seed, &wishes), &suite, false);
        let replay = shrink::replay(seed, &wishes, &suite);
        assert!(outcome.is_good(), "{replay}: {:?}", outcome.violations);
    }
}

#[test]
fn o12_t16_moderators_let_everybody_in_in_the_end() {
    all_are_good(Rules::Moderators, false, "none", Cipher::Plain);
    all_are_good(Rules::Moderators, false, "all", Cipher::Plain);
}

#[test]
fn m09_t16_published_keys_sign_nothing_and_disturb_nothing() {
    all_are_good(Rules::Everybody, true, "none", Cipher::Aead);
    all_are_good(Rules::Everybody, true, "all", Cipher::Aead);
}

#[test]
fn m09_t16_a_retired_key_is_not_forgotten_when_its_subsession_is_old() {
    // Alice parts and hears nobody acknowledge it; bob makes new keys, in which hers is the one that she has
    // retired.
    let wishes = Wishes {
        faults: "withhold".parse().unwrap(),
        all_faults: true,
        policy: Some(Rules::Everybody),
        deniable: Some(true),
        keep: concilium_sim::plan::read_numbers("8,21-23,26-27"),
        ..Wishes::default()
    };
    let plan = Plan::new(500_024, &wishes);
    let outcome = simulation::run(&plan, &Suite::named(Gka::Cliques, Cipher::Aead), false);
    assert!(outcome.is_good(), "{:?}", outcome.violations);
    assert!(outcome.warnings.contains_key(&WarningKind::FinishTimeout));
}

#[test]
fn rules_leave_the_steps_of_a_seed_as_they_were() {
    for seed in 0..20 {
        let plan = |policy, deniable| {
            let wishes = Wishes {
                policy,
                deniable,
                ..Wishes::default()
            };
            Plan::new(seed, &wishes)
        };
        let usual = plan(Some(Rules::Everybody), Some(false));
        assert!(usual.moderators.is_empty() && !usual.deniable);
        for other in [plan(Some(Rules::Moderators), Some(true)), plan(None, None)] {
            assert_eq!(other.steps, usual.steps, "{seed}");
        }
        assert!(!plan(Some(Rules::Moderators), None).moderators.is_empty());
    }
    let by_seed = |wish: fn(&Plan) -> bool| {
        let plans = (0..100).map(|seed| Plan::new(seed, &Wishes::default()));
        plans.filter(wish).count()
    };
    assert!((10..60).contains(&by_seed(|plan| plan.deniable)));
    assert!((10..60).contains(&by_seed(|plan| !plan.moderators.is_empty())));
}

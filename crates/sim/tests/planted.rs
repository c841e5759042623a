//! Bugs planted on purpose: each must be found, by the checker that is there for it. Without the bug, the
//! same runs are good.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod bent;

use concilium_sim::campaign::{self, Campaign};
use concilium_sim::plan::Act;
use concilium_sim::{Plan, Rules, Suite, Wishes, shrink, simulation};

use bent::{BentCipher, BentGka, Bug};

fn suite(bug: Bug) -> Suite {
    Suite::of::<BentGka, BentCipher>("bent", "bent", move |identity, directory| {
        BentGka::new(bug, identity, directory)
    })
}

fn wishes() -> Wishes {
    Wishes {
        members: Some(4),
        steps: 30,
        faults: "none".parse().unwrap(),
        auto_include: Some(true),
        policy: Some(Rules::Everybody),
        deniable: Some(false),
        ..Wishes::default()
    }
}

/// The rules that are broken in the runs of these seeds.
fn broken(suite: &Suite, wishes: &Wishes, seeds: std::ops::Range<u64>) -> Vec<&'static str> {
    let mut rules: Vec<_> = seeds
        .flat_map(|seed| simulation::run(&Plan::new(seed, wishes), suite, false).violations)
        .map(|violation| violation.rule)
        .collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

fn is_found(bug: Bug, rule: &str) {
    let found = broken(&suite(bug), &wishes(), SEEDS);
    assert!(found.contains(&rule), "{rule} is not among {found:?}");
}

#[test]
fn a_failing_run_is_made_smaller_and_told_with_the_command_that_repeats_it() {
    let suite = suite(Bug::GoesDeaf);
    let wishes = Wishes {
        faults: "crash,replay".parse().unwrap(),
        all_faults: true,
        ..wishes()
    };
    let campaign = Campaign {
        seed: 1,
        runs: 20,
        wishes: wishes.clone(),
        stop_at_first: true,
        shrink: true,
        trace: false,
        json: false,
    };
    let mut out = Vec::new();
    let tally = campaign::run(&campaign, &suite, &mut out).unwrap();
    assert_eq!(tally.failed, 1);
    let text = String::from_utf8(out).unwrap();
    let seed = campaign.seed + tally.runs - 1;
    assert!(text.contains(&shrink::replay(seed, &wishes, &suite)), "{text}");
    // The smaller run is told last, and is what its command says it is.
    let outcome = simulation::run(&Plan::new(seed, &wishes), &suite, false);
    let rule = outcome.violations[0].rule;
    let small = shrink::shrink(seed, &wishes, &suite, outcome);
    assert!(
        text.trim_end()
            .contains(&shrink::replay(seed, &small.wishes, &suite)),
        "{text}"
    );
    let plan = Plan::new(seed, &small.wishes);
    assert!(plan.kept().count() <= 6, "{text}");
    let again = simulation::run(&plan, &suite, false);
    assert!(
        again.violations.iter().any(|violation| violation.rule == rule),
        "{again:?}"
    );
}

/// Runs in which nothing is wrong unless something is planted.
const SEEDS: std::ops::Range<u64> = 0..6;

#[test]
fn without_a_bug_all_is_well() {
    let mut suite = suite(Bug::None);
    suite.is_secret = true;
    assert_eq!(broken(&suite, &wishes(), SEEDS), [""; 0]);
}

#[test]
fn k07_a_member_with_another_key_is_found() {
    is_found(Bug::OtherKey, "K-7");
}

#[test]
fn m05_a_member_who_reads_something_else_is_found() {
    is_found(Bug::OtherBody, "M-5");
}

#[test]
fn g01_a_message_before_its_parents_is_found() {
    // A message overtakes another only where the server reorders; the cipher that forgets parents lets it in.
    let wishes = Wishes {
        faults: "reorder".parse().unwrap(),
        all_faults: true,
        steps: 60,
        ..wishes()
    };
    let found = broken(&suite(Bug::NoParents), &wishes, 0..60);
    assert!(found.contains(&"G-1"), "{found:?}");
    let honest = broken(&suite(Bug::None), &wishes, 0..60);
    assert!(!honest.contains(&"G-1"), "{honest:?}");
}

#[test]
fn g06_an_acknowledgement_without_having_read_is_found() {
    is_found(Bug::AcksUnread, "G-6");
}

#[test]
fn k12_keys_that_outlive_a_membership_are_found() {
    is_found(Bug::OneKey, "K-12");
}

#[test]
fn a40_a_panic_is_found_and_told() {
    is_found(Bug::Panics, "A-40");
}

#[test]
fn t16_a_member_that_stops_reading_is_found() {
    is_found(Bug::GoesDeaf, "T-16");
}

#[test]
fn l08_a_member_that_answers_with_floods_is_found() {
    is_found(Bug::Floods, "L-8");
}

#[test]
fn a37_a39_a_member_that_keeps_too_much_is_found() {
    // In the first run already; a megabyte in every snapshot makes each of them long.
    let found = broken(&suite(Bug::Hoards), &wishes(), 0..1);
    assert!(found.contains(&"A-37"), "{found:?}");
}

#[test]
fn a18_a_rejected_packet_that_changes_state_is_found() {
    let wishes = Wishes {
        faults: "forge,flip".parse().unwrap(),
        all_faults: true,
        ..wishes()
    };
    let found = broken(&suite(Bug::Counts), &wishes, SEEDS);
    assert!(found.contains(&"A-18"), "{found:?}");
    let honest = broken(&suite(Bug::None), &wishes, SEEDS);
    assert!(!honest.contains(&"A-18"), "{honest:?}");
}

#[test]
fn k13_a_process_that_does_not_come_back_is_found() {
    let wishes = Wishes {
        faults: "crash".parse().unwrap(),
        all_faults: true,
        ..wishes()
    };
    let found = broken(&suite(Bug::NoRestore), &wishes, SEEDS);
    assert!(found.contains(&"K-13"), "{found:?}");
}

#[test]
fn t16_an_honest_member_that_is_accused_is_found() {
    // There are liars, and bob, who is mostly none of them, does what only liars do.
    let wishes = Wishes {
        faults: "insider".parse().unwrap(),
        all_faults: true,
        ..wishes()
    };
    let found = broken(&suite(Bug::Forks), &wishes, SEEDS);
    assert!(found.contains(&"T-16"), "{found:?}");
    let honest = broken(&suite(Bug::None), &wishes, SEEDS);
    assert_eq!(honest, [""; 0]);
}

#[test]
fn t16_a_driver_that_delivers_out_of_order_is_found() {
    // What the plan calls honest is not: the order is broken without the checkers being told.
    let wishes = Wishes {
        faults: "reorder".parse().unwrap(),
        all_faults: true,
        ..wishes()
    };
    let found: Vec<_> = (0..40)
        .flat_map(|seed| {
            let mut plan = Plan::new(seed, &wishes);
            for step in &mut plan.steps {
                if matches!(step.act, Act::Reorder { .. }) {
                    step.fault = None;
                }
            }
            simulation::run(&plan, &suite(Bug::None), false).violations
        })
        .map(|violation| violation.rule)
        .collect();
    assert!(found.contains(&"T-16"), "{found:?}");
}

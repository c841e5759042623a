//! A few seeds of everything, on every change; `cargo xtask sim` runs thousands.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use concilium_sim::attack::{ATTACKS, launch};
use concilium_sim::{Faults, Plan, Suite, Wishes, scale, shrink, simulation};

fn wishes(faults: &str) -> Wishes {
    Wishes {
        faults: faults.parse().unwrap(),
        all_faults: true,
        ..Wishes::default()
    }
}

fn suite(gka: &str, cipher: &str) -> Suite {
    Suite::named(gka.parse().unwrap(), cipher.parse().unwrap())
}

fn all_are_good(faults: &str, suite: &Suite, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let wishes = wishes(faults);
        let outcome = simulation::run(&Plan::new(seed, &wishes), suite, false);
        let replay = shrink::replay(seed, &wishes, suite);
        assert!(outcome.is_good(), "{replay}: {:?}", outcome.violations);
    }
}

#[test]
fn t16_nobody_is_warned_and_nobody_is_stuck_on_an_honest_channel() {
    all_are_good("none", &suite("cliques", "aead"), 0..20);
}

#[test]
fn a29_crashes_and_lost_connections_leave_nobody_behind() {
    all_are_good("crash,kick", &suite("cliques", "plain"), 0..20);
}

#[test]
fn a10_a18_a46_what_is_replayed_flipped_or_made_up_changes_nothing() {
    all_are_good("duplicate,replay,forge,flip", &suite("cliques", "plain"), 0..20);
}

#[test]
fn a05_a32_a_lying_member_harms_only_itself() {
    all_are_good("insider", &suite("cliques", "plain"), 0..20);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let suite = suite("cliques", "plain");
    let wishes = Wishes {
        faults: Faults::all(),
        ..Wishes::default()
    };
    for seed in 0..6 {
        let trace = |seed| simulation::run(&Plan::new(seed, &wishes), &suite, true).trace;
        let first = trace(seed);
        assert!(first.len() > 50, "{seed}");
        assert_eq!(first, trace(seed), "{seed}");
    }
}

#[test]
fn a24_a33_each_attack_is_noticed_by_everyone_concerned() {
    let suite = suite("cliques", "plain");
    for attack in ATTACKS {
        for seed in 0..2 {
            let noticed = launch(attack, seed, &suite).unwrap();
            assert!(noticed.launched, "{} {seed}", attack.name);
            assert_eq!(noticed.unwarned, [""; 0], "{} {seed}", attack.name);
        }
    }
}

#[test]
fn one_large_group_can_be_measured() {
    let mut out = Vec::new();
    let mut clock = || std::time::Duration::ZERO;
    let good = scale::run(20, 1, &suite("plain", "plain"), false, &mut clock, &mut out).unwrap();
    assert!(good, "{}", String::from_utf8_lossy(&out));
}

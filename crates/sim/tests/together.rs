//! Several things going wrong at once, whole groups long.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use concilium_sim::{Cipher, Fault, Faults, Gka, Plan, Suite, Wishes, shrink, simulation};

/// What shows a member things out of order, or not at all, or in a part of the group alone.
const APART: [Fault; 4] = [Fault::Reorder, Fault::Partition, Fault::Drop, Fault::Lie];

/// Every seed picks some kinds of fault, and some seeds get all of them: no split without a warning, and once
/// the faults stop everybody who wants in is in one session that works.
#[test]
fn a44_several_faults_at_once_leave_no_split_unnoticed_and_nothing_stuck() {
    let suite = Suite::named(Gka::Cliques, Cipher::Aead);
    for all_faults in [false, true] {
        for seed in 0..if all_faults { 12 } else { 30 } {
            let wishes = Wishes {
                faults: Faults(Fault::ALL.into_iter().collect()),
                all_faults,
                ..Wishes::default()
            };
            let plan = Plan::new(seed, &wishes);
            assert!(!all_faults || plan.faults.0.len() == Fault::ALL.len());
            let outcome = simulation::run(&plan, &suite, false);
            let replay = shrink::replay(seed, &wishes, &suite);
            assert!(outcome.is_good(), "{replay}: {:?}", outcome.violations);
        }
    }
}

/// Each of the kinds that part a group, with those that go with it.
#[test]
fn a44_each_fault_that_parts_the_group_is_noticed_beside_others() {
    let suite = Suite::named(Gka::Cliques, Cipher::Plain);
    for apart in APART {
        for seed in 0..8 {
            let faults = [apart, Fault::Crash, Fault::Duplicate, Fault::Replay]
                .into_iter()
                .collect();
            let wishes = Wishes {
                faults: Faults(faults),
                all_faults: true,
                ..Wishes::default()
            };
            let outcome = simulation::run(&Plan::new(seed, &wishes), &suite, false);
            let replay = shrink::replay(seed, &wishes, &suite);
            assert!(outcome.is_good(), "{replay}: {:?}", outcome.violations);
        }
    }
}

/// The server has told members wrong things about who is in the channel, and tells them nothing more about
/// it: whoever is with nobody looks for others, and is told again (T-17).
#[test]
fn t17_nobody_has_to_leave_and_come_back_by_hand() {
    // Outside, and seen by nobody; alone with somebody who is not there; outside, and told something else
    // than those who include it; in and out of a session of its own by turns. All members of a group told of
    // somebody who is not there; the same where operations are one packet, so that none fails; two who parted
    // from three, and came back in turns.
    for (gka, faults, seed) in [
        (Gka::Cliques, "lie", 500),
        (Gka::Cliques, "lie", 521),
        (Gka::Cliques, "lie", 960),
        (Gka::Cliques, "drop,reorder,partition", 331),
        (Gka::Cliques, "drop,reorder,partition", 602),
        (Gka::Cliques, "lie", 96),
        (Gka::Mls, "lie", 500_225),
        (Gka::Mls, "drop,reorder,partition", 500_104),
    ] {
        let wishes = Wishes {
            faults: faults.parse().unwrap(),
            ..Wishes::default()
        };
        let outcome = simulation::run(
            &Plan::new(seed, &wishes),
            &Suite::named(gka, Cipher::Plain),
            false,
        );
        assert!(outcome.is_good() && !outcome.by_hand, "{seed}: {outcome:?}");
    }
}

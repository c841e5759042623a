//! Runs that have failed once, each with what was wrong: they must not again. A change of how seeds become
//! plans makes other runs of them; what was wrong is held by a test of its own as well where a file is named.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use concilium_sim::{Cipher, Gka, Plan, Suite, Wishes, plan, shrink, simulation};

/// The key agreement, the seed, the faults, and the steps that are kept.
const FOUND: [(Gka, u64, &str, &str); 12] = [
    // A clock was put back ten years, and whoever waited to enter again waited that much longer.
    (Gka::Cliques, 263, "clock,lie", "9,12-13,40"),
    // An old proposal took somebody alone out of its session, to wait for those who waited for it
    // (scenarios/t11-gone-over-to-nobody.scn).
    (Gka::Cliques, 760, "lose,replay", "0-1,3-6,20,23-24"),
    // And one took a member out that was about to be excluded
    // (scenarios/a10-an-old-proposal-takes-nobody-out.scn).
    (
        Gka::Cliques,
        3929,
        "lose,duplicate,replay",
        "7,10,24-25,28-31,33,42",
    ),
    // Where only moderators exclude, nobody warned of a member that the channel did not put out.
    (Gka::Cliques, 662, "lose,partition", "6,8,12,16,25,27,35"),
    // What members had said while they were being excluded came late, when they were back, and was taken for
    // a lie.
    (Gka::Cliques, 452, "fork", "0,2,5-7,14,16,28"),
    (Gka::Cliques, 1609, "fork", "0,2-5,7,9-13,17,30,32-34,40"),
    // Whoever was being excluded put out members that had been let in again, and missed confirmations.
    (
        Gka::Cliques,
        4365,
        "restart,disconnect,kick",
        "0,2-4,6,9,11-13,15-19,22-23,25-26",
    ),
    (Gka::Cliques, 4492, "disconnect", "0-2,5,9-21,33,40,42-43"),
    // A whole inclusion was shown again: the joiner accused somebody unknown, and stayed a member of nothing.
    (Gka::Cliques, 4742, "replay", "1,15,24-26,28,41-42,44,47-48"),
    // Two who had been excluded at different times were left, and one of them expected the other to read what
    // it said.
    (Gka::Plain, 3802, "none", "3-4,9-13,15,17-18,31"),
    // What somebody had announced was shown again after it had left, and it was accused of not being able to
    // use it (`a10_k14_an_old_announcement_accuses_nobody`).
    (Gka::Mls, 500_167, "replay", "3-5,12,14,27,36,40"),
    // Whoever heard nobody for long founded a session beside that of the only member, who had nothing to say.
    (Gka::Dictator, 600_196, "none", "3-4"),
];

#[test]
fn t16_what_failed_once_does_not_again() {
    for (gka, seed, faults, keep) in FOUND {
        let suite = Suite::named(gka, Cipher::Plain);
        let wishes = Wishes {
            faults: faults.parse().unwrap(),
            all_faults: true,
            keep: plan::read_numbers(keep),
            ..Wishes::default()
        };
        let outcome = simulation::run(&Plan::new(seed, &wishes), &suite, false);
        let replay = shrink::replay(seed, &wishes, &suite);
        assert!(outcome.is_good(), "{replay}: {:?}", outcome.violations);
    }
}

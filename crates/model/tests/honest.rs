//! Everything that can happen behind an honest server, in small.

mod common;

use common::{NOTHING, by_ones, demand};
use concilium_model::{Budget, Honest, Scope};

/// Two of any proposals race one another, an abort and the parts that finish them.
#[test]
fn o4_o5_o7_o9_o11_a27_races_of_proposals_finals_and_aborts() {
    let budget = Budget {
        proposals: 2,
        aborts: 1,
        ..NOTHING
    };
    let happens = [
        "an operation with joiners finishes",
        "one packet is an operation",
        "a proposal loses to one that runs",
        "a proposal loses to one that is over",
        "a proposal names a parent that was remembered",
        "a proposal leaves out who waits",
        "an abort wins",
        "an abort comes too late",
        "a share comes too late",
        "who is being excluded sees a failure",
    ];
    demand(
        &Honest(Scope::new(3, 2, budget)).explore(None, 1),
        39_000,
        &happens,
    );
    // All of them members, none waiting: the same races of refreshes and exclusions, and one more.
    let budget = Budget {
        proposals: 3,
        ..budget
    };
    demand(
        &Honest(Scope::new(3, 3, budget)).explore(None, 1),
        50_000,
        &happens[1..4],
    );
    // One alone and two who wait.
    let budget = Budget {
        proposals: 2,
        ..budget
    };
    demand(
        &Honest(Scope::new(3, 1, budget)).explore(None, 1),
        18_000,
        &happens[..2],
    );
}

/// Members leave at any moment, and enter, also while something runs that they know nothing of.
#[test]
fn o6_o7_o8_t5_a27_leaves_and_enters_against_everything() {
    let budget = Budget {
        proposals: 2,
        aborts: 1,
        leaves: 1,
        enters: 1,
        ..NOTHING
    };
    let happens = [
        "an operation with joiners finishes",
        "a proposal finds somebody gone",
        "a proposal names a parent that was remembered",
        "a leave ends an operation",
        "an abort wins",
        "who is being excluded sees a failure",
        "a joiner follows a proposal that the members reject",
    ];
    demand(&Honest(by_ones(3, 2, budget)).explore(None, 1), 200_000, &happens);
}

/// Confirmations on their way while operations end: nobody is accused, and joiners become sure when all have
/// spoken.
#[test]
fn o8_o10_confirmations_at_any_time_accuse_nobody() {
    let budget = Budget {
        proposals: 2,
        claims: 2,
        leaves: 1,
        ..NOTHING
    };
    let happens = ["a joiner is confirmed by all", "an older operation is confirmed"];
    demand(
        &Honest(Scope::new(3, 2, budget)).explore(None, 1),
        110_000,
        &happens,
    );
}

/// Two who come and go, so that sessions end and others begin (T-11).
#[test]
fn o8_t5_t11_sessions_that_begin_and_end() {
    let budget = Budget {
        proposals: 2,
        aborts: 1,
        claims: 1,
        leaves: 2,
        enters: 2,
    };
    let happens = [
        "T-11 somebody founds a session",
        "a joiner is confirmed by all",
        "an abort wins",
    ];
    demand(
        &Honest(Scope::new(2, 1, budget)).explore(None, 1),
        120_000,
        &happens,
    );
}

/// Four, one of whom waits.
#[test]
fn o4_o6_t5_four_members() {
    let budget = Budget {
        proposals: 2,
        ..NOTHING
    };
    let happens = [
        "a proposal loses to one that runs",
        "an operation with joiners finishes",
    ];
    demand(&Honest(by_ones(4, 3, budget)).explore(None, 1), 4_600, &happens);
    let budget = Budget {
        proposals: 1,
        aborts: 1,
        leaves: 1,
        ..NOTHING
    };
    let happens = [
        "a leave ends an operation",
        "an abort wins",
        "a proposal finds somebody gone",
    ];
    demand(&Honest(by_ones(4, 3, budget)).explore(None, 1), 15_000, &happens);
}

/// What is delivered at another time to each member leads to nothing that does not happen when all hear at
/// once.
#[test]
fn o4_o5_delivery_that_lags() {
    let budget = Budget {
        proposals: 1,
        aborts: 1,
        ..NOTHING
    };
    let prompt = Scope::new(3, 2, budget);
    let lagging = Scope {
        lag: true,
        ..prompt.clone()
    };
    let prompt = Honest(prompt).explore(None, 1);
    let lagging = Honest(lagging).explore(None, 1);
    demand(&lagging, 80_000, &prompt.seen);
    assert_eq!(lagging.seen, prompt.seen);
}

//! Everything that a server can do that shows every member what it likes, in small.

mod common;

use common::{NOTHING, by_ones, demand};
use concilium_model::{Budget, Reordering, Scope};

fn once(scope: Scope) -> Reordering {
    Reordering { scope, showings: 1 }
}

/// Each of three members sees any of the packets in any order. Whoever was led to another history is found
/// out by the first exchange of confirmations, and nobody else is.
#[test]
fn a24_o5_o10_different_orders_are_found() {
    let budget = Budget {
        proposals: 2,
        aborts: 1,
        ..NOTHING
    };
    let happens = [
        "one packet is an operation",
        "a proposal loses to one that runs",
        "a proposal loses to one that is over",
        "an abort comes too late",
        "a difference is reported",
        "a claim is held, then reported",
    ];
    demand(
        &once(by_ones(3, 3, budget)).explore(Some(11), 1),
        50_000,
        &happens,
    );
    demand(
        &once(by_ones(3, 2, budget)).explore(Some(8), 1),
        50_000,
        &happens[..5],
    );
}

/// The final packet reaches some and not the others, who see an abort, or that somebody left, or nothing.
#[test]
fn a25_o5_o10_t5_a_final_packet_that_reaches_some() {
    let budget = Budget {
        proposals: 1,
        aborts: 1,
        leaves: 1,
        ..NOTHING
    };
    let happens = [
        "an operation with joiners finishes",
        "an abort wins",
        "a leave ends an operation",
        "a difference is reported",
        "a claim is held, then reported",
    ];
    demand(
        &once(by_ones(2, 1, budget)).explore(None, 1),
        1_000,
        &happens[..3],
    );
    demand(
        &once(by_ones(3, 2, budget)).explore(Some(11), 1),
        100_000,
        &happens,
    );
}

/// Everything is shown again to members who come again, and to those who have seen it.
#[test]
fn a10_a24_a26_o7_o8_what_is_shown_again() {
    let budget = Budget {
        proposals: 2,
        enters: 1,
        ..NOTHING
    };
    let happens = [
        "an operation with joiners finishes",
        "a proposal names a parent that was remembered",
        "a proposal leaves out who waits",
        "a difference is reported",
    ];
    demand(
        &once(by_ones(3, 2, budget)).explore(Some(9), 1),
        100_000,
        &happens,
    );
    let twice = Reordering {
        scope: Scope::new(2, 2, budget),
        showings: 2,
    };
    demand(
        &twice.explore(Some(11), 1),
        8_000,
        &["a proposal loses to one that is over"],
    );
}

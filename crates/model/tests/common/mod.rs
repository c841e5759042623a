//! What the tests ask of an exploration.
#![allow(dead_code, reason = "each test binary uses its own share of these")]

use concilium_model::{Budget, Findings, Scope};

/// Nothing happens.
pub(crate) const NOTHING: Budget = Budget {
    proposals: 0,
    aborts: 0,
    claims: 0,
    leaves: 0,
    enters: 0,
};

/// So many members, the first of them in the session, and operations that change one member at most.
pub(crate) fn by_ones(members: usize, grown: usize, budget: Budget) -> Scope {
    Scope {
        change: 1,
        ..Scope::new(members, grown, budget)
    }
}

/// Nothing is broken, these things happen, and there was so much to look at.
pub(crate) fn demand(findings: &Findings, states: usize, happens: &[&str]) {
    assert!(findings.failures.is_empty(), "{findings}");
    for what in happens {
        assert!(findings.seen.contains(what), "never: {what}\n{findings}");
    }
    assert!(findings.states >= states, "only {} states", findings.states);
}

//! Members who sign what is not so: the others notice, go on, and hold nobody else for the liar.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use concilium_session::WarningKind;
use concilium_sim::plan::{Act, Step, Who};
use concilium_sim::{Cipher, Fault, Gka, Lie, Outcome, Plan, Rules, Suite, Wishes, simulation};

const BOB: Who = 1;

/// Alice, bob and carol in one session, in which these things happen, and bob and carol go on talking.
fn run(acts: &[(Who, Act)]) -> Outcome {
    let wishes = Wishes {
        members: Some(3),
        faults: "none".parse().unwrap(),
        auto_include: Some(true),
        policy: Some(Rules::Everybody),
        deniable: Some(false),
        ..Wishes::default()
    };
    let mut plan = Plan::new(1, &wishes);
    plan.steps.clear();
    let mut at = Duration::ZERO;
    let mut add = |who, act: Act, wait| {
        let fault = match act {
            Act::Perjure { .. } => Some(Fault::Insider),
            _ => None,
        };
        plan.steps.push(Step { at, who, act, fault });
        at += plan.latency * wait;
    };
    (0..3).for_each(|who| add(who, Act::Join, 20));
    (0..3).for_each(|who| add(who, Act::Send { bytes: 0 }, 3));
    for (who, act) in acts {
        add(*who, act.clone(), 1);
    }
    (0..2).for_each(|_| {
        [1, 2]
            .into_iter()
            .for_each(|who| add(who, Act::Send { bytes: 0 }, 3))
    });
    plan.end = at + plan.latency * 100;
    simulation::run(&plan, &Suite::named(Gka::Cliques, Cipher::Plain), false)
}

/// Bob tells it, and then wants new keys.
fn told(lie: Lie, believes: bool) -> Outcome {
    let change = Act::Change {
        include: Vec::new(),
        exclude: Vec::new(),
    };
    run(&[(BOB, Act::Perjure { lie, believes }), (BOB, change)])
}

#[test]
fn a05_a35_no_lie_that_is_well_signed_harms_anyone_else() {
    for lie in Lie::ALL {
        for believes in [false, true] {
            let outcome = told(lie, believes);
            assert!(outcome.is_good(), "{lie:?} {believes}: {:?}", outcome.violations);
            assert!(outcome.converged.is_some(), "{lie:?} {believes}");
        }
    }
}

#[test]
fn a05_a32_a35_lies_that_show_are_noticed() {
    for (lie, kind) in [
        (Lie::UnknownParents, WarningKind::MissingParents),
        (Lie::ManyParents, WarningKind::BadMessage),
        (Lie::ParentsBeforeParents, WarningKind::BadMessage),
        (Lie::NoParents, WarningKind::AuthorFork),
        (Lie::ChainMadeUp, WarningKind::InconsistentHistory),
        (Lie::ChainOther, WarningKind::InconsistentHistory),
        (Lie::DataAfterFinish, WarningKind::BadMessage),
        (Lie::DataAfterRetiring, WarningKind::BadMessage),
        (Lie::WrongKey, WarningKind::BadMessage),
        (Lie::ProposalChain, WarningKind::InconsistentHistory),
        (Lie::Resign, WarningKind::BadShare),
    ] {
        let warned: BTreeSet<_> = told(lie, false).warnings.into_keys().collect();
        assert!(warned.contains(&kind), "{lie:?}: {warned:?}");
    }
}

#[test]
fn a35_data_that_waited_for_the_finish_before_it_is_not_shown_as_said() {
    let outcome = told(Lie::DataBeforeFinish, false);
    assert!(outcome.is_good(), "{:?}", outcome.violations);
    assert!(outcome.warnings.contains_key(&WarningKind::BadMessage));
}

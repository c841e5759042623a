//! Making a failing run smaller: first fewer kinds of fault, then fewer steps.

use std::collections::BTreeSet;

use crate::plan::write_numbers;
use crate::{Faults, Outcome, Plan, Suite, Wishes, simulation};

/// A run that is not repeated more often than this.
const MAX_RUNS: usize = 400;

/// The smallest run found that still breaks the same rule.
#[derive(Debug)]
pub struct Shrunk {
    /// What was wished for it.
    pub wishes: Wishes,
    /// How it ends.
    pub outcome: Outcome,
    /// How many runs it took.
    pub runs: usize,
}

/// Shrinks the run of this seed, which ends as `outcome` says.
#[must_use]
pub fn shrink(seed: u64, wishes: &Wishes, suite: &Suite, outcome: Outcome) -> Shrunk {
    let rule = outcome.violations.first().map(|violation| violation.rule);
    let mut best = Shrunk {
        wishes: Wishes {
            faults: Plan::new(seed, wishes).faults,
            all_faults: true,
            ..wishes.clone()
        },
        outcome,
        runs: 0,
    };
    let try_it = |best: &mut Shrunk, wishes: Wishes| -> bool {
        if best.runs >= MAX_RUNS {
            return false;
        }
        best.runs += 1;
        let outcome = simulation::run(&Plan::new(seed, &wishes), suite, false);
        let same = outcome
            .violations
            .iter()
            .any(|violation| Some(violation.rule) == rule);
        if same {
            (best.wishes, best.outcome) = (wishes, outcome);
        }
        same
    };
    for fault in best.wishes.faults.0.clone() {
        let mut faults = best.wishes.faults.0.clone();
        faults.remove(&fault);
        let wishes = Wishes {
            faults: Faults(faults),
            ..best.wishes.clone()
        };
        try_it(&mut best, wishes);
    }
    // Delta debugging: parts of the steps are left out, smaller and smaller ones.
    let mut kept: Vec<usize> = Plan::new(seed, &best.wishes)
        .kept()
        .map(|(number, _)| number)
        .collect();
    let mut part = kept.len().div_ceil(2);
    while part > 0 {
        let mut start = 0;
        let mut smaller = false;
        while start < kept.len() {
            let end = (start + part).min(kept.len());
            let rest: Vec<usize> = kept[..start].iter().chain(&kept[end..]).copied().collect();
            let wishes = Wishes {
                keep: Some(rest.iter().copied().collect()),
                ..best.wishes.clone()
            };
            if try_it(&mut best, wishes) {
                kept = rest;
                smaller = true;
            } else {
                start = end;
            }
        }
        if part == 1 && !smaller {
            break;
        }
        part = if part == 1 { 1 } else { part.div_ceil(2) };
    }
    best
}

/// The command that repeats a run exactly.
#[must_use]
pub fn replay(seed: u64, wishes: &Wishes, suite: &Suite) -> String {
    let mut command = format!("concilium sim --seed {seed} --steps {}", wishes.steps);
    if let Some(members) = wishes.members {
        command += &format!(" --members {members}");
    }
    if let Some(auto_include) = wishes.auto_include {
        command += &format!(" --auto-include {}", if auto_include { "on" } else { "off" });
    }
    if let Some(policy) = wishes.policy {
        command += &format!(" --policy {}", policy.word());
    }
    if let Some(deniable) = wishes.deniable {
        command += &format!(" --deniable {}", if deniable { "on" } else { "off" });
    }
    command += &format!(" --faults {}", wishes.faults);
    if wishes.all_faults {
        command += " --all-faults";
    }
    command += &format!(" --gka {} --cipher {}", suite.gka, suite.cipher);
    if let Some(keep) = &wishes.keep {
        command += &format!(" --keep {}", write_numbers(keep));
    }
    command
}

/// The numbers of the steps of a plan.
#[must_use]
pub fn numbers(plan: &Plan) -> BTreeSet<usize> {
    plan.kept().map(|(number, _)| number).collect()
}

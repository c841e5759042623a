//! Many runs, one seed after the other.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use concilium_session::WarningKind;
use serde_json::json;

use crate::plan::name;
use crate::shrink::{replay, shrink};
use crate::{Outcome, Plan, Reach, Suite, Wishes, simulation};

/// What to run.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The first seed.
    pub seed: u64,
    /// How many seeds.
    pub runs: u64,
    /// What is wished for each.
    pub wishes: Wishes,
    /// Whether to stop at the first run that fails.
    pub stop_at_first: bool,
    /// Whether to make failing runs smaller.
    pub shrink: bool,
    /// Whether to print what happens.
    pub trace: bool,
    /// One JSON object a line, and nothing else.
    pub json: bool,
}

/// What many runs came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Runs in which something was that must not be.
    pub failed: u64,
    /// Inputs of all sessions.
    pub inputs: u64,
    /// Packets sent.
    pub packets: u64,
    /// Simulated time.
    pub span: Duration,
    /// How long members took to come together, in broadcast latencies, for each group of faults; and whether
    /// by hand.
    pub converged: BTreeMap<(Reach, bool), Vec<f64>>,
    /// How often each kind of warning was raised, by how far the faults went.
    pub warnings: BTreeMap<(Reach, WarningKind), usize>,
    /// How often each rule was broken.
    pub broken: BTreeMap<&'static str, u64>,
    /// The most bytes that a member has sent for each that it received.
    pub most_out: f64,
}

impl Tally {
    /// Adds a run.
    pub(crate) fn add(&mut self, plan: &Plan, outcome: &Outcome) {
        let reach = plan.faults_kept().reach();
        self.runs += 1;
        self.inputs += outcome.work.inputs;
        self.packets += outcome.work.packets;
        self.span += outcome.span;
        self.most_out = self.most_out.max(outcome.most_out);
        for (kind, times) in &outcome.warnings {
            *self.warnings.entry((reach, *kind)).or_default() += times;
        }
        if let Some(span) = outcome.converged.filter(|_| outcome.wanting > 1) {
            let latencies = span.as_secs_f64() / plan.latency.as_secs_f64();
            self.converged
                .entry((reach, outcome.by_hand))
                .or_default()
                .push(latencies);
        }
        if !outcome.is_good() {
            self.failed += 1;
            let rules: std::collections::BTreeSet<_> = outcome
                .violations
                .iter()
                .map(|violation| violation.rule)
                .collect();
            for rule in rules {
                *self.broken.entry(rule).or_default() += 1;
            }
        }
    }
}

/// Runs a campaign, and tells of every run that fails, with the command that repeats it.
///
/// # Errors
/// `out` cannot be written to.
pub fn run(campaign: &Campaign, suite: &Suite, out: &mut dyn Write) -> io::Result<Tally> {
    let mut tally = Tally::default();
    for seed in campaign.seed..campaign.seed.saturating_add(campaign.runs) {
        let plan = Plan::new(seed, &campaign.wishes);
        let outcome = simulation::run(&plan, suite, campaign.trace);
        tally.add(&plan, &outcome);
        if campaign.trace && !campaign.json {
            for line in &outcome.trace {
                writeln!(out, "{line}")?;
            }
        }
        if campaign.json {
            write_json(seed, &plan, &outcome, &campaign.wishes, suite, out)?;
        }
        if !outcome.is_good() {
            if !campaign.json {
                write_failure(seed, campaign, suite, outcome, out)?;
            }
            if campaign.stop_at_first {
                break;
            }
        }
    }
    Ok(tally)
}

fn write_json(
    seed: u64,
    plan: &Plan,
    outcome: &Outcome,
    wishes: &Wishes,
    suite: &Suite,
    out: &mut dyn Write,
) -> io::Result<()> {
    let warnings: BTreeMap<&str, usize> = outcome
        .warnings
        .iter()
        .map(|(kind, times)| (kind.word(), *times))
        .collect();
    let violations: Vec<String> = outcome.violations.iter().map(ToString::to_string).collect();
    let line = json!({
        "seed": seed,
        "members": plan.members,
        "faults": plan.faults.to_string(),
        "moderators": plan.moderators.iter().map(|who| name(*who)).collect::<Vec<_>>(),
        "deniable": plan.deniable,
        "violations": violations,
        "converged_ms": outcome.converged.map(|span| span.as_millis() as u64),
        "by_hand": outcome.by_hand,
        "warnings": warnings,
        "inputs": outcome.work.inputs,
        "packets": outcome.work.packets,
        "bytes": outcome.work.bytes,
        "span_ms": outcome.span.as_millis() as u64,
        "replay": replay(seed, wishes, suite),
    });
    writeln!(out, "{line}")
}

fn write_failure(
    seed: u64,
    campaign: &Campaign,
    suite: &Suite,
    outcome: Outcome,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "seed {seed} fails:")?;
    for violation in &outcome.violations {
        writeln!(out, "  {violation}")?;
    }
    writeln!(out, "  replay: {}", replay(seed, &campaign.wishes, suite))?;
    if !campaign.shrink {
        return Ok(());
    }
    let shrunk = shrink(seed, &campaign.wishes, suite, outcome);
    let plan = Plan::new(seed, &shrunk.wishes);
    let steps: Vec<_> = plan.kept().collect();
    writeln!(
        out,
        "  smaller, {} steps of {} members (latency {:?}, full-ack {:?}, auto-include {}{}{}), found in {} runs:",
        steps.len(),
        plan.members,
        plan.latency,
        plan.latency * plan.full_ack,
        if plan.auto_include { "on" } else { "off" },
        if plan.deniable { ", deniable" } else { "" },
        moderated_by(&plan),
        shrunk.runs
    )?;
    for (number, step) in steps {
        writeln!(out, "    {number}: {step}")?;
    }
    for violation in &shrunk.outcome.violations {
        writeln!(out, "    {violation}")?;
    }
    writeln!(out, "  replay: {}", replay(seed, &shrunk.wishes, suite))
}

/// The moderators, if there are any, for a line.
fn moderated_by(plan: &Plan) -> String {
    let names: Vec<String> = plan.moderators.iter().map(|who| name(*who)).collect();
    match names.len() {
        0 => String::new(),
        _ => format!(", moderated by {}", names.join(" ")),
    }
}

/// The sum, for people.
///
/// # Errors
/// `out` cannot be written to.
pub fn write_tally(tally: &Tally, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{} runs, {} failed; {} inputs, {} packets, {:.1} simulated hours",
        tally.runs,
        tally.failed,
        tally.inputs,
        tally.packets,
        tally.span.as_secs_f64() / 3600.0
    )?;
    let by_hand = tally.converged.iter().filter(|((_, by_hand), _)| *by_hand);
    let by_hand: usize = by_hand.map(|(_, times)| times.len()).sum();
    if by_hand > 0 {
        writeln!(out, "  in {by_hand} members had to leave and come back by hand")?;
    }
    for (rule, times) in &tally.broken {
        writeln!(out, "  {rule} broken in {times} runs")?;
    }
    Ok(())
}

//! What warnings are worth, and how soon members find together: the figures of many runs.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::attack::{ATTACKS, FULL_ACKS_TO_WARN, launch};
use crate::campaign::Tally;
use crate::{Faults, Plan, Reach, Suite, Wishes, simulation};

/// What was found out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Runs on an honest channel.
    pub honest_runs: u64,
    /// Those in which any member had any warning.
    pub false_alarms: u64,
    /// For each attack: how often it was launched, and in how many runs all members concerned were warned in
    /// time.
    pub attacks: BTreeMap<&'static str, Recall>,
    /// Runs with any faults.
    pub faults: Tally,
}

impl Report {
    /// Whether there was no false alarm, no attack went unnoticed, and no run failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let noticed = self.attacks.values().all(|recall| recall.unnoticed.is_empty());
        self.false_alarms == 0 && noticed && self.faults.failed == 0
    }
}

/// How one attack was noticed.
#[derive(Clone, Debug, Default)]
pub struct Recall {
    /// Runs.
    pub launched: u64,
    /// Runs in which everyone concerned was warned in time.
    pub noticed: u64,
    /// Seeds of the others.
    pub unnoticed: Vec<u64>,
    /// When the last one was warned, in full-ack intervals.
    pub after: Vec<f64>,
}

/// Makes a report out of this many runs of each kind.
#[must_use]
pub fn make(seed: u64, runs: u64, wishes: &Wishes, suite: &Suite) -> Report {
    let mut report = Report::default();
    let honest = Wishes {
        faults: Faults::none(),
        ..wishes.clone()
    };
    for seed in seed..seed.saturating_add(runs) {
        let outcome = simulation::run(&Plan::new(seed, &honest), suite, false);
        report.honest_runs += 1;
        report.false_alarms += u64::from(!outcome.warnings.is_empty());
    }
    for attack in ATTACKS {
        let recall = report.attacks.entry(attack.name).or_default();
        for seed in seed..seed.saturating_add(runs) {
            match launch(attack, seed, suite) {
                Ok(noticed) if noticed.launched => {
                    recall.launched += 1;
                    if noticed.unwarned.is_empty() {
                        recall.noticed += 1;
                        recall
                            .after
                            .push(noticed.after.as_secs_f64() / noticed.full_ack.as_secs_f64());
                    } else {
                        recall.unnoticed.push(seed);
                    }
                }
                _ => recall.unnoticed.push(seed),
            }
        }
    }
    for seed in seed..seed.saturating_add(runs) {
        let plan = Plan::new(seed, wishes);
        let outcome = simulation::run(&plan, suite, false);
        report.faults.add(&plan, &outcome);
    }
    report
}

/// Median, 95th percentile and maximum.
fn spread(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        sorted
            .get((sorted.len().saturating_sub(1)) * percent / 100)
            .copied()
    };
    Some((at(50)?, at(95)?, at(100)?))
}

fn reach_word(reach: Reach) -> &'static str {
    match reach {
        Reach::Members => "none, or members come and go",
        Reach::Time => "lateness",
        Reach::Packets => "packets lost, doubled, made up",
        Reach::Order => "orders that differ",
        Reach::Insider => "members who lie",
    }
}

/// The report for people.
///
/// # Errors
/// `out` cannot be written to.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "Honest channel: {} runs, {} with any warning.",
        report.honest_runs, report.false_alarms
    )?;
    writeln!(out)?;
    writeln!(
        out,
        "Attacks: share of runs in which everyone concerned was warned within {FULL_ACKS_TO_WARN} full-ack intervals;"
    )?;
    writeln!(
        out,
        "when the last one was, in full-ack intervals (median, 95 %, most)."
    )?;
    for attack in ATTACKS {
        let Some(recall) = report.attacks.get(attack.name) else {
            continue;
        };
        let share = if recall.launched == 0 {
            0.0
        } else {
            recall.noticed as f64 / recall.launched as f64
        };
        let (median, most_of, most) = spread(&recall.after).unwrap_or_default();
        write!(
            out,
            "  {:<20} {share:5.3} of {:<6} {median:6.2} {most_of:6.2} {most:6.2}  {}",
            attack.name, recall.launched, attack.what
        )?;
        match recall.unnoticed.first() {
            Some(seed) => writeln!(out, "; not with seed {seed}")?,
            None => writeln!(out)?,
        }
    }
    writeln!(out)?;
    writeln!(
        out,
        "After the faults: time until everyone had found together, in broadcast latencies (median, 95 %, most)."
    )?;
    for ((reach, by_hand), times) in &report.faults.converged {
        let Some((median, most_of, most)) = spread(times) else {
            continue;
        };
        writeln!(
            out,
            "  {:<32} {:<10} {:>6} runs {median:8.1} {most_of:8.1} {most:8.1}",
            reach_word(*reach),
            if *by_hand { "by hand" } else { "by itself" },
            times.len(),
        )?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "Most bytes sent for one received: {:.2}.",
        report.faults.most_out
    )?;
    crate::campaign::write_tally(&report.faults, out)
}

/// The report for tools.
#[must_use]
pub fn json(report: &Report) -> Value {
    let attacks: BTreeMap<&str, Value> = report
        .attacks
        .iter()
        .map(|(name, recall)| {
            let (median, most_of, most) = spread(&recall.after).unwrap_or_default();
            let value = json!({
                "runs": recall.launched,
                "noticed": recall.noticed,
                "unnoticed_seeds": recall.unnoticed,
                "full_acks": { "median": median, "p95": most_of, "max": most },
            });
            (*name, value)
        })
        .collect();
    let converged: Vec<Value> = report
        .faults
        .converged
        .iter()
        .map(|((reach, by_hand), times)| {
            let (median, most_of, most) = spread(times).unwrap_or_default();
            json!({
                "faults": format!("{reach:?}").to_lowercase(),
                "by_hand": by_hand,
                "runs": times.len(),
                "latencies": { "median": median, "p95": most_of, "max": most },
            })
        })
        .collect();
    json!({
        "honest": { "runs": report.honest_runs, "with_warnings": report.false_alarms },
        "attacks": attacks,
        "converged": converged,
        "runs": report.faults.runs,
        "failed": report.faults.failed,
        "most_bytes_out_per_byte_in": report.faults.most_out,
    })
}

//! Steps with their names, outcomes and times.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The steps done so far.
#[derive(Debug, Default)]
pub(crate) struct Steps(Vec<Step>);

#[derive(Debug)]
struct Step {
    name: String,
    time: Duration,
    passed: bool,
}

impl Steps {
    /// Runs one step, says so, and notes how long it took, failed or not.
    #[expect(
        clippy::disallowed_methods,
        reason = "a tool may read the clock; only its table depends on it"
    )]
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = work();
        let time = start.elapsed();
        let passed = outcome.is_ok();
        println!("=== {name}: {} after {}", verdict(passed), clock(time));
        self.0.push(Step {
            name: name.to_owned(),
            time,
            passed,
        });
        outcome.with_context(|| name.to_owned())
    }

    /// The time of all steps together.
    pub(crate) fn total(&self) -> Duration {
        self.0.iter().map(|step| step.time).sum()
    }
}

/// The table of all steps.
impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line =
            |name: &str, time, result: &str| writeln!(f, "{name:<28} {:>8}  {result}", clock(time));
        for step in &self.0 {
            line(&step.name, step.time, verdict(step.passed))?;
        }
        let passed = self.0.iter().all(|step| step.passed);
        line("total", self.total(), verdict(passed))
    }
}

fn verdict(passed: bool) -> &'static str {
    if passed { "ok" } else { "FAILED" }
}

/// Minutes and seconds, for people.
fn clock(time: Duration) -> String {
    let tenths = (time.as_millis() + 50) / 100;
    let (minutes, tenths) = (tenths / 600, tenths % 600);
    format!("{minutes}:{:02}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_every_step_and_the_first_failure() {
        let mut steps = Steps::default();
        assert!(steps.step("good", || Ok(())).is_ok());
        let error = steps.step("bad", || anyhow::bail!("because")).unwrap_err();
        assert_eq!(format!("{error:#}"), "bad: because");
        let table = steps.to_string();
        assert_eq!(table.lines().count(), 3);
        assert_eq!(table.matches("FAILED").count(), 2, "the step and the total");
    }

    #[test]
    fn times_read_as_minutes_and_seconds() {
        assert_eq!(clock(Duration::from_millis(59_960)), "1:00.0");
        assert_eq!(clock(Duration::from_millis(61_240)), "1:01.2");
    }
}

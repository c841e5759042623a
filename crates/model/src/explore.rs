//! Explores a model and reports the findings.

use std::fmt;
use std::hash::Hash;

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

use crate::properties::{Run, reasons};

/// A state or step that breaks a rule, by a shortest way there.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The property.
    pub property: &'static str,
    /// What is wrong with the last state.
    pub reasons: Vec<String>,
    /// Every step, and the members' states after it.
    pub trace: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "broken: {}", self.property)?;
        for reason in &self.reasons {
            writeln!(f, "  {reason}")?;
        }
        write!(f, "{}", self.trace)
    }
}

/// What an exploration has found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// States that steps have led to, the same ones counted again.
    pub steps: usize,
    /// Different states.
    pub states: usize,
    /// The most steps from the beginning.
    pub depth: usize,
    /// The properties that hold everywhere.
    pub held: Vec<&'static str>,
    /// What happens somewhere.
    pub seen: Vec<&'static str>,
    /// What never happens.
    pub unseen: Vec<&'static str>,
    /// What is broken.
    pub failures: Vec<Failure>,
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (states, steps, depth) = (self.states, self.steps, self.depth);
        writeln!(f, "{states} states, {steps} steps, depth {depth}")?;
        for property in &self.held {
            writeln!(f, "  always     {property}")?;
        }
        for property in &self.seen {
            writeln!(f, "  sometimes  {property}")?;
        }
        for property in &self.unseen {
            writeln!(f, "  NEVER      {property}")?;
        }
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        Ok(())
    }
}

/// Goes through all states of the model, or those within a number of steps. Stops early if a property fails.
///
/// States are told apart by hashes of 64 bits: two of a hundred million would be taken for one with a
/// probability of less than one in three thousand.
pub fn explore<M>(model: &M, depth: Option<usize>, threads: usize) -> Findings
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Run + Hash + Clone + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq + fmt::Debug,
{
    let (mut findings, mut shortest) = search(model, depth, threads);
    // The search goes on for a while after a failure and keeps what it finds last, so look for a shorter way.
    while let Some(steps) = shortest.filter(|_| !findings.failures.is_empty()) {
        let (shorter, length) = search(model, steps.checked_sub(1), 1);
        if shorter.failures.is_empty() {
            break;
        }
        (findings.failures, shortest) = (shorter.failures, length);
    }
    findings
}

fn search<M>(model: &M, depth: Option<usize>, threads: usize) -> (Findings, Option<usize>)
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Run + Hash + Clone + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq + fmt::Debug,
{
    let mut builder = model
        .clone()
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures);
    if let Some(steps) = depth {
        // It counts the beginning as the first, and leaves out the last.
        builder = builder.target_max_depth(steps.saturating_add(2));
    }
    let checker = builder.spawn_bfs().join();
    let deepest = checker.max_depth().saturating_sub(1);
    let mut findings = Findings {
        steps: checker.state_count(),
        states: checker.unique_state_count(),
        depth: depth.map_or(deepest, |depth| deepest.min(depth)),
        held: Vec::new(),
        seen: Vec::new(),
        unseen: Vec::new(),
        failures: Vec::new(),
    };
    let mut shortest = None;
    let mut discoveries = checker.discoveries();
    for property in model.properties() {
        let name = property.name;
        let sometimes = property.expectation == Expectation::Sometimes;
        match discoveries.remove(name) {
            Some(_) if sometimes => findings.seen.push(name),
            None if sometimes => findings.unseen.push(name),
            None => findings.held.push(name),
            Some(path) => {
                shortest = shortest.into_iter().chain([steps(&path)]).min();
                findings.failures.push(Failure {
                    property: name,
                    reasons: reasons(path.last_state()),
                    trace: trace(model, path),
                });
            }
        }
    }
    (findings, shortest)
}

fn steps<S: Clone, A: Clone>(path: &Path<S, A>) -> usize
where
    Path<S, A>: Clone,
{
    path.clone().into_actions().len()
}

/// Every step, and below it everyone for whom it has changed something.
fn trace<M: Model>(model: &M, path: Path<M::State, M::Action>) -> String
where
    M::State: Run,
    M::Action: fmt::Debug,
{
    let lines = |state: &M::State| -> Vec<String> { state.members().map(ToString::to_string).collect() };
    let mut text = String::new();
    let mut before = Vec::new();
    let mut step = String::from("in the beginning");
    for (i, (state, action)) in path.into_vec().into_iter().enumerate() {
        text.push_str(&format!("{i:>4}. {step}\n"));
        let now = lines(&state);
        for line in now.iter().filter(|line| !before.contains(*line)) {
            text.push_str(&format!("        {line}\n"));
        }
        before = now;
        step = action
            .map(|action| model.format_action(&action))
            .unwrap_or_default();
    }
    text
}

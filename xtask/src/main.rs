//! Everything that the continuous integration does, for anyone to run: `cargo xtask --help`.
#![expect(
    clippy::print_stdout,
    reason = "a tool for people at a terminal; its progress is its output"
)]

mod api;
mod command;
mod steps;
mod tidy;
mod toolbox;
mod wasm;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

use command::Tool;
use steps::Steps;
use toolbox::Program;

/// What a developer of concilium runs, and the continuous integration too.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version, about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything below but the benchmarks, the model and the threats, in order, after tests, formatting,
    /// lints and licences.
    Ci {
        /// How long each fuzz target runs.
        #[arg(long, default_value_t = 5)]
        fuzz_seconds: u32,
        /// Fail if all steps together take longer.
        #[arg(long)]
        budget_minutes: Option<u64>,
    },
    /// The project's own rules that no compiler checks.
    Tidy {
        /// First bring docs/spec/pending.txt, xtask/unwrapped.txt and the lists of tests up to date.
        #[arg(long)]
        update: bool,
    },
    /// Build the library crates for wasm32-unknown-unknown.
    Wasm,
    /// Run every fuzz target for a short while.
    FuzzSmoke {
        /// How long each target runs.
        #[arg(long, default_value_t = 5)]
        seconds: u32,
    },
    /// Run the benchmarks.
    Bench {
        /// Write the figures to this file too.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Search the states of the server order; `cargo xtask model --help` has the sizes.
    #[command(disable_help_flag = true)]
    Model {
        /// Handed on.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        sizes: Vec<String>,
    },
    /// Measure what each attacker gets, and write the table into docs/security.md.
    Threats,
    /// Compare the public items of the published crates with their records in docs/api/.
    Api {
        /// Write the records anew instead.
        #[arg(long)]
        update: bool,
    },
    /// Let the second implementation of the formats, in Python, read the vectors of the specification.
    Interop,
    /// Pack the crates that are published, and build each from its package.
    Package,
    /// Build the documentation; a warning is an error.
    Doc,
    /// Run every scenario of scenarios/.
    Scenarios,
    /// Run thousands of simulations.
    Sim {
        /// A hundred thousand of them.
        #[arg(long)]
        long: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut steps = Steps::default();
    let outcome = run(arguments.task, &mut steps);
    print!("\n{steps}");
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nfailed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task, steps: &mut Steps) -> Result<()> {
    match task {
        Task::Ci {
            fuzz_seconds,
            budget_minutes,
        } => {
            ci(fuzz_seconds, steps)?;
            let budget = budget_minutes.map_or(Duration::MAX, |minutes| Duration::from_secs(60 * minutes));
            ensure!(
                steps.total() <= budget,
                "longer than the budget; make a step shorter"
            );
            Ok(())
        }
        Task::Tidy { update } => steps.step("tidy", || tidy::run(update)),
        Task::Wasm => wasm::run(steps),
        Task::FuzzSmoke { seconds } => toolbox::fuzz_smoke(seconds, steps),
        Task::Bench { json } => steps.step("bench", || toolbox::bench(json.as_deref())),
        Task::Model { sizes } => steps.step("model", || toolbox::model(&sizes)),
        Task::Threats => steps.step("threats", toolbox::threats),
        Task::Api { update } => steps.step("api", || api::run(update)),
        Task::Interop => steps.step("interop", toolbox::interop),
        Task::Package => steps.step("package", toolbox::package),
        Task::Doc => steps.step("doc", toolbox::doc),
        Task::Scenarios => steps.step("scenarios", || toolbox::scenarios(Program::Released)),
        Task::Sim { long } => toolbox::sim(Program::Released, long, steps),
    }
}

/// The cheap and the telling first, so that most failures show early; the README's test command as it stands
/// there.
fn ci(fuzz_seconds: u32, steps: &mut Steps) -> Result<()> {
    steps.step("fmt", || Tool::cargo("fmt --all --check").run())?;
    steps.step("tidy", || tidy::run(false))?;
    steps.step("test", || Tool::cargo("test --workspace").run())?;
    steps.step("clippy", || {
        Tool::cargo("clippy --workspace --all-targets -- -D warnings").run()
    })?;
    // What is default, built with what it asks for itself, nothing of which the tests of others ask for.
    steps.step("check", || Tool::cargo("check").run())?;
    steps.step("doc", toolbox::doc)?;
    steps.step("interop", toolbox::interop)?;
    steps.step("api", || api::run(false))?;
    steps.step("unused", toolbox::unused)?;
    steps.step("deny", || {
        Tool::cargo("deny --workspace check bans licenses sources").run()
    })?;
    steps.step("package", toolbox::package)?;
    wasm::run(steps)?;
    // An optimised program would take longer to build than these take, and would check less.
    steps.step("demo", || toolbox::demo(Program::Tested))?;
    steps.step("scenarios", || toolbox::scenarios(Program::Tested))?;
    toolbox::sim(Program::Tested, false, steps)?;
    toolbox::fuzz_smoke(fuzz_seconds, steps)
}

//! The steps that are one or a few calls of another program.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::command::{Tool, root, target};
use crate::steps::Steps;

/// The documentation of all crates; a warning is an error.
pub(crate) fn doc() -> Result<()> {
    Tool::cargo("doc --workspace --no-deps")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()
}

/// Dependencies that a crate names and does not use.
pub(crate) fn unused() -> Result<()> {
    Tool::new("cargo-machete")
        .run()
        .context("it takes cargo-machete: cargo install cargo-machete --locked")
}

/// Packs every crate that is published as it would be, and builds each from its package and those of the
/// others. Nothing is sent anywhere. That the registry has none of them yet does no harm.
pub(crate) fn package() -> Result<()> {
    Tool::cargo("publish --workspace --dry-run --allow-dirty --locked").run()
}

/// The second implementation of the formats, in Python, against the vectors of the specification. Runs with
/// the Python that `.ci/run` has prepared, where there is one.
pub(crate) fn interop() -> Result<()> {
    let prepared = target()?.join("reader/bin/python3");
    let python = if prepared.exists() {
        prepared
    } else {
        "python3".into()
    };
    ensure!(
        root()?.join(READER).exists(),
        "there is no {READER}, the second implementation of the formats"
    );
    // The second call damages the vectors, and demands that the first would have noticed.
    let damaged = ["-m", "unittest", "discover", "-s", "interop", "-p", "test_*.py"];
    for arguments in [&[READER, "docs/spec/vectors"][..], &damaged] {
        Tool::new(&python)
            .args(arguments)
            .run()
            .context("it takes Python with the packages of interop/requirements.txt")?;
    }
    Ok(())
}

/// The program that reads the vectors of the specification without any code of ours.
const READER: &str = "interop/check.py";

/// The command-line program, by how it was built.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    /// As people build it, which happens now if it has not yet.
    Released,
    /// As `cargo test --workspace` has left it: with assertions on, a little slower, and there already.
    Tested,
}

impl Program {
    fn tool(self) -> Result<Tool> {
        match self {
            Self::Released => Ok(Tool::cargo("run --release --")),
            Self::Tested => {
                let program = target()?.join(format!("debug/concilium{EXE_SUFFIX}"));
                ensure!(
                    program.exists(),
                    "there is no {}; build it: cargo test --workspace --no-run",
                    program.display()
                );
                Ok(Tool::new(program))
            }
        }
    }
}

/// Some members in one process, over real sockets.
pub(crate) fn demo(program: Program) -> Result<()> {
    program
        .tool()?
        .args(["demo", "--members", "5", "--messages", "20"])
        .run()
}

/// Every scenario through the command-line program.
pub(crate) fn scenarios(program: Program) -> Result<()> {
    let mut files: Vec<String> = fs::read_dir(root()?.join("scenarios"))
        .context("there is no folder scenarios/")?
        .map(|entry| Ok(format!("scenarios/{}", entry?.file_name().to_string_lossy())))
        .collect::<Result<_>>()?;
    files.retain(|file| file.ends_with(".scn"));
    files.sort();
    ensure!(!files.is_empty(), "scenarios/ holds no .scn file");
    program.tool()?.args(["scenario"]).args(files).run()
}

/// What is simulated: the faults, the key agreement, the cipher, and how many seeds of it, in thousands for
/// the long run. Real keys where they are cheap enough, and the fast cipher where faults are many.
const SIMULATIONS: [(&str, &str, &str, u32); 9] = [
    ("none", "cliques", "aead", 300),
    ("none", "plain", "plain", 200),
    ("crash,restart,disconnect,kick", "cliques", "plain", 250),
    ("duplicate,replay,forge,flip", "cliques", "aead", 200),
    ("lose,withhold,delay,stall,clock", "cliques", "plain", 250),
    ("insider,fork", "cliques", "plain", 200),
    ("lie", "cliques", "plain", 100),
    ("drop,reorder,partition", "cliques", "plain", 300),
    ("all", "cliques", "plain", 300),
];

/// Thousands of simulations; a seed that fails prints the command that repeats it.
pub(crate) fn sim(program: Program, long: bool, steps: &mut Steps) -> Result<()> {
    for (faults, gka, cipher, runs) in SIMULATIONS {
        let runs = if long { runs * 50 } else { runs };
        steps.step(&format!("sim {faults}"), || {
            program
                .tool()?
                .args(["sim", "--faults", faults, "--gka", gka, "--cipher", cipher])
                .args(["--runs", &runs.to_string()])
                .run()
        })?;
    }
    Ok(())
}

/// The benchmarks.
pub(crate) fn bench(json: Option<&Path>) -> Result<()> {
    let tool = Tool::cargo("run --release --package concilium-bench --");
    match json {
        Some(file) => tool.args([Path::new("--json"), file]).run(),
        None => tool.run(),
    }
}

/// The model checker, on runs of these sizes.
pub(crate) fn model(sizes: &[String]) -> Result<()> {
    Tool::cargo("run --release --package concilium-model --example search --")
        .args(sizes)
        .run()
}

/// The table of threats, measured; in the profile of the tests, which have built most of it.
pub(crate) fn threats() -> Result<()> {
    Tool::cargo("run --package concilium-threats --example threats -- docs/security.md").run()
}

/// Where inputs that are kept lie, a folder for each target; the fuzzer works on a copy, so that none is
/// changed.
const FUZZ_SEEDS: &str = "fuzz/corpus-seeds";

/// Every fuzz target for so many seconds, from the saved inputs. The pinned compiler does it: RUSTC_BOOTSTRAP
/// lets it take the unstable flags of the sanitizer, so that no nightly toolchain is needed. Optimised a
/// little only: for a short while, what is saved on building is more than what is lost on running.
pub(crate) fn fuzz_smoke(seconds: u32, steps: &mut Steps) -> Result<()> {
    let fuzz = || {
        Tool::cargo("fuzz")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
    };
    let mut targets = Vec::new();
    steps.step("fuzz build", || {
        ensure!(
            root()?.join("fuzz/Cargo.toml").exists(),
            "there is no fuzz/Cargo.toml"
        );
        targets = fuzz()
            .args(["list"])
            .output()
            .context("fuzzing needs cargo-fuzz: cargo install cargo-fuzz --locked")?
            .lines()
            .map(str::to_owned)
            .collect();
        ensure!(!targets.is_empty(), "fuzz/ has no target");
        fuzz().args(["build"]).run()
    })?;
    for target in &targets {
        let limit = format!("-max_total_time={seconds}");
        steps.step(&format!("fuzz {target}"), || {
            let corpus = format!("fuzz/corpus/{target}");
            copy_files(&root()?.join(FUZZ_SEEDS).join(target), &root()?.join(&corpus))?;
            // A second more than enough for one input, far less than a hang.
            fuzz()
                .args(["run", target, &corpus, "--", &limit])
                .args(["-timeout=10", "-rss_limit_mb=2048"])
                .run()
        })?;
    }
    Ok(())
}

/// Copies every file of a folder into another one, which is made if need be.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("there is no {}", from.display()))? {
        let file = entry?;
        fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}

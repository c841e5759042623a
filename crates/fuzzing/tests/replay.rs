//! The fuzz targets without a fuzzer: over every saved input, and over seeded random ones.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "checks fail by panicking, and name the input"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use concilium_fuzzing::{COVERAGE, Coverage, TARGETS, Target, random_input};

/// `fuzz/`, which is outside of this workspace.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).unwrap()
}

/// Runs a target over its saved inputs and so many random ones. A panic names the input.
fn replay(name: &str, count: u64, max: usize) {
    struct Naming(String);

    impl Drop for Naming {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("on the input {}", self.0);
            }
        }
    }

    let target = target(name);
    let saved = folder().join("corpus-seeds").join(name);
    for file in names(&saved) {
        let input = fs::read(saved.join(&file)).unwrap();
        let _naming = Naming(format!("fuzz/corpus-seeds/{name}/{file}"));
        (target.body)(&input);
    }
    for n in 0..count {
        let _naming = Naming(format!("random_input({n}, {max})"));
        (target.body)(&random_input(n, max));
    }
}

#[test]
fn a37_a40_core() {
    replay("core", 2_000, 300);
}

#[test]
fn a15_a18_a40_encryptor() {
    replay("encryptor", 600, 300);
}

#[test]
fn a18_a40_a46_gka() {
    replay("gka", 2_000, 200);
}

#[test]
fn a18_a40_a46_gka_bd() {
    replay("gka_bd", 40, 120);
}

#[test]
fn a18_a40_a46_gka_cliques() {
    replay("gka_cliques", 40, 120);
}

#[test]
fn a09_a40_gka_dh() {
    replay("gka_dh", 1_000, 200);
}

#[test]
fn a18_a40_a46_gka_mls() {
    replay("gka_mls", 40, 120);
}

#[test]
fn a40_liveness() {
    replay("liveness", 400, 400);
}

#[test]
fn a39_a40_relay_hub() {
    replay("relay_hub", 2_000, 600);
}

#[test]
fn a40_a41_relay_protocol() {
    replay("relay_protocol", 4_000, 100);
}

#[test]
fn a40_scenario() {
    replay("scenario", 2_000, 200);
}

#[test]
fn a24_a40_server_order() {
    replay("server_order", 400, 400);
}

#[test]
fn a29_a40_session() {
    replay("session", 30, 120);
}

#[test]
fn a29_a40_session_restore() {
    replay("session_restore", 100, 120);
}

#[test]
fn a34_a40_transcript() {
    replay("transcript", 400, 300);
}

#[test]
fn every_target_has_its_files() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let files: BTreeSet<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&folder().join("fuzz_targets")), files);
    assert_eq!(names(&folder().join("corpus-seeds")), targets);
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{}.rs\"", target.name)),
            "{}",
            target.name
        );
    }
}

#[test]
fn the_saved_corpus_holds_every_seed_as_generated() {
    for target in TARGETS {
        let saved = folder().join("corpus-seeds").join(target.name);
        for seed in target.seeds() {
            let bytes = fs::read(saved.join(&seed.name)).ok();
            assert_eq!(
                bytes,
                Some(seed.bytes),
                "{}/{}: cargo run -p concilium-fuzzing --example seeds",
                target.name,
                seed.name
            );
        }
    }
}

/// Every crate is fuzzed or says why not, and every target is a crate's.
#[test]
fn every_crate_has_a_target_or_a_reason_for_none() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<String> = names(&crates).into_iter().chain(["xtask".to_owned()]).collect();
    folders.retain(|name| crates.join(name).join("Cargo.toml").exists() || name == "xtask");
    let listed: Vec<&str> = COVERAGE.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, folders, "crates/fuzzing/src/coverage.rs");

    let mut fuzzed = BTreeSet::new();
    for (name, coverage) in COVERAGE {
        match coverage {
            Coverage::None(reason) => assert!(!reason.is_empty(), "{name}"),
            Coverage::By(targets) => {
                assert!(!targets.is_empty(), "{name}");
                for target in targets {
                    let rest = target.strip_prefix(&name.replace('-', "_"));
                    let is_its_own = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
                    assert!(is_its_own, "{target} is not named after {name}");
                    assert!(fuzzed.insert(*target), "{target} stands twice");
                }
            }
        }
    }
    let targets: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(fuzzed, targets, "every target is a crate's");
}

/// Every target is replayed by a test of its own: its name stands behind the attacks that the test tries.
#[test]
fn every_target_is_replayed() {
    let tests = include_str!("replay.rs");
    for target in TARGETS {
        assert!(
            tests.contains(&format!("    replay(\"{}\", ", target.name)),
            "{}",
            target.name
        );
    }
}

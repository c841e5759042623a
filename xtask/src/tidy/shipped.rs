//! What the program for people is linked with: no crate and no feature that serves tests.

use anyhow::Result;

use super::Finding;
use super::rust::{code_of, test_parts};
use super::tree::Tree;
use crate::command::{Tool, root};

/// Features with code for tests in crates that are linked.
const FOR_TESTS: [&str; 2] = ["testing", "conformance"];

/// What a crate that serves tests allows itself everywhere.
const LENIENT: [&str; 4] = [
    "clippy::unwrap_used",
    "clippy::expect_used",
    "clippy::panic",
    "clippy::indexing_slicing",
];

const PLACE: &str = "crates/cli/Cargo.toml";

/// What cargo links into the program as it is shipped: a line for each package, with its name first and its
/// features after the last bar.
pub(super) fn linked() -> Result<String> {
    Tool::cargo("tree --locked --package concilium-cli --no-default-features --edges normal --prefix none")
        .args(["--format", "{p}|{f}", "--manifest-path"])
        .args([root()?.join("Cargo.toml")])
        .output()
}

/// Finds crates and features that serve tests in what is linked.
pub(super) fn check(tree: &Tree, linked: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut cores = 0;
    for line in linked.lines() {
        let (package, features) = line.rsplit_once('|').unwrap_or((line, ""));
        let name = package.split(' ').next().unwrap_or_default();
        let Some(folder) = name.strip_prefix("concilium-") else {
            continue;
        };
        cores += usize::from(folder == "core");
        if folder.contains("test") || is_lenient(tree, folder) {
            let what = format!("the program as it is shipped links {name}, which serves tests");
            findings.push(Finding::new(PLACE, what));
        }
        for feature in features.split([',', ' ']).filter(|name| FOR_TESTS.contains(name)) {
            let what = format!("the program as it is shipped links {name} with its feature `{feature}`");
            findings.push(Finding::new(PLACE, what));
        }
    }
    // cargo names a package again wherever it is needed again.
    findings.sort();
    findings.dedup();
    if cores == 0 {
        findings.push(Finding::new(
            PLACE,
            "cargo does not say what the program is linked with",
        ));
    }
    findings
}

/// Whether a crate allows itself, outside of tests, to end with a panic wherever it likes.
fn is_lenient(tree: &Tree, folder: &str) -> bool {
    let text = tree
        .text(&format!("crates/{folder}/src/lib.rs"))
        .unwrap_or_default();
    let code = code_of(text);
    let tests = test_parts(&code).regions;
    code.match_indices("#![allow(")
        .filter(|(at, _)| !tests.iter().any(|region| region.contains(at)))
        .filter_map(|(at, _)| code.get(at..)?.split(")]").next())
        .any(|attribute| LENIENT.iter().any(|lint| attribute.contains(lint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(linked: &str) -> Vec<String> {
        let mut tree = Tree::default();
        tree.insert(
            "crates/core/src/lib.rs",
            "//! x\n#![deny(clippy::panic)]\n".to_owned(),
        );
        tree.insert(
            "crates/sim/src/lib.rs",
            "//! x\n\n#![allow(\n    clippy::panic,\n    reason = \"y\"\n)]\n".to_owned(),
        );
        check(&tree, linked).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn what_serves_tests_is_found_in_the_program() {
        let core = "concilium-core v0.1.0 (/x)|";
        assert_eq!(findings(core), [""; 0]);
        assert_eq!(
            findings("serde v1.0.0|std,testing\nconcilium-core v0.1.0 (/x)|"),
            [""; 0]
        );
        for bad in [
            "concilium-testkit v0.1.0 (/x)|",
            "concilium-test-parts v0.1.0 (/x)|",
            "concilium-sim v0.1.0 (/x)|",
            "concilium-gka v0.1.0 (/x)|conformance",
            "concilium-core v0.1.0 (/x)|testing (*)",
        ] {
            assert_eq!(findings(&format!("{core}\n{bad}")).len(), 1, "{bad}");
        }
    }

    #[test]
    fn silence_is_no_proof() {
        assert_eq!(findings("").len(), 1);
    }
}

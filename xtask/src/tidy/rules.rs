//! Every rule of the specification stands in code and in the name of a test.

use std::collections::BTreeMap;

use super::Finding;
use super::id::Id;
use super::pending::{self, Pending};
use super::tests_of::Evidence;
use super::tree::Tree;

const SPECIFICATION: &str = "docs/spec/";

/// Finds rules that are defined twice or with gaps, and rules that are held nowhere.
pub(super) fn check(tree: &Tree, evidence: &Evidence, pending: &Pending) -> Vec<Finding> {
    let (rules, mut findings) = defined(tree);
    for (id, place) in &rules {
        let due = !pending.contains(*id);
        if due && !evidence.in_source(*id) {
            findings.push(Finding::new(place, format!("no source file cites {id}")));
        }
        if due && !evidence.in_tests(*id) {
            findings.push(Finding::new(place, format!("no test bears the name of {id}")));
        }
        if !due && evidence.holds(*id) {
            findings.push(Finding::new(
                pending::FILE,
                format!("{id} is held by code and test; run `cargo xtask tidy --update`"),
            ));
        }
    }
    for id in pending
        .ids()
        .filter(|id| !id.is_attack() && !rules.contains_key(id))
    {
        findings.push(Finding::new(pending::FILE, format!("no rule {id} is defined")));
    }
    findings
}

/// The rules by their definitions: lines that start with `- **K-1**`.
pub(super) fn defined(tree: &Tree) -> (BTreeMap<Id, String>, Vec<Finding>) {
    let mut rules = BTreeMap::new();
    let mut findings = Vec::new();
    for (path, text) in tree
        .under(SPECIFICATION)
        .filter(|(path, _)| path.ends_with(".md"))
    {
        for (i, line) in text.lines().enumerate() {
            let Some(id) = line
                .strip_prefix("- **")
                .and_then(|rest| rest.split("**").next())
                .and_then(Id::read)
            else {
                continue;
            };
            let place = format!("{path}:{}", i + 1);
            if let Some(first) = rules.insert(id, place.clone()) {
                findings.push(Finding::new(place, format!("{id} is defined at {first} already")));
            }
        }
    }
    if rules.is_empty() {
        findings.push(Finding::new(SPECIFICATION, "defines no rule"));
    }
    // Ids are for ever: a rule that falls leaves a line that says so.
    let mut before: Option<Id> = None;
    for (id, place) in &rules {
        let expected = match before {
            Some(last) if last.letter() == id.letter() => last.number() + 1,
            _ => 1,
        };
        if id.number() != expected {
            let missing = format!("{}-{expected} is not defined before {id}", id.letter());
            findings.push(Finding::new(place, missing));
        }
        before = Some(*id);
    }
    (rules, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.insert(*path, *text);
        }
        let (pending, found) = Pending::read(&tree);
        assert_eq!(found, []);
        check(&tree, &Evidence::of(&tree), &pending)
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    const SOURCE: (&str, &str) = ("crates/x/src/lib.rs", "// O-1");
    const TEST: (&str, &str) = ("crates/x/tests/x.rs", "#[test]\nfn o01_x() {}");
    const RULE: (&str, &str) = ("docs/spec/order.md", "- **O-1** First.\n");
    const PENDING: (&str, &str) = ("docs/spec/pending.txt", "O-1 soon\n");

    #[test]
    fn a_rule_needs_source_and_test() {
        assert_eq!(findings(&[RULE, SOURCE, TEST]), [""; 0]);
        assert_eq!(
            findings(&[RULE, SOURCE]),
            ["docs/spec/order.md:1: no test bears the name of O-1"]
        );
        assert_eq!(
            findings(&[RULE, TEST]),
            ["docs/spec/order.md:1: no source file cites O-1"]
        );
        assert_eq!(
            findings(&[
                RULE,
                SOURCE,
                ("crates/x/tests/x.rs", "// O-1\n#[test]\nfn x() {}")
            ]),
            ["docs/spec/order.md:1: no test bears the name of O-1"],
            "a comment is no evidence"
        );
        assert_eq!(findings(&[RULE, PENDING]), [""; 0]);
        assert_eq!(findings(&[RULE, PENDING, SOURCE]), [""; 0]);
        assert_eq!(findings(&[SOURCE]), ["docs/spec/: defines no rule"]);
    }

    #[test]
    fn a_held_or_unknown_rule_must_leave_the_pending_list() {
        let held = findings(&[RULE, PENDING, SOURCE, TEST]);
        assert!(held.len() == 1 && held[0].contains("O-1 is held"), "{held:?}");
        let unknown = findings(&[RULE, SOURCE, TEST, ("docs/spec/pending.txt", "O-9 soon\n")]);
        assert_eq!(unknown, ["docs/spec/pending.txt: no rule O-9 is defined"]);
    }

    #[test]
    fn rules_are_defined_once_and_without_gaps() {
        let found = findings(&[
            (
                "docs/spec/order.md",
                "- **O-1** First.\n- **O-3** Third.\n- **O-1** Again.\n",
            ),
            SOURCE,
            TEST,
            ("docs/spec/pending.txt", "O-3 soon\n"),
        ]);
        assert_eq!(
            found,
            [
                "docs/spec/order.md:3: O-1 is defined at docs/spec/order.md:1 already",
                "docs/spec/order.md:2: O-2 is not defined before O-3",
            ]
        );
    }
}

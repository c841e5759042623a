//! The generated lists of tests: what holds each attack, and what holds each rule.

use std::fmt::Write;

use super::Finding;
use super::attacks;
use super::id::Id;
use super::rules;
use super::tests_of::Evidence;
use super::tree::Tree;

/// Where each attack's tests are listed.
const ATTACKS: &str = "docs/attack-tests.md";
/// Where each rule's tests are listed.
const RULES: &str = "docs/rule-tests.md";

const ATTACKS_HEAD: &str = "# Attacks and their tests\n\n\
    For each row of the [table of attacks](security.md): the tests that bear its number in their names, as\n\
    `crate::function`, and the scenarios that state it in their first line.\n";
const RULES_HEAD: &str = "# Rules and their tests\n\n\
    For each rule of the [specification](spec/README.md): the tests that bear its number in their names, as\n\
    `crate::function`, and the scenarios that state it in their first line.\n";
const MADE: &str =
    "`cargo xtask tidy --update` writes this page; `cargo xtask tidy` fails where it is not up to date.\n";

/// Both lists as they must be: the file and its text.
pub(super) fn made(tree: &Tree, evidence: &Evidence) -> [(&'static str, String); 2] {
    let (attacks, _) = attacks::rows(tree);
    let (rules, _) = rules::defined(tree);
    [
        (ATTACKS, list(ATTACKS_HEAD, attacks.into_keys(), evidence)),
        (RULES, list(RULES_HEAD, rules.into_keys(), evidence)),
    ]
}

/// Whether a file is one of the lists.
pub(super) fn is_made(path: &str) -> bool {
    [ATTACKS, RULES].contains(&path)
}

/// Finds lists that differ from what the tests' names say.
pub(super) fn check(tree: &Tree, evidence: &Evidence) -> Vec<Finding> {
    made(tree, evidence)
        .into_iter()
        .filter(|(file, text)| tree.text(file) != Some(text))
        .map(|(file, _)| Finding::new(file, "is not up to date; run `cargo xtask tidy --update`"))
        .collect()
}

fn list(head: &str, ids: impl Iterator<Item = Id>, evidence: &Evidence) -> String {
    let mut text = format!("{head}{MADE}");
    for id in ids {
        let _ = write!(text, "\n## {id}\n\n");
        let mut tests = evidence.tests_named_after(id).peekable();
        if tests.peek().is_none() {
            text.push_str("None yet: see [what is pending](spec/pending.txt).\n");
        }
        for name in tests {
            let _ = writeln!(text, "- `{name}`");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_each_test_once_and_must_be_up_to_date() {
        let mut tree = Tree::from([
            (attacks::FILE, "| A-01 | x |\n| A-02 | x |\n"),
            ("docs/spec/x.md", "- **O-1** One.\n"),
            (
                "crates/x/tests/x.rs",
                "#[test]\nfn a01_o1_b() {}\n#[test]\nfn a01_a() {}",
            ),
        ]);
        let evidence = Evidence::of(&tree);
        assert_eq!(check(&tree, &evidence).len(), 2, "neither is there");
        for (file, text) in made(&tree, &evidence) {
            tree.insert(file, text);
        }
        assert_eq!(check(&tree, &evidence), []);
        let attacks = tree.text(ATTACKS).unwrap().to_owned();
        let list = "\n## A-01\n\n- `x::a01_a`\n- `x::a01_o1_b`\n\n## A-02\n\nNone yet";
        assert!(attacks.contains(list), "{attacks}");
        assert!(
            tree.text(RULES)
                .unwrap()
                .ends_with("\n## O-1\n\n- `x::a01_o1_b`\n")
        );
        tree.insert(ATTACKS, attacks.replace("- `x::a01_a`\n", ""));
        assert_eq!(check(&tree, &evidence).len(), 1);
    }
}

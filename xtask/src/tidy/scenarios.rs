//! Every rule that a whole group can show is shown by a scenario.

use super::Finding;
use super::id::Id;
use super::pending::Pending;
use super::rules;
use super::tests_of::Evidence;
use super::tree::Tree;

/// The sections whose rules are about what members of a group see of each other: the server order, the
/// channel, messages, and liveness. What the others say is inside of one part, and tested there.
const SHOWN: &str = "OTML";

/// Finds rules that no file in `scenarios/` states that it holds.
pub(super) fn check(tree: &Tree, evidence: &Evidence, pending: &Pending) -> Vec<Finding> {
    let (rules, _) = rules::defined(tree);
    let shown = |id: Id| {
        let mut tests = evidence.tests_named_after(id);
        tests.any(|name| name.starts_with("scenarios/"))
    };
    rules
        .into_iter()
        .filter(|(id, _)| SHOWN.contains(id.letter()) && !pending.contains(*id) && !shown(*id))
        .map(|(id, place)| Finding::new(place, format!("no scenario holds {id}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.insert(*path, *text);
        }
        let (pending, _) = Pending::read(&tree);
        check(&tree, &Evidence::of(&tree), &pending)
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    const RULES: (&str, &str) = (
        "docs/spec/x.md",
        "- **O-1** One.\n- **O-2** Two.\n- **K-1** Keys.\n",
    );

    #[test]
    fn a_rule_of_the_group_needs_a_scenario_that_holds_it() {
        let one = "docs/spec/x.md:1: no scenario holds O-1";
        let two = "docs/spec/x.md:2: no scenario holds O-2";
        assert_eq!(findings(&[RULES]), [one, two], "K-1 needs none");
        assert_eq!(findings(&[RULES, ("scenarios/o01.scn", "# holds: O-1\n")]), [two]);
        assert_eq!(
            findings(&[
                RULES,
                ("scenarios/o01.scn", "# holds: O-1\n"),
                ("crates/x/tests/x.rs", "// O-2\n#[test]\nfn o02_x() {}")
            ]),
            [two],
            "a test is no scenario"
        );
        assert_eq!(
            findings(&[RULES, ("scenarios/all.scn", "# holds: O-1, O-2\n")]),
            [""; 0]
        );
    }

    #[test]
    fn a_pending_rule_needs_none() {
        let pending = ("docs/spec/pending.txt", "O-1 soon\nO-2 soon\n");
        assert_eq!(findings(&[RULES, pending]), [""; 0]);
    }
}

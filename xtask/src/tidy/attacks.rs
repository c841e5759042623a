//! Every row of the attack table has tests that bear its name.

use std::collections::BTreeMap;

use super::Finding;
use super::id::Id;
use super::pending::{self, Pending};
use super::tests_of::Evidence;
use super::tree::Tree;

/// The table.
pub(super) const FILE: &str = "docs/security.md";

/// Finds rows without tests, pending rows that have tests, and attacks that have no row.
pub(super) fn check(tree: &Tree, evidence: &Evidence, pending: &Pending) -> Vec<Finding> {
    let (rows, mut findings) = rows(tree);
    for (expected, (id, place)) in (1..).zip(&rows) {
        if id.number() != expected {
            findings.push(Finding::new(place, format!("the rows have a gap before {id}")));
            break;
        }
    }
    if rows.is_empty() {
        findings.push(Finding::new(FILE, "has no row `| A-01 | .. |`"));
        return findings;
    }
    let cited = evidence.cited().into_iter().filter(|id| id.is_attack());
    for id in cited.filter(|id| !rows.contains_key(id)) {
        findings.push(Finding::new(
            FILE,
            format!("has no row {id}, which the code cites"),
        ));
    }
    for (id, place) in &rows {
        findings.extend(tests(*id, place, evidence, pending));
    }
    for id in pending
        .ids()
        .filter(|id| id.is_attack() && !rows.contains_key(id))
    {
        findings.push(Finding::new(
            pending::FILE,
            format!("there is no row {id} in {FILE}"),
        ));
    }
    findings
}

/// The rows of the table with their places, and the rows that stand there twice.
pub(super) fn rows(tree: &Tree) -> (BTreeMap<Id, String>, Vec<Finding>) {
    let (mut rows, mut findings) = (BTreeMap::new(), Vec::new());
    for (i, line) in tree.text(FILE).unwrap_or_default().lines().enumerate() {
        let place = format!("{FILE}:{}", i + 1);
        match row(line) {
            Some(id) if rows.contains_key(&id) => {
                findings.push(Finding::new(place, format!("a second row {id}")));
            }
            Some(id) => drop(rows.insert(id, place)),
            None => {}
        }
    }
    (rows, findings)
}

/// Finds what is amiss with the tests of one row.
fn tests(id: Id, place: &str, evidence: &Evidence, pending: &Pending) -> Option<Finding> {
    let what = match (evidence.in_tests(id), pending.contains(id), pending.is_partly(id)) {
        (false, _, true) => format!(
            "{id} is partly covered, says {}, and no test bears its name",
            pending::FILE
        ),
        (false, false, _) => format!("no test bears the name of {id}"),
        (true, true, false) => format!("{id} has tests; run `cargo xtask tidy --update`, then read the row"),
        _ => return None,
    };
    Some(Finding::new(place, what))
}

/// Reads `| A-01 | .. |`: the id.
fn row(line: &str) -> Option<Id> {
    let cell = line.strip_prefix('|')?.split('|').next()?;
    Id::read(cell.trim()).filter(|id| id.is_attack())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: (&str, &str) = ("crates/x/tests/x.rs", "// A-02\n#[test]\nfn a01_b() {}");

    fn findings(table: &str, list: &str) -> Vec<String> {
        let tree = Tree::from([TEST, (FILE, table), (pending::FILE, list)]);
        let (pending, found) = Pending::read(&tree);
        assert_eq!(found, []);
        check(&tree, &Evidence::of(&tree), &pending)
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    const ROWS: &str = "| A-01 | x |\n| A-02 | x |";

    #[test]
    fn a_row_has_tests_that_bear_its_name() {
        assert_eq!(findings(ROWS, "A-02 later"), [""; 0]);
        assert_eq!(
            findings(ROWS, ""),
            ["docs/security.md:2: no test bears the name of A-02"]
        );
        let uncited = findings("| A-01 | x |", "");
        assert_eq!(
            uncited,
            ["docs/security.md: has no row A-02, which the code cites"]
        );
        let empty = findings("", "");
        assert_eq!(empty, ["docs/security.md: has no row `| A-01 | .. |`"]);
    }

    #[test]
    fn a_pending_row_has_no_tests_and_a_row() {
        let held = findings(ROWS, "A-01 later\nA-02 later");
        assert!(held.len() == 1 && held[0].contains("A-01 has tests"), "{held:?}");
        let unknown = findings(ROWS, "A-02 later\nA-03 later");
        assert_eq!(
            unknown,
            ["docs/spec/pending.txt: there is no row A-03 in docs/security.md"]
        );
    }

    #[test]
    fn a_row_that_is_partly_covered_has_tests() {
        assert_eq!(findings(ROWS, "A-01 partly: no session\nA-02 later"), [""; 0]);
        let bare = findings(ROWS, "A-02 partly: no session");
        assert!(bare.len() == 1 && bare[0].contains("partly covered"), "{bare:?}");
    }

    #[test]
    fn rows_are_unique_and_without_gaps() {
        let twice = findings("| A-01 | x |\n| A-01 | y |\n| A-02 | x |", "A-02 later");
        assert_eq!(twice, ["docs/security.md:2: a second row A-01"]);
        let gap = findings(
            "| A-01 | x |\n| A-02 | x |\n| A-04 | x |",
            "A-02 later\nA-04 later",
        );
        assert_eq!(gap, ["docs/security.md:3: the rows have a gap before A-04"]);
    }
}

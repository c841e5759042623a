//! Every row of the attack table names tests that exist.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Finding;
use super::id::Id;
use super::pending::{self, Pending};
use super::tests_of::Evidence;
use super::tree::Tree;

/// The table.
pub(super) const FILE: &str = "docs/security.md";

/// Finds rows without tests, tests that do not exist, pending rows that have tests, and attacks that have no row.
pub(super) fn check(tree: &Tree, evidence: &Evidence, pending: &Pending) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut rows: BTreeMap<Id, Row<'_>> = BTreeMap::new();
    for (i, line) in tree.text(FILE).unwrap_or_default().lines().enumerate() {
        if let Some((id, tests)) = row(line) {
            let place = format!("{FILE}:{}", i + 1);
            match rows.entry(id) {
                Entry::Vacant(entry) => {
                    entry.insert(Row { place, tests });
                }
                Entry::Occupied(_) => findings.push(Finding::new(place, format!("a second row {id}"))),
            }
        }
    }
    for (expected, (id, row)) in (1..).zip(&rows) {
        if id.number() != expected {
            findings.push(Finding::new(
                &row.place,
                format!("the rows have a gap before {id}"),
            ));
            break;
        }
    }
    if rows.is_empty() {
        findings.push(Finding::new(FILE, "has no row `| A-01 | .. |`"));
        return findings;
    }
    for id in evidence.attacks().filter(|id| !rows.contains_key(id)) {
        findings.push(Finding::new(
            FILE,
            format!("has no row {id}, which the code cites"),
        ));
    }
    for (id, row) in &rows {
        findings.extend(row.check(*id, evidence, pending));
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

/// The table's text with every row naming all tests that bear its name, besides those that it names already.
pub(super) fn updated(tree: &Tree, evidence: &Evidence) -> String {
    tree.text(FILE)
        .unwrap_or_default()
        .split_inclusive('\n')
        .map(|line| {
            let Some((id, tests)) = row(line) else {
                return line.to_owned();
            };
            let more: Vec<&str> = evidence
                .tests_named_after(id)
                .filter(|name| !tests.contains(name))
                .collect();
            let kept = line.trim_end().trim_end_matches('|');
            match kept.rsplit_once('|') {
                Some((kept, _)) if !more.is_empty() => {
                    let names: Vec<String> = tests
                        .iter()
                        .chain(&more)
                        .map(|name| format!("`{name}`"))
                        .collect();
                    format!("{kept}| {} |\n", names.join(", "))
                }
                _ => line.to_owned(),
            }
        })
        .collect()
}

struct Row<'a> {
    place: String,
    tests: Vec<&'a str>,
}

impl Row<'_> {
    fn check(&self, id: Id, evidence: &Evidence, pending: &Pending) -> Vec<Finding> {
        let mut findings = Vec::new();
        for test in &self.tests {
            if !evidence.has_test(test) {
                let what = format!(
                    "{id} names `{test}`, and there is no such test (crate::function or scenarios/file.scn)"
                );
                findings.push(Finding::new(&self.place, what));
            }
        }
        let named: Vec<String> = evidence
            .tests_named_after(id)
            .map(|name| format!("`{name}`"))
            .collect();
        let cell = named.join(", ");
        if pending.is_partly(id) {
            if self.tests.is_empty() {
                let what = format!(
                    "{id} is partly covered, says {}, and names no test",
                    pending::FILE
                );
                findings.push(Finding::new(&self.place, what));
            }
        } else if pending.contains(id) {
            if !(self.tests.is_empty() && named.is_empty()) {
                let what = format!("{id} has tests; run `cargo xtask tidy --update`, then read the row");
                findings.push(Finding::new(&self.place, what));
            }
        } else if self.tests.is_empty() {
            let what = if named.is_empty() {
                format!("{id} names no test")
            } else {
                format!("{id} names no test; these bear its name: {cell}")
            };
            findings.push(Finding::new(&self.place, what));
        }
        findings
    }
}

/// Reads `| A-01 | .. | `crate::test`, .. |`: the id, and the names between backticks in the last cell.
fn row(line: &str) -> Option<(Id, Vec<&str>)> {
    let mut cells = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|');
    let id = Id::read(cells.next()?.trim()).filter(|id| id.is_attack())?;
    let tests = cells.next_back()?.split('`').skip(1).step_by(2).collect();
    Some((id, tests))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: (&str, &str) = (
        "crates/x/tests/x.rs",
        "#[test]\nfn a01_b() {}\n#[test]\nfn c() {}",
    );

    fn findings(table: &str, list: &str) -> Vec<String> {
        let tree = Tree::from([TEST, (FILE, table), (pending::FILE, list)]);
        let (pending, found) = Pending::read(&tree);
        assert_eq!(found, []);
        check(&tree, &Evidence::of(&tree), &pending)
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    #[test]
    fn a_row_names_tests_that_exist() {
        assert_eq!(findings("| A-01 | x | `x::a01_b`, `x::c` |", ""), [""; 0]);
        let wrong = findings("| A-01 | x | `x::a01_b`, `y::c` |", "");
        assert!(wrong.len() == 1 && wrong[0].contains("`y::c`"), "{wrong:?}");
        let empty = findings("| A-01 | x | not yet |", "");
        assert_eq!(
            empty,
            ["docs/security.md:1: A-01 names no test; these bear its name: `x::a01_b`"]
        );
        assert_eq!(findings("", ""), ["docs/security.md: has no row `| A-01 | .. |`"]);
        let other = "| A-02 | x | `x::c` |";
        let cited = "docs/security.md: has no row A-01, which the code cites".to_owned();
        assert!(findings(other, "").contains(&cited));
    }

    #[test]
    fn a_pending_row_has_no_tests_and_a_row() {
        let table = "| A-01 | x | `x::a01_b` |\n| A-02 | x | not yet |";
        assert_eq!(findings(table, "A-02 later"), [""; 0]);
        assert_eq!(findings(table, "").len(), 1, "A-02 names no test");
        assert_eq!(
            findings(table, "A-01 later\nA-02 later").len(),
            1,
            "A-01 has tests"
        );
        let unnamed = "| A-01 | x | not yet |\n| A-02 | x | not yet |";
        assert_eq!(
            findings(unnamed, "A-01 later\nA-02 later").len(),
            1,
            "a test bears the name A-01"
        );
        assert_eq!(
            findings(table, "A-02 later\nA-03 later").len(),
            1,
            "there is no A-03"
        );
    }

    #[test]
    fn a_row_that_is_partly_covered_names_tests() {
        assert_eq!(
            findings("| A-01 | x | `x::a01_b` |", "A-01 partly: no session"),
            [""; 0]
        );
        assert_eq!(
            findings("| A-01 | x | not yet |", "A-01 partly: no session").len(),
            1
        );
        assert_eq!(
            findings("| A-01 | x | `y::c` |", "A-01 partly: no session").len(),
            1,
            "there is no y::c"
        );
    }

    #[test]
    fn an_update_adds_tests_and_keeps_what_a_row_names() {
        let table = "# x\n| A-01 | x | not yet |\n| A-02 | y | `x::c` |\n| A-01 | z | `x::c` |\n";
        let tree = Tree::from([TEST, (FILE, table)]);
        assert_eq!(
            updated(&tree, &Evidence::of(&tree)),
            "# x\n| A-01 | x | `x::a01_b` |\n| A-02 | y | `x::c` |\n| A-01 | z | `x::c`, `x::a01_b` |\n"
        );
    }

    #[test]
    fn rows_are_unique_and_without_gaps() {
        let twice = "| A-01 | x | `x::c` |\n| A-01 | y | `x::c` |";
        assert_eq!(findings(twice, ""), ["docs/security.md:2: a second row A-01"]);
        let gap = "| A-01 | x | `x::c` |\n| A-03 | y | `x::c` |";
        assert_eq!(
            findings(gap, ""),
            ["docs/security.md:2: the rows have a gap before A-03"]
        );
    }
}

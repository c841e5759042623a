//! The list of rules and attacks that are not due yet.

use std::collections::BTreeMap;

use super::Finding;
use super::id::Id;
use super::tests_of::Evidence;
use super::tree::Tree;

/// One a line: the id, a space, the reason. `#` starts a comment.
pub(super) const FILE: &str = "docs/spec/pending.txt";

/// How the reason starts where there are tests that cover less than they should.
const PARTLY: &str = "partly:";

/// What is exempt from its checks for now, with the reason.
#[derive(Debug, Default)]
pub(super) struct Pending(BTreeMap<Id, String>);

impl Pending {
    /// Reads the list, if there is one, and finds what is wrong with it.
    pub(super) fn read(tree: &Tree) -> (Self, Vec<Finding>) {
        let mut pending = Self::default();
        let mut findings = Vec::new();
        for (i, line) in tree.text(FILE).unwrap_or_default().lines().enumerate() {
            let place = || format!("{FILE}:{}", i + 1);
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let Some((id, reason)) = entry(line) else {
                findings.push(Finding::new(place(), "must be an id, a space and the reason"));
                continue;
            };
            if pending.0.insert(id, reason.to_owned()).is_some() {
                findings.push(Finding::new(place(), format!("{id} is listed twice")));
            }
        }
        (pending, findings)
    }

    pub(super) fn contains(&self, id: Id) -> bool {
        self.0.contains_key(&id)
    }

    /// Whether there are tests already that cover less than they should.
    pub(super) fn is_partly(&self, id: Id) -> bool {
        self.0.get(&id).is_some_and(|reason| reason.starts_with(PARTLY))
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = Id> {
        self.0.keys().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn entry(line: &str) -> Option<(Id, &str)> {
    let (id, reason) = line.split_once(' ')?;
    Some((Id::read(id)?, reason.trim())).filter(|(_, reason)| !reason.is_empty())
}

/// The list's text without the rules that code and tests hold. An attack that has got its first tests is
/// marked as partly covered: that it is covered wholly, a person has to say by taking it off.
pub(super) fn updated(tree: &Tree, evidence: &Evidence) -> String {
    tree.text(FILE)
        .unwrap_or_default()
        .split_inclusive('\n')
        .filter_map(|line| {
            let Some((id, reason)) = entry(line.trim()) else {
                return Some(line.to_owned());
            };
            if !id.is_attack() {
                return Some(line.to_owned()).filter(|_| !evidence.holds(id));
            }
            let has_tests = evidence.tests_named_after(id).next().is_some();
            if has_tests && !reason.starts_with(PARTLY) {
                return Some(format!("{id} {PARTLY} {reason}\n"));
            }
            Some(line.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_its_faults_are_found() {
        let (pending, findings) = Pending::read(&Tree::from([(
            FILE,
            "# why\nO-1 soon\n\nO-2\nO-1 again\nnonsense here\nA-07 later # x\n",
        )]));
        assert_eq!(
            pending.ids().map(|id| id.to_string()).collect::<Vec<_>>(),
            ["A-07", "O-1"]
        );
        let places: Vec<_> = findings.iter().map(|finding| finding.place.as_str()).collect();
        assert_eq!(places, [4, 5, 6].map(|line| format!("{FILE}:{line}")));
    }

    #[test]
    fn held_rules_go_and_attacks_with_tests_are_marked() {
        let tree = Tree::from([
            (
                FILE,
                "# head\nO-1 soon\nO-2 soon\nA-01 soon\nA-02 soon\nA-03 partly: more\n",
            ),
            ("crates/x/src/lib.rs", "// O-1 A-01 O-2"),
            (
                "crates/x/tests/x.rs",
                "// O-2\n#[test]\nfn o1_a01_b() {}\n#[test]\nfn a03_c() {}",
            ),
        ]);
        let updated = updated(&tree, &Evidence::of(&tree));
        assert_eq!(
            updated,
            "# head\nO-2 soon\nA-01 partly: soon\nA-02 soon\nA-03 partly: more\n"
        );
    }
}

//! What the code of the project speaks of, and which rules and attacks its tests hold by their names.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Finding;
use super::id::Id;
use super::kits::Kits;
use super::rust::{code_of, functions, test_parts};
use super::tree::Tree;

/// How the line of a scenario starts that says which rules and attacks it holds.
const HOLDS: &str = "# holds: ";

/// Where ids stand, and which tests there are.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    source: BTreeSet<Id>,
    /// The ids in the texts of tests. They are no evidence: a comment may speak of anything.
    mentioned: BTreeSet<Id>,
    /// Tests by `crate::function` and `scenarios/file.scn`, with the ids that they hold.
    tests: BTreeMap<String, BTreeSet<Id>>,
    findings: Vec<Finding>,
}

impl Evidence {
    /// Reads all sources, tests and scenarios.
    pub(super) fn of(tree: &Tree) -> Self {
        let (kits, _) = Kits::read(tree);
        Self::with(tree, &kits)
    }

    /// The same, with the kits read already.
    pub(super) fn with(tree: &Tree, kits: &Kits) -> Self {
        let mut evidence = Self::default();
        let modules = test_modules(tree);
        for (owner, check) in kits.checks() {
            evidence.add_test(owner, check, "crates/");
        }
        for (path, text) in tree.iter() {
            if path.starts_with("scenarios/") && path.ends_with(".scn") {
                evidence.add_scenario(path, text);
            } else if let Some(owner) = owner(path)
                && path.ends_with(".rs")
            {
                let is_test = path.contains("/tests/") || modules.iter().any(|start| path.starts_with(start));
                evidence.add_file(path, owner, text, is_test, kits);
            }
        }
        evidence
    }

    fn add_file(&mut self, path: &str, owner: &str, text: &str, is_test: bool, kits: &Kits) {
        let is_kit = kits.owns(path);
        let code = code_of(text);
        let regions = if is_test || is_kit {
            Vec::from([Range {
                start: 0,
                end: text.len(),
            }])
        } else {
            test_parts(&code).regions
        };
        // Fuzz targets and this program speak of rules in their texts without holding any.
        let cites = |range: Range<usize>| {
            let part = text.get(range).filter(|_| path.starts_with("crates/"));
            part.map(Id::in_text).unwrap_or_default()
        };
        let mut end = 0;
        for region in regions {
            self.source.extend(cites(end..region.start));
            self.mentioned.extend(cites(region.clone()));
            end = region.end;
            for function in functions(code.get(region).unwrap_or_default()) {
                // What a kit lists is taken up already.
                if function.is_test && !(is_kit && kits.lists(path, function.name)) {
                    self.add_test(owner, function.name, path);
                }
            }
        }
        self.source.extend(cites(end..text.len()));
    }

    /// Takes up a test by the ids in its name. Two of one name in one crate could not be told from each
    /// other.
    fn add_test(&mut self, owner: &str, function: &str, path: &str) {
        let name = format!("{owner}::{function}");
        let ids = Id::in_name(function);
        if !ids.is_empty() && self.tests.contains_key(&name) {
            let what = format!("a second test {name}; what each of them holds needs a name of its own");
            self.findings.push(Finding::new(path, what));
        }
        self.tests.insert(name, ids);
    }

    /// Takes up a scenario by the ids in its line [`HOLDS`], the first of the file. Those of its name stand
    /// there too.
    fn add_scenario(&mut self, path: &str, text: &str) {
        let line = text.lines().next().and_then(|line| line.strip_prefix(HOLDS));
        let stated: Option<BTreeSet<Id>> = line.and_then(|line| line.split(", ").map(Id::read).collect());
        let ids = stated.unwrap_or_else(|| {
            let what = format!("must start with a line such as `{HOLDS}T-5, A-28`");
            self.findings.push(Finding::new(path, what));
            BTreeSet::new()
        });
        let name = path.rsplit('/').next().unwrap_or(path).replace(['-', '.'], "_");
        for id in Id::in_name(&name).difference(&ids) {
            let what = format!("bears the name of {id}, and its line `{HOLDS}..` does not state it");
            self.findings.push(Finding::new(path, what));
        }
        self.mentioned.extend(Id::in_text(text));
        self.tests.insert(path.to_owned(), ids);
    }

    /// What is wrong with the names of tests and the first lines of scenarios.
    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether source code cites it.
    pub(super) fn in_source(&self, id: Id) -> bool {
        self.source.contains(&id)
    }

    /// Whether a test holds it by its name.
    pub(super) fn in_tests(&self, id: Id) -> bool {
        self.tests_named_after(id).next().is_some()
    }

    /// Whether code cites it and a test holds it.
    pub(super) fn holds(&self, id: Id) -> bool {
        self.in_source(id) && self.in_tests(id)
    }

    /// The rules and attacks that code or tests speak of, be it in a comment.
    pub(super) fn cited(&self) -> BTreeSet<Id> {
        let texts = self.source.iter().chain(&self.mentioned);
        texts.chain(self.tests.values().flatten()).copied().collect()
    }

    /// The tests that bear an id in their names, and the scenarios that state it.
    pub(super) fn tests_named_after(&self, id: Id) -> impl Iterator<Item = &str> {
        self.tests
            .iter()
            .filter(move |(_, ids)| ids.contains(&id))
            .map(|(name, _)| name.as_str())
    }
}

/// The crate that a file belongs to, by the name of its folder.
pub(super) fn owner(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")
        .unwrap_or(path)
        .split_once('/')
        .map(|(owner, _)| owner)
        .filter(|owner| path.starts_with("crates/") || ["fuzz", "xtask"].contains(owner))
}

/// How the paths of modules start that are declared under `#[cfg(test)]` and lie in files of their own.
fn test_modules(tree: &Tree) -> BTreeSet<String> {
    let mut starts = BTreeSet::new();
    for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".rs")) {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = match file {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ => path.trim_end_matches(".rs").to_owned(),
        };
        for module in test_parts(&code_of(text)).modules {
            starts.insert(format!("{folder}/{module}.rs"));
            starts.insert(format!("{folder}/{module}/"));
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::read(text).unwrap()
    }

    #[test]
    fn source_and_tests_are_kept_apart() {
        let evidence = Evidence::of(&Tree::from([
            (
                "crates/x/src/lib.rs",
                "// O-1\n#[cfg(test)]\nmod tests {\n // O-2\n #[test]\n fn o3_a() {}\n}\n// O-4\n",
            ),
            ("crates/x/src/part.rs", "#[cfg(test)]\nmod trials;\n"),
            ("crates/x/src/part/trials.rs", "// O-5\n"),
            (
                "crates/x/tests/all.rs",
                "fn helper_o6() {}\n#[test]\nfn t7_x() {}",
            ),
            (
                "crates/kit/src/lib.rs",
                "// K-4\nmacro_rules! gka_conformance { () => { k02_y } }",
            ),
            ("crates/kit/src/checks.rs", "/// K-1\npub fn k02_y() {}"),
            ("scenarios/z.scn", "# holds: T-5\n# T-6\n"),
            ("docs/spec/order.md", "O-7"),
            ("fuzz/fuzz_targets/a.rs", "// O-8"),
            ("xtask/src/a.rs", "#[cfg(test)]\nmod tests { // O-7\n }"),
        ]));
        for rule in ["O-1", "O-4"] {
            assert!(
                evidence.in_source(id(rule)) && !evidence.in_tests(id(rule)),
                "{rule}"
            );
        }
        for rule in ["O-3", "T-7", "K-2", "T-5"] {
            assert!(
                !evidence.in_source(id(rule)) && evidence.in_tests(id(rule)),
                "{rule}"
            );
        }
        for rule in ["O-2", "O-5", "O-6", "O-7", "O-8", "K-1", "K-4", "T-6"] {
            assert!(
                !evidence.in_source(id(rule)) && !evidence.in_tests(id(rule)),
                "a comment in a test is no evidence: {rule}"
            );
        }
        for rule in ["O-2", "K-1", "T-6", "O-3"] {
            assert!(evidence.cited().contains(&id(rule)), "{rule}");
        }
        for (rule, test) in [
            ("O-3", "x::o3_a"),
            ("K-2", "kit::k02_y"),
            ("T-5", "scenarios/z.scn"),
        ] {
            assert_eq!(evidence.tests_named_after(id(rule)).collect::<Vec<_>>(), [test]);
        }
        assert_eq!(evidence.findings(), []);
    }

    fn findings(path: &str, text: &str) -> Vec<String> {
        let evidence = Evidence::of(&Tree::from([(path, text)]));
        evidence.findings().iter().map(Finding::to_string).collect()
    }

    #[test]
    fn two_tests_of_one_name_and_crate_are_found() {
        let twice = "#[test]\nfn o1_a() {}\nmod b { #[test]\nfn o1_a() {} }";
        assert_eq!(findings("crates/x/tests/x.rs", twice).len(), 1);
        let unnamed = twice.replace("o1_a", "works");
        assert_eq!(findings("crates/x/tests/x.rs", &unnamed), [""; 0]);
    }

    #[test]
    fn a_scenario_states_what_it_holds() {
        assert_eq!(findings("scenarios/o01-a.scn", "# holds: O-1, T-5\n"), [""; 0]);
        for text in ["# O-1: so\n", "# holds: \n", "# holds: O-1 and T-5\n", ""] {
            let found = findings("scenarios/a.scn", text);
            assert!(
                found.len() == 1 && found[0].contains("must start"),
                "{text}: {found:?}"
            );
        }
        let found = findings("scenarios/o01-a.scn", "# holds: T-5\n");
        assert!(
            found.len() == 1 && found[0].contains("the name of O-1"),
            "{found:?}"
        );
    }
}

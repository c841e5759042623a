//! What the code and the tests of the project speak of.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::id::Id;
use super::rust::{code_of, functions, test_parts};
use super::tree::Tree;

/// Folders whose code is run as tests although nothing in it says `#[test]`: the conformance checks, which other
/// crates' tests call through a macro.
const CHECKS: [&str; 3] = [
    "crates/testkit/src/conformance",
    "crates/testkit/src/checks",
    "crates/testkit/src/gka/checks",
];

/// Where ids stand, and which tests there are.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    source: BTreeSet<Id>,
    tests: BTreeSet<Id>,
    /// Tests by `crate::function` and `scenarios/file.scn`, with the ids in their names.
    names: BTreeMap<String, BTreeSet<Id>>,
}

impl Evidence {
    /// Reads all sources, tests and scenarios.
    pub(super) fn of(tree: &Tree) -> Self {
        let mut evidence = Self::default();
        let modules = test_modules(tree);
        for (path, text) in tree.iter() {
            if path.starts_with("scenarios/") && path.ends_with(".scn") {
                evidence.add_test(path.to_owned(), Id::in_text(text));
            } else if let Some(owner) = owner(path)
                && path.ends_with(".rs")
            {
                evidence.add_file(path, owner, text, &modules);
            }
        }
        evidence
    }

    fn add_file(&mut self, path: &str, owner: &str, text: &str, modules: &BTreeSet<String>) {
        let code = code_of(text);
        let is_check = CHECKS.iter().any(|folder| path.starts_with(folder));
        let is_test =
            is_check || path.contains("/tests/") || modules.iter().any(|start| path.starts_with(start));
        let regions = if is_test {
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
            self.tests.extend(cites(region.clone()));
            end = region.end;
            for function in functions(code.get(region).unwrap_or_default()) {
                if function.is_test || is_check {
                    self.add_test(format!("{owner}::{}", function.name), Id::in_name(function.name));
                }
            }
        }
        self.source.extend(cites(end..text.len()));
    }

    fn add_test(&mut self, name: String, ids: BTreeSet<Id>) {
        self.tests.extend(ids.iter().copied());
        self.names.entry(name).or_default().extend(ids);
    }

    /// Whether source code cites it.
    pub(super) fn in_source(&self, id: Id) -> bool {
        self.source.contains(&id)
    }

    /// Whether a test cites it, in its text or by its name.
    pub(super) fn in_tests(&self, id: Id) -> bool {
        self.tests.contains(&id)
    }

    /// Whether code and tests cite it both.
    pub(super) fn holds(&self, id: Id) -> bool {
        self.in_source(id) && self.in_tests(id)
    }

    /// The rows of the attack table that code or tests cite.
    pub(super) fn attacks(&self) -> impl Iterator<Item = Id> {
        self.source
            .union(&self.tests)
            .copied()
            .filter(|id| id.is_attack())
    }

    /// Whether there is such a test.
    pub(super) fn has_test(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The tests that bear an id in their names, and scenarios that cite it.
    pub(super) fn tests_named_after(&self, id: Id) -> impl Iterator<Item = &str> {
        self.names
            .iter()
            .filter(move |(_, ids)| ids.contains(&id))
            .map(|(name, _)| name.as_str())
    }
}

/// The crate that a file belongs to, by the name of its folder.
fn owner(path: &str) -> Option<&str> {
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
                "crates/testkit/src/conformance/gka.rs",
                "/// K-1\npub fn k02_y() {}",
            ),
            ("scenarios/z.scn", "# T-5\n"),
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
        for rule in ["O-2", "O-3", "O-5", "T-7", "K-1", "K-2", "T-5"] {
            assert!(
                !evidence.in_source(id(rule)) && evidence.in_tests(id(rule)),
                "{rule}"
            );
        }
        for rule in ["O-7", "O-8"] {
            assert!(
                !evidence.in_source(id(rule)) && !evidence.in_tests(id(rule)),
                "{rule}"
            );
        }
        assert!(evidence.has_test("x::o3_a") && evidence.has_test("x::t7_x"));
        assert!(evidence.has_test("testkit::k02_y") && evidence.has_test("scenarios/z.scn"));
        assert!(
            !evidence.has_test("x::helper_o6"),
            "no test, only a function of a test file"
        );
        assert_eq!(
            evidence.tests_named_after(id("O-3")).collect::<Vec<_>>(),
            ["x::o3_a"]
        );
    }
}

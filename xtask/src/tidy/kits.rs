//! The conformance kits: lists of checks in macros, which make tests in the crates of implementations.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::id::Id;
use super::rust::{bodies_of_macros, code_of, functions, is_word, words};
use super::tests_of::owner;
use super::tree::Tree;

/// The macros that make tests of a list of checks. Each is defined once, somewhere in `crates/`.
const KITS: [&str; 3] = ["gka_conformance", "gka_noise", "encryptor_conformance"];

/// All kits with their checks.
#[derive(Debug, Default)]
pub(super) struct Kits {
    /// The checks by the folder of the crate that defines them.
    checks: BTreeMap<String, BTreeSet<String>>,
    /// The files that define a kit or a check.
    files: BTreeSet<String>,
}

/// One definition of a macro.
struct Macro {
    path: String,
    body: String,
}

impl Kits {
    /// Reads the lists of all kits, and finds those that are not there, that are empty, that nobody calls,
    /// and checks that stand in no list.
    pub(super) fn read(tree: &Tree) -> (Self, Vec<Finding>) {
        Self::named(tree, &KITS)
    }

    fn named(tree: &Tree, names: &[&str]) -> (Self, Vec<Finding>) {
        let (mut kits, mut findings) = (Self::default(), Vec::new());
        let macros = macros(tree);
        for name in names {
            let place = match macros.get(*name).map(Vec::as_slice) {
                Some([one]) => one.path.clone(),
                Some(several) if several.len() > 1 => {
                    findings.push(Finding::new(
                        several.last().map_or("crates/", |last| last.path.as_str()),
                        format!("defines {name}! a second time"),
                    ));
                    continue;
                }
                _ => {
                    findings.push(Finding::new(
                        "crates/",
                        format!("no file defines the kit {name}!"),
                    ));
                    continue;
                }
            };
            if !kits.add(tree, &macros, name, &place) {
                findings.push(Finding::new(&place, format!("the kit {name}! lists no check")));
            }
            if !is_called(tree, name, &place) {
                findings.push(Finding::new(
                    &place,
                    format!("no crate's tests call the kit {name}!"),
                ));
            }
        }
        findings.extend(kits.unlisted(tree));
        (kits, findings)
    }

    /// Takes up the checks of one kit: the functions of its crate that its macros list, and the tests that
    /// they define.
    fn add(&mut self, tree: &Tree, macros: &BTreeMap<String, Vec<Macro>>, name: &str, place: &str) -> bool {
        let Some(owner) = owner(place) else { return false };
        let defined = defined(tree, owner);
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::from([name]));
        let mut waiting = vec![name];
        while let Some(name) = waiting.pop() {
            for one in macros.get(name).into_iter().flatten() {
                self.files.insert(one.path.clone());
                found.extend(
                    listed(&one.body)
                        .filter(|word| defined.contains_key(*word))
                        .map(str::to_owned),
                );
                let tests = functions(&one.body)
                    .into_iter()
                    .filter(|function| function.is_test);
                found.extend(tests.map(|function| function.name.to_owned()));
                let called = words(&one.body).filter_map(|word| macros.get_key_value(word));
                waiting.extend(
                    called
                        .map(|(word, _)| word.as_str())
                        .filter(|word| seen.insert(word)),
                );
            }
        }
        self.files.extend(
            found
                .iter()
                .filter_map(|check| defined.get(check))
                .flatten()
                .cloned(),
        );
        let any = !found.is_empty();
        self.checks.entry(owner.to_owned()).or_default().extend(found);
        any
    }

    /// Functions beside the checks whose names claim a rule or an attack, and that stand in no list.
    fn unlisted(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings = Vec::new();
        for path in &self.files {
            let code = code_of(tree.text(path).unwrap_or_default());
            for function in functions(&code) {
                let claims = !Id::in_name(function.name).is_empty() && !function.is_test;
                if claims && !self.lists(path, function.name) {
                    let what = format!(
                        "the check {} stands in no kit's list, so nobody runs it",
                        function.name
                    );
                    findings.push(Finding::new(path, what));
                }
            }
        }
        findings
    }

    /// Whether a file belongs to the kits, so that what it says is said in a test.
    pub(super) fn owns(&self, path: &str) -> bool {
        self.files.contains(path)
    }

    /// All checks, as `crate::function`.
    pub(super) fn checks(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.checks.iter();
        pairs.flat_map(|(owner, checks)| checks.iter().map(|check| (owner.as_str(), check.as_str())))
    }

    /// Whether the crate of a file has a kit that lists this check.
    pub(super) fn lists(&self, path: &str, function: &str) -> bool {
        owner(path)
            .and_then(|owner| self.checks.get(owner))
            .is_some_and(|checks| checks.contains(function))
    }
}

/// The macros that the crates define, by name.
fn macros(tree: &Tree) -> BTreeMap<String, Vec<Macro>> {
    let mut macros: BTreeMap<String, Vec<Macro>> = BTreeMap::new();
    for (path, text) in tree.under("crates/") {
        if path.ends_with(".rs") && text.contains("macro_rules!") {
            for (name, body) in bodies_of_macros(&code_of(text)) {
                let (path, body) = (path.to_owned(), body.to_owned());
                macros
                    .entry(name.to_owned())
                    .or_default()
                    .push(Macro { path, body });
            }
        }
    }
    macros
}

/// The functions that a crate's sources define, with their files.
fn defined(tree: &Tree, owner: &str) -> BTreeMap<String, Vec<String>> {
    let mut defined: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let folder = format!("crates/{owner}/src/");
    for (path, text) in tree.under(&folder).filter(|(path, _)| path.ends_with(".rs")) {
        for function in functions(&code_of(text)) {
            defined
                .entry(function.name.to_owned())
                .or_default()
                .push(path.to_owned());
        }
    }
    defined
}

/// The words of a macro that stand in lists: after a bracket, a comma or a semicolon, and before a comma or a
/// bracket.
fn listed(body: &str) -> impl Iterator<Item = &str> {
    body.split([',', ';', '{', '}', '(', ')', '[', ']'])
        .map(str::trim)
        .filter(|word| is_word(word))
}

/// Whether a file other than the one that defines it calls a macro.
fn is_called(tree: &Tree, name: &str, place: &str) -> bool {
    let call = format!("{name}!");
    let mut files = tree
        .under("crates/")
        .filter(|(path, _)| path.ends_with(".rs") && *path != place);
    files.any(|(_, text)| text.contains(&call) && code_of(text).contains(&call))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "macro_rules! kit { ($x:ty, odd) => { $crate::each! { a01_x, $x; k2_y, suites } } }\n\
                        macro_rules! each { ($($c:ident),*) => { $(#[test] fn $c() {})* #[test] fn k3_z() {} } }";
    const CHECKS: &str = "/// O-9\npub fn a01_x() {}\npub fn k2_y() { odd_helper() }\npub fn suites() {}";
    const CALL: (&str, &str) = ("crates/z/tests/z.rs", "kit!(Z);");

    fn found(list: &str, checks: &str, call: (&str, &str)) -> (Vec<String>, Vec<String>) {
        let tree = Tree::from([
            ("crates/x/src/lib.rs", list),
            ("crates/x/src/checks.rs", checks),
            call,
        ]);
        let (kits, findings) = Kits::named(&tree, &["kit"]);
        let checks = kits
            .checks()
            .map(|(owner, check)| format!("{owner}::{check}"))
            .collect();
        (checks, findings.iter().map(Finding::to_string).collect())
    }

    #[test]
    fn a_kit_is_read_from_its_macros() {
        let (checks, findings) = found(LIST, CHECKS, CALL);
        assert_eq!(checks, ["x::a01_x", "x::k2_y", "x::k3_z", "x::suites"]);
        assert_eq!(findings, [""; 0]);
    }

    #[test]
    fn a_kit_that_is_not_there_or_lists_nothing_or_is_not_called_is_found() {
        let missing = "crates/: no file defines the kit kit!";
        assert_eq!(found("", CHECKS, CALL).1, [missing]);
        let empty = "crates/x/src/lib.rs: the kit kit! lists no check";
        assert_eq!(found("macro_rules! kit { () => {} }", "", CALL).1, [empty]);
        let uncalled = "crates/x/src/lib.rs: no crate's tests call the kit kit!";
        assert_eq!(
            found(LIST, CHECKS, ("crates/z/tests/z.rs", "// kit!(Z)")).1,
            [uncalled]
        );
        let twice = "crates/z/tests/z.rs: defines kit! a second time";
        assert_eq!(
            found(
                LIST,
                CHECKS,
                ("crates/z/tests/z.rs", "macro_rules! kit { () => {} }")
            )
            .1,
            [twice]
        );
    }

    #[test]
    fn a_check_that_no_list_names_is_found() {
        let more = format!("{CHECKS}\npub fn k4_forgotten() {{}}");
        let what =
            "crates/x/src/checks.rs: the check k4_forgotten stands in no kit's list, so nobody runs it";
        assert_eq!(found(LIST, &more, CALL).1, [what]);
    }
}

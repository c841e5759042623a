//! Calls between the files over which one type's methods are spread run one way.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::rust::{code_of, words};
use super::tree::Tree;

/// The type whose methods are spread, and the folder. Each file is about one noun, and calls only what stands
/// below it.
const SPREAD: (&str, &str) = ("Session<G, E>", "crates/session/src/");

/// The methods of a type, as far as calls go: where each stands, and which others each calls.
#[derive(Debug, Default)]
struct Methods<'a> {
    homes: BTreeMap<String, &'a str>,
    calls: Vec<(&'a str, String)>,
}

/// Finds circles of files whose methods call one another.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let (of, folder) = SPREAD;
    let codes: Vec<(&str, String)> = tree
        .under(folder)
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| (path, code_of(text)))
        .collect();
    let mut methods = Methods::default();
    for (path, code) in &codes {
        methods.read(path, code, of);
    }
    methods.circles()
}

impl<'a> Methods<'a> {
    /// Takes in the methods of a file, in the form that rustfmt gives it.
    fn read(&mut self, path: &'a str, code: &str, of: &str) {
        let mut inside = false;
        let mut body = String::new();
        for line in code.lines() {
            let is_start = line.starts_with("impl") && line.ends_with('{');
            if is_start {
                inside = line.contains(of) && !line.contains(" for ");
            } else if line == "}" {
                inside = false;
            } else if inside {
                if let Some(name) = method(line) {
                    self.homes.insert(name.to_owned(), path);
                }
                body.extend(line.split_whitespace());
            }
        }
        for (at, mark) in body.match_indices("self.") {
            let rest = body.get(at + mark.len()..).unwrap_or_default();
            let name = words(rest).next().unwrap_or_default();
            if rest.get(name.len()..).is_some_and(|after| after.starts_with('(')) {
                self.calls.push((path, name.to_owned()));
            }
        }
    }

    /// Each file that is reached from itself, with a way around.
    fn circles(&self) -> Vec<Finding> {
        let mut edges: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for (from, name) in &self.calls {
            if let Some(to) = self.homes.get(name).filter(|to| *to != from) {
                edges.entry(from).or_default().entry(to).or_insert(name);
            }
        }
        let starts = edges.keys().copied();
        starts
            .filter_map(|start| {
                let way = way_back(start, &edges)?;
                let what = format!("its methods call one another in a circle with other files: {way}");
                Some(Finding::new(start, what))
            })
            .collect()
    }
}

/// The name of the method that a line of an `impl` begins.
fn method(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' '))?;
    let (before, after) = rest.split_once("fn ")?;
    let is_head = before.is_empty() || before.ends_with(' ') || before.ends_with(") ");
    words(after).next().filter(|_| is_head)
}

/// The calls that lead from a file back to it, in words.
fn way_back(start: &str, edges: &BTreeMap<&str, BTreeMap<&str, &str>>) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut next = vec![(start, Vec::new())];
    while let Some((file, way)) = next.pop() {
        for (to, name) in edges.get(file).into_iter().flatten() {
            let mut longer: Vec<&str> = way.clone();
            longer.push(name);
            if *to == start {
                return Some(longer.join(", "));
            }
            if seen.insert(*to) {
                next.push((to, longer));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(a: &str, b: &str) -> Vec<String> {
        let method = |name: &str, body: &str| {
            format!(
                "impl<G, E> Session<G, E> {{\n    pub(crate) fn {name}(&mut self) {{\n        {body}\n    }}\n}}\n"
            )
        };
        let other = "impl<G> Stay<G> {\n    fn a(&self) {\n        self.b();\n    }\n}\n";
        let a = method("a", a);
        let b = format!("{}{other}", method("b", b));
        let tree = Tree::from([
            ("crates/session/src/a.rs", a.as_str()),
            ("crates/session/src/b.rs", b.as_str()),
        ]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn calls_in_a_circle_are_found_and_others_are_not() {
        assert_eq!(
            found("self.b();", "self.b.a(); // self.a()"),
            Vec::<String>::new()
        );
        assert_eq!(found("self.b();", "let a = self.a;"), Vec::<String>::new());
        let circle = found("self.b();", "self\n            .a();");
        assert_eq!(circle.len(), 2, "{circle:?}");
        assert!(
            circle[0].contains("a.rs") && circle[0].contains("b, a"),
            "{circle:?}"
        );
    }
}

//! Labels that go into hashes: each stands in the specification, and each of the specification's in the code.

use std::collections::BTreeSet;

use super::Finding;
use super::rust::{code_of, test_parts};
use super::tree::Tree;

/// The page that lists them all.
const PAGE: &str = "docs/spec/labels.md";

/// Crates that compute what another program has to compute too.
const PROTOCOL: [&str; 11] = [
    "core",
    "encryptor",
    "gka",
    "gka-bd",
    "gka-cliques",
    "gka-dh",
    "gka-mls",
    "liveness",
    "server-order",
    "session",
    "transcript",
];

/// How every label begins.
const START: &str = "concilium 2026-11 v1 ";

/// What the labels of the code and of the page do not have in common, and labels of another form.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.text(PAGE) else {
        return vec![Finding::new(
            PAGE,
            "missing; it lists every label of the protocol",
        )];
    };
    let stated: BTreeSet<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|label| label.starts_with(START))
        .collect();
    let mut found = BTreeSet::new();
    let mut problems = Vec::new();
    for (path, text) in tree.iter() {
        let Some(name) = protocol_crate(path) else {
            continue;
        };
        for label in labels(text) {
            let form = label.strip_prefix(START).and_then(|rest| rest.strip_prefix(name));
            if form.is_none_or(|rest| !rest.starts_with([' ', '/'])) {
                problems.push(Finding::new(
                    path,
                    format!("\"{label}\" does not begin with \"{START}{name} \""),
                ));
            }
            if !stated.contains(label) {
                problems.push(Finding::new(
                    path,
                    format!("\"{label}\" does not stand in {PAGE}"),
                ));
            }
            found.insert(label);
        }
    }
    let unused = stated.iter().filter(|label| !found.contains(*label));
    problems.extend(unused.map(|label| Finding::new(PAGE, format!("no code has \"{label}\""))));
    problems
}

/// The crate whose production code a file is, if it is a protocol crate.
fn protocol_crate(path: &str) -> Option<&'static str> {
    let (name, rest) = path.strip_prefix("crates/")?.split_once('/')?;
    let is_source = rest.starts_with("src/") && !rest.contains("tests") && rest.ends_with(".rs");
    PROTOCOL.into_iter().find(|known| *known == name && is_source)
}

/// The literals of a file that are labels, outside of its tests and comments.
fn labels(text: &str) -> impl Iterator<Item = &str> {
    let tests = test_parts(&code_of(text)).regions;
    text.match_indices("\"concilium 20")
        .filter(move |(at, _)| !tests.iter().any(|region| region.contains(at)))
        .filter(|(at, _)| {
            let line = text.get(..*at).and_then(|before| before.rsplit('\n').next());
            !line.unwrap_or_default().trim_start().starts_with("//")
        })
        .filter_map(|(at, _)| text.get(at + 1..)?.split('"').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATED: &str = "| `concilium 2026-11 v1 gka one` | `concilium 2026-11 v1 session/` |";

    fn problems(code: &str, page: &str) -> Vec<String> {
        check(&Tree::from([
            ("crates/gka/src/a.rs", code),
            (
                "crates/session/src/b.rs",
                "const B: &str = \"concilium 2026-11 v1 session/\";",
            ),
            (
                "crates/cli/src/c.rs",
                "const C: &str = \"concilium 2026 something else\";",
            ),
            (PAGE, page),
        ]))
        .iter()
        .map(ToString::to_string)
        .collect()
    }

    #[test]
    fn every_label_of_the_code_is_stated_and_of_one_form() {
        let good = "const A: &[u8] = b\"concilium 2026-11 v1 gka one\";\n// \"concilium 2026 z\"\n#[cfg(test)]\nmod tests { const T: &str = \"concilium 2026 x\"; }";
        assert_eq!(problems(good, STATED), Vec::<String>::new());
        let other = good.replace("gka one", "gka two");
        let found = problems(&other, STATED);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("gka two") && found[1].contains("gka one"));
        let form = good.replace("2026-11 v1 gka", "2026 gka");
        assert!(
            problems(&form, STATED)
                .iter()
                .any(|problem| problem.contains("does not begin"))
        );
    }

    #[test]
    fn a_missing_page_is_a_problem() {
        assert_eq!(check(&Tree::from([("crates/gka/src/a.rs", "")])).len(), 1);
    }
}

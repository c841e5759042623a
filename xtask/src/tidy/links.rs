//! Links between the project's documents lead somewhere.

use super::Finding;
use super::tree::Tree;

/// Where documentation comments link to the project's files, since docs.rs has no relative links to them.
const REPOSITORY: &str = "https://github.com/concilium-rs/concilium/blob/main/";

/// Finds links to files or folders that do not exist: relative ones in Markdown files, and links to the
/// repository in Rust files.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".rs")) {
        for (i, line) in text.lines().enumerate() {
            for target in repository_links(line).filter(|target| !exists(tree, target)) {
                findings.push(Finding::new(
                    format!("{path}:{}", i + 1),
                    format!("links to {target} in the repository, which is not there"),
                ));
            }
        }
    }
    for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".md")) {
        let mut in_code = false;
        for (i, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            }
            if in_code {
                continue;
            }
            for link in links(line) {
                if resolve(path, link).is_none_or(|target| !exists(tree, &target)) {
                    findings.push(Finding::new(
                        format!("{path}:{}", i + 1),
                        format!("links to {link}, which is not there"),
                    ));
                }
            }
        }
    }
    findings
}

/// The relative targets of a line's links, without their fragments.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !(target.is_empty() || target.contains(':')))
}

/// The paths in the repository that a line of a documentation comment links to, without their fragments.
fn repository_links(line: &str) -> impl Iterator<Item = &str> {
    let comment = line.trim_start().starts_with("//");
    line.split(REPOSITORY)
        .skip(1)
        .filter(move |_| comment)
        .filter_map(|rest| {
            rest.split(|c: char| c.is_whitespace() || ")#>".contains(c))
                .next()
        })
}

/// The path from the project's root that `link` in the file `from` stands for; none outside of it.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn exists(tree: &Tree, target: &str) -> bool {
    target.is_empty() || tree.text(target).is_some() || tree.under(&format!("{target}/")).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_somewhere() {
        let found = |text: &str| {
            check(&Tree::from([
                ("docs/a.md", text),
                ("docs/x/b.md", ""),
                ("c.md", ""),
            ]))
            .len()
        };
        let good = "[1](x/b.md) [2](../c.md#part), [3](x/) [4](https://a.example/b) [5](#here) [6](..)";
        assert_eq!(found(good), 0);
        assert_eq!(found("[1](b.md) and [2](../../c.md)"), 2);
        assert_eq!(found("```\n[1](b.md)\n```\n"), 0);
    }

    #[test]
    fn documentation_comments_link_to_what_is_there() {
        let found = |text: &str| check(&Tree::from([("docs/a.md", ""), ("x.rs", text)])).len();
        assert_eq!(
            found(&format!(
                "//! [a]({REPOSITORY}docs/a.md#part) and [b]: {REPOSITORY}docs\n"
            )),
            0
        );
        assert_eq!(found(&format!("/// [a]: {REPOSITORY}docs/b.md\n")), 1);
        assert_eq!(found(&format!("let a = \"{REPOSITORY}docs/b.md\";\n")), 0);
    }
}

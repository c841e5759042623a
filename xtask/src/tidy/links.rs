//! Links between the project's documents lead somewhere.

use super::Finding;
use super::tree::Tree;

/// Finds relative links in Markdown files whose file or folder does not exist.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
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
}

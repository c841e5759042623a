//! Prose and comments are wrapped.

use std::collections::BTreeSet;

use super::Finding;
use super::listing;
use super::tree::Tree;

/// How many characters a line of prose has at most; rustfmt holds code to as many.
const MAX_WIDTH: usize = 110;

/// The files that have longer lines still, one path a line. The list only shrinks.
pub(super) const FILE: &str = "xtask/unwrapped.txt";

/// Finds long lines in files that are not listed, and listed files that have none.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let listed: BTreeSet<&str> = listed(tree).collect();
    let mut findings = Vec::new();
    for (path, text) in tree.iter().filter(|(path, _)| !listed.contains(path)) {
        for line in long_lines(path, text) {
            let what = format!("is longer than {MAX_WIDTH} characters; wrap it");
            findings.push(Finding::new(format!("{path}:{line}"), what));
        }
    }
    for path in listed {
        if tree
            .text(path)
            .is_none_or(|text| long_lines(path, text).is_empty())
        {
            let what = format!("names {path}, which has no long line; run `cargo xtask tidy --update`");
            findings.push(Finding::new(FILE, what));
        }
    }
    findings
}

/// The list without the files that have no long line any more. None is added: what gets too long is to be
/// wrapped.
pub(super) fn updated(tree: &Tree) -> String {
    let text = tree.text(FILE).unwrap_or_default();
    let has_long_lines = |path: &str| {
        tree.text(path)
            .is_some_and(|text| !long_lines(path, text).is_empty())
    };
    text.split_inclusive('\n')
        .filter(|line| is_comment(line) || has_long_lines(line.trim()))
        .collect()
}

fn listed(tree: &Tree) -> impl Iterator<Item = &str> {
    let lines = tree.text(FILE).unwrap_or_default().lines();
    lines.filter(|line| !is_comment(line)).map(str::trim)
}

fn is_comment(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// The numbers of the lines of prose that are too long. Tables, code and what follows a link's text are no
/// prose.
fn long_lines(path: &str, text: &str) -> Vec<usize> {
    let is_rust = path.ends_with(".rs");
    if !(is_rust || path.ends_with(".md")) || listing::is_made(path) {
        return Vec::new();
    }
    let mut in_code = false;
    let mut long = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let Some(prose) = prose(line, is_rust) else {
            in_code = false;
            continue;
        };
        if prose.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let is_prose = !(in_code || prose.starts_with("    ") || prose.trim_start().starts_with('|'));
        if is_prose && width(line) > MAX_WIDTH {
            long.push(i + 1);
        }
    }
    long
}

/// The text of a comment, or of a line of Markdown.
fn prose(line: &str, is_rust: bool) -> Option<&str> {
    if !is_rust {
        return Some(line);
    }
    let comment = line.trim_start().strip_prefix("//")?;
    let comment = comment.strip_prefix(['/', '!']).unwrap_or(comment);
    Some(comment.strip_prefix(' ').unwrap_or(comment))
}

/// How many characters a line has without the targets of its links, which nobody can wrap.
fn width(line: &str) -> usize {
    let mut parts = line.split("](");
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.split_once(')').map_or(part, |(_, after)| after));
    let is_address = |word: &&str| word.contains("://");
    let count = |part: &str| {
        let addresses: usize = part
            .split(' ')
            .filter(is_address)
            .map(|word| word.chars().count())
            .sum();
        part.chars().count() - addresses
    };
    count(first) + rest.map(count).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(path: &str, line: &str) -> usize {
        check(&Tree::from([(path, line)])).len()
    }

    #[test]
    fn long_lines_of_prose_are_found() {
        let (fits, long_word) = ("é".repeat(MAX_WIDTH), "é".repeat(MAX_WIDTH + 1));
        assert_eq!(long("a.md", &fits), 0, "characters, not bytes");
        assert_eq!(long("a.md", &long_word), 1);
        assert_eq!(long("a.rs", &long_word), 0, "no comment");
        for comment in ["// ", "    /// ", "//! "] {
            assert_eq!(long("a.rs", &format!("{comment}{long_word}")), 1, "{comment}");
            assert_eq!(
                long("a.rs", &format!("{comment}| {long_word}")),
                0,
                "a table: {comment}"
            );
            let code = format!("{comment}```\n{comment}{long_word}\n{comment}```");
            assert_eq!(long("a.rs", &code), 0, "code: {comment}");
        }
        assert_eq!(long("a.md", &format!("```\n{long_word}\n```\n{long_word}")), 1);
        assert_eq!(
            long(
                "a.md",
                &format!("[a]({long_word}), https://a.example/{long_word}")
            ),
            0
        );
        assert_eq!(long("a.toml", &long_word), 0);
    }

    #[test]
    fn the_list_is_exact_and_shrinks() {
        let long_word = "x".repeat(MAX_WIDTH + 1);
        let list = "# why\na.md\nb.md\nc.md\n";
        let tree = Tree::from([("a.md", long_word.as_str()), ("b.md", "short"), (FILE, list)]);
        let places: Vec<_> = check(&tree).iter().map(Finding::to_string).collect();
        assert!(
            places.len() == 2 && places[0].contains("b.md") && places[1].contains("c.md"),
            "{places:?}"
        );
        assert_eq!(updated(&tree), "# why\na.md\n");
        let more = Tree::from([("a.md", long_word.as_str()), (FILE, "# why\n")]);
        assert_eq!(updated(&more), "# why\n", "none is added");
    }
}

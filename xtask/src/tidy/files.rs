//! What must not stand in any file.

use super::Finding;
use super::rust::code_of;
use super::tree::Tree;

/// A file of more lines is about more than one noun.
const MAX_LINES: usize = 1_000;

/// Files that are made by programs or copied as they are.
const NOT_OURS: [&str; 2] = ["Cargo.lock", "LICENSE-APACHE"];

/// Endings of what people write and read.
const WRITTEN: [&str; 9] = ["rs", "md", "toml", "sh", "scn", "js", "ts", "html", "css"];

/// Marks of unfinished work. In pieces, so that this file does not hold them itself.
const MARKS: [&str; 5] = [
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("TO", "DO"),
    concat!("todo", "!("),
    concat!("unimple", "mented!("),
];

/// Folders of somebody's machine.
const MACHINE: [&str; 5] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
    concat!("/Us", "ers/"),
];

/// Finds files that are too long, marks of unfinished work, ignored tests without a reason, and paths of a
/// machine.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.iter() {
        let name = path.rsplit('/').next().unwrap_or(path);
        if NOT_OURS.contains(&name) {
            continue;
        }
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let lines = text.lines().count();
        if WRITTEN.contains(&ending) && lines > MAX_LINES {
            findings.push(Finding::new(
                path,
                format!("has {lines} lines, more than {MAX_LINES}"),
            ));
        }
        for (i, line) in text.lines().enumerate() {
            let place = || format!("{path}:{}", i + 1);
            for mark in MARKS.iter().filter(|mark| stands_alone(line, mark)) {
                findings.push(Finding::new(
                    place(),
                    format!("holds `{mark}`; finish it or file it"),
                ));
            }
            for folder in MACHINE.iter().filter(|folder| starts_a_path(line, folder)) {
                findings.push(Finding::new(
                    place(),
                    format!("holds `{folder}`, a path of some machine"),
                ));
            }
        }
        if ending == "rs" {
            let bare = concat!("#[ign", "ore]");
            for (i, line) in code_of(text)
                .lines()
                .enumerate()
                .filter(|(_, line)| line.contains(bare))
            {
                let place = format!("{path}:{}", i + 1);
                findings.push(Finding::new(place, format!("`{}` without a reason", line.trim())));
            }
        }
    }
    findings
}

/// Whether `mark` stands in `line` and is not part of a longer word.
fn stands_alone(line: &str, mark: &str) -> bool {
    found_at(line, mark).any(|(before, after)| {
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !joins(before) && (mark.ends_with('(') || !joins(after))
    })
}

/// Whether `folder` stands in `line` as the start of a path, not in its middle.
fn starts_a_path(line: &str, folder: &str) -> bool {
    found_at(line, folder)
        .any(|(before, _)| !before.is_some_and(|c| c.is_alphanumeric() || ".-_}".contains(c)))
}

/// The characters before and after each place where `part` stands in `line`.
fn found_at<'a>(line: &'a str, part: &'a str) -> impl Iterator<Item = (Option<char>, Option<char>)> + 'a {
    line.match_indices(part).map(move |(at, _)| {
        let before = line.get(..at).and_then(|start| start.chars().next_back());
        let after = line.get(at + part.len()..).and_then(|end| end.chars().next());
        (before, after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&Tree::from([(path, text)])).len()
    }

    #[test]
    fn long_files_are_found() {
        assert_eq!(findings("a.rs", &"\n".repeat(1_000)), 0);
        assert_eq!(findings("a.rs", &"\n".repeat(1_001)), 1);
        assert_eq!(findings("Cargo.lock", &"\n".repeat(9_000)), 0);
        assert_eq!(findings("vectors/a.json", &"\n".repeat(9_000)), 0);
    }

    #[test]
    fn marks_of_unfinished_work_are_found() {
        for mark in MARKS {
            assert_eq!(findings("a.rs", &format!("x {mark} y")), 1, "{mark}");
            assert_eq!(
                findings("a.md", &format!("a{mark}b")),
                0,
                "inside of a word: {mark}"
            );
        }
    }

    #[test]
    fn ignored_tests_need_a_reason() {
        assert_eq!(findings("a.rs", concat!("#[ign", "ore]\nfn a() {}")), 1);
        assert_eq!(
            findings("a.rs", concat!("#[ign", "ore = \"slow: nightly\"]\nfn a() {}")),
            0
        );
        assert_eq!(findings("a.rs", concat!("// #[ign", "ore]\n")), 0);
    }

    #[test]
    fn paths_of_a_machine_are_found() {
        for folder in MACHINE {
            assert_eq!(findings("a.md", &format!("see `{folder}x`")), 1, "{folder}");
            assert_eq!(
                findings("a.md", &format!("https://a.example{folder}x ../a{folder}")),
                0,
                "{folder}"
            );
        }
    }
}

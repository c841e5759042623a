//! What documents say of the code's layout is so: the crates, their picture, the files of a crate, the
//! subsessions.

use std::collections::BTreeSet;

use super::Finding;
use super::layers;
use super::rust::{code_of, test_parts, words};
use super::tree::Tree;
use super::workspace::Workspace;

/// The map of the crates.
const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";
/// The crate that is spoken of beside the others: it stands in no table and in no picture.
const XTASK: &str = "xtask";
/// What the picture says where it does not name crates.
const REST: &str = "everything else";
/// Where the number of subsessions is told, in a line that starts with that word.
const OVERVIEW: &str = "README.md";
/// Numbers as words, from zero on.
const NUMBERS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
];

/// Finds maps that differ from the code.
pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut findings = crates(tree, workspace);
    findings.extend(subsessions(tree));
    for package in workspace.members() {
        findings.extend(files(tree, &format!("{}src/", package.folder())));
    }
    findings
}

/// Compares the table of crates, the picture and the names around it with the crates that there are.
fn crates(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let text = tree.text(ARCHITECTURE).unwrap_or_default();
    let there: BTreeSet<String> = workspace.members().map(|package| package.short_name()).collect();
    let mut findings = Vec::new();
    let mut find = |what: String| findings.push(Finding::new(ARCHITECTURE, what));

    let table: BTreeSet<&str> = section(text, "## Crates").filter_map(first_name).collect();
    let pictured: BTreeSet<&str> = section(text, "## What depends on what")
        .filter(|line| line.starts_with("    "))
        .flat_map(|line| line.split(|c: char| !is_of_a_name(c)))
        .filter(|name| !name.is_empty() && !REST.split(' ').any(|word| word == *name))
        .collect();
    let spoken_of = section(text, "## What depends on what")
        .filter(|line| !line.starts_with("    "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|name| name.chars().all(|c| is_of_a_name(c) || c == '*'));

    for name in there
        .iter()
        .filter(|name| *name != XTASK && !table.contains(name.as_str()))
    {
        find(format!("its table of crates lacks {name}"));
    }
    for name in table.iter().chain(&pictured).copied().chain(spoken_of) {
        let exists = match name.strip_suffix('*') {
            // A family such as `encryptor-*`: what its members implement must exist, they themselves need
            // not.
            Some(start) => there.contains(start.trim_end_matches('-')),
            None => there.contains(name),
        };
        if !exists {
            find(format!("names the crate {name}, which does not exist"));
        }
    }
    for name in there
        .iter()
        .filter(|name| layers::is_ordered(name) && !pictured.contains(name.as_str()))
    {
        find(format!("its picture of what depends on what lacks {name}"));
    }
    findings
}

/// The lines under a heading, up to the next one.
fn section<'a>(text: &'a str, heading: &str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().skip_while(move |line| *line != heading).skip(1);
    lines
        .take_while(|line| !line.starts_with("## "))
        .collect::<Vec<_>>()
        .into_iter()
}

/// The name between backticks at the start of a table's row.
fn first_name(row: &str) -> Option<&str> {
    row.strip_prefix("| `")?.split('`').next()
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_lowercase() || c == '-'
}

/// Compares how many subsessions the README tells of with how many a session has: those of the past, and the
/// current one.
fn subsessions(tree: &Tree) -> Vec<Finding> {
    let constant = |text: &str| {
        let (_, rest) = text.split_once("const MAX_PAST: usize = ")?;
        rest.split(';').next()?.parse::<usize>().ok()
    };
    let Some(number) = tree
        .under("crates/session/src/")
        .find_map(|(_, text)| constant(text))
    else {
        return vec![Finding::new(
            "crates/session/src/",
            "has no MAX_PAST, which the README tells of",
        )];
    };
    let word = NUMBERS.get(number + 1).copied().unwrap_or("many");
    let mut lines = tree.text(OVERVIEW).unwrap_or_default().lines();
    let is_told =
        |line: &str| line.trim_start().starts_with("subsessions ") && words(line).any(|found| found == word);
    if lines.any(is_told) {
        return Vec::new();
    }
    let what = format!("has no line `subsessions` that says {word}: MAX_PAST, and the current one");
    vec![Finding::new(OVERVIEW, what)]
}

/// Where a crate's front page has a table of its files, compares that with its files, tests left out.
fn files(tree: &Tree, folder: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for front in ["lib.rs", "main.rs"].map(|name| format!("{folder}{name}")) {
        let Some(text) = tree.text(&front) else { continue };
        let told = table_of_files(text);
        if told.is_empty() {
            continue;
        }
        let tests: BTreeSet<String> = test_parts(&code_of(text)).modules.into_iter().collect();
        let there: BTreeSet<&str> = tree
            .under(folder)
            .filter_map(|(path, _)| path.strip_prefix(folder)?.strip_suffix(".rs"))
            .map(|path| path.strip_suffix("/mod").unwrap_or(path))
            .filter(|name| !(name.contains('/') || ["lib", "main"].contains(name) || tests.contains(*name)))
            .collect();
        for name in there.difference(&told) {
            findings.push(Finding::new(&front, format!("its table of files lacks {name}")));
        }
        for name in told.difference(&there) {
            findings.push(Finding::new(
                &front,
                format!("its table of files names {name}, which is not there"),
            ));
        }
    }
    findings
}

/// The names in the first column of the table of files on a front page; none if there is no such table.
fn table_of_files(text: &str) -> BTreeSet<&str> {
    let head = |line: &&str| {
        ["//! | file |", "//! | module |"]
            .iter()
            .any(|head| line.starts_with(head))
    };
    let rows = text
        .lines()
        .skip_while(|line| !head(line))
        .take_while(|line| line.starts_with("//! |"));
    rows.filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "## Crates\n\n| `core` | x |\n| `gka` | x |\n| `gka-a` | x |\n\n\
                        ## What depends on what\n\n      core\n       ┌──┐\n    gka  gka-a\n    everything else\n\n\
                        - `gka-*` know `core` and `clippy.toml`.\n\n## More\n\n`web`\n";

    fn found(text: &str) -> Vec<String> {
        let workspace = Workspace::of(&[("core", "a", &[]), ("gka", "b", &[]), ("gka-a", "c", &[])]);
        let findings = crates(&Tree::from([(ARCHITECTURE, text)]), &workspace);
        findings.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn the_map_of_crates_is_the_crates() {
        assert_eq!(found(TEXT), [""; 0]);
        assert_eq!(
            found(&TEXT.replace("| `gka-a` | x |\n", "")),
            ["its table of crates lacks gka-a"]
        );
        let gone = "names the crate web, which does not exist";
        assert_eq!(
            found(&TEXT.replace("| `gka` | x |", "| `gka` | x |\n| `web` | x |")),
            [gone]
        );
        assert_eq!(
            found(&TEXT.replace("`gka-*` know", "`gka-*`, `web` know")),
            [gone]
        );
        assert_eq!(found(&TEXT.replace("  gka-a\n", "  gka-a web\n")), [gone]);
        let none = "names the crate web-*, which does not exist";
        assert_eq!(found(&TEXT.replace("`gka-*` know", "`web-*` know")), [none]);
        let unpictured = "its picture of what depends on what lacks gka-a";
        assert_eq!(found(&TEXT.replace("gka  gka-a", "gka")), [unpictured]);
    }

    #[test]
    fn the_number_of_subsessions_is_told() {
        let code = ("crates/session/src/any.rs", "const MAX_PAST: usize = 8;\n");
        let told = |readme| subsessions(&Tree::from([code, (OVERVIEW, readme)])).len();
        assert_eq!(told("    subsessions   nine at most"), 0);
        assert_eq!(told("    subsessions   two"), 1);
        assert_eq!(told("nine"), 1);
        assert_eq!(subsessions(&Tree::default()).len(), 1, "there is no MAX_PAST");
    }

    #[test]
    fn a_table_of_files_is_the_files() {
        let found = |table: &str| {
            let front = format!("//! x\n//!\n{table}//!\n//! | other | x |\n\n#[cfg(test)]\nmod trials;\n");
            let [b, trials] = ["crates/x/src/b.rs", "crates/x/src/trials.rs"];
            let tree = Tree::from([
                ("crates/x/src/lib.rs", front.as_str()),
                ("crates/x/src/a/mod.rs", ""),
                ("crates/x/src/a/part.rs", ""),
                (b, ""),
                (trials, ""),
            ]);
            let findings = files(&tree, "crates/x/src/");
            findings
                .into_iter()
                .map(|finding| finding.what)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(""), [""; 0], "no table");
        assert_eq!(
            found("//! | file | noun |\n//! |---|---|\n//! | `a`, `b` | `x` |\n"),
            [""; 0]
        );
        assert_eq!(
            found("//! | module | noun |\n//! | `a` | x |\n"),
            ["its table of files lacks b"]
        );
        let gone = "its table of files names c, which is not there";
        assert_eq!(found("//! | file | noun |\n//! | `a`, `b`, `c` | x |\n"), [gone]);
    }
}

//! The public items of the published crates, as they are recorded in `docs/api/`.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::command::{Tool, root, target};
use crate::tidy;

/// Where the records lie: `docs/api/concilium-core.txt` and so on.
const FOLDER: &str = "docs/api";

/// Compares the public items of each published crate with its record, or writes the records anew. A
/// difference is for a person to read: what goes or changes, breaks those who depend on the crate.
pub(crate) fn run(update: bool) -> Result<()> {
    let packages = tidy::published_packages()?;
    let mut differ = Vec::new();
    for package in &packages {
        let file = format!("{FOLDER}/{package}.txt");
        let items = items(package)?;
        ensure!(!items.trim().is_empty(), "{package} has no public item");
        let path = root()?.join(&file);
        if update {
            fs::create_dir_all(root()?.join(FOLDER))?;
            fs::write(&path, items).with_context(|| format!("cannot write {file}"))?;
            continue;
        }
        let recorded = fs::read_to_string(&path).unwrap_or_default();
        if recorded != items {
            println!("{file} differs:\n{}", difference(&recorded, &items));
            differ.push(file);
        }
    }
    let of_none = unclaimed(&packages)?;
    ensure!(
        of_none.is_empty(),
        "no published crate has the records {of_none:?}; remove them"
    );
    ensure!(
        differ.is_empty(),
        "public items have changed; if that is meant, run `cargo xtask api --update` and read the difference"
    );
    println!("the public items of {} crates are as recorded", packages.len());
    Ok(())
}

/// The public items of a crate with all its features, one a line, in order.
fn items(package: &str) -> Result<String> {
    Tool::cargo("rustdoc --quiet --lib --all-features --package")
        .args([package, "--", "-Zunstable-options", "--output-format", "json"])
        .env("RUSTDOC", root()?.join("xtask/rustdoc.sh"))
        .run()?;
    let json = format!("doc/{}.json", package.replace('-', "_"));
    Tool::new("cargo-public-api")
        .args(["public-api", "-sss", "--color", "never", "--rustdoc-json"])
        .args([target()?.join(json)])
        .output()
        .context("it takes cargo-public-api: cargo install cargo-public-api --locked")
}

/// The lines that stand in one of two texts alone, with `-` or `+` before them.
fn difference(before: &str, after: &str) -> String {
    let missing = |from: &str, other: &str, sign: char| -> String {
        from.lines()
            .filter(|line| !other.lines().any(|other| other == *line))
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    missing(before, after, '-') + &missing(after, before, '+')
}

/// Records of crates that are not published or not there any more.
fn unclaimed(packages: &[String]) -> Result<Vec<String>> {
    let mut records = Vec::new();
    for entry in fs::read_dir(root()?.join(FOLDER)).with_context(|| format!("there is no {FOLDER}"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let package = name.trim_end_matches(".txt");
        if !packages.iter().any(|known| known == package) && name != "README.md" {
            records.push(name);
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_what_went_and_what_came() {
        assert_eq!(difference("a\nb\n", "b\nc\n"), "- a\n+ c\n");
        assert_eq!(difference("a\n", "a\n"), "");
    }
}

//! The project's own rules that no compiler checks.

mod attacks;
mod calls;
mod files;
mod id;
mod kits;
mod labels;
mod layers;
mod links;
mod listing;
mod manifests;
mod maps;
mod pending;
mod publishing;
mod records;
mod rules;
mod rust;
mod scenarios;
mod shipped;
mod tests_of;
mod tree;
mod width;
mod workspace;

use std::fmt;

use anyhow::{Context, Result, ensure};

use crate::command::root;
use kits::Kits;
use pending::Pending;
use tests_of::Evidence;
use tree::Tree;
use workspace::Workspace;

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    place: String,
    what: String,
}

impl Finding {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Checks everything and prints what it finds; fails if that is anything. With `update`, first brings the
/// pending list and the lists of tests up to date with the tests that there are.
pub(crate) fn run(update: bool) -> Result<()> {
    let mut tree = Tree::load(&root()?)?;
    let workspace = Workspace::load()?;
    if update {
        let evidence = Evidence::of(&tree);
        let mut updates = Vec::from(listing::made(&tree, &evidence));
        updates.push((pending::FILE, pending::updated(&tree, &evidence)));
        updates.push((width::FILE, width::updated(&tree)));
        for (file, text) in updates {
            std::fs::write(root()?.join(file), &text).with_context(|| format!("cannot write {file}"))?;
            tree.insert(file, text);
        }
    }
    let mut findings = check(&tree, &workspace);
    findings.extend(shipped::check(&tree, &shipped::linked()?));
    for finding in &findings {
        println!("{finding}");
    }
    ensure!(findings.is_empty(), "{} findings", findings.len());
    let (pending, _) = Pending::read(&tree);
    println!(
        "{} files are tidy; {} rules and attacks are pending",
        tree.len(),
        pending.len()
    );
    Ok(())
}

/// The names of the crates that touch neither clock nor disk nor network, test crates left out.
pub(crate) fn quiet_packages() -> Result<Vec<String>> {
    let workspace = Workspace::load()?;
    let names = layers::quiet(&workspace).map(|package| package.name.clone());
    Ok(names.collect())
}

/// The names of the crates that are published. Each has a library.
pub(crate) fn published_packages() -> Result<Vec<String>> {
    let workspace = Workspace::load()?;
    let published = workspace.members().filter(|package| package.is_published());
    Ok(published.map(|package| package.name.clone()).collect())
}

fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let (kits, mut findings) = Kits::read(tree);
    let evidence = Evidence::with(tree, &kits);
    findings.extend(evidence.findings().iter().cloned());
    let (pending, found) = Pending::read(tree);
    findings.extend(found);
    findings.extend(listing::check(tree, &evidence));
    findings.extend(rules::check(tree, &evidence, &pending));
    findings.extend(scenarios::check(tree, &evidence, &pending));
    findings.extend(attacks::check(tree, &evidence, &pending));
    findings.extend(calls::check(tree));
    findings.extend(files::check(tree));
    findings.extend(labels::check(tree));
    findings.extend(width::check(tree));
    findings.extend(maps::check(tree, workspace));
    findings.extend(links::check(tree));
    findings.extend(records::check(tree));
    findings.extend(manifests::check(tree, workspace));
    findings.extend(publishing::check(tree, workspace));
    findings.extend(layers::check(tree, workspace));
    findings.sort();
    findings.dedup();
    findings
}

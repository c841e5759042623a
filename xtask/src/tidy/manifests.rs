//! Every crate has what a stranger needs to take it up.

use super::Finding;
use super::tree::Tree;
use super::workspace::Workspace;

/// Finds crates without a README, an example, a description, a licence, or the workspace's lints.
pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in workspace.members() {
        let folder = package.folder();
        let manifest = format!("{folder}Cargo.toml");
        let mut missing = |place: &str, what: &str| findings.push(Finding::new(place, what));
        let readme = format!("{folder}README.md");
        match tree.text(&readme) {
            None => missing(&readme, "is missing"),
            Some(text) if package.has_library() && !text.contains("\n```rust") => {
                missing(&readme, "shows no example in Rust");
            }
            Some(_) => {}
        }
        if package.description.is_none() {
            missing(&manifest, "has no description");
        }
        if package.license.is_none() {
            missing(&manifest, "has no license");
        }
        if !tree.text(&manifest).is_some_and(takes_the_workspaces_lints) {
            missing(&manifest, "must have `[lints]` with `workspace = true`");
        }
    }
    findings
}

fn takes_the_workspaces_lints(manifest: &str) -> bool {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[lints]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .any(|line| line.split_whitespace().collect::<String>() == "workspace=true")
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: (&str, &str) = ("crates/core/README.md", "# x\n\n```rust\n```\n");
    const MANIFEST: (&str, &str) = ("crates/core/Cargo.toml", "[package]\n[lints]\nworkspace = true\n");

    fn core() -> Workspace {
        Workspace::of(&[("core", "a", &[])])
    }

    #[test]
    fn a_crate_has_everything_or_is_found() {
        assert_eq!(check(&Tree::from([README, MANIFEST]), &core()), []);
        let tree = Tree::from([README, MANIFEST]);
        assert_eq!(check(&tree, &core().without_description()).len(), 1);
        assert_eq!(check(&tree, &core().without_licence()).len(), 1);
        assert_eq!(check(&Tree::from([MANIFEST]), &core()).len(), 1, "no README");
        assert_eq!(
            check(&Tree::from([(README.0, "# x\n"), MANIFEST]), &core()).len(),
            1,
            "no example"
        );
        let lints =
            "[package]\nworkspace = true\n[lints.rust]\nworkspace = true\n[lints]\n[x]\nworkspace = true\n";
        assert_eq!(
            check(&Tree::from([README, (MANIFEST.0, lints)]), &core()).len(),
            1,
            "no lints"
        );
    }
}

//! Every crate has what a stranger needs to take it up.

use super::Finding;
use super::tree::Tree;
use super::workspace::Workspace;

/// The manifest of the workspace.
const WORKSPACE: &str = "Cargo.toml";

/// Finds crates without a README, an example, a description, a licence, or the workspace's lints. Finds
/// dependencies of the workspace that no crate takes up.
pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut findings = unused(tree, workspace);
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

/// Dependencies that the workspace offers and no crate takes up.
fn unused(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let manifests: Vec<&str> = workspace
        .members()
        .filter_map(|package| tree.text(&format!("{}Cargo.toml", package.folder())))
        .collect();
    let offered = tree.text(WORKSPACE).unwrap_or_default().lines();
    offered
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
        .filter(|name| {
            let starts = [
                format!("{name}.workspace"),
                format!("{name} = {{ workspace = true"),
            ];
            let takes = |line: &str| starts.iter().any(|start| line.starts_with(start));
            !manifests.iter().any(|manifest| manifest.lines().any(takes))
        })
        .map(|name| Finding::new(WORKSPACE, format!("no crate takes the dependency {name} up")))
        .collect()
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
    fn dependencies_that_no_crate_takes_up_are_found() {
        let offers =
            "[workspace.dependencies]\n# Ours.\na = \"1\"\nb-c = { path = \"x\" }\n\n[profile.dev]\nd = 1\n";
        let found = |takes: &str| {
            let manifest = format!("{}[dependencies]\n{takes}", MANIFEST.1);
            let tree = Tree::from([README, (MANIFEST.0, &manifest), (WORKSPACE, offers)]);
            check(&tree, &core())
                .iter()
                .map(Finding::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found("a.workspace = true\nb-c = { workspace = true, features = [] }\n"),
            [""; 0]
        );
        assert_eq!(
            found("a.workspace = true\nb.workspace = true\n"),
            ["Cargo.toml: no crate takes the dependency b-c up"]
        );
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

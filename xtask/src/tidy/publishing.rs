//! Every crate that is published has what its page in the registry shows, and what its licences ask for.

use super::Finding;
use super::tree::Tree;
use super::workspace::{Package, Workspace};

/// The texts of the licences: each published crate carries both.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
/// Where the compiler is pinned.
const TOOLCHAIN: &str = "rust-toolchain.toml";

/// Finds published crates that lack metadata or a licence's text. Finds crates that ask for another compiler
/// than the pinned one, which alone is tried.
pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let pinned = tree.text(TOOLCHAIN).and_then(minor_version);
    let mut findings = Vec::new();
    for package in workspace.members() {
        let manifest = format!("{}Cargo.toml", package.folder());
        if package.rust_version.as_deref() != pinned {
            let what = format!(
                "rust-version must be {}, the compiler in {TOOLCHAIN}: no other is tried",
                pinned.unwrap_or("told")
            );
            findings.push(Finding::new(&manifest, what));
        }
        if package.is_published() {
            findings.extend(lacking(package).map(|what| Finding::new(&manifest, format!("lacks {what}"))));
            findings.extend(licences(tree, &package.folder()));
        }
    }
    findings
}

/// The metadata that a published package lacks.
fn lacking(package: &Package) -> impl Iterator<Item = &'static str> {
    let has = [
        (package.readme.is_some(), "readme"),
        (!package.keywords.is_empty(), "keywords"),
        (!package.categories.is_empty(), "categories"),
        (package.has_settings_for_docs(), "[package.metadata.docs.rs]"),
    ];
    has.into_iter().filter(|(has, _)| !has).map(|(_, what)| what)
}

fn licences(tree: &Tree, folder: &str) -> Vec<Finding> {
    LICENCES
        .into_iter()
        .map(|name| (name, format!("{folder}{name}")))
        .filter(|(name, copy)| tree.text(name).is_none() || tree.text(name) != tree.text(copy))
        .map(|(name, copy)| Finding::new(copy, format!("must be a copy of {name}")))
        .collect()
}

/// `1.95` of `channel = "1.95.0"`.
fn minor_version(toolchain: &str) -> Option<&str> {
    let (_, rest) = toolchain.split_once("channel = \"")?;
    let version = rest.split('"').next()?;
    version.rsplit_once('.').map(|(minor, _)| minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LICENCE: &str = "as is";
    const FILES: [(&str, &str); 5] = [
        ("LICENSE-APACHE", LICENCE),
        ("LICENSE-MIT", LICENCE),
        ("crates/core/LICENSE-APACHE", LICENCE),
        ("crates/core/LICENSE-MIT", LICENCE),
        (TOOLCHAIN, "[toolchain]\nchannel = \"1.95.0\"\n"),
    ];

    fn workspace(package: &str) -> Workspace {
        let json = r#"{"packages": [{"id": "a", "name": "a", "description": null, "license": null,
            "manifest_path": "any/crates/core/Cargo.toml", "targets": [], PACKAGE}],
            "workspace_members": ["a"], "resolve": {"nodes": []}}"#;
        Workspace::read(&json.replace("PACKAGE", package)).unwrap()
    }

    const WHOLE: &str = r#""publish": null, "readme": "README.md", "keywords": ["k"], "categories": ["c"],
        "rust_version": "1.95", "metadata": {"docs": {"rs": {}}}"#;

    fn found(tree: &Tree, package: &str) -> Vec<String> {
        let findings = check(tree, &workspace(package));
        findings.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_published_crate_has_its_metadata() {
        let tree = Tree::from(FILES);
        assert_eq!(found(&tree, WHOLE), [""; 0]);
        for (part, name) in [
            (r#""readme": "README.md""#, "readme"),
            (r#""keywords": ["k"]"#, "keywords"),
            (r#""categories": ["c"]"#, "categories"),
            (
                r#""metadata": {"docs": {"rs": {}}}"#,
                "[package.metadata.docs.rs]",
            ),
        ] {
            let without = WHOLE.replace(part, r#""more": 1"#);
            assert_eq!(
                found(&tree, &without),
                [format!("crates/core/Cargo.toml: lacks {name}")]
            );
        }
        let bare = r#""publish": [], "rust_version": "1.95""#;
        assert_eq!(
            found(&Tree::from([FILES[4]]), bare),
            [""; 0],
            "it is not published"
        );
    }

    #[test]
    fn a_published_crate_carries_its_licences() {
        for (i, (path, _)) in FILES.iter().enumerate().take(4) {
            let mut files = FILES;
            files[i].1 = "another text";
            assert_eq!(found(&Tree::from(files), WHOLE).len(), 1, "{path}");
        }
        assert_eq!(found(&Tree::from([FILES[4]]), WHOLE).len(), 2, "none is there");
    }

    #[test]
    fn the_compiler_that_is_promised_is_the_one_that_is_tried() {
        let older = WHOLE.replace("1.95", "1.91");
        let what = "crates/core/Cargo.toml: rust-version must be 1.95, the compiler in rust-toolchain.toml: no other \
                    is tried";
        assert_eq!(found(&Tree::from(FILES), &older), [what]);
    }
}

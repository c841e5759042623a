//! The crates of the workspace and what they depend on, as cargo sees it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command::{Tool, root};

/// What `cargo metadata` says, as far as it is of interest here.
#[derive(Debug, Deserialize)]
pub(super) struct Workspace {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    /// None: a normal dependency; else `dev` or `build`.
    kind: Option<String>,
}

/// One package.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) license: Option<String>,
    pub(super) readme: Option<String>,
    #[serde(default)]
    pub(super) keywords: Vec<String>,
    #[serde(default)]
    pub(super) categories: Vec<String>,
    pub(super) rust_version: Option<String>,
    /// The registries that it may be published to; none stands for any.
    publish: Option<Vec<String>>,
    /// What other tools than cargo read.
    #[serde(default)]
    metadata: serde_json::Value,
    manifest_path: String,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Package {
    /// Whether there is a library in it.
    pub(super) fn has_library(&self) -> bool {
        self.targets
            .iter()
            .any(|target| target.kind.iter().any(|kind| kind == "lib"))
    }

    /// Whether it is meant to be published.
    pub(super) fn is_published(&self) -> bool {
        self.publish
            .as_ref()
            .is_none_or(|registries| !registries.is_empty())
    }

    /// Whether it says how docs.rs is to build its documentation.
    pub(super) fn has_settings_for_docs(&self) -> bool {
        self.metadata.pointer("/docs/rs").is_some()
    }

    /// Its folder from the project's root, with a slash at the end.
    pub(super) fn folder(&self) -> String {
        let mut parts = self.manifest_path.rsplit('/').skip(1);
        let folder = parts.next().unwrap_or_default();
        let above = parts.next().unwrap_or_default();
        if above == "crates" {
            format!("crates/{folder}/")
        } else {
            format!("{folder}/")
        }
    }

    /// The name of its folder, by which the layers speak of it.
    pub(super) fn short_name(&self) -> String {
        let folder = self.folder();
        folder
            .trim_start_matches("crates/")
            .trim_end_matches('/')
            .to_owned()
    }
}

impl Workspace {
    /// Asks cargo.
    pub(super) fn load() -> Result<Self> {
        let json = Tool::cargo("metadata --format-version 1 --locked --manifest-path")
            .args([root()?.join("Cargo.toml")])
            .output()?;
        Self::read(&json)
    }

    pub(super) fn read(json: &str) -> Result<Self> {
        serde_json::from_str(json).context("cargo metadata printed something else than expected")
    }

    /// The project's own crates.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.is_member(package))
    }

    pub(super) fn is_member(&self, package: &Package) -> bool {
        self.workspace_members.contains(&package.id)
    }

    /// What a package depends on itself, build and test dependencies left out.
    pub(super) fn direct<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = &'a Package> {
        let nodes = self.resolve.nodes.iter().filter(|node| node.id == package.id);
        let normal = |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        nodes
            .flat_map(move |node| node.deps.iter().filter(normal))
            .filter_map(|dependency| self.packages.iter().find(|package| package.id == dependency.pkg))
    }

    /// Everything that a package reaches through normal dependencies but those that are excused, by the names
    /// of both ends; each with the one that leads to it.
    pub(super) fn reached<'a>(
        &'a self,
        package: &'a Package,
        excused: impl Fn(&str, &str) -> bool,
    ) -> BTreeMap<&'a str, &'a str> {
        let mut reached = BTreeMap::new();
        let mut waiting = vec![package];
        while let Some(from) = waiting.pop() {
            for to in self.direct(from) {
                if !reached.contains_key(to.name.as_str()) && !excused(&from.name, &to.name) {
                    reached.insert(to.name.as_str(), from.name.as_str());
                    waiting.push(to);
                }
            }
        }
        reached
    }
}

#[cfg(test)]
impl Workspace {
    /// A workspace of crates in `crates/`, or outside packages where the folder is empty, with their normal
    /// dependencies.
    pub(super) fn of(packages: &[(&str, &str, &[&str])]) -> Self {
        Self {
            packages: packages
                .iter()
                .map(|(folder, name, _)| Package {
                    id: (*name).to_owned(),
                    name: (*name).to_owned(),
                    description: Some("x".to_owned()),
                    license: Some("MIT OR Apache-2.0".to_owned()),
                    readme: None,
                    keywords: Vec::new(),
                    categories: Vec::new(),
                    rust_version: None,
                    publish: None,
                    metadata: serde_json::Value::Null,
                    manifest_path: format!("any/crates/{folder}/Cargo.toml"),
                    targets: vec![Target {
                        kind: vec!["lib".to_owned()],
                    }],
                })
                .collect(),
            workspace_members: packages
                .iter()
                .filter(|(folder, ..)| !folder.is_empty())
                .map(|(_, name, _)| (*name).to_owned())
                .collect(),
            resolve: Resolve {
                nodes: packages
                    .iter()
                    .map(|(_, name, dependencies)| Node {
                        id: (*name).to_owned(),
                        deps: dependencies.iter().map(|name| Dependency::normal(name)).collect(),
                    })
                    .collect(),
            },
        }
    }

    pub(super) fn without_description(mut self) -> Self {
        self.packages
            .iter_mut()
            .for_each(|package| package.description = None);
        self
    }

    pub(super) fn without_licence(mut self) -> Self {
        self.packages
            .iter_mut()
            .for_each(|package| package.license = None);
        self
    }
}

#[cfg(test)]
impl Dependency {
    fn normal(name: &str) -> Self {
        Self {
            pkg: name.to_owned(),
            dep_kinds: vec![DependencyKind { kind: None }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_words_are_understood() {
        let json = r#"{
            "packages": [
                {"id": "p1", "name": "concilium-core", "description": null, "license": "MIT", "version": "1.0.0",
                 "manifest_path": "/any/crates/core/Cargo.toml", "targets": [{"kind": ["lib"]}]},
                {"id": "p2", "name": "serde", "description": "d", "license": null,
                 "manifest_path": "/any/serde/Cargo.toml", "targets": []},
                {"id": "p3", "name": "proptest", "description": "d", "license": null,
                 "manifest_path": "/any/proptest/Cargo.toml", "targets": []}],
            "workspace_members": ["p1"],
            "resolve": {"nodes": [{"id": "p1", "deps": [
                {"pkg": "p2", "dep_kinds": [{"kind": "dev", "target": null}, {"kind": null, "target": null}]},
                {"pkg": "p3", "dep_kinds": [{"kind": "dev", "target": null}]}]}]}
        }"#;
        let workspace = Workspace::read(json).unwrap();
        let core = workspace.members().next().unwrap();
        assert_eq!(
            (core.short_name(), core.folder()),
            ("core".to_owned(), "crates/core/".to_owned())
        );
        assert!(core.has_library() && core.description.is_none());
        assert_eq!(
            workspace.reached(core, |_, _| false),
            BTreeMap::from([("serde", "concilium-core")])
        );
    }
}

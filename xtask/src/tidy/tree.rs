//! The text files of the project.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::command::Tool;

/// The project's text files by their paths from the root, with `/` between folders.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree(BTreeMap<String, String>);

impl Tree {
    /// What git tracks, and what it would track if it were added; files of other than text are left out.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let mut tree = Self::default();
        for path in Tool::new("git").args(listing).output()?.split_terminator('\0') {
            // A file that is deleted and not yet committed is listed and not there.
            let Ok(bytes) = fs::read(root.join(path)) else {
                continue;
            };
            if let Ok(text) = String::from_utf8(bytes)
                && !text.contains('\0')
            {
                tree.insert(path, text);
            }
        }
        Ok(tree)
    }

    /// Puts a file in.
    pub(super) fn insert(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.0.insert(path.into(), text.into());
    }

    /// A file's text.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// All files, paths ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files of a folder and its subfolders; `folder` ends with `/`.
    pub(super) fn under<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.iter().filter(move |(path, _)| path.starts_with(folder))
    }

    /// How many files.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Tree {
    fn from(files: [(&str, &str); N]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.insert(path, text);
        }
        tree
    }
}

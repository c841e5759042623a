//! Running other programs in the project's root.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// The project's root: the folder above this crate's.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .map(Path::to_owned)
        .context("xtask must lie in a folder of the workspace")
}

/// Where build products go: outside the source tree where the environment says so.
pub(crate) fn target() -> Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => Ok(root()?.join(folder)),
        None => Ok(root()?.join("target")),
    }
}

/// A program with its arguments, to be run from the project's root.
#[derive(Debug)]
pub(crate) struct Tool(Command);

impl Tool {
    /// A program, by its name or path.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self(Command::new(program))
    }

    /// Cargo, with arguments separated by spaces.
    pub(crate) fn cargo(arguments: &str) -> Self {
        // Not the CARGO of our own environment: that one is bound to a toolchain already and would not read
        // rust-toolchain.toml, and a warning flag meant for one step must not leak into the next.
        Self::new("cargo").args(arguments.split_whitespace())
    }

    /// More arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.0.args(arguments);
        self
    }

    /// A variable of the program's environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Without a variable of our environment.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// Runs it, showing the command and its output; fails unless it succeeds.
    pub(crate) fn run(mut self) -> Result<()> {
        println!("$ {}", self.line());
        let status = self
            .0
            .current_dir(root()?)
            .status()
            .with_context(|| format!("cannot run {}; is it installed?", self.line()))?;
        ensure!(status.success(), "`{}` ended with {status}", self.line());
        Ok(())
    }

    /// Runs it and takes what it prints; fails unless it succeeds.
    pub(crate) fn output(mut self) -> Result<String> {
        let output = self
            .0
            .current_dir(root()?)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot run {}; is it installed?", self.line()))?;
        if !output.status.success() {
            bail!("`{}` ended with {}", self.line(), output.status);
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{}` printed no UTF-8", self.line()))
    }

    fn line(&self) -> String {
        let mut line = self.0.get_program().to_string_lossy().into_owned();
        for argument in self.0.get_args() {
            let _ = write!(line, " {}", argument.to_string_lossy());
        }
        line
    }
}

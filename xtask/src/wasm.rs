//! Building for browsers whatever must build for them.

use std::path::Path;

use anyhow::{Context, Result};

use crate::command::{Tool, root, target};
use crate::steps::Steps;
use crate::tidy;

const TARGET: &str = "wasm32-unknown-unknown";

/// The question is whether it builds; nobody runs what comes out.
const CHEAPLY: [&str; 3] = [
    "profile.dev.debug=0",
    "profile.dev.opt-level=0",
    "profile.dev.package.'*'.opt-level=0",
];

/// Builds each crate that touches nothing of the world, with default features, and each by itself, so that
/// none lives on features that another one asked for.
pub(crate) fn run(steps: &mut Steps) -> Result<()> {
    let mut toolchain = Toolchain::Rustup;
    steps.step("wasm toolchain", || {
        toolchain = Toolchain::find()?;
        Ok(())
    })?;
    steps.step("wasm", || {
        let packages = tidy::quiet_packages()?;
        for package in &packages {
            toolchain.build(package)?;
        }
        println!(
            "{} crates build for {TARGET}: {}",
            packages.len(),
            packages.join(", ")
        );
        Ok(())
    })
}

/// Where a standard library for the target comes from.
#[derive(Debug)]
enum Toolchain {
    /// The pinned toolchain has the target installed.
    Rustup,
    /// Unpacked from Debian's packages; builds the standard library from its sources.
    Debian {
        sysroot: String,
        libraries: String,
        linker: String,
        std_sources: String,
    },
}

impl Toolchain {
    fn find() -> Result<Self> {
        let sysroot = Tool::new("rustc").args(["--print", "sysroot"]).output()?;
        let installed = Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET);
        if installed.exists() {
            println!("the toolchain has {TARGET}");
            return Ok(Self::Rustup);
        }
        println!("the toolchain lacks {TARGET}; taking one from Debian's packages");
        let lines = Tool::new(root()?.join("xtask/wasm-toolchain.sh"))
            .args([target()?.join("wasm-toolchain")])
            .output()?;
        Self::from_lines(&lines)
    }

    /// Reads what `wasm-toolchain.sh` prints.
    fn from_lines(lines: &str) -> Result<Self> {
        let value = |name: &str| {
            lines
                .lines()
                .filter_map(|line| line.split_once('='))
                .find(|(found, _)| *found == name)
                .map(|(_, value)| value.to_owned())
                .with_context(|| format!("wasm-toolchain.sh did not say {name}"))
        };
        Ok(Self::Debian {
            sysroot: value("SYSROOT")?,
            libraries: value("LIBRARIES")?,
            linker: value("LINKER")?,
            std_sources: value("STD_SOURCES")?,
        })
    }

    fn build(&self, package: &str) -> Result<()> {
        let tool = |program: &str| {
            Tool::new(program)
                .args([
                    "build",
                    "--locked",
                    "--lib",
                    "--target",
                    TARGET,
                    "--package",
                    package,
                ])
                .args(CHEAPLY.iter().flat_map(|setting| ["--config", setting]))
        };
        match self {
            Self::Rustup => tool("cargo").run(),
            Self::Debian {
                sysroot,
                libraries,
                linker,
                std_sources,
            } => tool(&format!("{sysroot}/bin/cargo"))
                .args(["-Zbuild-std=std,panic_abort"])
                .env("RUSTC", format!("{sysroot}/bin/rustc"))
                // The packaged compiler is a stable one, and building the standard library is not.
                .env("RUSTC_BOOTSTRAP", "1")
                // Where build-std finds its sources; cargo offers no other way to say it.
                .env("__CARGO_TESTS_ONLY_SRC_ROOT", std_sources)
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                // For this process alone: these libraries are older or newer than the system's.
                .env("LD_LIBRARY_PATH", libraries)
                // Another compiler than the native one, so another folder.
                .env("CARGO_TARGET_DIR", target()?.join("wasm"))
                .without("RUSTUP_TOOLCHAIN")
                .without("RUSTC_WRAPPER")
                .run(),
        }
        .with_context(|| format!("{package} must build for {TARGET}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_prints_is_read_and_what_it_omits_is_named() {
        let lines = "SYSROOT=/a\nLIBRARIES=/b:/c\nLINKER=/d\nSTD_SOURCES=/e=f\n";
        assert!(matches!(
            Toolchain::from_lines(lines),
            Ok(Toolchain::Debian { sysroot, std_sources, .. }) if sysroot == "/a" && std_sources == "/e=f"
        ));
        let error = Toolchain::from_lines("SYSROOT=/a").unwrap_err();
        assert!(error.to_string().contains("LIBRARIES"));
    }
}

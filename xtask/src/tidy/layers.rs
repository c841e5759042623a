//! Dependencies point downwards, and only drivers touch the world. docs/ARCHITECTURE.md has the picture.

use super::Finding;
use super::rust::{code_of, test_parts};
use super::tree::Tree;
use super::workspace::{Package, Workspace};

/// The five that stand on `core` alone.
const PARTS: [&str; 5] = ["gka", "encryptor", "transcript", "server-order", "liveness"];

/// What the implementations of a contract may share, beside the contract: for each contract, such crates.
/// They stand where implementations do, and know none.
const SHARED: [(&str, &str); 1] = [("gka", "gka-dh")];

/// Crates that may touch clock, disk, network or an async runtime: they drive the others.
const DRIVERS: [&str; 4] = ["relay", "cli", "xtask", "bench"];

/// Crates that serve tests: no driver, but their property tests, or the model checker, may bring a random
/// generator or a network along.
const FOR_TESTS: [&str; 8] = [
    "testkit",
    "test-parts",
    "scenario",
    "fuzzing",
    "sim",
    "model",
    "threats",
    "vectors",
];

/// A crate that serves tests, and a driver that it may depend on: its target drives the relay's hub, which
/// needs no socket.
const FUZZED_DRIVER: (&str, &str) = ("fuzzing", "relay");

/// Packages that bring a clock, a disk, a network, the system's randomness or an async runtime.
const WORLDLY: [&str; 31] = [
    "async-io",
    "async-std",
    "chrono",
    "fastrand",
    "filetime",
    "getrandom",
    "gloo-timers",
    "hyper",
    "instant",
    "jiff",
    "mio",
    "notify",
    "parking_lot",
    "polling",
    "rand",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tokio-rustls",
    "tokio-tungstenite",
    "tungstenite",
    "ureq",
    "walkdir",
    "wasm-bindgen",
    "web-sys",
    "web-time",
];

/// The same through the standard library. Clippy holds its own list (clippy.toml) of single functions; this
/// one is of whole modules.
const WORLDLY_STD: [&str; 8] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
];

/// Packages that bring some of these along for browsers alone, compiled and never called: what they depend on
/// does not count. With the reason.
const EXCUSED: [(&str, &[&str]); 3] = [
    // docs/decisions/0016: without their feature `std`, mls-rs and its parts ask for no time and no random
    // number.
    ("mls-rs", &["getrandom", "wasm-bindgen"]),
    ("mls-rs-codec", &["wasm-bindgen"]),
    ("mls-rs-core", &["wasm-bindgen"]),
];

/// Packages that one crate alone may depend on, so that what they do has one home.
const ONE_HOME: [(&str, &str); 2] = [
    ("bincode", "core"),       // docs/decisions/0002
    ("ed25519-dalek", "core"), // one verdict on every path
];

/// What a crate may depend on among the project's own; `None` for those above the session, which may use all
/// below them.
fn allowed(name: &str) -> Option<Vec<&str>> {
    match name {
        "core" => Some(Vec::new()),
        "session" => Some(["core"].into_iter().chain(PARTS).collect()),
        part if PARTS.contains(&part) => Some(vec!["core"]),
        implementation => ["gka", "encryptor"]
            .into_iter()
            .find(|contract| is_variant(implementation, contract))
            .map(|contract| {
                let shared = SHARED.iter().filter(|(whose, _)| *whose == contract);
                let shared = shared.map(|(_, shared)| *shared).filter(|shared| *shared != name);
                ["core", contract].into_iter().chain(shared).collect()
            }),
    }
}

/// Whether `name` is `kind-something`.
fn is_variant(name: &str, kind: &str) -> bool {
    name.strip_prefix(kind).is_some_and(|rest| rest.starts_with('-'))
}

fn may_touch_the_world(name: &str) -> bool {
    DRIVERS.contains(&name)
}

/// Whether it is said of a crate what it may depend on: it is the session, or stands below it or beside it.
pub(super) fn is_ordered(name: &str) -> bool {
    allowed(name).is_some()
}

/// The crates that neither touch the world nor serve tests.
pub(super) fn quiet(workspace: &Workspace) -> impl Iterator<Item = &Package> {
    workspace.members().filter(|package| {
        let name = package.short_name();
        !may_touch_the_world(&name) && !FOR_TESTS.contains(&name.as_str())
    })
}

/// Finds dependencies that point the wrong way, and roads to the world from crates that must not have one.
pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in workspace.members() {
        let name = package.short_name();
        let place = format!("{}Cargo.toml", package.folder());
        findings.extend(upward(workspace, package, &name, &place));
        for (other, home) in ONE_HOME.iter().filter(|(_, home)| *home != name) {
            if workspace.direct(package).any(|direct| direct.name == *other) {
                findings.push(Finding::new(
                    &place,
                    format!("{other} is for {home} alone; use what {home} offers"),
                ));
            }
        }
        if !may_touch_the_world(&name) {
            findings.extend(roads_to_the_world(workspace, package, &name, &place));
            findings.extend(worldly_code(tree, &package.folder()));
        }
    }
    findings
}

fn upward(workspace: &Workspace, package: &Package, name: &str, place: &str) -> Vec<Finding> {
    workspace
        .direct(package)
        .filter(|other| workspace.is_member(other))
        .map(Package::short_name)
        .filter_map(|other| {
            let what = match allowed(name) {
                Some(allowed) if !allowed.contains(&other.as_str()) => {
                    format!("{name} may depend on {allowed:?} alone, not on {other}")
                }
                None if (name, other.as_str()) == FUZZED_DRIVER => return None,
                None if may_touch_the_world(&other) && !may_touch_the_world(name) => {
                    format!("{name} is no driver and must not depend on {other}, which is one")
                }
                _ => return None,
            };
            Some(Finding::new(place, what))
        })
        .collect()
}

fn roads_to_the_world(workspace: &Workspace, package: &Package, name: &str, place: &str) -> Vec<Finding> {
    let direct_only = FOR_TESTS.contains(&name);
    let excused = |from: &str, to: &str| {
        EXCUSED
            .iter()
            .any(|(name, what)| *name == from && what.contains(&to))
    };
    workspace
        .reached(package, excused)
        .into_iter()
        .filter(|(worldly, _)| WORLDLY.contains(worldly))
        .filter(|(_, through)| !direct_only || *through == package.name)
        .map(|(worldly, through)| {
            let what = format!("{name} must not touch the world, and reaches {worldly} through {through}");
            Finding::new(place, what)
        })
        .collect()
}

/// Uses of the standard library's worldly parts, outside of tests and of programs' entry points.
fn worldly_code(tree: &Tree, folder: &str) -> Vec<Finding> {
    let sources = format!("{folder}src/");
    let mut findings = Vec::new();
    for (path, text) in tree.under(&sources) {
        let is_program = path == format!("{sources}main.rs") || path.starts_with(&format!("{sources}bin/"));
        if is_program || !path.ends_with(".rs") {
            continue;
        }
        let code = code_of(text);
        let tests = test_parts(&code).regions;
        for part in WORLDLY_STD {
            for (at, _) in code.match_indices(part) {
                if tests.iter().any(|region| region.contains(&at)) {
                    continue;
                }
                let line = code.get(..at).map_or(0, |before| before.matches('\n').count()) + 1;
                let what = format!("uses {part}; time, randomness and data are arguments here");
                findings.push(Finding::new(format!("{path}:{line}"), what));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Folder, name and dependencies of one crate.
    type Crate<'a> = (&'a str, &'a str, &'a [&'a str]);

    fn findings(packages: &[Crate<'_>]) -> Vec<String> {
        check(&Tree::default(), &Workspace::of(packages))
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    #[test]
    fn dependencies_point_downwards() {
        let good = findings(&[
            ("core", "c-core", &[]),
            ("gka", "c-gka", &["c-core"]),
            ("gka-dh", "c-gka-dh", &["c-gka", "c-core"]),
            ("gka-cliques", "c-gka-cliques", &["c-gka", "c-gka-dh", "c-core"]),
            ("session", "c-session", &["c-core", "c-gka"]),
            ("concilium", "c", &["c-session", "c-gka-cliques"]),
            ("relay", "c-relay", &["c", "tokio"]),
            ("cli", "c-cli", &["c-relay"]),
            ("", "tokio", &[]),
        ]);
        assert_eq!(good, [""; 0]);
        let upward: [(&str, &[Crate<'_>]); 8] = [
            ("core on gka", &[("core", "a", &["b"]), ("gka", "b", &[])]),
            ("part on part", &[("gka", "a", &["b"]), ("liveness", "b", &[])]),
            (
                "session on an implementation",
                &[("session", "a", &["b"]), ("gka-cliques", "b", &[])],
            ),
            (
                "implementation on session",
                &[("gka-bd", "a", &["b"]), ("session", "b", &[])],
            ),
            (
                "implementation on implementation",
                &[("gka-bd", "a", &["b"]), ("gka-cliques", "b", &[])],
            ),
            (
                "what implementations share on one of them",
                &[("gka-dh", "a", &["b"]), ("gka-cliques", "b", &[])],
            ),
            (
                "another contract's implementation on it",
                &[("encryptor-x", "a", &["b"]), ("gka-dh", "b", &[])],
            ),
            (
                "testkit on relay",
                &[("testkit", "a", &["b"]), ("relay", "b", &[])],
            ),
        ];
        for (case, packages) in upward {
            assert_eq!(findings(packages).len(), 1, "{case}");
        }
    }

    #[test]
    fn the_fuzz_targets_may_drive_the_relay_and_no_other_driver() {
        let uses = |driver| findings(&[("fuzzing", "a", &["b"]), (driver, "b", &[])]).len();
        assert_eq!((uses("relay"), uses("cli")), (0, 1));
    }

    #[test]
    fn quiet_crates_are_told_from_drivers_and_from_test_crates() {
        let crates = [
            "core",
            "gka-bd",
            "concilium",
            "testkit",
            "sim",
            "relay",
            "cli",
            "bench",
        ];
        let packages = crates.map(|name| (name, name, [].as_slice()));
        let workspace = Workspace::of(&packages);
        let names: Vec<_> = quiet(&workspace).map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["core", "gka-bd", "concilium"]);
    }

    #[test]
    fn the_codec_has_one_home() {
        let uses = |folder| findings(&[(folder, "a", &["bincode"]), ("", "bincode", &[])]).len();
        assert_eq!((uses("core"), uses("gka"), uses("relay")), (0, 1, 1));
    }

    #[test]
    fn quiet_crates_do_not_reach_the_world() {
        let through = findings(&[
            ("core", "a", &["b"]),
            ("", "b", &["getrandom"]),
            ("", "getrandom", &[]),
        ]);
        assert_eq!(
            through,
            ["crates/core/Cargo.toml: core must not touch the world, and reaches getrandom through b"]
        );
        let excused = |from: &'static str| {
            findings(&[
                ("gka-x", "a", &["b"]),
                ("", "b", &[from]),
                ("", from, &["getrandom"]),
                ("", "getrandom", &[]),
            ])
        };
        assert_eq!(excused("mls-rs").len(), 0, "for browsers, and never called");
        assert_eq!(excused("mls-rs-core").len(), 1, "an excuse is for one package");
        let test_crate = |direct: &'static [&str]| {
            findings(&[("testkit", "a", direct), ("", "b", &["rand"]), ("", "rand", &[])])
        };
        assert_eq!(test_crate(&["b"]).len(), 0, "property tests bring one along");
        assert_eq!(test_crate(&["rand"]).len(), 1);
        assert_eq!(
            findings(&[("cli", "a", &["rusqlite"]), ("", "rusqlite", &[])]).len(),
            0
        );
        assert_eq!(
            findings(&[("relay", "a", &["tokio"]), ("", "tokio", &[])]).len(),
            0
        );
    }

    #[test]
    fn quiet_crates_do_not_use_the_worldly_parts_of_std() {
        let found = |path: &str, text: &str| {
            let workspace = Workspace::of(&[("sim", "a", &[]), ("relay", "b", &[])]);
            check(&Tree::from([(path, text)]), &workspace).len()
        };
        let text = "//! std::fs\nuse std::fs;\n#[cfg(test)]\nmod tests { use std::net; }\n";
        assert_eq!(found("crates/sim/src/lib.rs", text), 1);
        assert_eq!(found("crates/sim/src/main.rs", text), 0);
        assert_eq!(found("crates/sim/tests/all.rs", text), 0);
        assert_eq!(found("crates/relay/src/lib.rs", text), 0);
    }
}

//! Which crate is under which targets.

/// What fuzzes a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third answer")]
pub enum Coverage {
    /// These targets, whose names begin with the crate's.
    By(&'static [&'static str]),
    /// No target, for this reason.
    None(&'static str),
}

use Coverage::{By, None};

/// Every crate of the workspace by its folder, in alphabetical order. Crates that read bytes from elsewhere,
/// or keep state between calls, are under a target; a test compares the list with the folders.
pub const COVERAGE: [(&str, Coverage); 26] = [
    ("bench", None("measures the other crates")),
    (
        "cli",
        None("a program, which no other crate can link; its two readers have property tests of their own"),
    ),
    ("concilium", None("names what other crates hold")),
    ("core", By(&["core"])),
    ("encryptor", By(&["encryptor"])),
    ("fuzzing", None("holds the targets")),
    ("gka", By(&["gka"])),
    ("gka-bd", By(&["gka_bd"])),
    ("gka-cliques", By(&["gka_cliques"])),
    ("gka-dh", By(&["gka_dh"])),
    ("gka-mls", By(&["gka_mls"])),
    ("guide", None("examples to learn from; nothing depends on it")),
    ("liveness", By(&["liveness"])),
    ("model", None("drives `server-order` through every order itself")),
    ("parts", None("chooses among other crates by a name")),
    ("relay", By(&["relay_hub", "relay_protocol"])),
    ("scenario", By(&["scenario"])),
    ("server-order", By(&["server_order"])),
    ("session", By(&["session", "session_restore"])),
    (
        "sim",
        None("reads nothing but a seed, and fuzzes whole groups itself"),
    ),
    ("test-parts", None("names what other crates hold")),
    ("testkit", None("serves tests; the targets run on it")),
    ("threats", None("measures the other crates")),
    ("transcript", By(&["transcript"])),
    ("vectors", None("makes files for tests")),
    ("xtask", None("reads this repository alone")),
];

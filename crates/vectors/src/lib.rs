//! Worked examples of everything that concilium puts on the wire, for other programs to read.
//!
//! [`files`] makes them all. They follow from fixed seeds, so that each run makes the same ones. What stands
//! in a file, docs/spec/vectors/README.md says.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a maker of test files: what goes wrong ends it"
)]

mod agreement;
mod frames;
mod messages;
mod order;
mod script;
mod session;
mod source;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

use concilium_gka_bd::BurmesterDesmedt;
use concilium_gka_cliques::Cliques;
use serde_json::Value;

pub use session::{Choice, record};

/// Bytes as they stand in a file.
fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All files, by their names in docs/spec/vectors.
#[must_use]
pub fn files() -> Vec<(&'static str, Value)> {
    let recorded = |seed, gka, cipher| record(seed, &Choice::named(gka, cipher).expect("it is known"));
    vec![
        ("wire.json", frames::wire()),
        ("frame.json", frames::frame()),
        ("signed.json", frames::signed()),
        ("announcements.json", frames::announcements()),
        ("order.json", order::order()),
        ("keys.json", order::keys()),
        ("cliques.json", agreement::operations("cliques", Cliques::new)),
        ("bd.json", agreement::operations("bd", BurmesterDesmedt::new)),
        ("messages.json", messages::messages()),
        ("session-cliques.json", recorded(1, "cliques", "aead")),
        ("session-bd.json", recorded(2, "bd", "chacha20poly1305")),
        ("session-ratchet.json", recorded(3, "cliques", "ratchet")),
    ]
}

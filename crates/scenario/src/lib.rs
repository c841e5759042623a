//! Scenarios: text files that drive a whole group of real sessions over a simulated channel.
//!
//! The language is described in `docs/scenarios.md`, examples are in `scenarios/`. [`run_file`] runs a file
//! and writes a report, a trace or JSON; [`run_text`] does the same with a text in memory; [`parse`] only
//! reads.
//!
//! A run is deterministic: the same text and [`Options`] give the same output to the last byte.
//!
//! ```
//! use concilium_scenario::{Options, run_text};
//!
//! let text = "members alice bob\nexpect channel = none\nexpect state alice = parted\n";
//! let mut out = Vec::new();
//! let report = run_text("example.scn", text, &Options::default(), &mut out)?;
//! assert_eq!(report.exit_code(), 0);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Ids such as K-5 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/README.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

mod ast;
mod event_kind;
mod expect;
mod option;
mod parse;
mod report;
mod runner;
mod secrecy;
mod trace;
mod words;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

use std::io::{self, Write};
use std::path::Path;

pub use ast::{Act, Bound, Command, Expectation, Fault, Kinds, ParseError, Refusal, Scenario, Setup, Step};
use concilium_test_parts::{Cipher, Gka, Parts};
pub use event_kind::EventKind;
pub use parse::parse;
pub use report::{Failure, Report, Verdict};

use self::runner::Runner;

/// How to run a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Decides all randomness of the run.
    pub seed: u64,
    /// Write every channel event and session event.
    pub trace: bool,
    /// Write one JSON object for every channel event and session event, and nothing else.
    pub json: bool,
    /// The key agreement, overriding the file's.
    pub gka: Option<Gka>,
    /// The cipher, overriding the file's.
    pub cipher: Option<Cipher>,
    /// Restart every process from its snapshot after each input: no member must notice.
    pub restart: bool,
}

/// Runs the scenario in a file that the caller has read, or tried to: this crate touches no disk.
///
/// # Errors
/// `out` cannot be written to. A file that could not be read is a verdict like any other.
pub fn run_file(
    file: &Path,
    bytes: io::Result<Vec<u8>>,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<Report> {
    let file = file.display().to_string();
    let text = match bytes {
        Ok(bytes) => text_of(bytes).map_err(|line| format!("{file}:{line}: this is no text in UTF-8")),
        Err(error) => Err(format!("{file}: {error}")),
    };
    match text {
        Ok(text) => run_text(&file, &text, options, out),
        Err(reason) => report::unreadable(&file, reason, options, out),
    }
}

/// A file's text, or else the number of the first line that is none.
fn text_of(bytes: Vec<u8>) -> Result<String, usize> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        good.filter(|byte| **byte == b'\n').count() + 1
    })
}

/// Runs a scenario; `file` is the name that messages give it.
///
/// # Errors
/// `out` cannot be written to.
pub fn run_text(file: &str, text: &str, options: &Options, out: &mut dyn Write) -> io::Result<Report> {
    let scenario = match parse(file, text) {
        Ok(scenario) => scenario,
        Err(error) => return report::unreadable(file, error.to_string(), options, out),
    };
    // The options come first, then the file, then the defaults.
    let gka = options.gka.or(scenario.setup.gka).unwrap_or_default();
    let cipher = options.cipher.or(scenario.setup.cipher).unwrap_or_default();
    runner::run(Runner {
        scenario: &scenario,
        parts: Parts { gka, cipher },
        options,
        out,
    })
}

//! What came of a run.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use concilium_test_parts::{Cipher, Gka};
use serde_json::json;

use super::Options;

/// A run and its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// The file's name.
    pub file: String,
    /// The key agreement.
    pub gka: Gka,
    /// The cipher.
    pub cipher: Cipher,
    /// The seed.
    pub seed: u64,
    /// How many expectations held.
    pub expectations: usize,
    /// How many packets the members sent.
    pub packets: u64,
    /// Bytes of those packets.
    pub bytes: u64,
    /// How far time moved.
    pub span: Duration,
    /// The verdict.
    pub verdict: Verdict,
}

/// Whether a scenario holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every expectation held.
    Passed,
    /// One did not, or a command could not be done. Nothing after it was tried.
    Failed(Failure),
    /// The file is no scenario, or cannot be read; says why and where.
    Unreadable(String),
}

/// A line that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line's number, from one.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What was expected.
    pub expected: String,
    /// What was seen.
    pub seen: String,
}

impl Report {
    /// 0: everything held; 1: something did not; 2: the file is no scenario.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Passed => 0,
            Verdict::Failed(_) => 1,
            Verdict::Unreadable(_) => 2,
        }
    }

    /// Writes the report for people, or as one JSON object.
    pub(super) fn write(&self, options: &Options, out: &mut dyn Write) -> io::Result<()> {
        if options.json {
            writeln!(out, "{}", self.json())
        } else {
            writeln!(out, "{self}")
        }
    }

    fn json(&self) -> serde_json::Value {
        let mut object = json!({
            "type": "result",
            "file": self.file,
            "gka": self.gka.name(),
            "cipher": self.cipher.name(),
            "seed": self.seed,
            "exit": self.exit_code(),
            "expectations": self.expectations,
            "packets": self.packets,
            "bytes": self.bytes,
            "span_ms": u64::try_from(self.span.as_millis()).unwrap_or(u64::MAX),
        });
        let mut verdict = match &self.verdict {
            Verdict::Passed => json!({}),
            Verdict::Failed(failure) => json!({
                "line": failure.line,
                "text": failure.text,
                "expected": failure.expected,
                "seen": failure.seen,
            }),
            Verdict::Unreadable(reason) => json!({ "error": reason }),
        };
        if let (Some(object), Some(verdict)) = (object.as_object_mut(), verdict.as_object_mut()) {
            object.append(verdict);
        }
        object
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Passed => write!(
                f,
                "ok {}: {} expectations held; {} packets, {} bytes, {:?}; {}, {}, seed {}",
                self.file,
                self.expectations,
                self.packets,
                self.bytes,
                self.span,
                self.gka,
                self.cipher,
                self.seed
            ),
            Verdict::Failed(failure) => write!(
                f,
                "{}:{}: {}\n  expected: {}\n  seen:     {}\n  ({}, {}, seed {}; --trace shows what led here)",
                self.file,
                failure.line,
                failure.text,
                failure.expected,
                failure.seen,
                self.gka,
                self.cipher,
                self.seed
            ),
            Verdict::Unreadable(reason) => f.write_str(reason),
        }
    }
}

/// Reports a file that is no scenario.
pub(super) fn unreadable(
    file: &str,
    reason: String,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<Report> {
    let report = Report {
        file: file.to_owned(),
        gka: options.gka.unwrap_or_default(),
        cipher: options.cipher.unwrap_or_default(),
        seed: options.seed,
        expectations: 0,
        packets: 0,
        bytes: 0,
        span: Duration::ZERO,
        verdict: Verdict::Unreadable(reason),
    };
    report.write(options, out)?;
    Ok(report)
}

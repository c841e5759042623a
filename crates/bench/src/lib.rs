//! What concilium costs, as ratios to the bare primitives that its task needs.
//!
//! - [`measure`]: the one loop that measures everything.
//! - [`report`]: rows, for people and for tools.
//! - [`agreements`], [`messages`], [`mls`], [`operations`], [`sessions`], [`transcripts`]: what is measured.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that meets an error has nothing to report"
)]

pub mod agreements;
pub mod measure;
pub mod messages;
pub mod mls;
pub mod operations;
pub mod report;
pub mod sessions;
pub mod transcripts;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

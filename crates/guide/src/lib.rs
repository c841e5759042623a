//! What the pages of `docs/guide` lead to: a key agreement and a cipher of one's own, each in one file, each
//! held to its contract by the conformance kit of `concilium-gka` or `concilium-encryptor`.
//!
//! Nothing depends on this crate, and no application should: it is for reading. Each page holds its file
//! whole, piece by piece, and a test sees to it that the two never differ.

pub mod cipher;
pub mod key_agreement;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

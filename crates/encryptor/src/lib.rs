//! The contract of a message encryptor, between the bytes on the channel and an authenticated message of a
//! subsession (rules M-3 to M-6), and the default that implements it.
//!
//! - [`MessageEncryptor`]: the contract. The conformance kit, `encryptor_conformance!` with the feature
//!   `conformance`, turns it into tests that any implementation runs with one line.
//! - [`Content`], [`Kind`]: what a message says, whatever the cipher.
//! - [`DefaultEncryptor`]: AES-256-GCM with a key for each message, Ed25519, padded to buckets. It is
//!   [`Aead`] of a [`Cipher`] and a [`Padding`], and both can be swapped:
//!
//! ```
//! use concilium_encryptor::{Aead, Buckets, ChaCha20Poly1305, DefaultEncryptor, MessageEncryptor};
//!
//! type WithoutAes = Aead<ChaCha20Poly1305, Buckets>;
//! assert_eq!(WithoutAes::SUITE, "chacha20poly1305+buckets");
//! assert_eq!(DefaultEncryptor::SUITE, "aes256gcm+buckets");
//! ```
//!
//! - [`Ratchet`]: the same for groups that want earlier messages unreadable to a later thief of the keys
//!   (M-8).
//!
//! Members must use the same suite. Keys are bound to the suite's name, so members with different suites
//! cannot read each other, rather than misread.
//!
//! Ids such as M-4 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/messages.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

mod aead;
mod cipher;
#[cfg(feature = "conformance")]
pub mod conformance;
mod content;
mod contract;
mod error;
mod layout;
mod padding;
mod party;
mod ratchet;
#[cfg(test)]
mod sample;
mod schedule;
mod suite;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use aead::{Aead, DefaultEncryptor};
pub use cipher::{Aes256Gcm, ChaCha20Poly1305, Cipher, KEY_BYTES, NONCE_BYTES, TAG_BYTES, TagError};
pub use content::{ChainConfirmation, Content, Kind, MAX_BODY_BYTES, MAX_PARENTS};
pub use contract::{Decrypted, MessageEncryptor, Sealed};
pub use error::{OpenError, RestoreError, SealError};
pub use padding::{Buckets, NoPadding, Padding};
pub use party::Naming;
pub use ratchet::{Ratchet, RatchetStep};

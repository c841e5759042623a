//! What every concilium crate shares: names and ids, time, randomness, member sets, secrets, and the one
//! wire codec. No protocol logic lives here.
//!
//! Nothing in this crate reads a clock, a disk, a socket or the operating system's randomness: a
//! [`Context`] brings the time and the random source into every call that needs them.
//!
//! ```
//! use concilium_core::{Change, MemberId, MemberSet};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let alice = MemberId::new("alice")?;
//! let bob = MemberId::new("bob")?;
//! let before = MemberSet::from_iter([alice.clone()]);
//! let after = Change::include([bob.clone()]).apply(&before)?;
//! assert!(after.contains(&alice) && after.contains(&bob));
//! # Ok(())
//! # }
//! ```
//!
//! - [`MemberId`], [`SessionName`]: opaque names of 1 to 255 bytes.
//! - [`PacketId`], [`ChainHash`], [`MessageId`], [`SubsessionId`]: 32-byte ids.
//! - [`MemberSet`], [`MemberMap`], [`Change`]: members, a value for each member, and a change of members.
//! - [`Time`], [`Context`], [`RandomSource`]: what the caller brings along.
//! - [`channel`]: what a group channel tells us and what we ask of it.
//! - [`packet`]: the outermost frame of everything on the channel.
//! - [`wire`]: bytes and back, canonically; [`FramedHash`]: hashing without ambiguity.
//! - [`keys`]: Ed25519 keys and strict verification; what a key agreement hands to an encryptor.
//! - `testing`, with the feature of that name: a seeded random source and names, for tests.
//! - [`Secret`]: bytes that do not print and do not linger; [`Body`]: what people write, which does not
//!   print.
//!
//! Ids such as K-5 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/README.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

mod body;
pub mod channel;
mod context;
mod hash;
mod id;
pub mod keys;
mod member;
mod member_map;
mod name;
pub mod packet;
mod secret;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
pub mod wire;

pub use body::Body;
pub use context::{Context, RandomSource, RandomnessError};
pub use hash::FramedHash;
pub use id::{ChainHash, MessageId, PacketId, SubsessionId};
pub use member::{Change, ChangeError, MemberSet};
pub use member_map::MemberMap;
pub use name::{MemberId, NameError, SessionName};
pub use secret::Secret;
pub use time::Time;

//! Messaging Layer Security (MLS, RFC 9420) behind the contract of `concilium-gka`: a tree of keys in which
//! every change of members costs one packet.
//!
//! The MLS is that of the `mls-rs` library. This crate adds what the contract asks for and MLS leaves to its
//! user: trusted keys, the associated data, the order of packets, and state that goes through exports.
//!
//! - **Announcements** (K-14) carry a key package, under the owner's identity key and for one session. Its
//!   private part is erased once a member has included us by it. A member that left the channel has to
//!   announce itself anew.
//! - **One packet** is initial and final packet at once (O-9). It holds the commit for staying members, the
//!   welcome for joiners, and a *check* that all derive from the new epoch's keys and the associated data. A
//!   member that finishes holds the keys that the check was made from (K-7), although no member answers.
//! - **Identity keys** are the MLS signature keys: each leaf of the tree is signed by its member's, and the
//!   directory knows the owner of each. Messages are signed with another key, in an extension of the leaf. It
//!   is fresh each time that its owner commits or announces itself.
//! - **Randomness** comes from the call's context alone, and the library is built without a clock.
//!
//! [The specification](https://github.com/concilium-rs/concilium/blob/main/docs/spec/mls.md) has the layouts
//! and the promises, [decision
//! 0016](https://github.com/concilium-rs/concilium/blob/main/docs/decisions/0016-mls-from-a-library.md) the
//! reasons.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod agreement;
mod announcement;
mod crypto;
mod desk;
mod epoch;
mod export;
mod packet;
mod policy;
mod state;
#[cfg(test)]
mod tests;

/// The library as it is set up here, called directly. For benchmarks that measure what this crate adds to it;
/// not part of the interface.
#[doc(hidden)]
pub mod bare {
    pub use crate::desk::{Desk, Things};
    pub use crate::epoch::{Client, Group, client, leaf_extensions, no_time};
}

pub use agreement::Mls;
pub use packet::{MAX_ANNOUNCEMENT_BYTES, Payload};
pub use state::{Over, Proposal, State};

/// The suite's name, as it stands first in [`AssociatedData::suite`](concilium_gka::AssociatedData::suite):
/// `MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519` in the registry of RFC 9420.
pub const SUITE: &str = "mls-x25519-aes128gcm";

//! Messaging Layer Security (MLS, RFC 9420) behind the contract of `concilium-gka`: a tree of keys in which a change of
//! members costs one packet, whoever comes or goes.
//!
//! The MLS is that of the `mls-rs` library. What this crate adds is what the contract asks for and MLS leaves to its
//! user: whose keys are trusted, what the change is about, the order of packets, and state that goes through exports.
//!
//! - **Announcements** (K-14) carry a key package, under the owner's identity key and for one session. Its private part is
//!   erased once somebody has included us by it; whoever left the channel has to announce itself anew.
//! - **One packet** is initial and final packet at once (O-9). It holds the commit for those who stay, the welcome for
//!   those who join, and a *check* that all of them derive from the new epoch's keys and the associated data. Whoever
//!   finishes holds the keys that the check was made from (K-7), though nobody answers.
//! - **Identity keys** are the MLS signature keys: each leaf of the tree is signed by its member's, and the directory says
//!   whose is whose. What signs messages is a key of its own in an extension of the leaf, fresh whenever its owner commits
//!   or announces itself.
//! - **Randomness** comes from the call's context alone, and the library is built without a clock.
//!
//! `docs/spec/mls.md` in the repository has the layouts and the promises, `docs/decisions/0016` the reasons.

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

/// The library as it is set up here, called directly: for benchmarks that measure what this crate adds to it. No part of
/// the interface.
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

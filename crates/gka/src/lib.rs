//! The contract of a group key agreement (GKA): how a set of members comes to share a secret, and a new one
//! at every change of membership. The session knows an implementation only through this contract.
//!
//! An *operation* leads from members M' to members M. Its life, in the words of [`GroupKeyAgreement`]:
//!
//! 1. [`propose`](GroupKeyAgreement::propose): make the initial packet. Nothing has changed yet (K-1),
//!    several members may propose at once, and the caller decides which packet counts.
//! 2. [`open`](GroupKeyAgreement::open): every packet that the channel delivers is opened first. A packet
//!    that is not authentic as its sender's does not count (K-15). An [`Opened`] is proof that it is.
//! 3. [`accept`](GroupKeyAgreement::accept): start the operation from the initial packet that counts (K-2).
//! 4. [`Operation::receive`]: feed it further packets, until [`Progress::Finished`] yields the next state and
//!    the keys, all at once (K-4), or a [`Failure`] names a culprit where one can be known (C-10).
//!
//! What a rejected packet means is part of the contract, see [`ReceiveError`]. The conformance kit,
//! `gka_conformance!` with the feature `conformance`, turns each rule K-1 to K-15 into a test that any
//! implementation runs with one line.
//!
//! [`signed`] serves most implementations for K-15: packets signed with the members' identity keys.
//!
//! Nothing here reads a clock or a random source; see [`concilium_core::Context`].
//!
//! Ids such as K-5 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/key-agreement.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

mod agreement;
mod any;
#[cfg(feature = "conformance")]
pub mod conformance;
mod data;
mod error;
mod forward;
mod identity;
pub mod signed;

/// What [`forward!`] names.
#[doc(hidden)]
pub mod exports {
    pub use concilium_core::{Context, MemberId, PacketId, SessionName};
    pub use zeroize::Zeroizing;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use agreement::{Ages, Export, GroupKeyAgreement, Opened, Operation, Progress, Role, Started, Success};
pub use any::{AnyGka, AnyOperation, AnyPayload, AnyState};
pub use data::{AssociatedData, MAX_MEMBERS, MAX_SUITE_BYTES};
pub use error::{Failure, OpenError, ProposeError, Reason, ReceiveError, RestoreError};
pub use identity::{Directory, Identity};

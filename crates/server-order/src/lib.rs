//! The server order: which membership packets of a group channel count, in one chain (rules O-1 to O-11).
//!
//! Every member of a channel feeds the same events, in the channel's order, to a [`Resolver`] of its own. All
//! resolvers that see the same events accept the same operations: the first proposal with the right parent
//! starts one ([`Resolver::initial`]); the first packet that ends it ([`Resolver::finished`],
//! [`Resolver::aborted`]) or the first member that leaves ([`Resolver::left`]) settles it; all later packets
//! are rejected. A chain hash over everything accepted exposes a channel that shows its members different
//! orders ([`Resolver::confirm`]).
//!
//! A resolver is a pure state machine: no clock, no randomness, no input or output. It is `Clone`, `Eq`,
//! `Ord` and `Hash`, so that a model checker can drive it, and it serialises whole.
//!
//! # What the caller does at each event
//!
//! | event on the channel | call |
//! |---|---|
//! | we entered | [`Resolver::unsynchronised`] |
//! | we entered an empty channel, or all our seniors have left (T-11) | [`Resolver::found`] with a random parent |
//! | we left (T-3) | drop the resolver |
//! | an initial packet | check that it is authentic (K-15), [`packet_id`], [`Resolver::judge`]; if accepted, let the key agreement accept it, then [`Resolver::start`]; else [`Resolver::reject`]; if the packet is final too, [`Resolver::finished`] with the same id before anything else (O-9) |
//! | a later packet of an operation | if [`Resolver::is_running`] for the initial packet that it names (O-3), hand it to the operation; if that says that it finished, [`Resolver::finished`] |
//! | an abort | check that it is authentic, [`Resolver::aborted`] |
//! | another member left | [`Resolver::left`] with the remaining members of the channel |
//! | another member entered | nothing |
//! | a message with a confirmation | [`Resolver::confirm`] with the message's verified author |
//!
//! Each settled operation comes back as a [`Record`]. Our own proposals name [`Resolver::head`], our messages
//! carry [`Resolver::claim`].
//!
//! # What is not here
//!
//! Signatures, what an operation computes, deadlines (O-11), own proposals and their retries (O-11, T-14),
//! the latest messages that an initial packet names (O-2): all of that is the session's and the key
//! agreement's.
//!
//! Ids such as O-4 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/server-order.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

mod confirmations;
mod hash;
mod initial;
mod record;
mod resolver;
mod verdict;

pub use confirmations::{Comparison, Difference, MAX_DIFFERENCES};
pub use hash::{ChainRole, chain_start, chain_step, leave_id, packet_id};
pub use initial::{Initial, Rejection};
pub use record::{MAX_HISTORY, Outcome, Record};
pub use resolver::{EndRejection, Head, Link, MAX_REMEMBERED, Resolver};
pub use verdict::{Acceptance, Accepted, Rejected};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

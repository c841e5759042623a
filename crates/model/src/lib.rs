//! Model checking of the server order (rules O-4 to O-11, T-5): the production resolvers of
//! [`concilium_server_order`], in every state that a bounded run can reach.
//!
//! A run is a few members with a [`Member`] each, a server, and a [`Budget`] of what may happen: proposals,
//! aborts, confirmations, leaves, enters. Members do what an honest session does and choose freely among it;
//! a packet reaches the server at any time after it was sent. [`Honest`] keeps one order for all,
//! [`Reordering`] shows every member what it likes. [`explore`] walks through all states. It reports what
//! holds everywhere, what happens somewhere, and a shortest way to a broken property.
//!
//! # What is abstracted
//!
//! - The key agreement: all of M send one share after they have accepted the initial packet, and the last to
//!   arrive is the final packet. By K-7 the initiator must send one too, and that is needed: if its initial
//!   packet were its share, a newcomer could be brought into a session by a proposal that the members have
//!   rejected.
//! - Signatures: no member sends in another's name, and none lies.
//! - Reading a confirmation: members in the subsession can. Behind the reordering server confirmations are no
//!   packets; instead every pair exchanges them in every state, on copies.
//! - Delivery that lags: left out unless [`Scope::lag`] asks for it, as its field says.
//!
//! Ids such as O-4 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/server-order.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

mod explore;
mod honest;
mod judge;
mod member;
mod packet;
mod properties;
mod reordering;
mod scope;
mod watch;

pub use explore::{Failure, Findings, explore};
pub use honest::{Honest, State, Step};
pub use member::Member;
pub use packet::{Body, Event, Packet};
pub use properties::Run;
pub use reordering::{Reordering, Trick, Views};
pub use scope::{Budget, Scope};
pub use watch::{Fault, Rule, Sight, Sights, Watch};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

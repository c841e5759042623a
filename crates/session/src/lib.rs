//! A session: one member's process in one channel. It composes a key agreement, the server order, and for the
//! current and the past subsessions an encryptor, a transcript and their timers (rules T, M and L).
//!
//! Sans-IO: a [`Session`] touches no socket, no clock and no random source. Its driver
//!
//! - hands it what the channel says ([`Session::handle`]), what the user wants ([`Session::join`],
//!   [`Session::change`], [`Session::send`], [`Session::part`]), and wakes it at [`Session::next_timeout`]
//!   ([`Session::handle_timeout`]);
//! - saves a [`Session::snapshot`] if it wants to survive a crash;
//! - drains [`Session::poll_output`]: actions for the channel, events for the user.
//!
//! What peers do wrong never is an error here: it is skipped, or becomes an [`Event`] or a [`Warning`] that names
//! who did it, where that can be known. An `Err` means that the caller asked for something that is not possible.
//!
//! Which way data flows, and where it is:
//!
//! | file | noun |
//! |---|---|
//! | `session` | the state and the face |
//! | `transport` | who comes and goes in the channel (T) |
//! | `operation` | membership operations, from proposal to end (K, O) |
//! | `policy` | who may propose what (O-12) |
//! | `talk` | messages, in and out (M, G, L) |
//! | `tick` | what is due, and when something will be |
//! | `command`, `action` | what the user asked for, until it is settled (T-14) |
//! | `subsession`, `waiting`, `log`, `warning` | the parts of the state |
//! | `view`, `summary`, `snapshot` | questions; bytes and back |

mod action;
mod any;
mod clock;
mod command;
mod departure;
mod error;
mod event;
mod log;
mod operation;
mod outputs;
mod parting;
mod policy;
mod requests;
mod reunion;
mod session;
mod settings;
mod snapshot;
mod standing;
mod stay;
mod subsession;
mod subsessions;
mod summary;
mod talk;
mod tick;
mod transport;
mod trouble;
mod view;
mod waiting;
mod warning;
mod wish;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use any::AnySession;
pub use error::{ActionError, RestoreError, SendError};
pub use event::{
    ActionId, ActionKind, ActionOutcome, ActionStage, Event, FailureCause, Output, RejectionCause,
    SessionState,
};
pub use policy::{Everybody, Forbidden, Moderators, Policy, ProposalFacts};
pub use session::{OperationView, Session};
pub use settings::Settings;
pub use summary::Summary;
pub use view::MessageView;
pub use warning::{Severity, Warning, WarningKind, Warnings};

// What a driver needs besides, so that it can depend on this crate alone.
pub use concilium_core as core;
pub use concilium_encryptor as encryptor;
pub use concilium_gka as gka;
pub use concilium_liveness::Timing;
pub use concilium_server_order as server_order;

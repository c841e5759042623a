//! A session: one member's process in one channel. It composes a key agreement, the server order, and for the
//! current and the past subsessions an encryptor, a transcript and their timers (rules T, M and L).
//!
//! Sans-IO: a [`Session`] touches no socket, no clock and no random source. Its driver
//!
//! - hands it what the channel says ([`Session::handle`]), what the user wants ([`Session::join`],
//!   [`Session::change`], [`Session::send`], [`Session::part`]), and wakes it at [`Session::next_timeout`]
//!   ([`Session::handle_timeout`]);
//! - drains it ([`Session::drain`]): saves it first if it wants to survive a crash, then carries out actions
//!   on the channel and shows events to the user.
//!
//! A peer's fault is never an error here. It is skipped, or becomes an [`Event`] or a [`Warning`] that names
//! the culprit where it can be known. An `Err` means that the caller asked for something that is not
//! possible.
//!
//! Where things are. A file calls only what stands below it:
//!
//! | file | noun |
//! |---|---|
//! | `session`, `command`, `any` | the face: what the channel says, what the user asks for; the same without its types |
//! | `view`, `summary`, `snapshot` | questions; bytes and back |
//! | `tick` | what is done after every input and command, and what is due next |
//! | `trouble`, `wish`, `parting` | overdue things and their warnings; the change that we want; finish and leave |
//! | `transport` | enters and leaves of the channel (T) |
//! | `operation`, `policy` | membership operations from proposal to end (K, O); what the policy lets each member propose (O-12) |
//! | `talk` | messages, in and out (M, G, L) |
//! | `requests`, `reunion` | what we ask of the channel; bringing the members of one channel into one session (T-17) |
//! | `stay` | what we know from entering the channel to leaving it, in the nouns that follow |
//! | `arrival`, `door` | seniors, hopefuls and heirs (T-11); the members to be included, excluded, put out |
//! | `course`, `chain` | the running operation and our proposals; our place in the chain, and its confirmations |
//! | `departure` | whether we have asked to leave |
//! | `subsessions`, `subsession`, `waiting`, `log` | messages: the subsessions, each of them, what waits for keys, what is shown |
//! | `action` | what the user has asked for, until it is settled (T-14) |
//! | `outputs`, `drain`, `event`, `warning`, `error`, `settings` | what a session says, and what its owner can choose |
//! | `standing` | questions about where we stand, which all rules ask |
//! | `due`, `clock` | every deadline by its name; the session's own time |
//!
//! Ids such as T-10 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/transport.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

mod action;
mod any;
mod arrival;
mod chain;
mod clock;
mod command;
mod course;
mod departure;
mod door;
mod drain;
mod due;
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
pub use drain::{Drain, Outputs};
pub use due::{Due, DueReason};
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

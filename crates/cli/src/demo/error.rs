//! Why the demo failed.

use std::io;
use std::time::Duration;

use concilium::{ActionError, MemberId, NameError, RandomnessError, RestoreError, SendError};
use concilium_relay::ConnectError;

use super::process::GoneError;

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DemoError {
    /// Not done in time.
    #[error("not done within {} s: still waiting for {waiting_for}. The members: {members}. On a slow machine, give more time with --deadline", limit.as_secs())]
    Deadline {
        /// The time that was given.
        limit: Duration,
        /// What did not come.
        waiting_for: String,
        /// How far each member is.
        members: String,
    },
    /// Members disagree, with each other or with what happened.
    #[error("after the step '{step}' the members disagree; this is a bug, please report it: {}", found.join("; "))]
    Disagreement {
        /// When it was noticed.
        step: String,
        /// Members disagree.
        found: Vec<String>,
    },
    /// A warning, where nothing is wrong.
    #[error(
        "{member} has raised a warning where nothing was wrong: {warning}. If the machine is not overloaded, this is a bug, please report it"
    )]
    Warned {
        /// Its name.
        member: MemberId,
        /// What.
        warning: String,
    },
    /// An operation failed, where nothing is wrong.
    #[error(
        "an operation failed as {member} sees it: {cause}. If the machine is not overloaded, this is a bug, please report it"
    )]
    OperationFailed {
        /// The member that says so.
        member: MemberId,
        /// Why it failed.
        cause: String,
    },
    /// The excluded member can read what was said later, or we could not tell.
    #[error("{0}; this is a bug, please report it")]
    Exclusion(String),
    /// The connections on this machine do not work.
    #[error("{member} cannot go on: {what}")]
    Trouble {
        /// Its name.
        member: MemberId,
        /// What happened.
        what: String,
    },
    /// The relay did not start.
    #[error("the demo's relay cannot listen on 127.0.0.1: {0}; allow local connections and try again")]
    Relay(io::Error),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// See [`GoneError`].
    #[error(transparent)]
    Gone(#[from] GoneError),
    /// The session refused a change.
    #[error("a change was refused: {0}; this is a bug, please report it")]
    Action(#[from] ActionError),
    /// The session refused a message.
    #[error("a message was refused: {0}; this is a bug, please report it")]
    Send(#[from] SendError),
    /// A snapshot did not open.
    #[error("a snapshot of a member cannot be read: {0}; this is a bug, please report it")]
    Restore(#[from] RestoreError),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// A name of ours is none.
    #[error(transparent)]
    Name(#[from] NameError),
}

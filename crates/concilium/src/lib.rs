//! Secure group sessions for people. Several devices meet in a channel run by a server that nobody trusts, agree on
//! keys, talk, change who is in, and part; and everyone knows who is in, who has seen what, and in which order it was
//! said.
//!
//! This crate is the front door: depend on it alone, and take the parts by name. The parts stand alone as crates too
//! (`concilium-core` to `concilium-session`), for those who want one of them only.
//!
//! - [`DefaultSession`]: a [`Session`] with the default key agreement and the default cipher. Start here.
//! - [`guide`]: how to build on it, step by step, with examples that compile: a first conversation, a real driver,
//!   another key agreement, another cipher.
//! - [`gka`]: group key agreement, the contract and the default. [`encryptor`]: the cipher, likewise.
//! - [`channel`]: what a session and a group channel tell each other. `concilium-relay` is a channel over WebSocket.
//! - [`sessions`]: where sessions come from, for programs that choose their parts while they run.
//! - [`keys`], [`packet`], [`wire`], [`server_order`]: for whoever implements a part.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! use concilium::channel::{ChannelAction, ChannelEvent};
//! use concilium::gka::{Cliques, Identity};
//! use concilium::{Context, DefaultSession, MemberId, MemberSet, Output, SessionName, Settings, SessionState, Time};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Who we are, and whose identity keys we trust.
//! let mut random = getrandom::SysRng;
//! let mut cx = Context::new(Time::from_millis(0), &mut random);
//! let alice = Identity::generate(MemberId::new("alice")?, &mut cx)?;
//! let trusted = Arc::new(BTreeMap::from([(alice.member().clone(), *alice.verifying_key())]));
//!
//! // A session touches no network: it says what it wants of the channel, and is told what happens there.
//! let mut session = DefaultSession::new(Cliques::new(alice, trusted), SessionName::new("tea")?, Settings::default());
//! session.join(&mut cx)?;
//! for output in session.drain().unsaved().collect::<Vec<_>>() {
//!     if output == Output::Channel(ChannelAction::Enter) {
//!         let members = MemberSet::of(session.me().clone());
//!         session.handle(ChannelEvent::Entered { members }, &mut cx);
//!     }
//! }
//! // Nobody was there: the session begins with us.
//! assert_eq!(session.state(), SessionState::Joined);
//! # Ok(())
//! # }
//! ```
//!
//! Ids such as K-5 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/README.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

pub mod guide;
pub mod sessions;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use concilium_core::{
    Body, ChainHash, Change, ChangeError, Context, FramedHash, MemberId, MemberSet, MessageId, NameError,
    PacketId, RandomSource, RandomnessError, Secret, SessionName, SubsessionId, Time, channel, keys, packet,
    wire,
};
pub use concilium_encryptor as encryptor;
pub use concilium_encryptor::MessageEncryptor;
pub use concilium_gka::GroupKeyAgreement;
pub use concilium_server_order as server_order;
pub use concilium_session::{
    ActionError, ActionId, ActionKind, ActionOutcome, ActionStage, AnySession, Drain, Due, DueReason, Event,
    Everybody, FailureCause, Forbidden, MessageView, Moderators, OperationView, Output, Outputs, Policy,
    ProposalFacts, RejectionCause, RestoreError, SendError, Session, SessionState, Settings, Severity,
    Summary, Timing, Warning, WarningKind, Warnings,
};

/// Group key agreement: the contract, and the default that implements it.
pub mod gka {
    pub use concilium_gka::*;
    pub use concilium_gka_cliques::Cliques;
}

/// A session with the default key agreement (group Diffie-Hellman with authenticated confirmation, on ristretto255)
/// and the default cipher (AES-256-GCM, Ed25519, padded). See the [`guide`] for others.
pub type DefaultSession = Session<gka::Cliques, encryptor::DefaultEncryptor>;

//! Secure group sessions for people. Several devices meet in a channel run by a server that nobody trusts,
//! agree on keys, talk, change who is in, and part; and everyone knows who is in, who has seen what, and in
//! which order it was said.
//!
//! This crate is the front door: depend on it alone, and take the parts by name. The parts stand alone as
//! crates too (`concilium-core` to `concilium-session`), for projects that want only one of them.
//!
//! - [`DefaultSession`]: a [`Session`] with the default key agreement and the default cipher. Start here.
//! - [`guide`]: how to build on it, step by step, with examples that compile: a first conversation, a real
//!   driver, another key agreement, another cipher.
//! - [`gka`]: group key agreement, the contract and the default. [`encryptor`]: the cipher, likewise.
//! - [`channel`]: what a session and a group channel tell each other. `concilium-relay` is a channel over
//!   WebSocket.
//! - [`memory`]: a channel in memory, for examples and tests.
//! - `bd`, `mls`: other key agreements, with the features of these names.
//! - [`sessions`]: where sessions come from, for programs that choose their parts while they run.
//! - [`keys`], [`packet`], [`wire`], [`server_order`]: for authors of a part.
//!
//! Two members meet, talk and part, over the channel in [`memory`]:
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use concilium::gka::{Cliques, Identity};
//! use concilium::memory::Room;
//! use concilium::{Change, Context, DefaultSession, MemberId, SessionName, SessionState, Settings, Time};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Who they are, and whose identity keys they trust.
//! let (mut random, mut room) = (getrandom::SysRng, Room::new(Time::ZERO));
//! let mut cx = Context::new(room.now, &mut random);
//! let alice = Identity::generate(MemberId::new("alice")?, &mut cx)?;
//! let bob = Identity::generate(MemberId::new("bob")?, &mut cx)?;
//! let trusted = Arc::new(BTreeMap::from([&alice, &bob].map(|who| (who.member().clone(), *who.verifying_key()))));
//!
//! // A session touches no network: it says what it wants of the channel, and is told what happens there.
//! let tea = SessionName::new("tea")?;
//! let mut alice = DefaultSession::new(Cliques::new(alice, trusted.clone()), tea.clone(), Settings::default());
//! let mut bob = DefaultSession::new(Cliques::new(bob, trusted), tea, Settings::default());
//! alice.join(&mut Context::new(room.now, &mut random))?;
//! room.settle(&mut [&mut alice, &mut bob], &mut random);
//! bob.join(&mut Context::new(room.now, &mut random))?;
//! room.settle(&mut [&mut alice, &mut bob], &mut random);
//!
//! // Alice was first, so the session began with her. She brings Bob in.
//! let change = Change::include([bob.me().clone()]);
//! alice.change(change, &mut Context::new(room.now, &mut random))?;
//! room.settle(&mut [&mut alice, &mut bob], &mut random);
//! assert_eq!(bob.members().to_string(), "alice bob");
//!
//! bob.send(b"hello alice", &mut Context::new(room.now, &mut random))?;
//! room.settle(&mut [&mut alice, &mut bob], &mut random);
//! let heard: Vec<_> = alice.messages().map(|message| message.body.to_vec()).collect();
//! assert_eq!(heard, [b"hello alice"]);
//!
//! // Bob parts once Alice has his last word. Her session acknowledges it within moments.
//! bob.part(&mut Context::new(room.now, &mut random))?;
//! room.pass(Duration::from_secs(20), &mut [&mut alice, &mut bob], &mut random);
//! assert_eq!(bob.state(), SessionState::Parted);
//! assert_eq!(alice.state(), SessionState::Parted, "of two nobody is left to talk to");
//! # Ok(())
//! # }
//! ```
//!
//! Ids such as K-5 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/README.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

pub mod guide;
pub mod memory;
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
#[cfg(feature = "bd")]
pub use concilium_gka_bd as bd;
#[cfg(feature = "mls")]
pub use concilium_gka_mls as mls;
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

/// A session with the default key agreement (group Diffie-Hellman with authenticated confirmation, on
/// ristretto255) and the default cipher (AES-256-GCM, Ed25519, padded). See the [`guide`] for others.
pub type DefaultSession = Session<gka::Cliques, encryptor::DefaultEncryptor>;

//! How to build on concilium. This module is text only, and its examples compile.
//!
//! # Depend on one crate
//!
//! ```toml
//! [dependencies]
//! concilium = "0.1"
//! getrandom = { version = "0.4", features = ["sys_rng"] }   # or any other cryptographic random source
//! ```
//!
//! # The loop
//!
//! A [`Session`](crate::Session) is one member's process in one channel. It never waits, reads no clock and
//! opens no socket. Its driver does three things, over and over:
//!
//! 1. **tell** it something: what happened in the channel ([`handle`](crate::Session::handle)), that its
//!    [`next_timeout`](crate::Session::next_timeout) is due
//!    ([`handle_timeout`](crate::Session::handle_timeout)), or what the user wants
//!    ([`join`](crate::Session::join), [`send`](crate::Session::send), [`change`](crate::Session::change),
//!    [`part`](crate::Session::part)). Each call brings a [`Context`](crate::Context): the time, and a random
//!    source;
//! 2. **drain** it ([`drain`](crate::Session::drain)): save it, if it is to outlive a crash; then carry out
//!    its actions on the channel, and show its events.
//!
//! # A first conversation
//!
//! Two members and a channel that is only a queue. The channel gives all its members the same events in the
//! same order, and the sender gets its own packets back.
//!
//! ```
//! use std::collections::{BTreeMap, VecDeque};
//! use std::sync::Arc;
//!
//! use concilium::channel::{ChannelAction, ChannelEvent};
//! use concilium::gka::{Cliques, Identity};
//! use concilium::{
//!     Change, Context, DefaultSession, Event, MemberId, MemberSet, Output, SessionName, Settings, Time,
//! };
//!
//! /// A channel in memory: whoever is in it, in the order of the sessions.
//! struct Room {
//!     sessions: Vec<DefaultSession>,
//!     inside: MemberSet,
//!     now: Time,
//! }
//!
//! impl Room {
//!     /// Does what the sessions want of the channel until nobody wants anything more; gives what they tell.
//!     fn settle(&mut self) -> Vec<(MemberId, Event)> {
//!         let (mut events, mut wanted) = (Vec::new(), VecDeque::new());
//!         loop {
//!             for session in &mut self.sessions {
//!                 let me = session.me().clone();
//!                 for output in session.drain().unsaved() {
//!                     match output {
//!                         Output::Channel(action) => wanted.push_back((me.clone(), action)),
//!                         Output::Event(event) => events.push((me.clone(), event)),
//!                     }
//!                 }
//!             }
//!             let Some((who, action)) = wanted.pop_front() else { return events };
//!             self.act(who, action);
//!         }
//!     }
//!
//!     /// One action of a member: everyone inside hears of it.
//!     fn act(&mut self, who: MemberId, action: ChannelAction) {
//!         if action == ChannelAction::Enter {
//!             self.inside.insert(who.clone());
//!         }
//!         let mut random = getrandom::SysRng;
//!         let mut cx = Context::new(self.now, &mut random);
//!         for session in &mut self.sessions {
//!             let event = match &action {
//!                 ChannelAction::Enter if *session.me() == who => {
//!                     ChannelEvent::Entered { members: self.inside.clone() }
//!                 }
//!                 ChannelAction::Enter => ChannelEvent::MemberEntered { member: who.clone() },
//!                 ChannelAction::Send { bytes } => {
//!                     ChannelEvent::Packet { from: who.clone(), bytes: bytes.clone() }
//!                 }
//!                 _ => continue, // Leave, Invite and Kick are left out of this example.
//!             };
//!             if self.inside.contains(session.me()) {
//!                 session.handle(event, &mut cx);
//!             }
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Everybody's identity key is known to everybody: finding and checking keys is the application's job.
//! let mut random = getrandom::SysRng;
//! let mut cx = Context::new(Time::ZERO, &mut random);
//! let identities = [
//!     Identity::new(MemberId::new("alice")?, &cx.secret()?),
//!     Identity::new(MemberId::new("bob")?, &cx.secret()?),
//! ];
//! let trusted: BTreeMap<_, _> = identities.iter().map(|i| (i.member().clone(), *i.verifying_key())).collect();
//! let trusted = Arc::new(trusted);
//! let sessions = identities.map(|identity| {
//!     DefaultSession::new(
//!         Cliques::new(identity, trusted.clone()),
//!         SessionName::new("tea").unwrap(),
//!         Settings::default(),
//!     )
//! });
//! let mut room = Room { sessions: sessions.into(), inside: MemberSet::new(), now: Time::ZERO };
//! let (alice, bob) = (0, 1);
//!
//! // Alice is first and starts the session; Bob enters the channel and waits; Alice brings him in.
//! room.sessions[alice].join(&mut Context::new(room.now, &mut getrandom::SysRng))?;
//! room.settle();
//! room.sessions[bob].join(&mut Context::new(room.now, &mut getrandom::SysRng))?;
//! room.settle();
//! let change = Change::include([MemberId::new("bob")?]);
//! room.sessions[alice].change(change, &mut Context::new(room.now, &mut getrandom::SysRng))?;
//! room.settle();
//! assert_eq!(room.sessions[alice].members().to_string(), "alice bob");
//! assert_eq!(room.sessions[alice].subsession(), room.sessions[bob].subsession());
//!
//! // They talk.
//! let hello = room.sessions[alice].send(b"hello", &mut Context::new(room.now, &mut getrandom::SysRng))?;
//! room.settle();
//! room.sessions[bob].send(b"hi alice", &mut Context::new(room.now, &mut getrandom::SysRng))?;
//! room.settle();
//! let said: Vec<_> = room.sessions[bob].messages().map(|message| message.body.to_vec()).collect();
//! assert_eq!(said, [b"hello".to_vec(), b"hi alice".to_vec()]);
//!
//! // Bob's answer shows Alice that he has seen her message: everyone has, and she knows.
//! assert!(room.sessions[alice].message(&hello).is_some_and(|message| message.fully_acked));
//! # Ok(())
//! # }
//! ```
//!
//! # Trusting keys
//!
//! A session asks a [`Directory`](crate::gka::Directory) for the identity keys of others, and uses them for
//! membership operations only. A `BTreeMap` is a directory; so is whatever you write:
//!
//! ```
//! use concilium::MemberId;
//! use concilium::gka::Directory;
//! use concilium::keys::VerifyingKey;
//!
//! /// Keys that the user has compared with their owners.
//! struct Contacts(Vec<(MemberId, VerifyingKey)>);
//!
//! impl Directory for Contacts {
//!     fn identity_key(&self, member: &MemberId) -> Option<VerifyingKey> {
//!         self.0.iter().find(|(name, _)| name == member).map(|(_, key)| *key)
//!     }
//! }
//! ```
//!
//! The program `concilium chat` shows one way to have members show each other their keys, and to ask the user
//! on first use: see `introduction` and `known_keys` in the crate `concilium-cli`.
//!
//! # Another cipher
//!
//! The second type parameter of [`Session`](crate::Session) seals and opens messages. For machines without
//! AES instructions:
//!
//! ```
//! use concilium::Session;
//! use concilium::encryptor::{Aead, Buckets, ChaCha20Poly1305, MessageEncryptor};
//! use concilium::gka::Cliques;
//!
//! type WithoutAes = Session<Cliques, Aead<ChaCha20Poly1305, Buckets>>;
//! # let _: fn(WithoutAes) = |_| ();
//! assert_eq!(<Aead<ChaCha20Poly1305, Buckets> as MessageEncryptor>::SUITE, "chacha20poly1305+buckets");
//! ```
//!
//! Padding is swapped likewise. A cipher of your own implements
//! [`MessageEncryptor`](crate::MessageEncryptor), or, if it is an AEAD, only
//! [`Cipher`](crate::encryptor::Cipher); the conformance kit in `concilium-encryptor` tells whether it keeps
//! the contract. All members of a session must use the same suite: its name is signed into every operation,
//! and members with another one are told so.
//!
//! # Another key agreement
//!
//! The first type parameter is the group key agreement: anything that implements
//! [`GroupKeyAgreement`](crate::GroupKeyAgreement). Code that drives sessions need not know which:
//!
//! ```
//! use concilium::{Context, Event, GroupKeyAgreement, MessageEncryptor, Output, Session};
//!
//! /// Drains a session, whatever it is made of.
//! fn events<G: GroupKeyAgreement, E: MessageEncryptor>(session: &mut Session<G, E>) -> Vec<Event> {
//!     let outputs = session.drain().unsaved();
//!     outputs.filter_map(|output| match output {
//!         Output::Event(event) => Some(event),
//!         Output::Channel(_) => None, // To the channel with it.
//!     })
//!     .collect()
//! }
//! # let _ = events::<concilium::gka::Cliques, concilium::encryptor::DefaultEncryptor>;
//! ```
//!
//! # A real driver
//!
//! Over a network the loop waits for the first of three: an event of the channel, the next timeout, or the
//! user. With the channel of `concilium-relay`, and tokio, this is all of it:
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::{Duration, Instant, SystemTime};
//!
//! use concilium::gka::{Cliques, Directory, Identity};
//! use concilium::{Context, DefaultSession, Event, Output, SessionName, Settings, Time};
//! use concilium_relay::{ClientConfig, ClientEvent, RelayClient};
//! use tokio::io::{AsyncBufReadExt as _, BufReader};
//!
//! async fn talk(
//!     identity: Identity, directory: Arc<dyn Directory>, room: SessionName, relay: &str,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     // A clock that never runs back: the wall clock once, and from then on the monotonic one.
//!     let (epoch, started) = (Time::from(SystemTime::now()), Instant::now());
//!     let now = || epoch.after(started.elapsed());
//!     let mut random = getrandom::SysRng;
//!     let mut client = RelayClient::connect(ClientConfig::new(relay, identity.member().clone())).await?;
//!     let mut session = DefaultSession::new(Cliques::new(identity, directory), room.clone(), Settings::default());
//!     let mut lines = BufReader::new(tokio::io::stdin()).lines();
//!     session.join(&mut Context::new(now(), &mut random))?;
//!     loop {
//!         // Kept in a file here: the outputs come only when it is written.
//!         let outputs = session.drain().save(|snapshot| std::fs::write("session.snapshot", snapshot))?;
//!         for output in outputs {
//!             match output {
//!                 Output::Channel(action) => client.act(&room, action)?,
//!                 Output::Event(Event::Message { author, body, .. }) => {
//!                     println!("{author}: {}", String::from_utf8_lossy(&body));
//!                 }
//!                 Output::Event(event) => println!("-- {event:?}"),
//!             }
//!         }
//!         let wait = session.next_timeout().and_then(|due| due.wait_from(now()));
//!         tokio::select! {
//!             event = client.next() => match event {
//!                 Some(ClientEvent::Channel { channel, event }) if channel == room => {
//!                     session.handle(event, &mut Context::new(now(), &mut random));
//!                 }
//!                 Some(_) => {} // about the connection, which comes back by itself
//!                 None => return Ok(()),
//!             },
//!             () = tokio::time::sleep(wait.unwrap_or(Duration::MAX)) => {
//!                 session.handle_timeout(&mut Context::new(now(), &mut random));
//!             }
//!             line = lines.next_line() => {
//!                 let mut cx = Context::new(now(), &mut random);
//!                 match line? {
//!                     Some(line) => drop(session.send(line.as_bytes(), &mut cx)?),
//!                     None => drop(session.part(&mut cx)?),
//!                 }
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! `driver.rs` of `concilium-cli` does the same for any parts, with tests.
//!
//! # Who may do what
//!
//! Every member may include and exclude, unless a [`Policy`](crate::Policy) in the settings says otherwise.
//! The policy must be the same for all members of the session:
//!
//! ```
//! # use concilium::{MemberId, Moderators, Settings};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::default().policy(Moderators::new([MemberId::new("alice")?]));
//! # Ok(())
//! # }
//! ```
//!
//! Our own actions are then refused with [`ActionError::Forbidden`](crate::ActionError::Forbidden). Another
//! member's proposal against the policy has no effect, and is an
//! [`Event::ProposalForbidden`](crate::Event::ProposalForbidden).
//!
//! # When the group is parted
//!
//! A faulty server can show members different orders, or lie about who is in the channel. There are then two
//! sessions in one channel, or a member at a place of the chain where no other is. The members are warned of
//! all this, and come together again by a *reunion*: the side with fewer members leaves the channel after
//! some full-ack intervals ([`Event::ComingBack`](crate::Event::ComingBack)) and comes back as newcomers. A
//! member without company leaves and comes back too, less and less often, to be told anew who is there. With
//! [`auto_include`](crate::Settings::auto_include) all end up in one session by themselves; without it, a
//! user includes those that have come back. A client that prefers to do this itself switches
//! [`reunite`](crate::Settings::reunite) off.
//!
//! # What the user should see
//!
//! - the members: [`members`](crate::Session::members), and every
//!   [`Event::MembershipChanged`](crate::Event::MembershipChanged);
//! - what was said, and what it answers where that is not the line above:
//!   [`MessageView::follows`](crate::MessageView);
//! - what all have seen: [`Event::FullyAcked`](crate::Event::FullyAcked);
//! - every [`Warning`](crate::Warning) for as long as it is in force. An honest server and honest members
//!   cause none.

//! The causal history of a group's messages: who said what after seeing what, and who has not seen it yet.
//!
//! Every message names the latest messages that its author had seen: its parents. From the parents alone,
//! without a server, each member knows three things of a message: what it answers; which members have
//! received it (they have written something after it); and whether all have, when it is *fully acked*.
//!
//! ```
//! use concilium_core::{MemberId, MemberSet, MessageId, SubsessionId, Time};
//! use concilium_transcript::{Entry, Timeline, Transcript};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (alice, bob) = (MemberId::new("alice")?, MemberId::new("bob")?);
//! let mut transcript = Transcript::new(MemberSet::from_iter([alice.clone(), bob.clone()]));
//! let mut timeline = Timeline::new();
//! let subsession = SubsessionId::from_bytes([0; 32]);
//!
//! // In a session, ids are keyed hashes of packets (M-5).
//! let hello = MessageId::from_bytes([1; 32]);
//! let answer = MessageId::from_bytes([2; 32]);
//! let entry = |id, author: &MemberId, parents, body| Entry {
//!     id, author: author.clone(), parents, ack_only: false, shown: true, weight: 0, body,
//! };
//!
//! // Bob's answer comes first: it waits for what it answers.
//! let inserted = transcript.insert(entry(answer, &bob, vec![hello], "hi alice"), Time::ZERO)?;
//! assert!(inserted.accepted.is_empty() && transcript.is_deferred(&answer));
//!
//! let inserted = transcript.insert(entry(hello, &alice, vec![], "hello"), Time::ZERO)?;
//! assert_eq!(inserted.accepted, [hello, answer]);
//! assert_eq!(inserted.fully_acked, [hello]);
//! for message in &inserted.accepted {
//!     timeline.push(subsession, &transcript, message)?;
//! }
//! assert!(timeline.items().iter().all(|item| item.follows));
//! assert_eq!(transcript.unacked(&answer)?, MemberSet::of(alice));
//! assert_eq!(transcript.next_parents(&bob), [answer]);
//! # Ok(())
//! # }
//! ```
//!
//! - [`Transcript`]: one subsession's graph. [`Entry`] goes in, [`Inserted`] says what that did.
//! - [`Timeline`]: one or more transcripts in one line, for people.
//! - [`InsertError`]: why a message is refused.
//!
//! A transcript serialises (see [`concilium_core::wire`]), and reading one back checks it message by message.
//!
//! # What enters, and when
//!
//! Whether a message is accepted depends only on the message and its past. So all members hold the same graph
//! as soon as they hold the same messages, in any order and any number of arrivals (G-5). A message whose
//! parents are not here yet waits, within quotas (G-1). There are three exceptions, each a limit that
//! protects us from an author: [`MAX_BRANCHES`], the quotas of waiting messages (a resend brings back what
//! they cost), and [`MAX_MESSAGES`].
//!
//! # Forks
//!
//! An author who writes a message without having seen its own previous one has told two stories (G-3).
//! Refusing the second story would split the group: members that it reached first build upon it, and the
//! others could never accept what they build. So all members accept both branches and keep them as evidence.
//! A member that holds both reports a [`Fork`], at the latest when some message has both in its past.
//!
//! From then on the graph itself silences the author. A message whose own past contains a fork by its author
//! is refused ([`InsertError::AfterFork`]). The others' messages soon have both branches in their past, so
//! the author can neither answer nor ack them. Only stale parents are left to it, and its missing acks show.
//!
//! # Cost
//!
//! Every message has a vector clock, in a tree that shares with its parents' all that is equal. In time, a
//! message costs at most the number of its parents times the number of members, for any graph of any length.
//! Usually it costs far less. Questions about ancestors take one look into a clock (G-7).
//!
//! Ids such as G-3 name rules of the [specification], ids such as A-09 [attacks].
//!
//! [specification]: https://github.com/concilium-rs/concilium/blob/main/docs/spec/transcript.md
//! [attacks]: https://github.com/concilium-rs/concilium/blob/main/docs/security.md

mod chunked;
mod clock;
mod deferral;
mod error;
mod graph;
#[cfg(test)]
mod growth;
mod index;
mod limits;
mod message;
mod snapshot;
mod timeline;
mod transcript;
mod work;

pub use error::{InsertError, UnknownMessage};
pub use limits::{
    DEFERRED_BYTES, DEFERRED_BYTES_PER_AUTHOR, DEFERRED_MESSAGES, DEFERRED_MESSAGES_PER_AUTHOR, MAX_BRANCHES,
    MAX_MESSAGES, MAX_PARENTS,
};
pub use message::{Deferred, Dropped, Entry, Fork, Inserted, Message, Placement, Rejected};
pub use timeline::{Timeline, TimelineItem};
pub use transcript::Transcript;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

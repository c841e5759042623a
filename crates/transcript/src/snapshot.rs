//! To bytes and back.
//!
//! A transcript is written as the inserted messages, in the order of acceptance, and read by inserting them
//! again. So any bytes that can be read give a transcript that some insertions lead to.

use std::fmt;

use concilium_core::{MemberSet, MessageId, Time, wire};
use serde::de::Error;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Entry, Placement, Transcript};

/// A message of the graph, as written.
#[derive(Serialize)]
struct MessageRef<'a, B> {
    id: &'a MessageId,
    /// The author's place among the members.
    author: u32,
    /// How many messages before this one each parent is.
    parents: Vec<u32>,
    ack_only: bool,
    shown: bool,
    body: &'a B,
}

/// A message of the graph, as read.
#[derive(Deserialize)]
struct Message<B> {
    id: MessageId,
    author: u32,
    #[serde(with = "wire::list")]
    parents: Vec<u32>,
    ack_only: bool,
    shown: bool,
    body: B,
}

/// A message that waits, as written.
#[derive(Serialize)]
struct WaitingRef<'a, B> {
    id: &'a MessageId,
    author: u32,
    parents: &'a [MessageId],
    ack_only: bool,
    shown: bool,
    weight: u64,
    since: Time,
    body: &'a B,
}

/// A message that waits, as read.
#[derive(Deserialize)]
struct Waiting<B> {
    id: MessageId,
    author: u32,
    #[serde(with = "wire::list")]
    parents: Vec<MessageId>,
    ack_only: bool,
    shown: bool,
    weight: u64,
    since: Time,
    body: B,
}

/// A transcript, as read.
#[derive(Deserialize)]
#[serde(rename = "Transcript", bound(deserialize = "B: Deserialize<'de>"))]
struct Snapshot<B> {
    members: MemberSet,
    #[serde(with = "wire::list")]
    roots: Vec<MessageId>,
    #[serde(with = "wire::list")]
    shown_roots: Vec<MessageId>,
    #[serde(with = "wire::list")]
    messages: Vec<Message<B>>,
    #[serde(with = "wire::list")]
    waiting: Vec<Waiting<B>>,
}

struct Messages<'a, B>(&'a Transcript<B>);

impl<B: Serialize> Serialize for Messages<'_, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let graph = self.0.graph();
        // Exactly as many items as positions: the number is written in front of them.
        serializer.collect_seq((0..graph.len()).map(|position| {
            let record = graph.records().at(position);
            MessageRef {
                id: &record.id,
                author: graph.author(record),
                parents: graph.parents(position).map(|parent| position - parent).collect(),
                ack_only: record.ack_only,
                shown: record.shown,
                body: self.0.body_at(position),
            }
        }))
    }
}

struct AllWaiting<'a, B>(&'a Transcript<B>);

impl<B: Serialize> Serialize for AllWaiting<'_, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.deferral().iter().map(|waiting| {
            let entry = &waiting.entry;
            WaitingRef {
                id: &entry.id,
                author: waiting.author,
                parents: &entry.parents,
                ack_only: entry.ack_only,
                shown: entry.shown,
                weight: entry.weight as u64,
                since: waiting.since,
                body: &entry.body,
            }
        }))
    }
}

/// Bodies are written by their own `Serialize`; for byte strings use a type with
/// `#[serde(with = "concilium_core::wire::bytes")]`.
impl<B: Serialize> Serialize for Transcript<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Transcript", 5)?;
        fields.serialize_field("members", self.members())?;
        fields.serialize_field("roots", self.roots())?;
        fields.serialize_field("shown_roots", self.shown_roots())?;
        fields.serialize_field("messages", &Messages(self))?;
        fields.serialize_field("waiting", &AllWaiting(self))?;
        fields.end()
    }
}

/// Refuses what no insertions lead to.
impl<'de, B: Deserialize<'de>> Deserialize<'de> for Transcript<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::restore(Snapshot::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Why a snapshot is refused.
struct Inconsistent(&'static str);

impl fmt::Display for Inconsistent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a transcript: {}", self.0)
    }
}

impl<B> Transcript<B> {
    fn restore(snapshot: Snapshot<B>) -> Result<Self, Inconsistent> {
        let members: Vec<_> = snapshot.members.iter().cloned().collect();
        let member = |place: u32| {
            let member = members.get(place as usize).cloned();
            member.ok_or(Inconsistent("an author is not a member"))
        };
        let mut transcript = Self::with_shown_roots(snapshot.members, snapshot.roots, snapshot.shown_roots);
        for (position, message) in (0_u32..).zip(snapshot.messages) {
            let graph = transcript.graph();
            let mut parents = Vec::with_capacity(message.parents.len());
            for distance in message.parents {
                let parent = position.checked_sub(distance).filter(|parent| *parent < position);
                let parent = parent.ok_or(Inconsistent("a parent is out of range"))?;
                parents.push(graph.records().at(parent).id);
            }
            let entry = Entry {
                id: message.id,
                author: member(message.author)?,
                parents,
                ack_only: message.ack_only,
                shown: message.shown,
                weight: 0,
                body: message.body,
            };
            match transcript.insert(entry, Time::ZERO) {
                Ok(inserted) if inserted.outcome == Placement::Accepted => {}
                Ok(_) => return Err(Inconsistent("a message is there twice")),
                Err(_) => return Err(Inconsistent("a message would not have been accepted")),
            }
        }
        for waiting in snapshot.waiting {
            let entry = Entry {
                id: waiting.id,
                author: member(waiting.author)?,
                parents: waiting.parents,
                ack_only: waiting.ack_only,
                shown: waiting.shown,
                weight: usize::try_from(waiting.weight).unwrap_or(usize::MAX),
                body: waiting.body,
            };
            match transcript.insert(entry, waiting.since) {
                Ok(inserted) if inserted.outcome == Placement::Deferred && inserted.dropped.is_empty() => {}
                _ => return Err(Inconsistent("a message that waits would not have waited")),
            }
        }
        Ok(transcript)
    }
}

#[cfg(test)]
mod tests {
    use concilium_core::MemberId;

    use super::*;

    /// Whatever codec reads it: `wire` would notice some of this by itself.
    #[test]
    fn a40_what_no_insertions_lead_to_is_refused() {
        let message = |id: u8, author: u32, parents: &[u32]| Message {
            id: MessageId::from_bytes([id; 32]),
            author,
            parents: parents.to_vec(),
            ack_only: false,
            shown: true,
            body: (),
        };
        let restore = |messages: Vec<Message<()>>| {
            let members = ["a", "b"].map(|name| MemberId::new(name).unwrap());
            Transcript::restore(Snapshot {
                members: members.into_iter().collect(),
                roots: Vec::new(),
                shown_roots: Vec::new(),
                messages,
                waiting: Vec::new(),
            })
        };
        let start = || vec![message(1, 0, &[]), message(2, 1, &[1])];
        assert_eq!(restore(start()).map(|transcript| transcript.len()).ok(), Some(2));
        for (what, next) in [
            ("twice", message(1, 0, &[])),
            ("not a member", message(3, 2, &[1])),
            ("its own parent", message(3, 0, &[0])),
            ("before the first", message(3, 0, &[3])),
            ("no antichain", message(3, 0, &[1, 2])),
        ] {
            // One more behind it, which counts back past it.
            let messages = start().into_iter().chain([next, message(4, 1, &[1])]);
            assert!(restore(messages.collect()).is_err(), "{what}");
        }
    }
}

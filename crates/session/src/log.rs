//! The messages for people: the application's data in the order in which it is shown (G-8).

use std::collections::BTreeMap;

use concilium_core::{MemberId, MemberSet, MessageId, SubsessionId, wire};
use concilium_transcript::{Timeline, Transcript};
use serde::{Deserialize, Serialize};

use crate::subsession::Note;

/// How many messages are kept for display. An application that wants all of history stores the events.
const MAX_MESSAGES: usize = 100_000;

/// All messages with data, across subsessions, as far as they are kept.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Log {
    timeline: Timeline,
    messages: BTreeMap<MessageId, Logged>,
    /// For messages that are not shown, acks above all: the shown messages that stand behind them.
    behind: BTreeMap<MessageId, Vec<MessageId>>,
}

/// A message as it is kept for display.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Logged {
    pub(crate) author: MemberId,
    pub(crate) subsession: SubsessionId,
    #[serde(with = "wire::bytes")]
    pub(crate) body: Vec<u8>,
    #[serde(with = "wire::list")]
    pub(crate) parents: Vec<MessageId>,
    /// The readers that had not seen it when its subsession closed. None while the transcript still knows.
    pub(crate) unseen: Option<MemberSet>,
}

impl Log {
    /// Takes a message that was just accepted. A data message is stored with its body. Others leave a trace,
    /// by which their descendants find the messages that they answer.
    pub(crate) fn push(
        &mut self,
        subsession: SubsessionId,
        transcript: &Transcript<Note>,
        id: &MessageId,
        author: &MemberId,
        data: Option<Vec<u8>>,
    ) {
        let parents = self.shown_parents(transcript, id);
        let Some(body) = data else {
            self.behind.insert(*id, parents);
            return;
        };
        if self.messages.len() >= MAX_MESSAGES {
            return;
        }
        if self.timeline.push(subsession, transcript, id).is_ok() {
            let author = author.clone();
            self.messages.insert(
                *id,
                Logged {
                    author,
                    subsession,
                    body,
                    parents,
                    unseen: None,
                },
            );
        }
    }

    /// The nearest shown messages that a message answers, none behind another: through acks, and across a
    /// change of membership at the messages that its operation named (G-9).
    fn shown_parents(&self, transcript: &Transcript<Note>, id: &MessageId) -> Vec<MessageId> {
        let parents = transcript
            .parents(id)
            .map(|parents| parents.copied().collect())
            .unwrap_or_else(|_| vec![]);
        let mut found = self.shown(if parents.is_empty() {
            transcript.roots()
        } else {
            &parents
        });
        // Messages from before the subsession stand behind all those from within.
        if found.iter().any(|id| transcript.contains(id)) {
            found.retain(|id| transcript.contains(id));
        }
        let behind_another = |id: &MessageId| {
            found
                .iter()
                .any(|other| transcript.is_ancestor(id, other).unwrap_or(false))
        };
        found.iter().filter(|id| !behind_another(id)).copied().collect()
    }

    fn shown(&self, ids: &[MessageId]) -> Vec<MessageId> {
        let mut found: Vec<MessageId> = Vec::new();
        for id in ids {
            if self.messages.contains_key(id) {
                found.push(*id);
            } else if let Some(behind) = self.behind.get(id) {
                found.extend(behind);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The subsession closes. Acknowledgements of its messages are final, and the traces between them are not
    /// needed any more.
    pub(crate) fn close(&mut self, subsession: SubsessionId, transcript: &Transcript<Note>) {
        for message in transcript.iter() {
            if let Some(logged) = self.messages.get_mut(message.id)
                && logged.subsession == subsession
            {
                logged.unseen = Some(transcript.unacked(message.id).unwrap_or_default());
            }
            self.behind.remove(message.id);
        }
    }

    pub(crate) fn get(&self, id: &MessageId) -> Option<&Logged> {
        self.messages.get(id)
    }

    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }
}

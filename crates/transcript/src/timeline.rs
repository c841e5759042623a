//! One line for people to read.

use concilium_core::{MessageId, SubsessionId};
use serde::{Deserialize, Serialize};

use crate::{Transcript, UnknownMessage};

/// A message in the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineItem {
    /// The subsession in whose transcript the message is.
    pub subsession: SubsessionId,
    /// The message.
    pub message: MessageId,
    /// Whether it is a plain answer: its author had seen the message above it, and through that everything
    /// shown before. If not, its parents say what it answers (G-8).
    pub follows: bool,
}

/// One or more transcripts in one line, for display: messages in the order in which they were accepted, hence
/// each after its ancestors, and none ever moves (G-8).
///
/// Messages that are not [`shown`](crate::Entry::shown) are left out, and looked through: an answer to a
/// message is still that when acks lie between the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    #[serde(with = "concilium_core::wire::list")]
    items: Vec<TimelineItem>,
}

impl Timeline {
    /// An empty timeline.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a message that was just accepted; the new item, or `None` if the message is not shown.
    ///
    /// # Errors
    /// The message is not in that transcript.
    pub fn push<B>(
        &mut self,
        subsession: SubsessionId,
        transcript: &Transcript<B>,
        message: &MessageId,
    ) -> Result<Option<&TimelineItem>, UnknownMessage> {
        let graph = transcript.graph();
        let position = graph.position(message).ok_or(UnknownMessage(*message))?;
        if !graph.records().at(position).shown {
            return Ok(None);
        }
        let follows = match self.items.last() {
            None => true,
            Some(above) if above.subsession == subsession => graph
                .position(&above.message)
                .is_some_and(|above| graph.follows(above, position)),
            // G-9: across a change of membership, at the latest messages that the operation named.
            Some(above) => transcript.shown_roots() == [above.message] && graph.is_first_shown(position),
        };
        self.items.push(TimelineItem {
            subsession,
            message: *message,
            follows,
        });
        Ok(self.items.last())
    }

    /// What is shown, from the first to the last.
    #[must_use]
    pub fn items(&self) -> &[TimelineItem] {
        &self.items
    }
}

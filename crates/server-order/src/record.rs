//! The accepted operations, newest last.

use concilium_core::{ChainHash, MemberId, MemberSet, PacketId, wire};
use serde::{Deserialize, Serialize};

use crate::{ChainRole, Initial, Link};

/// How many operations are kept. They answer confirmations that come late (O-10) and fill a history screen.
/// No resend brings back a message older than this many operations.
pub const MAX_HISTORY: usize = 256;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It succeeded.
    Finished,
    /// It failed: a member aborted it (O-11).
    Aborted {
        /// Who.
        by: MemberId,
    },
    /// It failed: a member of M left the channel (T-5).
    Left {
        /// Who.
        who: MemberId,
    },
}

impl Outcome {
    /// Whether the operation succeeded.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Finished)
    }

    /// The role of the packet that ended the operation.
    pub(crate) fn role(&self) -> ChainRole {
        match self {
            Self::Finished => ChainRole::Final,
            Self::Aborted { .. } => ChainRole::Abort,
            Self::Left { .. } => ChainRole::Leave,
        }
    }
}

/// An operation that was accepted and has ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Record {
    /// Counts the ended operations that this resolver has seen, from one. Members who joined at different
    /// times count differently.
    pub number: u64,
    /// The initial packet's id.
    pub initial: PacketId,
    /// The parent that it named (O-2), and so used up.
    pub parent: PacketId,
    /// Its author.
    pub author: MemberId,
    /// Its joiners.
    pub include: MemberSet,
    /// The members that it was to exclude.
    pub exclude: MemberSet,
    /// How it ended.
    pub outcome: Outcome,
    /// The packet that ended it, or the id that stands for a leave, and the chain hash there: what the next
    /// initial packet names.
    pub link: Link,
}

impl Record {
    pub(crate) fn new(number: u64, initial: &Initial, outcome: Outcome, link: Link) -> Self {
        Self {
            number,
            initial: initial.id,
            parent: initial.parent.packet,
            author: initial.author.clone(),
            include: initial.after.minus(&initial.before),
            exclude: initial.before.minus(&initial.after),
            outcome,
            link,
        }
    }
}

/// The last [`MAX_HISTORY`] records of one unbroken chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub(crate) struct History {
    /// How many have ever been pushed.
    count: u64,
    #[serde(with = "wire::list")]
    records: Vec<Record>,
}

impl History {
    /// The number of the newest record; zero if there never was one.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// The chain hash that we hold after the operation that `last` ended, and the operation's number.
    pub(crate) fn find(&self, last: &PacketId) -> Option<(u64, ChainHash)> {
        // From the newest: confirmations are mostly about that one.
        let record = self
            .records
            .iter()
            .rev()
            .find(|record| record.link.packet == *last)?;
        Some((record.number, record.link.chain))
    }

    /// Numbers a record and appends it.
    pub(crate) fn push(&mut self, initial: &Initial, outcome: Outcome, link: Link) -> Record {
        self.count = self.count.saturating_add(1);
        let record = Record::new(self.count, initial, outcome, link);
        if self.records.len() >= MAX_HISTORY {
            self.records.remove(0);
        }
        self.records.push(record.clone());
        record
    }

    /// Forgets the records, because what comes does not continue from them. Numbers go on.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
    }
}

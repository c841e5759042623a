//! What an initial packet would come to, before anything has changed.

use concilium_core::{MemberSet, PacketId};
use serde::{Deserialize, Serialize};

use crate::{Initial, Rejection};

/// How an initial packet was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Acceptance {
    /// We are a member, and an operation of our session has started (O-4).
    Member,
    /// We are being included, and took the author's word for the history: provisional (O-8).
    Joining,
}

/// An initial packet that counts, for [`Resolver::start`](crate::Resolver::start). Only a resolver makes one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the operation does not run before the verdict is started"]
pub struct Accepted {
    pub(crate) initial: Initial,
    pub(crate) acceptance: Acceptance,
    pub(crate) lineage: Lineage,
}

/// Where the chain of a starting operation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lineage {
    /// The operation continues from where it ends.
    Continues,
    /// We take over another chain from here on, and keep the parents that we remember.
    Begins,
    /// We leave the chain that we followed, and remember all of its parents (O-7).
    Leaves,
}

impl Accepted {
    pub(crate) fn new(initial: &Initial, acceptance: Acceptance, lineage: Lineage) -> Self {
        Self {
            initial: initial.clone(),
            acceptance,
            lineage,
        }
    }

    /// The packet.
    #[must_use]
    pub fn initial(&self) -> &Initial {
        &self.initial
    }

    /// How it was accepted.
    #[must_use]
    pub fn acceptance(&self) -> Acceptance {
        self.acceptance
    }

    /// Whether it takes us over from a chain that we followed (T-10).
    #[must_use]
    pub fn takes_over(&self) -> bool {
        self.lineage == Lineage::Leaves
    }
}

/// An initial packet that does not count, for [`Resolver::reject`](crate::Resolver::reject). Only a resolver
/// makes one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "its parent is not remembered before the verdict is handed back"]
pub struct Rejected {
    pub(crate) rejection: Rejection,
    /// The parent, which no later packet may name any more (O-7).
    pub(crate) remembers: Option<PacketId>,
    /// The members go on to where we cannot follow.
    pub(crate) loses_chain: bool,
}

impl Rejected {
    pub(crate) fn without_trace(rejection: Rejection) -> Self {
        Self {
            rejection,
            remembers: None,
            loses_chain: false,
        }
    }

    /// Why it does not count.
    #[must_use]
    pub fn rejection(&self) -> &Rejection {
        &self.rejection
    }
}

/// What members and waiting members judge alike. A waiting member that remembered a parent which the members
/// take for unused would reject the proposal that they accept.
pub(crate) fn is_well_formed(initial: &Initial, channel: &MemberSet) -> Result<(), Rejection> {
    if !initial.before.contains(&initial.author) || !initial.after.contains(&initial.author) {
        let author = initial.author.clone();
        return Err(Rejection::AuthorNotMember { author }); // A-23, T-9
    }
    if !initial.after.is_subset(channel) {
        let missing = initial.after.minus(channel);
        return Err(Rejection::NotAllPresent { missing }); // O-6
    }
    Ok(())
}

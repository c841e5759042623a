//! Which members have confirmed our history, and which hold another (O-10).

use std::collections::BTreeMap;

use concilium_core::{ChainHash, MemberId, MemberSet};
use serde::{Deserialize, Serialize};

use crate::Link;

/// How many members with a different history are recorded. Members that come and go could otherwise fill the
/// memory one by one. A further one is still reported by [`Comparison::Different`], and the warning stays
/// anyway.
pub const MAX_DIFFERENCES: usize = 1024;

/// What a member's confirmation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[must_use]
pub enum Comparison {
    /// The same history as ours up to the newest operation.
    Consistent,
    /// The same history as ours up to an earlier operation: the message was on its way when the newest ended,
    /// or its author has not spoken since. The newest remains to be confirmed.
    Older,
    /// About a packet that we have not accepted. If that packet may end the running operation, we judge when
    /// the operation ends; an honest channel does not cause this. If we are perhaps excluded, it proves
    /// nothing: the others may have gone on without us (T-10).
    Ahead,
    /// Another history than ours: permanent evidence, see [`Difference`].
    Different,
    /// From a member, or at a time, of which we expect none; it proves nothing.
    NotExpected,
}

/// Evidence that a member and we accepted different histories: the channel showed us different orders, or one
/// of us lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Difference {
    /// What the member authenticated.
    pub theirs: Link,
    /// The chain hash that we hold at the same packet; `None` if we never accepted it.
    pub ours: Option<ChainHash>,
}

/// What each member has confirmed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub(crate) struct Confirmations {
    /// The newest operation that each member has confirmed, by its number. A chain hash covers all that came
    /// before, so later confirmations stand for earlier ones.
    confirmed: BTreeMap<MemberId, u64>,
    /// Claims about packets that we have not accepted: at most one for each member.
    ahead: BTreeMap<MemberId, Link>,
    /// O-10: permanent; the first evidence about each member.
    differences: BTreeMap<MemberId, Difference>,
}

impl Confirmations {
    /// `member` holds the same history as we up to the operation `number`.
    pub(crate) fn agree(&mut self, member: &MemberId, number: u64) {
        let confirmed = self.confirmed.entry(member.clone()).or_default();
        *confirmed = number.max(*confirmed);
    }

    /// `member` holds another history.
    pub(crate) fn differ(&mut self, member: &MemberId, difference: Difference) {
        if self.differences.len() < MAX_DIFFERENCES || self.differences.contains_key(member) {
            self.differences.entry(member.clone()).or_insert(difference);
        }
    }

    /// `member` claims a packet that we have not accepted. False if it has claimed another such packet
    /// already: at most one ends the running operation.
    pub(crate) fn hold(&mut self, member: &MemberId, claim: Link) -> bool {
        *self.ahead.entry(member.clone()).or_insert(claim) == claim
    }

    /// An operation has ended at `link`, and `members` are in now. Decides the claims that were held for it.
    pub(crate) fn advance(&mut self, members: &MemberSet, number: u64, link: Link) {
        for (member, claim) in std::mem::take(&mut self.ahead) {
            if claim == link {
                self.agree(&member, number);
            } else {
                let ours = (claim.packet == link.packet).then_some(link.chain);
                self.differ(&member, Difference { theirs: claim, ours });
            }
        }
        self.confirmed.retain(|member, _| members.contains(member));
    }

    /// Those of `members` that have not confirmed the operation `number`.
    pub(crate) fn missing<'a>(
        &self,
        members: &'a MemberSet,
        number: u64,
    ) -> impl Iterator<Item = &'a MemberId> {
        members.iter().filter(move |member| {
            self.confirmed
                .get(*member)
                .is_none_or(|confirmed| *confirmed < number)
        })
    }

    pub(crate) fn differences(&self) -> &BTreeMap<MemberId, Difference> {
        &self.differences
    }
}
